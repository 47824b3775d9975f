"""Render docs/reference/losses.md from the catalogue: python -m retinaforge.losses.reference."""

from __future__ import annotations

import sys

from retinaforge.losses.catalogue import CATALOGUE
from retinaforge.losses.contract import LossEntry

HEAD = """# Losses

Rendered from the cards in `retinaforge.losses.CATALOGUE` by
`python -m retinaforge.losses.reference > docs/reference/losses.md`; do not edit by hand.

A loss compares a reconstruction with its target, both RGB in [-1, 1], inside the field of view: the
mean over an image's pixels, then over the batch's images that have any retina. Filters are scored
only where they read nothing outside; SSIM and features see the target there instead of the
reconstruction. So what the decoder paints outside the field of view neither counts nor gets a
gradient. Everything but the frozen networks computes in float32.

In an expression: `l1 + 0.5*sobel + log(sigma=1;2) + features(vit, px=128) + 0.1*gan(start=1000,
ramp=500)`. A name in the brackets is an encoder, `;` separates several values. The first pixel loss
is the yardstick of gradient-norm matching: with it on, a coefficient is the ratio of the term's
gradient norm at the last decoder layer to that of the pixel term.
"""


def render() -> str:
    """Return the page as Markdown, losses in the catalogue's order."""
    return "\n".join([HEAD, *map(_section, CATALOGUE)])


def _section(entry: LossEntry) -> str:
    card = entry.card
    rows = {
        "kind": entry.kind,
        "encoder": "named in the brackets" if entry.needs_encoder else "none",
        "options": ", ".join(f"`{name}`" for name in entry.options) or "none",
        "measures": card.measures,
        "range": card.range,
        "unit": card.unit,
        "better": card.direction,
        "smallest n": str(card.smallest_n),
        "reference": card.reference,
        "known failure": card.known_failure,
    }
    cells = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return f"## `{card.name}` (version {card.version})\n\n| | |\n|---|---|\n{cells}\n"


if __name__ == "__main__":
    sys.stdout.write(render())
