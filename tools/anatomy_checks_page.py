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
GOAL_ALARM, GOAL_DETECTION, ENOUGH = 0.02, 0.9, 25


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
    """Return false alarms by check, on photographs that fitted nothing and on all."""
    rows = [
        (f"`{row['check']}`", share(row["unseen"]), share(row["all"]))
        for row in result["false_alarms"]
        if row["set"] == "all"
    ]
    return table(("check", "fitted nothing", "all"), rows)


def by_set(result: dict[str, Any]) -> str:
    """Return the rate of any check by set."""
    rows = [
        (row["set"], share(row["unseen"]), share(row["all"]))
        for row in result["false_alarms"]
        if row["check"] == "any check" and row["set"] != "all"
    ]
    return table(("set", "fitted nothing", "all"), rows)


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


def scores(result: dict[str, Any]) -> str:
    """Return what each score weighs, in standard deviations of undamaged eyes."""
    rows = [
        (f"`{name}`", ", ".join(f"{w:+.2f} {n}" for n, w in zip(
            plain["numbers"], plain["weights"], strict=True)),
         f"{plain['constant']:+.2f}", f"{result['limits'][name][1]:.2f}")
        for name, plain in result["scores"].items()
    ]  # fmt: skip
    return table(("score", "weights", "constant", "limit"), rows)


def met_from(result: dict[str, Any]) -> str:
    """Return for each damage from which measured level on its check finds 90 %."""
    kinds = dict.fromkeys(row["damage"] for row in result["detections"])
    lines = []
    for kind in kinds:
        own = {r["level"]: r["by_check"] for r in result["detections"]
               if r["damage"] == kind and r["by_check"]["n"]}  # fmt: skip
        good = [k for k in own if all(own[m]["rate"] >= GOAL_DETECTION for m in own if m >= k)]
        top = max(own, default=None)
        if top is None:
            lines.append((kind, "not judged", ""))
            continue
        said = f"level {min(good)}" if good else "none that was planted"
        lines.append((kind, said, f"level {top}: {share(own[top])}"))
    return table(("damage", "90 % found from", "highest level planted"), lines)


def missed(result: dict[str, Any]) -> str:
    """Return which goals are missed, counted from the tables."""
    late = [r for r in result["detections"] if r["level"] == 4 and r["by_check"]["n"]
            and r["by_check"]["rate"] < GOAL_DETECTION]  # fmt: skip
    few = [r for r in result["detections"] if r["level"] == 4 and r["by_check"]["n"] < ENOUGH]
    checks = {
        where: ", ".join(
            f"`{r['check']}`" for r in result["false_alarms"]
            if r["set"] == "all" and r[where]["n"] and r[where]["rate"] > GOAL_ALARM
        ) or "none" for where in ("unseen", "all")
    }  # fmt: skip
    kinds = ", ".join(dict.fromkeys(r["damage"] for r in late)) or "none"
    scarce = ", ".join(f"{r['damage']} ({r['by_check']['n']})" for r in few) or "none"
    return (f"Goals: at most {GOAL_ALARM:.0%} false alarms a check, at least {GOAL_DETECTION:.0%} "
            f"of planted damage found. Above the first: {checks['unseen']} on photographs that "
            f"fitted nothing, {checks['all']} on all. Below the second at level 4: {kinds}. Judged "
            f"in fewer than {ENOUGH} photographs at level 4: {scarce}.")  # fmt: skip


def page() -> str:
    """Return the page."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    return f"""# Anatomy checks, measured

Made by `tools/anatomy_checks_page.py` from `benchmarks/anatomy_checks.py` (commit
{str(result["environment"]["git"])[:7]}, judge `{result["judge"]}`, anatomy
`{result["anatomy"]}`). Every check sees an image on the footing of `retinaforge validate`: a
square of 512 px, vessels and landmarks as the networks find them. Scores and limits were fitted on
{result["n_fitted"]} photographs of training and validation rows (CHASE_DB1, HRF, IDRiD) and
{result["n_hurt_fitted"]} images with damage of level 4 planted in some of them.
{result["n_real"]} real photographs and
{result["n_planted"]} with planted damage are in these tables; the damage was planted in test rows
and DRIVE, which fitted nothing. All checks of an eye take {result["cpu_s"]:.2f} s of one core.

{missed(result)}

Scores were chosen, and weighed, for the damage of this page at level 4: other damage of the same
name may look otherwise. The older hand-set constants (where the disc is looked for, from which
probability two stretches hang together) were made with test rows in sight. Figures of the test rows
were seen three times on the way: with 97 fitting photographs, with 175, and after the budget of a
check came to be shared among its scores, which the second look (0 of 27 second discs found there)
had prompted. Take them as optimistic. A camera that fitted nothing
(DRIVE, LES-AV) fails more often than those that did.

## Checks

{cards(result)}

A check that cannot judge an image (no fovea in view, say) says so and does not count.

## False alarms on real photographs

Of the fitting photographs 1.5 % were allowed to fail each check.

{alarms(result)}

Any check, by set:

{by_set(result)}

## Planted damage

From which level on damage is found, among the levels that were planted so far (the table below
lists them; each further level costs about seven minutes of one core):

{met_from(result)}

What stays below 90 % is not seen well enough at 512 px by what our networks find there: gaps and
floating pieces are as frequent in faint real vessels, and vessels half as wide again are still
within what persons and cameras differ by. No limit was loosened or tightened for it.

{detections(result)}

In extra-disc, disc-erased, misplaced-fovea, vessels-cut-off, floating and broken vessels, arteries
and veins were not told apart, to save time: "found by any" leaves out the checks that need them.
In damage to the field, no check but `field_of_view` was asked.

## Scores

A score is the log-odds of a small ridge logistic regression; each number counts in standard
deviations of undamaged eyes, at most 5.

{scores(result)}
"""


if __name__ == "__main__":
    write_text(PAGE, page())
    print(f"wrote {PAGE}")
