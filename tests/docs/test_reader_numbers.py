"""Numbers of docs/how-to/reader-study.md are those of the committed result files."""

from __future__ import annotations

import json
from pathlib import Path

REPO = Path(__file__).parents[2]
PAGE = " ".join((REPO / "docs/how-to/reader-study.md").read_text().split())
LAYOUTS = ((3, 0.3), (5, 0.3), (10, 0.3), (5, 0.0))


def result(name: str) -> dict:
    return json.loads((REPO / "benchmarks" / "results" / f"{name}.json").read_text())


def test_scripted_readers_came_out_as_the_page_says() -> None:
    told = result("reader_scripted")
    assert f"{told['as_planted']} of {told['planted']} planted numbers" in PAGE
    assert told["p_of_as_few"] > 0.05
    assert told["farthest_from_peers"] < 1e-12
    for row in ("bootstrap of readers and images", "all answers pooled",
                "each reader's exact interval"):  # fmt: skip
        shares = [next(c["covered"] for c in told["coverage"]
                       if (c["readers"], c["reader_sd"], c["what"]) == (*layout, row))
                  for layout in LAYOUTS]  # fmt: skip
        assert " | ".join(f"{share:.0%}".replace("%", " %") for share in shares) in PAGE, row


def test_blinding_of_real_photographs_is_as_the_page_says() -> None:
    told = result("reader_blinding")
    for words in (f"AUC of {told['auc_of_files']:.2f}",
                  f"shuffled truth up to {told['largest_of_20_shuffles']:.2f}",
                  f"{told['auc_of_files_before']:.2f} on the files as they came in",
                  f"AUC of {told['tells']['auc']['brightness']:.2f}",
                  f"colourfulness with {told['tells']['auc']['colourfulness']:.2f}"):  # fmt: skip
        assert words in PAGE, words
    assert told["auc_of_files"] <= told["largest_of_20_shuffles"]
    assert (told["lengths"], told["skeletons"]) == (1, 1)


def test_fifty_readers_wait_as_long_as_the_page_says() -> None:
    told = result("reader_load")
    count = sum(row["n"] for row in told["rows"])
    assert f"slowest of {count} answers after {told['slowest_ms']:.0f} ms" in PAGE
    assert (told["readers"], told["cores"], told["within"]) == (50, 2, True)
