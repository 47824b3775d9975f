"""Write docs/reference/standard-scores.md and its table in README.md.

Run: python tools/standard_scores_page.py
Its numbers come from studies/validation/*.json (benchmarks/validate_photographs.py); a test
compares them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

REPO = Path(__file__).parents[1]
RUNS = REPO / "studies/validation"
PAGE = REPO / "docs/reference/standard-scores.md"
BLOCK = re.compile(
    r"(<!-- standard-scores:begin -->\n).*?(<!-- standard-scores:end -->)", re.DOTALL
)
KINDS = (
    "blur", "broken-vessels", "thick-vessels", "colour-cast", "extra-disc", "mode-collapse",
    "planted-copies",
)  # fmt: skip
SETS, PAIRS = "halves", "reconstructed-best+gan"
"""Runs that hold the sanity panel: of sets of photographs, and of pairs (the first of them)."""
DRAWN = "phantoms-halves"
STANDARD = (
    ("Fréchet distance, ImageNet features", "imagenet: frechet_distance"),
    ("Kernel distance (KID), ImageNet", "imagenet: kernel_distance"),
    ("MMD, Gaussian kernel, ImageNet", "imagenet: mmd_gaussian"),
    ("Precision, ImageNet", "imagenet: precision"),
    ("Recall, ImageNet", "imagenet: recall"),
    ("Density, ImageNet", "imagenet: density"),
    ("Coverage, ImageNet", "imagenet: coverage"),
    ("Vendi score, ImageNet", "imagenet: vendi"),
    ("FRD v0", "radiomics: frd_v0"),
    ("FRD v1", "radiomics: frd_v1"),
    ("PSNR (pairs)", "paired: psnr"),
    ("SSIM (pairs)", "paired: ssim"),
    ("MS-SSIM (pairs)", "paired: ms_ssim"),
)
OURS = (
    ("Fréchet distance, vessel network's features", "structure: frechet_distance"),
    ("Kernel distance, vessel network's features", "structure: kernel_distance"),
    ("Fréchet distance, colours", "colour: frechet_distance"),
    ("FRD, colour variant", "radiomics: frd_colour"),
    ("Any anatomy check", "anatomy: anatomy_any"),
    ("Not of good quality", "quality: not good"),
    ("Copied eyes", "copies: copied"),
    ("Vessel Dice (pairs)", "paired: dice"),
    ("Vessel clDice (pairs)", "paired: cldice"),
    ("Broken paths (pairs)", "paired: broken_paths"),
    ("Betti 0 error (pairs)", "paired: betti_0_error"),
    ("Recall of wide vessels (pairs)", "paired: recall_wide"),
)
LEADING = (
    "imagenet: frechet_distance", "imagenet: kernel_distance", "structure: kernel_distance",
    "structure: coverage", "colour: kernel_distance", "radiomics: frd_v1",
)  # fmt: skip
LEADING_PAIRS = (
    "psnr", "ssim", "ms_ssim", "dice", "cldice", "recall_thin", "recall_wide", "broken_paths",
    "betti_0_error",
)  # fmt: skip


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown; all columns but the first stand right."""
    lines = [head, ("---", *("---:",) * (len(head) - 1)), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_run(name: str) -> dict[str, Any]:
    """Return a run's file."""
    run: dict[str, Any] = json.loads((RUNS / f"{name}.json").read_text(encoding="utf-8"))
    return run


def panel_rows(run: str = SETS) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the panel's rows of both kinds of run by (score, kind)."""
    sets = [row for row in read_run(run)["panel"] if row["family"] != "paired"]
    pairs = [row for row in read_run(PAIRS)["panel"] if row["family"] == "paired"]
    return {(row["score"], row["kind"]): row for row in (*sets, *pairs)}


def cell(row: dict[str, Any] | None) -> str:
    """Return from which level a score notices a damage."""
    if row is None or row["floor_median"] is None:
        return "—"
    return "**never**" if row["notices_from"] is None else str(row["notices_from"])


def noticing(
    title: str, scores: tuple[tuple[str, str], ...], run: str = SETS
) -> list[tuple[str, ...]]:
    """Return rows of the table of the panel under a title."""
    found = panel_rows(run)
    rows = [
        (name, *(cell(found.get((score, kind))) for kind in KINDS)) for name, score in scores
    ]  # fmt: skip
    return [(f"*{title}*", *("",) * len(KINDS)), *rows]


def single_numbers(run: str) -> list[tuple[str, ...]]:
    """Return how many single numbers notice each damage, and from which level the first."""
    rows = []
    for family, name in (("vessels", "Biomarkers, one by one"), ("quality", "Quality numbers")):
        cells = []
        for kind in KINDS:
            asked = [r for r in panel_rows(run).values()
                     if (r["family"], r["kind"]) == (family, kind)
                     and r["score"] != "quality: not good"]  # fmt: skip
            levels = [r["notices_from"] for r in asked if r["notices_from"] is not None]
            cells.append(
                f"{min(levels)} ({len(levels)} of {len(asked)})" if levels else "**never**"
            )
        rows.append((name, *cells))
    return rows


def headline(run: str = SETS) -> str:
    """Return the table of README.md, or the same of another run, without pairs."""

    def asked(scores: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple(s for s in scores if run == SETS or not s[1].startswith("paired"))

    panel = [
        *noticing("Standard scores", asked(STANDARD), run),
        *noticing("Ours", asked(OURS), run), *single_numbers(run),
    ]  # fmt: skip
    return table(("From which level (1 slight to 5 gross) it notices", *KINDS), panel)


def on_phantoms() -> str:
    """Return the same table of drawn eyes, or that there is none."""
    if not (RUNS / f"{DRAWN}.json").is_file():
        return "Not measured."
    n = read_run(DRAWN)["panel_n"]
    return (
        f"{n} drawn eyes were damaged. A row that notices every damage from level 1 on says "
        "little: once in 51 the images chosen stand outside all draws before anything is done to "
        "them.\n\n"
        f"{headline(DRAWN)}"
    )


def in_words() -> str:
    """Return which standard scores miss broken vessels, and up to which level."""
    found = panel_rows()
    seen = {
        name: found[score, "broken-vessels"]["notices_from"]
        for name, score in STANDARD
        if found.get((score, "broken-vessels"), {}).get("floor_median") is not None
    }
    never = [name for name, level in seen.items() if level is None]
    late = [f"{name} (from {level})" for name, level in seen.items() if level not in (None, 1)]
    first = [name for name, level in seen.items() if level == 1]
    said = [
        f"No level of broken vessels is noticed by {len(never)} of {len(seen)} standard scores: "
        f"{', '.join(never) or 'none'}."
    ]
    said.append(f"Noticed late: {', '.join(late) or 'none'}.")
    said.append(f"From level 1 on: {', '.join(first) or 'none'}.")
    return " ".join(said)


def runs() -> list[tuple[str, dict[str, Any]]]:
    """Return all runs, those of sets first."""
    names = sorted(path.stem for path in RUNS.glob("*.json"))
    first = ("halves", "real-vs-real", "phantoms")
    order = [*first, *(n for n in names if n not in first)]
    return [(name, read_run(name)) for name in order]


def number(value: float | None) -> str:
    """Return a number with three digits."""
    return "—" if value is None else f"{value:.3g}"


def named(score: dict[str, Any]) -> str:
    """Return a line's name as the panel has it."""
    return f"{score.get('space', score['family'])}: {score['name']}"


def places() -> str:
    """Return the leading set scores of every run and where they stand."""
    rows = []
    for name, run in runs():
        if run["protocol"]["paired"]:
            continue
        lines = {named(s): s for s in run["scores"] if s["family"] == "fidelity"}
        cells = [
            f"{number(lines[k]['value'])} ({number(lines[k].get('place'))})" for k in LEADING
        ]  # fmt: skip
        rows.append((name, *cells))
    return table(("run", *LEADING), rows)


def answers() -> str:
    """Return what the images of every run can be used for."""
    rows = [
        (name, ", ".join(f"{use['name']}: **{use['answer']}**" for use in run["uses"]),
         str(sum(s["level"] == "failure" for s in run["verdict"])))
        for name, run in runs()
    ]  # fmt: skip
    return table(("run", "uses", "sentences that fail"), rows).replace("---: |\n", "--- |\n", 1)


def tables_of_runs() -> str:
    """Return how many biomarkers and checks differ in every run."""
    rows = []
    for name, run in runs():
        cells = []
        for family in ("vessels", "quality"):
            lines = [s for s in run["scores"] if s["family"] == family and "column" in s]
            known = [s["p_holm"] for s in lines if s.get("p_holm") is not None]
            cells.append(f"{sum(p < 0.05 for p in known)} of {len(known)}")
        check = next(s for s in run["scores"] if s["name"] == "anatomy_any")
        copied = next(s for s in run["scores"] if s["family"] == "copies")
        cells.append(f"{percent(check['value'])} / {percent(check['value_real'])}")
        cells.append(f"{copied.get('copies', '—')} of {copied['n']}")
        rows.append((name, *cells))
    head = ("run", "biomarkers that differ", "quality numbers that differ",
            "fail any anatomy check, synthetic / real", "copies")  # fmt: skip
    return table(head, rows)


def percent(value: float | None) -> str:
    """Return a share in percent."""
    return "—" if value is None else f"{100 * value:.0f} %"


def pairs() -> str:
    """Return what every arm of the loss study costs beside saving the files again."""
    rows, harmless = [], None
    for name, run in runs():
        if not run["protocol"]["paired"]:
            continue
        lines = {s["name"]: s for s in run["scores"] if s["family"] == "paired"}
        rows.append((name.removeprefix("reconstructed-"),
                     *(number(lines[k]["value"]) for k in LEADING_PAIRS)))  # fmt: skip
        harmless = tuple(number(lines[k].get("saved_again")) for k in LEADING_PAIRS)
    found = panel_rows()
    if harmless:
        rows.append(("*the photographs saved again as JPEG of quality 75*", *harmless))
    for level in ("1", "3", "5"):
        medians = [found[f"paired: {k}", "broken-vessels"]["medians"] for k in LEADING_PAIRS]
        rows.append((f"*their vessels broken, level {level}*",
                     *(number(m.get(level)) for m in medians)))  # fmt: skip
    return table(("arm", *LEADING_PAIRS), rows)


def page() -> str:
    """Return the page."""
    sets, paired = read_run(SETS), read_run(PAIRS)
    n, n_pairs = (run["panel_n"] for run in (sets, paired))
    references = sets["panel_references"]
    return f"""# What standard scores see

Made by `tools/standard_scores_page.py` from [`studies/validation/`](../../studies/validation), runs
of `retinaforge validate` on real photographs (`benchmarks/validate_photographs.py`, commit
`{sets["environment"]["git"][:12]}`). Nothing here is typed in.

## Which score notices which damage

Damage planted in {n} photographs of IDRiD, compared with {references} others. A set score notices
a level if it leaves all that 50 draws of {n} undamaged photographs scored, on the worse side, at
this level and all higher ones (by chance once in 51). Paired scores compare {n_pairs} photographs
of four cameras with themselves damaged; they notice a level if it costs more than saving the
photograph again as JPEG of quality 75. "ImageNet" is SqueezeNet 1.0's last map (FID's own network
was not to be had here: its file is read, `--encoder inception:FILE`). What the levels mean is in
[plant damage](../how-to/plant-damage.md). At another n the levels are others: every run of
`retinaforge validate` makes this table for its own photographs.

{headline()}

{in_words()}

### The same on drawn eyes

{on_phantoms()}

## Runs

The value of a score, in brackets its place: 0 is real against real, 1 the planted damage that moves
the score most. `damaged-KIND` is level 3.

{places()}

{tables_of_runs()}

## What each loss of the study keeps

{paired["protocol"]["real"]["images"]["scored"]} held-out photographs against what each arm of
[the loss study](../explanation/loss-study.md) made of them, on the square of 512 px. PSNR and SSIM
beside the vessels that are left, and both beside what harmless and harmful changes of the same
photographs score.

{pairs()}

## What they can be used for

{answers()}
"""


def with_table(readme: str) -> str:
    """Return the README with the table between its markers."""
    block = f"{headline()}\n\n{in_words()}\n"
    return BLOCK.sub(lambda found: f"{found[1]}{block}{found[2]}", readme)


if __name__ == "__main__":
    write_text(PAGE, page())
    readme = REPO / "README.md"
    write_text(readme, with_table(readme.read_text(encoding="utf-8")))
