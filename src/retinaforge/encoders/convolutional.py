"""Encoders from convolutional weight files: SqueezeNet 1.0 and 1.1, VGG16, AlexNet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import MapEncoder, Preprocess, caffe, imagenet
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.weights import KeyReport, load_keys, read_weights
from retinaforge.nets import alexnet, squeezenet, vgg

CLASSIFIER = {"classifier.": "the classifier is not needed for features"}
TORCHVISION_LICENCE = "BSD-3-Clause (torchvision's release); ImageNet's terms for the data"
CONFIRMED = "torchvision 0.28.0, to 1e-4 on random weights"
# SqueezeNet 1.0's own layer names, in the order of torchvision's positions.
FIRE_POSITIONS = {2: 3, 3: 4, 4: 5, 5: 7, 6: 8, 7: 9, 8: 10, 9: 12}
FIRE_PARTS = {"conv1x1_1": "squeeze", "conv1x1_2": "expand1x1", "conv3x3_2": "expand3x3"}
# torchvision's second VGG16 file: the same keys, other inputs, a classifier without values.
SSD_FILE = "amdegroot"


def load_vgg16(checkpoint: Checkpoint) -> MapEncoder:
    """Load VGG16 from a file in torchvision's layout.

    Raises:
        Refusal: if the file has another layout, or is SSD's, which takes other inputs.
    """
    _refuse_ssd(checkpoint)
    network = vgg.VGG16()
    report = load_keys(network, checkpoint.weights, ignore=CLASSIFIER)
    card = _torchvision_card("vgg16", checkpoint, report, "Simonyan and Zisserman, ICLR 2015")
    return _encoder(card, network, blocks=vgg.LPIPS_BLOCKS)


def _refuse_ssd(checkpoint: Checkpoint) -> None:
    last = checkpoint.weights.get("classifier.6.bias", torch.zeros(1))
    if SSD_FILE in checkpoint.path.name or not last.isfinite().all():
        raise Refusal(
            "VGG16 trained on images of ImageNet's mean and standard deviation",
            f"{checkpoint.path.name}, whose classifier has no values, as torchvision's VGG16 for "
            "SSD, trained on 0-255 minus the mean",
            "name vgg16-397923af.pth, torchvision's IMAGENET1K_V1",
        )


def load_alexnet(checkpoint: Checkpoint) -> MapEncoder:
    """Load AlexNet from a file in torchvision's layout."""
    network = alexnet.AlexNet()
    report = load_keys(network, checkpoint.weights, ignore=CLASSIFIER)
    card = _torchvision_card("alexnet", checkpoint, report, "Krizhevsky, arXiv 1404.5997")
    return _encoder(card, network, blocks=alexnet.LPIPS_BLOCKS)


def load_squeezenet(checkpoint: Checkpoint) -> MapEncoder:
    """Load SqueezeNet: torchvision's 1.0 or 1.1, or 1.0 as its authors released it (npz)."""
    weights = checkpoint.weights
    if "conv1.weight" in weights:
        return _released_squeezenet(checkpoint)
    first = weights.get("features.0.weight", torch.empty(64))
    version: squeezenet.Version = "1.0" if len(first) == 96 else "1.1"
    network = squeezenet.SqueezeNet(version)
    report = load_keys(network, weights, ignore=CLASSIFIER)
    card = _torchvision_card(
        f"squeezenet {version}", checkpoint, report, "Iandola, arXiv 1602.07360"
    )
    return _encoder(card, network, blocks=squeezenet.LPIPS_BLOCKS[version])


def _released_squeezenet(checkpoint: Checkpoint) -> MapEncoder:
    network = squeezenet.SqueezeNet("1.0")
    renamed = checkpoint.renamed(_torchvision_name).weights
    ignore = {"conv_final.": "the classifier is not needed for features"}
    report = load_keys(network, renamed, ignore=ignore)
    card = EncoderCard(
        name="squeezenet 1.0 (authors' release)",
        network="SqueezeNet 1.0, convolutional part, 0.7 M parameters",
        licence="BSD-2-Clause style (songhan/SqueezeNet-Deep-Compression)",
        fingerprint_sha256=checkpoint.sha256,
        training_data="ImageNet (ILSVRC 2012)",
        domain="natural images",
        preprocessing="BGR, 0-255 minus (104, 117, 123); no resizing (its authors take 227 x 227)",
        key_report=report.in_words(),
        reference="Iandola et al., arXiv 1602.07360; Han et al., Deep Compression, ICLR 2016",
    )
    return _encoder(card, network, blocks=squeezenet.LPIPS_BLOCKS["1.0"], preprocess=caffe())


def _torchvision_name(key: str) -> str:
    layer, _, kind = key.rpartition(".")
    if layer == "conv1":
        return f"features.0.{kind}"
    module, _, part = layer.partition("/")
    number = module.removeprefix("fire")
    if number.isdigit() and int(number) in FIRE_POSITIONS and part in FIRE_PARTS:
        return f"features.{FIRE_POSITIONS[int(number)]}.{FIRE_PARTS[part]}.{kind}"
    return key


