"""DINO as a method of pretraining: a student that follows its own running mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from retinaforge.encoders.encoder import imagenet
from retinaforge.nets.dino import (
    DinoHead,
    HeadShape,
    distillation_loss,
    entropy,
    initialise_head,
    teacher_targets,
)
from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.training.pretrain_methods import Method, Reduce, sizes
from retinaforge.training.watch import TrainingStopped


@dataclass(frozen=True)
class DinoConfig:
    """Schedules of the teacher and of the watch.

    Attributes:
        head: sizes of the projection head.
        momentum: of the teacher at the first step; it rises to 1 along half a cosine.
        student_temperature, teacher_temperature: of the two softmaxes.
        centre_momentum: of the running mean of the teacher's logits.
        frozen: share of the steps in which the prototypes stand still.
        even: a mean entropy above this share of log(prototypes) says nothing about an image.
        single: the batch's mean output with an entropy below this says the same of every image.
        patience: so many such steps one after another stop the training.
    """

    head: HeadShape = field(default_factory=HeadShape)
    momentum: float = 0.996
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04
    centre_momentum: float = 0.9
    frozen: float = 0.02
    even: float = 0.999
    single: float = 0.05
    patience: int = 200


class SelfDistillation(Method):
    """Student and teacher; the teacher sees the large views, the student all."""

    def __init__(
        self,
        network: FundusVit,
        config: DinoConfig = DinoConfig(),
        seed: int = 0,
    ) -> None:
        super().__init__()
        head = initialise_head(DinoHead(network.shape.width, config.head), seed)
        self.config = config
        self.student = nn.ModuleDict({"backbone": network, "head": head})
        self.teacher = deepcopy(self.student).requires_grad_(False)
        self.preprocess = imagenet()
        self.register_buffer("centre", torch.zeros(config.head.prototypes))
        self.register_buffer("collapsed", torch.zeros(2, dtype=torch.long))
        self._mean_logits: Tensor | None = None

    def forward(self, large: Tensor, small: Tensor) -> dict[str, Tensor]:
        """Return loss and entropies.

        Args:
            large: two large views, RGB in [-1, 1], (batch, 2, 3, side, side).
            small: small views, (batch, views, 3, side, side); views may be 0.
        """
        config = self.config
        with torch.no_grad():
            logits = _logits(self.teacher, self.preprocess, large).float()
            targets = teacher_targets(logits, self.centre, config.teacher_temperature)
            self._mean_logits = logits.mean((0, 1))
        views = [_logits(self.student, self.preprocess, x) for x in (large, small) if x.shape[1]]
        loss = distillation_loss(torch.cat(views).float(), targets, config.student_temperature)
        return {
            "loss": loss,
            "teacher_entropy": entropy(targets).mean(),
            "batch_entropy": entropy(targets.mean((0, 1))),
        }

    def before_update(self, step: int, steps: int) -> None:
        """Hold the prototypes still in the first steps."""
        if step < self.config.frozen * steps:
            self.student["head"].prototypes.grad = None

    def after_step(self, step: int, steps: int, reduce: Reduce) -> None:
        """Move teacher and centre: t <- m t + (1 - m) s, c <- k c + (1 - k) mean logits."""
        m = 1 - (1 - self.config.momentum) * (1 + math.cos(math.pi * step / steps)) / 2
        taught, learner = list(self.teacher.parameters()), list(self.student.parameters())
        torch._foreach_lerp_(taught, [p.detach() for p in learner], 1 - m)
        if self._mean_logits is not None:
            mean = reduce(self._mean_logits, "mean")
            self.centre.lerp_(mean, 1 - self.config.centre_momentum)

    def watch(self, reading: Mapping[str, float], step: int) -> None:
        """Count steps whose targets say nothing; stop after `patience` of them.

        Raises:
            TrainingStopped: naming the kind of collapse, with advice.
        """
        config, most = self.config, math.log(self.config.head.prototypes)
        signs = [
            reading["teacher_entropy"] > config.even * most,
            reading["batch_entropy"] < config.single,
        ]
        counts = [(n + 1) * sign for n, sign in zip(self.collapsed.tolist(), signs, strict=True)]
        self.collapsed.copy_(torch.tensor(counts))
        if counts[0] >= config.patience:
            raise TrainingStopped(
                "targets that tell images apart",
                f"a teacher entropy of {reading['teacher_entropy']:.3f}, log(prototypes) being "
                f"{most:.3f}, for {counts[0]} steps: it collapsed to the even distribution",
                "train into another folder with a lower learning rate, or with --method mae",
            )
        if counts[1] >= config.patience:
            raise TrainingStopped(
                "targets that use several prototypes",
                f"a batch entropy of {reading['batch_entropy']:.3f} for {counts[1]} steps: every "
                "image got the same answer",
                "train into another folder with a lower learning rate or a larger batch, "
                "or with --method mae",
            )

    def encoder_weights(self) -> dict[str, Tensor]:
        """Return the teacher's encoder."""
        return self.teacher["backbone"].state_dict()

    def as_dict(self) -> dict[str, Any]:
        """Return what a resumption must find unchanged, as plain data."""
        shape = sizes(self.student["backbone"].shape)
        return {"method": "dino", "shape": shape, "dino": asdict(self.config)}


def _logits(network: nn.ModuleDict, preprocess: nn.Module, views: Tensor) -> Tensor:
    """Return the head's answers to views of equal size, (views, batch, prototypes)."""
    batch, count = views.shape[:2]
    images = preprocess(views.transpose(0, 1).flatten(0, 1))
    answers = network["head"](network["backbone"](images).class_token)
    return answers.unflatten(0, (count, batch))
