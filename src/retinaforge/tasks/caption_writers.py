"""Who can write captions, by name; and the plain loop that lets one write for a list of eyes.

A writer of another file is named in `WRITERS`: "module:function", where the function takes settings
as keywords and returns a `captions.writer.Writer`. Modules are imported when their writer is asked
for, so that the grammar needs no client of a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from retinaforge.captions.focus import focus
from retinaforge.captions.template import write_caption_with_sources
from retinaforge.captions.writer import CaptionAnswer, CaptionRequest, Writer
from retinaforge.core import Refusal, seed_for
from retinaforge.tasks.pairs import Pair, pair_of
from retinaforge.tasks.records_file import Known

WRITERS: dict[str, str] = {"template": "retinaforge.tasks.caption_writers:TemplateWriter"}


def writer_named(name: str, **settings: Any) -> Writer:
    """Return the writer of a name.

    Raises:
        Refusal: "expected a writer: template, ...; got NAME; ...".
    """
    if name not in WRITERS:
        raise Refusal(f"a writer: {', '.join(WRITERS)}", name, "choose one of them")
    module, _, function = WRITERS[name].partition(":")
    return getattr(import_module(module), function)(**settings)


@dataclass(frozen=True)
class TemplateWriter:
    """The grammar of `captions.template` as a writer.

    Attributes:
        diagnosis: name diseases and grades too.
        person: name age, sex, ethnicity and camera too.
        words: fewest and most.
        only: facts to speak of; all where empty. With it each of them is said.
        places: say where lesions lie.
    """

    diagnosis: bool = False
    person: bool = False
    words: tuple[int, int] = (20, 210)
    only: tuple[str, ...] = ()
    places: bool = True
    name: str = "template"
    looks: bool = False
    leaves: str = ""
    threads: int = 1

    @property
    def version(self) -> str:
        """Return what a caption depends on besides record and seed."""
        said = f"template 1, diagnosis {self.diagnosis}, person {self.person}, words {self.words}"
        if self.only:
            return f"{said}, only {self.only}, places {self.places}"
        return said if self.places else f"{said}, places False"

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        """Return the caption that the request's seed draws."""
        caption = write_caption_with_sources(
            focus(request.record, self.only, places=self.places),
            rng=np.random.default_rng(request.seed),
            diagnosis=self.diagnosis,
            person=self.person,
            words=self.words,
            share=1.0 if self.only else None,
        )
        notes = (caption.note,) if caption.note else ()
        return CaptionAnswer(text=caption.text, model=self.name, seconds=0.0, notes=notes)


class Written(NamedTuple):
    """Captioned images, and those without a caption with the reason."""

    pairs: list[Pair]
    left_out: list[tuple[str, str]]


def write_captions(
    known: Iterable[Known],
    writer: Writer,
    *,
    seed: int = 0,
    count: int = 4,
    on_progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Let a writer that looks at no image write `count` captions an image.

    Caption k of an image depends on the seed, the image's name and k alone: neither the order nor
    the number of images changes it, and asking for more captions keeps the first ones.

    Args:
        known: eyes and their images.
        writer: writes here and now; one behind an address is driven by `tasks.caption_run`.
        seed: of the whole set.
        count: captions an image; fewer are kept where two come out alike.
        on_progress: called with (images done, images).
    """
    known, written = list(known), Written([], [])
    for done, each in enumerate(known, 1):
        requests = (
            CaptionRequest(each.record, seed=seed_for(seed, "caption", each.record.image, number))
            for number in range(count)
        )
        answers = [writer.write(request) for request in requests]
        texts = list(dict.fromkeys(answer.text for answer in answers if answer.text))
        if texts:
            written.pairs.append(pair_of(each.record, each.path, texts, writer=writer.name))
        else:
            written.left_out.append((each.record.image, answers[0].reason))
        if on_progress:
            on_progress(done, len(known))
    return written
