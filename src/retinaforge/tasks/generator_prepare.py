"""From a recipe's words to what a generator's training takes: pairs, texts, latents, classes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.core import Refusal, rng_for
from retinaforge.core.artefacts import sha256_of
from retinaforge.generators.classes import ClassVocabulary, learn_vocabulary
from retinaforge.generators.maps import MapPlan
from retinaforge.generators.text_encoder import TextEncoder, load_text_encoder
from retinaforge.generators.text_source import find_text_source
from retinaforge.generators.text_train import REPORT, TextTraining, train_text_encoder
from retinaforge.tasks.contrast_facts import row_of, said_of, sizes
from retinaforge.tasks.generator_draw import GeneratorData
from retinaforge.tasks.generator_recipe import Recipe
from retinaforge.tasks.latents import LatentSet, encode_pairs
from retinaforge.tasks.mask_files import MaskFinder, masks_hash, require_found
from retinaforge.tasks.masks import MaskSet, encode_masks
from retinaforge.tasks.pairs import Pair, read_good_pairs
from retinaforge.tasks.pairs_checks import with_words
from retinaforge.tasks.text_cache import cache_texts

HELD_OUT = 256
"""Rows of the validation split on which a finished training is measured."""
POLL_S = 0.5

OnCount = Callable[[str, int, int], None]
"""Told (what is done, how many, of how many)."""


@dataclass(frozen=True)
class Inputs:
    """What every step of a recipe reads, found but not yet read through.

    Attributes:
        recipe: what is done.
        pairs: of the training split.
        held_out: of the validation split, at most HELD_OUT; may be empty.
        autoencoder: file or folder.
        cache: where caches lie.
        hashes: of each input, by name.
        split_stated: False where no pair states a split and all are learnt from.
        masks: finds the masks that the recipe gives; None where it gives none.
        left_out: (name, reason) of rows that are none, and of captions without words.
    """

    recipe: Recipe
    pairs: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    autoencoder: Path
    cache: Path
    hashes: dict[str, str]
    split_stated: bool
    masks: MaskFinder | None = None
    left_out: tuple[tuple[str, str], ...] = ()


def find_inputs(
    recipe: Recipe, cache: Path, *, pairs: Path | None = None, autoencoder: Path | None = None
) -> Inputs:
    """Return what a recipe reads.

    Only rows of the training split are learnt from; the test split is never read. Captions without
    words are left out: they are the words of "no condition".

    Args:
        recipe: what is done.
        cache: where caches lie.
        pairs, autoencoder: in place of the recipe's.

    Raises:
        Refusal: if a folder is not named or not there, there is no training row, or none has a
            mask that the recipe gives.
    """
    folder = _named(pairs or recipe.data.pairs, "pairs", "a folder of captioned images")
    model = _named(autoencoder or recipe.autoencoder.folder, "autoencoder", "an autoencoder")
    found, bad = read_good_pairs(folder)
    stated = any(pair.split for pair in found)
    train, wordless = with_words(p for p in found if p.split == "train" or not stated)
    if not train:
        names = ", ".join(sorted({pair.split or "none" for pair in found})) or "nothing"
        raise Refusal(
            "pairs of the split train with captions",
            f"none of {len(found)} in {folder}, of the splits {names}",
            'write "split": "train" into the rows that are to be learnt from',
        )
    held, silent = with_words(pair for pair in found if pair.split == "val")
    held_out, left_out = _some(held, recipe.seed), (*bad, *wordless, *silent)
    hashes = {"pairs": pairs_hash(train), "autoencoder": file_hash(model)}
    masks = MaskFinder(recipe.data.maps, folder) if recipe.data.maps else None
    if masks is not None:
        require_found(masks, train)
        hashes["masks"] = masks_hash(masks, train)
    return Inputs(recipe, tuple(train), held_out, model, cache, hashes, stated, masks, left_out)


def open_text_encoder(inputs: Inputs, *, on_count: OnCount | None = None) -> TextEncoder:
    """Return the text encoder, trained on the captions where the recipe names none.

    Returns:
        The encoder, on the GPU where there is one.
    """
    table = inputs.recipe.text
    spec: str | Path = table.encoder
    if table.encoder == "own":
        spec = inputs.cache / f"text-encoder-{text_key(inputs)[:16]}"
        _own_text_encoder(inputs, Path(spec), on_count)
    encoder = load_text_encoder(
        spec,
        hidden_index=table.hidden_index,
        max_tokens=table.max_tokens,
        precision=table.precision,
        prefix=table.prefix,
        lower_case=table.lower_case,
    )
    return encoder.to("cuda" if torch.cuda.is_available() else "cpu")


def _own_text_encoder(inputs: Inputs, folder: Path, on_count: OnCount | None) -> None:
    """Train our own text encoder in the main process; the others wait for it."""
    table = inputs.recipe.text.own
    if not is_main():
        wait_for(folder / REPORT)
        return
    captions = [captions_of(pair) for pair in inputs.pairs]
    said = [[row_of(said_of(text)).tolist() for text in row] for row in captions]
    train_text_encoder(
        captions,
        folder,
        steps=table.steps,
        seed=inputs.recipe.seed,
        training=TextTraining(**table.model_dump(exclude={"steps"})),
        fact_sizes=sizes() if table.facts else (),
        said=said if table.facts else (),
        on_progress=lambda step, _: _tell(on_count, "text encoder", step, table.steps),
    )


def text_key(inputs: Inputs) -> str:
    """Return what the text encoder is known by, before it is trained or loaded."""
    table = inputs.recipe.text
    said = table.model_dump(mode="json")
    if table.encoder == "own":
        captions = [captions_of(pair) for pair in inputs.pairs]
        said |= {"captions": _digest(captions), "seed": inputs.recipe.seed}
    else:
        said = {k: v for k, v in said.items() if k != "own"}
        said["encoder"] = find_text_source(table.encoder).sha256
    return _digest(said)


def vocabulary_of(inputs: Inputs) -> ClassVocabulary:
    """Return the classes that the recipe gives beside the words."""
    names = inputs.recipe.data.classes
    return learn_vocabulary(names, (facts_of(pair) for pair in inputs.pairs))


def prepare_data(
    inputs: Inputs,
    pairs: Sequence[Pair],
    encoder: TextEncoder,
    vocabulary: ClassVocabulary,
    *,
    size_px: int,
    scaling: tuple[float, float] | None = None,
    on_count: OnCount | None = None,
) -> GeneratorData:
    """Return latents, hidden states, classes and masks, from the caches where they are there.

    Args:
        inputs: of the recipe.
        pairs: what is learnt from; pairs whose image cannot be read are left out, and named in
            `latents.left_out`.
        encoder: of the captions.
        vocabulary: of the classes.
        size_px: side of the images.
        scaling: scale and shift of an earlier step, whose weights expect them.
        on_count: told about progress.

    Raises:
        Refusal: if no image can be read.
    """
    recipe = inputs.recipe
    latents = encode_pairs(
        pairs,
        inputs.autoencoder,
        inputs.cache,
        size_px=size_px,
        spread=recipe.autoencoder.sampled,
        frame=recipe.data.frame,
        precision=recipe.autoencoder.precision,
        on_progress=lambda done, count: _tell(on_count, f"latents {size_px} px", done, count),
    )
    if scaling is not None:
        latents = latents.scaled(*scaling)
    kept = [pairs[place] for place in latents.kept]
    said = [captions_of(pair) for pair in kept]
    texts = cache_texts(
        [text for row in said for text in row],
        encoder,
        inputs.cache,
        on_progress=lambda done, count: _tell(on_count, "captions", done, count),
    )
    ends = np.cumsum([len(row) for row in said])
    captions = tuple(tuple(range(end - len(row), end)) for row, end in zip(said, ends, strict=True))
    classes = vocabulary.encode([facts_of(pair) for pair in kept])
    given = None if classes is None else classes.numpy()
    maps = _masks(inputs, kept, latents, size_px, on_count)
    return GeneratorData(latents, texts, captions, given, maps)


def _masks(
    inputs: Inputs,
    pairs: Sequence[Pair],
    latents: LatentSet,
    size_px: int,
    on_count: OnCount | None,
) -> MaskSet | None:
    """Return the masks of pairs, where the recipe gives any."""
    table = inputs.recipe.data
    if inputs.masks is None:
        return None
    return encode_masks(
        pairs,
        inputs.masks,
        inputs.cache,
        MapPlan(table.maps, size_px // latents.shape[1], table.map_keeping),
        size_px=size_px,
        frame=table.frame,
        on_progress=lambda done, count: _tell(on_count, f"masks {size_px} px", done, count),
    )


def captions_of(pair: Pair) -> tuple[str, ...]:
    """Return a pair's captions, each once, the first one first."""
    return tuple(dict.fromkeys([pair.text, *pair.texts]))


