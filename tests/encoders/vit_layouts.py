"""Names and shapes of the arrays in published vision transformers, at any size.

Each function says how one family's file is laid out, as its published code builds it (sources:
`layout_source` of the families). data/vit_layouts.json holds them at full size, checked against
timm and transformers by tools/vit_reference.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """Sizes of an encoder; `cells` is the side of the grid of patches."""

    width: int
    depth: int
    patch: int
    cells: int
    gated: int = 0


SMALL = Sizes(128, 5, 8, 6)
BASE, LARGE = Sizes(768, 12, 16, 14), Sizes(1024, 24, 16, 14)
DINOV2 = {
    "s": Sizes(384, 12, 14, 37), "b": Sizes(768, 12, 14, 37), "l": Sizes(1024, 24, 14, 37),
    "g": Sizes(1536, 40, 14, 37, gated=4096),
}  # fmt: skip


def linear(name: str, out: int, into: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def block(name: str, width: int, *, scaled: bool = False, gated: int = 0) -> Shapes:
    hidden = gated or 4 * width
    into, back = ("w12", "w3") if gated else ("fc1", "fc2")
    scales: Shapes = {f"{name}.ls{i}.gamma": (width,) for i in (1, 2)} if scaled else {}
    return {
        **norm(f"{name}.norm1", width),
        **linear(f"{name}.attn.qkv", 3 * width, width),
        **linear(f"{name}.attn.proj", width, width),
        **norm(f"{name}.norm2", width),
        **linear(f"{name}.mlp.{into}", hidden * (2 if gated else 1), width),
        **linear(f"{name}.mlp.{back}", width, hidden),
        **scales,
    }


def encoder(sizes: Sizes, *, scaled: bool = False, last: str = "norm") -> Shapes:
    """Return timm's VisionTransformer without a head, which MAE, iBOT and DINOv2 share."""
    width, patch = sizes.width, sizes.patch
    found: Shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, sizes.cells**2 + 1, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        **norm(last, width),
    }
    for i in range(sizes.depth):
        found |= block(f"blocks.{i}", width, scaled=scaled, gated=sizes.gated)
    return found


def decoder(sizes: Sizes, width: int, depth: int, values: int, names: str = "") -> Shapes:
    """Return MAE's decoder: `values` pixels a patch; `names` are the endings of its heads."""
    found = {
        **linear("decoder_embed", width, sizes.width),
        "mask_token": (1, 1, width),
        **norm("decoder_norm", width),
    }
    for i in range(depth):
        found |= block(f"decoder_blocks.{i}", width)
    for name in names or ("",):
        found |= linear(f"decoder_pred{name}", values, width)
    return found


def retfound(sizes: Sizes = LARGE, width: int = 512, depth: int = 8) -> Shapes:
    places = {"decoder_pos_embed": (1, sizes.cells**2 + 1, width)}
    return {**encoder(sizes), **decoder(sizes, width, depth, 3 * sizes.patch**2), **places}


def retfound_tuned(sizes: Sizes = LARGE, classes: int = 5) -> Shapes:
    return {**encoder(sizes, last="fc_norm"), **linear("head", classes, sizes.width)}


def bert(name: str, width: int, layers: int, words: int) -> Shapes:
    """Return transformers' BertForMaskedLM with a pooler, 100 places, MLPs four times as wide."""
    found: Shapes = {
        f"{name}.bert.embeddings.word_embeddings.weight": (words, width),
        f"{name}.bert.embeddings.position_embeddings.weight": (100, width),
        f"{name}.bert.embeddings.token_type_embeddings.weight": (2, width),
        **norm(f"{name}.bert.embeddings.LayerNorm", width),
        **linear(f"{name}.bert.pooler.dense", width, width),
        f"{name}.cls.predictions.bias": (words,),
        **linear(f"{name}.cls.predictions.transform.dense", width, width),
        **norm(f"{name}.cls.predictions.transform.LayerNorm", width),
        **linear(f"{name}.cls.predictions.decoder", words, width),
    }
    for i in range(layers):
        layer = f"{name}.bert.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            found |= linear(f"{layer}.attention.self.{part}", width, width)
        found |= linear(f"{layer}.attention.output.dense", width, width)
        found |= norm(f"{layer}.attention.output.LayerNorm", width)
        found |= linear(f"{layer}.intermediate.dense", 4 * width, width)
        found |= linear(f"{layer}.output.dense", width, 4 * width)
        found |= norm(f"{layer}.output.LayerNorm", width)
    return found


def urfound(
    sizes: Sizes = BASE,
    width: int = 768,
    depth: int = 4,
    text: tuple[int, int, int] = (384, 6, 30000),
) -> Shapes:
    """Return image half, decoder of twice the resolution, and text half."""
    return {
        **encoder(sizes),
        **decoder(sizes, width, depth, 3 * (2 * sizes.patch) ** 2),
        "decoder_pos_embed": (1, sizes.cells**2 + 1, width),
        **bert("bert_encoder.model", *text),
        **linear("bert_mlp", text[0], sizes.width),
    }


