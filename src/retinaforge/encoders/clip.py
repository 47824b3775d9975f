"""CLIP's image tower from a file that the user names, in Hugging Face's layout."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import Images, Preprocess, TokenEncoder, quarter_depths
from retinaforge.encoders.weights import load_keys, read_weights
from retinaforge.nets.clip import ClipShape, ClipTower

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
HEAD_WIDTH = 64
LEFT_ASIDE = {
    "text_model.": "CLIP's text half",
    "text_projection.": "CLIP's text half",
    "logit_scale": "the temperature of training",
    "vision_model.embeddings.position_ids": "0, 1, 2, ..., no weights",
}
ACTIVATIONS = ("quick_gelu", "gelu")


class ClipEncoder(TokenEncoder):
    """CLIP's image tower: one vector of length 1 an image, in the space shared with text."""

    def embedding(self, images: Images) -> Float[Tensor, "batch channels"]:
        """Return the projected class token, scaled to length 1."""
        return normalize(super().embedding(images), dim=1)


def load_clip(path: Path) -> ClipEncoder:
    """Load CLIP's image tower; sizes come from the arrays.

    What shapes cannot say is read from the config.json beside the file where there is one; else
    heads of 64 channels and x σ(1.702 x) as in OpenAI's models are taken, and the card says so.

    Raises:
        Refusal: if the file has another layout.
    """
    weights = read_weights(path)
    said = _config(path)
    shape = clip_shape(weights, said)
    network = ClipTower(shape)
    report = load_keys(network, weights, ignore=LEFT_ASIDE)
    card = EncoderCard(
        name=f"clip ViT, width {shape.width}, {shape.patch_px} px patches at {shape.input_px} px",
        network=_in_words(shape, from_config=bool(said)),
        licence="MIT for OpenAI's weights; of other files as their publisher says",
        fingerprint_sha256=sha256_of(path),
        training_data="WebImageText, 400 million pairs, for OpenAI's weights; it is not published, "
        "so what of public data it holds is not known",
        domain="natural images",
        preprocessing=f"antialiased bicubic resize to {shape.input_px} px, CLIP's mean and "
        "standard deviation; vectors scaled to length 1",
        key_report=report.in_words(),
        reference="Radford et al., ICML 2021; for CMMD Jayasumana et al., CVPR 2024",
    )
    to_network = Preprocess(
        [0.5 / s for s in STD],
        [(0.5 - m) / s for m, s in zip(MEAN, STD, strict=True)],
        bgr=False,
        resampling="bicubic",
    )
    blocks = quarter_depths(shape.depth)
    return ClipEncoder(card, network, preprocess=to_network, blocks=blocks, input_px=shape.input_px)


def clip_shape(weights: Mapping[str, Tensor], said: Mapping[str, Any]) -> ClipShape:
    """Infer a tower's sizes from the arrays' shapes; heads and activation from `said`.

    Raises:
        Refusal: if the layout is not that of `CLIPVisionModelWithProjection`.
    """
    wanted = {
        "patch": "vision_model.embeddings.patch_embedding.weight",
        "positions": "vision_model.embeddings.position_embedding.weight",
        "hidden": "vision_model.encoder.layers.0.mlp.fc1.weight",
        "projection": "visual_projection.weight",
    }
    missing = [key for key in wanted.values() if key not in weights]
    if missing:
        raise Refusal(
            f"CLIP's image tower as Hugging Face saves it, with {', '.join(missing)}",
            f"keys such as {', '.join(sorted(weights)[:3]) or 'none'}",
            "name model.safetensors of a CLIPVisionModelWithProjection or CLIPModel",
        )
    arrays = {name: weights[key] for name, key in wanted.items()}
    layers = [key for key in weights if key.startswith("vision_model.encoder.layers.")]
    width, patch = arrays["patch"].shape[0], arrays["patch"].shape[-1]
    return ClipShape(
        width=width,
        depth=1 + max(int(key.split(".")[3]) for key in layers),
        heads=int(said.get("num_attention_heads", max(1, width // HEAD_WIDTH))),
        patch_px=patch,
        input_px=math.isqrt(len(arrays["positions"]) - 1) * patch,
        hidden=len(arrays["hidden"]),
        projected=len(arrays["projection"]),
        activation=_activation(said),
        epsilon=float(said.get("layer_norm_eps", 1e-5)),
    )


def _activation(said: Mapping[str, Any]) -> Any:
    named = said.get("hidden_act", "quick_gelu")
    if named in ACTIVATIONS:
        return named
    raise Refusal(
        f"hidden_act of {' or '.join(ACTIVATIONS)} in config.json", repr(named),
        "name another CLIP model",
    )  # fmt: skip


def _config(path: Path) -> dict[str, Any]:
    """Return what the vision part of the config.json beside a file says; {} where there is none."""
    beside = path.parent / "config.json"
    try:
        content = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    except (OSError, ValueError):
        return {}
    said = content.get("vision_config", content) if isinstance(content, dict) else {}
    return said if isinstance(said, dict) and "clip" in str(content.get("model_type")) else {}


def _in_words(shape: ClipShape, *, from_config: bool) -> str:
    source = "config.json" if from_config else "as in OpenAI's models, for want of a config.json"
    return (
        f"CLIP image tower, width {shape.width}, {shape.depth} blocks, patches of {shape.patch_px} "
        f"px, vectors of {shape.projected}; {shape.heads} heads, {shape.activation} ({source})"
    )
