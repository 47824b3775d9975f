"""How every audit ends: the page is written, the verdicts are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, say
from retinaforge.reports.audit_page import in_words, write_audit_page

EXIT_PARTLY = 1


def close(told: dict[str, Any], out: Path, *, unreadable: int = 0, as_json: bool) -> None:
    """Write the page and answer; exit code 1 where images could not be read.

    Args:
        told: what audit.json holds.
        out: its folder.
        unreadable: the first so many rows of `left_out` are images that could not be read.
        as_json: answer with the JSON instead of words.
    """
    page = write_audit_page(out)
    for row in told["left_out"][:unreadable]:
        say(f"{row['name']}: {row['reason']}", alarm="unreadable")
    if as_json:
        answer_json(told)
    else:
        print(in_words(told))
        print(page, out / "audit.json", sep="\n")
    if unreadable:
        raise typer.Exit(EXIT_PARTLY)
