"""What a segmenter learns from: annotated photographs, cut and disguised at random.

The cameras it will meet are not those it learns from, so crops vary far more than the training
photographs do: vessel width (scale), exposure, colour, focus, noise, compression, shading.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from retinaforge.anatomy.frame import resize_pixels, working_frame
from retinaforge.core import Fov, Photograph

PHANTOMS = "phantoms"
"""The group of drawn eyes."""

LEVELS_PX = (360, 512, 724, 1024, 1448)
"""FOV diameters that are kept ready, so that a crop is never shrunk by more than √2 unfiltered."""


@dataclass(frozen=True)
class Annotated:
    """One annotated photograph at several sizes.

    Attributes:
        name: for messages.
        group: its data set; groups are drawn with equal chance.
        levels: planes R, G, B, masks, field of view in 0-255, one tensor per `LEVELS_PX`.
    """

    name: str
    group: str
    levels: tuple[UInt8[Tensor, "planes _ _"], ...]


@dataclass(frozen=True)
class Crops:
    """A batch to learn from: images in [-1, 1], masks' fractions in [0, 1], field of view 0/1."""

    images: Float[Tensor, "batch 3 side side"]
    masks: Float[Tensor, "batch kinds side side"]
    fov: Float[Tensor, "batch 1 side side"]

    @property
    def vessels(self) -> Float[Tensor, "batch 1 side side"]:
        """Return the first mask."""
        return self.masks[:, :1]


def annotate(
    photo: Photograph,
    fov: Fov,
    *masks: Bool[np.ndarray, "height width"],
    group: str,
    derive: Callable[[UInt8[np.ndarray, "_ _"]], UInt8[np.ndarray, "_ _"]] | None = None,
    largest_px: float = math.inf,
) -> Annotated:
    """Keep a photograph and its masks ready at every size of `LEVELS_PX`.

    Args:
        photo: any size.
        fov: of the same photograph.
        masks: what is to be learnt.
        group: its data set.
        derive: makes a further plane of the first mask, both in 0-255, at each size.
        largest_px: largest FOV diameter that crops will ask for; larger sizes are not kept.
    """
    levels = []
    for diameter_px in LEVELS_PX:
        frame = working_frame(fov, diameter_px=diameter_px)
        colour = resize_pixels(photo.pixels, frame)
        planes = [colour[..., channel] for channel in range(3)]
        planes += [resize_pixels(mask.astype(np.uint8) * 255, frame) for mask in masks]
        planes += [derive(planes[3])] if derive else []
        planes.append(resize_pixels(fov.mask.astype(np.uint8) * 255, frame))
        levels.append(torch.from_numpy(np.stack(planes)))
        if diameter_px >= largest_px:
            break
    return Annotated(photo.source, group, tuple(levels))


def _cut(
    planes: UInt8[Tensor, "planes _ _"], rng: np.random.Generator, *, zoom: float, side_px: int
) -> Float[Tensor, "planes side side"]:
    """Cut a rotated, mirrored, slightly sheared square, `zoom` crop pixels per source pixel."""
    reach = math.ceil(side_px / zoom * 0.75) + 2
    inside = np.argwhere(planes[-1, ::8, ::8].numpy() > 127)
    height, width = planes.shape[-2:]
    middle = np.array([height, width]) / 2
    # Drawn towards the middle, so that fewer crops are half empty.
    y, x = (middle + 0.85 * (inside[rng.integers(len(inside))] * 8 - middle)).astype(int).tolist()
    top, left = max(0, y - reach), max(0, x - reach)
    part = planes[:, top : min(height, y + reach), left : min(width, x + reach)].float() / 255
    angle, mirror = rng.uniform(0, 2 * math.pi), rng.choice([-1.0, 1.0])
    stretch = math.exp(rng.normal(0, 0.06))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.diag([mirror * stretch, 1 / stretch]) * (side_px / zoom)
    half = np.array([part.shape[2], part.shape[1]], dtype=float)
    centre = (np.array([x - left, y - top]) + 0.5) * 2 / half - 1
    theta = torch.tensor(np.column_stack([matrix / half[:, None], centre]), dtype=torch.float32)
    grid = F.affine_grid(theta[None], [1, len(planes), side_px, side_px], align_corners=False)
    return F.grid_sample(part[None], grid, mode="bilinear", align_corners=False)[0]


def _shade(colour: Tensor, rng: np.random.Generator) -> Tensor:
    """Lay a smooth random illumination over the crop."""
    coarse = torch.from_numpy(rng.normal(0, 1, (1, 1, 3, 3)).astype(np.float32))
    field = F.interpolate(coarse, colour.shape[-2:], mode="bicubic", align_corners=True)[0]
    return colour * (1 + rng.uniform(0, 0.35) * field.clamp(-2, 2))


