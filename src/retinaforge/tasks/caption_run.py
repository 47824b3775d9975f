"""Let a writer caption a set of photographs: several at a time, resumable, every answer accounted.

    run = run_writer(writer, known, Path("pairs"), RunOptions(count=1), link="reference")

The folder holds `captions_begun.json` (seed and writer: another one is refused), `answers.jsonl`
(the journal, every answer), `metadata.jsonl` (pairs of images and captions) and `captions_run.json`
(counts, cost, who wrote, what is missing and why).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from retinaforge.captions.writer import ANSWERED, FAILED, CaptionAnswer, CaptionRequest, Writer
from retinaforge.core import Refusal, seed_for
from retinaforge.tasks.caption_run_begun import begun_with, keep_begun, require_same_run
from retinaforge.tasks.caption_run_journal import AnswerJournal, key_of
from retinaforge.tasks.caption_run_sums import NOT_ASKED, Sums, summary
from retinaforge.tasks.pairs import Link, Pair, pair_of, write_pairs
from retinaforge.tasks.records_file import Known

AHEAD = 2
"""Requests that wait beside each one that is being asked; memory stays bounded."""


@dataclass(frozen=True)
class RunOptions:
    """How a run goes.

    Attributes:
        seed: of the whole set; a caption depends on it, the image's name and its number alone.
        count: captions an image.
        threads: requests at a time; 0 takes what the writer says.
        again: which of the answers of an earlier run are asked for again ("failed", "refused").
        budget: no more is asked for once so much is spent, in the currency of the prices.
        send_images: photographs and records may leave this machine.
        strict: captions with findings count as missing.
        sync_s: see `AnswerJournal`.
        force: write over captions of another seed, writer or set of images; answers stay.
    """

    seed: int = 0
    count: int = 1
    threads: int = 0
    again: tuple[str, ...] = (FAILED,)
    budget: float = math.inf
    send_images: bool = False
    strict: bool = False
    sync_s: float = 0.0
    force: bool = False


class Missing(NamedTuple):
    """A caption that is not there."""

    image: str
    number: int
    status: str
    reason: str


class CaptionRun(NamedTuple):
    """What a run made: pairs in the order of the records, what is missing, and its file."""

    pairs: list[Pair]
    missing: list[Missing]
    told: dict[str, Any]


class _Job(NamedTuple):
    known: Known
    key: str
    number: int


Progress = Callable[[int, int, Sums], None]


def run_writer(
    writer: Writer, known: Sequence[Known], folder: Path, options: RunOptions, *,
    link: Link = "reference", about: dict[str, Any] | None = None,
    on_progress: Progress | None = None,
) -> CaptionRun:  # fmt: skip
    """Write captions of all images, and the files of the run.

    Args:
        writer: writes.
        known: images and what is known of them.
        folder: of pairs; an earlier run there is resumed.
        options: of the run.
        link: see `tasks.pairs.write_pairs`.
        about: what captions_run.json says of the writer beside name and version.
        on_progress: called with (captions done, captions, sums so far).

    Raises:
        Refusal: if the writer would send photographs elsewhere and nobody said that it may, or
            what would fail at every request (answers so far are kept), or the folder was begun
            with other options.
    """
    require_leave(writer, options)
    begun = begun_with(writer, about or {}, seed=options.seed, count=options.count)
    if not options.force:
        require_same_run(folder, begun, known)
    sums = Sums()
    with AnswerJournal(folder, options.sync_s) as journal:
        keep_begun(folder, begun)
        jobs = _jobs(writer, known, options)
        _ask_all(writer, jobs, journal, options, sums, on_progress)
        pairs, missing = _gathered(writer, known, journal, options)
    write_pairs(folder, pairs, link)
    told = summary(writer, pairs, missing, sums, about or {}, options, folder)
    return CaptionRun(pairs, missing, told)


def require_leave(writer: Writer, options: RunOptions) -> None:
    """Refuse to send anything to another machine unless somebody said so."""
    if writer.leaves and not options.send_images:
        what = "photographs and records" if writer.looks else "records"
        raise Refusal(
            f"leave to send {what} to {writer.leaves}", "none",
            "name --send-images if patients' consent and your rules allow it, "
            "or use a model on this machine",
        )  # fmt: skip


def _jobs(writer: Writer, known: Sequence[Known], options: RunOptions) -> list[_Job]:
    return [
        _Job(each, key, number)
        for each in known
        for key in [key_of(each, writer, options.seed)]
        for number in range(options.count)
    ]


def _ask_all(
    writer: Writer, jobs: Sequence[_Job], journal: AnswerJournal, options: RunOptions, sums: Sums,
    on_progress: Progress | None,
) -> None:  # fmt: skip
    def tell() -> None:
        if on_progress:
            on_progress(sums.done, len(jobs), sums)

    threads = options.threads or writer.threads
    todo = _unanswered(jobs, journal, options, sums, tell)
    if threads == 1:
        for job in _within(todo, options.budget, sums):
            _note(job, _asked(writer, job, options.seed), journal, sums)
            tell()
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="captions")
    waiting: dict[Future[CaptionAnswer], _Job] = {}
    try:
        while True:
            for job in islice(_within(todo, options.budget, sums), AHEAD * threads - len(waiting)):
                waiting[pool.submit(_asked, writer, job, options.seed)] = job
            if not waiting:
                break
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                _note(waiting.pop(future), future.result(), journal, sums)
                tell()
    except BaseException:
        _keep_what_came(waiting, journal, sums)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _keep_what_came(
    waiting: dict[Future[CaptionAnswer], _Job], journal: AnswerJournal, sums: Sums
) -> None:
    """Write down the answers that were under way when the run was stopped: they were paid for."""
    for future in waiting:
        future.cancel()
    for future, job in waiting.items():
        if not future.cancelled() and future.exception() is None:
            _note(job, future.result(), journal, sums)


def _unanswered(
    jobs: Sequence[_Job], journal: AnswerJournal, options: RunOptions, sums: Sums,
    tell: Callable[[], None],
) -> Iterator[_Job]:  # fmt: skip
    for job in jobs:
        found = journal.find(job.key, job.number)
        if found is None or found.status in options.again:
            yield job
        else:
            sums.add(found, resumed=True)
            tell()


def _within(todo: Iterator[_Job], budget: float, sums: Sums) -> Iterator[_Job]:
    while sums.spent < budget:
        job = next(todo, None)
        if job is None:
            return
        yield job


def _asked(writer: Writer, job: _Job, seed: int) -> CaptionAnswer:
    record = job.known.record
    image = None
    if writer.looks:
        try:
            image = job.known.path.read_bytes()
        except OSError as error:
            return CaptionAnswer(
                status=FAILED, reason=f"{job.known.path}: {error.strerror}", attempts=0
            )
    drawn = seed_for(seed, "caption", record.image, job.number)
    return writer.write(CaptionRequest(record, image, drawn))


def _note(job: _Job, answer: CaptionAnswer, journal: AnswerJournal, sums: Sums) -> None:
    journal.add(job.key, job.number, job.known.record.image, answer)
    sums.add(answer)


def _gathered(
    writer: Writer, known: Sequence[Known], journal: AnswerJournal, options: RunOptions
) -> tuple[list[Pair], list[Missing]]:
    """Return the pairs in the order of the records, and which captions are not there."""
    pairs: list[Pair] = []
    missing: list[Missing] = []
    for each in known:
        key = key_of(each, writer, options.seed)
        good: list[CaptionAnswer] = []
        for number in range(options.count):
            answer = journal.find(key, number)
            why = _why_not(answer, options)
            if answer is not None and not why:
                good.append(answer)
            else:
                status = NOT_ASKED if answer is None else answer.status
                missing.append(Missing(each.record.image, number, status, why))
        if good:
            texts = list(dict.fromkeys(answer.text for answer in good))
            pairs.append(
                pair_of(each.record, each.path, texts, writer=writer.name, **_columns(good[0]))
            )
    return pairs, missing


def _why_not(answer: CaptionAnswer | None, options: RunOptions) -> str:
    if answer is None:
        return "the budget was spent before it was asked for"
    if answer.status != ANSWERED:
        return answer.reason
    return "; ".join(answer.findings) if options.strict else ""


def _columns(answer: CaptionAnswer) -> dict[str, Any]:
    """Return what a pair says of a model's caption; a grammar's needs nothing beside it."""
    if not answer.prompt:
        return {}
    return {
        "model": answer.model, "prompt": answer.prompt, "structure": answer.structure,
        "findings": list(answer.findings),
    }  # fmt: skip
