"""The judges `automorph:FILE` of vessels and `automorph:FOLDER` of arteries and veins.

    vessels            x = (c - mean) / sd, of the pixels whose red is above 40 of 255, at 912 px
    arteries, veins    x = (c - mean) · sd, of the pixels whose red is above 0, at 720 px

The product in the second line is what the published weights were trained with. The photograph is
cut to the square about its field of view, as AutoMorph cuts it. AutoMorph itself takes the mean of
ten (eight) networks trained with different seeds; a file is one of them, and
`--judge automorph:A --judge automorph:B` takes the mean of more.

References:
    Y. Zhou et al., Transl. Vis. Sci. Technol. 11(7), 12 (2022); github.com/rmaphoh/AutoMorph at
    9a953e5, from which sizes and normalisation were read (Apache 2.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.anatomy.frame import enter, leave, square_frame
from retinaforge.anatomy.shelf import WeightsRefused
from retinaforge.anatomy.weights import load_strictly
from retinaforge.core import Fov, Photograph, Refusal, require_same_size
from retinaforge.encoders.weights import read_weights
from retinaforge.nets.automorph import ArteryVeinTrio, Segmenter
from retinaforge.vessels.artery_vein import ArteryVeinJudge, ArteryVeinMaps
from retinaforge.vessels.judge import Judge, JudgeCard

VESSEL_PX, VESSEL_RED, KINDS_PX = 912, 40.0, 720
BACKGROUND, ARTERY, VEIN, BOTH = range(4)
FIRST_KEY = "inc.double_conv.0.weight"
FILES = {"main": "CP_best_F1_all.pth", "artery": "CP_best_F1_A.pth", "vein": "CP_best_F1_V.pth"}
"""The published names of the three networks of arteries and veins."""

REFERENCE = "Y. Zhou et al., Transl. Vis. Sci. Technol. 11(7), 12 (2022)"


def _state(path: Path, remedy: str) -> tuple[dict[str, Tensor], int]:
    """Return a checkpoint's arrays and its channels at full resolution."""
    try:
        state = read_weights(path)
    except Refusal as error:
        raise WeightsRefused(error.expected, error.came, remedy) from error
    if FIRST_KEY not in state:
        raise WeightsRefused(
            f"a vessel network of AutoMorph with the key {FIRST_KEY}", f"{path} without it", remedy
        )
    return state, int(state[FIRST_KEY].shape[0])


def read_segmenter(path: Path) -> Segmenter:
    """Return AutoMorph's vessel network.

    Raises:
        WeightsRefused: if the file is absent or holds anything but that network's arrays.
    """
    remedy = "name M2_Vessel_seg's G_best_F1_epoch.pth, as in automorph:PATH"
    state, width = _state(path, remedy)
    model = Segmenter(1, width)
    load_strictly(model, state, source=str(path))
    return model.eval()


def read_trio(folder: Path) -> ArteryVeinTrio:
    """Return AutoMorph's networks of arteries and veins.

    Raises:
        WeightsRefused: if one of the three files is absent or holds anything but its arrays.
    """
    remedy = f"name the folder that holds {', '.join(FILES.values())}"
    if not folder.is_dir():
        raise WeightsRefused("a folder of AutoMorph's three networks", f"{folder}", remedy)
    states = {part: _state(folder / name, remedy) for part, name in FILES.items()}
    model = ArteryVeinTrio(states["main"][1])
    for part, (state, _) in states.items():
        load_strictly(model.get_submodule(part), state, source=str(folder / FILES[part]))
    return model.eval()


def _planes(images: Tensor, above: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return an image in 0-255, and mean and SD of its pixels whose red is above a level."""
    c = ((images + 1) * 127.5).round()
    bright = c[0][:, c[0, 0] > above]
    if bright.shape[1] < 2:
        bright = c[0].flatten(1)
    mean, sd = bright.mean(1), bright.std(1, correction=0).clamp_min(1e-6)
    return c, mean[:, None, None], sd[:, None, None]


@final
class AutomorphJudge(Judge):
    """AutoMorph's vessel network at 912 px.

    Args:
        path: a published G_best_F1_epoch.pth.
    """

    def __init__(self, path: Path) -> None:
        self._model, self.threshold = read_segmenter(path), 0.5
        self.card = JudgeCard(
            name=f"automorph:{path.parent.name}",
            version=1,
            family="network",
            measures=f"Vessels as one of AutoMorph's networks finds them at {VESSEL_PX} px.",
            training_data=("DRIVE, STARE, CHASE_DB1, HRF, IOSTAR, LES-AV, as its authors say",),
            licence="as the file's publisher says (AutoMorph: Apache 2.0)",
            reference=REFERENCE,
            known_failure="Has seen the public vessel sets, test images among them; AutoMorph "
            "itself takes the mean of ten such networks.",
        )

    @torch.inference_mode()
    def probability(self, photo: Photograph, fov: Fov) -> Float[np.ndarray, "height width"]:
        """Return the network's sigmoid."""
        require_same_size(photo, fov)
        frame = square_frame(fov, side_px=VESSEL_PX)
        images, _ = enter(photo, fov, frame)
        c, mean, sd = _planes(images, VESSEL_RED)
        p = self._model((c - mean) / sd).sigmoid()[0, 0]
        return leave(p.numpy(), fov, frame)


@final
class AutomorphArteryVein(ArteryVeinJudge):
    """AutoMorph's three networks of arteries and veins at 720 px.

    Args:
        folder: that holds the three published files of one seed.
    """

    def __init__(self, folder: Path) -> None:
        self._model = read_trio(folder)
        self.card = JudgeCard(
            name=f"automorph:{folder.parent.name}",
            version=1,
            family="network",
            measures=f"Arteries and veins as AutoMorph's networks of one seed see them at "
            f"{KINDS_PX} px.",
            training_data=("DRIVE, HRF, LES-AV, as its authors say",),
            licence="as the files' publisher says (AutoMorph: Apache 2.0)",
            reference=REFERENCE,
            known_failure="Has seen the public sets of arteries and veins; AutoMorph itself takes "
            "the mean of eight such triples.",
        )

    @torch.inference_mode()
    def maps(self, photo: Photograph, fov: Fov) -> ArteryVeinMaps:
        """Return the softmax; where both kinds lie, each has its probability."""
        require_same_size(photo, fov)
        frame = square_frame(fov, side_px=KINDS_PX)
        images, _ = enter(photo, fov, frame)
        c, mean, sd = _planes(images, 0.0)
        p = self._model((c - mean) * sd).softmax(1)[0]
        planes = (p[ARTERY] + p[BOTH], p[VEIN] + p[BOTH], 1 - p[BACKGROUND])
        return ArteryVeinMaps(*(leave(plane.numpy(), fov, frame) for plane in planes))
