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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment, write_bytes, write_json, write_text
from retinaforge.nets.oracle import OracleNet
from retinaforge.tasks.oracle_data import (
    AT_ONCE,
    Eyes,
    enough_eyes,
    kept_through,
    known_eyes,
    load_eyes,
    round_field,
    split_eyes,
    to_batch,
)
from retinaforge.tasks.oracle_readers import READERS, read_closed
from retinaforge.tasks.oracle_train import OracleConfig, fit_oracle
from retinaforge.tasks.oracle_words import WORDS, Scale, readings_of

FORMAT = "retinaforge oracle 1"
WEIGHTS, ABOUT, HELD_OUT = "oracle.safetensors", "oracle.json", "heldout.jsonl"
ITSELF, REBUILT = "itself", "autoencoder"
"""Where a held-out eye is read: as it was drawn, or through the autoencoder."""

MOST_REBUILT = 1200
"""Training eyes that pass through the autoencoder: enough to know a decoder's trace."""

Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Oracle:
    """A network that reads facts.

    Attributes:
        network: in evaluation mode.
        scale: of its numbers.
        side_px: of the images that it reads.
        about: the content of oracle.json.
    """

    network: OracleNet
    scale: Scale
    side_px: int
    about: dict[str, Any]

    def read(self, pixels: np.ndarray, inside: np.ndarray | None = None) -> list[dict[str, Any]]:
        """Return what images say: {"network": {word: number}, "closed": {word: number}} each.

        Args:
            pixels: RGB, 0-255, shape (n, side, side, 3); another side is resampled.
            inside: True inside the field of view, of the same side; None: a circle that fills the
                square, as samples have it.
        """
        pixels, inside = at_side(pixels, inside, self.side_px)
        said = [each for start in range(0, len(pixels), AT_ONCE)
                for each in self._network(pixels[start : start + AT_ONCE])]  # fmt: skip
        return [{"network": each, "closed": read_closed(p, i)}
                for each, p, i in zip(said, pixels, inside, strict=True)]  # fmt: skip

    def _network(self, pixels: np.ndarray) -> list[dict[str, float]]:
        with torch.inference_mode():
            outputs = self.network(to_batch(pixels))
        return readings_of(outputs.numpy(), self.scale)


def at_side(
    pixels: np.ndarray, inside: np.ndarray | None, side_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and fields of view at a side, area-averaged or bilinear."""
    if pixels.shape[1] != side_px:
        images = torch.nn.functional.interpolate(
            to_batch(pixels), (side_px, side_px), mode="bilinear", antialias=True
        )
        pixels = ((images.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().astype(np.uint8)
    if inside is None or inside.shape[1] != side_px:
        inside = np.broadcast_to(round_field(side_px), pixels.shape[:3])
    return pixels, inside


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
    return json.loads(json.dumps(config.__dict__))


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


def save_oracle(oracle: Oracle, out: Path) -> None:
    """Write network and card; the card last, since it says that the folder is whole."""
    header = {"format": FORMAT, "about": json.dumps({
        "outputs": oracle.network.outputs, "widths": list(oracle.network.widths),
        "side_px": oracle.side_px, "means": oracle.scale.means, "spreads": oracle.scale.spreads,
        "words": [w.name for w in WORDS],
    })}  # fmt: skip
    tensors = {key: value.contiguous() for key, value in oracle.network.state_dict().items()}
    write_bytes(out / WEIGHTS, save(tensors, header))
    write_json(out / ABOUT, oracle.about)


def load_oracle(folder: Path) -> Oracle:
    """Return the oracle of a folder.

    Raises:
        Refusal: expected an oracle's folder, of this version's words.
    """
    from safetensors import safe_open

    folder = Path(folder)
    if not (folder / ABOUT).is_file() or not (folder / WEIGHTS).is_file():
        raise Refusal(
            f"an oracle's folder with {WEIGHTS} and {ABOUT}", f"none: {folder}",
            "train one with `retinaforge generate oracle RECORDS --out DIR`",
        )  # fmt: skip
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        header = file.metadata() or {}
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    meta = json.loads(header.get("about", "{}"))
    if header.get("format") != FORMAT or meta.get("words") != [w.name for w in WORDS]:
        raise Refusal(
            "an oracle of this version's words", f"another: {folder}", "train it again",
        )  # fmt: skip
    network = OracleNet(meta["outputs"], side_px=meta["side_px"], widths=tuple(meta["widths"]))
    network.load_state_dict(state)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return Oracle(network.eval(), Scale(meta["means"], meta["spreads"]), meta["side_px"], about)


def read_held_out(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of heldout.jsonl."""
    text = (Path(folder) / HELD_OUT).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def closed_words() -> Sequence[str]:
    """Return the words that a closed form reads."""
    return [reader.word for reader in READERS]
