"""CLIP's three key layouts, brought to one: OpenAI's, open_clip's, and Hugging Face's.

Read from openai/CLIP (clip/model.py), mlfoundations/open_clip (src/open_clip/model.py and
transformer.py at 89fb801) and transformers (models/clip).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from torch import Tensor

from retinaforge.core import Refusal

Layout = Literal["OpenAI's", "open_clip's", "Hugging Face's"]
OF_OPENAI = ("input_resolution", "context_length", "vocab_size")
"""Numbers that only OpenAI's own archives keep among the arrays."""
IMAGE = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.": "vision_model.embeddings.patch_embedding.",
    "visual.ln_pre.": "vision_model.pre_layrnorm.",
    "visual.ln_post.": "vision_model.post_layernorm.",
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "visual.proj": "visual_projection.weight",
}
TEXT = {
    "token_embedding.": "text_model.embeddings.token_embedding.",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "transformer.resblocks.": "text_model.encoder.layers.",
    "ln_final.": "text_model.final_layer_norm.",
    "text_projection": "text_projection.weight",
}
IN_A_BLOCK = {
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    ".attn.out_proj.": ".self_attn.out_proj.",
    ".mlp.c_fc.": ".mlp.fc1.",
    ".mlp.c_proj.": ".mlp.fc2.",
}
TRANSPOSED = ("visual.proj", "text_projection")
"""Multiplied from the right in OpenAI's code, from the left in a linear layer."""


def layout_of(weights: Mapping[str, Tensor]) -> Layout:
    """Return whose names the arrays have.

    Raises:
        Refusal: if it is CLIP with a convolutional image tower, which is not built.
    """
    if any(key.startswith(("visual.layer1.", "visual.attnpool.")) for key in weights):
        raise Refusal(
            "CLIP with a vision transformer",
            "a CLIP whose image tower is a ResNet (RN50, RN101, RN50x4, ...)",
            "name a ViT of CLIP's, such as ViT-B/32 or ViT-L/14",
        )
    if not any(key.startswith("visual.") for key in weights):
        return "Hugging Face's"
    return "OpenAI's" if any(key in weights for key in OF_OPENAI) else "open_clip's"


def in_hugging_faces_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the arrays under Hugging Face's names; what has no name there keeps its own."""
    return {name: value for key, array in weights.items() for name, value in _renamed(key, array)}


def _renamed(key: str, array: Tensor) -> Iterator[tuple[str, Tensor]]:
    plain = key.removeprefix("text.")  # open_clip's CustomTextCLIP keeps its text tower there
    tower = IMAGE if key.startswith("visual.") else TEXT
    for old, new in tower.items():
        if plain.startswith(old) if old.endswith(".") else plain == old:
            value = array.T if plain in TRANSPOSED else array
            yield from _in_block(plain.replace(old, new, 1), value)
            return
    yield key, array


def _in_block(key: str, array: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Rename inside a block; queries, keys and values that lie in one array are parted."""
    for old, new in IN_A_BLOCK.items():
        key = key.replace(old, new)
    before, joined, kind = key.partition(".attn.in_proj_")
    if not joined:
        yield key, array
        return
    for name, part in zip("qkv", array.chunk(3), strict=True):
        yield f"{before}.self_attn.{name}_proj.{kind}", part
