"""Everything that the documentation shows is true of the code beside it."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

sys.path.insert(0, str(Path(__file__).parent))

from doc_blocks import PAGES, ROOT, Block, blocks, our_calls

from retinaforge.captions.endpoint_config import config_from
from retinaforge.cli import app
from retinaforge.losses import CATALOGUE, parse_expression
from retinaforge.phantoms.recipe import parse_recipe
from retinaforge.studies import Study
from retinaforge.tasks.records_columns import read_columns
from retinaforge.vessels.packages import read_recipe

SHELL = blocks("bash") + blocks("powershell")
CALLS = [(block.name, call) for block in SHELL for call in our_calls(block.text)]
PYTHON = blocks("python")
TOML = blocks("toml")


def parse(words: list[str]) -> dict[str, Any]:
    """Return the parameters that a call gives our command, without running it.

    Raises:
        typer.TyperException: for a command or an option that there is not.
    """
    command: Any = typer.main.get_command(app)
    words = list(words)
    while getattr(command, "commands", None):
        if not words or words[0].startswith("-"):
            return command.make_context("retinaforge", words, resilient_parsing=True).params
        assert words[0] in command.commands, f"no command {words[0]!r} among {[*command.commands]}"
        command = command.commands[words.pop(0)]
    return command.make_context("retinaforge", words).params


@pytest.mark.parametrize(("where", "call"), CALLS, ids=[where for where, _ in CALLS])
def test_every_command_shown_can_be_called_like_that(where: str, call: list[str]) -> None:
    given = parse(call)
    if loss := given.get("loss"):
        known = {entry.card.name for entry in CATALOGUE} | {"gan"}
        assert {spec.name for spec in parse_expression(loss)} <= known


def test_a_wrong_command_or_option_would_be_seen() -> None:
    with pytest.raises(AssertionError, match="no command 'fly'"):
        parse(["fly"])
    with pytest.raises(Exception, match="No such option: --wings"):
        parse(["doctor", "--wings"])
    with pytest.raises(Exception, match=r"Missing (option|parameter)"):
        parse(["reconstruct", "MODEL", "DIR"])


def test_calls_are_found_in_whatever_way_they_are_made() -> None:
    shell = (
        "OMP_NUM_THREADS=1 retinaforge doctor --json > found.json && make test\n"
        "torchrun --nproc-per-node 2 -m retinaforge train autoencoder \\\n  --out 'a b'  # words\n"
        'docker run --rm -v "$PWD:/home" retinaforge doctor\n'
        "docker build -t retinaforge .\n"
        ".venv/bin/retinaforge data check DIR | less"
    )
    assert our_calls(shell) == [
        ["doctor", "--json"],
        ["train", "autoencoder", "--out", "a b"],
        ["doctor"],
        ["data", "check", "DIR"],
    ]
    assert len(CALLS) > 20


@pytest.mark.parametrize("block", PYTHON, ids=[block.name for block in PYTHON])
def test_python_blocks_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, block.name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", TOML, ids=[block.name for block in TOML])
def test_studies_and_recipes_shown_are_valid(block: Block, tmp_path: Path) -> None:
    shown = tomllib.loads(block.text)
    if "architecture" in shown:
        (tmp_path / "net.toml").write_text(block.text)
        assert read_recipe(tmp_path / "net.toml").side_px == shown["side_px"]
    elif "base_url" in shown:
        assert config_from(shown, block.name).model
    elif "columns" in shown:
        (tmp_path / "map.toml").write_text(block.text)
        assert read_columns(tmp_path / "map.toml").columns
    elif {"people", "dependence"} & set(shown):
        assert parse_recipe(shown).spreads
    else:
        assert Study.model_validate(shown).arm


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    gone = [
        link
        for link in links
        if not re.match(r"https?:|mailto:", link) and not _target_exists(page, link)
    ]
    assert not gone


def _target_exists(page: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not heading:
        return target.exists()
    titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return heading in slugs


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    docs = [page for page in PAGES if page.parent.parent == ROOT / "docs"]
    pages = [str(page.relative_to(ROOT / "docs")) for page in docs]
    assert len(pages) > 5
    assert [page for page in pages if f"({page})" not in index] == []


def test_the_readme_keeps_a_place_for_the_generated_table() -> None:
    text = (ROOT / "README.md").read_text()
    begin, end = "<!-- loss-study:begin -->", "<!-- loss-study:end -->"
    assert text.count(begin) == text.count(end) == 1
    assert text.index(begin) < text.index(end)
