"""Shards of latents and hidden states: what goes in comes out, and a resumed training sees the
batches that an unbroken one would have seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.tasks import generator_stream as module
from retinaforge.tasks.generator_draw import GeneratorData
from retinaforge.tasks.generator_stream import (
    ShardStream,
    StreamState,
    draw_stream,
    open_shards,
    write_shards,
)
from retinaforge.tasks.latents import LatentSet
from retinaforge.tasks.text_cache import TextSet

pytest.importorskip("webdataset")
ROWS, WIDTH = 23, 3


def texts(count: int, null: TextSet | None) -> TextSet:
    """Text i has 1 + i % 4 tokens, all of the number i."""
    lengths = np.array([1 + i % 4 for i in range(count)])
    values = np.concatenate([np.full(n * WIDTH, i, np.float16) for i, n in enumerate(lengths)])
    starts = np.concatenate([[0], np.cumsum(lengths * WIDTH)[:-1]])
    cut = np.zeros(count, bool)
    return TextSet(values, starts, lengths, lengths, cut, WIDTH, null, 0, {})


@pytest.fixture(scope="module")
def data() -> GeneratorData:
    """Latent i is all i; its two captions are texts 2 i and 2 i + 1; its class is i."""
    shape = (2, 3, 3)
    values = np.repeat(np.arange(ROWS, dtype=np.float16), 18)
    latents = LatentSet(
        values, np.arange(ROWS) * 18, shape, False, np.arange(ROWS), (), {}, 0.5, 1.0
    )
    captions = tuple((2 * i, 2 * i + 1) for i in range(ROWS))
    return GeneratorData(
        latents, texts(2 * ROWS, texts(1, None)), captions, np.arange(ROWS)[:, None]
    )


@pytest.fixture(scope="module")
def shards(data: GeneratorData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(data, tmp_path_factory.mktemp("shards"), rows=5, facts={"size_px": 12})


def test_what_goes_in_comes_out_and_belongs_together(shards: Path) -> None:
    index = open_shards(shards)
    assert index.rows == (5, 5, 5, 5, 3)
    assert index.facts == {"size_px": 12, "scale": 0.5, "shift": 1.0}
    draw = draw_stream(ShardStream(index, seed=0), batch=ROWS)
    seen = set()
    for number in range(6):
        batch = draw(number)
        rows = batch.condition.classes[:, 0]
        assert sorted(rows.tolist()) == list(range(ROWS))  # an epoch shows every row once
        assert torch.equal(batch.latents[:, 0, 0, 0], (rows - 1) * 0.5)
        said = batch.condition.text[:, 0, 0].int()
        assert torch.equal(said // 2, rows.int())
        assert batch.condition.text_mask.sum(1).tolist() == [1 + int(i) % 4 for i in said]
        seen |= set(said.tolist())
    assert len(seen) > 1.8 * ROWS
    assert index.null_condition().text.shape == (1, 1, WIDTH)


def test_a_resumed_training_sees_the_same_batches_and_opens_no_earlier_shard(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_shards(shards)
    whole = draw_stream(ShardStream(index, seed=3), batch=4)
    batches = [whole(number) for number in range(14)]
    opened: list[str] = []
    read = module.read_shard
    monkeypatch.setattr(module, "read_shard", lambda a: (opened.append(a[-10:]), read(a))[1])
    stream = ShardStream(index, seed=3)
    state = stream.state_at(8 * 4)
    assert state.epoch == 1
    assert state.offset > 0  # inside a shard
    resumed = draw_stream(stream, batch=4)
    for number in range(8, 14):
        again = resumed(number)
        assert torch.equal(again.latents, batches[number].latents)
        assert torch.equal(again.condition.text, batches[number].condition.text)
        assert torch.equal(again.condition.text_mask, batches[number].condition.text_mask)
    order = [index.names[shard][-10:] for shard in stream.order(1)]
    assert opened[: len(order) - state.shard] == order[state.shard :]


def test_orders_differ_between_epochs_and_seeds(shards: Path) -> None:
    index = open_shards(shards)
    one, other = ShardStream(index, seed=0), ShardStream(index, seed=1)
    rows = [
        [s["classes"][0] for s in stream.samples(StreamState(epoch, 0, 0), ROWS)]
        for stream, epoch in ((one, 0), (one, 1), (other, 0))
    ]
    assert len({tuple(row) for row in rows}) == 3


def test_processes_share_the_shards(shards: Path) -> None:
    index = open_shards(shards)
    streams = [ShardStream(index, seed=0, rank=rank, world=2) for rank in (0, 1)]
    halves = [
        {s["classes"][0] for s in stream.samples(StreamState(0, 0, 0), stream.length)}
        for stream in streams
    ]
    assert halves[0].isdisjoint(halves[1])
    assert halves[0] | halves[1] == set(range(ROWS))
    draws = [draw_stream(stream, batch=2, world=2) for stream in streams]
    assert not torch.equal(draws[0](0).latents, draws[1](1).latents)
    with pytest.raises(Refusal, match="a batch of process 0; got process 1's"):
        draws[0](1)
    with pytest.raises(Refusal, match="one shard for each of 6 processes; got 5 shards"):
        ShardStream(index, seed=0, world=6)


def test_threads_that_draw_ahead_get_the_same(shards: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    index = open_shards(shards)
    alone = draw_stream(ShardStream(index, seed=0), batch=3)
    shared = draw_stream(ShardStream(index, seed=0), batch=3)
    with ThreadPoolExecutor(4) as pool:
        ahead = list(pool.map(shared, range(20)))
    for number, batch in enumerate(ahead):
        assert torch.equal(batch.latents, alone(number).latents)


def test_a_second_call_rewrites_nothing_and_a_short_shard_is_named(
    data: GeneratorData, tmp_path: Path
) -> None:
    folder = write_shards(data, tmp_path, rows=12)
    before = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.tar")}
    write_shards(data, tmp_path, rows=12)
    assert before == {p.name: p.stat().st_mtime_ns for p in folder.glob("*.tar")}
    (folder / "latents-000000.tar").write_bytes((folder / "latents-000001.tar").read_bytes())
    draw = draw_stream(ShardStream(open_shards(folder), seed=0), batch=ROWS)
    with pytest.raises(Refusal, match=r"12 samples in latents-000000\.tar, as shards\.json says"):
        draw(0)


def test_no_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected shards with shards\.json"):
        open_shards(tmp_path)