def _recolour(colour: Tensor, rng: np.random.Generator) -> Tensor:
    """Mix, scale and bend the channels: another sensor, flash, and pigmentation."""
    mix = np.eye(3) + rng.normal(0, 0.08, (3, 3))
    if rng.random() < 0.15:
        grey = rng.dirichlet([1, 4, 1])
        mix = mix * 0.2 + 0.8 * np.tile(grey, (3, 1))
    colour = torch.einsum("ij,jhw->ihw", torch.tensor(mix, dtype=torch.float32), colour)
    gain = np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.15, 3))
    gamma = np.exp(rng.normal(0, 0.3))
    colour = colour.clamp(1e-4, 1) ** float(gamma)
    return colour * torch.tensor(gain, dtype=torch.float32)[:, None, None] + rng.normal(0, 0.03)


def _soften(colour: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur with a Gaussian of σ up to 1.8 px."""
    sigma = rng.uniform(0.3, 1.8)
    reach = math.ceil(2.5 * sigma)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (taps / taps.sum()).expand(3, 1, 1, -1)
    padded = F.pad(colour[None], (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel, groups=3), kernel.mT, groups=3)[0]


def _grain(colour: Tensor, rng: np.random.Generator) -> Tensor:
    """Add sensor noise, white or twice as coarse."""
    shape, sigma = colour.shape, rng.uniform(0.003, 0.03)
    if rng.random() < 0.5:
        return colour + torch.from_numpy(rng.normal(0, sigma, shape).astype(np.float32))
    small = rng.normal(0, 1.6 * sigma, (1, 3, shape[1] // 2, shape[2] // 2)).astype(np.float32)
    return colour + F.interpolate(torch.from_numpy(small), shape[1:], mode="bilinear")[0]


def _compress(colour: Tensor, rng: np.random.Generator) -> Tensor:
    """Send the crop through JPEG."""
    pixels = (colour.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(rng.integers(30, 96)))
    back = np.array(Image.open(buffer), dtype=np.float32) / 255
    return torch.from_numpy(back).permute(2, 0, 1)


def disguise(
    colour: Float[Tensor, "3 side side"], rng: np.random.Generator
) -> Float[Tensor, "3 side side"]:
    """Make a crop in 0..1 look as if another camera had taken it."""
    for step, chance in (
        (_shade, 0.5), (_recolour, 0.9), (_soften, 0.35), (_grain, 0.4), (_compress, 0.3),
    ):  # fmt: skip
        if rng.random() < chance:
            colour = step(colour, rng).clamp(0, 1)
    return colour


def _choose_group(groups: list[str], rng: np.random.Generator, *, phantom_share: float) -> str:
    """Draw a data set; phantoms, however many, teach beside photographs and do not outvote them."""
    sets = [group for group in groups if group != PHANTOMS]
    if PHANTOMS in groups and (not sets or rng.random() < phantom_share):
        return PHANTOMS
    return sets[rng.integers(len(sets))]


def draw_crops(
    photographs: Sequence[Annotated],
    rng: np.random.Generator,
    *,
    count: int,
    side_px: int,
    diameter_px: float,
    scales: tuple[float, float],
    phantom_share: float = 0.2,
) -> Crops:
    """Draw random disguised crops; every data set has the same chance, then every photograph.

    Args:
        photographs: what to draw from.
        rng: decides everything.
        count: crops in the batch.
        side_px: side of a crop, in pixels.
        diameter_px: FOV diameter in the network's working frame.
        scales: smallest and largest factor on that diameter, drawn log-uniformly.
        phantom_share: share of the crops that come from phantoms where there are photographs too.
    """
    groups = sorted({photograph.group for photograph in photographs})
    cuts = []
    for _ in range(count):
        group = _choose_group(groups, rng, phantom_share=phantom_share)
        members = [photograph for photograph in photographs if photograph.group == group]
        planes_of = members[rng.integers(len(members))].levels
        target_px = diameter_px * math.exp(rng.uniform(math.log(scales[0]), math.log(scales[1])))
        level = min(
            (i for i, at in enumerate(LEVELS_PX) if at >= target_px), default=len(LEVELS_PX) - 1
        )
        cut = _cut(planes_of[level], rng, zoom=target_px / LEVELS_PX[level], side_px=side_px)
        cuts.append(torch.cat([disguise(cut[:3], rng) * (cut[-1:] > 0.5), cut[3:]]))
    batch = torch.stack(cuts)
    return Crops(batch[:, :3] * 2 - 1, batch[:, 3:-1], (batch[:, -1:] > 0.5).float())
