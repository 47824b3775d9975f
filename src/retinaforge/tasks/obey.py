"""Ask a generator for words, draw, and read what the images show.

OUT/asked.json      settings; another plan in the same folder is refused
OUT/images/         the samples, as `retinaforge generate sample` writes them
OUT/readings.jsonl  a row an image: what was asked for, and what the oracle reads of it
OUT/real/           held-out eyes at the samples' side;  OUT/rebuilt/  through the autoencoder
OUT/natural/        samples of held-out captions as they are, for `retinaforge validate`
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.captions.record import EyeRecord
from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_json, write_text
from retinaforge.tasks.generator_rows import digest
from retinaforge.tasks.obey_plan import NATURAL, Asked, PlanSizes, plan_of
from retinaforge.tasks.oracle import Oracle, finite
from retinaforge.tasks.oracle_data import AT_ONCE
from retinaforge.tasks.oracle_segmenters import SEGMENTED
from retinaforge.tasks.pairs import pair_of, row_of, write_rows
from retinaforge.tasks.sample_requests import Request, Wording

ASKED, READINGS, IMAGES = "asked.json", "readings.jsonl", "images"
Failure = tuple[str, str, str]
Draw = Callable[[Sequence[Request], Path], Sequence[Failure]]
"""Draws requests into a folder as `sample_images` does; returns (image, source, reason) of those
that it could not draw."""
Segment = Callable[[np.ndarray, Collection[str]], dict[str, float]]
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Answered:
    """What came of asking.

    Attributes:
        asked: the plan, in the order of the images.
        rows: of readings.jsonl.
        failed: (image, source, reason) of those that could not be drawn or read.
        unsaid: captions of the plan that leave their word to silence.
    """

    asked: tuple[Asked, ...]
    rows: tuple[dict[str, Any], ...]
    failed: tuple[Failure, ...]
    unsaid: int


def ask(
    draw: Draw, oracle: Oracle, held_out: Sequence[EyeRecord], out: Path, *, sizes: PlanSizes,
    words: Sequence[str] | None = None, segment: Segment | None = None,
    on_progress: Say = lambda what, done, count: None,
) -> Answered:  # fmt: skip
    """Ask, draw, read; the same call goes on where it stopped.

    Args:
        draw: the generator.
        oracle: reads the images.
        held_out: records of eyes that the generator did not learn from.
        out: folder to write.
        sizes: how much is asked.
        words: which words; None: all that can be asked.
        segment: also reads the words that segmenters can (`oracle_segmenters`); None: nobody.
        on_progress: called with (what, done, of how many).

    Raises:
        Refusal: expected a folder of this plan; or words of the catalogue.
    """
    asked = plan_of(held_out, sizes, words)
    claim(out, {"plan": digest([a.as_row() for a in asked])[:16], "images": len(asked),
                "sizes": asdict(sizes), "words": list(words) if words else None})  # fmt: skip
    requests = [Request(i, a.seed, Wording(a.text, a.base, a.record)) for i, a in enumerate(asked)]
    failed = list(draw(requests, out / IMAGES))
    rows, unread = _read(asked, requests, oracle, segment, out, on_progress)
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_text(out / READINGS, "".join(lines))
    known = {name for name, _, _ in failed}
    failed += [each for each in unread if each[0] not in known]
    return Answered(tuple(asked), tuple(rows), tuple(failed), sum(not a.said for a in asked))


def claim(out: Path, settings: dict[str, Any]) -> None:
    """Write down the plan, or refuse to mix two.

    Raises:
        Refusal: expected a folder of this plan.
    """
    path = out / ASKED
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(settings)):
            raise Refusal(
                "a folder that is new or was begun with the same plan", f"another plan: {out}",
                "choose another folder",
            )  # fmt: skip
        return
    write_json(path, settings)


def _read(
    asked: Sequence[Asked], requests: Sequence[Request], oracle: Oracle, segment: Segment | None,
    out: Path, say: Say,
) -> tuple[list[dict[str, Any]], list[Failure]]:  # fmt: skip
    rows, failed = [], []
    for start in range(0, len(asked), AT_ONCE):
        opened: list[tuple[int, np.ndarray]] = []
        for request in requests[start : start + AT_ONCE]:
            path = out / IMAGES / f"{request.stem}.png"
            try:
                with Image.open(path) as image:
                    opened.append((request.number, np.array(image.convert("RGB"))))
            except OSError as error:
                failed.append((request.stem, request.wording.source, f"not to be read: {error}"))
        if opened:
            said = oracle.read(np.stack([pixels for _, pixels in opened]))
            for (number, pixels), reading in zip(opened, said, strict=True):
                if segment is not None and asked[number].word in SEGMENTED:
                    reading["segmenter"] = segment(pixels, (asked[number].word,))
                rows.append(_row(asked[number], number, reading))
        say("reading samples", min(start + AT_ONCE, len(asked)), len(asked))
    return rows, failed


def _row(asked: Asked, number: int, reading: dict[str, Any]) -> dict[str, Any]:
    read = {kind: finite(values) for kind, values in reading.items()}
    return {"image": f"synthetic_{number:06d}.png", "number": number, **asked.as_row(), **read}


def read_readings(out: Path) -> list[dict[str, Any]]:
    """Return the rows of readings.jsonl.

    Raises:
        Refusal: expected a folder of `retinaforge generate obey`.
    """
    path = Path(out) / READINGS
    if not path.is_file():
        raise Refusal(
            "a folder that `retinaforge generate obey` wrote", f"none: {out}", "run it first"
        )
    # Split at the line feed alone: a caption may hold other characters that end a line.
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def set_apart_natural(answered: Answered, out: Path) -> Path:
    """Copy the samples of whole held-out captions into a folder of their own; return it.

    OUT/natural.jsonl is the table of these pairs, for `retinaforge captions adherence`.
    """
    folder, lines = out / "natural", []
    folder.mkdir(parents=True, exist_ok=True)
    for row in answered.rows:
        if row["design"] != NATURAL:
            continue
        target = folder / row["image"]
        if not target.exists():
            shutil.copyfile(out / IMAGES / row["image"], target)
        asked = answered.asked[row["number"]].record
        record = replace(asked, image=f"natural/{row['image']}", patient="", split="",
                         synthetic=True)  # fmt: skip
        pair = pair_of(record, out / IMAGES / row["image"], [row["text"]], writer="asked for")
        lines.append(row_of(pair))
    write_rows(out / "natural.jsonl", lines)
    return folder
