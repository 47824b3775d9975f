"""The plain vision transformers: each family gives what its published architecture gives.

data/vit.json holds values of timm's VisionTransformer on random weights, data/vit_layouts.json the
names and shapes of the published files at full size (tools/vit_reference.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import published
import pytest
import torch
import vit_layouts
import vit_makers
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders import FAMILIES, TokenEncoder, load
from retinaforge.encoders.checkpoint import Checkpoint

DATA = Path(__file__).parent / "data"
VALUES = json.loads((DATA / "vit.json").read_text())
LAYOUTS = json.loads((DATA / "vit_layouts.json").read_text())
ABOUT = VALUES.pop("provenance")
LAYOUTS.pop("provenance")
BY_NAME = {family.name: family for family in FAMILIES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Write one small checkpoint of each case."""
    path = tmp_path_factory.mktemp("vits")
    for case in vit_makers.SMALL_SHAPES:
        vit_makers.write(case, path)
    return path


def spec(folder: Path, case: str, *options: str) -> str:
    """Return how a case is loaded: "retfound pool=mean" is the case retfound with an option."""
    name, *said = case.split(" pool=")
    further = [f"pool={text}" for text in said] + list(options)
    family = name.split(" ")[0]
    return ",".join([f"{family}:{folder / name.replace(' ', '-')}.pth", *further])


def image(side: int) -> Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], side)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def compare(found: Tensor, stored: dict) -> None:
    flat, expected = found.flatten(), torch.tensor(stored["values"])
    index = torch.linspace(0, len(flat) - 1, len(expected)).long()
    torch.testing.assert_close(flat[index], expected, rtol=1e-4, atol=1e-4)
    assert float(flat.norm()) == pytest.approx(stored["norm"], rel=1e-4)


@pytest.mark.parametrize("case", VALUES)
def test_values_are_those_of_the_published_architecture(folder, case: str) -> None:
    for row in VALUES[case]:
        side = row["side_px"]
        encoder = load(spec(folder, case, f"px={side}"))
        with torch.inference_mode():
            tokens = encoder.features(image(side), (ABOUT["tokens_after"],))[0]
            compare(tokens[0], row["tokens"])
            compare(encoder.class_token(image(side)), row["class_token"])
            compare(encoder.embedding(image(side)), row["embedding"])


def test_every_case_tells_one_wrong_step_apart() -> None:
    """The stored sizes differ by more than the tolerance from pooling and side to side."""
    norms = [row[part]["norm"] for rows in VALUES.values() for row in rows for part in row if
             part not in ("side_px", "class_token")]  # fmt: skip
    assert min(norms) > 1
    plain, pooled = VALUES["retfound"][0], VALUES["retfound pool=mean"][0]
    assert plain["embedding"]["norm"] != pytest.approx(pooled["embedding"]["norm"], rel=1e-3)


def unpacked(layout: dict[str, str]) -> dict[str, tuple[int, ...]]:
    """Return names and shapes: "blocks.{0-2}.x" stands for three."""
    found = {}
    for key, text in layout.items():
        shape = tuple(map(int, text.split()))
        span = re.search(r"\{0-(\d+)\}", key)
        names = [key] if span is None else [
            key.replace(span[0], str(i)) for i in range(int(span[1]) + 1)
        ]  # fmt: skip
        found |= dict.fromkeys(names, shape)
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_array_of_a_full_size_file_finds_its_place(tmp_path, name: str) -> None:
    shapes = unpacked(LAYOUTS[name])
    assert shapes == vit_layouts.FULL[name]()
    path = tmp_path / f"{name.replace(' ', '-')}.pth"
    path.write_bytes(b"stands for a file")
    wrapper = "teacher" if name in ("retfound-dinov2", "visionfm") else "model"
    weights = {
        key.removeprefix("backbone."): torch.empty(shape, device="meta")
        for key, shape in shapes.items()
    }
    checkpoint = Checkpoint(path, weights, wrapper)
    family = BY_NAME[name.split(" ")[0]]
    assert [f.name for f in FAMILIES if f.recognises(checkpoint)] == [family.name]
    with torch.device("meta"):
        encoder = family.load(checkpoint)
    assert isinstance(encoder, TokenEncoder)
    assert encoder.card.key_report.startswith(f"{len(encoder.network.state_dict())} arrays loaded")
    assert not re.search("missing|unexpected|reshaped", encoder.card.key_report)
    assert encoder.input_px == {"retfound-green": 392}.get(name, 224)


@pytest.mark.parametrize("case", [case for case in vit_makers.SMALL_SHAPES if case != "dinov2"])
def test_a_file_alone_is_recognised_and_refused_under_other_names(folder, case: str) -> None:
    path = folder / f"{case.replace(' ', '-')}.pth"
    family = case.split(" ")[0]
    assert load(path).card.family == family
    other = "dinov2" if family == "retfound" else "retfound"
    with pytest.raises(Refusal, match=rf"got .*, which seems to be .*; name it {family}:"):
        load(f"{other}:{path}")


def test_gradients_reach_the_images_through_registers_gates_and_resized_positions(folder) -> None:
    for case in ("dinov2 gated", "dinov2 registers", "preti"):
        encoder = load(spec(folder, case, "px=64"))
        images = image(48).requires_grad_()
        encoder.embedding(images).square().sum().backward()
        assert images.grad is not None
        assert float(images.grad.abs().min(1).values.max()) > 0
