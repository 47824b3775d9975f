"""Maps of attribution as pictures, and the gradient that integrated gradients need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.attribution import Gradient, Heat
from retinaforge.audits.masking import VARIANTS, Parts
from retinaforge.core.artefacts import write_with
from retinaforge.validation.audit_head import Head

SHOWN = 6
FOR, AGAINST = (255.0, 140.0, 40.0), (60.0, 170.0, 255.0)

GradientOf = Callable[[Head], Gradient]
Row = dict[str, Any]


def torch_gradient(encoder: Any, batch: int) -> GradientOf:
    """Return what makes a gradient by the pixels of a head's logit; for encoders we see into."""
    import torch

    from retinaforge.tasks.embedding_looks import device_of

    def of(head: Head) -> Gradient:
        device = device_of(encoder)
        weights = torch.tensor(head.weights, dtype=torch.float32, device=device)

        def gradient(images: np.ndarray) -> np.ndarray:
            found = []
            for start in range(0, len(images), batch):
                some = torch.tensor(images[start : start + batch], dtype=torch.float32)
                ready = (some / 127.5 - 1).permute(0, 3, 1, 2).to(device).requires_grad_()
                with torch.enable_grad():
                    logits = encoder.embedding(ready).float() @ weights
                    (by,) = torch.autograd.grad(logits.sum(), ready)
                found.append(by.permute(0, 2, 3, 1).cpu().numpy().astype(np.float64) / 127.5)
            return np.concatenate(found)

        return gradient

    return of


def regions_of(parts: Parts) -> dict[str, np.ndarray]:
    """Return the regions that attribution is counted in: field, border, disc, vessels, rest."""
    border = VARIANTS["border only"](parts)
    found = {"field": parts.fov, "border": border}
    rest = parts.fov & ~border
    for name, mask in (("disc", parts.disc), ("vessels", parts.vessels)):
        if mask is not None and mask.any():
            found[name] = mask & parts.fov & ~border
            rest = rest & ~mask
    return {**found, "rest": rest}


def write_pictures(
    out: Path, squares: np.ndarray, rows: Sequence[Row], heats: Sequence[Heat]
) -> list[dict[str, str]]:
    """Write image and map side by side for the surest answers of either side.

    Args:
        out: folder.
        squares: images that were explained, RGB, 0-255.
        rows: name, side and logit of each.
        heats: map of each.

    Returns:
        File and caption of each picture.
    """
    order = np.argsort([-abs(row["logit"]) for row in rows], kind="stable")
    sides = [[int(k) for k in order if rows[k]["synthetic"] == side] for side in (True, False)]
    chosen = [k for side in sides for k in side[: SHOWN // 2]]
    found = []
    for place, k in enumerate(chosen):
        name = f"pictures/attribution_{place}.png"
        kind = "synthetic" if rows[k]["synthetic"] else "real"
        image = _side_by_side(squares[k], heats[k], synthetic=rows[k]["synthetic"])
        write_with(out / name, lambda stream, image=image: image.save(stream, "PNG"))
        found.append(
            {"file": name, "title": f"{kind}: {rows[k]['name']}, logit {rows[k]['logit']:+.2f}"}
        )
    return found


def _side_by_side(pixels: np.ndarray, heat: Heat, *, synthetic: bool) -> Any:
    from PIL import Image as Pictures
    from PIL import ImageDraw

    top = max(float(np.quantile(np.abs(heat), 0.995)), 1e-30)
    share = np.clip(heat / top, -1, 1)[..., None]
    grey = pixels.mean(axis=-1, keepdims=True) * 0.5
    colour = np.where(share > 0, np.array(FOR), np.array(AGAINST))
    shown = grey * (1 - np.abs(share)) + colour * np.abs(share)
    picture = Pictures.fromarray(np.concatenate([pixels, shown.astype(np.uint8)], axis=1))
    if synthetic:
        ImageDraw.Draw(picture).text((4, 4), "SYNTHETIC", fill=(255, 90, 80))
    return picture
