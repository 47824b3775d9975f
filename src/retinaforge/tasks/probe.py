"""Probe frozen encoders: how much of a target a small head can read from what they see.

Every encoder stands beside what needs no training: the majority (or mean), thirty numbers of
colour, and its own architecture with random weights. All see the same photographs once, are taught
on the same patients and judged on the same others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from retinaforge.core import Record
from retinaforge.encoders import Encoder
from retinaforge.encoders.twin import has_twin, untrained_twin
from retinaforge.tasks.embedding import Embedded, embed_looks
from retinaforge.tasks.embedding_looks import Look, colour_look, encoder_look
from retinaforge.tasks.probe_attentive import attentive
from retinaforge.tasks.probe_heads import constant, linear, neighbours
from retinaforge.tasks.probe_rebuilt import matched, paired_places
from retinaforge.tasks.probe_target import Round, Target, ready, target_of

PROBE_VERSION = 1
Probe = Literal["linear", "knn", "attentive"]
PROBES: tuple[Probe, ...] = ("linear", "knn", "attentive")
COLOURS, CONSTANT = "colours", "constant"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """How to probe.

    Attributes:
        probes: which heads.
        size_px: side of the square for encoders that take any; None for the default.
        twins: whether untrained twins stand beside.
        batch: photographs a step.
        workers: threads that decode.
    """

    probes: tuple[Probe, ...] = PROBES
    size_px: int | None = None
    twins: bool = True
    batch: int = 16
    workers: int = 1


@dataclass(frozen=True)
class Answer:
    """What one head on one encoder said in one round.

    Attributes:
        encoder: name of the look; "constant" for the majority or mean.
        probe: the head.
        round: number of the round.
        answers: probabilities (n, classes) or numbers (n,), of the judging photographs.
        after: the same for the reconstructions of those that have one, in their order.
        setting: what the inner folds chose, NaN where nothing is chosen.
    """

    encoder: str
    probe: str
    round: int
    answers: np.ndarray
    after: np.ndarray
    setting: float = float("nan")


@dataclass(frozen=True)
class Probed:
    """All answers of a run, with what they are about.

    Attributes:
        target: what was to be told.
        records: the photographs that have a truth and could be read.
        rounds: who taught and who judged, as places in `records`.
        split_words: how the rounds came about.
        classes_left_out: with reasons.
        answers: of every encoder, head and round.
        looks: name, side and, of encoders, card of everything that looked.
        twin_of: the untrained twin's name by encoder's name.
        left_out: (name, reason, "no truth" or "unreadable") of photographs that were not probed.
        rebuilt: row of its reconstruction by place in `records`; None where none were asked for.
    """

    target: Target
    records: tuple[Record, ...]
    rounds: list[Round]
    split_words: str
    classes_left_out: list[dict[str, str]]
    answers: list[Answer]
    looks: dict[str, dict[str, Any]]
    twin_of: dict[str, str]
    left_out: tuple[tuple[str, str, str], ...]
    rebuilt: dict[int, int] | None = None

    def paired(self, one: Round) -> np.ndarray:
        """Return the judging places that have a reconstruction."""
        return paired_places(one, self.rebuilt)


def probe(
    encoders: dict[str, Encoder],
    records: Sequence[Record],
    target_name: str,
    cache: Path | None,
    options: Options | None = None,
    *,
    after: Mapping[str, Record] | None = None,
    on_progress: Progress | None = None,
) -> Probed:
    """Probe encoders for one target.

    Args:
        encoders: by the name that results call them.
        records: photographs with their tables, perhaps of several data sets.
        target_name: see `target_of`.
        cache: keeps what encoders saw, by content.
        options: how.
        after: reconstructions by `name_of` their original; heads taught on originals answer for
            those of the judging photographs too.
        on_progress: called with (what, done, all).

    Raises:
        Refusal: of an unknown target, too few patients, one class only, no photograph.
    """
    options = options or Options()
    asked = target_of(records, target_name)
    wanted = [r for r, value in zip(records, asked.values, strict=True) if np.isfinite(value)]
    # Refused before an hour of embedding, not after.
    ready(wanted, target_of(wanted, target_name))
    looks, twin_of, cards = looks_of(encoders, options)
    show = on_progress or (lambda what, done, count: None)
    seen = _embed(looks, wanted, cache, options, lambda *c: show("looking at photographs", *c))
    known = seen[0].records
    target, rounds, words, gone = ready(known, target_of(known, target_name))
    later = rebuilt = None
    if after is not None:
        rebuilt, again = matched(known, rounds, after)
        later = _embed(looks, again, cache, options, lambda *c: show("reconstructions", *c))
        rows = {id(record): row for row, record in enumerate(later[0].records)}
        rebuilt = {k: rows[id(after[n])] for k, n in rebuilt.items() if id(after[n]) in rows}
    answers = _all_answers(
        seen, later, target, rounds, rebuilt, options, lambda *c: show("teaching heads", *c)
    )
    silent = [(records, asked), (known, target)]
    left_out = [
        (record.name, why, "no truth")
        for rows, told in silent
        for record, why in zip(rows, told.reasons, strict=True)
        if why
    ]
    unreadable = seen[0].left_out + (later[0].left_out if later else ())
    left_out += [(name, why, "unreadable") for name, why in unreadable]
    return Probed(
        target, known, rounds, words, gone, answers,
        {look.name: {"side_px": look.size_px, "card": cards.get(look.name)} for look in looks},
        twin_of, tuple(left_out), rebuilt,
    )  # fmt: skip


def looks_of(
    encoders: Mapping[str, Encoder], options: Options
) -> tuple[list[Look], dict[str, str], dict[str, dict[str, Any]]]:
    """Return the looks of encoders, their twins and colours; twins and cards by name."""
    looks, twin_of, cards = [], {}, {}
    tokens = "attentive" in options.probes
    for name, encoder in encoders.items():
        pair = {name: encoder}
        if options.twins and has_twin(encoder):
            twin_of[name] = f"untrained {name}"
            pair[twin_of[name]] = untrained_twin(encoder)
        for called, one in pair.items():
            looks.append(encoder_look(one, size_px=options.size_px, tokens=tokens, name=called))
            cards[called] = one.card.as_dict()
    return [*looks, colour_look()], twin_of, cards


def _embed(
    looks: list[Look], records: Sequence[Record], cache: Path | None, options: Options,
    on_progress: Callable[[int, int], None],
) -> list[Embedded]:  # fmt: skip
    return embed_looks(
        looks, records, cache, batch=options.batch, workers=options.workers, on_progress=on_progress
    )


def _all_answers(
    seen: list[Embedded], later: list[Embedded] | None, target: Target, rounds: list[Round],
    rebuilt: dict[int, int] | None, options: Options, on_progress: Callable[[int, int], None],
) -> list[Answer]:  # fmt: skip
    answers = []
    for number, one in enumerate(rounds):
        paired = paired_places(one, rebuilt)
        said = constant(target, one, len(one.judge))
        again = constant(target, one, len(paired))
        answers.append(Answer(CONSTANT, "", number, said, again))
        for k, look in enumerate(seen):
            then = None
            if later is not None:
                rows = np.array([rebuilt[p] for p in paired], np.int64) if rebuilt else paired
                then = later[k], rows
            answers += _answers(look, then, target, (number, one), options)
            on_progress(number * len(seen) + k + 1, len(rounds) * len(seen))
    return answers


def _answers(
    look: Embedded, then: tuple[Embedded, np.ndarray] | None, target: Target,
    numbered: tuple[int, Round], options: Options,
) -> list[Answer]:  # fmt: skip
    """Return what every head on one look says in one round."""
    number, one = numbered
    found = []
    extra = look.vectors[:0] if then is None else then[0].vectors[then[1]]
    for head, fit in (("linear", linear), ("knn", neighbours)):
        if head in options.probes:
            told = fit(look.vectors, target, look.records, one, extra)
            found.append(Answer(look.look, head, number, told.answers, told.extra, told.setting))
    if "attentive" in options.probes and look.tokens is not None:
        more = look.tokens[:0] if then is None else then[0].tokens[then[1]]
        said, again = attentive(look.tokens, target, one, more)
        found.append(Answer(look.look, "attentive", number, said, again))
    return found
