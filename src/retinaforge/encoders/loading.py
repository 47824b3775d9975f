"""From a spec to a frozen encoder: which family, which options, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint, require_arrays
from retinaforge.encoders.convolutional import attach_heads
from retinaforge.encoders.encoder import Encoder, MapEncoder, TokenEncoder
from retinaforge.encoders.family import Family
from retinaforge.encoders.spec import Spec, parse, require_known, whole_number
from retinaforge.encoders.transformer import RANDOM_SHAPES, random_vit

RANDOM = tuple(f"random-vit-{size}" for size in RANDOM_SHAPES)
Shipped = Sequence[tuple[str, str, str]]


def load_spec(text: str, families: Sequence[Family], shipped: Shipped) -> Encoder:
    """Return the encoder that a spec names; see `retinaforge.encoders.load`."""
    spec = parse(text)
    found = _random(spec) or _shipped(spec, families, shipped)
    encoder = found or _from_file(spec, families, shipped)
    return configured(encoder, spec.options)


def _random(spec: Spec) -> Encoder | None:
    base, _, seed = spec.text.partition("@")
    if base not in RANDOM or not (seed or "0").isdigit():
        return None
    require_known(spec.options, (), base)
    return random_vit(base.removeprefix("random-vit-"), int(seed or 0))


def _shipped(spec: Spec, families: Sequence[Family], shipped: Shipped) -> Encoder | None:
    for name, family, file in shipped:
        if spec.text == name:
            path = Path(str(resources.files("retinaforge") / "weights" / file))
            return from_family(_by_name(families)[family], str(path), spec.options)
    return None


def _from_file(spec: Spec, families: Sequence[Family], shipped: Shipped) -> Encoder:
    by_name = _by_name(families)
    name, target = spec.parts(by_name)
    if name:
        return from_family(by_name[name], target, spec.options)
    path = Path(target).expanduser()
    if not target or not path.exists():
        names = [name for name, *_ in shipped] + [f"{name}:FILE" for name in by_name]
        names += [f"{name}[@SEED]" for name in RANDOM] + ["FILE"]
        raise Refusal(f"one of {', '.join(names)}", repr(str(spec)), "name the encoder so")
    checkpoint = require_arrays(read_checkpoint(path, spec.options))
    return _loaded(recognised(checkpoint, families), checkpoint)


def _by_name(families: Sequence[Family]) -> Mapping[str, Family]:
    return {family.name: family for family in families}


def from_family(family: Family, target: str, options: Mapping[str, str]) -> Encoder:
    """Load a file (or what else the family opens) as that family."""
    opened = family.opens(target, options) if family.opens else None
    if opened is not None:
        return opened
    return _loaded(family, require_arrays(read_checkpoint(Path(target).expanduser(), options)))


def _loaded(family: Family, checkpoint: Checkpoint) -> Encoder:
    require_known(checkpoint.options, family.options, family.name)
    encoder = family.load(checkpoint)
    encoder.card = completed(encoder, family)
    return encoder


def completed(encoder: Encoder, family: Family):
    """Return the card with what the family knows wherever the loader left a field empty."""
    card = encoder.card
    return replace(
        card,
        family=family.name,
        modality=family.modality if card.modality == "natural" else card.modality,
        input_px=card.input_px or encoder.input_px,
        training_sets=card.training_sets or family.training_sets,
        certainty=card.certainty or family.confirmed,
    )


def recognised(checkpoint: Checkpoint, families: Sequence[Family]) -> Family:
    """Return the one family that a file belongs to.

    Raises:
        Refusal: with what the file seems to be, where no family or more than one takes it.
    """
    found = [family for family in families if family.recognises(checkpoint)]
    if len(found) == 1:
        return found[0]
    if found:
        ways = ", ".join(f"{family.name}:{checkpoint.path}" for family in found)
        raise Refusal(
            "a file that one family alone recognises",
            f"{checkpoint.path}, which looks like {' and like '.join(f.name for f in found)}",
            f"say which: {ways}",
        )
    raise Refusal(
        f"weights of {', '.join(family.name for family in families)}",
        f"{checkpoint.path} with keys such as {', '.join(sorted(checkpoint.weights)[:4])}",
        "name the family before the file, FAMILY:FILE",
    )


def configured(encoder: Encoder, options: dict[str, str]) -> Encoder:
    """Apply the options that every encoder has."""
    if heads := options.get("heads"):
        if not isinstance(encoder, MapEncoder):
            raise Refusal(
                "heads for a convolutional network", encoder.card.name, "leave heads= out"
            )
        encoder = attach_heads(encoder, Path(heads).expanduser())
    if px := whole_number(options, "px"):
        encoder.input_px = px
        encoder.card = replace(encoder.card, input_px=px)
    return encoder


__all__ = ["TokenEncoder", "configured", "from_family", "load_spec", "recognised"]
