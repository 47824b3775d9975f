"""`retinaforge audit attributes|masking|degradation|attribution`: audits that look at images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.audit_close import close
from retinaforge.cli.output import progress_bar, say
from retinaforge.core import Refusal

ATTRIBUTES_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge audit attributes retfound:RETFound_cfp.pth --real ../shared/data/odir "
    "--synthetic samples --attribute sex --attribute age --out attributes`\n\n"
    "`... --label referable` to ask whether an attribute has come to go with a finding."
)
MASKING_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge audit masking fundus --real ../shared/data/odir --target glaucoma --lies disc "
    "--out masking`\n\n"
    "`... --synthetic samples` to teach on real, on both, and on synthetic images alone; "
    "`--judge halves` where too few of the given split have the finding."
)
DEGRADATION_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge audit degradation fundus --real ../shared/data/idrid_grading --target referable "
    "--synthetic samples --out degradation`"
)
ATTRIBUTION_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge audit attribution fundus --real ../shared/data/idrid_grading --synthetic samples "
    "--out attribution`\n\n"
    "`... --method gradients` for integrated gradients; `occlusion` works with every encoder."
)
FREE_PX = 224

_ENCODER = typer.Argument(..., help="Frozen encoder: NAME:FILE, fundus, random-vit-tiny@0.")
_REAL = typer.Option(..., help="Real images with their tables.")
_OUT = typer.Option(..., help="Folder to write.")
_SIZE = typer.Option(None, min=64, help="Side of the square; none: the encoder's, or 224.")
_BATCH = typer.Option(16, min=1, help="Squares a step.")
_SEED = typer.Option(0, help="Of draws and folds.")
_JUDGE = typer.Option(
    "given",
    help="Who judges: given keeps a split of the tables, halves draws half of the patients.",
)
_AS_JSON = typer.Option(False, "--json", help="Print audit.json on stdout.")
_TARGET = typer.Option(..., help="The finding: referable, glaucoma, label:NAME.")
_SYNTHETIC = typer.Option(None, help="Synthetic images that teach further classifiers.")
_FIND = typer.Option(True, help="Let our segmenters look where no file gives a mask.")


def attributes(
    encoder: str = _ENCODER,
    real: Path = _REAL,
    synthetic: Path = typer.Option(..., help="Synthetic images that say what they were to show."),
    out: Path = _OUT,
    attribute: list[str] = typer.Option(
        [], help="sex, age, camera or a column; may be given again; none: those that are known."
    ),
    label: str = typer.Option("", help="A finding (referable, …) that attributes may go with."),
    cache: Path = typer.Option(None, help="Keep what the encoder saw here; none: OUT/cache."),
    batch: int = _BATCH,
    judge: str = _JUDGE,
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
) -> None:
    """Does a generator keep, erase or amplify what can be told of a person?

    A probe learns sex, age and camera from real images, and is asked of real images of other
    patients and of synthetic ones. Writes report.html and audit.json. Exit code 0: judged; 1: some
    images could not be read, each is named; 2: refused.
    """
    import numpy as np

    from retinaforge.tasks.embedding import embed_folder
    from retinaforge.tasks.usefulness_set import read_examples
    from retinaforge.tasks.usefulness_target import labels_of
    from retinaforge.validation.audit_attributes import audit_attributes
    from retinaforge.validation.audit_head import plan
    from retinaforge.validation.audit_sides import side_of

    (network, side, see), sides = _seer(encoder, None), []
    read = [read_examples(folder).examples for folder in (real, synthetic)]
    say(plan(see, side, batch, sum(map(len, read))))
    for folder, examples in zip((real, synthetic), read, strict=True):
        known = labels_of(examples, label).values[:, 0] if label else np.zeros(0)
        with progress_bar(f"looking at {folder.name}") as move:
            seen = embed_folder(
                network, [e.record for e in examples], cache or out / "cache", batch=batch,
                on_progress=move,
            )  # fmt: skip
        sides.append(side_of(seen, examples, known))
    told = audit_attributes(
        sides[0], sides[1], tuple(dict.fromkeys(attribute)), out, label_name=label, judge=judge,
        seed=seed,
        about=[("Encoder", network.card.name), ("Real", str(real)), ("Synthetic", str(synthetic))],
    )  # fmt: skip
    close(told, out, unreadable=_unread(sides), as_json=as_json)


def masking(
    encoder: str = _ENCODER,
    real: Path = _REAL,
    target: str = _TARGET,
    out: Path = _OUT,
    synthetic: Path = _SYNTHETIC,
    lies: str = typer.Option("", help="disc or vessels, if the finding lies there alone."),
    find_masks: bool = _FIND,
    size: int = _SIZE,
    batch: int = _BATCH,
    judge: str = _JUDGE,
    as_json: bool = _AS_JSON,
) -> None:
    """The masking test: can the finding still be told when what shows it is hidden?

    Masks come from the tables, from folders beside the images, or from our segmenters. Writes
    report.html and audit.json. Exit code 0: judged; 1: some images could not be read; 2: refused.
    """
    from retinaforge.validation.audit_masking import audit_masking

    network, side, see = _seer(encoder, size)
    sides = _read((real, synthetic), target, side, masks=True, find=find_masks)
    with progress_bar("hiding parts") as move:
        told = audit_masking(
            see, sides[0], out, synthetic=sides[1], lies=lies, batch=batch, judge=judge,
            on_progress=move, on_plan=say, about=_about(network, real, synthetic, target),
        )  # fmt: skip
    close(told, out, unreadable=_unread(sides), as_json=as_json)


def degradation(
    encoder: str = _ENCODER,
    real: Path = _REAL,
    target: str = _TARGET,
    out: Path = _OUT,
    synthetic: Path = _SYNTHETIC,
    size: int = _SIZE,
    batch: int = _BATCH,
    judge: str = _JUDGE,
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
) -> None:
    """Consistency and accuracy on worse images: seven kinds of damage, five levels.

    Writes report.html and audit.json. Exit code 0: judged; 1: some images could not be read; 2:
    refused.
    """
    from retinaforge.validation.audit_degradation import audit_degradation

    network, side, see = _seer(encoder, size)
    sides = _read((real, synthetic), target, side)
    with progress_bar("damaging") as move:
        told = audit_degradation(
            see, sides[0], out, synthetic=sides[1], batch=batch, judge=judge, seed=seed,
            on_progress=move, on_plan=say,
            about=_about(network, real, synthetic, target),
        )  # fmt: skip
    close(told, out, unreadable=_unread(sides), as_json=as_json)


def attribution(
    encoder: str = _ENCODER,
    real: Path = _REAL,
    synthetic: Path = typer.Option(..., help="Synthetic images."),
    out: Path = _OUT,
    method: str = typer.Option("occlusion", help="occlusion or gradients."),
    most: int = typer.Option(20, min=2, help="Images that are explained."),
    find_masks: bool = _FIND,
    size: int = _SIZE,
    batch: int = _BATCH,
    seed: int = _SEED,
    as_json: bool = _AS_JSON,
) -> None:
    """Where a classifier of real against synthetic images looks, and whether to believe it.

    Writes report.html and audit.json. Exit code 0: judged; 1: some images could not be read; 2:
    refused.
    """
    from retinaforge.validation.audit_attribution import METHODS, audit_attribution
    from retinaforge.validation.audit_attribution_maps import torch_gradient
    from retinaforge.validation.audit_eyes import read_parts

    if method not in METHODS:
        raise Refusal(f"a method of {', '.join(METHODS)}", repr(method), "name one of them")
    network, side, see = _seer(encoder, size)
    sides = _read((real, synthetic), None, side)
    with progress_bar("explaining") as move:
        told = audit_attribution(
            see, sides[0], sides[1], out, most=most, batch=batch, seed=seed, on_progress=move,
            on_plan=say,
            gradient_of=torch_gradient(network, batch) if method == "gradients" else None,
            parts_of=lambda record: read_parts(record, size_px=side, find=find_masks),
            about=[*_about(network, real, synthetic, ""), ("Method", method)],
        )  # fmt: skip
    close(told, out, unreadable=_unread(sides), as_json=as_json)


def _seer(spec: str, size: int | None) -> tuple[Any, int, Any]:
    from retinaforge.encoders import load
    from retinaforge.validation.audit_head import seer

    network = load(spec)
    side = size or network.input_px or FREE_PX
    return network, side, seer(network, side)


def _read(
    folders: tuple[Path, Path | None], target: str | None, side: int, *, masks: bool = False,
    find: bool = True,
) -> list[Any]:  # fmt: skip
    from retinaforge.validation.audit_eyes import read_eyes

    found = []
    for folder in folders:
        if folder is None:
            found.append(None)
            continue
        say(f"reading {folder}" + (", and looking for disc and vessels" if masks else ""))
        with progress_bar(f"reading {folder.name}") as move:
            found.append(read_eyes(folder, target, size_px=side, masks=masks, find=find,
                                   on_progress=move))  # fmt: skip
    return found


def _unread(sides: list[Any]) -> int:
    return sum(len(side.left_out) for side in sides if side is not None)


def _about(network: Any, real: Path, synthetic: Path | None, target: str) -> list[tuple[str, str]]:
    told = [("Encoder", network.card.name), *([("Finding", target)] if target else [])]
    told.append(("Real", str(real)))
    return told if synthetic is None else [*told, ("Synthetic", str(synthetic))]
