"""Features of our own vessel network, from its safetensors file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.encoder import MapEncoder
from retinaforge.encoders.family import Family
from retinaforge.encoders.ledger import known_set
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.unet import VesselNet


class _Stages(nn.Module):
    """Give the vessel network the same door as the other convolutional networks."""

    def __init__(self, net: VesselNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        stages = self.net.features(images)
        return [stages[block] for block in blocks if block < len(stages)]


def load_segmenter(path: Path) -> MapEncoder:
    """Load a `VesselNet` from its file."""
    return from_checkpoint(read_checkpoint(path))


def from_checkpoint(checkpoint: Checkpoint) -> MapEncoder:
    """Build a `VesselNet`; blocks are its encoder's stages, 0 the finest.

    Raises:
        Refusal: if the file is no safetensors of this network.
    """
    weights = checkpoint.weights
    network = VesselNet(_widths(weights))
    report = load_keys(network, weights, ignore={})
    data = _training_data(checkpoint.said.get("metadata", {}))
    licence = _header(checkpoint.said.get("metadata", {})).get("licence")
    card = EncoderCard(
        name="segmenter",
        network=f"residual U-Net, widths {network.widths}",
        licence=str(licence or "as the model card beside the file says"),
        fingerprint_sha256=checkpoint.sha256,
        training_data="; ".join(data)
        or "not said by the file; taken to have seen what the one that ships has seen",
        domain="retina",
        preprocessing="local mean and contrast removed inside the network; no resizing",
        key_report=report.in_words(),
        reference="this package, retinaforge.nets.unet",
        training_sets=_sets(data),
    )
    blocks = tuple(range(len(network.widths)))
    return MapEncoder(
        card, _Stages(network), preprocess=nn.Identity(), blocks=blocks, input_px=None
    )


def _header(said: Mapping[str, str]) -> dict[str, Any]:
    """Return safetensors' header with its values read as JSON; text that is none stays text."""
    found: dict[str, Any] = {}
    for key, value in said.items():
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _training_data(said: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the file was trained on, such as "hrf (7 training images)", its forebear too."""
    header = _header(said)
    lines: list[str] = []
    for part in (header, header.get("begun_with")):
        told = part.get("training_data", ()) if isinstance(part, dict) else ()
        lines += [told] if isinstance(told, str) else map(str, told)
    return tuple(dict.fromkeys(lines))


def _sets(data: Sequence[str]) -> tuple[str, ...]:
    """Return the data sets in those lines by the ledger's names; drawn eyes are called so."""
    names = [line.partition(" (")[0] for line in data]
    return tuple(dict.fromkeys(known_set(n) or re.sub(r"^\d+ ", "", n) for n in names))


def _widths(weights: Mapping[str, Tensor]) -> tuple[int, ...]:
    stem = weights.get("stem.0.weight")
    if stem is None:
        raise Refusal(
            "stem.0.weight, the vessel network's first layer",
            f"keys such as {', '.join(sorted(weights)[:4])}",
            "name the .safetensors file that ships with retinaforge.vessels",
        )
    depth = len({key.split(".")[1] for key in weights if key.startswith("downs.")})
    return (len(stem), *(len(weights[f"downs.{level}.0.weight"]) for level in range(depth)))


SEGMENTER = Family(
    name="segmenter",
    about="our vessel network, a residual U-Net; its encoder's stages as features",
    licence="Apache-2.0 for the one that ships; of others as their model card says",
    modality="colour fundus",
    training_sets=("chase_db1", "hrf"),
    reference="this package, retinaforge.nets.unet",
    layout_source="this package, retinaforge.nets.unet",
    confirmed="it is our own network; the file that ships is weights/vessels-v3.safetensors",
    recognises=lambda checkpoint: (
        {"stem.0.weight", "downs.0.0.weight"} <= checkpoint.weights.keys()
    ),
    load=from_checkpoint,
)
