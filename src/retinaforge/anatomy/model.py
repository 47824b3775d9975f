"""The model `ours` of disc, cup and fovea: a look at the whole field, then one at the disc.

whole field, 240 px wide → disc roughly, fovea → square of 256 px about the disc, which is brought
to 110 px, twice over → outlines of disc and cup. Each look is the mean of the picture and its
mirror image, so a mirrored photograph gives mirrored landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float

from retinaforge.anatomy.card import ModelCard
from retinaforge.anatomy.frame import Frame, enter, leave, near_frame, working_frame
from retinaforge.anatomy.regions import half_axes, heaviest_region, peak_of
from retinaforge.anatomy.shelf import SHIPPED_ANATOMY, shipped
from retinaforge.anatomy.weights import read_network, save_network
from retinaforge.core import Eye, Fov, Landmarks, Photograph, require_same_size
from retinaforge.nets.landmarks import MAPS, LandmarkNet
from retinaforge.nets.unet import folded

FORMAT = "retinaforge landmark network 1"
TRAIN = "retinaforge train segmenter anatomy"

NEAR_SIDE_PX, NEAR_LOOKS = 256, 2
FOUND = 0.5
"""Probability from which a region counts as a disc; its outline has a level of its own."""

NEAREST_DD, FARTHEST_DD = 1.5, 3.8
"""Where about a disc the fovea is looked for, in disc diameters; 2.65, SD 0.30, was measured
(Jonas et al. 2015, PLoS One 10, e0138701)."""

Point = tuple[float, float]
Map = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class AnatomyMaps:
    """Probabilities at the photograph's own size, 0 outside the field of view.

    Attributes:
        disc: that a pixel lies in the optic disc; 0 away from the one disc that was found.
        cup: that it lies in the cup.
        fovea: heat about the fovea; 1 would be certainty of its very place.
    """

    disc: Map
    cup: Map
    fovea: Map


@dataclass(frozen=True)
class _Look:
    """What the network says of one frame; maps in `MAPS`' order, 0 outside the field of view."""

    frame: Frame
    maps: Float[np.ndarray, "3 height width"]

    def to_photograph(self, point: Point) -> Point:
        left, top, right, bottom = self.frame.box
        height, width = self.frame.size_px
        x = left + (point[0] + 0.5) * (right - left) / width - 0.5
        return x, top + (point[1] + 0.5) * (bottom - top) / height - 0.5

    @property
    def px(self) -> Point:
        """Return (width, height) of a working pixel in the photograph's."""
        left, top, right, bottom = self.frame.box
        return (right - left) / self.frame.size_px[1], (bottom - top) / self.frame.size_px[0]


