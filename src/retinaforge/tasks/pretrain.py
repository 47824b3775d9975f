"""Pretrain a fundus encoder on folders of photographs and phantoms, and write it with its card."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from retinaforge.core import Record, Refusal, artefacts, seed_for
from retinaforge.encoders.fundus import FORMAT
from retinaforge.nets.fundus_vit import KNOTS, FundusVit
from retinaforge.nets.mae import new_mae
from retinaforge.nets.vit import VitShape, initialise
from retinaforge.tasks.pretrain_data import ViewPlan, is_synthetic, training_records, view_drawer
from retinaforge.tasks.pretrain_pictures import reconstruction_picture
from retinaforge.tasks.sheets import Sheets, build_sheets
from retinaforge.training import OnProgress
from retinaforge.training.pretrain import PretrainConfig, PretrainResult, pretrain
from retinaforge.training.pretrain_dino import SelfDistillation
from retinaforge.training.pretrain_methods import MaskedModelling, Method, sizes

ENCODER, CARD, MODEL, PICTURE = "encoder.safetensors", "card.json", "model", "reconstructions.png"
SHAPES = {
    "tiny": VitShape(width=192, depth=12, heads=3),
    "small": VitShape(width=384, depth=12, heads=6),
}
SAID = (
    "steps", "learning_rate", "warmup_steps", "last_learning_rate", "betas", "weight_decay",
    "clip_norm",
)  # fmt: skip
"""What of the configuration bears on an encoder's training and stands in its card."""
RATE, RATE_BATCH = 1e-3, 32
"""Peak learning rate at that batch; other batches take it times the root of their ratio."""


