"""The masks of `generate sample`: which image is asked for with which, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retinaforge.cli.output import progress_bar, say
from retinaforge.core import Refusal, RetinaForgeError

if TYPE_CHECKING:
    from retinaforge.tasks.sample_painter import Painter
    from retinaforge.tasks.sample_requests import BadCaption, Request, Wording

OWN = "own"
MASKS = "masks"
SAID = {
    "contrast": "contrast along the mask",
    "contrast_aside": "the mask moved aside",
    "follows": "images whose own mask beats every moved one",
    "dice": "Dice of our segmenter",
    "dice_others": "with other images' masks",
    "centreline": "centreline found",
    "centreline_others": "of other images' masks",
}


def require_masks(masks: Path | None, *, check: bool, given: bool, form: str) -> None:
    """Refuse what cannot be asked for, before a model is loaded.

    Args:
        masks: of `--masks`.
        check: whether the images are to be held against their masks.
        given: whether there are masks, also those that a row of captions names.
        form: of what is written.

    Raises:
        Refusal: for a path that is not there, or a check without masks or single images.
    """
    if masks is not None and str(masks) != OWN and not masks.exists():
        raise Refusal("a mask or a folder of masks", f"none at {masks}", "check --masks")
    if check and form != "imagefolder":
        raise Refusal("--check of single images", f"--as {form}", "leave one of them out")
    if check and not given:
        raise Refusal("masks to --check images against", "none", "give --masks")


def with_masks(
    wordings: list[Wording],
    masks: Path | None,
    painter: Painter,
    side: str,
    out: Path,
    captions: Path | None,
    bad: list[BadCaption],
) -> list[Wording]:
    """Return the captions with masks in turn; a single caption is asked for with each of them.

    What has no masks of its own, where those are asked for, joins the bad captions.
    """
    from retinaforge.tasks.sample_masks import masks_below

    if masks is None:
        return wordings
    if painter.maps is None:
        raise Refusal(
            "a generator that was taught masks", "one that knows words alone",
            "leave --masks out, or teach one: docs/how-to/train-generator.md, From masks",
        )  # fmt: skip
    if str(masks) == OWN:
        return _with_own(wordings, painter, side, out, captions, bad)
    found = masks_below(masks, painter.maps)
    turns = len(found) if len(wordings) == 1 else len(wordings)
    asked = []
    for at in range(turns):
        one, mask = wordings[at % len(wordings)], found[at % len(found)]
        asked.append(replace(one, **({MASKS: mask} if isinstance(mask, dict) else {"mask": mask})))
    return asked


def tell_masks(out: Path, asked: Sequence[Request], painter: Painter, size: str) -> None:
    """Measure how far the images follow their masks, and say it."""
    from retinaforge.generators.resolution import canvas_of
    from retinaforge.tasks.obey_masks import our_segmenter
    from retinaforge.tasks.sample_check import RESULT, check_masks

    canvas = canvas_of(size or str(painter.trained_px or 128), unit=painter.unit)
    with progress_bar("reading samples") as move:
        found = check_masks(
            out, asked, painter.maps, canvas, segment=our_segmenter(), on_progress=move
        )
    for kind, told in found.items():
        say(f"{kind}, {told['images']} images of {told['masks']} masks:")
        for name, said in SAID.items():
            if name in told:
                say(f"  {said}: {_number(told[name])}")
    say(f"masks: {out / RESULT}")


def _with_own(
    wordings: list[Wording],
    painter: Painter,
    side: str,
    out: Path,
    captions: Path | None,
    bad: list[BadCaption],
) -> list[Wording]:
    """Return captions of pairs with the masks of their own photographs."""
    from retinaforge.generators.resolution import canvas_of
    from retinaforge.tasks.mask_files import MaskFinder
    from retinaforge.tasks.sample_masks import own_masks
    from retinaforge.tasks.sample_requests import BadCaption

    if captions is None or not any(one.pair for one in wordings):
        came = "captions without images"
        raise Refusal("captions of a pairs folder, whose images have masks", came, "name --masks")
    finder = MaskFinder(painter.maps.kinds, captions)
    square = canvas_of(side, unit=painter.unit).side
    asked: list[Wording] = []
    for number, one in enumerate(wordings):
        home = out / MASKS / f"{number:06d}"
        try:
            if one.pair is None:
                raise Refusal("a caption of an image", "a record", "write captions for it")
            row = own_masks(one.pair, finder, home, size_px=square, frame=painter.frame)
            asked.append(replace(one, masks=row))
        except (RetinaForgeError, OSError) as error:
            bad.append(BadCaption(one.source, str(error)))
    if not asked:
        raise Refusal("captions whose images have masks", bad[-1].why, "name --masks")
    return asked


def _number(told: dict[str, Any]) -> str:
    if told["value"] is None:
        return told["reason"] or "undefined"
    span = told["interval"]
    within = f" [{span[0]:.3f}, {span[1]:.3f}]" if span else ""
    return f"{told['value']:.3f}{within}"
