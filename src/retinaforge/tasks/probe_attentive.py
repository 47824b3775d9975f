"""A head that looks around: one learnt query over frozen patch tokens x_1 ... x_N.

    a = softmax(x q / √C),   answer = W Σ_i a_i x_i + b

Tokens are standardised channel by channel over the teaching photographs; since softmax forgets
what all have in common and the mean is linear, it is enough to scale q and the pooled token. It is
what is left of attention pooling with one query, and starts (q = 0) as a linear head on the mean.

References:
    Bardes et al., "V-JEPA", TMLR 2024, section 4 (attentive probes); El-Nouby et al., "AIM",
    ICML 2024, section 4.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from retinaforge.core import rng_for
from retinaforge.tasks.probe_target import Round, Target

EPOCHS, STEPS, BATCH, RATE, DECAY = 20, 200, 32, 2e-3, 0.05
"""As many epochs, at least as many steps. Fixed beforehand: a query has nothing to tune that two
hundred photographs could decide."""

CHUNK = 64
HELD_BYTES = 2**28
"""Tokens of teaching photographs that are held in memory, at most."""


class Query(nn.Module):
    """One query and a linear answer.

    Args:
        middle, spread: mean and standard deviation of each channel of the tokens.
        answers: how many numbers to answer with.
    """

    def __init__(self, middle: Tensor, spread: Tensor, answers: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros_like(middle))
        self.answer = nn.Linear(len(middle), answers)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)
        self.register_buffer("middle", middle)
        self.register_buffer("spread", spread)

    def forward(self, tokens: Tensor) -> Tensor:
        weights = (tokens @ (self.query / self.spread) / math.sqrt(tokens.shape[-1])).softmax(1)
        pooled = torch.bmm(weights[:, None], tokens)[:, 0]
        return self.answer((pooled - self.middle) / self.spread)


def attentive(
    tokens: np.ndarray, target: Target, one: Round, *others: np.ndarray
) -> list[np.ndarray]:
    """Return what a query learnt on the teaching photographs says of the judging ones.

    Args:
        tokens: float16, shape (n, positions, channels), memory-mapped or not.
        target: what to tell.
        one: who teaches and who judges; its seed decides the order of the teaching photographs.
        others: further tokens to answer for, whole.

    Returns:
        Answers for the judging photographs, then for each of `others`.
    """
    truth, loss, scale = _truth(target, one)
    model = Query(*_channels(tokens, one.teach), len(target.classes) or 1)
    held = _held(tokens, one.teach)
    each = math.ceil(len(one.teach) / BATCH)
    epochs = max(EPOCHS, math.ceil(STEPS / each))
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * each)
    for epoch in range(epochs):
        order = rng_for(one.seed, "probe", epoch).permutation(len(one.teach))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            said = model(_float(tokens, one.teach[some]) if held is None else held[some])
            optimiser.zero_grad()
            loss(said, truth[some]).backward()
            optimiser.step()
            schedule.step()
    everywhere = [(tokens, one.judge), *((each, np.arange(len(each))) for each in others)]
    return [_answers(model, rows, places, scale) for rows, places in everywhere]


def _truth(target: Target, one: Round):
    """Return the truth as it is learnt, the loss, and the way back to the target's unit."""
    values = target.values[one.teach]
    if target.kind == "number":
        mean, std = float(values.mean()), float(values.std()) or 1.0
        known = torch.tensor((values - mean) / std, dtype=torch.float32)
        return known, lambda said, true: mse_loss(said[:, 0], true), (mean, std)
    counts = np.bincount(values.astype(int), minlength=len(target.classes))
    balance = torch.tensor(len(values) / (len(counts) * np.maximum(counts, 1)), dtype=torch.float32)
    known = torch.tensor(values.astype(np.int64))
    return known, lambda said, true: cross_entropy(said, true, weight=balance), None


def _answers(
    model: Query, tokens: np.ndarray, places: np.ndarray, scale: tuple[float, float] | None
) -> np.ndarray:
    parts = []
    with torch.inference_mode():
        for start in range(0, len(places), CHUNK):
            said = model(_float(tokens, places[start : start + CHUNK]))
            parts.append((said if scale else said.softmax(1)).double().numpy())
    if not parts:
        return np.zeros(0) if scale else np.zeros((0, model.answer.out_features))
    answers = np.concatenate(parts)
    return answers[:, 0] * scale[1] + scale[0] if scale else answers


def _channels(tokens: np.ndarray, places: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, float64 sums over parts."""
    total, square, count = 0.0, 0.0, 0
    for start in range(0, len(places), CHUNK):
        rows = _float(tokens, places[start : start + CHUNK]).double()
        total, square = total + rows.sum((0, 1)), square + (rows**2).sum((0, 1))
        count += rows.shape[0] * rows.shape[1]
    middle = total / count
    spread = (square / count - middle**2).clamp(min=0).sqrt().clamp(min=1e-6)
    return middle.float(), spread.float()


def _held(tokens: np.ndarray, places: np.ndarray) -> Tensor | None:
    """Return the teaching tokens in memory where they are few, else None: read batch by batch."""
    few = 2 * tokens[:1].nbytes * len(places) <= HELD_BYTES
    return _float(tokens, places) if few else None


def _float(tokens: np.ndarray, places: np.ndarray) -> Tensor:
    return torch.from_numpy(tokens[places].astype(np.float32))
