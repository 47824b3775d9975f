"""What frozen encoders see of photographs: probes of grade, age, sex, glaucoma and camera.

Every encoder stands beside the majority (or mean), thirty numbers of colour and its own
architecture untrained, by `retinaforge probe`'s own code. Rows train and val of splits.csv teach,
rows test judge; nothing is chosen on them.

Photographs are decoded once for all encoders; what each sees is kept in --work, so a second run
with one encoder more costs that encoder alone. Results so far are kept too: only what is missing
is probed. Numbers only; no photograph leaves --data.

Run: OMP_NUM_THREADS=1 python benchmarks/encoder_probes.py --data ../shared/data --work DIR
     [--encoder LABEL=SPEC ...] [--rebuilt DIR]
Without --encoder: SqueezeNet (ImageNet) from --data, random weights, and what the package ships,
its fundus encoder and its vessel network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from retinaforge.core import Record
from retinaforge.core.artefacts import environment, write_json
from retinaforge.encoders import SHIPPED, Encoder, load
from retinaforge.encoders.ledger import seen, warning
from retinaforge.images import read_records
from retinaforge.tasks.embedding import embed_looks
from retinaforge.tasks.probe import (
    PROBES,
    Options,
    Probe,
    looks_of,
    probe,
)
from retinaforge.tasks.probe_rebuilt import reconstructions
from retinaforge.tasks.probe_results import summary

RESULT = Path(__file__).parent / "results/encoder_probes.json"
WEIGHTS = Path(str(resources.files("retinaforge") / "weights"))
SQUEEZENET = "weights/squeezenet_v1_0_imagenet/squeezenet_v1_0_imagenet.npz"
CAMERAS = ("chase_db1", "hrf", "idrid_grading", "drive", "les_av", "hei_med")
QUICK: tuple[Probe, ...] = ("linear", "knn")


@dataclass(frozen=True)
class Question:
    """One target on some data sets, with the heads that are asked."""

    target: str
    data: tuple[str, ...]
    probes: tuple[Probe, ...]

    @property
    def name(self) -> str:
        """Return what the result is called."""
        return f"{self.target}: {', '.join(self.data)}"


QUESTIONS = (
    Question("dr_grade", ("idrid_grading",), PROBES),
    Question("age", ("odir",), PROBES),
    Question("sex", ("odir",), PROBES),
    Question("dr_grade", ("odir",), QUICK),
    Question("glaucoma", ("odir",), QUICK),
    Question("camera", CAMERAS, QUICK),
)
REBUILT = Question("age", ("odir",), QUICK)
"""What is asked of reconstructions, where --rebuilt names them."""


def encoders_of(data: Path, named: list[str]) -> dict[str, str]:
    """Return specs by label."""
    if named:
        return dict(pair.split("=", 1) for pair in named)
    return {
        "squeezenet": f"squeezenet:{data / SQUEEZENET}",
        "random-vit-tiny": "random-vit-tiny@0",
        **{name: name for name, _, file in SHIPPED if (WEIGHTS / file).is_file()},
    }


def records_of(data: Path, question: Question) -> list[Record]:
    """Return the photographs of a question."""
    return [record for name in question.data for record in read_records(data / name)]


def look(encoders: dict[str, Encoder], records: list[Record], work: Path) -> dict[str, float]:
    """Let every encoder see photographs once, and return how many and the seconds."""
    # Tokens too: what is kept without them would be looked at again for the attentive head.
    looks, _, _ = looks_of(encoders, Options(probes=PROBES))
    start = time.process_time()
    found = embed_looks(looks, records, work / "cache", on_progress=_say("photographs"))
    return {
        "photographs": len(found[0]), "looks": len(looks),
        "cpu_seconds": round(time.process_time() - start, 1),
    }  # fmt: skip


def ask(
    question: Question, label: str, encoder: Encoder, data: Path, work: Path,
    rebuilt: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Probe one encoder for one target."""
    records = records_of(data, question)
    after = None if rebuilt is None else reconstructions(read_records(rebuilt), records)
    start = time.process_time()
    options = Options(probes=question.probes)
    probed = probe({label: encoder}, records, question.target, work / "cache", options, after=after)
    told = summary(probed)
    said = warning(label, seen(encoder.card, question.data))
    return {
        "target": told["target"],
        "protocol": told["protocol"],
        "card": {
            key: value for key, value in encoder.card.as_dict().items()
            if key in ("name", "network", "licence", "training_data", "fingerprint_sha256")
        },
        "side_px": {look["name"]: look["side_px"] for look in told["looks"]},
        "results": told["results"], "differences": told["differences"], "after": told["after"],
        "warning": said, "left_out": len(told["left_out"]),
        "cpu_seconds": round(time.process_time() - start, 1),
    }  # fmt: skip


def _say(what: str) -> Any:
    def show(done: int, count: int) -> None:
        if done % 50 == 0 or done == count:
            print(f"{what}: {done} of {count}", flush=True)

    return show


def asked_before(place: Path, encoder: Encoder) -> dict[str, Any] | None:
    """Return a stored answer of the same weights."""
    if not place.is_file():
        return None
    told: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    same = told["card"]["fingerprint_sha256"] == encoder.card.fingerprint_sha256
    return told if same else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", action="append", default=[], metavar="LABEL=SPEC")
    parser.add_argument("--rebuilt", type=Path, help="reconstructions of odir's test rows")
    given = parser.parse_args()
    specs = encoders_of(given.data, given.encoder)
    encoders = {label: load(spec) for label, spec in specs.items()}
    runs: list[tuple[Question, Path | None]] = [(question, None) for question in QUESTIONS]
    if given.rebuilt:
        runs.append((REBUILT, given.rebuilt))
    told: dict[str, Any] = {"environment": environment(), "looking": {}, "answers": {}}
    for question, rebuilt in runs:
        name = question.name + (", reconstructed" if rebuilt else "")
        new = {
            label: encoder for label, encoder in encoders.items()
            if asked_before(_place(question, rebuilt, label, given), encoder) is None
        }  # fmt: skip
        if new:
            told["looking"][name] = look(new, records_of(given.data, question), given.work)
        told["answers"][name] = {
            label: _answer(question, label, encoder, given, rebuilt)
            for label, encoder in encoders.items()
        }
        # After each question: a run that is stopped leaves what it has.
        write_json(RESULT, told)


def _place(question: Question, rebuilt: Path | None, label: str, given: argparse.Namespace) -> Path:
    key = hashlib.sha256(f"{question} {rebuilt is None} {label}".encode()).hexdigest()[:16]
    return given.work / f"{key}.json"


def _answer(
    question: Question, label: str, encoder: Encoder, given: argparse.Namespace,
    rebuilt: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Return a stored answer of the same weights, or ask."""
    place = _place(question, rebuilt, label, given)
    told = asked_before(place, encoder)
    if told is None:
        told = ask(question, label, encoder, given.data, given.work, rebuilt)
        write_json(place, told)
    print(f"{question.name} | {label}: {told['cpu_seconds']} s", flush=True)
    return told


if __name__ == "__main__":
    main()
