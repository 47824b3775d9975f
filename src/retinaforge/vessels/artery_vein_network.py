"""Our network of arteries and veins as a judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

from retinaforge.anatomy.shelf import shipped
from retinaforge.core import Fov, Photograph
from retinaforge.nets.unet import folded
from retinaforge.vessels.artery_vein import (
    ARTERY_VEIN_FORMAT,
    SHIPPED_ARTERY_VEIN,
    ArteryVeinJudge,
    ArteryVeinMaps,
)
from retinaforge.vessels.judge import JudgeCard
from retinaforge.vessels.network import network_maps, read_network


@final
class ArteryVeinNetwork(ArteryVeinJudge):
    """Our artery/vein network.

    Args:
        path: weights of `retinaforge train segmenter artery-vein`; the shipped ones by default.
        views_px: width of the aperture's circle in each look; by default as the weights say.
    """

    def __init__(self, path: Path | None = None, *, views_px: Sequence[float] = ()) -> None:
        used = shipped(SHIPPED_ARTERY_VEIN) if path is None else path
        network, meta = read_network(used, form=ARTERY_VEIN_FORMAT)
        self._model = folded(network)
        self._views_px: Sequence[float] = [float(view) for view in views_px or meta["views_px"]]
        views = " and ".join(f"{view:.0f}" for view in self._views_px)
        self.card = JudgeCard(
            name="ours" if path is None else f"ours:{path.name}",
            version=1,
            family="network",
            measures="Artery, vein and vessel as a residual U-Net sees them, mean of views in "
            f"which the aperture is {views} px wide.",
            training_data=tuple(meta["training_data"]),
            licence=str(meta["licence"]),
            reference="retinaforge.tasks.segmenter_kinds; O. Ronneberger et al., MICCAI 2015",
            known_failure="Learnt from seven photographs of one camera and from drawn eyes; "
            "small vessels and vessels far from the disc are named less surely.",
        )

    def maps(self, photo: Photograph, fov: Fov) -> ArteryVeinMaps:
        """Return the mean probabilities of the views."""
        return ArteryVeinMaps(*network_maps(self._model, photo, fov, views_px=self._views_px))
