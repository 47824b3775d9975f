"""Inception-v3 from a file that the user names: FID's port of 2015, or torchvision's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import Images, MapEncoder, Preprocess
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.inception import CLASSES, WIDTH, InceptionV3, Port

INPUT_PX = 299
LEFT_ASIDE = {"AuxLogits.": "the auxiliary head served training alone"}
COUNTED = ".num_batches_tracked"
LICENCE: dict[Port, str] = {
    "2015": "Apache-2.0 (TensorFlow's release of 2015-12-05); ImageNet's terms for the data",
    "torchvision": "BSD-3-Clause (torchvision's release); ImageNet's terms for the data",
}
NAME: dict[Port, str] = {"2015": "inception-v3 of 2015 (FID)", "torchvision": "inception-v3"}
POOLS: dict[Port, str] = {
    "2015": "average pools without padding, maximum in the last block (pytorch-fid's layout); "
    "class logits without bias, as the Inception Score's code takes them",
    "torchvision": "torchvision's pools: not the network of FID, whose numbers it does not give",
}
TO_NETWORK = (
    "antialiased bilinear resize to 299 px (FID's own code takes none), (value - 128) / 128"
)


class InceptionEncoder(MapEncoder):
    """Inception-v3: the mean of its last maps, 2048 numbers, and probabilities of its classes."""

    def embed_and_classify(
        self, images: Images
    ) -> tuple[Float[Tensor, "batch channels"], Float[Tensor, "batch classes"]]:
        """Return the vectors of `embedding` and one distribution over classes an image."""
        vectors = self.embedding(images)
        if not isinstance(self.network, InceptionV3):
            raise TypeError(f"InceptionEncoder holds a {type(self.network).__name__}")
        return vectors, self.network.probabilities(vectors)


def load_inception(checkpoint: Checkpoint) -> InceptionEncoder:
    """Load Inception-v3; the number of classes tells FID's port (1008) from torchvision's (1000).

    Raises:
        Refusal: if the file has another layout, or another number of classes.
    """
    weights = {k: v for k, v in checkpoint.weights.items() if not k.endswith(COUNTED)}
    network = InceptionV3(_port(weights))
    report = load_keys(network, weights, ignore=LEFT_ASIDE)
    port = network.port
    card = EncoderCard(
        name=NAME[port],
        network=f"Inception-v3, {CLASSES[port]} classes; {POOLS[port]}",
        licence=LICENCE[port],
        fingerprint_sha256=checkpoint.sha256,
        training_data="ImageNet (ILSVRC 2012), as published; the file is not checked",
        domain="natural images",
        preprocessing=TO_NETWORK,
        key_report=report.in_words(),
        reference="Szegedy et al., CVPR 2016; Heusel et al., NeurIPS 2017",
    )
    # In [-1, 1] the 8-bit value is 127.5 (x + 1).
    to_network = Preprocess([127.5 / 128] * 3, [-0.5 / 128] * 3, bgr=False)
    return InceptionEncoder(
        card, network, preprocess=to_network, blocks=(0, 1, 2, 3), input_px=INPUT_PX
    )


def _port(weights: Mapping[str, Tensor]) -> Port:
    classes = weights.get("fc.weight", torch.empty(0)).shape
    for port, count in CLASSES.items():
        if classes == (count, WIDTH):
            return port
    first = ", ".join(sorted(weights)[:3]) or "none"
    came = f"fc.weight of {' x '.join(map(str, classes))}"
    raise Refusal(
        "Inception-v3 with fc.weight of 1008 x 2048 (pytorch-fid's "
        "pt_inception-2015-12-05-6726825d.pth) or 1000 x 2048 (torchvision's inception_v3)",
        came if any(classes) else f"keys such as {first}",
        "name one of these files",
    )


INCEPTION = Family(
    name="inception",
    about="Inception-v3: FID's port of 2015, or torchvision's",
    licence="Apache-2.0 (2015) or BSD-3-Clause (torchvision); ImageNet's terms for the data",
    modality="natural",
    training_sets=("imagenet",),
    reference="Szegedy et al., CVPR 2016; Heusel et al., NeurIPS 2017",
    layout_source="mseitzer/pytorch-fid, src/pytorch_fid/inception.py; pytorch/vision, "
    "torchvision/models/inception.py",
    input_px=INPUT_PX,
    confirmed="torch-fidelity 0.4.0 and torchvision 0.28.0, to 1e-4 on random weights",
    recognises=lambda checkpoint: "Conv2d_1a_3x3.conv.weight" in checkpoint.weights,
    load=load_inception,
    files=(
        PublishedFile(
            "inception-fid",
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            "Apache-2.0", "none", "6726825d", "natural",
            "mseitzer/pytorch-fid, src/pytorch_fid/inception.py",
        ),
        PublishedFile(
            "inception-torchvision",
            "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
            "BSD-3-Clause; ImageNet's terms for the data", "none", "0cc3c7bd", "natural",
            "pytorch/vision, torchvision/models/inception.py",
        ),
    ),
)  # fmt: skip
