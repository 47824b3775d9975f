"""Expressions, terms, gradient matching and the adversary's parts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from retinaforge.core import Refusal
from retinaforge.losses import (
    AdversarySpec,
    adaptive_weight,
    adversary_ramp,
    build_terms,
    encoders_named,
    gradient_norm,
    gradient_norms,
    hinge_discriminator_loss,
    hinge_generator_loss,
    matched_weights,
    parse_expression,
    pixel_term,
    split_adversary,
)


def test_parses_weights_encoders_and_options():
    specs = parse_expression(
        " l1 + 0.5*sobel+log(sigma=1;2.5) * 2 + features(vit, blocks=6;12, distance=l2, px=128)"
    )
    assert [(s.name, s.weight, s.argument) for s in specs] == [
        ("l1", 1.0, None),
        ("sobel", 0.5, None),
        ("log", 2.0, None),
        ("features", 1.0, "vit"),
    ]
    assert specs[2].options == {"sigma": (1.0, 2.5)}
    assert specs[3].options == {"blocks": (6.0, 12.0), "distance": "l2", "px": 128.0}
    assert specs[3].label == "features(vit, blocks=6;12, distance=l2, px=128)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("l1 +", r"at character \d.*cannot be read"),
        ("l1 + 2 sobel", r"at character \d+ .*cannot be read"),
        ("", "cannot be read"),
        ("l1 - sobel", r"at character 1 .*no weighted loss"),
        ("l1 + -1*sobel", r"at character 6 .*weight is -1 and must be positive"),
        ("l1 + 0*sobel", "weight is 0 and must be positive"),
        ("l1 + 1e999*sobel", "weight is inf"),
        ("l1*sobel", "one number times one loss"),
        ("2*3", "one number times one loss"),
        ("l1 + perceptual('x')", r"at character 6 .*one encoder's name"),
        ("l1 + log(sigma=[1, 2])", r"at character 16 .*an option is a number"),
        ("l1 + os.system(1)", "no weighted loss"),
        ("l1 + 2*l1", "l1 twice"),
    ],
)
def test_refuses_what_is_no_weighted_sum_and_says_where(text, message):
    with pytest.raises(Refusal, match=message):
        parse_expression(text)


def test_splits_the_adversary_off():
    specs, adversary = split_adversary("l1 + 0.1*gan(start=100, ramp=50)")
    assert [spec.name for spec in specs] == ["l1"]
    assert adversary == AdversarySpec(weight=0.1, start_step=100, ramp_steps=50)
    assert split_adversary("l1 + gan")[1] == AdversarySpec(weight=1.0)
    assert split_adversary("l1")[1] is None
    assert [term.name for term in build_terms("l1 + gan", encoders={})] == ["l1"]


@pytest.mark.parametrize("text", ["gan(begin=3)", "gan(start=0.5)", "gan(vit)", "gan(ramp=soon)"])
def test_refuses_a_malformed_adversary(text):
    with pytest.raises(Refusal, match=r"gan\(start=STEP, ramp=STEPS\) with whole numbers"):
        split_adversary(text)


def test_refuses_two_adversaries():
    with pytest.raises(Refusal, match="one gan term; got 2"):
        split_adversary("l1 + gan + gan(start=3)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("l1 + sobol", r"a known loss \(l1, l2, .*frangi.*gan\); got sobol"),
        ("l1(vit)", r"l1 without an encoder; got l1\(vit\)"),
        ("sobel(sigma=1)", r"options of sobel \(channel\); got sigma"),
        ("l1(x=1)", r"options of l1 \(none\); got x"),
        ("perceptual", r"known encoder in perceptual\(\.\.\.\) \(cnn, vit\); got none"),
        ("features(vitt)", r"\(cnn, vit\); got vitt"),
        ("perceptual(vit)", "a convolutional encoder for perceptual; got random vit"),
        ("features(cnn, distance=cosine_class)", "distance=cosine_class with a transformer"),
        ("features(vit, blocks=1, distance=cosine_class)", "without blocks="),
        ("log(sigma=0)", "sigma= positive numbers"),
        ("log(sigma=one)", "sigma= positive numbers"),
        ("charbonnier(eps=1;2)", "eps= one number"),
        ("features(vit, blocks=1.5)", "blocks= whole numbers"),
        ("sobel(channel=pink)", "channel= one of green, all; got 'pink'"),
    ],
)
def test_refuses_what_no_loss_understands(text, message, encoders):
    with pytest.raises(Refusal, match=message):
        build_terms(text, encoders=encoders)


def test_refuses_lpips_without_heads(encoders):
    cnn = encoders["cnn"]
    count, cnn.heads_count = cnn.heads_count, 0
    try:
        with pytest.raises(Refusal, match=r"LPIPS's linear heads; got random squeezenet without"):
            build_terms("lpips(cnn)", encoders=encoders)
    finally:
        cnn.heads_count = count


def test_names_the_encoders_an_expression_uses():
    text = "l1 + features(vit) + perceptual(cnn) + features(vit, px=64) + gan"
    assert encoders_named(text) == ("vit", "cnn")


def test_pixel_term_is_the_first_and_must_exist():
    assert pixel_term(build_terms("sobel + 2*l2 + l1", encoders={})).name == "l2"
    with pytest.raises(Refusal, match="a pixel loss"):
        pixel_term(build_terms("sobel + log", encoders={}))


def test_gradient_norm_of_a_linear_loss_is_its_slope():
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    slope = torch.tensor([3.0, 4.0])
    assert gradient_norm((slope * weight).sum(), weight) == pytest.approx(5.0)
    assert gradient_norm(nn.Parameter(torch.ones(1)).sum(), weight) == 0.0


def test_matched_terms_have_the_asked_share_of_the_pixel_gradient(batch, decoder, encoders):
    terms = build_terms("2*l1 + 0.5*sobel + perceptual(cnn)", encoders=encoders)
    x = decoder(batch.target)
    norms = gradient_norms(terms, x, batch.target, batch.fov, decoder.weight)
    weights = matched_weights(terms, norms)
    assert weights["l1"] == 2
    again = {
        term.name: gradient_norm(
            weights[term.name] * term.loss(x, batch.target, batch.fov), decoder.weight
        )
        for term in terms
    }
    assert again["sobel"] == pytest.approx(0.5 * again["l1"], rel=1e-3)
    assert again["perceptual(cnn)"] == pytest.approx(again["l1"], rel=1e-3)


def test_matching_handles_zero_and_broken_norms_and_keeps_its_limits():
    terms = build_terms("l1 + 0.5*sobel", encoders={})
    with pytest.warns(UserWarning, match="sobel has no gradient at the last decoder layer"):
        assert matched_weights(terms, {"l1": 1.0, "sobel": 0.0}) == {"l1": 1.0, "sobel": 0.0}
    for norms in ({"l1": 1.0, "sobel": float("nan")}, {"l1": 0.0, "sobel": 1.0}):
        with pytest.raises(Refusal, match="finite gradient norms and one above 0"):
            matched_weights(terms, norms)
    far = {"l1": 1.0, "sobel": 1e-9}
    assert matched_weights(terms, far, limits=(0.1, 10.0))["sobel"] == 5.0
    assert matched_weights(terms, {"l1": 1.0, "sobel": 1e9}, limits=(0.1, 10.0))["sobel"] == 0.05


def test_hinge_losses_have_their_closed_forms():
    real, synthetic = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert hinge_discriminator_loss(real, synthetic).item() == pytest.approx((0.5 + 1.0) / 2)
    assert hinge_discriminator_loss(real + 5, synthetic - 5).item() == 0
    assert hinge_generator_loss(synthetic).item() == pytest.approx(1.0)


def test_adaptive_weight_balances_gradients_and_is_clamped():
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    rec, gan = (6 * weight).sum(), (2 * weight).sum()
    balance = adaptive_weight(rec, gan, last_layer=weight)
    assert balance.item() == pytest.approx(3.0, rel=1e-5)
    assert not balance.requires_grad
    assert adaptive_weight(rec, 0 * gan, last_layer=weight).item() == 1e4


def test_ramp_starts_late_and_refuses_negative_counts():
    assert [adversary_ramp(step, 10, 4) for step in (0, 9, 10, 11, 14, 99)] == [
        0.0, 0.0, 0.0, 0.25, 1.0, 1.0,
    ]  # fmt: skip
    assert adversary_ramp(10, 10, 0) == 1.0
    with pytest.raises(Refusal, match="counts of steps from 0"):
        adversary_ramp(-1, 0, 0)
