"""Any model of timm, where the user has timm: `timm:NAME,file=FILE`.

timm is no dependency of this package and is imported when it is asked for. It builds the network
(`pretrained=False`: nothing is fetched); the weights come from the user's file, read as every file
here is. Sizes, mean, standard deviation and filter are those that timm notes for the model.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint, require_arrays
from retinaforge.encoders.encoder import Encoder, MapEncoder, quarter_depths
from retinaforge.encoders.family import Family
from retinaforge.encoders.preprocess import Field, Images, Resampling, blacken, standardise
from retinaforge.encoders.weights import KeyReport, load_keys

HOW = "timm:NAME,file=FILE, e.g. timm:convnext_tiny,file=model.safetensors"
COUNTED = "num_batches_tracked"


class TimmMaps(nn.Module):
    """A model of timm that gives its intermediate maps, or its pooled vector."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        deep = hasattr(model, "forward_intermediates")
        self.depth = max(1, len(model.feature_info)) if deep else 1
        self.deep = deep

    def forward(self, images: Tensor, positions: Sequence[int] | None = None) -> Any:
        """Return maps after the stages or blocks counted from 1; None gives the vector."""
        if positions is None:
            return self.model(images)
        if not all(1 <= position <= self.depth for position in positions):
            return []
        if not self.deep:
            return [self.model.forward_features(images)]
        return self.model.forward_intermediates(
            images, indices=[p - 1 for p in positions], intermediates_only=True, output_fmt="NCHW"
        )


class TimmEncoder(MapEncoder):
    """A model of timm; the embedding is what it gives before its classifier."""

    def embedding(
        self, images: Images, *, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the pooled vector; outside the field of view the image is black."""

        def pooled(images: Tensor, fov: Tensor | None) -> Tensor:
            return self.run(self.prepare(blacken(images, fov), None))

        return self.chunked(pooled, images, fov)

    def class_token(
        self, images: Images, *, input_px: int | None = None, fov: Field | None = None
    ) -> Float[Tensor, "batch channels"]:
        """Return the first token after the last norm; a network without one refuses."""
        model: Any = self.network.get_submodule("model")
        if getattr(model, "num_prefix_tokens", 0) < 1:
            return super().class_token(images, input_px=input_px, fov=fov)

        def first(images: Tensor, fov: Tensor | None) -> Tensor:
            return model.forward_features(self.prepare(blacken(images, fov), input_px))[:, 0]

        return self.chunked(first, images, fov)


def open_timm(target: str, options: Mapping[str, str]) -> Encoder:
    """Build the model that `target` names and fill it from `options["file"]`.

    Raises:
        Refusal: without timm, for a name that timm does not know, without a file, or for a file
            that does not fit.
    """
    timm = _timm()
    if not timm.is_model(target):
        near = difflib.get_close_matches(target, timm.list_models(), 3, 0.4)
        raise Refusal(
            f"a model of timm {timm.__version__}",
            repr(target),
            f"write {HOW}" + (f"; near it are {', '.join(near)}" if near else ""),
        )
    if not options.get("file"):
        raise Refusal("the weights, file=FILE", f"timm:{target} alone", f"write {HOW}")
    checkpoint = require_arrays(read_checkpoint(Path(options["file"]).expanduser()))
    model = timm.create_model(target, pretrained=False, num_classes=0)
    report = _fill(model, checkpoint)
    said = timm.data.resolve_model_data_config(model)
    network = TimmMaps(model)
    encoder = TimmEncoder(
        _card(timm, target, checkpoint, report, said),
        network,
        preprocess=standardise(said["mean"], said["std"], resampling=_filter(said)),
        blocks=quarter_depths(network.depth),
        input_px=int(said["input_size"][-1]),
    )
    return encoder


def _timm() -> ModuleType:
    try:
        importlib.import_module("timm.data")
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision of another PyTorch
        raise Refusal(
            "timm beside this package", f"none that opens ({error})", "install it: pip install timm"
        ) from error
    return sys.modules["timm"]


def _fill(model: Any, checkpoint: Checkpoint) -> KeyReport:
    """Load the file's arrays, as they are or through timm's own filter for older layouts."""
    own = model.state_dict()
    counts = {key: value for key, value in own.items() if key.endswith(COUNTED)}
    names = model.pretrained_cfg.get("classifier") or ()
    heads = (names,) if isinstance(names, str) else tuple(names)
    ignore = {f"{name}.": "the classifier is not needed for features" for name in heads}
    given = dict(checkpoint.weights)
    if not own.keys() <= given.keys() | counts.keys():
        module = sys.modules[type(model).__module__]
        filtered = getattr(module, "checkpoint_filter_fn", lambda state, _model: state)
        given = dict(filtered(given, model))
    with torch.no_grad():
        return load_keys(model, counts | given, ignore=ignore)


def _filter(said: Mapping[str, Any]) -> Resampling:
    return "bilinear" if said.get("interpolation") == "bilinear" else "bicubic"


def _card(
    timm: ModuleType, name: str, checkpoint: Checkpoint, report: KeyReport, said: Mapping[str, Any]
) -> EncoderCard:
    return EncoderCard(
        name=f"timm {name}",
        network=f"{name} of timm {timm.__version__}",
        licence="as its publisher says; timm does not know whose file this is",
        fingerprint_sha256=checkpoint.sha256,
        training_data="not known: the file is not checked against timm's own",
        domain="natural images",
        preprocessing=f"antialiased {_filter(said)} resize of the whole image to "
        f"{said['input_size'][-1]} px, mean {said['mean']} and standard deviation {said['std']}",
        key_report=report.in_words(),
        reference="Wightman, PyTorch Image Models, doi 10.5281/zenodo.4414861",
        family="timm",
    )


def _refuse_file(checkpoint: Checkpoint) -> Encoder:
    raise Refusal("the name of a timm model before its file", str(checkpoint.path), f"write {HOW}")


TIMM = Family(
    name="timm",
    about="any model of timm by its name, where timm is installed",
    licence="as the file's publisher says",
    modality="natural",
    training_sets=(),
    reference="Wightman, PyTorch Image Models, doi 10.5281/zenodo.4414861",
    layout_source="huggingface/pytorch-image-models (timm 1.0.31), timm/models/_builder.py and "
    "timm/data/config.py",
    confirmed="it runs timm's own code",
    recognises=lambda _: False,
    load=_refuse_file,
    options=("file",),
    opens=open_timm,
)
