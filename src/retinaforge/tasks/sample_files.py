"""Drawn images as files that say what they are: PNG with text, rows, shards."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_json
from retinaforge.tasks.generator_rows import digest
from retinaforge.tasks.pairs import METADATA, Pair, row_of
from retinaforge.tasks.sample_draw import Drawn, SamplePlan
from retinaforge.tasks.sample_requests import Request, Toward

SETTINGS = "sample.json"
IMAGES = ("*.png", "*.jpg", "*.tar")
REQUESTS = "other captions, seeds, classes or masks"


def png_of(pixels: np.ndarray, facts: Mapping[str, Any]) -> bytes:
    """Return an image as PNG with text fields that say it is synthetic and how it was made.

    Args:
        pixels: RGB, 0-255.
        facts: of `facts_of`.
    """
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(stream, format="PNG", pnginfo=png_info(facts), compress_level=4)
    return stream.getvalue()


def png_info(facts: Mapping[str, Any]) -> PngInfo:
    """Return PNG text fields of some facts, headed by the word that the image is synthetic."""
    info = PngInfo()
    info.add_text("Synthetic", "true")
    info.add_text("Software", f"RetinaForge {metadata.version('retinaforge')}")
    for name, value in facts.items():
        words = value if isinstance(value, str) else json.dumps(value)
        # iTXt is UTF-8; plain tEXt would lose what Latin-1 lacks.
        info.add_itxt(name.capitalize(), words)
    return info


def facts_of(request: Request, plan: SamplePlan, fingerprint: str) -> dict[str, Any]:
    """Return how an image was made: enough to make it again."""
    wording = request.wording
    facts = {
        "caption": request.caption,
        "seed": request.seed,
        "negative": plan.negative,
        "sampler": plan.method,
        "steps": plan.steps,
        "guidance": plan.guidance,
        "interval": list(plan.interval),
        "time_shift": plan.time_shift,
        "model": fingerprint,
        "source": wording.source,
    }
    if request.toward is not None:
        facts["between"] = _between_of(request.toward, request)
    if plan.guide_masks:
        facts["guide_masks"] = True
    if request.classes:
        facts["classes"] = dict(request.classes)
    if wording.mask is not None:
        facts["mask"] = str(wording.mask)
    if wording.masks is not None:
        facts["masks"] = _masks_of(request)
    return facts


def _between_of(toward: Toward, request: Request) -> dict[str, Any]:
    return {
        "captions": list(request.texts),
        "seeds": [request.seed, toward.seed],
        "share": toward.share,
    }


def _masks_of(request: Request) -> dict[str, list[str]]:
    asked = request.wording.masks or {}
    return {name: [str(path) for path in files] for name, files in asked.items()}


def row_for(request: Request, plan: SamplePlan, fingerprint: str) -> dict[str, Any]:
    """Return an image's row, in the columns of a pairs folder (`tasks.pairs`) and `facts_of`'s.

    The record says what was asked for. Whose eye it was asked after is not carried over: a drawn
    eye is nobody's.
    """
    name = f"{request.stem}.png"
    asked = request.wording.record
    record = replace(
        asked, image=name, patient="", split="", report="", dataset="synthetic", synthetic=True
    )
    more = facts_of(request, plan, fingerprint)
    text = more.pop("caption")
    pair = Pair(Path(name), text, (text,), record, synthetic=True, writer="asked for", more=more)
    return row_of(pair)


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Write down a run's settings, or go on with a run of the same.

    What a killed run left half-written is removed.

    Raises:
        Refusal: if the folder is a file, holds a run of other settings, or images of another kind.
    """
    path = folder / SETTINGS
    if folder.exists() and not folder.is_dir():
        raise Refusal("a folder to write", f"a file: {folder}", "choose another name")
    if not path.exists():
        if any(True for name in (*IMAGES, METADATA) for _ in folder.glob(name)):
            raise Refusal(
                "an empty folder, or one of this command", f"{folder} with other images or pairs",
                "choose another folder",
            )  # fmt: skip
        write_json(path, settings)
        return
    held = _read(path)
    differ = [name for name in settings if held.get(name) != settings[name]]
    if differ:
        raise Refusal(
            f"the settings that {folder} was begun with",
            "; ".join(
                REQUESTS
                if name == "requests"
                else f"{name} {settings[name]} instead of {held.get(name)}"
                for name in differ
            ),
            "run the same command again, or choose another folder",
        )
    for torn in folder.glob(".*.tmp"):
        torn.unlink()


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def settings_of(
    requests: Sequence[Request], plan: SamplePlan, fingerprint: str, form: str
) -> dict[str, Any]:
    """Return all that decides a run's files."""
    asked = [
        [one.seed, one.wording.text, dict(one.classes), str(one.wording.mask or "")]
        + ([] if one.wording.masks is None else [_masks_of(one)])
        + ([] if one.toward is None else [_between_of(one.toward, one)])
        for one in requests
    ]
    return {
        "model": fingerprint,
        "images": len(requests),
        "requests": digest(asked)[:16],
        "as": form,
        **plan.as_dict(),
    }


def fill_shard(
    stream: BinaryIO, drawn: Iterator[Drawn], plan: SamplePlan, fingerprint: str
) -> None:
    """Write images as a tar in WebDataset's convention: .png, .txt and .json of equal stem."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for one in drawn:
            if one.pixels is None:
                continue
            row = row_for(one.request, plan, fingerprint)
            files = {
                "png": png_of(one.pixels, facts_of(one.request, plan, fingerprint)),
                "txt": one.request.wording.text.encode(),
                "json": json.dumps(row, ensure_ascii=False, allow_nan=False).encode(),
            }
            for ending, content in files.items():
                member = tarfile.TarInfo(f"{one.request.stem}.{ending}")
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))


def shard_stems(path: Path) -> set[str]:
    """Return the stems of a shard's images."""
    with tarfile.open(path) as tar:
        return {Path(name).stem for name in tar.getnames() if name.endswith(".png")}
