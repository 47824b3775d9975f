"""Caches of latents and texts, and the batches drawn from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from retinaforge.autoencoders import (
    Autoencoder,
    AutoencoderConfig,
    load_autoencoder,
    save_autoencoder,
)
from retinaforge.core import Refusal
from retinaforge.tasks.generator_draw import GeneratorData, draw_generator
from retinaforge.tasks.latents import decode_latents, encode_pairs, measure_scale
from retinaforge.tasks.latents_codec import LatentEncoder
from retinaforge.tasks.latents_squares import SquareReader, padded_square
from retinaforge.tasks.text_cache import cache_texts


@dataclass(frozen=True)
class Shot:
    path: Path
    synthetic: bool = True


class Words:
    """An encoder whose states tell the text: token i of a text is its i-th letter."""

    fingerprint = "letters"
    seen: list[str]

    def __init__(self, most: int = 6) -> None:
        self.most, self.seen = most, []

    def settings(self) -> dict[str, int]:
        return {"max_tokens": self.most}

    def encode(self, texts: list[str]) -> SimpleNamespace:
        self.seen += texts
        longest = max(max(min(len(text), self.most), 1) for text in texts)
        hidden, mask = torch.zeros(len(texts), longest, 2), torch.zeros(len(texts), longest).bool()
        for row, text in enumerate(texts):
            for place, letter in enumerate(text[: self.most] or "\0"):
                hidden[row, place] = torch.tensor([ord(letter), place], dtype=torch.float32)
                mask[row, place] = True
        return SimpleNamespace(
            hidden=hidden,
            mask=mask,
            token_counts=tuple(len(text) for text in texts),
            truncated=tuple(len(text) > self.most for text in texts),
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Autoencoders of three kinds and eight drawn squares, of which one is broken."""
    root = tmp_path_factory.mktemp("caches")
    for kind in ("kl", "vq", "fsq"):
        torch.manual_seed(0)
        save_autoencoder(Autoencoder(AutoencoderConfig(kind=kind, codes=32)), root / kind)
    rng = np.random.default_rng(0)
    for i in range(8):
        pixels = rng.integers(0, 255, (48, 48, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
    (root / "3.png").write_bytes((root / "3.png").read_bytes()[:900])
    return root


def shots(folder: Path) -> list[Shot]:
    return [Shot(folder / f"{i}.png") for i in range(8)]


@pytest.mark.parametrize("kind", ["kl", "vq", "fsq"])
def test_a_latent_is_what_the_decoder_sees(folder: Path, tmp_path: Path, kind: str) -> None:
    found = encode_pairs(shots(folder), folder / kind, tmp_path, size_px=48, workers=1)
    model = load_autoencoder(folder / kind).model
    pixels = np.asarray(Image.open(folder / "4.png"))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        output = model(image)
    row = found.kept.tolist().index(4)
    assert np.allclose(found.raw(row), output.latent[0].numpy(), atol=2e-3)
    scaled = torch.from_numpy(found[row])[None]
    decoded = decode_latents(model, scaled, scale=found.scale, shift=found.shift)
    assert torch.allclose(decoded, output.reconstruction.clamp(-1, 1), atol=2e-2)


def test_one_bad_file_is_named_and_the_others_are_scaled(folder: Path, tmp_path: Path) -> None:
    found = encode_pairs(shots(folder), folder / "kl", tmp_path, size_px=48, workers=2)
    assert [name for name, _ in found.left_out] == ["3.png"]
    assert "truncated or damaged" in found.left_out[0][1]
    assert found.kept.tolist() == [0, 1, 2, 4, 5, 6, 7]
    every = np.stack([found[row] for row in range(len(found))])
    assert every.mean() == pytest.approx(0, abs=1e-3)
    assert every.std() == pytest.approx(1, abs=1e-3)
    assert measure_scale(found) == (found.scale, found.shift)


def test_a_killed_cache_goes_on_and_a_subset_costs_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = encode_pairs(shots(folder)[:3], folder / "kl", tmp_path, size_px=48, batch=2, workers=1)
    cache = Path(some.facts["folder"])
    with (cache / "rows.f16").open("ab") as stream:
        stream.write(b"half a row")
    with (cache / "index.jsonl").open("a") as stream:
        stream.write('{"key": "cut o')
    encoded: list[int] = []
    whole = LatentEncoder.__call__
    monkeypatch.setattr(
        LatentEncoder,
        "__call__",
        lambda self, squares: (encoded.append(len(squares)), whole(self, squares))[1],
    )
    every = encode_pairs(shots(folder), folder / "kl", tmp_path, size_px=48, batch=2, workers=1)
    assert sum(encoded) == 4  # 4, 5, 6, 7
    fresh = encode_pairs(shots(folder), folder / "kl", tmp_path / "b", size_px=48, workers=1)
    got = np.stack([every.raw(row) for row in range(7)])
    assert np.allclose(got, np.stack([fresh.raw(row) for row in range(7)]), atol=2e-3)
    encoded.clear()
    part = encode_pairs(shots(folder)[5:], folder / "kl", tmp_path, size_px=48, workers=1)
    assert not encoded
    assert np.array_equal(part.raw(0), every.raw(4))


def test_weights_and_side_have_caches_of_their_own(folder: Path, tmp_path: Path) -> None:
    kinds = [("kl", 48), ("kl", 24), ("vq", 48)]
    one = [Shot(folder / "0.png")]
    found = [encode_pairs(one, folder / k, tmp_path, size_px=s, workers=1) for k, s in kinds]
    assert len({part.facts["folder"] for part in found}) == 3
    assert found[1].shape == (8, 6, 6)


def test_draws_of_a_gaussian_have_its_spread(folder: Path, tmp_path: Path) -> None:
    one = [Shot(folder / "0.png"), Shot(folder / "1.png")]
    found = encode_pairs(one, folder / "kl", tmp_path, size_px=48, spread=True, workers=1)
    draws = np.stack([found.drawn(0, np.random.default_rng(i)) for i in range(200)])
    mean, std = found._row(0)
    assert std is not None
    assert found[0].shape == mean.shape == std.shape
    assert np.allclose(draws.mean(0), found[0], atol=float(0.5 * found.scale * std.max()))
    assert np.median(draws.std(0) / (std * found.scale)) == pytest.approx(1, abs=0.1)


def test_a_photograph_is_cut_to_its_field_and_a_drawn_square_stays_whole(
    folder: Path, tmp_path: Path
) -> None:
    y, x = np.mgrid[:96, :160]
    disc = (x - 80) ** 2 + (y - 48) ** 2 < 40**2
    noise = np.random.default_rng(1).integers(90, 160, (96, 160, 3))
    wide = tmp_path / "wide.png"
    Image.fromarray((noise * disc[..., None]).astype(np.uint8)).save(wide)
    reader = SquareReader(SimpleNamespace(index={}), 48, "auto")  # type: ignore[arg-type]
    real = reader.square(wide, whole=False)
    assert real.shape == (48, 48, 3)
    assert real[24, 2].sum() > 0  # the disc reaches the edge
    assert real[2, 2].sum() == 0  # the corner is black
    padded = padded_square(np.asarray(Image.open(wide)), 48)
    assert padded[24, 2].sum() == 0  # the frame's black stays, and bars above
    assert padded[:9].sum() == 0


def test_a_side_the_factor_does_not_divide_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"factor 4 divides; got 50 px; ask for 48 px"):
        encode_pairs(shots(folder), folder / "kl", tmp_path, size_px=50)


def test_no_readable_photograph_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"at least one readable photograph; got 3\.png"):
        encode_pairs([Shot(folder / "3.png")], folder / "kl", tmp_path, size_px=48)


