"""Every score of `retinaforge.metrics` beside others' code on the same input, or a closed form.

Each row is a call of `score_references.py`. What cannot be imported is named as missing; rows that
were measured before are kept then, with the versions they were measured with. The packages that
need torchvision live in a folder of their own:

    pip install --no-deps --target PEERS torch-fidelity==0.4.0 torchvision==0.28.0 prdc==0.2 \
        vendi-score==0.0.3
    PYTHONPATH=PEERS:CMMD python benchmarks/score_agreement.py

CMMD is a folder with distance.py of github.com/sayakpaul/cmmd-pytorch as cmmd_distance.py.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import score_references as peers
import score_references_classes as classes
import score_references_quality as quality
import score_references_statistics as tests
from retinaforge.core.artefacts import environment
from retinaforge.metrics import IMAGE_NUMBERS
from retinaforge.metrics.prediction import PREDICTION_CARDS
from score_references_readers import READER_ROWS, reader_score

RESULT = Path(__file__).parent / "results" / "score_agreement.json"
CMMD_COMMIT = "49fb717"


@dataclass(frozen=True)
class Agreement:
    """One comparison.

    Attributes:
        scores: names on our cards, in the order of the values.
        against: package or formula.
        packages: distributions whose versions belong to the row.
        compare: gives ours and theirs.
        tolerance: largest |ours - theirs| / max(|theirs|, 1e-9).
        why: what the tolerance rests on.
    """

    scores: tuple[str, ...]
    against: str
    packages: tuple[str, ...]
    compare: Callable[[], peers.Both]
    tolerance: float
    why: str = "rounding in float64"


SINGLE = "their float32"
SKLEARN_CLASSES = (
    "accuracy", "macro_f1", "sensitivity_at_specificity", "reference_sensitivity", "brier",
    "average_precision", "finding_f1",
)  # fmt: skip
NEIGHBOURS = ("precision", "recall", "density", "coverage")
FIDELITY = ("torch-fidelity",)
AGREEMENTS: tuple[Agreement, ...] = (
    Agreement(("frechet_distance",), "torch-fidelity, float64", FIDELITY,
              peers.fidelity_frechet, 1e-5, "their matrix root"),
    Agreement(("frechet_distance",), "torch-fidelity, float32", FIDELITY,
              partial(peers.fidelity_frechet, np.float32), 1e-4, SINGLE),
    Agreement(("frechet_distance",), "torchmetrics", ("torchmetrics",),
              peers.torchmetrics_frechet, 1e-5, "their eigenvalues' roots"),
    Agreement(("frechet_distance",), "scipy.linalg.sqrtm", ("scipy",), peers.scipy_frechet, 1e-5,
              "their matrix root"),
    Agreement(("frechet_distance_shrunk",), "scikit-learn's ledoit_wolf, scipy.linalg.sqrtm",
              ("scikit-learn", "scipy"), peers.sklearn_shrunk, 1e-6, "their matrix root"),
    Agreement(("frechet_distance_extrapolated",), "the definition: linregress over sqrtm",
              ("scipy",), peers.line_extrapolated, 1e-6, "their matrix root"),
    Agreement(("kernel_distance",), "torch-fidelity, float64", FIDELITY, peers.fidelity_kernel,
              1e-9),
    Agreement(("kernel_distance",), "torch-fidelity, float32", FIDELITY,
              partial(peers.fidelity_kernel, np.float32), 1e-3, SINGLE),
    Agreement(("kernel_distance",), "torchmetrics", ("torchmetrics",), peers.torchmetrics_kernel,
              1e-9),
    Agreement(("cmmd",), f"cmmd-pytorch {CMMD_COMMIT}, float64", (), peers.cmmd_published, 1e-9),
    Agreement(("mmd_gaussian",), "closed form: opposite vectors", (), peers.cmmd_closed, 1e-9),
    Agreement(NEIGHBOURS, "prdc", ("prdc",), peers.prdc_neighbours, 1e-12, "counts"),
    Agreement(("vendi",), "vendi-score", ("vendi-score",), peers.vendi_package, 1e-9),
    Agreement(("vendi",), "closed form: groups of copies", (), peers.vendi_closed, 1e-9),
    Agreement(("inception_score", "inception_score"), "torch-fidelity, 1 and 10 splits", FIDELITY,
              peers.fidelity_inception, 1e-9),
    Agreement(("frd_v1",), "frd-score 1.0.1, stored", (), partial(peers.frd_stored, "v1"), 1e-6,
              "their matrix root"),
    Agreement(("frd_v0",), "frd-score 1.0.1, stored", (), partial(peers.frd_stored, "v0"), 1e-6,
              "their matrix root"),
    Agreement(("frd_colour",), "closed form: a shift of asinh(z)", (), peers.frd_colour_closed,
              1e-9),
    Agreement(("psnr",), "scikit-image", ("scikit-image",), peers.skimage_psnr, 1e-9),
    Agreement(("ssim",), "scikit-image", ("scikit-image",), peers.skimage_ssim, 1e-9),
    Agreement(("psnr", "ssim"), "torchmetrics (SSIM off its mirrored border)",
              ("torchmetrics",), peers.torchmetrics_pairs, 1e-6, "their constants in float32"),
    Agreement(("ssim", "ms_ssim"), "pytorch-msssim", ("pytorch-msssim",), peers.msssim_pairs, 1e-6,
              "their window in float32"),
    Agreement(("lpips",), "torchmetrics (the authors' code), SqueezeNet 1.1",
              ("torchmetrics", "torchvision"), peers.torchmetrics_lpips, 1e-5, "float32"),
    *(Agreement((number.card.name,), "NumPy, SciPy, scikit-image, PyWavelets",
                ("scipy", "scikit-image", "PyWavelets"),
                partial(quality.quality_number, number.card.name),
                1e-5 if number.card.name in ("local_contrast", "unevenness") else 1e-9,
                "ours in float32" if number.card.name in ("local_contrast", "unevenness")
                else "rounding in float64")
      for number in IMAGE_NUMBERS),
    Agreement(("sign_flip_p",), "scipy.stats.permutation_test", ("scipy",), tests.scipy_sign_flip,
              1e-9),
    Agreement(("holm_p",) * 12, "statsmodels", ("statsmodels",), tests.statsmodels_holm, 1e-9),
    Agreement(("spearman", "spearman", "kendall_tau_b"),
              "SciPy, its exact permutation test, all pairs counted", ("scipy",),
              tests.rank_correlations, 1e-9),
    Agreement(("paired_bootstrap",) * 2, "the normal interval of 400 patients", (),
              tests.clustered_bootstrap, 0.1, "draws, and percentiles of a finite sample"),
    Agreement(("icc_a1",), "statsmodels' mean squares", ("statsmodels",), tests.statsmodels_icc,
              1e-9),
    Agreement(("limits_of_agreement",) * 3, "mean and 1.96 standard deviations", (),
              tests.bland_altman, 1e-9),
    *(Agreement((card.name,) * 3, "scikit-learn, three weightings", ("scikit-learn",),
                partial(tests.sklearn_prediction, card.name), 1e-9)
      for card in PREDICTION_CARDS),
    *(Agreement((name,) * 3, against, packages, partial(classes.sklearn_classification, name), 1e-9)
      for name, against, packages in (
          *((n, "scikit-learn, three weightings", ("scikit-learn",)) for n in SKLEARN_CLASSES),
          ("ece", "the definition, bin by bin", ()),
          ("predictive_entropy", "scipy.stats.entropy", ("scipy",)),
      )),
    Agreement(("delong_p",) * 2, "the definition: every pair compared, normal tail", ("scipy",),
              tests.delong_defined, 1e-9),
    Agreement(("group_gap",) * 2, "Tippett's mean range of 2 and 4 equal groups", (),
              tests.tippett_range, 0.08, "1,000 deals of binomial shares"),
    *(Agreement((name,) * n, against, packages, partial(reader_score, name), *tolerance)
      for name, n, against, packages, *tolerance in READER_ROWS),
)  # fmt: skip


def row_of(agreement: Agreement) -> dict[str, Any]:
    """Return one comparison as plain data; with `missing` where a package is not here."""
    row: dict[str, Any] = {
        "scores": list(agreement.scores), "against": agreement.against,
        "tolerance": agreement.tolerance, "why": agreement.why,
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # others' warnings
            ours, theirs = (np.atleast_1d(np.asarray(v, float)) for v in agreement.compare())
        row["versions"] = {name: metadata.version(name) for name in agreement.packages}
    except (ImportError, metadata.PackageNotFoundError) as error:
        return row | {"missing": str(error)}
    off = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-9)
    return row | {
        "ours": ours.tolist(), "theirs": theirs.tolist(), "difference": float(off.max()),
        "within": bool(off.max() <= agreement.tolerance),
    }  # fmt: skip


def main() -> None:
    """Compare all, print what disagrees, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON to write")
    parser.add_argument("--only", action="append", default=[], help="scores to compare again")
    given = parser.parse_args()
    out, only = given.out, set(given.only)
    stored = json.loads(out.read_text()) if out.is_file() else {"rows": []}
    before = stored["rows"]
    kept = {(*r["scores"], r["against"]): r for r in before if "missing" not in r}
    rows = []
    for agreement in AGREEMENTS:
        place = (*agreement.scores, agreement.against)
        again = not only or only & set(agreement.scores) or place not in kept
        row = row_of(agreement) if again else kept[place]
        if "missing" in row:
            row = kept.get((*row["scores"], row["against"]), row)
        rows.append(row)
        said = row.get("missing") or f"{row['difference']:.1e} (at most {row['tolerance']:.0e})"
        print(f"{'' if row.get('within') else 'NOT '}{row['scores'][0]}: {row['against']}: {said}")
    content = {"environment": environment(), "rows": rows}
    if only:
        again = {"scores": sorted(only), "environment": environment()}
        content = {"environment": stored["environment"], "again": again, "rows": rows}
    out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
