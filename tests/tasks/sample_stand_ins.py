"""A generator that draws a disc as bright as its caption is long, without transformers."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from retinaforge.generators.network import NetworkShape
from retinaforge.tasks.sample_painter import Painter


class Words:
    """A text encoder: a token a word, its hidden state made of its letters."""

    max_tokens = 12

    def count(self, texts):
        if any("unsayable" in text for text in texts):
            raise ValueError("a word that nobody can say")
        return tuple(2 + len(text.split()) for text in texts)

    def encode(self, texts):
        counts = [min(n, self.max_tokens) for n in self.count(texts)]
        hidden = torch.zeros(len(texts), max(counts), 4)
        for row, text in enumerate(texts):
            for place, word in enumerate(text.split()[: self.max_tokens - 2]):
                hidden[row, place + 1] = torch.tensor([len(word), ord(word[0]) / 100, 1.0, 0.0])
        return SimpleNamespace(
            hidden=hidden, mask=torch.arange(max(counts))[None] < torch.tensor(counts)[:, None]
        )


class Network(nn.Module):
    """Moves noise towards the mean word; "diverge" makes it run away."""

    def __init__(self, **shape):
        super().__init__()
        self.shape = NetworkShape(latent_channels=3, patch=2, text_width=4, **shape)
        self.weight = nn.Parameter(torch.eye(4)[:, :3])
        self.calls = []

    def forward(self, x, time, condition):
        self.calls.append(len(x))
        shares = condition.text_mask / condition.text_mask.sum(1, keepdim=True)
        words = ((condition.text * shares[..., None]).sum(1) @ self.weight)[:, :, None, None]
        if condition.classes is not None:
            words = words + condition.classes.clamp(min=0).sum(1)[:, None, None, None]
        if condition.maps is not None:
            words = words + condition.maps.mean(1, keepdim=True)
        far = (condition.text[..., 0] > 20).any(1)[:, None, None, None]
        return torch.where(far, torch.inf, torch.tanh(words) - x / 2)


class Decoder(nn.Module):
    """Makes each cell of the latent a block of 4 pixels."""

    config = SimpleNamespace(kind="kl", factor=4)

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def decode(self, latent):
        return self.gain * latent.repeat_interleave(4, 2).repeat_interleave(4, 3)


def painter(**more):
    shape = more.pop("shape", {})
    return Painter(Network(**shape), Decoder(), Words(), fingerprint="stand-in", **more)
