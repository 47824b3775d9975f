"""What somebody answered to a challenge: masks, risks or grades, foveas."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.tasks.challenge_layout import Layout
from retinaforge.tasks.challenge_tables import Fault, body, numbers_of, read_table

JUNK = ("__MACOSX",)
OTHER_IMAGES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Answers:
    """A submission.

    Attributes:
        masks: file by image; None where the task was not answered at all.
        labels: (risk,) or a share a class by image; None likewise.
        fovea: (x, y) by image, in pixels; None likewise.
        faults: rows that cannot be used.
        absent: why a task was not answered, by part.
    """

    masks: dict[str, Path] | None
    labels: dict[str, tuple[float, ...]] | None
    fovea: dict[str, tuple[float, ...]] | None
    faults: list[Fault] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def read_answers(folder: Path, layout: Layout) -> Answers:
    """Read a submission, at least one of its three tasks.

    A single folder within the folder is entered, as a packed submission often holds one.

    Args:
        folder: the unpacked submission.
        layout: of the challenge.

    Raises:
        Refusal: "expected answers to REFUGE: ...; got none of them ..."; a table without its first
            line; masks of another format than BMP.
    """
    folder = _entered(Path(folder), layout)
    faults: list[Fault] = []
    absent: dict[str, str] = {}
    masks = _masks(folder, layout)
    columns = ("data", *layout.grades) if layout.graded else ("FileName", "Glaucoma Risk")
    labels = _table(folder, (layout.answer_labels,), columns, layout, "labels", faults)
    fovea_columns = ("data" if layout.graded else "ImageName", "Fovea_X", "Fovea_Y")
    fovea = _table(folder, layout.answer_fovea, fovea_columns, layout, "fovea", faults)
    if layout.graded and labels:
        labels = _one_called(labels, faults)
    for part, there, name in (
        ("masks", masks, f"{layout.answer_masks}/"),
        ("labels", labels, layout.answer_labels),
        ("fovea", fovea, layout.answer_fovea[0]),
    ):
        if there is None:
            absent[part] = f"the answers have no {name}"
    if len(absent) == 3:
        raise Refusal(
            f"answers to {layout.title}: {layout.answer_masks}/, {layout.answer_labels}, "
            f"{layout.answer_fovea[0]}",
            f"none of them in {folder}",
            "unpack the submission and name its folder",
        )
    return Answers(masks, labels, fovea, faults, absent)


def _entered(folder: Path, layout: Layout) -> Path:
    if not folder.is_dir():
        raise Refusal(f"a folder with answers to {layout.title}", str(folder), "name a folder")
    wanted = (layout.answer_masks, layout.answer_labels, *layout.answer_fovea)
    inside = [p for p in sorted(folder.iterdir()) if p.is_dir() and p.name not in JUNK]
    if not any((folder / name).exists() for name in wanted) and len(inside) == 1:
        return inside[0]
    return folder


def _masks(folder: Path, layout: Layout) -> dict[str, Path] | None:
    place = folder / layout.answer_masks
    if not place.is_dir():
        return None
    files = sorted(place.iterdir())
    found = {layout.key(f.name): f for f in files if f.suffix.lower() == ".bmp"}
    others = [f for f in files if f.suffix.lower() in OTHER_IMAGES]
    if not found and others:
        raise Refusal(
            f"masks as BMP in {place}", f"{len(others)} of another kind: {others[0].name}",
            "save them as .bmp, 8-bit grey",
        )  # fmt: skip
    return found


def _table(
    folder: Path, names: tuple[str, ...], columns: tuple[str, ...], layout: Layout, part: str,
    faults: list[Fault],
) -> dict[str, tuple[float, ...]] | None:  # fmt: skip
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return None
    rows = body(read_table(path), path, columns=columns)
    # By place, as the challenges read them: their headers' words vary.
    places = range(1, len(columns))
    found, bad = numbers_of(rows, places, 0, part=part, named=layout.key)
    faults += bad
    return found


def _one_called(
    labels: dict[str, tuple[float, ...]], faults: list[Fault]
) -> dict[str, tuple[float, ...]]:
    """Drop rows that name no single class: two equal shares call nothing."""
    kept = {}
    for name, shares in labels.items():
        if sorted(shares)[-1] > sorted(shares)[-2]:
            kept[name] = shares
        else:
            faults.append(Fault("labels", name, "refused", f"no class stands out: {shares}"))
    return kept
