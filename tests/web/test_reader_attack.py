"""Somebody who should not: stolen names, guessed codes, odd requests, code in answers."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from scripted import Stage, close, draw_sides, enter, make_stage, say

from retinaforge.tasks.reader_study import ANSWERS, read_study
from retinaforge.web import gate
from retinaforge.web.table import read_table

NASTY = (
    "'; DROP TABLE answers; --", "' OR '1'='1", "real' UNION SELECT token FROM sessions --",
    "../../key.json", "<script>alert(1)</script>", "\x00", "𝕏" * 400,
)  # fmt: skip


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return draw_sides(tmp_path_factory.mktemp("sides"), 4)


@pytest.fixture
def stage(tmp_path: Path, sides: tuple[Path, Path]) -> Stage:
    return make_stage(tmp_path / "study", sides, readers=2, repeats=0.25)


@pytest.fixture
def client(stage: Stage) -> Iterator[TestClient]:
    with stage.client() as client:
        yield client


def table(stage: Stage) -> dict[str, list[dict[str, Any]]]:
    return read_table(stage.folder / ANSWERS, read_study(stage.folder).told["id"])


def begun(stage: Stage, client: TestClient, reader: str) -> dict[str, str]:
    headers = enter(client, stage.told["codes"][reader])
    client.get("/api/state")
    return headers


def test_code_in_answers_is_kept_as_text_and_does_nothing(stage: Stage, client: TestClient) -> None:
    headers = begun(stage, client, "R1")
    for text in NASTY:
        assert say(client, headers, 0, "comment", text).status_code == 200
        assert client.get("/api/state").json()["answers"]["comment"] == text
        assert say(client, headers, 0, "verdict", text).status_code == 422
        assert say(client, headers, 0, text[:30], "real").status_code == 422
        assert say(client, {"x-reader": text.encode("utf-8")[:39]}, 0, "verdict",
                   "real").status_code in (403, 422)  # fmt: skip
        assert client.post("/api/enter", json={"code": text[:60]}).status_code in (403, 429)
    assert {row["question"] for row in table(stage)["answers"]} == {"comment"}
    assert {row["reader"] for row in table(stage)["clicks"]} == {"R1"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"[" * 30_000, b'{"position": 0}',
        b'{"position": 0, "what": "comment", "value": "\\ud800", "ms": 1}',
        b'{"position": 1e99, "what": "comment", "value": "", "ms": 1}',
        b'{"position": -1, "what": "comment", "value": "", "ms": 1}',
        b'{"position": true, "what": "comment", "value": "", "ms": NaN}',
        b'{"position": 0, "what": "comment", "value": "", "ms": -5}',
        b'{"position": 0, "what": "comment", "value": {"a": 1}, "ms": 1}',
        b'{"position": 0, "what": "comment", "value": "", "ms": 1, "reader": "R2"}',
        b"\xff\xfe\x00",
    ],
)  # fmt: skip
def test_bodies_that_no_page_sends_are_refused_not_fatal(
    stage: Stage, client: TestClient, body: bytes
) -> None:
    headers = begun(stage, client, "R1") | {"content-type": "application/json"}
    for address in ("/api/answer", "/api/close", "/api/enter"):
        found = client.post(address, content=body, headers=headers)
        assert found.status_code in (400, 409, 422), (address, found.status_code, found.text)
    assert say(client, headers, 0, "verdict", "real").status_code == 200
    assert [row["question"] for row in table(stage)["answers"]] == ["verdict"]


def test_paths_lead_nowhere(stage: Stage, client: TestClient) -> None:
    begun(stage, client, "R1")
    secret = list(stage.kinds)
    steps = ("..", "%2e%2e", "..%2f..", "..%5c", "%00", ".%2e", "R1%2f..", "images", "~")
    for a, b in itertools.product(steps, ("key.json", "study.json", "answers.sqlite", secret[0])):
        for address in (f"/{a}/{b}", f"/image/{a}/{b}/0", f"/image/R1/0/{a}%2f{b}",
                        f"/image/R1/{b}/0", f"/images/{b}.png", f"/{b}"):  # fmt: skip
            found = client.get(address)
            assert found.status_code in (400, 401, 403, 404, 422), address
            assert not any(name in found.text for name in secret)
    for number in ("9" * 40, "0x0", "1e0", "-0", "0.0", " 0", "+0", "٠"):
        found = client.get(f"/image/R1/{number}/0")
        # An odd spelling of 0 may open trial 0, which is open, and nothing else.
        assert found.status_code in (200, 404, 422), number
        if found.status_code == 200:
            assert found.content == client.get("/image/R1/0/0").content


def test_no_number_or_name_opens_another_readers_place(stage: Stage, client: TestClient) -> None:
    begun(stage, client, "R2")
    theirs = client.get("/image/R2/0/0").content
    headers = begun(stage, client, "R1")
    for name in ("R2", "r2", "R1 ", "R2%00", "organiser", "*"):
        assert client.get(f"/image/{name}/0/0").status_code in (403, 404, 422), name
        assert client.get(f"/image/{name}/0/0").content != theirs
        assert say(client, {"x-reader": name}, 0, "verdict", "real").status_code == 403
    # Named in every other way that a request can carry.
    body = {"position": 0, "what": "verdict", "value": "real", "ms": 1}
    sent = client.post("/api/answer?reader=R2&x-reader=R2", headers=headers | {"x-user": "R2"},
                       json=body)  # fmt: skip
    assert sent.status_code == 200
    assert {row["reader"] for row in table(stage)["answers"]} == {"R1"}


def test_sessions_of_readers_and_organiser_are_no_keys_to_each_other(
    stage: Stage, client: TestClient
) -> None:
    begun(stage, client, "R1")
    reader = client.cookies["reader"]
    client.post("/api/organiser/enter", json={"code": stage.told["token"]})
    token = next(c.value for c in client.cookies.jar if c.name == "organiser")
    client.cookies.clear()
    for name, value in (("organiser", reader), ("reader", token)):
        client.cookies.set(name, value)
    assert client.get("/api/organiser/progress").status_code == 401
    assert client.get("/api/state").status_code == 401
    assert say(client, {"x-reader": "organiser"}, 0, "verdict", "real").status_code == 401


def test_tokens_are_long_never_kept_and_grow_old(
    stage: Stage, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = set()
    for _ in range(20):
        enter(client, stage.told["codes"]["R1"])
        tokens.add(client.cookies["reader"])
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43  # 256 bits
    connection = sqlite3.connect(stage.folder / ANSWERS)
    kept = "".join(str(row) for row in connection.execute("SELECT * FROM sessions"))
    connection.close()
    assert not any(token in kept for token in tokens)
    codes = [*stage.told["codes"].values(), stage.told["token"]]
    raw = b"".join(p.read_bytes() for p in stage.folder.glob("answers.sqlite*"))
    assert not any(code.encode() in raw for code in codes)
    assert client.get("/api/state").status_code == 200
    monkeypatch.setattr(gate, "SESSION_S", -1)
    assert client.get("/api/state").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"}, {"origin": "null"}, {"origin": "http://testserver.evil"},
        {"content-type": "application/x-www-form-urlencoded"}, {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
    ],
)  # fmt: skip
def test_what_another_site_can_send_is_refused(
    stage: Stage, client: TestClient, headers: dict[str, str]
) -> None:
    """Forms and foreign scripts: refused though the browser sent the cookie along."""
    own = begun(stage, client, "R1")
    body = json.dumps({"position": 0, "what": "verdict", "value": "real", "ms": 1})
    kinds = {"content-type": "application/json"}
    for address in ("/api/answer", "/api/close", "/api/leave", "/api/enter",
                    "/api/organiser/enter", "/api/organiser/leave"):  # fmt: skip
        found = client.post(address, content=body, headers=own | kinds | headers)
        assert found.status_code == 400, address
    for address in ("/api/answer", "/api/close", "/api/leave"):  # no link or image changes anything
        assert client.get(address, headers=own).status_code == 405
    assert not table(stage)["answers"]
    for method in ("PUT", "DELETE", "PATCH"):
        assert client.request(method, "/api/answer", headers=own).status_code in (400, 405)


def test_guessing_codes_ends_soon_for_readers_and_organiser_alike(
    stage: Stage, client: TestClient
) -> None:
    begun(stage, client, "R1")
    found = [client.post(address, json={"code": f"AAAA-AAAA-{k:04d}"}).status_code
             for k in range(20) for address in ("/api/enter", "/api/organiser/enter")]  # fmt: skip
    assert found == [403] * gate.TRIES + [429] * (40 - gate.TRIES)
    # Who is in stays in: an attacker at the same address does not stop a reading.
    assert say(client, {"x-reader": "R1"}, 0, "verdict", "real").status_code == 200
    # 60 bits at ten tries each five minutes.
    years = 2**60 / (gate.TRIES / gate.WINDOW_S) / 3.15e7
    assert years > 1e10


def test_many_addresses_share_one_limit() -> None:
    time = [0.0]
    door = gate.Gate(lambda: time[0])
    for k in range(gate.TRIES_OF_ALL):
        assert door.wait_s(f"10.0.0.{k}") == 0
        door.wrong(f"10.0.0.{k}")
    assert door.wait_s("10.1.1.1") > 0
    time[0] = gate.WINDOW_S + 1
    assert door.wait_s("10.1.1.1") == 0


def test_a_closed_answer_outlives_every_attempt_to_change_it(
    stage: Stage, client: TestClient
) -> None:
    headers = begun(stage, client, "R1")
    for what, value in (("verdict", "real"), ("confidence", "3")):
        say(client, headers, 0, what, value)
    close(client, headers, 0)
    before = [r for r in table(stage)["answers"] if r["position"] == 0]
    for position, value in itertools.product((0, -1, 1, 2, 9, 10, 11, 999_999), ("synthetic",)):
        say(client, headers, position, "verdict", value)
        close(client, headers, position)
    enter(client, stage.told["codes"]["R1"])
    say(client, headers, 0, "verdict", "synthetic")
    assert [r for r in table(stage)["answers"] if r["position"] == 0] == before
