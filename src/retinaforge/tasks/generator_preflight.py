"""What later steps of a recipe need, asked for before the first: no refusal after hours.

Pretraining may take a day, and the second and third step have needs of their own: an image-text
encoder, sides that the autoencoder can encode, pairs that the rules of purification admit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import Refusal
from retinaforge.encoders import load as load_encoder
from retinaforge.generators.folder import require_generator
from retinaforge.tasks.generator_prepare import Inputs, vocabulary_of
from retinaforge.tasks.generator_recipe import Recipe
from retinaforge.tasks.pairs import Pair
from retinaforge.tasks.purify import NONE_ADMITTED, broken
from retinaforge.tasks.purify_scores import Rule


def rule_of(recipe: Recipe) -> Rule:
    """Return the rule of a recipe's purification."""
    table = recipe.purify
    return Rule(
        keep=table.keep,
        text_weight=table.text_weight,
        least_side_px=table.least_side_px,
        characters=table.characters,
        lint=table.lint,
    )


def require_steps(inputs: Inputs, steps: Iterable[str]) -> None:
    """Refuse what some of the steps that are still to be done would refuse.

    Args:
        inputs: of the recipe.
        steps: names of the steps that are not done yet.

    Raises:
        Refusal: for an autoencoder that cannot be loaded, a side that it or the network's patch
            does not divide, a generator to begin with or an image-text encoder that is none,
            classes that no pair has, or no pair that purification admits.
    """
    steps, recipe = set(steps), inputs.recipe
    factor = load_autoencoder(inputs.autoencoder).model.config.factor
    for step in sorted(steps - {"purify"}, reverse=True):
        _require_side(step, getattr(recipe, step).size_px, factor, recipe.network.patch)
    if recipe.network.start and steps - {"purify"}:
        require_generator(Path(recipe.network.start))
    vocabulary_of(inputs)
    if "purify" in steps:
        _require_admitted(inputs.pairs, rule_of(recipe))
        if recipe.purify.image_text != "own":
            load_encoder(recipe.purify.image_text).text(["A fundus photograph."])


def _require_side(step: str, side_px: int, factor: int, patch: int) -> None:
    unit = factor * patch
    if side_px % unit:
        raise Refusal(
            f"{step}.size_px that the autoencoder's factor {factor} times network.patch {patch} "
            "divides",
            f"{side_px} px",
            f"ask for {max(1, round(side_px / unit)) * unit} px",
        )


def _require_admitted(pairs: Iterable[Pair], rule: Rule) -> None:
    """Refuse if the rules shut out every pair; the first one that they admit is enough."""
    reasons: Counter[str] = Counter()
    for pair in pairs:
        try:
            found = broken(pair, rule)
        except (OSError, ValueError):
            found = ["no image that can be read"]
        if not found:
            return
        reasons.update(found)
    told = "; ".join(f"{count} with {reason}" for reason, count in reasons.most_common(3))
    raise Refusal("pairs that the rules admit", told, NONE_ADMITTED)
