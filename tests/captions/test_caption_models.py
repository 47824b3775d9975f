"""Real models: a tiny LLaVA in this process, and the same behind `transformers serve`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_llava import SHORT, save_tiny_llava

from retinaforge.captions import EyeRecord, Fact
from retinaforge.captions.writer import CaptionRequest, Writer
from retinaforge.core import Refusal
from retinaforge.tasks.caption_run import RunOptions, run_writer
from retinaforge.tasks.caption_run_writers import WriterWish, opened_writer
from retinaforge.tasks.records_file import Known

pytest.importorskip("transformers")
RECORD = EyeRecord("eye.png", {"eye": Fact("eye", "OD", "test")})
PHOTO = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("llava"))


@pytest.mark.slow
def test_a_model_in_this_process_writes_by_its_seed(
    llava: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from retinaforge.captions.writer_local import LocalWriter

    prompt = tmp_path / "short.toml"
    prompt.write_text(SHORT)
    writer = LocalWriter(llava, prompt=str(prompt), max_tokens=64, image_px=45)
    assert isinstance(writer, Writer)
    assert "Loading" not in capfd.readouterr().err, "transformers' bar is not our narration"
    first, same, other = (
        writer.write(CaptionRequest(RECORD, PHOTO, seed=seed)) for seed in (1, 1, 2)
    )
    assert (first.status, first.structure) == ("answered", "plain")
    assert first.text == same.text != other.text
    assert first.tokens_in > 9
    assert 0 < first.tokens_out <= 64
    assert first.model == llava.name
    blank = writer.write(CaptionRequest(RECORD, np.zeros_like(PHOTO), seed=1))
    assert blank.text != first.text, "the photograph is looked at"
    told = writer.about()
    assert (told["kind"], told["architecture"]) == (
        "transformers", "LlavaForConditionalGeneration",
    )  # fmt: skip
    assert json.dumps(told)


@pytest.mark.slow
def test_an_answer_that_does_not_end_is_cut_and_a_missing_image_fails(llava: Path) -> None:
    from retinaforge.captions.writer_local import LocalWriter

    writer = LocalWriter(llava, max_tokens=1, temperature=0.0)
    cut = writer.write(CaptionRequest(RECORD, PHOTO))
    assert (cut.status, cut.reason) == ("refused", "cut off: the answer reached max_tokens")
    assert writer.write(CaptionRequest(RECORD)).status == "failed"


def test_a_folder_without_a_model_that_reads_images_is_refused(tmp_path: Path) -> None:
    from retinaforge.captions.writer_local import LocalWriter

    with pytest.raises(Refusal, match="a folder that a model of transformers was saved to"):
        LocalWriter(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(Refusal, match="a model that reads images and writes text"):
        LocalWriter(tmp_path)


@pytest.fixture(scope="module")
def served(llava: Path):
    """Start `transformers serve` on a free port of this machine; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    process = subprocess.Popen(
        [program, "serve", str(llava), "--host", "127.0.0.1", "--port", str(port), "--device",
         "cpu"],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        _await_health(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _await_health(address: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.stdout.read().decode()[-2000:]
        assert time.monotonic() < until, "the server did not start"
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)


@pytest.mark.slow
def test_a_real_server_writes_captions(llava: Path, served: str, tmp_path: Path) -> None:
    known = []
    for n in range(3):
        path = tmp_path / f"{n}.png"
        Image.fromarray(PHOTO // (n + 1)).save(path)
        known.append(Known(EyeRecord(path.name, RECORD.facts), path))
    wish = WriterWish(served, {"model": str(llava), "image_px": 45, "max_tokens": 64, "threads": 2})
    with opened_writer(wish) as (writer, about):
        assert writer.leaves == ""
        run = run_writer(writer, known, tmp_path / "out", RunOptions(), about=about)
    counts = run.told["counts"]
    assert counts["answered"] + counts["refused"] == 3, run.missing
    assert counts["answered"] >= 1, run.missing
    # It takes response_format and ignores it, which its answers show.
    assert set(run.told["structure"]) <= {"plain", "parsed"}
    assert run.told["notes"]["the server ignored the schema"] == counts["answered"]
    assert run.told["tokens"]["in"] > 300
    assert run.told["cost"]["value"] is None


@pytest.mark.slow
def test_a_real_server_without_that_model_is_refused_or_fails(served: str, tmp_path: Path) -> None:
    path = tmp_path / "0.png"
    Image.fromarray(PHOTO).save(path)
    wish = WriterWish(served, {"model": "no/such-model", "tries": 1})
    with opened_writer(wish) as (writer, about):
        run = run_writer(
            writer, [Known(EyeRecord("0.png"), path)], tmp_path / "out", RunOptions(), about=about
        )
    assert run.told["counts"] | {"answered": 0, "failed": 1} == run.told["counts"]
