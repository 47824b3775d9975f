"""What stands in the TOML file of an endpoint: where, which model, how patiently, at which price.

base_url = "http://127.0.0.1:8000/v1"
model = "Qwen/Qwen2.5-VL-7B-Instruct"
key_variable = "MY_KEY"      # the NAME of an environment variable; the key stands in no file
prompt = "fundus-caption-v1"
[price]                      # per million tokens; without it a run's cost is unknown
input = 0.15
output = 0.60
currency = "USD"
[extra]                      # sent along as it stands
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from retinaforge.captions.endpoint_prompt import DEFAULT
from retinaforge.core import Refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SECRETS = ("api_key", "apikey", "authorization", "password", "secret")
Structured = Literal["auto", "off"]


@dataclass(frozen=True)
class Price:
    """What a million tokens cost; NaN is unknown, 0 is free."""

    input: float = math.nan
    output: float = math.nan
    currency: str = ""

    def of(self, tokens_in: int | None, tokens_out: int | None) -> float:
        """Return the cost of so many tokens; NaN if price or number is unknown."""
        if tokens_in is None or tokens_out is None:
            return math.nan
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


@dataclass(frozen=True)
class EndpointConfig:
    """One model behind one OpenAI-compatible address.

    Attributes:
        base_url: up to and with "/v1".
        model: as the server names it.
        key_variable: environment variable that holds the key; "" sends none.
        prompt: shipped name or path of a prompt file.
        image_px: longest side of the photograph that is sent; 0 sends none.
        jpeg_quality: 1 to 95.
        temperature: None leaves it to the server.
        max_tokens: of one answer, reasoning included.
        timeout_s: of one attempt, from the first byte sent to the last received.
        tries: attempts a caption, after which it counts as failed.
        longest_pause_s: a server that asks for more patience than this is not waited for.
        structured: "auto" asks for the schema and goes without where the server refuses it;
            "off" asks in words only.
        threads: requests at a time.
        price: per million tokens.
        extra: merged into the body of every request.
    """

    base_url: str
    model: str
    key_variable: str = ""
    prompt: str = DEFAULT
    image_px: int = 768
    jpeg_quality: int = 90
    temperature: float | None = 0.7
    max_tokens: int = 1024
    timeout_s: float = 120.0
    tries: int = 5
    longest_pause_s: float = 120.0
    structured: Structured = "auto"
    threads: int = 4
    price: Price = Price()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would fail at every request, or give a secret away."""
        require_safe(self.base_url, self.key_variable)
        for name, low, high in RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise Refusal(f"{name} from {low} to {high}", repr(value), "correct it")
        if self.structured not in ("auto", "off"):
            raise Refusal("structured = 'auto' or 'off'", repr(self.structured), "correct it")
        if odd := [name for name in self.extra if any(s in name.lower() for s in SECRETS)]:
            raise Refusal(
                "no secret in extra",
                ", ".join(odd),
                "name its environment variable as key_variable",
            )
        if not self.model:
            raise Refusal("the model's name", "none", 'write model = "..." as the server names it')

    @property
    def host(self) -> str:
        """Return the host's name and port."""
        return urlsplit(self.base_url).netloc

    @property
    def local(self) -> bool:
        """Say whether requests stay on this machine."""
        return is_loopback(self.base_url)

    @property
    def key(self) -> str:
        """Read the key from its environment variable.

        Raises:
            Refusal: if the variable is named and empty.
        """
        if not self.key_variable:
            return ""
        if key := os.environ.get(self.key_variable, "").strip():
            return key
        raise Refusal(
            f"a key in the environment variable {self.key_variable}", "none", "set it and run again"
        )


RANGES = (
    ("image_px", 0, 8192), ("jpeg_quality", 1, 95), ("max_tokens", 16, 10**6),
    ("timeout_s", 0.05, 86400.0), ("tries", 1, 100), ("longest_pause_s", 0.0, 86400.0),
    ("threads", 1, 256),
)  # fmt: skip


def is_loopback(address: str) -> bool:
    """Say whether an address is this machine's own."""
    return urlsplit(address).hostname in LOOPBACK


def require_safe(address: str, key_variable: str) -> None:
    """Refuse an address that is none or would give a secret away.

    Raises:
        Refusal: for no http address, one with a password or a query in it, a key over plain http,
            or a key where its variable's name belongs.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refusal("an http or https address", repr(address), "write it whole, up to /v1")
    if parts.username or parts.password or parts.query:
        raise Refusal(
            "an address without a password or a query in it",
            f"one at {parts.hostname} with one",
            "put the key into an environment variable and name that as key_variable",
        )
    if key_variable and not key_variable.isidentifier():
        raise Refusal(
            "key_variable as the name of an environment variable",
            "something that is no name",
            "write the NAME, such as OPENAI_API_KEY; the key itself belongs into no file",
        )
    if key_variable and parts.scheme == "http" and not is_loopback(address):
        raise Refusal(
            f"https for an endpoint that the key in {key_variable} is sent to",
            f"http://{parts.hostname}",
            "use its https address, or name no key_variable",
        )


def read_config(path: Path, **changes: Any) -> EndpointConfig:
    """Return the configuration of a TOML file, with `changes` (flags that were given) on top.

    Raises:
        Refusal: if there is no such file, it is no TOML, or names what there is not.
    """
    if not path.is_file():
        raise Refusal(f"an endpoint's TOML file at {path}", "none", "write base_url and model")
    try:
        rows = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal("TOML", f"{path}: {error}", "mend the file") from error
    prompt = rows.get("prompt", "")
    if prompt.endswith(".toml") and not Path(prompt).is_absolute():
        rows["prompt"] = str(path.parent / prompt)
    return config_from({**rows, **changes}, str(path))


def config_from(rows: Mapping[str, Any], where: str) -> EndpointConfig:
    """Return the configuration of plain data; `where` it stood goes into refusals."""
    known = {each.name for each in fields(EndpointConfig)}
    if odd := sorted(set(rows) - known):
        # Names only: what stands beside an unknown name may be a key.
        raise Refusal(
            f"an endpoint with only {', '.join(sorted(known))}",
            f"{', '.join(odd)} in {where}",
            "remove it; a key is named by key_variable and written nowhere",
        )
    given = dict(rows)
    try:
        if isinstance(given.get("price"), Mapping):
            given["price"] = Price(**given["price"])
        return EndpointConfig(**given)
    except TypeError as error:
        raise Refusal(
            "base_url and model, each of its type", f"{where}: {error}", "mend it"
        ) from error
