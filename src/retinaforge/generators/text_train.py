"""The offline default: a small text encoder learnt on the captions themselves, from nothing.

Its folder is a plain transformers one (BertModel with tokeniser): AutoModel and AutoTokenizer load
it without this package.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_bytes, write_json, write_with
from retinaforge.core.rng import rng_for, seed_for
from retinaforge.generators.text_bpe import MASK, SPECIAL, save_tokeniser, train_tokeniser
from retinaforge.generators.text_loss import Learner, contrast, hide_tokens
from retinaforge.generators.text_tokens import Tokens, tokenise

STATE, REPORT = "training_state.pt", "training.json"
OnProgress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TextTraining:
    """How the small encoder is built and taught.

    Attributes:
        vocabulary, width, layers, heads, inner, positions: of tokeniser and BertModel.
        batch: records a step; each gives two texts.
        rate: the highest learning rate, after a tenth of the steps, then falling by a cosine.
        contrast: weight of the contrastive loss beside the masked one.
        facts: weight of telling what a caption says, where that is known.
        save_every: steps between two states on disk.
    """

    vocabulary: int = 2000
    width: int = 256
    layers: int = 4
    heads: int = 4
    inner: int = 512
    positions: int = 256
    batch: int = 24
    rate: float = 1e-3
    contrast: float = 0.5
    facts: float = 1.0
    save_every: int = 50


def train_text_encoder(
    texts: Sequence[Sequence[str]],
    folder: Path,
    *,
    steps: int = 400,
    seed: int = 0,
    training: TextTraining | None = None,
    licence: str = "",
    fact_sizes: tuple[int, ...] = (),
    said: Sequence[Sequence[Sequence[int]]] = (),
    on_progress: OnProgress | None = None,
) -> Path:
    """Train the small encoder on captions; the same call goes on where it stopped.

    Args:
        texts: of each record its captions, one or more; with one, that one is its own paraphrase
            under another mask.
        folder: gets the transformers folder and training.json.
        steps: of the optimiser. 400 take about six minutes of one core.
        seed: of weights, batches and masks; a batch is a function of seed and step alone.
        training: sizes and rates.
        licence: of the captions, for the card.
        fact_sizes: words of each fact that captions may tell; none: the encoder is not taught to
            keep them.
        said: of each record and caption the words that it leaves open, a bit each, a fact after
            the other; 0 where it is silent.
        on_progress: called after each step with its number (from 1) and its losses.

    Returns:
        The folder.

    Raises:
        Refusal: for fewer than two records, an empty text, facts that do not fit the texts, or a
            folder begun with other texts.
    """
    plan = training or TextTraining()
    _check(texts)
    _check_facts(texts, fact_sizes, said)
    asked = {"texts": _hash(texts), "steps": steps, "seed": seed, **asdict(plan)}
    if fact_sizes:
        asked |= {"fact_sizes": list(fact_sizes), "said": _hash(said)}
    if _finished(folder, asked):
        return folder
    tokenizer = train_tokeniser(
        (text for row in texts for text in row),
        vocabulary=plan.vocabulary,
        positions=plan.positions,
    )
    learner = _build(plan, len(tokenizer), seed, tuple(fact_sizes))
    run = _Run(learner, tokenizer, texts, said, plan, steps, seed)
    scores = run.go(folder, asked, on_progress)
    folder.mkdir(parents=True, exist_ok=True)
    save_tokeniser(tokenizer, folder)
    _save_network(learner.trunk, folder)
    write_json(folder / REPORT, {**asked, "licence": licence, "last": scores})
    (folder / STATE).unlink(missing_ok=True)
    return folder


class _Run:
    def __init__(
        self,
        learner: Learner,
        tokenizer: Any,
        texts: Sequence[Sequence[str]],
        said: Sequence[Sequence[Sequence[int]]],
        plan: TextTraining,
        steps: int,
        seed: int,
    ) -> None:
        self.learner, self.tokenizer, self.texts = learner.train(), tokenizer, texts
        self.said = said
        self.half = _bfloat16_is_fast()
        self.plan, self.steps, self.seed = plan, steps, seed
        self.optimiser = torch.optim.AdamW(
            learner.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01
        )

    def go(
        self, folder: Path, said: dict[str, Any], on_progress: OnProgress | None
    ) -> dict[str, float]:
        done, scores = self._resume(folder, said)
        for step in range(done, self.steps):
            scores = self._step(step)
            if on_progress:
                on_progress(step + 1, scores)
            if (step + 1) % self.plan.save_every == 0 and step + 1 < self.steps:
                self._save(folder, said, step + 1, scores)
        return scores

    def _step(self, step: int) -> dict[str, float]:
        tokens, said = self._batch(step)
        rng = torch.Generator().manual_seed(seed_for(self.seed, "mask", step))
        hidden, labels = hide_tokens(
            tokens.ids,
            tokens.mask & (tokens.ids >= len(SPECIAL)),
            mask_id=self.tokenizer.convert_tokens_to_ids(MASK),
            first_word=len(SPECIAL),
            words=len(self.tokenizer),
            rng=rng,
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            last, means = self.learner(hidden, tokens.mask)
        last, means = last.float(), means.float()
        masked = self.learner.masked_loss(last, labels)
        first, second = means.chunk(2)
        pull, found = contrast(first, second)
        told, right = self.learner.fact_loss(means, said)
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate * _warm(step, self.steps)
        self.optimiser.zero_grad()
        (masked + self.plan.contrast * pull + self.plan.facts * told).backward()
        torch.nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
        self.optimiser.step()
        scores = {"masked": masked.item(), "contrast": pull.item(), "found": found.item()}
        # A batch that says nothing known has no share of facts told rightly.
        known = bool(self.said) and bool(right.isfinite())
        return scores | ({"facts": told.item(), "facts_right": right.item()} if known else {})

    def _batch(self, step: int) -> tuple[Tokens, Tensor]:
        """Return two captions of each of some records, and what they say."""
        rng = rng_for(self.seed, "batch", step)
        size = min(self.plan.batch, len(self.texts))
        rows = rng.choice(len(self.texts), size, replace=False)
        drawn: list[tuple[int, int]] = []
        for row in rows:
            captions = len(self.texts[row])
            one, other = rng.choice(captions, 2, replace=captions < 2)
            drawn += [(int(row), int(one)), (int(row), int(other))]
        drawn = drawn[::2] + drawn[1::2]
        tokens = tokenise(
            self.tokenizer, [self.texts[row][i] for row, i in drawn], self.plan.positions
        )
        said = [self.said[row][i] if self.said else () for row, i in drawn]
        return tokens, torch.tensor(said, dtype=torch.long)

    def _save(
        self, folder: Path, said: dict[str, Any], step: int, scores: dict[str, float]
    ) -> None:
        content = {
            "said": json.dumps(said),
            "step": step,
            "scores": scores,
            "learner": self.learner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        write_with(folder / STATE, lambda stream: torch.save(content, stream))

    def _resume(self, folder: Path, said: dict[str, Any]) -> tuple[int, dict[str, float]]:
        path = folder / STATE
        if not path.is_file():
            return 0, {}
        content = torch.load(path, weights_only=True)
        _refuse_another(folder, json.loads(content["said"]), said)
        self.learner.load_state_dict(content["learner"])
        self.optimiser.load_state_dict(content["optimiser"])
        return content["step"], content["scores"]


def _build(plan: TextTraining, words: int, seed: int, fact_sizes: tuple[int, ...]) -> Learner:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=words,
        hidden_size=plan.width,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads,
        intermediate_size=plan.inner,
        max_position_embeddings=plan.positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
        type_vocab_size=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed_for(seed, "weights"))
        return Learner(BertModel(config), fact_sizes=fact_sizes)


def _save_network(network: Any, folder: Path) -> None:
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_bytes(folder / "model.safetensors", save(state, metadata={"format": "pt"}))
    network.config.architectures = ["BertModel"]
    network.config.save_pretrained(folder)


def _bfloat16_is_fast() -> bool:
    """Return whether the processor multiplies bfloat16 itself: then a step takes half the time."""
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked and asked())


def _warm(step: int, steps: int) -> float:
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    share = torch.tensor((step - warm) / max(1, steps - warm))
    return float(0.5 * (1 + torch.cos(torch.pi * share)))


def _check(texts: Sequence[Sequence[str]]) -> None:
    if len(texts) < 2:
        raise Refusal("captions of at least two records", str(len(texts)), "write more captions")
    for i, row in enumerate(texts):
        if isinstance(row, str) or not row or not all(text.strip() for text in row):
            raise Refusal(
                "a list of captions for each record, none empty",
                f"{row!r:.60} at place {i}",
                "leave that record out",
            )


def _check_facts(
    texts: Sequence[Sequence[str]],
    sizes: Sequence[int],
    said: Sequence[Sequence[Sequence[int]]],
) -> None:
    captions = [len(row) for row in texts] if sizes else []
    if [len(row) for row in said] != captions:
        raise Refusal(
            "what is said for each caption, and how many words each fact has",
            f"{len(said)} records of {len(texts)}, {len(sizes)} facts",
            "give fact_sizes and said together, one row a caption",
        )
    for row in (each for rows in said for each in rows):
        if len(row) != len(sizes) or any(w >= 1 << n for w, n in zip(row, sizes, strict=True)):
            raise Refusal(
                f"the open words of {len(sizes)} facts a caption, of {tuple(sizes)} words each",
                f"{tuple(row)}",
                "set a bit for each word that the caption leaves open, 0 where it is silent",
            )


def _hash(texts: Sequence[Sequence[Any]]) -> str:
    plain = json.dumps([list(row) for row in texts], ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()


def _finished(folder: Path, said: dict[str, Any]) -> bool:
    path = folder / REPORT
    if not path.is_file():
        return False
    stored = json.loads(path.read_text())
    _refuse_another(folder, {name: stored.get(name) for name in said}, said)
    return True


def _refuse_another(folder: Path, stored: dict[str, Any], asked: dict[str, Any]) -> None:
    differ = [name for name in asked if stored.get(name) != asked[name]]
    if differ:
        raise Refusal(
            f"the {differ[0]} that {folder} was begun with",
            "another"
            if differ[0] == "texts"
            else f"{asked[differ[0]]!r}, not {stored.get(differ[0])!r}",
            "name another folder, or delete this one",
        )
