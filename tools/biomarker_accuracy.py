"""Write docs/reference/biomarker-accuracy.md from the results of the four benchmarks.

`python tools/biomarker_accuracy.py` writes it; tests/docs/test_biomarker_accuracy.py compares.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "reference" / "biomarker-accuracy.md"
NAMES = ("truth", "retest", "damage", "invariance")
WAYS = ("masks", "photographs")
GOOD_ICC = 0.75
"""Good reliability begins here (Koo and Li 2016, J Chiropr Med 15, 155)."""

Result = dict[str, Any]


def results(folder: Path = RESULTS) -> dict[str, Result]:
    """Read the four results."""
    return {
        name: json.loads((folder / f"biomarker_{name}.json").read_text(encoding="utf-8"))
        for name in NAMES
    }


def made(result: Result, script: str) -> str:
    """Return which script wrote a result, and where it ran."""
    where = result["environment"]
    return (f"Measured by `benchmarks/{script}.py`, commit `{where['git'][:10]}`, "
            f"Python {where['python']}, torch {where['packages']['torch']}.")  # fmt: skip


def number(value: float | None, *, sign: bool = False) -> str:
    """Return three digits that mean something; a dash for what is not known."""
    if value is None:
        return "–"
    text = f"{value:+.3g}" if sign else f"{value:.3g}"
    return text if "e" not in text else f"{value:+.0f}" if sign else f"{value:.0f}"


def agreement_cells(told: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Return bias, limits and limits in percent of one way of measuring."""
    if not told or told.get("bias") is None:
        return "–", "–", "–"
    limits = f"{number(told['low'], sign=True)} to {number(told['high'], sign=True)}"
    if told["bias_percent"] is None:
        return number(told["bias"], sign=True), limits, "–"
    percent = (f"{told['bias_percent']:+.1f} ({told['low_percent']:+.0f} to "
               f"{told['high_percent']:+.0f})")  # fmt: skip
    return number(told["bias"], sign=True), limits, percent


def missing(told: Mapping[str, Any] | None) -> str:
    """Return the share that is missing, with the most frequent reason."""
    if not told:
        return "–"
    lost = sum(told["missing"].values())
    of = lost + told["n"]
    if not lost:
        return "0" if of else "–"
    reason, _ = max(told["missing"].items(), key=lambda item: (item[1], item[0]))
    return f"{lost}/{of}: {reason}"


def truth_lines(result: Result) -> Iterator[str]:
    """Yield the section on the truth."""
    yield from ("", "## Against the truth", "")
    yield inspect.cleandoc(f"""
        {result["count"]} phantoms of {result["size_px"]} px, of all cameras and fields that
        phantoms have, half of them with diabetic retinopathy. Each column is measured from the
        phantom's true masks of arteries, veins and lesions with the true disc, cup and fovea
        (*masks*: what the measuring costs), and from its photograph as `retinaforge vessels` does,
        which is told only the eye and the scale (*photographs*: what you get). Bias is
        measured − true; in brackets the 95 % limits of agreement (Bland and Altman 1986); percent
        is of the mean true value.

        The truth is of one of three kinds. *Closed form*: the column's definition on the vessels
        that were drawn, nothing rasterised. *Drawn twice as fine*: the same measure on true masks
        of twice the size. *True masks*: a definition of another package that counts in pixels has
        no truth beyond the size of the picture, so that photographs are held against the value on
        the true masks.
        """)
    yield from ("", made(result, "biomarker_truth"), "",
                "![Differences from the truth over the mean of both, for the most used columns]"
                "(../assets/biomarkers/bland-altman.png)")  # fmt: skip
    for way in WAYS:
        yield from ("", f"### From {'true masks' if way == 'masks' else 'photographs'}", "",
                    "| column | truth | n | bias (unit) | limits of agreement | % bias (limits) "
                    "| missing |", "|---|---|---|---|---|---|---|")  # fmt: skip
        for column, told in result["columns"].items():
            own = told.get(way)
            if own is not None:
                cells = (told["truth"], str(own["n"]), *agreement_cells(own), missing(own))
                yield f"| `{column}` | {' | '.join(cells)} |"
    invented = [f"`{c}` ({t['photographs']['measured_where_undefined']})"
                for c, t in result["columns"].items()
                if t["photographs"]["measured_where_undefined"]]  # fmt: skip
    yield from (
        "",
        "Columns that photographs gave a value for where the truth is undefined (times):",
    )
    yield ", ".join(invented) + "." if invented else "none."


