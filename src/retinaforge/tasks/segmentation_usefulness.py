"""Do mask-to-fundus pairs help a vessel segmenter? Each arm and seed is trained, chosen and judged.

OUT/plan.json                    what decides every number; another plan is refused
OUT/runs/ARM/SEED/result.json    written when a run is whole: the same call resumes
OUT/usefulness-vessels.json      means, differences, intervals, see `_results`
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Record, Refusal
from retinaforge.core.artefacts import write_json
from retinaforge.images import find_fov, read_photograph
from retinaforge.nets.unet import VesselNet
from retinaforge.tasks.segmentation_usefulness_arms import BASELINE, RATIOS, Arm, arms_of
from retinaforge.tasks.segmentation_usefulness_set import (
    Eyes,
    chosen_pairs,
    own_mask,
    pairs_shown,
    shown_own,
)
from retinaforge.tasks.segmenter import SegmenterConfig, train_segmenter
from retinaforge.tasks.segmenter_run import choose_threshold, photographs_seen
from retinaforge.vessels.compare_overlap import auc, cldice, dice
from retinaforge.vessels.compare_pair import VesselPair
from retinaforge.vessels.network import network_probability, read_network, save_network
from retinaforge.vessels.skeleton import vessel_mask

STUDY_VERSION = 1
SMALL = SegmenterConfig(
    steps=400, batch=6, side_px=128, diameter_px=512.0, scales=(0.7, 1.4), widths=(8, 16, 32, 48),
    average=0.98, views_px=(512.0,),
)  # fmt: skip
"""A segmenter that two cores teach in a few minutes; the shipped one takes `SegmenterConfig()`."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """How the study is run.

    Attributes:
        seeds: of weights, crops and their order; five or more for a claim.
        ratios: synthetic images for each photograph.
        pseudo: whether to ask the same with pseudo-labels.
        config: of every arm alike; its seed and phantom_share are set by arm and seed.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    ratios: tuple[float, ...] = RATIOS
    pseudo: bool = True
    config: SegmenterConfig = field(default_factory=lambda: SMALL)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Return the arms, the baseline first."""
        return arms_of(self.ratios, pseudo=self.pseudo)


def run_study(
    eyes: Eyes, out: Path, options: Options, *,
    on_progress: Progress = lambda what, done, count: None,
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:  # fmt: skip
    """Train and judge every arm with every seed; what is done already is read.

    An arm that fails is named and the others go on.

    Args:
        eyes: see `gather`.
        out: folder of the study.
        options: the plan.
        on_progress: called with (what, steps done, steps of all runs).

    Returns:
        One result a run, and (arm, seed, reason) of runs that failed.

    Raises:
        Refusal: "expected a folder that is empty or holds this plan; got ...".
    """
    claim(out, plan_of(eyes, options))
    total = len(options.arms) * len(options.seeds) * options.config.steps
    results: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    done = 0
    for seed in options.seeds:
        for arm in options.arms:
            move = _mover(on_progress, f"{arm.name}, seed {seed}", done, total)
            try:
                results.append(_run_one(eyes, out, options, arm, seed, move))
            except Refusal as error:
                failed.append({"arm": arm.name, "seed": str(seed), "reason": str(error)})
            done += options.config.steps
            on_progress(f"{arm.name}, seed {seed}", done, total)
    return results, failed


def plan_of(eyes: Eyes, options: Options) -> dict[str, Any]:
    """Return everything that decides a number, as plain data."""
    return {
        "version": STUDY_VERSION,
        "arms": [asdict(arm) for arm in options.arms],
        "seeds": list(options.seeds),
        "config": json.loads(json.dumps(asdict(options.config))),
        **{side: [r.name for r in getattr(eyes, side)] for side in ("teach", "choose", "judge")},
        "pairs": [record.name for record in eyes.pairs],
    }


def claim(out: Path, plan: dict[str, Any]) -> None:
    """Write the plan down, or refuse to mix two studies in one folder."""
    path = Path(out) / "plan.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != plan:
        raise Refusal(
            "a folder that is empty or holds this plan", f"{out} with another plan.json",
            "choose another folder or remove this one",
        )  # fmt: skip
    write_json(path, plan)


def folder_of(out: Path, arm: Arm, seed: int) -> Path:
    """Return where a run lies."""
    return Path(out) / "runs" / re.sub(r"[^a-z0-9.]+", "-", arm.name) / str(seed)


def _run_one(
    eyes: Eyes, out: Path, options: Options, arm: Arm, seed: int,
    on_step: Callable[[int, float], None],
) -> dict[str, Any]:  # fmt: skip
    folder = folder_of(out, arm, seed)
    path = folder / "result.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    config = replace(options.config, seed=seed, phantom_share=arm.share)
    examples, pairs = _examples(eyes, out, arm, config)
    model = train_segmenter(examples, config, folder, on_step=on_step)
    seen = photographs_seen(eyes.choose)
    threshold, chosen = choose_threshold(model, seen, views_px=config.views_px)
    meta = {
        "threshold": threshold, "views_px": config.views_px, "licence": "of the data",
        "training_data": f"{len(eyes.teach)} photographs, {pairs} pairs: {arm.words}",
    }  # fmt: skip
    save_network(model, folder / "vessels.safetensors", meta=meta)
    result = {
        "arm": arm.name, "seed": seed, "threshold": threshold, "dice_on_choose": chosen,
        "real": len(eyes.teach) if arm.real else 0, "synthetic": pairs,
        "images": [_judged(model, record, threshold, config) for record in eyes.judge],
    }  # fmt: skip
    write_json(path, result)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return result


def _examples(eyes: Eyes, out: Path, arm: Arm, config: SegmenterConfig):
    """Return what an arm is taught with, and how many of it are synthetic."""
    largest = config.diameter_px * config.scales[1]
    real = [
        shown_own(record, group=record.dataset, largest_px=largest)
        for record in (eyes.teach if arm.real else ())
    ]
    if not arm.labels:
        return real, 0
    records = chosen_pairs(eyes, arm.ratio, seed=config.seed)
    masked = pseudo_labels(out, config) if arm.labels == "pseudo" else own_mask
    return real + pairs_shown(records, arm.labels, masked, largest_px=largest), len(records)


def pseudo_labels(out: Path, config: SegmenterConfig) -> Callable[[Record], np.ndarray]:
    """Return what finds vessels as the baseline of the same seed does.

    Raises:
        Refusal: "expected the baseline of seed N ...; got none".
    """
    (baseline,) = [arm for arm in arms_of() if arm.name == BASELINE]
    path = folder_of(out, baseline, config.seed) / "vessels.safetensors"
    if not path.exists():
        raise Refusal(
            f"the baseline of seed {config.seed}, which labels for this arm", f"none: {path}",
            "run the study again: the baseline comes first",
        )  # fmt: skip
    model, meta = read_network(path)

    def find(record: Record) -> np.ndarray:
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        probability = network_probability(model, photo, fov, views_px=config.views_px)
        return (probability >= float(meta["threshold"])) & fov.mask

    return find


def _judged(
    model: VesselNet, record: Record, threshold: float, config: SegmenterConfig
) -> dict[str, Any]:
    """Return what a photograph says of a segmenter; None with a reason where undefined."""
    ((photo, fov, vessels),) = photographs_seen([record])
    probability = network_probability(model, photo, fov, views_px=config.views_px)
    found = (probability >= threshold) & fov.mask
    pair = VesselPair(vessel_mask(found, fov.mask), vessel_mask(vessels, fov.mask))
    quantities = [dice(pair), cldice(pair), auc(probability, vessels, fov.mask)]
    return {
        "name": record.name, "patient": record.patient, "dataset": record.dataset,
        **{q.card.name: None if q.reason else round(q.value, 6) for q in quantities},
        "reasons": {q.card.name: q.reason for q in quantities if q.reason},
    }  # fmt: skip


def _mover(
    on_progress: Progress, what: str, before: int, total: int
) -> Callable[[int, float], None]:
    return lambda step, loss: on_progress(what, before + step, total)


def missing_runs(out: Path, options: Options) -> Sequence[tuple[str, int]]:
    """Return (arm, seed) of the runs that are not whole yet."""
    return [
        (arm.name, seed)
        for seed in options.seeds
        for arm in options.arms
        if not (folder_of(out, arm, seed) / "result.json").exists()
    ]
