"""Who teaches and who judges: whole patients, the same for every arm, and nothing on both sides.

An image is kept from teaching where its patient judges, where the same file judges under another
name, and, of synthetic images, where it was made from a photograph that judges (a reconstruction).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retinaforge.core import Record, Refusal, rng_for
from retinaforge.images import split_by_patient
from retinaforge.tasks.probe_rebuilt import name_of
from retinaforge.tasks.probe_target import Target, folds_of
from retinaforge.tasks.usefulness_set import Example
from retinaforge.tasks.usefulness_target import Labels

REAL, EXTERNAL, SYNTHETIC = "real", "external", "synthetic"
FOLDS = 5
SPLIT, WITHOUT = "split", "without"


@dataclass(frozen=True)
class Material:
    """Everything a study looks at, in one order.

    Attributes:
        examples: real, external and synthetic images.
        labels: of all, about the same questions.
        origin: "real", "external" or "synthetic", one an image.
        contents: what names each file's bytes.
        source: the data set (or camera) of each image.
    """

    examples: tuple[Example, ...]
    labels: Labels
    origin: np.ndarray
    contents: np.ndarray
    source: np.ndarray

    @property
    def patients(self) -> np.ndarray:
        """Return whose eye each image shows."""
        return np.array([one.record.patient for one in self.examples])

    def places(self, origin: str) -> np.ndarray:
        """Return the images of an origin whose answer is known, as places."""
        return np.flatnonzero((self.origin == origin) & self.labels.known)


@dataclass(frozen=True)
class Round:
    """Who teaches, who might teach beside them, and who judges, as places in the material.

    Attributes:
        protocol: "split", or "without:SOURCE".
        seed: of the round.
        teach: real images.
        spare: real images held back for the arm with more of them, in the order of their use.
        synthetic: that may teach, in the order of their use.
        judge: real images of other patients.
    """

    protocol: str
    seed: int
    teach: np.ndarray
    spare: np.ndarray
    synthetic: np.ndarray
    judge: np.ndarray

    @property
    def name(self) -> str:
        """Return protocol and seed in one word."""
        return f"{self.protocol} seed {self.seed}"


def rounds_of(
    material: Material, *, seeds: int, few: int = 0, sources: bool = False
) -> tuple[list[Round], str]:
    """Return the rounds of a study and, in words, how they came about.

    Args:
        material: all images.
        seeds: rounds of the split; of each source left out as many.
        few: teach with so many real images and hold the rest back; 0 for all.
        sources: also leave each source out in turn, where there are two or more.

    Raises:
        Refusal: "expected more patients ...".
    """
    real = material.places(REAL)
    records = [material.examples[k].record for k in real]
    sides, words = _sides(material, real, records, seeds)
    rounds = [_round(material, SPLIT, seed, real[teach], real[judge], few)
              for seed, (teach, judge) in enumerate(sides)]  # fmt: skip
    names = sorted(set(material.source[real].tolist()))
    if sources and len(names) > 1:
        for name in names:
            judge = real[material.source[real] == name]
            rest = real[material.source[real] != name]
            rounds += [_round(material, f"{WITHOUT}:{name}", seed, rest, judge, few)
                       for seed in range(seeds)]  # fmt: skip
    return rounds, words


def _sides(
    material: Material, real: np.ndarray, records: Sequence[Record], seeds: int
) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Return (teaching, judging) places among `real` for each seed."""
    everyone = np.arange(len(real))
    if any(record.split for record in records):
        judging = np.array([r.split == "test" for r in split_by_patient(records, seed=0)], bool)
        if judging.all() or not judging.any():
            raise Refusal(
                "real photographs that teach (train, val) and others that judge (test)",
                f"{int(judging.sum())} that judge of {len(judging)}",
                "give both in splits.csv, or no split at all: then folds of patients judge in turn",
            )
        words = "rows train and val of the splits teach, rows test judge; seeds decide order, "
        return (
            [(everyone[~judging], everyone[judging])] * seeds,
            words + "inner folds, and which synthetic images are drawn",
        )
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for base in range(-(-seeds // FOLDS)):
        for fold in _folds(material, real, records, base, min(FOLDS, max(seeds, 2))):
            parts.append((np.setdiff1d(everyone, fold), fold))
    return parts[:seeds], f"no split is given: {FOLDS} folds of patients, each judges in turn"


def _folds(
    material: Material, places: np.ndarray, records: Sequence[Record], seed: int, count: int
) -> list[np.ndarray]:
    values = material.labels.values[places]
    single = values.shape[1] == 1
    target = Target("", "class" if single else "number", (), values[:, 0], ())
    folds = folds_of(target, records, np.arange(len(places)), seed=seed, count=count)
    if not folds:
        raise Refusal("more patients than one", "one patient", "add photographs of others")
    return folds


def inner_folds(
    material: Material, places: np.ndarray, *, seed: int, count: int
) -> list[np.ndarray]:
    """Cut teaching images into folds of patients, on which the setting is chosen."""
    records = [material.examples[k].record for k in places]
    if len({record.patient for record in records}) < 2:
        return []
    return [places[fold] for fold in _folds(material, places, records, seed, count)]


def _round(
    material: Material, protocol: str, seed: int, teach: np.ndarray, judge: np.ndarray, few: int
) -> Round:
    teach = teach[~_shared(material, teach, judge)]
    if not len(teach):
        raise Refusal(
            "photographs that teach beside those that judge",
            f"none: every other one shows a patient who judges ({protocol})",
            "add photographs of other patients",
        )
    spare = teach[:0]
    if few:
        order = in_order(material, teach, seed=seed)
        cut = whole_patients(material, order, few)
        teach, spare = np.sort(order[:cut]), order[cut:]
    drawn = material.places(SYNTHETIC)
    drawn = drawn[~_shared(material, drawn, judge)]
    rng = rng_for(seed, "usefulness", "synthetic")
    return Round(protocol, seed, teach, spare, rng.permutation(drawn), judge)


def _shared(material: Material, places: np.ndarray, judge: np.ndarray) -> np.ndarray:
    """Return which images share a patient or their bytes with one that judges."""
    names, contents = material.patients, material.contents
    return np.isin(names[places], names[judge]) | np.isin(contents[places], contents[judge])


def in_order(material: Material, places: np.ndarray, *, seed: int) -> np.ndarray:
    """Return teaching images in the order in which they are added, patient by patient.

    Every prefix holds the classes in about their shares, each at least once as early as possible,
    and a longer prefix holds the shorter.
    """
    patients = material.patients[places]
    values = np.nan_to_num(material.labels.values[places]).max(axis=1)
    rng = rng_for(seed, "usefulness", "few")
    ranks: dict[str, tuple[float, float]] = {}
    worst = {name: values[patients == name].max() for name in sorted(set(patients.tolist()))}
    for value in sorted(set(worst.values())):
        own = rng.permutation(sorted(name for name, v in worst.items() if v == value))
        ranks |= {str(name): (k / len(own), rng.random()) for k, name in enumerate(own)}
    return np.array(sorted(places, key=lambda k: (ranks[material.patients[k]], k)), np.int64)


def whole_patients(material: Material, order: np.ndarray, count: int) -> int:
    """Return how many images of an order to take for at least `count`, no patient cut in two."""
    names = material.patients[order]
    cut = min(count, len(order))
    while 0 < cut < len(order) and names[cut] == names[cut - 1]:
        cut += 1
    return cut


def derived(synthetic: Sequence[Example], real: Sequence[Example]) -> list[str | None]:
    """Return, for each synthetic image, the patient of the photograph that it was made from.

    Told by the file's name (`retinaforge reconstruct` writes `synthetic_NAME.png`, NAME the data
    set and path, or the file's own name where that is no bare number), or by a row that names data
    set and patient of a real photograph.
    """
    owners: dict[str, str] = {}
    for one in real:
        for name in (name_of(one.record), one.record.path.stem):
            if not name.isdigit():
                owners.setdefault(name, one.record.patient)
    patients = set(owners.values())
    return [
        owners.get(one.record.path.stem.removeprefix("synthetic_"))
        or (one.record.patient if one.record.patient in patients else None)
        for one in synthetic
    ]
