"""Patterns of the parser for lesions, diagnoses and the person; see `parse_words`."""

from __future__ import annotations

from typing import Final

from retinaforge.captions.parse_words import Rule, rule

BLEED: Final = r"ha?emorrhages?|bleed(?:s|ings?)?"
DR: Final = r"(?:diabetic\s+)?retinopathy|diabetic\s+(?:eye\s+disease|changes)"
NPDR: Final = r"(?:(?:non[\s-]?proliferative)\s+(?:diabetic\s+)?retinopathy|npdr)"
AMD: Final = (
    r"(?:(?:dry|wet|atrophic|exudative)\s+)?(?:age[\s-]related\s+macular\s+degeneration|a[rm]?md)"
)
OEDEMA: Final = (
    r"(?:(?:diabetic|clinically\s+significant)\s+)?macular\s+(?:o?edema|thickening)|(?-i:DME|CSME)"
)
CAPILLARY: Final = r"intraretinal\s+microvascular\s+abnormalit(?:y|ies)|(?-i:IRMAs?)"
NEW: Final = r"new\s+vessels|neo-?vasculari[sz]ation|(?-i:NVD|NVE)"

ETHNICITIES: Final = ("caucasian", "african", "asian", "hispanic")

LESION_RULES: Final[tuple[Rule, ...]] = (
    rule("irma", True, rf"(?:areas?\s+of\s+)?(?:{CAPILLARY})", True),
    rule("microaneurysm", True, r"(?:retinal\s+)?micro-?aneurysms?|(?-i:MAs?)", True),
    rule(
        "disc_haemorrhage",
        True,
        rf"(?:(?:optic\s+)?dis[ck](?:\s+margin)?|splinter|drance)\s+(?:{BLEED})",
        True,
    ),
    rule(
        "preretinal_haemorrhage",
        True,
        rf"(?:pre-?retinal|boat[\s-]shaped|sub-?hyaloid)\s+(?:{BLEED})",
        True,
    ),
    rule(
        "haemorrhage_flame",
        True,
        rf"flame(?:[\s-]shaped)?\s+(?:retinal\s+|intraretinal\s+)?(?:{BLEED})|"
        r"flame(?:[\s-]shaped)?(?=\s*(?:,|and|or|/)\s*(?:dot|blot)\b)",
        True,
    ),
    rule(
        "haemorrhage_dot",
        True,
        rf"(?:dot|blot|dot(?:\s+(?:and|or)\s+|[\s/-]+)blot)\s+(?:retinal\s+|intraretinal\s+)?(?:{BLEED})|"
        r"(?:dot(?:\s+(?:and|or)\s+|[\s/-]+)blot|dot|blot)(?=\s*(?:,|and|or|/)\s*flame)|"
        rf"intra-?retinal\s+(?:{BLEED})",
        True,
    ),
    rule(
        "cotton_wool_spot",
        True,
        r"(?:cotton[\s-]*wool|soft)\s+(?:spots?|exudates?|patch(?:es)?)|(?-i:CWSs?)|"
        r"soft(?=\s+(?:and|or)\s+hard\s+exudates)",
        True,
    ),
    rule(
        "hard_exudate",
        True,
        r"(?:(?:hard|lipid|yellow|circinate)\s+)*exudat(?:es?|ion)|lipid\s+deposits?|"
        r"hard(?=\s+(?:and|or)\s+soft\s+exudates)",
        True,
    ),
    rule(
        "neovascularisation",
        True,
        rf"(?:(?:tufts?|fronds?|foc(?:us|i)|areas?)\s+of\s+)?(?:{NEW})",
        True,
    ),
    rule(
        "venous_beading",
        True,
        r"(?:segments?\s+of\s+)?venous\s+beading|beaded\s+(?:venous\s+segments?|veins?)|"
        r"beading\s+of\s+the\s+veins",
        True,
    ),
    rule("drusen", True, r"(?:(?:hard|soft|small|large)\s+)?drus(?:en|e)", True),
    rule(
        "geographic_atrophy",
        True,
        r"(?:(?:patch(?:es)?|areas?|zones?)\s+of\s+)?geographic\s+atrophy|(?-i:GA)",
        True,
    ),
    rule(
        "laser_scar",
        True,
        r"(?:(?:pan-?retinal|laser|photocoagulation|prp|focal)\s+)+(?:scars?|marks?|burns?|spots?)|"
        r"photocoagulation",
        True,
    ),
    rule(
        "pigment_change",
        True,
        r"(?:(?:areas?|patch(?:es)?|foc(?:us|i))\s+of\s+)?(?:retinal\s+)?pigment(?:ary|ation)?\s+"
        r"(?:epithel\w+\s+)?(?:changes?|clump(?:s|ing)?|mottling|migration|alterations?|hypertrophy|disturbances?|"
        r"deposits?|irregularit(?:y|ies))|"
        r"mottling",
        True,
    ),
    rule("haemorrhage", True, rf"(?:retinal\s+)?(?:{BLEED})", True),
    rule("lesion", True, r"(?:retinal\s+|diabetic\s+)?lesions", True),
)

