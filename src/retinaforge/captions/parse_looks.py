"""Patterns of the parser for all but lesions, diagnoses and the person; see `parse_words`."""

from __future__ import annotations

from typing import Final

from retinaforge.captions.parse_words import LINK, Rule, both, rule

IMAGE: Final = r"(?:image|photo(?:graph)?|picture|fundus photo(?:graph)?)"
QUALITY: Final = r"quality"
RIM: Final = r"(?:neuro-?retinal\s+|neural\s+|disc\s+)?rim"
DISC: Final = r"(?:optic\s+)?(?:disc|disk|nerve(?:\s+head)?)|onh|papilla"
MARGIN: Final = (
    r"(?:disc\s+|disk\s+|optic\s+)*(?:margins?|borders?|edges?|outlines?|contours?)"
    r"(?:\s+of\s+the\s+(?:optic\s+)?dis[ck])?"
)
RATIO: Final = (
    r"(?:vertical\s+)?(?:cup(?:[\s-]+to[\s-]+|\s*[/:]\s*|[\s-]+)dis[ck]|c\s*[/:]\s*d|v?cdr)"
    r"(?:\s+ratio)?"
)
CUP: Final = rf"(?:(?:optic|central|disc)\s+)*cup(?:ping)?(?![\s-]*(?:to|/|:|-))|{RATIO}"
ARTERY: Final = r"(?:retinal\s+)?(?:arterioles|arteries|arterial\s+vessels)"
NETWORK: Final = (
    r"(?:vascular|vessel)\s+(?:network|tree)|network\s+of\s+vessels|vasculature|"
    r"(?:vessel|vascular)\s+density"
)
VESSELS: Final = r"(?:retinal\s+|blood\s+)*(?:vessels|veins|vasculature)"
FIBRE: Final = (
    r"(?:retinal\s+)?nerve[\s-]+fib(?:re|er)(?:s|[\s-]+layer)?(?:\s+striations?)?|rnfl|"
    r"fib(?:re|er)\s+striations"
)
PAPILLARY: Final = r"(?:peri|para)-?papillary"
MEDIA: Final = r"media|(?:fundus\s+)?view(?:\s+of\s+the\s+(?:retina|fundus))?"
LIGHT: Final = r"illumination|lighting|exposure|illuminated|exposed"
GROUND: Final = r"pigmentation|pigmented"
FIELD: Final = r"(?:in\s+view|(?:within|inside|in|included\s+in)\s+the\s+field(?:\s+of\s+view)?)"

