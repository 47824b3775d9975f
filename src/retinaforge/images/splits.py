"""Split a data set by patient, so that no eye is trained on and tested on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from retinaforge.core import Record, Refusal, Split, seed_for

_NAMES: tuple[Split, Split, Split] = ("train", "val", "test")


def split_by_patient(
    records: Sequence[Record],
    *,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> list[Record]:
    """Give every record without a split one, the same for all photographs of a patient.

    A patient's place is a hash of the seed and the patient's name, u in [0, 1): train below
    fractions[0], then val, then test. It depends neither on the order nor on the other patients,
    so a data set that grows keeps its splits. A patient who already has a split keeps it.

    Args:
        records: from `read_records`.
        fractions: of patients for train, val and test; they sum to 1.
        seed: another seed gives another split.

    Returns:
        The records in their order, each with a split.

    Raises:
        Refusal: "expected three fractions >= 0 that sum to 1; got ...", or where one patient's
            photographs were given different splits.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise Refusal(
            "three fractions >= 0 that sum to 1", str(fractions), "for example 0.7, 0.1, 0.2"
        )
    given = given_splits(records)
    return [
        replace(record, split=given.get(record.patient) or _drawn(record.patient, fractions, seed))
        for record in records
    ]


def given_splits(records: Iterable[Record]) -> dict[str, Split]:
    """Return each patient's given split.

    Raises:
        Refusal: "expected one split per patient; got NAME in test and train; ..."
    """
    given: dict[str, Split] = {}
    for record in records:
        if record.split is None:
            continue
        if given.setdefault(record.patient, record.split) != record.split:
            pair = " and ".join(sorted((given[record.patient], record.split)))
            raise Refusal(
                "one split per patient",
                f"{record.patient} in {pair}",
                "give all photographs of a patient the same split in splits.csv",
            )
    return given


def _drawn(patient: str, fractions: tuple[float, float, float], seed: int) -> Split:
    u = seed_for(seed, "split", patient) / 2**63
    train, val, _ = fractions
    return _NAMES[(u >= train) + (u >= train + val)]
