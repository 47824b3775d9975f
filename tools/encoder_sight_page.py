"""Write docs/reference/encoder-sight.md from benchmarks/results/encoder_sight.json.

That file is compare.json of
`retinaforge encoders compare ../shared/data/idrid_grading --encoder squeezenet:FILE --out OUT`.
Run: python tools/encoder_sight_page.py
A test compares the page with what this writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.reports import words

REPO = Path(__file__).parents[1]
RESULT = REPO / "benchmarks/results/encoder_sight.json"
SPEED = REPO / "benchmarks/results/encoder_speed.json"
PAGE = REPO / "docs/reference/encoder-sight.md"
READ = (
    "Numbers are displacements: how far the damage moves a photograph in the encoder's space, in "
    "the median distance to other photographs (1: as far as another eye). Beside them what saving "
    "the photograph again as JPEG of quality 75 does, which nobody calls damage. *From*: the level "
    "from which on one photograph shows the damage (more than the JPEG, in 80 % of them) / a set "
    "of photographs shows it (kernel distance outside 50 draws of undamaged ones, and above the "
    "same photographs undamaged); - is never."
)


def page(told: dict[str, Any]) -> str:
    """Return the page's text."""
    rows = [row for row in told["encoders"] if row["status"] == "ok"]
    kinds = [sight["kind"] for sight in rows[0]["sees"]]
    env = told["environment"]
    told_by = (
        "Written by `tools/encoder_sight_page.py` from `benchmarks/results/encoder_sight.json`, "
        f"which `retinaforge encoders compare` wrote: {told['photographs']} photographs of "
        f"`{Path(told['images']).name}`, squares of {told['size_px']} px, commit "
        f"`{env['git'][:10]}`. Your own photographs and encoders: "
        "[load an encoder](../how-to/load-an-encoder.md)."
    )
    parts = ["# What the encoders at hand see of planted damage", told_by, READ]
    parts += [_table(rows, kind, told["levels"]) for kind in kinds]
    speed = json.loads(SPEED.read_text(encoding="utf-8"))
    return "\n\n".join([*parts, _costs(rows), _beside_timm(speed)]) + "\n"


def _table(rows: list[dict[str, Any]], kind: str, levels: list[int]) -> str:
    head = ["encoder", "JPEG 75", *(f"level {v}" for v in levels), "from"]
    lines = [f"## {kind.replace('-', ' ').capitalize()}\n", _line(head), _rule(len(head))]
    for row in rows:
        sight = next(s for s in row["sees"] if s["kind"] == kind)
        values = [words.number(sight["displacement"][str(v)]) for v in levels]
        seen = "/".join(str(sight[k] or "-") for k in ("sees_from", "set_notices_from"))
        lines.append(_line([row["name"], words.number(row["jpeg"]), *values, seen]))
    return "\n".join(lines)


def _costs(rows: list[dict[str, Any]]) -> str:
    head = ["encoder", "input, px", "vector", "million parameters", "images a CPU second", "MiB"]
    keys = ("parameters_million", "images_per_cpu_s", "memory_mib")
    lines = ["## Costs\n", _line(head), _rule(len(head))]
    for row in rows:
        cells = [row["name"], str(row["input_px"] or "as it comes"), str(row["channels"])]
        lines.append(_line([*cells, *(words.number(row[key]) for key in keys)]))
    note = "One process each, one thread; memory is the largest resident size above that before."
    return "\n".join([*lines, "", note])


def _beside_timm(told: dict[str, Any]) -> str:
    few, many = told["memory"]
    head = ["way", "wall, s", "CPU, s", "timm's wall / this", "timm's CPU / this"]
    lines = ["## A folder of photographs, beside a plain timm loop\n"]
    lines += [
        f"{told['images']} drawn eyes of 512 px through `{told['network']}` with the same weights "
        f"(timm {told['timm']}; on one batch the vectors differ by at most "
        f"{words.number(told['largest_difference_on_one_batch'])}), in one run, one thread, in "
        "turns of 100 images; `benchmarks/encoder_speed.py`. Ours also finds each field of view "
        "and keeps its vectors on the disk; the loop only resizes. The machine was shared with "
        "other work, so the ratios count, not the seconds.\n",
        _line(head), _rule(len(head)),
    ]  # fmt: skip
    for name, spent in told["seconds"].items():
        ratio = told["timm_over_ours"].get(name, {})
        cells = [spent["wall"], spent["cpu"], ratio.get("wall"), ratio.get("cpu")]
        lines.append(_line([name, *map(words.number, cells)]))
    lines.append(
        f"\nMemory, largest resident size: {few['peak_mib']:.0f} MiB for {few['images']} images, "
        f"{many['peak_mib']:.0f} MiB for {many['images']} ({few['before_mib']:.0f} before). "
        f"`precision=auto` chose {told['precision_chosen']} by its own measurement."
    )
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(columns: int) -> str:
    return "| --- |" + " ---: |" * (columns - 1)


if __name__ == "__main__":
    write_text(PAGE, page(json.loads(RESULT.read_text(encoding="utf-8"))))
