"""The whole chain from captions to obedience on phantoms, at the smallest size, as commands.

Each step is a command that anybody can give, run in a process of its own, so that what the page
lists is what was done; each resumes by itself, so the chain does.

    DIR/phantoms  records.jsonl  pairs  vae  run  oracle  obeyed  adherence   the steps' own folders
    DIR/logs/STEP.log                                                         what each step said
    DIR/demo.json                                                             what came of each
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from retinaforge.captions.lint import lint
from retinaforge.core import RetinaForgeError
from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.pairs import Pair, read_pairs

RESULT = "demo.json"
TICK_S = 0.5
VAE_WIDTHS = (16, 32, 64)


@dataclass(frozen=True)
class TextDemo:
    """How large the chain is.

    Attributes:
        phantoms: drawn eyes; two a person.
        size_px: side of the phantoms; images are learnt and drawn at 64 px.
        vae_steps, epochs: of the autoencoder and of the oracle.
        changes: of the recipe text-demo, as `--set` takes them.
        bases, ladders, natural, same, steps: of `generate obey`.
        seed: of the phantoms.
    """

    phantoms: int = 320
    size_px: int = 128
    vae_steps: int = 500
    epochs: int = 8
    changes: tuple[str, ...] = ()
    bases: int = 10
    ladders: int = 8
    natural: int = 40
    same: int = 6
    steps: int = 16
    seed: int = 0


SMALLEST = TextDemo(
    phantoms=48, size_px=64, vae_steps=2, epochs=1, bases=2, ladders=1, natural=4, same=2, steps=2,
    changes=("pretrain.steps=2", "purify.steps=2", "finetune.steps=2", "text.own.steps=2",
             "sample.steps=2", "sample.images=2"),
)  # fmt: skip
"""Proves the plumbing and nothing else, for tests."""


@dataclass(frozen=True)
class Step:
    """One command of the chain.

    Attributes:
        name: of its log.
        said: what it does, for people.
        words: after `retinaforge`.
        weight_s: seconds on two idle cores, about.
    """

    name: str
    said: str
    words: tuple[str, ...]
    weight_s: float


@dataclass(frozen=True)
class Ran:
    """What came of a step: state is "done", "done in part" (exit code 1) or "found done"."""

    name: str
    said: str
    command: str
    state: str
    seconds: float
    cpu_seconds: float


Tick = Callable[[str, int, int, float], None]
"""Called with (what, steps done, steps, seconds left)."""


def steps_of(demo: TextDemo, out: Path) -> list[Step]:
    """Return the commands in order."""
    at = {name: str(out / name) for name in
          ("phantoms", "records.jsonl", "pairs", "vae-init", "vae", "run", "oracle", "obeyed",
           "adherence")}  # fmt: skip
    model, vae = str(out / "run"), str(out / "vae" / "model")
    changes = tuple(word for change in demo.changes for word in ("--set", change))
    return [
        Step("phantoms", f"{demo.phantoms} phantoms are drawn, with every fact of theirs",
             ("phantoms", "draw", at["phantoms"], "--count", f"{demo.phantoms}", "--size",
              f"{demo.size_px}", "--recipe", "captioned", "--seed", f"{demo.seed}", "--workers",
              "2"), 95),
        Step("records", "their facts become records",
             ("captions", "records", at["phantoms"], "--out", at["records.jsonl"]), 8),
        Step("captions", "a grammar writes captions of the records",
             ("captions", "write", at["records.jsonl"], "--out", at["pairs"], "--most-words",
              "150"), 12),
        Step("autoencoder", "an autoencoder learns to keep eyes of 64 px",
             ("train", "autoencoder", "--data", at["phantoms"], "--init", at["vae-init"], "--out",
              at["vae"], "--sheet", "64", "--crop", "64", "--frame", "whole", "--batch", "16",
              "--steps", f"{demo.vae_steps}", "--no-preflight"), 110),
        Step("generator", "three steps: pretrained at 32 px, purified, fine-tuned at 64 px",
             ("generate", "train", "text-demo", "--pairs", at["pairs"], "--autoencoder", vae,
              "--out", model, *changes), 180),
        Step("oracle", "an oracle learns to read facts off images",
             ("generate", "oracle", at["pairs"], "--out", at["oracle"], "--size", "64",
              "--autoencoder", vae, "--epochs", f"{demo.epochs}"), 40),
        Step("obey", "the generator is asked for one word at a time, and measured",
             ("generate", "obey", "MODEL", "--oracle", at["oracle"], "--out", at["obeyed"],
              "--bases", f"{demo.bases}", "--ladders", f"{demo.ladders}", "--natural",
              f"{demo.natural}", "--same", f"{demo.same}", "--steps", f"{demo.steps}",
              "--guidance", "3"), 90),
        Step("adherence", "the image-text model of the purification compares samples and captions",
             ("captions", "adherence", str(out / "obeyed" / "natural.jsonl"), "--encoder",
              "IMAGE-TEXT", "--out", at["adherence"]), 12),
        Step("adherence-held-out", "and held-out eyes with theirs, to hold it against",
             ("captions", "adherence", at["pairs"], "--split", "test", "--encoder", "IMAGE-TEXT",
              "--out", str(out / "adherence-held-out")), 12),
    ]  # fmt: skip


def run_text_demo(out: Path, demo: TextDemo, on_tick: Tick) -> dict[str, Any]:
    """Run the chain, or go on with it; write and return demo.json.

    Raises:
        RetinaForgeError: if a command fails, with the end of what it said.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "logs").mkdir(exist_ok=True)
    steps, ran = steps_of(demo, out), _found(out, demo)
    clock = _Clock(steps, on_tick)
    for number, step in enumerate(steps):
        clock.begin(number)
        if step.name == "autoencoder":
            write_vae_init(out / "vae-init")
        if step.name in ran:
            ran[step.name] = replace(ran[step.name], state="found done")
        else:
            ran[step.name] = _run(_filled(step, out), out, clock)
            _write(out, demo, ran, None)
        clock.end(step)
    return _write(out, demo, ran, _lint(read_pairs(out / "pairs")))


