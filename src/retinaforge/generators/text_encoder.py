"""Words to hidden states, by any encoder or decoder of transformers.

Lumina-Next reads the second last hidden state of Gemma-2B, at most 256 tokens
(Zhuo et al. 2024, arXiv 2406.18583, section 2; diffusers 0.42, `LuminaPipeline.encode_prompt`).
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from retinaforge.core import Refusal, in_one_line
from retinaforge.core.quiet import without_bars
from retinaforge.generators.text_source import TextSource, find_text_source
from retinaforge.generators.text_tokens import longest, tokenise
from retinaforge.generators.text_unknown import Unknown, unknown_of

Precision = Literal["float32", "bfloat16", "float16"]
MAX_TOKENS = 256
TEXTS_AT_ONCE = 32
NEEDS = "pip install 'retinaforge[generate]'"


@dataclass(frozen=True)
class EncodedText:
    """What a network is told.

    Attributes:
        hidden: hidden states, shape (batch, tokens, width); 0 at padding.
        mask: True where a token is one of the text, shape (batch, tokens).
        token_counts: tokens of each whole text, before any cut.
        truncated: which texts were cut.
    """

    hidden: Float[Tensor, "batch tokens width"]
    mask: Bool[Tensor, "batch tokens"]
    token_counts: tuple[int, ...]
    truncated: tuple[bool, ...]

    def means(self) -> Float[Tensor, "batch width"]:
        """Return the mean of each text's hidden states."""
        return self.hidden.sum(1) / self.mask.sum(1, keepdim=True)


