"""ResNets from files in torchvision's layout: ImageNet's, and RadImageNet's of CT, MRI and US."""

from __future__ import annotations

from dataclasses import replace

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import MapEncoder, Preprocess, imagenet
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.resnet import STAGES, ResNet, resnet_shape

INPUT_PX = 224
CLASSIFIER = {"fc.": "the classifier is not needed for features"}
COUNTED = ".num_batches_tracked"
LICENCE = "BSD-3-Clause (torchvision's release); ImageNet's terms for the data"
# RadImageNet's file holds torchvision's children in a row; activation and pool have no arrays.
POSITIONS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


def uncounted(checkpoint: Checkpoint) -> Checkpoint:
    """Leave out how many batches the norms have seen, which newer files of PyTorch tell."""
    return checkpoint.renamed(lambda key: None if key.endswith(COUNTED) else key)


def resnet_of(checkpoint: Checkpoint) -> tuple[ResNet, str]:
    """Return the network with the file's arrays, and how its keys met the network's.

    Raises:
        Refusal: if the file is no ResNet in torchvision's layout.
    """
    found = uncounted(checkpoint)
    shape = resnet_shape(found.weights)
    if shape is None:
        raise Refusal(
            "a ResNet in torchvision's layout, with conv1.weight of 7 x 7 and layer1 to layer4",
            f"keys such as {', '.join(sorted(found.weights)[:3]) or 'none'}",
            "name the encoder that fits the file",
        )
    network = ResNet(shape)
    return network, load_keys(network, found.weights, ignore=CLASSIFIER).in_words()


def load_resnet(checkpoint: Checkpoint) -> MapEncoder:
    """Load a ResNet or ResNeXt of any depth; its sizes come from the arrays.

    Raises:
        Refusal: if the file has another layout.
    """
    network, report = resnet_of(checkpoint)
    card = EncoderCard(
        name=network.shape.name.lower(),
        network=f"{network.shape.name}, convolutional part, torchvision's key layout (V1.5: the "
        "stride of a bottleneck in its 3 x 3 convolution)",
        licence=LICENCE,
        fingerprint_sha256=checkpoint.sha256,
        training_data="ImageNet (ILSVRC 2012), as torchvision's release; the file is not checked",
        domain="natural images",
        preprocessing=f"antialiased bilinear resize of the whole image to {INPUT_PX} px "
        "(torchvision crops its centre), ImageNet mean and standard deviation",
        key_report=report,
        reference=RESNET.reference,
        family="resnet",
    )
    return map_encoder(card, network, imagenet())


def map_encoder(card: EncoderCard, network: ResNet, preprocess: Preprocess) -> MapEncoder:
    """Return a ResNet as an encoder: maps after its four stages, their last one's mean."""
    return MapEncoder(card, network, preprocess=preprocess, blocks=STAGES, input_px=INPUT_PX)


def load_radimagenet(checkpoint: Checkpoint) -> MapEncoder:
    """Load RadImageNet's ResNet-50, as its authors wrote it for PyTorch.

    Raises:
        Refusal: if the file has another layout.
    """
    network, report = resnet_of(checkpoint.renamed(_torchvision_name))
    card = EncoderCard(
        name="radimagenet resnet-50",
        network=f"{network.shape.name}, torchvision's children in a row (`backbone.4.0.conv1`)",
        licence=RADIMAGENET.licence,
        fingerprint_sha256=checkpoint.sha256,
        training_data="RadImageNet, 1.35 million CT, MRI and ultrasound images; no eye",
        domain="medical images",
        preprocessing=f"antialiased bilinear resize to {INPUT_PX} px, BGR in [-1, 1] as its "
        "example reads images",
        key_report=report,
        reference=RADIMAGENET.reference,
        family="radimagenet",
    )
    return map_encoder(card, network, Preprocess([1.0] * 3, [0.0] * 3, bgr=True))


def _torchvision_name(key: str) -> str:
    number, dot, rest = key.removeprefix("backbone.").partition(".")
    return f"{POSITIONS[number]}{dot}{rest}" if number in POSITIONS else key


def is_lvm_med(checkpoint: Checkpoint) -> bool:
    """Return whether a file is called as LVM-Med's are; its ResNet's keys are torchvision's."""
    return checkpoint.path.name.lower().replace("-", "").replace("_", "").startswith("lvmmed")


def _is_resnet(checkpoint: Checkpoint) -> bool:
    return resnet_shape(checkpoint.weights) is not None and not is_lvm_med(checkpoint)


def _is_radimagenet(checkpoint: Checkpoint) -> bool:
    keys = checkpoint.weights
    return {"0.weight", "4.0.conv1.weight"} <= {key.removeprefix("backbone.") for key in keys}


def _published(name: str, file: str) -> PublishedFile:
    return PublishedFile(
        name=name,
        where=f"https://download.pytorch.org/models/{file}",
        licence=LICENCE,
        gate="none",
        sha256=file.rpartition("-")[2].removesuffix(".pth"),
        modality="natural",
        source="pytorch/vision, torchvision/models/resnet.py (0.28.0)",
    )


RESNET = Family(
    name="resnet",
    about="ResNet-18/34/50/101/152 and ResNeXt of ImageNet, torchvision's layout",
    licence=LICENCE,
    modality="natural",
    training_sets=("imagenet",),
    reference="He et al., CVPR 2016",
    layout_source="pytorch/vision, torchvision/models/resnet.py (0.28.0)",
    input_px=INPUT_PX,
    confirmed="torchvision 0.28.0, to 1e-4 on random weights",
    recognises=_is_resnet,
    load=load_resnet,
    files=(
        _published("resnet18", "resnet18-f37072fd.pth"),
        _published("resnet34", "resnet34-b627a593.pth"),
        _published("resnet50", "resnet50-0676ba61.pth"),
        _published("resnet50-v2", "resnet50-11ad3fa6.pth"),
        _published("resnet101", "resnet101-63fe2227.pth"),
        _published("resnet101-v2", "resnet101-cd907fc2.pth"),
    ),
)
RADIMAGENET = replace(
    RESNET,
    name="radimagenet",
    about="ResNet-50 of CT, MRI and ultrasound (RadImageNet)",
    licence="MIT (its repository; the weights name no other); data on request (radimagenet.com)",
    modality="several medical",
    training_sets=("radimagenet",),
    reference="Mei et al., Radiology: Artificial Intelligence 2022",
    layout_source="BMEII-AI/RadImageNet, pytorch_example.ipynb, commit 0ce16f73",
    input_px=INPUT_PX,
    confirmed="the network as torchvision 0.28.0, to 1e-4 on random weights; not confirmed: a file "
    "of the authors was not at hand",
    recognises=_is_radimagenet,
    load=load_radimagenet,
    files=(),
)
