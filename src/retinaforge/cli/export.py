"""`retinaforge export`: our networks as ONNX files."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json
from retinaforge.tasks.export import KINDS, export_onnx

EXAMPLES = (
    "Examples:  `retinaforge export vessels vessels.onnx`  ·  "
    "`retinaforge export artery-vein av.onnx --weights RUN/artery-vein.safetensors`"
)


def export(
    kind: str = typer.Argument(..., help=f"Which network: {' or '.join(KINDS)}."),
    out: Path = typer.Argument(..., help="The .onnx file to write."),
    weights: Path = typer.Option(None, help="A file that we trained; the shipped one by default."),
    as_json: bool = typer.Option(False, "--json", help="Print what was written as JSON."),
) -> None:
    """Write one of our networks as ONNX; needs `pip install 'retinaforge[onnx]'`.

    Inputs `images` (RGB in [-1, 1]) and `fov` (0 or 1), output `maps` (probabilities), any size.
    """
    told = export_onnx(kind, out, weights=weights)
    if as_json:
        answer_json(told)
    else:
        print(told["path"])
