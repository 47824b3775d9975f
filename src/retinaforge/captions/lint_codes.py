"""What can be wrong with a caption: one table that lint, tests and documents share."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Severity = Literal["error", "warning", "info"]


class Code(NamedTuple):
    """One kind of finding: how grave it is, what it means, and a caption that has it."""

    name: str
    severity: Severity
    meaning: str
    example: str


CODES: Final[tuple[Code, ...]] = (
    Code("side", "error", "names the other eye than the record", "left eye, of an OD"),
    Code(
        "disc-side",
        "error",
        "puts the disc where the record does not; without that fact, on the temporal side of the "
        "named eye (then a warning: the picture may be mirrored or off-centre)",
        "right eye, disc on the left of the image",
    ),
    Code(
        "number",
        "error",
        "a number is further from the measured value than the tolerance",
        "cup-to-disc ratio of 0.8, where 0.45 was measured",
    ),
    Code(
        "word",
        "error",
        "a word for a number is wrong for the measured value",
        "a large cup, where 0.35 was measured",
    ),
    Code(
        "count",
        "error",
        "another number of lesions than the record's",
        "three microaneurysms, of 12",
    ),
    Code(
        "count-unchecked",
        "info",
        "a number of lesions that nobody counted",
        "three microaneurysms, where the record says only that there are some",
    ),
    Code("place", "error", "a lesion lies elsewhere", "exudates in the macula, all superior"),
    Code(
        "contradicts-record",
        "error",
        "says the opposite of the record",
        "no drusen, where the record has 14; a pale rim, where it is pink",
    ),
    Code(
        "contradicts-itself",
        "error",
        "two statements of the caption exclude each other",
        "no haemorrhages ... several flame haemorrhages",
    ),
    Code("unsupported", "error", "a claim of which the record knows nothing", "drusen"),
    Code(
        "no-region",
        "error",
        "a finding without evidence region, where its masks exist (an option)",
        "hard exudates, whose fact has no box",
    ),
    Code("diagnosis", "error", "a disease is named though nobody asked", "signs of glaucoma"),
    Code("hedge", "warning", "a claim is left open", "possibly drusen; cannot exclude oedema"),
    Code("empty", "error", "no words at all; alone then", "two spaces"),
    Code("too-short", "warning", "fewer words than asked for", "Right eye."),
    Code("too-long", "warning", "more words than asked for", "a page"),
    Code(
        "truncated",
        "error",
        "more tokens than the text encoder reads; says how many are lost",
        "a caption of 300 tokens, cut at 256",
    ),
    Code(
        "unknown-tokens",
        "warning",
        "words, or a script, that the text encoder has no tokens for; says the share",
        "右眼, to an encoder that was taught English captions",
    ),
    Code("silent", "warning", "nothing that the parser can read as a claim", "I cannot help."),
)
CODE: Final = MappingProxyType({each.name: each for each in CODES})


class Finding(NamedTuple):
    """One thing that is wrong with a caption.

    Attributes:
        code: of `CODES`.
        severity: "error", "warning" or "info".
        message: a sentence for people.
        span: first character of the words it is about and the one after their last; (0, 0) where
            it is about the whole.
        expected, got: what the record (or the limit) says and what the caption says, in words.
    """

    code: str
    severity: Severity
    message: str
    span: tuple[int, int] = (0, 0)
    expected: str = ""
    got: str = ""


def finding(
    code: str,
    message: str,
    span: tuple[int, int] = (0, 0),
    expected: str = "",
    got: str = "",
    severity: Severity | None = None,
) -> Finding:
    """Return a finding with the severity of its code, or a milder one."""
    return Finding(code, severity or CODE[code].severity, message, span, expected, got)


def lint_card() -> str:
    """Return the table of codes as Markdown."""
    rows = [f"| `{c.name}` | {c.severity} | {c.meaning} | {c.example} |" for c in CODES]
    return "\n".join(["| code | severity | meaning | example |", "|---|---|---|---|", *rows]) + "\n"
