"""Files that are whole or absent: written to a temporary name, synced, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from retinaforge.core.errors import Refusal, RetinaForgeError


class DiskFull(RetinaForgeError):
    """The file system took no more; nothing half-written was left under the final name."""


def _regular(path: Path) -> Path:
    """Return where to write: a link's target, never a device, which renaming would replace."""
    if path.is_symlink():
        path = path.resolve()
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise Refusal("a file to write", f"{path}, which is {kind}", "name another file")
    return path


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO, None, None]:
    """Open a temporary file beside `path` and rename it there once it is complete.

    Raises:
        DiskFull: if the file could not be written; `path` then holds what it held before.
        Refusal: "expected a file to write; got NAME, which is a device ...".
    """
    path = _regular(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise DiskFull(
            f"could not write {path}: {error.strerror or error}; "
            "free some space and run the same command again, it resumes"
        ) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path` whole or not at all."""
    with whole_file(path) as stream:
        stream.write(content)
    return path


def write_text(path: Path, content: str) -> Path:
    """Write `content` as UTF-8, whole or not at all."""
    return write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> Path:
    """Write plain data as indented JSON; NaN is refused, as JSON has none."""
    return write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_with(path: Path, writer: Callable[[BinaryIO], None]) -> Path:
    """Let `writer` fill the file (torch.save, an image encoder), whole or not at all."""
    with whole_file(path) as stream:
        writer(stream)
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_commit(folder: Path) -> str:
    """Return the commit of `folder`'s repository, with "+changes" if dirty, or "unknown"."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def environment() -> dict[str, Any]:
    """Return what a result depends on: versions of Python and packages, system, commit."""
    packages = ("torch", "numpy", "scipy", "scikit-image", "pillow", "accelerate", "safetensors")
    return {
        "retinaforge": metadata.version("retinaforge"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cpu_count": os.cpu_count(),
        "packages": {name: metadata.version(name) for name in packages},
        "git": git_commit(Path(__file__).parent),
    }
