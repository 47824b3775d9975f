"""Encoders from convolutional weight files: SqueezeNet 1.0 / 1.1, VGG16, AlexNet, our segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import MapEncoder, Preprocess, caffe, imagenet
from retinaforge.encoders.weights import KeyReport, load_keys, read_weights
from retinaforge.nets import alexnet, squeezenet, vgg

CLASSIFIER = {"classifier.": "the classifier is not needed for features"}
TORCHVISION_LICENCE = "BSD-3-Clause (torchvision's release); ImageNet's terms for the data"
# SqueezeNet 1.0's own layer names, in the order of torchvision's positions.
FIRE_POSITIONS = {2: 3, 3: 4, 4: 5, 5: 7, 6: 8, 7: 9, 8: 10, 9: 12}
FIRE_PARTS = {"conv1x1_1": "squeeze", "conv1x1_2": "expand1x1", "conv3x3_2": "expand3x3"}


def load_vgg16(path: Path) -> MapEncoder:
    """Load VGG16 from a file in torchvision's layout."""
    network = vgg.VGG16()
    report = load_keys(network, read_weights(path), ignore=CLASSIFIER)
    card = _torchvision_card("vgg16", path, report, "Simonyan and Zisserman, ICLR 2015")
    return _encoder(card, network, blocks=vgg.LPIPS_BLOCKS)


def load_alexnet(path: Path) -> MapEncoder:
    """Load AlexNet from a file in torchvision's layout."""
    network = alexnet.AlexNet()
    report = load_keys(network, read_weights(path), ignore=CLASSIFIER)
    card = _torchvision_card("alexnet", path, report, "Krizhevsky, arXiv 1404.5997")
    return _encoder(card, network, blocks=alexnet.LPIPS_BLOCKS)


def load_squeezenet(path: Path) -> MapEncoder:
    """Load SqueezeNet: torchvision's 1.0 or 1.1, or 1.0 as its authors released it (npz)."""
    weights = read_weights(path)
    if "conv1.weight" in weights:
        return _released_squeezenet(path, weights)
    first = weights.get("features.0.weight", torch.empty(64))
    version: squeezenet.Version = "1.0" if len(first) == 96 else "1.1"
    network = squeezenet.SqueezeNet(version)
    report = load_keys(network, weights, ignore=CLASSIFIER)
    card = _torchvision_card(f"squeezenet {version}", path, report, "Iandola, arXiv 1602.07360")
    return _encoder(card, network, blocks=squeezenet.LPIPS_BLOCKS[version])


def _released_squeezenet(path: Path, weights: Mapping[str, Tensor]) -> MapEncoder:
    network = squeezenet.SqueezeNet("1.0")
    renamed = {_torchvision_name(key): value for key, value in weights.items()}
    ignore = {"conv_final.": "the classifier is not needed for features"}
    report = load_keys(network, renamed, ignore=ignore)
    card = EncoderCard(
        name="squeezenet 1.0 (authors' release)",
        network="SqueezeNet 1.0, convolutional part, 0.7 M parameters",
        licence="BSD-2-Clause style (songhan/SqueezeNet-Deep-Compression)",
        fingerprint_sha256=sha256_of(path),
        training_data="ImageNet (ILSVRC 2012)",
        domain="natural images",
        preprocessing="BGR, 0-255 minus (104, 117, 123); no resizing",
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


def _torchvision_card(name: str, path: Path, report: KeyReport, reference: str) -> EncoderCard:
    return EncoderCard(
        name=name,
        network=f"{name}, convolutional part, torchvision's key layout",
        licence=TORCHVISION_LICENCE,
        fingerprint_sha256=sha256_of(path),
        training_data="ImageNet (ILSVRC 2012), as torchvision's release; the file is not checked",
        domain="natural images",
        preprocessing="ImageNet mean and standard deviation; no resizing",
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
