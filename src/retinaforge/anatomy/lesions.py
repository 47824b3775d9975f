"""The model `ours` of diabetic lesions: four kinds, a probability map each.

The field of view is looked at 1024 px wide, once as it is and once mirrored; the four maps need not
sum to one, as an exudate may lie within a haemorrhage.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Bool, Float

from retinaforge.anatomy.card import ModelCard
from retinaforge.anatomy.frame import enter, leave, working_frame
from retinaforge.anatomy.shelf import SHIPPED_LESIONS, shipped
from retinaforge.anatomy.weights import read_network, save_network
from retinaforge.core import Fov, Photograph, require_same_size
from retinaforge.nets.unet import VesselNet, folded

FORMAT = "retinaforge lesion network 1"
TRAIN = "retinaforge train segmenter lesions"

LesionType = Literal["microaneurysm", "haemorrhage", "hard_exudate", "soft_exudate"]
LESION_TYPES: tuple[LesionType, ...] = (
    "microaneurysm", "haemorrhage", "hard_exudate", "soft_exudate",
)  # fmt: skip


def empty_network(widths: tuple[int, ...]) -> VesselNet:
    """Return the lesion network with random weights: the vessel network with four outputs."""
    return VesselNet(widths, outputs=len(LESION_TYPES))


def save_lesion_network(model: VesselNet, path: Path, *, meta: Mapping[str, Any]) -> Path:
    """Write weights; `meta` needs levels, whole_px, training_data, licence."""
    header = {"widths": list(model.widths), **meta}
    return save_network(model, path, format=FORMAT, meta=header)


def read_lesion_network(path: Path) -> tuple[VesselNet, dict[str, Any]]:
    """Return a network written by `save_lesion_network`, in evaluation mode, and its meta data.

    Raises:
        Refusal: expected a lesion network as safetensors, whose keys fit.
    """

    def build(meta: dict[str, Any]) -> VesselNet:
        return empty_network(tuple(meta["widths"]))

    return read_network(path, format=FORMAT, train=TRAIN, build=build)


@final
class LesionModel:
    """Find microaneurysms, haemorrhages, hard and soft exudates.

    Args:
        path: weights written by `save_lesion_network`; the shipped ones by default.
    """

    def __init__(self, path: Path | None = None) -> None:
        network, meta = read_lesion_network(shipped(SHIPPED_LESIONS) if path is None else path)
        self._model = folded(network)
        self._whole_px = float(meta["whole_px"])
        self.levels: dict[LesionType, float] = {k: float(meta["levels"][k]) for k in LESION_TYPES}
        self.card = ModelCard(
            name="ours" if path is None else f"ours:{path.name}",
            version=2,
            measures="Microaneurysms, haemorrhages, hard and soft exudates as a residual U-Net "
            f"finds them in a field {self._whole_px:.0f} px wide.",
            training_data=tuple(meta["training_data"]),
            licence=str(meta["licence"]),
            reference="retinaforge.tasks.lesion_train; O. Ronneberger et al., MICCAI 2015",
            known_failure="Learnt from one camera and drawn eyes: drusen, laser scars and reflexes "
            "may read as exudates, dust and vessel crossings as microaneurysms.",
        )

    def maps(self, photo: Photograph, fov: Fov) -> dict[LesionType, Float[np.ndarray, "h w"]]:
        """Return each kind's probability at the photograph's own size, 0 outside the field.

        Raises:
            Refusal: expected a field of view of the photograph's size.
        """
        require_same_size(photo, fov)
        frame = working_frame(fov, diameter_px=self._whole_px)
        images, inside = enter(photo, fov, frame)
        with torch.inference_mode():
            p = torch.sigmoid(self._model(images, inside))
            p = (p + torch.sigmoid(self._model(images.flip(3), inside.flip(3))).flip(3)) / 2
        return {k: leave(p[0, i].numpy(), fov, frame) for i, k in enumerate(LESION_TYPES)}

    def masks(self, photo: Photograph, fov: Fov) -> dict[LesionType, Bool[np.ndarray, "h w"]]:
        """Return True where each kind's probability reaches its level."""
        return {kind: p >= self.levels[kind] for kind, p in self.maps(photo, fov).items()}