@dataclass(frozen=True)
class PretrainPlan:
    """What is pretrained and how.

    Attributes:
        method: "mae" or "dino".
        shape: of the encoder.
        size: the shape's name, for the card.
        mask: share of the field's patches that masked autoencoding hides.
        gradients: whether the gradient map is a second target.
        metadata: kinds that become tokens, of age, sex and eye.
        sheet_px: side of the squares that are cached.
        views: how batches are drawn; its size, patch, metadata and seed are set from here.
        config: how long.
        seed: of weights and data.
    """

    method: Literal["mae", "dino"] = "mae"
    shape: VitShape = SHAPES["tiny"]
    size: str = "tiny"
    mask: float = 0.75
    gradients: bool = False
    metadata: tuple[str, ...] = ()
    sheet_px: int = 384
    views: ViewPlan = field(default_factory=ViewPlan)
    config: PretrainConfig = field(default_factory=PretrainConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.mask < 1:
            raise Refusal("a mask between 0 and 1", f"{self.mask:g}", "0.75 is the published one")
        unknown = [kind for kind in self.metadata if kind not in KNOTS]
        if unknown:
            raise Refusal(
                f"metadata among {', '.join(KNOTS)}", ", ".join(unknown), "name these only"
            )
        if self.method == "dino" and (self.metadata or self.gradients):
            raise Refusal(
                "metadata tokens and a gradient target with the method mae",
                "the method dino",
                "leave --metadata and --target out, or take --method mae",
            )


def scaled_rate(images: int) -> float:
    """Return the peak learning rate for a number of images a step, all processes together.

    Adam's gradients are of unit size whatever the batch, so the rate follows the square root.

    References:
        Malladi et al., "On the SDEs and scaling rules for adaptive gradient algorithms",
        NeurIPS 2022.
    """
    return RATE * math.sqrt(images / RATE_BATCH)


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
    method, views = _method(plan), _views(plan)
    about = {"sheets": sheets.fingerprint, "views": _plain(asdict(views))}
    draw = view_drawer(sheets, views)
    result = pretrain(method, draw, plan.config, out, about=about, on_progress=on_progress)
    if os.environ.get("RANK", "0") == "0":
        meta = _meta(plan, result, sheets.records, folders) | {"commit": commit}
        write_encoder(method, out / MODEL, meta, sheets.records)
        if isinstance(method, MaskedModelling):
            _write_picture(method, draw(0), out / PICTURE)
    return result


def _write_picture(method: MaskedModelling, inputs: Mapping[str, Tensor], path: Path) -> None:
    picture = Image.fromarray(reconstruction_picture(method.cpu(), inputs))
    artefacts.write_with(path, lambda stream: picture.save(stream, "PNG"))


def _views(plan: PretrainPlan) -> ViewPlan:
    return replace(
        plan.views, side_px=plan.shape.input_px, patch_px=plan.shape.patch_px,
        metadata=plan.metadata, seed=seed_for(plan.seed, "data"),
        locals=plan.views.locals if plan.method == "dino" else 0,
    )  # fmt: skip


def _method(plan: PretrainPlan) -> Method:
    seed = seed_for(plan.seed, "weights") % 2**63
    if plan.method == "dino":
        network = initialise(FundusVit(replace(plan.shape, pooling="class")), seed)
        return SelfDistillation(network, seed=seed + 1)
    network = new_mae(plan.shape, seed, metadata=plan.metadata, gradients=plan.gradients)
    return MaskedModelling(network, plan.mask)


def write_encoder(
    method: Method, folder: Path, meta: dict[str, Any], records: Sequence[Record]
) -> Path:
    """Write the encoder's weights (float16, what it is in the header) and its card.

    Raises:
        Refusal: if a weight is beyond float16.
    """
    weights = {
        name: x.detach().to("cpu", torch.float16).contiguous()
        for name, x in method.encoder_weights().items()
    }
    if not all(bool(x.isfinite().all()) for x in weights.values()):
        raise Refusal(
            "weights within float16's range",
            "larger ones: the training went wrong",
            "train into another folder with a lower rate",
        )
    header = {key: x if isinstance(x, str) else json.dumps(x) for key, x in meta.items()}
    path = artefacts.write_bytes(folder / ENCODER, save(weights, {"format": FORMAT, **header}))
    learnt_from = [f"{r.dataset}/{r.name}" for r in records if not is_synthetic(r)]
    card = {**meta, "learnt_from": learnt_from, "sha256": artefacts.sha256_of(path)}
    artefacts.write_json(folder / CARD, card)
    return path


def _meta(
    plan: PretrainPlan, result: PretrainResult, records: Sequence[Record], folders: Sequence[Path]
) -> dict[str, Any]:
    """Return what stands in the header of the weights and in the card."""
    photographs = [r for r in records if not is_synthetic(r)]
    counts = Counter(r.dataset for r in photographs)
    drawn = Counter(r.dataset for r in records if is_synthetic(r))
    licences = sorted({r.licence or "unknown" for r in photographs})
    return {
        "name": f"fundus-{plan.method}-{plan.size}",
        "licence": f"Apache-2.0; {_learnt_under(licences)}",
        "training_data": [
            *(f"{name} ({n} training images)" for name, n in sorted(counts.items())),
            *(f"{n} phantoms ({_recipe(name, folders)})" for name, n in sorted(drawn.items())),
        ],
        "training_sets": sorted(counts),
        "method": {"mae": "masked autoencoding inside the field of view", "dino": "DINO"}[
            plan.method
        ],
        "pooling": "normed mean" if plan.method == "mae" else "class",
        "metadata_kinds": list(plan.metadata),
        "config": _plain(
            {
                **{name: x for name, x in plan.config.binding().items() if name in SAID},
                "mask": plan.mask,
                "gradients": plan.gradients,
                "sheet_px": plan.sheet_px,
                "views": asdict(_views(plan)),
                "seed": plan.seed,
            }
        ),
        "shape": sizes(plan.shape),
        "steps": result.steps,
        "images_seen": result.images,
        "hours": round(result.seconds / 3600, 2),
        "precision": result.precision,
        "last_readings": result.readings,
    }


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content))


def _learnt_under(licences: list[str]) -> str:
    if not licences:
        return "trained on drawn eyes only"
    return f"trained on photographs under {' and '.join(licences)}"


def _recipe(dataset: str, folders: Sequence[Path]) -> str:
    """Return recipe, seed and size of a folder of phantoms, as phantoms.json states them."""
    for folder in folders:
        stated = folder / "phantoms.json"
        if folder.name == dataset and stated.is_file():
            said = json.loads(stated.read_text(encoding="utf-8"))
            name = said.get("recipe", {}).get("name", "unnamed")
            return f"recipe {name}, seed {said.get('seed')}, {said.get('size_px')} px"
    return "recipe not stated"
