"""`retinaforge usefulness-scores`: which score of a validation foresaw what came of the images?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, say
from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_json
from retinaforge.metrics.rank_agreement import FEWEST
from retinaforge.reports.comparison import compare_runs, read_runs
from retinaforge.reports.foresight_page import JSON, text_table, write_foresight_page
from retinaforge.tasks.usefulness_outcomes import read_outcomes
from retinaforge.validation.foresight import foresight

SCORECARD = "scorecard.json"
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge usefulness-scores useful/* --scorecards cards --out foresight`\n\n"
    "`retinaforge usefulness-scores useful/a useful/b useful/c useful/d useful/e --scorecard "
    "cards/a --scorecard cards/b --scorecard cards/c --scorecard cards/d --scorecard cards/e "
    "--out foresight --json`\n\n"
    "`retinaforge usefulness-scores useful/* --scorecards cards --groups --where external "
    "--ratio 1 --out foresight`\n\n"
    "Each USEFUL is a folder of the command usefulness, with the same photographs and target and "
    "another synthetic set; its scorecard is a folder of the command validate of that set. "
    "Nothing is fetched."
)


class Where(StrEnum):
    """Who judges."""

    judge = "judge"
    external = "external"


def usefulness_scores_command(
    useful: list[Path] = typer.Argument(..., metavar="USEFUL...", help="One a synthetic set."),
    out: Path = typer.Option(..., help="Folder to write."),
    scorecard: list[Path] = typer.Option(
        [], help="Folder of validate, or its scorecard.json; one for each USEFUL, in their order."
    ),
    scorecards: Path = typer.Option(
        None, help="Or a folder that holds one by the name of each USEFUL; none: in USEFUL itself."
    ),
    groups: bool = typer.Option(
        False, "--groups", help="Sets whose names begin alike, up to the first -, are one group."
    ),
    where: Where = typer.Option(Where.judge, help="Patients who did not teach, or --external."),
    ratio: float = typer.Option(1.0, min=0, help="Synthetic images a photograph in the gain."),
    question: str = typer.Option("", help="Which label, where several were asked."),
    seed: int = typer.Option(0, help="Decides permutations and resamples."),
    as_json: bool = typer.Option(False, "--json", help="Print foresight.json on stdout."),
) -> None:
    """Tell which scores of `validate` put synthetic sets in the order in which they help.

    Rank correlations (Spearman, Kendall) of every score with the gain and with TSTR over five sets
    or more, each score turned so that higher is better; intervals over resampled sets and over
    patients, p values by permutation and corrected over all scores (Holm), the same within groups
    of sets. Writes report.html and foresight.json. Exit code 0: done; 2: refused.
    """
    if len(useful) < FEWEST:
        raise Refusal(
            f"at least {FEWEST} synthetic sets", str(len(useful)),
            "an order of so few says nothing: make others, of other kinds and qualities",
        )  # fmt: skip
    cards = cards_of(useful, scorecard, scorecards)
    outcomes = read_outcomes(useful, where=where.value, ratio=ratio, question=question)
    runs = dict(zip(outcomes.names, read_runs(cards).values(), strict=True))
    compared = compare_runs(runs)
    kinds = [name.partition("-")[0] for name in outcomes.names] if groups else []
    told = foresight(outcomes, compared["rows"], kinds, unscored_of(runs), seed=seed)
    told |= {
        "warnings": compared["warnings"],
        "folders": {"useful": list(map(str, useful)), "scorecards": list(map(str, cards))},
    }
    written = [write_json(out / JSON, told), write_foresight_page(out)]
    for text in told["warnings"]:
        say(text, alarm="caution")
    if as_json:
        answer_json(told)
    else:
        print(text_table(told))
        print(*reversed(written), sep="\n")


def unscored_of(runs: dict[str, dict[str, Any]]) -> list[float]:
    """Return the share of each set's images that were found and not scored; nothing if unknown."""
    counts = [card["protocol"]["synthetic"].get("images") for card in runs.values()]
    if not all(counts):
        return []
    return [1 - one["scored"] / one["found"] for one in counts]


def cards_of(useful: list[Path], given: list[Path], folder: Path | None) -> list[Path]:
    """Return each set's scorecard.

    Raises:
        Refusal: where their number differs, or one is missing, which is named.
    """
    if given and len(given) != len(useful):
        raise Refusal(
            f"a --scorecard for each of the {len(useful)} USEFUL folders", str(len(given)),
            "name them in the same order",
        )  # fmt: skip
    if given:
        return given
    found = [(folder / one.resolve().name if folder else one) for one in useful]
    missing = [path for path in found if not (path / SCORECARD).is_file()]
    if missing:
        raise Refusal(
            "a scorecard of `retinaforge validate` for each set",
            f"none in {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            "run `retinaforge validate REAL SYNTH --out DIR`, and name DIR",
        )
    return found
