"""How far "no", "possibly" and the like reach.

Negation reaches from its cue over a list of bare names ("no A, B or C"; "free of A and B") and no
further than the next verb or contrast; a cue after a list ("A and B are absent") reaches back to
the last verb. The idea is NegEx's (Chapman et al., J Biomed Inform 34 (2001) 301-310); the cues
and the bounds are ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

CUE_BEFORE: Final = re.compile(
    r"\b(?:free\s+(?:of|from)|without|absence\s+of|devoid\s+of|lack(?:s|ing)?|negative\s+for|"
    r"(?:do|does|did)\s+not\s+(?:suggest|show|reveal|contain|have)|rules?\s+out|neither|nor|"
    r"not?|nil|never)\b(?!\s+(?:only|just))",
    re.IGNORECASE,
)
CUE_AFTER: Final = re.compile(
    r"^\W*(?:\w+\s+){0,2}?(?:is|are|was|were|be|been)\s+(?:also\s+)?"
    r"(?:absent|not\s+(?:seen|present|visible|noted|evident|detected|identified|found|appreciated|"
    r"observed)|lacking|missing|ruled\s+out)\b|^\W*(?:absent|not\s+seen|ruled\s+out)\b",
    re.IGNORECASE,
)
BREAK: Final = re.compile(
    r"\b(?:but|however|although|though|whereas|while|except|yet|besides|apart|other\s+than)\b|[;:]",
    re.IGNORECASE,
)
VERB: Final = re.compile(
    r"\b(?:is|are|was|were|has|have|shows?|appears?|reveals?|demonstrates?|contains?|displays?|"
    r"exhibits?|presents?|lies|there|measures)\b",
    re.IGNORECASE,
)
FILLER: Final = re.compile(
    r"^[\s,/]*(?:and/or|and|or|nor)?[\s,]*(?:(?:any|other|signs?|evidence|of|significant|"
    r"visible|obvious|definite|clear|further|associated|retinal|frank|new|distinct|bright|active|"
    r"overlying|the|macular|peripheral|foveal|macula|large)[\s,]+)*$",
    re.IGNORECASE,
)
NEAR: Final = re.compile(
    r"^\s*(?:(?!(?:and|with|but|is|are|shows?|has|have)\s)[\w'/-]+\s+){0,6}$", re.IGNORECASE
)
HEDGE_BEFORE: Final = re.compile(
    r"\b(?:possibl[ey]|probabl[ey]|likely|suspect(?:ed)?|suspicious\s+for|(?<!not\s)suggest(?:s|ive|ing)?(?:\s+of)?|"
    r"(?:can\s*not|cannot|can't|could\s+not)\s+(?:be\s+)?(?:excluded?|ruled?\s+out)|may|might|could|"
    r"questionable|presumed|equivocal|apparent|query|concerning\s+for|\?)",
    re.IGNORECASE,
)
HEDGE_AFTER: Final = re.compile(
    r"^\W*(?:\w+\s+){0,2}?(?:(?:is|are)\s+(?:likely|possible|probable|suspected|questionable)|"
    r"(?:can\s*not|cannot|can't|could\s+not)\s+be\s+(?:excluded|ruled\s+out))\b",
    re.IGNORECASE,
)


SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|;|\n+")


class Mention(NamedTuple):
    """Where something is named: its span in the text, and whether it can be denied."""

    start: int
    end: int
    exists: bool


def denied(mentions: Sequence[Mention], blank: str, bounds: tuple[int, int]) -> list[bool]:
    """Say which mentions of one sentence are denied.

    Args:
        mentions: of one sentence, in order.
        blank: the caption with the words for places blanked.
        bounds: where the sentence begins and ends in it.
    """
    result = [False] * len(mentions)
    for cue in CUE_BEFORE.finditer(blank, *bounds):
        _reach_on(cue, mentions, blank, result)
    for n, mention in enumerate(mentions):
        stop = mentions[n + 1].start if n + 1 < len(mentions) else bounds[1]
        if CUE_AFTER.search(blank[mention.end : stop]) and mention.exists:
            _reach_back(n, mentions, blank, result)
    return result


def _reach_on(
    cue: re.Match[str], mentions: Sequence[Mention], blank: str, result: list[bool]
) -> None:
    after = [n for n, mention in enumerate(mentions) if mention.start >= cue.end()]
    if not after or _inside(cue, mentions):
        return
    first = after[0]
    if not NEAR.search(blank[cue.end() : mentions[first].start]) or not mentions[first].exists:
        return
    result[first] = True
    for n in after[1:]:
        filler = FILLER.search(blank[mentions[n - 1].end : mentions[n].start])
        if filler is None or not mentions[n].exists:
            return
        result[n] = True


def _inside(cue: re.Match[str], mentions: Sequence[Mention]) -> bool:
    return any(mention.start <= cue.start() < mention.end for mention in mentions)


def _reach_back(last: int, mentions: Sequence[Mention], blank: str, result: list[bool]) -> None:
    result[last] = True
    for n in range(last - 1, -1, -1):
        filler = FILLER.search(blank[mentions[n].end : mentions[n + 1].start])
        if filler is None or not mentions[n].exists:
            return
        result[n] = True


def hedged(mentions: Sequence[Mention], blank: str, bounds: tuple[int, int]) -> list[bool]:
    """Say which mentions of one sentence are left open; a hedge reaches as a negation does."""
    result = [False] * len(mentions)
    for cue in HEDGE_BEFORE.finditer(blank, *bounds):
        _reach_hedge(cue, mentions, blank, result)
    for n, mention in enumerate(mentions):
        stop = mentions[n + 1].start if n + 1 < len(mentions) else bounds[1]
        if HEDGE_AFTER.search(blank[mention.end : stop]):
            result[n] = True
    return result


def _reach_hedge(
    cue: re.Match[str], mentions: Sequence[Mention], blank: str, result: list[bool]
) -> None:
    after = [n for n, mention in enumerate(mentions) if mention.start >= cue.end()]
    if not after or _inside(cue, mentions):
        return
    between = blank[cue.end() : mentions[after[0]].start]
    if BREAK.search(between) or len(between.split()) > 6:
        return
    result[after[0]] = True
    for n in after[1:]:
        filler = FILLER.search(blank[mentions[n - 1].end : mentions[n].start])
        if filler is None:
            return
        result[n] = True
