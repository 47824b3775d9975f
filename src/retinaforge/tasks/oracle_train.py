"""Train the oracle's network: what an image of a phantom says of the facts that it was drawn from.

    loss = mean over the outputs that are known of  cross entropy (yes or no) or Huber (number)

The truth is the phantom's own, so more phantoms make a better oracle and no grader is needed. Half
of the images may be an autoencoder's reconstructions: what a generator shows has passed a decoder,
and an oracle that takes a decoder's trace for a lesion would judge the decoder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from retinaforge.core import rng_for, seed_for
from retinaforge.nets.oracle import OracleNet
from retinaforge.tasks.oracle_data import Eyes, to_batch
from retinaforge.tasks.oracle_words import WORDS, Scale, output_kinds, scale_of, targets_of
from retinaforge.training.precision import autocast, choose_precision

CPU = torch.device("cpu")
"""An oracle is small: it learns and reads here, wherever the generator runs."""

BALANCED_ON = 600
"""Training eyes on which thresholds are set."""

MIRRORED = {"side"}
"""Kinds of word that a mirrored image turns round."""


@dataclass(frozen=True)
class OracleConfig:
    """The recipe.

    Attributes:
        epochs: passes over the training eyes.
        batch: images a step.
        rate: highest learning rate of one cycle.
        reconstructed: share of the images that are taken from the autoencoder, if there is one.
        seed: of weights, order and disguises.
        most_minutes: training ends early after this many minutes, its cycle unfinished.
        precision: "fp32", "bf16", or "auto", the faster one as measured: on a machine with other
            work that may be the one or the other, and equal seeds give equal oracles of one only.
    """

    epochs: int = 8
    batch: int = 32
    rate: float = 2e-3
    reconstructed: float = 0.5
    seed: int = 0
    most_minutes: float = 20.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"


def fit_oracle(
    eyes: Eyes, *, rebuilt: np.ndarray | None = None, config: OracleConfig,
    on_step: Callable[[int, int, float], None] | None = None,
) -> tuple[OracleNet, Scale, dict[str, Any]]:  # fmt: skip
    """Train a network on eyes of known truth.

    Args:
        eyes: of the train split.
        rebuilt: the first of these eyes through an autoencoder, uint8.
        config: the recipe.
        on_step: called with (steps done, of how many, loss).

    Returns:
        The network in evaluation mode, the scale of its numbers, and what the training took.
    """
    torch.manual_seed(seed_for(config.seed, "oracle") % 2**31)
    scale = scale_of(eyes.truths)
    targets = torch.from_numpy(np.stack([targets_of(t, scale) for t in eyes.truths]))
    network = OracleNet(targets.shape[1], side_px=eyes.pixels.shape[1]).train()
    network = network.to(memory_format=torch.channels_last)
    precision = _precision(network, eyes) if config.precision == "auto" else config.precision
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=0.02)
    order = _order(len(eyes), config)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.rate, total_steps=len(order), pct_start=0.2
    )
    start, done, losses = time.monotonic(), 0, []
    for done, rows in enumerate(order, 1):
        rng = rng_for(config.seed, "oracle step", done)
        images = to_batch(_pixels(eyes, rebuilt, rows, rng, config.reconstructed))
        images, wanted = disguised(images, targets[torch.from_numpy(rows)], rng)
        with autocast(CPU, precision):
            outputs = network(images.contiguous(memory_format=torch.channels_last))
        loss = loss_of(outputs.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if on_step:
            on_step(done, len(order), losses[-1])
        if time.monotonic() - start > config.most_minutes * 60:
            break
    took = {
        "config": asdict(config), "steps": done, "of_steps": len(order), "eyes": len(eyes),
        "loss_first": float(np.mean(losses[:20])), "loss_last": float(np.mean(losses[-50:])),
        "seconds": round(time.monotonic() - start, 1), "precision": precision,
    }  # fmt: skip
    network = network.eval()
    took["shifts"] = balance(network, eyes, rebuilt)
    return network, scale, took


def balance(network: OracleNet, eyes: Eyes, rebuilt: np.ndarray | None) -> dict[str, float]:
    """Shift the outputs of sides, flags and presences so that 1/2 parts what is from what is not.

    A finding that one eye in thirty has is hardly ever likelier than not, however well it is seen;
    asked for in every second caption, it needs the threshold of equal shares. It is the one that
    maximises sensitivity + specificity (Youden 1950) on training eyes.

    Returns:
        What was taken from each output, by word.
    """
    rows = np.unique(np.linspace(0, len(eyes) - 1, BALANCED_ON).round().astype(int))
    pixels = np.array(eyes.pixels[rows])
    if rebuilt is not None:
        odd = (np.arange(len(rows)) % 2 == 1) & (rows < len(rebuilt))
        pixels[odd] = rebuilt[rows[odd]]
    with torch.inference_mode():
        parts = [network(to_batch(pixels[k : k + 32])) for k in range(0, len(pixels), 32)]
    outputs, shifts, at = torch.cat(parts).numpy(), {}, 0
    for word in WORDS:
        if word.kind in ("side", "flag", "count"):
            truth = np.array([eyes.truths[row][word.name] for row in rows])
            known = ~np.isnan(truth)
            shift = _youden(truth[known] > 0, outputs[known, at])
            network.head.bias.data[at] -= shift
            shifts[word.name] = shift
        at += word.outputs
    return shifts


def _youden(there: np.ndarray, logits: np.ndarray) -> float:
    """Return the threshold of the best sensitivity + specificity; 0 with one side alone."""
    if there.all() or not there.any():
        return 0.0
    values = np.unique(logits)
    edges = (values[1:] + values[:-1]) / 2
    if not edges.size:
        return 0.0
    gain = [np.mean(logits[there] > e) + np.mean(logits[~there] <= e) for e in edges]
    return float(edges[int(np.argmax(gain))])


def _precision(network: OracleNet, eyes: Eyes) -> str:
    """Return the faster of bf16 and fp32 for this network, by a few steps of each."""
    images = to_batch(np.array(eyes.pixels[:16])).contiguous(memory_format=torch.channels_last)

    def loss(model: torch.nn.Module, precision: str) -> Tensor:
        with autocast(CPU, precision):
            outputs = model(images)
        return outputs.float().square().mean()

    return choose_precision(network, CPU, loss)[0]


def _order(count: int, config: OracleConfig) -> list[np.ndarray]:
    """Return the rows of every step; each epoch is an order of its own, its remainder left out."""
    batch = min(config.batch, count)
    steps: list[np.ndarray] = []
    for epoch in range(config.epochs):
        rows = rng_for(config.seed, "oracle order", epoch).permutation(count)
        steps += [np.sort(rows[i : i + batch]) for i in range(0, count - batch + 1, batch)]
    return steps


def _pixels(
    eyes: Eyes, rebuilt: np.ndarray | None, rows: np.ndarray, rng: np.random.Generator, share: float
) -> np.ndarray:
    pixels = np.array(eyes.pixels[rows])
    if rebuilt is not None:
        other = (rng.random(len(rows)) < share) & (rows < len(rebuilt))
        pixels[other] = rebuilt[rows[other]]
    return pixels


def disguised(images: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return images mirrored, moved, softened and noised a little, with targets to match.

    A mirrored right eye is a left eye; nothing else that is read changes. Light and colour are
    hardly touched, since pigment and haze are read from them.
    """
    targets = targets.clone()
    mirror = torch.from_numpy(rng.random(len(images)) < 0.5)
    images = torch.where(mirror[:, None, None, None], images.flip(3), images)
    at = 0
    for word in WORDS:
        if word.kind in MIRRORED:
            targets[mirror, at] = 1 - targets[mirror, at]
        at += word.outputs
    upside = torch.from_numpy(rng.random(len(images)) < 0.5)
    images = torch.where(upside[:, None, None, None], images.flip(2), images)
    return _noised(_moved(images, rng), rng), targets


