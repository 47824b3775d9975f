"""The catalogue of planted damage: what each kind does and how large each of its levels is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from retinaforge.core import Refusal

Subject = Literal["phantom", "photograph"]
LEVELS = (1, 2, 3, 4, 5)
NOMINAL_FOV_UM = 45 * 288.0
"""Field diameter by which micrometres become shares of the field on a photograph of unknown
scale: 45 degrees of 288 um (Drasdo & Fowler 1974)."""

Size = Mapping[str, float]


@dataclass(frozen=True)
class DamageCard:
    """Declare one kind of damage; a changed size of a level is a new version.

    Attributes:
        name: the name on the command line and in files.
        version: raised whenever the same input would be damaged otherwise.
        does: one sentence.
        levels: the physical size of levels 1-5; names end in their unit (`_um`, `_pct`, ...).
        subjects: what it can be planted in.
        needs: masks that a photograph must have.
        of_set: True where the damage is done to a set, not to an image.
        known_failure: what it does not look like or where it cannot be planted.
    """

    name: str
    version: int
    does: str
    levels: tuple[Size, Size, Size, Size, Size]
    subjects: tuple[Subject, ...]
    needs: tuple[str, ...]
    of_set: bool
    known_failure: str

    def size(self, level: int) -> Size:
        """Return the physical size of a level.

        Raises:
            Refusal: "expected a level from 1 to 5; got 0; ..."
        """
        if level not in LEVELS:
            raise Refusal(
                "a level from 1 to 5", f"{level}", "see the sizes in docs/how-to/plant-damage.md"
            )
        return self.levels[level - 1]

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Place:
    """Where one piece of damage lies, in pixels of the damaged image.

    Attributes:
        x_px: to the right.
        y_px: down.
        length_px: along the vessel, or the diameter; 0 for a point.
        vessel: index of the vessel in the tree before damage, -1 where there is no tree.
    """

    x_px: float
    y_px: float
    length_px: float
    vessel: int = -1


@dataclass(frozen=True)
class Done:
    """What was done to one image.

    Attributes:
        kind: name of the damage.
        level: 1-5.
        size: the stated physical size; NaN where it is unknown (then `unknown` says why).
        count: places damaged; 1 for damage of the whole image.
        places: where, empty for damage of the whole image or tree.
        unknown: reason for each NaN of `size`, by its name.
        note: what fell short of the stated size, in words; empty otherwise.
    """

    kind: str
    level: int
    size: Size
    count: int
    places: tuple[Place, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; NaN becomes None, since JSON knows no NaN."""
        plain = asdict(self)
        plain["size"] = {k: None if v != v else round(v, 4) for k, v in self.size.items()}
        plain["unknown"] = dict(self.unknown)
        plain["places"] = [
            {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(place).items()}
            for place in self.places
        ]
        return plain


def sizes(**series: tuple[float, ...]) -> tuple[Size, Size, Size, Size, Size]:
    """Turn one series a name into one size a level."""
    return tuple(  # type: ignore[return-value]
        dict(zip(series, values, strict=True)) for values in zip(*series.values(), strict=True)
    )


BOTH: tuple[Subject, ...] = ("phantom", "photograph")

