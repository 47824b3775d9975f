"""What is wrong with a model's caption, in sentences that it can be sent back with."""

from __future__ import annotations

from collections.abc import Sequence

from retinaforge.captions.lint import LintRules, lint
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord
from retinaforge.captions.writer_checked import Check
from retinaforge.tasks.pairs import Pair

SHORT = 40
"""Words: the template's captions of nothing have 20 to 30."""


def check_for(*, diagnosis: bool) -> Check:
    """Return what finds the lies in a caption: the errors that `captions.lint` sees.

    Findings head with lint's code. That the record knows nothing of a claim counts only for a drawn
    eye, whose record is whole; of a photograph, what a model sees beyond its record may be there.

    Args:
        diagnosis: whether a disease may be named.
    """
    rules = LintRules(diagnosis=diagnosis)

    def wrong_with(text: str, record: EyeRecord) -> list[str]:
        found = [each for each in lint(text, record, rules) if each.severity == "error"]
        told = [each for each in found if each.code != "unsupported" or record.synthetic]
        return list(dict.fromkeys(f"{each.code}: {each.message}" for each in told))

    return wrong_with


def silent(pairs: Sequence[Pair]) -> int:
    """Return how many images have a caption of which the parser reads no claim.

    A template fills up to the fewest words with what is true of every photograph, so that only
    short captions can say nothing; longer ones are not read.
    """
    short = (pair.text for pair in pairs if len(pair.text.split()) <= SHORT)
    return sum(not read_claims(text).claims for text in short)


def label_of(*, diagnosis: bool) -> str:
    """Return the check's name, which goes into the version of what it checks."""
    return f"lint 1, diagnosis {diagnosis}"