@final
class AnatomyModel:
    """Find disc, cup and fovea with the landmark network.

    Args:
        path: weights written by `save_landmark_network`; the shipped ones by default.
        settled: the disc is not looked at again where the first near look agrees with the look
            from afar: middle and radius by this share of the radius. 0 always looks twice; more is
            faster and a little less exact.
    """

    def __init__(self, path: Path | None = None, *, settled: float = 0.0) -> None:
        network, meta = read_landmark_network(shipped(SHIPPED_ANATOMY) if path is None else path)
        self._model = folded(network)
        self._settled = settled
        self._whole_px, self._near_px = float(meta["whole_px"]), float(meta["near_px"])
        self.levels: dict[str, float] = {name: float(meta["levels"][name]) for name in MAPS}
        self.card = ModelCard(
            name="ours" if path is None else f"ours:{path.name}",
            version=2,
            measures="Disc and cup as ellipses, the fovea as a point, by a residual U-Net that "
            "looks at the whole field and then at the disc.",
            training_data=tuple(meta["training_data"]),
            licence=str(meta["licence"]),
            reference="retinaforge.tasks.anatomy_train; O. Ronneberger et al., MICCAI 2015",
            known_failure="Cup and fovea were learnt from drawn eyes only; large bright lesions "
            "may pass for a disc, dark lesions for a fovea.",
        )

    def maps(self, photo: Photograph, fov: Fov) -> AnatomyMaps:
        """Return where disc, cup and fovea probably lie, at the photograph's own size.

        Raises:
            Refusal: expected a field of view of the photograph's size.
        """
        whole, near = self._looks(photo, fov)
        close = whole if near is None else near
        disc, cup = (leave(close.maps[i], fov, close.frame) for i in range(2))
        return AnatomyMaps(disc, cup, leave(whole.maps[2], fov, whole.frame))

    def first_look(self, photo: Photograph, fov: Fov) -> AnatomyMaps:
        """Return the maps of the first look: every region that may be a disc, from afar.

        Raises:
            Refusal: expected a field of view of the photograph's size.
        """
        require_same_size(photo, fov)
        return _from_afar(self._look_whole(photo, fov), fov)

    def landmarks(self, photo: Photograph, fov: Fov) -> Landmarks:
        """Return the landmarks; what is not found with the stated confidence is None.

        The disc is None where no region reaches `FOUND` in the first look or `levels["disc"]` in
        the last, the fovea where its heat stays below `levels["fovea"]`. The eye's side is the
        photograph's own, or else follows from disc and fovea: the disc lies on the nose's side.

        Raises:
            Refusal: expected a field of view of the photograph's size.
        """
        return self._landmarks_in(photo, fov, *self._looks(photo, fov))

    def look_and_landmarks(self, photo: Photograph, fov: Fov) -> tuple[AnatomyMaps, Landmarks]:
        """Return `first_look` and `landmarks` for the price of the latter.

        Raises:
            Refusal: expected a field of view of the photograph's size.
        """
        whole, near = self._looks(photo, fov)
        return _from_afar(whole, fov), self._landmarks_in(photo, fov, whole, near)

    def _landmarks_in(
        self, photo: Photograph, fov: Fov, whole: _Look, near: _Look | None
    ) -> Landmarks:
        found = Landmarks(eye=photo.eye)
        if not shows_anything(photo, fov):
            return found
        if near is not None:
            found = self._disc_of(near, found)
        found = replace(found, fovea_px=self._fovea_of(whole, found))
        return replace(found, eye=found.eye or side_of(found))

    def _look_whole(self, photo: Photograph, fov: Fov) -> _Look:
        return self._look(photo, fov, working_frame(fov, diameter_px=self._whole_px))

    def _looks(self, photo: Photograph, fov: Fov) -> tuple[_Look, _Look | None]:
        require_same_size(photo, fov)
        whole = self._look_whole(photo, fov)
        at, near = self._rough_disc(whole), None
        for _ in range(NEAR_LOOKS):
            if at is None:
                return whole, None
            centre, radius_px = at
            reach_px = NEAR_SIDE_PX / self._near_px * radius_px
            frame = near_frame(centre, reach_px=reach_px, side_px=NEAR_SIDE_PX)
            near = self._look(photo, fov, frame)
            before, at = at, self._rough_disc(near)
            # The next look corrects the size that was misjudged from afar.
            if at is not None and _apart(before, at) <= self._settled:
                break
        return whole, near

    def _look(self, photo: Photograph, fov: Fov, frame: Frame) -> _Look:
        images, inside = enter(photo, fov, frame)
        both, field = torch.cat([images, images.flip(3)]), torch.cat([inside, inside.flip(3)])
        with torch.inference_mode():
            p = torch.sigmoid(self._model(both, field)) * field
        return _Look(frame, ((p[0] + p[1].flip(2)) / 2).numpy())

    def _rough_disc(self, look: _Look) -> tuple[Point, float] | None:
        """Return centre and radius of the disc in the photograph, or None where there is none."""
        region = heaviest_region(look.maps[0], level=FOUND)
        if region.sum() < 20:
            return None
        centre, axes = half_axes(region)
        radius = max(axes[0] * look.px[0], axes[1] * look.px[1])
        return look.to_photograph(centre), radius

    def _disc_of(self, near: _Look, found: Landmarks) -> Landmarks:
        disc = heaviest_region(near.maps[0], level=self.levels["disc"])
        if disc.sum() < 20:
            return found
        centre, axes = half_axes(disc)
        scaled = axes[0] * near.px[0], axes[1] * near.px[1]
        found = replace(found, disc_centre_px=near.to_photograph(centre), disc_axes_px=scaled)
        cup = heaviest_region(near.maps[1] * disc, level=self.levels["cup"])
        if cup.sum() < 20:
            return found
        centre, axes = half_axes(cup)
        scaled = axes[0] * near.px[0], axes[1] * near.px[1]
        return replace(found, cup_centre_px=near.to_photograph(centre), cup_axes_px=scaled)

    def _fovea_of(self, whole: _Look, found: Landmarks) -> Point | None:
        heat = whole.maps[2]
        if found.disc_centre_px is not None and found.disc_axes_px is not None:
            heat = heat * _within_reach(whole, found.disc_centre_px, sum(found.disc_axes_px))
        point, height = peak_of(heat, reach_px=0.05 * self._whole_px)
        return whole.to_photograph(point) if height >= self.levels["fovea"] else None


