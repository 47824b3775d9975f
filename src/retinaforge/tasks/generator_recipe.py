"""The recipe file: pretrain at low resolution, purify, fine-tune at high resolution.

The three steps are RetinaLogos's (MICCAI 2025, arXiv 2505.12887v3, section 2.2); its thresholds and
schedules are not public, so every number of ours stands in the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from retinaforge.core import Refusal
from retinaforge.generators.maps import Keeping
from retinaforge.tasks.mask_files import require_map_names

Step = Literal["pretrain", "purify", "finetune"]
STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(frozen=True)
class Arm:
    """One arm of the ablation.

    Attributes:
        steps: that it takes.
        selection: what it fine-tunes on after purification: "kept", or as many at "random".
    """

    steps: tuple[Step, ...]
    selection: Literal["kept", "random"] = "kept"


ARMS = {
    "low": Arm(("pretrain",)),
    "scratch": Arm(("finetune",)),
    "purified": Arm(("purify", "finetune")),
    "unpurified": Arm(("pretrain", "finetune")),
    "random": Arm(STEPS, "random"),
    "full": Arm(STEPS),
}
"""The ablation's arms: the published table's, and one whose pairs are as few but not chosen."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataTable(_Table):
    """What is learnt from.

    Attributes:
        pairs: a folder of captioned images; `--pairs` names another.
        frame: which square of a photograph is encoded; see `tasks.latents.encode_pairs`.
        classes: facts that are given beside the words, e.g. ["eye", "dr_grade"].
        maps: masks that are given beside the words, e.g. ["vessel", "lesion:hard_exudate"]; see
            `tasks.mask_files` for where they lie.
        map_keeping: every pixel of a mask, or its mean in a cell of the latent: "area"; see
            `generators.maps`.
        map_drop: share of masks that are kept back in training, each by itself.
        stream: read shards one after another (`tasks.generator_stream`) instead of a memory map
            in any order: for file systems that are slow at that.
        shard_rows: images a shard.
    """

    pairs: str = ""
    frame: Literal["auto", "field", "whole"] = "auto"
    classes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    map_keeping: Keeping = "pixels"
    map_drop: float = Field(0.1, ge=0, le=1)
    stream: bool = False
    shard_rows: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> DataTable:
        try:
            require_map_names(self.maps)
        except Refusal as error:
            raise ValueError(str(error)) from error
        if self.maps and self.stream:
            raise ValueError("shards hold no masks: with maps, stream must be false")
        return self

    def binding(self) -> dict[str, Any]:
        """Return the fields that decide what comes out."""
        unset = set() if self.maps else {"maps", "map_keeping", "map_drop"}
        plain = self.model_dump(mode="json", exclude={"pairs", *unset})
        streamed = {"stream": plain.pop("stream"), "shard_rows": plain.pop("shard_rows")}
        return {**plain, **streamed} if self.stream else plain


class AutoencoderTable(_Table):
    """What makes latents.

    Attributes:
        folder: an autoencoder of ours, or a diffusers one; `--autoencoder` names another.
        sampled: draw latents from a KL autoencoder's Gaussian, instead of its mean.
        precision: of encoding.
    """

    folder: str = ""
    sampled: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"


class OwnTextTable(_Table):
    """The small text encoder that is trained on the captions where no other is named.

    Attributes:
        facts: weight of telling what a caption says (as `captions.parse` reads it) from the mean
            of its tokens; 0 teaches words and paraphrases alone.
    """

    facts: float = Field(1.0, ge=0)
    steps: int = Field(400, ge=1)
    vocabulary: int = Field(2000, ge=260)
    width: int = Field(256, ge=16)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    inner: int = Field(512, ge=16)


class TextTable(_Table):
    """What makes hidden states of words.

    Attributes:
        encoder: "own", or a transformers folder or name (Gemma, T5, CLIP, BERT).
        hidden_index: which hidden state is taken; -2 is the last but one.
        max_tokens: longer captions are cut, and counted.
        precision: of its weights.
        prefix, lower_case: as in `generators.text_encoder.load_text_encoder`.
        own: sizes of our own.
    """

    encoder: str = "own"
    hidden_index: int = -2
    max_tokens: int = Field(256, ge=4)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    prefix: str = ""
    lower_case: bool = False
    own: OwnTextTable = OwnTextTable()


