"""`retinaforge audit groups ANSWERS`: gaps by age, sex and camera beside what chance makes."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.audit_close import close
from retinaforge.core import Refusal

EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge audit groups probed --data ../shared/data/odir --by sex --by age --out groups`"
    "\n\n"
    "`retinaforge audit groups answers.csv --by camera --positive 2,3,4 --out groups --json`\n\n"
    "ANSWERS is what a probe wrote, or a table: image, truth, score (or p_CLASS), "
    "perhaps patient, sex, age, camera."
)


def groups(
    answers: Path = typer.Argument(..., help="Table of answers, or a folder with predictions."),
    out: Path = typer.Option(..., help="Folder to write."),
    data: list[Path] = typer.Option([], help="Data sets whose tables tell sex, age, camera."),
    by: list[str] = typer.Option(
        [], help="What parts the groups; may be given again; none: sex, age, camera if known."
    ),
    positive: str = typer.Option("", help="Classes that are the finding: 2,3,4; none: the second."),
    threshold: float = typer.Option(0.5, help="Score from which the finding is called."),
    age_bands: str = typer.Option("50,65", help="Edges of bands of age, in years."),
    smallest: int = typer.Option(
        10, min=2, help="Patients on each side that a group needs to be judged."
    ),
    seed: int = typer.Option(0, help="Of draws and deals."),
    as_json: bool = typer.Option(False, "--json", help="Print audit.json on stdout."),
) -> None:
    """Gaps in AUROC, sensitivity and specificity between groups, beyond what chance makes.

    Every gap stands beside the gap of groups that are dealt at random among patients of the same
    truth. Writes report.html and audit.json. Exit code 0: judged; 2: refused.
    """
    from retinaforge.images import read_records
    from retinaforge.validation.audit_answers import read_answers
    from retinaforge.validation.audit_groups import audit_groups, known_attributes

    asked = tuple(word.strip() for word in positive.split(",") if word.strip())
    edges = _edges(age_bands)
    answered = read_answers(answers, positive=asked, threshold=threshold)
    records = [record for folder in data for record in read_records(folder)]
    attributes = tuple(dict.fromkeys(by)) or known_attributes(answered, records)
    told = audit_groups(
        answered, records, attributes, out, edges=edges, smallest=smallest, seed=seed
    )
    close(told, out, as_json=as_json)


def _edges(text: str) -> tuple[float, ...]:
    try:
        edges = tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise Refusal("edges in years", repr(text), "such as --age-bands 50,65") from error
    if not all(0 < edge < 200 for edge in edges) or list(edges) != sorted(set(edges)):
        raise Refusal("edges in years that rise", repr(text), "such as --age-bands 50,65")
    return edges
