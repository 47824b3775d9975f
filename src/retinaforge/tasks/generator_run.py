"""A recipe from end to end: its steps in order, each in a folder of its own, each resumable.

A step's folder holds `inputs.json`, all that its outcome depends on, and once it is done
`step.json`. The same call finds finished steps done; another recipe in the same folder is refused
by the name of the first thing that differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal, artefacts
from retinaforge.tasks.generator_preflight import require_steps
from retinaforge.tasks.generator_prepare import (
    Inputs,
    file_hash,
    find_inputs,
    is_main,
    pairs_hash,
    text_key,
    wait_for,
)
from retinaforge.tasks.generator_purify import read_selection, run_purification
from retinaforge.tasks.generator_recipe import ARMS, STEPS, Arm, Recipe, Step, TrainTable
from retinaforge.tasks.generator_rows import digest
from retinaforge.tasks.generator_train import MODEL, Start, Telling, run_training
from retinaforge.tasks.pairs import Pair
from retinaforge.training.journal import plain

INPUTS, DONE, RECIPE, RUN, ARMS_FILE = (
    "inputs.json", "step.json", "recipe.json", "run.json", "arms.json",
)  # fmt: skip

OnStep = Callable[[Path, dict[str, Any]], None]
"""Told of a step that is done: its folder, and what step.json says."""


@dataclass(frozen=True)
class StepDone:
    """One step that is done.

    Attributes:
        step: its name.
        folder: where it lies.
        state: "done" now, or "found done".
        told: what step.json says.
    """

    step: Step
    folder: Path
    state: str
    told: dict[str, Any]


@dataclass(frozen=True)
class RecipeDone:
    """What a recipe came to.

    Attributes:
        steps: of the main run, in order.
        arms: rows of the comparison; empty without an ablation.
        model: folder of the last training's generator; None where nothing was trained.
        left_out: (name, reason) of images that could not be read, over all steps, of captions
            without words and of rows that are none.
    """

    steps: tuple[StepDone, ...]
    arms: tuple[dict[str, Any], ...] = ()
    model: Path | None = None
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Walk:
    """Where a run of steps stands, and whom it tells."""

    inputs: Inputs
    out: Path
    telling: Telling
    on_step: OnStep | None
    done: dict[Path, StepDone] = field(default_factory=dict)


def run_recipe(
    recipe: Recipe,
    out: Path,
    *,
    pairs: Path | None = None,
    autoencoder: Path | None = None,
    without: Sequence[str] = (),
    arms: bool = False,
    telling: Telling = Telling(),  # noqa: B008 (frozen)
    on_step: OnStep | None = None,
) -> RecipeDone:
    """Run a recipe's steps, go on with them, or find them done.

    Args:
        recipe: from `load_recipe`.
        out: run folder; the same call resumes.
        pairs, autoencoder: in place of the recipe's.
        without: steps that are left out.
        arms: also train the recipe's arms, each in OUT/arms/NAME, sharing caches and the steps
            they have in common, and write arms.json.
        telling: whom to tell about progress.
        on_step: told of every step that is done, in the main process.

    Raises:
        Refusal: for a step that is not known, nothing left to do, no autoencoder, or a folder of
            another recipe.
        TrainingStopped, DiskFull: as `train_generator`.
    """
    steps = _left(without)
    inputs = find_inputs(recipe, out / "cache", pairs=pairs, autoencoder=autoencoder)
    wanted = {step for name in recipe.arms for step in ARMS[name].steps} if arms else set(steps)
    require_steps(inputs, {one for one in wanted if not (out / one / DONE).exists()})
    settings = recipe.model_dump(mode="json")
    if is_main() and not (out / RECIPE).exists():
        artefacts.write_json(out / RECIPE, settings)
    walk = _Walk(inputs, out, telling, on_step)
    done = _go(walk, Arm(steps), out)
    rows = tuple(_arm(walk, name, Arm(steps)) for name in recipe.arms) if arms else ()
    trained = [one for one in done if one.step != "purify"]
    model = trained[-1].folder / MODEL if trained else None
    outcome = RecipeDone(done, rows, model, _left_out(inputs, walk.done.values()))
    if is_main():
        artefacts.write_json(out / RECIPE, settings)
        _write(outcome, inputs, out)
    return outcome


def _left(without: Sequence[str]) -> tuple[Step, ...]:
    for name in without:
        if name not in STEPS:
            raise Refusal(f"--without {' or '.join(STEPS)}", repr(name), "name a step")
    left = tuple(step for step in STEPS if step not in without)
    if not set(left) & {"pretrain", "finetune"}:
        raise Refusal("a step that trains", f"only {', '.join(left) or 'none'}", "keep one")
    return left


def _go(walk: _Walk, arm: Arm, home: Path) -> tuple[StepDone, ...]:
    """Take steps in order; pretraining and purification are the run's own, shared by all arms."""
    start: Start | None = None
    pairs, done = walk.inputs.pairs, []
    for step in arm.steps:
        folder = (home if step == "finetune" else walk.out) / step
        if step == "purify":
            one = _take(walk, step, folder, _facts(walk.inputs, step, pairs, None))
            pairs = read_selection(folder, pairs, arm.selection)
        else:
            facts = _facts(walk.inputs, step, pairs, start)
            one = _take(walk, step, folder, facts, pairs, start)
            latents = one.told["latents"]
            start = Start(folder / MODEL, latents["scale"], latents["shift"], one.told["key"])
        done.append(one)
    return tuple(done)


