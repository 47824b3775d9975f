"""Sizes of CLIP's two towers, from arrays under Hugging Face's names and what is said beside."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.clip_said import Said
from retinaforge.nets.clip import ClipShape
from retinaforge.nets.clip_text import TextShape


def clip_shape(weights: Mapping[str, Tensor], said: Said) -> ClipShape:
    """Infer an image tower's sizes from the arrays' shapes; heads and activation from `said`.

    Raises:
        Refusal: if the arrays are not those of a `CLIPVisionModelWithProjection`.
    """
    patch, positions, hidden, projection = _needed(
        weights,
        "vision_model.embeddings.patch_embedding.weight",
        "vision_model.embeddings.position_embedding.weight",
        "vision_model.encoder.layers.0.mlp.fc1.weight",
        "visual_projection.weight",
    )
    width, side = patch.shape[0], patch.shape[-1]
    return ClipShape(
        width=width,
        depth=_depth(weights, "vision_model.encoder.layers."),
        heads=said.image_heads(width),
        patch_px=side,
        input_px=math.isqrt(len(positions) - 1) * side,
        hidden=len(hidden),
        projected=len(projection),
        activation=said.activation,
        epsilon=float(said.image.get("layer_norm_eps", 1e-5)),
    )


def text_shape(weights: Mapping[str, Tensor], said: Said) -> TextShape:
    """Infer a text tower's sizes from the arrays' shapes; heads, activation, end from `said`."""
    tokens, positions, hidden, projection = _needed(
        weights,
        "text_model.embeddings.token_embedding.weight",
        "text_model.embeddings.position_embedding.weight",
        "text_model.encoder.layers.0.mlp.fc1.weight",
        "text_projection.weight",
    )
    end = said.text.get("eos_token_id")
    return TextShape(
        width=tokens.shape[1],
        depth=_depth(weights, "text_model.encoder.layers."),
        heads=said.text_heads(tokens.shape[1]),
        hidden=len(hidden),
        projected=len(projection),
        vocabulary=len(tokens),
        context=len(positions),
        activation=said.text_activation(),
        epsilon=float(said.text.get("layer_norm_eps", 1e-5)),
        # 2 stands in old configurations by mistake; transformers reads the highest id there too.
        end=None if end in (None, 2) else int(end),
    )


def _needed(weights: Mapping[str, Tensor], *names: str) -> list[Tensor]:
    missing = [name for name in names if name not in weights]
    if missing:
        raise Refusal(
            f"CLIP as OpenAI, open_clip or Hugging Face save it, with {', '.join(missing)}",
            f"keys such as {', '.join(sorted(weights)[:3]) or 'none'}",
            "name model.safetensors of a CLIPVisionModelWithProjection or CLIPModel, or "
            "open_clip_model.safetensors of a ViT",
        )
    return [weights[name] for name in names]


def _depth(weights: Mapping[str, Tensor], before: str) -> int:
    numbers = [key.removeprefix(before).partition(".")[0] for key in weights if before in key]
    return 1 + max(int(number) for number in numbers if number.isdigit())
