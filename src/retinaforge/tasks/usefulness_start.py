"""A network before it is taught: its sizes, and a file of weights or a start from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders.files import find_file
from retinaforge.encoders.trunk_files import Trunk, load_trunk, words
from retinaforge.nets.classifier import RESNET18, RESNET50, VIT_B16, started
from retinaforge.nets.resnet import ResnetShape
from retinaforge.nets.vit import VitShape

SHAPES: dict[str, ResnetShape | VitShape] = {
    "resnet18": RESNET18, "resnet50": RESNET50, "vit-b16": VIT_B16,
}  # fmt: skip


@dataclass(frozen=True)
class Start:
    """A network before it is taught.

    Attributes:
        name: of the backbone, see `SHAPES`.
        shape: its sizes.
        weights: file that it starts from; None for scratch.
        sha256: of that file.
    """

    name: str
    shape: ResnetShape | VitShape
    weights: Path | None = None
    sha256: str = ""

    def trunk(self, seed: int) -> Trunk:
        """Return the trunk: the file's, or one from scratch by a seed."""
        if self.weights is None:
            return started(self.shape, seed=seed)
        return load_trunk(self.weights, self.shape)[0]

    def in_words(self) -> str:
        """Return network and weights in words."""
        shape = self.shape
        named = shape.name if isinstance(shape, ResnetShape) else words(shape)
        source = "from scratch" if self.weights is None else f"from {self.weights.name}"
        return f"{named}, all of it trained, {source}"


def start_of(name: str, weights: Path | None = None) -> Start:
    """Return a backbone's start, its file read once so that one that does not fit is told now.

    Raises:
        Refusal: of an unknown name, or a file that does not fit.
    """
    if name not in SHAPES:
        raise Refusal(f"a backbone ({', '.join(('linear', *SHAPES))})", repr(name), "name one")
    if weights is None:
        return Start(name, SHAPES[name])
    load_trunk(weights, SHAPES[name])
    file = find_file(weights)
    return Start(name, SHAPES[name], file, sha256_of(file))
