"""Write docs/reference/encoder-probes.md from benchmarks/results/encoder_probes.json.

Run: python tools/encoder_probes_page.py
A test compares them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

REPO = Path(__file__).parents[1]
RESULT = REPO / "benchmarks/results/encoder_probes.json"
PAGE = REPO / "docs/reference/encoder-probes.md"
HEADS = {"linear": "linear", "knn": "nearest", "attentive": "attentive"}
METRICS = {
    "auroc": "AUROC", "balanced_accuracy": "balanced accuracy", "quadratic_kappa": "weighted kappa",
    "mae": "MAE", "r2": "R²",
}  # fmt: skip
LEAD = {"grade": ("auroc", "quadratic_kappa"), "class": ("auroc",), "number": ("mae", "r2")}
Answers = dict[str, dict[str, Any]]


def read() -> dict[str, Any]:
    """Return the benchmark's result."""
    told: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return told


def number(value: float | None, *, signed: bool = False) -> str:
    """Return a number with two decimals, three below one."""
    if value is None:
        return "—"
    text = f"{value:+.3f}" if signed else f"{value:.3f}"
    return (text if abs(value) < 10 else text[:-1]).replace("-", "−")


def spread(row: dict[str, Any] | None, *, signed: bool = False) -> str:
    """Return "value (low to high)"."""
    if row is None or row["value"] is None:
        return "—"
    value = number(row["value"], signed=signed)
    if not row["interval"]:
        return value
    low, high = (number(v, signed=signed) for v in row["interval"])
    return f"{value} ({low} to {high})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown; all columns but the first stand right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def who(answers: Answers) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (shown, encoder, run): the encoders, each with its twin, then what stands beside."""
    for label, run in answers.items():
        yield label, label, run
        if any(r["encoder"] == f"untrained {label}" for r in run["results"]):
            yield f"*untrained {label}*", f"untrained {label}", run
    run = next(iter(answers.values()))
    yield "*thirty numbers of colour*", "colours", run
    yield "*majority or mean*", "constant", run


def found(run: dict[str, Any], encoder: str, probe: str, metric: str) -> dict[str, Any] | None:
    """Return one result."""
    for row in run["results"]:
        if (row["encoder"], row["metric"]) == (encoder, metric) and row["probe"] in (probe, ""):
            return row
    return None


def scores(answers: Answers) -> str:
    """Return the scores of one question: encoders by heads."""
    run = next(iter(answers.values()))
    heads = [h for h in HEADS if any(r["probe"] == h for r in run["results"])]
    metrics = LEAD[run["target"]["kind"]]
    head = ["", *(f"{METRICS[m]}, {HEADS[h]}" for m in metrics for h in heads)]
    rows = []
    for shown, encoder, own in who(answers):
        cells = [spread(found(own, encoder, h, m)) for m in metrics for h in heads]
        rows.append([shown, *cells])
    return table(head, rows)


def worth(answers: Answers) -> str:
    """Return the linear head's differences from colours and from the untrained twin."""
    run = next(iter(answers.values()))
    metric = run["target"]["metric"]
    rows = []
    for label, own in answers.items():
        gaps = {
            d["against"]: d for d in own["differences"]
            if (d["encoder"], d["probe"], d["metric"]) == (label, "linear", metric)
        }  # fmt: skip
        sides = (gaps.get(key) for key in ("constant", "colours", "twin"))
        rows.append([label, *(spread(gap, signed=True) for gap in sides)])
    head = [f"{METRICS[metric]}, linear head, minus", "majority or mean", "colours", "its twin"]
    return table(head, rows)


def better(answers: Answers) -> str:
    """Return in one sentence which encoders are shown to be worth something, and which not."""
    run = next(iter(answers.values()))
    metric = run["target"]["metric"]
    clear, open_ = [], []
    for label, own in answers.items():
        gaps = [
            d for d in own["differences"]
            if (d["encoder"], d["probe"], d["metric"]) == (label, "linear", metric)
        ]  # fmt: skip
        sure = all(
            d["interval"] and (d["interval"][1] < 0 if metric == "mae" else d["interval"][0] > 0)
            for d in gaps
        )
        (clear if sure else open_).append(label)
    said = f"With a linear head, better than everything beside it: {', '.join(clear) or 'none'}. "
    return said + f"Not shown to be: {', '.join(open_) or 'none'}."


