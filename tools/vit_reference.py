"""Write tests/encoders/data/vit_layouts.json and vit.json: published vision transformers.

The first holds names and shapes at full size, checked here against timm's and transformers' own
classes. The second holds values of timm's VisionTransformer, which the published classes inherit or
equal, on random weights (tests/encoders/vit_makers.py) and one image, normalised and with positions
resized as the families' published code does it. It needs timm, which RetinaForge does not:

    pip install --no-deps --target PEERS timm==1.0.31 torchvision==0.28.0
    PYTHONPATH=PEERS python tools/vit_reference.py
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate, layer_norm

REPO = Path(__file__).parents[1]
DATA = REPO / "tests/encoders/data"
KEPT, IMAGE_SEED, TOKENS_AFTER = 12, 11, 2
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
FUNDUS = ((0.423737496137619, 0.2609460651874542, 0.128403902053833),
          (0.29482534527778625, 0.20167365670204163, 0.13668020069599152))  # fmt: skip
PLAIN_VALUES = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
# case: mean and deviation, whether blue comes first, how positions are resized, what the embedding
# is, and the sides of the images.
CASES = {
    "retfound": (IMAGENET, False, "plain", "class", (48, 64)),
    "retfound pool=mean": (IMAGENET, False, "plain", "plain mean", (48,)),
    "retfound fine-tuned": (IMAGENET, False, "plain", "normed mean", (48, 64)),
    "retfound-dinov2": (IMAGENET, False, "plain", "class", (48, 64)),
    "retfound-green": (HALVES, False, "antialiased", "mean of normed", (224, 160)),
    "preti": (IMAGENET, False, "offset", "class", (48, 64)),
    "urfound": (IMAGENET, False, "plain", "class", (48, 64)),
    "visionfm": (FUNDUS, False, "plain", "last classes", (48, 64)),
    "uni4eye": (PLAIN_VALUES, True, "plain", "class", (48, 64)),
    "dinov2": (IMAGENET, False, "offset", "class", (48, 64)),
    "dinov2 registers": (IMAGENET, False, "antialiased", "class", (48, 32)),
    "dinov2 gated": (IMAGENET, False, "offset", "class", (48, 64)),
}
sys.path.insert(0, str(REPO / "tests/encoders"))
LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main() -> None:
    """Check the layouts, run timm, write both files."""
    import vit_layouts

    check_layouts()
    full = {name: packed(shapes()) for name, shapes in vit_layouts.FULL.items()}
    packages = {n: metadata.version(n) for n in ("timm", "transformers", "torch")}
    about = {"made_by": "tools/vit_reference.py", "packages": packages}
    write(DATA / "vit_layouts.json", {"provenance": about, **full})
    cases = {name: [row(name, side) for side in case[-1]] for name, case in CASES.items()}
    about |= {"image_seed": IMAGE_SEED, "dtype": "float32", "tokens_after": TOKENS_AFTER}
    write(DATA / "vit.json", {"provenance": about, **cases})


def write(path: Path, content: object) -> None:
    """Write a file of a test."""
    path.write_text(json.dumps(content, indent=1) + "\n")


def packed(shapes: dict[str, tuple[int, ...]]) -> dict[str, str]:
    """Return "blocks.{0-23}.norm1.weight": "1024" where the numbers in a row have one shape."""
    rows: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    found: dict[str, str] = {}
    for key, shape in shapes.items():
        number = re.search(r"(?<=blocks\.)\d+|(?<=layer\.)\d+", key)
        if number is None:
            found[key] = " ".join(map(str, shape))
        else:
            stem = f"{key[: number.start()]}#{key[number.end() :]}"
            rows.setdefault((stem, shape), []).append(int(number[0]))
    for (stem, shape), numbers in rows.items():
        assert numbers == list(range(len(numbers))), stem  # noqa: S101
        span = f"{{0-{numbers[-1]}}}"
        found[stem.replace("#", span)] = " ".join(map(str, shape))
    return found


def check_layouts() -> None:
    """Compare what tests/encoders/vit_layouts.py says with the packages' own classes."""
    import timm
    import vit_layouts
    from timm.models.vision_transformer import Block
    from transformers import BertConfig, BertForMaskedLM, BertModel

    def theirs(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
        return {key: tuple(value.shape) for key, value in module.state_dict().items()}

    def same(ours: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> None:
        differ = {k for k in ours.keys() | found.keys() if ours.get(k) != found.get(k)}
        if differ:
            raise SystemExit(f"layouts differ: {sorted(differ)[:6]}")

    with torch.device("meta"):
        for name, sizes in (("base", vit_layouts.BASE), ("large", vit_layouts.LARGE)):
            model = timm.create_model(f"vit_{name}_patch16_224", num_classes=0)
            same(vit_layouts.encoder(sizes), theirs(model))
        for name, letter in (("small", "s"), ("base", "b"), ("large", "l"), ("giant", "g")):
            model = timm.create_model(f"vit_{name}_patch14_dinov2", num_classes=0)
            renamed = {k.replace("fc1", "w12").replace("fc2", "w3") if letter == "g" else k: s
                       for k, s in theirs(model).items()}  # fmt: skip
            same(vit_layouts.encoder(vit_layouts.DINOV2[letter], scaled=True), renamed)
        green = timm.create_model("vit_small_patch14_reg4_dinov2", img_size=392, num_classes=0)
        same(vit_layouts.retfound_green(), theirs(green))
        same(
            vit_layouts.block("b", 512),
            {f"b.{k}": s for k, s in theirs(Block(512, 16, qkv_bias=True)).items()},
        )
        config = BertConfig(vocab_size=30000, hidden_size=384, num_hidden_layers=6,
                            num_attention_heads=6, intermediate_size=1536,
                            max_position_embeddings=100)  # fmt: skip
        text = BertForMaskedLM(config)
        text.bert = BertModel(config)  # UrFound replaces it so, with its pooler
        same(vit_layouts.bert("t", 384, 6, 30000), {f"t.{k}": s for k, s in theirs(text).items()})


def row(name: str, side: int) -> dict[str, object]:
    """Return timm's values for one case at one side."""
    import published
    import vit_makers

    (mean, std), blue_first, way, pooling, _ = CASES[name]
    weights = encoder_names(vit_makers.drawn(name.partition(" pool")[0]), name)
    size = max(vit_makers.SMALL.cells, vit_makers.GREEN.cells if "green" in name else 0)
    model = timm_model(weights, size, side, way)
    pixels = torch.from_numpy(published.noise_image(IMAGE_SEED, side)).permute(2, 0, 1)[None]
    unit = (pixels.float() / 255).flip(1) if blue_first else pixels.float() / 255
    images = (unit - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    outputs: list[Tensor] = []
    for block in model.blocks:
        block.register_forward_hook(lambda *found: outputs.append(found[2]))
    with torch.inference_mode():
        model.forward_features(images)
        first = 1 + model.num_reg_tokens
        pooled = {
            "class": lambda: model.norm(outputs[-1])[:, 0],
            "normed mean": lambda: model.norm(outputs[-1][:, first:].mean(1)),
            "plain mean": lambda: layer_norm(outputs[-1][:, first:].mean(1), (128,), eps=1e-6),
            "mean of normed": lambda: model.norm(outputs[-1])[:, first:].mean(1),
            "last classes": lambda: torch.cat([model.norm(x)[:, 0] for x in outputs[-4:]], 1),
        }[pooling]()
        tokens = outputs[TOKENS_AFTER - 1][:, first:]
        class_token = model.norm(outputs[-1])[:, 0]
    return {"side_px": side, "embedding": kept(pooled), "class_token": kept(class_token),
            "tokens": kept(tokens.flatten(1))}  # fmt: skip


def kept(values: Tensor) -> dict[str, object]:
    """Return evenly spaced values of a vector, and its length."""
    flat = values[0].flatten()
    index = torch.linspace(0, len(flat) - 1, KEPT).long()
    return {"values": [round(float(v), 7) for v in flat[index]], "norm": float(flat.norm())}


def encoder_names(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return a case's encoder under timm's names, by this file's own reading of the layouts."""
    found = {key.removeprefix("backbone."): value for key, value in weights.items()}
    if name == "uni4eye":
        for kind in ("weight", "bias"):
            found[f"patch_embed.proj.{kind}"] = found.pop(f"patch_embed.proj2.{kind}")
        found["pos_embed"] = found.pop("pos_embed2")
    if name == "preti":
        found["reg_token"] = torch.cat([found["age_embedding"], found["gender_embedding"]], 1)
    if "register_tokens" in found:
        found["reg_token"] = found.pop("register_tokens")
    pairs = {"mlp.w12.": "mlp.fc1.", "mlp.w3.": "mlp.fc2.", "fc_norm.": "norm."}
    for old, new in pairs.items():
        found = {key.replace(old, new): value for key, value in found.items()}
    return found


def timm_model(weights: dict[str, Tensor], cells: int, side: int, way: str) -> torch.nn.Module:
    """Return timm's model for images of one side, positions resized as `way` says."""
    from timm.layers import SwiGLUPacked
    from timm.models.vision_transformer import VisionTransformer

    registers = weights["reg_token"].shape[1] if "reg_token" in weights else 0
    gated = weights["blocks.0.mlp.fc1.weight"].shape[0] == 2 * 341
    mlp = {"mlp_layer": SwiGLUPacked, "act_layer": torch.nn.SiLU, "mlp_ratio": 2.66667 * 2}
    without_class = weights["pos_embed"].shape[1] == cells * cells
    model = VisionTransformer(
        img_size=side, patch_size=8, embed_dim=128, depth=5, num_heads=2, num_classes=0,
        reg_tokens=registers, no_embed_class=without_class,
        init_values=1e-5 if "blocks.0.ls1.gamma" in weights else None, **(mlp if gated else {}),
    )  # fmt: skip
    before = 0 if without_class else 1
    first, grid = weights["pos_embed"][:, :before], weights["pos_embed"][:, before:]
    grid = resized(grid.reshape(1, cells, cells, -1).permute(0, 3, 1, 2), side // 8, way)
    # Where timm gives registers a position too, theirs is nothing.
    empty = torch.zeros(1, registers if before else 0, 128)
    places = torch.cat([first, empty, grid.flatten(2).transpose(1, 2)], dim=1)
    own = model.state_dict().keys()
    model.load_state_dict({k: v for k, v in weights.items() if k in own} | {"pos_embed": places})
    return model.eval()


def resized(grid: Tensor, cells: int, way: str) -> Tensor:
    """Resize positions: RETFound's util/pos_embed.py, DINO's scale + 0.1, or timm's antialiased."""
    if grid.shape[-1] == cells:
        return grid
    if way == "offset":
        factor = (cells + 0.1) / grid.shape[-1]
        return interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return interpolate(grid, size=(cells, cells), mode="bicubic", align_corners=False,
                       antialias=way == "antialiased")  # fmt: skip


if __name__ == "__main__":
    main()
