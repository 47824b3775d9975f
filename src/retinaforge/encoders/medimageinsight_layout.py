"""MedImageInsight's key layout: names of before brought to today's, sizes from the arrays.

Read from visual-layer/MedImageInsight at 5deb6c3: UniCLModel.py, ImageEncoder/davit_v1.py and
LangEncoder/transformer.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.bert import needed
from retinaforge.encoders.clip_layout import in_hugging_faces_names
from retinaforge.nets.clip_text import TextShape
from retinaforge.nets.davit import DavitShape

STAGES = (1, 2, 3, 4)
HEAD_WIDTH = 64
# Names of the time before `image_encoder.` and `lang_encoder.`, which the published code renames.
BEFORE = {
    "visual.": "image_encoder.", "text.": "lang_encoder.", "vision_projection": "image_projection",
    "text_projection": "lang_projection",
}  # fmt: skip
OLD_BLOCK = re.compile(r"main_blocks\.(\d+)\.(\d+)\.([01])\.(.*)")
OLD_PARTS = {
    "cpe.0.proj.": "conv1.fn.dw.", "cpe.1.proj.": "conv2.fn.dw.", "mlp.": "ffn.fn.net.",
    "norm2.": "ffn.norm.",
}  # fmt: skip


def davit_shape(weights: Mapping[str, Tensor]) -> DavitShape:
    """Infer a DaViT's sizes from its arrays; heads of 32 channels and windows of 12 as published.

    Raises:
        Refusal: if the arrays are no DaViT's.
    """
    before = "image_encoder.convs"
    first = [weights.get(f"{before}.{stage}.proj.weight") for stage in range(len(STAGES))]
    convs = [array for array in first if array is not None]
    blocks = [key.split(".") for key in weights if key.startswith("image_encoder.blocks.")]
    if len(convs) != len(STAGES) or not blocks:
        raise Refusal(
            "MedImageInsight's image_encoder.convs and image_encoder.blocks, four stages",
            f"keys such as {', '.join(sorted(weights)[:3]) or 'none'}",
            "name medimageinsigt-v1.0.0.pt, or an address or .onnx of it",
        )
    norms = [len(needed(weights, f"{before}.{stage}.norm.weight")) for stage in range(len(STAGES))]
    pairs = zip(convs, norms, strict=True)
    return DavitShape(
        widths=tuple(len(conv) for conv in convs),
        depths=tuple(
            1 + max((int(key[3]) for key in blocks if key[2] == str(stage)), default=-1)
            for stage in range(len(STAGES))
        ),
        kernels=tuple(conv.shape[-1] for conv in convs),
        norms_first=tuple(norm == conv.shape[1] and norm != len(conv) for conv, norm in pairs),
    )


def text_half(weights: Mapping[str, Tensor]) -> tuple[TextShape, dict[str, Tensor]]:
    """Return the sizes of the text tower, and its arrays under Hugging Face's names."""
    tokens = needed(weights, "lang_encoder.token_embedding.weight")
    layers = [key.split(".")[2] for key in weights if key.startswith("lang_encoder.resblocks.")]
    shape = TextShape(
        width=tokens.shape[1],
        depth=1 + max(int(layer) for layer in layers),
        heads=max(1, tokens.shape[1] // HEAD_WIDTH),
        hidden=4 * tokens.shape[1],
        projected=needed(weights, "lang_projection").shape[1],
        vocabulary=len(tokens),
        context=len(needed(weights, "lang_encoder.positional_embedding")),
        activation="quick_gelu",
        epsilon=1e-12,
        causal=False,
    )
    return shape, in_hugging_faces_names(
        {_as_openai(key): value for key, value in weights.items() if key.startswith("lang_")}
    )


def _as_openai(key: str) -> str:
    inner = key.removeprefix("lang_encoder.").replace("resblocks.", "transformer.resblocks.", 1)
    return "text_projection" if key == "lang_projection" else inner


def of_today(key: str) -> str:
    """Return the name that an array has today."""
    for old, new in BEFORE.items():
        if key.startswith(old):
            key = new + key.removeprefix(old)
    key = key.replace("image_encoder.conv_embeds.", "image_encoder.convs.", 1)
    if found := OLD_BLOCK.search(key):
        stage, pair, which, rest = found.groups()
        block, attention = (
            ("channel_block", "channel_attn") if which == "1" else ("spatial_block", "window_attn")
        )
        parts = OLD_PARTS | {"attn.": f"{attention}.fn.", "norm1.": f"{attention}.norm."}
        for old, new in parts.items():
            if rest.startswith(old):
                rest = new + rest.removeprefix(old)
                break
        key = f"{key[: found.start()]}blocks.{stage}.{pair}.{block}.{rest}"
    return key
