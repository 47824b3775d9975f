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


def vascx_folder(root: Path) -> Path:
    """Write one eye as VascX does."""
    index = np.zeros((200, 200), np.uint8)
    index[vessel_mask()] = 1
    save(root / "vessels" / "eye.png", index)
    kinds = np.zeros_like(index)
    kinds[colours()[..., 0] > 0], kinds[colours()[..., 2] > 0] = 1, 2
    save(root / "artery_vein" / "eye.png", kinds)
    disc = np.zeros_like(index)
    disc[80:120, 20:50] = 1
    save(root / "disc" / "eye.png", disc)
    save(root / "preprocessed_rgb" / "eye.png", photograph())
    (root / "fovea.csv").write_text(",mean_x,mean_y\neye,150.4,99.8\n")
    return root


def automorph_folder(root: Path, *, slash_forgotten: bool = False) -> Path:
    """Write one eye as AutoMorph does."""
    m2 = root / "Results" / "M2"
    save(m2 / "binary_vessel" / "raw_binary" / "eye.png", vessel_mask())
    process = "binary_vesselbinary_process" if slash_forgotten else "binary_vessel/binary_process"
    save(m2 / process / "eye.png", vessel_mask())
    save(m2 / "artery_vein" / "artery_binary_process" / "eye.png", colours()[..., 0] > 0)
    save(m2 / "artery_vein" / "vein_binary_process" / "eye.png", colours()[..., 2] > 0)
    cup = np.zeros((400, 400, 3), np.uint8)
    cup[160:240, 40:100, 0] = 255
    cup[180:220, 60:80] = (0, 0, 255)
    save(m2 / "optic_disc_cup" / "raw" / "eye.png", cup)
    (root / "Results" / "M0").mkdir()
    header = "Name,centre_w,centre_h,radius,Scale,Scale_resolution\n"
    (root / "Results" / "M0" / "crop_info.csv").write_text(header + "eye.png,1,1,800,1.75,14.0\n")
    return root
