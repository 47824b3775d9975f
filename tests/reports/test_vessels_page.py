"""The page of `retinaforge vessels`, from files that a test wrote."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from retinaforge.core import Refusal
from retinaforge.reports.vessels_page import histogram, write_vessels_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def biomarker(column: str, **further) -> dict:
    card = {
        "name": column, "version": 1, "measures": "Something.", "range": "[0, inf)",
        "direction": "neither", "unit": "1", "smallest_n": 1, "reference": "", "side": "",
        "known_failure": "Often.", "region": "field of view", "definition": "a / b", "retest": "",
    }  # fmt: skip
    return {**card, "column": column, "missing": {}, "n": 0, **further}


SPREAD = {"n": 3, "min": 0.05, "quartiles": [0.06, 0.07, 0.08], "max": 0.09,
          "counts": [1, 0, 2], "edges": [0.05, 0.06, 0.08, 0.09]}  # fmt: skip


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Return a folder of three eyes and one that failed."""
    summary = {
        "photographs": 4,
        "states": {"ok": 2, "flagged": 1, "failed": 1},
        "troubled": [
            {"file_name": "<b>.png", "status": "failed", "reason": "expected an image; got <i>"},
            {"file_name": "dark.png", "status": "flagged", "reason": "no vessel was found"},
        ],
        "biomarkers": [
            biomarker("area_density", **SPREAD),
            biomarker("crae_um", missing={"the optic disc is not known": 3}),
        ],
        "shown": [{"file_name": "1.png", "overlay": "overlays/1.jpg", "status": "ok", "reason": "",
                   "values": {"area_density": 0.05}}],
    }  # fmt: skip
    (tmp_path / "overlays").mkdir()
    Image.new("RGB", (40, 30), (90, 30, 10)).save(tmp_path / "overlays" / "1.jpg")
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "environment.json").write_text(json.dumps({"retinaforge": "0", "workers": 1}))
    return tmp_path


def test_the_page_shows_what_was_found_and_what_failed(measured: Path) -> None:
    page = write_vessels_page(measured).read_text()
    assert '<li class="bad"><b>1</b> failed</li>' in page
    assert "expected an image; got &lt;i&gt;" in page
    assert "no vessel was found" in page
    assert "median 0.070, quartiles 0.060 and 0.080, n 3" in page
    assert "missing 1" in page
    assert "the optic disc is not known (3)" in page
    assert 'src="data:image/webp;base64,' in page
    assert "a / b" in page


def test_the_page_fetches_nothing(measured: Path) -> None:
    page = write_vessels_page(measured).read_text()
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", page) == []
    assert "http" not in page


def test_a_picture_that_is_gone_is_said_to_be_missing(measured: Path) -> None:
    (measured / "overlays" / "1.jpg").unlink()
    assert "picture missing" in write_vessels_page(measured).read_text()


def test_nothing_measured_still_makes_a_page(measured: Path) -> None:
    summary = json.loads((measured / "summary.json").read_text())
    summary["biomarkers"] = [biomarker("area_density")]
    summary["shown"] = []
    (measured / "summary.json").write_text(json.dumps(summary))
    page = write_vessels_page(measured).read_text()
    assert "No biomarker could be measured in any file." in page
    assert "no file could be measured" in page
    assert "There is no overlay to show" in page


def test_bars_stand_where_their_values_are() -> None:
    chart = str(histogram(biomarker("area_density", **SPREAD)))
    assert chart.count("<rect") == 2
    assert "0.080 to 0.090: 2" in chart
    assert "in 3 photographs: median 0.070" in chart


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected a folder that `retinaforge vessels` wrote; got"):
        write_vessels_page(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width_px", [500, 1200])
def test_nothing_runs_over_the_side(measured: Path, width_px: int) -> None:
    page = write_vessels_page(measured)
    watch = (
        "<script>addEventListener('load', function () { document.documentElement.setAttribute("
        "'data-wide', document.documentElement.scrollWidth > innerWidth); });</script>"
    )
    page.write_text(page.read_text() + watch)
    size, user = f"--window-size={width_px},2000", f"--user-data-dir={measured / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), *OPTIONS, size, user, "--virtual-time-budget=2000", "--dump-dom",
         page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert 'data-wide="false"' in done.stdout
