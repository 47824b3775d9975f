"""A folder as rows: the same numbers however they came about, and in little memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_eyes import photograph
from PIL import Image
from torch import nn

from retinaforge.core import Record, Refusal
from retinaforge.encoders import Encoder, MapEncoder
from retinaforge.encoders import load as load_encoder
from retinaforge.images import find_fov, normalise, read_photograph, read_records
from retinaforge.tasks import embedding_shards
from retinaforge.tasks.embedding import (
    Embedded,
    embed_arrays,
    embed_folder,
    embed_looks,
    encoder_look,
)
from retinaforge.tasks.embedding_looks import colour_look

DRAWN = 1
"""Images that every look sees to tell encoders apart."""


class Pool(nn.Module):
    """A network without weights: means of squares of 8 px."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor, blocks: tuple[int, ...]) -> list[torch.Tensor]:
        self.seen += len(images)
        return [nn.functional.avg_pool2d(images, 8) * self.weight for _ in blocks]


@pytest.fixture
def encoder() -> Encoder:
    card = replace(load_encoder("random-vit-tiny").card, name="pool", fingerprint_sha256="0" * 64)
    return MapEncoder(card, Pool(), preprocess=nn.Identity(), blocks=(0,), input_px=None)


def write_eyes(folder: Path, count: int) -> list[Record]:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        shade = (photograph(96).astype(float) * (0.6 + 0.4 * k / max(count, 1))).astype(np.uint8)
        Image.fromarray(shade).save(folder / f"{k:04d}.png")
    return read_records(folder)


