"""The study file: what is asked, what is trained, what is measured."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from retinaforge.core import Refusal
from retinaforge.encoders.spec import Spec, parse

BEST = "{best}"
SHIPPED_VESSELS = files("retinaforge") / "weights" / "vessels-v3.safetensors"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(_Table):
    """One arm: a name and the loss it trains with.

    Attributes:
        name: short, as it appears in tables and paths.
        loss: an expression of `retinaforge.losses`, e.g. "l1 + 0.5*sobel"; "{best}" stands for
            the expression of the arm that did best on the validation patients.
        about: one sentence for the report.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_+-]*$")
    loss: str
    about: str = ""


class DataPlan(_Table):
    """Which photographs, at which size.

    Attributes:
        datasets: folders of the data root to use; empty means all that are there.
        require: mask kinds a record must have, e.g. ["vessel"].
        sheet_px: side of the normalised square a photograph is brought to.
        val_fraction: share of the training patients that chooses between arms; never scored.
        drop_duplicates: leave out the second of two near-duplicates.
    """

    datasets: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    sheet_px: int = Field(512, ge=64)
    val_fraction: float = Field(0.1, gt=0, lt=1)
    drop_duplicates: bool = True


class ModelPlan(_Table):
    """The autoencoder, equal for every arm; what is left out is as in `AutoencoderConfig`.

    Attributes:
        kind: vector quantisation, finite scalar quantisation, or a KL autoencoder.
        factor: side of the image over side of the latent.
        widths: channels at 1/2, 1/4, ... of the image's side, one for each halving.
        codes: size of the VQ codebook.
        code_dim: channels of the latent (VQ and KL).
    """

    kind: Literal["vq", "fsq", "kl"] = "vq"
    factor: Literal[4, 8, 16] = 4
    widths: tuple[int, ...] | None = None
    codes: int | None = None
    code_dim: int | None = None


class TrainPlan(_Table):
    """How every arm trains.

    Attributes:
        steps: optimiser steps of every arm.
        seeds: one training each on a CPU.
        seeds_gpu: one training each where there is a GPU.
        batch_size: images a step.
        crop_px: side of every training image.
        whole_fraction: share of whole eyes, the rest are crops at sheet scale.
        learning_rate: peak of Adam's rate.
        match_gradients: scale added terms to the pixel term's gradient norm at the last layer.
        precision: auto times bf16 and float32 on a few steps and takes the faster.
        checkpoint_every: steps between checkpoints.
        discriminator_width: channels of the adversary's first layer, where an arm has one.
    """

    steps: int = Field(2000, ge=1)
    seeds: tuple[int, ...] = (0,)
    seeds_gpu: tuple[int, ...] = (0, 1, 2)
    batch_size: int = Field(4, ge=1)
    crop_px: int = Field(256, ge=32)
    whole_fraction: float = Field(0.5, ge=0, le=1)
    learning_rate: float = Field(1e-3, gt=0)
    match_gradients: bool = True
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    checkpoint_every: int = Field(200, ge=1)
    discriminator_width: int = Field(64, ge=8)


class MeasurePlan(_Table):
    """What is measured on the held-out patients.

    Attributes:
        judges: specs of `retinaforge.vessels.load_judge`; the first is the primary one. A judge
            whose file is not found is left out, and the report says so.
        primary: measure that chooses the best arm on the validation patients.
        encoder: spec of the encoder whose features the set distances compare.
        encoder_judges: names of the study's encoders (or specs) whose spaces judge every arm,
            photograph by photograph; an encoder that was an arm's loss is marked as such.
        lpips: spec of an encoder with LPIPS heads, e.g. "vgg16:vgg.pth,heads=vgg_heads.pth";
            empty where no weights are named.
        baseline: the pixel-only arm that the others are compared with.
        bootstrap: resamples of patients.
        eyes: how many fixed eyes the report shows under every arm.
    """

    judges: tuple[str, ...] = ("ours", "classical")
    primary: str = "dice"
    encoder: str = "segmenter"
    encoder_judges: tuple[str, ...] = ()
    lpips: str = ""
    baseline: str = "l1"
    bootstrap: int = Field(2000, ge=100)
    eyes: int = Field(5, ge=1)


class Study(_Table):
    """A whole study, as the TOML says it.

    Attributes:
        name: short; stands on the report.
        question: what it asks.
        expected: what its authors expect, written before it was run.
        cost: about how long it takes, and on what.
        seed: base of every other seed.
        data: which photographs.
        model: the autoencoder.
        train: how every arm trains.
        measure: what is measured.
        encoders: names used in loss expressions, and the spec of `load_encoder` for each; a
            file is looked for under the data folder, then under the working directory.
        arm: the arms, one `[[arm]]` each.
    """

    name: str
    question: str
    expected: str
    cost: str = ""
    seed: int = 0
    data: DataPlan = DataPlan()
    model: ModelPlan = ModelPlan()
    train: TrainPlan = TrainPlan()
    measure: MeasurePlan = MeasurePlan()
    encoders: dict[str, str] = Field(default_factory=dict)
    arm: tuple[Arm, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _arms_fit(self) -> Study:
        names = [arm.name for arm in self.arm]
        if len(set(names)) != len(names):
            raise ValueError(f"two arms have the same name: {', '.join(names)}")
        if self.measure.baseline not in names:
            raise ValueError(f"baseline {self.measure.baseline!r} is none of the arms {names}")
        if all(BEST in arm.loss for arm in self.arm):
            raise ValueError("every arm is built on {best}; at least one must stand by itself")
        return self


def located(spec: str, data: Path) -> str:
    """Return an encoder's or judge's spec with its files as absolute paths.

    "segmenter" alone means the vessel network that the package ships.

    Args:
        spec: "NAME" or "NAME:FILE", with options after commas such as ",heads=FILE".
        data: the data folder, where relative files are looked for first.
    """
    if spec == "segmenter":
        return f"segmenter:{SHIPPED_VESSELS}"
    name, colon, file = spec.partition(":")
    if not colon:
        return spec
    named = parse(file)
    options = {
        option: _found(value, data) if option == "heads" else value
        for option, value in named.options.items()
    }
    return f"{name}:{Spec(_found(named.text, data), options)}"


def _found(file: str, data: Path) -> str:
    under = data / file
    return str(under if under.exists() else Path(file).absolute())


def load_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        Refusal: if it is missing, no TOML, or a field is unknown or out of range.
    """
    try:
        return Study.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise Refusal("a study file", f"{path}: {error.strerror}", "check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise Refusal("valid TOML", f"{path}: {error}", "mend the line it names") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'study'}: {item['msg']}"
            for item in error.errors()
        )
        raise Refusal(
            f"a valid study in {path}",
            wrong,
            "the fields are listed in docs/reference/study-file.md",
        ) from error
