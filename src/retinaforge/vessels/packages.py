"""The judges `smp:FILE` and `torchvision:FILE`: segmenters of those packages that the user trained.

A weight file does not say what network it is for, so a TOML file of the same name says it:

    architecture = "Unet"         # smp: a name of its create_model; torchvision: of its get_model
    encoder = "resnet34"          # smp only; "tu-NAME" takes NAME from timm
    classes = 1                   # output channels
    vessel = [0]                  # the channels that are vessel; several are added
    activation = "sigmoid"        # or "softmax"
    side_px = 512                 # the square about the field of view is brought to this side
    mean = [0.485, 0.456, 0.406]  # x = (c - mean) / std, c in 0 ... 1
    std = [0.229, 0.224, 0.225]
    threshold = 0.5
    training_data = ["DRIVE"]     # what shaped weights or threshold
    licence = "MIT"

timm has no segmenters of its own: its encoders come with smp's decoders. The packages are asked for
when such a judge is; nothing else needs them. Weights load strictly and without pickled code.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.anatomy.frame import enter, leave, square_frame
from retinaforge.anatomy.shelf import WeightsRefused
from retinaforge.anatomy.weights import load_strictly
from retinaforge.core import Fov, Photograph, Refusal, require_same_size
from retinaforge.encoders.weights import read_weights
from retinaforge.vessels.judge import Judge, JudgeCard

INSTALL = {
    "segmentation_models_pytorch": 'pip install "torch<2.14" segmentation-models-pytorch',
    "torchvision": 'pip install "torch<2.14" torchvision',
}
STRIDE_PX = 32
"""Sides must be a multiple of what most encoders shrink them by."""

AUXILIARY = "aux_classifier."
"""Keys of torchvision's second output, which only training uses."""


