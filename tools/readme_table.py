"""Write the loss study's table into README.md: `python tools/readme_table.py [SCORECARD]`.

The block between the markers is what `retinaforge study table` prints; a test compares them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from retinaforge.core.artefacts import write_text
from retinaforge.reports import markdown_table

REPO = Path(__file__).parents[1]
SCORECARD = REPO / "studies/loss-study/scorecard.json"
BLOCK = re.compile(r"(<!-- loss-study:begin -->\n).*?(<!-- loss-study:end -->)", re.DOTALL)


def with_table(readme: str, scorecard: Path) -> str:
    """Return the README with the table of a scorecard between its markers."""
    table = markdown_table(scorecard).strip()
    return BLOCK.sub(lambda found: f"{found[1]}{table}\n{found[2]}", readme)


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SCORECARD
    path = REPO / "README.md"
    write_text(path, with_table(path.read_text(), source))
