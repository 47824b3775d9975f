"""What each fact but the lesions is called: noun phrases, to be listed, and whole sentences.

Keys are (fact, word): a choice's value, "yes" or "no" of a flag, a bin's word, or "number".
A phrase must be readable by itself (`captions.parse`), whatever it is listed with.
"""

from __future__ import annotations

from typing import Final

RIM: Final = "[rim|neuroretinal rim|neural rim]"
TREE: Final = "[vascular network|vessel network|vascular tree|network of vessels]"
NET: Final = "[vascular network|vessel network|vascular tree|vasculature]"
ARTERIES: Final = "[arterioles|arteries|retinal arterioles|retinal arteries]"
IMAGE: Final = "[image|photograph|picture]"
CDR: Final = (
    "[cup-to-disc ratio|vertical cup-to-disc ratio|C/D ratio|CDR|vertical CDR|cup/disc ratio]"
)
LAYER: Final = "[nerve fibre layer|RNFL]"
FIBRES: Final = "[nerve fibre layer|retinal nerve fibre layer|RNFL]"

SUBJECTS: Final[dict[str, str]] = {
    "quality": f"[The|This] {IMAGE} [has|shows]",
    "ground": "The [fundus|background|fundus background] [has|shows]",
    "disc": "The [optic disc|optic nerve head|disc|nerve head] [has|shows|displays|presents]",
    "vessels": "The [retinal circulation|retina|fundus] [has|shows|displays]",
    "macula": "The [macular region|posterior pole|central retina] [has|shows]",
    "fibres": "The [retina|fundus] [has|shows]",
}
OBJECTS: Final[dict[str, str]] = {
    "disc": "[One sees|The photograph shows] an optic disc with",
    "ground": "[One sees|The photograph shows] a fundus with",
}
"""Other ways to begin a sentence about a topic."""
LABELS: Final[dict[str, str]] = {
    "quality": "[Quality|Image|Photograph]",
    "ground": "[Background|Fundus|Fundus background]",
    "disc": "[Disc|Optic disc|Optic nerve|ONH]",
    "vessels": "[Vessels|Vasculature|Retinal vessels]",
    "macula": "[Macula|Macular region|Centre]",
    "fibres": "[RNFL|Nerve fibre layer|Fibres]",
}

