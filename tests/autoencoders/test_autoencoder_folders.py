"""Model folders: ours bit by bit, diffusers' as diffusers itself, refusals."""

import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from retinaforge.autoencoders import (
    Autoencoder,
    AutoencoderConfig,
    decoder_only,
    load_autoencoder,
    save_autoencoder,
)
from retinaforge.core import Refusal

WEIGHTS = "diffusion_pytorch_model.safetensors"


def images(side: int = 32) -> torch.Tensor:
    rng = torch.Generator().manual_seed(3)
    return torch.rand(2, 3, side, side, generator=rng) * 2 - 1


def trained(kind: str) -> Autoencoder:
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(kind=kind, widths=(4, 6), codes=32, code_dim=3))
    model.train()(images())
    return model


@pytest.mark.parametrize("kind", ["vq", "fsq", "kl"])
def test_our_folder_round_trips_bit_by_bit(kind, tmp_path):
    model = trained(kind)
    save_autoencoder(model, tmp_path, meta={"licence": "CC BY 4.0"})
    loaded = load_autoencoder(tmp_path)
    assert loaded.report.complete
    assert loaded.meta == {"licence": "CC BY 4.0"}
    assert loaded.model.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[name]), name
    assert torch.equal(loaded.model(images()).reconstruction, model.eval()(images()).reconstruction)


def test_config_says_whose_it_is(tmp_path):
    save_autoencoder(trained("vq"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["_class_name"] == "RetinaForgeAutoencoder"
    assert (config["kind"], config["factor"], config["codes"]) == ("vq", 4, 32)


def diffusers_vq(norm_type: str = "group"):
    from diffusers import VQModel

    torch.manual_seed(0)
    model = VQModel(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        num_vq_embeddings=16,
        norm_type=norm_type,
    )
    torch.nn.init.normal_(model.quantize.embedding.weight)
    return model.eval()


def diffusers_kl():
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
    ).eval()


@pytest.mark.parametrize(
    ("make", "factor"),
    [(diffusers_vq, 2), (lambda: diffusers_vq("spatial"), 2), (diffusers_kl, 4)],
)
def test_a_diffusers_folder_reconstructs_as_diffusers_does(make, factor, tmp_path):
    theirs = make()
    theirs.save_pretrained(tmp_path)
    loaded = load_autoencoder(tmp_path)
    assert loaded.report.complete
    assert loaded.report.in_words().startswith(f"diffusers {type(theirs).__name__} folder: ")
    assert loaded.model.config.factor == factor
    with torch.no_grad():
        expected = theirs(images()).sample
        torch.testing.assert_close(
            loaded.model(images()).reconstruction, expected, rtol=1e-3, atol=1e-4
        )
    assert loaded.model.reconstruct(images(35)).shape == (2, 3, 35, 35)
    again = save_autoencoder(loaded.model, tmp_path / "again")
    with torch.no_grad():
        reloaded = type(theirs).from_pretrained(again)
        torch.testing.assert_close(reloaded(images()).sample, expected)


def test_old_attention_names_of_diffusers_load(tmp_path):
    theirs = diffusers_kl()
    theirs.save_pretrained(tmp_path)
    state = load_file(tmp_path / WEIGHTS)
    words = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))
    for new, old in words:
        state = {k.replace(f".{new}.", f".{old}."): v for k, v in state.items()}
    assert any("proj_attn" in name for name in state)
    save_file(state, tmp_path / WEIGHTS)
    loaded = load_autoencoder(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(images()).reconstruction, theirs(images()).sample)


@pytest.mark.parametrize("make", [diffusers_vq, diffusers_kl])
def test_a_foreign_decoder_can_be_tuned_alone(make, tmp_path):
    make().save_pretrained(tmp_path)
    model = decoder_only(load_autoencoder(tmp_path).model).train()
    out = model(images())
    (out.reconstruction.abs().mean() + out.codebook_loss).backward()
    with_gradient = {n.split(".")[1] for n, p in model.named_parameters() if p.grad is not None}
    assert with_gradient == {"decoder", "post_quant_conv"}
    assert model.last_layer.grad.abs().max() > 0


def test_a_foreign_codebook_learns_and_counts(tmp_path):
    diffusers_vq().save_pretrained(tmp_path)
    model = load_autoencoder(tmp_path).model.train()
    model(images()).codebook_loss.backward()
    assert model.inner.quantize.embedding.weight.grad.abs().max() > 0
    assert 0 < model.codebook_use().used <= 16


def test_a_key_too_few_or_of_another_shape_is_named(tmp_path):
    save_autoencoder(trained("vq"), tmp_path)
    state = load_file(tmp_path / WEIGHTS)
    del state["decoder.last.bias"]
    state["bottleneck.codebook"] = torch.zeros(7, 3)
    save_file(state, tmp_path / WEIGHTS)
    message = (
        r"expected a checkpoint whose keys are exactly the model's; got .*"
        r"2 missing in the checkpoint: .*decoder\.last\.bias \(12,\).*; "
        r"1 unknown to the model: bottleneck\.codebook \(7, 3\); check that config"
    )
    with pytest.raises(Refusal, match=message):
        load_autoencoder(tmp_path)


def test_unusable_paths_are_refused(tmp_path):
    with pytest.raises(Refusal, match=r"a folder with config\.json; got .* without one; name"):
        load_autoencoder(tmp_path / "absent")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(Refusal, match=r"expected a readable config\.json"):
        load_autoencoder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Refusal, match=r'expected config\.json with a "_class_name"'):
        load_autoencoder(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(Refusal, match=r"class VQModel, AutoencoderKL .*got 'StableDiffusionPip"):
        load_autoencoder(tmp_path)


def test_cut_off_weights_are_refused(tmp_path):
    save_autoencoder(trained("vq"), tmp_path)
    content = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(Refusal, match=r"expected a whole safetensors file; got .*copy the model"):
        load_autoencoder(tmp_path)


def test_without_diffusers_the_remedy_is_its_installation(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"_class_name": "VQModel"}')
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(Refusal, match=r"got a Python without it; install it with: pip install"):
        load_autoencoder(tmp_path)
