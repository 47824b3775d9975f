"""Reads facts off a vector by one linear layer: what an encoder must keep to be obeyed.

A fact has a few words ("none", "few", "numerous"); what is known leaves some of them open, as a bit
each ("present" leaves all but "none"). The loss is the negative logarithm of the share that the
open words get, which with a single open word is the cross entropy.

References:
    Jin, Ghahramani, NIPS 2002, "Learning with multiple labels" (any of several labels is right).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class WordReader(nn.Module):
    """A linear reading of facts.

    Args:
        width: length of the vectors.
        sizes: number of words of each fact.
    """

    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.read = nn.Linear(width, sum(self.sizes))
        # It begins with all words alike, and needs no random numbers.
        nn.init.zeros_(self.read.weight)
        nn.init.zeros_(self.read.bias)
        longest = max(self.sizes)
        of_fact = torch.arange(longest) < torch.tensor(self.sizes)[:, None]
        self.register_buffer("is_word", of_fact, persistent=False)

    def forward(self, vectors: Float[Tensor, "n width"]) -> Float[Tensor, "n facts words"]:
        """Return a logit a word; minus infinity where a fact has fewer words."""
        is_word = self.get_buffer("is_word")
        flat = self.read(vectors).float()
        logits = flat.new_full((len(flat), *is_word.shape), float("-inf"))
        logits[:, is_word] = flat
        return logits

    def loss(
        self, vectors: Float[Tensor, "n width"], open_words: Int[Tensor, "n facts"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the mean loss over what is known, and the share told rightly.

        Args:
            vectors: of images or texts.
            open_words: a bit for each word that may be right; 0 where nothing is known.

        Returns:
            Loss in nats, and the share of facts whose likeliest word is open; 0 and NaN where
            nothing is known. A fact all of whose words are open counts as not known.
        """
        logits = self(vectors)
        bits = torch.arange(logits.shape[2], device=logits.device)
        is_open: Bool[Tensor, "n facts words"] = ((open_words[..., None] >> bits) & 1).bool()
        is_open = is_open & self.get_buffer("is_word")
        known = is_open.any(2) & (is_open != self.get_buffer("is_word")).any(2)
        if not bool(known.any()):
            return vectors.sum() * 0, vectors.new_tensor(float("nan"))
        logits, is_open = logits[known], is_open[known]
        kept = logits.masked_fill(~is_open, float("-inf"))
        losses = logits.logsumexp(1) - kept.logsumexp(1)
        right = is_open.gather(1, logits.argmax(1, keepdim=True))[:, 0]
        return losses.mean(), right.float().mean()
