"""What may be wrong with captioned images before anything is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from retinaforge.core import Refusal, split_of
from retinaforge.images import UnreadableImage, image_size
from retinaforge.tasks.caption_run_journal import NAME as ANSWERS
from retinaforge.tasks.pairs import Pair, PairsRead, read_good_pairs

NO_WORDS = "a caption without words"
LeftOut = list[tuple[str, str]]


def some_pairs(folder: Path, split: str = "") -> PairsRead:
    """Read the pairs of a folder, or of one split of it; rows that are none are given by line.

    Args:
        folder: of pairs, or its metadata.jsonl.
        split: "train", "val", "test" or a name of the folder's own; "" for all.

    Raises:
        Refusal: if there is no such folder, or no pair in it or in the split.
    """
    pairs, bad = read_good_pairs(folder)
    if not pairs:
        why = f": {bad[0][0]}: {bad[0][1]}" if bad else ""
        raise Refusal("captioned images", f"none in {folder}{why}", "write some: captions write")
    kept = [pair for pair in pairs if not split or pair.split == split_of(split)]
    if not kept:
        splits = sorted({pair.split or "none" for pair in pairs})
        raise Refusal(
            f"captioned images of the split {split!r}",
            f"{len(pairs)} pairs of the splits {', '.join(splits)}", "name one of these splits",
        )  # fmt: skip
    return PairsRead(kept, bad)


def with_words(pairs: Iterable[Pair]) -> tuple[list[Pair], LeftOut]:
    """Return the pairs whose captions say something, and (name, reason) of the others.

    Of a pair with several captions the empty ones go, and it is named for them; it stays with the
    others. An empty caption is what generators know as "no condition": learnt from, it would teach
    that an eye of any kind answers to nothing said.
    """
    good, left_out = [], []
    for pair in pairs:
        said = tuple(dict.fromkeys([pair.text, *pair.texts]))
        texts = tuple(text for text in said if text.strip())
        if len(texts) < len(said):
            more = f"; {len(texts)} others stay" if texts else ""
            left_out.append((pair.name, NO_WORDS + more))
            pair = replace(pair, text=texts[0], texts=texts) if texts else None
        if pair:
            good.append(pair)
    return good, left_out


def with_images(
    pairs: Sequence[Pair], on_progress: Callable[[int, int], None] | None = None
) -> tuple[list[Pair], LeftOut]:
    """Return the pairs whose image is there and whole, and (name, reason) of the others.

    Args:
        pairs: whose images are looked at, see `images.image_size`.
        on_progress: called with (images done, images).
    """
    good, left_out = [], []
    for done, pair in enumerate(pairs, 1):
        try:
            image_size(pair.path)
        except UnreadableImage as refusal:
            left_out.append((pair.name, str(refusal)))
        else:
            good.append(pair)
        if on_progress:
            on_progress(done, len(pairs))
    return good, left_out


def require_other_folder(out: Path, source: Path) -> None:
    """Refuse to write pairs into the folder they are read from, or over captions of a run.

    Args:
        out: where pairs would be written.
        source: a folder, or a file in one.

    Raises:
        Refusal: "expected another folder than the one that is read; got ...".
    """
    home = source if source.is_dir() else source.parent
    if out.resolve() == home.resolve():
        raise Refusal(
            "another folder than the one that is read", f"{out} for both",
            "name a new folder with --out",
        )  # fmt: skip
    if (out / ANSWERS).is_file():
        raise Refusal(
            "a folder without captions of its own",
            f"{out}, into which `captions write` wrote", "name a new folder with --out",
        )  # fmt: skip
