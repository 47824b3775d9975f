"""The network of a recipe: built, given the weights that it begins with, brought to rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal, seed_for
from retinaforge.generators.classes import ClassVocabulary
from retinaforge.generators.folder import load_network, load_pipeline
from retinaforge.generators.lora import add_lora, merge_lora
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.presets import build_network, network_from_config
from retinaforge.generators.text_encoder import TextEncoder
from retinaforge.tasks.generator_draw import GeneratorData
from retinaforge.tasks.generator_prepare import Inputs
from retinaforge.tasks.generator_recipe import Recipe
from retinaforge.training.sharding import is_sharded

ASKED_BESIDE = ("classes", "maps_in")
"""Heads of Lumina's weights for classes and maps, which published ones lack."""


@dataclass(frozen=True)
class Start:
    """Where a training begins.

    Attributes:
        model: pipeline folder of the weights.
        scale, shift: of the latents that they know.
        key: of the step that made them.
    """

    model: Path
    scale: float
    shift: float
    key: str = ""


def new_network(
    inputs: Inputs,
    data: GeneratorData,
    encoder: TextEncoder,
    vocabulary: ClassVocabulary,
    start: Start | None,
) -> nn.Module:
    """Return the recipe's network with the weights that it begins with, the same for a seed.

    Raises:
        Refusal: if the weights to begin with are another network's.
    """
    table = inputs.recipe.network
    channels, rows, _ = data.latents.shape
    shape = NetworkShape(
        latent_channels=channels,
        patch=table.patch,
        text_width=encoder.width,
        class_sizes=vocabulary.sizes,
        map_channels=0 if data.maps is None else data.maps.plan.channels,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(inputs.recipe.seed, "network") % 2**63)
        network = build_network(table.preset, shape, side=rows, recompute=table.recompute)
    if start is not None:
        _take_weights(network, start.model)
    if table.lora_rank:
        if start is None:
            raise Refusal("weights to adapt", "network.lora_rank alone", "name network.start")
        # A DiT's masks come in where its latent does: that layer must learn too.
        also = (*ASKED_BESIDE, *(("patch_in",) if shape.map_channels else ()))
        add_lora(network, rank=table.lora_rank, also=also)
    return network


def published_start(recipe: Recipe) -> Start | None:
    """Return the weights that the recipe names to begin with, and the scale that they know."""
    if not recipe.network.start:
        return None
    known = load_pipeline(Path(recipe.network.start))
    return Start(Path(recipe.network.start), known.scale, known.shift)


def at_rest(network: nn.Module, weights: Mapping[str, Tensor], lora_rank: int) -> nn.Module:
    """Return the network with averaged weights, adapters worked in; a sharded one is built anew."""
    if is_sharded(network):
        device = next(network.parameters()).device
        network = network_from_config(network.as_dict())
        network = (add_lora(network, rank=lora_rank) if lora_rank else network).to(device)
    network.load_state_dict(weights)
    return (merge_lora(network) if lora_rank else network).eval()


def _take_weights(network: nn.Module, folder: Path) -> None:
    """Take over every weight of a saved network of the same shape, taught at any side."""
    given, wanted = dict(load_network(folder).state_dict()), network.state_dict()
    _widen_for_maps(given, wanted, network.shape)
    # What asks beside words may be new to the weights: it begins as it is built.
    given |= {n: x for n, x in wanted.items() if n not in given and n.startswith(ASKED_BESIDE)}
    differ = [n for n in {*given, *wanted} if _shape(given, n) != _shape(wanted, n)]
    if differ:
        name = min(differ)
        raise Refusal(
            f"weights of the recipe's network ({name}: {_shape(wanted, name)})",
            f"{_shape(given, name)} in {folder}",
            "set network.preset, network.patch, data.classes, data.maps and text to those of the "
            "weights",
        )
    network.load_state_dict(given)


def _widen_for_maps(
    given: dict[str, Tensor], wanted: Mapping[str, Tensor], shape: NetworkShape
) -> None:
    """Let a DiT that knows no masks go on with masks that do nothing at first (zeros, as Zhang et
    al. 2023, arXiv 2302.05543, begin): in a token the latent's channels stand before the masks'."""
    name, beside = "patch_in.weight", shape.map_channels * shape.patch**2
    if name not in given or name not in wanted or not beside:
        return
    old = given[name]
    if tuple(wanted[name].shape) == (len(old), old.shape[1] + beside):
        given[name] = torch.cat([old, old.new_zeros(len(old), beside)], 1)


def _shape(state: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(state[name].shape)) if name in state else "none"
