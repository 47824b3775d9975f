"""The held-out eyes that a plan leans on: their own images and what the autoencoder makes of them,
as files and as readings. What cannot be read off these, no generator can be blamed for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.core.artefacts import write_text, write_with
from retinaforge.tasks.obey import Segment
from retinaforge.tasks.obey_plan import NATURAL, Asked
from retinaforge.tasks.oracle import ITSELF, REBUILT, Oracle, finite, held_out_rows
from retinaforge.tasks.oracle_data import Eyes, kept_through, load_eyes
from retinaforge.tasks.oracle_segmenters import SEGMENTED
from retinaforge.tasks.records_file import Known

CEILING = "ceiling.jsonl"
Say = Callable[[str, int, int], None]


def read_ceiling(
    asked: Sequence[Asked], held_out: Sequence[Known], oracle: Oracle,
    autoencoder: torch.nn.Module | None, out: Path, *, side_px: int,
    segment: Segment | None = None, on_progress: Say = lambda what, done, count: None,
) -> tuple[Eyes, list[dict[str, Any]]]:  # fmt: skip
    """Read the donors' own images, and these through the autoencoder; write OUT/ceiling.jsonl.

    Args:
        asked: the plan.
        held_out: the eyes that it was made of.
        oracle: reads them.
        autoencoder: of the generator; None where it has none.
        out: folder; OUT/real and OUT/rebuilt take the eyes of the natural captions.
        side_px: side of the samples.
        segment: as in `obey.ask`.
        on_progress: called with (what, done, of how many).

    Returns:
        The eyes, and a row an eye and way as `oracle.held_out_rows` gives them.
    """
    wanted = {a.donor for a in asked} | {a.base for a in asked}
    known = [each for each in held_out if each.record.image in wanted]
    eyes = load_eyes(known, out / "cache" / "held_out", side_px=side_px,
                     on_progress=lambda k, n: on_progress("held-out eyes", k, n))  # fmt: skip
    sides = {ITSELF: eyes.pixels}
    if autoencoder is not None:
        path = out / "cache" / "held_out" / "rebuilt.npy"
        sides[REBUILT] = kept_through(
            autoencoder, eyes, path, lambda k, n: on_progress("through the autoencoder", k, n)
        )
    rows = held_out_rows(oracle, eyes, sides, on_progress)
    if segment is not None:
        _segment(asked, eyes, sides, rows, segment, on_progress)
    write_text(out / CEILING, "".join(json.dumps(r, allow_nan=False) + "\n" for r in rows))
    natural = {a.base for a in asked if a.design == NATURAL}
    for folder, through in (("real", ITSELF), ("rebuilt", REBUILT)):
        if through in sides:
            _write(out / folder, eyes, sides[through], natural, through)
    return eyes, rows


def _segment(
    asked: Sequence[Asked], eyes: Eyes, sides: dict[str, np.ndarray], rows: list[dict[str, Any]],
    segment: Segment, on_progress: Say,
) -> None:  # fmt: skip
    """Add what segmenters read of the donors of the words that they can read."""
    words: dict[str, set[str]] = {}
    for each in asked:
        if each.word in SEGMENTED:
            words.setdefault(each.donor, set()).add(each.word)
    place = {record.image: k for k, record in enumerate(eyes.records)}
    wanted = [row for row in rows if row["name"] in words]
    for done, row in enumerate(wanted, 1):
        pixels = np.array(sides[row["through"]][place[row["name"]]])
        row["segmenter"] = finite(segment(pixels, words[row["name"]]))
        on_progress("segmenters on held-out eyes", done, len(wanted))


def _write(folder: Path, eyes: Eyes, pixels: np.ndarray, names: set[str], through: str) -> None:
    stems = Counter(Path(record.image).stem for record in eyes.records)
    for record, image in zip(eyes.records, pixels, strict=True):
        if record.image not in names:
            continue
        name = Path(record.image).with_suffix("")
        # Eyes of several sets may share a file's name.
        path = folder / f"{name.name if stems[name.name] == 1 else '_'.join(name.parts)}.png"
        if not path.exists():
            info = PngInfo()
            info.add_text("Synthetic", "true" if record.synthetic else "false")
            info.add_text("Source", f"{record.image} ({through})")
            write_with(path, lambda stream, image=image, info=info: Image.fromarray(image).save(
                stream, format="PNG", pnginfo=info))  # fmt: skip
