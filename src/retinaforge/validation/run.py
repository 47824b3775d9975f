"""One run of validation: two folders in, scorecard.json and everything the page shows out.

OUT/scorecard.json      scores, protocol, verdict, sanity panel, what was left out
OUT/per_image.parquet   a row an image
OUT/rejects/            overlays of synthetic images that fail a check, and of copies
OUT/cache/              what was measured of each image; resuming and other runs read it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from retinaforge.core import Refusal, Score
from retinaforge.core.artefacts import environment, write_json
from retinaforge.validation.copy_control import plant_copies
from retinaforge.validation.copying import Copying, find_copying
from retinaforge.validation.distributions import TABLES, distribution_scores
from retinaforge.validation.eye import Settings
from retinaforge.validation.fidelity import Sides, fidelity_scores
from retinaforge.validation.findings import anatomy_scores, quality_score
from retinaforge.validation.footing import Footing, footing_of
from retinaforge.validation.groups import group_scores
from retinaforge.validation.jobs import Job, list_side, require_two_sides
from retinaforge.validation.ledger import contamination, protocol_of
from retinaforge.validation.measure import MeasuredSides, measure_sides
from retinaforge.validation.paired import paired_scores, pairs_of, require_pairs
from retinaforge.validation.panel import Panel
from retinaforge.validation.places import with_places
from retinaforge.validation.rejects import write_rejects
from retinaforge.validation.sanity import ALL_LEVELS, FEW_LEVELS, SMALLEST_N, sanity_panel
from retinaforge.validation.sentence import identity_of
from retinaforge.validation.spaces import encoder_named
from retinaforge.validation.tables import write_per_image
from retinaforge.validation.uses import uses_of
from retinaforge.validation.verdict import verdict_of
from retinaforge.validation.wounds import Pairing

Suite = Literal["quick", "full"]
Progress = Callable[[str, int, int], None]
SCHEMA_VERSION = "1.2"
QUICK_IMAGES, PANEL_IMAGES = {"quick": 60, "full": None}, {"quick": 12, "full": 24}
PLANTED_IMAGES = {"quick": 4, "full": 8}
"""Reference images of which copies are planted, ten each."""
FEWEST = 2
"""Images that a side must have to be compared at all."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for.

    Attributes:
        suite: "quick" takes 60 evenly spaced images a side and three levels of damage.
        paired: synthetic images are reconstructions of the real ones.
        encoders: further encoders, as `load_encoder` takes them.
        groups: columns of the real side's table.
        train: what the generator was trained on.
        lpips: encoder with heads, for pairs.
        panel_images: real images in the sanity panel; None chooses by the suite.
        size_px: side of the square that all images become; None chooses.
        workers: processes.
        seed: decides halves, damage and resamples.
    """

    suite: Suite = "full"
    paired: bool = False
    encoders: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    train: Path | None = None
    lpips: str = ""
    panel_images: int | None = None
    size_px: int | None = None
    workers: int = 1
    seed: int = 0


@dataclass
class Timing:
    """Seconds of each part of a run, for the protocol."""

    parts: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def note(self, part: str) -> None:
        """Write down how long the part took that ends now."""
        now = time.monotonic()
        self.parts[part] = round(now - self._since, 1)
        self._since = now


def validate(
    real: Path, synthetic: Path, out: Path, options: Options, *,
    cache: Path | None = None, on_progress: Progress = lambda what, done, count: None,
) -> dict[str, Any]:  # fmt: skip
    """Compare a folder of synthetic images with one of real photographs.

    Args:
        real: photographs, or a data set with a table.
        synthetic: images of any generator.
        out: folder of the result; the same call resumes there.
        options: what is to be done.
        cache: keeps what is measured of each image; `out`/cache by default.
        on_progress: called with (what, done, all).

    Returns:
        The content of scorecard.json.

    Raises:
        Refusal: expected two folders apart, with at least two images each that show a fundus.
    """
    timing = Timing()
    kept = cache or out / "cache"
    jobs, footing = _jobs(real, synthetic, options)
    _require_answerable(jobs, options)
    settings = Settings(size_px=footing.size_px, encoders=options.encoders)
    done = measure_sides(
        jobs, kept, settings=settings, workers=options.workers,
        on_progress=lambda k, n: on_progress("measuring images", k, n),
    )  # fmt: skip
    timing.note("measuring images")
    sides = Sides(done.of("real"), done.of("synthetic"))
    _require_enough(done)
    scores = _scores(sides, options)
    timing.note("scores")
    panel, problems = _panel(done, kept, settings, options, on_progress)
    rows = panel.rows() if panel else []
    timing.note("sanity panel")
    copying = _copying(done, kept, settings, options, on_progress)
    timing.note("copies")
    pairs: list[dict[str, Any]] = []
    if options.paired:
        lines, pairs = _paired(done, settings, options)
        scores += lines
        timing.note("pairs")
    scores = with_places([*scores, *copying.scores], rows)
    left_out = {side: done.left_out(side) for side in ("real", "synthetic", "train")}
    said = verdict_of(
        scores, left_out=left_out, panel=rows,
        real_say_synthetic=footing.sides["real"].say_synthetic,
    )  # fmt: skip
    card: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "scores": [{**s.as_dict(), "identity": identity_of(s)} for s in scores],
        "verdict": [s.as_dict() for s in said],
        "uses": [use.as_dict() for use in uses_of(said, n=sides.smaller, paired=options.paired)],
        "sanity_panel": {
            "n": panel.n if panel else 0, "references": panel.references if panel else 0,
            "rows": rows, "problems": problems,
        },
        "copies": copying.nearest,
        "left_out": left_out,
        "protocol": protocol_of(real, synthetic, footing, settings, options, done),
        "contamination": contamination(real, settings),
        "environment": {**environment(), "command": "validate"},
    }  # fmt: skip
    card["rejects"] = write_rejects(done, copying, settings, out / "rejects")
    timing.note("pictures")
    card["protocol"]["seconds"] = timing.parts
    write_per_image(done.measured, _further(copying, pairs), out / "per_image.parquet")
    write_json(out / "scorecard.json", card)
    return card


def _jobs(real: Path, synthetic: Path, options: Options) -> tuple[list[Job], Footing]:
    require_two_sides(real, synthetic)
    limit = QUICK_IMAGES[options.suite]
    sides = {
        "real": list_side(real, "real", groups=options.groups, limit=limit),
        "synthetic": list_side(synthetic, "synthetic", groups=options.groups, limit=limit),
    }
    footing = footing_of(
        {name: [job.path for job in jobs] for name, jobs in sides.items()},
        size_px=options.size_px,
    )
    if options.train is not None:
        require_two_sides(options.train, synthetic)
        sides["train"] = list_side(options.train, "train")
    matched = [
        replace(job, recompress=footing.recompress.get("real" if name == "train" else name))
        for name, jobs in sides.items()
        for job in jobs
    ]
    return matched, footing


def _require_answerable(jobs: Sequence[Job], options: Options) -> None:
    """Refuse what would be refused in the end, before anything is measured."""
    for spec in options.encoders:
        encoder_named(spec)
    names = {side: [j.name for j in jobs if j.side == side] for side in ("real", "synthetic")}
    if options.paired:
        require_pairs(names["real"], names["synthetic"])
    for column in options.groups:
        if not any(job.groups[column] for job in jobs if job.side == "real"):
            raise Refusal(
                "columns that the real side's table has", f"{column}, which no image has",
                "name others, or leave --groups out",
            )  # fmt: skip


def _require_enough(done: MeasuredSides) -> None:
    for side in ("real", "synthetic"):
        count, left_out = len(done.of(side)), done.left_out(side)
        if count < FEWEST:
            first = f", e.g. {left_out[0]['name']}: {left_out[0]['reason']}" if left_out else ""
            raise Refusal(
                f"at least {FEWEST} {side} fundus photographs",
                f"{count}, and {len(left_out)} that could not be used{first}",
                "add images; 100 a side give numbers that mean something",
            )


def _scores(sides: Sides, options: Options) -> list[Score]:
    lines = fidelity_scores(sides, options.encoders, seed=options.seed)
    for table in TABLES:
        lines += distribution_scores(sides, table, seed=options.seed)
    lines += anatomy_scores(sides) + quality_score(sides)
    return lines + group_scores(sides, options.groups, seed=options.seed, encoders=options.encoders)


def _panel(
    done: MeasuredSides, cache: Path, settings: Settings, options: Options, on_progress: Progress
) -> tuple[Panel | None, list[str]]:
    found = done.with_jobs("real")
    most = PANEL_IMAGES[options.suite] if options.panel_images is None else options.panel_images
    if most < FEWEST:
        return None, [f"a sanity panel damages {FEWEST} images or more, {most} were asked for"]
    patients = len({job.patient for job, _ in found})
    if patients < SMALLEST_N:
        return None, [f"a sanity panel needs {SMALLEST_N} real patients, {patients} are here"]
    levels = FEW_LEVELS if options.suite == "quick" else ALL_LEVELS
    panel = sanity_panel(
        found, cache, wounded=most, settings=settings, seed=options.seed, levels=levels,
        pairing=Pairing(options.lpips) if options.paired else None, workers=options.workers,
        on_progress=lambda k, n: on_progress("planting damage", k, n),
    )  # fmt: skip
    return panel, list(panel.problems)


def _copying(
    done: MeasuredSides, cache: Path, settings: Settings, options: Options, on_progress: Progress
) -> Copying:
    side = "train" if done.of("train") else "real"
    planted = plant_copies(
        done.with_jobs(side), settings=settings, cache=cache, images=PLANTED_IMAGES[options.suite],
        workers=options.workers, on_progress=lambda k, n: on_progress("planting copies", k, n),
    )  # fmt: skip
    return find_copying(
        done.of("synthetic"), done.of(side), done.of("real"), planted=planted,
        against="the training folder" if side == "train" else "the real folder",
        cache=cache, workers=options.workers,
        on_progress=lambda k, n: on_progress("searching for copies", k, n),
    )  # fmt: skip


def _paired(
    done: MeasuredSides, settings: Settings, options: Options
) -> tuple[list[Score], list[dict[str, Any]]]:
    pairs = pairs_of(done.with_jobs("real"), done.with_jobs("synthetic"))
    return paired_scores(pairs, settings, seed=options.seed, lpips=options.lpips)


def _further(copying: Copying, pairs: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    columns = {
        f"synthetic/{row['name']}": {
            "copy_likeness": row["likeness"] if row["examined"] else None,
            "copy_of": row["nearest"], "copy": row["copy"] if row["examined"] else None,
        }
        for row in copying.nearest
    }  # fmt: skip
    for row in pairs:
        own = {f"paired_{key}": value for key, value in row.items() if key != "name"}
        columns.setdefault(f"real/{row['name']}", {}).update(own)
    return columns
