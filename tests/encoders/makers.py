"""A small checkpoint of each family in its published layout, with random weights.

`MAKERS[family](folder)` writes one into `folder` and returns its path. The contract test runs on
every family of the catalogue and fails for one without a maker here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from fundus_maker import ours
from published import random_weights
from safetensors.torch import save_file
from vit_makers import VIT_MAKERS
from word_makers import WORD_MAKERS

from retinaforge.nets.alexnet import AlexNet
from retinaforge.nets.clip import ClipShape, ClipTower
from retinaforge.nets.dinov3 import Dinov3, Dinov3Shape
from retinaforge.nets.inception import InceptionV3
from retinaforge.nets.resnet import ResNet, ResnetShape, Stage
from retinaforge.nets.sam_vit import SamShape, SamVit
from retinaforge.nets.squeezenet import SqueezeNet
from retinaforge.nets.unet import VesselNet
from retinaforge.nets.vgg import VGG16
from retinaforge.nets.vit3d import Vit3d, Vit3dShape

TOWER = ClipShape(width=64, depth=2, heads=1, patch_px=8, input_px=32, hidden=128, projected=24)


def _torch(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def alexnet(folder: Path) -> Path:
    torch.manual_seed(0)
    classifier = {"classifier.1.weight": torch.zeros(2, 2)}
    return _torch({**AlexNet().state_dict(), **classifier}, folder / "alexnet.pth")


def vgg16(folder: Path) -> Path:
    torch.manual_seed(0)
    return _torch({"state_dict": VGG16().state_dict()}, folder / "vgg16.pth")


def squeezenet(folder: Path) -> Path:
    # PyTorch's own initialisation lets so little through that two images differ by rounding alone.
    shapes = {key: tuple(value.shape) for key, value in SqueezeNet("1.1").state_dict().items()}
    return _torch(random_weights(shapes, 0), folder / "squeezenet.pth")


def inception(folder: Path) -> Path:
    torch.manual_seed(0)
    return _torch(InceptionV3("2015").state_dict(), folder / "inception.pth")


def segmenter(folder: Path) -> Path:
    torch.manual_seed(0)
    save_file(VesselNet((4, 8)).state_dict(), folder / "segmenter.safetensors")
    return folder / "segmenter.safetensors"


def clip(folder: Path) -> Path:
    torch.manual_seed(0)
    save_file(ClipTower(TOWER).state_dict(), folder / "clip.safetensors")
    return folder / "clip.safetensors"


def _resnet_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    stages = tuple(Stage(2, width, 4 * width) for width in (4, 8, 8, 16))
    return ResNet(ResnetShape(8, stages, bottleneck=True)).state_dict()


def resnet(folder: Path) -> Path:
    classifier = {"fc.weight": torch.zeros(10, 64), "fc.bias": torch.zeros(10)}
    return _torch({**_resnet_state(), **classifier}, folder / "resnet50-0676ba61.pth")


def radimagenet(folder: Path) -> Path:
    """Write torchvision's children in a row, as its authors' module for PyTorch names them."""
    numbers = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    parts = {key: key.partition(".") for key in _resnet_state()}
    state = _resnet_state().items()
    row = {f"backbone.{numbers[parts[k][0]]}.{parts[k][2]}": v for k, v in state}
    return _torch(row, folder / "ResNet50.pt")


def dinov3(folder: Path) -> Path:
    torch.manual_seed(0)
    state = Dinov3(Dinov3Shape(width=64, depth=4, heads=1, hidden=128)).state_dict()
    for key in [key for key in state if key.endswith("qkv.bias")]:
        state[f"{key}_mask"] = torch.ones(192)
        state[f"{key}_mask"][64:128] = 0
    state["mask_token"] = torch.zeros(1, 64)
    return _torch(state, folder / "dinov3_vits16_pretrain_lvd1689m-08c60483.pth")


def lvm_med(folder: Path) -> Path:
    torch.manual_seed(0)
    shape = SamShape(64, 2, 128, (2, 0, 2, 0), grid=4, patch_px=8, positions=False, neck=8)
    return _torch(SamVit(shape).state_dict(), folder / "lvmmed_vit.pth")


def octcube(folder: Path) -> Path:
    """Write a file of joint training: flash-attn's blocks, a layer for pictures, the decoder."""
    torch.manual_seed(0)
    shape = Vit3dShape(64, 4, 1, 128, 8, slices=3, channels=1, grid=4, depths=5, pictures=True)
    state = {}
    for key, value in Vit3d(shape).state_dict().items():
        renamed = key.replace(".attn.qkv.", ".mixer.Wqkv.").replace(".attn.proj", ".mixer.out_proj")
        deep = key.endswith("patch_embed.proj.weight")
        state[renamed] = value.unflatten(1, (1, 3)) if deep else value
    state |= {"decoder_embed.weight": torch.zeros(8, 64), "mask_token": torch.zeros(1, 1, 8)}
    return _torch({"model": state, "epoch": 49}, folder / "OCTCube.pth")


MAKERS: dict[str, Callable[[Path], Path]] = {
    "alexnet": alexnet,
    "clip": clip,
    "dinov3": dinov3,
    "inception": inception,
    "lvm-med": lvm_med,
    "octcube": octcube,
    "ours": ours,
    "radimagenet": radimagenet,
    "resnet": resnet,
    "segmenter": segmenter,
    "squeezenet": squeezenet,
    "vgg16": vgg16,
    **VIT_MAKERS,
    **WORD_MAKERS,
}
