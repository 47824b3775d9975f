"""Teaching two towers: an image near the texts that are true of it, far from the others.

Plain InfoNCE takes every other pair of a batch for wrong. Captions of eyes repeat ("no haemorrhage
is seen" is true of half of them), so what a text says is compared with what is known of each image,
and the target is shared by all that agree, as FLAIR does with equal labels. Shared targets alone
have a way out: a text that is true of every eye, near every image. So each text's share of true
images is put into the logits, and only what the image adds is left to learn. Some texts are wrong
on purpose (one sentence exchanged) and must lie below their right twin: without such, two towers
learn bags of words.

References:
    Radford et al., ICML 2021 (arXiv 2103.00020), figure 3: symmetric cross entropy over cosines.
    Silva-Rodriguez et al., MedIA 2025 (arXiv 2308.07898): targets shared by pairs of one label.
    Menon et al., ICLR 2021 (arXiv 2007.07314), equation 10: priors added to the logits.
    Yuksekgonul et al., ICLR 2023 (arXiv 2210.01936): wrong texts made from right ones.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from retinaforge.nets.twin_tower import TwinTowers
from retinaforge.nets.word_reader import WordReader
from retinaforge.training.pretrain_methods import Method


def shared_cross_entropy(
    logits: Float[Tensor, "n m"], agreement: Float[Tensor, "n m"]
) -> Float[Tensor, ""]:
    """Return the cross entropy of each row against its agreeing columns, in nats.

    Args:
        logits: cosines times the scale.
        agreement: at least 0; rows are scaled to sum 1, those of zeros are left out.

    Returns:
        The mean over rows that agree with something; 0 where none does.
    """
    total = agreement.sum(1, keepdim=True)
    target = agreement / total.clamp(min=1e-12)
    entropy = -(target * log_softmax(logits.float(), dim=1)).sum(1)
    counted = (total[:, 0] > 0).to(entropy.dtype)
    return (entropy * counted).sum() / counted.sum().clamp(min=1)


def above_twins(
    logits: Float[Tensor, "n m"], owner: Int[Tensor, "m"], twin: Int[Tensor, "m"]
) -> Float[Tensor, "k"]:
    """Return how far each wrong text's right twin lies above it, for the image they belong to."""
    wrong = (twin != torch.arange(len(twin), device=twin.device)).nonzero()[:, 0]
    image = owner[wrong]
    return logits[image, twin[wrong]] - logits[image, wrong]


class Contrast(Method):
    """CLIP's symmetric loss with targets shared by what agrees, and one reading of both towers.

    Args:
        towers: what is taught.
        fact_sizes: words of each fact that one linear layer reads off images and texts alike; a
            small tower finds a lesion of three pixels sooner when told of it than when left to
            find what parts one caption from sixty others. None: nothing is read.
    """

    def __init__(self, towers: TwinTowers, fact_sizes: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.towers = towers
        self.facts = WordReader(towers.shape.projected, fact_sizes) if fact_sizes else None

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        ids: Int[Tensor, "n tokens"],
        real: Bool[Tensor, "n tokens"],
        agreement: Float[Tensor, "batch n"],
        owner: Int[Tensor, "n"],
        twin: Int[Tensor, "n"],
        known: Int[Tensor, "batch facts"] | None = None,
        said: Int[Tensor, "n facts"] | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss and its parts.

        Args:
            images: RGB in [-1, 1].
            ids, real: the texts' tokens, and which of them do not only fill up.
            agreement: 1 where text is true of image, 0 where it is not; each image has a text.
            owner: which image a text was written of.
            twin: of a wrong text, which one it was made from; of a right one, itself.
            known: words of each fact that may be true of an image, a bit each; 0 where nobody
                knows.
            said: words that a text leaves open; 0 where it is silent.
        """
        seen, spoken = self.towers.vectors(images, ids, real)
        logits = self.towers.logits(seen, spoken).float()
        prior = agreement.mean(0).clamp(min=0.5 / len(images)).log()
        of_images = shared_cross_entropy(logits + prior, agreement)
        of_texts = shared_cross_entropy(logits.T, agreement.T)
        contrast = (of_images + of_texts) / 2
        above = above_twins(logits, owner, twin)
        # Without a wrong text the reading is that of chance, and no gradient.
        twins = softplus(-above).mean() if len(above) else logits.new_tensor(math.log(2))
        told = self._read(seen, known, spoken, said)
        return {
            "loss": contrast + twins + sum(told.values(), logits.new_zeros(())),
            **{name: loss.detach() for name, loss in told.items()},
            "contrast": contrast.detach(),
            "twins": twins.detach(),
            "scale": self.towers.scale.detach().exp(),
        }

    def _read(
        self, seen: Tensor, known: Tensor | None, spoken: Tensor, said: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the loss of reading facts off images, and off texts."""
        if self.facts is None or known is None or said is None:
            return {}
        return {
            "seen": self.facts.loss(seen, known)[0],
            "said": self.facts.loss(spoken, said)[0],
        }

    def encoder_weights(self) -> dict[str, Tensor]:
        """Return both towers and the temperature."""
        return dict(self.towers.state_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return what a resumption must find unchanged, as plain data."""
        shape = asdict(self.towers.shape)
        plain = {"method": "contrast", "shape": shape | {"channels": list(shape["channels"])}}
        return plain | ({"reads": list(self.facts.sizes)} if self.facts else {})


__all__ = ["Contrast", "above_twins", "shared_cross_entropy"]
