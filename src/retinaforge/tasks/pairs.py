"""Captioned images: a folder that Hugging Face's imagefolder reads, a row an image.

`metadata.jsonl` holds, for each image, `file_name`, `text` (the caption), `texts` (its paraphrases,
the caption first), `writer`, `record` (what is known of the eye), `split`, `patient`, `synthetic`,
and whatever others add to it (scores). Images are copied, linked, or stay where they are: then
`image` holds their absolute path, and only our own readers find them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from retinaforge.captions.record import EyeRecord
from retinaforge.captions.rows import record_from_row, record_to_row
from retinaforge.core import Refusal, split_of
from retinaforge.tasks.json_lines import read_rows, rows_of, whole, write_rows

METADATA = "metadata.jsonl"
Link = Literal["reference", "symlink", "copy"]
OWN = ("file_name", "image", "text", "texts", "writer", "record", "split", "patient", "synthetic")
"""Columns that `Pair` has by name; any other goes through untouched."""


@dataclass(frozen=True)
class Pair:
    """One image and what is said of it.

    Attributes:
        path: the image file.
        text: the caption.
        texts: its paraphrases, the caption first; what is read from a file has at least it.
        record: what is known of the eye; empty facts where nobody said.
        split: "train", "val", "test", a name of the set's own, or "".
        patient: whose eye, "" where unknown. Patients never cross splits.
        synthetic: drawn or sampled, not photographed.
        writer: who wrote the caption: "template", a model's name, "" where unknown.
        more: further columns of the row, such as scores.
    """

    path: Path
    text: str
    texts: tuple[str, ...] = ()
    record: EyeRecord = field(default_factory=lambda: EyeRecord(image=""))
    split: str = ""
    patient: str = ""
    synthetic: bool = False
    writer: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the image's name in its set; unique there."""
        return self.record.image or self.path.name


def pair_of(
    record: EyeRecord, path: Path, texts: Sequence[str], *, writer: str, **more: Any
) -> Pair:
    """Return the pair of a record, its image and its captions, the first of which is the text."""
    if not texts:
        raise Refusal("at least one caption", f"none for {record.image}", "leave the image out")
    return Pair(
        path=path,
        text=texts[0],
        texts=tuple(texts),
        record=record,
        split=record.split,
        patient=record.patient,
        synthetic=record.synthetic,
        writer=writer,
        more=more,
    )


def read_pairs(folder: Path) -> list[Pair]:
    """List the pairs of a folder, or of its metadata.jsonl, without opening an image.

    A row needs `file_name` and `text`; any imagefolder with captions is read so.

    Raises:
        Refusal: "expected a folder of pairs with metadata.jsonl; got ...".
    """
    table = _table_of(folder)
    return [pair_from_row(row, table.parent) for row in read_rows(table)]


class PairsRead(NamedTuple):
    """The pairs of a folder, and the rows that are none: (line of the table, reason)."""

    pairs: list[Pair]
    bad: list[tuple[str, str]]


def read_good_pairs(folder: Path) -> PairsRead:
    """List the pairs of a folder as `read_pairs` does; a bad row is named and the rest kept.

    Raises:
        Refusal: if there is no such folder.
    """
    table, found = _table_of(folder), PairsRead([], [])
    for number, row in rows_of(table):
        try:
            found.pairs.append(pair_from_row(whole(row), table.parent))
        except Refusal as refusal:
            found.bad.append((f"line {number}", str(refusal)))
    return found


def _table_of(folder: Path) -> Path:
    table = Path(folder)
    table = table / METADATA if table.is_dir() else table
    if not table.is_file():
        raise Refusal(
            f"a folder of pairs with {METADATA}",
            f"none: {table}",
            "write one with `retinaforge captions write`",
        )
    return table


