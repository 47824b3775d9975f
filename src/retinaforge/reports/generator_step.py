"""Pages of a recipe: one a step, one for the ablation's arms, and where a run stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text
from retinaforge.reports import svg, words
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.pictures import embed

STEP, LOG, RUN, ARMS = "step.json", "training/log.jsonl", "run.json", "arms.json"
LEFT, RIGHT, TOP, BOTTOM = 56, svg.WIDTH - 16, 26, 204
LOSS = "loss: mean squared error of the velocity (no unit)"
SPEED, STEPS = "images a second (1/s)", "optimiser step"
MOST_POINTS = 300
MOST_WORDS = 12
SKIPPED_START = 0.03
"""Share of the steps whose loss does not set the scale: it would flatten all that follows."""


def write_step_page(folder: Path) -> Path:
    """Write step.html beside step.json, one file that fetches nothing.

    Raises:
        Refusal: if the step is not done.
    """
    told = _read(folder / STEP)
    log = _lines(folder / LOG)
    pictures = embed(["samples.png"], folder) if (folder / "samples.png").exists() else {}
    page = page_template("generator_step.html.j2").render(
        told=told, words=words, rows=_facts(told), losses=_losses(told), moved=_moved(told),
        left_out=told.get("left_out") or told.get("data", {}).get("left_out", []),
        curve=loss_curve(log), speed=_curve(log, "images_per_s", "Images a second", SPEED),
        sheet=pictures.get("samples.png"),
    )  # fmt: skip
    return write_text(folder / "step.html", page)


def write_arms_page(run: Path) -> Path:
    """Write arms.html beside arms.json: the ablation's arms side by side."""
    arms = _read(run / ARMS)["arms"]
    sheets = [f"{arm['folder']}/samples.png" for arm in arms]
    pictures = embed(sheets, run)
    logs = {arm["arm"]: _lines(run / arm["folder"] / LOG) for arm in arms}
    page = page_template("generator_arms.html.j2").render(
        run=_read(run / RUN), arms=arms, steps_of=steps_of, words=words,
        curve=_curves(logs, "loss", "Loss", LOSS),
        colours={arm["arm"]: svg.colour(i) for i, arm in enumerate(arms)},
        sheets=[pictures[name] for name in sheets],
    )  # fmt: skip
    return write_text(run / "arms.html", page)


def run_told(run: Path) -> dict[str, Any]:
    """Return where a run stands, as plain data.

    Raises:
        Refusal: if the folder is none of a recipe's.
    """
    if not (run / "recipe.json").exists():
        raise Refusal(
            "a folder of `retinaforge generate train --out`",
            f"{run} without recipe.json",
            "name the folder that --out named",
        )
    recipe = _read(run / "recipe.json")
    folders = [run / name for name in ("pretrain", "purify", "finetune")]
    folders += sorted(run.glob("arms/*/finetune"))
    steps = [_step_told(f, run) for f in folders if (f / "inputs.json").exists()]
    model = _read(run / RUN)["model"] if (run / RUN).exists() else None
    return {"recipe": recipe["name"], "steps": steps, "model": model}


def loss_curve(log: Sequence[dict[str, Any]]) -> Markup | None:
    """Return the loss against the step."""
    return _curve(log, "loss", "Loss", LOSS)


def _step_told(folder: Path, run: Path) -> dict[str, Any]:
    where = {"folder": str(folder.relative_to(run)), "state": "begun"}
    if not (folder / STEP).exists():
        log = _lines(folder / LOG)
        at = f"at step {log[-1]['step']}, loss {words.number(log[-1]['loss'])}" if log else "begun"
        return {**where, "said": at}
    told = _read(folder / STEP)
    return {**where, "state": "done", "said": f"done: {_sentence(told)}"}


def _sentence(told: dict[str, Any]) -> str:
    if told["step"] == "purify":
        return f"{told['kept']} of {told['pairs']} pairs kept"
    result, held = told["result"], told["held_out"]["held_out"]
    said = f"{result['steps']} steps at {told['latents']['size_px']} px"
    loss = words.number(result["readings"].get("loss"))
    return f"{said}, loss {loss}, held out {words.number(held)}"


