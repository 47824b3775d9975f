"""A model behind an address: against a server that fails, stalls, refuses, cuts off, ignores."""

from __future__ import annotations

import base64
import io
import json
import math
import time

import numpy as np
import pytest
from PIL import Image
from vlm_stub import PARAGRAPH, Act, error, says, stub, whole

from retinaforge.captions import EyeRecord, Fact
from retinaforge.captions.endpoint import EndpointWriter
from retinaforge.captions.endpoint_config import EndpointConfig, Price, read_config
from retinaforge.captions.endpoint_pace import Pace, growing_pause_s, retry_after_s
from retinaforge.captions.endpoint_prompt import load_prompt, shipped_prompts
from retinaforge.captions.writer import CaptionRequest, Writer, answer_from_row
from retinaforge.core import Refusal

RECORD = EyeRecord(
    "patient-007_secret-name.png",
    {
        "eye": Fact("eye", "OD", "manifest"),
        "quality": Fact("quality", "good", "manifest"),
        "hard_exudate": Fact("hard_exudate", 3, "manifest", ("superior temporal",)),
        "dr_grade": Fact("dr_grade", 2, "manifest"),
        "age": Fact("age", 63, "manifest"),
        "keywords": Fact("keywords", "moderate retinopathy", "manifest"),
    },
    report="private words", patient="P007",
)  # fmt: skip
PHOTO = np.full((60, 90, 3), 120, np.uint8)


