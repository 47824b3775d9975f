"""What the small text encoder knows after a few minutes: facts read off the mean of its tokens.

Captions of random records by the grammar (three a record); trained on some, probed on others.
A ridge probe on the mean hidden state (what Lumina pools) reads each fact; beside it the same
encoder before training, so that what the bag of its words alone gives is seen. CPU seconds of one
core.

Run: OMP_NUM_THREADS=1 python benchmarks/text_encoder.py [--steps 400] [--records 5000]
         [--out benchmarks/results/text_encoder.json] [--folder DIR]
"""

from __future__ import annotations

import argparse
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

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "captions"))

from caption_cases import random_record  # noqa: E402

CHOICES = ("eye", "quality")
NUMBERS = ("cup_to_disc", "pigmentation", "vessel_density", "microaneurysm", "hard_exudate")
PROBED, RIDGE = 600, 1e-2


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


def main() -> None:
    """Train, probe, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/text_encoder.json")
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    _, rows = captioned(asked.records, 3, rng)
    records, held_out = captioned(PROBED, 2, rng)
    folder = asked.folder or Path(tempfile.mkdtemp())
    losses: dict[int, dict[str, float]] = {}

    def note(step: int, said: dict[str, float]) -> None:
        if step == 1 or step % 25 == 0:
            losses[step] = said
            print(step, said, f"{time.process_time() - start:.0f} s", file=sys.stderr, flush=True)

    start = time.process_time()
    train_text_encoder(rows, folder, steps=asked.steps, on_progress=note)
    seconds = time.process_time() - start
    encoder = load_text_encoder(folder)
    counts = encoder.count([row[0] for row in held_out])
    untrained = load_text_encoder(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained.network.load_state_dict(
            type(untrained.network)(untrained.network.config).state_dict()
        )
    result = {
        "environment": environment(),
        "records": asked.records,
        "captions": 3 * asked.records,
        "steps": asked.steps,
        "training_cpu_seconds": round(seconds, 1),
        "vocabulary": len(encoder.tokenizer),
        "parameters": sum(p.numel() for p in encoder.network.parameters()),
        "tokens": {
            "median": float(np.median(counts)),
            "longest": max(counts),
            "over_the_limit": sum(count > encoder.max_tokens for count in counts) / len(counts),
        },
        "losses": losses,
        "trained": read_off(encoder, records, held_out),
        "untrained": read_off(untrained, records, held_out),
    }
    write_json(asked.out, result)
    print(asked.out)


if __name__ == "__main__":
    main()
