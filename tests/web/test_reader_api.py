"""The reader study's server, asked as a page asks it, and as somebody asks who should not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from scripted import Stage, close, draw_sides, enter, make_stage, say

from retinaforge.core import Refusal
from retinaforge.tasks.reader_study import ANSWERS, KEY, read_study
from retinaforge.web.answers import SCHEMA
from retinaforge.web.app import create_app
from retinaforge.web.clerk import Clerk
from retinaforge.web.gate import TRIES, WINDOW_S, Gate


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


def test_a_click_is_kept_and_found_again_by_code(stage: Stage, client: TestClient) -> None:
    headers = enter(client, stage.told["codes"]["R1"])
    state = client.get("/api/state").json()
    assert (state["reader"], state["position"], state["count"]) == ("R1", 0, 10)
    assert say(client, headers, 0, "verdict", "real").json() == {"saved": True}
    assert say(client, headers, 0, "verdict", "synthetic").status_code == 200
    # As typed on a tablet: small letters, no dashes.
    enter(client, stage.told["codes"]["R1"].lower().replace("-", " "))
    assert client.get("/api/state").json()["answers"] == {"verdict": "synthetic"}
    refused = close(client, headers, 0)
    assert (refused.status_code, "confidence" in refused.text) == (422, True)
    say(client, headers, 0, "confidence", "2")
    assert close(client, headers, 0).json()["position"] == 1


def test_what_is_closed_cannot_be_changed_and_what_is_ahead_not_answered(
    stage: Stage, client: TestClient
) -> None:
    headers = enter(client, stage.told["codes"]["R1"])
    client.get("/api/state")
    for what, value in (("verdict", "real"), ("confidence", "1")):
        say(client, headers, 0, what, value)
    close(client, headers, 0)
    for position in (0, 2, 5):
        assert say(client, headers, position, "verdict", "synthetic").status_code == 409
    # An acknowledgement that was lost: closing once more is no error, and closes nothing else.
    assert close(client, headers, 0).json()["position"] == 1
    assert close(client, headers, 3).status_code == 409
    assert say(client, headers, 1, "verdict", "perhaps").status_code == 422
    assert say(client, headers, 1, "weather", "1").status_code == 422
    assert say(client, headers, 1, "comment", "x" * 2001).status_code == 422


def test_a_reader_sees_and_changes_nothing_of_another(stage: Stage, client: TestClient) -> None:
    first = enter(client, stage.told["codes"]["R1"])
    client.get("/api/state")
    say(client, first, 0, "verdict", "real")
    cookie = dict(client.cookies)
    second = enter(client, stage.told["codes"]["R2"])
    state = client.get("/api/state").json()
    assert (state["reader"], state["answers"]) == ("R2", {})
    # A page of R1 left open in the same browser, and R2 who says to be R1.
    for headers in (first, {"x-reader": "R9"}):
        assert say(client, headers, 0, "verdict", "synthetic").status_code == 403
    assert client.get("/image/R1/0/0").status_code == 403
    assert say(client, second, 0, "verdict", "synthetic").status_code == 200
    client.cookies.clear()
    client.cookies.update(cookie)
    assert client.get("/api/state").json()["answers"] == {"verdict": "real"}


@pytest.mark.parametrize("cookie", [None, "nobody", "R1"])
def test_without_a_session_there_is_nothing(client: TestClient, cookie: str | None) -> None:
    if cookie:
        client.cookies.set("reader", cookie)
        client.cookies.set("organiser", cookie)
    asked = [client.get(a) for a in ("/api/state", "/image/R1/0/0", "/api/organiser/progress")]
    asked += [say(client, {"x-reader": "R1"}, 0, "verdict", "real"),
              close(client, {"x-reader": "R1"}, 0)]  # fmt: skip
    assert {answer.status_code for answer in asked} == {401}


def test_images_open_one_after_another_and_nothing_else_is_served(
    stage: Stage, client: TestClient
) -> None:
    enter(client, stage.told["codes"]["R1"])
    client.get("/api/state")
    found = [client.get(f"/image/R1/{k}/0").status_code for k in range(4)]
    assert found == [200, 200, 404, 404]
    for address in ("/image/R1/0/1", "/image/R1/0/-1", "/image/R1/-1/0"):
        assert client.get(address).status_code in (404, 422)
    for file in ("key.json", "study.json", "answers.sqlite", "images", "docs", "openapi.json"):
        for address in (f"/{file}", f"/static/{file}", f"/..%2f{file}", f"/image/..%2f{file}/0/0"):
            answer = client.get(address)
            assert answer.status_code in (401, 403, 404, 422), address
            assert b"synthetic" not in answer.content


def test_the_server_works_without_the_key(stage: Stage) -> None:
    (stage.folder / KEY).unlink()
    with stage.client() as client:
        headers = enter(client, stage.told["codes"]["R1"])
        client.get("/api/state")
        assert say(client, headers, 0, "verdict", "real").status_code == 200
        assert client.get("/image/R1/0/0").status_code == 200


def test_organiser_sees_progress_but_readers_do_not(stage: Stage, client: TestClient) -> None:
    enter(client, stage.told["codes"]["R1"])
    client.get("/api/state")
    assert client.get("/api/organiser/progress").status_code == 401
    wrong = client.post("/api/organiser/enter", json={"code": stage.told["codes"]["R1"]})
    assert wrong.status_code == 403
    client.post("/api/organiser/enter", json={"code": stage.told["token"]})
    told = client.get("/api/organiser/progress").json()
    assert [(r["reader"], r["done"], r["count"]) for r in told["readers"]] == [
        ("R1", 0, 10), ("R2", 0, 10)]  # fmt: skip
    assert "verdict" not in str(told)


def test_wrong_codes_are_slowed_down_and_right_ones_cost_nothing() -> None:
    time = [0.0]
    gate = Gate(lambda: time[0])
    for _ in range(TRIES):
        assert gate.wait_s("a") == 0
        gate.wrong("a")
    assert gate.wait_s("a") == WINDOW_S
    assert gate.wait_s("b") == 0
    time[0] = WINDOW_S + 1
    assert gate.wait_s("a") == 0


def test_the_door_says_how_long_to_wait(stage: Stage, client: TestClient) -> None:
    for _ in range(TRIES):
        assert client.post("/api/enter", json={"code": "AAAA-AAAA-AAAA"}).status_code == 403
    shut = client.post("/api/enter", json={"code": stage.told["codes"]["R1"]})
    assert (shut.status_code, int(shut.headers["retry-after"]) > 0) == (429, True)


def test_headers_and_requests_of_other_sites(stage: Stage, client: TestClient) -> None:
    for address in ("/", "/organiser", "/reader.js", "/nothing", "/api/state"):
        headers = client.get(address).headers
        assert "default-src 'none'; script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    cookie = client.post("/api/enter", json={"code": stage.told["codes"]["R1"]}).headers
    assert "HttpOnly" in cookie["set-cookie"]
    assert "samesite=strict" in cookie["set-cookie"].lower()
    foreign = client.post("/api/leave", json={}, headers={"origin": "http://elsewhere.test"})
    plain = client.post("/api/leave", content="{}", headers={"content-type": "text/plain"})
    long = client.post("/api/leave", json={"x": "y" * 40_000})
    assert [a.status_code for a in (foreign, plain, long)] == [400, 400, 400]


def test_pages_ask_for_nothing_from_elsewhere(client: TestClient) -> None:
    for address in ("/", "/organiser", "/reader.js", "/view.js", "/organiser.js", "/reader.css"):
        text = client.get(address).text
        assert "http://" not in text
        assert "https://" not in text
        assert "//cdn" not in text


def test_times_grow_and_never_exceed_the_clock(stage: Stage, client: TestClient) -> None:
    headers = enter(client, stage.told["codes"]["R1"])
    client.get("/api/state")
    for ms in (900, 300, 80_000_000):
        body = {"position": 0, "what": "verdict", "value": "real", "ms": ms}
        assert client.post("/api/answer", json=body, headers=headers).status_code == 200
        shown = client.get("/api/state").json()["ms"]
        assert 900 <= shown < 60_000


def test_leaving_ends_the_session(stage: Stage, client: TestClient) -> None:
    enter(client, stage.told["codes"]["R1"])
    cookie = dict(client.cookies)
    assert client.post("/api/leave", json={}).json() == {"left": True}
    client.cookies.update(cookie)
    assert client.get("/api/state").status_code == 401


def test_answers_of_another_study_are_refused(stage: Stage, tmp_path: Path, sides) -> None:
    with stage.client():
        pass
    other = make_stage(tmp_path / "other", sides)
    (stage.folder / ANSWERS).rename(other.folder / ANSWERS)
    with pytest.raises(Refusal, match="expected answers to study"):
        create_app(read_study(other.folder))


def test_a_failing_job_takes_nothing_of_the_others_with_it(tmp_path: Path) -> None:
    clerk = Clerk(tmp_path / "t.sqlite", SCHEMA)

    def good(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO about VALUES ('kept')")

    def bad(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO about VALUES ('lost')")
        raise RuntimeError("no")

    futures = [clerk.hand_in(job) for job in (good, bad, good)]
    assert [f.exception() is None for f in futures] == [True, False, True]
    rows = clerk.hand_in(lambda db: db.execute("SELECT study FROM about").fetchall()).result()
    assert rows == [("kept",), ("kept",)]
    clerk.close()
