"""What an encoder is pretrained on: squares about the eye, cut, mirrored and tinted at random.

Batch number k depends on the seed and k only. Crops keep their shape (a disc stays a disc) and are
upright; pixels outside the field of view are black.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from retinaforge.core import rng_for
from retinaforge.tasks.pretrain_rows import chances, metadata_of
from retinaforge.tasks.sheets import Sheets


@dataclass(frozen=True)
class ViewPlan:
    """How batches are drawn.

    Attributes:
        batch: images a step and process.
        side_px: of an image.
        patch_px: of the encoder.
        scale: smallest and largest side of a crop, as shares of the square about the eye.
        whole: share of images that show the whole square, as the encoder will meet it.
        synthetic_share: share of images that no camera took, where there are others too.
        jitter: how far brightness, contrast and each colour channel move, as a share.
        drop: chance that a photograph's metadata are withheld.
        metadata: which kinds are given, of age, sex and eye.
        seed: equal seeds give equal batches.
        local_px, locals: side and number of DINO's small crops; 0 for masked autoencoding.
    """

    batch: int = 32
    side_px: int = 224
    patch_px: int = 16
    scale: tuple[float, float] = (0.55, 1.0)
    whole: float = 0.25
    synthetic_share: float = 0.5
    jitter: float = 0.15
    drop: float = 0.5
    metadata: tuple[str, ...] = ()
    seed: int = 0
    local_px: int = 96
    locals: int = 0
    local_scale: tuple[float, float] = (0.25, 0.55)


def view_drawer(sheets: Sheets, plan: ViewPlan) -> Callable[[int], Mapping[str, Tensor]]:
    """Return the function that draws batch number k for masked autoencoding or DINO."""
    chance = chances(sheets.records, plan.synthetic_share)
    metadata = np.array([metadata_of(r, plan.metadata) for r in sheets.records], np.float32)
    grid = plan.side_px // plan.patch_px

    def draw(number: int) -> Mapping[str, Tensor]:
        rng = rng_for(plan.seed, "pretrain", number)
        picked = rng.choice(len(chance), plan.batch, p=chance)
        if plan.locals:
            return _many_views(sheets, picked, plan, rng)
        views = [one_view(sheets, i, plan, rng) for i in picked]
        content = {
            "images": _images([pixels for pixels, _, _ in views]),
            "fov": _masks([mask for _, mask, _ in views]),
            "noise": torch.from_numpy(rng.random((plan.batch, grid * grid), np.float32)),
        }
        if plan.metadata:
            mirrored = np.array([turned for _, _, turned in views])
            said = _said(metadata[picked], mirrored, plan, rng)
            content["metadata"] = torch.from_numpy(said)
        return content

    return draw


def one_view(
    sheets: Sheets, index: int, plan: ViewPlan, rng: np.random.Generator,
    *, side_px: int | None = None, scale: tuple[float, float] | None = None,
) -> tuple[UInt8[np.ndarray, "side side 3"], Bool[np.ndarray, "side side"], bool]:  # fmt: skip
    """Cut one square view, mirror and tint it; returns pixels, field and whether mirrored."""
    sheet_px, side = sheets.pixels.shape[1], side_px or plan.side_px
    low, high = scale or plan.scale
    whole = scale is None and rng.random() < plan.whole
    edge = sheet_px * (1.0 if whole else rng.uniform(low, high))
    left, top = _corner(sheets.fov[index], edge, rng)
    box = (left, top, left + edge, top + edge)
    image = Image.fromarray(sheets.pixels[index])
    pixels = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))
    mask = Image.fromarray(sheets.fov[index].view(np.uint8))
    inside = np.asarray(mask.resize((side, side), Image.Resampling.NEAREST, box=box)) > 0
    mirrored = bool(rng.random() < 0.5)
    pixels = tint(pixels, inside, plan.jitter, rng)
    if mirrored:
        pixels, inside = pixels[:, ::-1], inside[:, ::-1]
    return pixels, inside, mirrored


def _corner(
    fov: Bool[np.ndarray, "s s"], edge: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Draw the upper left corner of a crop at least half of which is field of view."""
    room = fov.shape[0] - edge
    for _ in range(10):
        left, top = rng.uniform(0, room, 2) if room > 0 else (0.0, 0.0)
        part = fov[int(top) : int(top + edge) : 4, int(left) : int(left + edge) : 4]
        if part.mean() >= 0.5:
            return float(left), float(top)
    return room / 2, room / 2


def tint(
    pixels: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"], jitter: float,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "h w 3"]:  # fmt: skip
    """Change brightness, contrast and colour a little, and blacken what is no retina."""
    bright, contrast = 1 + rng.uniform(-jitter, jitter, 2)
    colour = 1 + rng.uniform(-jitter, jitter, 3) / 2
    some = pixels[::4, ::4][inside[::4, ::4]]
    middle = some.mean(0) if len(some) else np.zeros(3)
    table = (np.arange(256)[:, None] - middle) * contrast + middle
    table = np.clip(table * bright * colour, 0, 255).round().astype(np.uint8)
    tinted = np.asarray(Image.fromarray(pixels).point(table.T.ravel().tolist()))
    return tinted * inside[..., None].view(np.uint8)


def _said(
    values: np.ndarray, mirrored: np.ndarray, plan: ViewPlan, rng: np.random.Generator
) -> np.ndarray:
    """Return the metadata that are told: a mirrored right eye is a left one; some are withheld."""
    told = values.copy()
    if "eye" in plan.metadata:
        column = plan.metadata.index("eye")
        told[mirrored, column] = 1 - told[mirrored, column]
    told[rng.random(told.shape) < plan.drop] = np.nan
    return told


def _many_views(
    sheets: Sheets, picked: np.ndarray, plan: ViewPlan, rng: np.random.Generator
) -> Mapping[str, Tensor]:
    """Return two large views and `locals` small ones of every image."""
    large = [[one_view(sheets, i, plan, rng)[0] for i in picked] for _ in range(2)]
    small = [
        [
            one_view(sheets, i, plan, rng, side_px=plan.local_px, scale=plan.local_scale)[0]
            for i in picked
        ]
        for _ in range(plan.locals)
    ]
    return {
        "large": torch.stack([_images(views) for views in large], dim=1),
        "small": torch.stack([_images(views) for views in small], dim=1),
    }


def _images(pixels: Sequence[np.ndarray]) -> Float[Tensor, "batch 3 side side"]:
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return stacked.float() / 127.5 - 1.0


def _masks(inside: Sequence[np.ndarray]) -> Float[Tensor, "batch 1 side side"]:
    return torch.from_numpy(np.stack(inside)[:, None].astype(np.float32))
