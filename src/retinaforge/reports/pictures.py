"""Pictures inside the page: WebP in base64, made smaller until all of them fit."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

# The page is to stay below 15 MB, so that it can be mailed.
BUDGET_BYTES = 12_000_000
TRIALS = ((512, 84), (384, 78), (288, 70), (224, 60))
VIEWS = ("reconstruction", "zoom", "overlay", "overlay_zoom")


def embed_eyes(eyes: Sequence[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Return the eyes of panels.json with every file replaced by its data address, or None."""
    names = list(dict.fromkeys(name for eye in eyes for name in _files(eye)))
    inside = embed(names, folder)
    return [_with_addresses(eye, inside) for eye in eyes]


def embed(names: Sequence[str], folder: Path) -> dict[str, str | None]:
    """Return a data address for each file, all within the budget; None where unreadable.

    Args:
        names: files relative to `folder`.
        folder: where they lie; nothing outside it is read.
    """
    root = folder.resolve()
    paths = {name: root / name for name in names}
    safe = {n: p for n, p in paths.items() if p.resolve().is_relative_to(root)}
    inside: dict[str, str | None] = {}
    for side, quality in TRIALS:
        inside = {n: _address(safe[n], side, quality) if n in safe else None for n in names}
        if sum(len(text) for text in inside.values() if text) <= BUDGET_BYTES:
            break
    return inside


def _address(path: Path, side: int, quality: int) -> str | None:
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError):
        return None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _files(eye: dict[str, Any]) -> list[str]:
    holders = [(eye, ("original", "original_zoom"))]
    holders += [(arm, VIEWS) for arm in eye.get("arms", [])]
    return [holder[key] for holder, keys in holders for key in keys if holder.get(key)]


def _with_addresses(eye: dict[str, Any], inside: dict[str, str | None]) -> dict[str, Any]:
    def shown(holder: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
        return {**holder, **{key: inside.get(holder.get(key, "")) for key in keys}}

    arms = [shown(arm, VIEWS) for arm in eye.get("arms", [])]
    return {**shown(eye, ("original", "original_zoom")), "arms": arms}