def _torchvision_card(
    name: str, checkpoint: Checkpoint, report: KeyReport, reference: str
) -> EncoderCard:
    return EncoderCard(
        name=name,
        network=f"{name}, convolutional part, torchvision's key layout",
        licence=TORCHVISION_LICENCE,
        fingerprint_sha256=checkpoint.sha256,
        training_data="ImageNet (ILSVRC 2012), as torchvision's release; the file is not checked",
        domain="natural images",
        preprocessing="ImageNet mean and standard deviation, as LPIPS; no resizing (torchvision's "
        "classification resizes the shorter side to 256 and crops 224 x 224)",
        key_report=report.in_words(),
        reference=reference,
    )


def _encoder(
    card: EncoderCard,
    network: nn.Module,
    *,
    blocks: tuple[int, ...],
    preprocess: Preprocess | None = None,
) -> MapEncoder:
    ready = preprocess or imagenet()
    return MapEncoder(card, network, preprocess=ready, blocks=blocks, input_px=None)


def attach_heads(encoder: MapEncoder, path: Path) -> MapEncoder:
    """Give an encoder LPIPS's linear heads (v0.1 layout `linN.model.1.weight`).

    Raises:
        Refusal: if the heads do not fit the encoder's features, or were trained on another network.
    """
    if "authors' release" in encoder.card.name:
        raise Refusal(
            "a network in torchvision's layout, on whose features the heads were trained",
            encoder.card.name,
            "use perceptual(...), the unweighted distance, with these weights",
        )
    weights = read_weights(path)
    heads = [weights.get(f"lin{i}.model.1.weight") for i in range(len(encoder.blocks))]
    probe = encoder.features(torch.zeros(1, 3, 64, 64))
    wanted = [(1, maps.shape[1], 1, 1) for maps in probe]
    came = [None if head is None else tuple(head.shape) for head in heads]
    if came != wanted or len(weights) != len(wanted):
        raise Refusal(
            f"{len(wanted)} heads of shapes {wanted}",
            f"{len(weights)} arrays, of which lin0... have {came}",
            f"name the LPIPS v0.1 heads of {encoder.card.name}",
        )
    for i, head in enumerate(heads):
        encoder.register_buffer(f"head_{i}", head, persistent=False)
    encoder.heads_count = len(heads)
    return encoder


def _published(name: str, file: str) -> PublishedFile:
    """Return a file of torchvision's, which ends in the first digits of its SHA-256."""
    return PublishedFile(
        name=name,
        where=f"https://download.pytorch.org/models/{file}",
        licence=TORCHVISION_LICENCE,
        gate="none",
        sha256=file.rpartition("-")[2].removesuffix(".pth"),
        modality="natural",
        source="pytorch/vision, torchvision/models (0.28.0)",
    )


def _family(
    name: str, about: str, reference: str, *, code: str, recognises: Callable[[Checkpoint], bool],
    load: Callable[[Checkpoint], MapEncoder], files: tuple[PublishedFile, ...],
    confirmed: str = CONFIRMED,
) -> Family:  # fmt: skip
    return Family(
        name=name,
        about=about,
        licence=TORCHVISION_LICENCE,
        modality="natural",
        training_sets=("imagenet",),
        reference=reference,
        layout_source=f"pytorch/vision, torchvision/models/{code} (0.28.0)",
        confirmed=confirmed,
        recognises=recognises,
        load=load,
        files=files,
    )


def _first_layer(checkpoint: Checkpoint) -> tuple[int, ...]:
    first = checkpoint.weights.get("features.0.weight")
    return () if first is None else tuple(first.shape)


SQUEEZENET = _family(
    "squeezenet", "SqueezeNet 1.0 or 1.1, torchvision's or its authors'", "arXiv 1602.07360",
    code="squeezenet.py",
    confirmed=f"{CONFIRMED} (1.0 and 1.1); its authors' names are the same network",
    recognises=lambda found: bool(
        {"features.3.squeeze.weight", "fire2/conv1x1_1.weight"} & found.weights.keys()
    ),
    load=load_squeezenet,
    files=(
        _published("squeezenet-1.0", "squeezenet1_0-b66bff10.pth"),
        _published("squeezenet-1.1", "squeezenet1_1-b8a52dc0.pth"),
    ),
)  # fmt: skip
VGG16 = _family(
    "vgg16", "VGG16, convolutional part", "Simonyan and Zisserman, ICLR 2015",
    code="vgg.py",
    recognises=lambda found: _first_layer(found) == (64, 3, 3, 3)
    and "features.28.weight" in found.weights,
    load=load_vgg16,
    files=(_published("vgg16", "vgg16-397923af.pth"),),
)  # fmt: skip
ALEXNET = _family(
    "alexnet", "AlexNet, convolutional part", "Krizhevsky, arXiv 1404.5997",
    code="alexnet.py",
    recognises=lambda found: _first_layer(found) == (64, 3, 11, 11),
    load=load_alexnet,
    files=(_published("alexnet", "alexnet-owt-7be5be79.pth"),),
)  # fmt: skip
