"""Several processes keep one codebook."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from retinaforge.nets.quantise import VectorQuantiser


def follow(rank: int, folder: str) -> None:
    """Quantise other latents in each process and leave the codebook behind."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    quantiser = VectorQuantiser(16, 2).train()
    for step in range(25):
        rng = torch.Generator().manual_seed(100 * rank + step)
        quantiser(torch.randn(1, 2, 8, 8, generator=rng) + step / 5)
    torch.save(
        {"state": quantiser.state_dict(), "perplexity": quantiser.use.read(reset=False).perplexity},
        f"{folder}/{rank}.pt",
    )
    dist.destroy_process_group()


@pytest.mark.slow
def test_codebooks_stay_equal_across_processes(tmp_path: Path):
    torch.multiprocessing.spawn(follow, args=(str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for name in ("codebook", "counts", "sums", "step"):
        assert torch.equal(first["state"][name], second["state"][name]), name
    assert not torch.equal(first["state"]["use.histogram"], second["state"]["use.histogram"])
    assert first["perplexity"] == second["perplexity"]
