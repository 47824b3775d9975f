"""Prompts as versioned files: what a model is told, what it may read, what it shall answer.

A prompt is a TOML file: `name`, `version`, `words` (least and most), `diagnosis`, `shows` (fields
of RetinaLogos's record that the model may read), `system`, `user`, `again` (for a second round) and
[[answer]] tables (`name`, `says`, `one_of`), the last of them the caption. The order of the tables
is the order in which the model reasons: the whole image, its parts, the conclusion, the caption.
Templates hold $record, $least, $most, $keys, $draft, $findings.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from retinaforge.captions.facts import SEVEN_FIELDS, seven_fields
from retinaforge.captions.record import EyeRecord
from retinaforge.captions.writer import CaptionRequest
from retinaforge.core import Refusal

SHIPPED = Path(__file__).parent / "prompts"
DEFAULT = "fundus-caption-v1"
CAPTION = "caption"
NOTHING = "nothing is recorded"
KEYS = frozenset(
    ("name", "version", "words", "diagnosis", "shows", "system", "user", "again", "answer")
)


@dataclass(frozen=True)
class AnswerField:
    """One key of the answer: its name, what belongs into it, the words it is limited to."""

    name: str
    says: str
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """A prompt file.

    Attributes:
        label: name and version, "fundus-caption-v1".
        fingerprint: SHA-256 of the file's bytes, in hex.
        words: least and most words of the caption.
        diagnosis: whether a diagnosis is asked for.
        shows: fields of the record that the model reads.
    """

    label: str
    fingerprint: str
    words: tuple[int, int]
    diagnosis: bool
    shows: tuple[str, ...]
    system: str
    user: str
    again: str
    answer: tuple[AnswerField, ...]

    def messages(self, request: CaptionRequest, picture: Any | None) -> list[dict[str, Any]]:
        """Return the chat: system, user (words and the picture), and the round after a draft.

        Args:
            request: record, draft and findings.
            picture: the content part that holds the image, as the endpoint wants it; None: words.
        """
        words = self._filled(self.user, record=told(request.record, self.shows))
        parts = [{"type": "text", "text": words}] + ([] if picture is None else [picture])
        chat = [
            {"role": "system", "content": self._filled(self.system)},
            {"role": "user", "content": parts},
        ]
        if request.draft:
            wrong = "\n".join(f"- {finding}" for finding in request.findings)
            more = self._filled(self.again, draft=request.draft, findings=wrong)
            chat += [
                {"role": "assistant", "content": request.draft},
                {"role": "user", "content": [{"type": "text", "text": more}]},
            ]
        return chat

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the answer, strict: every key, no other."""
        properties = {
            each.name: {"type": "string", "description": each.says}
            | ({"enum": list(each.one_of)} if each.one_of else {})
            for each in self.answer
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def _filled(self, template: str, **more: str) -> str:
        least, most = self.words
        keys = "\n".join(f'- "{each.name}": {_says(each)}' for each in self.answer)
        text = Template(template).substitute(least=least, most=most, keys=keys, **more)
        return text.strip()


def _says(field: AnswerField) -> str:
    return field.says + (f" ({', '.join(field.one_of)})" if field.one_of else "")


def told(record: EyeRecord, shows: tuple[str, ...]) -> str:
    """Return what the model reads of a record: a line a field that is known and shown.

    The file's name, the patient and the data set are never among it.
    """
    fields = seven_fields(record)
    lines = [f"{name}: {fields[name]}" for name in shows if fields[name]]
    return "\n".join(lines) or NOTHING


def shipped_prompts() -> tuple[str, ...]:
    """Return the names of the prompts that come with the package."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load_prompt(name: str) -> Prompt:
    """Return a prompt by its shipped name or by the path of a TOML file.

    Raises:
        Refusal: if there is no such prompt, or the file is none.
    """
    path = Path(name) if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    if not path.is_file():
        raise Refusal(
            f"a prompt: {', '.join(shipped_prompts())}, or a .toml file", repr(name), "name one"
        )
    content = path.read_bytes()
    try:
        rows = tomllib.loads(content.decode())
        return _prompt(rows, hashlib.sha256(content).hexdigest())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(
            f"a prompt file with {', '.join(sorted(KEYS))}",
            f"{path}: {type(error).__name__}: {error}",
            f"start from a copy of {SHIPPED / DEFAULT}.toml",
        ) from error


def _prompt(rows: dict[str, Any], fingerprint: str) -> Prompt:
    if odd := sorted(set(rows) - KEYS):
        raise ValueError(f"unknown key {', '.join(odd)}")
    if odd := sorted(set(rows["shows"]) - set(SEVEN_FIELDS)):
        raise ValueError(f"shows {', '.join(odd)}, and the record has {', '.join(SEVEN_FIELDS)}")
    answer = tuple(
        AnswerField(each["name"], each["says"], tuple(each.get("one_of", ())))
        for each in rows["answer"]
    )
    if not answer or answer[-1].name != CAPTION:
        raise ValueError(f"the last [[answer]] must be {CAPTION!r}")
    least, most = (int(number) for number in rows["words"])
    prompt = Prompt(
        f"{rows['name']}-v{rows['version']}", fingerprint, (least, most), bool(rows["diagnosis"]),
        tuple(rows["shows"]), rows["system"], rows["user"], rows["again"], answer,
    )  # fmt: skip
    prompt.messages(CaptionRequest(EyeRecord("x"), draft="x"), None)
    return prompt
