"""docs/reference/scorecard.schema.json accepts what Score.as_dict writes and no less."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from drawn_run import drawn_scorecard

from retinaforge.reports import scorecard_schema

FILE = Path(__file__).parents[2] / "docs/reference/scorecard.schema.json"


def validate(scorecard: dict) -> None:
    jsonschema.validate(scorecard, scorecard_schema(), jsonschema.Draft202012Validator)


def test_the_schema_is_valid_and_the_docs_hold_it() -> None:
    jsonschema.Draft202012Validator.check_schema(scorecard_schema())
    assert json.loads(FILE.read_text()) == scorecard_schema(), (
        "write json.dumps(scorecard_schema(), indent=2) to docs/reference/scorecard.schema.json"
    )


def test_a_scorecard_of_scores_is_accepted_after_json() -> None:
    validate(json.loads(json.dumps(drawn_scorecard(), allow_nan=False)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.pop("schema_version"), "schema_version"),
        (lambda card: card["scores"][0].pop("n"), "'n' is a required property"),
        (lambda card: card["scores"][0].update(value="0.8"), "is not of type"),
        (lambda card: card["scores"][0].update(value=None, reason=""), "non-empty|too short"),
        (lambda card: card["scores"][0].update(interval=[0.1]), "not valid under any|too short"),
        (lambda card: card["scores"][0].update(role="winner"), "is not one of"),
        (lambda card: card["scores"][0].update(role="difference"), "difference_to"),
        (lambda card: card["scores"][0]["card"].pop("known_failure"), "known_failure"),
    ],
)
def test_what_breaks_the_promise_is_refused(change, said: str) -> None:
    scorecard = copy.deepcopy(drawn_scorecard())
    change(scorecard)
    with pytest.raises(jsonschema.ValidationError, match=said):
        validate(scorecard)
