"""Masks brought to the squares of their photographs, computed once, ready for a generator.

The square is that of the latents (`tasks.latents`): the same crop about the field of view, or the
same whole frame. A pixel of it holds the share of the mask that lies there (area average, 0 to
255), so that at a low resolution a capillary grows faint instead of broken. How these shares come
into the latent's grid is `generators.maps`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor

from retinaforge.core import Refusal, RetinaForgeError, in_one_line
from retinaforge.core.artefacts import sha256_of
from retinaforge.generators.maps import MapPlan
from retinaforge.images import find_fov, normalise, read_photograph
from retinaforge.images.reading import read_mask
from retinaforge.tasks.generator_rows import RowStore
from retinaforge.tasks.latents import Frame, in_square, takes_whole
from retinaforge.tasks.mask_files import Files, MaskFinder
from retinaforge.tasks.pairs import Pair

MASKS_VERSION = 1
EMPTY, NOT_GIVEN = -1, -2
"""Places of squares that are not stored."""
AT_ONCE = 64
TROUBLE = (RetinaForgeError, OSError, ValueError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class MaskSet:
    """Masks of a list of photographs, in the order of the latents.

    Attributes:
        plan: how a network is given them.
        size_px: side of the squares.
        values: every square of the cache, uint8, flat, memory-mapped.
        starts: where each mask's square begins in `values`, EMPTY or NOT_GIVEN, shape (n, kinds).
        left_out: (image, reason) of masks that cannot be used; those count as not given.
        folder: of the cache.
    """

    plan: MapPlan
    size_px: int
    values: np.ndarray
    starts: Int[np.ndarray, "n kinds"]
    left_out: tuple[tuple[str, str], ...]
    folder: str

    def __len__(self) -> int:
        return len(self.starts)

    def __call__(
        self, rows: Sequence[int], gone: Bool[np.ndarray, "rows kinds"] | None = None
    ) -> Float[Tensor, "rows maps cells cells"]:
        """Return the maps of some rows, those that are `gone` as if nobody had given them."""
        given = self.given[list(rows)]
        if gone is not None:
            given = given & ~gone
        shares = torch.from_numpy(self.squares(rows).astype(np.float32) / 255)
        return self.plan.only(self.plan.encode(shares), torch.from_numpy(given))

    @property
    def given(self) -> Bool[np.ndarray, "n kinds"]:
        """Return which masks somebody gave, empty ones included."""
        return self.starts != NOT_GIVEN

    def squares(self, rows: Sequence[int]) -> UInt8[np.ndarray, "rows kinds side side"]:
        """Return shares of some rows' masks, 0 to 255; 0 where none is given."""
        side = self.size_px
        found = np.zeros((len(rows), len(self.plan.kinds), side, side), np.uint8)
        for place, row in enumerate(rows):
            for kind, start in enumerate(self.starts[row]):
                if start >= 0:
                    flat = self.values[start : start + side * side]
                    found[place, kind] = flat.reshape(side, side)
        return found

    def subset(self, rows: Sequence[int]) -> MaskSet:
        """Return the masks of some photographs."""
        return replace(self, starts=self.starts[np.asarray(rows, int)])

    def counts(self) -> dict[str, dict[str, int]]:
        """Return for each map how many photographs have one, and how many an empty one."""
        return {
            kind: {
                "given": int((self.starts[:, at] != NOT_GIVEN).sum()),
                "empty": int((self.starts[:, at] == EMPTY).sum()),
                "of": len(self),
            }
            for at, kind in enumerate(self.plan.kinds)
        }


