"""`retinaforge encoders`: which frozen networks there are, what they are, whether a file loads."""

from __future__ import annotations

from typing import Any

import typer

from retinaforge.cli import encoders_compare, encoders_fetch
from retinaforge.cli.encoders_tables import card_rows, family_rows, print_list, print_rows
from retinaforge.cli.output import answer_json, say
from retinaforge.core import Refusal, RetinaForgeError
from retinaforge.encoders import FAMILIES, SHIPPED, Encoder, load
from retinaforge.encoders.listing import Listed, every_listed, find_row
from retinaforge.encoders.loading import RANDOM

EXIT_PARTLY, EXIT_REFUSED = 1, 2
app = typer.Typer(help="Frozen encoders: list, check, fetch, compare.", no_args_is_help=True)
JSON_HELP = "Answer as JSON: a list of objects."


@app.callback()
def _group() -> None:
    """Frozen encoders, the networks behind losses, set scores and probes."""


def _rows() -> list[Listed]:
    return every_listed(FAMILIES, SHIPPED, RANDOM)


@app.command(
    "list",
    epilog="Examples:\n\n`retinaforge encoders list`\n\n`retinaforge encoders list --json`",
)
def list_encoders(as_json: bool = typer.Option(False, "--json", help=JSON_HELP)) -> None:
    """List every encoder: whose, under which licence, and which public data it has seen.

    "has seen" names data sets that are on record; none on record is no proof of none.
    """
    rows = _rows()
    if as_json:
        answer_json([row.as_dict() for row in rows])
        return
    print_list(rows)
    say("`retinaforge encoders show NAME` says more; `... check FILE` says what a file is")


@app.command(
    epilog="Examples:\n\n`retinaforge encoders show retfound`\n\n"
    "`retinaforge encoders show retfound-cfp`\n\n"
    "`retinaforge encoders show retfound:RETFound_mae_natureCFP.pth --json`"
)
def show(
    name: str = typer.Argument(..., metavar="NAME|SPEC", help="A name of `list`, or FAMILY:FILE."),
    as_json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Show a family, one published file, or the card of an encoder that is loaded."""
    row = find_row(name, _rows())
    if row is not None:
        _answer(row.as_dict(), family_rows(row), as_json=as_json)
        return
    encoder = load(name)
    _answer({"spec": name, **encoder.card.as_dict()}, card_rows(encoder), as_json=as_json)


def _answer(content: dict[str, Any], rows: list[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        answer_json([content])
    else:
        print_rows(rows)


@app.command(
    epilog="Examples:\n\n`retinaforge encoders check RETFound_mae_natureCFP.pth`\n\n"
    "`retinaforge encoders check weights/*.pth --json`\n\n"
    "`retinaforge encoders check lvmmed_vit.pth --as lvm-med`"
)
def check(
    files: list[str] = typer.Argument(..., metavar="FILE...", help="Weight files, or FAMILY:FILE."),
    as_: str = typer.Option("", "--as", metavar="FAMILY", help="Take them for this family."),
    as_json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Load weight files strictly, key by key; say what each is, or what stands in the way.

    Exit code 0 if all load; 2 if none does; 1 if some do not. Each is named.
    """
    if as_ and as_ not in {family.name for family in FAMILIES}:
        names = ", ".join(family.name for family in FAMILIES)
        raise Refusal(f"--as one of {names}", repr(as_), "see `retinaforge encoders list`")
    rows = []
    for file in files:
        rows.append(_checked(file, f"{as_}:{file}" if as_ else file))
        if not as_json:
            _tell(rows[-1])
    if as_json:
        answer_json(rows)
    refused = sum(not row["ok"] for row in rows)
    if refused:
        raise typer.Exit(EXIT_REFUSED if refused == len(rows) else EXIT_PARTLY)


def _checked(file: str, spec: str) -> dict[str, Any]:
    try:
        encoder = load(spec)
    except Refusal as refusal:
        parts = {"expected": refusal.expected, "got": refusal.came, "do": refusal.remedy}
        return {"file": file, "ok": False, "name": None, "licence": None, **parts}
    except (RetinaForgeError, OSError) as error:
        parts = {"expected": "a weight file", "got": str(error), "do": "check the file"}
        return {"file": file, "ok": False, "name": None, "licence": None, **parts}
    return {"file": file, "ok": True, "spec": _spec_of(encoder, spec), **encoder.card.as_dict()}


def _spec_of(encoder: Encoder, spec: str) -> str:
    """Return the spec with its family, for the user to write from now on."""
    family = encoder.card.family
    return spec if not family or spec.startswith(f"{family}:") else f"{family}:{spec}"


def _tell(row: dict[str, Any]) -> None:
    if row["ok"]:
        keys = ("spec", "network", "key_report", "modality", "licence", "training_data",
                "preprocessing", "certainty", "fingerprint_sha256")  # fmt: skip
        told = [("loads", row["file"]), *((key.replace("_", " "), row[key]) for key in keys)]
    else:
        told = [("refused", row["file"]), *((key, row[key]) for key in ("expected", "got", "do"))]
    print_rows(told, good=row["ok"])


app.command(epilog=encoders_fetch.EXAMPLES)(encoders_fetch.fetch)
app.command(epilog=encoders_compare.EXAMPLES)(encoders_compare.compare)
