"""What a folder of captions was begun with: one seed, one writer and one set of images a folder.

`metadata.jsonl` is written anew by every run, so another seed, or a smaller set, would take the
place of captions that are there. The same command resumes; another one is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from retinaforge.captions.writer import Writer
from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_json
from retinaforge.tasks.caption_run_journal import NAME as JOURNAL
from retinaforge.tasks.caption_run_sums import NAME as SUMMARY
from retinaforge.tasks.pairs import METADATA, read_pairs
from retinaforge.tasks.records_file import Known

NAME = "captions_begun.json"
SHOWN = 3
REMEDY = "name another folder, give what it was begun with, or write over it with --force"
Row = Mapping[str, Any]


def begun_with(writer: Writer, about: Row, *, seed: int, count: int) -> dict[str, Any]:
    """Return what a run is begun with, as captions_begun.json keeps it."""
    return {
        "writer": {"name": writer.name, "version": writer.version, **about},
        "options": {"seed": seed, "captions_per_image": count},
    }


def require_same_run(folder: Path, now: Row, known: Sequence[Known]) -> None:
    """Refuse to write over captions of another seed or writer, or of images that are not in hand.

    Args:
        folder: of the run; one that is not there, or holds no caption yet, is anybody's.
        now: from `begun_with`.
        known: the images that the run captions.

    Raises:
        Refusal: "expected what FOLDER was begun with: seed 0; got seed 1; ...".
    """
    if not (folder / METADATA).is_file() and not _answered(folder):
        return
    then = _then(folder)
    if then is None:
        raise Refusal(
            "a folder that `captions write` began, or an empty one",
            f"{folder}, which holds captions of another origin", REMEDY,
        )  # fmt: skip
    if other := differences(then, now):
        before = _in_words((name, old) for name, old, _ in other)
        after = _in_words((name, new) for name, _, new in other)
        raise Refusal(
            f"what {folder} was begun with: {before}", after, REMEDY,
        )  # fmt: skip
    _require_images(folder, known)


def keep_begun(folder: Path, now: Row) -> None:
    """Note what a run is begun with, before its first caption."""
    write_json(folder / NAME, dict(now))


def differences(then: Row, now: Row) -> list[tuple[str, Any, Any]]:
    """Return what a caption depends on and is another now: (name, then, now).

    More captions an image keep the first ones and are no difference.
    """
    found = [
        (name, then["options"].get(name), now["options"][name])
        for name, worse in (("seed", then["options"]["seed"] != now["options"]["seed"]),
                            ("captions_per_image", _fewer(then, now)))
        if worse
    ]  # fmt: skip
    old, new = then["writer"], json.loads(json.dumps(now["writer"]))
    if (old["name"], old["version"]) == (new["name"], new["version"]):
        return found
    named = [key for key in sorted({*old, *new} - {"version"}) if old.get(key) != new.get(key)]
    return found + [(key, old.get(key), new.get(key)) for key in named or ["version"]]


def _in_words(options: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {'not given' if v is None else v}" for name, v in options)


def _fewer(then: Row, now: Row) -> bool:
    return now["options"]["captions_per_image"] < then["options"]["captions_per_image"]


def _answered(folder: Path) -> bool:
    """Return whether a run got as far as an answer; one that was refused before is none."""
    journal = folder / JOURNAL
    return journal.is_file() and journal.stat().st_size > 0


def _then(folder: Path) -> Row | None:
    """Return what a folder was begun with; runs before captions_begun.json have their summary."""
    for name in (NAME, SUMMARY):
        try:
            row = json.loads((folder / name).read_text("utf-8"))
            _ = row["writer"]["version"], row["writer"]["name"], row["options"]["seed"]
            _ = row["options"]["captions_per_image"] + 0
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return row
    return None


def _require_images(folder: Path, known: Sequence[Known]) -> None:
    if not (folder / METADATA).is_file():
        return
    here = {each.record.image for each in known}
    gone = [pair.name for pair in read_pairs(folder) if pair.name not in here]
    if gone:
        names = ", ".join(gone[:SHOWN]) + (", ..." if len(gone) > SHOWN else "")
        raise Refusal(
            f"records of all images that {folder} has captions of",
            f"none of {len(gone)} of them ({names})",
            "name another folder, or drop their captions with --force",
        )
