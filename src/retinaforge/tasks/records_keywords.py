"""The diagnostic keywords of ODIR-5K as facts of an eye.

The list holds every keyword of the English table (94 of them; N. Li et al., Bench 2020; read from
`full_df.csv` of github.com/MinsuChae/Ocular-Disease-Recognition, commit 28a3619). Which fact a
keyword gives is our reading. A keyword gives no fact where the catalogue has none for it, where it
hedges ("suspected cataract"), and where it does not say how far a disease went ("diabetic
retinopathy" has no grade, "low image quality" may be readable or not). Dry age-related macular
degeneration may be early, intermediate or geographic atrophy: it is the disease without a stage;
wet is a late stage. Whatever it gives, it stays in
the record as a keyword.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from retinaforge.captions.facts import LESIONS, UNSTAGED, fact_kind
from retinaforge.captions.record import Fact, Value

Meaning = tuple[tuple[str, Value, tuple[str, ...]], ...]


def _is(*named: str, places: tuple[str, ...] = (), **values: Value) -> Meaning:
    """Return facts that are there, and facts of a value."""
    there = ((name, True, places) for name in named)
    return (*there, *((name, value, ()) for name, value in values.items()))


NORMAL: Meaning = (
    *_is(dr_grade=0, amd_stage=0, glaucoma=0),
    *((name, False, ()) for name in LESIONS),
)
MACULA = ("macula",)
KEYWORDS: dict[str, Meaning] = {
    "normal fundus": NORMAL,
    # Diabetes.
    "mild nonproliferative retinopathy": _is("diabetes", dr_grade=1),
    "moderate non proliferative retinopathy": _is("diabetes", dr_grade=2),
    "severe nonproliferative retinopathy": _is("diabetes", dr_grade=3),
    "proliferative diabetic retinopathy": _is("diabetes", dr_grade=4),
    "severe proliferative diabetic retinopathy": _is("diabetes", dr_grade=4),
    "diabetic retinopathy": _is("diabetes"),
    "intraretinal microvascular abnormality": _is("irma"),
    "intraretinal hemorrhage": _is("haemorrhage_dot"),
    "laser spot": _is("laser_scar"),
    "post laser photocoagulation": _is("laser_scar"),
    "post retinal laser surgery": _is("laser_scar"),
    "fundus laser photocoagulation spots": _is("laser_scar"),
    # Disc.
    "glaucoma": _is(glaucoma=2),
    "suspected glaucoma": _is(glaucoma=1),
    "peripapillary atrophy": _is("peripapillary_atrophy"),
    "optic disc edema": _is(disc_margin="blurred"),
    "optic nerve atrophy": _is(disc_colour="pale"),
    "myelinated nerve fibers": _is("myelinated_fibres"),
    # Macula and pigment epithelium.
    "wet age-related macular degeneration": _is(amd_stage=3),
    "dry age-related macular degeneration": _is("macular_degeneration"),
    "age-related macular degeneration": _is("macular_degeneration"),
    "drusen": _is("drusen"),
    "epiretinal membrane": _is("epiretinal_membrane"),
    "macular epiretinal membrane": _is("epiretinal_membrane", places=MACULA),
    "epiretinal membrane over the macula": _is("epiretinal_membrane", places=MACULA),
    "retinal pigmentation": _is("pigment_change"),
    "abnormal pigment": _is("pigment_change"),
    "pigmentation disorder": _is("pigment_change"),
    "macular pigmentation disorder": _is("pigment_change", places=MACULA),
    "pigment epithelium proliferation": _is("pigment_change"),
    "retinal pigment epithelial hypertrophy": _is("pigment_change"),
    "retinal pigment epithelium atrophy": _is("pigment_change"),
    "depigmentation of the retinal pigment epithelium": _is("pigment_change"),
    "chorioretinal atrophy with pigmentation proliferation": _is("pigment_change"),
    # Myopia, vessels, media.
    "pathological myopia": _is("pathological_myopia"),
    "myopia retinopathy": _is("pathological_myopia"),
    "myopic maculopathy": _is("pathological_myopia"),
    "tessellated fundus": _is("tessellation"),
    "hypertensive retinopathy": _is("hypertensive_retinopathy"),
    "branch retinal vein occlusion": _is("vein_occlusion"),
    "central retinal vein occlusion": _is("vein_occlusion"),
    "old branch retinal vein occlusion": _is("vein_occlusion"),
    "old central retinal vein occlusion": _is("vein_occlusion"),
    "cataract": _is("cataract"),
    "refractive media opacity": _is("haze"),
    "lens dust": _is("artefact"),
}
WITHOUT_FACT = frozenset((
    "anterior segment image", "arteriosclerosis",
    "atrophic change", "atrophy", "branch retinal artery occlusion",
    "central retinal artery occlusion", "central serous chorioretinopathy", "chorioretinal atrophy",
    "choroidal nevus", "congenital choroidal coloboma", "diffuse chorioretinal atrophy",
    "diffuse retinal atrophy",
    "glial remnants anterior to the optic disc", "idiopathic choroidal neovascularization",
    "image offset", "low image quality", "macular coloboma", "macular hole", "maculopathy",
    "morning glory syndrome",
    "no fundus image", "old chorioretinopathy", "old choroiditis", "optic discitis",
    "optic disk epiretinal membrane", "optic disk photographically invisible",
    "oval yellow-white atrophy", "retina fold", "retinal detachment", "retinal vascular sheathing",
    "retinitis pigmentosa", "retinochoroidal coloboma", "silicone oil eye",
    "spotted membranous change", "suspected abnormal color of optic disc", "suspected cataract",
    "suspected diabetic retinopathy", "suspected macular epimacular membrane",
    "suspected microvascular anomalies", "suspected moderate non proliferative retinopathy",
    "suspected retinal vascular sheathing", "suspicious diabetic retinopathy", "vessel tortuosity",
    "vitreous degeneration", "vitreous opacity", "wedge white line change", "white vessel",
))  # fmt: skip
"""Keywords that are understood and give no fact."""


class KeywordsRead(NamedTuple):
    """Facts of some keywords, and the keywords that are not in the list."""

    facts: dict[str, Fact]
    unknown: tuple[str, ...]


def read_keywords(text: str, *, source: str) -> KeywordsRead:
    """Return the facts of keywords parted by commas or semicolons.

    What is there wins over what is not, and the higher grade over the lower: "normal fundus, laser
    spot" has scars of laser. The keywords as they stand become the fact "keywords".
    """
    words = [word for part in re.split("[,;，；]", text) if (word := _plain(part))]
    facts: dict[str, Fact] = {}
    for name, value, places in _meanings(words):
        held = facts.get(name)
        if held is None or _weight(name, value) > _weight(name, held.value):
            facts[name] = Fact(name, value, source, places)
    for grade, disease in UNSTAGED.items():
        if facts.keys() >= {grade, disease}:
            del facts[disease if facts[grade].value else grade]
    if words:
        facts["keywords"] = Fact("keywords", text.strip(), source)
    listed = KEYWORDS.keys() | WITHOUT_FACT
    return KeywordsRead(facts, tuple(word for word in words if word not in listed))


def _meanings(words: Iterable[str]) -> Iterable[tuple[str, Value, tuple[str, ...]]]:
    return (each for word in words for each in KEYWORDS.get(word, ()))


def _weight(name: str, value: Value) -> float:
    return float(value) if fact_kind(name).kind in ("grade", "flag", "count") else 1.0


def _plain(part: str) -> str:
    return " ".join(part.lower().split())