TYPES: tuple[tuple[str, type | tuple[type, ...], tuple[str, ...]], ...] = (
    ("text", str, ("architecture", "encoder", "activation", "licence")),
    ("whole number", int, ("classes", "side_px")),
    ("number", (int, float), ("threshold",)),
    ("list", list, ("vessel", "mean", "std", "training_data")),
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a weight file is for, as its TOML file says; see the head of this module."""

    architecture: str
    classes: int
    vessel: tuple[int, ...]
    activation: str
    side_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    threshold: float
    encoder: str = ""
    training_data: tuple[str, ...] = ("as the file's owner says",)
    licence: str = "as the file's owner says"


def read_recipe(path: Path) -> Recipe:
    """Return what stands beside a weight file, in FILE.toml for FILE.pth.

    Raises:
        WeightsRefused: if there is no such file, a name is missing or unknown, or a value cannot
            be.
    """
    beside = path.with_suffix(".toml")
    known = {field.name for field in fields(Recipe)}
    needed = known - {"encoder", "training_data", "licence"}
    expected = f"a file that says what the weights are for ({', '.join(sorted(needed))})"
    remedy = "write one, see docs/how-to/measure-vessels.md"
    try:
        with beside.open("rb") as stream:
            said = tomllib.load(stream)
    except FileNotFoundError as error:
        raise WeightsRefused(expected, f"no file at {beside}", remedy) from error
    except tomllib.TOMLDecodeError as error:
        raise WeightsRefused(expected, f"{beside} ({error})", remedy) from error
    wrong = [f"{name} is missing" for name in sorted(needed - said.keys())]
    wrong += [f"{name} is unknown" for name in sorted(said.keys() - known)]
    wrong += [
        f"{name} is no {words}"
        for words, kinds, names in TYPES
        for name in names
        if name in said and not isinstance(said[name], kinds)
    ]
    if not wrong:
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in said.items()
        }
        recipe = Recipe(**values)
        wrong = _impossible(recipe)
        if not wrong:
            return recipe
    raise WeightsRefused(expected, f"{beside} where {'; '.join(wrong)}", remedy)


def _impossible(recipe: Recipe) -> list[str]:
    checks = {
        'activation is neither "sigmoid" nor "softmax"': recipe.activation
        not in ("sigmoid", "softmax"),
        "vessel names a channel that is not there": not recipe.vessel
        or min(recipe.vessel) < 0
        or max(recipe.vessel) >= recipe.classes,
        f"side_px is no multiple of {STRIDE_PX}": recipe.side_px <= 0
        or recipe.side_px % STRIDE_PX != 0,
        "mean and std are not three numbers each": len(recipe.mean) != 3 or len(recipe.std) != 3,
        "std holds a 0": 0 in recipe.std,
        "threshold is not between 0 and 1": not 0 < recipe.threshold < 1,
    }
    return [words for words, fails in checks.items() if fails]


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Refusal(
            f"the package {name}", f"none that can be imported ({error})", INSTALL[name]
        ) from error


def _from_smp(recipe: Recipe, state: Mapping[str, Tensor]) -> nn.Module:
    smp = _package("segmentation_models_pytorch")
    return smp.create_model(
        recipe.architecture, encoder_name=recipe.encoder, encoder_weights=None, in_channels=3,
        classes=recipe.classes,
    )  # fmt: skip


def _from_torchvision(recipe: Recipe, state: Mapping[str, Tensor]) -> nn.Module:
    models = _package("torchvision").models
    options: dict[str, Any] = {"num_classes": recipe.classes}
    if any(key.startswith(AUXILIARY) for key in state):
        options["aux_loss"] = True
    return models.get_model(recipe.architecture, weights=None, weights_backbone=None, **options)


def read_package_network(
    path: Path, build: Callable[[Recipe, Mapping[str, Tensor]], nn.Module]
) -> tuple[nn.Module, Recipe]:
    """Return a package's network with the weights of a file, and what stands beside it.

    Args:
        path: of the weights; FILE.toml stands beside.
        build: makes the empty network.

    Raises:
        Refusal: if the package cannot be imported, or knows no such network.
        WeightsRefused: if either file is not what it must be, with the keys that do not fit.
    """
    recipe = read_recipe(path)
    try:
        state = read_weights(path)
    except Refusal as error:
        raise WeightsRefused(error.expected, error.came, error.remedy) from error
    try:
        model = build(recipe, state)
    except (ValueError, KeyError, RuntimeError, TypeError) as error:
        named = f"{recipe.architecture} {recipe.encoder}".strip()
        raise WeightsRefused(
            "an architecture and encoder that the package knows", f"{named} ({error})",
            f"correct {path.with_suffix('.toml')}",
        ) from error  # fmt: skip
    load_strictly(model, state, source=str(path))
    return model.eval(), recipe


@final
class PackageJudge(Judge):
    """A segmenter of another package.

    Args:
        path: of the weights; FILE.toml stands beside.
        package: "smp" or "torchvision".
    """

    def __init__(self, path: Path, package: str) -> None:
        build = {"smp": _from_smp, "torchvision": _from_torchvision}[package]
        self._model, self._recipe = read_package_network(path, build)
        recipe = self._recipe
        self.threshold = recipe.threshold
        named = f"{recipe.architecture} {recipe.encoder}".strip()
        self.card = JudgeCard(
            name=f"{package}:{path.name}",
            version=1,
            family="network",
            measures=f"Vessels as {named} of {package} finds them at {recipe.side_px} px.",
            training_data=recipe.training_data,
            licence=recipe.licence,
            reference=f"the file {path.name} and what stands beside it",
            known_failure="As good as what it was trained on; nobody measured it here.",
        )

    @torch.inference_mode()
    def probability(self, photo: Photograph, fov: Fov) -> Float[np.ndarray, "height width"]:
        """Return the sum of the vessel channels."""
        require_same_size(photo, fov)
        recipe = self._recipe
        frame = square_frame(fov, side_px=recipe.side_px)
        images, _ = enter(photo, fov, frame)
        mean, std = (torch.tensor(v)[:, None, None] for v in (recipe.mean, recipe.std))
        z = self._model(((images + 1) / 2 - mean) / std)
        z = cast(Tensor, z["out"] if isinstance(z, dict) else z)[0]
        p = z.sigmoid() if recipe.activation == "sigmoid" else z.softmax(0)
        vessel = p[list(recipe.vessel)].sum(0).clamp(max=1.0)
        return leave(vessel.numpy(), fov, frame)