def facts_of(pair: Pair) -> dict[str, Any]:
    """Return a pair's facts as plain values by name."""
    return {name: fact.value for name, fact in pair.record.facts.items()}


def pairs_hash(pairs: Sequence[Pair]) -> str:
    """Return a hash of names, captions and facts, and of each image's size on the disk."""
    rows = [[p.name, _size(p.path), captions_of(p), facts_of(p)] for p in pairs]
    return _digest(rows)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, or over config and weights of a model's folder."""
    if path.is_file():
        return sha256_of(path)
    wanted = [p for p in sorted(path.iterdir()) if p.suffix in (".json", ".safetensors", ".bin")]
    return _digest([[p.name, sha256_of(p)] for p in wanted])


def is_main() -> bool:
    """Return whether this process writes the files; torchrun's variables are read."""
    return os.environ.get("RANK", "0") == "0"


def wait_for(path: Path) -> None:
    """Return once the main process has written a file; torchrun ends us if it fails."""
    while not path.exists():
        time.sleep(POLL_S)


def _some(pairs: Sequence[Pair], seed: int) -> tuple[Pair, ...]:
    if len(pairs) <= HELD_OUT:
        return tuple(pairs)
    picked = rng_for(seed, "held out").choice(len(pairs), HELD_OUT, replace=False)
    return tuple(pairs[int(place)] for place in sorted(picked))


def _named(path: Path | str, option: str, what: str) -> Path:
    if not str(path):
        raise Refusal(what, "none named", f"give --{option} or name it in the recipe")
    if not Path(path).exists():
        raise Refusal(what, f"nothing at {path}", f"check --{option}")
    return Path(path)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _tell(on_count: OnCount | None, what: str, done: int, count: int) -> None:
    if on_count:
        on_count(what, done, count)


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()
