"""The masking test: what is hidden is gone, what stays keeps its bytes."""

import numpy as np
import pytest

from retinaforge.audits.masking import HIDES, VARIANTS, Parts, masked
from retinaforge.core import Refusal

SIDE = 96
Y, X = np.mgrid[:SIDE, :SIDE]
FOV = np.hypot(X - 47.5, Y - 47.5) <= 46
DISC = np.hypot(X - 70, Y - 45) <= 7
VESSELS = (np.abs(Y - 30) < 1) & FOV
PARTS = Parts(FOV, DISC, VESSELS)


def eye() -> np.ndarray:
    pixels = np.random.default_rng(0).integers(60, 120, (SIDE, SIDE, 3)).astype(np.uint8)
    pixels[DISC] = 250
    pixels[VESSELS] = 10
    return pixels * FOV[..., None].astype(np.uint8)


@pytest.mark.parametrize("variant", VARIANTS)
def test_outside_stays_black_and_what_is_kept_keeps_its_bytes(variant):
    pixels = eye()
    done, keep = masked(pixels, PARTS, variant), VARIANTS[variant](PARTS)
    assert (done[~FOV] == 0).all()
    np.testing.assert_array_equal(done[keep], pixels[keep])
    assert keep[FOV].any()
    # The filling is one colour, and holds nothing of what is hidden.
    assert len(np.unique(done[FOV & ~keep], axis=0)) <= 1


@pytest.mark.parametrize("variant", HIDES["disc"])
def test_no_disc_is_left(variant):
    assert masked(eye(), PARTS, variant).max() < 200


def test_sizes_of_parts():
    shares = {name: keep(PARTS).sum() / FOV.sum() for name, keep in VARIANTS.items()}
    assert shares["whole"] == 1
    assert shares["border only"] == pytest.approx(1 - 0.9**2, abs=0.03)
    assert shares["only disc, dilated"] / shares["only disc"] == pytest.approx(2.25, rel=0.1)
    assert shares["only disc, box"] / shares["only disc"] == pytest.approx(15**2 / DISC.sum())
    assert shares["only disc"] + shares["without disc"] == pytest.approx(1)
    assert (masked(eye(), PARTS, "without vessels")[FOV] > 30).all()


def test_refusals():
    with pytest.raises(Refusal, match="expected a variant of whole, without disc"):
        masked(eye(), PARTS, "upside down")
    with pytest.raises(Refusal, match="expected a mask of the disc; got none"):
        masked(eye(), Parts(FOV), "only disc")
    with pytest.raises(Refusal, match="expected a mask of the vessels; got none"):
        masked(eye(), Parts(FOV, DISC, np.zeros_like(FOV)), "without vessels")
    with pytest.raises(Refusal, match="expected pixels that stay in 'only disc'"):
        masked(eye(), Parts(FOV & ~DISC, DISC), "only disc")
