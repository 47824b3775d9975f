"""Drawn images against the masks they were asked for with, from a run's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_json
from retinaforge.generators.maps import MapPlan
from retinaforge.generators.resolution import Canvas
from retinaforge.tasks.obey_masks import AskedMask, Segment, mask_obedience
from retinaforge.tasks.sample_masks import asked_masks
from retinaforge.tasks.sample_requests import Request

RESULT = "masks.json"


def check_masks(
    out: Path,
    requests: Sequence[Request],
    plan: MapPlan | None,
    canvas: Canvas,
    *,
    segment: Segment | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure how far the images of a folder follow their masks; write OUT/masks.json.

    Args:
        out: folder of images, as `sample_images` wrote it.
        requests: what was asked for; images that are not there are passed over.
        plan: of the generator.
        canvas: of the images; the masks stand on its square.
        segment: finds vessels, or None.
        on_progress: called with (images read, images).

    Returns:
        `mask_obedience` by map.

    Raises:
        Refusal: if the generator takes no masks, or no image was asked for with one.
    """
    asked: dict[str, list[AskedMask]] = {}
    for done, request in enumerate(requests, 1):
        for kind, one in _asked_of(out, request, plan, canvas):
            asked.setdefault(kind, []).append(one)
        if on_progress:
            on_progress(done, len(requests))
    if not asked:
        raise Refusal("images that were asked for with masks", f"none in {out}", "give --masks")
    found = {kind: mask_obedience(kind, some, segment=segment) for kind, some in asked.items()}
    write_json(out / RESULT, {"maps": found, "side_px": canvas.side})
    return found


def _asked_of(
    out: Path, request: Request, plan: MapPlan | None, canvas: Canvas
) -> list[tuple[str, AskedMask]]:
    wording, path = request.wording, out / f"{request.stem}.png"
    if plan is None or not path.is_file() or (wording.mask is None and not wording.masks):
        return []
    left, top = canvas.corner
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    pixels = pixels[top : top + canvas.side, left : left + canvas.side]
    shares, given = asked_masks(wording, plan, canvas.side)
    masks = shares[0].numpy() >= 0.5
    return [
        (kind, AskedMask(pixels, masks[at], _name_of(request, kind)))
        for at, kind in enumerate(plan.kinds)
        if given[0, at] and masks[at].any()
    ]


def _name_of(request: Request, kind: str) -> str:
    wording = request.wording
    if wording.mask is not None:
        return str(wording.mask)
    return "+".join(str(path) for path in (wording.masks or {}).get(kind, ()))
