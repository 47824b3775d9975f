"""Training from shards: latents and hidden states in tar files, read one shard after another.

For sets that no memory map holds, and for machines that see an object store only. A shard is a tar
of WebDataset's layout (one sample is the files of one name); an index beside the shards says how
many samples each holds. So the place of every batch is known beforehand: batch number k begins in
shard s at sample o, and a resumed training opens that shard and no earlier one.

Within an epoch shards come in an order of their own, and samples of a shard in one of theirs; both
depend on the seed, the epoch and the shard alone. Each process reads its own shards.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from retinaforge.core import Refusal, rng_for
from retinaforge.generators.condition import Condition
from retinaforge.tasks.generator_shards import (
    INDEX,
    Sample,
    ShardIndex,
    key_of,
    open_shards,
    read_shard,
    write_shards,
)
from retinaforge.training.generator import GeneratorBatch

HELD_SHARDS = 2
"""Shards in memory: the one that is read and the one that ends or follows."""


@dataclass(frozen=True)
class StreamState:
    """Where a process's next sample lies.

    Attributes:
        epoch: times that all of its shards were read.
        shard: place in the epoch's order of shards.
        offset: sample within the shard, in the epoch's order.
    """

    epoch: int
    shard: int
    offset: int


class ShardStream:
    """The endless row of samples that one process reads.

    Args:
        index: of the shards.
        seed: of both orders.
        rank, world: this process's number among all; it reads every world-th shard.

    Raises:
        Refusal: if there are fewer shards than processes.
    """

    def __init__(self, index: ShardIndex, *, seed: int, rank: int = 0, world: int = 1) -> None:
        if len(index.names) < world:
            raise Refusal(
                f"at least one shard for each of {world} processes",
                f"{len(index.names)} shards",
                "write smaller shards",
            )
        self.index, self.seed, self.rank = index, seed, rank
        self.own = tuple(range(rank, len(index.names), world))
        self.length = sum(index.rows[shard] for shard in self.own)
        self._held: OrderedDict[tuple[int, int], list[Sample]] = OrderedDict()
        self._lock = threading.Lock()

    def state_at(self, place: int) -> StreamState:
        """Return where a place of the endless row lies; no shard is opened."""
        epoch, within = divmod(place, self.length)
        ends = np.cumsum([self.index.rows[shard] for shard in self.order(epoch)])
        shard = bisect_right(ends.tolist(), within)
        return StreamState(epoch, shard, within - (int(ends[shard - 1]) if shard else 0))

    def order(self, epoch: int) -> list[int]:
        """Return this process's shards in an epoch's order."""
        drawn = rng_for(self.seed, "shards", self.rank, epoch).permutation(len(self.own))
        return [self.own[int(place)] for place in drawn]

    def samples(self, state: StreamState, count: int) -> Iterator[Sample]:
        """Yield samples from a state on."""
        epoch, shard, offset = state.epoch, state.shard, state.offset
        order = self.order(epoch)
        for _ in range(count):
            yield self._shard(epoch, order[shard])[offset]
            offset += 1
            if offset == self.index.rows[order[shard]]:
                shard, offset = shard + 1, 0
            if shard == len(order):
                epoch, shard, order = epoch + 1, 0, self.order(epoch + 1)

    def _shard(self, epoch: int, shard: int) -> list[Sample]:
        """Return a shard's samples in the epoch's order, read once while it is needed."""
        with self._lock:
            if (epoch, shard) not in self._held:
                self._held[epoch, shard] = self._read(epoch, shard)
                while len(self._held) > HELD_SHARDS:
                    self._held.popitem(last=False)
            return self._held[epoch, shard]

    def _read(self, epoch: int, shard: int) -> list[Sample]:
        name, rows = self.index.names[shard], self.index.rows[shard]
        found = list(read_shard(f"{self.index.root}/{name}"))
        if len(found) != rows:
            raise Refusal(
                f"{rows} samples in {name}, as {INDEX} says",
                f"{len(found)}",
                "copy that shard again",
            )
        order = rng_for(self.seed, "samples", epoch, shard).permutation(rows)
        return [found[int(place)] for place in order]


def draw_stream(
    stream: ShardStream, *, batch: int, world: int = 1
) -> Callable[[int], GeneratorBatch]:
    """Return the function that gives batch number step * world + rank.

    Args:
        stream: of this process.
        batch: samples a step and process.
        world: processes that share the numbers.
    """
    facts = stream.index.facts

    def draw(number: int) -> GeneratorBatch:
        step, rank = divmod(number, world)
        if rank != stream.rank:
            raise Refusal(f"a batch of process {stream.rank}", f"process {rank}'s", "ask for ours")
        state = stream.state_at(step * batch)
        samples = list(stream.samples(state, batch))
        latents = np.stack([sample["latent"] for sample in samples]).astype(np.float32)
        latents = (latents - facts["shift"]) * facts["scale"]
        rng = rng_for(stream.seed, "caption", number)
        texts = [sample["texts"][int(rng.integers(len(sample["texts"])))] for sample in samples]
        classes = None
        if samples[0]["classes"] is not None:
            classes = torch.tensor([s["classes"] for s in samples], dtype=torch.long)
        return GeneratorBatch(torch.from_numpy(latents), Condition(*_padded(texts), classes))

    return draw


def _padded(texts: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(text) for text in texts)
    hidden = np.zeros((len(texts), longest, texts[0].shape[1]), np.float32)
    mask = np.zeros((len(texts), longest), bool)
    for place, text in enumerate(texts):
        hidden[place, : len(text)], mask[place, : len(text)] = text, True
    return torch.from_numpy(hidden), torch.from_numpy(mask)


__all__ = [
    "INDEX",     "ShardIndex", "ShardStream", "StreamState", "draw_stream", "key_of", "open_shards",
    "read_shard", "write_shards",
]  # fmt: skip
