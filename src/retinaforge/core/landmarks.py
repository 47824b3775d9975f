"""Where the disc, its cup and the fovea lie in a photograph, whoever found them."""

from __future__ import annotations

from dataclasses import dataclass

from retinaforge.core.photograph import Eye

PointPx = tuple[float, float]


@dataclass(frozen=True)
class Landmarks:
    """One photograph's landmarks; what is not known is None, and what needs it is undefined.

    Attributes:
        eye: OD or OS.
        disc_centre_px: centre of the optic disc (x, y), pixels.
        disc_axes_px: its half width and half height, pixels.
        cup_centre_px: centre of the cup (x, y).
        cup_axes_px: its half width and half height.
        fovea_px: centre of the fovea (x, y).
        um_per_px: scale; None where nobody measured it.
    """

    eye: Eye | None = None
    disc_centre_px: PointPx | None = None
    disc_axes_px: PointPx | None = None
    cup_centre_px: PointPx | None = None
    cup_axes_px: PointPx | None = None
    fovea_px: PointPx | None = None
    um_per_px: float | None = None

    @property
    def disc_radius_px(self) -> float | None:
        """Return half the disc's vertical diameter, the unit of zones and disc diameters."""
        return None if self.disc_axes_px is None else self.disc_axes_px[1]
