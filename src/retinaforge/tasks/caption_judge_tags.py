"""LMOD's six ways in which a vision-language model fails, found in a caption by its claims.

LMOD (arXiv 2410.01620) read answers by eye and named six modes: misclassification, failure to
abstain, inconsistent reasoning, hallucination, assertions without justification, lack of
domain-specific knowledge. Its names are kept; the rules are ours, so that a machine can apply them,
and they see only what `captions.parse` can read. A claim has one fault at most, looked for in this
order:

inconsistent: two plain claims of the caption exclude each other, or a grade and the lesions named
    beside it do (no retinopathy, and microaneurysms).
no-knowledge: it says what nobody with the knowledge would: a value that cannot be (a cup-to-disc
    ratio of 1.4), things that a fundus photograph does not show (OCT layers, the cornea, pressure),
    a sign taken for another disease's (drusen, hence diabetic retinopathy), the fovea in the disc.
fail-to-abstain: it judges what cannot be judged: a grade or disease in a photograph whose record
    says "reject", the macula where the fovea lies outside the field. Right or wrong: nobody can see
    it there, so a writer that copies such a grade from a phantom's truth has this fault too.
hallucinate: it describes what is not there: a lesion or finding that the record rules out; in a
    drawn eye, whose record is whole, also what the record does not know; an age or a camera that
    nobody stated.
misclassify: what is there, it takes for something else: the other eye, a wrong grade, count, place,
    colour or size, or a present lesion denied.
unjustified: it names a disease or grade without any sign of it in the same caption.

A hedged claim ("possibly") has no fault but "no-knowledge".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from retinaforge.captions.answers_clash import clash, denies
from retinaforge.captions.claims import GROUPS, Claim, Claims
from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.lint import LintRules, lint
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord

TAGS: Final = (
    "misclassify",
    "fail-to-abstain",
    "inconsistent",
    "hallucinate",
    "unjustified",
    "no-knowledge",
)
HAEMORRHAGES = ("haemorrhage", *GROUPS["haemorrhage"])
SIGNS: Final[Mapping[str, tuple[str, ...]]] = {
    "dr_grade": (
        "microaneurysm", *HAEMORRHAGES, "hard_exudate", "cotton_wool_spot", "neovascularisation",
        "irma", "venous_beading", "laser_scar", "lesion",
    ),
    "macular_oedema": ("hard_exudate", "microaneurysm", "lesion"),
    "amd_stage": ("drusen", "geographic_atrophy", "pigment_change", *HAEMORRHAGES, "lesion"),
    "glaucoma": (
        "cup_to_disc", "rim_notch", "nerve_fibre_layer", "disc_haemorrhage", "disc_colour",
        "peripapillary_atrophy",
    ),
    "hypertensive_retinopathy": (
        "artery_vein_ratio", "cotton_wool_spot", *HAEMORRHAGES, "hard_exudate", "disc_margin",
        "tortuosity", "lesion",
    ),
    "pathological_myopia": (
        "tessellation", "peripapillary_atrophy", "geographic_atrophy", "pigment_change", "lesion",
    ),
    "cataract": ("haze", "blur", "quality"),
    "vein_occlusion": (*HAEMORRHAGES, "cotton_wool_spot", "tortuosity", "disc_margin", "lesion"),
}  # fmt: skip
"""Signs that a fundus photograph can show of each disease; textbook knowledge, kept wide."""
OF_RETINA = tuple(name for name in HAEMORRHAGES if name != "disc_haemorrhage")
"""A splinter at the disc's margin is a sign of glaucoma and none of diabetes."""
BEYOND_MILD = (*OF_RETINA, "hard_exudate", "cotton_wool_spot", "irma", "venous_beading",
               "neovascularisation")  # fmt: skip
BEYOND_SEVERE = ("neovascularisation", "preretinal_haemorrhage")
OF_DIABETES = ("microaneurysm", *BEYOND_MILD)
UNSEEN: Final = re.compile(
    r"\b(?:OCT|optical coherence|ellipsoid|(?:intra|sub)retinal fluid|B-scan|ultrasound|cornea\w*"
    r"|iris|anterior chamber|conjunctiva\w*|eyelids?|intraocular pressure|visual acuity"
    r"|visual fields?|axial length|choroidal thickness|retinal thickness)\b",
    re.IGNORECASE,
)
ANATOMY: Final = re.compile(
    r"\b(?:fovea|macula)\b[^.;]{0,30}\b(?:inside|within|in the centre of|at the centre of)\b"
    r"[^.;]{0,12}"
    r"\b(?:optic )?disc\b"
    r"|\b(?:not familiar with|do(?:es)? not know what|unfamiliar with)\b",
    re.IGNORECASE,
)
LINK: Final = re.compile(
    r"\b(?:indicat\w+|suggest\w*|consistent with|diagnostic of|because|hence|therefore|thus"
    r"|confirm\w*|support\w*|point\w* to|typical (?:of|for)|signs? of|due to|caused by"
    r"|characteristic of)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[^.;!?]*(?:\.\d[^.;!?]*)*[.;!?]?")
RULES = LintRules(diagnosis=True)
WRONG = ("side", "disc-side", "number", "word", "count", "place", "contradicts-record")
FAINT = frozenset(("blurred", "pale", "defect", "faint", "reject", "usable"))


