"""One phantom as files: the photograph, a mask a structure, graph and facts, as bytes.

Bytes depend on the phantom alone; every PNG says in its metadata that it is synthetic.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.phantoms.graph import graph_as_dict
from retinaforge.phantoms.phantom import Phantom

LICENCE = "CC0-1.0 (drawn by RetinaForge)"
MASKS = ("vessel", "artery", "vein", "disc", "cup", "fovea", "macula", "fov")
"""The masks that every phantom has, as 1-bit PNG; lesions come on top where there are any."""
PHOTOGRAPH_LEVEL, MASK_LEVEL = 3, 6
"""Compression of PNG: a photograph's noise does not compress, a mask costs nothing."""


def masks_of(phantom: Phantom) -> dict[str, np.ndarray]:
    """Return every mask by layer name; a lesion's is "lesions/KIND", and only if it is there."""
    masks = {name: getattr(phantom, name) for name in MASKS if name != "fov"}
    masks["fov"] = phantom.fov.mask
    seen = {f"lesions/{kind}": mask for kind, mask in phantom.lesions.items() if mask.any()}
    return masks | dict(sorted(seen.items()))


def artery_vein_colours(phantom: Phantom) -> np.ndarray:
    """Return RGB as the public sets use it: red artery, blue vein, green where they cross."""
    both = phantom.artery & phantom.vein
    planes = (phantom.artery & ~both, both, phantom.vein & ~both)
    return np.stack(planes, axis=-1).astype(np.uint8) * 255


def encode(phantom: Phantom, facts: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a phantom as (layer name with ending → bytes).

    The facts come last and list the others, so that a set in which they lie is whole.

    Args:
        phantom: what was drawn.
        facts: its record, see `facts.facts_of`.
    """
    text = png_text(phantom)
    files = {f"{name}.png": png(mask, text) for name, mask in masks_of(phantom).items()}
    files["artery_vein.png"] = png(artery_vein_colours(phantom), text)
    files["graphs.json"] = plain_json(graph_as_dict(phantom))
    files["images.png"] = png(phantom.photograph.pixels, text)
    files["facts.json"] = plain_json(facts | {"files": sorted(files)})
    return files


def png_text(phantom: Phantom) -> dict[str, str]:
    """Return what every PNG of a phantom says of itself."""
    return {
        "synthetic": "true",
        "seed": str(phantom.fundus.seed),
        "eye": str(phantom.photograph.eye),
        "Software": "RetinaForge",
        "Description": "Phantom: a drawn eye, not a photograph of anyone",
        "Copyright": LICENCE,
    }


def png(pixels: np.ndarray, text: dict[str, str]) -> bytes:
    """Return PNG bytes: 1 bit a pixel for a mask, RGB for a photograph."""
    info = PngInfo()
    for key, value in text.items():
        info.add_text(key, value)
    buffer = io.BytesIO()
    level = PHOTOGRAPH_LEVEL if pixels.dtype == np.uint8 else MASK_LEVEL
    Image.fromarray(pixels).save(buffer, "png", pnginfo=info, compress_level=level)
    return buffer.getvalue()


def plain_json(content: Any) -> bytes:
    """Return compact JSON on one line; NaN is refused, as JSON has none."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return (text + "\n").encode()
