"""The vision transformer of our own fundus encoders: it looks only where the camera did.

Patches that are black, outside the field of view, are no keys of the attention and do not count
in the mean token, since pretraining never shows them. Age, sex and eye may be given as further
tokens behind the patches. Without them the keys are exactly those of `VisionTransformer`.

References:
    Lee et al., "PRETI: Patient-aware retinal foundation model via metadata-guided representation
    learning", MICCAI 2025, arXiv 2505.12233; read in MICV-yonsei/PRETI, models/PRETI_model.py,
    commit 1497be6fef8684b11e4207d5d4657f46d6ccf0d7. There two learnt tokens are the places from
    which age and sex are predicted; here the tokens tell age, sex and eye, or that nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, scaled_dot_product_attention

from retinaforge.nets.tokens import TokenOutput
from retinaforge.nets.vit import LAST_CLASSES, Block, VisionTransformer, VitShape

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLACK = 12 / 255  # a patch whose brightest channel stays below shows no retina
AGE_KNOTS = tuple(float(years) for years in range(0, 101, 10))
KNOTS: dict[str, tuple[float, ...]] = {"age": AGE_KNOTS, "sex": (0.0, 1.0), "eye": (0.0, 1.0)}
"""Where each kind of metadata has a learnt vector; between two of them it is interpolated."""


class MetadataTokens(nn.Module):
    """One token for each kind of metadata, by linear interpolation between learnt vectors.

    The last row of every table is the null token, for what is unknown or was dropped.
    """

    def __init__(self, kinds: Sequence[str], width: int) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        for kind in self.kinds:
            self.register_parameter(kind, nn.Parameter(torch.zeros(len(KNOTS[kind]) + 1, width)))

    def forward(self, values: Float[Tensor, "batch kinds"]) -> Float[Tensor, "batch kinds width"]:
        """Return the tokens.

        Args:
            values: age in years, sex (0 female, 1 male), eye (0 right, 1 left) in the order of
                `kinds`; NaN where unknown.
        """
        columns = enumerate(self.kinds)
        tokens = [_shares(values[:, i], KNOTS[k]) @ self.get_parameter(k) for i, k in columns]
        return torch.stack(tokens, dim=1)


def _shares(values: Tensor, knots: tuple[float, ...]) -> Tensor:
    """Return each knot's share of a value, and 1 in the last column where it is NaN."""
    at = torch.tensor(knots, device=values.device)
    unknown = values.isnan()[:, None]
    inside = values.nan_to_num(0.0).clamp(knots[0], knots[-1])[:, None]
    hats = (1 - (inside - at).abs() / (at[1] - at[0])).clamp(min=0)
    return torch.cat([hats * ~unknown, unknown.float()], dim=1)


class FundusVit(VisionTransformer):
    """A `VisionTransformer` that leaves black patches out, with metadata tokens if wanted."""

    def __init__(self, shape: VitShape, metadata: Sequence[str] = ()) -> None:
        super().__init__(shape)
        self.metadata = MetadataTokens(metadata, shape.width) if metadata else None
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def metadata_tokens(self, batch: int, values: Tensor | None) -> list[Tensor]:
        """Return the metadata tokens in a list, null where nothing is said; none without any."""
        if self.metadata is None:
            return []
        if values is None:
            shape = (batch, len(self.metadata.kinds))
            values = torch.full(shape, torch.nan, device=self.pos_embed.device)
        return [self.metadata(values)]

    def find_field(self, images: Float[Tensor, "batch 3 _ _"]) -> Bool[Tensor, "batch patches"]:
        """Return which patches show something; all of them in an image that is all black."""
        with torch.no_grad():
            brightest = (images * self.std + self.mean).amax(1, keepdim=True)
            seen = max_pool2d(brightest, self.shape.patch_px).flatten(1) > BLACK
            return seen | ~seen.any(1, keepdim=True)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        blocks: Sequence[int] = (),
        inside: Float[Tensor, "batch tokens"] | None = None,
        metadata: Float[Tensor, "batch kinds"] | None = None,
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1, class token and embedding.

        The embedding is what `shape.pooling` says; a mean is over patches that show something.

        Args:
            images: normalised by ImageNet's mean and deviation; sides multiples of the patch.
            blocks: after which blocks to keep the tokens, 1 to depth.
            inside: share of field of view in each patch, which weighs the mean; None weighs all
                patches that show something alike.
            metadata: as `MetadataTokens.forward` has it; None for unknown.
        """
        field = self.find_field(images)
        x = self._tokens(images)
        x = torch.cat([x, *self.metadata_tokens(len(x), metadata)], dim=1)
        first, last = 1 + self.shape.registers, 1 + self.shape.registers + field.shape[1]
        keys = _keys(field, first, x.shape[1])
        kept: list[Tensor] = []
        classes: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            x = _through(block, x, keys)
            if number in blocks:
                kept.append(x[:, first:last])
            classes = [*classes, x[:, 0]][-LAST_CLASSES:]
        norm = self.get_submodule(self.shape.final_norm)
        weights = field.to(x.dtype) if inside is None else inside
        embedding = self._embedding(x[:, first:last], classes, norm, weights)
        return TokenOutput(kept, norm(x[:, 0]), embedding)


def _keys(field: Bool[Tensor, "batch patches"], first: int, tokens: int) -> Tensor | None:
    """Return which tokens may be looked at, (batch, 1, 1, tokens); None for all of them."""
    if bool(field.all()):
        return None
    keys = torch.ones(len(field), tokens, dtype=torch.bool, device=field.device)
    keys[:, first : first + field.shape[1]] = field
    return keys[:, None, None]


def _through(block: Block, x: Tensor, keys: Tensor | None) -> Tensor:
    """Run a block whose attention sees only `keys`."""
    if keys is None:
        return block(x)
    attn = block.attn
    batch, tokens, width = x.shape
    qkv = attn.qkv(block.norm1(x)).reshape(batch, tokens, 3, attn.heads, width // attn.heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    mixed = scaled_dot_product_attention(q, k, v, attn_mask=keys).transpose(1, 2)
    x = x + block.ls1(attn.proj(mixed.reshape(batch, tokens, width)))
    return x + block.ls2(block.mlp(block.norm2(x)))
