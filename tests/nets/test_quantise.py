"""The bottlenecks against closed forms."""

import math

import pytest
import torch
from torch.nn import functional as F

from retinaforge.nets.quantise import (
    DiagonalGaussian,
    FiniteScalarQuantiser,
    UseTracker,
    VectorQuantiser,
    k_means,
    nearest_codes,
)


def some_latent(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def started(codes: int = 4, dim: int = 2, **options: float) -> VectorQuantiser:
    """A quantiser past its k-means start, with the unit counts of its construction."""
    quantiser = VectorQuantiser(codes, dim, **options)
    quantiser.step.fill_(1)
    return quantiser


def test_nearest_code_agrees_with_torch_cdist():
    points, codebook = some_latent(5000, 8), some_latent(64, 8, seed=1)
    assert torch.equal(nearest_codes(points, codebook), torch.cdist(points, codebook).argmin(1))


def test_distances_stay_in_float32_under_autocast():
    # In bfloat16 257 and 256 are one number, so the second code would tie with the first.
    codebook = torch.tensor([[256.0], [257.0]])
    with torch.autocast("cpu", torch.bfloat16):
        assert nearest_codes(torch.tensor([[257.0]]), codebook).tolist() == [1]


def test_moving_averages_follow_oord_equations_6_to_8():
    quantiser = started(decay=0.9).train()
    quantiser.step.fill_(1001)
    before = quantiser.codebook.clone()
    latent = some_latent(1, 2, 3, 3)
    points = latent.permute(0, 2, 3, 1).reshape(-1, 2)
    codes = quantiser(latent).codes.reshape(-1)
    for k in range(4):
        chosen = points[codes == k]
        n = 0.9 * 1 + 0.1 * len(chosen)
        m = 0.9 * before[k] + 0.1 * chosen.sum(0)
        torch.testing.assert_close(quantiser.counts[k].item(), n)
        torch.testing.assert_close(quantiser.codebook[k], m / n)


def test_averages_are_short_at_the_start():
    quantiser = started(codes=1).train()
    latent = some_latent(1, 2, 3, 3)
    quantiser(latent)
    n = 2 / 11 * 1 + 9 / 11 * 9
    torch.testing.assert_close(quantiser.counts[0].item(), n)


def test_gradient_passes_straight_through_beside_the_commitment():
    quantiser = started().eval()
    latent = some_latent(1, 2, 3, 3).requires_grad_()
    out = quantiser(latent)
    out.latent.sum().backward(retain_graph=True)
    torch.testing.assert_close(latent.grad, torch.ones_like(latent))
    latent.grad = None
    out.loss.backward()
    q = quantiser.look_up(out.codes)
    torch.testing.assert_close(latent.grad, 0.25 * 2 * (latent.detach() - q) / latent.numel())
    torch.testing.assert_close(out.loss.detach(), 0.25 * F.mse_loss(latent.detach(), q))


def test_latent_returned_is_the_codes_vector():
    quantiser = started().eval()
    out = quantiser(some_latent(2, 2, 4, 4))
    torch.testing.assert_close(out.latent, quantiser.look_up(out.codes))


def test_k_means_finds_separated_clusters():
    centres = torch.tensor([[10.0, 0.0], [-10.0, 0.0], [0.0, 10.0]])
    points = centres.repeat(200, 1) + 0.1 * some_latent(600, 2)
    rng = torch.Generator().manual_seed(1)
    found = k_means(points, 12, rounds=10, rng=rng)
    assert torch.cdist(centres, found).min(dim=1).values.max() < 0.2


def test_start_lies_among_the_first_batch():
    quantiser = VectorQuantiser(8, 2).train()
    quantiser(some_latent(2, 2, 8, 8) + 50)
    assert quantiser.codebook.min() > 40


def test_revival_moves_dead_codes_onto_the_batch():
    quantiser = started(codes=16).train()
    quantiser.codebook[8:] += 1e3
    quantiser.sums[8:] += 1e3
    quantiser.counts[8:] = 1e-3
    quantiser.sums[8:] *= 1e-3
    quantiser.step.fill_(quantiser.revive_every - 1)
    latent = some_latent(2, 2, 8, 8, seed=3)
    quantiser(latent)
    points = latent.permute(0, 2, 3, 1).reshape(-1, 2)
    gaps = (quantiser.codebook[8:, None] - points).norm(dim=2)
    assert gaps.min(dim=1).values.max() < 1e-4


def test_two_runs_agree_bit_by_bit_and_resume_repeats_them():
    def run(quantiser: VectorQuantiser, steps: range) -> None:
        for i in steps:
            quantiser(some_latent(1, 2, 8, 8, seed=i))

    whole = VectorQuantiser(64, 2, seed=5).train()
    run(whole, range(30))
    half = VectorQuantiser(64, 2, seed=5).train()
    run(half, range(15))
    resumed = VectorQuantiser(64, 2, seed=5).train()
    resumed.load_state_dict(half.state_dict())
    run(resumed, range(15, 30))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_eval_and_frozen_leave_the_codebook_alone():
    for prepare in (lambda q: q.eval(), lambda q: setattr(q.train(), "frozen", True)):
        quantiser = started()
        prepare(quantiser)
        before = quantiser.codebook.clone()
        quantiser(some_latent(1, 2, 4, 4))
        assert torch.equal(before, quantiser.codebook)
        assert int(quantiser.step) == 1


def test_use_counts_codes_and_perplexity_since_the_reset():
    tracker = UseTracker(8)
    assert math.isnan(tracker.read(reset=False).perplexity)
    tracker(torch.tensor([0, 0, 1, 1]))
    use = tracker.read(reset=True)
    assert (use.used, use.fraction) == (2, 0.25)
    assert use.perplexity == pytest.approx(2.0)
    assert tracker.read(reset=False).used == 0


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (3, 4), (2, 2)])
def test_fsq_codes_and_vectors_are_one_to_one(levels):
    quantiser = FiniteScalarQuantiser(levels)
    size = math.prod(levels)
    codes = torch.arange(size).view(1, size, 1)
    vectors = quantiser.look_up(codes)
    assert len(torch.unique(vectors[0, :, :, 0].T, dim=0)) == size
    assert vectors.abs().max() <= 1
    # atanh of the vectors' places in the bounded range is what the encoder must say for them.
    halves = torch.tensor([level // 2 for level in levels]).view(1, -1, 1, 1)
    bound = torch.tensor([(level - 1) * 1.001 / 2 for level in levels]).view(1, -1, 1, 1)
    offset = torch.tensor([0.5 if level % 2 == 0 else 0.0 for level in levels]).view(1, -1, 1, 1)
    said = torch.atanh((vectors * halves + offset) / bound) - torch.atanh(offset / bound)
    out = quantiser(4 * said)
    assert torch.equal(out.codes, codes)
    torch.testing.assert_close(out.latent, vectors)


def test_fsq_maps_zero_to_zero_and_passes_a_gradient():
    quantiser = FiniteScalarQuantiser((8, 5)).eval()
    latent = torch.zeros(1, 2, 1, 1, requires_grad=True)
    out = quantiser(latent)
    assert out.latent.abs().max() == 0
    out.latent.sum().backward()
    assert (latent.grad > 0).all()


def test_kl_has_its_closed_form():
    mu, log_variance = some_latent(2, 3, 4, 4), some_latent(2, 3, 4, 4, seed=1)
    quantiser = DiagonalGaussian(weight=1.0, values_per_place=48)
    out = quantiser(torch.cat([mu, log_variance], 1))
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(normal(mu, (log_variance / 2).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(out.loss, kl.sum() / 2 / (48 * 16))


def test_kl_draws_from_the_generator_and_takes_the_mode_in_eval():
    moments = torch.cat([some_latent(1, 2, 64, 64), torch.zeros(1, 2, 64, 64)], 1)
    quantiser = DiagonalGaussian().train()
    first = quantiser(moments, rng=torch.Generator().manual_seed(1)).latent
    again = quantiser(moments, rng=torch.Generator().manual_seed(1)).latent
    assert torch.equal(first, again)
    assert (first - moments[:, :2]).std() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(quantiser.eval()(moments).latent, moments[:, :2])
