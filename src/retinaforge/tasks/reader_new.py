"""Make the folder of a reader study from real and synthetic images.

Everything is written into a hidden folder beside OUT, which becomes OUT when it is whole: a run
that is cut off, even killed, leaves no half study, and the same command begins anew.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retinaforge.core import Record, Refusal
from retinaforge.core.artefacts import environment, write_bytes, write_json
from retinaforge.metrics.reader_plan import accuracy_found
from retinaforge.tasks import reader_images as pictures
from retinaforge.tasks.reader_choose import Chosen, Progress, choose
from retinaforge.tasks.reader_codes import hashed, new_code
from retinaforge.tasks.reader_design import stratum_of
from retinaforge.tasks.reader_options import Options, check_options
from retinaforge.tasks.reader_orders import new_ids, orders_of
from retinaforge.tasks.reader_questions import REAL, Question, questions_of
from retinaforge.tasks.reader_study import ANSWERS, FORMAT, IMAGES, KEY, STUDY
from retinaforge.tasks.reader_tells import SIDES, tells_of, trace_of, warnings_of

__all__ = ["Options", "new_study"]


def new_study(
    real: Sequence[Record],
    synthetic: Sequence[Record],
    out: Path,
    options: Options,
    *,
    key: Path | None = None,
    on_progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Write a study's folder and return what the organiser must be told once.

    Args:
        real: photographs.
        synthetic: images of the generator.
        out: folder to make; one that holds anything is refused.
        options: layout.
        key: where the key goes; None: into the folder.
        on_progress: called with (what, done, all).

    Returns:
        {"study", "codes": {reader: code}, "token", "images", "trials", "size_px", "warnings",
        "unreadable": [{"name", "reason"}], ...}; codes and token are nowhere else in clear.

    Raises:
        Refusal: for a folder in use, options out of range, or too few images.
    """
    check_options(options)
    questions = questions_of(options.design, options.ask, options.grade)
    _check_places(out, key)
    seed = secrets.randbits(62) if options.seed is None else options.seed
    with _whole_folder(out) as folder:
        chosen, unreadable = choose(real, synthetic, options, seed, on_progress)
        made = _make(chosen, folder, options, seed, on_progress)
        codes = {f"R{k + 1}": new_code() for k in range(options.readers)}
        token, name = new_code(5), secrets.token_hex(6)
        study = _study(name, codes, token, questions, made, options)
        write_json(folder / STUDY, study)
        _write_key(folder / KEY, {
            "format": FORMAT, "study": name, "seed": seed, "options": asdict(options),
            "images": made["truth"], "tells": made["tells"], "warnings": made["warnings"],
            "unreadable": unreadable, "environment": environment(),
        })  # fmt: skip
    if key is not None:
        _write_key(key, json.loads((out / KEY).read_text(encoding="utf-8")))
        (out / KEY).unlink()
    items, trials = made["items"], len(study["orders"]["R1"])
    found = accuracy_found(items)
    return {
        "study": name, "folder": str(out), "key": str(key or out / KEY), "design": options.design,
        "images": len(made["truth"]), "trials": trials, "repeats": trials - items,
        "size_px": made["size_px"], "seed": seed, "strata": _strata(made["truth"]),
        "codes": codes, "token": token, "accuracy_found": None if math.isnan(found) else found,
        "warnings": made["warnings"], "unreadable": unreadable,
    }  # fmt: skip


