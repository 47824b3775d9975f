"""Which column of a table is which fact: a map that a file (TOML) may hold.

    tables = ["lesions.csv"]                # more tables beside the manifest, joined by `image`
    disc_centre = ["disc_x", "disc_y"]      # columns with a place in pixels
    um_per_px = "scale"                     # column with micrometres a pixel; else um_per_px
    absent = true                           # a lesion without a mask file is not there

    [columns]                               # column = fact, "report", "keywords", or "" for none
    laterality = "eye"
    [labels]                                # the same for the `key=value` pairs of a labels column
    dme_risk = "macular_oedema"
    [masks]                                 # column of mask files = lesion
    exudate_mask = "hard_exudate"
    [values.eye]                            # how values are spelt here; "" for not known
    R = "OD"
    [words.healthy]                         # what a plain word among the labels says
    dr_grade = 0

A column that has a fact's own name needs no entry.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retinaforge.captions.facts import FACT, LESIONS, UNSORTED, check_value, fact_kind
from retinaforge.captions.record import Value
from retinaforge.core import Refusal

REPORT, KEYWORDS, LABELS = "report", "keywords", "labels"
NO_FACTS = (LABELS, KEYWORDS, "split", "eye", "patient", "patient_id", "subject")
SPELT: dict[str, dict[str, Value]] = {
    "eye": {"od": "OD", "os": "OS", "right": "OD", "left": "OS", "r": "OD", "l": "OS"},
    "sex": {"f": "female", "m": "male", "w": "female", "female": "female", "male": "male"},
    # Two classes, as public sets have them; a third is the suspect between them.
    "glaucoma": {"0": 0, "suspect": 1, "suspected": 1, "1": 2, "2": 2},
}
FLAGS = {"1": True, "true": True, "yes": True, "y": True,
         "0": False, "false": False, "no": False, "n": False}  # fmt: skip


class ColumnMap(BaseModel):
    """What the columns of a set's tables mean; see the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tables: tuple[str, ...] = ()
    disc_centre: tuple[str, str] | None = None
    um_per_px: str = "um_per_px"
    absent: bool = False
    columns: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    masks: dict[str, str] = Field(default_factory=dict)
    values: dict[str, dict[str, Any]] = Field(default_factory=dict)
    words: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def meaning(self, column: str) -> str:
        """Return the fact of a column, "report", "keywords" or "" for none."""
        usual = {"caption": REPORT, "text": REPORT, "report": REPORT}
        own = column if column in FACT and column != KEYWORDS else ""
        return self.columns.get(column, usual.get(column, own))


def read_columns(path: Path) -> ColumnMap:
    """Return the map of a file.

    Raises:
        Refusal: if it is no TOML, has a key that is not known, or names a fact that is not.
    """
    remedy = "see docs/how-to/captions.md"
    try:
        with Path(path).open("rb") as stream:
            found = ColumnMap(**tomllib.load(stream))
    except OSError as error:
        raise Refusal("a map of columns (TOML)", f"{error.strerror}: {path}", remedy) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        came = " ".join(str(error).split())
        raise Refusal("a map of columns (TOML)", f"{came}: {path}", remedy) from error
    _require_facts(found, path)
    return found


def _require_facts(columns: ColumnMap, path: Path) -> None:
    named = {*columns.columns.values(), *columns.labels.values()} - {"", REPORT, KEYWORDS}
    for fact in sorted(
        named | set(columns.values) | {f for w in columns.words.values() for f in w}
    ):
        fact_kind(fact)
    lesions = (*LESIONS, UNSORTED)
    if odd := sorted(set(columns.masks.values()) - set(lesions)):
        raise Refusal(
            f"masks of lesions ({', '.join(lesions)})",
            f"{', '.join(odd)} in {path}",
            "name disc and cup masks disc_mask and cup_mask in the manifest itself",
        )


def without_meaning(cells: Mapping[str, str], columns: ColumnMap) -> Iterator[str]:
    """Yield the filled columns of a row, and its labels ("labels: dme_risk"), that give no fact.

    Names that others give to the split, the eye's side or the patient are no facts of a caption.
    """
    for name, text in cells.items():
        if text and name not in (*NO_FACTS, columns.um_per_px) and not columns.meaning(name):
            yield name
    for part in cells.get(LABELS, "").split(";"):
        key, equals, _ = (each.strip() for each in part.partition("="))
        known = columns.labels if equals else columns.words
        if key and key not in (*NO_FACTS, *known):
            yield f"{LABELS}: {key}"


def value_of(fact: str, text: str, columns: ColumnMap) -> Value | None:
    """Return a cell as a value of a fact; None where it says that nobody knows.

    Raises:
        Refusal: if the catalogue allows no such value.
    """
    word = text.strip()
    own: Mapping[str, Any] = columns.values.get(fact, {})
    if word in own:
        return None if own[word] == "" else check_value(fact, own[word])
    if not word:
        return None
    return check_value(fact, _read(fact, word))


def _read(fact: str, word: str) -> Value:
    kind, low = fact_kind(fact).kind, word.lower()
    if low in SPELT.get(fact, {}):
        return SPELT[fact][low]
    if kind == "flag" or (kind == "count" and not low.isdigit()):
        return FLAGS.get(low, word)
    if kind in ("choice", "text"):
        return word
    try:
        number = float(word)
    except ValueError:
        return word
    return int(number) if number.is_integer() else number
