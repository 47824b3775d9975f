"""The text side of encoders that know words: unit vectors in the space shared with images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from retinaforge.core import Refusal
from retinaforge.encoders.encoder import Encoder, Images
from retinaforge.encoders.tokenise import Tokenise

TEXTS_AT_ONCE = 64


def require_texts(texts: Sequence[str]) -> None:
    """Refuse no text at all, and texts without a word."""
    if isinstance(texts, str) or not texts or not all(text.strip() for text in texts):
        raise Refusal("texts of at least one word", repr(texts)[:80], "leave empty texts out")


class TextTower(nn.Module):
    """A frozen network of words with its tokeniser.

    Args:
        network: maps token ids (n, t) and which of them are real (n, t) to vectors (n, d).
        tokenise: maps texts to these two.
    """

    def __init__(self, network: nn.Module, tokenise: Tokenise) -> None:
        super().__init__()
        self.network, self.tokenise = network, tokenise
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Return one vector of length 1 a text; a text's vector does not depend on the others."""
        require_texts(texts)
        parts = [texts[i : i + TEXTS_AT_ONCE] for i in range(0, len(texts), TEXTS_AT_ONCE)]
        device, found = _device_of(self.network), []
        for part in parts:
            ids, real = self.tokenise(list(part))
            found.append(self.network(ids.to(device), real.to(device)))
        return normalize(torch.cat(found), dim=1)


class ImageText(Encoder):
    """An encoder of images whose space is shared with words; give it `make_text` to read them.

    Attributes:
        prompt: the words that its authors put around a label, with {} for it.
    """

    prompt: str = "{}"
    make_text: Callable[[], TextTower] | None = None

    def text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Return one vector of length 1 a text; the tower is read at the first call.

        Raises:
            Refusal: if there is no text tower in the file, no tokeniser, or not the package.
        """
        tower = self._modules.get("text_tower")
        if tower is None:
            if self.make_text is None:
                raise Refusal(
                    "a file with both towers",
                    f"{self.card.name}, which holds the image tower alone",
                    "name the whole model's file",
                )
            tower = self.make_text()
            self.add_module("text_tower", tower)
        return tower.to(_device_of(self.network))(texts)


def _device_of(network: nn.Module) -> torch.device:
    first = next(network.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def adherence(encoder: Encoder, images: Images, texts: Sequence[str]) -> Float[Tensor, "batch"]:
    """Return the cosine of each image with its own text, in [-1, 1].

    Only comparable among images of one encoder: its height depends on the encoder (CLIP's matched
    pairs lie near 0.3), so set matched pairs against shuffled ones.

    Raises:
        Refusal: for an encoder without words, or another number of texts than of images.
    """
    if len(texts) != len(images):
        raise Refusal("one text an image", f"{len(texts)} for {len(images)}", "pair them up")
    return (normalize(encoder.embedding(images), dim=1) * encoder.text(texts)).sum(dim=1)


def zero_shot(
    encoder: Encoder, images: Images, labels: Sequence[str]
) -> Float[Tensor, "batch labels"]:
    """Return each image's cosine with each label, put into the authors' own prompt."""
    prompt = getattr(encoder, "prompt", "{}")
    vectors = encoder.text([prompt.format(label) for label in labels])
    return normalize(encoder.embedding(images), dim=1) @ vectors.T
