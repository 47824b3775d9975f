"""From a spec to a frozen encoder: which family, which options, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint, require_arrays
from retinaforge.encoders.convolutional import attach_heads
from retinaforge.encoders.encoder import Encoder, MapEncoder
from retinaforge.encoders.family import Family
from retinaforge.encoders.recognise import require_one, with_guess
from retinaforge.encoders.spec import Spec, parse, require_known, whole_number
from retinaforge.encoders.transformer import RANDOM_SHAPES, random_vit
from retinaforge.nets.tokens import TokenNetwork

MODALITY_OPTION = {"colour fundus": "cfp", "OCT": "oct"}
RANDOM = tuple(f"random-vit-{size}" for size in RANDOM_SHAPES)
SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".npz", ".h5", ".pkl", ".onnx")
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
            return from_family(_by_name(families)[family], str(path), spec.options, families)
    return None


def _from_file(spec: Spec, families: Sequence[Family], shipped: Shipped) -> Encoder:
    by_name = _by_name(families)
    name, target = spec.parts(by_name)
    if name:
        return from_family(by_name[name], target, spec.options, families)
    path = Path(target).expanduser()
    if path.suffix in SUFFIXES and not path.exists():
        raise Refusal("a weight file", f"{path}, which is no file", "check the path")
    if not target or not path.exists():
        names = [name for name, *_ in shipped] + [family.spec for family in families]
        names += [f"{name}[@SEED]" for name in RANDOM] + ["FILE"]
        raise Refusal(f"one of {', '.join(names)}", repr(str(spec)), "name the encoder so")
    checkpoint = read_checkpoint(path, spec.options)
    return loaded(require_one(checkpoint, families), checkpoint, families)


def _by_name(families: Sequence[Family]) -> Mapping[str, Family]:
    return {family.name: family for family in families}


def from_family(
    family: Family, target: str, options: Mapping[str, str], families: Sequence[Family]
) -> Encoder:
    """Load a file (or what else the family opens) as that family."""
    require_known(options, family.options, family.name)
    opened = family.opens(target, options) if family.opens else None
    if opened is not None:
        opened.card = completed(opened, family)
        return opened
    return loaded(family, read_checkpoint(Path(target).expanduser(), options), families)


def loaded(family: Family, checkpoint: Checkpoint, families: Sequence[Family]) -> Encoder:
    """Build a family's encoder, or refuse with what the file seems to be instead.

    Raises:
        Refusal: also for weights of another kind of images than the family's own, such as OCT,
            unless modality= asks for them.
    """
    require_known(checkpoint.options, family.options, family.name)
    try:
        encoder = family.load(require_arrays(checkpoint))
    except Refusal as refusal:
        raise with_guess(refusal, checkpoint, families, family.name) from refusal
    encoder.card = completed(encoder, family)
    if encoder.card.modality != family.modality and "modality" not in checkpoint.options:
        raise _other_modality(encoder, family, checkpoint)
    return encoder


def _other_modality(encoder: Encoder, family: Family, checkpoint: Checkpoint) -> Refusal:
    found = encoder.card.modality
    said = f"modality={MODALITY_OPTION.get(found, 'oct')}"
    return Refusal(
        f"weights of {family.modality} images",
        f"{checkpoint.path}: these are {found} weights ({encoder.card.training_data})",
        f"name the file of {family.modality} images, or, where you mean these, write "
        f"{family.name}:{checkpoint.path.name},{said}",
    )


def completed(encoder: Encoder, family: Family) -> EncoderCard:
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


def configured(encoder: Encoder, options: dict[str, str]) -> Encoder:
    """Apply the options that every encoder has."""
    if heads := options.get("heads"):
        if not isinstance(encoder, MapEncoder):
            raise Refusal(
                "heads for a convolutional network", encoder.card.name, "leave heads= out"
            )
        encoder = attach_heads(encoder, Path(heads).expanduser())
    if px := whole_number(options, "px"):
        encoder = at_side(encoder, px)
    if chunk := whole_number(options, "chunk"):
        encoder.chunk = chunk
    if precision := options.get("precision"):
        encoder.to_precision(precision)
    return encoder


def at_side(encoder: Encoder, px: int) -> Encoder:
    """Let an encoder work at another side; its card says what became of the positions.

    Raises:
        Refusal: for a side that is no multiple of a transformer's patch.
    """
    before, encoder.input_px = encoder.input_px, px
    report = encoder.card.key_report
    if isinstance(encoder.network, TokenNetwork):
        patch = encoder.network.patch_px
        if px % patch:
            raise Refusal(
                f"px= a multiple of {patch}, the patch of {encoder.card.name}",
                f"px={px}",
                f"write px={max(patch, round(px / patch) * patch)}",
            )
        if before and before != px and _has_positions(encoder.network):
            old, new = before // patch, px // patch
            report += f"; positions interpolated from {old} x {old} to {new} x {new}"
    encoder.card = replace(
        encoder.card,
        input_px=px,
        key_report=report,
        preprocessing=encoder.card.preprocessing.replace(*_side_in_words(before, px), 1),
    )
    return encoder


def _side_in_words(before: int | None, px: int) -> tuple[str, str]:
    if before is None:
        return "no resizing", f"antialiased bilinear resize to {px} px"
    return f"{before} px", f"{px} px"


def _has_positions(network: TokenNetwork) -> bool:
    """Return whether positions are arrays; rotary ones are computed for any grid."""
    return any("pos_embed" in name or "position" in name for name, _ in network.named_parameters())