def test_texts_are_encoded_once_and_cuts_are_counted(tmp_path: Path) -> None:
    words = Words()
    texts = ["a small disc", "pale", "a small disc", "no haemorrhage"]
    found = cache_texts(texts, words, tmp_path, batch=2)
    assert sorted(words.seen) == ["", "a small disc", "no haemorrhage", "pale"]
    assert found[1][:, 0].tolist() == [ord(c) for c in "pale"]
    hidden, mask = found.batch([1, 0])
    assert hidden.shape == (2, 6, 2)
    assert mask.sum(1).tolist() == [4, 6]
    assert hidden[0, 4:].abs().sum() == 0
    assert found.truncation()["truncated"] == 3
    assert found.truncation()["tokens_cut"] == 6 + 6 + 8
    assert found.null is not None
    assert found.null[0].tolist() == [[0, 0]]
    again = cache_texts(["pale", "new"], words, tmp_path)
    assert words.seen.count("pale") == 1
    assert words.seen[-1] == "new"
    assert np.array_equal(again[0], found[1])


def test_states_that_are_not_finite_are_refused_and_large_ones_counted(tmp_path: Path) -> None:
    class Odd(Words):
        value = 1e6

        def encode(self, texts: list[str]) -> SimpleNamespace:
            said = super().encode(texts)
            said.hidden[:, 0, 0] = self.value
            return said

    odd = Odd()
    assert cache_texts(["x"], odd, tmp_path / "a").clipped >= 1
    odd.value = float("nan")
    with pytest.raises(Refusal, match="hidden states that are finite"):
        cache_texts(["x"], odd, tmp_path / "b")


