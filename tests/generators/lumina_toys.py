"""Tiny text encoders, autoencoders and networks with random weights, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from retinaforge.generators.lumina import Lumina
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.text_bpe import train_tokeniser

CAPTIONS = (
    "A colour fundus photograph of the left eye with three microaneurysms.",
    "The right eye. The optic disc lies nasally, its cup-to-disc ratio is 0.45.",
    "Hard exudates in the macula; the vessels are narrow.",
)
WIDTH, LAYERS = 32, 3


def tiny_tokeniser(**names: str) -> Any:
    """Return a tokeniser of 300 words; names such as bos_token are added."""
    tokenizer = train_tokeniser(CAPTIONS, vocabulary=300)
    tokenizer.add_special_tokens(names)
    return tokenizer


def tiny_text(kind: str, folder: Path, seed: int = 0) -> Path:
    """Write a tiny text model of a kind with a tokeniser."""
    import transformers as t

    torch.manual_seed(seed)
    tokenizer = tiny_tokeniser(eos_token="[SEP]", bos_token="[CLS]")
    words, shared = len(tokenizer), {"num_hidden_layers": LAYERS, "num_attention_heads": 2}
    sizes = {"vocab_size": words, "hidden_size": WIDTH, "intermediate_size": 64, **shared}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if kind == "gemma":
        tokenizer.padding_side = "left"
        config = t.GemmaConfig(**sizes, **ends, num_key_value_heads=1, head_dim=16)
        model = t.GemmaModel(config)
    elif kind == "t5":
        config = t.T5Config(
            vocab_size=words, d_model=WIDTH, d_kv=16, d_ff=64, num_layers=LAYERS, num_heads=2,
            decoder_start_token_id=0,
        )  # fmt: skip
        model = t.T5Model(config)
    elif kind == "clip":
        config = t.CLIPTextConfig(**sizes, **ends, max_position_embeddings=60)
        model = t.CLIPTextModel(config)
    else:
        config = t.BertConfig(**sizes, pad_token_id=0, max_position_embeddings=64)
        model = t.BertModel(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_vae(folder: Path, *, factor: int = 8, seed: int = 0) -> Path:
    """Write a tiny AutoencoderKL."""
    from diffusers import AutoencoderKL

    torch.manual_seed(seed)
    levels = factor.bit_length()
    vae = AutoencoderKL(
        block_out_channels=(8,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    vae.save_pretrained(folder)
    return folder


def tiny_lumina(*, text_width: int = WIDTH, seed: int = 0, side: int = 8, **shape: Any) -> Lumina:
    """Return a tiny Lumina none of whose weights is 0."""
    torch.manual_seed(seed)
    network = Lumina(
        NetworkShape(latent_channels=4, patch=2, text_width=text_width, **shape),
        side=side, width=96, depth=2, heads=4, kv_heads=2, multiple_of=32,
    )  # fmt: skip
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()
