"""The shipped artery/vein network: small, openly made, and mostly right about drawn eyes."""

from __future__ import annotations

import numpy as np

from retinaforge.anatomy.shelf import shipped
from retinaforge.phantoms import draw_phantom
from retinaforge.vessels import load_artery_vein_judge
from retinaforge.vessels.artery_vein import (
    ARTERY_VEIN_FORMAT,
    SHIPPED_ARTERY_VEIN,
    name_vessels,
    named_rightly,
)
from retinaforge.vessels.network import read_network


def test_the_shipped_weights_are_small_and_say_what_they_were_made_from() -> None:
    path = shipped(SHIPPED_ARTERY_VEIN)
    _, meta = read_network(path, form=ARTERY_VEIN_FORMAT)
    assert path.stat().st_size <= 5_000_000
    assert [entry.split()[0] for entry in meta["training_data"]] == ["hrf", "32"]
    assert meta["training_data"][1].endswith("phantoms")
    assert "CC BY 4.0" in meta["licence"]


def test_most_vessels_of_phantoms_are_named_rightly_and_more_along_trees() -> None:
    judge, pixels, trees = load_artery_vein_judge("ours"), [], []
    for seed in (101, 102, 103):
        phantom = draw_phantom(seed, size_px=512)
        maps = judge.maps(phantom.photograph, phantom.fov)
        where = (phantom.artery ^ phantom.vein) & phantom.fov.mask
        pixels.append(named_rightly(maps.evidence > 0, phantom.artery, where))
        named = name_vessels(maps, phantom.vessel, phantom.fov)
        trees.append(named_rightly(named.artery, phantom.artery, where))
    assert np.mean(pixels) > 0.75
    assert np.mean(trees) > np.mean(pixels)
