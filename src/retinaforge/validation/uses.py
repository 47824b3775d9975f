"""What the images can be used for: for each use the sentences of the verdict that decide it.

no                    a sentence that fails stands against it
not shown             a sentence could not be judged, or the set is too small to show anything
with care             a sentence warns
nothing against it    every sentence holds; that these scores found nothing, and no more
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from retinaforge.validation.sentence import TINY_N, Level, Sentence

Answer = Literal["no", "not shown", "with care", "nothing against it"]
ANSWERS: tuple[tuple[Level, Answer], ...] = (
    ("failure", "no"), ("unknown", "not shown"), ("caution", "with care"),
    ("pass", "nothing against it"),
)  # fmt: skip
MOST_REASONS = 3


@dataclass(frozen=True)
class Purpose:
    """A use, and which sentences decide it: those whose first score begins with a topic."""

    name: str
    topics: tuple[str, ...]
    about_sets: bool = True


SHARING = Purpose("Share them as images of nobody", ("copies:",), about_sets=False)
PURPOSES = (
    SHARING,
    Purpose("Measure their vessels in place of patients'", ("vessels", "anatomy:")),
    Purpose("Train or test what finds vessels, disc and fovea",
            ("anatomy:", "fidelity:structure")),
    Purpose("Stand for the variety of patients", ("fidelity:", "groups:")),
    Purpose("Stand for how the camera shows colour, light and focus",
            ("quality", "fidelity:colour")),
)  # fmt: skip
RECONSTRUCTIONS = (
    Purpose("Stand for the photographs that they reconstruct",
            ("paired:", "vessels", "anatomy:")),
)  # fmt: skip


@dataclass(frozen=True)
class Use:
    """An answer for one use.

    Attributes:
        name: the use.
        answer: see above.
        because: the sentences that decide, the gravest.
        scores: what they rest on.
    """

    name: str
    answer: Answer
    because: tuple[str, ...]
    scores: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def uses_of(said: Sequence[Sentence], *, n: int, paired: bool) -> list[Use]:
    """Return an answer for every use.

    Args:
        said: the verdict.
        n: images on the smaller side.
        paired: the images are reconstructions, which are nobody's synthetic patients.
    """
    purposes = (
        (*(p for p in PURPOSES if p is not SHARING), *RECONSTRUCTIONS) if paired else PURPOSES
    )
    return [_answered(purpose, said, n) for purpose in purposes]


def _answered(purpose: Purpose, said: Sequence[Sentence], n: int) -> Use:
    found = [s for s in said if s.scores and s.scores[0].startswith(purpose.topics)]
    for level, answer in ANSWERS:
        decide = [s for s in found if s.level == level]
        if level == "unknown" and purpose.about_sets and n < TINY_N:
            few = f"{n} images on the smaller side show gross faults only."
            decide.append(Sentence("unknown", few, ("fidelity",)))
        if decide:
            texts = tuple(s.text for s in decide[:MOST_REASONS])
            scores = tuple(dict.fromkeys(name for s in decide for name in s.scores))
            return Use(purpose.name, answer, texts, scores[:MOST_REASONS])
    return Use(purpose.name, "not shown", ("nothing of this run speaks to it.",), ())
