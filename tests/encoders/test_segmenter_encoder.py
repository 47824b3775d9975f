"""The vessel network as an encoder: its card says what its own file says of itself."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from retinaforge.encoders import load
from retinaforge.encoders.ledger import seen
from retinaforge.encoders.listing import family_listed
from retinaforge.encoders.segmenter import SEGMENTER
from retinaforge.nets.unet import VesselNet

SHIPS = Path(str(resources.files("retinaforge"))) / SEGMENTER.confirmed.rpartition(" ")[2]


def written(path: Path, **header: object) -> Path:
    torch.manual_seed(0)
    texts = {key: json.dumps(value) for key, value in header.items()}
    save_file(VesselNet((4, 8)).state_dict(), path, metadata=texts or None)
    return path


def test_the_row_names_the_file_that_ships() -> None:
    assert SHIPS.is_file()
    assert family_listed(SEGMENTER).is_confirmed
    encoder = load(f"segmenter:{SHIPS}")
    assert encoder.card.training_sets == ("chase_db1", "hrf", "phantoms")
    assert set(SEGMENTER.training_sets) <= set(encoder.card.training_sets)
    assert encoder.card.licence.startswith("Apache-2.0; trained on data under CC BY 4.0")
    assert encoder.card.training_data.startswith("chase_db1 (12 training images); hrf (7")
    assert encoder.card.certainty == SEGMENTER.confirmed


@pytest.mark.parametrize(
    ("data", "earlier", "sets"),
    [
        (["DRIVE (20 training images)"], [], ("drive",)),
        (["60 phantoms"], [], ("phantoms",)),
        (["60 phantoms"], ["hrf (7 training images)", "40 phantoms"], ("phantoms", "hrf")),
        (["my_clinic (9 training images)"], [], ("my_clinic",)),
    ],
)
def test_another_files_header_counts(data, earlier, sets, tmp_path) -> None:
    begun = {"begun_with": {"training_data": earlier}} if earlier else {}
    path = written(tmp_path / "mine.safetensors", training_data=data, licence="CC0", **begun)
    card = load(path).card
    assert card.training_sets == sets
    assert card.licence == "CC0"
    assert card.training_data == "; ".join([*data, *earlier])
    assert bool(seen(card, ["chase_db1"])) is ("chase_db1" in sets)


def test_a_file_that_says_nothing_is_taken_to_be_like_the_one_that_ships(tmp_path) -> None:
    card = load(written(tmp_path / "mute.safetensors")).card
    assert card.training_data.startswith("not said by the file; taken to have seen")
    assert card.training_sets == SEGMENTER.training_sets


def test_a_header_of_plain_text_is_read_as_text(tmp_path) -> None:
    path = tmp_path / "plain.safetensors"
    said = {"training_data": "hrf (7 training images)", "licence": "mine"}
    save_file(VesselNet((4, 8)).state_dict(), path, metadata=said)
    card = load(path).card
    assert (card.training_sets, card.licence) == (("hrf",), "mine")
