"""Shards of a training set: latents, hidden states of every caption and classes in tar files.

A shard is a tar of WebDataset's layout (one sample is the files of one name); the index beside the
shards says how many samples each holds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.core import Refusal, artefacts
from retinaforge.generators.condition import Condition
from retinaforge.tasks.generator_draw import GeneratorData
from retinaforge.tasks.generator_rows import digest

INDEX = "shards.json"

Sample = Mapping[str, Any]


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
