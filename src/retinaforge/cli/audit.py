"""`retinaforge audit`: what is wrong with a classifier that scores well.

A command of another file is added here by one line.
"""

from __future__ import annotations

import typer

from retinaforge.cli import audit_groups

app = typer.Typer(
    help="Audit a classifier: groups, attributes, shortcuts, robustness, attribution.",
    no_args_is_help=True,
)
app.command("groups", epilog=audit_groups.EXAMPLES)(audit_groups.groups)


@app.callback()
def _group() -> None:
    """Audit a classifier: groups, attributes, shortcuts, robustness, attribution."""
