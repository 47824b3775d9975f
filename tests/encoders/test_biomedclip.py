"""BiomedCLIP's two towers give what open_clip around timm and transformers gives.

data/biomedclip.json holds values of open_clip 3.3.0 on random weights
(tools/open_clip_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.encoders import load, read_checkpoint
from retinaforge.encoders.biomedclip import BIOMEDCLIP, BiomedClipEncoder, text_network
from retinaforge.encoders.vits import vit_shape
from retinaforge.nets.clip_trunk import TrunkTower

STORED = json.loads((Path(__file__).parent / "data/biomedclip.json").read_text())
ABOUT = STORED["provenance"]


def shapes(which: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(map(int, said.split())) for key, said in STORED[which].items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    weights = published.transformer_weights(shapes("shapes"), ABOUT["seed"])
    torch.save(weights, tmp_path / "open_clip_pytorch_model.bin")
    return tmp_path / "open_clip_pytorch_model.bin"


def image() -> torch.Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], ABOUT["side_px"])
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_image_tower_agrees_with_open_clip_and_timm(path: Path) -> None:
    encoder = load(path)
    assert isinstance(encoder, BiomedClipEncoder)
    assert (encoder.card.family, encoder.card.modality) == ("biomedclip", "several medical")
    expected = torch.tensor(STORED["values"]["image"])
    torch.testing.assert_close(encoder.embedding(image())[0], expected, rtol=1e-4, atol=1e-4)


def test_text_tower_agrees_with_open_clip_and_transformers(path: Path) -> None:
    pytest.importorskip("transformers")
    network, ids = text_network(read_checkpoint(path).weights), torch.tensor(STORED["ids"])
    with torch.no_grad():
        vectors = torch.nn.functional.normalize(network(ids, ids != 0), dim=1)
        alone = torch.nn.functional.normalize(network(ids[1:, :3], ids[1:, :3] != 0), dim=1)
    expected = torch.tensor(STORED["values"]["texts"])
    torch.testing.assert_close(vectors, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alone[0], expected[1], rtol=1e-4, atol=1e-4)


def test_published_size_fits_by_names_and_shapes() -> None:
    trunk = {
        key.removeprefix("visual."): torch.empty(shape, device="meta")
        for key, shape in shapes("full_shapes").items()
        if key.startswith("visual.")
    }
    with torch.device("meta"):
        inner = {key.removeprefix("trunk."): value for key, value in trunk.items()}
        tower = TrunkTower(vit_shape(inner), len(trunk["head.proj.weight"]))
    own = {key: value.shape for key, value in tower.state_dict().items()}
    assert own == {key: value.shape for key, value in trunk.items()}
    assert (tower.trunk.shape.width, tower.trunk.shape.input_px) == (768, 224)


def test_other_towers_of_timms_are_refused(tmp_path: Path) -> None:
    torch.save({"visual.trunk.stem.0.weight": torch.zeros(1)}, tmp_path / "a.bin")
    with pytest.raises(Refusal, match=r"a ViT with a class token .*; got a trunk with keys"):
        load(f"biomedclip:{tmp_path / 'a.bin'}")


def test_file_is_known() -> None:
    (file,) = BIOMEDCLIP.files
    assert file.where.startswith("hf:microsoft/BiomedCLIP")
    assert len(file.sha256) == 64
