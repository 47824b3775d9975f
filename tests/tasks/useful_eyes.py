"""Material for tests of usefulness: images that are points, so that no file is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retinaforge.core import Record
from retinaforge.tasks.usefulness_linear import LinearBackbone
from retinaforge.tasks.usefulness_rounds import EXTERNAL, REAL, SYNTHETIC, Material
from retinaforge.tasks.usefulness_set import Example
from retinaforge.tasks.usefulness_target import Labels, Question, labels_of

CHANNELS = 40
QUESTION = Question("referable", "class", ("no", "yes"))


def example(name: str, patient: str, *, split: str | None = None, dataset: str = "eyes",
            **facts: object) -> Example:  # fmt: skip
    """Return an image that lies nowhere."""
    record = Record(Path(f"{name}.png"), f"{name}.png", dataset, f"{dataset}:{patient}", True,
                    split=split)  # type: ignore[arg-type]  # fmt: skip
    return Example(record, facts)  # type: ignore[arg-type]


def points(labels: np.ndarray, *, signal: float, seed: int) -> np.ndarray:
    """Return points that differ by class along one hidden direction, in noise of size 1."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(labels), CHANNELS))
    direction = np.random.default_rng(99).normal(size=CHANNELS)
    direction /= np.linalg.norm(direction)
    return (x + signal * np.outer(labels - 0.5, direction)).astype(np.float32)


def toy(
    *, teach: int = 16, judge: int = 60, drawn: int = 160, external: int = 0, signal: float = 3.0,
    informative: bool = True, sources: Sequence[str] = ("eyes",), eyes: int = 1, seed: int = 0,
) -> tuple[Material, np.ndarray]:  # fmt: skip
    """Return a study of few photographs and many synthetic images, with what a network sees.

    Args:
        teach, judge, drawn, external: numbers of images.
        signal: how far the classes of photographs lie apart.
        informative: whether synthetic images show their label as photographs do, or only noise.
        sources: data sets that the photographs are dealt to in turn.
        eyes: images of a patient.
        seed: of all draws.
    """
    rng = np.random.default_rng(seed)
    examples: list[Example] = []
    rows: list[np.ndarray] = []
    origin: list[str] = []
    parts = ((REAL, teach, "train"), (REAL, judge, "test"), (EXTERNAL, external, None),
             (SYNTHETIC, drawn, None))  # fmt: skip
    for number, (kind, count, split) in enumerate(parts):
        truth = rng.permutation(np.arange(count) // eyes % 2)
        if eyes > 1:
            truth = np.repeat(truth[::eyes], eyes)[:count]
        shown = signal if kind != SYNTHETIC or informative else 0.0
        rows.append(points(truth, signal=shown, seed=seed * 10 + number))
        for k, value in enumerate(truth):
            own = {REAL: sources[k // eyes % len(sources)]}.get(kind, kind)
            examples.append(example(f"{kind}{number}_{k}", f"{number}_{k // eyes}", split=split,
                                    dataset=own, dr_grade=3 * int(value),
                                    quality="good" if k % 3 else "usable"))  # fmt: skip
            origin.append(kind)
    labels = labels_of(examples, "referable")
    material = Material(
        tuple(examples), Labels(labels.questions, labels.values, labels.reasons),
        np.array(origin), np.array([f"bytes{k}" for k in range(len(examples))]),
        np.array([one.record.dataset for one in examples]),
    )  # fmt: skip
    return material, np.concatenate(rows)


def backbone_of(material: Material, vectors: np.ndarray, *, steps: int = 40) -> LinearBackbone:
    """Return a linear backbone whose augmented copies are the images in other noise."""
    noise = np.random.default_rng(7).normal(size=(len(vectors), 2, CHANNELS)) * 0.3
    copies = (vectors[:, None] + noise).astype(np.float32)
    widths = tuple(len(q.classes) for q in material.labels.questions)
    return LinearBackbone(
        vectors,
        copies,
        widths,
        "points",
        "points 1",
        steps=steps,
        batch=32,
        settings=(3.0, 0.3),
        folds=2,
    )
