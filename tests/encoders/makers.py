"""A small checkpoint of each family in its published layout, with random weights.

`MAKERS[family](folder)` writes one into `folder` and returns its path. The contract test runs on
every family of the catalogue and fails for one without a maker here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from retinaforge.nets.alexnet import AlexNet
from retinaforge.nets.clip import ClipShape, ClipTower
from retinaforge.nets.inception import InceptionV3
from retinaforge.nets.squeezenet import SqueezeNet
from retinaforge.nets.unet import VesselNet
from retinaforge.nets.vgg import VGG16
from retinaforge.nets.vit import VisionTransformer, VitShape, initialise

TOWER = ClipShape(width=64, depth=2, heads=1, patch_px=8, input_px=32, hidden=128, projected=24)
VIT = VitShape(width=64, depth=4, heads=1, patch_px=8, input_px=32)


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
    torch.manual_seed(0)
    return _torch(SqueezeNet("1.1").state_dict(), folder / "squeezenet.pth")


def inception(folder: Path) -> Path:
    torch.manual_seed(0)
    return _torch(InceptionV3("2015").state_dict(), folder / "inception.pth")


def segmenter(folder: Path) -> Path:
    torch.manual_seed(0)
    save_file(VesselNet((4, 8)).state_dict(), folder / "segmenter.safetensors")
    return folder / "segmenter.safetensors"


def retfound(folder: Path) -> Path:
    """Write a whole MAE, decoder and arguments included, as RETFound's is published."""
    vit = initialise(VisionTransformer(VIT), seed=3).state_dict()
    mae = {**vit, "mask_token": torch.zeros(1, 1, 8), "decoder_pred.bias": torch.zeros(8)}
    checkpoint = {"model": mae, "args": argparse.Namespace(lr=0.1), "epoch": 7}
    return _torch(checkpoint, folder / "retfound.pth")


def clip(folder: Path) -> Path:
    torch.manual_seed(0)
    save_file(ClipTower(TOWER).state_dict(), folder / "clip.safetensors")
    return folder / "clip.safetensors"


MAKERS: dict[str, Callable[[Path], Path]] = {
    "alexnet": alexnet,
    "clip": clip,
    "inception": inception,
    "retfound": retfound,
    "segmenter": segmenter,
    "squeezenet": squeezenet,
    "vgg16": vgg16,
}
