"""A small pair of towers, one for eyes and one for words, that ends in one shared space.

The image tower is a short stack of convolutions, each halving the side, with a transformer layer
over what they leave: at 128 px, 8 x 8 places. Its vector is read from means over a 4 x 4 grid
(where the disc lies) and from the greatest value of each channel (a lesion anywhere). The words'
tower is `nets.clip_text`'s, seeing the whole text at once, its tokens averaged.

Both vectors are standardised over the batch, and by the running moments in use. Untrained towers
give nearly the same vector whatever they are shown; without this a small one learns for hundreds of
steps how often a text is true, and nothing of the image.

References:
    Radford et al., ICML 2021 (arXiv 2103.00020): two towers, one space, a learnt temperature.
    Ioffe, Szegedy, ICML 2015 (arXiv 1502.03167): standardising over the batch.
    Xiao et al., NeurIPS 2021 (arXiv 2106.14881): convolutions before a transformer let a small one
    learn from little.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from retinaforge.nets.clip import Activation, Layers
from retinaforge.nets.clip_text import ClipText, TextShape
from retinaforge.nets.positions import resize_positions
from retinaforge.nets.tokens import TokenNetwork, TokenOutput

TEMPERATURE = 0.07
GRID = 4
AT_ONCE = 64
MOST_SCALE = math.log(100.0)


@dataclass(frozen=True)
class TwinShape:
    """Sizes of both towers: in channels or tokens but where the name says pixels.

    Attributes:
        input_px: side of an image, a multiple of 2 ** len(channels).
        channels: of the convolutions' stages, each at half the side of the one before.
        width, depth, heads: of the layers over the last stage's places.
        projected: length of the shared vectors.
        vocabulary, context, end: known tokens, most tokens of a text, id of the token that ends it.
        text_width, text_depth, text_heads: of the words' tower.
    """

    vocabulary: int
    end: int
    input_px: int = 128
    channels: tuple[int, ...] = (16, 32, 64, 128)
    width: int = 128
    depth: int = 1
    heads: int = 4
    projected: int = 128
    context: int = 256
    text_width: int = 128
    text_depth: int = 2
    text_heads: int = 4

    @property
    def patch_px(self) -> int:
        """Return the side of a place in pixels."""
        return 2 ** len(self.channels)

    @property
    def words(self) -> TextShape:
        """Return the sizes of the words' tower."""
        return TextShape(
            width=self.text_width, depth=self.text_depth, heads=self.text_heads,
            hidden=4 * self.text_width, projected=self.projected, vocabulary=self.vocabulary,
            context=self.context, activation="gelu", causal=False, end=self.end,
        )  # fmt: skip


@dataclass(frozen=True)
class _LayerSizes:
    width: int
    heads: int
    hidden: int
    activation: Activation = "gelu"
    epsilon: float = 1e-5


class _Stage(nn.Module):
    """Halve the side, then look once more: two 3 x 3 convolutions, the second beside a shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outside)
        self.look = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.shrink(x)).relu()
        return (x + self.norm2(self.look(x))).relu()


def _standardised(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Return vectors of mean 0 and spread 1, in the precision of the moments under autocast too."""
    return norm(x.to(norm.get_buffer("running_mean").dtype))


