"""A fundus as it is, whoever photographs it: landmarks, vessels and lesions in micrometres.

The frame is that of a right eye seen in a photograph: x to the right (nasal), y down, fovea at
the origin. A left eye is the mirror image and is mirrored only when it is rendered. Nothing here
depends on a camera or on the size of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from retinaforge.core import Eye, VesselKind

Point = tuple[float, float]
FIELD_RADIUS_UM = 9500.0
"""Vessels, lesions and texture are there within this distance of the point between disc and
fovea, so that every camera of 60 degrees or less sees a whole picture wherever it aims."""

LesionKind = Literal[
    "microaneurysm", "haemorrhage_dot", "haemorrhage_flame", "hard_exudate", "cotton_wool_spot",
    "neovascularisation", "irma", "venous_beading", "preretinal_haemorrhage", "drusen",
    "geographic_atrophy", "laser_scar", "pigment_change", "disc_haemorrhage",
]  # fmt: skip
LESION_KINDS: tuple[LesionKind, ...] = LesionKind.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Layout:
    """One eye's landmarks, in micrometres.

    Attributes:
        disc_um: disc centre (x, y).
        disc_axes_um: half width and half height of the disc.
        cup_um: cup centre (x, y).
        cup_axes_um: half width and half height of the cup; the height ratio is the vertical
            cup-to-disc ratio.
        notch: depth of the rim's notch, 0-1.
        notch_rad: direction of the notch from the cup's centre, radians, y down.
        atrophy: width of peripapillary atrophy over the disc's radius.
        faz_radius_um: radius of the zone round the fovea without vessels.
        arcade_um: heights at which (upper, lower) temporal arcades pass the fovea.
    """

    disc_um: Point
    disc_axes_um: Point
    cup_um: Point
    cup_axes_um: Point
    notch: float
    notch_rad: float
    atrophy: float
    faz_radius_um: float
    arcade_um: Point

    @property
    def cup_to_disc(self) -> float:
        """Return the vertical cup-to-disc ratio."""
        return self.cup_axes_um[1] / self.disc_axes_um[1]


@dataclass(frozen=True)
class Vessel:
    """One vessel between two branchings or ends.

    Attributes:
        points_um: centreline from the disc outwards, a fine polyline, (x, y).
        radii_um: half the calibre at each point.
        kind: artery or vein.
        parent: index of the vessel that it grew from; None at a root.
        generation: how many branchings lie between it and the root; 0 at the root.
        shade: its own contrast, in standard deviations of a vessel's log contrast; None lets its
            number in the tree decide. Editing a tree must not change what it leaves alone.
    """

    points_um: Float[np.ndarray, "n 2"]
    radii_um: Float[np.ndarray, "n"]
    kind: VesselKind
    parent: int | None
    generation: int
    shade: float | None = None


@dataclass(frozen=True)
class Crossing:
    """Where an artery and a vein cross.

    Attributes:
        point_um: the crossing of the two centrelines.
        artery: index of the artery.
        vein: index of the vein.
        over: which of the two is nearer to the camera; the artery in about 7 of 10.
        angle_deg: acute angle between the two centrelines, 0-90.
    """

    point_um: Point
    artery: int
    vein: int
    over: Literal["artery", "vein"]
    angle_deg: float


@dataclass(frozen=True)
class Lesion:
    """One lesion; its mask is what `outline_um` encloses, or its vessels where it has any.

    Attributes:
        kind: what it is.
        centre_um: centre (x, y).
        outline_um: closed outline, (n, 2), first point not repeated.
        strength: contrast, 1 is ordinary.
        seed: of its texture.
        onset_years: when it came, in years after the first visit; negative before.
        points_um: centrelines of its own vessels, for neovascularisation and IRMA.
        radii_um: their radii, one array a centreline.
    """

    kind: LesionKind
    centre_um: Point
    outline_um: Float[np.ndarray, "n 2"]
    strength: float = 1.0
    seed: int = 0
    onset_years: float = 0.0
    points_um: tuple[Float[np.ndarray, "_ 2"], ...] = ()
    radii_um: tuple[Float[np.ndarray, "n"], ...] = ()

    @property
    def area_um2(self) -> float:
        """Return the area inside the outline (shoelace formula), square micrometres."""
        x, y = self.outline_um[:, 0], self.outline_um[:, 1]
        return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


@dataclass(frozen=True)
class Fundus:
    """One eye's fundus at one moment.

    Attributes:
        eye: OD or OS.
        layout: landmarks.
        vessels: both trees, parents before children.
        crossings: of arteries with veins.
        lesions: as they are at this visit.
        seed: of the eye; decides its texture too.
        person: seed of what both eyes share: pigment.
    """

    eye: Eye
    layout: Layout
    vessels: tuple[Vessel, ...]
    crossings: tuple[Crossing, ...]
    lesions: tuple[Lesion, ...]
    seed: int
    person: int