def _found(out: Path, demo: TextDemo) -> dict[str, Ran]:
    """Return the steps that an earlier call of the same sizes finished."""
    path = out / RESULT
    if not path.is_file():
        return {}
    told = json.loads(path.read_text(encoding="utf-8"))
    if told["demo"] != json.loads(json.dumps(asdict(demo))):
        return {}
    return {row["name"]: Ran(**row) for row in told["steps"]}


def _write(
    out: Path, demo: TextDemo, ran: dict[str, Ran], linted: dict[str, Any] | None
) -> dict[str, Any]:
    told = {
        "demo": asdict(demo), "steps": [asdict(each) for each in ran.values()], "lint": linted,
        "seconds": round(sum(each.seconds for each in ran.values()), 1),
        "cpu_seconds": round(sum(each.cpu_seconds for each in ran.values()), 1),
        "environment": environment(),
    }  # fmt: skip
    write_json(out / RESULT, told)
    return told


def _filled(step: Step, out: Path) -> Step:
    """Return a step with the paths that only earlier steps know."""
    known = {"MODEL": lambda: _model(out / "run"), "IMAGE-TEXT": lambda: _image_text(out / "run")}
    return replace(step, words=tuple(known[w]() if w in known else w for w in step.words))


def _model(run: Path) -> str:
    told = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return str(run / told["model"]) if told.get("model") else str(run / "model")


def _image_text(run: Path) -> str:
    found = sorted(run.glob("*/image-text/model"))
    if not found:
        raise RetinaForgeError(f"no image-text model of a purification in {run}")
    return f"retina-text:{found[0]}"


def _run(step: Step, out: Path, clock: _Clock) -> Ran:
    log, began, before = out / "logs" / f"{step.name}.log", time.monotonic(), _children_cpu()
    command = [sys.executable, "-m", "retinaforge", *step.words]
    environ = {**os.environ, "COLUMNS": "160"}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environ)
        try:
            while process.poll() is None:
                clock.tick(step)
                time.sleep(TICK_S)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode not in (0, 1):
        end = log.read_text(encoding="utf-8", errors="replace")[-1500:]
        raise RetinaForgeError(f"`retinaforge {' '.join(step.words)}` failed:\n{end}")
    state = "done" if process.returncode == 0 else "done in part"
    return Ran(step.name, step.said, "retinaforge " + " ".join(step.words), state,
               round(time.monotonic() - began, 1), round(_children_cpu() - before, 1))  # fmt: skip


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Clock:
    """How much time is left: the steps' usual seconds, stretched by how this machine does."""

    def __init__(self, steps: Sequence[Step], on_tick: Tick) -> None:
        self.steps, self.on_tick, self.number = steps, on_tick, 0
        self.usual, self.took, self.since = 0.0, 0.0, time.monotonic()

    def begin(self, number: int) -> None:
        self.number, self.since = number, time.monotonic()
        self.tick(self.steps[number])

    def tick(self, step: Step) -> None:
        spent = time.monotonic() - self.since
        pace = max(0.2, self.took / self.usual) if self.usual > 20 else 1.0
        rest = sum(each.weight_s for each in self.steps[self.number + 1 :])
        left = pace * (rest + max(step.weight_s - spent / pace, 0.05 * step.weight_s))
        self.on_tick(step.said, self.number, len(self.steps), left)

    def end(self, step: Step) -> None:
        spent = time.monotonic() - self.since
        if spent > TICK_S:
            self.usual, self.took = self.usual + step.weight_s, self.took + spent


def write_vae_init(folder: Path) -> None:
    """Write a small untrained KL autoencoder of factor 4, as diffusers has it."""
    if (folder / "config.json").is_file():
        return
    import torch
    from diffusers import AutoencoderKL

    levels = len(VAE_WIDTHS)
    torch.manual_seed(0)
    AutoencoderKL(
        block_out_channels=VAE_WIDTHS, layers_per_block=1, latent_channels=4, norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels, mid_block_add_attention=False,
        sample_size=64,
    ).save_pretrained(folder)  # fmt: skip


def _lint(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return how many captions say something that their record does not bear out."""
    codes: Counter[str] = Counter()
    wrong = 0
    for pair in pairs:
        found = lint(pair.text, pair.record)
        codes.update(each.code for each in found)
        wrong += any(each.severity == "error" for each in found)
    return {"captions": len(pairs), "with_error": wrong, "codes": dict(codes.most_common())}