def question(name: str, answers: Answers) -> str:
    """Return one question's part of the page."""
    run = next(iter(answers.values()))
    target = run["target"]
    gone = "".join(
        f" Left out: {row['class']} ({row['reason']})." for row in target["classes_left_out"]
    )
    warned = "".join(f"\n\n{own['warning']}." for own in answers.values() if own["warning"])
    return f"""### {target["name"]} ({name.partition(": ")[2]})

{target["n_teach"]} photographs of {target["patients_teach"]} patients teach, {target["n"]} of \
{target["patients"]} judge.{gone}

{scores(answers)}

{worth(answers)}

{better(answers)}{warned}
"""


def after(told: dict[str, Any]) -> str:
    """Return what reconstructions lose, or that it was not measured."""
    parts = []
    for name, answers in told["answers"].items():
        run = next(iter(answers.values()))
        if run["after"] is None:
            continue
        rows = []
        for label, own in answers.items():
            for row in own["after"]["rows"]:
                if row["encoder"] in (label, "colours") and row["probe"] == "linear":
                    rows.append([
                        f"{row['encoder']}, {METRICS[row['metric']]}", spread(row["before"]),
                        spread(row["after"]), spread(row["change"], signed=True),
                    ])  # fmt: skip
        unique = list(dict.fromkeys(tuple(row) for row in rows))
        head = ["linear head", "originals", "reconstructions", "change"]
        parts.append(
            f"{name}: {run['after']['n']} judging photographs of {run['after']['patients']} "
            f"patients.\n\n{table(head, [list(row) for row in unique])}"
        )
    return "\n\n".join(parts) or "Not measured in this run (`--rebuilt`)."


def cards(told: dict[str, Any]) -> str:
    """Return what the encoders are."""
    answers: Answers = next(iter(told["answers"].values()))
    rows = [
        [label, run["card"]["network"], str(run["side_px"][label]), run["card"]["training_data"],
         f"`{run['card']['fingerprint_sha256'][:12]}`"]
        for label, run in answers.items()
    ]  # fmt: skip
    head = ["", "network", "side, px", "trained on", "weights (SHA-256)"]
    return table(head, rows).replace("---:", "---")


def page() -> str:
    """Return the page."""
    told = read()
    first = next(iter(next(iter(told["answers"].values())).values()))
    protocol = "\n".join(f"- {key}: {value}" for key, value in first["protocol"].items()
                         if key not in ("version", "seeds", "patients_unknown"))  # fmt: skip
    plain = [(n, a) for n, a in told["answers"].items() if not n.endswith("reconstructed")]
    medical = "\n".join(question(n, a) for n, a in plain if not n.startswith("camera"))
    camera = "\n".join(question(n, a) for n, a in plain if n.startswith("camera"))
    camera = camera or "Not asked in this run.\n"
    seconds = sum(run["cpu_seconds"] for a in told["answers"].values() for run in a.values())
    looking = told["looking"].values()
    photographs = sum(row["photographs"] for row in looking)
    seeing = sum(row["cpu_seconds"] for row in looking)
    return f"""# What frozen encoders see

Made by `tools/encoder_probes_page.py` from `benchmarks/results/encoder_probes.json`
(`benchmarks/encoder_probes.py`, commit `{told["environment"]["git"][:12]}`). Nothing here is typed
in. How to ask an encoder of your own: [probe an encoder](../how-to/probe-an-encoder.md).

{cards(told)}

In brackets the 95 % interval over patients. The sets are small: a difference whose interval holds
0 is not shown, which is not the same as absent.

## What helps

{medical}
## A shortcut

A camera that can be told is no merit: whatever goes together with it in the data can be told by
it alone.

{camera}
## After reconstruction

The same heads, asked about what an autoencoder made of the judging photographs.

{after(told)}

## How

{protocol}

Seeing took {seeing:.0f} CPU seconds ({photographs} photographs, those of several questions counted
each time; less where the cache had them), the heads {seconds:.0f}.
"""


if __name__ == "__main__":
    write_text(PAGE, page())
