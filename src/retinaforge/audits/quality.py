"""Grade the quality of a photograph: good, usable or reject, and what spoke against it.

    x     numbers of the image (`retinaforge.metrics.quality_vector`), at its working size
    z     (x - mean) / scale, kept within ±4
    p_k ∝ exp(b_k + w_k · z + v_k · z²)        multinomial logistic regression

Squares of light and grain only (`TWO_SIDED`), which can be too little or too much; v = 0
elsewhere. The words are those of screening (Fu et al. 2019, EyeQ); the labels behind them follow a
rule on known damage, not graders' eyes: docs/reference/model-card-quality.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from retinaforge.core import Card, Fov, Photograph, Refusal
from retinaforge.core.photograph import require_same_size
from retinaforge.metrics.quality_vector import (
    FARTHEST,
    VECTOR_NAMES,
    WORKING_SIZES_PX,
    quality_vector,
    working_size_px,
)

GradeName = Literal["good", "usable", "reject"]
GRADES: tuple[GradeName, ...] = ("good", "usable", "reject")
SHIPPED = "quality-v1.json"

GRADE_CARD = Card(
    name="quality_not_good", version=1,
    measures="share of images that are not graded good", range="[0, 1]",
    direction="lower is better", unit="1", smallest_n=5,
    reference="retinaforge.audits.quality; docs/reference/model-card-quality.md",
    known_failure="learnt from damage planted in good photographs and phantoms: what was never "
    "planted (a wrong field, lashes, another camera's look) may pass, and cataract is told late",
)  # fmt: skip

SPOKEN: dict[str, str] = {
    "tenengrad": "sharpness", "laplacian_variance": "sharpness", "haar_1": "sharpness",
    "haar_2": "sharpness", "haar_3": "sharpness", "noise": "noise and grain",
    "contrast": "contrast", "local_contrast": "contrast", "entropy": "contrast",
    "brightness": "brightness", "unevenness": "uneven light", "dark_share": "dark parts",
    "saturated_share": "overexposed parts", "colourfulness": "colour",
    "red_over_green": "colour", "blue_over_green": "colour",
}  # fmt: skip
"""What each number is called in a reason."""


@dataclass(frozen=True)
class Grade:
    """The quality of one photograph.

    Attributes:
        grade: the likeliest of good, usable and reject.
        probability: the model's, of this grade.
        reason: what spoke most against good, and what the image was too small to show.
        severity: P(usable) + 2 P(reject), 0-2; ranks images within a grade.
    """

    grade: GradeName
    probability: float
    reason: str
    severity: float


@dataclass(frozen=True)
class SizeModel:
    """Coefficients for one working size; the columns are `VECTOR_NAMES`.

    Attributes:
        means: of the training rows.
        scales: their standard deviations.
        linear: weights of z, one row a grade.
        square: weights of z², 0 but for light and grain.
        intercepts: one a grade.
    """

    means: Float[np.ndarray, "n"]
    scales: Float[np.ndarray, "n"]
    linear: Float[np.ndarray, "3 n"]
    square: Float[np.ndarray, "3 n"]
    intercepts: Float[np.ndarray, "3"]

    def standardised(self, x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Return z."""
        return np.clip((x - self.means) / self.scales, -FARTHEST, FARTHEST)

    def probabilities(self, x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "3"]:
        """Return the probabilities of good, usable and reject."""
        z = self.standardised(x)
        logits = self.intercepts + self.linear @ z + self.square @ z**2
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()

    def against_good(self, x: Float[np.ndarray, "n"]) -> dict[str, float]:
        """Return by how much each kind of number raises the log odds against good.

        Counted from the mean of the training rows, numbers of one kind together.
        """
        z = self.standardised(x)
        linear = self.linear[1:].mean(axis=0) - self.linear[0]
        square = self.square[1:].mean(axis=0) - self.square[0]
        shares = linear * z + square * (z**2 - 1)
        found: dict[str, float] = {}
        for name, share in zip(VECTOR_NAMES, shares, strict=True):
            kind = SPOKEN[name.removeprefix("middle_")]
            found[kind] = found.get(kind, 0.0) + float(share)
        return found


