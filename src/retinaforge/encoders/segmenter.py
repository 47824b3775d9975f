"""Features of our own vessel network, from its safetensors file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import MapEncoder
from retinaforge.encoders.weights import load_keys, read_weights
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
    """Load a `VesselNet`; blocks are its encoder's stages, 0 the finest.

    Raises:
        Refusal: if the file is no safetensors of this network.
    """
    weights = read_weights(path)
    network = VesselNet(_widths(weights))
    report = load_keys(network, weights, ignore={})
    said = _metadata(path)
    card = EncoderCard(
        name="segmenter",
        network=f"residual U-Net, widths {network.widths}",
        licence=said.get("licence", "as the model card beside the file says"),
        fingerprint_sha256=sha256_of(path),
        training_data=said.get("training_data", "as the model card beside the file says"),
        domain="retina",
        preprocessing="local mean and contrast removed inside the network; no resizing",
        key_report=report.in_words(),
        reference="this package, retinaforge.nets.unet",
    )
    blocks = tuple(range(len(network.widths)))
    return MapEncoder(
        card, _Stages(network), preprocess=nn.Identity(), blocks=blocks, input_px=None
    )


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


def _metadata(path: Path) -> dict[str, str]:
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}
