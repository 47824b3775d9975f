"""The JSON Schema of scorecard.json; the copy in docs/reference is written from here."""

from __future__ import annotations

from typing import Any

STUDY, VALIDATION = "1.0", "1.2"
"""Versions: a study's or a ceiling's scorecard; a validation's, which says more."""
_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": "string"}


def scorecard_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of scorecard.json, versions 1.0 and 1.2.

    Further fields are allowed everywhere: a reader must ignore what it does not know.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:retinaforge:scorecard:1.2",
        "title": "RetinaForge scorecard",
        "description": "Every number of a run, with its interval, its n and what it means.",
        "type": "object",
        "required": ["schema_version", "scores"],
        "properties": {
            "schema_version": {"enum": [STUDY, VALIDATION]},
            "scores": {"type": "array", "items": {"$ref": "#/$defs/score"}},
            "protocol": {
                "type": "object",
                "description": "How the numbers came about: judges, splits, statistics.",
            },
        },
        "allOf": [
            {
                "if": {"properties": {"schema_version": {"const": VALIDATION}}},
                "then": {"$ref": "#/$defs/validation"},
            }
        ],
        "$defs": {
            "score": _score(), "card": _card(), "validation": _validation(),
            "validated": _validated(), "spread": _spread(), "sentence": _sentence(), "use": _use(),
            "panel_row": _panel_row(), "left_out": _left_out(), "side": _side(),
        },
    }  # fmt: skip


