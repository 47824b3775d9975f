"""The line of text that names an encoder: NAME or [FAMILY:]FILE, then options after commas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from retinaforge.core import Refusal

OPTION = re.compile(r",([a-z_]+)=([^,]*)$")
FOR_ALL = ("px", "modality", "precision", "chunk", "heads")


@dataclass(frozen=True)
class Spec:
    """A spec in its parts: "retfound:a.pth,px=256" has name "retfound" and target "a.pth".

    Attributes:
        text: without the options.
        options: by name.
    """

    text: str
    options: dict[str, str] = field(default_factory=dict)

    def parts(self, families: Iterable[str]) -> tuple[str, str]:
        """Return family and file; the family is "" where the text begins with no known one."""
        name, colon, file = self.text.partition(":")
        return (name, file) if colon and name in families else ("", self.text)

    def __str__(self) -> str:
        """Return the spec as one writes it."""
        return self.text + "".join(f",{name}={value}" for name, value in self.options.items())


def parse(text: str) -> Spec:
    """Cut the options off a spec, from its end; commas inside a file's name stay."""
    options: dict[str, str] = {}
    while found := OPTION.search(text):
        text, options = text[: found.start()], {found[1]: found[2], **options}
    return Spec(text, options)


def require_known(options: Iterable[str], own: Iterable[str], who: str) -> None:
    """Refuse an option that neither all encoders nor this family take."""
    known = (*FOR_ALL, *own)
    for name in options:
        if name not in known:
            raise Refusal(f"options of {', '.join(known)}", f"{name}= for {who}", "leave it out")


def whole_number(options: dict[str, str], name: str) -> int | None:
    """Return an option as a number of at least 1; None where it is not given."""
    text = options.get(name)
    if text is None:
        return None
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise Refusal(f"{name}= a whole number from 1", repr(text), f"write e.g. {name}=224")
