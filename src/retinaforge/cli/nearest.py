"""`retinaforge nearest REAL SYNTH`: the real images most like each synthetic one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import typer

from retinaforge.audits.retrieval import (
    SIMILARITY_CARD,
    Nearest,
    nearest_real,
    real_to_real,
    share_below,
)
from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Record, Refusal
from retinaforge.core.artefacts import environment, write_json
from retinaforge.encoders import Encoder
from retinaforge.encoders import load as load_encoder
from retinaforge.images import read_records
from retinaforge.reports.nearest_page import write_nearest_page
from retinaforge.tasks.embedding import Embedded, embed_folder
from retinaforge.tasks.embedding_pictures import write_picture

EXIT_PARTLY = 1
EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge nearest photographs generated --encoder retfound:RETFound_cfp.pth --out near`\n\n"
    "`retinaforge nearest photographs generated --encoder random-vit-tiny --out near --top 3 "
    "--json`\n\n"
    "Alike is not copied: copies are sought by their vessels, by validate with --train."
)


def nearest_command(
    real: Path = typer.Argument(..., metavar="REAL", help="Folder of real photographs."),
    synthetic: Path = typer.Argument(..., metavar="SYNTH", help="Folder of synthetic images."),
    encoder: str = typer.Option(..., help="What sees them: NAME:FILE, or random-vit-tiny@0."),
    out: Path = typer.Option(..., help="Folder to write."),
    top: int = typer.Option(5, min=1, help="Real images beside each synthetic one."),
    shown: int = typer.Option(
        24, min=0, help="Synthetic images on the page: the most alike, and a sample of the rest."
    ),
    size: int = typer.Option(
        None, min=32, help="Side of the square for encoders of free size; none: 384."
    ),
    batch: int = typer.Option(16, min=1, help="Images a step."),
    workers: int = typer.Option(1, min=1, help="Threads that decode; they change no number."),
    cache: Path = typer.Option(None, help="Keep what the encoder saw here; none: OUT/cache."),
    as_json: bool = typer.Option(False, "--json", help="Print nearest.json on stdout."),
) -> None:
    """Find the real images nearest to each synthetic one, and show them side by side.

    Writes nearest.html, nearest.json and pictures/. Likeness is the cosine of what the encoder
    sees, the mean of the real images taken away; beside it stands how like real images of two
    patients are. Exit code 0: all were seen; 1: some could not be read, each is named; 2: refused.
    """
    for folder in (real, synthetic):
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise Refusal(
                "a folder outside those that are read", f"{out} in {folder}", "name another folder"
            )
    seer = load_encoder(encoder)
    keep = cache or out / "cache"

    def see(folder: Path) -> Embedded:
        with progress_bar(f"looking at {folder.name}") as tick:
            return embed_folder(
                seer, read_records(folder), keep, size_px=size, batch=batch, workers=workers,
                on_progress=tick,
            )  # fmt: skip

    theirs, ours = see(real), see(synthetic)
    found = nearest_real(ours.vectors, theirs.vectors, top=min(top, len(theirs)))
    told = _told(seer, encoder, (theirs, ours), found)
    told["folders"] = {"real": str(real), "synthetic": str(synthetic)}
    for row in _chosen(told["rows"], shown):
        _draw(row, theirs, ours, out)
    write_json(out / "nearest.json", told)
    _close(told, [write_nearest_page(out), out / "nearest.json"], as_json=as_json)


def _told(
    encoder: Encoder, spec: str, sides: tuple[Embedded, Embedded], found: Nearest
) -> dict[str, Any]:
    theirs, ours = sides
    patients = [record.patient for record in theirs.records]
    yardstick = real_to_real(theirs.vectors, patients)
    known = yardstick[np.isfinite(yardstick)]
    rows = [
        _row(record, found.places[k], found.likeness[k], theirs.records, yardstick)
        for k, record in enumerate(ours.records)
    ]
    rows.sort(key=lambda row: -row["nearest"][0]["likeness"])
    return {
        "encoder": {"spec": spec, "card": encoder.card.as_dict()},
        "card": SIMILARITY_CARD.as_dict(),
        "n_real": len(theirs), "n_synthetic": len(ours),
        "real_to_real": {
            "what": "likeness of each real image to its nearest of another patient",
            "n": len(known),
            "quantiles": {str(q): float(np.quantile(known, q)) for q in (0.05, 0.5, 0.95, 1.0)}
            if len(known) else {},
            "reason": "" if len(known) else "all real images are of one patient",
        },
        "rows": rows,
        "left_out": [
            {"side": side, "name": name, "reason": reason}
            for side, one in (("real", theirs), ("synthetic", ours))
            for name, reason in one.left_out
        ],
        "environment": environment(),
    }  # fmt: skip


def _row(
    record: Record, places: np.ndarray, likeness: np.ndarray, real: tuple[Record, ...],
    yardstick: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    share = share_below(float(likeness[0]), yardstick)
    return {
        "synthetic": record.name,
        "nearest": [
            {"real": real[k].name, "dataset": real[k].dataset, "patient": real[k].patient,
             "likeness": float(value)}
            for k, value in zip(places, likeness, strict=True) if k >= 0
        ],
        "above_share_of_real": None if math.isnan(share) else share,
        "pictures": None,
    }  # fmt: skip


def _chosen(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return the most alike half, and the others evenly from the rest."""
    first = rows[: count - count // 2]
    rest = rows[len(first) :]
    few = min(count // 2, len(rest))
    return [*first, *(rest[k * len(rest) // few] for k in range(few))]


def _draw(row: dict[str, Any], theirs: Embedded, ours: Embedded, out: Path) -> None:
    """Write the pictures of a row and note where they lie."""
    mine = next(r for r in ours.records if r.name == row["synthetic"])
    beside = [
        next(r for r in theirs.records if (r.dataset, r.name) == (near["dataset"], near["real"]))
        for near in row["nearest"]
    ]
    row["pictures"] = {
        "synthetic": write_picture(mine, out, synthetic=True),
        "real": [write_picture(record, out, synthetic=False) for record in beside],
    }


def _close(told: dict[str, Any], written: list[Path], *, as_json: bool) -> None:
    for row in told["left_out"]:
        say(f"{row['side']} {row['name']}: {row['reason']}", alarm="left out")
    if as_json:
        answer_json(told)
    else:
        for row in told["rows"][:10]:
            near = row["nearest"][0]
            print(f"{row['synthetic']}  {near['dataset']}/{near['real']}  {near['likeness']:.3f}")
        print(*written, sep="\n")
    if told["left_out"]:
        raise typer.Exit(EXIT_PARTLY)
