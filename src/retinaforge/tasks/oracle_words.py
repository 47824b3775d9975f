"""The words that can be held against an image, what is true of them, and how a network says it.

    kind      truth                     outputs   loss                          reading
    side      1 right eye, 0 left       1         cross entropy                 P(right)
    flag      1 there, 0 not            1         cross entropy                 P(there)
    grade     0, 1, ... K               K         cross entropy of [truth > k]  sum_k P(> k)
    amount    a number                  1         Huber, standardised           the number
    count     0, 1, 2, ...              2         both of the above, log1p      P(> 0), the count

A fact that a record does not know is NaN and is learnt from by nobody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retinaforge.captions.record import EyeRecord, Value

WordKind = Literal["side", "flag", "grade", "amount", "count"]
QUALITY = ("good", "usable", "reject")
DIABETIC = ("dr_grade", "macular_oedema")
DIABETIC_LESIONS = (
    "microaneurysm", "haemorrhage_dot", "haemorrhage_flame", "hard_exudate", "cotton_wool_spot",
    "neovascularisation", "irma", "venous_beading", "preretinal_haemorrhage",
)  # fmt: skip


@dataclass(frozen=True)
class Word:
    """One thing that a caption may ask for and an image may be measured for.

    Attributes:
        name: the fact's name in a record.
        kind: see the table above.
        said: what it is called on a page.
        along: further facts that a record must take from the same eye, so that it stays of one
            piece: a hazy view is no good quality.
        alone: flags that must be absent from the eye that these are taken from, so that it is this
            one that differs.
        without: facts that no longer follow once this one is set, and are left unsaid.
        levels: how many grades there are above 0.
        unit: of an amount.
    """

    name: str
    kind: WordKind
    said: str
    along: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    levels: int = 0
    unit: str = ""

    @property
    def outputs(self) -> int:
        """Return how many numbers a network says of it."""
        return {"grade": self.levels, "count": 2}.get(self.kind, 1)


def _lesion(name: str, said: str, *without: str) -> Word:
    return Word(name, "count", said, without=without)


_VIEW = ("quality", "blur", "haze", "illumination", "artefact")
WORDS: tuple[Word, ...] = (
    Word("eye", "side", "right or left eye"),
    Word("dr_grade", "grade", "grade of diabetic retinopathy", levels=4,
         along=("macular_oedema", *DIABETIC_LESIONS)),
    _lesion("microaneurysm", "microaneurysms", *DIABETIC),
    _lesion("haemorrhage_dot", "dot haemorrhages", *DIABETIC),
    _lesion("haemorrhage_flame", "flame haemorrhages", *DIABETIC),
    _lesion("hard_exudate", "hard exudates", *DIABETIC),
    _lesion("cotton_wool_spot", "cotton wool spots", *DIABETIC),
    _lesion("neovascularisation", "new vessels", *DIABETIC),
    _lesion("drusen", "drusen", "amd_stage"),
    _lesion("geographic_atrophy", "geographic atrophy", "amd_stage"),
    _lesion("laser_scar", "laser scars", *DIABETIC),
    Word("cup_to_disc", "amount", "size of the cup", along=("rim_notch",), without=("glaucoma",)),
    Word("pigmentation", "amount", "pigmentation"),
    Word("quality", "grade", "quality", along=_VIEW[1:], levels=2),
    Word("blur", "flag", "blur", along=_VIEW, alone=("haze", "illumination", "artefact")),
    Word("haze", "flag", "haze", along=_VIEW, alone=("blur", "illumination", "artefact")),
    Word("vessel_density", "amount", "vessel density", unit="mm/mm2"),
)  # fmt: skip
WORD: Mapping[str, Word] = {word.name: word for word in WORDS}


def truth_of(record: EyeRecord) -> dict[str, float]:
    """Return what is true of an eye by word; NaN where the record does not know."""
    return {word.name: true_value(word, record.value(word.name)) for word in WORDS}


def true_value(word: Word, value: Value | None) -> float:
    """Return a fact as a number.

    A lesion that was seen but not counted has a presence and no count: it reads infinity, which
    `targets_of` takes for "there, nobody knows how many".
    """
    if value is None:
        return math.nan
    if word.kind == "side":
        return float(value == "OD")
    if word.name == "quality":
        return float(QUALITY.index(str(value)))
    if word.kind == "count" and value is True:
        return math.inf
    return float(value)


@dataclass(frozen=True)
class Scale:
    """Mean and spread by which amounts and log counts are standardised, by word."""

    means: Mapping[str, float]
    spreads: Mapping[str, float]


def scale_of(truths: Sequence[Mapping[str, float]]) -> Scale:
    """Return mean and standard deviation of amounts and log1p counts; 0 and 1 where none is."""
    means, spreads = {}, {}
    for word in WORDS:
        if word.kind in ("amount", "count"):
            known = np.array([_stretched(word, t[word.name]) for t in truths])
            known = known[np.isfinite(known)]
            means[word.name] = float(known.mean()) if known.size else 0.0
            spreads[word.name] = max(float(known.std()), 1e-3) if known.size else 1.0
    return Scale(means, spreads)


def _stretched(word: Word, value: float) -> float:
    return math.log1p(value) if word.kind == "count" else value


def output_kinds() -> list[str]:
    """Return "logit" or "number" for each output of the network, in order."""
    kinds = {"amount": ["number"], "count": ["logit", "number"]}
    return [kind for w in WORDS for kind in kinds.get(w.kind, ["logit"] * w.outputs)]


def targets_of(truth: Mapping[str, float], scale: Scale) -> np.ndarray:
    """Return one image's targets, shape (outputs,); NaN where nothing is known."""
    row: list[float] = []
    for word in WORDS:
        value = truth[word.name]
        number = (_stretched(word, value) - scale.means.get(word.name, 0.0)) / scale.spreads.get(
            word.name, 1.0
        )
        number = number if math.isfinite(number) else math.nan
        if word.kind == "grade":
            unknown = math.isnan(value)
            row += [math.nan if unknown else float(value > k) for k in range(word.levels)]
        elif word.kind == "count":
            row += [math.nan if math.isnan(value) else float(value > 0), number]
        else:
            row.append(number if word.kind == "amount" else value)
    return np.array(row, dtype=np.float32)


def readings_of(outputs: np.ndarray, scale: Scale) -> list[dict[str, float]]:
    """Return what the network says, by word; a count has its presence as "NAME?".

    Args:
        outputs: raw, shape (images, outputs).
        scale: as it was trained with.
    """
    return [_reading(row, scale) for row in outputs.astype(np.float64)]


def _reading(row: np.ndarray, scale: Scale) -> dict[str, float]:
    said, at = {}, 0
    for word in WORDS:
        part = row[at : at + word.outputs]
        at += word.outputs
        if word.kind in ("amount", "count"):
            number = float(part[-1]) * scale.spreads[word.name] + scale.means[word.name]
            said[word.name] = math.expm1(min(number, 20.0)) if word.kind == "count" else number
        else:
            said[word.name] = float(_sigmoid(part).sum())
        if word.kind == "count":
            said[presence(word.name)] = float(_sigmoid(part[:1])[0])
    return said


def presence(name: str) -> str:
    """Return the name under which a lesion's presence stands beside its count."""
    return f"{name}?"


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
