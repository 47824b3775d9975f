"""VascX's whole table of each mask; a worker of `vessel_speed` in VascX's own environment.

FEATURES in the environment names its set of features; unless it is there, `od_centered`, which its
README shows (of `full`, half the tortuosities are not implemented in 1.4.0).

Run: python benchmarks/vessel_speed_vascx.py MASK.npz ...
"""

import contextlib
import io
import os
import sys
import warnings
from importlib.metadata import version

import numpy as np
from vascx.fundus.feature_sets import *  # noqa: F403 - that registers them
from vascx.fundus.layer import VesselTreeLayer
from vascx.fundus.retina import Retina
from vascx.fundus.vessels_layer import FundusVesselsLayer
from vascx.shared.features import FeatureSet

from vessel_speed_worker import kinds, work

LAYERS = {"artery": "arteries", "vein": "veins", "vessel": "arteries"}


def measure(eye):
    """Return VascX's features; what fails is None, as it is to VascX, and named."""
    y, x = np.indices(eye["fov"].shape)
    disc = np.hypot(x - eye["centre"][0], y - eye["centre"][1]) <= eye["radius"]
    layers = {LAYERS[kind]: VesselTreeLayer(LAYERS[kind], mask * 1.0)
              for kind, mask in kinds(eye).items()}  # fmt: skip
    layers["vessels"] = FundusVesselsLayer(name="vessels", mask=eye["vessel"] * 1.0)
    features = FeatureSet.get_by_name(os.environ.get("FEATURES", "od_centered"))
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        retina = Retina(
            disc_path_or_mask=disc.astype(np.uint8),
            layers=layers,
            fovea_location=tuple(map(float, eye["fovea"])),
            roi_mask=eye["fov"],
        )
        values = retina.calc_features(features)
    faults = [str(one.message)[:120] for one in said if "Error computing" in str(one.message)]
    return {name: _number(value) for name, value in values.items()}, faults


def _number(value):
    known = value is not None and np.isscalar(value) and not np.isnan(value)
    return float(value) if known else None


if __name__ == "__main__":
    sys.setrecursionlimit(100_000)
    work(measure, version("retinalysis-vascx"))