VERDICT_RULES: Final[tuple[Rule, ...]] = (
    rule("hypertensive_retinopathy", True, r"hypertensive\s+(?:retinopathy|changes)", True),
    rule(
        "vein_occlusion",
        True,
        r"(?:(?:branch|central)\s+)?(?:retinal\s+)?vein\s+occlusion|[bc]rvo",
        True,
    ),
    rule(
        "pathological_myopia",
        True,
        r"pathologic(?:al)?\s+myopia|myopi(?:a|c)\s+(?:retino|maculo)pathy|high\s+myopia",
        True,
    ),
    rule(
        "macular_oedema",
        2,
        rf"centre-involving\s+(?:{OEDEMA})|(?:{OEDEMA})\s+(?:at|involving)\s+the\s+cent(?:re|er)",
    ),
    rule("macular_oedema", 2, rf"center-involving\s+(?:{OEDEMA})"),
    rule("macular_oedema", 1, rf"(?:{OEDEMA})\s+(?:away\s+from|outside)\s+the\s+cent(?:re|er)"),
    rule("macular_oedema", True, OEDEMA, True),
    *(
        rule("dr_grade", grade, rf"{word}\s+{NPDR}", True)
        for grade, word in enumerate(("mild", "moderate", "severe"), 1)
    ),
    rule(
        "dr_grade",
        4,
        r"(?<!non-)(?<!non )(?:(?:high[\s-]risk|severe|active)\s+)?"
        r"(?:proliferative\s+(?:diabetic\s+)?retinopathy|(?-i:PDR))",
        True,
    ),
    rule(
        "dr_grade",
        True,
        rf"{NPDR}|diabetic\s+(?:retinopathy|maculopathy|eye\s+disease|changes)|background\s+retinopathy",
        True,
    ),
    rule("amd_stage", 1, rf"early\s+(?:{AMD})", True),
    rule("amd_stage", 2, rf"intermediate\s+(?:{AMD})", True),
    rule("amd_stage", 3, rf"(?:late|advanced|neovascular|wet|exudative)\s+(?:{AMD})", True),
    rule("amd_stage", True, rf"{AMD}|macular\s+degeneration", True),
    rule(
        "glaucoma",
        1,
        r"suspected\s+glaucoma(?!tous)|glaucoma\s+suspect|suspicio(?:us|n)\s+(?:for|of)\s+glaucoma",
    ),
    rule(
        "glaucoma",
        2,
        r"glaucoma(?:tous(?:\s+(?:optic\s+neuropathy|damage|changes|cupping|disc))?)?",
        True,
    ),
    rule("cataract", True, r"cataracts?|lens\s+opacit(?:y|ies)", True),
    rule("diabetes", True, r"diabetes(?:\s+mellitus)?|diabetic\s+patient", True),
    *(rule("ethnicity", name, name) for name in ETHNICITIES),
    rule("sex", "female", r"woman|female|lady"),
    rule("sex", "male", r"man|male|gentleman"),
)
