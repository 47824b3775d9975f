"""The training loop of encoders: self-supervised, resumable, on any number of processes.

A step: draw -> look -> the method's loss -> backward -> clip -> AdamW -> what the method does after
a step (DINO's teacher follows). Journal, checkpoints, precision probe and files are those of
`train`; a checkpoint holds all of the method, teacher included.

References:
    Loshchilov, Hutter 2019, arXiv 1711.05101 (AdamW). He et al., CVPR 2022, appendix A.1 (betas
    0.9 and 0.95, weight decay 0.05 on matrices only, warm-up, half a cosine).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal, artefacts
from retinaforge.training import checkpoint, journal
from retinaforge.training.batch import draw_ahead
from retinaforge.training.precision import autocast, choose_precision
from retinaforge.training.pretrain_config import PretrainConfig, PretrainResult
from retinaforge.training.pretrain_methods import Method
from retinaforge.training.progress import OnProgress, Progress
from retinaforge.training.result import RESULT
from retinaforge.training.run import Run, Window, find_accelerator, keep, prepare, restore
from retinaforge.training.watch import TrainingStopped, see_skip, see_step

Inputs = Mapping[str, Tensor]
"""What a method is given at a step, by name, each beginning with the batch."""
InputsAt = Callable[[int], Inputs]
"""Gives batch number step * processes + rank; a pure function of that number."""


def pretrain(
    method: Method,
    draw: InputsAt,
    config: PretrainConfig,
    folder: Path,
    *,
    about: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> PretrainResult:
    """Pretrain an encoder, resume its training, or find it done.

    Writes `folder`/log.jsonl, events.jsonl, checkpoint.pt and, last, result.json. The same call
    after a kill goes on from the last whole checkpoint; on a CPU in one process its losses are
    then bit-equal to those of a training never killed.

    Args:
        method: holds the encoder; changed in place, its final weights included when found done.
        draw: gives the inputs of the method's `forward`.
        config: how long and how.
        folder: of this training alone.
        about: plain data that a resumption must find unchanged (data, sizes).
        on_progress: called with every line of the log, in the main process.

    Raises:
        Refusal: if the folder holds a training of another configuration.
        TrainingStopped: on divergence, collapse or too many unusable steps, with advice.
        DiskFull: if a file could not be written; the last whole checkpoint stands.
    """
    accelerator = find_accelerator(config)
    facts = {
        **config.binding(), **method.as_dict(), **(about or {}),
        "processes": accelerator.num_processes,
    }  # fmt: skip
    done = _find_done(folder, facts)
    run = _open(method, config, folder, accelerator, facts)
    stored = checkpoint.load(folder)
    if stored is not None:
        checkpoint.compare(stored["facts"], facts, folder)
        restore(run, stored)
    if done is not None:
        return done
    if stored is None:
        _settle_precision(run, draw)
    world, rank = accelerator.num_processes, accelerator.process_index
    indices = range(run.step * world + rank, config.steps * world, world)
    workers = config.workers or (4 if accelerator.device.type == "cuda" else 0)
    mark = time.perf_counter()
    for inputs in draw_ahead(draw, indices, workers):
        images = len(next(iter(inputs.values())))
        _step(run, {name: x.to(accelerator.device) for name, x in inputs.items()})
        run.images += world * images
        run.window.images += world * images
        run.step += 1
        mark, spent = time.perf_counter(), time.perf_counter() - mark
        run.seconds += spent
        run.window.seconds += spent
        last = run.step == config.steps
        if run.step % config.log_every == 0 or last:
            _report(run, on_progress)
        if run.step % config.checkpoint_every == 0 or last:
            keep(run)
    return _finish(run)


def weight_groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return what is trained in two groups: matrices, which decay, and the rest.

    Biases, norms, and learnt tokens (class, mask, metadata) do not decay.
    """
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    spared = ("token", "pos_embed", "metadata")
    decays = {n for n, p in named if p.ndim >= 2 and not any(word in n for word in spared)}
    return [
        {"params": [p for n, p in named if n in decays], "weight_decay": decay},
        {"params": [p for n, p in named if n not in decays], "weight_decay": 0.0},
    ]


def _open(
    method: Method, config: PretrainConfig, folder: Path, accelerator: Any, facts: dict[str, Any]
) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    method.to(accelerator.device).train()
    fused = accelerator.device.type in ("cpu", "cuda")
    groups = weight_groups(method, config.weight_decay)
    optimiser = torch.optim.AdamW(groups, config.learning_rate, betas=config.betas, fused=fused)
    wrapped, optimiser = prepare(accelerator, method, optimiser)
    return Run(
        accelerator=accelerator, config=config, folder=folder, facts=facts, plain=method,
        model=wrapped, optimiser=optimiser, average={}, weights={},
    )  # fmt: skip


def _settle_precision(run: Run, draw: InputsAt) -> None:
    """Take the precision asked for, or the faster one; the first process decides for all."""
    run.precision = run.config.precision
    if run.precision != "auto":
        return
    device = run.accelerator.device
    inputs = {name: x.to(device) for name, x in draw(0).items()}

    def loss(method: nn.Module, precision: str) -> Tensor:
        with autocast(device, precision):
            return method(**inputs)["loss"]

    faster, seconds = choose_precision(run.plain, device, loss)
    votes = torch.tensor(float(faster == "bf16" and run.main), device=device)
    run.precision = "bf16" if float(run.accelerator.reduce(votes, "sum")) > 0 else "fp32"
    timed = ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items())
    run.note("precision", f"{run.precision} ({timed or 'the GPU has it'})")