PHRASES: Final[dict[tuple[str, str], str]] = {
    ("quality", "good"): "[good|high|excellent] [image |overall |technical |]quality",
    ("quality", "usable"): "[acceptable|adequate|usable|fair] [image |overall |technical |]quality",
    ("quality", "reject"): "[poor|insufficient|inadequate] [image |overall |technical |]quality",
    ("blur", "yes"): "[soft|poor] focus|[noticeable|some|marked] image blur",
    ("blur", "no"): "[sharp|crisp|good] focus|no image blur",
    ("haze", "yes"): "[a hazy|a veiled|a cloudy] view|[noticeable|some|marked] media haze",
    ("haze", "no"): "[a clear|an unclouded] view|[clear|transparent] media|no media haze",
    ("illumination", "yes"): "[uneven|irregular|poor|faulty] [illumination|lighting|exposure]",
    ("illumination", "no"): "[even|uniform|regular|good] [illumination|lighting|exposure]",
    ("artefact", "yes"): "[dust artefacts|specks of dust|imaging artefacts|lens artefacts]",
    ("artefact", "no"): "no [dust artefacts|specks of dust|imaging artefacts|lens artefacts]",
    ("pigmentation", "light"): "[light|pale|faint|sparse] pigmentation",
    ("pigmentation", "medium"): "[medium|moderate|intermediate|average] pigmentation",
    ("pigmentation", "dark"): "[dark|heavy|deep|dense] pigmentation",
    ("tessellation", "yes"): "[a tessellated|a tigroid] [pattern|appearance]|"
    "visible choroidal vessels|choroidal tessellation",
    ("tessellation", "no"): "no [tessellation|tigroid pattern|visible choroidal vessels]",
    ("cup_to_disc", "small"): "a [small|narrow] [cup|optic cup|central cup]|"
    "[slight|minimal|little] cupping",
    ("cup_to_disc", "moderate"): "a [moderate|medium-sized|mid-sized] [cup|optic cup|central cup]|"
    "[moderate|medium] cupping",
    ("cup_to_disc", "large"): "a [large|wide|broad] [cup|optic cup|central cup]|an enlarged cup|"
    "[marked|pronounced|extensive] cupping",
    ("cup_to_disc", "number"): f"a {CDR} of {{n}}",
    ("disc_side", "left"): "a position [on|to] the left of the [image|picture|frame]",
    ("disc_side", "centre"): "a position [in|at] the centre of the [image|picture|frame]",
    ("disc_side", "right"): "a position [on|to] the right of the [image|picture|frame]",
    ("disc_margin", "sharp"): "[sharp|well-defined|distinct|crisp|clear-cut] "
    "[margins|borders|edges]|a [sharp|well-defined|distinct] [margin|border|outline]",
    ("disc_margin", "blurred"): "[blurred|indistinct|ill-defined|obscured] "
    "[margins|borders|edges]|a[ blurred|n indistinct|n ill-defined] [margin|border|outline]",
    ("disc_colour", "pink"): f"a [pink|healthy pink|pinkish] [colour|{RIM}]",
    ("disc_colour", "pale"): f"a [pale|pallid|whitish] [colour|{RIM}]|pallor of the {RIM}",
    ("rim_notch", "yes"): f"a [notch|focal notch|localised notch] of the {RIM}{{place}}|"
    f"[focal|localised] thinning of the {RIM}{{place}}",
    ("rim_notch", "no"): f"an [intact|unbroken|even] {RIM}|no [notch|focal thinning] of the {RIM}",
    ("peripapillary_atrophy", "yes"): "[peripapillary|parapapillary] atrophy|"
    "a [crescent|zone|ring] of [peripapillary|parapapillary] atrophy|a peripapillary crescent",
    ("peripapillary_atrophy", "no"): "no [peripapillary atrophy|parapapillary atrophy|"
    "crescent of peripapillary atrophy|peripapillary crescent]",
    ("vessel_density", "sparse"): f"a [sparse|thin|scanty|rarefied] {TREE}|low vessel density",
    ("vessel_density", "average"): f"a {TREE} of [average|ordinary] density|"
    "[average|medium|ordinary] vessel density",
    ("vessel_density", "dense"): f"a [dense|rich|profuse] {TREE}|high vessel density",
    ("vessel_density", "number"): "a [vessel|vascular] [length |]density of {n} mm/mm²",
    ("artery_vein_ratio", "narrow"): f"[narrow|narrowed|thin|attenuated] {ARTERIES}",
    ("artery_vein_ratio", "normal"): f"{ARTERIES} of [normal|average|ordinary] [calibre|width]",
    ("artery_vein_ratio", "wide"): f"[wide|broad|dilated] {ARTERIES}",
    ("artery_vein_ratio", "number"): "an [arteriole-to-venule|artery-to-vein|arteriovenous|A/V] "
    "ratio of {n}",
    ("tortuosity", "straight"): "[straight|unbent] vessels|vessels with a straight course|"
    "vessels [of|with] low tortuosity",
    ("tortuosity", "gently curved"): "[gently|slightly|mildly] [curved|curving] vessels|"
    "vessels with a gently curved course|vessels [of|with] [moderate|average] tortuosity",
    ("tortuosity", "tortuous"): "[tortuous|winding|markedly tortuous] vessels|"
    "vessels with a [tortuous|winding] course|vessels [of|with] high tortuosity",
    ("tortuosity", "number"): "a [mean |vessel |]tortuosity of {n}",
    ("fovea_in_view", "yes"): "a fovea [within the field|in view|inside the field of view]",
    ("fovea_in_view", "no"): "no fovea [within the field|in view|inside the field of view]",
    ("foveal_reflex", "yes"): "a [bright|visible|distinct|clear|preserved] foveal [light |]reflex",
    ("foveal_reflex", "no"): "no [visible |distinct |bright |]foveal [light |]reflex|"
    "an absent foveal reflex",
    ("epiretinal_membrane", "yes"): "an epiretinal membrane|[epimacular|preretinal] fibrosis",
    (
        "epiretinal_membrane",
        "no",
    ): "no [epiretinal membrane|epimacular fibrosis|preretinal fibrosis]",
    ("nerve_fibre_layer", "visible"): f"[a visible|a well-seen|a bright|an easily seen] {LAYER}|"
    "[visible|bright|clear] nerve fibre striations",
    ("nerve_fibre_layer", "faint"): f"a [faint|dull|barely visible] {LAYER}|"
    "[faint|dull|barely visible] nerve fibre striations",
    ("nerve_fibre_layer", "defect"): f"a [wedge-shaped|focal|localised] [defect|gap] of the "
    f"{LAYER}{{place}}|a nerve fibre layer defect{{place}}",
    ("myelinated_fibres", "yes"): "[myelinated|medullated] [retinal |]nerve fibres{place}|"
    "a patch of [myelinated|medullated] nerve fibres{place}",
    ("myelinated_fibres", "no"): "no [myelinated|medullated] [retinal |]nerve fibres",
}

