"""Write docs/reference/encoder-study.md from studies/encoder-study/scorecard.json.

Run: python tools/encoder_study_page.py
A test compares the page with what this writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.reports.markdown import markdown_encoders, markdown_table

REPO = Path(__file__).parents[1]
RUN = REPO / "studies/encoder-study"
PAGE = REPO / "docs/reference/encoder-study.md"
VESSELS = ("dice", "cldice", "recall_thin", "broken_paths_per_1000_px")


def page(run: Path = RUN) -> str:
    """Return the page's text."""
    study = json.loads((run / "study.json").read_text())
    scores = json.loads((run / "scorecard.json").read_text())["scores"]
    judges = [j for j in _judges(scores) if j != "human"]
    parts = [
        "# Whose features should be the loss? The encoder study",
        "Written by `tools/encoder_study_page.py` from `studies/encoder-study/scorecard.json`. How "
        "it was run: [studies/encoder-study/README.md](../../studies/encoder-study/README.md); "
        "design and limits: [the loss study](../explanation/loss-study.md).",
        f"**Question.** {study['question']}",
        f"**Expected before the run.** {study['expected']}",
        "## Arms",
        "\n".join(f"- `{arm['name']}`: `{arm['loss']}`. {arm['about']}" for arm in study["arm"]),
        "## Pixels and vessels",
        markdown_table(run / "scorecard.json").strip(),
        "## The same vessels by each judge",
        "Differences to `l1`, reconstruction against original, mean over the held-out photographs; "
        "in brackets the sign-flip p over patients, not corrected. The vessel network `ours` was "
        "the loss of `l1+vessels`; the filter judge is of one family with `l1+log`.",
        *(_judge_table(scores, judge) for judge in judges),
        "## Encoders as judges",
        markdown_encoders(run / "scorecard.json").strip(),
    ]
    return "\n\n".join(parts) + "\n"


def _judges(scores: list[dict[str, Any]]) -> list[str]:
    own = [s["judge"] for s in scores if s.get("judge") and s.get("reference") == "original"]
    return list(dict.fromkeys(own))


def _judge_table(scores: list[dict[str, Any]], judge: str) -> str:
    gaps = {
        (s["arm"], s["name"]): s
        for s in scores
        if s.get("difference_to") and s["judge"] == judge and s["reference"] == "original"
        and s["dataset"] == "all" and "encoder" not in s
    }  # fmt: skip
    arms = list(dict.fromkeys(arm for arm, _ in gaps))
    names = [n for n in VESSELS if any((arm, n) in gaps for arm in arms)]
    lines = [f"| judge `{judge}` | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for arm in arms:
        cells = (_gap(gaps.get((arm, name))) for name in names)
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _gap(score: dict[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "—"
    return f"{score['value']:+.3f} ({score['p']:.4f})".replace("-", "\u2212")


if __name__ == "__main__":
    write_text(PAGE, page())
