"""Every caption against its record: sides, numbers, counts, contradictions, what nobody found.

    for finding in lint("Left eye with drusen.", record):
        print(finding.severity, finding.code, finding.message)

Numbers in captions are checked against measured values (the need that MedVision shows: models
that look are poor at sizes); a finding may be asked to bring its evidence region, as FundusExpert
does. What the parser cannot read is not checked: `silent` is all that lint knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from retinaforge.captions.claims import GROUPS, Claim, Claims, agrees, fact_for
from retinaforge.captions.facts import FACT, plain
from retinaforge.captions.lint_codes import Finding, finding
from retinaforge.captions.lint_pairs import contradictions
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord, Fact

TOLERANCE: Final[Mapping[str, float]] = {
    "cup_to_disc": 0.05,
    "vessel_density": 0.1,
    "artery_vein_ratio": 0.03,
    "tortuosity": 0.005,
    "pigmentation": 0.05,
    "age": 1.0,
}
"""How far a measured value may lie outside what a number or word allows, in the fact's unit."""
NASAL: Final = {"OD": "right", "OS": "left"}
"""Where the disc lies in an upright, unmirrored photograph that is centred on the macula."""


class UnknownTokens(Protocol):
    """What of a text a tokeniser has no tokens for (`generators.text_unknown.Unknown`)."""

    @property
    def tokens(self) -> int:
        """Return the tokens of the text."""
        ...

    @property
    def unknown(self) -> int:
        """Return those of them that stand for something unknown."""
        ...

    def said(self) -> str:
        """Return it in words."""
        ...


@dataclass(frozen=True)
class LintRules:
    """What a caption is held to.

    Attributes:
        diagnosis: diseases and grades may be named.
        words: fewest and most words.
        tokens: counts the tokens of a text as the text encoder does, its special ones included.
        most_tokens: as many tokens as the text encoder reads.
        unknown: says what of a text the text encoder's tokeniser has no tokens for.
        regions: facts that must bring a box when they are asserted (those with masks).
        tolerance: by fact, as `TOLERANCE`; facts left out have its values.
    """

    diagnosis: bool = False
    words: tuple[int, int] = (20, 210)
    tokens: Callable[[str], int] | None = None
    most_tokens: int = 256
    unknown: Callable[[str], UnknownTokens] | None = None
    regions: Collection[str] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)

    def tolerance_of(self, fact: str) -> float:
        """Return the tolerance of a fact, in its unit."""
        return self.tolerance.get(fact, TOLERANCE.get(fact, 0.0))


DEFAULT: Final = LintRules()


class NumberChecked(NamedTuple):
    """A number in a caption, the measured value, and how far the two are apart.

    Attributes:
        fact, words, unit: which measurement, the caption's words, the unit.
        said: the number.
        measured: the record's value; NaN where it has none.
        error: said - measured; NaN where there is none.
        right: within the tolerance; False where nothing was measured.
    """

    fact: str
    words: str
    unit: str
    said: float
    measured: float
    error: float
    right: bool


def lint(text: str, record: EyeRecord, rules: LintRules = DEFAULT) -> list[Finding]:
    """Return what is wrong with a caption, in its order; what is about the whole comes first."""
    if not text.strip():
        return [finding("empty", "the caption has no words", expected="a caption")]
    read = read_claims(text)
    found = [*_whole(read, rules), *contradictions(read.claims)]
    for claim in read.claims:
        found += _claim(claim, read, record, rules)
    return sorted(found, key=lambda each: each.span)


def _whole(read: Claims, rules: LintRules) -> Iterator[Finding]:
    number = len(read.text.split())
    fewest, most = rules.words
    if number < fewest:
        yield finding("too-short", f"{number} words", expected=f"{fewest} or more", got=str(number))
    if number > most:
        yield finding("too-long", f"{number} words", expected=f"{most} or fewer", got=str(number))
    if not read.claims:
        yield finding("silent", "nothing that can be checked is said", expected="a claim")
    if rules.tokens is not None and (count := rules.tokens(read.text)) > rules.most_tokens:
        lost = count - rules.most_tokens
        yield finding(
            "truncated",
            f"{lost} of {count} tokens are lost to the text encoder",
            expected=f"{rules.most_tokens} or fewer",
            got=str(count),
        )
    if rules.unknown is not None and (lost := rules.unknown(read.text)).unknown:
        yield finding("unknown-tokens", lost.said(), expected="words that the encoder learnt")


def _claim(claim: Claim, read: Claims, record: EyeRecord, rules: LintRules) -> Iterator[Finding]:
    if claim.hedged:
        yield finding("hedge", f'"{claim.words}" is left open', claim.span, got=claim.words)
    kind = FACT.get(claim.fact)
    if kind is not None and kind.diagnosis and not rules.diagnosis:
        said = f'"{claim.words}" names a disease though nobody asked'
        yield finding("diagnosis", said, claim.span, "no diagnosis", claim.words)
        return
    if claim.fact == "disc_side" and claim.fact not in record.facts:
        yield from _disc_side(claim, read, record)
        return
    if agrees(claim, record) is None:
        said = f'"{claim.words}": the record knows nothing of {claim.fact.replace("_", " ")}'
        yield finding("unsupported", said, claim.span, "a fact", claim.words)
    elif (fact := fact_for(claim, record)) is not None:
        yield from _against(claim, fact, record, rules)
    else:
        yield from _group(claim, record)


