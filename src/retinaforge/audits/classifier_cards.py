"""Cards of the audits of classifiers: attributes, masking, degradation, attribution."""

from __future__ import annotations

from retinaforge.core import Card
from retinaforge.core.card import Direction

SHAKEN = 4.0
"""Largest noise of the sensitivity of an attribution, grey levels."""


def _card(
    name: str, span: str, direction: Direction, smallest_n: int,
    measures: str, reference: str, misleads: str,
) -> Card:  # fmt: skip
    return Card(
        name=name, version=1, measures=measures, range=span, direction=direction, unit="1",
        smallest_n=smallest_n, reference=reference, known_failure=misleads,
    )  # fmt: skip


ATTRIBUTE_CARD = _card(
    "attribute_kept", "[-1, 1]", "neither", 20,
    "AUROC (of a number: concordance) of a probe, taught on real images, for what synthetic images "
    "were asked to show, minus the same on real images of other patients",
    "this package; the notion of amplification: Zhao et al., EMNLP 2017",
    "a probe that fails on synthetic images for another reason (their sharpness, their colours) "
    "looks like an attribute that was erased: read the probe taught on synthetic images beside it",
)  # fmt: skip
ASSOCIATION_CARD = _card(
    "attribute_association", "[-0.5, 0.5]", "lower is better", 20,
    "how far the attribute's score goes with a label, |AUROC - 1/2|, in synthetic images minus in "
    "real ones",
    "this package, after Zhao et al., EMNLP 2017",
    "|A - 1/2| is biased upwards on few images: sets of unlike size differ by it",
)  # fmt: skip
MASKING_CARD = _card(
    "masked_auroc", "[0, 1]", "neither", 20,
    "AUROC of a classifier on images of which a part is hidden, with DeLong's test against chance "
    "and against the whole image",
    "Sourget et al., arXiv 2412.04030; DeLong et al. 1988",
    "the hidden part's outline stays visible: a large cup is not, a large disc is; a mask that "
    "misses part of the disc hides nothing; lesions near the rim are in the border",
)  # fmt: skip
CONSISTENCY_CARD = _card(
    "consistency", "[0, 1]", "higher is better", 10,
    "share of images that are called alike before and after damage of a stated size",
    "Hendrycks and Dietterich, ICLR 2019 (there: between frames of a perturbation)",
    "a classifier that calls everything alike is perfectly consistent: read it beside accuracy",
)  # fmt: skip
ROBUST_CARD = _card(
    "robust_auroc", "[0, 1]", "higher is better", 20,
    "AUROC on images damaged at five levels; the mean over levels and kinds minus the AUROC on "
    "good images is the loss",
    "after Hendrycks and Dietterich, ICLR 2019",
    "levels of unlike kinds are not equally bad for a reader",
)  # fmt: skip
INFIDELITY_CARD = _card(
    "infidelity", "[0, 1]", "lower is better", 1,
    "share of a score's changes, as squares of the image are replaced, that the attribution does "
    "not foresee, at its best scale",
    "Yeh et al., NeurIPS 2019, definition 2.1, divided by the changes' mean square",
    "squares of another size may be foreseen worse; where no square changes the score there is "
    "nothing to explain and the value is NaN",
)  # fmt: skip
SENSITIVITY_CARD = _card(
    "attribution_sensitivity", "[0, inf)", "lower is better", 1,
    f"largest relative change of the attribution under noise of {SHAKEN:g} grey levels",
    "Yeh et al., NeurIPS 2019, definition 3.1",
    "a map that is always the same is not sensitive and explains nothing: read it beside "
    "infidelity; a classifier that sees noise must be sensitive",
)  # fmt: skip
CLASSIFIER_CARDS = (
    ATTRIBUTE_CARD, ASSOCIATION_CARD, MASKING_CARD, CONSISTENCY_CARD, ROBUST_CARD,
    INFIDELITY_CARD, SENSITIVITY_CARD,
)  # fmt: skip