def _score() -> dict[str, Any]:
    roles = [
        "score",
        "difference",
        "real-vs-real",
        "resize-only",
        "human-ceiling",
        "real-vs-human",
    ]
    return {
        "type": "object",
        "required": ["name", "value", "interval", "n", "reason", "card"],
        "properties": {
            "name": {**_TEXT, "description": "name of the card"},
            "value": {**_NUMBER, "description": "in the card's unit; null where undefined"},
            "interval": {
                "description": "95 % interval over patients (low, high), or null",
                "oneOf": [
                    {"type": "null"},
                    {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                ],
            },
            "n": {"type": "integer", "minimum": 0, "description": "images it rests on"},
            "patients": {"type": "integer", "minimum": 0},
            "reason": {**_TEXT, "description": "why value or interval is missing, or a warning"},
            "card": {"$ref": "#/$defs/card"},
            "arm": _TEXT,
            "judge": {**_TEXT, "description": "who found the vessels; empty where nobody had to"},
            "reference": {**_TEXT, "description": "original or human"},
            "dataset": {**_TEXT, "description": "all, or the name of one set"},
            "role": {"enum": roles, "default": "score"},
            "seed": {"type": ["string", "integer"]},
            "same_family": {
                "type": "boolean",
                "description": "the judge is of the family of the arm's loss",
            },
            "difference_to": {**_TEXT, "description": "value is arm minus this arm"},
            "p": {**_NUMBER, "minimum": 0, "maximum": 1},
            "p_holm": {**_NUMBER, "minimum": 0, "maximum": 1},
        },
        "allOf": [
            {
                "if": {"properties": {"value": {"type": "null"}}},
                "then": {"properties": {"reason": {"minLength": 1}}},
            },
            {
                "if": {"properties": {"role": {"const": "difference"}}, "required": ["role"]},
                "then": {"required": ["difference_to", "p"]},
            },
        ],
    }


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def _validation() -> dict[str, Any]:
    """What `retinaforge validate` adds."""
    sides = {"real": {"$ref": "#/$defs/side"}, "synthetic": {"$ref": "#/$defs/side"}}
    footing = _object({"size_px": {"type": "integer"}, "recompress": {"type": "object"},
                       "words": {"type": "array", "items": _TEXT}})  # fmt: skip
    return _object({
        "scores": _list_of("validated"),
        "verdict": _list_of("sentence"),
        "uses": _list_of("use"),
        "sanity_panel": _object({"rows": _list_of("panel_row"),
                                 "problems": {"type": "array", "items": _TEXT}},
                                n={"type": "integer", "description": "damaged images"},
                                references={"type": "integer", "description": "undamaged ones"}),
        "left_out": {"type": "object", "additionalProperties": _list_of("left_out")},
        "protocol": _object({**sides, "footing": footing, "suite": {"enum": ["quick", "full"]},
                             "seed": {"type": "integer"}, "paired": {"type": "boolean"}}),
        "contamination": {"type": "array"},
        "environment": {"type": "object"},
    }, copies={"type": "array", "description": "the nearest real eye of each synthetic image"},
       rejects={"type": "array", "description": "pictures in rejects/, and what each shows"},
    )  # fmt: skip


def _validated() -> dict[str, Any]:
    families = ["fidelity", "vessels", "quality", "anatomy", "copies", "paired", "groups"]
    spread = {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/spread"}]}
    return _object(
        {"identity": {**_TEXT, "description": "names this line, in the verdict too"},
         "family": {"enum": families}},
        space={**_TEXT, "description": "feature space of a set score"},
        column={**_TEXT, "description": "biomarker, quality number, or column of a group"},
        group=_TEXT,
        floor={**spread, "description": "halves of the real set against each other"},
        matched={**spread, "description": "synthetic images against a real half, at the same n"},
        place={**_NUMBER, "description": "0: as the floor; 1: as the worst planted damage"},
        worst_damage=_object({"kind": _TEXT, "value": _NUMBER}),
        saved_again={**_NUMBER, "description": "a pair's score after JPEG of quality 75 alone"},
        n_real={"type": "integer"}, n_synthetic={"type": "integer"},
        value_real={**_NUMBER, "description": "the same share among real images"},
        notes={"type": "array", "items": _TEXT},
    )  # fmt: skip


def _spread() -> dict[str, Any]:
    number = {"type": "number"}
    return _object({"mean": number, "low": number, "high": number, "repeats": {"type": "integer"}})


def _sentence() -> dict[str, Any]:
    levels = ["failure", "caution", "unknown", "pass"]
    rests_on = {"type": "array", "items": _TEXT,
                "description": "identities of scores, or sections of the page"}  # fmt: skip
    return _object({"level": {"enum": levels}, "text": _TEXT, "scores": rests_on})


def _use() -> dict[str, Any]:
    answers = ["no", "not shown", "with care", "nothing against it"]
    texts = {"type": "array", "items": _TEXT}
    return _object({"name": _TEXT, "answer": {"enum": answers}, "because": texts, "scores": texts})


def _panel_row() -> dict[str, Any]:
    level = {"type": ["integer", "null"], "minimum": 1, "maximum": 5}
    return _object({
        "score": _TEXT, "family": _TEXT, "kind": _TEXT,
        "medians": {"type": "object", "additionalProperties": _NUMBER},
        "notices_from": {**level, "description": "null: notices no level"},
        "steady": {"type": ["boolean", "null"]},
    }, floor_low=_NUMBER, floor_high=_NUMBER, floor_median=_NUMBER)  # fmt: skip


def _left_out() -> dict[str, Any]:
    status = {"enum": ["refused", "no fundus"]}
    return _object({"name": _TEXT, "status": status, "reason": {**_TEXT, "minLength": 1}})


def _side() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 0}
    images = _object({"found": count, "scored": count, "patients": count})
    return _object({"folder": _TEXT, "images": images})


def _card() -> dict[str, Any]:
    texts = ("name", "measures", "range", "unit", "reference", "known_failure")
    return {
        "type": "object",
        "required": [*texts, "version", "direction", "smallest_n"],
        "properties": {
            **dict.fromkeys(texts, _TEXT),
            "version": {"type": "integer", "minimum": 1},
            "direction": {"enum": ["higher is better", "lower is better", "neither"]},
            "smallest_n": {"type": "integer", "minimum": 1},
        },
    }
