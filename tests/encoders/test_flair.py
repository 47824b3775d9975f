"""FLAIR's towers give what torchvision and transformers give under the published pooling.

data/flair.json holds values of torchvision 0.28.0 on random weights (tools/flair_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.encoders import load, read_checkpoint
from retinaforge.encoders.bert import under
from retinaforge.encoders.flair import FLAIR, FlairEncoder, text_network
from retinaforge.nets.flair import FlairTower
from retinaforge.nets.resnet import resnet_shape

STORED = json.loads((Path(__file__).parent / "data/flair.json").read_text())
ABOUT = STORED["provenance"]
BERT = {"hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 4, "vocab_size": 40,
        "intermediate_size": 96, "max_position_embeddings": 32}  # fmt: skip


def shapes(which: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(map(int, said.split())) for key, said in STORED[which].items()}


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    weights = published.random_weights(shapes("shapes"), ABOUT["seed"])
    counted = {"vision_model.model.bn1.num_batches_tracked": torch.tensor(3)}
    file = tmp_path_factory.mktemp("flair") / "flair_resnet.pth"
    torch.save(weights | counted | {"logit_scale": torch.ones(())}, file)
    return file


def image() -> torch.Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], ABOUT["side_px"])[: ABOUT["rows_px"]]
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_image_tower_agrees_with_torchvision_on_the_published_canvas(path: Path) -> None:
    encoder = load(f"{path},px={ABOUT['canvas_px']}")
    assert isinstance(encoder, FlairEncoder)
    expected = torch.tensor(STORED["image"])
    torch.testing.assert_close(encoder.embedding(image())[0], expected, rtol=1e-4, atol=1e-4)
    canvas = encoder.prepare(image(), None)
    assert canvas.shape[-2:] == (64, 64)
    assert (canvas[..., 46:, :] == 0).all()  # 70 of 96 rows become 46 of 64; the rest is black
    assert canvas[..., :46, :].mean() > 0.3


def test_streams_keep_the_canvas(path: Path) -> None:
    encoder = load(f"{path},px=64")
    (streamed,) = encoder.embed_stream([image()[0]])
    torch.testing.assert_close(streamed, encoder.embedding(image())[0], rtol=1e-4, atol=1e-5)


def test_card_says_what_it_has_seen(path: Path) -> None:
    card = load(path).card
    assert "1 arrays logit_scale* left aside" in card.key_report
    assert (card.family, card.input_px, card.modality) == ("flair", 512, "colour fundus")
    assert {"eyepacs", "idrid", "hrf", "airogs", "odir"} <= set(card.training_sets)
    assert not {"fives", "messidor2", "refuge"} & set(card.training_sets)
    assert len(FLAIR.training_sets) == len(set(FLAIR.training_sets)) == 31


def test_published_size_fits_by_names_and_shapes() -> None:
    arrays = {k: torch.empty(s, device="meta") for k, s in shapes("full_shapes").items()}
    vision = under(arrays, "vision_model.")
    shape = resnet_shape(under(vision, "model."))
    assert shape is not None
    assert shape.name == "ResNet-50"
    with torch.device("meta"):
        own = FlairTower(shape, 512).state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in vision.items()}


def test_text_tower_pools_as_the_published_code_does() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertModel(transformers.BertConfig(**BERT)).eval()
    kinds = {f"text_model.model.{k}": tuple(v.shape) for k, v in theirs.state_dict().items()}
    kinds["text_model.projection_head_text.projection.weight"] = (24, 64)
    weights = published.transformer_weights(kinds, 3)
    theirs.load_state_dict(under(weights, "text_model.model."))
    head = weights["text_model.projection_head_text.projection.weight"]
    ours, ids = text_network(weights), torch.tensor([[2, 7, 9, 31, 3, 0], [2, 8, 3, 0, 0, 0]])
    with torch.no_grad():
        vectors = torch.nn.functional.normalize(ours(ids, ids != 0), dim=1)
        for row, vector in zip(ids, vectors, strict=True):
            alone = row[row != 0][None]  # no filling, so the published mean is over words alone
            states = theirs(input_ids=alone, output_hidden_states=True).hidden_states
            mean = torch.stack([states[1], states[2], states[-1]]).mean((0, 2))
            found = (mean / mean.norm(dim=-1, keepdim=True)) @ head.T
            expected = found / found.norm(dim=-1, keepdim=True)
            torch.testing.assert_close(vector[None], expected, rtol=1e-4, atol=1e-4)


def test_other_files_are_refused(tmp_path: Path) -> None:
    keys = {"vision_model.model.features.0.0.weight": torch.zeros(1),
            "vision_model.projection_head_vision.projection.weight": torch.zeros(4, 4)}  # fmt: skip
    torch.save(keys, tmp_path / "flair_efficientnet.pth")
    with pytest.raises(Refusal, match=r"of a ResNet and its projection_head_vision; got keys such"):
        load(tmp_path / "flair_efficientnet.pth")


def test_without_a_text_tower_or_a_tokeniser_words_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"file with both towers; got flair, which holds the image"):
        load(path).text(["a healthy fundus"])
    whole = torch.load(path, weights_only=True) | {
        "text_model.model.embeddings.word_embeddings.weight": torch.zeros(40, 64)
    }
    torch.save(whole, tmp_path / "flair_resnet.pth")
    said = r"a tokeniser \(tokenizer.json or vocab.txt .*got .* without one; .*tokenizer=DIR"
    with pytest.raises(Refusal, match=said):
        load(tmp_path / "flair_resnet.pth").text(["a healthy fundus"])


def test_gradients_reach_the_image(path: Path) -> None:
    pixels = image().requires_grad_()
    load(f"{path},px=64").embedding(pixels).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


def test_read_checkpoint_keeps_flairs_names(path: Path) -> None:
    assert FLAIR.recognises(read_checkpoint(path))
