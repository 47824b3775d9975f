"""`retinaforge encoders list | show | check`: answers for people and for scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retinaforge.cli import app, output
from retinaforge.core import Refusal
from retinaforge.encoders import FAMILIES

sys.path.append(str(Path(__file__).parents[1] / "encoders"))
from makers import MAKERS

RUN = CliRunner()


@pytest.fixture(autouse=True)
def wide(monkeypatch) -> None:
    """Give the consoles 160 columns: they took their width when they were first imported."""
    for console in (output.stdout, output.stderr):
        monkeypatch.setattr(console, "_width", 160)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    files = {name: MAKERS[name](folder) for name in ("squeezenet", "segmenter")}
    files["bad"] = folder / "bad.pth"
    files["bad"].write_text("<html>log in</html>")
    return files


def ask(*words: str):
    return RUN.invoke(app, ["encoders", *map(str, words)])


def test_list_is_a_list_of_objects_with_name_and_licence() -> None:
    rows = json.loads(ask("list", "--json").stdout)
    names = [row["name"] for row in rows]
    assert {family.name for family in FAMILIES} <= set(names)
    assert "random-vit-tiny" in names
    for row in rows:
        for key in ("name", "licence", "what", "modality", "confirmed", "get", "spec"):
            assert row[key], (row["name"], key)
    flair = next(row for row in rows if row["name"] == "flair")
    assert "idrid" in flair["training_sets"]
    assert "refuge" in flair["held_out"]


def test_list_prints_one_table() -> None:
    printed = ask("list").output
    assert "how to get" in printed
    assert "retfound-cfp" in printed
    for family in FAMILIES:
        assert family.name in printed


def test_show_tells_a_family_a_published_file_and_a_loaded_one(weights) -> None:
    assert "encoders fetch retfound-oct" in ask("show", "retfound").output
    rows = json.loads(ask("show", "retfound-oct", "--json").stdout)
    assert [file["name"] for file in rows[0]["files"]] == ["retfound-oct"]
    assert rows[0]["training_sets"] == ["kermany_oct"]
    rows = json.loads(ask("show", f"squeezenet:{weights['squeezenet']}", "--json").stdout)
    assert rows[0]["name"] == "squeezenet 1.1"
    assert rows[0]["family"] == "squeezenet"
    with pytest.raises(Refusal, match="name the encoder so"):
        raise ask("show", "nothing-of-ours").exception


def test_check_says_what_loads_and_counts_what_does_not(weights) -> None:
    good = ask("check", weights["squeezenet"], "--json")
    assert good.exit_code == 0
    row = json.loads(good.stdout)[0]
    assert row["ok"]
    assert row["spec"] == f"squeezenet:{weights['squeezenet']}"
    assert "50 arrays loaded" in row["key_report"]
    both = ask("check", weights["bad"], weights["segmenter"], "--json")
    assert both.exit_code == 1
    assert [row["ok"] for row in json.loads(both.stdout)] == [False, True]
    bad = ask("check", weights["bad"], "absent.pth")
    assert bad.exit_code == 2
    assert "an HTML page" in bad.output
    assert "absent.pth" in bad.output


def test_check_as_a_family_refuses_what_is_another(weights) -> None:
    found = ask("check", weights["squeezenet"], "--as", "segmenter", "--json")
    assert found.exit_code == 2
    row = json.loads(found.stdout)[0]
    assert "which seems to be squeezenet" in row["got"]
    assert row["do"] == "load it as squeezenet:squeezenet.pth"
    with pytest.raises(Refusal, match=r"--as one of .*; got 'nobody'"):
        raise ask("check", weights["squeezenet"], "--as", "nobody").exception
