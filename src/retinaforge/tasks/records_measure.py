"""What our own tools add to records: facts where nobody said, and where they disagree with who did.

A fact that a record holds is never overwritten. What the tools found of the same thing is kept in
the run's journal and, where it says something else, listed as a disagreement: two names, a lesion
seen and not seen, two numbers that would be told by different words.

Lengths in millimetres need a scale that photographs do not bring: the disc is taken to be 1.8 mm
high. Without a disc there is no density. A photograph that is not to be read (quality "reject")
gives its grade and nothing else. Lesions are not added against a grade: none to an eye graded as
without retinopathy, and no absence to one graded as having it; our finder misses about half.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from retinaforge.captions.claims import GROUPS
from retinaforge.captions.facts import UNSORTED, fact_kind
from retinaforge.captions.record import EyeRecord, Fact, Value
from retinaforge.captions.rows import record_from_row, record_to_row
from retinaforge.captions.words import bin_of
from retinaforge.core import Eye, Fov, Landmarks, Photograph, RetinaForgeError
from retinaforge.images import find_fov, read_photograph
from retinaforge.tasks.line_journal import LineJournal
from retinaforge.tasks.records_file import Known
from retinaforge.tasks.records_measure_tools import (
    anatomy_facts,
    cup_facts,
    landmarks_in,
    lesion_facts,
    tool_versions,
    vessel_facts,
)

Tool = Literal["anatomy", "cup", "quality", "vessels", "lesions"]
ALL: tuple[Tool, ...] = ("anatomy", "cup", "quality", "vessels", "lesions")
TOOLS: tuple[Tool, ...] = ("anatomy", "quality")
"""Those that look unless others are named. Of photographs the others tell too much that is wrong
for captions to learn it: the cup is off by 0.25 on Drishti-GS (see the model card of anatomy),
reflexes become cotton wool spots, and fewer vessels are found than drawn, so that the words for
density, which were set on phantoms, call most photographs sparse."""
JOURNAL = "rows.jsonl"
RULES = 5
"""Raised whenever the same photograph gives other facts, so that no old row is taken up."""
Grader = Callable[[Photograph, Fov], str]
"""Grades a photograph good, usable or reject; handed in, as audits and tasks do not meet."""


@dataclass(frozen=True)
class Disagreement:
    """A fact on which a record and a tool differ; the record's stands."""

    image: str
    fact: str
    known: Value
    known_source: str
    measured: Value
    measured_source: str


@dataclass
class MeasuredRecords:
    """Records with what was measured.

    Attributes:
        known: images with their records, in the order given, those left out too.
        landmarks: of each image that was measured, by its name.
        disagreements: see `Disagreement`.
        left_out: images that could not be measured, with the reason.
        added: how many facts the tools added.
    """

    known: list[Known] = field(default_factory=list)
    landmarks: dict[str, Landmarks] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    added: int = 0


