"""A generator's training step: ours beside a plain diffusers loop, and what caches are worth.

    OMP_NUM_THREADS=1 python benchmarks/train_generator.py [--out FILE]

Part one trains the same LuminaNextDiT2DModel (preset lumina-2m, 16 x 16 latents, 110 words) twice:
by `train_generator` with its journal, checks for numbers that are not finite, averaged weights and
gradient clipping; and by the loop that people write after diffusers' examples: noise, times,
forward, mean squared error, backward, clip, AdamW, `diffusers.training_utils.EMAModel`. Part two
trains with latents and hidden states from memory, as the caches give them, and with images and
captions encoded at each step, at 128 px: with autoencoder and text encoder of the size of
recipes/phantoms.toml, and of published size. Seconds are CPU seconds of this process, in turn,
piece by piece, the median of the steps. Writes benchmarks/results/train_generator.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, LuminaNextDiT2DModel
from diffusers.training_utils import EMAModel
from torch import nn

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig
from retinaforge.core import artefacts
from retinaforge.generators.condition import Condition
from retinaforge.generators.flow import FlowConfig
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.presets import build_network
from retinaforge.generators.text_encoder import load_text_encoder
from retinaforge.generators.text_train import TextTraining, train_text_encoder
from retinaforge.training.generator import (
    FlowMatching,
    GeneratorBatch,
    GeneratorConfig,
    train_generator,
)

RESULT = Path(__file__).parent / "results" / "train_generator.json"
Encoded = Callable[[torch.Tensor], torch.Tensor]
BATCH, WORDS, WIDTH, PIECES, STEPS = 16, 110, 256, 3, 5
SENTENCE = (
    "A colour retinal photograph of the right eye with a few hard exudates and dark pigment. "
)


def words(batch: int, seed: int) -> Condition:
    """Return hidden states as the cache gives them."""
    rng = torch.Generator().manual_seed(seed)
    text = torch.randn(batch, WORDS, WIDTH, generator=rng)
    return Condition(text, torch.ones(batch, WORDS, dtype=torch.bool))


def seconds_of_ours(network: nn.Module, draw: Callable[[int], GeneratorBatch]) -> list[float]:
    """Return CPU seconds between the draws of a real training."""
    marks: list[float] = []

    def marked(index: int) -> GeneratorBatch:
        marks.append(time.process_time())
        return draw(index)

    null = draw(0).condition.take(slice(0, 1))
    method = FlowMatching(network, null, FlowConfig())
    config = GeneratorConfig(steps=STEPS, precision="fp32", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        train_generator(method, marked, config, Path(folder))
    return [b - a for a, b in pairwise(marks[1:])]


def seconds_of_diffusers(network: Any, latents: torch.Tensor, asked: Condition) -> list[float]:
    """Return CPU seconds of each step of a plain loop round diffusers' class."""
    # A model of its own: ours runs the same class with another attention processor.
    model = LuminaNextDiT2DModel.from_config(network.inner.config).train()
    positions = rotary(network)
    optimiser = torch.optim.AdamW(model.parameters(), 5e-4, weight_decay=0.01)
    average = EMAModel(model.parameters(), decay=0.999)
    seconds: list[float] = []
    for _ in range(STEPS):
        began = time.process_time()
        noise, t = torch.randn_like(latents), torch.sigmoid(torch.randn(len(latents)))
        x = t.view(-1, 1, 1, 1) * latents + (1 - t.view(-1, 1, 1, 1)) * noise
        said = model(
            x, t, asked.text, asked.text_mask, image_rotary_emb=positions, cross_attention_kwargs={}
        )
        velocity = said.sample.chunk(2, dim=1)[0]
        loss = nn.functional.mse_loss(velocity, latents - noise)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        average.step(model.parameters())
        seconds.append(time.process_time() - began)
    return seconds[1:]


