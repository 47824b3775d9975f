"""The scorecard as the page asks for it: which arm, which measure, which judge.

Nothing is computed here: values, intervals and p values stand in scorecard.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from retinaforge.reports.run_files import RunFiles

ScoreLine = dict[str, Any]

# Order of the main table; a measure that the run does not hold is left out.
KEY_MEASURES = (
    "dice",
    "cldice",
    "recall_thin",
    "broken_paths_per_1000_px",
    "calibre_error",
    "edge_sharpness",
    "psnr",
    "ssim",
    "ms_ssim",
    "lpips",
    "frechet_distance_shrunk",
    "kernel_distance",
)
RECALL_BY_WIDTH = ("recall_thin", "recall_medium", "recall_wide")
LABELS = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "lpips": "LPIPS",
    "dice": "Vessel Dice",
    "cldice": "Vessel clDice",
    "auc": "AUC",
    "recall_thin": "Recall, thin vessels",
    "recall_medium": "Recall, medium vessels",
    "recall_wide": "Recall, wide vessels",
    "broken_paths": "Broken paths",
    "broken_paths_per_1000_px": "Broken paths / 1000 px",
    "betti_0_error": "Betti-0 error",
    "betti_1_error": "Betti-1 error",
    "calibre_error": "Calibre error",
    "calibre_bias": "Calibre bias",
    "edge_sharpness": "Edge sharpness",
    "frechet_distance": "Fréchet distance",
    "frechet_distance_shrunk": "Fréchet distance, shrunk",
    "kernel_distance": "Kernel distance",
}
LINES = {
    "resize-only": "resizing alone",
    "human-ceiling": "second human against the first",
    "real-vs-real": "real against real",
    "real-vs-human": "judge on the original",
}


@dataclass(frozen=True)
class Board:
    """A scorecard with the study's order of arms.

    Attributes:
        scores: the lines of scorecard.json.
        arms: names in the study's order.
        baseline: the arm that the others are compared with.
        judge: the primary judge, or "".
    """

    scores: tuple[ScoreLine, ...]
    arms: tuple[str, ...]
    baseline: str
    judge: str

    @cached_property
    def _index(self) -> dict[tuple[str, ...], ScoreLine]:
        return {_key(score): score for score in reversed(self.scores)}

    def find(
        self,
        measure: str,
        arm: str,
        *,
        judge: str | None = None,
        reference: str = "original",
        dataset: str = "all",
        role: str = "score",
    ) -> ScoreLine | None:
        """Return one line; with no judge named, the primary judge's or one that needs none."""
        judges = (self.judge, "") if judge is None else (judge,)
        for name in judges:
            for ref in (reference, ""):
                line = self._index.get((role, measure, arm, name, ref, dataset))
                if line is not None:
                    return line
        return None

    def card(self, measure: str) -> dict[str, Any]:
        """Return the card of a measure, or an empty one."""
        return next((s.get("card", {}) for s in self.scores if s["name"] == measure), {})

    def lines(
        self, measure: str, *, judge: str | None = None, reference: str = "original"
    ) -> list[tuple[str, ScoreLine]]:
        """Return the reference lines of a measure (resizing alone, humans, real against real).

        What two humans reach stands beside every reference; the judge on the untouched photograph
        only where the human mask is the reference.
        """
        judges = (judge or self.judge, "", "human")
        return [
            (LINES[s["role"]], s)
            for s in self.scores
            if s["name"] == measure
            and s.get("role") in LINES
            and s.get("value") is not None
            and (s.get("judge") or "") in judges
            and s.get("dataset", "all") == "all"
            and (s["role"] == "human-ceiling" or (s.get("reference") or reference) == reference)
        ]

    def best(self, measure: str, **where: Any) -> str:
        """Return the arm whose value is best by the card's direction, or ""."""
        direction = self.card(measure).get("direction", "neither")
        found = {arm: self.find(measure, arm, **where) for arm in self.arms}
        known = {a: s["value"] for a, s in found.items() if s and s["value"] is not None}
        if not known or direction == "neither":
            return ""
        pick = max if direction == "higher is better" else min
        return pick(known, key=lambda arm: known[arm])

    def measures(self, wanted: Iterable[str] = KEY_MEASURES) -> list[str]:
        """Return those of the wanted measures that the scorecard holds, in the order given."""
        there = {s["name"] for s in self.scores if s.get("role", "score") == "score"}
        return [name for name in wanted if name in there]

    def all_measures(self) -> list[str]:
        """Return every measure of the scorecard, the key measures first."""
        there = list(dict.fromkeys(s["name"] for s in self.scores))
        return [*self.measures(), *(name for name in there if name not in self.measures())]

    def values_of(self, field: str) -> list[str]:
        """Return the distinct non-empty values of a field such as judge or dataset, in order."""
        own = [str(s.get(field, "")) for s in self.scores if s.get("role", "score") == "score"]
        return [value for value in dict.fromkeys(own) if value]


def board_of(run: RunFiles) -> Board:
    """Return the scorecard of a run with the study's order of arms."""
    return board_from(run.scorecard, study=run.study, extra=[t.arm for t in run.trainings])


def board_from(
    scorecard: dict[str, Any], *, study: dict[str, Any], extra: Sequence[str] = ()
) -> Board:
    """Return the scorecard's board.

    Args:
        scorecard: content of scorecard.json.
        study: content of study.json, or empty.
        extra: arms that were trained, scored or not.
    """
    scores = tuple(scorecard.get("scores", []))
    scored = [s.get("arm", "") for s in scores if s.get("role", "score") == "score"]
    planned = [arm["name"] for arm in arms_of(study)]
    lines = {s.get("arm") for s in scores if s.get("role") in LINES} | {"resize-only"}
    arms = [arm for arm in dict.fromkeys([*planned, *scored, *extra]) if arm and arm not in lines]
    differences = [s["difference_to"] for s in scores if s.get("difference_to")]
    named = scorecard.get("protocol", {}).get("baseline") or study.get("measure", {}).get(
        "baseline"
    )
    judges = [j.get("name", "") for j in scorecard.get("protocol", {}).get("judges", [])]
    seen = [s["judge"] for s in scores if s.get("judge") and s.get("role", "score") == "score"]
    return Board(
        scores=scores,
        arms=tuple(arms),
        baseline=str(named or next(iter(differences), "")),
        judge=next(iter([j for j in judges if j in seen] + seen), ""),
    )


def arms_of(study: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the arms that the study file names, with name, expression and about."""
    return [
        {**arm, "expression": arm.get("expression") or arm.get("loss", "")}
        for arm in study.get("arms") or study.get("arm") or []
    ]


def label(measure: str) -> str:
    """Return a measure's name as a reader says it."""
    return LABELS.get(measure, measure.replace("_", " "))


def _key(score: ScoreLine) -> tuple[str, ...]:
    return (
        score.get("role", "score"),
        score["name"],
        str(score.get("arm", "")),
        str(score.get("judge") or ""),
        str(score.get("reference") or ""),
        str(score.get("dataset") or "all"),
    )
