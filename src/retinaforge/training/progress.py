"""What a training tells while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True)
class Progress:
    """Where a training stands; means are over the steps since the last one.

    Attributes:
        step: steps done.
        steps: steps in all.
        images_per_s: over all processes, since the last report.
        seconds: spent so far, earlier sittings included.
        seconds_left: at the present speed.
        total: mean total loss.
        terms: mean of each term, unweighted.
        perplexity: of the codes; NaN without a codebook.
        codebook_use: part of the codebook that was chosen, 0 to 1; NaN without a codebook.
    """

    step: int
    steps: int
    images_per_s: float
    seconds: float
    seconds_left: float
    total: float
    terms: Mapping[str, float]
    perplexity: float
    codebook_use: float

    def in_words(self) -> str:
        """Return one line for a terminal."""
        words = [f"step {self.step}/{self.steps}", f"loss {self.total:.4f}"]
        words += [f"{name} {value:.4f}" for name, value in self.terms.items()]
        if not math.isnan(self.perplexity):
            words.append(f"codes {self.codebook_use:.0%} perplexity {self.perplexity:.0f}")
        minutes, seconds = divmod(round(self.seconds_left), 60)
        words += [f"{self.images_per_s:.1f} images/s", f"{minutes}:{seconds:02d} left"]
        return " · ".join(words)


OnProgress = Callable[[Progress], None]


def rich_progress(name: str = "") -> OnProgress:
    """Return a printer of one line per report on stderr, headed by the arm's name."""
    console = Console(stderr=True, highlight=True)

    def show(progress: Progress) -> None:
        words = progress.in_words()
        console.print(f"{name}: {words}" if name else words, soft_wrap=True)

    return show
