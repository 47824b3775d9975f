"""MedImageInsight behind an address: what is sent, what is tried again, what is refused.

A server on this machine stands for the endpoint; it also fails, stalls and lies.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from retinaforge.core import Refusal
from retinaforge.encoders import load
from retinaforge.encoders.http_client import Endpoint, require_safe
from retinaforge.encoders.medimageinsight_endpoint import KEY_VARIABLE, EndpointEncoder
from retinaforge.encoders.text import adherence

Answer = Callable[[dict[str, Any], int], tuple[int, bytes, dict[str, str]]]


class Server:
    """A local endpoint; `answer` is called with the request and how many came before."""

    def __init__(self, answer: Answer) -> None:
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.keys.append(self.headers.get("Authorization", ""))
                code, content, headers = outer.answer(body, len(outer.seen))
                outer.seen.append(body)
                try:
                    self.send_response(code)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # the client did not wait

            def log_message(self, *args: object) -> None:
                pass

        self.answer = answer
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/score"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def colours_of(picture: str) -> np.ndarray:
    """Return a vector of 1024 that knows the image's colours."""
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))
    assert pixels.shape == (480, 480, 3)
    vector = np.zeros(1024)
    vector[:3] = pixels.mean((0, 1)) + 1
    return vector


def honest(body: dict[str, Any], before: int) -> tuple[int, bytes, dict[str, str]]:
    """Answer by the schema; words know the colour that they name."""
    words = {"red": 0, "green": 1, "blue": 2}
    rows = []
    for picture, text in body["input_data"]["data"]:
        if picture is not None:
            rows.append({"image_features": [colours_of(picture).tolist()]})
        else:
            rows.append({"text_features": np.eye(1024)[words[text]].tolist()})
    return 200, json.dumps(rows).encode(), {}


