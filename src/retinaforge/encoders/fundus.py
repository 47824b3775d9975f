"""Our own fundus encoders, as `retinaforge pretrain` writes them and as one is shipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from retinaforge.core import Refusal
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.checkpoint import Checkpoint, read_checkpoint
from retinaforge.encoders.encoder import TokenEncoder, imagenet, quarter_depths
from retinaforge.encoders.family import Family
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.nets.vit import VitShape
from retinaforge.nets.vit_blocks import Pooling

FORMAT = "retinaforge-fundus-encoder"
SHIPPED = Path(__file__).parents[1] / "weights" / "encoder-v1.safetensors"
SIZES = {field.name for field in fields(VitShape)}


def shipped_encoder() -> TokenEncoder:
    """Return the fundus encoder that comes with the package."""
    return load_fundus(SHIPPED)


def load_fundus(path: Path) -> TokenEncoder:
    """Load an encoder that `retinaforge pretrain` wrote.

    Raises:
        Refusal: if the file is another one.
    """
    return from_checkpoint(read_checkpoint(path))


def from_checkpoint(checkpoint: Checkpoint) -> TokenEncoder:
    """Build the encoder; the card is what the file's header says.

    Raises:
        Refusal: if the header is not that of `retinaforge pretrain`, or keys do not fit.
    """
    said: Mapping[str, str] = checkpoint.said.get("metadata", {})
    if said.get("format") != FORMAT:
        raise Refusal(
            f"a file of `retinaforge pretrain` (format {FORMAT!r} in its header)",
            f"{checkpoint.path} (format {said.get('format', 'not stated')!r})",
            "name it by its own family, for example retfound:FILE for MAE's layout",
        )
    network = FundusVit(_shape(said), _listed(said, "metadata_kinds"))
    weights = {key: value.float() for key, value in checkpoint.weights.items()}
    report = load_keys(network, weights, ignore={})
    shape = network.shape
    card = EncoderCard(
        name=said.get("name", "fundus"),
        network=f"ViT, width {shape.width}, {shape.depth} blocks, {shape.heads} heads, "
        f"patches of {shape.patch_px} px; black patches are left out",
        licence=said.get("licence", "not stated"),
        fingerprint_sha256=checkpoint.sha256,
        training_data=", ".join(_listed(said, "training_data")) or "not stated",
        domain="retina",
        preprocessing=f"antialiased bilinear resize to {shape.input_px} px (or the asked px), "
        "ImageNet mean and standard deviation; patches without light take no part",
        key_report=report.in_words(),
        reference="this package, docs/reference/model-card-encoder.md; " + said.get("method", ""),
        family=OURS.name,
        modality="colour fundus",
        input_px=shape.input_px,
        training_sets=_listed(said, "training_sets"),
        certainty=OURS.confirmed,
    )
    return TokenEncoder(
        card, network, preprocess=imagenet(), blocks=quarter_depths(shape.depth),
        input_px=shape.input_px,
    )  # fmt: skip


def _shape(said: Mapping[str, str]) -> VitShape:
    """Return the sizes that the header states, with the pooling that it names."""
    sizes: dict[str, Any] = json.loads(said.get("shape", "{}"))
    pooling = said.get("pooling", "")
    known = {"width", "depth", "heads"} <= sizes.keys() <= SIZES
    if not known or pooling not in get_args(Pooling):
        raise Refusal(
            "a header with shape (width, depth, heads, ...) and pooling",
            f"shape {sizes}, pooling {pooling!r}",
            "write the file again with this version of `retinaforge pretrain`",
        )
    return VitShape(**sizes, pooling=pooling)


def _listed(said: Mapping[str, str], key: str) -> tuple[str, ...]:
    return tuple(json.loads(said.get(key, "[]")))


OURS = Family(
    name="ours",
    about="small ViT pretrained by `retinaforge pretrain` on fundus photographs and phantoms",
    licence="as the file's header says; Apache-2.0 for the one that ships",
    modality="colour fundus",
    training_sets=(),
    reference="this package, docs/reference/model-card-encoder.md",
    layout_source="this package, retinaforge.nets.fundus_vit (MAE's encoder keys)",
    confirmed="it is our own code; the encoder's keys are those of MAE",
    recognises=lambda checkpoint: checkpoint.said.get("metadata", {}).get("format") == FORMAT,
    load=from_checkpoint,
)

__all__ = ["FORMAT", "OURS", "SHIPPED", "from_checkpoint", "load_fundus", "shipped_encoder"]