def pair_from_row(row: Mapping[str, Any], folder: Path) -> Pair:
    """Return the pair of one row of a folder's metadata.

    Raises:
        Refusal: "expected columns file_name and text; got ..."; for a cell of another type than the
            column's.
    """
    name, text = row.get("file_name"), row.get("text")
    if not isinstance(name, str) or not isinstance(text, str):
        raise Refusal(
            "columns file_name and text, both words",
            f"a row with {', '.join(row)} in {folder}",
            "give every image a caption",
        )
    texts = row.get("texts") or [text]
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise Refusal("texts, a list of words", f"{name} with {texts!r}"[:80], "mend that row")
    image = row.get("image") or ""
    if not isinstance(image, str):
        raise Refusal("image, a path in words", f"{name} with {image!r}"[:80], "mend that row")
    own = row.get("record")
    record = record_from_row(own) if own else _bare(name, row)
    return Pair(
        path=Path(image) if image else folder / name,
        text=text,
        texts=tuple(texts),
        record=record,
        split=split_of(_word("split", row) or record.split),
        patient=_word("patient", row) or record.patient,
        synthetic=bool(row.get("synthetic", record.synthetic)),
        writer=_word("writer", row),
        more={key: value for key, value in row.items() if key not in OWN},
    )


def _bare(name: str, row: Mapping[str, Any]) -> EyeRecord:
    said = {key: _word(key, row) for key in ("patient", "split", "licence", "dataset")}
    said["split"] = split_of(said["split"])
    return EyeRecord(image=name, synthetic=bool(row.get("synthetic", False)), **said)


def _word(key: str, row: Mapping[str, Any]) -> str:
    """Return a cell as words, "" for none; other tools write patients as whole numbers."""
    value = row.get(key)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Refusal(f"{key} in words", f"{row['file_name']} with {value!r}"[:80], "mend that row")


def write_pairs(
    folder: Path,
    pairs: Iterable[Pair],
    link: Link = "reference",
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a folder of pairs; the table comes last, whole or not at all.

    Args:
        folder: made if absent.
        pairs: their names are unique and lie below the folder.
        link: "copy" the images into the folder, "symlink" to them, or by "reference" only note
            where they lie.
        on_progress: called with (images done, images).

    Returns:
        The path of metadata.jsonl.

    Raises:
        Refusal: "expected a name of its own for each image; got two called NAME; ...".
    """
    folder, pairs = Path(folder), list(pairs)
    _require_names(pairs)
    rows = []
    for done, pair in enumerate(pairs, 1):
        if link != "reference":
            _place(pair.path, folder / pair.name, copy=link == "copy")
        rows.append(row_of(pair, reference=link == "reference"))
        if on_progress:
            on_progress(done, len(pairs))
    return write_rows(folder / METADATA, rows)


def row_of(pair: Pair, *, reference: bool = False) -> dict[str, Any]:
    """Return a pair's row.

    Args:
        pair: what is written.
        reference: the image stays where it is; its absolute path is noted.
    """
    where = {"image": str(pair.path.resolve())} if reference else {}
    return {
        "file_name": pair.name,
        **where,
        "text": pair.text,
        "texts": list(pair.texts or (pair.text,)),
        "writer": pair.writer,
        "record": record_to_row(pair.record),
        "split": pair.split,
        "patient": pair.patient,
        "synthetic": pair.synthetic,
        **pair.more,
    }


def _require_names(pairs: Sequence[Pair]) -> None:
    seen: set[str] = set()
    for pair in pairs:
        name = PurePosixPath(pair.name)
        if pair.name in seen:
            raise Refusal(
                "a name of its own for each image",
                f"two called {pair.name}",
                "keep sets apart by a folder in the name",
            )
        if name.is_absolute() or ".." in name.parts:
            raise Refusal(
                "names below the folder", f"{pair.name}", "name images relative to their set"
            )
        seen.add(pair.name)


def _place(source: Path, target: Path, *, copy: bool) -> None:
    """Put an image, or a link to it, where the table says it is."""
    if not source.is_file():
        raise Refusal("an image file", f"none: {source}", "leave it out or put it there")
    if copy and target.exists() and target.resolve() == source.resolve():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    if copy:
        shutil.copyfile(source, temporary)
    else:
        temporary.symlink_to(source.resolve())
    os.replace(temporary, target)
