"""The verdict in plain words: what these images can be used for, each sentence with its number.

There is no single number for realism. Each rule looks at a few lines of the scorecard and says one
sentence, marked as failure, caution or pass; failures stand first. A rule that cannot be judged
says so instead of staying silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from retinaforge.core import Score
from retinaforge.core.naming import short_space
from retinaforge.validation.distributions import share_that_differ
from retinaforge.validation.sentence import (
    LARGE_DELTA,
    ORDER,
    SMALL_N,
    TINY_N,
    Sentence,
    identity_of,
)
from retinaforge.validation.verdict_groups import group_sentences
from retinaforge.validation.verdict_pairs import pair_sentences

MISFIT = 0.2
"""Share of real images beyond which rejects by any anatomy check say nothing."""


def verdict_of(
    scores: Sequence[Score], *, left_out: dict[str, list[dict[str, Any]]],
    panel: Sequence[dict[str, Any]], real_say_synthetic: int = 0,
) -> list[Sentence]:  # fmt: skip
    """Return the sentences, failures first.

    Args:
        scores: the scorecard.
        left_out: images of each side that could not be scored.
        panel: rows of the sanity panel; empty where there is none.
        real_say_synthetic: files of the real folder that call themselves synthetic.
    """
    said = [
        *_swapped(real_say_synthetic), *_size(scores), *_left_out(left_out),
        *_copies(scores), *_anatomy(scores),
        *_structure(scores), *_tables(scores), *_quality(scores), *group_sentences(scores),
        *pair_sentences(scores, panel),
        *_panel(panel),
    ]  # fmt: skip
    return sorted(said, key=lambda sentence: ORDER[sentence.level])


def _of(scores: Sequence[Score], family: str) -> list[Score]:
    return [s for s in scores if s.where.get("family") == family]


def _swapped(count: int) -> Iterator[Sentence]:
    if count:
        text = (f"{_many(count, 'file')} of the real folder {_verb(count, 'says', 'say')} by name "
                "or metadata to be synthetic: are the two folders swapped, or mixed?")  # fmt: skip
        yield Sentence("failure", text, ("footing",))


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _size(scores: Sequence[Score]) -> Iterator[Sentence]:
    lines = _of(scores, "fidelity")
    if not lines:
        return
    n = lines[0].n
    name = (identity_of(lines[0]),)
    if n < TINY_N:
        text = f"{n} images on the smaller side: only gross faults can be seen, nothing passed."
        yield Sentence("caution", text, name)
    elif n < SMALL_N:
        text = (f"{n} images on the smaller side: intervals are wide, and Fréchet distances need "
                "their shrunk variant.")  # fmt: skip
        yield Sentence("caution", text, name)


def _left_out(left_out: dict[str, list[dict[str, Any]]]) -> Iterator[Sentence]:
    for side, rows in left_out.items():
        strange = sum(row["status"] == "no fundus" for row in rows)
        broken = len(rows) - strange
        if strange:
            text = (f"{_many(strange, f'{side} image')} {_verb(strange, 'shows', 'show')} no "
                    "fundus: named below, not scored.")  # fmt: skip
            yield Sentence("failure" if side == "synthetic" else "caution", text, ("left",))
        if broken:
            text = f"{_many(broken, f'{side} file')} could not be read: named below."
            yield Sentence("caution", text, ("left",))


def _copies(scores: Sequence[Score]) -> Iterator[Sentence]:
    paired = bool(_of(scores, "paired"))
    for line in _of(scores, "copies"):
        name = (identity_of(line),)
        against = line.where.get("against", "the references")
        copies, unexamined = line.extra.get("copies"), line.extra.get("unexamined", 0)
        if copies:
            show = _verb(copies, "shows", "show")
            text = f"{copies} of {line.n} synthetic images {show} a real eye of {against}"
            meant = ", as reconstructions are meant to: they are no synthetic patients."
            text += meant if paired else ": they must not be shared as synthetic."
            yield Sentence("caution" if paired else "failure", text, name)
        if unexamined:
            text = (f"{_many(unexamined, 'synthetic image')} could not be searched for copies: too "
                    "few vessels were found.")  # fmt: skip
            yield Sentence("unknown", text, name)
        control = line.extra.get("control") or {}
        missed = control.get("n", 0) and control["found"] < control["n"] / 2
        if missed:
            few = f"Only {control['found']} of {control['n']} copies planted among the references"
            text = f"{few} were found: the search sees little of these images."
            yield Sentence("unknown", text, name)
        if not copies and line.n and not missed:
            bound = 1 - 0.05 ** (1 / line.n)
            text = (
                f"No copy of an eye of {against} was found among {line.n} synthetic images "
                f"(95 %: at most {bound:.1%} are copies that the method can see)."
            )
            yield Sentence("pass", text, name)


def _anatomy(scores: Sequence[Score]) -> Iterator[Sentence]:
    """Say which checks fail; all of them together pass only where none of them fails."""
    failed = False
    for line in _of(scores, "anatomy"):
        real, p = line.extra.get("value_real"), line.extra.get("p_holm", line.extra.get("p"))
        if math.isnan(line.value) or real is None or p is None:
            if line.card.name == "anatomy_any":
                text = f"Anatomy could not be judged: {line.reason or 'too few real images'}."
                yield Sentence("unknown", text, (identity_of(line),))
            continue
        if p < 0.05 and line.value > real:
            text = (f"{line.value:.0%} of synthetic images fail '{line.card.name}', "
                    f"{real:.0%} of real ones do.")  # fmt: skip
            failed = True
            yield Sentence("failure", text, (identity_of(line),))
        elif line.card.name == "anatomy_any" and real > MISFIT:
            text = (f"The anatomy checks do not fit these photographs: they reject {real:.0%} of "
                    f"the real ones ({line.value:.0%} of the synthetic).")  # fmt: skip
            yield Sentence("unknown", text, (identity_of(line),))
        elif line.card.name == "anatomy_any" and not failed:
            text = (f"Impossible anatomy is not shown to be more frequent than among real images "
                    f"({line.value:.0%} of {line.n} against {real:.0%}).")  # fmt: skip
            yield Sentence("pass", text, (identity_of(line),))


def _structure(scores: Sequence[Score]) -> Iterator[Sentence]:
    for line in _of(scores, "fidelity"):
        if line.card.name not in ("kernel_distance", "coverage", "precision"):
            continue
        floor, matched = line.extra.get("floor"), line.extra.get("matched")
        if not floor or not matched:
            continue
        higher_is_better = line.card.direction == "higher is better"
        worse = (
            matched["mean"] < floor["low"] if higher_is_better else matched["mean"] > floor["high"]
        )
        what = {
            "kernel_distance": "look like another set", "coverage": "leave out kinds of real image",
            "precision": "contain images unlike any real one",
        }[line.card.name]  # fmt: skip
        name, space = (identity_of(line),), short_space(line.where["space"])
        numbers = (
            f"{matched['mean']:.3g}; real against real {floor['low']:.3g} to {floor['high']:.3g}"
        )
        if worse:
            text = f"In {space}, the synthetic images {what} ({line.card.name} {numbers})."
            yield Sentence("caution", text, name)
        elif line.card.name == "kernel_distance":
            text = f"In {space}, they cannot be told from another half of the real set ({numbers})."
            yield Sentence("pass", text, name)


def _tables(scores: Sequence[Score]) -> Iterator[Sentence]:
    for table, what in (("vessels", "biomarkers"), ("quality", "quality numbers")):
        lines = _of(scores, table)
        different, known = share_that_differ(lines)
        if not known:
            text = f"No {what} could be compared: too few values."
            yield Sentence("unknown", text, (table,))
            continue
        by_size = sorted(
            (s for s in lines if (s.extra.get("p_holm") or 1.0) < 0.05),
            key=lambda s: -abs(s.extra.get("cliffs_delta") or 0.0),
        )
        large = [s for s in by_size if abs(s.extra.get("cliffs_delta") or 0.0) >= LARGE_DELTA]
        if not by_size:
            text = f"None of {known} {what} differs significantly from the real set."
            yield Sentence("pass", text, (table,))
            continue
        named = ", ".join(s.where["column"] for s in by_size[:3])
        text = (f"{different} of {known} {what} are spread differently than in the real set, "
                f"{len(large)} of them by a large effect; most: {named}.")  # fmt: skip
        names = tuple(identity_of(s) for s in by_size[:3])
        use = " Do not take vessel measurements of these images for those of patients."
        failing = table == "vessels" and bool(large)
        yield Sentence("failure" if failing else "caution", text + (use if failing else ""), names)


def _quality(scores: Sequence[Score]) -> Iterator[Sentence]:
    for line in _of(scores, "quality"):
        real = line.extra.get("value_real")
        if "column" in line.where or math.isnan(line.value) or real is None:
            continue
        p = line.extra.get("p")
        if p is not None and p < 0.05 and line.value > real:
            text = f"{line.value:.0%} are not of good quality, {real:.0%} of the real images."
            yield Sentence("caution", text, (identity_of(line),))


def _panel(panel: Sequence[dict[str, Any]]) -> Iterator[Sentence]:
    if not panel:
        text = "No sanity panel: which scores see which damage in this set is not known."
        yield Sentence("unknown", text, ("sanity",))
        return
    noticed: dict[str, bool] = {}
    for row in panel:
        known = row.get("floor_median") is not None
        if row["kind"] == "broken-vessels" and row["family"] == "fidelity" and known:
            noticed[row["score"]] = row["notices_from"] is not None
    blind = [short_space(score) for score, seen in noticed.items() if not seen]
    if blind:
        more = ", …" if len(blind) > 4 else ""
        text = (
            f"{len(blind)} of {len(noticed)} fidelity scores notice no level of broken vessels "
            f"in this set: {', '.join(blind[:4])}{more or '.'}"
        )
        yield Sentence("caution", text, ("sanity",))
