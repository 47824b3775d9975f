"""What the verdict says of groups: who is missing, and who is drawn wrongly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from retinaforge.core import Score
from retinaforge.validation.distributions import share_that_differ
from retinaforge.validation.sentence import LARGE_DELTA, Sentence, identity_of

HALF = 0.5


def group_sentences(scores: Sequence[Score]) -> Iterator[Sentence]:
    """Yield what stands out in each group; a group like the whole set is not mentioned."""
    groups: dict[str, list[Score]] = {}
    for line in scores:
        if line.where.get("family") == "groups":
            name = f"{line.where['column']} {line.where['group']}"
            groups.setdefault(name, []).append(line)
    for name, lines in groups.items():
        yield from _missing(name, lines)
        yield from _anatomy(name, lines)
        yield from _vessels(name, lines)


def _missing(name: str, lines: Sequence[Score]) -> Iterator[Sentence]:
    for line in lines:
        if line.card.name != "group_coverage" or math.isnan(line.value):
            continue
        if line.interval is not None and line.interval[1] < HALF:
            text = (
                f"{name}: at least half of its real images have nothing synthetic near "
                f"(coverage {line.value:.0%})."
            )
            yield Sentence("caution", text, (identity_of(line),))


def _anatomy(name: str, lines: Sequence[Score]) -> Iterator[Sentence]:
    for line in lines:
        real, p = line.extra.get("value_real"), line.extra.get("p_holm")
        if line.where.get("table") != "anatomy" or p is None or real is None:
            continue
        if p < 0.05 and line.value > real:
            text = (
                f"{name}: {line.value:.0%} of synthetic images fail '{line.card.name}', "
                f"{real:.0%} of real ones do."
            )
            yield Sentence("caution", text, (identity_of(line),))


def _vessels(name: str, lines: Sequence[Score]) -> Iterator[Sentence]:
    own = [line for line in lines if line.where.get("table") == "vessels"]
    different, known = share_that_differ(own)
    large = [
        line for line in own
        if (line.extra.get("p_holm") or 1.0) < 0.05
        and abs(line.extra.get("cliffs_delta") or 0.0) >= LARGE_DELTA
    ]  # fmt: skip
    if large:
        text = (
            f"{name}: {different} of {known} biomarkers are spread differently than in its real "
            f"images, {len(large)} of them by a large effect."
        )
        yield Sentence("caution", text, tuple(identity_of(line) for line in large[:3]))
