"""Runs of a writer: complete, resumed, within a budget, against a server that lies."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vlm_stub import Act, error, says, stub, whole

from retinaforge.captions import EyeRecord, Fact
from retinaforge.captions.writer import CaptionAnswer, CaptionRequest
from retinaforge.captions.writer_checked import CheckedWriter
from retinaforge.core import Refusal
from retinaforge.tasks.caption_run import RunOptions, run_writer
from retinaforge.tasks.caption_run_check import check_for
from retinaforge.tasks.caption_run_journal import NAME, AnswerJournal
from retinaforge.tasks.caption_run_writers import WriterWish, opened_writer
from retinaforge.tasks.pairs import read_pairs
from retinaforge.tasks.records_file import Known, write_known

TRUE = "Photograph of the right eye. Three hard exudates lie in the macula. No drusen are seen."
LIE = "Photograph of the left eye. Nine hard exudates lie in the macula. Several drusen are seen."


def record(name: str) -> EyeRecord:
    facts = {"eye": "OD", "hard_exudate": 3, "drusen": 0}
    return EyeRecord(name, {key: Fact(key, value, "test") for key, value in facts.items()})


def eyes(folder: Path, count: int) -> list[Known]:
    folder.mkdir(exist_ok=True)
    known = []
    for n in range(count):
        path = folder / f"{n}.png"
        if not path.exists():
            Image.fromarray(np.full((8, 8, 3), n, np.uint8)).save(path)
        known.append(Known(record(path.name), path))
    return known


class Said:
    """A writer that says what it is told to, by the image's name."""

    name, version, looks, leaves, threads = "said", "1", False, "", 1

    def __init__(self, say=lambda request: CaptionAnswer(TRUE, prompt="p", cost=1.0)) -> None:
        self.say, self.asked, self.lock = say, [], threading.Lock()

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        with self.lock:
            self.asked.append(request)
        return self.say(request)


def test_a_run_writes_pairs_in_the_order_of_the_records(tmp_path):
    writer = Said(lambda r: CaptionAnswer(f"caption {r.record.image}", prompt="p"))
    slow = replace_say(writer, lambda r: time.sleep(0.02 if r.record.image == "0.png" else 0))
    seen: list[tuple[int, int]] = []
    run = run_writer(
        slow, eyes(tmp_path / "i", 5), tmp_path / "out", RunOptions(threads=3),
        on_progress=lambda done, total, sums: seen.append((done, total)),
    )  # fmt: skip
    assert [pair.text for pair in read_pairs(tmp_path / "out")] == [
        f"caption {n}.png" for n in range(5)
    ]
    assert seen[-1] == (5, 5)
    assert (run.missing, run.told["counts"]["answered"]) == ([], 5)
    assert json.loads((tmp_path / "out/captions_run.json").read_text()) == run.told


def replace_say(writer: Said, before) -> Said:
    say = writer.say

    def then(request):
        before(request)
        return say(request)

    writer.say = then
    return writer


def test_resume_asks_only_for_what_is_missing(tmp_path):
    def say(request):
        if request.record.image == "1.png":
            return CaptionAnswer(status="failed", reason="HTTP 500", prompt="p")
        if request.record.image == "2.png":
            return CaptionAnswer(status="refused", reason="empty answer", prompt="p", cost=1.0)
        return CaptionAnswer(TRUE, prompt="p", cost=1.0)

    known, out = eyes(tmp_path / "i", 4), tmp_path / "out"
    first = run_writer(Said(say), known, out, RunOptions())
    assert [(row.image, row.status) for row in first.missing] == [
        ("1.png", "failed"), ("2.png", "refused"),
    ]  # fmt: skip
    second = Said()
    run = run_writer(second, known, out, RunOptions())
    assert [request.record.image for request in second.asked] == ["1.png"]
    assert run.told["counts"] | {"answered": 3, "refused": 1, "resumed": 3} == run.told["counts"]
    third = Said()
    run = run_writer(third, known, out, RunOptions(again=("failed", "refused")))
    assert [request.record.image for request in third.asked] == ["2.png"]
    assert run.missing == []
    assert len(read_pairs(out)) == 4
    changed = Said()
    changed.version = "2"
    run_writer(changed, known, out, RunOptions(force=True))
    assert len(changed.asked) == 4


def test_captions_depend_on_seed_name_and_number_alone(tmp_path):
    def seeds(known, **options):
        writer = Said(lambda r: CaptionAnswer(str(r.seed), prompt="p"))
        run = run_writer(writer, known, tmp_path / str(time.monotonic_ns()), RunOptions(**options))
        return {pair.name: pair.texts for pair in run.pairs}

    known = eyes(tmp_path / "i", 3)
    whole_set = seeds(known, count=2)
    assert len({text for texts in whole_set.values() for text in texts}) == 6
    assert seeds(known[::-1], count=2, threads=3) == whole_set
    assert seeds(known[1:2], count=1)["1.png"][0] == whole_set["1.png"][0]
    assert seeds(known, seed=1, count=2) != whole_set


