"""`retinaforge captions checklist` and `checklist-read`: captions before a clinician's eyes."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, say

EXIT_PARTLY = 1
CHECKLIST_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions checklist pairs --out checklist`\n\n"
    "`retinaforge captions checklist pairs --sample 60 --seed 3 --out checklist`\n\n"
    "Open checklist/checklist.html in any browser, without a network; it saves answers as a file."
)
READ_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge captions checklist-read answers-a.json answers-b.json --out agreement`"
)


def checklist(
    pairs: Path = typer.Argument(..., metavar="PAIRS", help="Captioned images (metadata.jsonl)."),
    out: Path = typer.Option(..., help="Folder to write."),
    sample: int = typer.Option(40, min=1, help="Captions to check."),
    seed: int = typer.Option(0, help="Seed of the sample; equal seeds draw the same."),
    split: str = typer.Option("", help="Only pairs of this split; none: all."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON on stdout."),
) -> None:
    """Write a page on which a reader checks captions: optic, macula, vessel, fibre, lesion.

    The sample is drawn in turn from each quality and grade. The page is one file with its images
    inside, works without a network, keeps answers in the browser and saves them as JSON or CSV.
    Exit code 0: written; 1: some rows or images could not be read, each is named; 2: refused.
    """
    from retinaforge.reports.checklist_page import write_checklist_page
    from retinaforge.tasks.checklist import sample_pairs, write_checklist
    from retinaforge.tasks.pairs_checks import some_pairs

    found, bad = some_pairs(pairs, split)
    drawn = sample_pairs(found, sample, seed)
    told = write_checklist(drawn, out, {"pairs": str(pairs), "seed": seed})
    page = write_checklist_page(out)
    left_out = [*({"name": row, "reason": why} for row, why in bad), *told["left_out"]]
    for row in left_out:
        say(f"{row['name']}: {row['reason']}", alarm="left out")
    if as_json:
        answer_json({"page": str(page), "sample": told["sample"], "captions": len(told["rows"]),
                     "strata": told["strata"], "left_out": left_out})  # fmt: skip
    else:
        say(
            f"{len(told['rows'])} captions of {len(told['strata'])} strata, sample {told['sample']}"
        )
        print(page)
    if left_out:
        raise typer.Exit(EXIT_PARTLY)


def checklist_read(
    answers: list[Path] = typer.Argument(
        ..., metavar="ANSWERS…", help="Files that readers saved from the page, .json or .csv."
    ),
    out: Path = typer.Option(None, help="Folder for agreement.json and .md; none: stdout."),
    as_json: bool = typer.Option(False, "--json", help="Print the statistics as JSON on stdout."),
) -> None:
    """Count what readers answered: accuracy by item with Wilson's interval, kappa, Gwet's AC1.

    Exit code 0: counted; 1: a file could not be read, it is named; 2: refused.
    """
    from retinaforge.core import Refusal
    from retinaforge.core.artefacts import write_json, write_text
    from retinaforge.reports.checklist_page import agreement_markdown
    from retinaforge.tasks.checklist_answers import read_answers
    from retinaforge.tasks.checklist_read import agreement_statistics

    readers, bad = [], []
    for path in answers:
        try:
            readers.append(read_answers(path))
        except Refusal as refusal:
            bad.append(refusal)
    if not readers:
        raise bad[0]
    for refusal in bad:
        say(str(refusal), alarm="left out")
    told = agreement_statistics(readers)
    text = agreement_markdown(told)
    if out is not None:
        write_json(out / "agreement.json", told)
        write_text(out / "agreement.md", text)
    if as_json:
        answer_json(told)
    else:
        print(text if out is None else out / "agreement.md")
    if bad:
        raise typer.Exit(EXIT_PARTLY)
