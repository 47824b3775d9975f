"""A result is found again where nothing has changed, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import measured

from retinaforge import audits
from retinaforge.validation import cache, measure
from retinaforge.validation.cache import keep, kept, key_of
from retinaforge.validation.eye import Measured, Settings
from retinaforge.validation.jobs import Job

SETTINGS = Settings(size_px=64)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path = tmp_path / "eye.png"
    path.write_bytes(b"an eye")
    return Job("real", "eye.png", path, "a patient")


def test_what_was_kept_is_read_back(job: Job, tmp_path: Path) -> None:
    one = measured("eye.png", vessels={"crae_um": 150.25})
    keep(tmp_path, job, SETTINGS, one)
    again = kept(tmp_path, job, SETTINGS)
    assert again is not None
    assert again.row == one.row
    assert set(again.arrays) == set(one.arrays)
    assert all(np.array_equal(again.arrays[k], one.arrays[k], equal_nan=True) for k in one.arrays)


def test_a_name_does_not_matter_but_bytes_and_settings_do(job: Job, tmp_path: Path) -> None:
    key = key_of(job, SETTINGS)
    copy = tmp_path / "copy.png"
    copy.write_bytes(b"an eye")
    assert key_of(replace(job, path=copy, name="copy.png", side="synthetic"), SETTINGS) == key
    changed = [
        key_of(replace(job, recompress=80), SETTINGS),
        key_of(replace(job, eye="OD"), SETTINGS),
        key_of(job, Settings(size_px=65)),
        key_of(job, Settings(size_px=64, encoders=("clip:f",))),
        key_of(job, SETTINGS, also="blur 1"),
        key_of(replace(job, path=tmp_path / "gone.png"), SETTINGS),
    ]
    job.path.write_bytes(b"another eye")
    changed.append(key_of(job, SETTINGS))
    assert len({key, *changed}) == 8


def test_new_limits_of_the_audits_make_a_new_key(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(job, SETTINGS)
    cache.measured_by.cache_clear()
    assert key_of(job, SETTINGS) == key
    cache.measured_by.cache_clear()
    monkeypatch.setattr(cache, "audit_files", lambda: {"anatomy_limits.json": "other"})
    assert key_of(job, SETTINGS) != key
    cache.measured_by.cache_clear()


def test_every_file_of_an_audit_that_decides_an_image_is_in_the_key() -> None:
    here = Path(audits.__file__).parent
    # copies.json holds the line between copies and strangers, which is drawn after measuring.
    assert {p.name for p in here.glob("*.json")} - {"copies.json"} == set(cache.AUDIT_FILES)


@pytest.mark.parametrize("damage", ["empty", "half", "bits", "text"])
def test_a_damaged_file_counts_as_none(job: Job, tmp_path: Path, damage: str) -> None:
    keep(tmp_path, job, SETTINGS, measured("eye.png"))
    (file,) = tmp_path.glob("??/*.npz")
    content = file.read_bytes()
    bits = bytearray(content)
    bits[60 : len(bits) // 2] = bytes(255 - b for b in bits[60 : len(bits) // 2])
    torn = {"empty": b"", "half": content[: len(content) // 2], "bits": bytes(bits), "text": b"no"}
    file.write_bytes(torn[damage])
    assert kept(tmp_path, job, SETTINGS) is None


def jobs_in(folder: Path, count: int) -> list[Job]:
    found = []
    for k in range(count):
        path = folder / f"{k}.png"
        # Two of them hold the same bytes.
        path.write_bytes(f"eye {max(k, 1)}".encode())
        found.append(Job("real" if k % 2 else "synthetic", path.name, path, f"p{k}"))
    return found


def test_each_content_is_measured_once_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pretend(job: Job, *, settings: Settings) -> Measured:
        asked.append(job.name)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return measured(job.name, side=job.side)

    monkeypatch.setattr(measure, "measure_job", pretend)
    jobs = jobs_in(tmp_path, 4)
    with pytest.raises(KeyboardInterrupt):
        measure.measure_sides(jobs, tmp_path / "cache", settings=SETTINGS)
    steps: list[tuple[int, int]] = []
    done = measure.measure_sides(
        jobs, tmp_path / "cache", settings=SETTINGS, on_progress=lambda k, n: steps.append((k, n))
    )
    assert len(asked) == 4
    assert steps == [(4, 4)]
    assert done.from_cache == 3
    assert [m.row["name"] for m in done.measured] == ["0.png", "1.png", "2.png", "3.png"]
    assert [m.row["side"] for m in done.measured] == ["synthetic", "real", "synthetic", "real"]
    assert [m.row["patient"] for m in done.of("real")] == ["p1", "p3"]


def test_what_could_not_be_read_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(job: Job, *, settings: Settings) -> Measured:
        asked.append(job.name)
        row = measured(job.name, side=job.side).row
        status = "no fundus" if job.name == "2.png" else "refused"
        return Measured(row | {"status": status, "reason": "torn"}, {})

    monkeypatch.setattr(measure, "measure_job", refuse)
    jobs = jobs_in(tmp_path, 4)[1:]
    for _ in range(2):
        done = measure.measure_sides(jobs, tmp_path / "cache", settings=SETTINGS)
    assert sorted(asked) == ["1.png", "1.png", "2.png", "3.png", "3.png"]
    assert done.left_out("synthetic") == [
        {"name": "2.png", "status": "no fundus", "reason": "torn"}
    ]