BROKEN = DamageCard(
    "broken-vessels", 1, "Interrupt vessels: clear gaps between two stumps, away from branchings.",
    sizes(gaps_per_cm=(0.5, 1.0, 1.5, 2.0, 3.0), gap_um=(100.0, 150.0, 200.0, 250.0, 300.0)),
    BOTH, ("vessel",), False,
    "a vessel too short between two branchings holds no gap; a crowded tree may take fewer",
)  # fmt: skip
THICK = DamageCard(
    "thick-vessels", 1, "Widen every vessel by a share of its calibre.",
    sizes(calibre_pct=(10.0, 20.0, 35.0, 50.0, 75.0)), BOTH, ("vessel",), False,
    "on photographs neighbours nearer than the widening meet; masks move by whole pixels",
)  # fmt: skip
THIN = DamageCard(
    "thin-vessels", 1, "Narrow every vessel by a share of its calibre.",
    sizes(calibre_pct=(-10.0, -20.0, -30.0, -45.0, -60.0)), BOTH, ("vessel",), False,
    "masks never fall below one pixel's width, so thin vessels of small pictures keep theirs",
)  # fmt: skip
STRAIGHT = DamageCard(
    "straight-vessels", 1,
    "Move every vessel towards its chord by a share of its distance from it; ends stay.",
    sizes(removed_pct=(20.0, 40.0, 60.0, 80.0, 100.0)), ("phantom",), (), False,
    "planted in phantoms only: a photograph's tree is not known",
)  # fmt: skip
DROPPED = DamageCard(
    "dropped-vessels", 1, "Remove every stretch of vessel that is narrower than a calibre.",
    sizes(below_um=(35.0, 45.0, 55.0, 70.0, 90.0)), BOTH, ("vessel",), False,
    "on photographs whole vessels between branchings go, by the median calibre of the mask",
)  # fmt: skip
FLOATING = DamageCard(
    "floating-vessels", 1, "Add stretches of vessel that are joined to nothing.",
    sizes(segments=(2.0, 4.0, 8.0, 16.0, 32.0), length_um=(700.0,) * 5, calibre_um=(60.0,) * 5),
    BOTH, ("vessel",), False, "a crowded tree may take fewer segments",
)  # fmt: skip
SWAPPED = DamageCard(
    "swapped-artery-vein", 1, "Paint a share of the vessels' length as the other kind.",
    sizes(length_pct=(5.0, 10.0, 20.0, 50.0, 100.0)), ("phantom",), (), False,
    "whole vessels are swapped, so small shares are met to within half a vessel",
)  # fmt: skip
EXTRA_DISC = DamageCard(
    "extra-disc", 1, "Paint a second optic disc, without vessels of its own, where none is.",
    sizes(diameter_um=(900.0, 1200.0, 1500.0, 1800.0, 2100.0)), BOTH, (), False,
    "vessels below it show through but do not spring from it",
)  # fmt: skip
FOVEA = DamageCard(
    "misplaced-fovea", 1,
    "Move the macula's darkening towards and past the disc, along the line between them.",
    sizes(moved_dd=(1.0, 2.0, 3.0, 4.0, 5.0)), BOTH, ("disc", "fovea"), False,
    "vessels keep their way round the old place; from 2.5 disc diameters on it lies beyond the "
    "disc's centre, the wrong side",
)  # fmt: skip
HALVES = DamageCard(
    "exchanged-halves", 1,
    "Exchange the left and the right half of the field, each mirrored, in the middle rows.",
    sizes(rows_pct=(20.0, 40.0, 60.0, 80.0, 100.0)), ("photograph",), (), False,
    "below 100 % vessels break at the band's borders; at 100 % the picture is its mirror image "
    "while its eye's label stays",
)  # fmt: skip
BLUR = DamageCard(
    "blur", 1, "Blur the retina with a Gaussian; the field's border stays sharp.",
    sizes(sigma_um=(10.0, 20.0, 40.0, 70.0, 110.0)), BOTH, (), False,
    "added to the blur that is there; the grain is blurred as well",
)  # fmt: skip
CAST = DamageCard(
    "colour-cast", 1, "Multiply red by 1 + g, blue by 1 - g.",
    sizes(gain_pct=(5.0, 10.0, 15.0, 25.0, 40.0)), BOTH, (), False, "red that is saturated stays",
)  # fmt: skip
JPEG = DamageCard(
    "jpeg", 1, "Compress by JPEG (libjpeg's quality, colour halved) and unpack again.",
    sizes(quality=(75.0, 50.0, 30.0, 15.0, 5.0)), BOTH, (), False,
    "a picture that was compressed harder before changes little",
)  # fmt: skip
NOISE = DamageCard(
    "noise", 1, "Add Gaussian noise inside the field, independent in pixels and channels.",
    sizes(sd_grey=(2.0, 5.0, 10.0, 20.0, 40.0)), BOTH, (), False,
    "clipped at 0 and 255, so less in black and saturated places",
)  # fmt: skip
COLLAPSE = DamageCard(
    "mode-collapse", 1, "Replace a share of the set by copies of few of its images.",
    sizes(replaced_pct=(10.0, 25.0, 50.0, 75.0, 90.0), modes=(3.0,) * 5), BOTH, (), True,
    "copies are exact; a collapsed generator's vary a little",
)  # fmt: skip
COPIES = DamageCard(
    "planted-copies", 1,
    "Replace a share of the set's second half of persons by flipped, cropped or recoloured "
    "copies of the first half, which is left out (a generator's training set).",
    sizes(copied_pct=(2.0, 5.0, 10.0, 25.0, 50.0), crop_pct=(2.0, 5.0, 8.0, 12.0, 16.0),
          gain_pct=(2.0, 4.0, 6.0, 9.0, 12.0)), BOTH, (), True,
    "at least one copy is planted, so a small set's share may be larger than stated",
)  # fmt: skip

DAMAGES: tuple[DamageCard, ...] = (
    BROKEN, THICK, THIN, STRAIGHT, DROPPED, FLOATING, SWAPPED, EXTRA_DISC, FOVEA, HALVES, BLUR,
    CAST, JPEG, NOISE, COLLAPSE, COPIES,
)  # fmt: skip


def damage_named(kind: str) -> DamageCard:
    """Return the card of a kind.

    Raises:
        Refusal: "expected a kind of damage (...); got ...; ..."
    """
    for card in DAMAGES:
        if card.name == kind:
            return card
    names = ", ".join(card.name for card in DAMAGES)
    raise Refusal(f"a kind of damage ({names})", repr(kind), "choose one of these")
