"""ONNX graphs as encoders: what is read from them, what is asked, what is refused.

The refusals run on a stand-in for onnxruntime's session; with onnxruntime and onnx installed, real
graphs are run too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.encoders import load
from retinaforge.encoders.onnx_any import OnnxEncoder

IMAGE = ("pixels", "tensor(float)", ["batch", 3, 32, 32])
VECTOR = ("embedding", "tensor(float)", ["batch", 3])
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


class Session:
    """What onnxruntime gives of a graph that averages each channel."""

    inputs: ClassVar[list[tuple]] = [IMAGE]
    outputs: ClassVar[list[tuple]] = [VECTOR]
    metadata: ClassVar[dict[str, str]] = {}

    def __init__(self, path: str, providers: list[str]) -> None:
        self.batches: list[np.ndarray] = []
        if Path(path).read_bytes() != b"graph":
            raise RuntimeError("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF\nmore")

    def _nodes(self, nodes: list[tuple]) -> list[Any]:
        return [SimpleNamespace(name=n, type=t, shape=s) for n, t, s in nodes]

    def get_inputs(self) -> list[Any]:
        return self._nodes(self.inputs)

    def get_outputs(self) -> list[Any]:
        return self._nodes(self.outputs)

    def get_modelmeta(self) -> Any:
        return SimpleNamespace(custom_metadata_map=self.metadata)

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
        (array,) = given.values()
        self.batches.append(array)
        channels = array.transpose(0, 3, 1, 2) if array.shape[-1] == 3 else array
        maps = channels.astype(np.float32)[:, :, :2, :2]
        return [maps if names == ["map"] else maps.mean((2, 3))]


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that writes a graph of given inputs, outputs and metadata."""

    def write(**attributes: Any) -> Path:
        session = type("Made", (Session,), attributes)
        runtime = SimpleNamespace(
            InferenceSession=session, get_available_providers=lambda: ["CPUExecutionProvider"]
        )
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        (tmp_path / "a.onnx").write_bytes(b"graph")
        return tmp_path / "a.onnx"

    return write


def grey(count: int = 1, value: float = 0.0, side: int = 48) -> torch.Tensor:
    return torch.full((count, 3, side, side), value)


def test_images_are_normalised_as_told(graph) -> None:
    encoder = load(f"onnx:{graph()},normalise=imagenet")
    assert isinstance(encoder, OnnxEncoder)
    assert (encoder.card.family, encoder.input_px) == ("onnx", 32)
    expected = (0.5 - MEAN) / STD
    torch.testing.assert_close(encoder.embedding(grey())[0], expected, rtol=1e-5, atol=1e-5)
    half = load(f"onnx:{graph()},normalise=half").embedding(grey(value=0.3))[0]
    assert half.tolist() == pytest.approx([0.3] * 3, abs=1e-6)


def test_normalisation_and_side_come_from_the_graph_where_it_says_so(graph) -> None:
    metadata = {"image_mean": "[0.5, 0.5, 0.5]", "image_std": "0.25,0.25,0.25", "input_px": "24"}
    path = graph(metadata=metadata, inputs=[("x", "tensor(float)", ["b", 3, "h", "w"])])
    encoder = load(f"onnx:{path}")
    assert isinstance(encoder, OnnxEncoder)
    assert encoder.embedding(grey(value=0.25))[0].tolist() == pytest.approx([0.5] * 3)
    assert encoder.graph.session.batches[0].shape == (1, 3, 24, 24)
    assert "as the graph's metadata say" in encoder.card.preprocessing


def test_channels_last_bytes_maps_and_fixed_batches(graph) -> None:
    path = graph(
        inputs=[("x", "tensor(uint8)", [2, 32, 32, 3])], outputs=[("map", "", [2, 3, 2, 2])]
    )
    encoder = load(f"onnx:{path},normalise=bytes")
    assert isinstance(encoder, OnnxEncoder)
    found = encoder.embedding(grey(3, value=-0.5))
    assert found.shape == (3, 3)
    assert found[0].tolist() == pytest.approx([64] * 3)
    sent = encoder.graph.session.batches
    assert [(batch.shape, batch.dtype) for batch in sent] == [((2, 32, 32, 3), np.uint8)] * 2


