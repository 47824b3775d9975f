"""Training from shards: latents and hidden states in tar files, read one shard after another.

For sets that no memory map holds, and for machines that see an object store only. A shard is a tar
of WebDataset's layout (one sample is the files of one name); an index beside the shards says how
many samples each holds. So the place of every batch is known beforehand: batch number k begins in
shard s at sample o, and a resumed training opens that shard and no earlier one.

Within an epoch shards come in an order of their own, and samples of a shard in one of theirs; both
depend on the seed, the epoch and the shard alone. Each process reads its own shards.
"""

from __future__ import annotations

import io
import json
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.core import Refusal, artefacts, rng_for
from retinaforge.generators.condition import Condition
from retinaforge.tasks.generator_draw import GeneratorData
from retinaforge.tasks.generator_rows import digest
from retinaforge.training.generator import GeneratorBatch

INDEX = "shards.json"
HELD_SHARDS = 2
"""Shards in memory: the one that is read and the one that ends or follows."""
Sample = Mapping[str, Any]


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


@dataclass(frozen=True)
class ShardIndex:
    """What an index says.

    Attributes:
        root: folder or address that the shards' names are relative to.
        names, rows: of each shard.
        null: hidden states of the empty string, float16, shape (tokens, width).
        facts: scale, shift, latent shape, text width, kinds of classes, hashes.
    """

    root: str
    names: tuple[str, ...]
    rows: tuple[int, ...]
    null: np.ndarray
    facts: dict[str, Any]

    def null_condition(self) -> Condition:
        """Return the empty string's condition, one row."""
        text = torch.from_numpy(self.null.astype(np.float32))[None]
        return Condition(text, torch.ones(text.shape[:2], dtype=torch.bool))


def write_shards(
    data: GeneratorData,
    folder: Path,
    *,
    rows: int = 1000,
    facts: Mapping[str, Any] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write latents, hidden states of every caption and classes as shards; the index comes last.

    Args:
        data: of the training split only; maps are not written.
        folder: where to; shards that are there and whole are kept.
        rows: samples a shard.
        facts: to keep beside scale and shift.
        on_progress: called with (samples done, samples).

    Returns:
        The folder.

    Raises:
        Refusal: for data with maps, or without the webdataset library.
    """
    if data.maps is not None:
        raise Refusal("data without maps", "maps", "set data.stream = false")
    shards = []
    for number, start in enumerate(range(0, len(data), rows)):
        some = range(start, min(start + rows, len(data)))
        path = folder / f"latents-{number:06d}.tar"
        if not path.exists():
            artefacts.write_with(path, lambda stream, some=some: _fill(stream, data, some))
        shards.append({"name": path.name, "rows": len(some), "sha256": artefacts.sha256_of(path)})
        if on_progress:
            on_progress(some.stop, len(data))
    null = data.null().text[0].numpy().astype(np.float16)
    artefacts.write_with(folder / "null.npy", lambda stream: np.save(stream, null))
    own = {"scale": data.latents.scale, "shift": data.latents.shift}
    content = {"shards": shards, "facts": {**(facts or {}), **own}}
    artefacts.write_json(folder / INDEX, content)
    return folder


def key_of(data: GeneratorData, rows: int) -> str:
    """Return what names the shards of some data: its caches, rows, captions and scale."""
    latents, texts = data.latents, data.texts
    classes = None if data.classes is None else data.classes.tolist()
    scale = [latents.scale, latents.shift]
    captions = [[int(texts.starts[t]) for t in row] for row in data.captions]
    facts = [latents.facts["folder"], texts.facts["folder"], latents.starts.tolist()]
    return digest([*facts, captions, classes, scale, rows])


def open_shards(folder: Path | str) -> ShardIndex:
    """Read the index of shards, in a folder or at an address that webdataset opens.

    Raises:
        Refusal: if it is not there.
    """
    root = str(folder)
    try:
        content = json.loads(_bytes_of(f"{root}/{INDEX}"))
        null = np.load(io.BytesIO(_bytes_of(f"{root}/null.npy")))
    except (OSError, ValueError) as error:
        raise Refusal(f"shards with {INDEX}", f"{root} ({error})", "write them first") from error
    return ShardIndex(
        root,
        tuple(shard["name"] for shard in content["shards"]),
        tuple(int(shard["rows"]) for shard in content["shards"]),
        null,
        content["facts"],
    )


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


def read_shard(address: str) -> Iterator[Sample]:
    """Yield the samples of one shard in the order of the file.

    Yields:
        {"name", "latent": float16 (channels, rows, columns), "texts": list of float16
        (tokens, width), "classes": list of int or None}.
    """
    library = _webdataset()
    # WebDataset's own pipeline leaves its files open.
    with library.gopen(address) as stream:
        opened = [{"url": address, "stream": stream}]
        files = library.tariterators.tar_file_expander(opened)
        found = list(library.tariterators.group_by_keys(files))
    for sample in found:
        with np.load(io.BytesIO(sample["texts.npz"])) as texts:
            said = [texts[name] for name in sorted(texts.files, key=int)]
        row = json.loads(sample["json"])
        latent = np.load(io.BytesIO(sample["latent.npy"]))
        yield {"name": sample["__key__"], "latent": latent, "texts": said, **row}


def _fill(stream: Any, data: GeneratorData, rows: Sequence[int]) -> None:
    writer = _webdataset().TarWriter(stream, encoder=False, mtime=0)
    for row in rows:
        latent, texts = io.BytesIO(), io.BytesIO()
        np.save(latent, data.latents.raw(row).astype(np.float16))
        said = {str(n): np.asarray(data.texts[t]) for n, t in enumerate(data.captions[row])}
        np.savez(texts, **said)
        classes = None if data.classes is None else [int(c) for c in data.classes[row]]
        writer.write(
            {
                "__key__": f"{row:09d}",
                "latent.npy": latent.getvalue(),
                "texts.npz": texts.getvalue(),
                "json": json.dumps({"classes": classes}).encode(),
            }
        )
    writer.close()


def _padded(texts: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(text) for text in texts)
    hidden = np.zeros((len(texts), longest, texts[0].shape[1]), np.float32)
    mask = np.zeros((len(texts), longest), bool)
    for place, text in enumerate(texts):
        hidden[place, : len(text)], mask[place, : len(text)] = text, True
    return torch.from_numpy(hidden), torch.from_numpy(mask)


def _bytes_of(address: str) -> bytes:
    if "://" not in address:
        return Path(address).read_bytes()
    with _webdataset().gopen(address) as stream:
        return stream.read()


def _webdataset() -> Any:
    try:
        import webdataset
    except ImportError as error:
        raise Refusal(
            "the webdataset library", "a Python without it", "pip install 'retinaforge[generate]'"
        ) from error
    return webdataset


__all__ = [
    "ShardIndex", "ShardStream", "StreamState", "draw_stream", "key_of", "open_shards",
    "read_shard", "write_shards",
]  # fmt: skip