def _step(run: Run, inputs: dict[str, Tensor]) -> None:
    """Take one step, or leave it out where inputs, loss or gradient are not finite."""
    config, method = run.config, run.plain
    for group in run.optimiser.param_groups:
        group["lr"] = config.rate_at(run.step)
    bad = not all(bool(x.isfinite().all()) for n, x in inputs.items() if n != "metadata")
    if run.any_process(bad):
        _skip(run, "NaN or infinite pixels in a batch")
        return
    method.before_step(run.step, config.steps)
    readings = _passes(run, inputs)
    method.before_update(run.step, config.steps)
    norm = run.accelerator.clip_grad_norm_(run.model.parameters(), config.clip_norm)
    reading = run.mean_over_processes({**readings, "gradient_norm": norm})
    if not (math.isfinite(reading["loss"]) and math.isfinite(reading["gradient_norm"])):
        run.optimiser.zero_grad()
        _skip(run, f"loss {reading['loss']:g} and gradient norm {reading['gradient_norm']:g}")
        return
    run.optimiser.step()
    run.optimiser.zero_grad()
    with torch.no_grad():
        method.after_step(run.step, config.steps, run.accelerator.reduce)
    run.window.add(reading)
    see_step(run.watch, config, pixel=reading["loss"], contrast=1.0, perplexity=math.nan)
    method.watch(reading, run.step)


def _passes(run: Run, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add up the gradients of a step's batch, a part at a time; return the means of what was read.

    The processes exchange gradients once a step, in the last pass.
    """
    parts, means = _parts(inputs, run.config.accumulate), {}
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        with nullcontext() if last else run.accelerator.no_sync(run.model):
            with autocast(run.accelerator.device, run.precision):
                readings = run.model(**part)
            run.accelerator.backward(readings["loss"] / len(parts))
        for name, value in readings.items():
            means[name] = means.get(name, 0.0) + torch.as_tensor(value).detach() / len(parts)
    return means


def _parts(inputs: dict[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    """Part a batch into equal passes; one pass takes it as it is, whatever its rows are."""
    if count == 1:
        return [inputs]
    lengths = {len(x) for x in inputs.values()}
    if len(lengths) > 1 or lengths.pop() % count:
        raise Refusal(
            f"a batch that {count} passes share evenly",
            ", ".join(f"{len(x)} {name}" for name, x in inputs.items()),
            "change batch or accumulate",
        )
    chunks = {name: x.chunk(count) for name, x in inputs.items()}
    return [{name: parts[k] for name, parts in chunks.items()} for k in range(count)]


def _skip(run: Run, reason: str) -> None:
    run.skipped += 1
    run.note("skipped", reason)
    see_skip(run.watch, run.config, reason)


def _report(run: Run, on_progress: OnProgress | None) -> None:
    """Write one line of the log, show it, and begin a new window."""
    window, config = run.window, run.config
    speed = window.images / window.seconds
    means = {name: window.mean(name) for name in window.sums}
    line = {
        "step": run.step, "seconds": run.seconds, "images_per_s": speed, **means,
        "learning_rate": config.rate_at(run.step - 1), "skipped": run.skipped,
        "processes": run.accelerator.num_processes,
    }  # fmt: skip
    run.last_line, run.window = line, Window()
    if not run.main:
        return
    journal.append(run.folder / journal.LOG, line)
    if on_progress is not None:
        left = (config.steps - run.step) * run.seconds / run.step
        terms = {n: v for n, v in means.items() if n not in ("loss", "gradient_norm")}
        on_progress(
            Progress(
                step=run.step, steps=config.steps, images_per_s=speed, seconds=run.seconds,
                seconds_left=left, total=means.get("loss", math.nan), terms=terms,
                perplexity=math.nan, codebook_use=math.nan,
            )
        )  # fmt: skip


def _finish(run: Run) -> PretrainResult:
    """Say that the training is done, in result.json."""
    lines = journal.read(run.folder / journal.LOG) if run.main else [run.last_line]
    kept = ("learning_rate", "skipped", "processes", "seconds", "images_per_s", "step")
    result = PretrainResult(
        state="trained",
        steps=run.step,
        images=run.images,
        seconds=run.seconds,
        images_per_s=run.images / run.seconds if run.seconds else math.nan,
        skipped=run.skipped,
        precision=run.precision,
        readings={name: value for name, value in lines[-1].items() if name not in kept},
    )
    if run.main:
        content = asdict(result) | {"facts": run.facts}
        del content["state"]
        artefacts.write_json(run.folder / RESULT, journal.plain(content))
    run.accelerator.wait_for_everyone()
    return result


def _find_done(folder: Path, facts: dict[str, Any]) -> PretrainResult | None:
    content = (
        json.loads((folder / RESULT).read_text(encoding="utf-8"))
        if (folder / RESULT).exists()
        else None
    )
    if content is None:
        return None
    checkpoint.compare(content.pop("facts"), facts, folder)
    return PretrainResult("found done", **content)


__all__ = ["PretrainConfig", "PretrainResult", "TrainingStopped", "pretrain", "weight_groups"]