def test_medimageinsight_as_onnx_is_1024_wide(graph) -> None:
    with pytest.raises(Refusal, match=r"one vector of 1024 an image; got shape \(1, 3\) as embedd"):
        load(f"medimageinsight:{graph()}").embedding(grey())
    card = load(f"medimageinsight:{graph()}").card
    assert (card.family, card.domain) == ("medimageinsight", "medical images")
    assert "bicubic resize to 32 px, normalised as imagenet" in card.preprocessing


@pytest.mark.parametrize(
    ("attributes", "options", "said"),
    [
        ({}, "", r"normalise= one of imagenet, .*neither that nor image_mean .*a wrong guess"),
        ({}, ",normalise=vgg", r"normalise= one of imagenet, clip, half, unit, bytes; got 'vgg'"),
        (
            {"inputs": [IMAGE, ("input_ids", "tensor(int64)", ["b", 77])]},
            ",normalise=half", r"one input is a batch of images.*; input_ids tensor\(int64\)",
        ),
        (
            {"inputs": [("x", "tensor(float)", ["b", 3, "h", "w"])]},
            ",normalise=half", r"the side that images are resized to; got a graph that takes any",
        ),
        (
            {"outputs": [("a", "", []), ("b", "", [])]},
            ",normalise=half", r"one output, or a name for it; got outputs a, b; write output=NAME",
        ),
        ({}, ",normalise=half,output=x", r"output= one of embedding; got 'x'"),
        ({}, ",normalise=half,input=x", r"input= one of pixels; got 'x'"),
        ({}, ",normalise=half,depth=4", r"options of .*normalise; got depth= for onnx"),
    ],
)  # fmt: skip
def test_what_has_to_be_known_is_asked(graph, attributes, options: str, said: str) -> None:
    path = graph(**attributes)
    with pytest.raises(Refusal, match=said):
        load(f"onnx:{path}{options}")


def test_other_files_and_no_package_are_refused(
    graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = graph()
    path.write_bytes(b"something else")
    with pytest.raises(Refusal, match=r"an ONNX graph; got .*a.onnx \(\[ONNXRuntimeError\] : 7"):
        load(f"onnx:{path},normalise=half")
    with pytest.raises(Refusal, match=r"an .onnx file; got .*b.onnx, which is no file"):
        load(f"onnx:{tmp_path / 'b.onnx'}")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Refusal, match=r"the package onnxruntime, .*'retinaforge\[onnx\]'"):
        load(f"onnx:{path},normalise=half")


def test_no_loss_no_nan_no_other_side(graph) -> None:
    encoder = load(f"onnx:{graph()},normalise=half")
    with pytest.raises(Refusal, match=r"gradients pass through, for a loss; got onnx a.onnx"):
        encoder.embedding(grey().requires_grad_())
    with pytest.raises(Refusal, match=r"finite numbers; got NaN or infinity of onnx a.onnx"):
        encoder.embedding(grey(value=float("nan")))
    with pytest.raises(Refusal, match=r"images of 32 px, as the graph was exported; got px=64"):
        load(f"onnx:{graph()},normalise=half,px=64").embedding(grey())


def test_a_real_graph_gives_what_pytorch_gives(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 5, 4, stride=4)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    arrays = [
        onnx.numpy_helper.from_array(value.detach().numpy(), name)
        for name, value in (("w", layer.weight), ("b", layer.bias))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[4, 4]),
        helper.make_node("Relu", ["y"], ["maps"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kind, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("maps", kind, ["n", 5, 8, 8])], arrays,
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "g.onnx")
    encoder = load(f"onnx:{tmp_path / 'g.onnx'},normalise=imagenet")
    images = torch.rand(11, 3, 40, 40) * 2 - 1
    with torch.inference_mode():
        expected = layer(encoder.prepare(images, None)).relu().mean((2, 3))
    torch.testing.assert_close(encoder.embedding(images), expected, rtol=1e-4, atol=1e-5)