class TextEncoder:
    """A frozen text encoder with its tokeniser.

    Args:
        network: a transformers model without a head.
        tokenizer: its tokeniser.
        source: where both came from.
        hidden_index: which of `hidden_states` is given out; -1 is the last.
        max_tokens: most tokens of a text, its frame included.
        prefix: put before every text but the empty one (a system prompt, as Lumina-Image 2.0's).
        lower_case: lower the case and strip, as LuminaPipeline does to prompts.
    """

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Any,
        source: TextSource,
        *,
        hidden_index: int = -2,
        max_tokens: int = MAX_TOKENS,
        prefix: str = "",
        lower_case: bool = False,
    ) -> None:
        self.network = network.requires_grad_(False).eval()
        self.tokenizer, self.source = tokenizer, source
        self.hidden_index, self.prefix, self.lower_case = hidden_index, prefix, lower_case
        self.max_tokens = longest(tokenizer, network.config, max_tokens)
        self.width = _width(network.config)
        self._refuse_index()

    def _refuse_index(self) -> None:
        layers = getattr(self.network.config, "num_hidden_layers", None)
        states = None if layers is None else layers + 1
        if states is not None and not -states <= self.hidden_index < states:
            raise Refusal(
                f"a hidden_index from {-states} to {states - 1}",
                f"{self.hidden_index} for {self.source.named}",
                "-2 is the second last layer's output, -1 the last's",
            )

    @property
    def device(self) -> torch.device:
        """Return where the network lies."""
        return next(self.network.parameters()).device

    def to(self, device: torch.device | str) -> TextEncoder:
        """Move the network."""
        self.network.to(device)
        return self

    def settings(self) -> dict[str, Any]:
        """Return what `load_text_encoder` takes beside the folder."""
        return {
            "hidden_index": self.hidden_index,
            "max_tokens": self.max_tokens,
            "prefix": self.prefix,
            "lower_case": self.lower_case,
            "precision": str(next(self.network.parameters()).dtype).removeprefix("torch."),
        }

    @property
    def fingerprint(self) -> str:
        """Return a hash of all that an embedding depends on but its text."""
        said = json.dumps({"files": self.source.sha256, **self.settings()}, sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def prepare(self, text: str) -> str:
        """Return a text as the tokeniser gets it."""
        text = text.lower().strip() if self.lower_case else text
        return self.prefix + text if text.strip() else text

    def count(self, texts: Sequence[str]) -> tuple[int, ...]:
        """Return how many tokens each whole text has, without encoding it."""
        return tokenise(self.tokenizer, [self.prepare(t) for t in texts], self.max_tokens).counts

    def unknown(self, texts: Sequence[str]) -> list[Unknown]:
        """Return what of each text the tokeniser has no tokens for, a prefix left aside."""
        return unknown_of(self.tokenizer, [t.lower() if self.lower_case else t for t in texts])

    @torch.no_grad()
    def encode(self, texts: Sequence[str], *, batch_size: int = TEXTS_AT_ONCE) -> EncodedText:
        """Return the hidden states of texts; a text's do not depend on the others beside it.

        Args:
            texts: at least one; "" is the null condition.
            batch_size: texts that go through the network at once.

        Raises:
            Refusal: for no text, or one string in place of a list.
        """
        if isinstance(texts, str) or not texts:
            raise Refusal("a list of texts", repr(texts)[:60], "put a single text into a list")
        tokens = tokenise(self.tokenizer, [self.prepare(text) for text in texts], self.max_tokens)
        ids, mask = tokens.ids.to(self.device), tokens.mask.to(self.device)
        parts = [
            self._hidden(ids[i : i + batch_size], mask[i : i + batch_size])
            for i in range(0, len(ids), batch_size)
        ]
        hidden = torch.cat(parts) * mask[..., None]
        return EncodedText(hidden, mask, tokens.counts, tokens.truncated)

    def _hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        said = self.network(
            input_ids=ids, attention_mask=mask.long(), output_hidden_states=True, **self._quiet()
        )
        return torch.where(mask[..., None], said.hidden_states[self.hidden_index], 0.0)

    def _quiet(self) -> dict[str, bool]:
        known = "use_cache" in inspect.signature(self.network.forward).parameters
        return {"use_cache": False} if known else {}


def load_text_encoder(
    spec: str | Path,
    *,
    hidden_index: int = -2,
    max_tokens: int = MAX_TOKENS,
    precision: Precision = "float32",
    prefix: str = "",
    lower_case: bool = False,
) -> TextEncoder:
    """Load any encoder or decoder of transformers: Gemma, T5, CLIP, BERT, Qwen, ...

    Args:
        spec: a transformers folder, a pipeline's folder, or OWNER/NAME on the hub.
        hidden_index: which hidden state is given out.
        max_tokens: most tokens of a text; fewer where the network cannot take as many (CLIP 77).
        precision: of weights and hidden states.
        prefix, lower_case: as in TextEncoder.

    Raises:
        Refusal: if the package, the folder or a fitting class is missing.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise Refusal("the transformers library", "a Python without it", NEEDS) from error
    source = find_text_source(spec)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.tokenizer, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise Refusal(
            f"a tokeniser in {source.tokenizer}",
            in_one_line(error),
            "copy tokenizer.json and tokenizer_config.json beside the weights",
        ) from error
    network = _load_network(source, getattr(torch, precision))
    return TextEncoder(
        network,
        tokenizer,
        source,
        hidden_index=hidden_index,
        max_tokens=max_tokens,
        prefix=prefix,
        lower_case=lower_case,
    )


def _load_network(source: TextSource, dtype: torch.dtype) -> nn.Module:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(source.folder, local_files_only=True)
        chosen = _class_for(transformers, config)
        with without_bars(transformers):
            return chosen.from_pretrained(source.folder, local_files_only=True).to(dtype)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise Refusal(
            "weights and config of a transformers text model",
            f"{source.folder} ({in_one_line(error)})",
            "name a folder of an encoder or decoder that reads words",
        ) from error


def _class_for(transformers: Any, config: Any) -> Any:
    kind = config.model_type
    if kind.startswith("clip"):
        return transformers.CLIPTextModel
    if kind in ("t5", "mt5", "umt5", "longt5"):
        names = {"t5": "T5", "mt5": "MT5", "umt5": "UMT5", "longt5": "LongT5"}
        return getattr(transformers, f"{names[kind]}EncoderModel")
    return transformers.AutoModel


def _width(config: Any) -> int:
    inner = config.get_text_config() if hasattr(config, "get_text_config") else config
    return inner.hidden_size
