"""The oracle: a folder with a network that reads facts off images, and how well it reads them.

OUT/oracle.safetensors   the network, its scale in the header
OUT/oracle.json          who taught it, at which side, how long it took
OUT/heldout.jsonl        an eye a row: what is true and what is read, by the network and by
                         closed forms, as it is and through the autoencoder
OUT/ceiling.json         from that: how far any word can be measured at all (`validation`)
OUT/cache/               squares; may be deleted
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment, write_text
from retinaforge.tasks.oracle_data import (
    AT_ONCE,
    Eyes,
    enough_eyes,
    kept_through,
    known_eyes,
    load_eyes,
    split_eyes,
)
from retinaforge.tasks.oracle_folder import (
    ABOUT,
    FORMAT,
    HELD_OUT,
    Oracle,
    at_side,
    load_oracle,
    save_oracle,
)
from retinaforge.tasks.oracle_readers import READERS
from retinaforge.tasks.oracle_train import OracleConfig, fit_oracle
from retinaforge.tasks.oracle_words import WORDS

__all__ = [
    "ITSELF", "REBUILT", "Oracle", "at_side", "closed_words", "finite", "held_out_rows",
    "load_oracle", "read_held_out", "save_oracle", "train_oracle",
]  # fmt: skip

ITSELF, REBUILT = "itself", "autoencoder"
"""Where a held-out eye is read: as it was drawn, or through the autoencoder."""

MOST_REBUILT = 1200
"""Training eyes that pass through the autoencoder: enough to know a decoder's trace."""

Say = Callable[[str, int, int], None]


def train_oracle(
    source: Path, out: Path, *, side_px: int, autoencoder: Path | None = None,
    config: OracleConfig | None = None, most: int | None = None,
    on_progress: Say = lambda what, done, count: None,
) -> dict[str, Any]:  # fmt: skip
    """Train on the train split, read the held-out split, write the folder; finished work is kept.

    Args:
        source: a records file or a folder of pairs whose facts are true: phantoms.
        out: folder to write.
        side_px: side of the images that will be read.
        autoencoder: folder through which generated images pass, if they do.
        config: the recipe.
        most: eyes that are used of each split; None: all.
        on_progress: called with (what, done, of how many).

    Returns:
        The content of oracle.json.

    Raises:
        Refusal: expected eyes of a train split and others held out, at least eight of each; no
            autoencoder; or another oracle in `out`.
    """
    config = config or OracleConfig()
    asked = {"source": str(source), "side_px": side_px, "most": most, "config": _plain(config),
             "autoencoder": None if autoencoder is None else str(autoencoder)}  # fmt: skip
    if (done := _finished(out, asked)) is not None:
        return done
    if out.is_file():
        raise Refusal("a folder to write", f"a file: {out}", "choose another name")
    learnt, held = enough_eyes(split_eyes(known_eyes(source)), most)
    model = None if autoencoder is None else load_autoencoder(autoencoder).model.eval()
    parts = {
        name: load_eyes(rows, out / "cache" / name, side_px=side_px,
                        on_progress=lambda k, n, name=name: on_progress(f"{name} images", k, n))
        for name, rows in (("train", learnt), ("heldout", held))
    }  # fmt: skip
    rebuilt = _rebuilt(parts, out, model, on_progress)
    network, scale, took = fit_oracle(
        parts["train"], rebuilt=rebuilt.get("train"), config=config,
        on_step=lambda k, n, loss: on_progress("oracle learns", k, n),
    )  # fmt: skip
    about = {
        "format": FORMAT, "asked": asked, "side_px": side_px, "took": took,
        "held_out": len(parts["heldout"]), "words": [w.name for w in WORDS],
        "environment": environment(),
    }  # fmt: skip
    oracle = Oracle(network, scale, side_px, about)
    sides = {ITSELF: parts["heldout"].pixels}
    sides |= {REBUILT: rebuilt["heldout"]} if rebuilt else {}
    rows = held_out_rows(oracle, parts["heldout"], sides, on_progress)
    write_text(out / HELD_OUT, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
    save_oracle(oracle, out)
    return about


def _rebuilt(
    parts: dict[str, Eyes], out: Path, model: torch.nn.Module | None, on_progress: Say
) -> dict[str, np.ndarray]:
    if model is None:
        return {}
    return {
        name: kept_through(model, eyes, out / "cache" / f"{name}-rebuilt.npy",
                           lambda k, n: on_progress("through the autoencoder", k, n),
                           most=MOST_REBUILT if name == "train" else None)
        for name, eyes in parts.items()
    }  # fmt: skip


def _plain(config: OracleConfig) -> dict[str, Any]:
    plain = json.loads(json.dumps(config.__dict__))
    if config.precision == "auto":  # folders of before the field go on
        del plain["precision"]
    return plain


def _finished(out: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Return what an earlier call made of the same.

    Raises:
        Refusal: expected a folder for this oracle.
    """
    path = out / ABOUT
    if not path.is_file():
        return None
    about = json.loads(path.read_text(encoding="utf-8"))
    held = about.get("asked") or {}
    differ = [name for name in asked if held.get(name) != asked[name]]
    if differ:
        said = "; ".join(f"{name} {held.get(name)}, not {asked[name]}" for name in differ)
        raise Refusal(
            "a folder that is new or was begun for the same oracle",
            f"another oracle: {out} ({said})", "choose another folder",
        )  # fmt: skip
    return about


def held_out_rows(
    oracle: Oracle, eyes: Eyes, sides: Mapping[str, np.ndarray], on_progress: Say
) -> list[dict[str, Any]]:
    """Return what is true of eyes and what is read of them, a row an eye and way.

    Args:
        oracle: reads.
        eyes: with their facts.
        sides: images by way (`ITSELF`, `REBUILT`), in the order of `eyes`.
        on_progress: called with (what, done, of how many).
    """
    rows: list[dict[str, Any]] = []
    for number, (through, pixels) in enumerate(sides.items()):
        for start in range(0, len(eyes), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            said = oracle.read(np.array(pixels[part]), np.array(eyes.inside[part]))
            rows += _rows(eyes, part, said, through)
            done = number * len(eyes) + min(start + AT_ONCE, len(eyes))
            on_progress("reading what was held out", done, len(sides) * len(eyes))
    return rows


def _rows(eyes: Eyes, part: slice, said: list[dict[str, Any]], through: str) -> Iterator[dict]:
    places = range(*part.indices(len(eyes)))
    for place, reading in zip(places, said, strict=True):
        yield {
            "name": eyes.records[place].image, "patient": eyes.patients[place],
            "through": through, "truth": finite(eyes.truths[place]),
            **{kind: finite(values) for kind, values in reading.items()},
        }  # fmt: skip


def finite(values: dict[str, float]) -> dict[str, float | None]:
    """Return numbers for JSON: rounded; None for what is not finite."""
    return {k: round(float(v), 6) if math.isfinite(v) else None for k, v in values.items()}


def read_held_out(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of heldout.jsonl."""
    text = (Path(folder) / HELD_OUT).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def closed_words() -> Sequence[str]:
    """Return the words that a closed form reads."""
    return [reader.word for reader in READERS]
