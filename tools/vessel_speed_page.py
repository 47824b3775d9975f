"""Write docs/reference/vessel-speed.md and its plot: `python tools/vessel_speed_page.py`.

They come from the result file of benchmarks/vessel_speed.py; a test compares them. A part of the
benchmark that the file does not hold is named as not measured.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from math import log10
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.reports.svg import COLOURS, Axis

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs/reference/vessel-speed.md"
PLOT = REPO / "docs/assets/vessel-speed.svg"
RESULT = REPO / "benchmarks/results/vessel_speed.json"
OURS, SIDE = "RetinaForge", 420
SETS = {"chase_db1": "CHASE_DB1", "les_av": "LES-AV", "drive": "DRIVE", "phantom": "phantoms"}
NOT_MEASURED = "Not measured yet: run `python benchmarks/vessel_speed.py --only {part}`."
Row = dict[str, Any]


def page(found: Row) -> str:
    """Return the page."""
    head = """
    # Speed and memory of the table of biomarkers

    Made by `python tools/vessel_speed_page.py` from `benchmarks/results/vessel_speed.json`, which
    `benchmarks/vessel_speed.py` writes; a test keeps it true. Do not edit by hand.

    Every package measures the same masks in a process and an environment of its own, in one run, on
    one thread. Seconds are the processor's (a busy machine shows the same); the clock's are in the
    result file. Packages do not measure the same columns: each makes its own whole table.
    """
    parts = {
        "tables": ("Side by side on masks of 1024 px", tables),
        "crashes": ("Hard masks", crashes),
        "flat": ("Many masks", flat),
        "sizes": ("Time against vessel pixels", sizes),
        "segment": ("Segmenting a photograph of 1024 px", segment),
    }
    lines = [inspect.cleandoc(head)]
    for part, (title, write) in parts.items():
        body = write(found[part], found["goals"]) if part in found else None
        lines += ["", f"## {title}", "", body or NOT_MEASURED.format(part=part)]
        if body:
            lines += ["", f"Load average of the machine at the end: {found[part]['load']:.1f}."]
    where = found["environment"]
    lines += ["", "## Machine", "",
              f"{where['cpu_count']} cores, {where['processor']}, {where['platform']}; Python "
              f"{where['python']}, numpy {where['packages']['numpy']}, scipy "
              f"{where['packages']['scipy']}."]  # fmt: skip
    return "\n".join(lines) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def tables(found: Row, goals: Row) -> str:
    """Return the packages' table, the sets' below it, and what the goals come to."""
    packages, rows = found["packages"], []
    for name, one in packages.items():
        if not one["masks"]:
            rows.append([name, one["version"] or "–", 0, *["–"] * 7])
            continue
        times = one.get("times_ours")
        slower = "1" if times is None else f"**{times[0]}** ({times[1]} – {times[2]})"
        rows.append([
            name, one["version"], one["masks"], one["columns"], one["cpu_s"], slower,
            f"{one['peak_mb']:.0f}", _signed(one["growth_mb_per_mask"]), one["with_faults"],
            one["ended"] or "no",
        ])  # fmt: skip
    head = ["package", "version", "masks", "columns", "median s a mask", "times ours (range)",
            "peak MB", "MB more a mask", "masks with faults", "crash"]  # fmt: skip
    goal = [f"at least {goals[name]:g} times {name}'s speed: {_reached(packages, name, goals)}"
            for name in ("PVBM", "VascX")]  # fmt: skip
    note = "Masks with faults: at least one of the package's own measures raised an error there."
    return "\n".join([table(head, rows), "", note, "", _by_set(packages), "",
                      f"Goals: {'; '.join(goal)}."])  # fmt: skip


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


def _reached(packages: Row, name: str, goals: Row) -> str:
    times = packages.get(name, {}).get("times_ours")
    if times is None:
        return "not measured"
    return f"{'reached' if times[0] >= goals[name] else 'missed'} ({times[0]})"


def _by_set(packages: Row) -> str:
    """Return the median seconds of each set."""
    rows = []
    for prefix, name in SETS.items():
        cells = []
        for one in packages.values():
            took = sorted(r["cpu_s"] for r in one.get("rows", []) if r["mask"].startswith(prefix))
            cells.append(f"{took[len(took) // 2]:.2f}" if took else "–")
        if set(cells) != {"–"}:
            rows.append([name, *cells])
    return table(["s a mask (upper median)", *packages], rows)


def crashes(found: Row, goals: Row) -> str:
    """Return how each hard mask went with each package."""
    rows = found["rows"]
    masks = list(dict.fromkeys(row["mask"] for row in rows))
    names = list(dict.fromkeys(row["package"] for row in rows))
    at = {(row["mask"], row["package"]): outcome(row) for row in rows}
    lost = {name: sum(_lost(row) for row in rows if row["package"] == name) for name in names}
    said = ", ".join(f"{name} {count}" for name, count in lost.items())
    return "\n".join([
        table(["mask", *names], [[mask, *(at[mask, name] for name in names)] for mask in masks]),
        "", f"Masks lost to a crash, an overflow or the clock, of {len(masks)}: {said}.",
    ])  # fmt: skip


def _lost(row: Row) -> bool:
    overflows = [fault for fault in row.get("faults", []) if "Recursion" in fault]
    return bool(row["ended"] or overflows)


def outcome(row: Row) -> str:
    """Return seconds and memory, or what went wrong."""
    if row["ended"]:
        return f"**{row['ended']}**"
    done = f"{row['cpu_s']:.1f} s, {row['peak_mb']:.0f} MB"
    faults = sorted({fault.rpartition(": ")[2] or "an error" for fault in row["faults"]})
    return f"{', '.join(faults)} ({done})" if faults else done


def flat(found: Row, goals: Row) -> str:
    """Return what the workers held."""
    growth = ", ".join(f"{value:+.1f}" for value in found["growth_mb_per_1000"].values())
    within = "reached" if found["peak_mb"] <= goals["worker_mb"] else "missed"
    return (
        f"`retinaforge vessels MASKS --tables-only --workers {found['workers']}` over "
        f"{found['images']} masks of 1024 px: {found['measured']} measured, "
        f"{found['images_per_s']} a second by the clock. A worker holds at most "
        f"{found['peak_mb']:.0f} MB (goal {goals['worker_mb']:.0f}: {within}); once warm, the "
        f"workers grow by {growth} MB in 1,000 masks."
    )


def sizes(found: Row, goals: Row) -> str:
    """Return the means by size and the plot."""
    rows = []
    for side in dict.fromkeys(row["side_px"] for row in found["rows"]):
        here = [row for row in found["rows"] if row["side_px"] == side]
        mean = {key: sum(row[key] for row in here) / len(here) for key in ("vessel_px", "cpu_s")}
        rows.append([side, f"{mean['vessel_px']:.0f}", f"{mean['cpu_s']:.2f}",
                     f"{max(row['peak_mb'] for row in here):.0f}"])  # fmt: skip
    return "\n".join([
        table(["side, px", "vessel pixels", "s a mask", "peak MB"], rows), "",
        f"Drawn eyes. Time grows with vessel pixels to the power of {found['exponent']} (1 is "
        "proportional).", "", f"![Time against vessel pixels](../assets/{PLOT.name})",
    ])  # fmt: skip


def segment(found: Row, goals: Row) -> str:
    """Return the networks' seconds by the clock."""
    rows = [[name, one["wall_s"], one["cpu_s"]] for name, one in found["calls"].items()]
    took, goal = found["calls"]["vessels"]["wall_s"], goals["segmenting_s"]
    return "\n".join([
        table(["what", "s by the clock", "processor s"], rows), "",
        f"{found['cores']} threads, {found['peak_mb']:.0f} MB. Goal: vessels in {goal:g} s by the "
        f"clock: {'reached' if took <= goal else 'missed'} ({took}).",
    ])  # fmt: skip


