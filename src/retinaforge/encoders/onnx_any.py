"""Any ONNX graph that makes a vector of an image, through onnxruntime (an optional package)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders.black_box import BlackBox
from retinaforge.encoders.card import Domain, EncoderCard, Modality
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.clip_said import MEAN, STD
from retinaforge.encoders.encoder import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Encoder,
    Preprocess,
    Resampling,
    standardise,
)
from retinaforge.encoders.family import Family
from retinaforge.encoders.onnx_graph import Graph, open_graph
from retinaforge.encoders.spec import require_known, whole_number

OPTIONS = ("input", "output", "normalise")
NORMALISATIONS: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "clip": (MEAN, STD),
    "half": ((0.5,) * 3, (0.5,) * 3),
    "unit": ((0.0,) * 3, (1.0,) * 3),
    "bytes": ((0.0,) * 3, (1 / 255,) * 3),
}
"""Mean and standard deviation of RGB in [0, 1]: "half" gives -1 to 1, "unit" 0 to 1."""
CHUNK = 8


class OnnxEncoder(BlackBox):
    """An ONNX graph of images: one vector an image."""

    def __init__(
        self, card: EncoderCard, graph: Graph, *, preprocess: Preprocess, input_px: int,
        width: int | None,
    ) -> None:  # fmt: skip
        super().__init__(card, preprocess=preprocess, input_px=input_px, chunk=graph.batch or CHUNK)
        self.graph, self.width = graph, width

    def vectors(self, ready: Tensor) -> Float[Tensor, "batch channels"]:
        """Run the graph; a map is averaged over its positions."""
        graph = self.graph
        if graph.side not in (None, ready.shape[-1]):
            raise Refusal(
                f"images of {graph.side} px, as the graph was exported",
                f"px={ready.shape[-1]}", "leave px= out",
            )  # fmt: skip
        rows = ready.detach().float().cpu()
        missing = (graph.batch or len(rows)) - len(rows)
        if missing > 0:
            rows = torch.cat([rows, rows[-1:].expand(missing, -1, -1, -1)])
        rows = rows.permute(0, 2, 3, 1) if graph.channels_last else rows
        array = rows.round().clamp(0, 255) if graph.kind is np.uint8 else rows
        given = {graph.input: np.ascontiguousarray(array.numpy().astype(graph.kind))}
        found = torch.from_numpy(graph.session.run([graph.output], given)[0]).float()[: len(ready)]
        found = found.mean((2, 3)) if found.ndim == 4 else found
        if found.ndim != 2 or self.width not in (None, found.shape[1]):
            raise Refusal(
                f"one vector{f' of {self.width}' if self.width else ''} an image",
                f"shape {tuple(found.shape)} as {graph.output}",
                "name another output=, one of "
                + ", ".join(output.name for output in graph.session.get_outputs()),
            )
        return found


def from_onnx(
    target: str, options: Mapping[str, str], *, family: str = "onnx",
    domain: Domain = "natural images", modality: Modality = "none", width: int | None = None,
    resampling: Resampling = "bilinear",
) -> OnnxEncoder:  # fmt: skip
    """Return the encoder of an .onnx file; its normalisation comes from it or from the options.

    Args:
        target: path of the graph.
        options: input, output (names in the graph), normalise (of `NORMALISATIONS`), px.
        width: length of its vectors, where that is known.

    Raises:
        Refusal: if onnxruntime is absent, the graph takes anything but images, or is silent about
            what has to be known.
    """
    require_known(options, OPTIONS, family)
    path = Path(target).expanduser()
    if not path.is_file():
        raise Refusal("an .onnx file", f"{path}, which is no file", "check the path")
    graph, metadata = open_graph(path, options)
    mean, std, how = _normalisation(metadata, options)
    side = graph.side or whole_number(dict(options), "px") or _side(metadata)
    if side is None:
        raise Refusal(
            "the side that images are resized to", "a graph that takes any", "write e.g. px=224"
        )  # fmt: skip
    card = EncoderCard(
        name=f"{family} {path.name}",
        network=f"an ONNX graph, {graph.input} to {graph.output}, run by onnxruntime",
        licence="as its publisher says",
        fingerprint_sha256=sha256_of(path),
        training_data="as its publisher says; the graph does not tell",
        domain=domain,
        preprocessing=f"antialiased {resampling} resize to {side} px, {how}",
        key_report="an ONNX graph: what it holds was not compared with any layout",
        reference="none: a graph that the user named",
        family=family,
        modality=modality,
        input_px=side,
        certainty="not confirmed: the graph computes what its maker put into it",
    )
    preprocess = standardise(mean, std, resampling=resampling)
    return OnnxEncoder(card, graph, preprocess=preprocess, input_px=side, width=width)


def _normalisation(
    metadata: Mapping[str, str], options: Mapping[str, str]
) -> tuple[Sequence[float], Sequence[float], str]:
    named = options.get("normalise")
    if named is not None and named in NORMALISATIONS:
        mean, std = NORMALISATIONS[named]
        return mean, std, f"normalised as {named}"
    found = [_three(metadata.get(f"image_{k}") or metadata.get(k)) for k in ("mean", "std")]
    if named is None and found[0] and found[1]:
        return found[0], found[1], "normalised as the graph's metadata say"
    raise Refusal(
        f"normalise= one of {', '.join(NORMALISATIONS)}",
        repr(named) if named else "neither that nor image_mean and image_std in the graph",
        "write how its images are normalised: a wrong guess breaks nothing and spoils all numbers",
    )


def _three(text: str | None) -> list[float] | None:
    """Return three numbers from "[0.5, 0.5, 0.5]" or "0.5,0.5,0.5"."""
    try:
        values = json.loads(f"[{(text or '').strip().strip('[]()')}]")
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == 3 else None


def _side(metadata: Mapping[str, str]) -> int | None:
    given = metadata.get("input_px") or metadata.get("image_size") or ""
    return int(given) if given.isdigit() else None


def _no_checkpoint(checkpoint: Checkpoint) -> Encoder:
    raise Refusal("an .onnx file", str(checkpoint.path), "name the graph: onnx:FILE.onnx")


ONNX = Family(
    name="onnx",
    about="any ONNX graph that makes a vector of an image, run by onnxruntime; no loss, no layers",
    licence="as its publisher says",
    modality="none",
    training_sets=(),
    reference="none: a graph that the user names",
    layout_source="onnx/onnx, the graph's own description",
    confirmed="not confirmed: the graph computes what its maker put into it",
    recognises=lambda checkpoint: False,
    load=_no_checkpoint,
    options=OPTIONS,
    opens=lambda target, options: from_onnx(target, options),
)
