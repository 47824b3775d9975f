"""What an encoder is taught by: masked autoencoding, or self-distillation.

A method is a module that holds the encoder and whatever teaches it; `forward` gives the loss and
the numbers of the log, so that Accelerate can wrap it as it wraps any network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from retinaforge.encoders.encoder import imagenet
from retinaforge.nets.mae import MaskedAutoencoder
from retinaforge.nets.vit import VitShape

Reduce = Callable[[Tensor, str], Tensor]
"""Accelerate's reduction over processes, by "sum" or "mean"."""


class Method(nn.Module, ABC):
    """A way to teach an encoder without labels."""

    @abstractmethod
    def encoder_weights(self) -> dict[str, Tensor]:
        """Return what is kept of the training, under the published keys."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Return what a resumption must find unchanged, as plain data."""

    def before_step(self, step: int, steps: int) -> None:
        """Set what changes with the step."""

    def before_update(self, step: int, steps: int) -> None:
        """Change gradients before the update."""

    def after_step(self, step: int, steps: int, reduce: Reduce) -> None:
        """Follow the student, where there is a teacher."""

    def watch(self, reading: Mapping[str, float], step: int) -> None:
        """Stop a training that goes nowhere.

        Raises:
            TrainingStopped: with advice.
        """


def sizes(shape: VitShape) -> dict[str, int]:
    """Return the sizes of an encoder as plain data."""
    return {
        name: getattr(shape, name) for name in ("width", "depth", "heads", "patch_px", "input_px")
    }


class MaskedModelling(Method):
    """He et al.'s masked autoencoding, inside the field of view."""

    def __init__(self, network: MaskedAutoencoder, ratio: float = 0.75) -> None:
        super().__init__()
        self.network, self.ratio = network, ratio
        self.preprocess = imagenet()

    def forward(
        self, images: Tensor, fov: Tensor, noise: Tensor, metadata: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss and its parts.

        Args:
            images: RGB in [-1, 1], (batch, 3, side, side).
            fov: 1 inside the field of view, (batch, 1, side, side).
            noise: decides which patches are shown, (batch, patches).
            metadata: numbers or NaN, (batch, kinds); left aside by an encoder without them.
        """
        given = metadata if self.network.metadata is not None else None
        output = self.network.reconstruct(
            self.preprocess(images), fov, noise, ratio=self.ratio, metadata=given
        )
        readings = {"loss": output.loss}
        if self.network.decoder_gradient is not None:
            readings |= {"pixels": output.pixels.detach(), "gradients": output.gradients.detach()}
        return readings

    def encoder_weights(self) -> dict[str, Tensor]:
        """Return the encoder's part, without decoder and mask token."""
        left = ("decoder_", "mask_token")
        whole = self.network.state_dict()
        return {name: x for name, x in whole.items() if not name.startswith(left)}

    def as_dict(self) -> dict[str, Any]:
        """Return what a resumption must find unchanged, as plain data."""
        kinds = self.network.metadata.kinds if self.network.metadata is not None else ()
        return {
            "method": "mae", "shape": sizes(self.network.shape), "mask": self.ratio,
            "metadata": list(kinds), "gradients": self.network.decoder_gradient is not None,
        }  # fmt: skip
