"""The catalogue of what may be known of an eye; `captions.facts` reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from retinaforge.captions import words

Kind = Literal["choice", "flag", "number", "count", "grade", "text"]
Topic = Literal[
    "eye",
    "quality",
    "ground",
    "disc",
    "vessels",
    "macula",
    "fibres",
    "lesions",
    "verdict",
    "person",
]
QUADRANTS = ("superior temporal", "inferior temporal", "superior nasal", "inferior nasal")
REGIONS = ("fovea", "macula", "disc", "periphery")
HALVES = ("superior", "inferior", "temporal", "nasal")
PLACES = (*QUADRANTS, *REGIONS, *HALVES)
"""Words for where; "disc" is within one disc diameter of its centre, as phantoms count it."""


@dataclass(frozen=True)
class FactKind:
    """One thing that may be known of an eye.

    Attributes:
        name: the fact's name in a record.
        field: which of RetinaLogos's seven fields it feeds.
        topic: the part of a caption it is told in.
        kind: "choice" one of `values`; "flag" True or False; "number" within `low`-`high`;
            "count" a whole number, or True and False where nobody counted; "grade" a whole number
            that indexes `values`; "text" free words.
        meaning: one sentence for people.
        values: what a choice may be, or the ordinary words of grades 0, 1, ...
        unit: of a number; "" where it has none.
        low, high: inclusive range of a number.
        bins: what words mean in numbers.
        diagnosis: names a disease; said only when asked.
        unasked: may be stated without being asked.
    """

    name: str
    field: str
    topic: Topic
    kind: Kind
    meaning: str
    values: tuple[str, ...] = ()
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    bins: tuple[words.Bin, ...] = ()
    diagnosis: bool = False
    unasked: bool = True


def _quality(name: str, meaning: str) -> FactKind:
    return FactKind(name, "Image_quality", "quality", "flag", meaning)


def _finding(
    name: str, topic: Topic, kind: Kind, meaning: str, values: tuple[str, ...] = ()
) -> FactKind:
    return FactKind(name, "Subclinical_label", topic, kind, meaning, values)


def _measure(
    name: str,
    topic: Topic,
    meaning: str,
    unit: str,
    span: tuple[float, float],
    bins: tuple[words.Bin, ...],
) -> FactKind:
    low, high = span
    return FactKind(name, "Subclinical_label", topic, "number", meaning, (), unit, low, high, bins)


def _lesion(name: str, meaning: str) -> FactKind:
    return FactKind(name, "Subclinical_label", "lesions", "count", meaning, low=0, bins=words.COUNT)


def _graded(name: str, meaning: str, *values: str) -> FactKind:
    return FactKind(
        name,
        "Grade_label",
        "verdict",
        "grade",
        meaning,
        values,
        low=0,
        high=len(values) - 1,
        diagnosis=True,
        unasked=False,
    )


def _disease(name: str, meaning: str) -> FactKind:
    return FactKind(
        name, "Disease_label", "verdict", "flag", meaning, diagnosis=True, unasked=False
    )


def _person(name: str, kind: Kind, meaning: str, **more: Any) -> FactKind:
    return FactKind(name, "General_label", "person", kind, meaning, unasked=False, **more)


FACTS: tuple[FactKind, ...] = (
    FactKind("eye", "Eye", "eye", "choice", "right (OD) or left (OS) eye", ("OD", "OS")),
    FactKind(
        "quality",
        "Image_quality",
        "quality",
        "choice",
        "how far the photograph can be graded",
        ("good", "usable", "reject"),
    ),
    _quality("blur", "the photograph is out of focus or moved"),
    _quality("haze", "the view is hazy"),
    _quality("illumination", "the light is uneven, too dark or too bright"),
    _quality("artefact", "dust, specks, lashes or reflections lie over the retina"),
    _measure(
        "pigmentation",
        "ground",
        "how dark the fundus is, 0 very light to 1 very dark",
        "",
        (0, 1),
        words.PIGMENTATION,
    ),
    _finding("tessellation", "ground", "flag", "choroidal vessels show (a tigroid fundus)"),
    _measure(
        "cup_to_disc", "disc", "vertical diameter of the cup over the disc's", "", (0, 1), words.CUP
    ),
    _finding(
        "disc_side",
        "disc",
        "choice",
        "third of the picture that holds the disc's centre",
        ("left", "centre", "right"),
    ),
    _finding("disc_margin", "disc", "choice", "edge of the optic disc", ("sharp", "blurred")),
    _finding("disc_colour", "disc", "choice", "colour of the neural rim", ("pink", "pale")),
    _finding("rim_notch", "disc", "flag", "a focal notch of the neural rim, with its place"),
    _finding("peripapillary_atrophy", "disc", "flag", "a crescent of atrophy beside the disc"),
    _measure(
        "vessel_density",
        "vessels",
        "length of arteries and veins over the area of the field",
        "mm/mm2",
        (0, 20),
        words.DENSITY,
    ),
    _measure(
        "artery_vein_ratio",
        "vessels",
        "calibre of arteries over that of veins (CRAE/CRVE, Knudtson)",
        "",
        (0.1, 2),
        words.CALIBRE,
    ),
    _measure(
        "tortuosity",
        "vessels",
        "mean length of a segment over its chord, arteries and veins",
        "",
        (1, 5),
        words.TORTUOSITY,
    ),
    _finding("fovea_in_view", "macula", "flag", "the fovea lies inside the field"),
    _finding("foveal_reflex", "macula", "flag", "a bright reflex at the fovea is seen"),
    _finding("epiretinal_membrane", "macula", "flag", "a membrane on the macula"),
    _finding(
        "nerve_fibre_layer",
        "fibres",
        "choice",
        "striations of the nerve fibre layer; a defect has its place",
        ("visible", "faint", "defect"),
    ),
    _finding("myelinated_fibres", "fibres", "flag", "myelinated nerve fibres at the disc or away"),
    _lesion("microaneurysm", "small round red dots"),
    _lesion("haemorrhage_dot", "dot and blot haemorrhages inside the retina"),
    _lesion("haemorrhage_flame", "flame-shaped haemorrhages in the nerve fibre layer"),
    _lesion("hard_exudate", "yellow deposits of lipid with sharp edges"),
    _lesion("cotton_wool_spot", "white fluffy patches; also called soft exudates"),
    _lesion("neovascularisation", "new vessels, at the disc or elsewhere"),
    _lesion("irma", "intraretinal microvascular abnormalities"),
    _lesion("venous_beading", "veins of uneven calibre, counted by segments"),
    _lesion("preretinal_haemorrhage", "blood in front of the retina"),
    _lesion("drusen", "yellow deposits under the pigment epithelium"),
    _lesion("geographic_atrophy", "sharply bounded areas without pigment epithelium"),
    _lesion("laser_scar", "scars of photocoagulation"),
    _lesion("pigment_change", "clumps or losses of pigment"),
    _lesion("disc_haemorrhage", "splinter haemorrhage at the margin of the disc"),
    _lesion("haemorrhage", "haemorrhages whose kind the source does not tell"),
    _graded(
        "dr_grade",
        "international scale of diabetic retinopathy",
        "no diabetic retinopathy",
        "mild non-proliferative diabetic retinopathy",
        "moderate non-proliferative diabetic retinopathy",
        "severe non-proliferative diabetic retinopathy",
        "proliferative diabetic retinopathy",
    ),
    _graded(
        "macular_oedema",
        "risk of macular oedema as IDRiD grades it",
        "no macular oedema",
        "macular oedema away from the centre",
        "macular oedema at the centre",
    ),
    _graded(
        "amd_stage",
        "stage of age-related macular degeneration",
        "no age-related macular degeneration",
        "early age-related macular degeneration",
        "intermediate age-related macular degeneration",
        "late age-related macular degeneration",
    ),
    _disease("macular_degeneration", "age-related macular degeneration, stage not told"),
    _graded("glaucoma", "glaucoma", "no glaucoma", "suspected glaucoma", "glaucoma"),
    _disease("hypertensive_retinopathy", "hypertensive retinopathy"),
    _disease("pathological_myopia", "pathological myopia"),
    _disease("cataract", "cataract or another opacity of the media"),
    _disease("vein_occlusion", "branch or central retinal vein occlusion"),
    _disease("diabetes", "the person has diabetes, whatever the retina shows"),
    _person("age", "number", "age in years", unit="years", low=0, high=120),
    _person("sex", "choice", "sex as recorded", values=("female", "male")),
    _person("ethnicity", "text", "as the source names it"),
    _person("camera", "text", "name of the camera"),
    _person("keywords", "text", "diagnostic keywords of the source, unread; they name diseases"),
)
FACT: Mapping[str, FactKind] = MappingProxyType({each.name: each for each in FACTS})
UNSORTED = "haemorrhage"
"""Haemorrhages that nobody told apart; also the word for all kinds of them, see `claims.GROUPS`."""
LESIONS = tuple(each.name for each in FACTS if each.kind == "count" and each.name != UNSORTED)
UNSTAGED = {"amd_stage": "macular_degeneration"}
"""A grade, and the fact that says that the disease is there, whatever its grade."""