def _group(claim: Claim, record: EyeRecord) -> Iterator[Finding]:
    if not agrees(claim, record):
        there = [name for name in GROUPS[claim.fact] if record.value(name)]
        expected = ", ".join(there) or "none"
        said = f'"{claim.words}" against the record: {expected}'
        yield finding("contradicts-record", said, claim.span, expected, _got(claim))


def _disc_side(claim: Claim, read: Claims, record: EyeRecord) -> Iterator[Finding]:
    """Without the disc's own place, the nose side of the named eye is the best guess."""
    eyes = {str(each.value) for each in read.of("eye") if not each.negated}
    known = record.value("eye")
    eye = str(known) if known is not None else next(iter(eyes)) if len(eyes) == 1 else ""
    if eye and claim.value not in (NASAL[eye], "centre"):
        said = f"the disc of {eye} lies {NASAL[eye]} in an upright photograph"
        yield finding("disc-side", said, claim.span, NASAL[eye], str(claim.value), "warning")
    elif not eye:
        said = "the record knows neither the eye nor where its disc lies"
        yield finding("unsupported", said, claim.span, "a fact", claim.words)


def _against(claim: Claim, fact: Fact, record: EyeRecord, rules: LintRules) -> Iterator[Finding]:
    kind = FACT[fact.name]
    if kind.kind == "number" and not claim.negated:
        yield from _number(claim, fact, rules)
        return
    if not agrees(claim, record):
        yield _wrong(claim, fact)
    if kind.kind == "count" and fact.value and not claim.negated:
        yield from _lesion(claim, fact, rules)


def _wrong(claim: Claim, fact: Fact) -> Finding:
    expected, got = plain(FACT[fact.name], fact.value), _got(claim)
    code = "contradicts-record"
    if fact.name == "eye":
        code = "side"
    elif fact.name == "disc_side":
        code = "disc-side"
    elif claim.is_count and bool(fact.value) and not claim.negated:
        code = "count"
    said = f'"{got}" against the record: {expected}'
    return finding(code, said, claim.span, expected, got)


def _lesion(claim: Claim, fact: Fact, rules: LintRules) -> Iterator[Finding]:
    name = fact.name.replace("_", " ")
    if (fact.value is True and claim.low != 1) or (fact.value is True and claim.high == 1):
        said = f'"{_got(claim)}": nobody counted {name}'
        yield finding("count-unchecked", said, claim.span, "a count", _got(claim))
    for place in claim.places if fact.places else ():
        if place not in fact.places:
            there = ", ".join(fact.places)
            yield finding("place", f"{name} lie: {there}", claim.span, there, place)
    if fact.name in rules.regions and not fact.boxes:
        said = f'"{claim.words}" without a region that shows it'
        yield finding("no-region", said, claim.span, "a box", "none")


def _number(claim: Claim, fact: Fact, rules: LintRules) -> Iterator[Finding]:
    measured = float(fact.value)
    off = max(claim.low - measured, measured - claim.high, 0.0)
    tolerance = rules.tolerance_of(claim.fact)
    if off <= tolerance + 1e-9:
        return
    code = "word" if isinstance(claim.value, str) else "number"
    said = (
        f'"{claim.words}": {off:.3g} outside the measured {measured:.4g} (tolerance {tolerance:g})'
    )
    yield finding(code, said, claim.span, f"{measured:.4g}", str(claim.value))


def _got(claim: Claim) -> str:
    if claim.negated:
        return f"no {claim.words}"
    if claim.is_count and claim.low == claim.high:
        return f"{claim.low:g} {claim.words}"
    if claim.is_count and claim.high != float("inf"):
        return f"{claim.low:g}-{claim.high:g} {claim.words}"
    return claim.words


def numbers(text: str, record: EyeRecord, rules: LintRules = DEFAULT) -> list[NumberChecked]:
    """Return each number of a caption with the measured value and the error, right or wrong."""
    checked: list[NumberChecked] = []
    for claim in read_claims(text).claims:
        kind = FACT.get(claim.fact)
        if kind is None or kind.kind != "number" or isinstance(claim.value, str):
            continue
        known, said = record.value(claim.fact), float(claim.value)
        measured = float("nan") if known is None else float(known)
        off = max(claim.low - measured, measured - claim.high, 0.0)
        right = known is not None and off <= rules.tolerance_of(claim.fact) + 1e-9
        checked.append(
            NumberChecked(
                claim.fact, claim.words, kind.unit, said, measured, said - measured, right
            )
        )
    return checked
