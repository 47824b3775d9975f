"""The images of a folder with what is known of each: tables, phantoms, pairs and drawn samples.

Facts are on the catalogue's scale (`captions.facts`): glaucoma 0 none, 1 suspected, 2 there; a
table's own 0 / 1 / suspect is turned into it. What nobody said is not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from retinaforge.captions.facts import FACT
from retinaforge.captions.record import Value
from retinaforge.core import Record, Refusal
from retinaforge.images import read_records
from retinaforge.tasks.pairs import METADATA, Pair, read_good_pairs
from retinaforge.tasks.records_columns import FLAGS, SPELT
from retinaforge.tasks.records_keywords import KEYWORDS, WITHOUT_FACT, read_keywords

PHANTOM_FACTS = ("dr_grade", "macular_oedema", "amd_stage", "glaucoma", "quality")
UNKNOWN = ("", "-1", "nan", "unknown", "na", "n/a")


@dataclass(frozen=True)
class Example:
    """One image and what is known of it.

    Attributes:
        record: the file, whose eye, its data set and split.
        facts: by the catalogue's names.
        words: diagnoses in the table's own words; empty where it lists none.
    """

    record: Record
    facts: Mapping[str, Value] = field(default_factory=dict)
    words: frozenset[str] = frozenset()


class ExamplesRead(NamedTuple):
    """Examples of a folder, and (name, reason) of rows that are none."""

    examples: list[Example]
    bad: list[tuple[str, str]]


def read_examples(folder: Path) -> ExamplesRead:
    """List the images of a folder with what its tables say, without opening an image.

    Raises:
        Refusal: if there is no such folder, no image in it, or it holds shards alone.
    """
    folder = Path(folder)
    _refuse_shards(folder)
    if _holds_pairs(folder):
        pairs, bad = read_good_pairs(folder)
        return ExamplesRead([_of_pair(pair, folder) for pair in pairs], bad)
    return ExamplesRead([_of_record(record) for record in read_records(folder)], [])


def _refuse_shards(folder: Path) -> None:
    table = folder.is_dir() and not (folder / METADATA).exists()
    if table and any(folder.glob("*.tar")) and not any(folder.glob("*.csv")):
        raise Refusal(
            "a folder of images with a table",
            f"a folder of shards (.tar): {folder}",
            "draw with `generate sample --as folder`, or unpack them beside a metadata.jsonl",
        )


def _holds_pairs(folder: Path) -> bool:
    """Return whether the first row of metadata.jsonl has a record and a caption."""
    table = folder / METADATA
    if not table.is_file() or (folder / "manifest.csv").is_file():
        return False
    with table.open(encoding="utf-8") as stream:
        line = next((line for line in stream if line.strip()), "")
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return False
    return isinstance(row, dict) and "record" in row and "text" in row


def _of_pair(pair: Pair, folder: Path) -> Example:
    dataset = pair.record.dataset or folder.resolve().name
    split = pair.split if pair.split in ("train", "val", "test") else None
    # Whose eye a drawn image was asked after is left out by who drew it; a phantom has its own.
    record = Record(
        path=pair.path, name=pair.name, dataset=dataset,
        patient=f"{dataset}:{pair.patient or pair.name}", patient_known=bool(pair.patient),
        split=split,
    )  # fmt: skip
    facts = {name: fact.value for name, fact in pair.record.facts.items()}
    return Example(record, facts, _words(str(facts.pop("keywords", ""))))


def _of_record(record: Record) -> Example:
    columns = record.columns
    if "lesions" in columns and "amd_stage" in columns:
        return Example(record, _phantom_facts(columns))
    facts: dict[str, Value] = {}
    words = _words(columns.get("caption", ""))
    if words:
        facts |= {n: f.value for n, f in read_keywords(columns["caption"], source="").facts.items()}
        facts.pop("keywords", None)
    pairs = (part.partition("=") for part in columns.get("labels", "").split(";"))
    told = {key.strip(): value.strip() for key, equals, value in pairs if equals}
    for name, text in {**told, **columns}.items():
        value = _value(name, text)
        if value is not None:
            facts[name] = value
    return Example(record, facts, words)


def _phantom_facts(columns: Mapping[str, str]) -> dict[str, Value]:
    facts: dict[str, Any] = {n: columns[n] for n in PHANTOM_FACTS if columns.get(n)}
    facts = {n: int(v) if v.isdigit() else v for n, v in facts.items()}
    counts = json.loads(columns["lesions"])
    return {**facts, **counts}


def _value(name: str, text: str) -> Value | None:
    """Return a cell of a table as a value; None where it says nothing."""
    low = text.strip().lower()
    if low in UNKNOWN or name in ("labels", "caption", "text", "report"):
        return None
    if name in FACT and low in SPELT.get(name, {}):
        return SPELT[name][low]
    try:
        number = float(low)
    except ValueError:
        return FLAGS.get(low, text.strip())
    return int(number) if number.is_integer() else number


def _words(text: str) -> frozenset[str]:
    """Return diagnoses of a list of keywords; nothing of a sentence."""
    listed = frozenset(" ".join(part.lower().split()) for part in text.replace(";", ",").split(","))
    return listed - {""} if listed & (KEYWORDS.keys() | WITHOUT_FACT) else frozenset()


def renamed(examples: list[Example], dataset: str) -> list[Example]:
    """Return examples whose data set and patients are named after another folder."""

    def again(record: Record) -> Record:
        patient = record.patient.partition(":")[2]
        return replace(record, dataset=dataset, patient=f"{dataset}:{patient}")

    return [replace(each, record=again(each.record)) for each in examples]
