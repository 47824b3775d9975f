"""Write tests/encoders/data/lvm_med.json: LVM-Med's ViT as its authors' code runs it.

A small one runs on the weights of `tests/encoders/published.py`; the published one is built without
memory, for its names and shapes alone. It imports the authors' code from a checkout that one has
(duyhominhnguyen/LVM-Med at the commit below, which contains SAM's image encoder, Apache-2.0):

    pip install --no-deps --target PEERS torchvision==0.28.0 einops
    PYTHONPATH=CHECKOUT:PEERS python tools/lvm_med_reference.py

Beside a CPU build of PyTorch torchvision's compiled half does not load; the schemas of two of its
operators are declared first, which is all that the import needs.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from importlib import metadata
from pathlib import Path

import torch

REPO = Path(__file__).parents[1]
OUT = REPO / "tests/encoders/data/lvm_med.json"
COMMIT = "ad6f68b1615402028d00a6bd62097b5b10215394"
SEED, IMAGE_SEED, SIDES, KEPT = 7, 11, (128, 96), 8
SMALL = {
    "img_size": 128, "patch_size": 16, "embed_dim": 64, "depth": 4, "num_heads": 2,
    "out_chans": 16, "window_size": 3, "global_attn_indexes": [1, 3], "use_rel_pos": True,
    "norm_layer": partial(torch.nn.LayerNorm, eps=1e-6),
}  # fmt: skip
sys.path.insert(0, str(REPO / "tests/encoders"))
LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main() -> None:
    """Run the small encoders, list the published one, and write both."""
    from model.unet_vit_classification import ImageEncoderViT as ForClasses
    from model.unet_vit_classification import vit_encoder_b
    from segment_anything.modeling import ImageEncoderViT as ForMasks

    about = {
        "made_by": "tools/lvm_med_reference.py",
        "repository": "duyhominhnguyen/LVM-Med",
        "commit": COMMIT,
        "packages": {"torch": metadata.version("torch")},
        "seed": SEED, "image_seed": IMAGE_SEED, "dtype": "float32",
    }  # fmt: skip
    with torch.device("meta"):
        said = _said(vit_encoder_b().model)
    content = {
        "provenance": about,
        "for_classes": _run(ForClasses(use_abs_pos=False, **SMALL), SIDES),
        "for_masks": _run(ForMasks(use_abs_pos=True, **SMALL), SIDES[:1]),
        "shapes": {"lvmmed_vit": said},
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def _said(network: torch.nn.Module) -> dict[str, str]:
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return {key: " ".join(map(str, shape)) for key, shape in shapes.items()}


def _run(network: torch.nn.Module, sides: tuple[int, ...]) -> dict[str, object]:
    import published

    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict(published.transformer_weights(shapes, SEED))
    kept: list[torch.Tensor] = []
    network.eval().blocks[1].register_forward_hook(lambda *found: kept.append(found[2]))
    rows = []
    for side in sides:
        image = torch.from_numpy(published.noise_image(IMAGE_SEED, side)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            embedding = network(image / 127.5 - 1).mean((2, 3))[0]
        tokens = kept.pop().flatten(1, 2)
        ends = torch.cat([tokens[0, 0, :KEPT], tokens[0, -1, :KEPT]])
        rows.append(
            {
                "side_px": side,
                "second_block": [float(tokens.mean()), float(tokens.std()), *ends.tolist()],
                "embedding": embedding[:KEPT].tolist(),
                "embedding_norm": float(embedding.norm()),
            }
        )
    return {"rows": rows, "shapes": _said(network)}


if __name__ == "__main__":
    main()
