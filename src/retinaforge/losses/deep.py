"""Losses between features of a frozen network: LPIPS, its unweighted form, transformer tokens.

    d_l(p) = f_l(x)(p) / |f_l(x)(p)| - f_l(y)(p) / |f_l(y)(p)|        unit length over channels
    lpips      = sum_l  mean_p  w_l . d_l(p)^2        learned heads w_l
    perceptual = sum_l  mean_p  |d_l(p)|^2
    features   = mean_l mean_p  |d_l(p)|^2            patch tokens at several depths
    cosine     = 1 - <c(x), c(y)> / (|c(x)| |c(y)|)   class token

Before the network the reconstruction is composed with the target outside the field of view, so
nothing there can matter or receive a gradient; the mean over positions is weighted by how much of
each position's cell lies inside.

References:
    Zhang et al., "The unreasonable effectiveness of deep features", CVPR 2018, eq. 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity

from retinaforge.core import Card, Refusal
from retinaforge.encoders import Encoder, MapEncoder, TokenEncoder
from retinaforge.losses.contract import Images, Loss, LossArguments, LossEntry, Region
from retinaforge.losses.region import compose, mean_inside

EPS = 1e-10


def as_maps(features: Tensor) -> Float[Tensor, "batch channels h w"]:
    """Return features as maps; tokens become a square grid."""
    if features.ndim == 4:
        return features
    side = math.isqrt(features.shape[1])
    return features.transpose(1, 2).unflatten(2, (side, side))


class _Dots(torch.autograd.Function):
    """f.f and f.g over channels in float32, g constant.

    Autograd would pass over f seven times and keep float32 copies; this passes three times and
    keeps f and g as they are. Half of the perceptual loss's time was spent there.
    """

    @staticmethod
    def forward(ctx: Any, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(f, g)
        long = f.float()
        return (long * long).sum(1, keepdim=True), (long * g.float()).sum(1, keepdim=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        f, g = ctx.saved_tensors
        d_ff, d_fg = grads
        return (g * d_fg).addcmul_(f.float(), 2 * d_ff).to(f.dtype), None


def unit_distance(
    f: Float[Tensor, "batch channels h w"], g: Float[Tensor, "batch channels h w"]
) -> Float[Tensor, "batch 1 h w"]:
    """Return |f / |f| - g / |g||^2 at each position, without forming the unit vectors.

        = f.f / (f.f + eps) + g.g / (g.g + eps) - 2 f.g / sqrt((f.f + eps) (g.g + eps))

    eps under the root keeps the gradient finite where a ReLU left nothing; `g` is constant.
    """
    ff, fg = _Dots.apply(f, g)
    gg = g.float().square().sum(1, keepdim=True)
    a, b = ff + EPS, gg + EPS
    return ff / a + gg / b - 2 * fg * (a.rsqrt() * b.rsqrt())


def headed_distance(
    f: Float[Tensor, "batch channels h w"], g: Float[Tensor, "batch channels h w"], head: Tensor
) -> Float[Tensor, "batch 1 h w"]:
    """Return sum_c head_c (f_c / |f| - g_c / |g|)^2 at each position: LPIPS's layer."""
    units = [m * (m.square().sum(1, keepdim=True) + EPS).rsqrt() for m in (f.float(), g.float())]
    return ((units[0] - units[1]).square() * head).sum(1, keepdim=True)


def layer_distances(
    ours: Sequence[Tensor],
    theirs: Sequence[Tensor],
    fov: Region,
    *,
    heads: Sequence[Tensor] | None = None,
) -> list[Float[Tensor, ""]]:
    """Return each layer's squared distance of unit-length features, mean inside the FOV."""
    distances: list[Tensor] = []
    for layer, (first, second) in enumerate(zip(ours, theirs, strict=True)):
        f, g = as_maps(first), as_maps(second)
        each = unit_distance(f, g) if heads is None else headed_distance(f, g, heads[layer])
        distances.append(
            mean_inside(each, adaptive_avg_pool2d(fov, (each.shape[-2], each.shape[-1])))
        )
    return distances


def perceptual(
    reconstruction: Images,
    target: Images,
    fov: Region,
    *,
    encoder: Encoder,
    heads: Sequence[Tensor] | None = None,
) -> Float[Tensor, ""]:
    """Return the sum over layers; with LPIPS's heads it is LPIPS, without them it is not."""
    ours = encoder.features(compose(reconstruction, target, fov))
    with torch.no_grad():
        theirs = encoder.features(target)
    return torch.stack(layer_distances(ours, theirs, fov, heads=heads)).sum()


def features(
    reconstruction: Images,
    target: Images,
    fov: Region,
    *,
    encoder: Encoder,
    blocks: Sequence[int] | None = None,
    input_px: int | None = None,
) -> Float[Tensor, ""]:
    """Return the mean over blocks of the distance of patch tokens (or maps).

    Args:
        blocks: in the encoder's own numbering; None for its own choice (four depths of a ViT).
        input_px: side that images are resized to before the encoder; None for its own.
    """
    composed = compose(reconstruction, target, fov)
    ours = encoder.features(composed, blocks, input_px=input_px)
    with torch.no_grad():
        theirs = encoder.features(target, blocks, input_px=input_px)
    return torch.stack(layer_distances(ours, theirs, fov)).mean()