RULES: Final[tuple[Rule, ...]] = (
    # The side.
    rule("eye", "OD", r"right\s+(?:eye|retina|fundus)|oculus\s+dexter|(?-i:OD|RE)|eye\s*:\s*right"),
    rule("eye", "OS", r"left\s+(?:eye|retina|fundus)|oculus\s+sinister|(?-i:OS|LE)|eye\s*:\s*left"),
    # Quality.
    *both("quality", "good", r"good|high|excellent|very\s+good", QUALITY),
    *both(
        "quality",
        "usable",
        r"acceptable|adequate|usable|fair|moderate|sufficient|reasonable|suboptimal",
        QUALITY,
    ),
    *both("quality", "reject", r"poor|insufficient|inadequate|bad|low|unacceptable", QUALITY),
    rule("quality", "reject", r"ungrad(?:e)?able|not\s+grad(?:e)?able|cannot\s+be\s+graded"),
    rule("quality", "good", r"well\s+grad(?:e)?able"),
    rule("blur", True, r"out\s+of\s+focus|not\s+in\s+focus|de-?focus(?:s?ed)?|unsharp|blurry"),
    rule("blur", True, r"(?:poorly|badly)\s+focuss?ed|(?:blurred|soft|poor)\s+focus"),
    rule("blur", True, r"(?:(?:image|motion)\s+)?blur(?:ring|riness)?", True),
    *both("blur", True, r"blurred", IMAGE),
    rule(
        "blur", False, r"(?:well|sharply|properly)[\s-]+focuss?ed|in\s+(?:good\s+|sharp\s+)?focus"
    ),
    rule("blur", False, r"(?:sharp|crisp|good)\s+focus"),
    *both("haze", True, r"hazy|veiled|cloudy", MEDIA),
    rule("haze", True, r"media\s+(?:haze|opacit(?:y|ies))|haz(?:e|iness)", True),
    *both("haze", False, r"clear|unclouded|transparent", MEDIA),
    *both(
        "illumination",
        True,
        r"uneven(?:ly)?|irregular(?:ly)?|poor(?:ly)?|faulty|insufficient",
        LIGHT,
    ),
    rule("illumination", True, r"(?:over|under)-?expos(?:ed|ure)", True),
    *both("illumination", False, r"even(?:ly)?|uniform(?:ly)?|regular(?:ly)?|good|well", LIGHT),
    rule(
        "artefact",
        True,
        r"(?:(?:dust|imaging|lens|lash|reflection|camera)\s+)*art[ei]facts?|specks?\s+of\s+dust|"
        r"dust\s+sp(?:ecks?|ots?)|lens\s+dust|eyelash(?:es)?",
        True,
    ),
    # The ground.
    *both(
        "pigmentation",
        "light",
        r"light(?:ly)?|pale|faint(?:ly)?|sparse(?:ly)?|little|weak(?:ly)?",
        GROUND,
    ),
    *both(
        "pigmentation",
        "medium",
        r"medium|moderate(?:ly)?|intermediate|average(?:ly)?",
        GROUND,
    ),
    *both("pigmentation", "dark", r"dark(?:ly)?|heav(?:y|ily)|deep(?:ly)?|dense(?:ly)?", GROUND),
    rule(
        "pigmentation",
        "light",
        rf"(?:fundus\s+background|background|fundus){LINK}(?:pale|light|blond)|"
        r"(?:pale|blond|light(?:-coloured|-colored)?)\s+(?:fundus|background)",
    ),
    rule(
        "pigmentation",
        "dark",
        rf"(?:fundus\s+background|background|fundus){LINK}dark|dark\s+(?:fundus|background)",
    ),
    rule(
        "tessellation",
        True,
        r"tess?ell?at(?:ed|ion)|tigroid|(?:visible\s+)?choroidal\s+vessels"
        r"(?:\s+are\s+(?:visible|seen))?",
        True,
    ),
    # The disc.
    *(
        rule(
            "disc_side",
            side,
            rf"(?:on|to|in|at)\s+the\s+(?:{words_})(?:[\s-]hand)?(?:\s+(?:side|part|half|third))?\s+"
            rf"of\s+the\s+(?:image|picture|frame|photo(?:graph)?|field(?:\s+of\s+view)?)|"
            rf"(?:{DISC})\s+(?:is|lies|sits)\s+(?:\w+\s+)?(?:on|to)\s+the\s+(?:{words_})"
            rf"(?:\s+side)?(?!\s+of)",
        )
        for side, words_ in (("left", "left"), ("centre", "cent(?:re|er)"), ("right", "right"))
    ),
    *both(
        "disc_margin",
        "sharp",
        r"sharp|(?:well|clearly)[\s-]+defined|distinct|crisp|clear(?:-cut)?|"
        r"regular",
        MARGIN,
    ),
    *both(
        "disc_margin",
        "blurred",
        r"blurr(?:ed|y)|indistinct|ill[\s-]+defined|obscured|fuzzy",
        MARGIN,
    ),
    rule(
        "disc_margin",
        "sharp",
        rf"(?:sharply|well|clearly)[\s-]+(?:defined|demarcated|delineated)\s+(?:{DISC})|"
        rf"(?:{DISC}){LINK}(?:sharply|well|clearly)[\s-]+(?:defined|demarcated|delineated)",
    ),
    *both("cup_to_disc", "small", r"small|narrow|little|slight|minimal|low", CUP),
    *both("cup_to_disc", "moderate", r"moderate|medium(?:-sized)?|mid-sized", CUP),
    *both(
        "cup_to_disc",
        "large",
        r"large|wide|broad|enlarged|marked|pronounced|extensive|increased|high|advanced",
        CUP,
    ),
    *both("cup_to_disc", "normal", r"normal|physiologic(?:al)?", CUP),
    rule("cup_to_disc", "normal", rf"(?:{CUP})\s+(?:is\s+)?not\s+(?:enlarged|large|increased)"),
    rule(
        "rim_notch",
        True,
        rf"(?:focal\s+|localised\s+|localized\s+)?notch(?:ing|es)?(?:\s+of\s+the\s+{RIM})?|"
        rf"(?:(?:focal|localised|localized)\s+)?thinning\s+of\s+the\s+(?:\w+\s+)?{RIM}|{RIM}\s+thinning|"
        rf"(?:thinned|notched)\s+{RIM}|{RIM}{LINK}(?:thinned|notched)",
        True,
    ),
    *both("rim_notch", False, r"intact|unbroken|even|preserved", RIM),
    *both("disc_colour", "pale", r"pale|pallid|whitish", rf"{RIM}|colou?r|{DISC}"),
    rule("disc_colour", "pale", rf"pallor(?:\s+of\s+the\s+(?:{RIM}|{DISC}))?|disc\s+pallor", True),
    *both("disc_colour", "pink", r"pink(?:ish)?|orange-pink|pink-orange", rf"{RIM}|colou?r|{DISC}"),
    rule(
        "peripapillary_atrophy",
        True,
        rf"(?:(?:crescent|zone|ring|area)\s+of\s+)?{PAPILLARY}\s+(?:\w+\s+)?(?:atrophy|crescent)|"
        r"(?:myopic|atrophic)\s+crescent|(?-i:PPA)",
        True,
    ),
    # The vessels.
    *both("vessel_density", "sparse", r"sparse|thin|scanty|rarefied|low", NETWORK),
    *both("vessel_density", "average", r"average|ordinary|medium", NETWORK),
    rule(
        "vessel_density",
        "average",
        rf"(?:{NETWORK})\s+(?:is\s+)?of\s+(?:average|normal|ordinary)\s+density",
    ),
    *both("vessel_density", "dense", r"dense|rich|profuse|high", NETWORK),
    rule(
        "artery_vein_ratio",
        "narrow",
        r"(?:(?:generali[sz]ed|diffuse)\s+)?(?:arteriolar|arterial)\s+(?:narrowing|attenuation)|"
        r"(?:narrowing|attenuation)\s+of\s+the\s+(?:retinal\s+)?(?:arterioles|arteries)",
        True,
    ),
    *both("artery_vein_ratio", "narrow", r"narrow(?:ed)?|thin|attenuated", ARTERY),
    *both("artery_vein_ratio", "narrow", r"attenuated", r"(?:retinal\s+|blood\s+)*vessels"),
    *both("artery_vein_ratio", "wide", r"wide|broad|dilated", ARTERY),
    rule(
        "artery_vein_ratio",
        "normal",
        rf"(?:{ARTERY})\s+(?:are\s+)?of\s+(?:normal|average|ordinary)\s+(?:calib(?:re|er)|width)",
    ),
    *both(
        "tortuosity",
        "gently curved",
        r"(?:gently|slightly|mildly)\s+(?:curv(?:ed|ing)|tortuous)(?:\s+course)?|(?:moderate|average)\s+tortuosity",
        VESSELS,
    ),
    *both(
        "tortuosity",
        "straight",
        r"straight(?:\s+course)?|unbent|low\s+tortuosity",
        VESSELS,
    ),
    *both(
        "tortuosity",
        "tortuous",
        r"(?:markedly\s+)?tortuous(?:\s+course)?|winding(?:\s+course)?|"
        r"(?:high|marked|increased)\s+tortuosity",
        VESSELS,
    ),
    rule("tortuosity", "tortuous", r"(?:(?:vascular|vessel|venous)\s+)?tortuosity", True),
    # The macula and the fibres.
    rule(
        "fovea_in_view",
        False,
        r"fovea\s+(?:is\s+|lies\s+)?(?:not\s+(?:included\s+)?(?:in|within)|outside)\s+"
        r"(?:of\s+)?(?:view|the\s+field(?:\s+of\s+view)?)|"
        r"fovea\s+(?:is\s+|was\s+)?not\s+(?:clearly\s+)?(?:visible|seen|visuali[sz]ed)",
    ),
    rule(
        "fovea_in_view",
        True,
        rf"fovea\s+(?:(?:is|lies)\s+)?(?:seen\s+|located\s+)?{FIELD}|(?:fovea|macula)\s+in\s+view",
        True,
    ),
    rule(
        "foveal_reflex",
        False,
        r"(?:absent|lost|missing|dull(?:ed)?|blunted)\s+foveal\s+(?:light\s+)?reflex",
    ),
    rule(
        "foveal_reflex",
        False,
        r"fove(?:al|olar)\s+(?:light\s+)?reflex\s+(?:is\s+)?(?:lost|missing|dull(?:ed)?|blunted|"
        r"diminished)",
    ),
    rule("foveal_reflex", True, r"fove(?:al|olar)\s+(?:light\s+)?reflex", True),
    rule(
        "epiretinal_membrane",
        True,
        r"(?:macular\s+)?epiretinal\s+membrane|(?-i:ERM)|(?:epimacular|preretinal)\s+fibrosis|"
        r"macular\s+pucker|cellophane\s+(?:maculopathy|reflex)",
        True,
    ),
    rule(
        "myelinated_fibres",
        True,
        r"(?:myelinated|medullated)\s+(?:retinal\s+)?nerve\s+fib(?:re|er)s?",
        True,
    ),
    rule(
        "nerve_fibre_layer",
        "defect",
        rf"(?:(?:wedge-shaped|focal|localised|localized|wedge)\s+)*(?:defects?|gaps?|loss|thinning)\s+"
        rf"(?:of|in)\s+the\s+(?:{FIBRE})|(?:{FIBRE})\s+(?:(?:has|shows|with|exhibits|demonstrates)\s+(?:an?\s+)?)?"
        r"(?:(?:wedge-shaped|focal|wedge)\s+)?(?:defects?|loss|thinning)",
        True,
    ),
    *both(
        "nerve_fibre_layer",
        "faint",
        r"faint|dull|barely\s+visible|poorly\s+(?:seen|visible)|not\s+(?:clearly\s+|well\s+)?(?:visible|seen)",
        FIBRE,
    ),
    *both(
        "nerve_fibre_layer",
        "visible",
        r"visible|(?:well|easily)[\s-]+seen|bright|clear|intact",
        FIBRE,
    ),
)