def encode_masks(
    pairs: Sequence[Pair],
    finder: MaskFinder,
    cache: Path,
    plan: MapPlan,
    *,
    size_px: int,
    frame: Frame = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> MaskSet:
    """Return the masks of pairs on their photographs' squares; computed once, resumable.

    A mask that cannot be read, or is of another size than its photograph, counts as not given and
    is named in `left_out`.

    Args:
        pairs: in the order of the latents.
        finder: says where masks lie.
        cache: where caches lie.
        plan: its kinds are the finder's names.
        size_px: side of the squares.
        frame: as for the latents.
        on_progress: called with (done, all).
    """
    facts = {"version": MASKS_VERSION, "size_px": size_px, "frame": frame, "dtype": "uint8"}
    store = RowStore(cache, "masks", facts)
    starts = np.full((len(pairs), len(plan.kinds)), NOT_GIVEN, np.int64)
    keys: list[list[str | None]] = []
    left_out: list[tuple[str, str]] = []
    with store.writing():
        for found in _read_all(pairs, finder, store, size_px, frame):
            keys.append([found.keys.get(kind) for kind in plan.kinds])
            left_out += [(pairs[len(keys) - 1].name, reason) for reason in found.reasons]
            fresh = {key: row for key, row in found.fresh.items() if key not in store}
            if fresh:
                store.append([(k, square, {"file": file}) for k, (square, file) in fresh.items()])
            if on_progress:
                on_progress(len(keys), len(pairs))
    for row, of_pair in enumerate(keys):
        for kind, key in enumerate(of_pair):
            if key is not None:
                starts[row, kind] = store.index[key]["start"] if key else EMPTY
    return MaskSet(plan, size_px, store.values(), starts, tuple(left_out), str(store.folder))


def framed_masks(
    pair: Pair, files: Mapping[str, Files], *, size_px: int, frame: Frame = "auto"
) -> dict[str, UInt8[np.ndarray, "side side"]]:
    """Return a pair's masks on its photograph's square, as shares from 0 to 255.

    Raises:
        Refusal: if a mask cannot be read or is of another size than its photograph.
    """
    carry = _carrier(pair, size_px, frame)
    return {name: carry(paths) for name, paths in files.items()}


@dataclass
class _Found:
    """One pair's masks: a key for each that is given ("" an empty one), squares that are new."""

    keys: dict[str, str]
    fresh: dict[str, tuple[np.ndarray, list[Any]]]
    reasons: list[str]


def _read_all(
    pairs: Sequence[Pair], finder: MaskFinder, store: RowStore, size_px: int, frame: Frame
) -> Iterator[_Found]:
    """Yield what each pair has, in order, some read ahead."""
    known = {_plain(line["file"]): key for key, line in store.index.items()}

    def read(pair: Pair) -> _Found:
        return _read(pair, finder(pair), store, known, size_px, frame)

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(pairs), AT_ONCE):
            yield from pool.map(read, pairs[start : start + AT_ONCE])


def _read(
    pair: Pair,
    files: Mapping[str, Files],
    store: RowStore,
    known: Mapping[Any, str],
    size_px: int,
    frame: Frame,
) -> _Found:
    found, carry = _Found({}, {}, []), None
    for name, paths in files.items():
        if not paths:
            found.keys[name] = ""
            continue
        try:
            whole = takes_whole(pair, frame)
            seen = [*paths, *(() if whole else (pair.path,))]
            file = [whole, *([str(p.resolve()), *_stamp(p)] for p in seen)]
            key = known.get(_plain(file)) or _key(seen, whole=whole)
            if key not in store:
                carry = carry or _carrier(pair, size_px, frame)
                found.fresh[key] = (carry(paths), file)
            found.keys[name] = key
        except TROUBLE as error:
            said = in_one_line(error)
            if isinstance(error, FileNotFoundError):
                said = f"expected a mask; got no file: {error.filename}"
            found.reasons.append(f"its {name} mask is not used: {said}")
    return found


def _carrier(
    pair: Pair, size_px: int, frame: Frame
) -> Callable[[Files], UInt8[np.ndarray, "side side"]]:
    """Return what brings mask files to the square that the photograph's latent is of."""
    photo = read_photograph(pair.path)
    height, width = photo.size_px
    geometry = None
    if not (takes_whole(pair, frame) and (height == width or frame == "whole")):
        geometry = normalise(photo, find_fov(photo), size_px=size_px).geometry

    def carry(paths: Files) -> np.ndarray:
        mask = np.zeros(photo.size_px, bool)
        for path in paths:
            mask |= _read_mask(path, photo.size_px)
        if geometry is not None:
            shares = geometry.carry_map(mask.astype(np.float32))
            return (shares.clip(0, 1) * 255).round().astype(np.uint8)
        square = Image.fromarray(in_square(mask.astype(np.uint8) * 255))
        return np.asarray(square.resize((size_px, size_px), Image.Resampling.BOX))

    return carry


def _read_mask(path: Path, size_px: tuple[int, int]) -> np.ndarray:
    """Return a mask of the photograph's size; small numbers are refused, not read as empty."""
    mask = read_mask(path, size_px=size_px)
    if not mask.any():
        with Image.open(path) as image:
            largest = image.convert("L").getextrema()[1]
        if largest:
            raise Refusal("grey values from 0 to 255", f"at most {largest}: {path}", "scale them")
    return mask


def _key(paths: Sequence[Path], *, whole: bool) -> str:
    return "+".join(sha256_of(path) for path in paths) + ("-whole" if whole else "")


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _plain(file: Any) -> Any:
    """Return lists as tuples, to be looked up by."""
    return tuple(_plain(each) for each in file) if isinstance(file, list | tuple) else file