def failure_tags(text: str, record: EyeRecord) -> dict[str, tuple[str, ...]]:
    """Return the tags of a caption, each with the words that earned it; {} for a sound one.

    Args:
        text: the caption.
        record: what is true of the eye.
    """
    read = read_claims(text)
    plain = [claim for claim in read.claims if not claim.hedged]
    found: dict[str, list[str]] = {tag: [] for tag in TAGS}
    taken: set[tuple[int, int]] = set()

    def note(tag: str, *claims: Claim, words: str = "") -> None:
        found[tag].append(words or " / ".join(claim.words for claim in claims))
        taken.update(claim.span for claim in claims)

    for pair in _inconsistent(plain):
        note("inconsistent", *pair)
    for match in (*UNSEEN.finditer(text), *ANATOMY.finditer(text)):
        note("no-knowledge", words=match.group())
    for claims in (*_impossible(plain), *_wrong_links(read)):
        note("no-knowledge", *claims)
    for claim in _unjudgeable(plain, record):
        if claim.span not in taken:
            note("fail-to-abstain", claim)
    for tag, claim in _against(text, plain, record):
        if claim.span not in taken:
            note(tag, claim)
    for claim in _unjustified(plain):
        if claim.span not in taken:
            note("unjustified", claim)
    return {tag: tuple(dict.fromkeys(words)) for tag, words in found.items() if words}


def _inconsistent(plain: Sequence[Claim]) -> Iterator[tuple[Claim, Claim]]:
    for n, first in enumerate(plain):
        for second in plain[n + 1 :]:
            graded = _grade_clash(first, second), _grade_clash(second, first)
            sign = second if graded[0] else first
            if clash(first, second) or (any(graded) and not _explained(sign, plain)):
                yield first, second


def _explained(sign: Claim, plain: Sequence[Claim]) -> bool:
    """Say whether another disease that the caption names accounts for a sign of retinopathy."""
    return any(
        sign.fact in SIGNS.get(claim.fact, ()) and not denies(claim)
        for claim in plain
        if claim.fact not in ("dr_grade", "macular_oedema")
    )


def _grade_clash(grade: Claim, sign: Claim) -> bool:
    """Say whether a grade of retinopathy rules out a sign that is asserted beside it."""
    if grade.fact != "dr_grade" or denies(sign):
        return False
    most = 0.0 if grade.negated and grade.low <= 1 else grade.high
    if grade.negated and grade.low > 1:
        return False
    if most < 1:
        return sign.fact in OF_DIABETES
    return sign.fact in (BEYOND_MILD if most < 2 else BEYOND_SEVERE if most < 4 else ())


def _impossible(plain: Sequence[Claim]) -> Iterator[tuple[Claim]]:
    for claim in plain:
        kind = FACT.get(claim.fact)
        if kind is None or kind.kind != "number" or claim.negated:
            continue
        if claim.low > kind.high or claim.high < kind.low:
            yield (claim,)


def _wrong_links(read: Claims) -> Iterator[tuple[Claim, ...]]:
    """Yield a disease with the signs that its sentence derives it from, where none is of it."""
    for match in SENTENCE.finditer(read.text):
        if not LINK.search(match.group()):
            continue
        start, end = match.span()
        here = [c for c in read.claims if start <= c.span[0] < end and not denies(c)]
        signs = [claim for claim in here if claim.is_count]
        for claim in here:
            of_it = SIGNS.get(claim.fact, ())
            if of_it and signs and not any(sign.fact in of_it for sign in here):
                yield claim, *signs


def _unjudgeable(plain: Sequence[Claim], record: EyeRecord) -> Iterator[Claim]:
    rejected, outside = record.value("quality") == "reject", record.value("fovea_in_view") is False
    for claim in plain:
        kind = FACT.get(claim.fact)
        topic = "lesions" if kind is None else kind.topic
        of_macula = claim.fact == "macular_oedema" or {"macula", "fovea"} & set(claim.places)
        if (rejected and topic == "verdict") or (
            outside
            and claim.fact != "fovea_in_view"
            and (topic == "macula" or (of_macula and topic in ("lesions", "verdict")))
        ):
            yield claim


def _against(text: str, plain: Sequence[Claim], record: EyeRecord) -> Iterator[tuple[str, Claim]]:
    """Yield what lint finds wrong with plain claims: invented, or taken for something else."""
    claims = {claim.span: claim for claim in plain}
    for each in lint(text, record, RULES):
        claim = claims.get(each.span)
        if claim is None or each.severity != "error":
            continue
        if each.code == "unsupported":
            kind = FACT.get(claim.fact)
            person = kind is not None and kind.topic == "person"
            if (record.synthetic and not denies(claim)) or person:
                yield "hallucinate", claim
        elif each.code in WRONG:
            yield ("hallucinate" if _invented(claim, record) else "misclassify"), claim


def _invented(claim: Claim, record: EyeRecord) -> bool:
    """Say whether a claim asserts a lesion or finding of which the record says that it is not."""
    if denies(claim):
        return False
    if claim.fact in GROUPS:
        return True
    kind = FACT[claim.fact]
    return kind.kind in ("count", "flag") and not kind.diagnosis and not record.value(claim.fact)


def _unjustified(plain: Sequence[Claim]) -> Iterator[Claim]:
    for claim in plain:
        signs = SIGNS.get(claim.fact)
        if signs and not denies(claim) and not any(_shows(each, signs) for each in plain):
            yield claim


def _shows(claim: Claim, signs: Sequence[str]) -> bool:
    """Say whether a claim names one of the signs, as something that is not as it should be."""
    if claim.fact not in signs or denies(claim):
        return False
    if claim.fact == "cup_to_disc":
        return claim.low >= 0.5
    if claim.fact == "artery_vein_ratio":
        return claim.high <= 0.67
    if claim.fact == "tortuosity":
        return claim.low >= 1.04
    if claim.fact not in GROUPS and FACT[claim.fact].kind == "choice":
        return claim.value in FAINT
    return True