def _check_places(out: Path, key: Path | None) -> None:
    if key is not None and key.exists():
        raise Refusal("a new file for the key", f"{key}, which is there",
                      "name another --key: one study's key opens no other")  # fmt: skip
    if (out / STUDY).exists():
        unread = "" if (out / ANSWERS).exists() else (
            "; no reader has entered it: if its codes were not noted, remove it")  # fmt: skip
        raise Refusal("a folder without a study", f"{out}, which holds one",
                      f"name another --out: answers are never written over{unread}")  # fmt: skip
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refusal("a new or empty folder", f"{out}, which holds something",
                      "name another --out")  # fmt: skip
    if key is not None:
        key.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(key.parent, os.W_OK):
            raise Refusal("a folder to write the key into", f"{key.parent}, which is not writable",
                          "name another --key")  # fmt: skip


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` that becomes it at the end; what a killed run left is removed."""
    folder = out.absolute().with_name(f".{out.name}.making")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, out):
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        try:
            yield folder
            os.replace(folder, out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def _alone(folder: Path, out: Path) -> Iterator[None]:
    """Hold a folder; the system lets go of it when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: one run a folder at a time is the caller's matter
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refusal("a study that no other run is making", f"{out}, which one is making",
                          "wait for it, or name another --out") from error  # fmt: skip
        yield
    finally:
        os.close(handle)


def _make(
    chosen: dict[str, Chosen], folder: Path, options: Options, seed: int, on_progress: Progress
) -> dict[str, Any]:
    """Write the images; return the truth by id, the orders, and what may still tell."""
    looks = {side: chosen[side].looks for side in SIDES}
    both = [look for side in SIDES for look in looks[side]]
    size_px = options.size_px or pictures.common_size(both)
    field = pictures.common_field(both, options.field)
    truth, traces = _write_images(chosen, folder, field, size_px, options, seed, on_progress)
    tells = tells_of(looks, traces, size_px, pictures.share_kept(field))
    return {
        "truth": truth, "size_px": size_px, "tells": tells,
        "warnings": warnings_of(tells, len(traces[REAL]), size_px, field=options.field),
        "orders": orders_of(truth, options, seed),
        "items": len(truth) // (2 if options.design == "2afc" else 1),
    }  # fmt: skip


def _write_images(
    chosen: dict[str, Chosen], out: Path, field: Any, size_px: int, options: Options, seed: int,
    on_progress: Progress,
) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, float]]]]:  # fmt: skip
    """Write the images; return the truth by id, and each side's traces."""
    ids = new_ids(sum(len(chosen[side].records) for side in SIDES), seed)
    inside = pictures.outline(field, size_px) > 0.99
    truth, files, waiting = {}, {}, iter(ids)
    traces: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for side in SIDES:
        for record in chosen[side].records:
            name = next(waiting)
            on_progress("making them alike", len(files) + 1, len(ids))
            pixels = pictures.alike(record, size_px, field)
            files[name] = pictures.encoded(pixels, options.codec)
            traces[side].append(trace_of(pixels, inside))
            truth[name] = {
                "kind": side, "source": str(record.path.absolute()), "name": record.name,
                "dataset": record.dataset, "patient": f"{side}:{record.patient}",
                "stratum": stratum_of(record, options.by), "columns": dict(record.columns),
            }  # fmt: skip
    pictures.write_alike(files, out / IMAGES, options.codec)
    # By id: the order of the key does not group sides either.
    return dict(sorted(truth.items())), traces


def _study(
    name: str, codes: dict[str, str], token: str, questions: Sequence[Question],
    made: dict[str, Any], options: Options,
) -> dict[str, Any]:  # fmt: skip
    """Return what the server may know: no truth, no code in clear."""
    salt = secrets.token_hex(16)
    return {
        "format": FORMAT, "id": name, "title": options.title, "design": options.design,
        "created": datetime.now(UTC).isoformat(timespec="seconds"), "size_px": made["size_px"],
        "codec": options.codec, "encoder": pictures.ENCODERS[options.codec],
        "questions": [q.as_dict() for q in questions],
        "salt": salt, "organiser": hashed(token, salt),
        "readers": [{"name": r, "code": hashed(c, salt)} for r, c in codes.items()],
        "orders": made["orders"],
    }  # fmt: skip


def _strata(truth: dict[str, dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["stratum"] for row in truth.values() if row["kind"] == REAL))


def _write_key(path: Path, content: dict[str, Any]) -> None:
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    os.chmod(path, 0o600)
