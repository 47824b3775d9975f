"""`retinaforge encoders fetch`: download published weights, after showing whose terms they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

from retinaforge.cli.encoders_tables import print_rows
from retinaforge.cli.output import answer_json, bar_of, say, stderr
from retinaforge.core import Refusal
from retinaforge.encoders import FAMILIES
from retinaforge.encoders.fetch import Offer, make_offer
from retinaforge.encoders.fetch import fetch as fetch_file

EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge encoders fetch inception-fid --to ~/weights`\n\n"
    "`retinaforge encoders fetch retfound-green --yes --json`"
)


def fetch(
    name: str = typer.Argument(..., help="A published file, as `show FAMILY` lists them."),
    to: Path = typer.Option(Path(), "--to", metavar="DIR", help="Folder for the file."),
    yes: bool = typer.Option(False, "--yes", help="Agree to the licence without being asked."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON: a list of objects."),
) -> None:
    """Show a file's licence, gate and size, ask, download it, and check its SHA-256.

    The login for a gated file is the one that you gave the hub yourself (`hf auth login`); this
    command takes no token. Beside the file lies FILE.licence.json. A file that is cut off, or is
    another than the published one, is refused and nothing is kept.
    """
    offer = make_offer(name, FAMILIES)
    if not as_json:
        print_rows(_words(offer))
    if not yes:
        _ask(as_json=as_json)
    with _bar() as tick:
        path = fetch_file(offer, to, tick)
    say(f"wrote {path} and {path.name}.licence.json")
    spec = f"{offer.family.name}:{path}"
    if as_json:
        answer_json([{"name": offer.file.name, "licence": offer.file.licence, "file": str(path),
                      "spec": spec}])  # fmt: skip
    else:
        print(spec)


def _words(offer: Offer) -> list[tuple[str, str]]:
    size = f"{offer.source.size / 1e6:,.1f} MB" if offer.source.size else "not said by the server"
    return [
        ("fetch", offer.file.name), ("address", offer.source.address), ("size", size),
        ("licence", offer.file.licence), ("gate", offer.file.gate),
        ("images", offer.file.modality),
        ("SHA-256", offer.expected or "nobody publishes one: it will be measured and written down"),
    ]  # fmt: skip


def _ask(*, as_json: bool) -> None:
    if as_json or not stderr.is_terminal:
        raise Refusal(
            "--yes, where nobody can be asked", "no terminal", "add --yes if you accept the licence"
        )
    if not typer.confirm("Do you accept the licence and want to download it?", err=True):
        raise Refusal("your consent", "none", "nothing was downloaded")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Yield a function (bytes so far, all bytes) that moves a bar on stderr."""
    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with bar_of(*columns) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
