"""A small encoder as `retinaforge pretrain` writes it, for the contract test of the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file

from retinaforge.encoders.fundus import FORMAT
from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.nets.vit import VitShape, initialise

SIZES = {"width": 64, "depth": 4, "heads": 1, "patch_px": 8, "input_px": 32}
HEADER = {
    "format": FORMAT,
    "name": "fundus-mae-test",
    "licence": "Apache-2.0; trained on photographs under CC BY 4.0",
    "training_data": json.dumps(["chase_db1 (3 training images)", "20 phantoms"]),
    "training_sets": json.dumps(["chase_db1"]),
    "method": "masked autoencoding inside the field of view",
    "pooling": "normed mean",
    "metadata_kinds": "[]",
    "shape": json.dumps(SIZES),
}


def ours(folder: Path, kinds: tuple[str, ...] = (), **changed: str) -> Path:
    """Write an encoder of random weights; `changed` goes over the header."""
    network = initialise(FundusVit(VitShape(**SIZES), kinds), 0)
    weights = {name: x.half() for name, x in network.state_dict().items()}
    path = folder / "encoder.safetensors"
    save_file(weights, path, HEADER | {"metadata_kinds": json.dumps(kinds)} | changed)
    return path
