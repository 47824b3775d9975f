"""Do the statistics of a reader study come out as planted? Scripted readers, a real server.

    python benchmarks/reader_scripted.py --out benchmarks/results/reader_scripted.json

1. Four studies of drawn discs are served by `retinaforge reader serve`; readers of known skill
   answer every question over HTTP, one of each kind in Chromium by keyboard, mouse and touch.
   `reader report` must find what was planted: inside its 95 % interval, or exactly.
2. The same numbers are computed again from the CSV of `reader export` by SciPy, scikit-learn and
   statsmodels.
3. Simulated studies with readers and images that differ: how often the intervals cover the truth.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import reader_load as load
from reader_scripted_browser import read_in_browser
from reader_scripted_coverage import coverage
from reader_scripted_peers import peers_of
from reader_scripted_readers import Script, biased, keeping, leaning, normal, pairing, skilled
from retinaforge.core.artefacts import environment, write_json
from retinaforge.images import read_records
from retinaforge.tasks.reader_answers import answers_csv, readings_of
from retinaforge.tasks.reader_new import Options, new_study
from retinaforge.tasks.reader_report import report_on
from retinaforge.tasks.reader_study import ANSWERS, read_key, read_study
from retinaforge.web.table import read_table

STUDIES: dict[str, tuple[dict[str, Any], list[Script], bool]] = {
    "skills": ({"images": 120, "repeats": 0.5}, [
        skilled(1.0), skilled(0.5), biased(0.9), skilled(0.75), normal(1.2), keeping(0.6, 1)],
        False),
    "herd": ({"images": 120, "repeats": 0.5}, [keeping(0.85, 7)] * 4, False),
    "pairs": ({"images": 200, "repeats": 0.2, "design": "2afc"},
              [pairing(1.0), leaning(0.5), leaning(0.85)], False),
    "browser": ({"images": 24, "repeats": 0.5}, [
        skilled(1.0), skilled(0.5), biased(0.9), keeping(0.6, 3)], True),
}  # fmt: skip
HERD_KAPPA = 0.85**2


def read_over_http(port: int, code: str, kinds: list[str], items: list[str], script: Script,
                   seed: int) -> None:  # fmt: skip
    """Answer every question of a study as its page does."""
    door = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    heads = {"Content-Type": "application/json"}

    def ask(method: str, path: str, body: Any = None) -> Any:
        door.request(method, path, None if body is None else json.dumps(body), heads)
        answer = door.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:200]!r}")
        if cookie := answer.getheader("set-cookie"):
            heads["Cookie"] = cookie.partition(";")[0]
        return json.loads(content)

    heads["X-Reader"] = ask("POST", "/api/enter", {"code": code})["reader"]
    ask("GET", "/api/state")
    rng = np.random.default_rng([seed, len(items)])
    for position, (kind, item) in enumerate(zip(kinds, items, strict=True)):
        for what, value in script.read(kind, item, rng).items():
            ask("POST", "/api/answer", {"position": position, "what": what, "value": value,
                                        "ms": 50})  # fmt: skip
        ask("POST", "/api/close", {"position": position, "ms": 60})
    door.close()


def trials_of(folder: Path, reader: str) -> tuple[list[str], list[str]]:
    """Return what each trial shows (kind, or the synthetic side of a pair), and its name."""
    study = read_study(folder)
    kinds = {name: row["kind"] for name, row in read_key(study)["images"].items()}
    trials = study.trials(reader)
    shown = [kinds[t[0]] if len(t) == 1 else ("right", "left")[kinds[t[0]] == "synthetic"]
             for t in trials]  # fmt: skip
    return shown, ["+".join(sorted(t)) for t in trials]


def play(base: Path, name: str, options: dict[str, Any], scripts: list[Script],
         in_browser: bool) -> dict[str, Any]:  # fmt: skip
    """Make, serve and read one study; return planted beside found, and the peers' numbers."""
    folder = base / name
    told = new_study(read_records(base / "real"), read_records(base / "synthetic"), folder,
                     Options(readers=len(scripts), seed=5, **options))  # fmt: skip
    process, port = load.begin(folder)
    try:
        for k, (reader, code) in enumerate(told["codes"].items()):
            shown = trials_of(folder, reader)
            if in_browser:
                read_in_browser(port, code, *shown, scripts[k], k)
            else:
                read_over_http(port, code, *shown, scripts[k], 100 * len(name) + k)
    finally:
        process.terminate()
        process.wait(timeout=60)
    study, key = read_study(folder), read_key(read_study(folder))
    readings = readings_of(study, read_table(folder / ANSWERS, study.told["id"]), key)
    scores = report_on(study, key, readings)["scores"]
    rows = [row for k, script in enumerate(scripts)
            for row in rows_of(scores, f"R{k + 1}", script)]  # fmt: skip
    if name == "herd":
        rows += [_row(scores, "all", "readers who share coins", kind, "verdict", HERD_KAPPA)
                 for kind in ("fleiss_kappa", "cohen_kappa")]  # fmt: skip
    return {"study": name, "by": "Chromium" if in_browser else "HTTP", "trials": told["trials"],
            "rows": rows, "peers": peers_of(answers_csv(readings), scores)}  # fmt: skip


