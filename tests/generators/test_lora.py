"""Adapters on a base: the base stays, the loss falls, merged is the same."""

from pathlib import Path

import pytest
import torch
from lumina_toys import WIDTH, tiny_lumina
from torch import nn

from retinaforge.core import Refusal
from retinaforge.generators.condition import Condition
from retinaforge.generators.dit import DiT
from retinaforge.generators.lora import (
    add_lora,
    has_lora,
    load_lora,
    lora_weights,
    merge_lora,
    save_lora,
)
from retinaforge.generators.network import NetworkShape


def tiny_dit(seed: int = 0) -> DiT:
    torch.manual_seed(seed)
    network = DiT(
        NetworkShape(latent_channels=4, patch=2, text_width=WIDTH), width=32, depth=2, heads=2
    )
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network


def asked() -> tuple[torch.Tensor, torch.Tensor, Condition]:
    rng = torch.Generator().manual_seed(2)
    text = torch.randn(2, 5, WIDTH, generator=rng)
    said = Condition(text, torch.ones(2, 5, dtype=torch.bool))
    return torch.randn(2, 4, 8, 8, generator=rng), torch.tensor([0.2, 0.7]), said


@pytest.mark.parametrize("build", [tiny_lumina, tiny_dit])
def test_the_base_stays_the_loss_falls_and_merged_is_the_same(build, tmp_path: Path) -> None:
    network, (x, time, said) = build(), asked()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    plain = network(x, time, said).detach()
    add_lora(network, rank=4, alpha=8)
    torch.testing.assert_close(network(x, time, said), plain, rtol=0, atol=0)
    learnt = lora_weights(network)
    outside = ("patch_embedder", "time_caption", "norm", "modulation", "patch_in", "text_in")
    assert learnt
    assert not any(part in name for name in learnt for part in outside)
    trained = [p for p in network.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) < 0.3 * sum(v.numel() for v in before.values())

    optimiser, losses = torch.optim.AdamW(trained, 1e-2), []
    target = plain + 0.3 * torch.randn(plain.shape, generator=torch.Generator().manual_seed(3))
    for _ in range(6):
        loss = (network(x, time, said) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
    after = {n.replace(".base_layer", ""): v for n, v in network.state_dict().items()}
    assert all(torch.equal(after[name], before[name]) for name in before)

    tuned = network.eval()(x, time, said).detach()
    save_lora(tmp_path, network, base="toys/base", meta={"licence": "CC0"})
    again = load_lora(tmp_path, build()).eval()
    torch.testing.assert_close(again(x, time, said), tuned, rtol=0, atol=0)

    merged = merge_lora(again)
    assert not has_lora(merged)
    assert merged.state_dict().keys() == before.keys()
    torch.testing.assert_close(merged(x, time, said), tuned, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(tuned, plain, atol=1e-3)
    with pytest.raises(Refusal, match=r"learnt on \(toys/base\); got another network of its shape"):
        load_lora(tmp_path, build(seed=1))


def test_peft_itself_reads_the_folder(tmp_path: Path) -> None:
    from peft import LoraConfig

    network = add_lora(tiny_dit(), rank=2)
    save_lora(tmp_path, network, base="toys/base", meta={})
    config = LoraConfig.from_pretrained(tmp_path)
    assert (config.r, config.lora_alpha) == (2, 2)
    assert config.base_model_name_or_path == "toys/base"


def test_what_cannot_be_adapted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="a rank of 1 or more; got 0"):
        add_lora(tiny_dit(), rank=0)
    with pytest.raises(Refusal, match="a network of class Lumina or DiT; got Linear"):
        add_lora(nn.Linear(2, 2))
    with pytest.raises(Refusal, match="a network without adapters"):
        add_lora(add_lora(tiny_dit()))
    with pytest.raises(Refusal, match="a network with adapters"):
        merge_lora(tiny_dit())
    with pytest.raises(Refusal, match="a folder of save_lora"):
        load_lora(tmp_path, tiny_dit())
