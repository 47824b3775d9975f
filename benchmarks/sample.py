"""Images a second of sampling, ours against diffusers' own LuminaPipeline.

The same LuminaNextDiT2DModel, the same AutoencoderKL, the same hidden states of captions, the same
noise, Euler with as many network evaluations, guidance 4, from hidden states to 8-bit images, in
one process. Ours and theirs take turns, the first of each pair changes, and CPU seconds are
counted, so that a busy machine is busy for both. Before the clock runs, both draw without
guidance and the images must agree: the arithmetic is the same. (With guidance they differ by
design: the pipeline guides three of the latent's four channels, we guide all.)

Run: OMP_NUM_THREADS=1 python benchmarks/sample.py [--write] [--repeats 3] [--steps 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, LuminaPipeline

from retinaforge.autoencoders.foreign import build_foreign
from retinaforge.core.artefacts import environment, write_json
from retinaforge.generators.condition import Condition
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.presets import build_network
from retinaforge.generators.samplers import noise, sample
from retinaforge.tasks.latents import decode_latents
from retinaforge.tasks.sample_draw import SamplePlan, painting
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import Request, Wording

RESULT = Path(__file__).parent / "results" / "sample.json"
BATCH, TOKENS, WIDTH, GUIDANCE, FACTOR = 4, 104, 256, 4.0, 8
CASES = (("lumina-2m", 128), ("lumina-2m", 256), ("lumina-9m", 256))
VAE = {
    "block_out_channels": (32, 64, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
    "norm_num_groups": 16,
    "layers_per_block": 1,
    "scaling_factor": 0.5,
}


class Recorded:
    """A text encoder that has encoded already: the captions' hidden states, and ""'s."""

    max_tokens = 256

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self.words = torch.randn(BATCH, TOKENS, WIDTH, generator=rng)
        lengths = torch.tensor([TOKENS, 80, 60, 96])[:, None]
        self.mask = torch.arange(TOKENS)[None] < lengths
        self.null = torch.randn(1, TOKENS, WIDTH, generator=rng)
        self.null_mask = (torch.arange(TOKENS) < 2)[None]

    def count(self, texts: Any) -> tuple[int, ...]:
        """Return the tokens of each text."""
        return tuple(TOKENS if text else 2 for text in texts)

    def encode(self, texts: Any) -> SimpleNamespace:
        """Return what was recorded: for captions "0", "1", ... theirs, for "" the null's."""
        if list(texts) == [""]:
            return SimpleNamespace(hidden=self.null, mask=self.null_mask)
        rows = [int(text) for text in texts]
        return SimpleNamespace(hidden=self.words[rows], mask=self.mask[rows])


@dataclass(frozen=True)
class Pair:
    """Both ways to sample of one network."""

    ours: Callable[[float], np.ndarray]
    theirs: Callable[[float], np.ndarray]
    agreement: float


def make(preset: str, side_px: int, steps: int) -> Pair:
    """Return both ways, checked against one another without guidance."""
    torch.manual_seed(0)
    cells = side_px // FACTOR
    shape = NetworkShape(latent_channels=4, patch=2, text_width=WIDTH)
    network = build_network(preset, shape, side=cells).eval()
    for parameter in network.parameters():
        # Authors' start is the zero velocity, which would make the check an empty one.
        torch.nn.init.normal_(parameter, std=0.02)
    decoder = build_foreign("AutoencoderKL", VAE)
    vae = AutoencoderKL(**VAE).eval()
    vae.load_state_dict(decoder.inner.state_dict())
    # The pipeline gets a transformer with diffusers' own attention, not with ours.
    transformer = type(network.inner).from_config(network.inner.config).eval()
    transformer.load_state_dict(network.inner.state_dict())
    pipeline = LuminaPipeline(
        transformer=transformer, vae=vae, scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=None, tokenizer=None,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    said, start = Recorded(), noise(range(BATCH), (4, cells, cells))
    painter = Painter(network, decoder, said, scale=VAE["scaling_factor"])

    def ours(guidance: float) -> np.ndarray:
        plan = SamplePlan(size=str(side_px), steps=steps, guidance=guidance, batch=BATCH)
        asked = [Request(number, number, Wording(str(number))) for number in range(BATCH)]
        return np.stack([one.pixels for one in painting(painter, plan)(asked, None)])

    def theirs(guidance: float) -> np.ndarray:
        images = pipeline(
            prompt_embeds=said.words, prompt_attention_mask=said.mask,
            negative_prompt_embeds=said.null.expand(BATCH, -1, -1),
            negative_prompt_attention_mask=said.null_mask.expand(BATCH, -1),
            num_inference_steps=steps, guidance_scale=guidance, latents=start.clone(),
            height=side_px, width=side_px, output_type="pil",
        ).images  # fmt: skip
        return np.stack([np.asarray(image) for image in images])

    plain = theirs(1.0)
    # Its grid of times ends with a step of 1/1000: ours takes the same for the comparison.
    times = [1 - float(sigma) for sigma in pipeline.scheduler.sigmas]
    latents = sample(
        network, Condition(said.words, said.mask), shape=(cells, cells), seeds=range(BATCH),
        guidance=1.0, times=times,
    )  # fmt: skip
    images = decode_latents(decoder, latents, scale=VAE["scaling_factor"])
    same = ((images + 1) * 127.5).round().permute(0, 2, 3, 1).numpy()
    return Pair(ours, theirs, float(np.abs(same - plain).max()))


def seconds(draw: Callable[[float], np.ndarray]) -> float:
    """Return the CPU seconds of drawing a batch."""
    start = time.process_time()
    draw(GUIDANCE)
    return time.process_time() - start


def measure(preset: str, side_px: int, steps: int, repeats: int) -> dict[str, Any]:
    """Return one row."""
    pair = make(preset, side_px, steps)
    assert pair.agreement <= 1, f"images differ by {pair.agreement} grey levels"
    found: dict[str, list[float]] = {"ours": [], "theirs": []}
    for repeat in range(repeats):
        order = ("ours", "theirs") if repeat % 2 == 0 else ("theirs", "ours")
        for name in order:
            found[name].append(seconds(getattr(pair, name)))
    ours, theirs = (median(found[name]) for name in ("ours", "theirs"))
    return {
        "network": preset,
        "size_px": side_px,
        "batch": BATCH,
        "steps": steps,
        "guidance": GUIDANCE,
        "tokens": TOKENS,
        "ours_images_per_cpu_s": round(BATCH / ours, 4),
        "diffusers_images_per_cpu_s": round(BATCH / theirs, 4),
        "ratio": round(theirs / ours, 3),
        "ratios": [round(b / a, 3) for a, b in zip(*found.values(), strict=True)],
        "largest_difference_without_guidance_grey_levels": pair.agreement,
    }


def main() -> None:
    """Print a line a case, and write the result with --write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for preset, side_px in CASES:
        rows.append(measure(preset, side_px, chosen.steps, chosen.repeats))
        if not chosen.json:
            row = rows[-1]
            print(
                f"{preset} {side_px} px: ours {row['ours_images_per_cpu_s']:.3g}, diffusers "
                f"{row['diffusers_images_per_cpu_s']:.3g} images a CPU second, ratio "
                f"{row['ratio']:.2f} {row['ratios']}",
                flush=True,
            )
    said = {"results": rows, "goal": 1.0, "threads": 1, "environment": environment()}
    if chosen.json:
        print(json.dumps(said, indent=2))
    if chosen.write:
        write_json(RESULT, said)


if __name__ == "__main__":
    main()
