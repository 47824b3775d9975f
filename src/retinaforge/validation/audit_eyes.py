"""Images of an audit as squares, with what is known of them and where disc and vessels lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retinaforge.audits.masking import Parts
from retinaforge.core import Fov, Photograph, Record, Refusal, RetinaForgeError
from retinaforge.images import normalise, read_mask
from retinaforge.images.geometry import Normalised
from retinaforge.tasks.mask_files import columns_of, files_beside
from retinaforge.tasks.sheets import open_photograph
from retinaforge.tasks.usefulness_set import Example, read_examples
from retinaforge.tasks.usefulness_target import labels_of, require

FINDER_PX = 512
"""Side of the square in which our segmenters look."""
UNLIKE = 1.3
"""Ratio of the sides' widths from which a caution is said."""

Progress = Callable[[int, int], None]
Mask = np.ndarray


@dataclass(frozen=True)
class Eyes:
    """Squares with their truth.

    Attributes:
        records: whose.
        truth: True where the finding is there.
        pixels: RGB, 0-255, shape (n, side, side, 3).
        parts: where field, disc and vessels lie.
        left_out: name and reason of images that could not be read.
        masks: by part, how many came from files and how many from our segmenters.
        native_px: width of each square in the photograph's own pixels; empty where not known.
    """

    records: tuple[Record, ...]
    truth: np.ndarray
    pixels: np.ndarray
    parts: tuple[Parts, ...]
    left_out: tuple[dict[str, str], ...]
    masks: dict[str, dict[str, int]]
    native_px: tuple[float, ...] = ()

    @property
    def patients(self) -> tuple[str, ...]:
        """Return whose eye each image shows."""
        return tuple(record.patient for record in self.records)


def examples_of(folder: Path, target: str | None) -> tuple[list[Example], np.ndarray]:
    """Return the images of a folder that say whether the finding is there, and what they say.

    Without a target all images are returned, and False of each.

    Raises:
        Refusal: of an unknown target, one with more than two answers, or a folder without it.
    """
    examples = read_examples(folder).examples
    if target is None:
        return examples, np.zeros(len(examples), bool)
    labels = labels_of(examples, target)
    if len(labels.questions) > 1 or len(labels.questions[0].classes) != 2:
        raise Refusal(
            "a finding that is there or not", f"{target}, with more answers",
            "ask for referable, glaucoma or label:NAME",
        )  # fmt: skip
    require(labels, examples, f"images of {folder}")
    known = np.flatnonzero(labels.known)
    return [examples[k] for k in known], labels.values[known, 0] > 0


def read_eyes(
    folder: Path, target: str | None, *, size_px: int, masks: bool = False, find: bool = True,
    on_progress: Progress | None = None,
) -> Eyes:  # fmt: skip
    """Read the images of a folder as squares.

    Args:
        folder: a data set, phantoms, pairs or drawn samples.
        target: the finding: referable, glaucoma, label:NAME; None where none is asked for.
        size_px: side of the square.
        masks: whether disc and vessels are wanted.
        find: whether our segmenters look where no file gives a mask.
        on_progress: called with (done, all).

    Raises:
        Refusal: as `examples_of`; "expected at least one readable image; got ...".
    """
    examples, truth = examples_of(folder, target)
    kept: list[int] = []
    squares: list[np.ndarray] = []
    parts: list[Parts] = []
    native: list[float] = []
    left_out: list[dict[str, str]] = []
    source = {part: {"file": 0, "segmenter": 0, "none": 0} for part in ("disc", "vessel")}
    for k, example in enumerate(examples):
        try:
            photo, fov = open_photograph(example.record)
            square = normalise(photo, fov, size_px=size_px)
            if not square.fov.mask.any():
                raise Refusal("a field of view with retina in it", "none", "remove the image")
            found = _parts(example.record, photo, fov, square, source, find) if masks else Parts(
                square.fov.mask)  # fmt: skip
        except (RetinaForgeError, OSError, ValueError) as error:
            left_out.append({"name": example.record.name, "reason": str(error)})
            continue
        kept.append(k)
        squares.append(square.photograph.pixels)
        parts.append(found)
        native.append(2 * square.geometry.half_side_px)
        if on_progress:
            on_progress(k + 1, len(examples))
    if not kept:
        raise Refusal(
            "at least one readable image", left_out[0]["reason"],
            "run `retinaforge data check DIR`",
        )  # fmt: skip
    return Eyes(
        tuple(examples[k].record for k in kept), truth[kept], np.stack(squares), tuple(parts),
        tuple(left_out), source if masks else {}, tuple(native),
    )  # fmt: skip


