"""Fidelity and vessels of samples beside what the autoencoder alone costs.

Two runs of `validation.run.validate` against the same held-out eyes: the samples, and the held-out
eyes themselves through the generator's autoencoder, name by name. No sampler can mend what the
second line has lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from retinaforge.validation.run import Options, validate

FURTHER = ("floor", "matched", "place", "median_real", "median_synthetic")
SHOWN = ("fidelity", "vessels", "quality", "anatomy", "copies")
Say = Callable[[str, int, int], None]


def fidelity_beside_ceiling(
    real: Path, samples: Path, rebuilt: Path | None, out: Path, *, options: Options,
    on_progress: Say = lambda what, done, count: None,
) -> dict[str, Any]:  # fmt: skip
    """Return the scores of both runs in one table; scorecards and measurements lie in `out`.

    Args:
        real: held-out eyes at the samples' side.
        samples: images of held-out captions.
        rebuilt: the held-out eyes through the autoencoder; None where it is unknown.
        out: folder; OUT/samples and OUT/autoencoder hold a scorecard.json each.
        options: of both runs.
        on_progress: called with (what, done, of how many).
    """
    cache = out / "cache"
    own = validate(real, samples, out / "samples", options, cache=cache, on_progress=on_progress)
    ceiling: dict[str, Any] = {"scores": []}
    if rebuilt is not None:
        plain = Options(**{**vars(options), "train": None, "panel_images": 0})
        ceiling = validate(real, rebuilt, out / "autoencoder", plain, cache=cache,
                           on_progress=on_progress)  # fmt: skip
    lines = {_name(score): score for score in ceiling["scores"]}
    rows = [_row(score, lines.get(_name(score))) for score in own["scores"]
            if score.get("family") in SHOWN]  # fmt: skip
    return {
        "rows": rows, "verdict": own["verdict"], "uses": own["uses"],
        "n": own["protocol"].get("n"), "suite": options.suite,
        "left_out": {side: len(rows) for side, rows in own["left_out"].items()},
        "cards": list({s["card"]["name"]: s["card"] for s in own["scores"]
                       if s.get("family") in SHOWN}.values()),
    }  # fmt: skip


def _name(score: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(score.get(key, "")) for key in ("family", "name", "column", "space"))


def _row(score: Mapping[str, Any], ceiling: Mapping[str, Any] | None) -> dict[str, Any]:
    kept = ("family", "name", "column", "space", "value", "interval", "n", "reason", "identity")
    row = {key: score.get(key) for key in kept}
    row |= {
        key: score[key]
        for key in ("floor", "matched", "place", "median_real", "median_synthetic")
        if key in score
    }
    row["direction"] = score["card"]["direction"]
    if ceiling is not None:
        row["ceiling"] = {key: ceiling.get(key) for key in ("value", "interval", "n")}
    return row
