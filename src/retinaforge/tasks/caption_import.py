"""RetinaLogos's own data files, `.json` and `.yaml`, read unchanged as pairs.

    META:
      - path: set1.json          # or .jsonl; relative to the yaml file, or to the working folder
        image_root: /images      # or root: both lie before a relative image path
        type: default            # a group's name; kept as the pairs' column "group"
        ratio: 0.5               # that share of the rows, drawn with seed 0

A row: {"image": PATH, "caption": TEXT, "id": ..., "width": ..., "height": ...}; `caption` may be a
list, of which training drew one at a time: the first is the text, all are paraphrases. Lumina's
rows name the image `path` or `image_url`; rows as chats (`conversations`) or with a `prompt` are
read too. Every further column is kept. Rows that we exported hold the whole pair under
"retinaforge", and are read from there.

References:
    github.com/uni-medical/retina-text2cfp, commit 3350e29: codes/data/dataset.py (META, root,
    image_root, ratio), codes/data/data_reader.py (paths), codes/train.py (caption or list of
    captions), codes/example_data/example_ver3.json (rows).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from retinaforge.captions.record import EyeRecord
from retinaforge.core import Refusal
from retinaforge.tasks.pairs import Pair, pair_from_row, rows_of

IMAGE_KEYS, CAPTION_KEYS = ("image", "path", "image_url"), ("caption", "prompt", "text")
OURS = "retinaforge"
"""Column of a row that we exported: the pair's own row."""
REMEDY = "see docs/how-to/captions.md for the layout"
Row = dict[str, Any]


class _Unread(NamedTuple):
    """A data file of several, or a line of one, that cannot be read."""

    what: str
    why: Refusal


class Imported(NamedTuple):
    """Pairs of a data file, and the rows left out with the reason."""

    pairs: list[Pair]
    left_out: list[tuple[str, str]]


def import_pairs(file: Path, *, root: Path | None = None) -> Imported:
    """Read a data file of RetinaLogos, or of Lumina-T2X, as pairs.

    Nothing is copied, and no image is opened. A row without caption, or whose image is not there,
    is named and left out; so is a data file of a yaml that cannot be read.

    Args:
        file: .yaml or .yml (several files), .json or .jsonl (one).
        root: lies before relative image paths, in place of what the yaml file says.

    Raises:
        Refusal: if the file is none of these, or no row of it can be used.
    """
    file = Path(file)
    pairs, left_out, taken = [], [], set()
    for number, (row, base, group) in enumerate(_rows_of(file, root)):
        if isinstance(row, _Unread):
            left_out.append((row.what, str(row.why)))
            continue
        label = str(row.get("id", number))
        try:
            pair = _pair(row, base, group)
        except Refusal as refusal:
            left_out.append((label, str(refusal)))
            continue
        if pair.name in taken:
            left_out.append((label, f"its image is in another row too: {pair.name}"))
            continue
        taken.add(pair.name)
        pairs.append(pair)
    if not pairs:
        why = left_out[0][1] if left_out else "no row"
        raise Refusal("rows with an image and a caption", f"none in {file}: {why}", REMEDY)
    return Imported(pairs, left_out)


def _rows_of(file: Path, root: Path | None) -> Iterator[tuple[Row | _Unread, Path, str]]:
    """Yield each row with the folder before its image path, and its group."""
    if file.suffix.lower() not in (".yaml", ".yml"):
        yield from ((row, root or file.parent, "") for row in _table(file))
        return
    for meta in _metas(file):
        table = _found(Path(meta["path"]), file.parent)
        try:
            rows = _table(table)
        except Refusal as refusal:
            yield _Unread(str(meta["path"]), refusal), table.parent, ""
            continue
        if "ratio" in meta:
            rows = random.Random(0).sample(rows, int(len(rows) * _ratio(meta["ratio"], file)))
        said = meta.get("image_root") or meta.get("root")
        base = root or (_found(Path(said), file.parent) if said else table.parent)
        yield from ((row, base, str(meta.get("type", ""))) for row in rows)


def _names_a_file(meta: object) -> bool:
    return isinstance(meta, dict) and isinstance(meta.get("path"), str)


def _ratio(said: object, file: Path) -> float:
    ratio = said if isinstance(said, int | float) and not isinstance(said, bool) else -1.0
    if not 0 < ratio <= 1:
        raise Refusal("a ratio above 0 and at most 1", f"{said!r} in {file}", "mend META")
    return float(ratio)


def _metas(file: Path) -> list[Mapping[str, Any]]:
    import yaml

    try:
        plain = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refusal("a yaml file with META", f"{error}: {file}", REMEDY) from error
    metas = plain.get("META") if isinstance(plain, dict) else None
    if not isinstance(metas, list) or not all(map(_names_a_file, metas)):
        raise Refusal(
            "a yaml file with META, a list of data files with their path", f"{file}", REMEDY
        )
    return metas


def _found(path: Path, beside: Path) -> Path:
    """Return a path as it stands, or beside the file that names it where only that exists."""
    return path if path.exists() or path.is_absolute() else beside / path


def _table(file: Path) -> list[Row | _Unread]:
    if file.suffix.lower() not in (".json", ".jsonl"):
        raise Refusal("a file .yaml, .json or .jsonl", f"{file}", REMEDY)
    if not file.is_file():
        raise Refusal("a data file", f"none: {file}", REMEDY)
    if file.suffix.lower() == ".jsonl":
        found = rows_of(file)
        return [
            _Unread(f"{file.name}, line {n}", row) if isinstance(row, Refusal) else row
            for n, row in found
        ]
    try:
        rows = json.loads(file.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal("a JSON list of rows", f"{error}: {file}", REMEDY) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refusal("a JSON list of rows", f"{file}", REMEDY)
    return rows


def _pair(row: Row, base: Path, group: str) -> Pair:
    named = next((str(row[key]) for key in IMAGE_KEYS if row.get(key)), "")
    texts = _captions(row)
    if not named or not texts:
        raise Refusal("an image and a caption", f"a row with {', '.join(row)}", "mend the row")
    path = Path(named) if Path(named).is_absolute() else base / named
    if not path.is_file():
        raise Refusal("an image file", f"none: {path}", "name the images' folder with --root")
    if isinstance(row.get(OURS), dict):
        return replace(pair_from_row(row[OURS], base), path=path)
    used = {*IMAGE_KEYS, *CAPTION_KEYS, "conversations", "_image_root"}
    more = {key: value for key, value in row.items() if key not in used}
    more |= {"group": group} if group else {}
    record = EyeRecord(_name(named), dataset=base.name)
    return Pair(path, texts[0], texts, record, more=more)


def _name(named: str) -> str:
    """Return a name below a folder for any path: without its root and without ".."."""
    return "/".join(part for part in Path(named).parts if part not in ("/", "..", "."))


def _captions(row: Row) -> tuple[str, ...]:
    """Return a row's captions: a text, a list of them, or the last turn of a chat."""
    said = next((row[key] for key in CAPTION_KEYS if row.get(key)), None)
    if said is None and isinstance(row.get("conversations"), list):
        turns = [turn.get("value") for turn in row["conversations"] if isinstance(turn, dict)]
        said = turns[-1] if turns else None
    texts = said if isinstance(said, list) else [said]
    return tuple(text.strip() for text in texts if isinstance(text, str) and text.strip())
