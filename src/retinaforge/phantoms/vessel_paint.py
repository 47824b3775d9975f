"""Paint vessels: what the blood column lets through, the light reflex, and who lies on top."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from retinaforge.core import VesselTree
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Fundus, Layout
from retinaforge.phantoms.look import Look
from retinaforge.phantoms.raster import VesselLayer, render_vessels

# Optical depth of a 150 um vessel in R, G, B, for arteries (oxygenated) and veins.
ARTERY_DEPTH = np.array([0.12, 0.62, 0.50], dtype=np.float32)
VEIN_DEPTH = np.array([0.30, 0.88, 0.68], dtype=np.float32)


def rasterise(fundus: Fundus, tree: VesselTree, frame: Frame, *, blur_um: float):
    """Return {"artery": layer, "vein": layer}."""
    blur = float(np.hypot(blur_um / frame.px_um, 0.42))
    return {
        kind: render_vessels(
            tree.of_kind(kind), size_px=frame.size_px, px_um=frame.px_um, blur_px=blur
        )
        for kind in ("artery", "vein")
    }


def paint_vessels(
    scene: Float[np.ndarray, "height width 3"], layers: dict[str, VesselLayer], frame: Frame,
    fundus: Fundus, look: Look,
) -> Float[np.ndarray, "height width 3"]:  # fmt: skip
    """Return the scene seen through its vessels (Beer-Lambert, strongest in green)."""
    artery, vein = layers["artery"], layers["vein"]
    contrast = look.vessel * _shallow(frame, fundus.layout)
    depth = artery.absorption[..., None] * ARTERY_DEPTH + vein.absorption[..., None] * VEIN_DEPTH
    reflex = 0.34 * artery.reflex * artery.absorption + 0.08 * vein.reflex * vein.absorption
    shine = reflex[..., None] * np.array([0.7, 1.5, 1.2], dtype=np.float32)
    return scene * np.exp(contrast[..., None] * (shine - depth))


def _shallow(frame: Frame, layout: Layout) -> np.ndarray:
    """Return how much of a vessel shows: less in the cup, where trunks come from the depth."""
    away = np.hypot(frame.x_um - layout.disc_um[0], frame.y_um - layout.disc_um[1])
    return 1 - 0.6 * np.exp(-((away / 240.0) ** 2))
