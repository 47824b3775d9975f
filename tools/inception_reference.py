"""Write tests/encoders/data/inception.json: torch-fidelity's and torchvision's Inception-v3.

Both run on random weights of `tests/encoders/published.py` in their own key layout, on one image
of 299 px that is not resized. They need torchvision, which RetinaForge does not, so they live in a
folder of their own:

    pip install --no-deps --target PEERS torch-fidelity==0.4.0 torchvision==0.28.0
    PYTHONPATH=PEERS python tools/inception_reference.py

Beside a CPU build of PyTorch torchvision's compiled half does not load; the schemas of two of its
operators are declared first, which is all that its networks need.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import torch

REPO = Path(__file__).parents[1]
OUT = REPO / "tests/encoders/data/inception.json"
SEED, IMAGE_SEED, SIDE, KEPT = 7, 11, 299, 24
sys.path.insert(0, str(REPO / "tests/encoders"))
LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main() -> None:
    """Run both and write what the test compares."""
    import published
    import torch_fidelity.feature_extractor_inceptionv3 as fidelity
    from torchvision.models import inception_v3

    image = torch.from_numpy(published.noise_image(IMAGE_SEED, SIDE)).permute(2, 0, 1)[None]
    theirs = inception_v3(weights=None, init_weights=False, transform_input=False)
    shapes = {k: tuple(v.shape) for k, v in theirs.state_dict().items() if "num_batches" not in k}
    theirs.load_state_dict(published.random_weights(shapes, SEED), strict=False)
    features: list[torch.Tensor] = []
    theirs.eval().avgpool.register_forward_hook(lambda *found: features.append(found[2].flatten(1)))
    with torch.inference_mode():
        logits = theirs((image.float() - 128) / 128)
    written = {"torchvision": _row(features[0], logits)}

    of_2015 = {k: v for k, v in shapes.items() if not k.startswith("AuxLogits")}
    of_2015 |= {"fc.weight": (1008, 2048), "fc.bias": (1008,)}
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(published.random_weights(of_2015, SEED), file.name)
        extractor = fidelity.FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=file.name
        )
    with torch.inference_mode():
        written["2015"] = _row(*extractor(image))
    about = {
        "made_by": "tools/inception_reference.py",
        "packages": {n: metadata.version(n) for n in ("torch-fidelity", "torchvision", "torch")},
        "seed": SEED, "image_seed": IMAGE_SEED, "side_px": SIDE, "dtype": "float32",
    }  # fmt: skip
    OUT.parent.mkdir(exist_ok=True)
    layout = {key: " ".join(map(str, shape)) for key, shape in shapes.items()}
    content = {"provenance": about, **written, "torchvision_shapes": layout}
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def _row(features: torch.Tensor, logits: torch.Tensor) -> dict[str, object]:
    p = logits[0].softmax(0)
    return {
        "features": features[0, :KEPT].tolist(), "features_norm": float(features.norm()),
        "probabilities": p[:KEPT].tolist(), "entropy": float(-(p * p.log()).sum()),
    }  # fmt: skip


if __name__ == "__main__":
    main()
