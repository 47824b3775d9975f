"""One arm with one seed: train, then measure.

`worker` runs one of these in a process of its own.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig, load_autoencoder
from retinaforge.core import RetinaForgeError, seed_for
from retinaforge.encoders import load as load_encoder
from retinaforge.losses import AdversarySpec, build_terms, encoders_named, split_adversary
from retinaforge.nets.patchgan import PatchDiscriminator
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder
from retinaforge.studies.measure import measure_arm
from retinaforge.studies.plan import BEST, Study, located
from retinaforge.studies.prepare import Prepared, prepare
from retinaforge.tasks.crops import CropPlan, crop_drawer
from retinaforge.training import (
    Adversary,
    Draw,
    TrainConfig,
    TrainResult,
    branch_off,
    device_for,
    train,
)
from retinaforge.training.precision import autocast, choose_precision


def new_autoencoder(study: Study, seed: int) -> Autoencoder:
    """Return the study's untrained autoencoder: the same weights for every arm of a seed."""
    torch.manual_seed(seed_for(study.seed, "weights", seed) % 2**63)
    fields = study.model.model_dump(exclude_none=True)
    return Autoencoder(AutoencoderConfig(**fields))


def study_drawer(study: Study, prepared: Prepared, seed: int) -> Draw:
    """Return what draws the training batches of a seed, equal for every arm."""
    plan = study.train
    crops = CropPlan(
        batch_size=plan.batch_size,
        crop_px=plan.crop_px,
        whole_fraction=plan.whole_fraction,
        seed=seed_for(study.seed, "data", seed),
    )
    return crop_drawer(prepared.train, crops)


def settle_precision(study: Study, prepared: Prepared) -> str:
    """Return one precision for all arms: the faster on this machine where the study says auto."""
    if study.train.precision != "auto":
        return study.train.precision
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = study_drawer(study, prepared, 0)(0).images.to(device)

    def loss(model: torch.nn.Module, precision: str) -> torch.Tensor:
        with autocast(device, precision):
            return (model(images).reconstruction.float() - images).abs().mean()

    return choose_precision(new_autoencoder(study, 0).to(device), device, loss)[0]


def new_adversary(spec: AdversarySpec | None, *, width: int, seed: int) -> Adversary | None:
    """Return the discriminator an expression asks for, with seeded weights."""
    if spec is None:
        return None
    torch.manual_seed(seed_for(seed, "discriminator") % 2**63)
    return Adversary(PatchDiscriminator(width=width), spec)


def adversary_starts(study: Study) -> tuple[int, ...]:
    """Return the steps at which some arm's adversary starts: there, others may branch off."""
    placed = [arm.loss.replace(BEST, "l1") for arm in study.arm]
    specs = [split_adversary(loss)[1] for loss in placed]
    return tuple(sorted({spec.start_step for spec in specs if spec is not None}))


def same_without_adversary(study: Study, loss: str) -> str | None:
    """Return the arm that trains with the same terms and no adversary: its start is shared."""
    terms = split_adversary(loss)[0]
    plain = [arm for arm in study.arm if BEST not in arm.loss]
    return next((arm.name for arm in plain if split_adversary(arm.loss) == (terms, None)), None)


def train_arm(
    study: Study, data: Path, prepared: Prepared, run: RunFolder, job: Job, *, loss: str
) -> TrainResult:
    """Train one arm, or resume it, or find it done.

    Raises:
        RetinaForgeError: if the loss is built on the best arm and no other arm was measured.
    """
    if BEST in loss:
        raise RetinaForgeError("no other arm was measured, so none is the best to build on")
    plan = study.train
    adversary = new_adversary(
        split_adversary(loss)[1], width=plan.discriminator_width, seed=job.seed
    )
    if adversary is not None and (base := same_without_adversary(study, loss)):
        branch_off(run.job(Job(base, job.seed)), run.job(job), adversary)
    config = TrainConfig(
        steps=plan.steps,
        learning_rate=plan.learning_rate,
        match_gradients=plan.match_gradients,
        precision=json.loads(run.environment.read_text())["precision"],
        checkpoint_every=plan.checkpoint_every,
        keep_at=adversary_starts(study),
        seed=job.seed,
    )
    encoders = {
        name: load_encoder(located(study.encoders[name], data)).to(device_for(config))
        for name in encoders_named(loss)
        if name in study.encoders
    }
    return train(
        new_autoencoder(study, job.seed),
        build_terms(loss, encoders=encoders),
        study_drawer(study, prepared, job.seed),
        config,
        run.job(job),
        adversary=adversary,
        meta={"study": study.name, "arm": job.arm, "loss": loss},
    )


def work(study: Study, data: Path, run: RunFolder, job: Job, *, loss: str, until: str) -> None:
    """Do one job as far as `until` ("trained" or "done"), keeping its status on disk.

    Raises:
        RetinaForgeError: whatever stopped it, after it was written into the status.
    """
    began = time.monotonic()
    run.set_status(job, "running", loss=loss)
    try:
        prepared = prepare(study, data, run)
        model = None
        if job.arm != RESIZE_ONLY:
            result = train_arm(study, data, prepared, run, job, loss=loss)
            facts = {
                "steps": result.steps,
                "seconds": result.seconds,
                "images_per_s": result.images_per_s,
                "skipped": result.skipped,
            }
            run.set_status(job, "trained", **facts)
            model = load_autoencoder(result.model_folder).model
        if until == "done":
            run.set_status(job, "running")
            measure_arm(study, data, prepared, run, job, model=model)
            run.set_status(job, "done", measure_seconds=time.monotonic() - began)
    except (RetinaForgeError, OSError, RuntimeError, ValueError, MemoryError) as error:
        run.set_status(job, "failed", reason=f"{type(error).__name__}: {error}")
        raise
