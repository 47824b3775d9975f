"""Do the audits of classifiers find what is planted, and leave in peace what is clean?

    retinaforge phantoms draw ph --count 700 --size 128 --recipe captioned --seed 71
    python benchmarks/audit_controls.py ph --out benchmarks/results/audit_controls.json

Clean phantoms, one eye a person, are dealt labels by chance, so that nothing is there to be found;
then something is drawn onto the ill, onto one sex, or onto the synthetic side. Every draw is a
whole audit as the command line runs it, from pixels to verdicts; only the encoder is a small one
that can see what is planted: mean and spread of every 4 x 4 px of a 64 px square. Counted is the
share of draws with a verdict "found", and "found" or "maybe", with an exact binomial interval.
What was written before is kept; `--only` runs some audits again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from retinaforge.audits.degradation import BY_NAME
from retinaforge.audits.masking import VARIANTS, Parts
from retinaforge.core import Record
from retinaforge.core.artefacts import environment, write_json
from retinaforge.images import normalise
from retinaforge.metrics.judged import Judged
from retinaforge.tasks.sheets import open_photograph
from retinaforge.tasks.usefulness_set import Example, read_examples
from retinaforge.validation.audit_answers import Answered
from retinaforge.validation.audit_attributes import audit_attributes
from retinaforge.validation.audit_attribution import audit_attribution
from retinaforge.validation.audit_degradation import audit_degradation
from retinaforge.validation.audit_eyes import Eyes, mask_from_file
from retinaforge.validation.audit_groups import audit_groups
from retinaforge.validation.audit_masking import audit_masking
from retinaforge.validation.audit_sides import Side

SIDE, BLOCK = 64, 4
Told = dict[str, Any]
Plant = Callable[[np.ndarray, Parts], np.ndarray]


def see(pixels: np.ndarray) -> np.ndarray:
    """Return mean and spread of every 4 x 4 px, (n, 1024)."""
    n, side = len(pixels), SIDE // BLOCK
    blocks = pixels.reshape(n, side, BLOCK, side, BLOCK, 3).astype(np.float32)
    spread = blocks.mean(axis=-1).std(axis=(2, 4))
    return np.concatenate([blocks.mean(axis=(2, 4)).reshape(n, -1), spread.reshape(n, -1)], axis=1)


def read_pool(folder: Path, count: int) -> Eyes:
    """Read the first eye of each of so many persons."""
    seen: dict[str, Example] = {}
    for example in read_examples(folder).examples:
        if example.facts.get("quality") != "reject":
            seen.setdefault(example.record.patient, example)
    squares, parts, records = [], [], []
    for example in list(seen.values())[:count]:
        photo, fov = open_photograph(example.record)
        square = normalise(photo, fov, size_px=SIDE)
        squares.append(square.photograph.pixels)
        found = [mask_from_file(example.record, part, photo) for part in ("disc", "vessel")]
        carried = [None if m is None else square.geometry.carry_mask(m) for m in found]
        parts.append(Parts(square.fov.mask, *carried))
        records.append(replace(example.record, split=None))
    return Eyes(
        tuple(records), np.zeros(len(records), bool), np.stack(squares), tuple(parts), (), {}
    )


def dealt(pool: Eyes, chosen: np.ndarray, plant: Plant | None = None) -> Eyes:
    """Return chosen eyes, every other one ill; what is planted is drawn onto the ill."""
    truth = np.arange(len(chosen)) % 2 == 1
    pixels = pool.pixels[chosen].copy()
    parts = tuple(pool.parts[k] for k in chosen)
    for k in np.flatnonzero(truth) if plant else []:
        pixels[k] = plant(pixels[k], parts[k])
    return Eyes(tuple(pool.records[k] for k in chosen), truth, pixels, parts, (), {})


def brighter(where: Callable[[Parts], np.ndarray], by: float) -> Plant:
    """Return a plant that makes a part of the field brighter by grey levels."""

    def plant(pixels: np.ndarray, parts: Parts) -> np.ndarray:
        light = by * (where(parts) & parts.fov)[..., None]
        return np.clip(pixels + light, 0, 255).astype(np.uint8)

    return plant


def grain(by: float) -> Plant:
    """Return a plant of a checkerboard of single pixels: gone when the image is blurred."""
    board = np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 2 - 1

    def plant(pixels: np.ndarray, parts: Parts) -> np.ndarray:
        done = pixels + by * (board * parts.fov)[..., None]
        return np.clip(done, 0, 255).astype(np.uint8)

    return plant


def disc(parts: Parts) -> np.ndarray:
    """Return the disc; nothing where no mask is known."""
    return np.zeros_like(parts.fov) if parts.disc is None else parts.disc


def left(parts: Parts) -> np.ndarray:
    """Return the left half of the field."""
    return parts.fov & (np.indices(parts.fov.shape)[1] < SIDE // 2)


border = VARIANTS["border only"]


def levels(told: Told) -> set[str]:
    """Return which levels an audit's verdicts reached."""
    return {one["level"] for one in told["said"]}


