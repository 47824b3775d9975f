"""Encoders as the feature network of other packages: torchmetrics here, all by the stored run.

benchmarks/results/extractors.json is written by benchmarks/extractors.py where torch-fidelity and
clean-fid are installed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from makers import MAKERS
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder, load
from retinaforge.encoders.extractor import (
    Extractor,
    as_clean_fid_model,
    as_extractor,
    register_with_torch_fidelity,
)
from retinaforge.metrics.sets.frechet import frechet_distance
from retinaforge.metrics.sets.kernels import kernel_distance

STORED = Path(__file__).parents[2] / "benchmarks/results/extractors.json"
COUNT = 24


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Encoder:
    return load(f"segmenter:{MAKERS['segmenter'](tmp_path_factory.mktemp('net'))}")


@pytest.fixture(scope="module")
def sides() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(3)
    real = torch.randint(0, 256, (COUNT, 3, 32, 32), generator=rng, dtype=torch.uint8)
    return real, real.flip(0) // 2


def test_torchmetrics_takes_it_and_computes_our_distances(encoder, sides) -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    kid = pytest.importorskip("torchmetrics.image.kid")
    extractor = as_extractor(encoder)
    vectors = [extractor(side).double().numpy() for side in sides]
    assert vectors[0].shape == (COUNT, extractor.num_features)
    scores = (
        (fid.FrechetInceptionDistance(feature=extractor), frechet_distance, 1e-3),
        (kid.KernelInceptionDistance(feature=extractor, subsets=1, subset_size=COUNT),
         kernel_distance, 1e-2),
    )  # fmt: skip
    for score, ours, tolerance in scores:
        for side, real in zip(sides, (True, False), strict=True):
            score.update(side, real=real)
        found = score.compute()
        value = float(found[0] if isinstance(found, tuple) else found)
        assert value == pytest.approx(ours(*vectors).value, rel=tolerance, abs=1e-6)


def test_every_package_gave_our_distance() -> None:
    rows = json.loads(STORED.read_text())["rows"]
    assert {row["package"] for row in rows} == {"torchmetrics", "torch-fidelity", "clean-fid"}
    for row in rows:
        if row["score"] == "fid":
            assert row["relative_difference"] < 1e-5, row
        else:  # near zero, in float32
            assert row["absolute_difference"] < 1e-5, row


def test_bytes_units_and_floats_to_255_are_one_image(encoder, sides) -> None:
    image = sides[0][:2]
    vectors = as_extractor(encoder)(image)
    torch.testing.assert_close(as_extractor(encoder)(image.float() / 255), vectors)
    torch.testing.assert_close(as_clean_fid_model(encoder)(image.float()), vectors)
    signed = image.float() / 127.5 - 1
    torch.testing.assert_close(encoder.embedding(signed), vectors)


def test_other_pixels_are_refused(encoder) -> None:
    extractor = as_extractor(encoder)
    with pytest.raises(Refusal, match=r"uint8 images, or floats from 0 to 1; got floats from -1"):
        extractor(torch.full((1, 3, 16, 16), -1.0))
    with pytest.raises(Refusal, match=r"floats from 0 to 1; got floats from 255"):
        extractor(torch.full((1, 3, 16, 16), 255.0))
    with pytest.raises(Refusal, match=r"RGB images, \(batch, 3, height, width\); got \(1, 1, 16"):
        extractor(torch.zeros(1, 1, 16, 16))
    with pytest.raises(Refusal, match="an Inception with classes for the Inception Score; got seg"):
        as_extractor(encoder, output="logits")


def test_it_stays_frozen_and_follows_a_metric_to_float64(encoder, sides) -> None:
    extractor = Extractor(load("random-vit-tiny@0,px=32"))
    assert extractor.num_features == 192
    assert not any(module.training for module in extractor.train().modules())
    double = extractor.double()
    assert double(sides[0][:1]).dtype == torch.float64


def test_torch_fidelity_is_asked_for_only_here(encoder) -> None:
    try:
        import torch_fidelity  # noqa: F401
    except ImportError:
        with pytest.raises(Refusal, match="the package torch-fidelity; got a Python without it"):
            register_with_torch_fidelity(encoder, "ours")
    else:
        assert register_with_torch_fidelity(encoder, "ours") == "ours"


@pytest.mark.slow
def test_inception_score_takes_logits(tmp_path, sides) -> None:
    inception = pytest.importorskip("torchmetrics.image.inception")
    encoder = load(f"inception:{MAKERS['inception'](tmp_path)}")
    encoder.input_px = 96
    extractor = as_extractor(encoder, output="logits")
    score = inception.InceptionScore(feature=extractor, splits=1)
    score.update(sides[0][:6])
    signed = sides[0][:6].float() / 127.5 - 1
    classes = encoder.embed_and_classify(signed)[1].double()
    mean = classes.mean(0, keepdim=True)
    expected = (classes * (classes.log() - mean.log())).sum(1).mean().exp()
    assert float(score.compute()[0]) == pytest.approx(float(expected), rel=1e-4)
