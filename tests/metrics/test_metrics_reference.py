"""docs/reference/metrics.md says what the cards say."""

from pathlib import Path

from retinaforge.metrics import CATALOGUE
from retinaforge.metrics.reference import metrics_page

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text() == metrics_page(CATALOGUE), (
        "run: python -m retinaforge.metrics.reference > docs/reference/metrics.md"
    )
