"""The tables of a recipe file: every field with its default and its range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from retinaforge.core import Refusal
from retinaforge.generators.maps import Keeping
from retinaforge.generators.presets import require_preset
from retinaforge.generators.solvers import require_method
from retinaforge.tasks.mask_files import require_map_names


class Table(BaseModel):
    """Fields of one table; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataTable(Table):
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
        _in_pydantic(require_map_names, self.maps)
        if self.maps and self.stream:
            raise ValueError("shards hold no masks: with maps, stream must be false")
        return self

    def binding(self) -> dict[str, Any]:
        """Return the fields that decide what comes out."""
        unset = set() if self.maps else {"maps", "map_keeping", "map_drop"}
        plain = self.model_dump(mode="json", exclude={"pairs", *unset})
        streamed = {"stream": plain.pop("stream"), "shard_rows": plain.pop("shard_rows")}
        return {**plain, **streamed} if self.stream else plain


class AutoencoderTable(Table):
    """What makes latents.

    Attributes:
        folder: an autoencoder of ours, or a diffusers one; `--autoencoder` names another.
        sampled: draw latents from a KL autoencoder's Gaussian, instead of its mean.
        precision: of encoding.
    """

    folder: str = ""
    sampled: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"


class OwnTextTable(Table):
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


class TextTable(Table):
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


class NetworkTable(Table):
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

    @model_validator(mode="after")
    def _fits(self) -> NetworkTable:
        _in_pydantic(require_preset, self.preset)
        return self

    def binding(self) -> dict[str, Any]:
        """Return the fields that decide what comes out."""
        unset = set() if self.lora_rank else {"lora_rank"}
        return self.model_dump(mode="json", exclude={"recompute", *unset})


class FlowTable(Table):
    """How times are drawn and captions dropped; see `generators.flow.FlowConfig`."""

    times: Literal["logit-normal", "uniform"] = "logit-normal"
    mean: float = 0.0
    sd: float = Field(1.0, gt=0)
    drop: float = Field(0.1, ge=0, le=1)


class TrainTable(Table):
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


class PurifyTable(Table):
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


class SampleTable(Table):
    """The sheet of samples at the end of each training; see `tasks.sample_draw.SamplePlan`."""

    images: int = Field(8, ge=0)
    steps: int = Field(50, ge=1)
    method: str = "euler"
    guidance: float = Field(4.0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> SampleTable:
        _in_pydantic(require_method, self.method)
        return self


def _in_pydantic(require: Callable[[Any], Any], given: Any) -> None:
    """Tell pydantic of a refusal, so that it names the table."""
    try:
        require(given)
    except Refusal as error:
        raise ValueError(str(error)) from error
