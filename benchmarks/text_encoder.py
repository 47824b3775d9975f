"""What the small text encoder knows: facts read off the mean of its tokens.

A ridge probe on the mean hidden state (what Lumina pools) reads each fact of captions that the
encoder was not trained on; beside it the same encoder before training, so that what the bag of its
words alone gives is seen. A caption states a drawn share of the facts, so no reader reaches 1.
Without --pairs: captions of random records by the grammar; an encoder is trained on others of
them first. With --pairs and --trained: the pairs of a folder that are not of the split train, and
an encoder that was trained on those that are.

Run: OMP_NUM_THREADS=1 python benchmarks/text_encoder.py [--steps 400] [--records 5000]
         [--pairs DIR --trained DIR] [--probed 600] [--out benchmarks/results/text_encoder.json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.captions.record import EyeRecord
from retinaforge.captions.template import write_caption
from retinaforge.core.artefacts import environment, write_json
from retinaforge.generators.text_encoder import TextEncoder, load_text_encoder
from retinaforge.generators.text_train import train_text_encoder
from retinaforge.tasks.pairs import read_pairs

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "captions"))

from caption_cases import random_record  # noqa: E402

CHOICES = ("eye", "quality")
NUMBERS = ("cup_to_disc", "pigmentation", "vessel_density", "microaneurysm", "hard_exudate")
RIDGE = 1e-2


def captioned(
    number: int, texts: int, rng: np.random.Generator
) -> tuple[list[EyeRecord], list[list[str]]]:
    """Return random records with captions that state all that may be stated."""
    records = [random_record(rng) for _ in range(number)]
    return records, [[write_caption(r, rng=rng, share=1.0) for _ in range(texts)] for r in records]


def read_off(
    encoder: TextEncoder, records: Sequence[EyeRecord], rows: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Return what a ridge probe reads, and how often the other caption of a record is nearest."""
    first, second = (encoder.encode([row[at] for row in rows]).means().double() for at in (0, 1))
    middle = torch.cat([first, second]).mean(0)
    first, second = first - middle, second - middle
    unit = [torch.nn.functional.normalize(each, dim=1) for each in (first, second)]
    nearest = (unit[0] @ unit[1].T).argmax(1)
    found: dict[str, Any] = {
        "nearest_is_own_paraphrase": (nearest == torch.arange(len(rows))).double().mean().item(),
        "among": len(rows),
    }
    for name in (*CHOICES, *NUMBERS):
        found[name] = _probe(first, [record.value(name) for record in records], name)
    return found


def _probe(vectors: torch.Tensor, values: Sequence[Any], name: str) -> dict[str, Any]:
    flags = name in NUMBERS and any(isinstance(value, bool) for value in values)
    kept = [i for i, v in enumerate(values) if v is not None and not (flags and v is True)]
    x = torch.cat([vectors[kept], torch.ones(len(kept), 1, dtype=torch.float64)], 1)
    half = len(kept) // 2
    if name in CHOICES:
        words = sorted({str(values[i]) for i in kept})
        target = torch.tensor([words.index(str(values[i])) for i in kept])
        said = x[half:] @ _ridge(x[:half], torch.nn.functional.one_hot(target[:half]).double())
        right = (said.argmax(1) == target[half:]).double().mean().item()
        common = torch.bincount(target[half:]).max().item() / (len(kept) - half)
        return {"n": len(kept) - half, "accuracy": right, "most_frequent": common}
    target = torch.tensor([float(values[i]) for i in kept], dtype=torch.float64)[:, None]
    said = x[half:] @ _ridge(x[:half], target[:half])
    r = np.corrcoef(said[:, 0], target[half:, 0])[0, 1]
    return {"n": len(kept) - half, "correlation": float(r)}


def _ridge(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    weight = RIDGE * len(x) * x.var()
    return torch.linalg.solve(x.T @ x + weight * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)


def held_out_pairs(folder: Path, number: int) -> tuple[list[EyeRecord], list[list[str]]]:
    """Return records and captions of pairs of the splits val and test."""
    kept = [pair for pair in read_pairs(folder) if pair.split != "train" and len(pair.texts) > 1]
    return [pair.record for pair in kept[:number]], [list(p.texts[:2]) for p in kept[:number]]


def trained(asked: argparse.Namespace, rows: list[list[str]]) -> tuple[Path, dict[str, Any]]:
    """Train an encoder; return its folder and what the training took."""
    losses: dict[int, dict[str, float]] = {}

    def note(step: int, said: dict[str, float]) -> None:
        if step == 1 or step % 25 == 0:
            losses[step] = said
            print(step, said, file=sys.stderr, flush=True)

    start = time.process_time()
    folder = train_text_encoder(rows, Path(tempfile.mkdtemp()), steps=asked.steps, on_progress=note)
    seconds = round(time.process_time() - start, 1)
    return folder, {"captions": sum(map(len, rows)), "cpu_seconds": seconds, "losses": losses}


def untrained(folder: Path) -> TextEncoder:
    """Return an encoder with the folder's tokeniser and sizes, and random weights."""
    encoder = load_text_encoder(folder)
    network = encoder.network
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network.load_state_dict(type(network)(network.config).state_dict())
    return encoder


def main() -> None:
    """Train or take an encoder, probe it, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--probed", type=int, default=600)
    parser.add_argument("--pairs", type=Path, default=None)
    parser.add_argument("--trained", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/text_encoder.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.pairs:
        records, rows = held_out_pairs(asked.pairs, asked.probed)
        folder, training = asked.trained, json.loads((asked.trained / "training.json").read_text())
    else:
        rng = np.random.default_rng(0)
        folder, training = trained(asked, captioned(asked.records, 3, rng)[1])
        records, rows = captioned(asked.probed, 2, rng)
    encoder = load_text_encoder(folder)
    counts = encoder.count([row[0] for row in rows])
    result = {
        "environment": environment(),
        "training": training,
        "vocabulary": len(encoder.tokenizer),
        "parameters": sum(p.numel() for p in encoder.network.parameters()),
        "tokens": {
            "median": float(np.median(counts)),
            "longest": max(counts),
            "share_cut": sum(count > encoder.max_tokens for count in counts) / len(counts),
        },
        "trained": read_off(encoder, records, rows),
        "untrained": read_off(untrained(folder), records, rows),
    }
    write_json(asked.out, result)
    print(asked.out)


if __name__ == "__main__":
    main()
