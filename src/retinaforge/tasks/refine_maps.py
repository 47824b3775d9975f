"""Mend anybody's maps of arteries and veins: picture in, picture of the same size out.

A picture holds probabilities as RRWNet's authors write them: red artery, green vein, blue vessel.
Where blue is empty throughout, the vessel map is the greater of the other two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retinaforge.core import Fov, Refusal, RetinaForgeError, artefacts
from retinaforge.images import find_fov, read_photograph
from retinaforge.images.records import IMAGE_SUFFIXES
from retinaforge.tasks.vessel_masks import whole_frame
from retinaforge.tasks.vessel_overlay import as_png, in_eight_bits
from retinaforge.vessels.artery_vein import ArteryVeinMaps
from retinaforge.vessels.catalogue import load_artery_vein_judge
from retinaforge.vessels.rrwnet_judge import RRWNetJudge


@dataclass(frozen=True)
class Refined:
    """What was done.

    Attributes:
        files: pictures written.
        failed: name of a picture and why it could not be mended.
    """

    files: tuple[Path, ...]
    failed: tuple[tuple[str, str], ...]


def load_refiner(spec: str) -> RRWNetJudge:
    """Return the judge named "rrwnet:FILE", which can refine.

    Raises:
        Refusal: expected a judge that refines maps.
        WeightsRefused: the file is no RRWNet.
    """
    judge = load_artery_vein_judge(spec)
    if not isinstance(judge, RRWNetJudge):
        raise Refusal("a judge that refines maps (rrwnet:FILE)", repr(spec), "name an RRWNet file")
    return judge


def read_maps(path: Path) -> ArteryVeinMaps:
    """Read a picture of probabilities.

    Raises:
        UnreadableImage: as `read_photograph`.
        Refusal: expected arteries in red or veins in green; got neither.
    """
    artery, vein, vessel = np.moveaxis(read_photograph(path).pixels.astype(np.float32) / 255, 2, 0)
    if not (artery.any() or vein.any()):
        raise Refusal(
            "a picture of arteries in red, veins in green, vessels in blue",
            f"one without red and green: {path}",
            "write probabilities of artery, vein and vessel into its three channels",
        )
    return ArteryVeinMaps(artery, vein, vessel if vessel.any() else np.maximum(artery, vein))


def _photograph_of(path: Path, folder: Path) -> Path:
    found = sorted(p for p in folder.glob(f"{path.stem}.*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise Refusal(
            f"a photograph named {path.stem}.* in {folder}",
            "none",
            "name photographs like their maps, or leave --photographs out",
        )
    return found[0]


def fov_of_maps(path: Path, maps: ArteryVeinMaps, photographs: Path | None) -> Fov:
    """Return the field of view of the photograph of the same name, or the whole frame.

    Raises:
        Refusal: expected a photograph of that name and of the maps' size.
    """
    size_px = (maps.artery.shape[0], maps.artery.shape[1])
    if photographs is None:
        return whole_frame(size_px)
    photo = read_photograph(_photograph_of(path, photographs))
    if photo.size_px != size_px:
        raise Refusal(
            f"maps of their photograph's {photo.size_px} pixels",
            f"{size_px}: {path}",
            "bring them to the photograph's size",
        )
    return find_fov(photo)


def pictures_in(source: Path) -> list[Path]:
    """List the image files of a folder, or the file itself, in order of their names.

    Raises:
        Refusal: expected image files; got none, or two of one name.
    """
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    files = [p for p in files if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise Refusal("pictures of maps", f"none at {source}", "name a folder of PNG files")
    stems = [p.stem for p in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise Refusal("one picture a name", f"several of {twice[0]}.*", "keep one of each")
    return files


def refine_folder(
    source: Path,
    out: Path,
    *,
    refiner: RRWNetJudge,
    photographs: Path | None = None,
    passes: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Refined:
    """Mend every picture of a folder and write it under its own name as PNG.

    Args:
        source: a picture, or a folder of them.
        out: folder to write; not the one that is read.
        refiner: who mends.
        photographs: folder of the photographs of the same names, whose field of view is used.
        passes: K; the network's own by default.
        on_progress: called with (pictures done, pictures in all).

    Raises:
        Refusal: expected pictures, and another folder to write.
    """
    files = pictures_in(source)
    if out.resolve() == (source if source.is_dir() else source.parent).resolve():
        raise Refusal("another folder than the one that is read", str(out), "name another --out")
    written: list[Path] = []
    failed: list[tuple[str, str]] = []
    for number, path in enumerate(files, start=1):
        try:
            maps = read_maps(path)
            fov = fov_of_maps(path, maps, photographs)
            mended = refiner.refine(maps, fov, passes=passes)
            planes = [in_eight_bits(p) for p in (mended.artery, mended.vein, mended.vessel)]
            written.append(
                artefacts.write_bytes(out / f"{path.stem}.png", as_png(np.dstack(planes)))
            )
        except artefacts.DiskFull:
            raise
        except (RetinaForgeError, OSError) as error:
            failed.append((path.name, str(error)))
        if on_progress is not None:
            on_progress(number, len(files))
    return Refined(tuple(written), tuple(failed))
