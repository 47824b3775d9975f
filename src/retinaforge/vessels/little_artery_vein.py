"""The judge `lwnet:FILE` of arteries and veins: Little W-Net's larger published weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from retinaforge.anatomy.frame import enter, leave, square_frame
from retinaforge.anatomy.weights import load_strictly
from retinaforge.core import Fov, Photograph, require_same_size
from retinaforge.nets.lwnet import LittleWNet
from retinaforge.vessels.artery_vein import ArteryVeinJudge, ArteryVeinMaps
from retinaforge.vessels.judge import JudgeCard
from retinaforge.vessels.littlewnet import little_state

SIDE_PX = 512
WIDTHS = (8, 16, 32, 64)
BACKGROUND, _CROSSING, ARTERY, VEIN = range(4)


def _side_px(path: Path) -> int:
    """Return the side it was trained at, which a config.cfg beside the checkpoint says."""
    beside = path.with_name("config.cfg")
    if not beside.is_file():
        return SIDE_PX
    return int(json.loads(beside.read_text(encoding="utf-8")).get("im_size", SIDE_PX))


@final
class LittleArteryVein(ArteryVeinJudge):
    """Little W-Net with four classes: background, crossing or uncertain, artery, vein.

    Args:
        path: the published model_checkpoint.pth; config.cfg beside it says the working size,
            without it that is 512 px.
    """

    def __init__(self, path: Path) -> None:
        self._side_px = _side_px(path)
        model = LittleWNet(4, WIDTHS)
        load_strictly(model, little_state(path), source=str(path))
        self._model = model.eval()
        self.card = JudgeCard(
            name=f"lwnet:{path.parent.name}",
            version=1,
            family="network",
            measures=f"Arteries and veins as Little W-Net sees them at {self._side_px} px, mean of "
            "four mirrorings.",
            training_data=("as the file's publisher says",),
            licence="MIT",
            reference="A. Galdran et al., Sci. Rep. 12, 2022",
            known_failure="Has seen the photographs of its training set; large photographs are "
            "seen small.",
        )

    @torch.inference_mode()
    def maps(self, photo: Photograph, fov: Fov) -> ArteryVeinMaps:
        """Return the mean softmax of the image and its three mirrorings."""
        require_same_size(photo, fov)
        frame = square_frame(fov, side_px=self._side_px)
        images, _ = enter(photo, fov, frame)
        x = (images + 1) / 2
        p: Tensor = torch.zeros(4, *frame.size_px)
        for mirror in ((), (2,), (3,), (2, 3)):
            p += self._model(x.flip(mirror)).flip(mirror).softmax(1)[0] / 4
        planes = (p[ARTERY], p[VEIN], 1 - p[BACKGROUND])
        return ArteryVeinMaps(*(leave(plane.numpy(), fov, frame) for plane in planes))
