"""Lumina-Next's transformer (diffusers' class) as a velocity network.

The weights stay in diffusers' own module, `inner`, under its own names; what published folders do
not have (classes, maps) stands beside it and does nothing until it has learnt something.

References:
    Zhuo et al., "Lumina-Next", NeurIPS 2024, arXiv 2406.18583, section 2 (Next-DiT), 2.3
    (time-aware scaled RoPE). Weights' start: Alpha-VLLM/Lumina-T2X,
    lumina_next_t2i/models/model.py at 9b632c02 (zeros where adaLN, caption and last layer begin).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from retinaforge.core import Refusal
from retinaforge.generators.condition import NONE, Condition
from retinaforge.generators.dit import to_tokens
from retinaforge.generators.lumina_attention import LuminaAttention, start_weights
from retinaforge.generators.lumina_rope import Rope
from retinaforge.generators.network import NetworkShape

Extrapolate = Literal["beyond", "always", "never"]
NEEDS = "pip install 'retinaforge[generate]'"


class Lumina(nn.Module):
    """diffusers' LuminaNextDiT2DModel with our contract.

    Args:
        shape: latent, text, classes and maps.
        side: of the square latent that it is taught on, in latent places (diffusers' sample_size).
        width, depth, heads, kv_heads: of the transformer; queries share keys where kv_heads is
            less than heads.
        multiple_of: the MLP's width is rounded up to one.
        recompute: give memory for time: activations are computed again on the way back.
        extrapolate: scale positions and attention on larger latents than the taught one, outside
            training ("beyond", as Lumina's sample.py), on every other size ("always", as diffusers'
            pipeline), or "never" (for a network taught on several sizes).
        watershed: time before which positions are squeezed; after it their base is stretched.
        inner: a LuminaNextDiT2DModel to use in place of a new one; sizes are then its own.
    """

    def __init__(
        self,
        shape: NetworkShape,
        *,
        side: int,
        width: int = 2304,
        depth: int = 24,
        heads: int = 32,
        kv_heads: int | None = 8,
        multiple_of: int = 256,
        recompute: bool = False,
        extrapolate: Extrapolate = "beyond",
        watershed: float = 1.0,
        inner: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.recompute, self.extrapolate = shape, recompute, extrapolate
        if inner is None:
            inner = _build(shape, side, width, depth, heads, kv_heads, multiple_of)
            start_weights(inner)
        self.inner = inner
        inner.pad_token.requires_grad_(False)  # only ragged batches, which we never make, use it
        config = inner.config
        self.side, self.width, self.depth = side, config.hidden_size, config.num_layers
        self.rope = Rope(inner.head_dim, watershed)
        for layer in inner.layers:
            layer.attn1.set_processor(LuminaAttention())
            layer.attn2.set_processor(LuminaAttention())
        # The last row of each table is "not given".
        tables = [nn.Embedding(size + 1, shape.text_width) for size in shape.class_sizes]
        self.classes = nn.ModuleList(tables)
        self.maps_in = None
        if shape.map_channels:
            cells = shape.map_channels * shape.patch**2
            self.maps_in = nn.Linear(cells, self.width, bias=False)
            nn.init.zeros_(self.maps_in.weight)

    def forward(
        self,
        x: Float[Tensor, "batch channels rows columns"],
        time: Float[Tensor, " batch"],
        condition: Condition,
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Return the velocity at x_t; see `VelocityNetwork`.

        Raises:
            Refusal: where a side of the latent is no multiple of the patch, or maps are missing.
        """
        rows, columns = self._grid(x)
        given, x = x.dtype, x.to(self.inner.patch_embedder.proj.weight.dtype)
        tokens = self._embed(x, condition)
        text, mask = self._words(condition, x.dtype)
        vector = self.inner.time_caption_embed(time, text, mask)
        factor = self._factor(rows, columns)
        rotary = self.rope(rows, columns, factor, time)
        extra = {"base_sequence_length": self._base_length(factor)}
        for layer in self.inner.layers:
            said = (tokens, None, rotary, text, mask, vector, extra)
            if self.recompute and self.training:
                tokens = checkpoint(layer, *said, use_reentrant=False)
            else:
                tokens = layer(*said)
        return self._unpatch(self.inner.norm_out(tokens, vector), rows, columns).to(given)

    def as_dict(self) -> dict[str, Any]:
        """Return what `Lumina(**...)` is built from, as plain data."""
        config = self.inner.config
        return {
            "class": "Lumina", "shape": self.shape.as_dict(), "side": self.side,
            "width": self.width, "depth": self.depth, "heads": config.num_attention_heads,
            "kv_heads": config.num_kv_heads, "multiple_of": config.multiple_of,
            "extrapolate": self.extrapolate, "watershed": self.rope.watershed,
        }  # fmt: skip

    def _grid(self, x: Tensor) -> tuple[int, int]:
        patch = self.shape.patch
        if x.shape[2] % patch or x.shape[3] % patch:
            raise Refusal(
                f"a latent whose sides are multiples of {patch}",
                f"{x.shape[2]} x {x.shape[3]}",
                "choose another image side",
            )
        return x.shape[2] // patch, x.shape[3] // patch

    def _embed(self, x: Tensor, condition: Condition) -> Tensor:
        tokens = self.inner.patch_embedder.proj(to_tokens(x, self.shape.patch))
        if self.maps_in is None:
            return tokens
        if condition.maps is None:
            raise Refusal(
                f"{self.shape.map_channels} map channels beside the latent",
                "a condition without maps",
                "give the masks that this generator was taught with",
            )
        return tokens + self.maps_in(to_tokens(condition.maps.to(x.dtype), self.shape.patch))

    def _words(self, condition: Condition, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        text, mask = condition.text.to(dtype), condition.text_mask
        if not self.shape.class_sizes:
            return text, mask
        given = condition.classes
        if given is None:
            given = torch.full((len(text), len(self.classes)), NONE, device=text.device)
        tokens = []
        for kind, table in enumerate(self.classes):
            size = self.shape.class_sizes[kind]
            rows = torch.where(given[:, kind] == NONE, size, given[:, kind])
            tokens.append(table(rows))
        extra = torch.stack(tokens, 1).to(dtype)
        known = mask.new_ones(extra.shape[:2])
        return torch.cat([text, extra], 1), torch.cat([mask, known], 1)

    def _factor(self, rows: int, columns: int) -> float:
        taught = self.side // self.shape.patch
        factor = (rows * columns) ** 0.5 / taught
        beyond = self.extrapolate == "beyond" and factor > 1 and not self.training
        return factor if beyond or self.extrapolate == "always" else 1.0

    def _base_length(self, factor: float) -> int | None:
        taught = (self.side // self.shape.patch) ** 2
        return taught if factor != 1.0 and taught > 1 else None

    def _unpatch(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        patch, channels = self.shape.patch, self.inner.out_channels
        grid = tokens.unflatten(2, (patch, patch, channels)).unflatten(1, (rows, columns))
        latent = grid.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
        # Behind the velocity stand as many channels for a sigma that the flow does not use.
        return latent[:, : self.shape.latent_channels]


def _build(
    shape: NetworkShape,
    side: int,
    width: int,
    depth: int,
    heads: int,
    kv_heads: int | None,
    multiple_of: int,
) -> nn.Module:
    if width % (4 * heads):
        raise Refusal(
            "a width that four times the number of heads divides",
            f"width {width}, {heads} heads",
            "choose 48 or 64 channels a head",
        )
    try:
        from diffusers import LuminaNextDiT2DModel
    except ImportError as error:
        raise Refusal("the diffusers library", "a Python without it", NEEDS) from error
    return LuminaNextDiT2DModel(
        sample_size=side,
        patch_size=shape.patch,
        in_channels=shape.latent_channels,
        hidden_size=width,
        num_layers=depth,
        num_attention_heads=heads,
        num_kv_heads=kv_heads,
        multiple_of=multiple_of,
        cross_attention_dim=shape.text_width,
    )
