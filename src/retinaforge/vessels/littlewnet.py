"""The judge `lwnet:FILE`: Little W-Net's published weights, which the user has on disk."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.anatomy.frame import enter, leave, square_frame
from retinaforge.anatomy.shelf import WeightsRefused
from retinaforge.anatomy.weights import load_strictly
from retinaforge.core import Fov, Photograph, require_same_size
from retinaforge.nets.lwnet import LittleWNet
from retinaforge.vessels.judge import Judge, JudgeCard

SIDE_PX = 512
THRESHOLD = 0.4196
"""Published with the weights' measurement in ../shared/data/weights/SOURCE.md."""

CARD = JudgeCard(
    name="lwnet",
    version=1,
    family="network",
    measures="Vessels as Little W-Net finds them at 512 px, mean of four mirrorings.",
    training_data=("DRIVE (training)",),
    licence="MIT",
    reference="A. Galdran et al., Sci. Rep. 12, 2022",
    known_failure="Has seen DRIVE's training images; misses thin vessels of large photographs, "
    "which it sees at 512 px.",
)


def little_state(path: Path) -> dict[str, Tensor]:
    """Return the weights of a published checkpoint.

    Raises:
        WeightsRefused: expected a checkpoint of plain tensors with the key model_state_dict.
    """
    remedy = "name lwnet's wnet_drive/model_checkpoint.pth, as in lwnet:PATH"
    if not path.is_file():
        raise WeightsRefused("Little W-Net's checkpoint file", f"no file at {path}", remedy)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsRefused(
            "a PyTorch checkpoint of plain tensors", f"{path} ({first})", remedy
        ) from error
    if not isinstance(content, dict) or "model_state_dict" not in content:
        raise WeightsRefused(
            "a checkpoint with the key model_state_dict", f"{path} without it", remedy
        )
    return content["model_state_dict"]


@final
class LittleWNetJudge(Judge):
    """Little W-Net at 512 px on the field of view's bounding box.

    Args:
        path: the published model_checkpoint.pth.
    """

    def __init__(self, path: Path) -> None:
        self.card, self.threshold = CARD, THRESHOLD
        model = LittleWNet()
        load_strictly(model, little_state(path), source=str(path))
        self._model = model.eval()

    @torch.inference_mode()
    def probability(self, photo: Photograph, fov: Fov) -> Float[np.ndarray, "height width"]:
        """Return the mean probability of the image and its three mirrorings."""
        require_same_size(photo, fov)
        frame = square_frame(fov, side_px=SIDE_PX)
        images, _ = enter(photo, fov, frame)
        x = (images + 1) / 2
        total = torch.zeros(SIDE_PX, SIDE_PX)
        for mirror in ((), (2,), (3,), (2, 3)):
            total += torch.sigmoid(self._model(x.flip(mirror)).flip(mirror))[0, 0]
        return leave((total / 4).numpy(), fov, frame)