def rows_of(scores: list[dict[str, Any]], reader: str, script: Script) -> list[dict[str, Any]]:
    """Return planted beside found of one reader."""
    return [_row(scores, reader, script.words, name, where, value)
            for (name, where), value in script.planted.items()]  # fmt: skip


def _row(scores: list[dict[str, Any]], reader: str, words: str, name: str, where: str,
         planted: float) -> dict[str, Any]:  # fmt: skip
    found = next(s for s in scores if (s["name"], s["reader"]) == (name, reader)
                 and where in ("", s.get("side"), s.get("question")))  # fmt: skip
    value, interval = found["value"], found["interval"]
    inside = interval is not None and interval[0] - 1e-9 <= planted <= interval[1] + 1e-9
    exact = value is not None and abs(value - planted) < 1e-9
    return {"reader": reader, "script": words, "score": name, "where": where, "planted": planted,
            "found": value, "interval": interval, "as_planted": inside or exact}  # fmt: skip


def main() -> None:
    """Play all studies, compare with peers, simulate coverage, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", nargs="*", default=list(STUDIES))
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    played = []
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        load.draw(base, 100, 72)
        for name in asked.studies:
            played.append(play(base, name, *STUDIES[name]))
            rows, peers = played[-1]["rows"], played[-1]["peers"]
            kept = sum(row["as_planted"] for row in rows)
            print(f"{name} ({played[-1]['by']}): {kept} of {len(rows)} as planted; "
                  f"{len(peers)} numbers beside others', farthest "
                  f"{max(p['difference'] for p in peers):.1e}", flush=True)  # fmt: skip
            for row in (r for r in rows if not r["as_planted"]):
                print("  not:", row)
    covered = coverage(asked.simulations)
    for row in covered:
        print(f"{row['readers']} readers, spread {row['reader_sd']:g}: {row['what']} covers "
              f"{row['covered']:.1%} of {row['n']} ({row['interval'][0]:.1%} to "
              f"{row['interval'][1]:.1%})")  # fmt: skip
    rows = [row for one in played for row in one["rows"]]
    kept = sum(row["as_planted"] for row in rows)
    # Of intervals of 95 %, one in twenty misses what was planted; more would be a fault.
    p = float(stats.binomtest(kept, len(rows), 0.95, alternative="less").pvalue) if rows else None
    print(f"{kept} of {len(rows)} as planted: p {p} of as few or fewer, if 95 % should be")
    result = {
        "played": played, "planted": len(rows), "as_planted": kept, "p_of_as_few": p,
        "farthest_from_peers": max(p["difference"] for one in played for p in one["peers"]),
        "coverage": covered, "environment": environment(),
    }  # fmt: skip
    if asked.out:
        write_json(asked.out, result)


if __name__ == "__main__":
    main()
