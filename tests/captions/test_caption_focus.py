"""Records of only some facts."""

import numpy as np
import pytest

from retinaforge.captions import EyeRecord, Fact
from retinaforge.captions.focus import focus
from retinaforge.captions.template import write_caption
from retinaforge.core import Refusal

RECORD = EyeRecord(
    "a.png",
    {
        "eye": Fact("eye", "OD", "manifest"),
        "hard_exudate": Fact("hard_exudate", 12, "truth", places=("macula",)),
        "cup_to_disc": Fact("cup_to_disc", 0.7, "truth"),
    },
)


def test_only_the_named_facts_are_said():
    text = write_caption(focus(RECORD, ("eye",)), rng=np.random.default_rng(0), words=(1, 210))
    assert "exudate" not in text
    assert "right" in text.lower() or "OD" in text


def test_without_places_the_count_stays():
    kept = focus(RECORD, places=False)
    assert kept.facts["hard_exudate"].value == 12
    assert kept.facts["hard_exudate"].places == ()
    assert set(kept.facts) == set(RECORD.facts)


def test_unknown_fact_is_refused_with_the_nearest_name():
    with pytest.raises(Refusal, match=r"expected names of facts; got 'hard_exudates'; did you"):
        focus(RECORD, ("hard_exudates",))
