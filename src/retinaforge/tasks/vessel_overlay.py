"""Pictures of what was found: maps of arteries and veins, and overlays for people to look at."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage

from retinaforge.core import Landmarks, Photograph
from retinaforge.vessels.vasculature import Vasculature

Rgb = UInt8[np.ndarray, "height width 3"]
LONGEST_PX = 1024
ARTERY, VEIN, VESSEL = (255, 92, 72), (70, 150, 255), (80, 235, 120)
DISC, FOVEA, CROSSING = (255, 255, 255), (255, 220, 0), (255, 220, 0)
LESION_COLOURS = {
    "microaneurysm": (255, 80, 255), "haemorrhage": (255, 150, 0),
    "hard_exudate": (255, 255, 130), "soft_exudate": (120, 255, 255),
}  # fmt: skip
UNCERTAIN = (255, 0, 200)
FILL = 0.6
MOST_UNCERTAIN = 0.5
"""Standard deviation of judges of whom one half says 0 and the other 1."""


def kind_colours(v: Vasculature) -> Rgb:
    """Return arteries red, veins blue, both green, vessels of neither kind white, else black."""
    artery, vein = v.kind_pixels["artery"], v.kind_pixels["vein"]
    both, neither = artery & vein, v.pixels & ~artery & ~vein
    planes = ((artery & ~both) | neither, both | neither, (vein & ~both) | neither)
    return np.stack(planes, axis=-1).astype(np.uint8) * 255


def overlay(photo: Photograph | None, v: Vasculature) -> Image.Image:
    """Return the photograph, at most 1024 px, with vessels, lesions, crossings and landmarks.

    Args:
        photo: None draws on a dark ground.
        v: what was found in it, in its coordinates.
    """
    height, width = v.pixels.shape
    scale = min(1.0, LONGEST_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if photo is None:
        ground = Image.fromarray(v.fov.mask.astype(np.uint8) * 40).convert("RGB")
    else:
        ground = Image.fromarray(photo.pixels)
    page = ground.resize(size, Image.Resampling.BOX)
    layers = (
        ((v.kind_pixels["artery"], ARTERY), (v.kind_pixels["vein"], VEIN))
        if "artery" in v.kind_pixels
        else ((v.pixels, VESSEL),)
    )
    for mask, colour in layers:
        cover = Image.fromarray(mask.astype(np.uint8) * round(255 * FILL))
        page.paste(colour, (0, 0, *size), cover.resize(size, Image.Resampling.BOX))
    for kind, mask in (v.lesions or {}).items():
        _draw_outline(page, mask & v.fov.mask, LESION_COLOURS[kind])
    _draw_marks(page, v, scale)
    return page


def _draw_outline(
    page: Image.Image, mask: Bool[np.ndarray, "height width"], colour: tuple[int, int, int]
) -> None:
    """Draw a line round every piece of a mask, outside it so that the lesion stays in sight."""
    cover = Image.fromarray(mask.astype(np.uint8) * 255).resize(page.size, Image.Resampling.BOX)
    # A lesion smaller than a pixel of the page is drawn all the same.
    seen = np.asarray(cover) > 0
    round_it = ndimage.binary_dilation(seen, np.ones((3, 3)), iterations=2)
    rim = round_it & ~ndimage.binary_dilation(seen)
    page.paste(colour, (0, 0, *page.size), Image.fromarray(rim))


def _draw_marks(page: Image.Image, v: Vasculature, scale: float) -> None:
    pen = ImageDraw.Draw(page)
    for traced in v.traced.values():
        for x, y in ((traced.crossings_px + 0.5) * scale).tolist():
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), outline=CROSSING)
    marks: Landmarks = v.landmarks
    for centre, axes in (
        (marks.disc_centre_px, marks.disc_axes_px), (marks.cup_centre_px, marks.cup_axes_px),
    ):  # fmt: skip
        if centre is not None and axes is not None:
            x, y = ((c + 0.5) * scale for c in centre)
            a, b = (half * scale for half in axes)
            pen.ellipse((x - a, y - b, x + a, y + b), outline=DISC, width=2)
    if marks.fovea_px is not None:
        x, y = ((c + 0.5) * scale for c in marks.fovea_px)
        pen.line((x - 7, y, x + 7, y), fill=FOVEA, width=2)
        pen.line((x, y - 7, x, y + 7), fill=FOVEA, width=2)


def uncertainty_overlay(
    photo: Photograph, uncertainty: Float[np.ndarray, "height width"]
) -> Image.Image:
    """Return the photograph in grey, at most 1024 px, magenta where judges disagree.

    Args:
        photo: what was judged.
        uncertainty: standard deviation of the judges' probabilities, 0 to 0.5.
    """
    height, width = uncertainty.shape
    scale = min(1.0, LONGEST_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    page = Image.fromarray(photo.pixels).convert("L").resize(size, Image.Resampling.BOX)
    page = page.convert("RGB")
    cover = Image.fromarray(in_eight_bits(uncertainty / MOST_UNCERTAIN))
    page.paste(UNCERTAIN, (0, 0, *size), cover.resize(size, Image.Resampling.BOX))
    return page


def in_eight_bits(plane: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Return 0 to 1 as 0 to 255."""
    return np.round(plane * 255).clip(0, 255).astype(np.uint8)


def as_png(pixels: np.ndarray) -> bytes:
    """Return PNG bytes of a mask (as 0 and 255), a grey or a colour image."""
    grey = pixels.astype(np.uint8) * 255 if pixels.dtype == np.bool_ else pixels
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "png", compress_level=4)
    return buffer.getvalue()


def as_jpeg(page: Image.Image) -> bytes:
    """Return JPEG bytes."""
    buffer = io.BytesIO()
    page.save(buffer, "jpeg", quality=88)
    return buffer.getvalue()
