"""report.html: one file, whole or in part, failures shown as failures, nothing fetched."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from drawn_run import ARMS, FAILED, draw_run
from PIL import Image

from retinaforge.core import Refusal
from retinaforge.reports import pictures, write_report

VOID = {"meta", "link", "img", "input", "br"}


class Outline(HTMLParser):
    """Collect tags, attributes and nesting faults."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_run(tmp_path_factory.mktemp("run") / "drawn")


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def part(page: str, section: str) -> str:
    return page.split(f'<section id="{section}">')[1].split("</section>")[0]


def test_tags_are_closed_in_order(page: str) -> None:
    parsed = outline(page)
    assert parsed.faults == []
    assert parsed.open == []


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    parsed = outline(page)
    addresses = [
        attributes[key]
        for _, attributes in parsed.tags
        for key in ("src", "href", "srcset", "action", "poster")
        if attributes.get(key)
    ]
    assert addresses
    assert all(re.match(r"data:|#", str(address)) for address in addresses)
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttp", page)


def test_every_picture_and_chart_has_a_text_alternative(page: str) -> None:
    parsed = outline(page)
    shown = [image for image in parsed.all("img") if image["src"] != "data:,"]
    assert len(shown) > 5 * len(ARMS)
    assert all(image["alt"] for image in shown)
    charts = [svg for svg in parsed.all("svg") if svg.get("class") == "chart"]
    assert len(charts) > 10
    assert all(svg["aria-label"] for svg in charts)


def test_identifiers_are_unique_and_links_arrive(page: str) -> None:
    names = [a["id"] for _, a in outline(page).tags if a.get("id")]
    assert len(names) == len(set(names))
    links = [str(a["href"])[1:] for a in outline(page).all("a")]
    assert set(links) <= set(names)


def test_every_figure_says_what_good_and_bad_look_like(page: str) -> None:
    for section in ("table", "intervals", "spread", "widths", "eyes", "extremes", "training"):
        for words in ("What it shows", "Good looks like", "Bad looks like"):
            assert words in part(page, section), (section, words)


def test_what_came_from_files_is_escaped(page: str) -> None:
    assert "<h1>Loss study &lt;drawn&gt;</h1>" in page
    assert "step 40 &lt;b&gt;" in page


def test_a_failed_arm_is_shown_as_failed_with_its_reason(page: str) -> None:
    row = next(r for r in part(page, "table").split("<tr") if FAILED in r)
    assert "FAILED" in row
    assert "the loss is NaN at step 40" in row
    assert "Failed arms: best-gan" in page


def test_an_arm_with_one_failed_seed_keeps_its_numbers(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    second = folder / "arms" / "sobel" / "seed-1"
    second.mkdir()
    (second / "status.json").write_text('{"state": "failed", "reason": "killed by SIGKILL"}')
    table = part(write_report(folder).read_text(), "table")
    row = next(r for r in table.split("<tr") if '<th scope="row">sobel' in r)
    assert "0.560" in row
    assert "failed: seed 1: killed by SIGKILL" in row


def test_the_verdict_names_winner_interval_and_corrected_p(page: str) -> None:
    verdict = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part(page, "verdict")))
    assert "Vessel Dice chooses perceptual, PSNR chooses log" in verdict
    assert "perceptual 0.800 (0.768 to 0.832) +0.340 (+0.310 to +0.370) against l1" in verdict
    assert "Holm p = 0.016" in verdict


def test_lower_is_better_is_read_from_the_card(page: str) -> None:
    verdict = part(page, "verdict")
    card = next(item for item in verdict.split("<li") if "Calibre error" in item)
    assert '<div class="who">perceptual</div>' in card
    assert "1.200" in card


def test_measures_that_were_not_named_beforehand_are_exploratory(page: str) -> None:
    pattern = r'class="what">([^<·]+?)( · exploratory)?</div>'
    said = dict(re.findall(pattern, part(page, "verdict")))
    assert {name for name, mark in said.items() if mark} == {
        "Recall, thin vessels",
        "Calibre error",
    }


