"""How a reader study is laid out, and which layouts are refused."""

from __future__ import annotations

from dataclasses import dataclass

from retinaforge.core import Refusal
from retinaforge.tasks.reader_images import ENCODERS, FIELDS, SMALLEST_PX


@dataclass(frozen=True)
class Options:
    """How a study is laid out.

    Attributes:
        design: turing, 2afc or grading.
        readers: how many.
        images: in all, half of them real; None: as many as both sides have, at most 100.
        repeats: share of images (or pairs) shown a second time.
        by: what both sides are balanced by, such as dr_grade or label:drusen; None: nothing.
        ask: further parts of the form.
        grade: what a grade grades.
        title: head of the page.
        size_px: side of every image; None: the largest at which none is enlarged.
        codec: png or jpeg.
        field: what is left of each image: see `reader_images.common_field`.
        seed: of draw and orders; None: drawn. Whoever knows it and the folders knows the key.
    """

    design: str = "turing"
    readers: int = 3
    images: int | None = None
    repeats: float = 0.2
    by: str | None = None
    ask: tuple[str, ...] = ()
    grade: str = "dr_grade"
    title: str = "Reader study"
    size_px: int | None = None
    codec: str = "png"
    field: str = "shared"
    seed: int | None = None


def check_options(options: Options) -> None:
    """Refuse a layout that cannot be made.

    Raises:
        Refusal: for a number out of its range, a codec or a field that is not known.
    """
    if options.readers < 1 or not 0 <= options.repeats <= 0.5:
        raise Refusal("one reader or more and repeats from 0 to 0.5",
                      f"{options.readers} and {options.repeats:g}",
                      "such as --readers 3 --repeats 0.2")  # fmt: skip
    if options.images is not None and (options.images < 4 or options.images % 2):
        raise Refusal("an even number of images, 4 or more", str(options.images),
                      "half of them are real, half synthetic")  # fmt: skip
    if options.size_px is not None and options.size_px < SMALLEST_PX:
        raise Refusal(f"a size of {SMALLEST_PX} px or more", str(options.size_px),
                      "leave --size out: none is enlarged then")  # fmt: skip
    if options.codec not in ENCODERS:
        raise Refusal("png or jpeg", options.codec, "name one with --codec")
    if options.field not in FIELDS:
        raise Refusal(f"a field of {', '.join(FIELDS)}", options.field, "name one with --field")
