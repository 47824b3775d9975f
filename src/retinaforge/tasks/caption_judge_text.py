"""How alike two texts are, word by word: BLEU, ROUGE-L, METEOR. None of them knows what is true.

Words are lower-case runs of letters and digits, numbers whole, each punctuation mark by itself.
Several references of one text are its paraphrases; each score takes them as its paper does.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[^\w\s]")
Words = Sequence[str]


def words_of(text: str) -> list[str]:
    """Return the words of a text."""
    return WORD.findall(text.lower())


def bleu(
    estimates: Sequence[Words], references: Sequence[Sequence[Words]], grams: int = 4
) -> float:
    """Return corpus BLEU, 0 to 1; NaN without a word.

    BP exp(1/N sum log p_n), p_n the clipped n-gram precision over the corpus, N = 4,
    BP = min(1, exp(1 - r/c)), r the reference length closest to each estimate's. Without smoothing:
    one p_n of 0 makes the whole 0.

    References: K. Papineni et al., ACL 2002.
    """
    hits, counts = [0] * grams, [0] * grams
    length = closest = 0
    for estimate, refs in zip(estimates, references, strict=True):
        length += len(estimate)
        closest += min((abs(len(ref) - len(estimate)), len(ref)) for ref in refs)[1]
        for n in range(grams):
            found = _grams(estimate, n + 1)
            most: Counter[tuple[str, ...]] = Counter()
            for ref in refs:
                most |= _grams(ref, n + 1)
            hits[n] += (found & most).total()
            counts[n] += found.total()
    if not length:
        return math.nan
    if min(hits) == 0:
        return 0.0
    shares = sum(math.log(h / c) for h, c in zip(hits, counts, strict=True)) / grams
    return min(1.0, math.exp(1 - closest / length)) * math.exp(shares)


def _grams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def rouge_l(estimate: Words, references: Sequence[Words]) -> float:
    """Return ROUGE-L's F1 of one text, 0 to 1, the best of the references.

    2PR/(P+R), P and R the longest common subsequence over the lengths; 0 for a text without a
    word, NaN where no reference has one.

    References: C.-Y. Lin, ACL workshop 2004, with beta = 1 as common since.
    """
    if not any(references):
        return math.nan
    return max(_rouge_l(estimate, ref) for ref in references if ref)


def _rouge_l(estimate: Words, reference: Words) -> float:
    row = [0] * (len(reference) + 1)
    for word in estimate:
        before = 0
        for j, other in enumerate(reference, 1):
            before, row[j] = row[j], before + 1 if word == other else max(row[j], row[j - 1])
    return 2 * row[-1] / (len(estimate) + len(reference))


def meteor(estimate: Words, references: Sequence[Words]) -> float:
    """Return METEOR of one text by exact matches, 0 to 1, the best of the references.

    Fmean (1 - penalty), Fmean = 10PR/(R + 9P), penalty = 0.5 (chunks/matches)^3. Neither stems nor
    synonyms (they need WordNet, a download), so it is lower than the whole METEOR. A word goes
    on with the run of the word before it, or else starts the longest one, which keeps chunks few.
    0 for a text without a word, NaN where no reference has one.

    References: S. Banerjee, A. Lavie, ACL workshop 2005.
    """
    if not any(references):
        return math.nan
    return max(_meteor(list(estimate), list(ref)) for ref in references if ref)


def _meteor(estimate: Words, reference: Words) -> float:
    matched = _aligned(estimate, reference)
    matches = sum(place is not None for place in matched)
    if not matches:
        return 0.0
    ends = [None, *matched]
    chunks = sum(
        place is not None and (before is None or place != before + 1)
        for before, place in zip(ends, matched, strict=False)
    )
    precision, recall = matches / len(estimate), matches / len(reference)
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (chunks / matches) ** 3)


def _aligned(estimate: Words, reference: Words) -> list[int | None]:
    """Return for each word its place in the reference; each place is taken once."""
    free: dict[str, list[int]] = {}
    for place, word in enumerate(reference):
        free.setdefault(word, []).append(place)
    matched: list[int | None] = []
    before: int | None = None
    for n, word in enumerate(estimate):
        places = free.get(word) or []
        after = None if before is None else before + 1
        if after not in places:
            after = max(places, key=lambda at: _run(estimate, n, reference, at), default=None)
        if after is not None:
            places.remove(after)
        matched.append(after)
        before = after
    return matched


def _run(estimate: Words, n: int, reference: Words, at: int) -> int:
    """Return how many words from here on are the same in both."""
    size = 0
    for one, other in zip(estimate[n:], reference[at:], strict=False):
        if one != other:
            break
        size += 1
    return size
