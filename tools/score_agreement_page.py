"""Write docs/reference/score-agreement.md: `python tools/score_agreement_page.py`.

It comes from the result file of benchmarks/score_agreement.py; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs/reference/score-agreement.md"
RESULT = REPO / "benchmarks/results/score_agreement.json"
Row = dict[str, Any]

HEAD = """# Agreement of every score with others' code or a closed form

Made by `python tools/score_agreement_page.py` from `benchmarks/results/score_agreement.json`, which
`benchmarks/score_agreement.py` writes; a test keeps it true. Do not edit by hand.

Both sides see the same features, images or values. **Difference** is |ours − reference| over
|reference|, the largest of a row's values; a row holds where it is within the tolerance. The tests
run every row again whose package is installed (`tests/metrics/test_score_agreement.py`). Packages
that need torchvision were run once, in a folder of their own; frd-score in an environment of its
own, and its values are stored with their provenance (`tests/metrics/data/frd_reference.json`).

piq is not among the references: its FID is far from all others. Conventions that decide a value
(window, estimator, pooling) stand on each score's card: [metrics](metrics.md).
"""

ENCODERS = (
    ("Inception-v3 of 2015, features and class probabilities", "torch-fidelity 0.4.0, stored",
     "1e-4 of a feature, 1e-3 of a probability (float32)",
     "tests/encoders/test_inception.py::"
     "test_features_and_classes_agree_with_the_published_code"),
    ("Inception-v3 of torchvision, likewise", "torchvision 0.28.0, stored", "as above",
     "tests/encoders/test_inception.py::"
     "test_features_and_classes_agree_with_the_published_code"),
    ("CLIP's image tower, embeddings", "transformers", "1e-5 (float32)",
     "tests/encoders/test_clip.py::test_embeddings_agree_with_transformers"),
)  # fmt: skip
PARTS = "tests/vessels/test_compare_parts.py::"
VESSELS = {
    "dice": ("scikit-learn's F1", f"{PARTS}test_overlap_agrees_with_scikit_learn"),
    "sensitivity": ("scikit-learn", f"{PARTS}test_overlap_agrees_with_scikit_learn"),
    "precision": ("scikit-learn", f"{PARTS}test_overlap_agrees_with_scikit_learn"),
    "cldice": ("half a vessel", f"{PARTS}test_cldice_of_a_vessel_found_by_half"),
    "recall_thin": ("counted", f"{PARTS}test_recall_is_split_by_the_references_width"),
    "recall_medium": ("counted", f"{PARTS}test_recall_is_split_by_the_references_width"),
    "recall_wide": ("counted", f"{PARTS}test_recall_is_split_by_the_references_width"),
    "broken_paths": ("k cuts", f"{PARTS}test_a_vessel_cut_k_times_counts_k"),
    "broken_paths_per_1000_px": ("k cuts", f"{PARTS}test_a_vessel_cut_k_times_counts_k"),
    "betti_0_error": ("pieces counted; scikit-image's Euler number",
                      f"{PARTS}test_betti_errors_count_pieces_and_loops"),
    "betti_1_error": ("loops counted; scikit-image's Euler number",
                      f"{PARTS}test_betti_errors_count_pieces_and_loops"),
    "calibre_error": ("drawn width",
                      f"{PARTS}test_calibre_error_of_another_width_is_the_difference"),
    "calibre_bias": ("drawn width",
                     f"{PARTS}test_thickening_and_thinning_cancel_in_the_bias_only"),
}  # fmt: skip


def page(found: Row) -> str:
    """Return the page."""
    lines = [HEAD, "| score | reference | ours | reference's | difference | tolerance | rests on "
             "| versions |", "|" + " --- |" * 8]  # fmt: skip
    lines += [_line(row) for row in found["rows"]]
    lines += ["", "## Encoders", "", "| what | reference | tolerance | test |", "|" + " --- |" * 4]
    lines += [f"| {what} | {who} | {by} | `{test}` |" for what, who, by, test in ENCODERS]
    lines += ["", "## Vessels of pairs", "",
              "Closed forms on drawn masks, where the answer is known.", "",
              "| score | reference | test |", "|" + " --- |" * 3]  # fmt: skip
    lines += [f"| `{name}` | {against} | `{test}` |" for name, (against, test) in VESSELS.items()]
    where = found["environment"]
    lines += ["", f"Measured with Python {where['python']}, NumPy {where['packages']['numpy']}, "
              f"PyTorch {where['packages']['torch']}, commit {where['git']}."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(row["scores"]))
    if "missing" in row:
        return f"| {names} | {row['against']} | – | – | **not run**: {row['missing']} | | | |"
    ours, theirs = (", ".join(f"{v:.7g}" for v in row[s][:4]) for s in ("ours", "theirs"))
    more = ", …" if len(row["ours"]) > 4 else ""
    off = f"{row['difference']:.1e}" if row["within"] else f"**{row['difference']:.1e}**"
    versions = ", ".join(f"{name} {number}" for name, number in row["versions"].items())
    return (
        f"| {names} | {row['against']} | {ours}{more} | {theirs}{more} | {off} "
        f"| {row['tolerance']:.0e} | {row['why']} | {versions or '–'} |"
    )


if __name__ == "__main__":
    write_text(PAGE, page(json.loads(RESULT.read_text())))
