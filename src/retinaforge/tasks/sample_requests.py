"""What is to be drawn: captions from a prompt or a file, each with its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from retinaforge.captions.record import EyeRecord
from retinaforge.captions.rows import record_from_row
from retinaforge.captions.template import write_caption
from retinaforge.core import Refusal, RetinaForgeError, split_of
from retinaforge.core.rng import rng_for
from retinaforge.tasks.json_lines import rows_of, whole
from retinaforge.tasks.mask_files import Files
from retinaforge.tasks.pairs import METADATA, Pair, pair_from_row

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Wording:
    """One caption that images are asked for with.

    Attributes:
        text: the caption; "" asks for any eye.
        source: where it stands: a line of a file, an image's name, "prompt".
        record: the facts that it tells, where they are known.
        mask: an image of the masks that are asked for, a channel each, where there is one.
        masks: or a file (or the union of several) for each mask by name; one without a name is
            left to the generator, one without files asks for nothing there.
        pair: of which it is the caption, where it stands in a pairs folder.
    """

    text: str
    source: str = "prompt"
    record: EyeRecord = field(default_factory=lambda: EyeRecord(image=""))
    mask: Path | None = None
    masks: Mapping[str, Files] | None = None
    pair: Pair | None = None


@dataclass(frozen=True)
class Toward:
    """What an image between two is on its way to.

    Attributes:
        text: the other caption.
        seed: of the other noise.
        share: how far it is on the way: 0 is the request as it stands, 1 the other.
    """

    text: str
    seed: int
    share: float


@dataclass(frozen=True)
class Request:
    """One image to draw.

    Attributes:
        number: of the image in the run, from 0.
        seed: of its noise.
        wording: what is asked for.
        classes: classes that are asked for beside the words, name to value.
        toward: the other end, for an image between two.
    """

    number: int
    seed: int
    wording: Wording
    classes: Mapping[str, Any] = field(default_factory=dict)
    toward: Toward | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the captions that it is drawn from: one, or two for an image between them."""
        return (self.wording.text, *([] if self.toward is None else [self.toward.text]))

    @property
    def caption(self) -> str:
        """Return the caption that the image is of; "" for one between two captions."""
        if self.toward is None or len(set(self.texts)) == 1:
            return self.wording.text
        return {0.0: self.wording.text, 1.0: self.toward.text}.get(self.toward.share, "")

    @property
    def stem(self) -> str:
        """Return the image's name without its ending."""
        return f"synthetic_{self.number:06d}"


class BadCaption(NamedTuple):
    """A caption that was left out: where it stands, and why."""

    source: str
    why: str


def read_wordings(source: Path, *, seed: int = 0) -> tuple[list[Wording], list[BadCaption]]:
    """Return the captions of a file, and which of its rows hold none.

    Args:
        source: a folder of pairs; a .jsonl file of pairs ("text") or records ("facts", whose
            captions the template writes); or a text file with one caption a line.
        seed: of the template's words.

    Raises:
        Refusal: if there is no such file, or not one caption in it.
    """
    path = Path(source)
    path = path / METADATA if path.is_dir() else path
    if not path.is_file():
        raise Refusal(
            "captions: a folder of pairs, a .jsonl of pairs or records, or a text file with one "
            "caption a line",
            f"nothing at {path}",
            "write some with `retinaforge captions write`",
        )
    if path.suffix == ".jsonl":
        good, bad = _from_rows(path, seed)
    else:
        good, bad = _from_lines(path)
    if not good:
        why = f"; {bad[0].source}: {bad[0].why}" if bad else ""
        raise Refusal(f"captions in {path}", f"none{why}", "give at least one caption")
    return good, bad


def of_split(wordings: Sequence[Wording], split: str) -> list[Wording]:
    """Return the captions of a split; all for "".

    Raises:
        Refusal: if there is none.
    """
    found = [one for one in wordings if not split or _split(one) == split_of(split)]
    if not found:
        known = sorted({_split(one) for one in wordings} - {""})
        came = f"only of {', '.join(known)}" if known else "captions that state no split"
        raise Refusal(f"captions of the split {split}", came, "name another --split")
    return found


def _split(wording: Wording) -> str:
    return (wording.pair.split if wording.pair else "") or wording.record.split


def requests_of(
    wordings: Sequence[Wording],
    *,
    seed: int,
    per_caption: int = 1,
    count: int | None = None,
    same_noise: bool = False,
    classes: Mapping[str, Any] | None = None,
) -> list[Request]:
    """Return the images to draw.

    Image i has seed + i, so that `--seed` with that number draws it alone again. With the same
    noise every caption gets seeds seed, seed + 1, ...: what differs between two captions' images
    is then the captions' doing.

    Args:
        wordings: what is asked for.
        seed: of the first image.
        per_caption: images of each caption, next to one another.
        count: images in all, going round the captions again and again; in place of per_caption.
        same_noise: the same seeds for every caption.
        classes: asked for beside the words.

    Raises:
        Refusal: for numbers that are too small, or seeds beyond 63 bits.
    """
    number = len(wordings) * per_caption if count is None else count
    if number < 1 or per_caption < 1 or not 0 <= seed <= LARGEST_SEED - number:
        raise Refusal(
            "at least one image and a seed of 0 or more",
            f"{number} images, {per_caption} a caption, seed {seed}",
            "raise --count, --per-caption or --seed",
        )
    asked = dict(classes or {})
    found = []
    for at in range(number):
        turn, which = divmod(at, len(wordings)) if count else divmod(at, per_caption)[::-1]
        found.append(Request(at, seed + (turn if same_noise else at), wordings[which], asked))
    return found


def _from_lines(path: Path) -> tuple[list[Wording], list[BadCaption]]:
    good, bad = [], []
    content = path.read_bytes()
    if b"\0" in content:  # an image's, an archive's, and every other letter of UTF-16
        raise Refusal(
            "captions: a text file in UTF-8 with one caption a line", f"{path}, which is no such",
            "name a text file, or save it as UTF-8",
        )  # fmt: skip
    for number, line in enumerate(content.split(b"\n"), 1):
        where = f"line {number} of {path.name}"
        try:
            text = line.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            bad.append(BadCaption(where, "not UTF-8"))
            continue
        if text:
            good.append(Wording(text, where))
    return good, bad


def _from_rows(path: Path, seed: int) -> tuple[list[Wording], list[BadCaption]]:
    good, bad = [], []
    for number, row in rows_of(path):
        try:
            good.append(_from_row(whole(row), path, number, seed))
        except (RetinaForgeError, ValueError, TypeError, AttributeError) as error:
            bad.append(BadCaption(f"line {number} of {path.name}", str(error)))
    return good, bad


def _from_row(row: Mapping[str, Any], path: Path, number: int, seed: int) -> Wording:
    pair = None
    if "text" not in row and "facts" in row:
        record = record_from_row(row)
        text = write_caption(record, rng=rng_for(seed, "caption", record.image))
    else:
        named = {"file_name": f"line-{number}", **row}
        pair = pair_from_row(named, path.parent)
        record, text = pair.record, pair.text
    if not text.strip():
        raise Refusal("a caption", "an empty one", 'ask for any eye with --prompt ""')
    mask = row.get("mask")
    return Wording(text, record.image, record, path.parent / mask if mask else None, pair=pair)


def texts_of(requests: Iterable[Request]) -> list[str]:
    """Return the different captions of requests, in order of their first."""
    return list(dict.fromkeys(text for request in requests for text in request.texts))