class NetworkTable(_Table):
    """What is taught.

    Attributes:
        preset: a name of `generators.presets.PRESETS`.
        patch: side of a token in latent places.
        start: a pipeline folder whose weights it begins with; "" begins from nothing.
        recompute: give memory for time: activations are computed again on the way back.
        lora_rank: teach adapters of this rank (LoRA) and leave the weights that it begins with
            frozen; 0 teaches all weights.
    """

    preset: str = "dit-9m"
    patch: int = Field(2, ge=1)
    start: str = ""
    recompute: bool = False
    lora_rank: int = Field(0, ge=0)

    def binding(self) -> dict[str, Any]:
        """Return the fields that decide what comes out."""
        unset = set() if self.lora_rank else {"lora_rank"}
        return self.model_dump(mode="json", exclude={"recompute", *unset})


class FlowTable(_Table):
    """How times are drawn and captions dropped; see `generators.flow.FlowConfig`."""

    times: Literal["logit-normal", "uniform"] = "logit-normal"
    mean: float = 0.0
    sd: float = Field(1.0, gt=0)
    drop: float = Field(0.1, ge=0, le=1)


class TrainTable(_Table):
    """One training.

    Attributes:
        size_px: side of the images.
        steps: optimiser steps.
        batch: images a step, over all processes and all passes of an accumulation.
        accumulate: passes whose gradients make one step.
        learning_rate, warmup_steps, last_learning_rate, weight_decay, clip_norm: of AdamW.
        ema_decay: of the averaged weights.
        shift: of the times towards the noise; 1 none.
        precision: of the network's arithmetic.
        checkpoint_every, log_every: steps between two of them.
        workers: threads that draw batches ahead; None takes 4 on a GPU.
    """

    size_px: int = Field(ge=8)
    steps: int = Field(ge=1)
    batch: int = Field(32, ge=1)
    accumulate: int = Field(1, ge=1)
    learning_rate: float = Field(5e-4, gt=0)
    warmup_steps: int = Field(100, ge=0)
    last_learning_rate: float = Field(0.1, ge=0, le=1)
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    ema_decay: float = Field(0.999, ge=0, le=1)
    shift: float = Field(1.0, gt=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_every: int = Field(500, ge=1)
    log_every: int = Field(20, ge=1)
    workers: int | None = Field(None, ge=0)

    def binding(self) -> dict[str, Any]:
        """Return the fields that decide what comes out."""
        return self.model_dump(exclude={"checkpoint_every", "log_every", "workers"})


class PurifyTable(_Table):
    """The second step; see `tasks.purify` and `tasks.purify_scores.Rule`.

    Attributes:
        keep: share of the admitted pairs that is kept, by score.
        image_text: what says how well image and caption agree: "own" trains one on the pairs, or
            the spec of an image-text encoder.
        text_text: captions of one image are compared by the "facts" that both speak of, or by
            the "cosine" of the encoder's vectors.
        text_weight: weight of that beside image-text's 1.
        least_side_px: images whose shorter side is less are left out.
        characters: fewest and most of a caption.
        lint: leave out captions with an error against their record.
        steps, batch, side_px, precision: of the training of our own image-text encoder.
    """

    keep: float = Field(0.5, gt=0, le=1)
    image_text: str = "own"
    text_text: Literal["facts", "cosine"] = "facts"
    text_weight: float = Field(0.5, ge=0)
    least_side_px: int = Field(128, ge=1)
    characters: tuple[int, int] = (10, 1024)
    lint: bool = False
    steps: int = Field(1000, ge=1)
    batch: int = Field(64, ge=2)
    side_px: int = Field(128, ge=16)
    precision: Literal["auto", "fp32", "bf16"] = "auto"


class SampleTable(_Table):
    """The sheet of samples at the end of each training; see `tasks.sample_draw.SamplePlan`."""

    images: int = Field(8, ge=0)
    steps: int = Field(50, ge=1)
    method: str = "euler"
    guidance: float = Field(4.0, ge=0)


class Recipe(_Table):
    """A whole recipe, as the TOML says it.

    Attributes:
        name: short; stands on the reports.
        about: one sentence.
        cost: about how long it takes, and on what.
        seed: base of every other seed.
        arms: of the ablation (`--arms`), by name of ARMS.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_+-]*$")
    about: str = ""
    cost: str = ""
    seed: int = 0
    arms: tuple[str, ...] = ("low", "scratch", "unpurified", "random", "full")
    data: DataTable = DataTable()
    autoencoder: AutoencoderTable = AutoencoderTable()
    text: TextTable = TextTable()
    network: NetworkTable = NetworkTable()
    flow: FlowTable = FlowTable()
    pretrain: TrainTable
    purify: PurifyTable = PurifyTable()
    finetune: TrainTable
    sample: SampleTable = SampleTable()

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if unknown := [name for name in self.arms if name not in ARMS]:
            raise ValueError(f"arm {unknown[0]!r} is none of {', '.join(ARMS)}")
        return self


def load_recipe(spec: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        spec: a TOML file, or the name of one that the package ships.
        changes: "table.key=value", the value as in TOML or a bare word.

    Raises:
        Refusal: if it is missing, no TOML, or a field is unknown or out of range.
    """
    path = find_recipe(spec)
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal("a recipe file", f"{path}: {error.strerror}", "check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise Refusal("valid TOML", f"{path}: {error}", "mend the line it names") from error
    for change in changes:
        _change(plain, change)
    return parse_recipe(plain, str(path))


def parse_recipe(plain: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe of plain data.

    Raises:
        Refusal: naming every field that is wrong, and the nearest one to an unknown.
    """
    try:
        return Recipe.model_validate(plain)
    except ValidationError as error:
        wrong = "; ".join(_said(item) for item in error.errors())
        raise Refusal(
            f"a valid recipe in {where}",
            wrong,
            "the fields are listed in docs/how-to/train-generator.md",
        ) from error


def find_recipe(spec: str | Path) -> Path:
    """Return the file of a recipe.

    Raises:
        Refusal: if it is neither a file nor the name of a shipped one.
    """
    path = Path(spec)
    if path.is_file():
        return path
    shipped = {found.stem: found for found in shipped_recipes()}
    if str(spec) in shipped:
        return shipped[str(spec)]
    raise Refusal(
        f"a recipe file, or one of {', '.join(shipped)}",
        str(spec),
        "name a .toml file; copy a shipped one to begin with",
    )


def shipped_recipes() -> list[Path]:
    """Return the recipes that the package ships: in the wheel, or in the repository's root."""
    inside = Path(str(files("retinaforge"))) / "recipes"
    root = inside.parents[2] / "recipes"
    folder = inside if inside.is_dir() else root
    return sorted(folder.glob("*.toml"))


def _change(plain: dict[str, Any], change: str) -> None:
    name, equals, said = change.partition("=")
    if not equals or not name.strip():
        raise Refusal("--set table.key=value", repr(change), "such as --set finetune.steps=2000")
    *tables, last = (part.strip() for part in name.split("."))
    for table in tables:
        plain = plain.setdefault(table, {})
        if not isinstance(plain, dict):
            raise Refusal(f"a table {table}", repr(change), "name a field, not a part of one")
    plain[last] = _value(said.strip())


def _value(said: str) -> Any:
    try:
        return tomllib.loads(f"value = {said}")["value"]
    except tomllib.TOMLDecodeError:
        return said


def _said(item: Mapping[str, Any]) -> str:
    """Return one error in words; an unknown field's has the nearest that is known."""
    place = [str(part) for part in item["loc"]]
    name = ".".join(place) or "recipe"
    if item["type"] != "extra_forbidden":
        return f"{name}: {item['msg']}"
    near = get_close_matches(name, list(_fields(Recipe)), n=1, cutoff=0.5)
    near = near or get_close_matches(place[-1], [n.split(".")[-1] for n in _fields(Recipe)], n=1)
    return f"{name} is unknown{f' (did you mean {near[0]}?)' if near else ''}"


def _fields(table: type[BaseModel], head: str = "") -> Iterator[str]:
    for name, field in table.model_fields.items():
        yield head + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, f"{head}{name}.")
