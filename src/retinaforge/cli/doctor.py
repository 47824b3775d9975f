"""`retinaforge doctor`: what was found on this machine and what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib import metadata

import torch
import typer
from rich.markup import escape
from rich.table import Table

from retinaforge.cli.output import answer_json, stdout

EXAMPLES = "Examples:\n\n`retinaforge doctor`\n\n`retinaforge doctor --json`"
REQUIRED = (
    "torch", "numpy", "scipy", "scikit-image", "scikit-learn", "pillow", "safetensors",
    "accelerate", "pandas", "pyarrow", "pydantic", "jinja2", "imagehash", "statsmodels",
)  # fmt: skip
OPTIONAL = {
    "diffusers": "loads diffusers' and taming-transformers' autoencoders: "
    "pip install 'retinaforge[diffusers]'",
    "monai": "a peer of the benchmarks: pip install 'retinaforge[bench]'",
}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _device() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    if torch.backends.mps.is_available():
        return "Apple GPU (MPS): training uses the CPU there"
    return f"CPU only, {os.cpu_count()} cores"


def _torchvision() -> tuple[str, str]:
    """Say whether torchvision, which we do not need, is installed broken: others trip over it."""
    version = _version("torchvision")
    if version is None:
        return "ok", "not installed (not needed)"
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        return "warning", f"{version} does not import ({error}); pip uninstall torchvision"
    return "ok", version


def findings() -> list[dict[str, str]]:
    """Return one row a check: what, state (ok, warning, missing), what was found."""
    rows = [
        {"what": "retinaforge", "state": "ok", "found": metadata.version("retinaforge")},
        {
            "what": "python",
            "state": "ok",
            "found": f"{sys.version.split()[0]}, {platform.platform()}",
        },
        {"what": "device", "state": "ok", "found": _device()},
    ]
    for package in REQUIRED:
        version = _version(package)
        rows.append(
            {
                "what": package,
                "state": "ok" if version else "missing",
                "found": version or f"pip install {package}",
            }
        )
    for package, use in OPTIONAL.items():
        version = _version(package)
        rows.append(
            {"what": package, "state": "ok" if version else "optional", "found": version or use}
        )
    state, found = _torchvision()
    rows.append({"what": "torchvision", "state": state, "found": found})
    free_gib = shutil.disk_usage(".").free / 2**30
    rows.append(
        {
            "what": "free disk here",
            "state": "ok" if free_gib > 2 else "warning",
            "found": f"{free_gib:.1f} GiB (a study on 80 photographs takes about 1 GiB)",
        }
    )
    return rows


def doctor(json: bool = typer.Option(False, "--json", help="Print JSON on stdout.")) -> None:
    """Print what RetinaForge found on this machine and what is missing.

    Exit code 1 if something required is missing.
    """
    rows = findings()
    if json:
        answer_json(rows)
    else:
        colours = {"ok": "green", "optional": "dim", "warning": "yellow", "missing": "red"}
        table = Table("what", "state", "found")
        for row in rows:
            colour = colours[row["state"]]
            table.add_row(row["what"], f"[{colour}]{row['state']}[/{colour}]", escape(row["found"]))
        stdout.print(table)
    if any(row["state"] == "missing" for row in rows):
        raise typer.Exit(1)
