"""An encoder as the feature network of torchmetrics, torch-fidelity and clean-fid.

    from torchmetrics.image.fid import FrechetInceptionDistance
    fid = FrechetInceptionDistance(feature=as_extractor(load("retfound:FILE")))

Each package hands over pixels in its own range; here they become the [-1, 1] that encoders take,
and the encoder's own resize and normalisation follow. Pass images at their full size: a resize of
the package's own before it would change the features.

References:
    torchmetrics 1.9 (image/fid.py, kid.py, inception.py), torch-fidelity 0.4
    (feature_extractor_base.py, registry.py), clean-fid 0.1.35 (fid.py, utils.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders.encoder import Encoder
from retinaforge.encoders.inception import InceptionEncoder

Output = Literal["vectors", "logits"]
LAYER = "vectors"
PROBE_PX = 224
SMALLEST = 1e-30


class Extractor(nn.Module):
    """What torchmetrics takes as `feature=`: images in, (batch, `num_features`) out.

    Args:
        encoder: frozen; stays on its device.
        output: "vectors" for distances of sets, "logits" for the Inception Score.
        full: value that means white in float images; uint8 images always count to 255.
    """

    def __init__(self, encoder: Encoder, output: Output = "vectors", full: float = 1.0) -> None:
        super().__init__()
        if output == "logits" and not isinstance(encoder, InceptionEncoder):
            raise Refusal(
                "an Inception with classes for the Inception Score",
                encoder.card.name,
                "load inception:FILE, or ask for vectors",
            )
        self.encoder, self.output, self.full = encoder, output, full
        super().train(False)
        side = encoder.input_px or PROBE_PX
        device = next(encoder.parameters()).device
        with torch.no_grad():
            self.num_features = self._features(torch.zeros(1, 3, side, side, device=device)).shape[
                1
            ]

    def train(self, mode: bool = True) -> Extractor:
        """Stay in evaluation mode: a frozen network never trains."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return one row an image.

        Args:
            images: RGB, (batch, 3, height, width), uint8 or floats from 0 to `full`.

        Raises:
            Refusal: for floats outside that range, which another normalisation has made.
        """
        return self._features(to_signed(images, self.full))

    def _features(self, images: Tensor) -> Tensor:
        # torchmetrics' set_dtype(torch.float64) turns the network within it too.
        images = images.to(next(self.encoder.parameters()).dtype)
        with torch.no_grad():
            if self.output == "logits" and isinstance(self.encoder, InceptionEncoder):
                return self.encoder.embed_and_classify(images)[1].clamp_min(SMALLEST).log()
            return self.encoder.embedding(images)


def to_signed(images: Tensor, full: float) -> Tensor:
    """Return RGB in [-1, 1] from uint8, or from floats whose white is `full`."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise Refusal(
            "RGB images, (batch, 3, height, width)", str(tuple(images.shape)), "turn them so"
        )
    if images.dtype == torch.uint8:
        return images.float() / 127.5 - 1
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > full:
        raise Refusal(
            f"uint8 images, or floats from 0 to {full:g}",
            f"floats from {low:g} to {high:g}",
            "undo the normalisation; the encoder has its own",
        )
    return images.float() * (2 / full) - 1


def as_extractor(encoder: Encoder, output: Output = "vectors") -> Extractor:
    """Return a module for torchmetrics' `feature=`: uint8 images, or floats in [0, 1].

    FrechetInceptionDistance, KernelInceptionDistance, MemorizationInformedFrechetInceptionDistance
    take vectors; InceptionScore takes `output="logits"` of an Inception.
    """
    return Extractor(encoder, output)


def as_clean_fid_model(encoder: Encoder) -> Extractor:
    """Return a model for clean-fid's `custom_feat_extractor=`, which hands over floats to 255.

    clean-fid resizes to 299 px first; `custom_fn_resize=lambda pixels: pixels` leaves that to the
    encoder (images of one size then).
    """
    return Extractor(encoder, full=255.0)


def register_with_torch_fidelity(encoder: Encoder, name: str) -> str:
    """Register an encoder with torch-fidelity and return `name`.

        name = register_with_torch_fidelity(load("retfound:FILE"), "retfound")
        calculate_metrics(input1=..., input2=..., fid=True, feature_extractor=name)

    Args:
        encoder: frozen.
        name: for `feature_extractor=`; new in this process.

    Raises:
        Refusal: if torch-fidelity is not installed.
    """
    try:
        from torch_fidelity import register_feature_extractor
        from torch_fidelity.feature_extractor_base import FeatureExtractorBase
    except ImportError as error:
        raise Refusal(
            "the package torch-fidelity", "a Python without it", "pip install torch-fidelity"
        ) from error
    register_feature_extractor(name, _fidelity_class(FeatureExtractorBase, encoder))
    return name


def _fidelity_class(base: Any, encoder: Encoder) -> Any:
    """Return a subclass of torch-fidelity's base that holds this encoder."""

    def build(self: Any, name: str, features_list: list[str], **_: Any) -> None:
        base.__init__(self, name, features_list)
        self.extractor = Extractor(encoder)

    methods: dict[str, Callable[..., Any]] = {
        "__init__": build,
        "forward": lambda self, images: (self.extractor(images),) * len(self.features_list),
        "get_provided_features_list": staticmethod(lambda: (LAYER,)),
        "get_default_feature_layer_for_metric": staticmethod(lambda metric: LAYER),
        "can_be_compiled": staticmethod(lambda: False),
        "get_dummy_input_for_compile": staticmethod(
            lambda: torch.zeros(1, 3, PROBE_PX, PROBE_PX, dtype=torch.uint8)
        ),
    }
    return type("RetinaForgeExtractor", (base,), methods)
