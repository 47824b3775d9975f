"""Encoders side by side on one deck: what each sees of planted damage, and what each costs.

Every encoder works in a process of its own, one after the other: so its memory is its own, and one
that breaks or is refused takes nothing with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retinaforge.core import RetinaForgeError
from retinaforge.encoders import load
from retinaforge.tasks.crew import work_through
from retinaforge.tasks.embedding import embed_arrays
from retinaforge.validation.encoder_deck import Deck
from retinaforge.validation.encoder_sight import harmless, sights

BATCH = 8


@dataclass(frozen=True)
class Looked:
    """What came out of one encoder's process.

    Attributes:
        vectors: of every plate of the deck, (plates, channels); None where it was refused.
        card: the encoder's, as plain data.
        images_per_cpu_s: images a second of one core.
        memory_mib: largest resident memory above that of the process before it was loaded.
        parameters: of its network.
        reason: why there are no vectors.
    """

    vectors: np.ndarray | None
    card: dict[str, Any]
    images_per_cpu_s: float
    memory_mib: float
    parameters: int
    reason: str = ""


def compare_encoders(
    specs: Sequence[str], deck: Deck, *, on_done: Callable[[str], None] | None = None
) -> list[dict[str, Any]]:
    """Return one row an encoder, in the order of `specs`; a refused one is a row with its reason.

    Returns:
        Plain data: name, spec, licence, modality, input_px, channels, parameters_million,
        images_per_cpu_s, memory_mib, jpeg (displacement by saving again), sees (a list, one entry
        a kind of damage: see `encoder_sight.Sight`), status ("ok" or "refused"), reason.
    """
    rows = []
    for spec, looked in _looks(specs, deck):
        rows.append(_row(spec, looked, deck))
        if on_done is not None:
            on_done(spec)
    return rows


def _looks(specs: Sequence[str], deck: Deck) -> Iterator[tuple[str, Looked | None]]:
    work = partial(_look, squares=deck.squares)
    for spec in specs:
        # Two workers asked for, one job given: a process of its own.
        yield from work_through([spec], work, workers=2)


def _look(spec: str, *, squares: Path) -> Looked:
    """Load an encoder and embed the deck, in the process where this runs."""
    before = _memory_mib("VmRSS")
    try:
        encoder = load(spec)
        pixels = np.load(squares, mmap_mode="r")
        with torch.inference_mode():
            embed_arrays(encoder, pixels[:1])  # what happens once is not counted
            start = time.process_time()
            vectors = embed_arrays(encoder, pixels, batch=BATCH)
        spent = time.process_time() - start
    except (RetinaForgeError, OSError, ValueError, RuntimeError, MemoryError) as error:
        return Looked(None, {}, math.nan, math.nan, 0, str(error) or type(error).__name__)
    peak = _memory_mib("VmHWM")
    parameters = sum(p.numel() for p in encoder.parameters())
    card = encoder.card.as_dict()
    return Looked(vectors, card, len(pixels) / spent, peak - before, parameters)


def _memory_mib(line: str) -> float:
    """Return a number of /proc/self/status; NaN where the system has none.

    `ru_maxrss` would not do: a process begins with the mark of the one that started it.
    """
    try:
        said = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return math.nan
    found = [row.split()[1] for row in said.splitlines() if row.startswith(f"{line}:")]
    return int(found[0]) / 1024 if found else math.nan


def _row(spec: str, looked: Looked | None, deck: Deck) -> dict[str, Any]:
    if looked is None or looked.vectors is None:
        reason = "its process was killed (memory?)" if looked is None else looked.reason
        return {"name": spec, "spec": spec, "licence": "", "status": "refused", "reason": reason}
    if not np.isfinite(looked.vectors).all():
        reason = "it returned numbers that are not finite"
        return {"name": spec, "spec": spec, "licence": "", "status": "refused", "reason": reason}
    card = looked.card
    return {
        **{key: card[key] for key in ("name", "licence", "modality", "domain", "input_px")},
        "spec": spec,
        "fingerprint_sha256": card["fingerprint_sha256"],
        "channels": int(looked.vectors.shape[1]),
        "parameters_million": looked.parameters / 1e6,
        "images_per_cpu_s": looked.images_per_cpu_s,
        "memory_mib": None if math.isnan(looked.memory_mib) else looked.memory_mib,
        "photographs": len(deck.names),
        "jpeg": harmless(looked.vectors, deck),
        "sees": [asdict(sight) for sight in sights(looked.vectors, deck)],
        "status": "ok",
        "reason": "",
    }
