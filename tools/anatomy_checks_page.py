"""Write docs/reference/anatomy-checks.md: `python tools/anatomy_checks_page.py`.

Its numbers come from benchmarks/results/anatomy_checks.json; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs/reference/anatomy-checks.md"
RESULT = REPO / "benchmarks/results/anatomy_checks.json"
GOAL_ALARM, GOAL_DETECTION = 0.02, 0.9


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def share(found: dict[str, Any]) -> str:
    """Return "k of n (95 %: low to high)", or why there is none."""
    if not found["n"]:
        return "not judged"
    low, high = (f"{100 * bound:.0f}" for bound in found["interval"])
    return f"{found['k']} of {found['n']} ({low}–{high} %)"


def alarms(result: dict[str, Any]) -> str:
    """Return false alarms by check, test rows and all rows, over all sets together."""
    rows = [
        (f"`{row['check']}`", share(row["test"]), share(row["all"]))
        for row in result["false_alarms"]
        if row["set"] == "all"
    ]
    return table(("check", "test rows", "all"), rows)


def by_set(result: dict[str, Any]) -> str:
    """Return the rate of any check by set."""
    rows = [
        (row["set"], share(row["test"]), share(row["all"]))
        for row in result["false_alarms"]
        if row["check"] == "any check" and row["set"] != "all"
    ]
    return table(("set", "test rows", "all"), rows)


def detections(result: dict[str, Any]) -> str:
    """Return what was found of planted damage, by kind and level."""
    rows = [
        (row["damage"], str(row["level"]), f"`{row['check']}`", share(row["by_check"]),
         share(row["by_any"]))
        for row in result["detections"]
    ]  # fmt: skip
    return table(("damage", "level", "check made for it", "found by it", "found by any"), rows)


def cards(result: dict[str, Any]) -> str:
    """Return what each check says and when it misleads."""
    rows = [(f"`{c['name']}`", str(c["version"]), c["measures"], c["known_failure"])
            for c in result["cards"]]  # fmt: skip
    return table(("check", "version", "share of images", "known failure"), rows)


def missed(result: dict[str, Any]) -> str:
    """Return which goals are missed, counted from the tables."""
    late = [r for r in result["detections"] if r["level"] == 4 and r["by_check"]["n"]
            and r["by_check"]["rate"] < GOAL_DETECTION]  # fmt: skip
    loud = [r for r in result["false_alarms"] if r["set"] == "all" and r["all"]["n"]
            and r["all"]["rate"] > GOAL_ALARM]  # fmt: skip
    kinds = ", ".join(dict.fromkeys(r["damage"] for r in late)) or "none"
    checks = ", ".join(f"`{r['check']}`" for r in loud) or "none"
    return (f"Goals: at most {GOAL_ALARM:.0%} false alarms a check, at least {GOAL_DETECTION:.0%} "
            f"of planted damage found. Above the first: {checks}. Below the second at level 4: "
            f"{kinds}.")  # fmt: skip


def page() -> str:
    """Return the page."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    return f"""# Anatomy checks, measured

Made by `tools/anatomy_checks_page.py` from `benchmarks/anatomy_checks.py` (commit
{str(result["environment"]["git"])[:7]}, judge `{result["judge"]}`, anatomy
`{result["anatomy"]}`). Every check sees an image on the footing of `retinaforge validate`: a
square of 512 px, vessels and landmarks as the networks find them. Limits were fitted on
{result["n_fitted"]} photographs of training and validation rows; {result["n_real"]} real
photographs and {result["n_planted"]} with planted damage are in these tables.

{missed(result)} With so few photographs no check can be shown to stay below 2 %.

The hand-set constants of the checks were made with all of these photographs in sight, test rows
included: take the test rows as somewhat optimistic. Damage was planted in photographs whose
undamaged state set the limits.

## Checks

{cards(result)}

A check that cannot judge an image (no fovea in view, say) says so and does not count.

## False alarms on real photographs

{alarms(result)}

Any check, by set:

{by_set(result)}

## Planted damage

{detections(result)}
"""


if __name__ == "__main__":
    write_text(PAGE, page())
    print(f"wrote {PAGE}")
