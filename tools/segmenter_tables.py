"""Write docs/reference/segmenter-results.md: `python tools/segmenter_tables.py`.

Its numbers come from the result files of benchmarks/vessel_judges.py, artery_vein_judges.py and
anatomy_accuracy.py; a test compares them. What was not measured is said to be so.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs/reference/segmenter-results.md"
RESULTS = REPO / "benchmarks/results"
SETS = {
    "chase_db1": "CHASE_DB1, children from 08 on",
    "drive": "DRIVE, test images",
    "les_av": "LES-AV, all",
    "hrf": "HRF, test rows",
}
PEOPLE = "second observer"
LESIONS = ("microaneurysm", "haemorrhage", "hard_exudate", "soft_exudate")
Row = dict[str, Any]
Found = dict[str, Any]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float | None) -> str:
    """Return three digits behind the point, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def _judges(found: Found) -> str:
    """Return a line on each judge: its version, what it learnt from, the commit of its run."""
    lines = []
    for name, each in found["judges"].items():
        learnt = ", ".join(each["training_data"]) or "nothing"
        commit = str(each["environment"]["git"])[:7]
        lines.append(f"- `{name}` version {each['version']}: learnt from {learnt}; run at {commit}")
    return "\n".join(lines)


def vessels(found: Found) -> str:
    """Return a row a set and judge, the second observer's last."""
    rows = [
        (SETS[r["set"]], str(r["n"]), f"**{PEOPLE}**" if r["judge"] == PEOPLE else r["judge"],
         number(r["dice"]), number(r["cldice"]), number(r.get("auc")))
        for r in found["results"]
    ]  # fmt: skip
    return table(("set", "n", "who", "Dice", "clDice", "AUC"), rows) + "\n\n" + _judges(found)


def arteries_and_veins(found: Found) -> str:
    """Return a row a set, judge and way of naming."""
    keys = ("in reference", "on found", "found", "dice a", "dice v")
    rows = [
        (SETS[r["set"]], str(r["n"]), r["judge"], r["names by"], *(number(r[key]) for key in keys))
        for r in found["results"]
    ]
    head = (
        "set", "n", "judge", "names by", "rightly named of the reference", "of what it found",
        "found", "Dice of arteries", "Dice of veins",
    )  # fmt: skip
    return table(head, rows) + "\n\n" + _judges(found)


def _commit(found: Found, part: str) -> str:
    """Return a line on the commit of a part's run, where the file tells it."""
    run = found.get("environments", {}).get(part)
    return f"\n\nRun at {str(run['git'])[:7]}." if run else ""


def _mean(part: Found, key: str, which: str = "mean") -> str:
    return number(part[key][which]) if key in part else "–"


def anatomy(found: Found) -> str:
    """Return disc and cup a row a set, and the fovea on phantoms in words."""
    parts = {
        "idrid_test": "IDRiD, test rows",
        "drishti_gs_crops": "Drishti-GS, crops",
        "phantoms": "phantoms of another seed",
    }
    rows = [
        (words, str(found[key]["n"]), _mean(found[key], "disc_dice"),
         _mean(found[key], "disc_dice", "median"), _mean(found[key], "disc_centre_dd"),
         _mean(found[key], "cup_dice"), _mean(found[key], "vertical_ratio_error", "mean_size"))
        for key, words in parts.items() if key in found
    ]  # fmt: skip
    head = ("set", "n", "disc Dice: mean", "median", "disc centre off, disc diameters",
            "cup Dice: mean", "vertical ratio off: mean size")  # fmt: skip
    return f"{table(head, rows)}\n\n{_fovea(found['phantoms'])}{_commit(found, 'idrid')}"


def _fovea(part: Found) -> str:
    shown, near = part["fovea_missed"], part["fovea_within_quarter_dd"]
    missed, invented = shown["mean"] * shown["n"], part["fovea_invented_where_hidden"]
    return " ".join(
        f"""
        Fovea, on phantoms: of {shown["n"]} that show one {missed:.0f} were missed; of the
        {near["n"]} found {near["mean"]:.1%} lie within 0.25 disc diameters of the true place (mean
        {number(part["fovea_dd"]["mean"])}, most {number(part["fovea_dd"]["most"])}). Where it was
        hidden, one was invented in {invented["mean"]:.1%} of {invented["n"]} pictures.
        """.split()
    )


def lesions(found: Found) -> str:
    """Return a row a kind of lesion."""
    part = found["lesions_idrid_test"]
    rows = [
        (kind.replace("_", " "), str(part[kind]["lesions"]),
         number(part[kind]["area_under_precision_recall"]), number(part[kind]["precision"]),
         number(part[kind]["recall"]))
        for kind in LESIONS
    ]  # fmt: skip
    head = ("kind", "lesions", "area under precision and recall", "precision", "recall")
    return f"{part['n']} photographs.\n\n{table(head, rows)}{_commit(found, 'lesions')}"


PARTS: tuple[tuple[str, str, str, Callable[[Found], str]], ...] = (
    (
        "Vessels",
        "vessel_judges",
        """
        Mean over photographs, inside the field of view that the package finds, at the photograph's
        own size, against the first observer. The second observer is the human ceiling: one person
        against another on the same photographs; only CHASE_DB1 and DRIVE have one.
        """,
        vessels,
    ),
    (
        "Arteries and veins",
        "artery_vein_judges",
        """
        Names pixel by pixel, or along the traced trees. Pixels of crossings and of uncertain name
        do not count towards names. DRIVE's labels are those of its second observer. No set here was
        named by two people, so there is no human ceiling.
        """,
        arteries_and_veins,
    ),
    (
        "Disc, cup and fovea",
        "anatomy_accuracy",
        """
        No set here has two people's outlines, nor the fovea's true place; the fovea is measured on
        phantoms, and how it looks on photographs is said in the
        [model card](model-card-anatomy.md).
        """,
        anatomy,
    ),
    (
        "Lesions",
        "anatomy_accuracy",
        """
        IDRiD's test rows, by pixels of all photographs together (area) and by lesions at the
        shipped level (a quarter of a lesion must be marked for it to be found). No second person's
        masks.
        """,
        lesions,
    ),
)  # fmt: skip
"""Heading, result file, what to know, the table's function."""


def page(results: Path = RESULTS) -> str:
    """Return the page that a folder of result files makes."""
    lines = [
        "# What the segmenters score, set by set", "",
        "Made by `python tools/segmenter_tables.py` from the result files in `benchmarks/results`;",
        "a test keeps it true. Do not edit by hand. Nothing shipped learnt from these photographs;",
        "what each network learnt from, and which test scores had been seen before a recipe was",
        "settled, is told in the model cards of [vessels](model-card-vessels.md),",
        "[arteries and veins](model-card-artery-vein.md), [disc, cup and fovea]"
        "(model-card-anatomy.md)",
        "and [lesions](model-card-lesions.md).",
    ]  # fmt: skip
    for heading, name, about, show in PARTS:
        path = results / f"{name}.json"
        shown = show(json.loads(path.read_text())) if path.exists() else "Not measured yet."
        lines += ["", f"## {heading}", "", inspect.cleandoc(about),
                  f"Measured by `benchmarks/{name}.py`.", "", shown]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_text(PAGE, page())