class EyeTower(TokenNetwork):
    """The image half: convolutions, then layers over the places they leave."""

    def __init__(self, shape: TwinShape) -> None:
        super().__init__()
        self.shape, self.depth, self.patch_px = shape, shape.depth, shape.patch_px
        inside = (3, *shape.channels)
        self.stages = nn.Sequential(*(_Stage(a, b) for a, b in itertools.pairwise(inside)))
        self.enter = nn.Linear(shape.channels[-1], shape.width)
        grid = shape.input_px // shape.patch_px
        self.class_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, grid * grid + 1, shape.width))
        self.encoder = Layers(_LayerSizes(shape.width, shape.heads, 4 * shape.width), shape.depth)
        self.norm = nn.LayerNorm(shape.width)
        self.projection = nn.Linear((GRID * GRID + 2) * shape.width, shape.projected, bias=False)
        self.standardise = nn.BatchNorm1d(shape.projected, affine=False)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] = ()
    ) -> TokenOutput:
        """Return the places after the layers counted from 1, class token and its projection.

        Args:
            images: in [-1, 1]; height and width multiples of `patch_px`.
            blocks: after which layers to keep the tokens, 1 to depth.
        """
        maps = self.stages(images)
        rows, columns = maps.shape[-2:]
        tokens = self.enter(maps.flatten(2).transpose(1, 2))
        x = torch.cat([self.class_token.expand(len(images), 1, -1), tokens], dim=1)
        x = x + resize_positions(self.pos_embed, rows, columns)
        kept: list[Tensor] = []
        for number, layer in enumerate(self.encoder.layers, start=1):
            x = layer(x)
            if number in blocks:
                kept.append(x[:, 1:])
        x = self.norm(x)
        maps = x[:, 1:].transpose(1, 2).unflatten(2, (rows, columns))
        means, greatest = adaptive_avg_pool2d(maps, GRID).flatten(1), maps.amax((2, 3))
        read = self.projection(torch.cat([x[:, 0], means, greatest], dim=1))
        return TokenOutput(kept, x[:, 0], _standardised(self.standardise, read))


class WordTower(ClipText):
    """The words' half: CLIP's text tower, its tokens averaged, the vector standardised."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__(shape)
        self.standardise = nn.BatchNorm1d(shape.projected, affine=False)

    def forward(
        self, ids: Int[Tensor, "batch tokens"], real: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch projected"]:
        """Return one vector a text, not yet of length 1; what fills up is never averaged.

        Texts of like length run together, cut to the longest of them: half the work where a few
        are long.
        """
        lengths = real.sum(1)
        order = lengths.argsort(stable=True)
        means = [
            self._mean(ids[part, : int(lengths[part[-1]])], real[part, : int(lengths[part[-1]])])
            for part in order.split(AT_ONCE)
        ]
        read = self.text_projection(torch.cat(means)[order.argsort()])
        return _standardised(self.standardise, read)

    def _mean(self, ids: Tensor, real: Tensor) -> Tensor:
        x = self.text_model.embeddings(ids)
        for layer in self.text_model.encoder.layers:
            x = layer(x, real[:, None, None, :])
        x = self.text_model.final_layer_norm(x)
        counted = real[..., None].to(x.dtype)
        return (x * counted).sum(1) / counted.sum(1)


class TwinTowers(nn.Module):
    """Both halves and the temperature of training.

    `scale` is the logarithm of what cosines are multiplied by, at most `MOST_SCALE` (log 100).
    """

    def __init__(self, shape: TwinShape) -> None:
        super().__init__()
        self.shape = shape
        self.image, self.text = EyeTower(shape), WordTower(shape.words)
        self.scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        ids: Int[Tensor, "n tokens"],
        real: Bool[Tensor, "n tokens"],
    ) -> Float[Tensor, "batch n"]:
        """Return the cosine of each image with each text, times the scale.

        Args:
            images: in [-1, 1].
            ids: tokens of the texts, padded at the right.
            real: False where a token only fills up.
        """
        return self.logits(*self.vectors(images, ids, real))

    def vectors(
        self, images: Tensor, ids: Tensor, real: Tensor
    ) -> tuple[Float[Tensor, "batch projected"], Float[Tensor, "n projected"]]:
        """Return the vectors of images and texts, not yet of length 1."""
        return self.image(images).embedding, self.text(ids, real)

    def logits(
        self, seen: Float[Tensor, "batch projected"], said: Float[Tensor, "n projected"]
    ) -> Float[Tensor, "batch n"]:
        """Return the cosine of each image's vector with each text's, times the scale."""
        seen, said = nn.functional.normalize(seen, dim=1), nn.functional.normalize(said, dim=1)
        return self.scale.clamp(max=MOST_SCALE).exp() * seen @ said.T


def new_towers(shape: TwinShape, seed: int) -> TwinTowers:
    """Return untrained towers, the same for the same seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        towers = TwinTowers(shape)
        # PyTorch starts embeddings at a spread of 1, which drowns what attention adds to them.
        for module in towers.text.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.normal_(towers.image.class_token, std=0.02)
    return towers