def preti(sizes: Sizes = BASE, width: int = 256, depth: int = 4) -> Shapes:
    """Return encoder, cross-attending decoder, two tokens, their readers, and the loss's VGG16."""
    found = {
        **encoder(sizes),
        **decoder(sizes, width, 0, 3 * sizes.patch**2),
        "decoder_pos_embed": (1, sizes.cells**2 + 1, width),
        "age_embedding": (1, 1, sizes.width),
        "gender_embedding": (1, 1, sizes.width),
        **linear("gender_classifier", 2, sizes.width),
        **linear("age_regressor", 1, sizes.width),
    }
    for i in range(depth):
        name = f"decoder_blocks.{i}"
        for attention in ("self_attn", "multihead_attn"):
            found[f"{name}.{attention}.in_proj_weight"] = (3 * width, width)
            found[f"{name}.{attention}.in_proj_bias"] = (3 * width,)
            found |= linear(f"{name}.{attention}.out_proj", width, width)
        found |= linear(f"{name}.linear1", 2048, width) | linear(f"{name}.linear2", width, 2048)
        for n in (1, 2, 3):
            found |= norm(f"{name}.norm{n}", width)
    channels = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128),
                12: (256, 256), 14: (256, 256)}  # fmt: skip
    for i, (out, into) in channels.items():
        name = f"perceptual_loss_fn.vgg_layers.{i}"
        found |= {f"{name}.weight": (out, into, 3, 3), f"{name}.bias": (out,)}
    return found


def ibot_head(width: int, hidden: int = 2048, out: int = 8192, *lasts: str) -> Shapes:
    found = {
        **linear("head.mlp.0", hidden, width),
        **linear("head.mlp.2", hidden, hidden),
        **linear("head.mlp.4", 256, hidden),
    }
    for last in lasts:
        found |= {f"head.{last}.weight_g": (out, 1), f"head.{last}.weight_v": (out, 256)}
    return found


def visionfm(sizes: Sizes = BASE, hidden: int = 2048, out: int = 8192) -> Shapes:
    """Return the teacher: backbone and iBOT's shared head."""
    backbone: Shapes = {f"backbone.{key}": shape for key, shape in encoder(sizes).items()}
    return backbone | ibot_head(sizes.width, hidden, out, "last_layer", "last_layer2")


def uni4eye(sizes: Sizes = LARGE, width: int = 512, depth: int = 8) -> Shapes:
    cells, patch = sizes.cells, sizes.patch
    planes, cubes = cells**2 + 1, cells**2 * (cells // 2) + 1
    found = encoder(sizes)
    for key in ("weight", "bias"):
        found[f"patch_embed.proj2.{key}"] = found.pop(f"patch_embed.proj.{key}")
    found["patch_embed.proj3.weight"] = (sizes.width, 3, patch, patch, patch)
    found["patch_embed.proj3.bias"] = (sizes.width,)
    found["pos_embed2"] = found.pop("pos_embed")
    found["pos_embed3"] = (1, cubes, sizes.width)
    return {
        **found,
        **decoder(sizes, width, depth, 3 * patch**2, "23"),
        "decoder_pos_embed2": (1, planes, width),
        "decoder_pos_embed3": (1, cubes, width),
        **linear("mlp", 2, 50 * 1024),
        "controller.weight": (cells**4 + cells**2, planes + 7, 1),
        "controller.bias": (cells**4 + cells**2,),
    }


def dinov2(sizes: Sizes = DINOV2["s"], registers: int = 0) -> Shapes:
    """Return Meta's backbone."""
    found = encoder(sizes, scaled=True) | {"mask_token": (1, sizes.width)}
    return found | ({"register_tokens": (1, registers, sizes.width)} if registers else {})


def retfound_dinov2(
    sizes: Sizes = DINOV2["l"], hidden: int = 2048, prototypes: int = 65536
) -> Shapes:
    """Return a training checkpoint's teacher: backbone and two heads."""
    found: Shapes = {f"backbone.{key}": shape for key, shape in dinov2(sizes).items()}
    head = ibot_head(sizes.width, hidden, prototypes, "last_layer")
    for name in ("dino_head", "ibot_head"):
        found |= {key.replace("head", name, 1): shape for key, shape in head.items()}
    return found


def retfound_green(sizes: Sizes = Sizes(384, 12, 14, 28), registers: int = 4) -> Shapes:
    """Return timm's DINOv2 with registers: the class token has no position."""
    found = encoder(sizes, scaled=True)
    found["pos_embed"] = (1, sizes.cells**2, sizes.width)
    return found | {"reg_token": (1, registers, sizes.width)}


FULL: dict[str, Callable[[], Shapes]] = {
    "retfound": retfound,
    "retfound fine-tuned": retfound_tuned,
    "retfound-dinov2": retfound_dinov2,
    "retfound-green": retfound_green,
    "preti": preti,
    "urfound": urfound,
    "visionfm": visionfm,
    "uni4eye": uni4eye,
    "dinov2": dinov2,
    "dinov2 b": lambda: dinov2(DINOV2["b"]),
    "dinov2 l": lambda: dinov2(DINOV2["l"]),
    "dinov2 g": lambda: dinov2(DINOV2["g"]),
    "dinov2 s registers": lambda: dinov2(DINOV2["s"], 4),
    "dinov2 g registers": lambda: dinov2(DINOV2["g"], 4),
}
