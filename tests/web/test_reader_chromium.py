"""A whole reading in a real browser: keys, fingers, pause, other readers, a server that is killed.

With RETINAFORGE_SCREENSHOTS=FOLDER the pages are photographed (drawn eyes only) for the docs.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import Stage, draw_sides, make_stage
from served import CHROMIUM, SHOTS, SLOW_MS, Server, go_in, page_of, shown, until

from retinaforge.tasks.reader_answers import readings_of
from retinaforge.tasks.reader_study import read_key, read_study
from retinaforge.web.table import read_table

pytest.importorskip("playwright", reason="pip install 'retinaforge[browser]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
PHANTOMS = os.environ.get("RETINAFORGE_SCREENSHOT_EYES")


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Stage, Server]]:
    options = getattr(request, "param", {})
    folder = Path(PHANTOMS) if PHANTOMS else None
    sides = (folder / "real", folder / "synthetic") if folder else draw_sides(tmp_path, 4)
    layout = {"images": 8, "repeats": 0.25, "title": "Fundus images, part 1"} | options
    stage = make_stage(tmp_path / "study", sides, readers=2, **layout)
    server = Server(stage.folder)
    yield stage, server
    server.kill()


def place(page: Any) -> str:
    return page.inner_text("#place")


def shoot(page: Any, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def readings(stage: Stage) -> list[Any]:
    study = read_study(stage.folder)
    table = read_table(stage.folder / "answers.sqlite", study.told["id"])
    return readings_of(study, table, read_key(study))


def test_a_reading_by_keyboard_survives_kills_at_any_click(
    browser: Any, stage: tuple[Stage, Server]
) -> None:
    stage, server = stage
    page, wrong = page_of(browser, server)
    shoot(page, "door")
    page.fill("#code", stage.told["codes"]["R1"])
    page.press("#code", "Enter")
    page.wait_for_selector("#go")
    shoot(page, "welcome")
    page.click("#go")
    shown(page)
    trials = stage.trials("R1")
    for position, (kind,) in enumerate(trials):
        assert place(page) == f"{position + 1} of {len(trials)}"
        if position == 1:  # look closer, red-free, then fit again
            for key in ("+", "+", "g", "Shift+ArrowRight"):
                page.keyboard.press(key)
            assert page.locator(".view").get_attribute("data-scale") == "2.25"
            shoot(page, "red-free")
            red, green = page.evaluate(
                "(() => { const c = document.querySelector('canvas'), k = c.width >> 1;"
                "const p = c.getContext('2d').getImageData(k, k, 1, 1).data; return [p[0], p[1]];"
                "})()"
            )
            assert red == green > 0
            page.keyboard.press("g")
            page.keyboard.press("f")
        page.keyboard.press("r" if kind == "real" else "s")
        if position == 2:  # killed between two clicks; the browser goes, too
            shown(page)
            server.kill()
            page.context.close()
            server.begin()
            page, wrong = page_of(browser, server)
            go_in(page, stage.told["codes"]["R1"])
            assert place(page) == f"3 of {len(trials)}"
            assert page.locator("button.kept").count() == 1
        if position == 3:  # killed while the page stays: it insists
            server.kill()
            page.keyboard.press("3")
            page.wait_for_selector("#alarm:not([hidden])")
            server.begin()
            shown(page)
        else:
            page.keyboard.press("3")
        if position == 0:
            page.fill("textarea", "A clear view.")
            page.locator("textarea").blur()
            shown(page)
            shoot(page, "image")
            page.keyboard.press("p")
            page.wait_for_selector("#go")
            assert "Time does not count now" in page.inner_text("#rest")
            page.click("#go")
            shown(page)
        page.keyboard.press("Enter")
        if position + 1 < len(trials):
            until(page, f"told.position === {position + 1}")
            shown(page)
    page.wait_for_selector("#done:not([hidden])")
    found = readings(stage)
    assert [r.answers["verdict"] for r in found] == [kind for (kind,) in trials]
    assert all(r.right and r.answers["confidence"] == "3" for r in found)
    assert found[0].answers["comment"] == "A clear view."
    assert all(0 < r.seconds < 600 for r in found)
    assert not wrong, wrong


@pytest.mark.parametrize("stage", [{"design": "2afc", "repeats": 0.0}], indirect=True)
def test_two_readers_at_once_by_touch_and_the_organiser_watches(
    browser: Any, stage: tuple[Stage, Server]
) -> None:
    stage, server = stage
    tablet = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "is_mobile": True}
    pages = {r: page_of(browser, server, **tablet) for r in ("R1", "R2")}
    for reader, (page, _) in pages.items():
        go_in(page, stage.told["codes"][reader])
    page = pages["R1"][0]
    box = page.locator(".view").first.bounding_box()
    for _ in range(40):  # double tap enlarges where it taps; a slow machine's taps lie apart
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        if page.locator(".view").first.get_attribute("data-scale") == "3.00":
            break
    else:
        raise AssertionError("no double tap was seen")
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide
    shoot(page, "pair-tablet")
    for position in range(4):
        for reader, choice in (("R1", 0), ("R2", 1)):
            page, _ = pages[reader]
            sides = stage.trials(reader)[position]
            side = ("left", "right")[(sides.index("synthetic") + choice) % 2]
            page.locator(f"[data-value={side}]").tap()
            page.locator("[data-name=confidence] [data-value='2']").tap()
            until(page, "!document.getElementById('next').disabled")
            page.locator("#next").tap()
            if position < 3:
                until(page, f"told.position === {position + 1}")
                shown(page)
    for page, wrong in pages.values():
        page.wait_for_selector("#done:not([hidden])")
        assert not wrong, wrong
    found = readings(stage)
    assert [r.right for r in found] == [True] * 4 + [False] * 4
    # A tablet goes from hand to hand.
    page = pages["R1"][0]
    page.locator("#next-reader").tap()
    page.wait_for_selector("#code")
    assert page.evaluate("fetch('/api/state').then(a => a.status)") == 401
    page, _ = page_of(browser, server)
    page.goto(f"{server.address}/organiser")
    page.fill("#code", stage.told["token"])
    page.press("#code", "Enter")
    page.wait_for_selector("#rows tr")
    assert page.locator("#rows td:has-text('4 of 4')").count() == 2
    shoot(page, "organiser")


@pytest.mark.parametrize(
    "stage", [{"design": "grading", "repeats": 0.0, "images": 4}], indirect=True
)
def test_grading_by_keyboard_and_a_second_reader_in_the_same_browser(
    browser: Any, stage: tuple[Stage, Server]
) -> None:
    stage, server = stage
    page, wrong = page_of(browser, server)
    go_in(page, stage.told["codes"]["R1"])
    for key in "3231302":  # six aspects, then the grade
        page.keyboard.press(key)
    until(page, "!document.getElementById('next').disabled")
    shoot(page, "grading")
    # R2 enters in another tab: R1's page must not write into R2's answers.
    other = page.context.new_page()
    other.set_default_timeout(SLOW_MS)
    other.goto(server.address)
    other.request.post(f"{server.address}/api/enter", data={"code": stage.told["codes"]["R2"]},
                       headers={"origin": server.address})  # fmt: skip
    page.keyboard.press("Enter")
    page.wait_for_selector("#alarm:not([hidden])")
    assert "R2 has entered" in page.inner_text("#alarm")
    table = read_table(stage.folder / "answers.sqlite", read_study(stage.folder).told["id"])
    assert {row["reader"] for row in table["answers"]} == {"R1"}
    assert not wrong, wrong
    assert json.dumps(table)


def test_wheel_drag_and_pinch_enlarge_and_move_the_image(
    browser: Any, stage: tuple[Stage, Server]
) -> None:
    stage, server = stage
    page, wrong = page_of(browser, server, has_touch=True)
    go_in(page, stage.told["codes"]["R1"])
    view = page.locator(".view")
    box = view.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def where() -> tuple[float, float, float]:
        """Scale and shift of the image."""
        text = view.locator("canvas").evaluate("c => new DOMMatrix(c.style.transform).toString()")
        numbers = [float(v) for v in text.removeprefix("matrix(").rstrip(")").split(",")]
        return numbers[0], numbers[4], numbers[5]

    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    until(page, "Number(document.querySelector('.view').dataset.scale) > 2")
    scale, left, top = where()
    assert scale == pytest.approx(math.e, rel=0.01)
    # What lay under the pointer still does.
    assert left == pytest.approx(box["width"] / 2 * (1 - scale), abs=2)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=4)
    page.mouse.up()
    assert where() == pytest.approx((scale, left + 60, top + 40), abs=1.5)
    page.mouse.down()  # never beyond the image's edge
    page.mouse.move(x + 5000, y + 5000, steps=2)
    page.mouse.up()
    assert where()[1:] == pytest.approx((0, 0), abs=0.01)
    page.locator("#fit").click()
    assert where() == (1, 0, 0)
    hand = page.context.new_cdp_session(page)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        hand.send("Input.dispatchTouchEvent", {
            "type": kind, "touchPoints": [{"x": a, "y": b, "id": k} for k, (a, b) in
                                          enumerate(points)]})  # fmt: skip

    fingers("touchStart", (x - 40, y), (x + 40, y))
    for far in (60, 90, 120):
        fingers("touchMove", (x - far, y), (x + far, y))
    fingers("touchEnd")
    assert where()[0] == pytest.approx(3, rel=0.05)
    fingers("touchStart", (x, y))
    fingers("touchMove", (x - 50, y))
    before = where()
    fingers("touchMove", (x - 80, y))
    fingers("touchEnd")
    assert before[1] - where()[1] == pytest.approx(30, abs=2)
    # Looking is not answering: nothing was sent but what the server asked for.
    assert page.evaluate("Object.keys(saved).length") == 0
    assert not wrong, wrong
