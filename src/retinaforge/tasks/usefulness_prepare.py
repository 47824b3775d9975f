"""From folders to material: read, labelled, looked at, and kept apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retinaforge.core import Record, Refusal
from retinaforge.tasks.embedding import Embedded, content_of
from retinaforge.tasks.embedding_looks import Look
from retinaforge.tasks.usefulness_features import rows_of, see
from retinaforge.tasks.usefulness_rounds import EXTERNAL, REAL, SYNTHETIC, Material, derived
from retinaforge.tasks.usefulness_set import Example, read_examples, renamed
from retinaforge.tasks.usefulness_study import Prepared
from retinaforge.tasks.usefulness_target import Labels, labels_of, require, share_classes

DRAWN = " (synthetic)"


@dataclass(frozen=True)
class Asked:
    """Every image with an answer that a study was given, before any was opened.

    Attributes:
        examples: of real, external and synthetic folders, in this order.
        labels: of all.
        origin: one an image.
        source: data set or camera, one an image.
        bad: (name, reason) of rows of tables that are none.
        silent: (name, reason) of images of which nothing is known.
    """

    examples: tuple[Example, ...]
    labels: Labels
    origin: np.ndarray
    source: np.ndarray
    bad: tuple[tuple[str, str], ...]
    silent: tuple[tuple[str, str], ...]

    @property
    def records(self) -> list[Record]:
        """Return the files in their order."""
        return [one.record for one in self.examples]


def gather(
    real: Sequence[Path],
    synthetic: Path,
    target: str,
    *,
    external: Sequence[Path] = (),
    sources: str = "dataset",
) -> Asked:
    """Read the tables of all folders and refuse at once what cannot be asked.

    Args:
        real: folders whose images teach and judge.
        synthetic: folder whose images teach.
        target: see `labels_of`.
        external: folders whose images judge only.
        sources: what is left out in turn: "dataset" or "camera".

    Raises:
        Refusal: of an unknown target, or a folder of which nothing is known.
    """
    examples: list[Example] = []
    origin: list[str] = []
    bad: list[tuple[str, str]] = []
    own: list[Example] = []
    for kind, folder in _folders(real, external, synthetic):
        found, wrong = read_examples(folder)
        bad += [(f"{folder.name}: {name}", why) for name, why in wrong]
        require(labels_of(found, target), found, f"{kind} images of {folder}")
        if kind == SYNTHETIC:
            found = _owned(found, own)
        else:
            own += found
        examples += found
        origin += [kind] * len(found)
    by = [one.record.camera if sources == "camera" else one.record.dataset for one in examples]
    told = labels_of(examples, target)
    places = np.flatnonzero(told.known)
    names = [one.record.name for one in examples]
    silent = [(name, why) for name, why in zip(names, told.reasons, strict=True) if why]
    return Asked(
        tuple(examples[k] for k in places), _some(told, places), np.array(origin)[places],
        np.array(by)[places], tuple(bad), tuple(silent),
    )  # fmt: skip


def _folders(
    real: Sequence[Path], external: Sequence[Path], synthetic: Path
) -> list[tuple[str, Path]]:
    return [
        *((REAL, folder) for folder in real), *((EXTERNAL, folder) for folder in external),
        (SYNTHETIC, synthetic),
    ]  # fmt: skip


def _owned(found: list[Example], real: list[Example]) -> list[Example]:
    """Return synthetic images, each its own folder's patient or that of the photograph behind."""
    owners = derived(found, real)
    fresh = renamed(found, f"{found[0].record.dataset}{DRAWN}") if found else []
    return [
        replace(new, record=replace(new.record, patient=owner)) if owner else new
        for new, owner in zip(fresh, owners, strict=True)
    ]


def look_at(
    asked: Asked, look: Look, cache: Path, *, workers: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> Prepared:  # fmt: skip
    """Look at every image once, and return what can be taught and judged.

    Raises:
        Refusal: if nothing can be read, or fewer than two classes teach.
    """
    seen = see(look, asked.records, cache, workers=workers, on_progress=on_progress)
    places = _kept(asked, seen)
    contents = np.array([content_of(asked.examples[k].record) for k in places])
    apart, keep = _apart(asked, places, contents)
    places, contents = places[keep], contents[keep]
    vectors = rows_of(seen.vectors, keep, cache)
    labels = _some(asked.labels, places)
    origin = asked.origin[places]
    _require_both(origin)
    labels, gone = share_classes(labels, np.flatnonzero(origin == REAL))
    examples = tuple(asked.examples[k] for k in places)
    material = Material(examples, labels, origin, contents, asked.source[places])
    return Prepared(material, vectors, gone, (*asked.bad, *seen.left_out), asked.silent, apart)


def _kept(asked: Asked, seen: Embedded) -> np.ndarray:
    """Return the places of what could be read, in the order of its vectors."""
    where = {id(record): place for place, record in enumerate(asked.records)}
    return np.array([where[id(record)] for record in seen.records], np.int64)


def _apart(
    asked: Asked, places: np.ndarray, contents: np.ndarray
) -> tuple[tuple[tuple[str, str], ...], np.ndarray]:
    """Return images that stand in two folders, and which to keep: real before all others.

    A synthetic image that is, byte for byte, a photograph of the study is no synthetic image; one
    made from an external photograph, or the same photograph among external ones, is left out.
    """
    origin = asked.origin[places]
    owners = np.array([asked.examples[k].record.patient for k in places])
    real, judged = set(contents[origin == REAL]), set(contents[origin != SYNTHETIC])
    outside, inside = set(owners[origin == EXTERNAL]), set(owners[origin == REAL])
    gone, keep = [], np.ones(len(places), bool)
    for row, place in enumerate(places):
        why = ""
        if origin[row] == EXTERNAL and (contents[row] in real or owners[row] in inside):
            why = "external, and stands among the real images too"
        elif origin[row] == SYNTHETIC and contents[row] in judged:
            why = "synthetic, and is byte for byte a photograph of the study"
        elif origin[row] == SYNTHETIC and owners[row] in outside:
            why = "made from an external photograph, which judges"
        if why:
            gone.append((asked.examples[place].record.name, why))
            keep[row] = False
    return tuple(gone), keep


def _some(labels: Labels, places: np.ndarray) -> Labels:
    return Labels(labels.questions, labels.values[places], tuple(labels.reasons[k] for k in places))


def _require_both(origin: np.ndarray) -> None:
    for kind in (REAL, SYNTHETIC):
        if not (origin == kind).any():
            raise Refusal(
                f"at least one readable {kind} image with an answer",
                "none",
                "run `retinaforge data check DIR`, and see which were left out",
            )