@pytest.fixture
def data(folder: Path, tmp_path: Path) -> GeneratorData:
    found = encode_pairs(shots(folder), folder / "kl", tmp_path, size_px=48, workers=1)
    texts = cache_texts([f"{i}{k}" for i in range(7) for k in "ab"], Words(), tmp_path)
    captions = tuple((2 * i, 2 * i + 1) for i in range(7))
    classes = np.arange(7)[:, None]
    return GeneratorData(found, texts, captions, classes)


def test_a_batch_is_a_function_of_its_number(data: GeneratorData) -> None:
    draw, again = (draw_generator(data, batch=3, seed=5) for _ in range(2))
    ahead = [again(k) for k in reversed(range(14))][::-1]
    for k in range(14):
        batch = draw(k)
        assert torch.equal(batch.latents, ahead[k].latents)
        assert torch.equal(batch.condition.text, ahead[k].condition.text)
    rows = [int(x) for k in range(7) for x in draw(k).condition.classes]  # 21 = three epochs
    assert [sorted(rows[i : i + 7]) for i in (0, 7, 14)] == [list(range(7))] * 3
    assert rows[:7] != rows[7:14]
    other = draw_generator(data, batch=3, seed=6)
    assert [int(x) for k in range(7) for x in other(k).condition.classes] != rows


def test_latents_words_and_classes_of_a_row_belong_together(data: GeneratorData) -> None:
    draw = draw_generator(data, batch=4, seed=0)
    seen = set()
    for k in range(20):
        batch = draw(k)
        for place, row in enumerate(batch.condition.classes[:, 0].tolist()):
            said = "".join(chr(int(c)) for c in batch.condition.text[place, :, 0])
            assert said[0] == str(row)
            assert np.array_equal(batch.latents[place].numpy(), data.latents[row])
            seen.add(said)
    assert len(seen) == 14  # both paraphrases of every photograph


def test_null_and_subset(data: GeneratorData) -> None:
    null = data.null()
    assert null.text.shape == (1, 1, 2)
    part = data.subset([2, 6])
    draw = draw_generator(part, batch=2, seed=0)
    assert sorted(draw(0).condition.classes[:, 0].tolist()) == [2, 6]
    with pytest.raises(Refusal, match="captions for each of at least one photograph; got 0 for 7"):
        GeneratorData(data.latents, data.texts, ())


def test_the_folder_says_what_it_holds(data: GeneratorData) -> None:
    facts = json.loads((Path(data.latents.facts["folder"]) / "facts.json").read_text())
    assert facts["size_px"] == 48
    assert facts["precision"] == "fp32"
    assert facts["autoencoder"]["kind"] == "kl"
