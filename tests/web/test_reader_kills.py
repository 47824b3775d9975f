"""Nothing is lost when the server, or the browser, is killed at any click."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import Stage, draw_sides, make_stage
from served import CHROMIUM, Server, go_in, page_of, shown, until

from retinaforge.tasks.reader_answers import readings_of
from retinaforge.tasks.reader_study import ANSWERS, read_key, read_study
from retinaforge.web.table import read_table

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Stage, Server]]:
    stage = make_stage(tmp_path / "study", draw_sides(tmp_path, 4), readers=2, images=8)
    server = Server(stage.folder)
    yield stage, server
    server.kill()


def table(stage: Stage) -> dict[str, list[dict[str, Any]]]:
    return read_table(stage.folder / ANSWERS, read_study(stage.folder).told["id"])


class Insisting:
    """A reader's page as a script: sends each click until the server says that it is kept."""

    def __init__(self, port: int, name: str, code: str) -> None:
        self.port, self.name, self.code, self.cookie = port, name, code, ""
        self.kept: list[tuple[int, str, str]] = []
        self.sent: list[tuple[int, str, str]] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Try until an answer comes."""
        heads = {"Content-Type": "application/json", "Cookie": self.cookie, "X-Reader": self.name}
        while True:
            door = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                door.request(method, path, None if body is None else json.dumps(body), heads)
                answer = door.getresponse()
                content = answer.read()
                assert answer.status == 200, (method, path, answer.status, content)
                if found := answer.getheader("set-cookie"):
                    self.cookie = found.partition(";")[0]
                return json.loads(content)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            finally:
                door.close()

    def click(self, position: int, what: str, value: str) -> None:
        """Answer, and write down that the server said so."""
        time.sleep(0.01)
        self.sent.append((position, what, value))
        body = {"position": position, "what": what, "value": value, "ms": 10}
        self.ask("POST", "/api/close" if what == "close" else "/api/answer", body)
        self.kept.append((position, what, value))

    def read(self, seed: int) -> None:
        """Read to the end, changing answers at random."""
        dice = random.Random(f"{seed} {self.name}")
        self.ask("POST", "/api/enter", {"code": self.code})
        state = self.ask("GET", "/api/state")
        for position in range(state["count"]):
            time.sleep(dice.uniform(0, 0.1))  # the killer keeps pace
            for _ in range(dice.randint(1, 3)):
                self.click(position, "verdict", dice.choice(["real", "synthetic"]))
                self.click(position, "confidence", dice.choice("123"))
            if dice.random() < 0.5:
                self.click(position, "comment", f"{self.name} at {position}: {dice.random()}")
            self.click(position, "close", "")


def require_kept(stage: Stage, kept: list[tuple[int, str, str]], reader: Insisting) -> None:
    """Each click that was acknowledged is there, or a later one of the same question."""
    found = table(stage)
    logged = {(r["reader"], r["position"], r["what"], r["value"]) for r in found["clicks"]}
    answers = {(r["position"], r["question"]): r["value"] for r in found["answers"]
               if r["reader"] == reader.name}  # fmt: skip
    last = {(position, what): value for position, what, value in kept}
    for (position, what), value in last.items():
        assert (reader.name, position, what, value) in logged, (position, what, value)
        if what == "close":
            continue
        later = [v for p, w, v in reader.sent[len(kept) :] if (p, w) == (position, what)]
        assert answers[position, what] in (value, *later)


def test_kills_of_the_server_lose_no_acknowledged_click(
    stage: tuple[Stage, Server],
) -> None:
    stage, server = stage
    readers = [Insisting(server.port, n, c) for n, c in stage.told["codes"].items()]
    threads = [threading.Thread(target=reader.read, args=(3,), daemon=True) for reader in readers]
    dice, kills = random.Random(5), 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and kills < 40:
        before = sum(len(reader.kept) for reader in readers)
        wanted = before + dice.randint(1, 4)
        while sum(len(r.kept) for r in readers) < wanted and any(t.is_alive() for t in threads):
            time.sleep(0.0005)
        time.sleep(dice.uniform(0, 0.004))  # somewhere in the midst of the next request
        kept = [list(reader.kept) for reader in readers]
        server.kill()
        kills += 1
        for reader, known in zip(readers, kept, strict=True):
            require_kept(stage, known, reader)
        server.begin()
    for thread in threads:
        thread.join(timeout=300)
        assert not thread.is_alive()
    assert kills >= 10
    for reader in readers:
        require_kept(stage, reader.kept, reader)
    study = read_study(stage.folder)
    found = readings_of(study, table(stage), read_key(study))
    for reader in readers:
        intended: dict[int, dict[str, str]] = {}
        for position, what, value in reader.sent:
            if what != "close":
                intended.setdefault(position, {})[what] = value
        mine = [r for r in found if r.reader == reader.name]
        assert [r.position for r in mine] == list(range(len(study.trials(reader.name))))
        assert {r.position: dict(r.answers) for r in mine} == intended


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_kills_of_browser_and_server_at_random_clicks(
    browser: Any, stage: tuple[Stage, Server]
) -> None:
    """What the page shows as kept is kept; all else is asked for again."""
    stage, server = stage
    dice, trials = random.Random(11), stage.trials("R1")
    wanted = {"verdict": {"real": "r", "synthetic": "s"}, "confidence": {"3": "3"}}
    page, wrong = page_of(browser, server)
    go_in(page, stage.told["codes"]["R1"])
    done, deaths, seen_kept = 0, 0, {}
    while done < len(trials):
        shown(page)
        place = page.evaluate("told.position")
        assert place in (done, done + 1)
        if place > done:
            done, seen_kept = place, {}
            continue
        saved = page.evaluate("saved")
        assert seen_kept.items() <= saved.items(), "the page had shown this as kept"
        seen_kept = {k: v for k, v in saved.items() if k in wanted}
        truth = {"verdict": trials[done][0], "confidence": "3"}
        missing = [name for name in wanted if saved.get(name) != truth[name]]
        if missing:
            name = dice.choice(missing)
            page.locator(f"[data-name={name}] [data-value='{truth[name]}']").click()
        else:
            page.keyboard.press("Enter")
            if done + 1 == len(trials) and dice.random() < 0.5:
                page.wait_for_selector("#done:not([hidden])")
                break
        fate = dice.random()
        if fate < 0.35:
            time.sleep(dice.uniform(0, 0.02))
            deaths += 1
            server.kill()
            if fate < 0.2:  # the browser as well: nobody is left to insist
                page.context.close()
                server.begin()
                page, wrong = page_of(browser, server)
                page.fill("#code", stage.told["codes"]["R1"])
                page.press("#code", "Enter")
                until(page, "['rest', 'done'].includes(document.body.dataset.page)")
                if page.evaluate("document.body.dataset.page") == "done":
                    break
                page.click("#go")
            else:
                server.begin()
        until(page, "!waiting && ['case', 'done'].includes(document.body.dataset.page)")
        if page.evaluate("document.body.dataset.page") == "done":
            break
    assert deaths >= 5
    study = read_study(stage.folder)
    found = readings_of(study, table(stage), read_key(study))
    assert [r.answers["verdict"] for r in found] == [kind for (kind,) in trials]
    assert all(r.answers["confidence"] == "3" for r in found)
    assert not wrong, wrong