SENTENCES: Final[dict[tuple[str, str], str]] = {
    ("quality", "good"): f"[The|This] {IMAGE} is of [good|high|excellent] quality|"
    "[Image quality|The quality] is [good|high|excellent]",
    ("quality", "usable"): f"[The|This] {IMAGE} is of [acceptable|adequate|usable|fair] quality|"
    "[Image quality|The quality] is [acceptable|adequate|fair]",
    ("quality", "reject"): f"[The|This] {IMAGE} is of [poor|insufficient|inadequate] quality|"
    f"[Image quality|The quality] is [poor|inadequate]|The {IMAGE} is ungradable",
    ("blur", "yes"): f"[The|This] {IMAGE} is [out of focus|poorly focused|blurred]",
    ("blur", "no"): f"[The|This] {IMAGE} is [well focused|in focus|sharply focused]",
    ("haze", "yes"): "The [view|view of the retina] is [hazy|veiled|cloudy]|The media are hazy",
    ("haze", "no"): "The [view|view of the retina] is [clear|unclouded]|The media are clear",
    ("illumination", "yes"): "[Illumination|Lighting|The exposure] is [uneven|irregular|poor]",
    ("illumination", "no"): "[Illumination|Lighting|The exposure] is [even|uniform|regular]",
    ("artefact", "yes"): "[Dust|Imaging|Lens] artefacts are [seen|visible|present]",
    ("artefact", "no"): "No [dust |imaging |lens |]artefacts are [seen|visible|present]",
    (
        "tessellation",
        "no",
    ): "The fundus is not [tessellated|tigroid]|No choroidal vessels are visible",
    ("epiretinal_membrane", "no"): "No epiretinal membrane is [seen|present|visible]",
    ("peripapillary_atrophy", "no"): "No [peripapillary|parapapillary] atrophy is [seen|present]",
    ("myelinated_fibres", "no"): "No [myelinated|medullated] nerve fibres are [seen|present]",
    ("pigmentation", "light"): "The fundus is [lightly|sparsely|faintly] pigmented|"
    "The [fundus|background|fundus background] is [pale|light|light in colour]",
    ("pigmentation", "medium"): "The fundus is moderately pigmented|"
    "[Fundus|Background] pigmentation is [medium|moderate|intermediate]",
    ("pigmentation", "dark"): "The fundus is [darkly|heavily|deeply] pigmented|"
    "The [fundus|background|fundus background] is [dark|dark in colour]",
    ("tessellation", "yes"): "The fundus [is|appears] [tessellated|tigroid]|"
    "Choroidal vessels are visible",
    ("cup_to_disc", "small"): "The [cup|optic cup] [is|appears] [small|narrow]|"
    "Cupping is [slight|minimal]",
    ("cup_to_disc", "moderate"): "The [cup|optic cup] is [moderate|medium-sized|of moderate size]|"
    "Cupping is [moderate|medium]",
    ("cup_to_disc", "large"): "The [cup|optic cup] [is|appears] [large|wide|enlarged]|"
    "Cupping is [marked|pronounced|extensive]",
    ("cup_to_disc", "number"): f"The {CDR} [is|measures|amounts to] {{n}}",
    ("disc_side", "left"): "The [optic disc|disc|nerve head] [lies|sits|is located|is seen] "
    "[on the left side|in the left part] of the [image|picture|frame]",
    ("disc_side", "centre"): "The [optic disc|disc|nerve head] [lies|sits|is located|is seen] "
    "[in the centre|at the centre] of the [image|picture|frame]",
    ("disc_side", "right"): "The [optic disc|disc|nerve head] [lies|sits|is located|is seen] "
    "[on the right side|in the right part] of the [image|picture|frame]",
    ("disc_margin", "sharp"): "The [disc margin|disc border|edge of the disc] is "
    "[sharp|well defined|distinct|clear-cut]",
    ("disc_margin", "blurred"): "The [disc margin|disc border|edge of the disc] is "
    "[blurred|indistinct|ill defined|obscured]",
    ("disc_colour", "pink"): f"The {RIM} [is|appears] [pink|healthy and pink|pinkish]",
    ("disc_colour", "pale"): f"The {RIM} [is|appears] [pale|pallid|whitish]",
    ("rim_notch", "no"): f"The {RIM} is [intact|unbroken]",
    ("peripapillary_atrophy", "yes"): "The disc is [bordered|surrounded] by [peripapillary|"
    "parapapillary] atrophy|[Peripapillary|Parapapillary] atrophy is [present|seen]",
    ("vessel_density", "sparse"): f"The {NET} [is|appears] [sparse|scanty|rarefied]",
    ("vessel_density", "average"): f"The {NET} is of [average|normal|ordinary] density",
    ("vessel_density", "dense"): f"The {NET} [is|appears] [dense|rich]",
    ("vessel_density", "number"): "[Vessel|Vascular] density [is|measures|amounts to] {n} mm/mm²",
    ("artery_vein_ratio", "narrow"): "The [arterioles|arteries] [are|appear] "
    "[narrow|narrowed|thin|attenuated]",
    ("artery_vein_ratio", "normal"): "The [arterioles|arteries] are of "
    "[normal|average|ordinary] [calibre|width]",
    ("artery_vein_ratio", "wide"): "The [arterioles|arteries] [are|appear] [wide|broad|dilated]",
    ("artery_vein_ratio", "number"): "The [arteriole-to-venule|artery-to-vein|arteriovenous|A/V] "
    "ratio [is|measures] {n}",
    ("tortuosity", "straight"): "The [vessels|retinal vessels] [are|run] straight",
    ("tortuosity", "gently curved"): "The [vessels|retinal vessels] are "
    "[gently|slightly|mildly] curved",
    ("tortuosity", "tortuous"): "The [vessels|retinal vessels] [are|appear] [tortuous|winding]",
    ("tortuosity", "number"): "[Mean|Vessel] tortuosity [is|measures] {n}",
    ("fovea_in_view", "yes"): "The fovea [is in view|lies within the field|is seen within the "
    "field of view|is included in the field]",
    ("fovea_in_view", "no"): "The fovea [is not in view|lies outside the field|is not included in "
    "the field|is outside the field of view]",
    ("foveal_reflex", "yes"): "The foveal [light |]reflex is [present|bright|visible|preserved]",
    ("foveal_reflex", "no"): "The foveal [light |]reflex is [absent|not seen|lost]",
    ("epiretinal_membrane", "yes"): "An epiretinal membrane is [seen|present|visible]",
    ("nerve_fibre_layer", "visible"): f"The {FIBRES} is [visible|well seen|bright|easily seen]|"
    "Nerve fibre striations are [visible|bright|clear]",
    ("nerve_fibre_layer", "faint"): f"The {FIBRES} is [faint|dull|barely visible]|"
    "Nerve fibre striations are [faint|dull|barely visible]",
    ("nerve_fibre_layer", "defect"): f"The {FIBRES} has a [wedge-shaped|focal] defect{{place}}",
}