def test_the_budget_ends_a_run_and_more_money_resumes_it(tmp_path):
    known, out = eyes(tmp_path / "i", 6), tmp_path / "out"
    run = run_writer(Said(), known, out, RunOptions(budget=3.0))
    assert (run.told["images"], run.told["cost"]["value"]) == (3, 3.0)
    assert run.told["cost"]["stopped_by_budget"]
    assert [row.status for row in run.missing] == ["not asked"] * 3
    assert "budget" in run.missing[0].reason
    run = run_writer(Said(), known, out, RunOptions(budget=100.0))
    assert (run.told["images"], run.told["cost"]["value"], run.missing) == (6, 6.0, [])
    assert not run.told["cost"]["stopped_by_budget"]


def test_an_unknown_cost_is_no_zero(tmp_path):
    writer = Said(lambda r: CaptionAnswer(TRUE, prompt="p", cost=math.nan))
    run = run_writer(writer, eyes(tmp_path / "i", 1), tmp_path / "out", RunOptions())
    assert run.told["cost"]["value"] is None
    assert run.told["cost"]["captions_of_unknown_cost"] == 1
    assert run.told["tokens"]["uncounted"] == 1


def test_nothing_leaves_this_machine_unless_somebody_said_so(tmp_path):
    writer = Said()
    writer.leaves, writer.looks = "api.example.com", True
    known = eyes(tmp_path / "i", 1)
    with pytest.raises(
        Refusal, match=r"leave to send photographs and records to api\.example\.com"
    ):
        run_writer(writer, known, tmp_path / "out", RunOptions())
    assert writer.asked == []
    run_writer(writer, known, tmp_path / "out", RunOptions(send_images=True))
    assert len(writer.asked) == 1


def test_one_run_a_folder(tmp_path):
    with (
        AnswerJournal(tmp_path),
        pytest.raises(Refusal, match="a folder that no other run writes into"),
    ):
        run_writer(Said(), eyes(tmp_path / "i", 1), tmp_path, RunOptions())


def test_an_absent_photograph_is_named_and_the_rest_go_on(tmp_path):
    writer = Said()
    writer.looks = True
    known = eyes(tmp_path / "i", 2)
    known[0] = Known(known[0].record, tmp_path / "absent.png")
    run = run_writer(writer, known, tmp_path / "out", RunOptions())
    assert [(row.image, row.status) for row in run.missing] == [("0.png", "failed")]
    assert "No such file" in run.missing[0].reason
    assert [pair.name for pair in run.pairs] == ["1.png"]


def test_a_wrong_key_ends_the_run_and_what_was_answered_is_kept(tmp_path):
    answers = iter([says(whole(TRUE)), says(whole(TRUE))])
    with stub(lambda n, body: next(answers, error(401, "no"))) as server:
        wish = WriterWish(server.address, {"model": "m", "threads": 1})
        with opened_writer(wish) as (writer, about), pytest.raises(Refusal, match="a key that"):
            run_writer(writer, eyes(tmp_path / "i", 9), tmp_path / "out", RunOptions(), about=about)
    assert len((tmp_path / "out" / NAME).read_text().splitlines()) == 2


def test_a_stub_is_asked_by_several_threads(tmp_path):
    with stub(replace(says(whole(TRUE)), stall=0.1)) as server:
        wish = WriterWish(server.address, {"model": "m", "threads": 4, "price_in": 1.0})
        with opened_writer(wish) as (writer, about):
            run = run_writer(
                writer, eyes(tmp_path / "i", 8), tmp_path / "out", RunOptions(), about=about
            )
    assert 2 <= server.most_open <= 4
    assert (run.told["images"], run.told["structure"]) == (8, {"schema": 8})
    assert run.told["models"] == {"stub-vlm-2026": 8}
    assert run.told["writer"]["prompt"]["label"] == "fundus-caption-v1"
    assert run.told["tokens"] == {"in": 800, "out": 400, "uncounted": 0}


def test_lies_are_marked_and_asked_again(tmp_path):
    def lies_once(number, body):
        return says(whole(TRUE if len(body["messages"]) > 2 else LIE))

    known = eyes(tmp_path / "i", 2)

    def run(server, name, **more):
        strict = more.pop("strict", False)
        with opened_writer(WriterWish(server.address, {"model": "m"}, **more)) as (writer, about):
            return run_writer(
                writer, known, tmp_path / name, RunOptions(strict=strict), about=about
            )

    with stub(lies_once) as server:
        marked = run(server, "marked")
        mended = run(server, "mended", rounds=2)
        strict = run(server, "marked", strict=True)
    assert marked.told["counts"]["with_findings"] == 2
    assert marked.told["findings"] == {"side": 2, "count": 2, "contradicts-record": 2}
    findings = " ".join(marked.pairs[0].more["findings"])
    for wrong in ("left eye", "hard exudates", "drusen"):
        assert wrong in findings
    assert mended.told["counts"]["with_findings"] == 0
    assert [pair.text for pair in mended.pairs] == [TRUE] * 2
    assert mended.told["tokens"]["in"] == 400
    said = server.seen[-1]["messages"][-1]["content"][0]["text"]
    assert "left eye" in said
    assert (strict.pairs, len(strict.missing)) == ([], 2)
    assert "left eye" in strict.missing[0].reason


