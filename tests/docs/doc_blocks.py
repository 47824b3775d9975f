"""What the documentation shows as code: its blocks, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SEPARATORS = {"&&", "||", "|", ";", "&"}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(language: str) -> list[Block]:
    """Return every block of a language, of all pages."""
    return [b for page in PAGES for b in _blocks_of(page) if b.language == language]


def _blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text[: found.start()].count("\n") + 1, found[1], found[2])


def our_calls(shell: str) -> list[list[str]]:
    """Return the words after `retinaforge` of every call of it in a piece of shell."""
    calls = []
    for line in shell.replace("\\\n", " ").splitlines():
        words: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for word in [*lexer, ";"]:
            if word not in SEPARATORS:
                words.append(word)
                continue
            calls += [call] if (call := _ours(words)) is not None else []
            words = []
    return calls


def _ours(words: list[str]) -> list[str] | None:
    """Return the arguments if these words run our command, in whatever way."""
    words = words[: next((i for i, word in enumerate(words) if word in (">", "<", ">>")), None)]
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    if not words:
        return None
    if Path(words[0].replace("\\", "/")).name == "retinaforge":
        return words[1:]
    runs_module = words[0] in ("python", "torchrun") and ["-m", "retinaforge"]
    for index in range(len(words) - 1):
        if runs_module and words[index : index + 2] == runs_module:
            return words[index + 2 :]
    if words[:2] == ["docker", "run"]:
        return words[words.index("retinaforge") + 1 :]
    return None
