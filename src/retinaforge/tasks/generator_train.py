"""One training of a recipe: data, network, loop, model folder, measures, a sheet of samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import Refusal, seed_for
from retinaforge.generators.classes import ClassVocabulary
from retinaforge.generators.flow import FlowConfig
from retinaforge.generators.folder import save_pipeline
from retinaforge.generators.text_encoder import TextEncoder
from retinaforge.tasks.generator_card import facts_of_data, model_card
from retinaforge.tasks.generator_draw import GeneratorData, draw_generator
from retinaforge.tasks.generator_measure import held_out_losses
from retinaforge.tasks.generator_network import (
    Start,
    at_rest,
    new_network,
    published_start,
)
from retinaforge.tasks.generator_prepare import (
    Inputs,
    OnCount,
    is_main,
    open_text_encoder,
    prepare_data,
    vocabulary_of,
    wait_for,
)
from retinaforge.tasks.generator_recipe import TrainTable
from retinaforge.tasks.generator_sheet import draw_sheet
from retinaforge.tasks.generator_stream import (
    INDEX,
    ShardStream,
    draw_stream,
    key_of,
    open_shards,
    write_shards,
)
from retinaforge.tasks.pairs import Pair
from retinaforge.tasks.sample_painter import Painter
from retinaforge.training import OnProgress
from retinaforge.training.generator import (
    FlowMatching,
    GeneratorConfig,
    GeneratorDraw,
    train_generator,
)
from retinaforge.training.sharding import whole

MODEL, TRAINING = "model", "training"


@dataclass(frozen=True)
class Telling:
    """Whom a training tells what it does."""

    on_count: OnCount | None = None
    on_progress: OnProgress | None = None


def run_training(
    inputs: Inputs,
    table: TrainTable,
    folder: Path,
    *,
    name: str,
    key: str,
    pairs: Sequence[Pair],
    start: Start | None = None,
    telling: Telling = Telling(),
) -> dict[str, Any]:
    """Train, or go on; write the model's folder and a sheet of samples.

    Args:
        inputs: of the recipe.
        table: how long and how.
        folder: of this step alone.
        name: of the step, for seeds and messages.
        key: what a resumption must find unchanged.
        pairs: what is learnt from.
        start: weights to begin with; None begins from nothing.
        telling: whom to tell.

    Returns:
        What the report says, as plain data.
    """
    recipe = inputs.recipe
    encoder = open_text_encoder(inputs, on_count=telling.on_count)
    vocabulary = vocabulary_of(inputs)
    start = start or published_start(inputs.recipe)
    scaling = None if start is None else (start.scale, start.shift)
    how: dict[str, Any] = {"size_px": table.size_px, "on_count": telling.on_count}
    data = prepare_data(inputs, pairs, encoder, vocabulary, scaling=scaling, **how)
    scaling = (data.latents.scale, data.latents.shift)
    seen = _held_out(inputs, encoder, vocabulary, scaling, how)
    network = new_network(inputs, data, encoder, vocabulary, start)
    flow = FlowConfig(**recipe.flow.model_dump(), shift=table.shift)
    method = FlowMatching(network, data.null(), flow, decay=table.ema_decay)
    draw = batches_of(inputs, data, table, seed_for(recipe.seed, "data", name))
    result = train_generator(
        method, draw, config_of(table, seed_for(recipe.seed, name) % 2**31),
        folder / TRAINING, about={"inputs": key}, on_progress=telling.on_progress,
    )  # fmt: skip
    found = {
        "result": {k: v for k, v in vars(result).items() if k != "state"},
        "data": facts_of_data(data),
        "network": {**network.as_dict(), "preset": recipe.network.preset},
        "parameters": sum(p.numel() for p in network.parameters()),
        "latents": {"scale": scaling[0], "shift": scaling[1], **data.latents.facts},
        "text": {**encoder.settings(), **encoder.source.as_dict()},
    }
    weights = {name: whole(x) for name, x in method.encoder_weights().items()}
    if not is_main():
        return found
    network = at_rest(method.network, weights, recipe.network.lora_rank)
    plan = None if data.maps is None else data.maps.plan
    meta = model_card(inputs, name, found, vocabulary, plan)
    save_pipeline(
        folder / MODEL, network, autoencoder=inputs.autoencoder, text_encoder=encoder, meta=meta
    )
    found["held_out"] = held_out_losses(network, data, seen, seed=recipe.seed)
    painter = Painter(
        network, _decoder(inputs, network), encoder, *scaling, fingerprint=key,
        vocabulary=vocabulary, maps=plan, trained_px=table.size_px,
    )  # fmt: skip
    found["samples"] = draw_sheet(painter, inputs, table, folder)
    return found


def batches_of(inputs: Inputs, data: GeneratorData, table: TrainTable, seed: int) -> GeneratorDraw:
    """Return what gives a training its batches: the memory map, or shards written from it.

    Raises:
        Refusal: if the processes cannot share a batch or the shards.
    """
    recipe, batch = inputs.recipe, share(table.batch)
    if not recipe.data.stream:
        sampled = recipe.autoencoder.sampled
        drop = recipe.data.map_drop
        return draw_generator(data, batch=batch, seed=seed, sampled=sampled, map_drop=drop)
    if recipe.autoencoder.sampled:
        raise Refusal("latents' means in shards", "autoencoder.sampled", "leave one of them out")
    folder = inputs.cache / f"shards-{key_of(data, recipe.data.shard_rows)[:16]}"
    if is_main():
        write_shards(data, folder, rows=recipe.data.shard_rows, facts=data.latents.facts)
    wait_for(folder / INDEX)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    stream = ShardStream(open_shards(folder), seed=seed, rank=rank, world=world)
    return draw_stream(stream, batch=batch, world=world)


def config_of(table: TrainTable, seed: int) -> GeneratorConfig:
    """Return how the loop goes."""
    return GeneratorConfig(
        steps=table.steps,
        learning_rate=table.learning_rate,
        warmup_steps=table.warmup_steps,
        last_learning_rate=table.last_learning_rate,
        weight_decay=table.weight_decay,
        clip_norm=table.clip_norm,
        precision=table.precision,
        checkpoint_every=table.checkpoint_every,
        log_every=table.log_every,
        workers=table.workers,
        accumulate=table.accumulate,
        seed=seed,
    )


def share(batch: int) -> int:
    """Return how many of a step's images this process draws.

    Raises:
        Refusal: if the processes cannot share them evenly.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % processes:
        raise Refusal(
            f"a batch that {processes} processes share evenly",
            str(batch),
            f"ask for {max(1, round(batch / processes)) * processes}",
        )
    return batch // processes


def _held_out(
    inputs: Inputs,
    encoder: TextEncoder,
    vocabulary: ClassVocabulary,
    scaling: tuple[float, float],
    how: dict[str, Any],
) -> GeneratorData | None:
    if not inputs.held_out or not is_main():
        return None
    return prepare_data(inputs, inputs.held_out, encoder, vocabulary, scaling=scaling, **how)


def _decoder(inputs: Inputs, network: nn.Module) -> nn.Module:
    device = next(network.parameters()).device
    return load_autoencoder(inputs.autoencoder).model.to(device).eval()
