"""One generator's training in a process of its own: `generator_worker.py FOLDER STEPS PASSES`.

Batch number s of one process is that of both processes of two, one below the other. With "sharded"
behind, weights are sharded by Accelerate's own FSDP2 path, which it opens on accelerators only:
here its gate is held open, so that the path is tested on CPUs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch import Tensor

from retinaforge.core.rng import seed_for
from retinaforge.generators.condition import Condition
from retinaforge.generators.dit import DiT
from retinaforge.generators.flow import FlowConfig
from retinaforge.generators.network import NetworkShape
from retinaforge.training.generator import (
    FlowMatching,
    GeneratorBatch,
    GeneratorConfig,
    flow_inputs,
)
from retinaforge.training.pretrain import pretrain
from retinaforge.training.sharding import whole

SHAPE = NetworkShape(latent_channels=4, patch=2, text_width=8, class_sizes=(2,))
FLOW = FlowConfig(drop=0.3)


def drawn(index: int) -> GeneratorBatch:
    """Return four latents whose first channel's level stands in their words."""
    rng = torch.Generator().manual_seed(seed_for(0, "toy", index))
    level = torch.rand(4, generator=rng)
    latents = 0.1 * torch.randn(4, 4, 8, 8, generator=rng)
    latents[:, 0] += level[:, None, None]
    text = level[:, None, None].expand(4, 3, 8).clone()
    return GeneratorBatch(
        latents, Condition(text, torch.ones(4, 3).bool(), (level > 0.5).long()[:, None])
    )


def below(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def new_method() -> FlowMatching:
    torch.manual_seed(0)
    network = DiT(SHAPE, width=16, depth=2, heads=2)
    for p in network.parameters():  # DiT begins with layers of zeros, that hide what goes wrong
        torch.nn.init.normal_(p, std=0.05)
    null = Condition(torch.zeros(1, 1, 8), torch.ones(1, 1).bool(), torch.full((1, 1), -1))
    return FlowMatching(network, null, FLOW, decay=0.9)


def config(steps: int, passes: int) -> GeneratorConfig:
    return GeneratorConfig(
        steps=steps, warmup_steps=0, learning_rate=3e-3, log_every=1, precision="fp32",
        checkpoint_every=4, device="cpu", threads=1, accumulate=passes,
    )  # fmt: skip


def hold_fsdp_open() -> None:
    """Let Accelerate shard on CPUs, as recipes/accelerate-fsdp.yaml asks it to on GPUs."""
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    from retinaforge.training import pretrain as loop

    whole = loop.find_accelerator

    def sharding(asked):
        accelerator = whole(asked)
        accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="transformer_based_wrap",
            reshard_after_forward=True, cpu_ram_efficient_loading=False,
        )  # fmt: skip
        return accelerator

    loop.find_accelerator = sharding


def main(folder: Path, steps: int, passes: int) -> None:
    world = int(os.environ.get("WORLD_SIZE", "1"))
    inputs = flow_inputs(drawn, FLOW, 0)
    draw = inputs if world == 2 else lambda s: below([inputs(2 * s), inputs(2 * s + 1)])
    dies_at = int(os.environ.get("DIES_AT", "-1"))

    def mortal(index: int) -> dict[str, Tensor]:
        if index // world == dies_at:
            os._exit(9)
        return draw(index)

    method = new_method()
    pretrain(method, mortal, config(steps, passes), folder)
    weights = {name: whole(x) for name, x in method.encoder_weights().items()}
    if os.environ.get("RANK", "0") == "0":
        torch.save(weights, folder / "averaged.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    if "sharded" in sys.argv:
        hold_fsdp_open()
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