def says(content: Any, code: int = 200, **headers: str) -> Answer:
    """Return a server that always answers so."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda request, before: (
        code,
        body,
        {k.replace("_", "-"): v for k, v in headers.items()},
    )


def patient(server: Server, **settings: Any) -> tuple[EndpointEncoder, list[float]]:
    """Return the encoder, and the pauses that it will make without making them."""
    encoder = load(f"medimageinsight:{server.address}")
    assert isinstance(encoder, EndpointEncoder)
    pauses: list[float] = []
    encoder.endpoint = replace(encoder.endpoint, pause=pauses.append, **settings)
    return encoder, pauses


def colours() -> torch.Tensor:
    """Return a red, a green and a blue image in [-1, 1]."""
    images = torch.full((3, 3, 60, 60), -1.0)
    images[range(3), range(3)] = 1.0
    return images


def test_images_and_words_meet_and_nothing_is_sent_before(serve) -> None:
    server = serve(honest)
    encoder, _ = patient(server)
    assert server.seen == []
    assert "LEAVE THIS MACHINE" in encoder.card.network
    assert server.address.split("/")[2] in encoder.card.name
    assert encoder.card.certainty.startswith("not confirmed")
    matched = adherence(encoder, colours(), ["red", "green", "blue"])
    shuffled = adherence(encoder, colours(), ["green", "blue", "red"])
    assert (matched > 0.99).all()
    assert (shuffled < 0.1).all()
    assert encoder.embedding(colours()).norm(dim=1).tolist() == pytest.approx([1] * 3, abs=1e-5)
    sent = server.seen[0]["input_data"]
    assert sent["columns"] == ["image", "text"]
    assert sent["index"] == [0, 1, 2]
    assert sent["data"][0][1] is None


def test_many_images_go_in_several_requests(serve) -> None:
    server = serve(honest)
    encoder, _ = patient(server)
    found = encoder.embedding(colours().repeat(7, 1, 1, 1))
    assert found.shape == (21, 1024)
    assert [len(body["input_data"]["data"]) for body in server.seen] == [8, 8, 5]


def test_the_key_comes_from_the_environment(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    server = serve(honest)
    encoder, _ = patient(server)
    encoder.text(["red"])
    assert server.keys == ["Bearer secret"]
    assert "secret" not in json.dumps(encoder.card.as_dict())


def test_what_passes_is_tried_again_with_growing_pauses(serve) -> None:
    def busy(body, before):
        headers = {"Retry-After": "7"} if before == 1 else {}
        return honest(body, before) if before > 2 else (429 if before == 1 else 503, b"", headers)

    encoder, pauses = patient(serve(busy))
    assert encoder.text(["red"]).shape == (1, 1024)
    assert pauses == [0.5, 7.0, 2.0]


def test_what_does_not_pass_is_given_up(serve) -> None:
    server = serve(says(b"", 500))
    encoder, pauses = patient(server, tries=3)
    with pytest.raises(Refusal, match=r"an answer of 127.0.0.1:\d+; got HTTP 500, 3 times"):
        encoder.text(["red"])
    assert (len(server.seen), len(pauses)) == (3, 2)


def test_a_stalling_server_is_given_up(serve) -> None:
    stop = threading.Event()

    def stalls(body, before):
        stop.wait(5)
        return honest(body, before)

    encoder, _ = patient(serve(stalls), tries=2, timeout_s=0.2)
    with pytest.raises(Refusal, match=r"got no answer in 0.2 s, 2 times; .*timeout=SECONDS"):
        encoder.text(["red"])
    stop.set()


def test_nobody_at_home(serve) -> None:
    server = serve(honest)
    encoder, _ = patient(server, tries=2)
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(Refusal, match=r"got no connection \(.*refused.*\), 2 times"):
        encoder.text(["red"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says([]), r"1 rows with text_features; got 0 rows"),
        (says([{"other": [1.0]}]), r"got 1 rows of keys other; name an address that serves Med"),
        (says({"message": "hello"}), r"got 0 rows of keys message"),
        (says([{"text_features": [0.1] * 512}]), r"1024 finite numbers .*got \(512,\) numbers"),
        (says([{"text_features": [float("nan")] * 1024}]), r"got NaN, infinity or only zeros"),
        (says([{"text_features": [0.0] * 1024}]), r"got NaN, infinity or only zeros"),
        (says([{"text_features": "many"}]), r"1024 finite numbers as text_features .*something"),
        (says(b"<html>login</html>"), r"JSON; got something else from 127"),
        (says(b"", 401), rf"a key that .* accepts; got HTTP 401; .*{KEY_VARIABLE}"),
        (says(b"no such model", 404), r"got HTTP 404 \(no such model\); check the address"),
        (says(b"", 302, Location="http://else/"), r"a redirection to http://else/; name that"),
    ],
)  # fmt: skip
def test_lies_and_refusals_are_told(serve, answer: Answer, said: str) -> None:
    server = serve(answer)
    encoder, _ = patient(server)
    with pytest.raises(Refusal, match=said):
        encoder.text(["red"])
    assert len(server.seen) == 1  # none of these is tried again


def test_no_gradient_and_no_layers(serve) -> None:
    server = serve(honest)
    encoder, _ = patient(server)
    with pytest.raises(Refusal, match=r"gradients pass through, for a loss; got medimagei"):
        encoder.embedding(colours().requires_grad_())
    with pytest.raises(Refusal, match=r"features after its blocks; got medimageinsight at"):
        encoder.features(colours())
    with pytest.raises(Refusal, match=r"an encoder with a class token"):
        encoder.class_token(colours())
    assert server.seen == []


def test_unsafe_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match=rf"without a password in it; .*{KEY_VARIABLE}"):
        load("medimageinsight:https://user:word@host/score")
    assert load("medimageinsight:http://inhouse.example/score").input_px == 480
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with pytest.raises(Refusal, match=rf"https for an endpoint that {KEY_VARIABLE} is sent to"):
        load("medimageinsight:http://inhouse.example/score")
    assert load("medimageinsight:https://inhouse.example/score").input_px == 480
    with pytest.raises(Refusal, match=r"an http or https address; got 'ftp://a'"):
        require_safe(Endpoint("ftp://a"))


def test_options_are_checked() -> None:
    encoder = load("medimageinsight:https://a.example/score,timeout=5,tries=2")
    assert isinstance(encoder, EndpointEncoder)
    assert (encoder.endpoint.timeout_s, encoder.endpoint.tries) == (5.0, 2)
    with pytest.raises(Refusal, match=r"timeout= a positive number; got '-1'"):
        load("medimageinsight:https://a.example/score,timeout=-1")
    with pytest.raises(Refusal, match=r"tokenizer= for an endpoint of medimageinsight"):
        load("medimageinsight:https://a.example/score,tokenizer=here")
