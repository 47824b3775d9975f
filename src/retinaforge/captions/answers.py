"""What came back from a model, read strictly: a caption with its fields, or why it is none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from retinaforge.captions.endpoint_prompt import CAPTION, Prompt
from retinaforge.captions.writer import ANSWERED, REFUSED

THOUGHTS = re.compile(r"^\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
APOLOGY = re.compile(
    r"^\W*(?:(?:i['’]?m|i am) (?:very )?(?:sorry|unable|not able)"
    r"|i (?:can(?:not|['’]?t| not)|must decline|won['’]?t|will not)"
    r"|sorry\b|(?:unfortunately|apologies),? |as an? (?:ai|language model)"
    r"|it is not possible (?:for me )?to (?:provide|analy[sz]e|describe))",
    re.IGNORECASE,
)
LENGTH, FILTER = "length", "content_filter"


@dataclass(frozen=True)
class Reading:
    """An answer as it was read.

    Attributes:
        status, reason, text, fields, structure: as in `CaptionAnswer`.
        again: asking the same once more may help (cut off, empty, broken JSON).
    """

    status: str
    reason: str = ""
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    structure: str = ""
    again: bool = False


def _as_words(value: Any) -> Any:
    """Return lists and numbers as words: models give them where text was asked for."""
    if isinstance(value, list):
        return "; ".join(str(_as_words(each)) for each in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_as_words(each)}" for key, each in value.items())
    return "" if value is None else str(value) if isinstance(value, bool | int | float) else value


Words = Annotated[str, BeforeValidator(_as_words)]
Paragraph = Annotated[str, Field(min_length=1)]


def model_of(prompt: Prompt) -> type[BaseModel]:
    """Return the pydantic model of a prompt's answer; only the caption is required."""
    kinds: dict[str, Any] = {
        each.name: (Literal[each.one_of] if each.one_of else Words, "") for each in prompt.answer
    }
    kinds[CAPTION] = (Paragraph, ...)
    config = ConfigDict(extra="ignore", str_strip_whitespace=True)
    return create_model("Answer", __config__=config, **kinds)


def read_answer(
    content: str, finish: str, declined: str, model: type[BaseModel], *, asked_schema: bool
) -> Reading:
    """Return what an answer holds.

    Args:
        content: the message.
        finish: the server's finish_reason; "" where it gave none.
        declined: the message's own field for a refusal; "" where there is none.
        model: of `model_of`.
        asked_schema: whether the server was asked to keep to the schema.
    """
    text = THOUGHTS.sub("", content or "").strip()
    if declined:
        return Reading(REFUSED, f"declined: {_short(declined)}")
    if finish == FILTER:
        return Reading(REFUSED, "content filter")
    if finish == LENGTH:
        return Reading(REFUSED, "cut off: the answer reached max_tokens", again=True)
    if not text:
        return Reading(REFUSED, "empty answer", again=True)
    if APOLOGY.match(text):
        return Reading(REFUSED, f"declined: {_short(text)}")
    found = _json_in(text)
    if found is None:
        if "{" in text:
            return Reading(REFUSED, f"broken JSON: {_short(text)}", again=True)
        return Reading(ANSWERED, text=_one_line(text), structure="plain")
    return _validated(found, model, strict=asked_schema and text.startswith("{"))


def _validated(found: Any, model: type[BaseModel], *, strict: bool) -> Reading:
    try:
        answer = model.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        return Reading(REFUSED, f"JSON against the schema: {wrong}", again=True)
    fields = answer.model_dump()
    text = _one_line(fields.pop(CAPTION))
    if APOLOGY.match(text):
        return Reading(REFUSED, f"declined: {_short(text)}", fields=fields)
    whole = strict and set(found) == set(model.model_fields)
    return Reading(
        ANSWERED, text=text, fields={key: _one_line(each) for key, each in fields.items()},
        structure="schema" if whole else "parsed",
    )  # fmt: skip


def _json_in(text: str) -> Any | None:
    """Return the last JSON object in a text that may hold words or a fence around it."""
    decoder, found, start = json.JSONDecoder(), None, text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            end = start + 1
        else:
            found = value if isinstance(value, dict) else found
        start = text.find("{", end)
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _short(text: str) -> str:
    return repr(_one_line(text)[:160])