def rotary(network: Any) -> torch.Tensor:
    """Return the rotary positions as diffusers' pipeline computes them."""
    from diffusers.models.embeddings import get_2d_rotary_pos_embed_lumina

    config = network.inner.config
    head = config.hidden_size // config.num_attention_heads
    return get_2d_rotary_pos_embed_lumina(head, 384, 384, linear_factor=1.0, ntk_factor=1.0)


def beside_diffusers() -> dict[str, Any]:
    """Time the same network in both loops, in turn."""
    shape = NetworkShape(latent_channels=4, patch=2, text_width=WIDTH)
    torch.manual_seed(0)
    network = build_network("lumina-2m", shape, side=16)
    latents, asked = torch.randn(BATCH, 4, 16, 16), words(BATCH, 1)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(PIECES):
        ours += seconds_of_ours(copy.deepcopy(network), lambda _: GeneratorBatch(latents, asked))
        theirs += seconds_of_diffusers(copy.deepcopy(network), latents, asked)
    return _compared("ours", ours, "diffusers", theirs)


def lean_vae() -> Encoded:
    """Return the encoding of recipes/phantoms.toml: f = 8, 16 channels, random weights."""
    config = AutoencoderConfig(kind="kl", factor=8, code_dim=16)
    model = Autoencoder(config).eval()
    return lambda images: model.encode(images)[:, : config.latent_channels]


def sdxl_vae() -> Encoded:
    """Return SDXL's with random weights: f = 8, 84 M; RetinaLogos's autoencoder."""
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
    ).eval()  # fmt: skip
    return lambda images: model.encode(images).latent_dist.mode()


def caches(
    folder: Path, vae: Encoded, text: TextTraining, presets: tuple[str, ...], batch: int
) -> dict[str, Any]:
    """Time steps with cached and with freshly encoded images and captions, in turn."""
    torch.manual_seed(0)
    texts = [SENTENCE * 4, "An image of the left eye, hazy. " * 8]
    spoken = train_text_encoder([texts, texts[::-1]], folder, steps=1, training=text)
    encoder = load_text_encoder(spoken)
    images, said = torch.rand(batch, 3, 128, 128) * 2 - 1, (texts * batch)[:batch]

    def fresh(_: int) -> GeneratorBatch:
        with torch.no_grad():
            latents = vae(images)
        known = encoder.encode(said)
        return GeneratorBatch(latents, Condition(known.hidden.float(), known.mask))

    stored = fresh(0)
    width = stored.condition.text.shape[-1]
    shape = NetworkShape(latent_channels=stored.latents.shape[1], patch=2, text_width=width)
    found: dict[str, Any] = {}
    for preset in presets:
        network, ours, slow = build_network(preset, shape, side=stored.latents.shape[-1]), [], []
        for _ in range(PIECES):
            ours += seconds_of_ours(copy.deepcopy(network), lambda _: stored)
            slow += seconds_of_ours(copy.deepcopy(network), fresh)
        found[preset] = _compared("cached", ours, "encoded at each step", slow)
    return found


def _compared(a: str, ours: list[float], b: str, theirs: list[float]) -> dict[str, Any]:
    first, second = statistics.median(ours), statistics.median(theirs)
    return {f"{a} s a step": first, f"{b} s a step": second, "ratio": second / first}


def main() -> None:
    """Run both parts and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "batch": BATCH, "words": WORDS, "pieces": PIECES, "steps a piece": STEPS,
        "beside diffusers": beside_diffusers(),
    }  # fmt: skip
    bert = TextTraining(width=768, layers=12, heads=12, inner=3072)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        result["caches, recipes/phantoms.toml"] = caches(
            place / "small", lean_vae(), TextTraining(), ("dit-2m", "dit-5m"), BATCH
        )
        result["caches, SDXL's autoencoder and a text encoder of BERT-base's size"] = caches(
            place / "large", sdxl_vae(), bert, ("lumina-9m", "lumina-33m"), 4
        )
    artefacts.write_json(out, {**result, "environment": artefacts.environment()})
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
