"""`retinaforge encoders compare`: what the encoders at hand see in IMAGES, and what they cost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.table import Table

from retinaforge.cli.output import answer_json, progress_bar, say, stdout
from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment, write_json
from retinaforge.encoders import SHIPPED
from retinaforge.reports.encoders_page import text_rows, write_encoders_page
from retinaforge.validation.encoder_compare import compare_encoders
from retinaforge.validation.encoder_deck import make_deck

EXIT_PARTLY = 1
SUFFIXES = (".pth", ".pt", ".safetensors", ".npz", ".bin", ".onnx")
RANDOM = "random-vit-tiny@0"
SIZE_PX = 512
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge encoders compare photographs`\n\n"
    "`retinaforge encoders compare photographs --weights ~/weights --out compared`\n\n"
    "`retinaforge encoders compare photographs --encoder retfound:retfound_cfp.pth --json`"
)


def compare(
    images: Path = typer.Argument(..., metavar="IMAGES", help="Folder of photographs."),
    encoder: list[str] = typer.Option([], help="A further encoder, by file or name; repeatable."),
    weights: Path = typer.Option(None, help="Folder whose weight files all take part."),
    out: Path = typer.Option(None, help="Folder for compare.json, a page, and the deck to reuse."),
    count: int = typer.Option(24, min=4, help="Photographs that are damaged."),
    levels: str = typer.Option("1,3,5", help="Levels of damage, 1 to 5."),
    workers: int = typer.Option(2, min=1, help="Processes that make the deck."),
    as_json: bool = typer.Option(False, "--json", help="Print a list of objects on stdout."),
) -> None:
    """Plant damage in your photographs and see which encoder notices what, at which cost.

    The encoders that ship with the package and one of random weights always take part. A cell
    "3/5": a single photograph shows the damage from level 3 on, a set of them from level 5 on.
    Exit code 0; 1 if an encoder or a photograph was left out (each is named); 2 if refused.
    """
    specs = specs_at_hand(encoder, weights)
    chosen = parse_levels(levels)
    with _folder(out) as folder, progress_bar("damaging photographs") as tick:
        deck = make_deck(
            images, folder / "deck", count=count, levels=chosen, size_px=SIZE_PX,
            workers=workers, on_progress=tick,
        )  # fmt: skip
        done: list[str] = []

        def seen(spec: str) -> None:
            done.append(spec)
            say(f"{len(done)} of {len(specs)}: {spec}")

        rows = compare_encoders(specs, deck, on_done=seen)
    told = {
        "images": str(images), "photographs": len(deck.names), "levels": list(chosen),
        "size_px": SIZE_PX, "left_out": [list(pair) for pair in deck.left_out],
        "encoders": _plain(rows), "environment": environment(),
    }  # fmt: skip
    _close(told, out, as_json=as_json)


def specs_at_hand(named: list[str], weights: Path | None) -> list[str]:
    """Return what takes part: shipped ones, one of random weights, a folder's files, named ones.

    Raises:
        Refusal: expected a folder of weight files.
    """
    files: list[Path] = []
    if weights is not None:
        files = sorted(p for p in weights.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        if not files:
            raise Refusal(
                f"a folder with weight files ({', '.join(SUFFIXES)})", str(weights),
                "leave --weights out, or name encoders by --encoder",
            )  # fmt: skip
    own = [*(name for name, *_ in SHIPPED), RANDOM]
    return list(dict.fromkeys([*own, *map(str, files), *named]))


def parse_levels(text: str) -> tuple[int, ...]:
    """Return levels of damage from text such as "1,3,5".

    Raises:
        Refusal: expected levels from 1 to 5.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part in {"1", "2", "3", "4", "5"} for part in parts):
        raise Refusal("levels from 1 to 5, as in 1,3,5", repr(text), "name them so")
    return tuple(sorted({int(part) for part in parts}))


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="retinaforge-encoders-") as name:
        yield Path(name)


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows whose levels are text, as JSON keeps them."""
    for row in rows:
        for sight in row.get("sees", []):
            sight["displacement"] = {str(k): v for k, v in sight["displacement"].items()}
    return rows


def _close(told: dict[str, Any], out: Path | None, *, as_json: bool) -> None:
    refused = [row for row in told["encoders"] if row["status"] != "ok"]
    for name, why in told["left_out"]:
        say(f"{name}: {why}", alarm="left out")
    for row in refused:
        say(f"{row['name']}: {row['reason']}", alarm="refused")
    if as_json:
        answer_json(told["encoders"])
    else:
        head, *lines = text_rows(told["encoders"])
        table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column(head[0], min_width=16, overflow="fold")
        for title in head[1:]:
            table.add_column(title, max_width=7, overflow="fold")
        for line in lines:
            table.add_row(*line)
        stdout.print(table)
    if out is not None:
        write_json(out / "compare.json", told)
        say(str(write_encoders_page(told, out / "compare.html")))
    if refused or told["left_out"]:
        raise typer.Exit(EXIT_PARTLY)