def test_an_uncorrected_p_is_never_shown_as_corrected(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    card = json.loads((folder / "scorecard.json").read_text())
    for score in card["scores"]:
        score.pop("p_holm", None)
    (folder / "scorecard.json").write_text(json.dumps(card))
    page = write_report(folder).read_text()
    assert "p = 0.0" not in page
    assert "▲" not in part(page, "table").split("</table>")[0]


def test_a_judge_of_the_arms_own_family_is_marked(page: str) -> None:
    tables = part(page, "breakdown").split("<details>")
    frangi = next(t for t in tables if "Judge frangi, against the original" in t)
    own = next(t for t in tables if "Judge ours, against the original" in t)
    assert frangi.count("†") == 2 * 7  # two edge arms, seven vessel measures
    assert "†" not in own


def test_the_same_judge_is_never_lent_anothers_number(tmp_path: Path, run: Path) -> None:
    # Only the primary judge has this score: the other judge's table must not show it.
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    card = json.loads((folder / "scorecard.json").read_text())
    card["scores"] = [
        s for s in card["scores"] if not (s.get("judge") == "frangi" and s["name"] == "cldice")
    ]
    (folder / "scorecard.json").write_text(json.dumps(card))
    tables = part(write_report(folder).read_text(), "breakdown").split("<details>")
    frangi = next(t for t in tables if "Judge frangi, against the original" in t)
    assert "Vessel clDice" not in frangi
    assert "Vessel Dice" in frangi


def test_cautions_name_small_n_one_seed_and_unknown_patients(page: str) -> None:
    for words in ("22 images of 8 patients", "One seed", "Patient unknown for 22 images"):
        assert words in page


def test_phantoms_are_named_as_such(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    data = json.loads((folder / "data.json").read_text())
    data["records"] = [{"name": "images/synthetic_000.png", "dataset": "p", "patient": "p"}]
    (folder / "data.json").write_text(json.dumps(data))
    assert "phantoms drawn by the package" in write_report(folder).read_text()


def test_references_stand_beside_the_scores(page: str) -> None:
    table = part(page, "table")
    assert "resizing alone" in table
    assert "real against real" in table
    assert "second human against the first" in table
    assert "resizing alone: 0.930" in part(page, "intervals")


def test_refused_and_doubled_files_are_listed(page: str) -> None:
    data = part(page, "data")
    assert "broken.jpg</code>: the file is truncated" in data
    assert "Near-duplicates: 1" in data


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("study.json", "study.json is not in the run folder"),
        ("environment.json", "environment.json is not in the run folder"),
        ("data.json", "data.json is not in the run folder"),
        ("scorecard.json", "There is no score to judge by."),
        ("per_image.parquet", "per_image.parquet is not in the run folder"),
        ("panels", "The run holds no panels."),
        ("arms", "No learning curve was logged."),
    ],
)
def test_a_missing_part_is_said_and_the_rest_still_shown(
    tmp_path: Path, run: Path, gone: str, said: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = write_report(folder).read_text()
    assert said in page
    assert outline(page).faults == []
    if gone != "scorecard.json":
        assert "0.800" in part(page, "table")


@pytest.mark.parametrize("name", ["scorecard.json", "study.json", "per_image.parquet"])
def test_a_damaged_file_is_named(tmp_path: Path, run: Path, name: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / name).write_text('{"scores": [')
    assert f"{name} could not be read" in write_report(folder).read_text()


def test_a_missing_picture_leaves_a_note_in_its_place(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "panels" / "0-fixed-l1-z.png").unlink()
    assert part(write_report(folder).read_text(), "eyes").count("picture missing") == 1


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected a run folder with at least one of study\.json"):
        write_report(tmp_path)


def test_the_page_is_the_same_each_time(run: Path, page: str) -> None:
    assert write_report(run).read_text(encoding="utf-8") == page


def test_files_outside_the_panels_are_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (tmp_path / "panels").mkdir()
    assert pictures.embed(["../secret.png"], tmp_path / "panels") == {"../secret.png": None}


def test_pictures_shrink_until_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.effect_noise((512, 512), 90).convert("RGB").save(tmp_path / "a.png")
    large = pictures.embed(["a.png"], tmp_path)["a.png"] or ""
    monkeypatch.setattr(pictures, "BUDGET_BYTES", len(large) // 3)
    small = pictures.embed(["a.png"], tmp_path)["a.png"] or ""
    assert 0 < len(small) <= len(large) // 3
