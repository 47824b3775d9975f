"""Classifiers that are trained: a ResNet or a vision transformer below one linear layer.

The trunks are those of `nets.resnet` and `nets.vit`, in the key layouts of torchvision and timm;
what differs is that a ResNet's norms learn here, as batch norms with running moments.

References:
    He et al., "Deep residual learning for image recognition", CVPR 2016; He et al., "Delving deep
    into rectifiers", ICCV 2015 (starting weights); Dosovitskiy et al., ICLR 2021.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.nets.resnet import FrozenNorm, ResNet, ResnetShape, Stage
from retinaforge.nets.vit import VisionTransformer, VitShape, initialise

RESNET18 = ResnetShape(64, tuple(Stage(2, w, w) for w in (64, 128, 256, 512)), bottleneck=False)
RESNET50 = ResnetShape(
    64, tuple(Stage(n, w, 4 * w) for n, w in ((3, 64), (4, 128), (6, 256), (3, 512))),
    bottleneck=True,
)  # fmt: skip
VIT_B16 = VitShape(width=768, depth=12, heads=12, patch_px=16, input_px=224)
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, which published weights expect; from scratch they only centre the colours."""
LAST = 4


class Classifier(nn.Module):
    """A trunk, the vector that it gives, and a linear layer that begins at nought.

    Args:
        trunk: `ResNet` or `VisionTransformer`.
        classes: numbers that it answers with, all questions side by side.
    """

    def __init__(self, trunk: ResNet | VisionTransformer, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(width_of(trunk), classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch classes"]:
        """Return logits of RGB images in [0, 1]."""
        x = (images - self.get_buffer("mean")) / self.get_buffer("spread")
        return self.head(self._vector(x))

    def _vector(self, x: Tensor) -> Tensor:
        if isinstance(self.trunk, ResNet):
            return self.trunk(x, (LAST,))[0].mean((2, 3))
        return self.trunk(x).embedding


def width_of(trunk: ResNet | VisionTransformer) -> int:
    """Return how many numbers a trunk's vector has."""
    if isinstance(trunk, ResNet):
        return trunk.shape.stages[-1].outer
    return trunk.shape.width


def started(shape: ResnetShape | VitShape, *, seed: int) -> ResNet | VisionTransformer:
    """Return a trunk with starting weights, the same for the same seed anywhere."""
    if isinstance(shape, VitShape):
        return initialise(VisionTransformer(shape), seed)
    rng, network = torch.Generator().manual_seed(seed), ResNet(shape)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=rng)
    return learning(network)


def learning(network: ResNet) -> ResNet:
    """Let a ResNet's norms learn: each becomes a batch norm with the moments that it had."""
    for module in list(network.modules()):
        for name, norm in list(module.named_children()):
            if isinstance(norm, FrozenNorm):
                setattr(module, name, _batch_norm(norm))
    return network


def _batch_norm(frozen: FrozenNorm) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(len(frozen.weight))
    norm.load_state_dict(frozen.state_dict(), strict=False)
    return norm