def icc(told: Mapping[str, Any]) -> str:
    """Return an intraclass correlation with its interval, or why there is none."""
    if told["icc"] is None:
        return told["reason"]
    if told["low"] is None:
        return f"{told['icc']:.2f}"
    return f"{told['icc']:.2f} ({told['low']:.2f} to {told['high']:.2f})"


def retest_lines(result: Result) -> Iterator[str]:
    """Yield the section on repeating a photograph."""
    columns = result["columns"]
    good = [c for c, t in columns.items() if (t["photographs"]["icc"] or 0) >= GOOD_ICC]
    known = sum(t["photographs"]["icc"] is not None for t in columns.values())
    yield from ("", "## Test and retest", "")
    yield inspect.cleandoc(f"""
        {result["count"]} phantom eyes, each photographed twice ({result["about"]}), at
        {result["size_px"]} px; aim, light, focus, noise and JPEG are each photograph's own.
        ICC(A,1), which is Shrout and Fleiss's ICC(2,1), with its 95 % interval (McGraw and Wong
        1996), of the values from photographs and, beside it, from the true masks of the same two
        photographs: where even these disagree, the aim has changed what is in view. The first
        stands in the columns' [cards](biomarkers.md). An ICC depends on how much the eyes differ:
        phantoms differ as real eyes do in some traits only, so that it ranks columns better than it
        foretells a study. {len(good)} of {known} columns reach {GOOD_ICC}.
        """)
    yield from (
        "",
        made(result, "biomarker_retest"),
        "",
        "| column | eyes | ICC, photographs | ICC, true masks |",
        "|---|---|---|---|",
    )
    for column, told in columns.items():
        yield (f"| `{column}` | {told['photographs']['n']} | {icc(told['photographs'])} | "
               f"{icc(told['masks'])} |")  # fmt: skip


def safe(changes: Mapping[str, Mapping[str, Any]], damage: str, limit: float) -> bool | None:
    """Return whether a damage leaves a column as it is; None where nobody could measure it."""
    told = changes[damage]
    if told.get("median_abs_percent") is None:
        return None
    return told["lost"] == 0 and told["median_abs_percent"] <= limit


def damage_lines(result: Result) -> Iterator[str]:
    """Yield the section on blur and JPEG."""
    limit, parts = result["safe_percent"], result["columns"]
    damages = list(next(iter(parts["phantoms"].values())))
    yield from ("", "## Blur and JPEG", "")
    yield inspect.cleandoc(f"""
        {result["count"]["phantoms"]} phantoms of {result["size_px"]} px and
        {result["count"]["photographs"]} real photographs of test rows (CHASE_DB1, DRIVE, HRF,
        IDRiD, LES-AV), blurred and saved as JPEG, against the same photograph undamaged. Blur is a
        Gaussian's standard deviation in the field's diameter / 512: 0.5, 1 and 2 are about 13, 26
        and 52 µm in a field of 45°. In the table: the median of the absolute change in percent of
        the column's mean, phantoms / photographs, and in brackets how many photographs lost the
        column. A column is *safe* under a damage if that median is at most {limit:g} % in both
        and none is lost.
        """)
    yield from ("", made(result, "biomarker_damage"), "")
    for damage in damages:
        verdicts = {
            column: [safe(part[column], damage, limit) for part in parts.values()]
            for column in parts["phantoms"]
        }
        held = [f"`{c}`" for c, v in verdicts.items() if False not in v and True in v]
        moved = sum(False in v for v in verdicts.values())
        yield from (f"**{damage}**: {len(held)} columns are safe, {moved} are not.", "")
    steady = [
        f"`{c}`"
        for c in parts["phantoms"]
        if all(safe(part[c], d, limit) for part in parts.values() for d in damages)
    ]
    yield f"Safe under all six: {', '.join(steady) or 'none'}."
    heads = " | ".join(damages)
    yield from ("", f"| column | {heads} |", "|---|" + "---|" * len(damages))
    for column in parts["phantoms"]:
        cells = [_moved([part[column][damage] for part in parts.values()]) for damage in damages]
        yield f"| `{column}` | {' | '.join(cells)} |"


