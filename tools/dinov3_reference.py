"""Write tests/encoders/data/dinov3.json: the authors' DINOv3 on random weights, and key lists.

Small networks run on the weights of `tests/encoders/published.py`; the published sizes are built
without memory, for their names and shapes alone. It imports the authors' package from a checkout
that one has (facebookresearch/dinov3 at the commit below; its licence is Meta's own):

    PYTHONPATH=CHECKOUT python tools/dinov3_reference.py
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import torch

REPO = Path(__file__).parents[1]
OUT = REPO / "tests/encoders/data/dinov3.json"
COMMIT = "6876159a11b4df116f30f667f8c9888617df0751"
SEED, IMAGE_SEED, SIDES, KEPT = 7, 11, (64, 96), 8
SMALL = {
    "plain": {"ffn_layer": "mlp"},
    "gated": {"ffn_layer": "swiglu", "ffn_ratio": 6, "untie_cls_and_patch_norms": True},
}
LISTED = ("dinov3_vits16", "dinov3_vitb16", "dinov3_vitl16", "dinov3_vits16plus")
sys.path.insert(0, str(REPO / "tests/encoders"))


def main() -> None:
    """Run the small networks, list the large ones, and write both."""
    from dinov3.hub import backbones

    about = {
        "made_by": "tools/dinov3_reference.py",
        "repository": "facebookresearch/dinov3",
        "commit": COMMIT,
        "packages": {"torch": metadata.version("torch")},
        "seed": SEED, "image_seed": IMAGE_SEED, "dtype": "float32",
    }  # fmt: skip
    written = {name: _run(options) for name, options in SMALL.items()}
    with torch.device("meta"):
        shapes = {n: _shapes(getattr(backbones, n)(pretrained=False)) for n in LISTED}
    said = {
        name: {key: " ".join(map(str, shape)) for key, shape in found.items()}
        for name, found in shapes.items()
    }
    OUT.write_text(json.dumps({"provenance": about, **written, "shapes": said}, indent=1) + "\n")


def _shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def _run(options: dict[str, object]) -> dict[str, object]:
    import published
    from dinov3.models.vision_transformer import DinoVisionTransformer

    network = DinoVisionTransformer(
        embed_dim=128, depth=4, num_heads=2, n_storage_tokens=4, norm_layer="layernormbf16",
        layerscale_init=1e-5, mask_k_bias=True, pos_embed_rope_rescale_coords=2,
        pos_embed_rope_dtype="fp32", **options,
    ).eval()  # fmt: skip
    network.init_weights()
    shapes = {
        key: shape for key, shape in _shapes(network).items()
        if "bias_mask" not in key and "periods" not in key
    }  # fmt: skip
    network.load_state_dict(published.transformer_weights(shapes, SEED), strict=False)
    rows = []
    for side in SIDES:
        image = torch.from_numpy(published.noise_image(IMAGE_SEED, side)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            given = image / 127.5 - 1
            second, last = network.get_intermediate_layers(given, n=[1, 3], norm=False)
            embedding = network(given)[0]
        rows.append(
            {
                "side_px": side,
                "tokens": [_some(second), _some(last)],
                "embedding": embedding[:KEPT].tolist(),
                "embedding_norm": float(embedding.norm()),
            }
        )
    said = {key: " ".join(map(str, shape)) for key, shape in _shapes(network).items()}
    return {"rows": rows, "shapes": said}


def _some(tokens: torch.Tensor) -> list[float]:
    """Return mean and spread, and a few channels of the first and of the last token."""
    ends = torch.cat([tokens[0, 0, :KEPT], tokens[0, -1, :KEPT]])
    return [float(tokens.mean()), float(tokens.std()), *ends.tolist()]


if __name__ == "__main__":
    main()
