"""Over-fit a copy of the model on eight images before the real training spends hours.

A model, a loss and data that fit together learn eight images within some steps. Passed is:
pixel loss <= factor x the pixel loss of each image's mean colour. A training whose gradients do
not reach the decoder, whose learning rate is far off or whose targets are shuffled stays above.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.training.batch import Batch, Draw
from retinaforge.training.precision import untouched_generators

Objective = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]  # -> (total, pixel term)


@dataclass(frozen=True)
class Preflight:
    """State what the model has to manage before it is trained.

    Attributes:
        images: how many images are over-fitted.
        steps: at most so many steps; a pass ends it early.
        factor: how far below the mean colour's loss the pixel loss must come, 0 to 1.
    """

    images: int = 8
    steps: int = 200
    factor: float = 0.7


def first_images(draw: Draw, images: int) -> Batch:
    """Return the first images that draw gives, joined into one batch."""
    parts: list[Batch] = []
    for index in count():
        parts.append(draw(index))
        if sum(len(part.images) for part in parts) >= images:
            break
    return Batch(
        torch.cat([part.images for part in parts])[:images],
        torch.cat([part.fov for part in parts])[:images],
    )


def mean_colours(batch: Batch) -> Tensor:
    """Return the batch with every image replaced by its mean colour inside the field of view."""
    inside = batch.fov.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (batch.images * batch.fov).sum((2, 3), keepdim=True) / inside
    return mean.expand_as(batch.images).contiguous()


def fly(
    preflight: Preflight,
    model: nn.Module,
    batch: Batch,
    *,
    objective: Objective,
    flat_loss: float,
    learning_rate: float,
) -> float:
    """Over-fit a copy; neither the model nor a random generator is altered.

    Args:
        preflight: what to manage.
        model: the model about to be trained.
        batch: the eight images, on the model's device.
        objective: gives total loss and pixel term of a model on a batch.
        flat_loss: pixel term of the images' mean colours.
        learning_rate: of the training.

    Returns:
        The pixel loss reached, as a fraction of `flat_loss`.

    Raises:
        Refusal: if the fraction stayed above `preflight.factor`.
    """
    best = float("inf")
    with untouched_generators():
        copied = copy.deepcopy(model).train()
        weights = [p for p in copied.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(weights, learning_rate, betas=(0.9, 0.99))
        for _ in range(preflight.steps):
            total, pixel = objective(copied, batch)
            total.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            optimiser.zero_grad()
            best = min(best, float(pixel.detach()))
            if best <= preflight.factor * flat_loss:
                return best / flat_loss if flat_loss > 0 else 0.0
    raise Refusal(
        f"{len(batch.images)} images to be learnt to {preflight.factor:g} times their mean "
        f"colour's loss within {preflight.steps} steps",
        f"{best:.4g} against {flat_loss:.4g} for the mean colours",
        "look at a batch, lower learning_rate or the added terms' weights, "
        "or skip this check with preflight=None",
    )
