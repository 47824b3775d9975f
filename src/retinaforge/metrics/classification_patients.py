"""From images to patients: one answer and one truth for all the images of a patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import Refusal


def by_patient(
    truth: Int[np.ndarray, "n"],
    probabilities: Float[np.ndarray, "n k"],
    patients: Sequence[str],
) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, "p k"], list[str]]:
    """Return one row a patient: the worst true class, the mean of the probabilities.

    A patient is as ill as the worse eye: classes are taken to rise from none to severe.

    Args:
        truth: class of each image, 0 to k - 1.
        probabilities: one column a class.
        patients: whose eye each image shows.

    Returns:
        Truth, probabilities and names, in the order of the sorted names.

    Raises:
        Refusal: "expected one patient for each image; got ...".
    """
    if not len(truth) == len(probabilities) == len(patients):
        raise Refusal(
            "one patient for each image",
            f"{len(truth)} truths, {len(probabilities)} answers and {len(patients)} patients",
            "hand over rows of the same images in the same order",
        )
    names, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    worst = np.full(len(names), -1, np.int64)
    np.maximum.at(worst, codes, truth)
    sums = np.zeros((len(names), probabilities.shape[1]))
    np.add.at(sums, codes, probabilities)
    return worst, sums / np.bincount(codes)[:, None], [str(name) for name in names]
