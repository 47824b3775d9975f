"""Obedience word by word: what was asked against what is read, beside the ceiling and chance.

The ceiling of a word is the same measure on the donors' own images: eyes that do show what was
asked for, in the same numbers. Where even these cannot be read, nothing is said of a generator.

    obeys       the interval lies above 97.5 % of shuffles
    does not    its upper end is below a quarter of the way from chance to the ceiling
    not shown   neither
    in part     either of these two, but another reading (ranks instead of a threshold, a closed
                form, a segmenter) does leave chance behind: the images move the way of the word,
                and lie where the oracle's threshold was not made for
    unreadable  the ceiling's own interval does not leave chance behind
    not judged  too few images
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retinaforge.core import rng_for
from retinaforge.tasks.obey_plan import NATURAL, ONE_FACT
from retinaforge.tasks.oracle import ITSELF, REBUILT
from retinaforge.tasks.oracle_words import WORDS, Word, presence
from retinaforge.validation.obedience_scores import CARDS, CHANCE, FEWEST, Line, line_of

SHARE_OF_CEILING = 0.25
"""Below this share of the way from chance to the ceiling a word is not obeyed."""
WHOLE = 0.95
"""What is asked of a generator of phantoms for eye side and lesions on or off."""
Row = Mapping[str, Any]
Readings = Sequence[Row]


@dataclass(frozen=True)
class Scored:
    """One measure of one word with its ceilings, on the same eyes' facts.

    Attributes:
        measure: of `CARDS`.
        reader: "network", "closed" or "segmenter".
        line: the generator's.
        ceiling: the donors' own images.
        rebuilt: the donors' images through the autoencoder; None where there is none.
    """

    measure: str
    reader: str
    line: Line
    ceiling: Line
    rebuilt: Line | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, NaN as None."""
        return {
            "measure": self.measure, "reader": self.reader, "chance": CHANCE[self.measure],
            "line": plain_line(self.line), "ceiling": plain_line(self.ceiling),
            "rebuilt": None if self.rebuilt is None else plain_line(self.rebuilt),
        }  # fmt: skip


def plain_line(line: Line) -> dict[str, Any]:
    """Return a line as JSON takes it."""
    return {**asdict(line), "value": None if math.isnan(line.value) else line.value}


def measures_of(word: Word) -> list[tuple[str, str]]:
    """Return (measure, key of the reading) of a word, the one that decides first."""
    if word.kind in ("side", "flag"):
        return [("accuracy", word.name), ("auroc", word.name)]
    if word.kind == "count":
        there = presence(word.name)
        return [("accuracy", there), ("auroc", there), ("spearman", word.name)]
    return [("spearman", word.name)]