def _moved(told: list[Mapping[str, Any]]) -> str:
    lost = sum(part["lost"] for part in told)
    changes = [part.get("median_abs_percent") for part in told]
    text = " / ".join("–" if c is None else f"{c:.1f}" for c in changes)
    return text + (f" ({lost} lost)" if lost else "")


def invariance_lines(result: Result) -> Iterator[str]:
    """Yield the section on laying and scaling an eye."""
    eyes = result["eyes"]
    drawn = [eye for eye in eyes if ":" not in eye]
    real = [eye.partition(":")[2] for eye in eyes if ":" in eye]
    words = {
        "laid": "mirrored or turned by quarters",
        "double": "of twice the pixels",
        "half": "of half the pixels",
    }
    yield from ("", "## The same eye mirrored, turned, rescaled", "")
    yield inspect.cleandoc(f"""
        {len(drawn)} phantom eyes of {result["size_px"]} px in a field of 45°, drawn anew at half
        and twice the size, and {len(real)} pairs of real artery/vein masks (LES-AV
        {", ".join(real)}; 1620 × 1444 px) resampled. A column holds if it stays within 2 % (counts
        within 1 or 5 %, the share of vessel in the macula's regions within 0.001). Named are the
        columns that do not hold in at least one eye, with the greatest change; the tests let no
        other column move, and none by more. At half the size a field of 45° has 26 µm a pixel: many
        vessels are a pixel or two wide, and what is thinner is drawn as wide as one. Other
        packages' definitions in pixels move by nature.
        """)
    yield from ("", made(result, "biomarker_invariance"))
    for way, broken in result["breaking"].items():
        yield from ("", f"**An eye {words[way]}**: {len(broken)} of {result['columns']} columns "
                    "do not hold in every eye.")  # fmt: skip
        if broken:
            yield from ("", "| column | eyes | greatest change |", "|---|---|---|")
        for column, eyes_moved in broken.items():
            known = [c for c in eyes_moved.values() if c is not None]
            worst = f"{max(known, key=abs):+.1f} %" if known else "there in one of the two only"
            yield f"| `{column}` | {len(eyes_moved)} of {len(eyes)} | {worst} |"


def page(found: dict[str, Result] | None = None) -> str:
    """Return docs/reference/biomarker-accuracy.md."""
    told = found or results()
    lines = [
        "# How true, repeatable and robust each biomarker is", "",
        "Made by `python tools/biomarker_accuracy.py` from `benchmarks/results/biomarker_*.json`; "
        "a test keeps it true. Do not edit by hand.", "",
        inspect.cleandoc("""
        What each [column](biomarkers.md) of `biomarkers.csv` is worth: how far it lies from the
        truth, how alike two photographs of one eye are, what blur and JPEG do to it, and whether it
        depends on how large the picture is and which way it lies. The first two rest on phantoms,
        whose truth is known; [phantoms](../explanation/phantoms.md) says how like real eyes they
        are. On real photographs expect no better.
        """),
        *truth_lines(told["truth"]), *retest_lines(told["retest"]),
        *damage_lines(told["damage"]), *invariance_lines(told["invariance"]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
