"""Words that stand for colours: an image-text encoder that tests can see through."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import MapEncoder, Preprocess
from retinaforge.encoders.text import ImageText

CARD = EncoderCard(
    name="colour words", network="none", licence="none needed", training_data="none",
    fingerprint_sha256=hashlib.sha256(b"colour words").hexdigest(), domain="none (random)",
    preprocessing="none", key_report="no file", reference="this test",
)  # fmt: skip


class ColourWords(ImageText, MapEncoder):
    """Red against blue in images, "right" against "left" and a trace of other words in texts."""

    def __init__(self) -> None:
        plain = Preprocess([1.0] * 3, [0.0] * 3)
        super().__init__(CARD, nn.Identity(), preprocess=plain, blocks=(0,), input_px=32)

    def embedding(self, images, *, fov=None):
        """Return red minus blue and how light it is."""
        red, _, blue = images.mean((2, 3)).unbind(1)
        return nn.functional.normalize(
            torch.stack([red - blue, torch.full_like(red, 0.1)], 1), dim=1
        )

    def text(self, texts):
        """Return "right" as red and "left" as blue, said as often as it is."""
        rows = [[t.lower().count("right") - t.lower().count("left"), 0.1] for t in texts]
        return nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)
