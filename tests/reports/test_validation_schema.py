"""scorecard.schema.json holds for a validation's scorecard, version 1.2."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from made_up_card import drawn_card

from retinaforge.reports import scorecard_schema


def check(card: dict[str, Any]) -> None:
    jsonschema.validate(card, scorecard_schema(), jsonschema.Draft202012Validator)


def test_a_validation_is_accepted() -> None:
    check(drawn_card())


def test_a_study_need_not_say_what_a_validation_must() -> None:
    card = {"schema_version": "1.0", "scores": []}
    check(card)
    with pytest.raises(jsonschema.ValidationError, match="'verdict' is a required property"):
        check({**card, "schema_version": "1.2"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.pop("left_out"), "left_out"),
        (lambda card: card["verdict"][0].update(level="fine"), "is not one of"),
        (lambda card: card["scores"][0].pop("identity"), "identity"),
        (lambda card: card.pop("uses"), "uses"),
        (lambda card: card["uses"][0].update(answer="perhaps"), "is not one of"),
        (lambda card: card["scores"][0].update(floor={"mean": 1.0}), "not valid under any"),
        (lambda card: card["scores"][0].update(value=None, reason=""), "non-empty|too short"),
        (lambda card: card["left_out"]["synthetic"][0].update(reason=""), "non-empty|too short"),
        (lambda card: card["sanity_panel"]["rows"][0].update(notices_from=9), "maximum"),
        (lambda card: card["protocol"].pop("footing"), "footing"),
        (lambda card: card["protocol"]["real"].pop("images"), "images"),
    ],
)
def test_what_breaks_the_promise_of_a_validation_is_refused(change, said: str) -> None:
    card = drawn_card()
    change(card)
    with pytest.raises(jsonschema.ValidationError, match=said):
        check(card)
