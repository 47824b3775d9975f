"""Keep of a study of usefulness what may be kept: numbers, no image and no name of a photograph.

Run: python benchmarks/usefulness_results.py USEFUL [--cards DIR] --out FOLDER
USEFUL is a folder of `retinaforge usefulness`, or a folder of such folders. OUT/NAME.json holds
arms, scores, differences, protocol and environment; with --cards the scorecard's scores beside.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

KEPT = (
    "target", "questions", "classes_left_out", "headline", "encoder", "warnings", "arms", "judged",
    "results", "leave_one_source_out", "exchange", "protocol", "environment",
)  # fmt: skip
SCORE = ("identity", "value", "interval", "n", "reason")
HEAD = ("auroc", "quadratic_kappa", "balanced_accuracy", "brier")


def rounded(value: Any) -> Any:
    """Return plain data with five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def last_parts(path: str) -> str:
    """Return the end of a path: where somebody's data lie is nobody's business."""
    return "/".join(Path(path).parts[-2:])


def kept_of(told: dict[str, Any], *, every: bool) -> dict[str, Any]:
    """Return a study without images' names.

    Args:
        told: usefulness.json.
        every: all scores; else those of the headline and three more.
    """
    kept = {key: told[key] for key in KEPT if key in told}
    kept["folders"] = {
        key: [last_parts(p) for p in value] if isinstance(value, list) else last_parts(value)
        for key, value in told["folders"].items()
    }
    if not every:
        kept["results"] = [r for r in told["results"] if r["metric"] in HEAD]
    kept["left_out"] = dict(Counter(row["kind"] for row in told["left_out"]))
    return rounded(kept)


def scores_of(card: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of a scorecard, without images' names."""
    protocol = card["protocol"]
    return rounded({
        "suite": protocol["suite"], "footing": protocol["footing"]["words"],
        "images": {side: protocol[side]["images"] for side in ("real", "synthetic")},
        "scores": [{key: score.get(key) for key in SCORE} for score in card["scores"]],
        "left_out": {side: len(rows) for side, rows in card["left_out"].items()},
    })  # fmt: skip


def lined(content: dict[str, Any]) -> str:
    """Return JSON with a line for each row of scores."""
    text = json.dumps(content, separators=(",", ":"))
    for begin in ('{"where"', '{"identity"', '{"name"', '{"arm"'):
        text = text.replace(begin, f"\n{begin}")
    return text + "\n"


def main() -> None:
    """Write what is kept of each study."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("useful", type=Path)
    parser.add_argument("--cards", type=Path)
    parser.add_argument("--every", action="store_true", help="all scores of every arm")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    alone = (given.useful / "usefulness.json").is_file()
    folders = [given.useful] if alone else sorted(p for p in given.useful.iterdir() if p.is_dir())
    for folder in folders:
        if not (folder / "usefulness.json").is_file():
            continue
        content = kept_of(json.loads((folder / "usefulness.json").read_text()), every=given.every)
        card = (given.cards or Path("/nowhere")) / folder.name / "scorecard.json"
        if card.is_file():
            content["scorecard"] = scores_of(json.loads(card.read_text()))
        write_text(given.out / f"{folder.name}.json", lined(content))


if __name__ == "__main__":
    main()