STEMS: Final[dict[str, tuple[str, ...]]] = {
    "eye": ("right", "left", "oculus", "od", "os", "re", "le"),
    "quality": ("quality", "grad"),
    "blur": ("focus", "blur", "unsharp"),
    "haze": ("haz", "view", "media"),
    "illumination": ("illuminat", "lighting", "expos"),
    "artefact": ("artefact", "artifact", "dust", "lash"),
    "pigmentation": ("pigment", "fundus", "background"),
    "tessellation": ("tes", "tigroid", "choroidal"),
    "disc_side": ("left", "right", "cent"),
    "disc_margin": (
        "margin",
        "border",
        "edge",
        "outline",
        "contour",
        "defined",
        "demarcated",
        "delin",
    ),
    "cup_to_disc": ("cup", "cdr", "c/d", "c:d", "c /", "c :"),
    "rim_notch": ("rim", "notch"),
    "disc_colour": ("pale", "pall", "whitish", "pink"),
    "peripapillary_atrophy": ("papillary", "crescent", "ppa"),
    "vessel_density": ("vasculature", "vascular", "vessel"),
    "artery_vein_ratio": ("arter", "a/v", "av", "a:v", "a /"),
    "tortuosity": ("tortuo", "straight", "curv", "winding", "unbent"),
    "fovea_in_view": ("fovea", "macula"),
    "foveal_reflex": ("reflex",),
    "epiretinal_membrane": ("membrane", "erm", "fibrosis", "pucker", "cellophane"),
    "myelinated_fibres": ("myelinated", "medullated"),
    "nerve_fibre_layer": ("fib", "rnfl"),
}
"""One of these stands in any words for the fact: where none does, its patterns are not tried."""
