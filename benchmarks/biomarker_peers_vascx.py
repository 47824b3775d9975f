"""VascX's numbers of masks in a folder, printed as JSON; run by `biomarker_peers` in VascX's own
environment (it needs retinalysis-vascx and numpy, and nothing of RetinaForge).

Each `<name>.npz` holds artery, vein and fov (masks of 1024 by 1024), centre (x, y) and radius of
the disc, and the fovea (x, y).

Run: python benchmarks/biomarker_peers_vascx.py FOLDER
"""

import contextlib
import io
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from vascx.fundus.features.bifurcation_angles import BifurcationAngles
from vascx.fundus.features.bifurcation_counts import BifurcationCount
from vascx.fundus.features.caliber import Caliber
from vascx.fundus.features.cre import CRE, CREMode
from vascx.fundus.features.sparsity import Sparsity, SparsityMode
from vascx.fundus.features.temporal_angles import TemporalAngle
from vascx.fundus.features.tortuosity import Tortuosity, TortuosityMeasure
from vascx.fundus.features.vascular_densities import VascularDensity
from vascx.fundus.layer import VesselTreeLayer
from vascx.fundus.retina import Retina
from vascx.fundus.vessels_layer import FundusVesselsLayer
from vascx.shared.aggregators import LengthWeightedAggregator, median

CURVATURE, BY_LENGTH = TortuosityMeasure.Curvature, LengthWeightedAggregator()
FEATURES = {
    "vd": VascularDensity(),
    "diam_md": Caliber(aggregator=median),
    "diam_lw": Caliber(aggregator=BY_LENGTH),
    "tort_md": Tortuosity(aggregator=median),
    "tort_lw": Tortuosity(aggregator=BY_LENGTH),
    "curv_lw": Tortuosity(measure=CURVATURE, aggregator=BY_LENGTH),
    "bifurcation_count": BifurcationCount(),
    "bifangle": BifurcationAngles(),
    "cre_full": CRE(CREMode.Full),
    "temporal_angle": TemporalAngle(),
}


def measure(eye):
    """Return VascX's numbers of one eye; what fails is None."""
    y, x = np.indices(eye["fov"].shape)
    disc = np.hypot(x - eye["centre"][0], y - eye["centre"][1]) <= eye["radius"]
    masks = {"arteries": eye["artery"], "veins": eye["vein"]}
    layers = {name: VesselTreeLayer(name, mask.astype(float)) for name, mask in masks.items()}
    layers["vessels"] = FundusVesselsLayer(
        name="vessels", mask=(eye["artery"] | eye["vein"]).astype(float)
    )
    retina = Retina(disc_path_or_mask=disc.astype(np.uint8), layers=layers,
                    fovea_location=tuple(map(float, eye["fovea"])),
                    roi_mask=eye["fov"])  # fmt: skip
    found = {}
    for kind, layer in (("artery", "arteries"), ("vein", "veins")):
        for name, feature in FEATURES.items():
            found |= attempt(f"{kind}_{name}", feature, layers[layer])
    return found | attempt("sparsity_mean", Sparsity(mode=SparsityMode.MEAN), retina.vessels)


def attempt(name, feature, layer):
    """Return a feature's number by name, or what went wrong."""
    try:
        value = feature.compute(layer)
    except Exception as error:
        return {name: None, f"{name}_failed": f"{type(error).__name__}: {error}"}
    return {name: None if value is None or np.isnan(value) else float(value)}


def main():
    """Print one object by mask."""
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(10**5)
    rows = {}
    for path in sorted(Path(sys.argv[1]).glob("*.npz")):
        with contextlib.redirect_stdout(io.StringIO()):
            rows[path.stem] = measure(np.load(path))
    print(json.dumps({"version": version("retinalysis-vascx"), "rows": rows}))


if __name__ == "__main__":
    main()
