"""Files that are whole or absent: written to a temporary name, synced, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from retinaforge.core.errors import Refusal, RetinaForgeError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
NO_PLACE = (errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EISDIR)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with no_room_told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(_made(temporary), "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # there is none where even its folder could not be made
            temporary.unlink()
        raise


def _made(path: Path) -> int:
    """Make a new file under the user's umask, which `tempfile` would pass over with mode 0600."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


@contextmanager
def no_room_told(path: Path) -> Generator[None, None, None]:
    """Turn what a library raises where nothing can be written into one error that says so.

    Raises:
        DiskFull: "could not write PATH: No space left on device; free some space and ...".
    """
    try:
        yield
    except RetinaForgeError:
        raise
    except Exception as error:
        cause = error if isinstance(error, OSError) else _no_room(error)
        if cause is None:
            raise
        raise not_written(path, cause) from error


def not_written(path: Path, error: OSError) -> DiskFull:
    """Return the error that says what could not be written, and what to do about it."""
    remedy = "free some space"
    if error.errno in NOT_ALLOWED:
        remedy = "make that folder writable"
    elif error.errno in NO_PLACE:
        remedy = "name another place"
    return DiskFull(
        f"could not write {path}: {error.strerror or error}; "
        f"{remedy} and run the same command again, it resumes"
    )


def _no_room(error: BaseException | None) -> OSError | None:
    """Return the file system's error behind another, or None.

    torch.save closes its archive when a write fails, and what that raises hides the cause;
    safetensors tells it in words alone.
    """
    while error is not None:
        told = re.search(r"\(os error (\d+)\)", str(error))
        code = error.errno if isinstance(error, OSError) else told and int(told[1])
        if code in NO_ROOM:
            return OSError(code, os.strerror(code))
        error = error.__cause__ or error.__context__
    return None


def usual_modes(folder: Path) -> Path:
    """Give files below `folder` that a library made for its user alone the mode of a new file.

    safetensors writes to a temporary file of mode 0600 and renames that. Files that other folders
    hold too (hard links) stay as they are.
    """
    probe = folder / f".{secrets.token_hex(4)}.tmp"
    handle = _made(probe)
    try:
        usual = os.fstat(handle).st_mode & 0o777
    finally:
        os.close(handle)
        probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1:
            path.chmod(usual)
    return folder


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
