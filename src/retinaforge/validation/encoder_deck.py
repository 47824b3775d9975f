"""The deck that encoders are compared on: some photographs, undamaged and with planted damage.

Each photograph is brought to one square; then it stands there as it is, saved again as JPEG of
quality 75 (a change that nobody calls damage), and with every kind of damage at every level.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from retinaforge.core import Refusal, RetinaForgeError, rng_for
from retinaforge.core.artefacts import DiskFull, sha256_of, whole_file, write_json
from retinaforge.images.geometry import Normalised
from retinaforge.phantoms.damage import damage_photograph
from retinaforge.tasks.crew import work_through
from retinaforge.validation.eye import Settings, prepared
from retinaforge.validation.finders import vessel_judge
from retinaforge.validation.jobs import Job, list_side
from retinaforge.validation.wounds import DAMAGED, RESAVED, saved_again

VERSION = 1
WHOLE = "undamaged"
SMALLEST_N = 4
FEWEST_VESSELS = 0.01
"""Share of the field below which an image is left out: it shows no retina, or no vessel."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plate:
    """One square of the deck: which photograph, with what done to it, how strongly."""

    name: str
    kind: str
    level: int


@dataclass(frozen=True)
class Deck:
    """Squares on disk, in the order of `plates`.

    Attributes:
        squares: .npy, RGB uint8, shape (plates, side, side, 3).
        plates: what each shows.
        left_out: (name, reason) of photographs that could not be had.
        key: fingerprint of all that the squares depend on.
    """

    squares: Path
    plates: tuple[Plate, ...]
    left_out: tuple[tuple[str, str], ...]
    key: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return the photographs, in order."""
        return tuple(plate.name for plate in self.plates if plate.kind == WHOLE)


def make_deck(
    images: Path,
    folder: Path,
    *,
    count: int = 24,
    levels: Sequence[int] = (1, 3, 5),
    size_px: int = 512,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> Deck:
    """Damage evenly chosen photographs of a folder, or reopen the deck that lies there.

    Args:
        images: folder of photographs.
        folder: where the deck is kept.
        count: photographs at most.
        levels: of damage, 1 to 5.
        size_px: side of the squares.
        workers: processes.
        on_progress: called with (done, all).

    Raises:
        Refusal: below `SMALLEST_N` photographs that can be read and have vessels.
    """
    jobs = list_side(images, "real", limit=count)
    key = _key(jobs, levels, size_px)
    there = _reopened(folder, key)
    if there is not None:
        return there
    work = partial(_plates_of, levels=tuple(levels), settings=Settings(size_px=size_px))
    found: dict[str, list[np.ndarray]] = {}
    left_out: list[tuple[str, str]] = []
    for done, (job, made) in enumerate(work_through(jobs, work, workers=workers), start=1):
        if isinstance(made, list):
            found[job.name] = made
        else:
            left_out.append((job.name, made or "reading it ended its process"))
        if on_progress is not None:
            on_progress(done, len(jobs))
    if len(found) < SMALLEST_N:
        raise Refusal(
            f"at least {SMALLEST_N} photographs with vessels",
            f"{len(found)} of {len(jobs)} in {images}"
            + "".join(f"; {name}: {why}" for name, why in left_out[:3]),
            "name a folder of colour fundus photographs",
        )
    names = [job.name for job in jobs if job.name in found]
    states = [(WHOLE, 0), (RESAVED, 0), *((kind, level) for kind in DAMAGED for level in levels)]
    plates = tuple(Plate(name, kind, level) for name in names for kind, level in states)
    path = folder / "squares.npy"
    with whole_file(path) as stream:
        np.save(stream, np.stack([square for name in names for square in found[name]]))
    deck = Deck(path, plates, tuple(left_out), key)
    content = {"key": key, "plates": [asdict(p) for p in plates], "left_out": left_out}
    write_json(folder / "deck.json", content)
    return deck


def _plates_of(job: Job, *, levels: tuple[int, ...], settings: Settings) -> list[np.ndarray] | str:
    """Return a photograph's squares in the order of the states, or why there are none."""
    try:
        square = prepared(job, settings)
        mask = vessel_judge().mask(square.photograph, square.fov) & square.fov.mask
        share = mask.sum() / max(int(square.fov.mask.sum()), 1)
        if share < FEWEST_VESSELS:
            return f"hardly any vessel was found ({share:.2%} of the field)"
        whole = square.photograph.pixels
        wounds = [_wounded(job, square, mask, k, v) for k in DAMAGED for v in levels]
        return [whole, saved_again(whole), *wounds]
    except DiskFull:
        raise
    except (RetinaForgeError, OSError, ValueError) as error:
        return str(error) or type(error).__name__


def _wounded(job: Job, square: Normalised, mask: np.ndarray, kind: str, level: int) -> np.ndarray:
    rng = rng_for(0, "sanity", kind, job.name)
    masks = {"vessel": mask}
    done = damage_photograph(square.photograph, square.fov, masks, kind, level, rng=rng)
    return done.photograph.pixels


def _key(jobs: Sequence[Job], levels: Sequence[int], size_px: int) -> str:
    facts = [VERSION, size_px, list(levels), DAMAGED]
    facts += [[job.name, sha256_of(job.path)] for job in jobs]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _reopened(folder: Path, key: str) -> Deck | None:
    try:
        said = json.loads((folder / "deck.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if said["key"] != key or not (folder / "squares.npy").is_file():
        return None
    plates = tuple(Plate(**plate) for plate in said["plates"])
    left_out = tuple((name, why) for name, why in said["left_out"])
    return Deck(folder / "squares.npy", plates, left_out, key)