def plot(found: Row) -> str:
    """Return time against vessel pixels, both logarithmic, as SVG; the line has slope 1."""
    points = [(row["vessel_px"], row["cpu_s"]) for row in found["rows"]]
    x = _scale([p[0] for p in points], 60, SIDE - 20)
    y = _scale([p[1] for p in points], SIDE - 50, 20)
    middle = [sum(log10(p[axis]) for p in points) / len(points) for axis in (0, 1)]
    reach = min(middle[0] - x.low, x.high - middle[0], middle[1] - y.low, y.high - middle[1])
    ends = [(x(middle[0] + r), y(middle[1] + r)) for r in (-reach, reach)]
    parts = ['<rect width="100%" height="100%" fill="#ffffff"/>']
    for tick in (10**k for k in range(2, 9)):
        if x.low <= log10(tick) <= x.high:
            at = x(log10(tick))
            parts += [_line((at, 20), (at, SIDE - 50), "#dddddd"),
                      _text(at, SIDE - 34, f"{tick:,}", "middle")]  # fmt: skip
    for tick in (t * 10**k for k in range(-3, 3) for t in (1, 2, 5)):
        if y.low <= log10(tick) <= y.high:
            at = y(log10(tick))
            parts += [_line((60, at), (SIDE - 20, at), "#dddddd"),
                      _text(54, at + 4, f"{tick:g}", "end")]  # fmt: skip
    parts.append(_line(*ends, COLOURS[1]))
    parts += [
        f'<circle cx="{x(log10(a)):.1f}" cy="{y(log10(b)):.1f}" r="4" fill="{COLOURS[0]}"/>'
        for a, b in points
    ]
    parts += [_text(SIDE / 2, SIDE - 12, "vessel pixels", "middle"),
              _text(60, 14, "seconds a mask; the line is proportional", "start")]  # fmt: skip
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" '
            f'width="{SIDE}" font-family="sans-serif" font-size="12">\n'
            + "\n".join(parts) + "\n</svg>\n")  # fmt: skip


def _scale(values: Sequence[float], start: float, end: float) -> Axis:
    logs = [log10(value) for value in values]
    return Axis(min(logs) - 0.15, max(logs) + 0.15, start, end)


def _line(a: tuple[float, float], b: tuple[float, float], stroke: str) -> str:
    return (
        f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" stroke="{stroke}"/>'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def main() -> None:
    """Write the page, and the plot where sizes were measured."""
    found = json.loads(RESULT.read_text())
    write_text(PAGE, page(found))
    if "sizes" in found:
        write_text(PLOT, plot(found["sizes"]))


if __name__ == "__main__":
    main()
