"""Write our networks as ONNX, so that they run where there is no PyTorch.

The file maps `images` in [-1, 1] and `fov` (0 or 1) to probabilities `maps`; batch, height and
width are free. It needs the optional extra `onnx`.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.anatomy.shelf import shipped
from retinaforge.core import Refusal, artefacts
from retinaforge.nets.unet import VesselNet
from retinaforge.vessels.artery_vein import ARTERY_VEIN_FORMAT, SHIPPED_ARTERY_VEIN
from retinaforge.vessels.network import FORMAT, read_network, shipped_weights

NEEDED = ("onnx", "onnxscript")
OPSET = 18
EXAMPLE_PX = 256
KINDS = ("vessels", "artery-vein")


class _Probabilities(nn.Module):
    def __init__(self, network: VesselNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        fov: Float[Tensor, "batch 1 height width"],
    ) -> Float[Tensor, "batch maps height width"]:
        return torch.sigmoid(self.network(images, fov))


def _require_onnx() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise Refusal(
            "the packages that write ONNX",
            f"an installation without {' and '.join(missing)}",
            "install them with `pip install 'retinaforge[onnx]'`",
        )


def _network(kind: str, weights: Path | None) -> tuple[VesselNet, dict[str, Any]]:
    if kind == "vessels":
        return read_network(weights or shipped_weights(), form=FORMAT)
    if kind == "artery-vein":
        return read_network(weights or shipped(SHIPPED_ARTERY_VEIN), form=ARTERY_VEIN_FORMAT)
    raise Refusal(
        f"a network that can be exported ({', '.join(KINDS)})", repr(kind), "name one of these"
    )


def export_onnx(kind: str, path: Path, *, weights: Path | None = None) -> dict[str, Any]:
    """Write one of our networks as ONNX.

    Args:
        kind: "vessels" or "artery-vein".
        path: ends in .onnx.
        weights: a file that we trained; the shipped one by default.

    Returns:
        The file's path, opset and size, and the weights' meta data.

    Raises:
        Refusal: expected one of these kinds; or the packages that write ONNX.
    """
    model, meta = _network(kind, weights)
    _require_onnx()
    side = EXAMPLE_PX
    example = torch.zeros(1, 3, side, side), torch.ones(1, 1, side, side)
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    program = torch.onnx.export(
        _Probabilities(model).eval(), example, dynamo=True, opset_version=OPSET, verbose=False,
        input_names=["images", "fov"], output_names=["maps"], dynamic_shapes=(free, free),
    )  # fmt: skip
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    artefacts.write_bytes(path, program.model_proto.SerializeToString())
    return {
        "path": str(path),
        "opset": OPSET,
        "bytes": path.stat().st_size,
        "meta": json.loads(json.dumps(meta)),
    }
