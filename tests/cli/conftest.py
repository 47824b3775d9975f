"""The command line called in this process, and small things to call it on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig, save_autoencoder
from retinaforge.cli import main
from retinaforge.phantoms import write_phantoms

SIZE_PX = 192


@dataclass(frozen=True)
class Outcome:
    """What a call answered, told and ended with."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """Return the narration on one line, however wide the terminal was."""
        return " ".join(self.err.split())


Call = Callable[..., Outcome]


@pytest.fixture
def retinaforge(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs `retinaforge` with the words given."""

    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["retinaforge", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture(scope="session")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of drawn eyes with masks and splits."""
    folder = tmp_path_factory.mktemp("eyes")
    write_phantoms(folder, count=10, size_px=SIZE_PX, seed=3)
    return folder


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small autoencoder that has learnt nothing."""
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(widths=(8, 8), codes=32)).eval()
    folder = tmp_path_factory.mktemp("models") / "untrained"
    save_autoencoder(model, folder)
    return folder
