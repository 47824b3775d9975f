"""One scripted reader in a real Chromium: by keyboard, mouse or finger, in turn."""

from __future__ import annotations

import shutil
import time
from typing import Any

import numpy as np

from reader_scripted_readers import Script

HANDS = ("keyboard", "mouse", "touch")
TABLET = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "is_mobile": True}
LAPTOP = {"viewport": {"width": 1366, "height": 768}}
LONGEST_S = 120
KEYS = {"real": "r", "synthetic": "s"}


def read_in_browser(
    port: int, code: str, kinds: list[str], items: list[str], script: Script, number: int
) -> None:
    """Read a whole study as a person does: each reader with another hand."""
    from playwright.sync_api import sync_playwright

    hand, rng = HANDS[number % len(HANDS)], np.random.default_rng([number, len(items)])
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium, timeout=1000 * LONGEST_S,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )  # fmt: skip
        page = browser.new_context(**(TABLET if hand == "touch" else LAPTOP)).new_page()
        page.set_default_timeout(1000 * LONGEST_S)
        page.goto(f"http://127.0.0.1:{port}")
        page.fill("#code", code)
        page.press("#code", "Enter")
        page.click("#go")
        for position, (kind, item) in enumerate(zip(kinds, items, strict=True)):
            _until(page, f"told.position === {position} && document.body.dataset.page === 'case' "
                   "&& running && !waiting")  # fmt: skip
            _answer(page, script.read(kind, item, rng), hand)
        _until(page, "document.body.dataset.page === 'done'")
        browser.close()


def _answer(page: Any, answers: dict[str, str], hand: str) -> None:
    for what, value in answers.items():
        button = page.locator(f"[data-name={what}] [data-value='{value}']")
        if hand == "keyboard":
            page.keyboard.press(KEYS.get(value, value))
        elif hand == "mouse":
            button.click()
        else:
            button.tap()
    _until(page, "!document.getElementById('next').disabled")
    if hand == "keyboard":
        page.keyboard.press("Enter")
    elif hand == "mouse":
        page.locator("#next").click()
    else:
        page.locator("#next").tap()


def _until(page: Any, true: str) -> None:
    """Wait until it is true; Playwright's own waiting needs an eval that CSP forbids."""
    end = time.monotonic() + LONGEST_S
    while not page.evaluate(true):
        if time.monotonic() > end:
            raise TimeoutError(true)
        time.sleep(0.02)
