"""A sample of captions for a clinician, and what the answers of several readers come to.

RetinaLogos's clinician checks samples against five items (optic, macula, vessel, fibre, lesion).
The sample is stratified: images are drawn in turn from groups of one quality and one severity, so
that rare groups are looked at too.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from retinaforge.core import Refusal, RetinaForgeError, rng_for
from retinaforge.core.artefacts import write_json
from retinaforge.images import read_photograph
from retinaforge.tasks.adherence import parts_of
from retinaforge.tasks.pairs import Pair

ITEMS: dict[str, str] = {
    "optic": "Optic disc: cup, rim, margin, colour",
    "macula": "Fovea, reflex, what lies in the macula",
    "vessel": "Calibre, course, density",
    "fibre": "Nerve fibre layer",
    "lesion": "Which, how many, where",
}
PART_OF = {
    "optic": "disc", "macula": "macula", "vessel": "vessels", "fibre": "fibres",
    "lesion": "lesions",
}  # fmt: skip
ANSWERS = ("correct", "wrong", "not said")
SHOWN_PX, TABLE = 640, "checklist.json"


@dataclass(frozen=True)
class Sampled:
    """A stratified sample.

    Attributes:
        pairs: in the order in which they are shown.
        strata: of each.
        counts: of each stratum, how many there were and how many were drawn.
        left_out: (name, reason) of images that could not be shown.
    """

    pairs: tuple[Pair, ...]
    strata: tuple[str, ...]
    counts: dict[str, tuple[int, int]]
    left_out: tuple[tuple[str, str], ...] = ()


def stratum_of(pair: Pair) -> str:
    """Return quality and severity of an eye in words, from its record; "unknown" without facts."""
    quality, grade = pair.record.value("quality"), pair.record.value("dr_grade")
    told = [] if quality is None else [f"quality {quality}"]
    told += [] if grade is None else [f"diabetic retinopathy grade {int(grade)}"]
    return ", ".join(told) or "unknown"


def sample_pairs(pairs: Sequence[Pair], count: int, seed: int = 0) -> Sampled:
    """Return a sample drawn in turn from each stratum, shown in mixed order.

    Args:
        pairs: captioned images.
        count: how many; all where there are fewer.
        seed: equal seeds draw the same.

    Raises:
        Refusal: for no pair with a caption, or a count below 1.
    """
    spoken = [pair for pair in pairs if pair.text.strip()]
    if not spoken or count < 1:
        raise Refusal("captions to check, at least one", f"{len(spoken)} captions, {count} asked",
                      "name a folder of pairs and --sample 40")  # fmt: skip
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in spoken:
        groups[stratum_of(pair)].append(pair)
    rng = rng_for(seed, "checklist")
    for name in sorted(groups):
        groups[name] = [groups[name][i] for i in rng.permutation(len(groups[name]))]
    sizes = {name: len(group) for name, group in groups.items()}
    drawn: list[tuple[str, Pair]] = []
    while len(drawn) < min(count, len(spoken)):
        for name in sorted(groups):
            if groups[name] and len(drawn) < count:
                drawn.append((name, groups[name].pop()))
    drawn = [drawn[i] for i in rng.permutation(len(drawn))]
    counts = {name: (sizes[name], sum(name == s for s, _ in drawn)) for name in sorted(sizes)}
    return Sampled(tuple(p for _, p in drawn), tuple(s for s, _ in drawn), counts)


def write_checklist(sampled: Sampled, folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Write checklist.json, from which the page is made; images are shown at most 640 px wide.

    Returns:
        The content; "sample" names this very sample, so that answers to another are refused.

    Raises:
        Refusal: if not a single image can be read.
    """
    rows, left_out = [], []
    for pair, stratum in zip(sampled.pairs, sampled.strata, strict=True):
        try:
            picture = _embedded(pair.path)
        except (RetinaForgeError, OSError) as error:
            left_out.append({"name": pair.name, "reason": str(error)})
            continue
        rows.append({
            "name": pair.name, "text": pair.text, "writer": pair.writer, "stratum": stratum,
            "synthetic": pair.synthetic, "parts": dict(parts_of(pair.text)), "picture": picture,
        })  # fmt: skip
    if not rows:
        raise Refusal("at least one readable image", left_out[0]["reason"], "check the folder")
    told = "\x1f".join(f"{row['name']}\x1e{row['text']}" for row in rows)
    content = {
        "format": 1, "sample": hashlib.sha256(told.encode()).hexdigest()[:16],
        "items": [{"name": n, "about": a, "part": PART_OF[n]} for n, a in ITEMS.items()],
        "answers": list(ANSWERS), "rows": rows, "left_out": left_out,
        "strata": {name: list(pair) for name, pair in sampled.counts.items()}, **about,
    }  # fmt: skip
    write_json(folder / TABLE, content)
    return content


def _embedded(path: Path) -> str:
    image = Image.fromarray(read_photograph(path).pixels)
    image.thumbnail((SHOWN_PX, SHOWN_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
