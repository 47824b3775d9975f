"""`retinaforge captions`: records of eyes, captions of them, and files that others read.

A command of another file is added here by one line: `app.command(NAME, epilog=...)(function)`.
"""

from __future__ import annotations

import typer

from retinaforge.cli import (
    captions_checklist,
    captions_files,
    captions_judge,
    captions_lint,
    captions_purify,
    captions_records,
    captions_tune,
    captions_write,
)

app = typer.Typer(help="Write what is known of an eye into words.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Write what is known of an eye into words."""


app.command("records", epilog=captions_records.EXAMPLES)(captions_records.records)
app.command("write", epilog=captions_write.EXAMPLES)(captions_write.write)
app.command("lint", epilog=captions_lint.EXAMPLES)(captions_lint.lint)
app.command("judge", epilog=captions_judge.EXAMPLES)(captions_judge.judge)
app.command("tune", epilog=captions_tune.EXAMPLES)(captions_tune.tune)
app.command("purify", epilog=captions_purify.PURIFY_EXAMPLES)(captions_purify.purify)
app.command("adherence", epilog=captions_purify.ADHERENCE_EXAMPLES)(captions_purify.adherence)
app.command("checklist", epilog=captions_checklist.CHECKLIST_EXAMPLES)(captions_checklist.checklist)
app.command("checklist-read", epilog=captions_checklist.READ_EXAMPLES)(
    captions_checklist.checklist_read
)
app.command("import", epilog=captions_files.IMPORT_EXAMPLES)(captions_files.import_command)
app.command("export", epilog=captions_files.EXPORT_EXAMPLES)(captions_files.export_command)