@dataclass(frozen=True)
class QualityModel:
    """A grader: one set of coefficients a working size."""

    sizes: Mapping[int, SizeModel]

    def grade(self, photo: Photograph, fov: Fov) -> Grade:
        """Grade a photograph; see `grade_quality`."""
        require_same_size(photo, fov)
        shown_px = min(photo.size_px)
        size_px = working_size_px(shown_px)
        x = quality_vector(photo.pixels, fov.mask, size_px=size_px)
        return self.grade_numbers(x, size_px=size_px, shown_px=shown_px)

    def grade_numbers(self, x: Float[np.ndarray, "n"], *, size_px: int, shown_px: int) -> Grade:
        """Grade an image by its numbers.

        Args:
            x: from `quality_vector`.
            size_px: the working size they were measured at.
            shown_px: side of the image as it came.
        """
        if not np.isfinite(x).all():
            return Grade("reject", 1.0, "black or flat: no structure in the field of view", 2.0)
        model = self.sizes[size_px]
        p = model.probabilities(x)
        best = int(p.argmax())
        reason = "" if best == 0 else _spoken(model.against_good(x))
        said = "; ".join(part for part in (reason, _caution(shown_px)) if part)
        return Grade(GRADES[best], float(p[best]), said, float(p[1] + 2 * p[2]))


def grade_quality(photo: Photograph, fov: Fov, *, model: QualityModel | None = None) -> Grade:
    """Grade the quality of a photograph that stands on the common footing.

    Args:
        photo: a square round its field of view (`images.normalise`), best of 256 px or more; it
            is reduced to the largest working size that it fills.
        fov: its field of view.
        model: another than the shipped one.

    Returns:
        The grade; below 256 px the reason says that fine blur cannot be seen. A black or flat
        image is a reject.

    Raises:
        Refusal: expected a field of view of the photograph's size.
    """
    return (model or shipped_model()).grade(photo, fov)


def _spoken(against: Mapping[str, float]) -> str:
    worst = sorted((kind for kind in against if against[kind] > 0), key=lambda k: -against[k])
    return "against it: " + ", ".join(worst[:2]) if worst else "against it: no single number"


def _caution(shown_px: int) -> str:
    if shown_px >= WORKING_SIZES_PX[-1]:
        return ""
    least = WORKING_SIZES_PX[0]
    enlarged = f", enlarged to {least} px" if shown_px < least else ""
    return f"judged at {shown_px} px{enlarged}, where fine blur does not show"


@cache
def shipped_model() -> QualityModel:
    """Return the model that came with the package."""
    text = (resources.files("retinaforge.audits") / SHIPPED).read_text()
    return _model_of(json.loads(text), SHIPPED)


def read_quality_model(path: Path) -> QualityModel:
    """Read a model that `retinaforge train quality` wrote.

    Raises:
        Refusal: if it is no JSON, or not of this format.
    """
    try:
        plain = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Refusal("a quality model as JSON", f"{path}: {error}", _MAKE_ONE) from error
    return _model_of(plain, str(path))


_MAKE_ONE = "name the quality.json that `retinaforge train quality` wrote"


def _model_of(plain: Any, name: str) -> QualityModel:
    """Turn plain data into a model.

    Raises:
        Refusal: if grades, columns, sizes or shapes differ from this version's.
    """
    if not isinstance(plain, dict) or plain.get("format") != "retinaforge-quality":
        raise Refusal("a quality model", f"another file: {name}", _MAKE_ONE)
    if tuple(plain.get("grades", ())) != GRADES or tuple(plain.get("columns", ())) != VECTOR_NAMES:
        raise Refusal(
            "a quality model of this version's grades and numbers", f"others: {name}",
            "train it again with this version",
        )  # fmt: skip
    try:
        sizes = {int(size): _size_model(part) for size, part in plain["sizes"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refusal("a whole quality model", f"{name}: {error}", _MAKE_ONE) from error
    if missing := sorted(set(WORKING_SIZES_PX) - set(sizes)):
        raise Refusal(
            f"coefficients for {', '.join(map(str, WORKING_SIZES_PX))} px",
            f"none for {missing[0]} px: {name}", _MAKE_ONE,
        )  # fmt: skip
    return QualityModel(sizes)


def _size_model(part: Mapping[str, Any]) -> SizeModel:
    n, k = len(VECTOR_NAMES), len(GRADES)
    shapes = {"means": (n,), "scales": (n,), "linear": (k, n), "square": (k, n), "intercepts": (k,)}
    arrays = {key: np.array(part[key], dtype=np.float64) for key in shapes}
    for key, shape in shapes.items():
        if arrays[key].shape != shape or not np.isfinite(arrays[key]).all():
            raise ValueError(f"{key} must be {shape} finite numbers")
    if (arrays["scales"] <= 0).any():
        raise ValueError("scales must be above 0")
    return SizeModel(**arrays)
