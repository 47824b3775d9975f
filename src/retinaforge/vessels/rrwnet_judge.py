"""The judge `rrwnet:FILE` of arteries and veins, with the published preparation of photographs.

    x = (c - G_10 * c) / sd, stretched to 0 ... 1        G_10: Gaussian of 10 px

c is the photograph inside its field of view, eroded by 5 px, and outside it the photograph enlarged
by 1.15, so that no dark rim shines into the mean.

References:
    J. Morano, G. Aresta and H. Bogunović, Expert Syst. Appl. 256 (2024), 124970.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from scipy import ndimage
from skimage.morphology import disk
from torch import Tensor

from retinaforge.anatomy.frame import Frame, enter, leave, working_frame
from retinaforge.anatomy.shelf import WeightsRefused
from retinaforge.anatomy.weights import load_strictly
from retinaforge.core import Fov, Photograph, Refusal, require_same_size
from retinaforge.nets.rrwnet import PASSES, RRWNet, own_keys
from retinaforge.vessels.artery_vein import ArteryVeinJudge, ArteryVeinMaps, Map
from retinaforge.vessels.judge import JudgeCard

DIAMETER_PX, HRF_DIAMETER_PX = 540.0, 955.0
"""Width of the aperture in the pictures that the published weights learnt from: DRIVE as it is, and
HRF at 1024 px."""

ENLARGED, ERODED_PX, SIGMA_PX = 1.15, 5, 10.0
FIRST_KEY = "first_u.conv1.conv1.weight"


def enhance(
    pixels: UInt8[np.ndarray, "height width 3"], inside: Bool[np.ndarray, "height width"]
) -> tuple[Float[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
    """Return the photograph as RRWNet wants it, in [0, 1], and the eroded field of view.

    Args:
        pixels: RGB at the working size.
        inside: the field of view.
    """
    height, width = inside.shape
    kept = ndimage.binary_erosion(inside, disk(ERODED_PX))
    size = int(width * ENLARGED), int(height * ENLARGED)
    larger = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    left, top = larger.shape[1] // 2 - width // 2, larger.shape[0] // 2 - height // 2
    around = larger[top : top + height, left : left + width]
    whole = np.where(kept[..., None], pixels, around) / 255.0
    flat = (whole - ndimage.gaussian_filter(whole, (SIGMA_PX, SIGMA_PX, 0))) * kept[..., None]
    low, high = flat.min(), flat.max()
    return (flat - low) / max(high - low, 1e-9) * kept[..., None], kept


def read_rrwnet(path: Path) -> RRWNet:
    """Return the network of a published checkpoint (.pth or .safetensors) or of one of ours.

    Raises:
        WeightsRefused: expected keys first_u.* and second_u.*.
    """
    expected = "an RRWNet checkpoint with keys first_u.* and second_u.*"
    remedy = "name the published file, as in rrwnet:PATH"
    if not path.is_file():
        raise WeightsRefused(expected, f"no file at {path}", remedy)
    try:
        state: dict[str, Tensor] = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsRefused(expected, f"{path} ({first})", remedy) from error
    own = _own(state, path)
    if FIRST_KEY not in own:
        raise WeightsRefused(expected, f"{path} without {FIRST_KEY}", remedy)
    model = RRWNet(base=own[FIRST_KEY].shape[0])
    load_strictly(model, own, source=str(path))
    return model.eval()


def _own(state: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(state, dict):
        raise WeightsRefused("a dictionary of tensors", str(path), "name the published file")
    try:
        return own_keys({str(key): value for key, value in state.items()})
    except Refusal as error:
        raise WeightsRefused(error.expected, f"{path}: {error.came}", error.remedy) from error


def _card_beside(path: Path) -> dict[str, Any]:
    """Return what card.json beside weights of ours says; nothing for a published file."""
    beside = path.with_name("card.json")
    card = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    return card if "passes" in card else {}


def _enter_map(plane: Map, frame: Frame) -> Tensor:
    """Carry a map into the working frame."""
    height, width = frame.size_px
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    resized = image.resize((width, height), Image.Resampling.BILINEAR, box=frame.box)
    return torch.from_numpy(np.array(resized))


@final
class RRWNetJudge(ArteryVeinJudge):
    """RRWNet at the size it was trained at.

    Args:
        path: the published file, or what `retinaforge train segmenter rrwnet` wrote. card.json
            beside it says how it sees photographs; without one, weights for HRF are known by HRF
            in the file's name and see the aperture 955 px wide, all others 540 px.
    """

    def __init__(self, path: Path) -> None:
        self._model = read_rrwnet(path)
        diameter_px = HRF_DIAMETER_PX if "hrf" in path.name.lower() else DIAMETER_PX
        beside = _card_beside(path)
        self._diameter_px = float(beside.get("diameter_px", diameter_px))
        self._model.passes = int(beside.get("passes", PASSES))
        self.card = JudgeCard(
            name=f"rrwnet:{path.name}",
            version=1,
            family="network",
            measures="Artery, vein and vessel as RRWNet sees and mends them, the aperture "
            f"{self._diameter_px:.0f} px wide.",
            training_data=tuple(beside.get("training_data", ("as the file's publisher says",))),
            licence=str(beside.get("licence", "MIT")),
            reference="J. Morano et al., Expert Syst. Appl. 256 (2024), 124970",
            known_failure="Has seen the photographs of its training set; slow without a GPU.",
        )

    @torch.inference_mode()
    def maps(self, photo: Photograph, fov: Fov) -> ArteryVeinMaps:
        """Return the maps after the last pass."""
        require_same_size(photo, fov)
        frame = working_frame(fov, diameter_px=self._diameter_px)
        images, inside = enter(photo, fov, frame)
        pixels = ((images[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        enhanced, kept = enhance(pixels, inside[0, 0].numpy() > 0)
        x = torch.from_numpy(enhanced).float().permute(2, 0, 1)[None]
        p = self._model(x)[-1].sigmoid()[0].numpy() * kept
        return ArteryVeinMaps(*(leave(plane, fov, frame) for plane in p))

    @torch.inference_mode()
    def refine(
        self, maps: ArteryVeinMaps, fov: Fov, *, passes: int | None = None
    ) -> ArteryVeinMaps:
        """Mend anybody's maps; the vessel map stays as it is.

        Args:
            maps: in the photograph's pixels.
            fov: of the same photograph.
            passes: K; the network's own by default.
        """
        frame = working_frame(fov, diameter_px=self._diameter_px)
        planes = [_enter_map(plane, frame) for plane in (maps.artery, maps.vein, maps.vessel)]
        mended = self._model.refine(torch.stack(planes)[None], passes)[0].numpy()
        artery, vein = (leave(np.ascontiguousarray(plane), fov, frame) for plane in mended[:2])
        return ArteryVeinMaps(artery, vein, maps.vessel)
