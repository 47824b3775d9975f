"""Any ONNX graph that makes a vector of an image, through onnxruntime (an optional package)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
VECTORS = ("image_features", "image_embeds", "image_embeddings", "embeddings", "embedding",
           "features", "pooler_output")  # fmt: skip
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
CHUNK = 8


@dataclass(frozen=True)
class Graph:
    """How a graph takes images and gives vectors.

    Attributes:
        session: onnxruntime's.
        input, output: their names.
        kind: numpy type of the input.
        channels_last: whether it takes (batch, height, width, 3).
        side: of the images, where the graph fixes it.
        batch: images at a time, where the graph fixes it.
    """

    session: Any
    input: str
    output: str
    kind: type
    channels_last: bool
    side: int | None
    batch: int | None


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
    graph, metadata = _opened(path, options)
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


def _opened(path: Path, options: Mapping[str, str]) -> tuple[Graph, Mapping[str, str]]:
    runtime = _runtime()
    known = [name for name in PROVIDERS if name in runtime.get_available_providers()]
    try:
        session = runtime.InferenceSession(str(path), providers=known)
    except Exception as error:  # onnxruntime's own classes are those of its C++ part
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refusal("an ONNX graph", f"{path} ({said})", "export or fetch it again") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    image = _named(inputs, options.get("input"), "input") if "input" in options else inputs[0]
    others = [other.name for other in inputs if other.name != image.name]
    if others or len(image.shape) != 4 or image.type not in KINDS:
        shapes = "; ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise Refusal(
            "a graph whose one input is a batch of images, (batch, 3, height, width)",
            shapes,
            "export the image half alone",
        )
    shape = [size if isinstance(size, int) else None for size in image.shape]
    last = shape[3] == 3 and shape[1] != 3
    side = shape[1] if last else shape[2]
    graph = Graph(
        session, image.name, _output(outputs, options.get("output")), KINDS[image.type], last,
        side, shape[0],
    )  # fmt: skip
    return graph, session.get_modelmeta().custom_metadata_map


def _output(outputs: Sequence[Any], wanted: str | None) -> str:
    if wanted is not None:
        return _named(outputs, wanted, "output").name
    usual = [name for name in VECTORS if name in {output.name for output in outputs}]
    if len(outputs) == 1 or usual:
        return usual[0] if usual else outputs[0].name
    names = ", ".join(output.name for output in outputs)
    raise Refusal("one output, or a name for it", f"outputs {names}", "write output=NAME")


def _named(nodes: Sequence[Any], wanted: str | None, what: str) -> Any:
    for node in nodes:
        if node.name == wanted:
            return node
    names = ", ".join(node.name for node in nodes)
    raise Refusal(f"{what}= one of {names}", repr(wanted), "name one of them")


def _normalisation(
    metadata: Mapping[str, str], options: Mapping[str, str]
) -> tuple[Sequence[float], Sequence[float], str]:
    named = options.get("normalise")
    if named in NORMALISATIONS:
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


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise Refusal(
            "the package onnxruntime, which runs ONNX graphs",
            "an environment without it",
            "pip install 'retinaforge[onnx]'",
        ) from error
    return onnxruntime


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
