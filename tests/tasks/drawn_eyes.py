"""Small masks and photographs drawn for the tests of `retinaforge vessels`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE_PX = 200
ARTERY = (((20, 60), (100, 95), (180, 70)), ((100, 95), (140, 150)))
VEIN = (((20, 130), (100, 120), (180, 150)),)


def draw(lines: tuple, *, width_px: int = 5, side_px: int = SIDE_PX) -> np.ndarray:
    """Return a mask of polylines, drawn for 200 px, True on them."""
    page = Image.new("L", (side_px, side_px))
    pen = ImageDraw.Draw(page)
    for line in lines:
        pen.line([(x * side_px / SIDE_PX, y * side_px / SIDE_PX) for x, y in line], 255, width_px)
    return np.asarray(page) > 127


def save(path: Path, pixels: np.ndarray) -> Path:
    """Save pixels as they are, a mask as 0 and 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels).save(path)
    return path


def vessel_mask() -> np.ndarray:
    """Return arteries and veins together."""
    return draw(ARTERY) | draw(VEIN)


def colours() -> np.ndarray:
    """Return arteries red, veins blue, both green."""
    artery, vein = draw(ARTERY), draw(VEIN)
    return np.stack([artery & ~vein, artery & vein, vein & ~artery], axis=-1).astype(np.uint8) * 255


def photograph(side_px: int = SIDE_PX) -> np.ndarray:
    """Return a bright disc with dark vessels, as a camera shows them."""
    y, x = np.mgrid[:side_px, :side_px] - (side_px - 1) / 2
    inside = np.hypot(x, y) < 0.47 * side_px
    shade = 150 - 40 * np.hypot(x, y) / side_px
    pixels = np.stack([shade * 1.2, shade * 0.7, shade * 0.3], axis=-1)
    vessels = draw(ARTERY, side_px=side_px) | draw(VEIN, side_px=side_px)
    pixels[vessels] *= (0.75, 0.5, 0.6)
    return (pixels * inside[..., None]).clip(0, 255).astype(np.uint8)
