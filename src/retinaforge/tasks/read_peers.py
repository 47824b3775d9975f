"""Read what VascX and AutoMorph wrote: masks, disc, fovea and scale, by the layout of the folder.

    VascX      vessels/NAME.png, artery_vein/NAME.png (1 artery, 2 vein, 3 both), disc/NAME.png,
               fovea.csv (NAME, x, y), preprocessed_rgb/NAME.png
    AutoMorph  M2/binary_vessel/binary_process, M2/artery_vein/{artery,vein}_binary_process,
               M2/optic_disc_cup/raw (red disc, blue cup), M0/images, M0/crop_info.csv

Both crop the photograph to the square round the camera's circle first; what they wrote, and so
what is measured here, is in the coordinates of that crop.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retinaforge.core import Landmarks, Refusal
from retinaforge.images.records import IMAGE_SUFFIXES

Peer = Literal["VascX", "AutoMorph"]
PLACEHOLDER_UM = 1000.0
"""What AutoMorph's crop_info.csv says for a pixel of the photograph where nobody gave a size."""


@dataclass(frozen=True)
class PeerEye:
    """One eye of a peer's folder.

    Attributes:
        name: the file's name.
        photo: the cropped photograph, or None where it was removed.
        masks: mask files by kind, see `vessel_jobs.Job`.
        landmarks: fovea and scale as far as the peer wrote them, in pixels of the masks.
    """

    name: str
    photo: Path | None
    masks: Mapping[str, Path]
    landmarks: Landmarks


def find_peer(folder: Path) -> Peer | None:
    """Return whose output a folder holds; None if it is nobody's."""
    if _automorph_root(folder) is not None:
        return "AutoMorph"
    beside = ("artery_vein", "preprocessed_rgb", "disc", "bounds.csv", "fovea.csv")
    if (folder / "vessels").is_dir() and any((folder / name).exists() for name in beside):
        return "VascX"
    return None


def read_peer(folder: Path, peer: Peer) -> list[PeerEye]:
    """List the eyes of a peer's folder, by name.

    Raises:
        Refusal: if the folder holds no vessel mask.
    """
    eyes = _vascx(folder) if peer == "VascX" else _automorph(folder)
    if not eyes:
        raise Refusal(
            f"vessel masks in {peer}'s folder", f"none in {folder}",
            f"name the folder that {peer} wrote its results to",
        )  # fmt: skip
    return eyes


def _vascx(folder: Path) -> list[PeerEye]:
    fovea = {row[0]: row for row in _rows(folder / "fovea.csv")}
    layers = {kind: _images(folder / kind) for kind in ("artery_vein", "disc")}
    photographs = _images(folder / "preprocessed_rgb")
    return [
        PeerEye(
            path.name,
            photographs.get(name),
            {"vessel": path} | _of_name(layers, name),
            Landmarks(fovea_px=_point(fovea.get(name, [])[1:3])),
        )
        for name, path in _images(folder / "vessels").items()
    ]


def _automorph_root(folder: Path) -> Path | None:
    """Return the folder that holds M0 and M2: the one named, or Results in it."""
    roots = (folder, folder / "Results")
    return next((root for root in roots if (root / "M2" / "binary_vessel").is_dir()), None)


def _automorph(folder: Path) -> list[PeerEye]:
    root = _automorph_root(folder) or folder
    vessels = root / "M2" / "binary_vessel"
    # Some versions forgot a slash and wrote beside the folder they meant.
    places = (vessels / "binary_process", root / "M2" / "binary_vesselbinary_process",
              vessels / "raw_binary")  # fmt: skip
    chosen = next((place for place in places if _images(place)), vessels)
    kinds = root / "M2" / "artery_vein"
    whole = chosen.name == "raw_binary"
    apart = {"artery": "artery_binary_process", "vein": "vein_binary_process"}
    layers = {
        kind: _images(kinds / name)
        for kind, name in ({"artery_vein": "raw"} if whole else apart).items()
    }
    layers["disc_cup"] = _images(root / "M2" / "optic_disc_cup" / "raw")
    photographs = _images(root / "M0" / "images")
    scales = {Path(row[0]).stem: _scale(row) for row in _rows(root / "M0" / "crop_info.csv")}
    return [
        PeerEye(
            path.name,
            photographs.get(name),
            {"vessel": path} | _of_name(layers, name),
            Landmarks(um_per_px=None if whole else scales.get(name)),
        )
        for name, path in _images(chosen).items()
    ]


def _scale(row: list[str]) -> float | None:
    """Return µm a pixel of the 912 px masks from Name, centre, centre, radius, Scale, µm a pixel.

    Where AutoMorph was told no pixel size it takes 1 mm a pixel, which is nobody's.
    """
    numbers = _point(row[4:6])
    if numbers is None:
        return None
    scale, um = numbers
    return None if math.isclose(um, PLACEHOLDER_UM * scale, rel_tol=1e-6) else um


def _of_name(layers: Mapping[str, Mapping[str, Path]], name: str) -> dict[str, Path]:
    return {kind: paths[name] for kind, paths in layers.items() if name in paths}


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    return {path.stem: path for path in paths}


def _rows(table: Path) -> list[list[str]]:
    """Return the rows of a small table without its header; none where there is no table."""
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8-sig") as stream:
        return [row for row in csv.reader(stream) if row][1:]


def _point(words: list[str]) -> tuple[float, float] | None:
    """Return two numbers; None if they are missing, no numbers, or not above 0 (their "failed")."""
    try:
        x, y = (float(word) for word in words)
    except ValueError:
        return None
    return (x, y) if x > 0 and y > 0 else None
