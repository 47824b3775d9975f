"""Write phantoms as tar shards in WebDataset's convention: a sample's files follow each other and
share the name before the first dot.

A shard's bytes depend on the settings only: every member has the same owner, mode and time.

References:
    Aizman A, Maltby G, Breuel T. High performance I/O for large scale deep learning.
    IEEE Big Data, 2019.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_with
from retinaforge.phantoms.people import Place, places
from retinaforge.phantoms.recipe import Recipe, load_recipe
from retinaforge.phantoms.write import (
    Progress,
    claim,
    files_of,
    mapper,
    require_numbers,
    settings_of,
)

EXTENSIONS = {"images.png": "png", "facts.json": "json", "graphs.json": "graph.json"}
"""Names of the layers that every reader looks for; "vessel.png" and the like stay as they are."""


def write_shards(
    folder: Path,
    *,
    count: int,
    shards: int,
    size_px: int,
    seed: int,
    workers: int = 1,
    recipe: Recipe | None = None,
    on_progress: Progress | None = None,
) -> list[Path]:
    """Write `count` phantoms as `shards` tar files, equally long up to one, and return their paths.

    A shard that is there is kept; the same call again resumes.

    Args:
        folder: made if absent.
        count: photographs.
        shards: tar files, at most `count`.
        size_px: side of each photograph, at least 64.
        seed: of the set, 0 or more.
        workers: processes; the bytes do not depend on it.
        recipe: the population; None takes "healthy".
        on_progress: called with (done, count).

    Raises:
        Refusal: if a number is too small, there are more shards than photographs, or the folder
            holds a set of other settings.
        DiskFull: if a shard could not be written.
    """
    recipe = recipe or load_recipe("healthy")
    require_numbers(count=count, workers=workers, size_px=size_px, seed=seed)
    if not 1 <= shards <= count:
        raise Refusal(f"1 to {count} shards for {count} phantoms", f"{shards}", "choose fewer")
    settings = settings_of(recipe, seed=seed, size_px=size_px)
    folder = claim(folder, settings | {"count": count, "shards": shards})
    every = places(recipe, seed=seed, count=count)
    parts = [every[n * count // shards : (n + 1) * count // shards] for n in range(shards)]
    paths = [folder / f"synthetic-{number:06d}.tar" for number in range(shards)]
    missing = [(path, part) for path, part in zip(paths, parts, strict=True) if not path.exists()]
    done = count - sum(len(part) for _, part in missing)
    work = partial(files_of, recipe, seed=seed, size_px=size_px)
    with mapper(workers) as each:
        drawn = iter(each(work, [place for _, part in missing for place in part]))
        for path, part in missing:
            samples = zip(part, islice(drawn, len(part)), strict=True)
            write_with(path, partial(_fill, samples=samples))
            done += len(part)
            if on_progress is not None:
                on_progress(done, count)
    return paths


def _fill(stream: BinaryIO, *, samples: Iterator[tuple[Place, dict[str, bytes]]]) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for place, files in samples:
            for layer, content in files.items():
                member = tarfile.TarInfo(f"{place.name}.{extension_of(layer)}")
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))


def extension_of(layer: str) -> str:
    """Return a layer's extension in a shard, e.g. "lesions/drusen.png" → "lesion_drusen.png"."""
    return EXTENSIONS.get(layer, layer.replace("lesions/", "lesion_"))
