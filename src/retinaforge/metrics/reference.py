"""The reference page of this room, rendered from its cards."""

from __future__ import annotations

from collections.abc import Sequence

from retinaforge.core import Card

_HEAD = """# Metrics: scores that know no eyes

Rendered from the cards in `retinaforge.metrics` by
`python -m retinaforge.metrics.reference > docs/reference/metrics.md`; do not edit by hand.

A changed value is a new version. Every score is printed with its number of images and, where two
or more patients are known, with a 95 % interval over patients.
"""


def metrics_page(cards: Sequence[Card]) -> str:
    """Return the cards as one Markdown page, in the order given."""
    return "\n".join([_HEAD, *(_section(card) for card in cards)])


def _section(card: Card) -> str:
    rows = (
        ("measures", card.measures),
        ("range", card.range),
        ("unit", card.unit),
        ("better", card.direction),
        ("smallest n", str(card.smallest_n)),
        ("reference", card.reference),
        ("known failure", card.known_failure),
    )
    lines = [f"## `{card.name}` (version {card.version})", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {key} | {text} |" for key, text in rows), ""])


if __name__ == "__main__":
    from retinaforge.metrics import CATALOGUE

    print(metrics_page(CATALOGUE), end="")
