"""Train two towers on captioned images, and write them as a folder that `encoders.load` reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from retinaforge.core import artefacts, seed_for
from retinaforge.encoders.retina_text import FORMAT, TOKENIZER, WEIGHTS, tokenizers
from retinaforge.nets.twin_tower import TwinShape, new_towers
from retinaforge.tasks.contrast_data import ContrastPlan, pair_drawer
from retinaforge.tasks.contrast_facts import sizes
from retinaforge.tasks.contrast_prepare import Prepared, pairs_of_split, prepare
from retinaforge.tasks.contrast_squares import OnCount
from retinaforge.tasks.contrast_words import END, VOCABULARY, train_tokeniser, write_tokeniser
from retinaforge.training import OnProgress
from retinaforge.training.contrast import Contrast
from retinaforge.training.pretrain import pretrain
from retinaforge.training.pretrain_config import PretrainConfig, PretrainResult

MODEL, CARD = "model", "card.json"


@dataclass(frozen=True)
class TextImagePlan:
    """What is trained and how.

    Attributes:
        draws: how batches are drawn.
        config: how long and how.
        side_px: of the images.
        vocabulary: at most so many tokens.
        sizes: of the towers, by field of `TwinShape`; the others are its own.
        seed: of the weights.
        reads: teach both towers to tell the facts by one linear reading.
    """

    draws: ContrastPlan = field(default_factory=ContrastPlan)
    config: PretrainConfig = field(default_factory=PretrainConfig)
    side_px: int = 128
    vocabulary: int = VOCABULARY
    sizes: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    reads: bool = True


def training_pairs(
    folders: Sequence[Path], out: Path, plan: TextImagePlan, on_progress: OnCount | None = None
) -> Prepared:
    """Return the training split of folders of pairs, read once and cached in `out`.

    Raises:
        Refusal: if there is nothing to learn from.
    """
    return prepare(pairs_of_split(folders, "train"), out / "cache", plan.side_px, on_progress)


def train_image_text(
    found: Prepared, out: Path, plan: TextImagePlan, *, on_progress: OnProgress | None = None
) -> PretrainResult:
    """Train, go on, or find it done; write `out`/model (weights, tokeniser, card).

    Args:
        found: from `training_pairs`.
        out: run folder; the same call resumes there.
        plan: what and how.
        on_progress: called with every line of the log.

    Raises:
        Refusal: if the folder holds another run, or there is no package tokenizers.
        TrainingStopped: with advice.
    """
    commit = artefacts.git_commit(Path(__file__).parent)
    tokeniser = _tokeniser(found, out / MODEL, plan.vocabulary)
    shape = TwinShape(
        vocabulary=tokeniser.get_vocab_size(), end=tokeniser.token_to_id(END),
        input_px=plan.side_px, **plan.sizes,
    )  # fmt: skip
    tokeniser.enable_truncation(shape.context)
    towers = new_towers(shape, seed_for(plan.seed, "towers") % 2**63)
    method = Contrast(towers.to(memory_format=torch.channels_last), sizes() if plan.reads else ())
    about = {"images": found.fingerprint, "draws": asdict(plan.draws)}
    draw = pair_drawer(found.data, tokeniser, plan.draws)
    result = pretrain(method, draw, plan.config, out, about=about, on_progress=on_progress)
    if not (result.state == "found done" and (out / MODEL / CARD).is_file()):
        write_towers(method, out / MODEL, card_of(found, plan, result) | {"commit": commit})
    return result


def _tokeniser(found: Prepared, folder: Path, vocabulary: int) -> Any:
    """Return the tokeniser of an earlier sitting, or train and write one."""
    if (folder / TOKENIZER).is_file():
        return tokenizers().Tokenizer.from_file(str(folder / TOKENIZER))
    made = train_tokeniser(found.data.sentences, vocabulary)
    write_tokeniser(made, folder)
    return made


def write_towers(method: Contrast, folder: Path, meta: dict[str, Any]) -> Path:
    """Write model.safetensors (float16, what it is in the header) and card.json."""
    weights = {
        name: (x.to(torch.float16) if x.is_floating_point() else x).detach().cpu().contiguous()
        for name, x in method.encoder_weights().items()
    }
    meta = {"format": FORMAT, "shape": method.as_dict()["shape"], **meta}
    header = {key: x if isinstance(x, str) else json.dumps(x) for key, x in meta.items()}
    path = artefacts.write_bytes(folder / WEIGHTS, save(weights, header))
    artefacts.write_json(folder / CARD, {**meta, "sha256": artefacts.sha256_of(path)})
    return path


def card_of(found: Prepared, plan: TextImagePlan, result: PretrainResult) -> dict[str, Any]:
    """Return what stands in the header of the weights and in the card."""
    sets = Counter((pair.record.dataset, pair.synthetic) for pair in found.pairs)
    told = [
        f"{name or 'unnamed'} ({count} {'synthetic' if drawn else 'photographed'} training pairs)"
        for (name, drawn), count in sorted(sets.items())
    ]
    licences = sorted({p.record.licence or "unknown" for p in found.pairs if not p.synthetic})
    under = f"photographs under {' and '.join(licences)}" if licences else "drawn eyes only"
    return {
        "name": "retina-text",
        "licence": f"Apache-2.0; trained on {under}",
        "training_data": ", ".join(told),
        "training_sets": sorted({name for name, drawn in sets if not drawn and name}),
        "writers": sorted({pair.writer or "unknown" for pair in found.pairs}),
        "draws": asdict(plan.draws),
        "steps": result.steps,
        "pairs_seen": result.images,
        "hours": round(result.seconds / 3600, 3),
        "precision": result.precision,
        "learning_rate": plan.config.learning_rate,
        "last_readings": result.readings,
        "retinaforge": artefacts.environment()["retinaforge"],
    }
