"""What a file seems to be, told from its arrays' names, where it is not what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from retinaforge.core import Refusal
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.family import Family

SEEMS = "which seems to be"


class Guess(NamedTuple):
    """What a file seems to be, in words, and what to do with it."""

    words: str
    remedy: str


class Other(NamedTuple):
    """A kind of weights that is no encoder of ours, and how it is told."""

    words: str
    remedy: str
    told: Callable[[Checkpoint], bool]


def _any(*parts: str) -> Callable[[Checkpoint], bool]:
    return lambda found: any(part in key for key in found.weights for part in parts)


def _all(*keys: str) -> Callable[[Checkpoint], bool]:
    return lambda found: all(any(key.startswith(k) for key in found.weights) for k in keys)


NOT_ENCODERS: tuple[Other, ...] = (
    Other(
        "a LoRA adapter, the difference to a network that lies elsewhere",
        "merge it into its base model (peft: merge_and_unload) and save that state dict",
        _any("lora_A.", "lora_B.", "lora_down.", "lora_up.", ".lora_a", ".lora_b"),
    ),
    Other(
        "an optimiser's state, which holds no network",
        "name the checkpoint that was saved beside it",
        lambda found: not found.weights and "state" in found.said.get("also", ()),
    ),
    Other(
        "a whole Stable Diffusion checkpoint",
        "it is a generator, not an encoder; `retinaforge reconstruct` takes its autoencoder",
        _all("model.diffusion_model."),
    ),
    Other(
        "a diffusion UNet of diffusers",
        "it is a generator, not an encoder: name a network that was trained to see",
        _all("conv_in.", "time_embedding.", "down_blocks."),
    ),
    Other(
        "an image autoencoder of diffusers",
        "`retinaforge reconstruct` and `retinaforge ceiling` take it; name another file here",
        _all("encoder.down_blocks.", "decoder.up_blocks."),
    ),
    Other(
        "an image autoencoder of taming-transformers or latent diffusion",
        "`retinaforge reconstruct` and `retinaforge ceiling` take it; name another file here",
        _all("encoder.down.", "decoder.up."),
    ),
    Other(
        "LPIPS's linear heads, without their network",
        "name the network and these after it, e.g. vgg16:FILE,heads=HEADS",
        _all("lin0.model."),
    ),
    Other(
        "SAM with its mask decoder",
        "name a family that reads SAM's image encoder, if it is listed",
        _all("image_encoder.", "mask_decoder."),
    ),
    Other(
        "a text model alone",
        "name the file that holds the image tower",
        lambda found: (
            _any("word_embeddings.", "token_embedding.")(found)
            and not _any("visual", "vision", "patch", "conv1")(found)
        ),
    ),
    Other(
        "a segmenter or detector with its decoder",
        "save its backbone's state dict alone",
        _any("decode_head.", "segmentation_head.", "rpn_head.", "roi_heads."),
    ),
)
HEADS = ("head.weight", "fc.weight", "classifier.weight", "heads.head.weight")


def recognise(checkpoint: Checkpoint, families: Sequence[Family]) -> list[Guess]:
    """Return what a file seems to be, surest first; empty where nothing is told.

    Args:
        checkpoint: as read.
        families: of the catalogue.
    """
    return [*_of_this_package(checkpoint), *_of_families(checkpoint, families),
            *_of_others(checkpoint)]  # fmt: skip


def _of_this_package(checkpoint: Checkpoint) -> Iterator[Guess]:
    metadata = checkpoint.said.get("metadata", {})
    form = metadata.get("format", "")
    if form.startswith("retinaforge"):
        yield Guess(f"a file of this package ({form})", "use it with the command that made it")


def _of_families(checkpoint: Checkpoint, families: Sequence[Family]) -> Iterator[Guess]:
    tuned = _classes(checkpoint)
    for family in families:
        if family.recognises(checkpoint):
            words = f"{family.name} ({family.about}{tuned})"
            yield Guess(words, f"load it as {family.name}:{checkpoint.path.name}")


def _classes(checkpoint: Checkpoint) -> str:
    """Return the words for a classifier in the file, which a fine-tuned one has."""
    for key in HEADS:
        head = checkpoint.weights.get(key)
        if head is not None and head.ndim == 2:
            return f"; with a classifier of {len(head)} classes"
    return ""


def _of_others(checkpoint: Checkpoint) -> Iterator[Guess]:
    for other in NOT_ENCODERS:
        if other.told(checkpoint):
            yield Guess(other.words, other.remedy)


def contents(checkpoint: Checkpoint) -> str:
    """Return in words what arrays a file holds: how many, and under which first words."""
    groups = Counter(key.partition(".")[0] for key in checkpoint.weights)
    named = ", ".join(f"{name} ({count})" for name, count in groups.most_common(5))
    lay = f', under "{checkpoint.wrapper}"' if checkpoint.wrapper else ""
    taken = f', "{checkpoint.prefix}" taken off' if checkpoint.prefix else ""
    count = len(checkpoint.weights)
    return f"{count} array{'s' * (count != 1)}{lay}{taken}: {named or 'none'}"


def with_guess(
    refusal: Refusal, checkpoint: Checkpoint, families: Sequence[Family], asked: str
) -> Refusal:
    """Return a loader's refusal with what the file seems to be instead, where that is told."""
    if SEEMS in refusal.came:
        return refusal
    guesses = recognise(checkpoint, [family for family in families if family.name != asked])
    if not guesses:
        return refusal
    words = " or ".join(guess.words for guess in guesses)
    came = f"{checkpoint.path}, {SEEMS} {words} ({refusal.came})"
    return Refusal(refusal.expected, came, "; or ".join(guess.remedy for guess in guesses))


def require_one(checkpoint: Checkpoint, families: Sequence[Family]) -> Family:
    """Return the one family that a file belongs to.

    Raises:
        Refusal: with what the file seems to be, where no family or more than one takes it.
    """
    found = [family for family in families if family.recognises(checkpoint)]
    if len(found) == 1:
        return found[0]
    if found:
        ways = ", ".join(f"{family.name}:{checkpoint.path.name}" for family in found)
        raise Refusal(
            "a file that one family alone recognises",
            f"{checkpoint.path}, which looks like {' and like '.join(f.name for f in found)}",
            f"say which: {ways}",
        )
    guesses = recognise(checkpoint, ())
    seems = f", {SEEMS} {guesses[0].words}" if guesses else ""
    remedy = guesses[0].remedy if guesses else (
        "name the family before the file, FAMILY:FILE, or save the encoder's state dict alone"
    )  # fmt: skip
    raise Refusal(
        f"weights of {', '.join(family.name for family in families)}",
        f"{checkpoint.path}{seems}; it holds {contents(checkpoint)}",
        remedy,
    )
