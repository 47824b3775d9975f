"""Eyes of known truth for the oracle: squares of one side, facts as numbers, who is held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from retinaforge.autoencoders import reconstruct_images
from retinaforge.captions.record import EyeRecord
from retinaforge.core import Record, Refusal
from retinaforge.core.artefacts import whole_file
from retinaforge.tasks.oracle_words import truth_of
from retinaforge.tasks.pairs import METADATA, read_pairs
from retinaforge.tasks.records_file import Known, read_known
from retinaforge.tasks.sheets import Sheets, build_sheets

Progress = Callable[[int, int], None]
RECORDS = "records.jsonl"
AT_ONCE = 32
"""Images that pass through a network together."""


@dataclass(frozen=True)
class Eyes:
    """Images with what is true of them.

    Attributes:
        pixels: RGB, 0-255, shape (n, side, side, 3).
        inside: True inside the field of view, shape (n, side, side).
        records: of the same eyes.
        truths: by word, see `oracle_words.truth_of`.
        paths: of the image files.
    """

    pixels: np.ndarray
    inside: np.ndarray
    records: tuple[EyeRecord, ...]
    truths: tuple[dict[str, float], ...]
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def patients(self) -> list[str]:
        """Return whose eye each is; the image's name where nobody said."""
        return [record.patient or record.image for record in self.records]


def known_eyes(source: Path) -> list[Known]:
    """Return the eyes of a folder of pairs or of a records file.

    Raises:
        Refusal: expected a folder of pairs or a records file.
    """
    source = Path(source)
    if source.is_dir() and (source / RECORDS).is_file():
        return read_known(source / RECORDS)
    if source.suffix == ".jsonl" and source.name != METADATA:
        return read_known(source)
    known = [Known(pair.record, pair.path) for pair in read_pairs(source)]
    if not any(each.record.facts for each in known):
        raise Refusal(
            "eyes with facts", f"captions only: {source}",
            "write them with `retinaforge captions records` first",
        )  # fmt: skip
    return known


def split_eyes(known: Sequence[Known]) -> tuple[list[Known], list[Known]]:
    """Return (learnt from, held out): the train split, and test (or val where there is no test).

    Raises:
        Refusal: expected eyes of a train split and others held out.
    """
    parts = {name: [k for k in known if k.record.split == name] for name in ("train", "val", "test")}
    held = parts["test"] or parts["val"]
    if not parts["train"] or not held:
        raise Refusal(
            "eyes of a train split, and eyes of a test or val split held out",
            ", ".join(f"{len(rows)} {name}" for name, rows in parts.items()),
            "say which is which in the records' split",
        )
    return parts["train"], held


def load_eyes(
    known: Sequence[Known], folder: Path, *, side_px: int, on_progress: Progress | None = None
) -> Eyes:
    """Bring eyes to squares of `side_px`, as training and sampling see them; kept in `folder`."""
    rows = [_plain_record(each) for each in known]
    sheets = build_sheets(rows, folder, size_px=side_px, on_progress=on_progress)
    return _eyes_of(sheets, {each.record.image: each for each in known})


def _plain_record(each: Known) -> Record:
    record = each.record
    return Record(path=each.path, name=record.image, dataset=record.dataset,
                  patient=record.patient or record.image)  # fmt: skip


def _eyes_of(sheets: Sheets, by_name: dict[str, Known]) -> Eyes:
    known = [by_name[row.name] for row in sheets.records]
    records = tuple(each.record for each in known)
    truths = tuple(truth_of(record) for record in records)
    return Eyes(sheets.pixels, sheets.fov, records, truths, tuple(each.path for each in known))


def to_batch(pixels: np.ndarray) -> torch.Tensor:
    """Return RGB 0-255 of shape (n, side, side, 3) as a batch in [-1, 1]."""
    images = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32) / 127.5 - 1.0)
    return images.permute(0, 3, 1, 2).contiguous()


def to_pixels(images: torch.Tensor) -> np.ndarray:
    """Return a batch in [-1, 1] as RGB 0-255 of shape (n, side, side, 3)."""
    plain = (images.float().clamp(-1, 1) + 1.0) * 127.5
    return plain.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def through(
    model: torch.nn.Module, pixels: np.ndarray, inside: np.ndarray,
    on_progress: Progress | None = None,
) -> np.ndarray:  # fmt: skip
    """Return what an autoencoder makes of images, black outside the field of view."""
    made = np.zeros(pixels.shape, np.uint8)
    for start in range(0, len(pixels), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        back = to_pixels(reconstruct_images(model, to_batch(pixels[part])))
        made[part] = np.where(inside[part][..., None], back, 0)
        if on_progress:
            on_progress(min(start + AT_ONCE, len(pixels)), len(pixels))
    return made


def kept_through(
    model: torch.nn.Module, eyes: Eyes, path: Path, on_progress: Progress | None = None
) -> np.ndarray:
    """Return `through` of eyes, from `path` where it lies there."""
    if not path.is_file():
        made = through(model, eyes.pixels, eyes.inside, on_progress)
        with whole_file(path) as stream:
            np.save(stream, made)
    return np.load(path, mmap_mode="r")
