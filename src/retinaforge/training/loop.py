"""The training loop, flat and visible.

A step: draw -> look -> reconstruct -> losses -> slope at the image -> backward -> clip -> Adam ->
average. The losses see the reconstruction as a leaf: their slope dL/dx is taken once, carried to
the decoder's last layer wherever a norm is needed (cheap: one convolution), and then sent through
the whole autoencoder. So an adversary costs one pass back through the discriminator, not two.

References:
    Esser, Rombach, Ommer 2021, arXiv 2012.09841, section 3.1 and equation 7 (adaptive weight).
    Kingma, Ba 2015, arXiv 1412.6980. Polyak, Juditsky 1992 (averaged weights).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retinaforge.autoencoders import Autoencoder, AutoencoderOutput, save_autoencoder
from retinaforge.losses import Term, gradient_norms, matched_weights
from retinaforge.training import average, checkpoint, journal
from retinaforge.training.batch import Batch, Draw, draw_ahead, find_fault
from retinaforge.training.config import TrainConfig
from retinaforge.training.duel import Adversary, join, learn, oppose
from retinaforge.training.precision import autocast, choose_precision
from retinaforge.training.preflight import Preflight, first_images, fly, mean_colours
from retinaforge.training.progress import OnProgress, Progress
from retinaforge.training.result import MODEL, TrainResult, find_done, write_done
from retinaforge.training.run import Run, find_accelerator, keep, open_run, restore
from retinaforge.training.watch import see_skip, see_step


def train(
    model: Autoencoder,
    terms: Sequence[Term],
    draw: Draw,
    config: TrainConfig,
    folder: Path,
    *,
    adversary: Adversary | None = None,
    preflight: Preflight | None = Preflight(),  # noqa: B008 (frozen)
    on_progress: OnProgress | None = None,
    meta: dict[str, Any] | None = None,
) -> TrainResult:
    """Train an autoencoder, resume its training, or find it done.

    Writes `folder`/log.jsonl, events.jsonl, checkpoint.pt, model/ (averaged weights) and, last,
    result.json. The same call after a kill goes on from the last whole checkpoint; on a CPU in
    one process its losses are then bit-equal to those of a training never killed.

    Args:
        model: changed in place: moved to the device and trained.
        terms: the losses with their weights, their encoders on the training's device
            (`device_for`); the first pixel loss is the yardstick of matching and watching.
        draw: gives batch number step * processes + rank; a pure function of that number.
        config: how long and how.
        folder: of this training alone.
        adversary: discriminator with its schedule, or None.
        preflight: what the model has to over-fit first, or None.
        on_progress: called with every line of the log, in the main process.
        meta: goes into the model's config.json (licence, training data).

    Returns:
        State, speed, last losses and where the model lies.

    Raises:
        Refusal: if the folder holds a training of another configuration, if the batches are no
            images in [-1, 1], or if the preflight was not passed.
        TrainingStopped: on divergence, collapse or too many unusable steps, with advice.
        DiskFull: if a file could not be written; the last whole checkpoint stands.
    """
    accelerator = find_accelerator(config)
    facts = _facts(model, terms, config, adversary, accelerator.num_processes)
    done = find_done(folder, facts)
    if done is not None:
        return done
    weights = {term.name: term.weight for term in terms}
    run = open_run(model, config, folder, accelerator=accelerator, facts=facts, weights=weights)
    if adversary is not None:
        join(run, adversary)
    stored = checkpoint.load(folder)
    if stored is not None:
        checkpoint.compare(stored["facts"], facts, folder)
        restore(run, stored)
    else:
        _prepare(run, terms, draw, preflight)

    world, rank = accelerator.num_processes, accelerator.process_index
    indices = range(run.step * world + rank, config.steps * world, world)
    mark = time.perf_counter()
    for batch in draw_ahead(draw, indices, _workers(run)):
        fault = find_fault(batch)
        if run.any_process(fault != ""):
            _skip(run, fault or "NaN or infinite pixels in another process")
        else:
            run.images += world * len(batch.images)
            run.window.images += world * len(batch.images)
            _step(run, terms, batch.to(accelerator.device), adversary)
        run.step += 1
        mark, spent = time.perf_counter(), time.perf_counter() - mark
        run.seconds += spent
        run.window.seconds += spent
        if run.step % config.log_every == 0 or run.step == config.steps:
            _report(run, terms, on_progress)
        due = run.step % config.checkpoint_every == 0 or run.step in config.keep_at
        if due or run.step == config.steps:
            keep(run)
    return _finish(run, meta or {})


def _step(run: Run, terms: Sequence[Term], batch: Batch, adversary: Adversary | None) -> None:
    """Take one optimisation step, or leave it out where loss or gradient is not finite."""
    config = run.config
    for group in run.optimiser.param_groups:
        group["lr"] = config.rate_at(run.step)
    with autocast(run.accelerator.device, run.precision):
        output: AutoencoderOutput = run.model(batch.images)
    x = output.reconstruction.float()
    if config.match_gradients and len(terms) > 1 and config.rematches_at(run.step):
        run.weights = _match(run, terms, x, batch)

    leaf = x.detach().requires_grad_()
    values = term_values(terms, leaf, batch, run.precision)
    weighted = sum(run.weights[name] * value for name, value in values.items())
    (slope,) = torch.autograd.grad(weighted, leaf)
    duel: dict[str, Tensor | float] = {}
    if adversary is not None and run.step >= adversary.spec.start_step:
        slope, duel = oppose(run, adversary, x=x, leaf=leaf, slope=slope)
    run.accelerator.backward((x * slope).sum() + output.codebook_loss)
    norm = run.accelerator.clip_grad_norm_(run.model.parameters(), config.clip_norm)

    reading = run.mean_over_processes(
        {
            "total": weighted + output.codebook_loss,
            "gradient_norm": norm,
            "codebook": output.codebook_loss,
            "contrast": x.detach().std() / batch.images.std().clamp(min=1e-6),
            "perplexity": perplexity(output.codes),
            **{f"term {name}": value for name, value in values.items()},
            **{f"duel {name}": value for name, value in duel.items()},
        }
    )
    if not (math.isfinite(reading["total"]) and math.isfinite(reading["gradient_norm"])):
        run.optimiser.zero_grad()
        _skip(run, f"loss {reading['total']:g} and gradient norm {reading['gradient_norm']:g}")
        return
    run.optimiser.step()
    run.optimiser.zero_grad()
    average.update_average(run.average, run.plain, decay=config.ema_decay, step=run.step)
    if duel:
        reading["duel discriminator"] = learn(run, adversary, batch.images, leaf.detach())
    run.window.add(reading)
    see_step(
        run.watch,
        config,
        pixel=reading[f"term {yardstick(terms).name}"],
        contrast=reading["contrast"],
        perplexity=reading["perplexity"],
    )


def term_values(
    terms: Sequence[Term], x: Tensor, batch: Batch, precision: str
) -> dict[str, Tensor]:
    """Return each term of the loss, unweighted.

    Autocast reaches only the frozen networks: a loss turns it off for its own arithmetic.
    """
    with autocast(x.device, precision):
        return {term.name: term.loss(x, batch.images, batch.fov) for term in terms}


def perplexity(codes: Tensor | None) -> Tensor | float:
    """Return exp(-sum p log p) of the codes in a batch; NaN without a codebook."""
    if codes is None:
        return math.nan
    p = torch.bincount(codes.flatten()) / codes.numel()
    return torch.special.entr(p).sum().exp()


def _match(run: Run, terms: Sequence[Term], x: Tensor, batch: Batch) -> dict[str, float]:
    """Return weights that give every term its share of the pixel term's gradient norm.

    Norms are averaged over the processes. A step that has none (it will be skipped) keeps the old
    weights.
    """
    with autocast(x.device, run.precision):
        norms = gradient_norms(terms, x, batch.images, batch.fov, run.plain.last_layer)
    norms = run.mean_over_processes(norms)
    usable = all(map(math.isfinite, norms.values())) and norms[yardstick(terms).name] > 0
    return matched_weights(terms, norms) if usable or run.step == 0 else run.weights


def yardstick(terms: Sequence[Term]) -> Term:
    """Return the first pixel term, or the first term where there is none."""
    return next((term for term in terms if term.kind == "pixel"), terms[0])


def _prepare(run: Run, terms: Sequence[Term], draw: Draw, preflight: Preflight | None) -> None:
    """Choose the precision and over-fit a copy, before the first step."""
    device, config = run.accelerator.device, run.config

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        with autocast(device, run.precision):
            output = model(batch.images)
        x = output.reconstruction.float()
        values = term_values(terms, x, batch, run.precision)
        weights = run.weights
        if config.match_gradients and len(terms) > 1:
            # Unmatched, a term of another magnitude would decide what is over-fitted.
            with autocast(device, run.precision):
                norms = gradient_norms(terms, x, batch.images, batch.fov, model.last_layer)
            weights = matched_weights(terms, norms)
        total = sum(weights[name] * value for name, value in values.items())
        return total + output.codebook_loss, values[yardstick(terms).name]

    def probe(model: nn.Module, precision: str) -> Tensor:
        run.precision = precision
        return objective(model, first)[0]

    run.precision = config.precision
    if config.precision == "auto":
        first = draw(0).to(device)
        faster, seconds = choose_precision(run.plain, device, probe)
        # The first process decides for all.
        votes = torch.tensor(float(faster == "bf16" and run.main), device=device)
        run.precision = "bf16" if float(run.accelerator.reduce(votes, "sum")) > 0 else "fp32"
        timed = ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items())
        run.note("precision", f"{run.precision} ({timed or 'the GPU has it'})")
    if preflight is not None:
        eight = first_images(draw, preflight.images).to(device)
        with torch.no_grad():
            flat = float(yardstick(terms).loss(mean_colours(eight), eight.images, eight.fov))
        reached = fly(
            preflight, run.plain, eight,
            objective=objective, flat_loss=flat, learning_rate=config.learning_rate,
        )  # fmt: skip
        run.note("preflight", f"pixel loss {reached:.2f} times the mean colours'")


def _skip(run: Run, reason: str) -> None:
    run.skipped += 1
    run.note("skipped", reason)
    see_skip(run.watch, run.config, reason)


def _workers(run: Run) -> int:
    if run.config.workers is not None:
        return run.config.workers
    return 4 if run.accelerator.device.type == "cuda" else 0


def _report(run: Run, terms: Sequence[Term], on_progress: OnProgress | None) -> None:
    """Write one line of the log, show it, and begin a new window."""
    use = run.plain.codebook_use(reset=True)
    window, config = run.window, run.config
    speed = window.images / window.seconds
    fraction = math.nan if use is None else use.fraction
    run.peak_use = max(run.peak_use, fraction if use is not None else 0.0)
    line = {
        "step": run.step,
        "seconds": run.seconds,
        "images_per_s": speed,
        "total": window.mean("total"),
        "terms": {term.name: window.mean(f"term {term.name}") for term in terms},
        "weights": dict(run.weights),
        "codebook": window.mean("codebook"),
        "gradient_norm": window.mean("gradient_norm"),
        "perplexity": math.nan if use is None else use.perplexity,
        "codebook_use": fraction,
        "learning_rate": config.rate_at(run.step - 1),
        "adversary": {
            name.removeprefix("duel "): window.mean(name)
            for name in window.sums
            if name.startswith("duel ")
        },
        "skipped": run.skipped,
        "processes": run.accelerator.num_processes,
    }
    run.last_line, run.window = line, type(window)()
    if not run.main:
        return
    journal.append(run.folder / journal.LOG, line)
    if on_progress is not None:
        left = (config.steps - run.step) * run.seconds / run.step
        on_progress(
            Progress(
                step=run.step, steps=config.steps, images_per_s=speed, seconds=run.seconds,
                seconds_left=left, total=line["total"], terms=line["terms"],
                perplexity=line["perplexity"], codebook_use=fraction,
            )
        )  # fmt: skip


def _finish(run: Run, meta: dict[str, Any]) -> TrainResult:
    """Save the averaged model and say that the training is done."""
    folder = run.folder
    lines = journal.read(folder / journal.LOG) if run.main else [run.last_line]
    result = TrainResult(
        state="trained",
        model_folder=folder / MODEL,
        steps=run.step,
        seconds=run.seconds,
        images_per_s=run.images / run.seconds if run.seconds else math.nan,
        skipped=run.skipped,
        precision=run.precision,
        losses={"total": lines[-1]["total"], **lines[-1]["terms"]},
        peak_codebook_use=run.peak_use,
        events=tuple(journal.read(folder / journal.EVENTS)),
    )
    if run.main:
        save_autoencoder(average.averaged_model(run.average, run.plain), folder / MODEL, meta=meta)
        write_done(result, run.facts, folder)
    run.accelerator.wait_for_everyone()
    return result


def _facts(
    model: Autoencoder,
    terms: Sequence[Term],
    config: TrainConfig,
    adversary: Adversary | None,
    processes: int,
) -> dict[str, Any]:
    """Return what a resumption must find unchanged, as plain data."""
    return {
        **config.binding(),
        "terms": {term.name: term.weight for term in terms},
        "adversary": None if adversary is None else adversary.as_dict(),
        "model": repr(getattr(model, "config", type(model).__name__)),
        "processes": processes,
    }
