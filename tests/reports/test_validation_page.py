"""The page of `retinaforge validate`, from a made-up scorecard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from made_up_card import drawn_card, write_run
from markupsafe import escape

from retinaforge.core import Refusal
from retinaforge.reports.validation_page import (
    blind_scores,
    panel_summary,
    panel_table,
    place_bar,
    read_scorecard,
    write_validation_page,
)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_validation_page(write_run(tmp_path_factory.mktemp("run"))).read_text()


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', page, re.DOTALL)
    assert found, name
    return found[0]


def test_the_verdict_stands_first_and_failures_first_in_it(page: str) -> None:
    assert re.findall(r'<section id="(\w+)"', page)[0] == "verdict"
    verdict, uses = section(page, "verdict").split('<h3 id="uses">')
    levels = re.findall(r'<li class="(\w+)"><b class="level">', verdict)
    assert levels == ["failure", "caution", "caution", "unknown", "pass"]
    assert re.findall(r'<li class="(\w+)"><b class="level">([^<]+)', uses) == [
        ("failure", "no"), ("pass", "nothing against it")
    ]  # fmt: skip
    assert "Stand for the &lt;variety&gt;" in uses


def test_every_link_leads_somewhere_and_no_place_is_named_twice(page: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]*)"', page)
    assert len(links) > 15
    assert [link for link in links if link not in ids] == []


def test_nothing_is_fetched(page: str) -> None:
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", page) == []
    assert not re.search(r"url\((?!data:)|@import", page)
    assert "http" not in page


def test_names_of_files_are_escaped(page: str) -> None:
    assert "<b>&'eye" not in page
    assert str(escape("<b>&'eye%.png")) in page
    assert "/data/&lt;generated&gt;" in page
    assert "Length &lt;differs&gt;." in page


def test_each_score_stands_with_its_floor_interval_n_and_place(page: str) -> None:
    row = re.search(r'<tr id="fidelity:structure:kernel_distance".*?</tr>', page, re.DOTALL)
    assert row
    for part in ("1.500", "1.400 to 1.600", "24 / 16", "0.100 to 0.900", "2.000", "0.700",
                 "1 = blur"):  # fmt: skip
        assert part in row[0]
    missing = re.search(r'<tr id="fidelity:structure:frechet_distance".*?</tr>', page, re.DOTALL)
    assert missing
    assert "too few images" in missing[0]


def test_a_score_blind_to_vessels_is_marked(page: str) -> None:
    assert '<tr id="fidelity:radiomics:frd_v1" class="blind">' in page
    assert '<tr id="fidelity:structure:kernel_distance">' in page


def test_every_number_stands_on_the_page(page: str) -> None:
    vessels = section(page, "vessels")
    assert vessels.count("<tr id=") == 50
    assert "<summary>10 more</summary>" in vessels
    assert "<code>crae_um</code>: too few images" in vessels


def test_what_was_left_out_and_rejected_is_named_with_its_reason(page: str) -> None:
    assert "no fundus: no field of view" in section(page, "left")
    assert "one_disc: two discs" in section(page, "anatomy")
    assert "late.png: tapering: grows" in section(page, "anatomy")
    assert 'src="data:image/webp;base64,' in section(page, "anatomy")
    assert "picture missing" in section(page, "copies")
    assert "2 synthetic images show too few vessels to be searched" in section(page, "copies")
    assert "0 of 24 reach the line (24 of 30 searched, evenly spaced)" in section(page, "copies")
    assert "at most 11.7 % of searches give a false match" in section(page, "copies")
    assert "crop 1 of 2, flip 2 of 2" in section(page, "copies")
    assert "hrf (7 training images)" in section(page, "footing")


def test_how_it_was_made_is_told_in_words(page: str) -> None:
    told = section(page, "reproduce")
    assert "<dd>24, 1 without a header; 23 of JPEG; 23 of 1072x712; JPEG quality 92</dd>" in told
    assert "<dd>512 px</dd>" in told
    assert "None" not in told


def test_empty_sections_say_why(tmp_path: Path) -> None:
    card = drawn_card()
    card["scores"] = [s for s in card["scores"] if s["family"] in ("copies", "anatomy")]
    card |= {"rejects": [], "contamination": [], "sanity_panel": {"rows": [], "problems": []}}
    card["left_out"] = {"real": [], "synthetic": []}
    page = write_validation_page(write_run(tmp_path, card)).read_text()
    assert "No score of sets" in section(page, "fidelity")
    assert "Nothing to compare" in section(page, "vessels")
    assert "No synthetic image failed a check." in section(page, "anatomy")
    assert "No picture" in section(page, "copies")
    assert "No panel: it was not asked for." in section(page, "sanity")
    assert "Every image was scored." in section(page, "left")
    assert 'id="groups"' not in page
    assert 'href="#groups"' not in page


def test_the_panel_is_told_by_score_and_the_numbers_in_sum() -> None:
    panel = drawn_card()["sanity_panel"]["rows"]
    assert blind_scores(panel) == {"radiomics: frd_v1"}
    rows = {row["name"]: row["cells"] for row in panel_table(panel)}
    assert set(rows) == {"structure: kernel_distance", "radiomics: frd_v1"}
    assert [c["notices_from"] for c in rows["structure: kernel_distance"]] == [None, None, 3, None]
    (summary,) = panel_summary(panel)
    assert summary["cells"][0] == {"count": 1, "of": 1, "first": "length_1", "level": 5}


def test_a_bar_without_a_floor_is_no_bar() -> None:
    line = drawn_card()["scores"][0]
    assert place_bar({**line, "floor": None}) == ""
    bar = str(place_bar(line))
    assert "synthetic, same n: 2.000" in bar
    assert bar.count("<line") == 2
    assert str(place_bar({**line, "worst_damage": None})).count("<line") == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"scores": []}', None])
def test_another_folder_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "scorecard.json").write_text(content)
    with pytest.raises(Refusal, match="expected a folder that `retinaforge validate` wrote; got"):
        write_validation_page(tmp_path)


def test_a_scorecard_is_read_by_folder_or_by_file(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert (
        read_scorecard(tmp_path)
        == read_scorecard(tmp_path / "scorecard.json")
        == json.loads(json.dumps(drawn_card()))
    )


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width_px", [500, 1200])
def test_a_validation_never_runs_over_the_side(tmp_path: Path, width_px: int) -> None:
    page = write_validation_page(write_run(tmp_path))
    watch = (
        "<script>addEventListener('load', function () { document.documentElement.setAttribute("
        "'data-wide', document.documentElement.scrollWidth > innerWidth); });</script>"
    )
    page.write_text(page.read_text() + watch)
    size, user = f"--window-size={width_px},2000", f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), *OPTIONS, size, user, "--virtual-time-budget=2000", "--dump-dom",
         page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert 'data-wide="false"' in done.stdout