def test_a_photograph_is_cut_to_its_field_and_resized(encoder: Encoder, tmp_path: Path) -> None:
    records = write_eyes(tmp_path / "eyes", 3)
    found = embed_folder(encoder, records, size_px=64, tokens=True)
    photo = read_photograph(records[2].path)
    square = normalise(photo, find_fov(photo), size_px=64).photograph.pixels
    x = torch.from_numpy(square.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    maps = nn.functional.avg_pool2d(x, 8)[0]
    assert found.tokens is not None
    assert (found.vectors.dtype, found.tokens.dtype) == (np.float32, np.float16)
    assert found.tokens.shape == (3, 64, 3)
    np.testing.assert_allclose(found.vectors[2], maps.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(found.tokens[2, 9], maps[:, 1, 1], atol=1e-3)
    np.testing.assert_allclose(embed_arrays(encoder, square[None]), found.vectors[2:], atol=1e-6)


@pytest.mark.parametrize("spec", ["random-vit-tiny@1"])
def test_one_pass_gives_what_two_give(spec: str, tmp_path: Path) -> None:
    encoder = load_encoder(spec)
    records = write_eyes(tmp_path, 2)
    both = embed_folder(encoder, records, tokens=True)
    alone = embed_folder(encoder, records)
    assert both.tokens is not None
    assert alone.tokens is None
    np.testing.assert_allclose(both.vectors, alone.vectors, atol=1e-5)
    squares = [normalise(p, find_fov(p), size_px=224).photograph.pixels
               for p in (read_photograph(r.path) for r in records)]  # fmt: skip
    images = torch.from_numpy(np.stack(squares).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    last = encoder.features(images, [12])[0]
    np.testing.assert_allclose(both.tokens, last.numpy(), atol=2e-2)


def test_batch_and_threads_change_nothing(encoder: Encoder, tmp_path: Path) -> None:
    records = write_eyes(tmp_path, 7)
    one = embed_folder(encoder, records, size_px=64, batch=1)
    many = embed_folder(encoder, records, size_px=64, batch=4, workers=3)
    np.testing.assert_array_equal(one.vectors, many.vectors)
    assert [r.name for r in many.records] == [r.name for r in records]


def test_bad_files_are_named_and_end_nothing(encoder: Encoder, tmp_path: Path) -> None:
    write_eyes(tmp_path, 3)
    (tmp_path / "0001.png").write_bytes(b"no image")
    (tmp_path / "0005.png").write_bytes(b"")
    found = embed_folder(encoder, read_records(tmp_path), size_px=64)
    assert [r.name for r in found.records] == ["0000.png", "0002.png"]
    assert [name for name, _ in found.left_out] == ["0001.png", "0005.png"]
    assert all("expected a whole image file" in reason for _, reason in found.left_out)
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(Refusal, match="expected at least one readable photograph"):
        embed_folder(encoder, read_records(tmp_path), size_px=64)


def test_numbers_that_are_none_leave_the_photograph_out(encoder: Encoder, tmp_path: Path) -> None:
    records = write_eyes(tmp_path, 2)
    encoder.network.weight.fill_(float("nan"))
    with pytest.raises(Refusal, match="not finite"):
        embed_folder(encoder, records, size_px=64)


def test_a_killed_run_goes_on(encoder: Encoder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(embedding_shards, "SHARD_ROWS", 4)
    records, cache = write_eyes(tmp_path / "eyes", 10), tmp_path / "cache"

    def die(done: int, _: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_folder(encoder, records, cache, size_px=64, batch=2, on_progress=die)
    (next(cache.rglob("*.npz")).parent / "half.npz").write_bytes(b"half a file")
    encoder.network.seen = 0
    again = embed_folder(encoder, records, cache, size_px=64, batch=2)
    assert encoder.network.seen == 6 + DRAWN
    np.testing.assert_array_equal(again.vectors, embed_folder(encoder, records, size_px=64).vectors)
    encoder.network.seen = 0
    embed_folder(encoder, records[::-1], cache, size_px=64)
    assert encoder.network.seen == 0 + DRAWN


def test_other_pixels_weights_or_side_are_computed_anew(encoder: Encoder, tmp_path: Path) -> None:
    records, cache = write_eyes(tmp_path / "eyes", 2), tmp_path / "cache"

    def computed(size_px: int = 64) -> int:
        encoder.network.seen = 0
        embed_folder(encoder, records, cache, size_px=size_px)
        return encoder.network.seen - DRAWN

    assert computed() == 2
    Image.fromarray(photograph(80)).save(records[0].path)
    assert computed() == 1
    assert computed(72) == 2
    words = encoder.card
    encoder.card = replace(words, preprocessing="the same in other words")
    assert computed() == 0
    encoder.card = replace(words, fingerprint_sha256="1" * 64)
    assert computed() == 2
    encoder.card = words
    encoder.embedding = lambda images: encoder.features(images)[0].amax((2, 3))
    assert computed() == 2


def test_one_pass_over_the_files_serves_several_looks(
    encoder: Encoder, tmp_path: Path, monkeypatch
) -> None:
    records = write_eyes(tmp_path, 4)
    Image.fromarray(photograph(96)).save(tmp_path / "0002.png")
    Image.fromarray(photograph(96)).save(tmp_path / "0001.png")
    looks = [encoder_look(encoder, size_px=64), encoder_look(encoder, size_px=32), colour_look()]
    opened: list[str] = []
    monkeypatch.setattr(
        "retinaforge.tasks.embedding.normalise",
        lambda photo, fov, size_px: (
            opened.append(photo.source) or normalise(photo, fov, size_px=size_px)
        ),
    )
    found: list[Embedded] = embed_looks(looks, records)
    assert len(opened) == 4 * 3
    assert [f.vectors.shape for f in found] == [(4, 3), (4, 3), (4, 30)]
    np.testing.assert_array_equal(found[2].vectors[1], found[2].vectors[2])


def peak_of(encoder: Encoder, count: int, cache: Path) -> int:
    """Return the most memory held while as many different files are embedded."""
    cache.mkdir()
    records = []
    for k in range(count):
        (cache / str(k)).write_text(str(k))
        records.append(Record(cache / str(k), str(k), "made up", str(k)))
    tracemalloc.start()
    embed_folder(encoder, records, cache / "rows", size_px=64, tokens=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_folder(
    encoder: Encoder, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(embedding_shards, "SHARD_ROWS", 8)
    square = np.full((64, 64, 3), 100, np.uint8), np.ones((64, 64), bool)
    monkeypatch.setattr(
        "retinaforge.tasks.embedding._squares",
        lambda record, sides: {side: tuple(map(np.copy, square)) for side in sides},
    )
    peak_of(encoder, 20, tmp_path / "warm")
    small, large = (peak_of(encoder, n, tmp_path / str(n)) for n in (100, 500))
    assert large - small < 0.1 * 400 * sum(each.nbytes for each in square), (small, large)


def test_arrays_of_another_kind_are_refused(encoder: Encoder) -> None:
    with pytest.raises(Refusal, match=r"expected uint8 images of shape \(n, side, side, 3\)"):
        embed_arrays(encoder, np.zeros((2, 8, 8, 3)))
