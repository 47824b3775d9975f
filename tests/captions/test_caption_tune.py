"""A tiny vision-language model of random weights learns eight captions by heart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_llava import SHORT, save_tiny_llava

from retinaforge.core import Refusal
from retinaforge.tasks.pairs import Pair

pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
SAID = ("quality good", "left eye", "none seen", "optic disc", "macula", "vessels", "lesions",
        "right eye")  # fmt: skip


def eight(folder: Path) -> list[Pair]:
    pairs = []
    for n, text in enumerate(SAID):
        path = folder / f"{n}.png"
        pixels = np.zeros((30, 30, 3), np.uint8)
        pixels[:, :, n % 3] = 255 if n < 3 else 128
        pixels[: 3 * n + 1, :, (n + 1) % 3] = 200
        Image.fromarray(pixels).save(path)
        pairs.append(Pair(path, text, split="train"))
    return [*pairs, Pair(folder / "0.png", SAID[0], split="val")]


@pytest.mark.slow
def test_eight_pairs_are_learnt_by_heart(tmp_path: Path) -> None:
    from retinaforge.captions.writer import CaptionRequest
    from retinaforge.captions.writer_local import LocalWriter
    from retinaforge.tasks.caption_tune import TunePlan, tune_captioner

    base = save_tiny_llava(tmp_path / "base", ends=False)
    pairs = eight(tmp_path)
    prompt = tmp_path / "short.toml"
    prompt.write_text(SHORT)
    plan = TunePlan(align_steps=4, steps=60, rate=5e-3, rank=8, prompt=str(prompt))
    seen: list[tuple[int, int]] = []
    told = tune_captioner(
        base, pairs, tmp_path / "tuned", plan, lambda done, total, loss: seen.append((done, total))
    )
    assert seen[-1] == (64, 64)
    assert (told["pairs"], told["held_out"]) == (8, 1)
    assert told["instruct"][-1] < 0.2 < 1 < told["align"][0]
    assert told["held_out_loss"]["after"] < told["held_out_loss"]["before"]
    writer = LocalWriter(
        tmp_path / "tuned", prompt=plan.prompt, temperature=0.0, max_tokens=40, image_px=768
    )
    answers = [
        writer.write(CaptionRequest(pair.record, pair.path.read_bytes())) for pair in pairs[:8]
    ]
    assert [answer.text for answer in answers] == list(SAID)
    assert {answer.status for answer in answers} == {"answered"}


def test_without_training_pairs_it_is_refused(tmp_path: Path) -> None:
    from retinaforge.tasks.caption_tune import TunePlan, tune_captioner

    pairs = [Pair(tmp_path / "0.png", "x", split="test")]
    with pytest.raises(Refusal, match="pairs of split train; got none among 1"):
        tune_captioner(tmp_path, pairs, tmp_path / "out", TunePlan())
