"""What kind of file lies there, by its first bytes; what holds no weights is refused by name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Literal

from retinaforge.core import Refusal

Kind = Literal[
    "npz", "safetensors", "index", "torch", "lfs", "html", "json", "hdf5", "onnx", "empty",
    "archive", "text", "torchscript", "unknown",
]  # fmt: skip
FIRST_BYTES = 1024
WEIGHTS = "a whole .npz, .safetensors or torch weight file that holds only arrays"
SAVE_ALONE = "name a .npz, .safetensors or torch weight file"
WORDS: dict[str, tuple[str, str]] = {
    "lfs": (
        "a Git LFS pointer, {size} bytes of text that stand for the file",
        "run `git lfs pull` in its repository, or download the file itself",
    ),
    "html": (
        "an HTML page, such as the login page of a gated hub saved under the file's name",
        "log in, accept the licence there and fetch the file again",
    ),
    "hdf5": (
        "an HDF5 file, as Keras saves its weights (.h5)",
        "load it with the Keras code that made it and save its arrays by PyTorch's names",
    ),
    "onnx": (
        "an ONNX graph, not named weights",
        "name the checkpoint that it was exported from; only families that say so take ONNX",
    ),
    "json": ("JSON that is no index of shards", SAVE_ALONE),
    "torchscript": (
        "a TorchScript archive (a program with its weights, as OpenAI publishes CLIP)",
        "where you trust who made it, save its arrays once and name the new file:\n"
        "    import torch, safetensors.torch\n"
        '    found = torch.jit.load("{name}", map_location="cpu").state_dict()  # runs it\n'
        "    arrays = {{k: v.contiguous().clone() for k, v in found.items()}}\n"
        '    safetensors.torch.save_file(arrays, "{converted}")',
    ),
    "archive": ("an archive", "unpack it and name the weight file inside"),
    "text": ("text", "fetch it again, " + SAVE_ALONE),
    "empty": ("an empty file", "fetch it again"),
    "unknown": ("bytes that are no weight file", "fetch it again, or " + SAVE_ALONE),
}


def kind_of(path: Path) -> Kind:
    """Return the kind of a file, from its first bytes (and a zip's list of names)."""
    with path.open("rb") as file:
        head = file.read(FIRST_BYTES)
    if stand_in := stand_in_of(head):
        return stand_in
    if head.startswith(b"PK"):
        return _kind_of_zip(path)
    if head.startswith(b"\x89HDF"):
        return "hdf5"
    if head.startswith(b"\x1f\x8b"):
        return "archive"
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**30:
        return "safetensors"
    if head.startswith(b"\x80"):
        return "torch"  # a bare pickle, as torch.save wrote before 1.6
    if path.suffix == ".onnx" or (head[0] == 8 and b"\x12" in head[2:4]):
        return "onnx"
    return _kind_of_text(path, head)


def stand_in_of(head: bytes) -> Kind | None:
    """Return what stands in a file's place: nothing, a pointer or a page; None for content."""
    start = head.lstrip().lower()
    if not head:
        return "empty"
    if start.startswith(b"version https://git-lfs"):
        return "lfs"
    return "html" if start.startswith((b"<!doctype html", b"<html", b"<?xml")) else None


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "torch"  # cut off: torch's own words say so
    if any("/code/" in name for name in names):
        return "torchscript"
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "archive"


def _kind_of_text(path: Path, head: bytes) -> Kind:
    if path.suffix == ".json" or head.lstrip().startswith(b"{"):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return "text"
        return "index" if isinstance(found, dict) and "weight_map" in found else "json"
    if path.suffix in (".npz", ".safetensors"):
        return "unknown"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return "text" if error.start > FIRST_BYTES - 4 else "unknown"
    return "text"


def refuse_kind(path: Path, kind: Kind) -> Refusal:
    """Return the refusal of a file that holds no named arrays."""
    what, remedy = WORDS[kind]
    return Refusal(
        "a whole .npz, .safetensors or torch weight file that holds only arrays",
        f"{path}, {what.format(size=path.stat().st_size)}",
        remedy.format(name=path.name, converted=path.with_suffix(".safetensors").name),
    )
