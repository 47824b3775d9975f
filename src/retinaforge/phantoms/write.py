"""Write phantoms as a data set in the form of `shared/data`: images, masks, trees, two tables.

Every file depends on the set's seed and its own number only, so the number of workers changes
nothing, and a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.core import Eye, Refusal, Split, seed_for
from retinaforge.core.artefacts import write_bytes, write_json, write_text
from retinaforge.phantoms.params import PhantomParams
from retinaforge.phantoms.phantom import Phantom, draw_phantom

LICENCE = "CC0-1.0 (drawn by RetinaForge)"
CAMERA = "RetinaForge phantom"
MANIFEST = (
    "image", "vessel_mask", "fov_mask", "artery_vein_mask", "disc_mask", "cup_mask", "dr_grade",
    "glaucoma", "labels", "caption", "age", "sex", "eye", "split",
)  # fmt: skip
SPLITS = ("dataset", "image", "patient", "camera", "licence", "split")
PLAIN = PhantomParams()


def write_phantoms(
    folder: Path,
    *,
    count: int,
    size_px: int,
    seed: int,
    workers: int = 1,
    params: PhantomParams = PLAIN,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `count` phantoms, two eyes a person, and return the path of manifest.csv.

    A phantom whose files are there already (same seed, size and parameters) is kept.

    Args:
        folder: made if absent.
        count: photographs; an odd last one is a right eye alone.
        size_px: side of each, at least 64.
        seed: of the set.
        workers: processes; the bytes do not depend on it.
        params: means of eyes and vessels.
        on_progress: called with (done, count).

    Raises:
        Refusal: if count or workers is below 1, or the folder holds a set of other settings.
    """
    if count < 1 or workers < 1:
        raise Refusal("count and workers of 1 or more", f"{count} and {workers}", "raise them")
    folder = Path(folder)
    _claim(folder, {"seed": seed, "size_px": size_px, "params": asdict(params)})
    work = partial(_write_one, folder, seed=seed, size_px=size_px, params=params)
    if workers == 1:
        _count(map(work, range(count)), count, on_progress)
    else:
        # "spawn", as forking a process that runs PyTorch threads may hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            _count(pool.map(work, range(count), chunksize=4), count, on_progress)
    return _write_tables(folder, count=count)


def patient_of(index: int) -> str:
    """Return the name of the person whose eye a phantom is."""
    return f"synthetic_p{index // 2:05d}"


def eye_of(index: int) -> Eye:
    """Return OD for even numbers, OS for odd ones."""
    return "OS" if index % 2 else "OD"


def split_of(index: int) -> Split:
    """Return the split of a phantom's person: of ten persons two are test and one is val."""
    return ("train", "test", "train", "train", "val", "train", "test", "train", "train", "train")[
        index // 2 % 10
    ]  # type: ignore[return-value]


def name_of(index: int) -> str:
    """Return the file name without its ending."""
    return f"synthetic_{index:05d}_{eye_of(index)}"


def _claim(folder: Path, settings: dict) -> None:
    """Write down the set's settings, or refuse to mix two sets in one folder."""
    path = folder / "phantoms.json"
    if path.exists() and json.loads(path.read_text()) != settings:
        raise Refusal(
            f"a folder that is empty or holds phantoms of seed {settings['seed']}, "
            f"{settings['size_px']} px and the same parameters",
            f"{folder} with others",
            "choose another folder or remove this one",
        )
    if not path.exists():
        write_json(path, settings)


def _count(done, count: int, on_progress: Callable[[int, int], None] | None) -> None:
    for number, _ in enumerate(done, start=1):
        if on_progress is not None:
            on_progress(number, count)


def _paths(index: int) -> dict[str, str]:
    name = name_of(index)
    return {
        "image": f"images/{name}.png",
        "vessel_mask": f"vessel/{name}.png",
        "fov_mask": f"fov/{name}.png",
        "artery_vein_mask": f"artery_vein/{name}.png",
        "disc_mask": f"disc/{name}.png",
        "tree": f"trees/{name}.json",
    }


def _write_one(folder: Path, index: int, *, seed: int, size_px: int, params: PhantomParams) -> None:
    paths = {key: folder / path for key, path in _paths(index).items()}
    if all(path.exists() for path in paths.values()):
        return
    own = seed_for(seed, "phantom", index)
    phantom = draw_phantom(own, size_px=size_px, eye=eye_of(index), params=params,
                           person=seed_for(seed, "person", index // 2))  # fmt: skip
    write_json(paths["tree"], tree_as_dict(phantom))
    for key, mask in (
        ("vessel_mask", phantom.vessel),
        ("fov_mask", phantom.fov.mask),
        ("disc_mask", phantom.disc),
        ("artery_vein_mask", artery_vein_colours(phantom)),
    ):
        pixels = mask.astype(np.uint8) * 255 if mask.ndim == 2 else mask
        write_bytes(paths[key], _png(pixels, own))
    write_bytes(paths["image"], _png(phantom.photograph.pixels, own))


def artery_vein_colours(phantom: Phantom) -> np.ndarray:
    """Return RGB as the public sets use it: red artery, blue vein, green where they cross."""
    both = phantom.artery & phantom.vein
    planes = (phantom.artery & ~both, both, phantom.vein & ~both)
    return np.stack(planes, axis=-1).astype(np.uint8) * 255


def tree_as_dict(phantom: Phantom) -> dict:
    """Return landmarks and exact tree as plain data, in pixels to a thousandth."""

    def plain(values: np.ndarray) -> list:
        return np.round(values, 3).tolist()

    return {
        "synthetic": True,
        "source": phantom.photograph.source,
        "eye": phantom.photograph.eye,
        "size_px": phantom.vessel.shape[0],
        "um_per_px": phantom.px_um,
        "disc_centre_px": list(phantom.disc_centre_px),
        "disc_radius_px": phantom.disc_radius_px,
        "fovea_px": list(phantom.fovea_px),
        "branches": [
            {
                "kind": branch.kind,
                "parent": branch.parent,
                "points_px": plain(branch.points_px),
                "radii_px": plain(branch.radii_px),
            }
            for branch in phantom.tree.branches
        ],
    }


def _png(pixels: np.ndarray, seed: int) -> bytes:
    info = PngInfo()
    info.add_text("synthetic", "true")
    info.add_text("seed", str(seed))
    info.add_text("Software", "RetinaForge")
    info.add_text("Description", "Phantom: a drawn eye, not a photograph of anyone")
    info.add_text("Copyright", LICENCE)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png", pnginfo=info, compress_level=4)
    return buffer.getvalue()


def _write_tables(folder: Path, *, count: int) -> Path:
    manifest, splits = [], []
    for index in range(count):
        paths, patient, split = _paths(index), patient_of(index), split_of(index)
        row = dict.fromkeys(MANIFEST, "")
        row |= {key: path for key, path in paths.items() if key in MANIFEST}
        row |= {"dr_grade": "0", "glaucoma": "0", "eye": eye_of(index), "split": split}
        row["labels"] = f"synthetic;patient={patient};tree={paths['tree']}"
        manifest.append(row)
        splits.append({"dataset": folder.resolve().name, "image": paths["image"],
                       "patient": patient, "camera": CAMERA, "licence": LICENCE,
                       "split": split})  # fmt: skip
    write_text(folder / "splits.csv", _csv(SPLITS, splits))
    return write_text(folder / "manifest.csv", _csv(MANIFEST, manifest))


def _csv(columns: tuple[str, ...], rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
