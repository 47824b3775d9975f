"""The model `automorph:FILE` of disc and cup: a Little W-Net of three classes at 512 px.

    p = softmax(U2([x, U1(x)])),   disc = p_1 + p_2,   cup = p_2        x: RGB in [0, 1]

The photograph is cut to the square about its field of view. It finds no fovea. AutoMorph itself
takes the mean of eight such networks.

References:
    Y. Zhou et al., Transl. Vis. Sci. Technol. 11(7), 12 (2022); github.com/rmaphoh/AutoMorph.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from retinaforge.anatomy.card import ModelCard
from retinaforge.anatomy.frame import enter, leave, square_frame
from retinaforge.anatomy.regions import half_axes, heaviest_region
from retinaforge.anatomy.shelf import WeightsRefused
from retinaforge.anatomy.weights import load_strictly
from retinaforge.core import Fov, Landmarks, Photograph, Refusal, require_same_size
from retinaforge.encoders.weights import read_weights
from retinaforge.nets.lwnet import LittleWNet

SIDE_PX, CLASSES, LEVEL, SMALLEST_PX = 512, 3, 0.5, 20
Map = Float[np.ndarray, "height width"]


def read_disc_cup(path: Path) -> LittleWNet:
    """Return AutoMorph's network of disc and cup.

    Raises:
        WeightsRefused: if the file is absent or holds anything but that network's arrays.
    """
    try:
        state = read_weights(path)
    except Refusal as error:
        remedy = "name M2_lwnet_disc_cup's model_checkpoint.pth, as in automorph:PATH"
        raise WeightsRefused(error.expected, error.came, remedy) from error
    model = LittleWNet(CLASSES)
    load_strictly(model, state, source=str(path))
    return model.eval()


@final
class AutomorphDiscCup:
    """Find disc and cup with AutoMorph's network.

    Args:
        path: a published model_checkpoint.pth.
    """

    def __init__(self, path: Path) -> None:
        self._model = read_disc_cup(path)
        self.card = ModelCard(
            name=f"automorph:{path.parent.name}",
            version=1,
            measures=f"Disc and cup as ellipses, by one of AutoMorph's networks at {SIDE_PX} px.",
            training_data=("REFUGE, GAMMA",),
            licence="as the file's publisher says (AutoMorph: Apache 2.0)",
            reference="Y. Zhou et al., Transl. Vis. Sci. Technol. 11(7), 12 (2022)",
            known_failure="Finds no fovea; AutoMorph itself takes the mean of eight such networks.",
        )

    def maps(self, photo: Photograph, fov: Fov) -> tuple[Map, Map]:
        """Return how likely each pixel lies in the disc, and in the cup.

        Raises:
            Refusal: expected a field of view of the photograph's size.
        """
        require_same_size(photo, fov)
        frame = square_frame(fov, side_px=SIDE_PX)
        images, _ = enter(photo, fov, frame)
        with torch.inference_mode():
            p = self._model((images + 1) / 2).softmax(1)[0]
        return leave((1 - p[0]).numpy(), fov, frame), leave(p[2].numpy(), fov, frame)

    def landmarks(self, photo: Photograph, fov: Fov) -> Landmarks:
        """Return disc and cup; what is not found is None, and so is the fovea.

        Raises:
            Refusal: expected a field of view of the photograph's size.
        """
        disc_map, cup_map = self.maps(photo, fov)
        found, disc = Landmarks(eye=photo.eye), heaviest_region(disc_map, level=LEVEL)
        if disc.sum() < SMALLEST_PX:
            return found
        centre, axes = half_axes(disc)
        found = replace(found, disc_centre_px=centre, disc_axes_px=axes)
        cup = heaviest_region(cup_map * disc, level=LEVEL)
        if cup.sum() < SMALLEST_PX:
            return found
        centre, axes = half_axes(cup)
        return replace(found, cup_centre_px=centre, cup_axes_px=axes)
