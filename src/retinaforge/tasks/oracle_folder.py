"""The oracle as it reads, and as files: weights with their scale, and a card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_bytes, write_json
from retinaforge.nets.oracle import OracleNet
from retinaforge.tasks.oracle_data import AT_ONCE, round_field, to_batch
from retinaforge.tasks.oracle_readers import read_closed
from retinaforge.tasks.oracle_words import WORDS, Scale, readings_of

FORMAT = "retinaforge oracle 1"

WEIGHTS, ABOUT, HELD_OUT = "oracle.safetensors", "oracle.json", "heldout.jsonl"


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
