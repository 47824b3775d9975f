"""Our autoencoders: shapes, gradients, determinism, reconstruction of any size."""

import pytest
import torch

from retinaforge.autoencoders import (
    Autoencoder,
    AutoencoderConfig,
    decoder_only,
    paper_config,
    reconstruct_images,
)
from retinaforge.autoencoders.reconstruct import pad_to_multiple
from retinaforge.core import Refusal

KINDS, FACTORS = ("vq", "fsq", "kl"), (4, 8, 16)


def small(kind: str = "vq", factor: int = 4) -> Autoencoder:
    torch.manual_seed(0)
    widths = (4, 6, 8, 8)[: factor.bit_length() - 1]
    return Autoencoder(AutoencoderConfig(kind=kind, factor=factor, widths=widths, codes=32))


def images(height: int = 32, width: int = 32, batch: int = 2) -> torch.Tensor:
    rng = torch.Generator().manual_seed(3)
    return torch.rand(batch, 3, height, width, generator=rng) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", FACTORS)
def test_shapes_and_gradients_of_every_kind_and_factor(kind, factor):
    model = small(kind, factor).train()
    out = model(images(32, 48))
    grid = (32 // factor, 48 // factor)
    assert out.reconstruction.shape == (2, 3, 32, 48)
    assert out.latent.shape == (2, model.config.latent_channels, *grid)
    assert out.codes is None if kind == "kl" else out.codes.shape == (2, *grid)
    # A started codebook of as many codes as points has no loss: look at a second batch.
    out = model(images(32, 48).flip(3) * 8)
    ((out.reconstruction - images(32, 48)).abs().mean() + out.codebook_loss).backward()
    for name in ("encoder.layers.1.weight", "decoder.last.weight"):
        assert model.get_parameter(name).grad.abs().max() > 0, name
    assert model.last_layer is model.decoder.last.weight


def test_lean_default_has_a_third_of_a_million_parameters():
    count = sum(p.numel() for p in Autoencoder(AutoencoderConfig()).parameters())
    assert 0.30e6 < count < 0.38e6


def test_paper_size_attends_at_the_coarsest_grid():
    config = paper_config(16)
    assert config.widths == (128, 256, 256, 512)
    slim = AutoencoderConfig(factor=16, widths=(4, 4, 4, 8), attention=True)
    model = Autoencoder(slim).eval()
    torch.nn.init.normal_(model.encoder.layers[-2].out.weight)
    x = images(64, 64, 1)
    before = model.encode(x)
    x[:, :, :4, :4] *= -1
    # Without attention the far corner is out of the convolutions' reach.
    assert (model.encode(x) - before)[0, :, -1, -1].abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_eval_mode_is_deterministic_and_changes_nothing(kind):
    model = small(kind)
    model.train()(images())
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = model(images()), model(images())
    assert torch.equal(first.reconstruction, second.reconstruction)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_kl_noise_follows_the_generator():
    model = small("kl").train()
    draws = [
        model(images(), rng=torch.Generator().manual_seed(seed)).reconstruction
        for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_codebook_use_is_counted_since_the_reset():
    model = small().train()
    model(images())
    use = model.codebook_use(reset=True)
    assert use.codes == 32
    assert 1 < use.perplexity <= use.used <= 32
    assert model.codebook_use().used == 0
    assert small("kl").codebook_use() is None


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (5, 3)])
def test_reconstruction_of_any_size_keeps_it(size):
    model = small(factor=8).train()
    out = reconstruct_images(model, images(*size))
    assert out.shape == (2, 3, *size)
    assert out.abs().max() <= 1
    assert model.training
    assert torch.equal(out, model.reconstruct(images(*size)))


def test_padding_is_a_reflection_that_the_slices_undo():
    x = images(5, 6)
    padded, rows, columns = pad_to_multiple(x, 4)
    assert padded.shape == (2, 3, 8, 8)
    assert torch.equal(padded[:, :, rows, columns], x)
    assert torch.equal(padded[:, :, 0, columns], x[:, :, 1])


def test_decoder_only_trains_the_decoder_and_keeps_the_codes():
    model = small().train()
    model(images())
    decoder_only(model)
    codebook = model.bottleneck.codebook.clone()
    out = model(images() * 0.5)
    (out.reconstruction.abs().mean() + out.codebook_loss).backward()
    assert torch.equal(codebook, model.bottleneck.codebook)
    assert all(p.grad is None for p in model.encoder.parameters())
    assert model.last_layer.grad.abs().max() > 0


def test_decoder_starts_without_checkerboard():
    model = small().eval()
    flat = model.decode(model.quantise(model.encode(torch.zeros(1, 3, 32, 32))).latent)
    middle = flat[:, :, 8:24, 8:24]
    torch.testing.assert_close(middle[..., ::2, ::2], middle[..., 1::2, 1::2])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "gumbel"}, r"expected kind to be one of vq, fsq, kl; got 'gumbel'"),
        ({"factor": 5}, r"expected factor to be one of 4, 8, 16; got 5"),
        ({"widths": (8,)}, r"expected 2 widths for factor 4; got 1 \(\(8,\)\); give one width"),
    ],
)
def test_impossible_configs_are_refused(fields, message):
    with pytest.raises(Refusal, match=message):
        AutoencoderConfig(**fields)


def test_sides_that_the_factor_does_not_divide_are_refused():
    with pytest.raises(Refusal, match=r"multiples of 4; got 30 x 32 px; use reconstruct_images"):
        small().encode(images(30, 32))
