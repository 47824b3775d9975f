"""Encoders whose inside is not ours to see: a vector an image, no layers, no gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import Encoder, Field, Images, Preprocess
from retinaforge.encoders.preprocess import blacken


class BlackBox(Encoder):
    """An encoder that gives one vector an image and nothing else; it can judge, never be a loss."""

    def __init__(
        self, card: EncoderCard, *, preprocess: Preprocess, input_px: int, chunk: int
    ) -> None:
        super().__init__(
            card, nn.Identity(), preprocess=preprocess, blocks=(), input_px=input_px
        )  # fmt: skip
        self.chunk = chunk

    @abstractmethod
    def vectors(self, ready: Tensor) -> Float[Tensor, "batch channels"]:
        """Return one vector an image; `ready` is resized and normalised, at most `chunk` images."""

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return one vector an image, on the images' device.

        Raises:
            Refusal: if a gradient is asked for.
        """
        if images.requires_grad and torch.is_grad_enabled():
            raise Refusal(
                "a network that gradients pass through, for a loss",
                f"{self.card.name}, which gives numbers alone",
                "name a weight file as loss, and this as judge or probe",
            )

        def once(images: Tensor, fov: Tensor | None) -> Tensor:
            found = self.vectors(self.prepare(blacken(images, fov), None))
            if not bool(torch.isfinite(found).all()):
                raise Refusal("finite numbers", f"NaN or infinity of {self.card.name}", "check it")
            return found.to(images.device)

        return self.chunked(once, images.detach(), fov)

    def features(
        self,
        images: Images,
        blocks: Sequence[int] | None = None,
        *,
        input_px: int | None = None,
        fov: Field | None = None,
    ) -> list[Tensor]:
        """Refuse: the layers inside cannot be seen."""
        raise self._no("features after its blocks")

    def class_token(
        self, images: Images, *, input_px: int | None = None, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Refuse: the layers inside cannot be seen."""
        raise self._no("a class token")

    def _no(self, what: str) -> Refusal:
        return Refusal(
            f"an encoder with {what}",
            f"{self.card.name}, which gives one vector an image and nothing from inside",
            "name a weight file, or use its vectors",
        )
