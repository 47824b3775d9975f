"""The door: version, help with examples that are true, doctor."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest
import typer.main

from retinaforge.cli import app, doctor


def _commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if not children:
        return [(path, command)]
    return [found for name, child in children.items() for found in _commands(child, (*path, name))]


ROOT = typer.main.get_command(app)
COMMANDS = _commands(ROOT)
NAMES = [" ".join(path) for path, _ in COMMANDS]


def test_there_are_the_commands_that_the_readme_promises() -> None:
    assert {
        "doctor", "data check", "phantoms draw", "train autoencoder", "study run", "study demo",
        "study report", "study table", "reconstruct", "ceiling",
    } <= set(NAMES)  # fmt: skip


def _examples(command: Any) -> list[str]:
    """Return the calls that a command's help shows after "Examples"."""
    _, _, after = f"{command.help or ''}\n{command.epilog or ''}".partition("Examples:")
    quoted = re.findall(r"`((?:torchrun |retinaforge )[^`]*)`", after)
    return quoted or [line.strip() for line in after.splitlines() if line.startswith("    ret")]


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=NAMES)
def test_every_command_has_help_with_an_example_that_can_be_called(
    retinaforge, path: tuple[str, ...], command: Any
) -> None:
    shown = retinaforge(*path, "--help")
    assert shown.code == 0
    assert "Examples" in shown.out
    examples = _examples(command)
    assert examples, "no example"
    for example in examples:
        words = shlex.split(example.partition(">")[0])
        words = words[words.index("retinaforge") + 1 :]
        assert tuple(words[: len(path)]) == path
        assert command.make_context(path[-1], words[len(path) :]).params


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=NAMES)
def test_every_option_says_what_it_is(path: tuple[str, ...], command: Any) -> None:
    silent = [param.name for param in command.params if not param.help and param.name != "help"]
    assert silent == []


def test_without_words_the_help_is_shown(retinaforge) -> None:
    shown = retinaforge()
    assert "Usage" in shown.out
    assert "ceiling" in shown.out
    assert "Usage" in retinaforge("study").out


def test_a_word_that_is_no_command_is_refused(retinaforge) -> None:
    shown = retinaforge("fly")
    assert shown.code == 2
    assert "No such command 'fly'" in shown.told


def test_version(retinaforge) -> None:
    shown = retinaforge("--version")
    assert (shown.code, shown.out.strip()) == (0, metadata.version("retinaforge"))


def test_doctor_prints_a_table(retinaforge) -> None:
    shown = retinaforge("doctor")
    assert shown.code == 0
    for word in ("torch", "device", "free disk", "torchvision"):
        assert word in shown.out


def test_doctor_answers_json(retinaforge) -> None:
    shown = retinaforge("doctor", "--json")
    rows = {row["what"]: row for row in json.loads(shown.out)}
    assert shown.code == 0
    assert rows["numpy"] == {"what": "numpy", "state": "ok", "found": metadata.version("numpy")}
    assert {row["state"] for row in rows.values()} <= {"ok", "optional", "warning", "missing"}


def test_doctor_names_what_is_missing(retinaforge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "REQUIRED", ("numpy", "no-such-package"))
    shown = retinaforge("doctor", "--json")
    rows = {row["what"]: row for row in json.loads(shown.out)}
    assert shown.code == 1
    assert rows["no-such-package"]["state"] == "missing"
    assert rows["no-such-package"]["found"] == "pip install no-such-package"


def test_doctor_keeps_the_brackets_of_an_extra(
    retinaforge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "OPTIONAL", {"no-such-package": "pip install 'x[diffusers]'"})
    assert "x[diffusers]" in retinaforge("doctor").out


@pytest.mark.slow
def test_as_a_process_answers_and_narration_keep_apart() -> None:
    call = [sys.executable, "-m", "retinaforge"]
    good = subprocess.run([*call, "--version"], capture_output=True, text=True)
    assert (good.returncode, good.stdout.strip()) == (0, metadata.version("retinaforge"))
    bad = subprocess.run([*call, "study", "table", "nowhere"], capture_output=True, text=True)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "refused" in bad.stderr
    assert "Traceback" not in bad.stderr
