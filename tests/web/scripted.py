"""Made-up eyes for a reader study, and readers of known skill who answer through the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from retinaforge.images import read_records
from retinaforge.tasks.reader_new import Options, new_study
from retinaforge.tasks.reader_study import read_key, read_study
from retinaforge.web.app import create_app

Answer = Callable[[list[str], np.random.Generator], dict[str, str]]


def draw_eye(path: Path, seed: int, *, side_px: int, **save: Any) -> None:
    """Save a red disc with noise and a bright spot: enough of an eye to be cut about its field."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side_px, :side_px] / (side_px - 1) * 2 - 1
    inside = np.hypot(x, y) < 0.95
    spot = np.exp(-(((x - rng.uniform(-0.6, 0.6)) ** 2 + y**2) / 0.02))
    pixels = np.stack([170 + 60 * spot, 90 + 90 * spot, 50 + 50 * spot], axis=2)
    pixels = pixels + rng.normal(0, 6, pixels.shape)
    shown = np.where(inside[..., None], pixels, 0).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(shown).save(path, **save)


def draw_sides(folder: Path, count: int) -> tuple[Path, Path]:
    """Draw a real side (large JPEG with EXIF) and a synthetic one (small PNG with text)."""
    from PIL.PngImagePlugin import PngInfo

    exif, text = Image.Exif(), PngInfo()
    exif[271] = "a real camera"
    text.add_text("prompt", "a synthetic eye")
    for k in range(count):
        draw_eye(folder / "real" / f"photo_{k}.jpg", k, side_px=160, quality=80, exif=exif)
        draw_eye(folder / "fake" / f"synthetic_{k}.png", 1000 + k, side_px=96, pnginfo=text)
    for side, name in (("real", "photo_{}.jpg"), ("fake", "synthetic_{}.png")):
        rows = [f"{name.format(k)},{side}{k // 2},{k % 2}" for k in range(count)]
        table = "\n".join(["image,patient,dr_grade", *rows])
        (folder / side / "manifest.csv").write_text(table + "\n")
    return folder / "real", folder / "fake"


@dataclass
class Stage:
    """A study with its key and an application to answer to."""

    folder: Path
    told: dict[str, Any]

    @property
    def kinds(self) -> dict[str, str]:
        """Return what each image is."""
        rows = read_key(read_study(self.folder))["images"]
        return {name: row["kind"] for name, row in rows.items()}

    def trials(self, reader: str) -> list[list[str]]:
        """Return what each trial of a reader shows, real or synthetic."""
        study, kinds = read_study(self.folder), self.kinds
        return [[kinds[name] for name in trial] for trial in study.trials(reader)]

    def client(self) -> TestClient:
        """Return a client of a server of its own."""
        return TestClient(create_app(read_study(self.folder)))


def make_stage(folder: Path, sides: tuple[Path, Path], **options: Any) -> Stage:
    """Make a study of the drawn sides."""
    real, fake = (read_records(side) for side in sides)
    told = new_study(real, fake, folder, Options(**{"seed": 5, **options}))
    return Stage(folder, told)


def enter(client: TestClient, code: str) -> dict[str, str]:
    """Enter, and return the headers that every answer carries."""
    client.cookies.clear()
    answer = client.post("/api/enter", json={"code": code})
    assert answer.status_code == 200, answer.text
    return {"x-reader": answer.json()["reader"]}


def say(client: TestClient, headers: dict[str, str], position: int, what: str, value: str) -> Any:
    """Answer one question."""
    body = {"position": position, "what": what, "value": value, "ms": 400}
    return client.post("/api/answer", json=body, headers=headers)


def close(client: TestClient, headers: dict[str, str], position: int) -> Any:
    """Close a trial."""
    body = {"position": position, "what": "close", "value": "", "ms": 500}
    return client.post("/api/close", json=body, headers=headers)


def read_all(stage: Stage, client: TestClient, reader: str, answer: Answer, seed: int) -> int:
    """Let a scripted reader read to the end; return how many trials it answered."""
    headers = enter(client, stage.told["codes"][reader])
    state, trials = client.get("/api/state").json(), stage.trials(reader)
    rng = np.random.default_rng([seed, int(re.sub(r"\D", "", reader))])
    for position in range(state["position"], state["count"]):
        for what, value in answer(trials[position], rng).items():
            assert say(client, headers, position, what, value).status_code == 200
        assert close(client, headers, position).status_code == 200
    return state["count"] - state["position"]


def perfect(kinds: list[str], _: np.random.Generator) -> dict[str, str]:
    """Know everything, for sure."""
    if len(kinds) == 2:
        return {"pair": "left" if kinds[0] == "synthetic" else "right", "confidence": "3"}
    return {"verdict": kinds[0], "confidence": "3"}


def chance(kinds: list[str], rng: np.random.Generator) -> dict[str, str]:
    """Toss a coin."""
    name, values = ("pair", ("left", "right")) if len(kinds) == 2 else (
        "verdict", ("real", "synthetic"))  # fmt: skip
    return {name: str(rng.choice(values)), "confidence": str(rng.integers(1, 4))}


def biased(kinds: list[str], rng: np.random.Generator) -> dict[str, str]:
    """Call nine of ten images real, whatever they are."""
    if len(kinds) == 2:
        return {"pair": "left" if rng.random() < 0.9 else "right", "confidence": "2"}
    return {"verdict": "real" if rng.random() < 0.9 else "synthetic", "confidence": "2"}


def skilled(share: float) -> Answer:
    """Return a reader who is right with a probability, surer when right."""

    def answer(kinds: list[str], rng: np.random.Generator) -> dict[str, str]:
        right = rng.random() < share
        truth = kinds[0]
        other = {"real": "synthetic", "synthetic": "real"}[truth]
        sure = rng.integers(2, 4) if right else rng.integers(1, 3)
        return {"verdict": truth if right else other, "confidence": str(sure)}

    return answer
