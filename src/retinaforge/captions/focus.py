"""Say less: a record of only the facts that a caption is to be about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.record import EyeRecord
from retinaforge.core import Refusal


def focus(record: EyeRecord, names: Sequence[str] = (), *, places: bool = True) -> EyeRecord:
    """Return the record with only some facts, and with or without the places of lesions.

    A small generator of small images learns few words well: name what its images can show.

    Args:
        record: what is known.
        names: of the facts to keep; all where empty.
        places: whether the facts keep where their lesions lie.

    Raises:
        Refusal: "expected names of facts; got ...; did you mean ...".
    """
    for name in names:
        if name not in FACT:
            near = get_close_matches(name, FACT, n=1)
            hint = f"did you mean {near[0]}?" if near else "see docs/reference/caption-facts.md"
            raise Refusal("names of facts", repr(name), hint)
    kept = {n: fact for n, fact in record.facts.items() if not names or n in names}
    if not places:
        kept = {name: replace(fact, places=()) for name, fact in kept.items()}
    return replace(record, facts=kept)