def class_cosine(
    reconstruction: Images,
    target: Images,
    fov: Region,
    *,
    encoder: Encoder,
    input_px: int | None = None,
) -> Float[Tensor, ""]:
    """Return 1 - cosine of the class tokens, mean over images that have a field of view."""
    composed = compose(reconstruction, target, fov)
    ours = encoder.class_token(composed, input_px=input_px).float()
    with torch.no_grad():
        theirs = encoder.class_token(target, input_px=input_px).float()
    distance = 1 - cosine_similarity(ours, theirs, dim=1)
    seen = (fov.sum((2, 3), keepdim=True) > 0).float()
    return mean_inside(distance[:, None, None, None], seen)


def _card(name: str, measures: str, reference: str, known_failure: str) -> Card:
    return Card(
        name=name,
        version=1,
        measures=measures,
        range="[0, inf)",
        direction="lower is better",
        unit="1",
        smallest_n=1,
        reference=reference,
        known_failure=known_failure,
    )


LPIPS = _card(
    "lpips",
    "LPIPS v0.1: weighted squared distance of unit-length features, inside the FOV",
    "Zhang et al., CVPR 2018, eq. 1",
    "learned from small natural photographs; weaves fine textures that no vessel made",
)
PERCEPTUAL = _card(
    "perceptual",
    "unweighted squared distance of unit-length features, summed over layers; not LPIPS",
    "Zhang et al., CVPR 2018, eq. 1 with w = 1",
    "no learned weights, so no claim to human judgement; leaves a faint weave",
)
FEATURES = _card(
    "features",
    "squared distance of unit-length patch tokens, mean over depths (or 1 - cosine of class token)",
    "mission.md, defaults; after Zhang et al., CVPR 2018, eq. 1",
    "tokens are coarser than capillaries, more so at small px; the judge must not be this encoder",
)


def _encoder_of(arguments: LossArguments, name: str) -> Encoder:
    if arguments.encoder is None:
        raise Refusal(f"{name}(ENCODER)", f"{name} alone", "name an encoder in its brackets")
    return arguments.encoder


def _convolutional(arguments: LossArguments, name: str) -> MapEncoder:
    encoder = _encoder_of(arguments, name)
    if not isinstance(encoder, MapEncoder):
        raise Refusal(
            f"a convolutional encoder for {name}", encoder.card.name, "use features(...) for a ViT"
        )
    return encoder


def _build_lpips(arguments: LossArguments) -> Loss:
    encoder = _convolutional(arguments, "lpips")
    if not encoder.heads:
        raise Refusal(
            "an encoder with LPIPS's linear heads",
            f"{encoder.card.name} without them",
            "load it as NAME:FILE,heads=HEADSFILE, or use perceptual(...), the unweighted distance",
        )
    return Loss(
        LPIPS,
        lambda x, y, fov: perceptual(x, y, fov, encoder=encoder, heads=encoder.heads),
        keeps_autocast=True,
    )


def _build_perceptual(arguments: LossArguments) -> Loss:
    encoder = _convolutional(arguments, "perceptual")
    return Loss(
        PERCEPTUAL, lambda x, y, fov: perceptual(x, y, fov, encoder=encoder), keeps_autocast=True
    )


def _build_features(arguments: LossArguments) -> Loss:
    encoder = _encoder_of(arguments, "features")
    blocks = arguments.whole("blocks", zero=True)
    px = arguments.whole("px", zero=False)
    input_px = px[0] if px else None
    if arguments.choice("distance", ("l2", "cosine_class")) == "l2":
        return Loss(
            FEATURES,
            lambda x, y, fov: features(
                x, y, fov, encoder=encoder, blocks=blocks, input_px=input_px
            ),
            keeps_autocast=True,
        )
    if "blocks" in arguments.options or not isinstance(encoder, TokenEncoder):
        raise Refusal(
            "distance=cosine_class with a transformer and without blocks=",
            f"{encoder.card.name}, options {dict(arguments.options)}",
            "leave blocks out (the class token is read after the last block), or use distance=l2",
        )
    return Loss(
        FEATURES,
        lambda x, y, fov: class_cosine(x, y, fov, encoder=encoder, input_px=input_px),
        keeps_autocast=True,
    )


LPIPS_ENTRY = LossEntry(LPIPS, "feature", _build_lpips, needs_encoder=True)
PERCEPTUAL_ENTRY = LossEntry(PERCEPTUAL, "feature", _build_perceptual, needs_encoder=True)
FEATURES_ENTRY = LossEntry(
    FEATURES, "feature", _build_features, options=("blocks", "distance", "px"), needs_encoder=True
)
