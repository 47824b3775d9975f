"""Pretrain a fundus encoder on photographs and phantoms, and write it with its card."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from retinaforge.core import artefacts, seed_for
from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.nets.mae import new_mae
from retinaforge.nets.vit import initialise
from retinaforge.tasks.pretrain_card import CARD, card_of, write_encoder
from retinaforge.tasks.pretrain_data import view_drawer
from retinaforge.tasks.pretrain_pictures import reconstruction_picture
from retinaforge.tasks.pretrain_plan import PretrainPlan, plain, views_of
from retinaforge.tasks.pretrain_rows import training_records
from retinaforge.tasks.sheets import Sheets, build_sheets
from retinaforge.training import OnProgress
from retinaforge.training.pretrain import pretrain
from retinaforge.training.pretrain_config import PretrainResult
from retinaforge.training.pretrain_dino import SelfDistillation
from retinaforge.training.pretrain_methods import MaskedModelling, Method

MODEL, PICTURE = "model", "reconstructions.png"


def training_sheets(
    folders: Sequence[Path],
    out: Path,
    plan: PretrainPlan,
    *,
    whole: Sequence[Path] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Sheets:
    """Return the squares about every training eye, read once and cached in `out`.

    Args:
        folders: of photographs; training patients only.
        out: run folder.
        plan: its sheet_px and seed.
        whole: folders all of whose images are for training.
        on_progress: called with (done, all).

    Raises:
        Refusal: if there is nothing to learn from.
    """
    records = training_records(folders, plan.seed, whole=whole)
    # Each process has its own copy, so that none waits for another.
    cache = out / "cache" / f"sheets-{os.environ.get('RANK', '0')}"
    return build_sheets(records, cache, size_px=plan.sheet_px, on_progress=on_progress)


def pretrain_encoder(
    sheets: Sheets,
    out: Path,
    plan: PretrainPlan,
    *,
    folders: Sequence[Path] = (),
    on_progress: OnProgress | None = None,
) -> PretrainResult:
    """Pretrain, or go on; write `out`/model/encoder.safetensors and card.json.

    Of masked autoencoding, reconstructions.png shows what was hidden and what was drawn instead.

    Args:
        sheets: from `training_sheets`.
        out: run folder; the same call resumes there.
        plan: what and how.
        folders: where the images came from; those of phantoms state their recipe for the card.
        on_progress: called with every line of the log.

    Raises:
        Refusal: if the folder holds another run.
        TrainingStopped: with advice.
    """
    # What runs now; by the end the repository may hold something else.
    commit = artefacts.git_commit(Path(__file__).parent)
    method, views = method_of(plan), views_of(plan)
    about = {"sheets": sheets.fingerprint, "views": plain(asdict(views))}
    draw = view_drawer(sheets, views)
    result = pretrain(method, draw, plan.config, out, about=about, on_progress=on_progress)
    # What an earlier call wrote keeps the commit that trained it.
    written = result.state == "found done" and (out / MODEL / CARD).is_file()
    if os.environ.get("RANK", "0") == "0" and not written:
        meta = card_of(plan, result, sheets.records, folders) | {"commit": commit}
        write_encoder(method, out / MODEL, meta, sheets.records)
        if isinstance(method, MaskedModelling):
            _write_picture(method, draw(0), out / PICTURE)
    return result


def _write_picture(method: MaskedModelling, inputs: Mapping[str, Tensor], path: Path) -> None:
    picture = Image.fromarray(reconstruction_picture(method.cpu(), inputs))
    artefacts.write_with(path, lambda stream: picture.save(stream, "PNG"))


def method_of(plan: PretrainPlan) -> Method:
    """Return the untrained method of a plan, the same for the same seed."""
    seed = seed_for(plan.seed, "weights") % 2**63
    if plan.method == "dino":
        network = initialise(FundusVit(replace(plan.shape, pooling="class")), seed)
        return SelfDistillation(network, seed=seed + 1)
    network = new_mae(plan.shape, seed, metadata=plan.metadata, gradients=plan.gradients)
    return MaskedModelling(network, plan.mask)
