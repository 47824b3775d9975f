"""The door: one command, `retinaforge`; stdout is the answer, stderr the narration."""

from __future__ import annotations

import sys
from importlib import metadata

import typer

from retinaforge.cli.commands import MARKUP, Door
from retinaforge.cli.output import say
from retinaforge.core import RetinaForgeError

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="retinaforge",
    cls=Door,
    help="Train generative models of colour fundus photographs and prove whether to trust them.",
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    pretty_exceptions_enable=False,
    epilog="Start with `retinaforge doctor`, then `retinaforge data check DIR`.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(metadata.version("retinaforge"))
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Train generative models of colour fundus photographs and prove whether to trust them."""


def main() -> None:
    """Run the command line; what a user can mend is one message on stderr and exit code 2."""
    try:
        app()
    except RetinaForgeError as refusal:
        say(str(refusal), alarm="refused:")
        sys.exit(EXIT_REFUSED)
    except OSError as error:
        say(str(error), alarm="stopped:")
        sys.exit(EXIT_REFUSED)
    except SystemExit as end:
        # Typer turns Ctrl-C into this exit code without a word.
        if end.code == EXIT_INTERRUPTED:
            say("interrupted; the same command resumes")
        raise