def measure_records(
    known: Sequence[Known],
    journal_folder: Path,
    *,
    tools: Sequence[Tool] = TOOLS,
    grader: Grader | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> MeasuredRecords:
    """Measure each image and add what nobody said; the same call again resumes.

    Args:
        known: images and what is known of them.
        journal_folder: a row an image is written there as soon as it is measured.
        tools: who looks; without "anatomy" nothing is placed and no density is scaled, and "cup"
            finds none.
        grader: of quality; None where "quality" is not among the tools.
        on_progress: called with (images done, images).
    """
    found = MeasuredRecords()
    with LineJournal(journal_folder / JOURNAL, ("key",)) as journal:
        for done, each in enumerate(known, 1):
            key = _key(each, tools)
            row = journal.row(key)
            if row is None:
                row = _row(each, tools, grader)
                if "reason" not in row:
                    journal.write({"key": key, **row})
            _take_in(each, row, found)
            if on_progress:
                on_progress(done, len(known))
    return found


def _key(each: Known, tools: Sequence[Tool]) -> str:
    """Return what a row depends on, hashed: the file, the eye known, the tools and versions."""
    try:
        stat = each.path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
    except OSError:
        stamp = [0, 0]
    said = [each.record.value("eye"), each.record.value("quality")]
    content = [RULES, each.record.image, stamp, said, sorted(tools), tool_versions()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


def _row(each: Known, tools: Sequence[Tool], grader: Grader | None) -> dict[str, Any]:
    """Measure one image; a failure is a row with its reason."""
    try:
        facts, marks = measure_image(each, tools, grader)
    except (RetinaForgeError, OSError) as error:
        return {"name": each.record.image, "reason": str(error)}
    measured = EyeRecord(each.record.image, {fact.name: fact for fact in facts})
    return {"name": each.record.image, "record": record_to_row(measured), "marks": asdict(marks)}


def measure_image(
    each: Known, tools: Sequence[Tool], grader: Grader | None
) -> tuple[list[Fact], Landmarks]:
    """Return what the tools find in one photograph, and its landmarks.

    Raises:
        UnreadableImage: if the file cannot be read to its end.
    """
    side = each.record.value("eye")
    eye: Eye | None = "OD" if side == "OD" else "OS" if side == "OS" else None
    # The side is asked of the tool too, so that a wrong one in a table is found.
    photo = read_photograph(each.path)
    fov = find_fov(photo)
    marks = landmarks_in(photo, fov) if "anatomy" in tools else Landmarks()
    placed = replace(marks, eye=eye or marks.eye)
    grade = grader(photo, fov) if grader is not None and "quality" in tools else ""
    facts = [Fact("quality", grade, "measured: quality-v1")] if grade else []
    if "reject" not in (grade, each.record.value("quality")):
        if "anatomy" in tools:
            facts += anatomy_facts(marks)
        if "cup" in tools:
            facts += cup_facts(marks, fov)
        if "vessels" in tools:
            facts += vessel_facts(photo, fov, placed)
        if "lesions" in tools:
            facts += lesion_facts(photo, fov, placed)
    return facts, placed


def _take_in(each: Known, row: Mapping[str, Any], found: MeasuredRecords) -> None:
    """Join a row with its record."""
    if "reason" in row:
        found.known.append(each)
        found.left_out.append((each.record.image, row["reason"]))
        return
    measured = record_from_row(row["record"]).facts
    new = {name: fact for name, fact in measured.items() if _may_add(each.record, fact)}
    found.known.append(
        replace(each, record=replace(each.record, facts={**each.record.facts, **new}))
    )
    found.added += len(new)
    found.landmarks[each.record.image] = _landmarks(row["marks"])
    found.disagreements += disagreements(each.record, measured)


def _may_add(record: EyeRecord, fact: Fact) -> bool:
    """Say whether a fact is new, and no lesion (or absence of one) against a known grade."""
    if fact.name in record.facts or _told_by_kind(record, fact):
        return False
    grade = record.value("dr_grade")
    return fact_kind(fact.name).kind != "count" or grade is None or bool(fact.value) == bool(grade)


def _told_by_kind(record: EyeRecord, fact: Fact) -> bool:
    """Say whether the record tells haemorrhages by kind, which the tool does not."""
    return fact.name == UNSORTED and bool(record.facts.keys() & set(GROUPS[UNSORTED]))


def _landmarks(row: Mapping[str, Any]) -> Landmarks:
    return Landmarks(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()})


def disagreements(record: EyeRecord, measured: Mapping[str, Fact]) -> Iterator[Disagreement]:
    """Yield the facts on which a record and a measurement differ."""
    for name, fact in measured.items():
        known = record.facts.get(name)
        if known is not None and differ(name, known.value, fact.value):
            yield Disagreement(
                record.image, name, known.value, known.source, fact.value, fact.source
            )


def differ(name: str, one: Value, other: Value) -> bool:
    """Say whether two values of a fact would be told differently.

    A lesion that nobody counted is there or not; two counts, and two numbers, differ where the
    catalogue has another word for each.
    """
    kind = fact_kind(name)
    if kind.kind == "count" and (isinstance(one, bool) or isinstance(other, bool)):
        return bool(one) != bool(other)
    if isinstance(one, str) or isinstance(other, str) or not kind.bins:
        return one != other
    if math.isnan(float(one)) or math.isnan(float(other)):
        return False
    return bin_of(kind.bins, float(one)) != bin_of(kind.bins, float(other))
