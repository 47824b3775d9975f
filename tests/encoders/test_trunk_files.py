"""Weights of torchvision's and timm's layouts go into classifiers' trunks, and only theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from retinaforge.core import Refusal
from retinaforge.encoders.trunk_files import load_trunk
from retinaforge.nets.classifier import (
    RESNET18,
    RESNET50,
    VIT_B16,
    Classifier,
    learning,
    started,
)
from retinaforge.nets.resnet import ResNet, ResnetShape, Stage
from retinaforge.nets.vit import VitShape

SMALL = ResnetShape(8, tuple(Stage(1, w, w) for w in (8, 8, 16, 16)), bottleneck=False)
VIT = VitShape(width=128, depth=2, heads=2, patch_px=16, input_px=32)
IMAGES = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def torchvision_vit(timm: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return timm's arrays under the names that torchvision 0.28 publishes."""
    names = {
        "cls_token": "class_token", "pos_embed": "encoder.pos_embedding", "norm": "encoder.ln",
        "patch_embed.proj": "conv_proj", "head": "heads.head", "norm1": "ln_1", "norm2": "ln_2",
        "attn.proj": "self_attention.out_proj", "mlp.fc1": "mlp.0", "mlp.fc2": "mlp.3",
    }  # fmt: skip
    renamed = {}
    for key, value in timm.items():
        stem, _, last = key.rpartition(".")
        if key.startswith("blocks."):
            _, number, part = stem.split(".", 2)
            head = f"encoder.layers.encoder_layer_{number}."
            if part == "attn.qkv":
                renamed[f"{head}self_attention.in_proj_{last}"] = value
                continue
            renamed[f"{head}{names[part]}.{last}"] = value
        else:
            renamed[names.get(key) or f"{names[stem]}.{last}"] = value
    return renamed


def shifted(network: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Return a network's arrays, moved so that no layer is at its start."""
    rng = torch.Generator().manual_seed(seed)
    return {
        key: value + 0.1 * torch.rand(value.shape, generator=rng)
        if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }  # fmt: skip


def test_a_resnet_of_torchvisions_layout_is_the_same_network_with_norms_that_learn(
    tmp_path: Path,
) -> None:
    weights = shifted(started(SMALL, seed=1), 2)
    counted = "bn1.num_batches_tracked"
    assert counted in weights
    classifier = {"fc.weight": torch.rand(1000, 16), "fc.bias": torch.rand(1000)}
    torch.save(weights | classifier, tmp_path / "resnet.pth")
    trunk, report = load_trunk(tmp_path / "resnet.pth", SMALL)
    assert "fc.* left aside" in report
    frozen = ResNet(SMALL)
    frozen.load_state_dict({k: v for k, v in weights.items() if "num_batches" not in k})
    own = Classifier(trunk, 3).eval()
    assert torch.allclose(own.trunk(IMAGES, (4,))[0], frozen(IMAGES, (4,))[0], atol=1e-5)
    own.train()(IMAGES).sum().backward()
    moments = trunk.get_submodule("bn1").get_buffer("running_mean")
    assert not torch.equal(moments, weights["bn1.running_mean"])


@pytest.mark.parametrize("layout", ["timm", "torchvision"])
def test_a_vit_of_either_layout_is_the_same_network(layout: str, tmp_path: Path) -> None:
    network = started(VIT, seed=1)
    weights = shifted(network, 3)
    network.load_state_dict(weights)
    published = weights | {"head.weight": torch.rand(1000, 128), "head.bias": torch.rand(1000)}
    if layout == "torchvision":
        published = torchvision_vit(published)
        assert "encoder.layers.encoder_layer_1.self_attention.in_proj_weight" in published
    save_file(published, tmp_path / "vit.safetensors")
    trunk, report = load_trunk(tmp_path / "vit.safetensors", VIT)
    assert "head.* left aside" in report
    assert torch.allclose(trunk(IMAGES).embedding, network(IMAGES).embedding, atol=1e-5)


def test_another_network_is_refused_by_name(tmp_path: Path) -> None:
    torch.save(started(SMALL, seed=0).state_dict(), tmp_path / "small.pth")
    with pytest.raises(Refusal, match=r"expected weights of ResNet-18; got ResNet-10 in .*small"
                       ".pth; name the backbone that fits the file"):  # fmt: skip
        load_trunk(tmp_path / "small.pth", RESNET18)
    with pytest.raises(Refusal, match=r"expected pos_embed, patch_embed.proj.weight and"):
        load_trunk(tmp_path / "small.pth", VIT)
    torch.save(started(VIT, seed=0).state_dict(), tmp_path / "vit.pth")
    with pytest.raises(Refusal, match="expected weights of a ViT of width 768, 12 blocks and "
                       "patches of 16 px; got a ViT of width 128, 2 blocks"):  # fmt: skip
        load_trunk(tmp_path / "vit.pth", VIT_B16)
    with pytest.raises(Refusal, match="expected a ResNet in torchvision's layout"):
        load_trunk(tmp_path / "vit.pth", RESNET50)


def test_published_sizes() -> None:
    counts = {}
    for name, shape in (("resnet18", RESNET18), ("resnet50", RESNET50), ("vit", VIT_B16)):
        with torch.device("meta"):
            if isinstance(shape, ResnetShape):
                trunk = learning(ResNet(shape))
            else:
                from retinaforge.nets.vit import VisionTransformer

                trunk = VisionTransformer(shape)
        counts[name] = sum(p.numel() for p in trunk.parameters())
    # torchvision 0.28's counts less their classifiers of 1000 classes.
    assert counts == {
        "resnet18": 11_689_512 - 513_000, "resnet50": 25_557_032 - 2_049_000,
        "vit": 86_567_656 - 769_000,
    }  # fmt: skip


def test_the_same_seed_begins_alike() -> None:
    one, two, three = (started(SMALL, seed=s).state_dict() for s in (4, 4, 5))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert any(not torch.equal(one[k], three[k]) for k in one)
