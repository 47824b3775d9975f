"""The JSON Schema of scorecard.json; the copy in docs/reference is written from here."""

from __future__ import annotations

from typing import Any

VERSION = "1.0"
_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": "string"}


def scorecard_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of scorecard.json, version 1.0.

    Further fields are allowed everywhere: a reader must ignore what it does not know.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:retinaforge:scorecard:1.0",
        "title": "RetinaForge scorecard",
        "description": "Every number of a run, with its interval, its n and what it means.",
        "type": "object",
        "required": ["schema_version", "scores"],
        "properties": {
            "schema_version": {"const": VERSION},
            "scores": {"type": "array", "items": {"$ref": "#/$defs/score"}},
            "protocol": {
                "type": "object",
                "description": "How the numbers came about: judges, splits, statistics.",
            },
        },
        "$defs": {"score": _score(), "card": _card()},
    }


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
