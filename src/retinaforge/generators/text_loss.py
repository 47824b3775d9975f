"""What the small text encoder learns from: hidden tokens, and two ways to say the same record.

Masked tokens (Devlin et al. 2019, arXiv 1810.04805, section 3.1: 15 %, of these 80 % masked, 10 %
another token, 10 % kept) teach which words go together. The contrastive loss (Oord et al. 2018,
arXiv 1807.03748, eq. 4, both ways; paraphrases as positives as in SimCSE, arXiv 2104.08821, eq. 5)
teaches what a paraphrase keeps: the facts. Where it is known what a caption says, a linear reading
of the mean of its tokens tells each fact: "no haemorrhages" and "haemorrhages" have nearly the same
words, and a generator that is given both alike can obey neither.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from retinaforge.nets.word_reader import WordReader

MASKED = 0.15
TEMPERATURE = 0.05
KEPT_OUT = -100


class Learner(nn.Module):
    """A transformers BertModel with the heads it is taught by; all are thrown away.

    Args:
        trunk: a BertModel.
        fact_sizes: words of each fact that is read off the mean; none: nothing is read.
        hidden_index: the hidden state whose mean the contrastive loss pulls at: the one that
            generators will read.
    """

    def __init__(
        self, trunk: nn.Module, hidden_index: int = -2, fact_sizes: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        config = trunk.config
        self.trunk, self.hidden_index = trunk, hidden_index
        self.words = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size),
            nn.GELU(),
            nn.LayerNorm(config.hidden_size),
        )
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.facts = WordReader(config.hidden_size, fact_sizes) if fact_sizes else None

    def forward(
        self, ids: Int[Tensor, "n tokens"], mask: Bool[Tensor, "n tokens"]
    ) -> tuple[Float[Tensor, "n tokens width"], Float[Tensor, "n width"]]:
        """Return the last hidden states and the mean of the chosen ones."""
        said = self.trunk(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True)
        weights = mask[..., None].to(said.hidden_states[0].dtype)
        chosen = (said.hidden_states[self.hidden_index] * weights).sum(1) / weights.sum(1)
        return said.hidden_states[-1], chosen

    def masked_loss(self, hidden: Tensor, labels: Tensor) -> Float[Tensor, ""]:
        """Return the cross-entropy of hidden tokens; the output words are the input ones."""
        asked = labels != KEPT_OUT
        table = self.trunk.embeddings.word_embeddings.weight
        return F.cross_entropy(self.words(hidden[asked]) @ table.T + self.bias, labels[asked])

    def fact_loss(
        self, means: Float[Tensor, "n width"], said: Int[Tensor, "n facts"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the loss of reading what is said off the means, and the share read rightly."""
        if self.facts is None:
            return means.sum() * 0, means.new_tensor(float("nan"))
        # Normalised as the generator's network normalises it, so that what is read here is
        # linear there.
        return self.facts.loss(F.layer_norm(means, means.shape[-1:]), said)


def hide_tokens(
    ids: Int[Tensor, "n tokens"],
    allowed: Bool[Tensor, "n tokens"],
    *,
    mask_id: int,
    first_word: int,
    words: int,
    rng: torch.Generator,
) -> tuple[Int[Tensor, "n tokens"], Int[Tensor, "n tokens"]]:
    """Return ids with some hidden, and labels: the true id there, KEPT_OUT elsewhere.

    Args:
        ids: tokens.
        allowed: True where one may be hidden (no frame, no padding).
        mask_id: of [MASK].
        first_word: smallest id that is no special token.
        words: size of the vocabulary.
        rng: draws which, and what stands there.
    """
    hidden = (torch.rand(ids.shape, generator=rng) < MASKED) & allowed
    how = torch.rand(ids.shape, generator=rng)
    other = torch.randint(first_word, words, ids.shape, generator=rng)
    shown = torch.where(hidden & (how < 0.8), torch.full_like(ids, mask_id), ids)
    shown = torch.where(hidden & (how >= 0.9), other, shown)
    return shown, torch.where(hidden, ids, torch.full_like(ids, KEPT_OUT))


def contrast(
    first: Float[Tensor, "n width"], second: Float[Tensor, "n width"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return InfoNCE of pairs against the batch, both ways, and the share found at once.

    The batch's mean is taken off first: an untrained encoder's vectors all lie in one direction,
    and the little in which they differ is what they say.
    """
    mean = torch.cat([first, second]).mean(0)
    cosines = F.normalize(first - mean, dim=1) @ F.normalize(second - mean, dim=1).T
    own = torch.arange(len(first))
    logits = cosines / TEMPERATURE
    loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    return loss, (cosines.argmax(1) == own).float().mean()
