"""The judge `ours`: the vessel network trained by `retinaforge train segmenter vessels`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from retinaforge.anatomy import shelf, weights
from retinaforge.anatomy.frame import enter, leave, working_frame
from retinaforge.core import Fov, Photograph, require_same_size
from retinaforge.nets.unet import VesselNet, folded
from retinaforge.vessels.judge import Judge, JudgeCard

SHIPPED = "vessels-v3.safetensors"
FORMAT = "retinaforge vessel network 1"


TRAIN = "retinaforge train segmenter"


def shipped_weights() -> Path:
    """Return the path of the vessel weights that come with the package."""
    return shelf.shipped(SHIPPED)


def save_network(
    model: VesselNet, path: Path, *, meta: Mapping[str, Any], form: str = FORMAT
) -> Path:
    """Write a network as safetensors; `meta` needs threshold, views_px, training_data, licence.

    Args:
        model: what was trained.
        path: ends in .safetensors.
        meta: plain data for the header, one JSON value a key.
        form: which kind of network it is.
    """
    header = {"widths": list(model.widths), "outputs": model.outputs, **meta}
    return weights.save_network(model, path, format=form, meta=header)


def read_network(path: Path, *, form: str = FORMAT) -> tuple[VesselNet, dict[str, Any]]:
    """Return a network written by `save_network`, in evaluation mode, and its meta data.

    Args:
        path: ends in .safetensors.
        form: which kind of network it must be.

    Raises:
        WeightsRefused: expected a network of that kind as safetensors, whose keys fit.
    """

    def build(meta: dict[str, Any]) -> VesselNet:
        return VesselNet(tuple(meta["widths"]), int(meta.get("outputs", 1)))

    kind = "vessels" if form == FORMAT else "artery-vein"
    return weights.read_network(path, format=form, train=f"{TRAIN} {kind}", build=build)


@dataclass(frozen=True)
class NetworkLook:
    """What a network makes of a photograph, the mean of its views.

    Attributes:
        maps: probabilities, carried back to the photograph.
        structure: mean of the encoder's deepest stage over positions inside the field of view.
    """

    maps: Float[np.ndarray, "maps height width"]
    structure: Float[np.ndarray, "n"]


def network_look(
    model: VesselNet, photo: Photograph, fov: Fov, *, views_px: Sequence[float]
) -> NetworkLook:
    """Return the network's mean probabilities over views, and the structure it sees.

    Args:
        model: in evaluation mode.
        photo: any size.
        fov: of the same photograph.
        views_px: width of the aperture's circle in each view; every second view is mirrored.
    """
    require_same_size(photo, fov)
    total = np.zeros((model.outputs, *photo.size_px), dtype=np.float32)
    structure = np.zeros(model.widths[-1])
    for turn, diameter_px in enumerate(views_px):
        frame = working_frame(fov, diameter_px=diameter_px)
        images, inside = enter(photo, fov, frame)
        mirror = (3,) if turn % 2 else ()
        images, inside = images.flip(mirror), inside.flip(mirror)
        with torch.inference_mode():
            stages = model.features(images, inside)
            p = torch.sigmoid(model.decode(stages, images.shape[-2:])).flip(mirror)
            structure += _mean_inside(stages[-1], inside, model.stride).double().numpy()
        for whole, view in zip(total, p[0].numpy(), strict=True):
            whole += leave(view, fov, frame)
    return NetworkLook(total / len(views_px), structure / len(views_px))


def network_maps(
    model: VesselNet, photo: Photograph, fov: Fov, *, views_px: Sequence[float]
) -> Float[np.ndarray, "maps height width"]:
    """Return the probabilities of `network_look`."""
    return network_look(model, photo, fov, views_px=views_px).maps


def _mean_inside(
    stage: Float[Tensor, "1 n rows columns"], inside: Float[Tensor, "1 1 height width"],
    stride: int,
) -> Float[Tensor, "n"]:  # fmt: skip
    """Return the mean of a stage over its cells, each weighed by its share of the field of view."""
    pad = (0, -inside.shape[3] % stride, 0, -inside.shape[2] % stride)
    share = F.adaptive_avg_pool2d(F.pad(inside, pad), (stage.shape[2], stage.shape[3]))
    return ((stage * share).sum((2, 3)) / share.sum().clamp_min(1e-6))[0]


def network_probability(
    model: VesselNet, photo: Photograph, fov: Fov, *, views_px: Sequence[float]
) -> Float[np.ndarray, "height width"]:
    """Return the first of `network_maps`: the vessel probability."""
    return network_maps(model, photo, fov, views_px=views_px)[0]


@final
class NetworkJudge(Judge):
    """Our vessel network with its threshold and working resolution.

    Args:
        path: weights written by `save_network`; the shipped ones by default.
        views_px: width of the aperture's circle in each look; by default as the weights say.
            Fewer looks are faster and a little less sure.
    """

    def __init__(self, path: Path | None = None, *, views_px: Sequence[float] = ()) -> None:
        model, meta = read_network(shipped_weights() if path is None else path)
        self._model = folded(model)
        self._views_px = [float(view) for view in views_px or meta["views_px"]]
        self.threshold = float(meta["threshold"])
        self.card = JudgeCard(
            name="ours" if path is None else f"ours:{path.name}",
            version=3,
            family="network",
            measures="Vessels as a residual U-Net finds them, mean of views in which the aperture "
            f"is {' and '.join(f'{view:.0f}' for view in self._views_px)} px wide.",
            training_data=tuple(meta["training_data"]),
            licence=str(meta["licence"]),
            reference="retinaforge.tasks.segmenter; O. Ronneberger et al., MICCAI 2015",
            known_failure="Never saw DRIVE, LES-AV or eyes with much disease; haemorrhages and "
            "dark lesion rims may read as vessel, capillaries are left out.",
        )

    def probability(self, photo: Photograph, fov: Fov) -> Float[np.ndarray, "height width"]:
        """Return the vessel probability of each pixel of the photograph."""
        return network_probability(self._model, photo, fov, views_px=self._views_px)

    def look(self, photo: Photograph, fov: Fov) -> NetworkLook:
        """Return the probability, as the only map, with the structure that the network sees."""
        return network_look(self._model, photo, fov, views_px=self._views_px)