class Pauses(list):
    """Waits by moving the clock."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


OPEN: list[EndpointWriter] = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPEN:
        OPEN.pop().close()


def made(config: EndpointConfig, pace: Pace | None = None) -> EndpointWriter:
    OPEN.append(EndpointWriter(config, pace))
    return OPEN[-1]


def writer_at(server, pauses=None, **changes) -> EndpointWriter:
    config = EndpointConfig(server.address, "stub-vlm", **changes)
    return made(config, Pace(pause=Pauses() if pauses is None else pauses))


def ask(server, pauses=None, **changes):
    return writer_at(server, pauses, **changes).write(CaptionRequest(RECORD, PHOTO, seed=5))


def test_answers_by_the_schema():
    with stub(says(whole(macula="flat"))) as server:
        writer = writer_at(server, price=Price(2.0, 10.0, "EUR"))
        answer = writer.write(CaptionRequest(RECORD, PHOTO, seed=5))
    assert isinstance(writer, Writer)
    assert (answer.text, answer.status, answer.structure) == (PARAGRAPH, "answered", "schema")
    assert answer.fields["macula"] == "flat"
    assert "caption" not in answer.fields
    assert (answer.tokens_in, answer.tokens_out, answer.attempts) == (100, 50, 1)
    assert answer.cost == pytest.approx((100 * 2 + 50 * 10) / 1e6)
    assert (answer.model, answer.prompt) == ("stub-vlm-2026", "fundus-caption-v1")
    assert answer_from_row(json.loads(json.dumps(answer.as_row()))) == answer


def test_sends_schema_seed_and_the_photograph_at_its_size():
    with stub(says(whole())) as server:
        ask(server, image_px=45, jpeg_quality=80)
    body = server.seen[0]
    schema = body["response_format"]["json_schema"]["schema"]
    assert next(iter(schema["properties"])) == "quality"
    assert list(schema["properties"])[-2:] == ["conclusion", "caption"]
    assert body["seed"] == 5
    words, picture = body["messages"][1]["content"]
    kind, data = picture["image_url"]["url"].split(",")
    sent = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/jpeg;base64"
    assert (sent.format, sent.size) == ("JPEG", (45, 30))
    assert not sent.getexif()
    assert "85 to 210 words" in words["text"]


def test_the_model_reads_findings_and_never_diagnosis_person_or_file_name():
    with stub(says(whole())) as server:
        ask(server)
    sent = json.dumps(server.seen[0]["messages"])
    assert "hard exudate: 3 (superior temporal)" in sent
    for hidden in ("retinopathy", "63", "private", "P007", "secret-name"):
        assert hidden not in sent.split("base64,")[0], hidden


def test_the_report_prompt_reads_the_diagnosis_and_the_blind_one_nothing():
    with stub(says(whole())) as server:
        ask(server, prompt="fundus-report-v1")
        ask(server, prompt="fundus-blind-v1")
    report, blind = (body["messages"][1]["content"][0]["text"] for body in server.seen)
    assert "moderate non-proliferative diabetic retinopathy" in report
    assert "exudate" not in blind


def test_a_server_that_refuses_the_schema_is_asked_without_it_from_then_on():
    refusal = error(400, "response_format json_schema is not supported")
    with stub(refusal, says(whole()), says(whole())) as server:
        writer = writer_at(server)
        first = writer.write(CaptionRequest(RECORD, PHOTO))
        writer.write(CaptionRequest(RECORD, PHOTO))
    assert ["response_format" in body for body in server.seen] == [True, False, False]
    assert (first.text, first.structure) == (PARAGRAPH, "parsed")
    assert "asked without response_format: the server refuses it" in first.notes


def test_newer_services_name_the_tokens_otherwise():
    refusal = error(400, "Unsupported parameter: 'max_tokens', use 'max_completion_tokens'")
    with stub(refusal, says(whole())) as server:
        assert ask(server, max_tokens=300).status == "answered"
    assert "max_tokens" not in server.seen[1]
    assert server.seen[1]["max_completion_tokens"] == 300


@pytest.mark.parametrize(
    ("content", "structure", "text"),
    [
        (f"Certainly!\n```json\n{whole()}\n```", "parsed", PARAGRAPH),
        (f"<think>It has {{no}} lesions.</think>{whole()}", "schema", PARAGRAPH),
        (json.dumps({"caption": PARAGRAPH}), "parsed", PARAGRAPH),
        (json.dumps({"caption": PARAGRAPH, "lesions": ["a", "b"]}), "parsed", PARAGRAPH),
        (f"{PARAGRAPH}\nIt is   plain.", "plain", f"{PARAGRAPH} It is plain."),
    ],
)
def test_a_server_that_ignores_the_schema_is_read_all_the_same(content, structure, text):
    with stub(says(content)) as server:
        answer = ask(server)
    assert (answer.structure, answer.text) == (structure, text)
    assert ("the server ignored the schema" in answer.notes) == (structure != "schema")


@pytest.mark.parametrize(
    ("act", "reason", "requests"),
    [
        (says(""), "empty answer", 2),
        (says(None), "empty answer", 2),
        (says("I'm sorry, but I can't help with medical images."), "declined: \"I'm sorry", 1),
        (says(whole("I cannot describe this image.")), "declined: 'I cannot", 1),
        (says(None, refusal="I won't."), "declined: \"I won't", 1),
        (says(whole(), finish="content_filter"), "content filter", 1),
        (error(400, "policy", code="content_filter"), "HTTP 400 (policy)", 1),
        (says(whole()[:200], finish="length"), "cut off: the answer reached max_tokens", 2),
        (says(whole()[:200]), "broken JSON: ", 2),
        (says('{"quality": "good"}'), "JSON against the schema: caption: Field required", 2),
        (says(whole(eye="both")), "JSON against the schema: eye: Input should be", 2),
    ],
)
def test_answers_that_are_no_caption_are_refusals_with_a_reason(act, reason, requests):
    with stub(act) as server:
        answer = ask(server)
    assert (answer.status, answer.refused, answer.text) == ("refused", True, "")
    assert answer.reason.startswith(reason)
    assert len(server.seen) == answer.attempts == requests


def test_a_cut_answer_is_asked_again_with_more_room_and_both_are_paid():
    with stub(says(whole()[:90], finish="length"), says(whole())) as server:
        answer = ask(server, max_tokens=200, price=Price(1.0, 1.0))
    assert answer.text == PARAGRAPH
    assert [body["max_tokens"] for body in server.seen] == [200, 400]
    assert server.seen[0]["seed"] != server.seen[1]["seed"]
    assert (answer.tokens_in, answer.cost) == (200, pytest.approx(300 / 1e6))


def test_passing_failures_are_tried_again_after_growing_pauses():
    pauses = Pauses()
    with stub(error(500, "x"), error(503, "x"), error(502, "x"), says(whole())) as server:
        answer = ask(server, pauses)
    assert (answer.status, answer.attempts, len(server.seen)) == ("answered", 4, 4)
    longest = [0.5, 1.0, 2.0]
    assert all(0 < p <= most for p, most in zip(pauses, longest, strict=True))


def test_retry_after_is_kept_by_every_thread():
    pauses = Pauses()
    with stub(error(429, "slow down", Retry_After="7"), says(whole())) as server:
        writer = writer_at(server, pauses)
        assert writer.write(CaptionRequest(RECORD, PHOTO)).attempts == 2
        writer.write(CaptionRequest(RECORD, PHOTO))
    assert pauses == [pytest.approx(7, abs=0.5), pytest.approx(7, abs=0.5)]


def test_a_server_that_asks_for_an_hour_is_not_waited_for():
    pauses = Pauses()
    with stub(error(429, "slow down", Retry_After="3600")) as server:
        answer = ask(server, pauses)
    assert (answer.status, answer.attempts, pauses) == ("failed", 1, [])
    assert answer.reason == "HTTP 429, which asks to wait 3600 s; tried 1 times"


@pytest.mark.parametrize(
    "act", [Act(body={}, stall=1.0), Act(body=says(whole()).body, dribble=0.05)]
)
def test_a_server_that_stalls_or_dribbles_is_given_up(act):
    with stub(act) as server:
        started = time.monotonic()
        answer = ask(server, timeout_s=0.2, tries=2)
    assert time.monotonic() - started < 2
    assert (answer.status, answer.reason) == ("failed", "no answer in 0.2 s; tried 2 times")


@pytest.mark.parametrize("body", [b"<html>captive portal</html>", b'{"choices": []}', b"[1, 2]"])
def test_what_is_no_answer_of_a_chat_is_tried_again(body):
    with stub(Act(body=body), says(whole())) as server:
        answer = ask(server)
    assert (answer.status, answer.attempts) == ("answered", 2)


def test_no_server_is_a_failure_in_words():
    with stub(says(whole())) as server:
        pass
    answer = ask(server, tries=2)
    assert answer.status == "failed"
    assert answer.reason.startswith(f"no connection to 127.0.0.1:{server.server_port}; tried 2")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (error(401, "no"), r"a key that .* accepts; got HTTP 401; name the environment variable"),
        (error(404, "no such model"), r"the model 'stub-vlm' at .*HTTP 404 \(.*no such model"),
        (error(429, "x", code="insufficient_quota"), "credit"),
        (Act(307, {}, {"Location": "http://elsewhere/v1"}), "redirection to http://elsewhere"),
    ],
)
def test_what_would_fail_at_every_request_ends_the_run(act, message):
    with stub(act) as server, pytest.raises(Refusal, match=message):
        ask(server)


def test_the_key_is_sent_and_never_told(monkeypatch):
    monkeypatch.setenv("STUB_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-service")
    act = error(400, "your key sk-very-secret is fine, the picture is not")
    with stub(act, says(whole())) as server:
        writer = writer_at(server, key_variable="STUB_KEY")
        answer = writer.write(CaptionRequest(RECORD, PHOTO))
        bare = ask(server)
    assert server.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert "authorization" not in server.headers[1]
    assert "of-another-service" not in str(server.headers)
    assert "your key *** is fine" in answer.reason
    assert "sk-very-secret" not in json.dumps(writer.about()) + repr(writer.config) + str(bare)


def test_unknown_prices_and_tokens_are_no_zero():
    with stub(says(whole()), says(whole(), tokens=None)) as server:
        assert math.isnan(ask(server).cost)
        silent = ask(server, price=Price(1.0, 1.0))
    assert math.isnan(silent.cost)
    assert silent.tokens_in is None
    assert silent.as_row()["cost"] is None


def test_a_photograph_that_is_none_concerns_one_eye_only():
    with stub(says(whole())) as server:
        writer = writer_at(server)
        broken = writer.write(CaptionRequest(RECORD, b"no image"))
        absent = writer.write(CaptionRequest(RECORD))
        wordy = ask(server, image_px=0)
    assert (broken.status, absent.status, wordy.status) == ("failed", "failed", "answered")
    assert "an image file" in broken.reason
    assert "none of patient-007" in absent.reason
    assert len(server.seen[0]["messages"][1]["content"]) == 1


def test_a_second_round_shows_the_draft_and_what_is_wrong_with_it():
    with stub(says(whole())) as server:
        request = CaptionRequest(RECORD, PHOTO, draft="A left eye.", findings=("wrong eye",))
        writer_at(server).write(request)
    assert [m["role"] for m in server.seen[0]["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert "- wrong eye" in server.seen[0]["messages"][3]["content"][0]["text"]


def test_version_follows_what_may_change_an_answer():
    def version(**changes) -> str:
        given = {"base_url": "http://127.0.0.1:1/v1", "model": "m"} | changes
        return made(EndpointConfig(**given)).version

    same = version()
    assert version(base_url="http://127.0.0.1:2/v1", threads=9, timeout_s=3.0) == same
    for change in ({"image_px": 99}, {"prompt": "fundus-blind-v1"}, {"model": "n"},
                   {"temperature": 0.0}, {"extra": {"top_k": 1}}):  # fmt: skip
        assert version(**change) != same, change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_url": "localhost:8000"}, "an http or https address"),
        ({"base_url": "https://me:pw@host/v1"}, "without a password"),
        ({"base_url": "https://host/v1?key=1"}, "without a password or a query"),
        ({"base_url": "http://host/v1", "key_variable": "KEY"}, "https for an endpoint"),
        ({"key_variable": "sk-123"}, "belongs into no file"),
        ({"image_px": -1}, "image_px from 0 to 8192; got -1"),
        ({"structured": "yes"}, "'auto' or 'off'"),
        ({"model": ""}, "the model's name"),
        ({"extra": {"api_key": "x"}}, "no secret in extra; got api_key"),
        ({"prompt": "none-v9"}, "a prompt: fundus-blind-v1"),
    ],
)
def test_refuses_in_words(changes, message):
    given = {"base_url": "http://127.0.0.1:1/v1", "model": "m"} | changes
    with pytest.raises(Refusal, match=message):
        EndpointWriter(EndpointConfig(**given))


def test_a_named_key_variable_that_is_empty_is_refused(monkeypatch):
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    with pytest.raises(Refusal, match="a key in the environment variable ABSENT_KEY; got none"):
        EndpointWriter(EndpointConfig("https://host/v1", "m", key_variable="ABSENT_KEY"))


def test_configuration_files(tmp_path):
    file = tmp_path / "vlm.toml"
    file.write_text(
        'base_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n[price]\ninput = 1.0\ncurrency = "USD"\n'
    )
    config = read_config(file, image_px=300)
    assert (config.image_px, config.price.input, config.local) == (300, 1.0, True)
    assert math.isnan(config.price.output)
    file.write_text('base_url = "http://127.0.0.1:1/v1"\nmodel = "m"\nkey = "sk-secret"\n')
    with pytest.raises(Refusal, match="got key in") as caught:
        read_config(file)
    assert "sk-secret" not in str(caught.value)
    file.write_text("base_url")
    with pytest.raises(Refusal, match="expected TOML"):
        read_config(file)
    with pytest.raises(Refusal, match="an endpoint's TOML file at"):
        read_config(tmp_path / "absent.toml")


def test_prompt_files(tmp_path):
    assert "fundus-caption-v1" in shipped_prompts()
    for name in shipped_prompts():
        prompt = load_prompt(name)
        assert prompt.label == name
        assert prompt.words == ((20, 210) if name == "fundus-plain-v1" else (85, 210))
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n')
    with pytest.raises(Refusal, match=r"a prompt file with .*KeyError"):
        load_prompt(str(file))


def test_pauses():
    import random

    assert retry_after_s("12") == 12
    assert retry_after_s("Sun, 06 Nov 1994 08:49:37 GMT", now=784111770.0) == 7
    assert retry_after_s(None) is None
    assert retry_after_s("soon") is None
    assert growing_pause_s(20, random.Random(0)) <= 30


def test_rate_limit():
    now, pauses = [100.0], []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    pace = Pace(30, pause=pause, clock=lambda: now[0])
    for _ in range(3):
        pace.wait_turn()
    assert pauses == [2.0, 2.0]