def read_parts(record: Record, *, size_px: int, find: bool = True) -> Parts:
    """Return where field, disc and vessels lie in one photograph that is opened again.

    Args:
        record: of the photograph.
        size_px: side of the square.
        find: whether our segmenters look where no file gives a mask.
    """
    photo, fov = open_photograph(record)
    square = normalise(photo, fov, size_px=size_px)
    source = {part: {"file": 0, "segmenter": 0, "none": 0} for part in ("disc", "vessel")}
    return _parts(record, photo, fov, square, source, find)


def _parts(
    record: Record, photo: Photograph, fov: Fov, square: Normalised,
    source: dict[str, dict[str, int]], find: bool,
) -> Parts:  # fmt: skip
    found: dict[str, Mask | None] = {}
    for part in ("disc", "vessel"):
        mask, come = mask_from_file(record, part, photo), "file"
        if mask is not None:
            found[part] = square.geometry.carry_mask(mask)
        else:
            found[part] = _seen(part, photo, fov, square) if find else None
            come = "segmenter" if found[part] is not None else "none"
        source[part][come] += 1
    return Parts(square.fov.mask, found["disc"], found["vessel"])


def mask_from_file(record: Record, part: str, photo: Photograph) -> Mask | None:
    """Return a part's mask from the record, its table's columns, or a folder beside the images."""
    if part in record.masks:
        return read_mask(record.masks[part], size_px=photo.size_px)
    roots = (record.path.parent.parent, record.path.parent)
    said = [str(record.columns[c]) for c in columns_of(part) if record.columns.get(c)]
    paths = [root / each for each in said for root in roots]
    paths += [path for root in roots for path in files_beside(root, part, record.path.stem)]
    first = next((path for path in paths if path.is_file()), None)
    return None if first is None else read_mask(first, size_px=photo.size_px)


def _seen(part: str, photo: Photograph, fov: Fov, square: Normalised) -> Mask | None:
    """Return what our segmenters see; None where they see nothing."""
    from retinaforge.validation import finders  # loads networks

    large = normalise(photo, fov, size_px=FINDER_PX)
    if part == "vessel":
        mask = finders.vessel_judge().mask(large.photograph, large.fov)
    else:
        marks = finders.anatomy_model().landmarks(large.photograph, large.fov)
        if marks.disc_centre_px is None or marks.disc_axes_px is None:
            return None
        y, x = np.mgrid[:FINDER_PX, :FINDER_PX]
        (cx, cy), (a, b) = marks.disc_centre_px, marks.disc_axes_px
        mask = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
    side = square.fov.mask.shape[0]
    rows = ((np.arange(side) + 0.5) * FINDER_PX / side).astype(int)
    small = np.asarray(mask, bool)[np.ix_(rows, rows)] & square.fov.mask
    return small if small.any() else None


def unread(real: Eyes, synthetic: Eyes | None) -> list[dict[str, str]]:
    """Return the images of both sides that could not be read."""
    return [*real.left_out, *(() if synthetic is None else synthetic.left_out)]


def joined(sides: Sequence[Eyes]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return pixels, truth and patients of several sets, one after another."""
    return (
        np.concatenate([side.pixels for side in sides]),
        np.concatenate([side.truth for side in sides]),
        tuple(name for side in sides for name in side.patients),
    )


def unlike_widths(real: Eyes, synthetic: Eyes | None) -> list[str]:
    """Return a caution where one side's photographs are so small that sharpness tells the sides."""
    if synthetic is None or not real.native_px or not synthetic.native_px:
        return []
    wide = [float(np.median(side.native_px)) for side in (real, synthetic)]
    if max(wide) / min(wide) < UNLIKE or min(wide) >= real.pixels.shape[1]:
        return []
    return [
        f"Fields are {wide[0]:.0f} px wide in real and {wide[1]:.0f} px in synthetic photographs, "
        f"seen at {real.pixels.shape[1]} px: sharpness alone tells them apart."
    ]
