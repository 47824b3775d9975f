"""Where the masks of a photograph lie: in its row, in its set's tables, or in folders beside it.

A map's name is a kind of mask ("vessel", "disc", "artery") or "lesion:KIND"; "lesion" alone is all
kinds of lesion together. Its file is named by, in this order,

1. the row of the pairs folder: the column NAME_file_name (phantoms' and imagefolder's convention;
   for lesions KIND_file_name or lesion_KIND_file_name),
2. the set's manifest.csv or metadata table (`images.read_records`): the same columns, or
   `vessel_mask`, `disc_mask`, `cup_mask`,
3. a folder beside the images: NAME/STEM.png, lesions/KIND/STEM.png.

No file of a lesion whose count the record gives as 0 is an empty mask: there is none in the eye.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from retinaforge.captions.facts import LESIONS
from retinaforge.core import Record, Refusal
from retinaforge.images.records import IMAGE_SUFFIXES, read_records
from retinaforge.tasks.generator_rows import digest
from retinaforge.tasks.pairs import Pair

Files = tuple[Path, ...]
"""Files whose union is a mask; none is an empty mask."""
LESION, ALL_LESIONS = "lesion:", "lesion"
COLUMN = "_file_name"
NAME = re.compile(r"[a-z][a-z0-9_]*(:[a-z0-9_]+)?")
TABLES = ("manifest.csv", "metadata.csv", "metadata.jsonl", "metadata.parquet")
SETS_HELD = 64


def require_map_names(names: Sequence[str]) -> None:
    """Refuse names of maps that cannot be.

    Raises:
        Refusal: for a name that is none, one given twice, or a map of labels.
    """
    for name in names:
        if not NAME.fullmatch(name) or (":" in name and not name.startswith(LESION)):
            raise Refusal(
                "maps by the name of a mask, or lesion:KIND",
                repr(name),
                'as in maps = ["vessel", "lesion:hard_exudate"]',
            )
        if name == "artery_vein":
            raise Refusal("maps of one thing each", "artery_vein", "name artery and vein")
    if len(set(names)) < len(names):
        raise Refusal("each map once", ", ".join(names), "remove what is there twice")


class MaskFinder:
    """Finds the masks of pairs.

    Args:
        names: of the maps, as in the recipe.
        folder: of the pairs, which their columns are relative to.
    """

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        require_map_names(names)
        self.names = tuple(names)
        self.folder = folder if folder.is_dir() else folder.parent

    def __call__(self, pair: Pair) -> dict[str, Files]:
        """Return the files of each mask that is given; a mask that nobody gave has no entry."""
        found = {name: self._files(pair, name) for name in self.names}
        return {name: files for name, files in found.items() if files is not None}

    def _files(self, pair: Pair, name: str) -> Files | None:
        kind = name.removeprefix(LESION)
        for root, row in ((self.folder, pair.more), *_rows_of(pair.path)):
            for column in columns_of(name):
                if row.get(column):
                    return (_placed(str(row[column]), root, pair.path),)
        for root, image in _homes(pair.path):
            if files := files_beside(root, name, image.stem):
                return files
        counted = LESIONS if name == ALL_LESIONS else (kind,)
        return () if name.startswith(ALL_LESIONS) and _counted_none(pair, counted) else None


def columns_of(name: str) -> tuple[str, ...]:
    """Return the columns that may name a map's file."""
    kind = name.removeprefix(LESION)
    return tuple(dict.fromkeys(f"{n}{COLUMN}" for n in (kind, name.replace(":", "_"))))


def files_beside(root: Path, name: str, stem: str) -> Files:
    """Return the files of a mask in folders below a root, by an image's name without ending."""
    kind = name.removeprefix(LESION)
    if name.startswith(LESION):
        folders = [root / "lesions" / kind, root / name, root / kind]
    elif name == ALL_LESIONS and not (root / name).is_dir():
        every = sorted((root / "lesions").glob("*")) if (root / "lesions").is_dir() else []
        return tuple(path for folder in every if (path := _image(folder, stem)))
    else:
        folders = [root / name]
    found = (path for folder in folders if (path := _image(folder, stem)))
    first = next(found, None)
    return () if first is None else (first,)


def require_found(finder: MaskFinder, pairs: Sequence[Pair]) -> None:
    """Refuse a map that not one pair has.

    Raises:
        Refusal: naming the columns and folders that are searched, and what is there.
    """
    lacking = set(finder.names)
    for pair in pairs:
        if not lacking:
            return
        lacking -= {name for name, files in finder(pair).items() if files}
    for name in [name for name in finder.names if name in lacking]:
        raise Refusal(
            f"{name} masks: a column {columns_of(name)[0]} in the pairs or their set's table, or "
            f"files in {_folder_of(name)} beside the images",
            f"none for {len(pairs)} pairs; there are: {', '.join(_there(pairs[0])) or 'no masks'}",
            "name another map in data.maps, or put the masks there",
        )


def masks_hash(finder: MaskFinder, pairs: Sequence[Pair]) -> str:
    """Return a hash of which masks pairs have, and of their files' sizes."""
    rows = []
    for pair in pairs:
        found = finder(pair)
        rows.append([pair.name, {n: [_size(f) for f in files] for n, files in found.items()}])
    return digest(rows)


def _image(folder: Path, stem: str) -> Path | None:
    plain = folder / f"{stem}.png"
    if plain.is_file():
        return plain
    others = (folder / f"{stem}{ending}" for ending in sorted(IMAGE_SUFFIXES))
    return next((path for path in others if path.is_file()), None)


def _placed(said: str, root: Path, image: Path) -> Path:
    """Return where a table's path points: beside the table, else beside the image's set."""
    places = (root / said, image.parent.parent / said, image.parent / said)
    return next((path for path in places if path.is_file()), places[0])


def _rows_of(image: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    """Return an image's rows in the tables of the folders above it."""
    found = []
    for root, path in _homes(image):
        if record := _table(root).get(path.relative_to(root).as_posix()):
            own = {f"{kind}{COLUMN}": str(file.resolve()) for kind, file in record.masks.items()}
            found.append((root, {**record.columns, **own}))
    return found


def _homes(image: Path) -> list[tuple[Path, Path]]:
    """Return (folder of the set, image) as they may be: also where a link points."""
    paths = dict.fromkeys((image, image.resolve()))
    return [(root, path) for path in paths for root in (path.parent.parent, path.parent)]


@lru_cache(maxsize=SETS_HELD)
def _table(root: Path) -> dict[str, Record]:
    if not any((root / name).is_file() for name in TABLES):
        return {}
    return {record.name: record for record in read_records(root)}


def _counted_none(pair: Pair, kinds: Sequence[str]) -> bool:
    facts = pair.record.facts
    counts = [facts[kind].value for kind in kinds if kind in facts]
    return bool(counts) and not any(counts)


def _folder_of(name: str) -> str:
    return f"lesions/{name.removeprefix(LESION)}" if name.startswith(LESION) else name


def _there(pair: Pair) -> list[str]:
    """Return the maps that a pair's columns and folders would give."""
    rows = (pair.more, *(row for _, row in _rows_of(pair.path)))
    found = {column.removesuffix(COLUMN) for row in rows for column in row if COLUMN in column}
    root = pair.path.parent.parent
    kinds = root.glob("lesions/*") if (root / "lesions").is_dir() else ()
    return [*sorted(found - {"", "file_name"}), *sorted(f"{LESION}{path.name}" for path in kinds)]


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