def _facts(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines of the page's first table."""
    if told["step"] == "purify":
        return _purified(told)
    result, data, cut = told["result"], told["data"], told["data"]["truncation"]
    return [
        ("images", f"{data['photographs']} of side {told['latents']['size_px']} px"),
        ("captions", f"{data['captions']}, median {cut['tokens_median']:.0f} tokens"),
        ("captions cut", f"{cut['truncated']} of {cut['texts']} ({cut['tokens_cut']} tokens lost)"),
        ("images left out", str(len(data["left_out"]))),
        *((f"{kind} masks", _masks(n)) for kind, n in data.get("masks", {}).items()),
        ("network", f"{told['network']['preset']}, {told['parameters'] / 1e6:.1f} million weights"),
        ("began from", _start(told["inputs"]["start"])),
        ("optimiser steps", f"{result['steps']} ({result['skipped']} skipped)"),
        ("images seen", str(result["images"])),
        ("images a second", words.number(result["images_per_s"])),
        ("time", _duration(result["seconds"])),
        ("arithmetic", result["precision"]),
    ]


def _purified(told: dict[str, Any]) -> list[tuple[str, str]]:
    rule, without = told.get("rule", {}), told.get("without_text_text", {})
    found = [
        ("pairs", str(told["pairs"])),
        ("admitted by the rules", str(told.get("admitted", told["pairs"]))),
        ("kept", str(told["kept"])),
        ("image-text agreement by", told.get("image_text", "")),
        ("text-text agreement by", told.get("text_text", "")),
        *((f"without text-text: {why}", str(count)) for why, count in without.items()),
        ("share kept", words.number(rule.get("keep"))),
        ("least short side", f"{rule.get('least_side_px')} px" if rule else ""),
        ("characters of a caption", " to ".join(map(str, rule.get("characters", ())))),
    ]
    return [(name, said) for name, said in found if said and said != words.number(None)]


def _moved(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the words whose share changed the most by purification, the greatest change first."""
    return sorted(
        told.get("composition", []),
        key=lambda row: (-abs(row["share_after"] - row["share_before"]), row["fact"]),
    )[:MOST_WORDS]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _masks(counts: dict[str, int]) -> str:
    return f"{counts['given']} of {counts['of']}, {counts['empty']} of them empty"


def _start(key: str) -> str:
    return key if key == "from nothing" else f"the weights of step {key[:12]}"


def steps_of(arm: dict[str, Any]) -> str:
    """Return an arm's steps in words; where pairs were drawn at random instead, it says so."""
    names = {"purify": "random pairs"} if arm["selection"] == "random" else {}
    return " → ".join(names.get(step, step) for step in arm["steps"])


def _losses(told: dict[str, Any]) -> list[tuple[str, float | None]]:
    held = told.get("held_out", {})
    names = {
        "learnt": "images it learnt from",
        "held_out": "images it has not seen",
        "other_captions": "the same under captions of others",
        "no_captions": "the same without captions",
        "other_masks": "the same under masks of others",
        "no_masks": "the same without masks",
    }
    asked = [name for name in names if not name.endswith("masks") or name in held]
    return [(names[name], held.get(name)) for name in asked] if held else []


def _curve(log: Sequence[dict[str, Any]], name: str, title: str, axis: str) -> Markup | None:
    return _curves({"": log}, name, title, axis)


def _curves(
    logs: dict[str, Sequence[dict[str, Any]]], name: str, title: str, axis: str
) -> Markup | None:
    """Return lines against the step, one a log, or None where nothing was logged."""
    lines = {arm: _points(log, name) for arm, log in logs.items()}
    lines = {arm: points for arm, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    x = svg.axis([s for p in lines.values() for s, _ in p], LEFT, RIGHT, margin=0.01)
    late = [v for p in lines.values() for s, v in p if s >= SKIPPED_START * p[-1][0]]
    y = svg.axis(late, BOTTOM, TOP)
    drawn = [
        svg.polyline([(x(s), y(v)) for s, v in points], stroke=svg.colour(i), dashes=svg.dash(i))
        for i, points in enumerate(lines.values())
    ]
    parts = [*svg.x_axis(x, TOP, BOTTOM), *svg.y_axis(y, LEFT, RIGHT)]
    parts.append(svg.clipped(drawn, (LEFT, TOP), (RIGHT, BOTTOM)))
    parts.append(svg.text(2, TOP - 13, axis, kind="tick"))
    parts.append(svg.text((LEFT + RIGHT) / 2, BOTTOM + 31, STEPS, anchor="middle", kind="tick"))
    named = ", ".join(arm for arm in lines if arm)
    alt = f"{title} against training step{f' for {named}' if named else ''}"
    return svg.drawing(BOTTOM + 36, parts, alt=alt)


def _points(log: Sequence[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    known = [
        (float(e["step"]), float(e[name])) for e in log if isinstance(e.get(name), int | float)
    ]
    return known[:: max(1, len(known) // MOST_POINTS)]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(f"a readable {path.name}", f"{path} ({error})", "run the step") from error


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:  # a line cut off by a kill
            continue
    return found