def counted(hits: list[bool]) -> dict[str, Any]:
    """Return a share with its exact 95 % interval."""
    exact = stats.binomtest(sum(hits), len(hits)).proportion_ci(method="exact")
    return {"hits": sum(hits), "draws": len(hits), "share": sum(hits) / len(hits),
            "interval": [float(exact.low), float(exact.high)]}  # fmt: skip


def shares(runs: list[Told]) -> dict[str, Any]:
    """Return how often something was found, or maybe."""
    return {"found": counted(["failure" in levels(t) for t in runs]),
            "maybe": counted([bool({"failure", "caution"} & levels(t)) for t in runs])}  # fmt: skip


def says(runs: list[Told], *words: str) -> dict[str, Any]:
    """Return how often one verdict that is not open holds all words."""
    return counted([any(all(w in one["text"] for w in words) for one in t["said"]
                        if one["level"] in ("failure", "caution")) for t in runs])  # fmt: skip


def masking(pool: Eyes, draws: int, count: int, out: Path) -> Told:
    """Return finds of the masking test: nothing, a brighter rim, a finding in the disc."""

    def run(seed: int, plant: Plant | None, lies: str) -> Told:
        chosen = np.random.default_rng(seed).permutation(len(pool.truth))[:count]
        return audit_masking(see, dealt(pool, chosen, plant), out, lies=lies)

    runs = [run(k, None, "disc") for k in range(draws)]
    # The whole image has nothing to tell either: how often is it said to work?
    works = [any(one["level"] == "note" for one in t["said"]) for t in runs]
    found: Told = {"clean": {**shares(runs), "whole image told": counted(works)}}
    few = max(draws // 4, 4)
    for by in (4, 8, 16):
        runs = [run(1000 + k, brighter(border, by), "") for k in range(few)]
        found[f"rim {by} grey levels brighter"] = {
            **shares(runs), "named": says(runs, "border only")}  # fmt: skip
    runs = [run(2000 + k, brighter(disc, 30), "disc") for k in range(max(draws // 2, 4))]
    works = [any(one["level"] == "note" for one in t["said"]) for t in runs]
    found["disc 30 grey levels brighter, lies in the disc"] = {
        **shares(runs), "whole image told": counted(works)}  # fmt: skip
    return found


def groups(pool: Eyes, draws: int, count: int, out: Path) -> Told:
    """Return finds of the audit of groups on drawn answers: equal, or missing more ill women."""

    def run(seed: int, planted: float) -> Told:
        rng = np.random.default_rng(seed)
        ill, woman = np.arange(count) % 2 == 1, rng.random(count) < 0.5
        right = rng.random(count) > np.where(ill & woman, 1 - planted, 0.1)
        score = np.where(right == ill, 0.7, 0.3) + rng.uniform(-0.15, 0.15, count)
        names = tuple(f"p{k}" for k in range(count))
        age = rng.integers(30, 90, count)
        columns = tuple({"sex": "F" if woman[k] else "M", "age": str(age[k])} for k in range(count))
        judged = Judged(ill, score, score >= 0.5, names)
        one = Answered("c", judged, tuple(("", n) for n in names), columns, ("yes",))
        return audit_groups([one], [], ("sex", "age"), out, seed=seed)

    found: Told = {"clean": shares([run(k, 0.9) for k in range(draws)])}
    for sensitivity in (0.8, 0.7, 0.6):
        runs = [run(1000 + k, sensitivity) for k in range(max(draws // 4, 4))]
        found[f"women's sensitivity {sensitivity}, men's 0.9"] = {
            **shares(runs), "named": says(runs, "Sensitivity by sex")}  # fmt: skip
    return found


def attributes(pool: Eyes, draws: int, count: int, out: Path) -> Told:
    """Return fates of a sex that shows as brightness, and of a finding that goes with it or not."""

    def side(rng: np.random.Generator, chosen: np.ndarray, by: float, tie: float) -> Side:
        man = rng.random(len(chosen)) < 0.5
        ill = rng.random(len(chosen)) < 0.5 + tie * (man - 0.5)
        light = brighter(lambda parts: parts.fov, by)
        pixels = [light(pool.pixels[k], pool.parts[k]) if m else pool.pixels[k]
                  for k, m in zip(chosen, man, strict=True)]  # fmt: skip
        records = [_sexed(pool.records[k], man=bool(m)) for k, m in zip(chosen, man, strict=True)]
        return Side(tuple(map(Example, records)), see(np.stack(pixels)), ill.astype(float), ())

    def run(seed: int, one: float, other: float, tie: float = 0.0) -> Told:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(pool.truth))
        sides = (
            side(rng, order[:count], one, 0.0),
            side(rng, order[count : 2 * count], other, tie),
        )
        return audit_attributes(*sides, ("sex",), out, label_name="sick")

    found: Told = {}
    for name, one, other, count_of in (
        ("shown alike", 20, 20, draws), ("shown in neither", 0, 0, draws),
        ("erased", 20, 0, draws // 2), ("overdrawn", 10, 40, draws // 2),
    ):  # fmt: skip
        runs = [run(k, one, other) for k in range(max(count_of, 4))]
        fates = [t["results"][0]["fate"] if t["results"] else "not judged" for t in runs]
        found[name] = {**shares(runs), "fates": {f: fates.count(f) for f in sorted(set(fates))}}
    runs = [run(k, 20, 20, 0.8) for k in range(max(draws // 2, 4))]
    found["shown alike, tied to the finding"] = {
        **shares(runs), "named": says(runs, "goes with sick")}  # fmt: skip
    return found


def _sexed(record: Record, *, man: bool) -> Record:
    return replace(record, columns={"sex": "M" if man else "F"})


def degradation(pool: Eyes, draws: int, count: int, out: Path) -> Told:
    """Return which damage is said to cost: of grain, of light, of nothing; and unlike arms."""
    found: Told = {}
    marks = {"grain of 6 grey levels": grain(6), "left half 12 grey levels brighter":
             brighter(left, 12), "nothing": None}  # fmt: skip
    for name, plant in marks.items():
        runs: list[Told] = []
        arms: list[bool] = []
        for k in range(max(draws // 4, 3)):
            rng = np.random.default_rng(k)
            order = rng.permutation(len(pool.truth))
            own, more = (dealt(pool, o, plant) for o in (order[:count], order[count : 2 * count]))
            told = audit_degradation(see, own, out, synthetic=more, seed=k)
            said = told["said"]
            runs.append({"said": [o for o in said if o["text"].startswith("Taught on real:")]})
            arms += [o["level"] == "note" for o in said if "AUROC on worse images" in o["text"]]
        found[name] = {
            **shares(runs), **{kind: says(runs, f"{kind} from") for kind in BY_NAME},
            "arms said to differ": counted(arms),
        }  # fmt: skip
    return found


def attribution(pool: Eyes, draws: int, count: int, out: Path) -> Told:
    """Return whether unlike sides are told, and whether the right region is named."""

    def run(seed: int, plant: Plant | None) -> Told:
        order = np.random.default_rng(seed).permutation(len(pool.truth))[: 2 * count]
        sides = []
        for k in (0, 1):
            own = order[k * count : (k + 1) * count]
            pixels = pool.pixels[own].copy()
            if k and plant:
                pixels = np.stack(
                    [plant(p, pool.parts[i]) for p, i in zip(pixels, own, strict=True)]
                )
            sides.append(Eyes(tuple(pool.records[i] for i in own), np.zeros(count, bool), pixels,
                              tuple(pool.parts[i] for i in own), (), {}))  # fmt: skip
        return audit_attribution(see, *sides, out, most=10, seed=seed)

    found: Told = {"clean": shares([run(k, None) for k in range(draws)])}
    for name, where, by in (("disc", disc, 30), ("border", border, 12)):
        runs = [run(1000 + k, brighter(where, by)) for k in range(max(draws // 8, 3))]
        regions = {r: says(runs, f"\u201c{r}\u201d") for r in ("disc", "border", "vessels", "rest")}
        poor = [t["results"][0]["infidelity"]["value"] for t in runs]
        found[f"{name} {by} grey levels brighter"] = {
            "told apart": says(runs, "told apart"), "regions named": regions,
            "infidelity": [round(float(v), 3) for v in poor if v is not None]}  # fmt: skip
    return found


AUDITS = {"groups": groups, "attributes": attributes, "masking": masking,
          "degradation": degradation, "attribution": attribution}  # fmt: skip


def main() -> None:
    """Run the controls and write their result."""
    say = argparse.ArgumentParser(description=__doc__)
    say.add_argument("phantoms", type=Path)
    say.add_argument("--out", type=Path, required=True)
    say.add_argument("--pool", type=int, default=600, help="persons")
    say.add_argument("--draws", type=int, default=40, help="clean draws of each audit")
    say.add_argument("--count", type=int, default=160, help="images of a draw")
    say.add_argument("--only", nargs="*", default=list(AUDITS), choices=list(AUDITS))
    asked = say.parse_args()
    pool = read_pool(asked.phantoms, asked.pool)
    before = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    found: Told = before.get("audits", {})
    seconds: dict[str, float] = before.get("cpu_seconds", {})
    with tempfile.TemporaryDirectory() as scratch:
        for name in asked.only:
            start = time.process_time()
            found[name] = AUDITS[name](pool, asked.draws, asked.count * (1 + (name == "groups")),
                                       Path(scratch))  # fmt: skip
            seconds[name] = round(time.process_time() - start, 1)
            print(name, seconds[name], "CPU s", flush=True)
            for control, row in found[name].items():
                print("  ", control, row, flush=True)
            write_json(asked.out, {
                "phantoms": asked.phantoms.name, "pool": len(pool.truth), "images": asked.count,
                "draws": asked.draws, "encoder": "mean and spread of 4 x 4 px at 64 px",
                "audits": found, "cpu_seconds": seconds, "environment": environment(),
            })  # fmt: skip


if __name__ == "__main__":
    main()
