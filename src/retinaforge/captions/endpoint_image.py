"""The photograph as a model behind an address gets it: a JPEG of a stated size."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from retinaforge.captions.writer import Image as Given
from retinaforge.core import Refusal


def opened(image: Given) -> Image.Image:
    """Return an image as RGB, whatever it was handed over as.

    Args:
        image: uint8 (height, width, 3), or the bytes of an encoded file.

    Raises:
        Refusal: if it is no image.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise Refusal(
                "an image of uint8 (height, width, 3)",
                f"{image.dtype} {image.shape}",
                "convert it first",
            )
        return Image.fromarray(image)
    try:
        return Image.open(io.BytesIO(image)).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Refusal("an image file", str(error)[:200], "replace or remove it") from error


def fitted(image: Image.Image, longest_px: int) -> Image.Image:
    """Return the image no longer than `longest_px`, its shape kept; a small one is not enlarged."""
    scale = longest_px / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def jpeg(image: Given, longest_px: int, quality: int) -> bytes:
    """Return the photograph as JPEG without metadata (no EXIF, hence no place and no date)."""
    file = io.BytesIO()
    fitted(opened(image), longest_px).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def picture_part(content: bytes) -> dict[str, Any]:
    """Return the part of a chat message that carries a JPEG as a data address."""
    text = base64.b64encode(content).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{text}"}}
