"""Any vision-language model behind an OpenAI-compatible address as a writer of captions.

vLLM, llama.cpp's server, `transformers serve`, hosted services: they agree on POST
/chat/completions and differ in what else they accept. A server that refuses the schema, the seed,
the temperature or `max_tokens` is asked without it from then on, and the answer says so. A server
that takes the schema and ignores it is found out by its answers (`CaptionAnswer.structure`).
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from dataclasses import asdict
from typing import Any

from retinaforge.captions.answers import LENGTH, Reading, model_of, read_answer
from retinaforge.captions.endpoint_client import Client, Failed, Said
from retinaforge.captions.endpoint_config import EndpointConfig
from retinaforge.captions.endpoint_image import jpeg, picture_part
from retinaforge.captions.endpoint_pace import Pace
from retinaforge.captions.endpoint_prompt import load_prompt
from retinaforge.captions.writer import FAILED, REFUSED, CaptionAnswer, CaptionRequest, total
from retinaforge.core import Refusal

ASKS = 2
"""How often a caption is asked for when answers come that are none (cut off, broken JSON)."""
GIVEN_UP = {
    "response_format": ("response_format", "json_schema", "guided", "grammar", "structured"),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "temperature": ("temperature",),
    "seed": ("seed",),
}
"""What a request can go without, and the words by which a server names it."""


class EndpointWriter:
    """A model behind an address; see `EndpointConfig`.

    Args:
        config: of the endpoint.
        pace: rate limit and clock; none: no limit.
    """

    def __init__(self, config: EndpointConfig, pace: Pace | None = None) -> None:
        self.config, self.prompt = config, load_prompt(config.prompt)
        self.name, self.version = config.model, _version(config, self.prompt.fingerprint)
        self.looks, self.threads = config.image_px > 0, config.threads
        self.leaves = "" if config.local else config.host
        self.currency = config.price.currency
        self._model = model_of(self.prompt)
        self._client = Client(config, pace or Pace())
        self._without: set[str] = set() if config.structured == "auto" else {"response_format"}
        self._lock = threading.Lock()

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        """Return the answer to one request; at most `ASKS` answers are listened to."""
        started, rng = time.monotonic(), random.Random(request.seed)
        try:
            picture = self._picture(request)
        except Refusal as refusal:
            return self._none(FAILED, str(refusal), [], 0, started)
        heard: list[Said] = []
        reading, attempts, room = Reading(REFUSED), 0, self.config.max_tokens
        for ask in range(ASKS):
            try:
                said = self._ask(self._body(request, picture, room, ask), rng)
            except Failed as failed:
                status = REFUSED if "content_filter" in failed.body else FAILED
                return self._none(status, str(failed), heard, attempts + failed.attempts, started)
            heard.append(said)
            attempts += said.attempts
            schema = "response_format" not in self._without
            reading = read_answer(
                said.content, said.finish, said.declined, self._model, asked_schema=schema
            )
            room = 2 * room if said.finish == LENGTH else room
            if not reading.again:
                break
        return self._answer(reading, heard, attempts, started)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    def _picture(self, request: CaptionRequest) -> dict[str, Any] | None:
        if not self.looks:
            return None
        if request.image is None:
            raise Refusal(
                "a photograph",
                f"none of {request.record.image}",
                "name its folder, or image_px = 0",
            )
        return picture_part(jpeg(request.image, self.config.image_px, self.config.jpeg_quality))

    def _body(
        self, request: CaptionRequest, picture: dict[str, Any] | None, room: int, ask: int
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": self.prompt.messages(request, picture),
            "max_tokens": room,
            # 32 bits: what the narrowest of the servers takes.
            "seed": (request.seed + ask) % 2**31,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "caption", "strict": True, "schema": self.prompt.schema()},
            },
        }
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        return body

    def _ask(self, body: dict[str, Any], rng: random.Random) -> Said:
        """Ask, without what the server was found to refuse; find out what it refuses."""
        for _ in range(len(GIVEN_UP) + 1):
            sent = frozenset(self._without)
            try:
                return self._client.ask(_lighter(body, sent), rng)
            except Failed as failed:
                fewer = self._refused_part(failed, sent)
                if fewer is None:
                    raise
                with self._lock:
                    self._without.add(fewer)
        raise AssertionError("every part was given up already")

    def _refused_part(self, failed: Failed, sent: frozenset[str]) -> str | None:
        if failed.status not in (400, 422, 501):
            return None
        said = failed.body.lower()
        for part, names in GIVEN_UP.items():
            if part not in sent and any(name in said for name in names):
                return part
        return None

    def _answer(
        self, reading: Reading, heard: list[Said], attempts: int, started: float
    ) -> CaptionAnswer:
        notes = [f"asked without {part}: the server refuses it" for part in sorted(self._without)]
        if self.config.structured == "off":
            notes = [note for note in notes if "response_format" not in note]
        elif reading.structure in ("parsed", "plain") and "response_format" not in self._without:
            notes.append("the server ignored the schema")
        tokens = total([s.tokens_in for s in heard]), total([s.tokens_out for s in heard])
        return CaptionAnswer(
            text=reading.text, fields=reading.fields, status=reading.status, reason=reading.reason,
            tokens_in=tokens[0], tokens_out=tokens[1], cost=self.config.price.of(*tokens),
            seconds=time.monotonic() - started, model=(heard[-1].model if heard else "")
            or self.config.model, prompt=self.prompt.label, attempts=attempts,
            structure=reading.structure, notes=tuple(notes),
        )  # fmt: skip

    def _none(
        self, status: str, reason: str, heard: list[Said], attempts: int, started: float
    ) -> CaptionAnswer:
        return self._answer(Reading(status, reason), heard, attempts, started)

    def about(self) -> dict[str, Any]:
        """Return what the run's file says of this writer; no key, only its variable's name."""
        return {
            "kind": "endpoint",
            **asdict(self.config),
            "price": {key: None if v != v else v for key, v in asdict(self.config.price).items()},
            "prompt": {"label": self.prompt.label, "sha256": self.prompt.fingerprint},
            "asked_without": sorted(self._without),
        }


def _lighter(body: dict[str, Any], without: frozenset[str]) -> dict[str, Any]:
    """Return the body without parts; newer services call max_tokens max_completion_tokens."""
    lighter = {key: value for key, value in body.items() if key not in without}
    if "max_tokens" in without:
        lighter["max_completion_tokens"] = body["max_tokens"]
    return lighter


def _version(config: EndpointConfig, prompt: str) -> str:
    """Return the hash of all that may change an answer; a server may move to another port."""
    named = ("model", "image_px", "jpeg_quality", "temperature", "max_tokens", "structured")
    content = [config.host.partition(":")[0], prompt, dict(config.extra)]
    content += [getattr(config, name) for name in named]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