def words_scored(readings: Readings, held_out: Readings, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return every word that was asked, with measures, ceilings, levels and verdict.

    Args:
        readings: of `tasks.obey`.
        held_out: of the oracle's folder.
        seed: of resamples and shuffles.
    """
    own = _by_name(held_out, ITSELF)
    rebuilt = _by_name(held_out, REBUILT)
    found = []
    for word in WORDS:
        rows = [r for r in readings if r["design"] == ONE_FACT and r["word"] == word.name]
        if rows:
            found.append(_word(word, rows, own, rebuilt, seed))
    return found


def _by_name(held_out: Readings, through: str) -> dict[str, Row]:
    return {row["name"]: row for row in held_out if row["through"] == through}


def _word(
    word: Word, rows: Readings, own: Mapping[str, Row], rebuilt: Mapping[str, Row], seed: int
) -> dict[str, Any]:
    scored = [_scored(word, rows, own, rebuilt, measure, key, "network", seed)
              for measure, key in measures_of(word)]  # fmt: skip
    if any(word.name in row.get("closed", {}) for row in rows):
        measure = "spearman" if word.kind in ("amount", "grade") else "auroc"
        scored.append(_scored(word, rows, own, rebuilt, measure, word.name, "closed", seed))
    if any(v is not None for row in rows for v in row.get("segmenter", {}).values()):
        measure = "accuracy" if word.kind == "side" else "spearman"
        scored.append(_scored(word, rows, own, rebuilt, measure, word.name, "segmenter", seed))
    # Who reads eyes that show it best decides; that choice does not look at the generator.
    decides = _decides(scored)
    scored = [decides, *(one for one in scored if one is not decides)]
    verdict, sentence = verdict_of(word, decides)
    verdict, sentence = _in_part(verdict, sentence, scored[1:])
    return {
        "word": word.name, "said": word.said, "kind": word.kind, "unit": word.unit,
        "verdict": verdict, "sentence": sentence, "scores": [s.as_dict() for s in scored],
        "levels": levels(word, rows), "unsaid": sum(not row["said"] for row in rows),
    }  # fmt: skip


def _decides(scored: Sequence[Scored]) -> Scored:
    """Return who decides, by the ceilings alone: of the first measure the best reader's score.

    Where nobody leaves chance behind in that measure, the one that does so the farthest in another.
    """
    alike = [one for one in scored if one.measure == scored[0].measure]
    best = max(alike, key=lambda one: (not math.isnan(one.ceiling.value), one.ceiling.value))
    able = [one for one in scored if _above_chance(one.ceiling)]
    if best in able or not able:
        return best
    return max(
        able, key=lambda one: (one.ceiling.value - CHANCE[one.measure]) / (1 - CHANCE[one.measure])
    )


def _scored(
    word: Word, rows: Readings, own: Mapping[str, Row], rebuilt: Mapping[str, Row],
    measure: str, key: str, reader: str, seed: int,
) -> Scored:  # fmt: skip
    asked, bases = [row["value"] for row in rows], [row["base"] for row in rows]

    def line(source: Sequence[Row | None], name: str) -> Line:
        read = [None if row is None else row.get(reader, {}).get(key) for row in source]
        # The donors are drawn, as bases are: a donor that stands in for several counts together.
        of = bases if name == "samples" else [row["donor"] for row in rows]
        rng = rng_for(seed, "obedience", word.name, measure, reader, name)
        return line_of(asked, read, of, measure=measure, rng=rng)

    donors = [own.get(row["donor"]) for row in rows]
    again = [rebuilt.get(row["donor"]) for row in rows]
    return Scored(measure, reader, line(rows, "samples"), line(donors, "donors"),
                  line(again, "rebuilt") if rebuilt else None)  # fmt: skip


def levels(word: Word, rows: Readings) -> list[dict[str, Any]]:
    """Return mean asked and mean, 25 % and 75 % read at each level, in the order of the asked."""
    key = presence(word.name) if word.kind == "count" else word.name
    found = []
    for level in dict.fromkeys(row["level"] for row in rows):
        mine = [row for row in rows if row["level"] == level]
        read = [row["network"][key] for row in mine if row["network"].get(key) is not None]
        count = [
            row["network"][word.name] for row in mine if row["network"].get(word.name) is not None
        ]
        asked = [row["value"] for row in mine if row["value"] is not None]
        if read:
            low, middle, high = (float(q) for q in np.quantile(read, [0.25, 0.5, 0.75]))
            found.append({"level": level, "n": len(read), "asked": float(np.mean(asked)),
                          "read": float(np.mean(read)), "quartiles": [low, middle, high],
                          "count": float(np.mean(count)) if count else None})  # fmt: skip
    return sorted(found, key=lambda each: each["asked"])


def verdict_of(word: Word, scored: Scored) -> tuple[str, str]:
    """Return the verdict on a word, and a sentence that says why."""
    line, ceiling, chance = scored.line, scored.ceiling, CHANCE[scored.measure]
    told = {"accuracy": "right", "auroc": "AUROC", "spearman": "rank correlation"}[scored.measure]
    if min(line.n, ceiling.n) < FEWEST:
        return "not judged", f"{word.said}: not judged ({line.reason or ceiling.reason})"
    if not _above_chance(ceiling):
        why = ceiling.reason or f"even eyes that show it read {_number(ceiling.value)}"
        return "unreadable", f"{word.said}: the oracle cannot read it at this size ({why})"
    if line.interval is None or line.shuffled is None:
        return "not shown", f"{word.said}: not judged ({line.reason})"
    low, high = line.interval
    held = (
        f"{told} {_number(line.value)} [{_number(low)}, {_number(high)}], shuffled "
        f"{_number(line.shuffled[1])}, eyes that show it {_number(ceiling.value)}"
    )
    if _above_chance(line):
        return "obeys", f"{word.said}: obeys; {held}"
    if high < chance + SHARE_OF_CEILING * (ceiling.value - chance):
        return "does not", f"{word.said}: does not obey; {held}"
    return "not shown", f"{word.said}: obedience is not shown; {held}"


def _in_part(verdict: str, sentence: str, others: Sequence[Scored]) -> tuple[str, str]:
    if verdict not in ("does not", "not shown"):
        return verdict, sentence
    for one in others:
        if _above_chance(one.line) and _above_chance(one.ceiling):
            low, high = one.line.interval or (math.nan, math.nan)
            found = (
                f"{one.measure} by {one.reader} {_number(one.line.value)} "
                f"[{_number(low)}, {_number(high)}]"
            )
            return "in part", f"{sentence}; yet {found}"
    return verdict, sentence


def _above_chance(line: Line) -> bool:
    return line.interval is not None and line.shuffled is not None and (
        line.interval[0] > line.shuffled[2]
    )  # fmt: skip


def _number(value: float) -> str:
    return f"{value:.2f}"


def natural_scored(
    readings: Readings, held_out: Readings, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Return the measures of whole held-out captions: every word of a caption asked at once."""
    own = _by_name(held_out, ITSELF)
    rows = [r for r in readings if r["design"] == NATURAL and r["base"] in own]
    found = []
    for word in WORDS if rows else ():
        asked = [own[row["base"]]["truth"].get(word.name) for row in rows]
        for measure, key in measures_of(word):
            rng = rng_for(seed, "natural", word.name, measure)
            bases = [own[row["base"]]["patient"] for row in rows]
            line = line_of(asked, [r["network"].get(key) for r in rows], bases,
                           measure=measure, rng=rng)  # fmt: skip
            own_line = line_of(asked, [own[r["base"]]["network"].get(key) for r in rows], bases,
                               measure=measure, rng=rng)  # fmt: skip
            found.append({"word": word.name, "said": word.said, "measure": measure,
                          "line": plain_line(line), "ceiling": plain_line(own_line)})  # fmt: skip
    return found


def ceiling_of(held_out: Readings, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return how well each word is read on all held-out eyes, by each reader and way.

    This is the content of the oracle's ceiling.json.
    """
    found = []
    for through in dict.fromkeys(row["through"] for row in held_out):
        rows = list(_by_name(held_out, through).values())
        for word in WORDS:
            for reader, measure, key in _readers_of(word, rows):
                line = _ceiling_line(word, rows, reader, measure, key, seed)
                where = {"word": word.name, "said": word.said, "reader": reader,
                         "measure": measure, "through": through}  # fmt: skip
                found.append({**where, **plain_line(line)})
    return found


def _ceiling_line(
    word: Word, rows: Readings, reader: str, measure: str, key: str, seed: int
) -> Line:
    asked = [row["truth"].get(word.name) for row in rows]
    read = [row[reader].get(key) for row in rows]
    rng = rng_for(seed, "ceiling", word.name, measure)
    return line_of(asked, read, [row["patient"] for row in rows], measure=measure, rng=rng)


def _readers_of(word: Word, rows: Readings) -> list[tuple[str, str, str]]:
    readers = [("network", measure, key) for measure, key in measures_of(word)]
    if rows and word.name in rows[0].get("closed", {}):
        kind = "spearman" if word.kind in ("amount", "grade") else "auroc"
        readers.append(("closed", kind, word.name))
    return readers


def cards() -> dict[str, Any]:
    """Return the cards of the measures."""
    return {name: card.as_dict() for name, card in CARDS.items()}
