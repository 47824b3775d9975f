"""Write phantoms as a data set: an imagefolder with masks, graphs and facts, and two tables.

Every file depends on the recipe, the set's seed and the photograph's number only, so the number of
workers changes nothing, and a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_bytes, write_json
from retinaforge.phantoms.export import encode
from retinaforge.phantoms.facts import facts_of
from retinaforge.phantoms.params import SMALLEST_SIZE_PX
from retinaforge.phantoms.people import Place, phantom_of, places, sit
from retinaforge.phantoms.recipe import Recipe, load_recipe
from retinaforge.phantoms.write_tables import write_tables

Progress = Callable[[int, int], None]


def write_phantoms(
    folder: Path,
    *,
    count: int,
    size_px: int,
    seed: int,
    workers: int = 1,
    recipe: Recipe | None = None,
    on_progress: Progress | None = None,
) -> Path:
    """Write `count` phantoms as an imagefolder and return the path of manifest.csv.

    A phantom whose files are all there is kept; the same call again resumes.

    Args:
        folder: made if absent.
        count: photographs, person by person, visit by visit, right eye before left.
        size_px: side of each, at least 64.
        seed: of the set, 0 or more.
        workers: processes; the bytes do not depend on it.
        recipe: the population; None takes "healthy".
        on_progress: called with (done, count).

    Raises:
        Refusal: if count, workers, size or seed are too small, or the folder holds a set of
            other settings.
        DiskFull: if a file could not be written.
    """
    recipe = recipe or load_recipe("healthy")
    require_numbers(count=count, workers=workers, size_px=size_px, seed=seed)
    folder = claim(folder, settings_of(recipe, seed=seed, size_px=size_px))
    wanted = places(recipe, seed=seed, count=count)
    work = partial(_write_one, folder, recipe, seed=seed, size_px=size_px)
    with mapper(workers) as each:
        for done, _ in enumerate(each(work, wanted), start=1):
            if on_progress is not None:
                on_progress(done, count)
    return write_tables(folder, wanted)


def require_numbers(*, count: int, workers: int, size_px: int, seed: int) -> None:
    """Refuse numbers that no set can be drawn with, before any process is started."""
    if count < 1 or workers < 1:
        raise Refusal("count and workers of 1 or more", f"{count} and {workers}", "raise them")
    if size_px < SMALLEST_SIZE_PX:
        raise Refusal(f"a size of at least {SMALLEST_SIZE_PX} px", f"{size_px} px", "raise it")
    if seed < 0:
        raise Refusal("a seed of 0 or more", f"{seed}", "choose a non-negative whole number")


def settings_of(recipe: Recipe, *, seed: int, size_px: int) -> dict[str, Any]:
    """Return what decides every byte of a set."""
    return {
        "retinaforge": metadata.version("retinaforge"),
        "seed": seed,
        "size_px": size_px,
        "recipe": {"name": recipe.name, **recipe.written},
    }


def claim(folder: Path, settings: dict[str, Any]) -> Path:
    """Write down the set's settings, or refuse to mix two sets in one folder.

    What a killed run left half-written is removed.

    Raises:
        Refusal: if the folder is a file, or holds a set of other settings.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise Refusal("a folder to write", f"a file: {folder}", "choose another name")
    path = folder / "phantoms.json"
    if path.exists() and _read(path) != settings:
        raise Refusal(
            f"a folder that is empty or holds phantoms of seed {settings['seed']}, "
            f"{settings['size_px']} px and the same recipe",
            f"{folder} with others",
            "choose another folder or remove this one",
        )
    if path.exists():
        for torn in folder.rglob(".*.tmp"):
            torn.unlink()
    else:
        write_json(path, settings)
    return folder


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


@contextmanager
def mapper(workers: int) -> Iterator[Callable[[Callable, Iterable], Iterable]]:
    """Yield a map that keeps the order, over one process or several."""
    if workers == 1:
        yield map
        return
    # "spawn", as forking a process that runs PyTorch threads may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield partial(pool.map, chunksize=2)


def files_of(recipe: Recipe, place: Place, *, seed: int, size_px: int) -> dict[str, bytes]:
    """Draw one photograph and return its files, see `export.encode`."""
    sitting = sit(recipe, place, seed=seed)
    phantom = phantom_of(sitting, size_px=size_px)
    return encode(phantom, facts_of(phantom, sitting))


def path_of(layer: str, name: str) -> str:
    """Return where a file of a layer lies, e.g. ("vessel.png", NAME) → "vessel/NAME.png"."""
    stem, _, ending = layer.rpartition(".")
    return f"{stem}/{name}.{ending}"


def is_whole(folder: Path, place: Place) -> bool:
    """Return whether every file of a photograph is there; its facts list them and come last."""
    facts = _read(folder / path_of("facts.json", place.name))
    return facts is not None and all(
        (folder / path_of(layer, place.name)).exists() for layer in facts["files"]
    )


def _write_one(folder: Path, recipe: Recipe, place: Place, *, seed: int, size_px: int) -> None:
    if is_whole(folder, place):
        return
    for layer, content in files_of(recipe, place, seed=seed, size_px=size_px).items():
        write_bytes(folder / path_of(layer, place.name), content)
