"""Which backbone `retinaforge usefulness` was asked for, and what a reader must know of it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder
from retinaforge.encoders.ledger import seen, warning
from retinaforge.tasks.usefulness_prepare import Asked
from retinaforge.tasks.usefulness_rounds import SYNTHETIC
from retinaforge.tasks.usefulness_study import Done

if TYPE_CHECKING:
    from retinaforge.tasks.usefulness_start import Start

FEW = 50


class Name(StrEnum):
    """What is taught."""

    linear = "linear"
    resnet18 = "resnet18"
    resnet50 = "resnet50"
    vit_b16 = "vit-b16"


def check(
    name: Name, encoder: str, weights: Path | None, rates: Sequence[float], decays: Sequence[float]
) -> bool:
    """Return whether a network is trained, and refuse options of the other kind.

    Raises:
        Refusal: "expected --encoder with --backbone linear alone; got ...", and alike.
    """
    if name is Name.linear:
        if weights or rates or decays:
            raise Refusal(
                "--weights, --rate and --decay with a trained backbone alone", "--backbone linear",
                "say --backbone resnet18, or name an encoder: --encoder resnet:FILE",
            )  # fmt: skip
        return False
    if encoder != "fundus":
        raise Refusal(
            "--encoder with --backbone linear alone", f"--backbone {name.value}",
            "name the file of its first weights: --weights FILE",
        )  # fmt: skip
    if any(rate <= 0 for rate in rates) or any(decay < 0 for decay in decays):
        raise Refusal(
            "rates above 0 and decays of at least 0", f"{list(rates)} and {list(decays)}",
            "such as --rate 0.0003 --rate 0.001 --decay 0.05",
        )  # fmt: skip
    return True


def trained_settings(
    name: Name, weights: Path | None, rates: Sequence[float], decays: Sequence[float]
) -> tuple[Start, list[tuple[float, float]]]:
    """Return the network before it is taught, and the pairs that are tried, the cautious first."""
    from retinaforge.tasks import usefulness_trained as trained
    from retinaforge.tasks.usefulness_start import start_of

    start = start_of(name.value, weights)
    usual = trained.RATES_SCRATCH if weights is None else trained.RATES_TUNED
    by_rate = sorted(set(rates or usual))
    by_decay = sorted(set(decays or trained.DECAYS), reverse=True)
    return start, [(rate, decay) for rate in by_rate for decay in by_decay]


def warnings_of(
    asked: Asked, done: Done, *, encoder: Encoder | None = None, start: Start | None = None
) -> list[str]:
    """Return what a reader must know before the first number."""
    found: list[str] = []
    fewest = min(len(one.teach) for one in done.rounds)
    if encoder is not None:
        judged = zip(asked.records, asked.origin, strict=True)
        here = sorted({record.dataset for record, origin in judged if origin != SYNTHETIC})
        found = [text for text in [warning(encoder.card.name, seen(encoder.card, here))] if text]
    if start is not None and start.weights is None:
        found.append(
            "The network was trained from scratch. On few photographs that measures how hard it is "
            "to begin, more than what the images hold: name published weights with --weights, or "
            "compare with --backbone linear."
        )
    if start is not None and start.weights is not None:
        found.append(
            f"The network began with {start.weights.name}; whether photographs that judge here "
            "taught those weights, the file does not say."
        )
    if fewest < FEW:
        found.append(f"Few photographs teach: {fewest}.")
    return found
