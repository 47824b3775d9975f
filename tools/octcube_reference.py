"""Write tests/encoders/data/octcube.json: OCTCube's own code on random weights, and its key lists.

Two of its networks run, small: the one of joint training, which takes single pictures of double
size through a patch embedding of their own, and the one of fine-tuning. It imports the authors'
code from a checkout that one has (ZucksLiu/OCTCubeM at the commit below, BSD-2-Clause):

    pip install --no-deps --target PEERS torchvision==0.28.0 timm==1.0.31
    PYTHONPATH=PEERS python tools/octcube_reference.py CHECKOUT

Its blocks are flash-attn's, which run on a GPU alone. `StandIn` below does in plain PyTorch what
flash-attn's block says it does (norm before each half; hidden state and residual go on apart); so
what is compared is OCTCube's use of the blocks, not the kernel inside them.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from importlib import metadata
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

REPO = Path(__file__).parents[1]
OUT = REPO / "tests/encoders/data/octcube.json"
COMMIT = "a49ed8b8ece34fb9b336e30c62b4a7e62afff977"
SEED, IMAGE_SEED, KEPT = 7, 11, 8
sys.path.insert(0, str(REPO / "tests/encoders"))
LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
SMALL = {"embed_dim": 64, "depth": 3, "num_heads": 2, "sep_pos_embed": True, "cls_embed": True}


class Mixer(nn.Module):
    """Self-attention with flash-attn's names."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.Wqkv = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.Wqkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) * (width // self.heads) ** -0.5
        return self.out_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape))


class StandIn(nn.Module):
    """flash-attn's block: (hidden, residual) in, (MLP's output, residual before it) out."""

    def __init__(self, width: int, heads: int, ratio: float, norm: type[nn.LayerNorm]) -> None:
        super().__init__()
        self.mixer, self.norm1, self.norm2 = Mixer(width, heads), norm(width), norm(width)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(width, int(width * ratio))
        self.mlp.fc2 = nn.Linear(int(width * ratio), width)

    def forward(self, hidden: Tensor, residual: Tensor | None = None) -> tuple[Tensor, Tensor]:
        residual = hidden if residual is None else hidden + residual
        residual = self.mixer(self.norm1(residual)) + residual
        inner = nn.functional.gelu(self.mlp.fc1(self.norm2(residual)))
        return self.mlp.fc2(inner), residual


def main(checkout: Path) -> None:
    """Run both networks and write what the tests compare."""
    vit = types.ModuleType("flash_attn.models.vit")
    vit.create_block = lambda width, heads, ratio, *_, norm_layer, **__: StandIn(
        width, heads, ratio, norm_layer
    )
    logging = types.ModuleType("loggings")  # theirs wants packages of a cluster
    logging.get_logger, logging.master_print = (lambda *_: None), (lambda *_: None)
    sys.modules |= {
        "flash_attn": types.ModuleType("flash_attn"), "flash_attn.models": vit,
        "flash_attn.models.vit": vit, "custom_util.loggings": logging, "util.loggings": logging,
        "util.misc": logging,
    }  # fmt: skip
    about = {
        "made_by": "tools/octcube_reference.py",
        "repository": "ZucksLiu/OCTCubeM",
        "commit": COMMIT,
        "packages": {name: metadata.version(name) for name in ("torch", "timm")},
        "seed": SEED, "image_seed": IMAGE_SEED, "dtype": "float32",
    }  # fmt: skip
    sys.path.insert(0, str(checkout / "Pre-training"))
    with contextlib.redirect_stdout(io.StringIO()):
        joint = _joint()
        sys.path.insert(0, str(checkout / "OCTCube"))
        tuned = _tuned()
    content = {"provenance": about, "joint": joint, "tuned": tuned}
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def _joint() -> dict[str, object]:
    import models_mae_joint_res_flash_attn as published_code

    def network(**sizes: object) -> nn.Module:
        return published_code.MaskedAutoencoderViT(
            in_chans=1, t_patch_size=3, patch_size=16, use_flash_attn=True, mlp_ratio=4,
            norm_layer=lambda width: nn.LayerNorm(width, eps=1e-6), **sizes,
        )  # fmt: skip

    small = network(
        input_size=32, high_res_input_size=64, num_frames=12, pred_t_dim=12, decoder_embed_dim=32,
        decoder_depth=1, decoder_num_heads=2, **SMALL,
    )  # fmt: skip
    rows = _run(small, (64, 32), lambda given: small.forward_encoder(given, 0.0)[0])
    # Its rates of dropped paths are read off an array, which must be a real one.
    evenly = torch.linspace
    on_cpu = mock.patch.object(torch, "linspace", lambda *of: evenly(*of, device="cpu"))
    with torch.device("meta"), on_cpu:
        whole = _said(
            published_code.flash_attn_mae_vit_large_patch16(
                input_size=256, in_chans=1, num_frames=60, t_patch_size=3, pred_t_dim=60,
                sep_pos_embed=True, cls_embed=True,
            )
        )  # fmt: skip
    return {"rows": rows, "shapes": _said(small), "published_shapes": whole}


def _tuned() -> dict[str, object]:
    import models_vit_st_flash_attn as published_code

    def network(frames: int) -> nn.Module:
        return published_code.VisionTransformer(
            num_frames=frames, t_patch_size=3, img_size=64, num_classes=2, global_pool=True,
            use_flash_attn=True, norm_layer=lambda width: nn.LayerNorm(width, eps=1e-6), **SMALL,
        )  # fmt: skip

    import published

    many, one = network(12), network(3)
    weights = published.transformer_weights(_shapes(many), SEED)
    places = nn.functional.interpolate(
        weights["pos_embed_temporal"].permute(0, 2, 1), size=1, mode="linear", align_corners=False
    )  # as its util/misc.py: interpolate_temporal_pos_embed
    one.load_state_dict(weights | {"pos_embed_temporal": places.permute(0, 2, 1)})
    rows = _run(one, (64,), lambda given: one(given, return_embeddings=True)[1], drawn=False)
    return {"rows": rows, "shapes": _said(many)}


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def _said(network: nn.Module) -> dict[str, str]:
    return {key: " ".join(map(str, shape)) for key, shape in _shapes(network).items()}


def _run(network: nn.Module, sides: tuple[int, ...], encode, *, drawn: bool = True) -> list[dict]:
    import published

    if drawn:
        network.load_state_dict(published.transformer_weights(_shapes(network), SEED))
    streams: list[Tensor] = []
    hidden: list[Tensor] = []
    network.eval().blocks[1].register_forward_hook(lambda *found: streams.append(sum(found[2])))
    network.blocks[-1].register_forward_hook(lambda *found: hidden.append(found[2][0]))
    rows = []
    for side in sides:
        image = torch.from_numpy(published.noise_image(IMAGE_SEED, side)).permute(2, 0, 1)
        with torch.inference_mode():
            found = encode(image[None, None] / 127.5 - 1)[0]
            last = hidden.pop()[0]
            normed = network.norm(last)
        mean = last[1:].mean(0)
        # What the code returns: normed patches in training, their mean before the norm after it.
        torch.testing.assert_close(found, mean if found.ndim == 1 else normed[1:])
        tokens = streams.pop()[0, 1:]
        rows.append(
            {
                "side_px": side,
                "second_block": [*tokens[0, :KEPT].tolist(), *tokens[-1, :KEPT].tolist()],
                "class_token": normed[0, :KEPT].tolist(),
                "embedding": mean[:KEPT].tolist(),
                "embedding_norm": float(mean.norm()),
            }
        )
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