def _take(
    walk: _Walk,
    step: Step,
    folder: Path,
    facts: dict[str, Any],
    pairs: Sequence[Pair] = (),
    start: Start | None = None,
) -> StepDone:
    """Do a step, or find it done."""
    if folder in walk.done:
        return walk.done[folder]
    key = digest(facts)
    _claim(folder, facts)
    state = "found done" if (folder / DONE).exists() else "done"
    if state == "done":
        began = time.perf_counter()
        found = _do(walk, step, folder, key, pairs, start)
        if is_main():
            told = {"step": step, "key": key, "seconds": time.perf_counter() - began, **found}
            told |= {"inputs": facts, "environment": artefacts.environment()}
            artefacts.write_json(folder / DONE, plain(_listed(told)))
    wait_for(folder / DONE)
    told = json.loads((folder / DONE).read_text(encoding="utf-8"))
    if told["key"] != key:
        raise Refusal(f"{DONE} of these inputs", f"another's in {folder}", "delete that folder")
    one = StepDone(step, folder, state, told)
    walk.done[folder] = one
    if walk.on_step and is_main():
        walk.on_step(folder, told)
    return one


def _do(
    walk: _Walk, step: Step, folder: Path, key: str, pairs: Sequence[Pair], start: Start | None
) -> dict[str, Any]:
    if step == "purify":
        return run_purification(walk.inputs, folder, walk.telling)
    table = _table(walk.inputs.recipe, step)
    return run_training(
        walk.inputs, table, folder, name=step, key=key, pairs=pairs, start=start,
        telling=walk.telling,
    )  # fmt: skip


def _facts(
    inputs: Inputs, step: Step, pairs: Sequence[Pair], start: Start | None
) -> dict[str, Any]:
    """Return all that a step's outcome depends on, as plain data."""
    recipe = inputs.recipe
    if step == "purify":
        table = recipe.purify.model_dump(mode="json")
        return {"step": step, step: table, "seed": recipe.seed, "pairs": inputs.hashes["pairs"]}
    return {
        "step": step,
        step: _table(recipe, step).binding(),
        "data": recipe.data.binding(),
        "autoencoder": recipe.autoencoder.model_dump(mode="json", exclude={"folder"}),
        "network": recipe.network.binding(),
        "flow": recipe.flow.model_dump(mode="json"),
        "text": text_key(inputs),
        "seed": recipe.seed,
        "hashes": inputs.hashes,
        "learnt_from": pairs_hash(pairs),
        "start": _start_key(recipe, start),
    }


def _start_key(recipe: Recipe, start: Start | None) -> str:
    if start is not None:
        return start.key
    return file_hash(Path(recipe.network.start)) if recipe.network.start else "from nothing"


def _table(recipe: Recipe, step: Step) -> TrainTable:
    return recipe.pretrain if step == "pretrain" else recipe.finetune


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    """Make a step's folder ours, or refuse one that was begun with other inputs."""
    path = folder / INPUTS
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        _refuse_difference(stored, json.loads(json.dumps(facts)), folder)
    elif is_main():
        artefacts.write_json(path, facts)


def _refuse_difference(stored: Any, asked: Any, folder: Path) -> None:
    was, now = dict(_flat(stored)), dict(_flat(asked))
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            raise Refusal(
                f"{name} = {was.get(name)!r}, as {folder} was begun with",
                f"{name} = {now.get(name)!r}",
                "ask for what it began with, name another --out, or delete that folder",
            )


def _flat(content: Any, head: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        yield head, content
        return
    for name, value in content.items():
        yield from _flat(value, f"{head}.{name}" if head else name)


def _arm(walk: _Walk, name: str, main: Arm) -> dict[str, Any]:
    """Train one arm and return its row of the comparison."""
    arm = ARMS[name]
    home = walk.out if arm == main else walk.out / "arms" / name
    done = _go(walk, arm, home)
    trained = [one for one in done if one.step != "purify"]
    results = [one.told["result"] for one in trained]
    last = trained[-1].told
    return {
        "arm": name,
        "steps": list(arm.steps),
        "selection": arm.selection,
        "folder": str(trained[-1].folder.relative_to(walk.out)),
        "size_px": last["latents"]["size_px"],
        "photographs": last["data"]["photographs"],
        "optimiser_steps": sum(result["steps"] for result in results),
        "images": sum(result["images"] for result in results),
        "hours": sum(result["seconds"] for result in results) / 3600,
        "held_out": last["held_out"],
    }


def _write(outcome: RecipeDone, inputs: Inputs, out: Path) -> None:
    content = {
        "recipe": inputs.recipe.name,
        "about": inputs.recipe.about,
        "seed": inputs.recipe.seed,
        "pairs": {
            "train": len(inputs.pairs),
            "held_out": len(inputs.held_out),
            "split_stated": inputs.split_stated,
        },
        "steps": [
            {"step": one.step, "folder": str(one.folder.relative_to(out)), "state": one.state}
            for one in outcome.steps
        ],
        "model": None if outcome.model is None else str(outcome.model.relative_to(out)),
        "left_out": [{"name": name, "reason": why} for name, why in outcome.left_out],
    }
    artefacts.write_json(out / RUN, content)
    if outcome.arms:
        artefacts.write_json(out / ARMS_FILE, plain({"arms": list(outcome.arms)}))


def _left_out(inputs: Inputs, done: Any) -> tuple[tuple[str, str], ...]:
    """Return who was left out by training or purification, each once."""
    rows = [
        row
        for one in done
        for row in (*one.told.get("data", {}).get("left_out", ()), *one.told.get("left_out", ()))
    ]
    named = ((row["name"], row["reason"]) for row in rows)
    return tuple(dict.fromkeys((*inputs.left_out, *named)))


def _listed(content: Any) -> Any:
    """Return plain data with tuples as lists and paths as words."""
    if isinstance(content, Mapping):
        return {str(name): _listed(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_listed(value) for value in content]
    return str(content) if isinstance(content, Path) else content
