"""`retinaforge audit`: what is wrong with a classifier that scores well.

A command of another file is added here by one line.
"""

from __future__ import annotations

import typer

from retinaforge.cli import audit_groups, audit_images

app = typer.Typer(
    help="Audit a classifier: groups, attributes, shortcuts, robustness, attribution.",
    no_args_is_help=True,
)
app.command("groups", epilog=audit_groups.EXAMPLES)(audit_groups.groups)
app.command("attributes", epilog=audit_images.ATTRIBUTES_EXAMPLES)(audit_images.attributes)
app.command("masking", epilog=audit_images.MASKING_EXAMPLES)(audit_images.masking)
app.command("degradation", epilog=audit_images.DEGRADATION_EXAMPLES)(audit_images.degradation)
app.command("attribution", epilog=audit_images.ATTRIBUTION_EXAMPLES)(audit_images.attribution)


@app.callback()
def _group() -> None:
    """Audit a classifier: groups, attributes, shortcuts, robustness, attribution."""
