"""Eyes of known truth for the oracle: squares of one side, facts as numbers, who is held out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from retinaforge.autoencoders import reconstruct_images
from retinaforge.captions.record import EyeRecord
from retinaforge.core import Refusal, RetinaForgeError
from retinaforge.core.artefacts import whole_file, write_json
from retinaforge.images import find_fov, normalise, read_photograph
from retinaforge.tasks.generator_rows import weights_hash
from retinaforge.tasks.oracle_words import truth_of
from retinaforge.tasks.pairs import METADATA, read_pairs
from retinaforge.tasks.records_file import Known, read_known

Progress = Callable[[int, int], None]
RECORDS = "records.jsonl"
FEWEST_EYES = 8
"""With fewer held out no word has a score (`validation.obedience_scores`)."""
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
        return list(read_known(source / RECORDS).known)
    if source.suffix == ".jsonl" and source.name != METADATA:
        return list(read_known(source).known)
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
    parts = {
        name: [k for k in known if k.record.split == name] for name in ("train", "val", "test")
    }
    held = parts["test"] or parts["val"]
    if not parts["train"] or not held:
        raise Refusal(
            "eyes of a train split, and eyes of a test or val split held out",
            ", ".join(f"{len(rows)} {name}" for name, rows in parts.items()),
            "say which is which in the records' split",
        )
    return parts["train"], held


def enough_eyes(
    parts: tuple[list[Known], list[Known]], most: int | None
) -> tuple[list[Known], list[Known]]:
    """Return the eyes that are learnt from and held out, at most so many of each.

    Raises:
        Refusal: if there are fewer than eight of either: no word could be judged.
    """
    learnt, held = (rows[:most] for rows in parts)
    if min(len(learnt), len(held)) < FEWEST_EYES:
        raise Refusal(
            f"at least {FEWEST_EYES} eyes to learn from and {FEWEST_EYES} held out",
            f"{len(learnt)} and {len(held)}",
            "raise --most" if most and most < FEWEST_EYES else "draw more eyes",
        )
    return learnt, held


def load_eyes(
    known: Sequence[Known], folder: Path, *, side_px: int, on_progress: Progress | None = None
) -> Eyes:
    """Bring eyes to squares of `side_px`, as a generator's training sees them; kept in `folder`.

    A drawn square is taken whole, a photograph is cut to its field of view (`tasks.latents`). A
    photograph that cannot be read is left out and named in `folder`/squares.json. Squares of other
    files, or of files that have changed since, are made anew.

    Raises:
        Refusal: if not a single one can be read.
    """
    path, index = folder / "squares.npy", folder / "squares.json"
    asked = [[*_file(each.path), each.record.synthetic, side_px] for each in known]
    if not _made_of(index, asked):
        squares, good, bad = _squares(known, side_px, on_progress)
        if not squares:
            raise Refusal("at least one readable image", str(bad[:3]), "check the paths")
        index.unlink(missing_ok=True)  # a run killed here leaves nothing that speaks for the array
        with whole_file(path) as stream:
            np.save(stream, np.stack(squares))
        write_json(index, {"asked": asked, "good": good, "left_out": bad})
    kept = [known[place] for place in json.loads(index.read_text())["good"]]
    records = tuple(each.record for each in kept)
    pixels = np.load(path, mmap_mode="r")
    inside = np.broadcast_to(round_field(side_px), pixels.shape[:3])
    return Eyes(pixels, inside, records, tuple(truth_of(r) for r in records),
                tuple(each.path for each in kept))  # fmt: skip


def _made_of(index: Path, asked: Any) -> bool:
    """Say whether an index stands beside its array and was written for the same."""
    try:
        return json.loads(index.read_text(encoding="utf-8"))["asked"] == asked
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _file(path: Path) -> list[Any]:
    """Return a file's path, size in bytes and time of change; None where it is not there."""
    stat = path.stat() if path.is_file() else None
    return [str(path), stat and stat.st_size, stat and stat.st_mtime_ns]


def _squares(
    known: Sequence[Known], side_px: int, on_progress: Progress | None
) -> tuple[list[np.ndarray], list[int], list[list[str]]]:
    squares: list[np.ndarray] = []
    good: list[int] = []
    bad: list[list[str]] = []
    for place, each in enumerate(known):
        try:
            squares.append(square_of(each.path, side_px, whole=each.record.synthetic))
            good.append(place)
        except (RetinaForgeError, OSError, ValueError) as error:
            bad.append([each.record.image, str(error)])
        if on_progress:
            on_progress(place + 1, len(known))
    return squares, good, bad


def square_of(path: Path, side_px: int, *, whole: bool) -> np.ndarray:
    """Return an image as RGB 0-255 of shape (side, side, 3).

    Args:
        path: the file.
        side_px: side of the square.
        whole: a square image is taken as it is; else the square round its field of view.
    """
    photo = read_photograph(path)
    if whole and photo.size_px[0] == photo.size_px[1]:
        image = Image.fromarray(photo.pixels)
        return np.asarray(image.resize((side_px, side_px), Image.Resampling.LANCZOS))
    return normalise(photo, find_fov(photo), size_px=side_px).photograph.pixels


def round_field(side_px: int) -> np.ndarray:
    """Return the circle that fills a square: where samples and drawn eyes show retina."""
    middle = (side_px - 1) / 2
    y, x = np.mgrid[:side_px, :side_px] - middle
    return np.hypot(x, y) <= 0.965 * side_px / 2


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
    model: torch.nn.Module, eyes: Eyes, path: Path, on_progress: Progress | None = None,
    *, most: int | None = None,
) -> np.ndarray:  # fmt: skip
    """Return `through` of eyes, or of the first `most`, from `path` where it lies there.

    The JSON file beside `path` says of which images and of which weights; of others, or of files
    that have changed since, the array is made anew.
    """
    index = path.with_suffix(".json")
    files = [_file(each) for each in eyes.paths[:most]]
    asked = [weights_hash(model.state_dict()), list(eyes.pixels.shape[1:]), files]
    if not path.is_file() or not _made_of(index, asked):
        made = through(model, eyes.pixels[:most], eyes.inside[:most], on_progress)
        index.unlink(missing_ok=True)
        with whole_file(path) as stream:
            np.save(stream, made)
        write_json(index, {"asked": asked})
    return np.load(path, mmap_mode="r")