def _moved(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return images turned by up to 8 degrees, 4 % larger or smaller, 3 % beside their place."""
    n = len(images)
    angle, size = rng.uniform(-0.14, 0.14, n), rng.uniform(0.96, 1.04, n)
    cos, sin = np.cos(angle) * size, np.sin(angle) * size
    shift = rng.uniform(-0.06, 0.06, (n, 2))
    rows = np.stack(
        [np.stack([cos, -sin, shift[:, 0]], 1), np.stack([sin, cos, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(torch.from_numpy(rows.astype(np.float32)), list(images.shape),
                         align_corners=False)  # fmt: skip
    return F.grid_sample(images + 1, grid, align_corners=False) - 1


def _noised(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return images a little softened, each by its own share, and noised."""
    share = torch.from_numpy(rng.uniform(0, 0.35, len(images)).astype(np.float32))
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = images + share[:, None, None, None] * (soft - images)
    spread = torch.from_numpy(rng.uniform(0, 0.03, len(images)).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    return (images + spread[:, None, None, None] * noise).clamp(-1, 1)


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss over the outputs whose target is known."""
    known = torch.isfinite(targets)
    wanted = torch.where(known, targets, torch.zeros_like(targets))
    logits = torch.tensor([kind == "logit" for kind in output_kinds()])
    yes_no = F.binary_cross_entropy_with_logits(outputs, wanted.clamp(0, 1), reduction="none")
    number = F.huber_loss(outputs, wanted, reduction="none")
    each = torch.where(logits[None], yes_no, number)
    return (each * known).sum() / known.sum().clamp(min=1)
