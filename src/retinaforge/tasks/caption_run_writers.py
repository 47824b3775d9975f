"""From what a user names to the writer that is meant.

`template`: the grammar. A .toml file or an address (http://127.0.0.1:8000/v1): a model behind an
OpenAI-compatible endpoint. `hf:FOLDER`: a vision-language model of transformers, in this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retinaforge.captions.writer import Writer
from retinaforge.core import Refusal

HF, TEMPLATE = "hf:", "template"
PRICES = ("price_in", "price_out", "currency")


@dataclass(frozen=True)
class WriterWish:
    """What was asked for.

    Attributes:
        spec: "template", a .toml file, an address, "hf:FOLDER".
        settings: flags that were given, by the names of `EndpointConfig`, and price_in, price_out,
            currency; or `diagnosis` and `person` of the template.
        per_minute: requests a minute at most; 0 for no limit.
        rounds: how often a caption with findings is asked for again at most; 1 only marks.
        samples: drafts a caption, of which the one that most agree with is kept.
    """

    spec: str = TEMPLATE
    settings: Mapping[str, Any] = field(default_factory=dict)
    per_minute: float = 0.0
    rounds: int = 1
    samples: int = 1


@contextmanager
def opened_writer(wish: WriterWish) -> Iterator[tuple[Writer, dict[str, Any]]]:
    """Yield the writer, and what captions_run.json says of it.

    Raises:
        Refusal: "expected a writer: template, ...; got ...".
    """
    writer, about = _bare(wish)
    try:
        yield _wrapped(writer, wish), about | {"rounds": wish.rounds, "samples": wish.samples}
    finally:
        if close := getattr(writer, "close", None):
            close()


def _bare(wish: WriterWish) -> tuple[Any, dict[str, Any]]:
    if wish.spec == TEMPLATE:
        return _template(wish)
    if wish.spec.startswith(HF):
        return _local(wish)
    if wish.spec.endswith(".toml") or "://" in wish.spec:
        return _endpoint(wish)
    raise Refusal(
        "a writer: template, an endpoint's .toml file, its address, or hf:FOLDER",
        repr(wish.spec), "name one of them",
    )  # fmt: skip


def _template(wish: WriterWish) -> tuple[Any, dict[str, Any]]:
    from retinaforge.tasks.caption_writers import writer_named

    _only(wish, ("diagnosis", "person", "only", "places", "words"), "the template")
    return writer_named(TEMPLATE, **wish.settings), {"kind": TEMPLATE, **wish.settings}


def _endpoint(wish: WriterWish) -> tuple[Any, dict[str, Any]]:
    from retinaforge.captions.endpoint import EndpointWriter
    from retinaforge.captions.endpoint_config import EndpointConfig, config_from, read_config
    from retinaforge.captions.endpoint_pace import Pace

    given = _priced(wish.settings)
    _only(wish, (*EndpointConfig.__dataclass_fields__, *PRICES), "an endpoint")
    if wish.spec.endswith(".toml"):
        config = read_config(Path(wish.spec), **given)
    elif given.get("model"):
        config = config_from({"base_url": wish.spec, **given}, "the command line")
    else:
        raise Refusal("--model beside an address", "none", "name it as the server does")
    writer = EndpointWriter(config, Pace(wish.per_minute))
    return writer, writer.about()


def _local(wish: WriterWish) -> tuple[Any, dict[str, Any]]:
    from retinaforge.captions.writer_local import OPTIONS, LocalWriter

    _only(wish, OPTIONS, "a model in this process")
    writer = LocalWriter(Path(wish.spec.removeprefix(HF)), **wish.settings)
    return writer, writer.about()


def _wrapped(writer: Any, wish: WriterWish) -> Writer:
    asked = getattr(writer, "prompt", None)
    diagnosis = asked.diagnosis if asked else bool(wish.settings.get("diagnosis"))
    if wish.samples > 1:
        from retinaforge.captions.writer_consistent import SelfConsistentWriter

        writer = SelfConsistentWriter(writer, wish.samples)
    if wish.spec == TEMPLATE and wish.rounds == 1:
        return writer
    from retinaforge.captions.writer_checked import CheckedWriter
    from retinaforge.tasks.caption_run_check import check_for, label_of

    check, label = check_for(diagnosis=diagnosis), label_of(diagnosis=diagnosis)
    return CheckedWriter(writer, check, wish.rounds, label)


def _priced(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the prices in one table, where one was given."""
    given = {key: value for key, value in settings.items() if key not in PRICES}
    if any(key in settings for key in PRICES):
        names = {"price_in": "input", "price_out": "output", "currency": "currency"}
        given["price"] = {names[key]: settings[key] for key in PRICES if key in settings}
    return given


def _only(wish: WriterWish, known: tuple[str, ...], what: str) -> None:
    if odd := sorted(set(wish.settings) - set(known)):
        flags = ", ".join("--" + name.replace("_", "-") for name in odd)
        raise Refusal(f"flags that {what} knows", flags, "leave them out")
