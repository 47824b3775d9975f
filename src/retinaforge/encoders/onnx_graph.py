"""Open an ONNX graph with onnxruntime (optional) and find out what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Refusal

KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
VECTORS = ("image_features", "image_embeds", "image_embeddings", "embeddings", "embedding",
           "features", "pooler_output")  # fmt: skip
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


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


def open_graph(path: Path, options: Mapping[str, str]) -> tuple[Graph, Mapping[str, str]]:
    """Return a graph of images with its metadata.

    Raises:
        Refusal: if it cannot be opened, takes anything but images, or its output must be named.
    """
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
