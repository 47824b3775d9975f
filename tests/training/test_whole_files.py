"""Files whole or absent: the mode of a new file, and what is said where nothing can be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from retinaforge.core import Refusal, artefacts
from retinaforge.core.artefacts import DiskFull
from retinaforge.training import checkpoint

NO_SPACE = "No space left on device; free some space and run the same command again"


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


class Full:
    """A file that takes some bytes and then no more."""

    def __init__(self, stream: Any, room: int) -> None:
        self.stream, self.room = stream, room

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *how: object) -> None:
        self.stream.close()

    def write(self, content: bytes) -> int:
        self.room -= len(memoryview(content).cast("B"))
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.stream.write(content)


def fill_up(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    whole = os.fdopen
    monkeypatch.setattr(
        artefacts.os, "fdopen", lambda *how, **more: Full(whole(*how, **more), room)
    )


def test_files_have_the_mode_of_the_umask(umask: int, tmp_path: Path) -> None:
    path = artefacts.write_text(tmp_path / "deep/a.txt", "words")
    assert path.stat().st_mode & 0o777 == 0o640
    artefacts.write_text(path, "other words")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]


def test_what_a_library_kept_to_its_user_is_given_the_usual_mode(
    umask: int, tmp_path: Path
) -> None:
    kept, shared = tmp_path / "in/kept", tmp_path / "in/shared"
    kept.parent.mkdir()
    for path in (kept, shared):
        path.write_text("x")
        path.chmod(0o600)
    os.link(shared, tmp_path / "elsewhere")
    artefacts.usual_modes(tmp_path / "in")
    assert kept.stat().st_mode & 0o777 == 0o640
    assert shared.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in kept.parent.iterdir()) == ["kept", "shared"]


@pytest.mark.parametrize("room", [100, 5000])
def test_a_checkpoint_that_finds_no_room_leaves_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """torch.save hides the file system's error behind one of its own archive's."""
    for step in (1, 2):
        checkpoint.save(tmp_path, {"step": step, "weights": torch.full((4000,), float(step))})
    fill_up(monkeypatch, room)
    with pytest.raises(DiskFull, match=rf"could not write .*checkpoint\.new\.pt: {NO_SPACE}"):
        checkpoint.save(tmp_path, {"step": 3, "weights": torch.zeros(4000)})
    monkeypatch.undo()
    held = checkpoint.load(tmp_path)
    assert held is not None
    assert held["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.previous.pt",
        "checkpoint.pt",
    ]


def test_a_rename_that_finds_no_room_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = artefacts.write_text(tmp_path / "a.txt", "old")

    def replace(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(artefacts.os, "replace", replace)
    with pytest.raises(DiskFull, match=NO_SPACE):
        artefacts.write_text(path, "new")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_the_remedy_fits_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(artefacts, "_made", refuse)
    with pytest.raises(DiskFull, match="Permission denied; make that folder writable and run"):
        artefacts.write_text(tmp_path / "a.txt", "words")


def test_a_file_in_a_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(DiskFull, match="name another place and run the same command again"):
        artefacts.write_text(tmp_path / "a/b/c.txt", "words")


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    """A refusal that an unreadable file led to, and a plain fault, stay what they are."""

    def refused() -> None:
        try:
            (tmp_path / "none").read_bytes()
        except OSError as error:
            raise Refusal("a mask", "none", "check") from error

    def odd(stream: Any) -> None:
        stream.write(b"x")
        raise ValueError("odd")

    with pytest.raises(Refusal, match="a mask"), artefacts.no_room_told(tmp_path):
        refused()
    with pytest.raises(ValueError, match="odd"):
        artefacts.write_with(tmp_path / "a", odd)
    with pytest.raises(DiskFull, match=NO_SPACE), artefacts.no_room_told(tmp_path):
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    assert not list(tmp_path.iterdir())