def _apart(one: tuple[Point, float], other: tuple[Point, float]) -> float:
    """Return how far two circles differ, in middle or radius, in radii of the first."""
    return max(math.dist(one[0], other[0]), abs(one[1] - other[1])) / one[1]


def _from_afar(whole: _Look, fov: Fov) -> AnatomyMaps:
    """Carry the first look back to the photograph."""
    disc, cup, fovea = (leave(each, fov, whole.frame) for each in whole.maps)
    return AnatomyMaps(disc, cup, fovea)


def _within_reach(look: _Look, disc_px: Point, diameter_px: float) -> Map:
    """Return 1 where a fovea may lie about a disc, 0 elsewhere."""
    height, width = look.frame.size_px
    x, _ = look.to_photograph((0.0, 0.0))
    _, y = look.to_photograph((0.0, 0.0))
    across = x + np.arange(width) * look.px[0] - disc_px[0]
    down = y + np.arange(height) * look.px[1] - disc_px[1]
    away = np.hypot(across[None, :], down[:, None]) / diameter_px
    return ((away >= NEAREST_DD) & (away <= FARTHEST_DD)).astype(np.float32)


def shows_anything(photo: Photograph, fov: Fov) -> bool:
    """Tell whether the field varies by a grey level or more (SD), as pictures of eyes do."""
    inside = photo.pixels[fov.mask]
    return bool(len(inside)) and float(inside.std(axis=0).max()) >= 1.0


def side_of(found: Landmarks) -> Eye | None:
    """Return OD where the disc lies right of the fovea, OS where left, None where unknown."""
    if found.disc_centre_px is None or found.fovea_px is None:
        return None
    return "OD" if found.disc_centre_px[0] > found.fovea_px[0] else "OS"


def save_landmark_network(model: LandmarkNet, path: Path, *, meta: Mapping[str, Any]) -> Path:
    """Write weights; `meta` needs levels, whole_px, near_px, training_data, licence."""
    header = {"widths": list(model.widths), **meta}
    return save_network(model, path, format=FORMAT, meta=header)


def read_landmark_network(path: Path) -> tuple[LandmarkNet, dict[str, Any]]:
    """Return a network written by `save_landmark_network`, in evaluation mode, and its meta data.

    Raises:
        Refusal: expected a landmark network as safetensors, whose keys fit.
    """

    def build(meta: dict[str, Any]) -> LandmarkNet:
        return LandmarkNet(tuple(meta["widths"]))

    return read_network(path, format=FORMAT, train=TRAIN, build=build)