def test_of_two_rounds_the_better_is_kept_and_a_refusal_is_none():
    drafts = iter([CaptionAnswer("b", cost=1.0), CaptionAnswer(status="refused", cost=1.0)])
    writer = CheckedWriter(Said(lambda r: next(drafts)), lambda text, record: ["one"], 3)
    answer = writer.write(CaptionRequest(record("x")))
    assert (answer.text, answer.findings, answer.cost, answer.attempts) == ("b", ("one",), 2.0, 2)


def test_true_captions_have_no_findings_and_lies_have():
    wrong_with = check_for(diagnosis=False)
    assert wrong_with(TRUE, record("x")) == []
    kinds = [finding.partition(":")[0] for finding in wrong_with(LIE, record("x"))]
    assert kinds == ["side", "count", "contradicts-record"]
    assert wrong_with("Signs of glaucoma.", record("x"))[0].startswith("diagnosis: ")
    assert check_for(diagnosis=True)("Signs of glaucoma.", record("x")) == []
    drawn = replace(record("x"), synthetic=True)
    assert wrong_with("A blurred disc margin.", record("x")) == []
    assert wrong_with("A blurred disc margin.", drawn)[0].startswith("unsupported: ")


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_caption_run import eyes
from retinaforge.tasks.caption_run import RunOptions, run_writer
from retinaforge.tasks.caption_run_writers import WriterWish, opened_writer
wish = WriterWish({address!r}, {{"model": "m", "threads": 2}})
with opened_writer(wish) as (writer, about):
    run_writer(writer, eyes(Path({images!r}), 20), Path({out!r}), RunOptions(), about=about)
"""


@pytest.mark.slow
def test_a_killed_run_loses_no_answer(tmp_path):
    known, out = eyes(tmp_path / "i", 20), tmp_path / "out"
    with stub(replace(says(whole(TRUE)), stall=0.1)) as server:
        script = KILLED.format(
            tests=str(Path(__file__).parent), address=server.address, images=str(tmp_path / "i"),
            out=str(out),
        )  # fmt: skip
        process = subprocess.Popen([sys.executable, "-c", script])
        while len(server.seen) < 8:
            time.sleep(0.01)
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.3)
        asked, kept = len(server.seen), len((out / NAME).read_bytes().splitlines())
        with (out / NAME).open("ab") as stream:
            stream.write(b'{"key": "half a li')
        with opened_writer(WriterWish(server.address, {"model": "m"})) as (writer, about):
            run = run_writer(writer, known, out, RunOptions(), about=about)
        # What was under way when the process died, at most its two threads and what they had
        # handed over, is asked again; nothing that was written down is.
        assert asked - kept <= 4
        assert len(server.seen) == asked + 20 - kept
    assert run.told["counts"]["resumed"] == kept >= 4
    assert len(read_pairs(out)) == 20


def test_the_template_goes_through_the_same_run(tmp_path):
    from retinaforge.tasks.caption_writers import TemplateWriter, write_captions

    known = eyes(tmp_path / "i", 3)
    with opened_writer(WriterWish()) as (writer, about):
        run = run_writer(writer, known, tmp_path / "out", RunOptions(count=4), about=about)
    assert [pair.texts for pair in run.pairs] == [
        pair.texts for pair in write_captions(known, TemplateWriter(), count=4).pairs
    ]
    assert "model" not in run.pairs[0].more


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (WriterWish("gpt"), r"a writer: template, an endpoint's \.toml file"),
        (WriterWish("template", {"model": "m"}), "flags that the template knows; got --model"),
        (WriterWish("http://127.0.0.1:1/v1"), "--model beside an address"),
        (WriterWish("http://127.0.0.1:1/v1", {"model": "m", "person": True}), "--person"),
        (WriterWish("hf:/absent"), "a folder that a model of transformers was saved to"),
    ],
)
def test_writers_that_are_none(wish, message):
    with pytest.raises(Refusal, match=message), opened_writer(wish):
        pass


def test_a_stalled_server_fails_one_caption_only(tmp_path):
    def script(number, body):
        return Act(body={}, stall=0.5) if number == 0 else says(whole(TRUE))

    with stub(script) as server:
        wish = WriterWish(
            server.address, {"model": "m", "timeout_s": 0.2, "tries": 1, "threads": 1}
        )
        with opened_writer(wish) as (writer, about):
            run = run_writer(
                writer, eyes(tmp_path / "i", 3), tmp_path / "out", RunOptions(), about=about
            )
    assert [(row.status, row.reason) for row in run.missing] == [
        ("failed", "no answer in 0.2 s; tried 1 times")
    ]
    assert write_known(tmp_path / "records.jsonl", eyes(tmp_path / "i", 3)).is_file()
