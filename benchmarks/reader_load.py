"""How long does the slowest answer take while many readers read at once?

    python benchmarks/reader_load.py --readers 50 --out benchmarks/results/reader_load.json

A study of drawn discs is served by `retinaforge reader serve` in a process of its own; every
reader enters, fetches each image and the next, answers two questions and closes, pausing at random
between clicks as people do (`--pause`, mean seconds). Every request is timed by the client, which
shares the machine's cores with the server: the numbers are upper bounds, and so the more the more
else runs (`load_average`). Target: slowest answer under 200 ms with 50 readers on 2 cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core.artefacts import environment, write_json
from retinaforge.images import read_records
from retinaforge.tasks.reader_new import Options, new_study

TARGET_MS = 200.0


class Client:
    """One reader's browser: one connection that stays open, every answer timed."""

    def __init__(self, port: int, times: dict[str, list[float]]) -> None:
        self.port, self.times, self.cookie, self.reader = port, times, "", ""

    async def ask(self, kind: str, method: str, path: str, body: Any = None) -> bytes:
        """Send a request, time it from its first byte to the answer's last, return the body."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"X-Reader: {self.reader}\r\nCookie: {self.cookie}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        start = time.perf_counter()
        self.sender.write(head.encode() + content)
        lines = (await self.stream.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        heads = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)}
        answer = await self.stream.readexactly(int(heads["content-length"]))
        self.times[kind].append(1000 * (time.perf_counter() - start))
        if not lines[0].startswith("HTTP/1.1 200"):
            raise RuntimeError(f"{method} {path}: {lines[0]} {answer[:200]!r}")
        if "set-cookie" in heads:
            self.cookie = heads["set-cookie"].partition(";")[0]
        return answer

    async def read(self, name: str, code: str, pause_s: float) -> None:
        """Read a whole study as the page does."""
        self.stream, self.sender = await asyncio.open_connection("127.0.0.1", self.port)
        dice = random.Random(name)
        await asyncio.sleep(dice.uniform(0, pause_s))
        await self.ask("enter", "POST", "/api/enter", {"code": code})
        self.reader = name
        state = json.loads(await self.ask("state", "GET", "/api/state"))
        await self.ask("image", "GET", f"/image/{name}/0/0")
        for position in range(state["count"]):
            if position + 1 < state["count"]:
                await self.ask("image", "GET", f"/image/{name}/{position + 1}/0")
            for what, value in (
                ("verdict", dice.choice(["real", "synthetic"])),
                ("confidence", "2"),
            ):
                await asyncio.sleep(dice.expovariate(1 / pause_s) if pause_s else 0)
                said = {"position": position, "what": what, "value": value, "ms": 100}
                await self.ask("answer", "POST", "/api/answer", said)
            said = {"position": position, "what": "close", "value": "", "ms": 200}
            await self.ask("close", "POST", "/api/close", said)
        self.sender.close()


def draw(folder: Path, count: int, side_px: int) -> None:
    """Draw discs of noise, which compress as badly as photographs."""
    y, x = np.mgrid[:side_px, :side_px] / (side_px - 1) * 2 - 1
    inside = (np.hypot(x, y) < 0.95)[..., None]
    for side in ("real", "synthetic"):
        (folder / side).mkdir(parents=True)
        for k in range(count):
            noise = np.random.default_rng([k, side == "real"]).normal(120, 5, (side_px, side_px, 3))
            pixels = np.where(inside, noise, 0).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / side / f"{side}{k}.png")


def begin(study: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Serve a study and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["-m", "retinaforge", "reader", "serve", str(study), "--port", str(port)]
    process = subprocess.Popen([sys.executable, *words])
    for _ in range(3000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.1)
    process.kill()
    raise TimeoutError("the server did not begin")


async def read_all(port: int, codes: dict[str, str], pause_s: float) -> dict[str, list[float]]:
    """Let all readers read at once; return the times of their requests, in ms."""
    times: dict[str, list[float]] = defaultdict(list)
    await asyncio.gather(*(Client(port, times).read(n, c, pause_s) for n, c in codes.items()))
    return dict(times)


def row_of(kind: str, times: list[float]) -> dict[str, Any]:
    """Return a kind's median, 99th percentile and slowest, in ms."""
    return {"kind": kind, "n": len(times), "median_ms": float(np.median(times)),
            "p99_ms": float(np.quantile(times, 0.99)), "slowest_ms": max(times)}  # fmt: skip


def main() -> None:
    """Make, serve, read, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds between clicks")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        draw(base, asked.images // 2, asked.size)
        told = new_study(
            read_records(base / "real"), read_records(base / "synthetic"), base / "study",
            Options(readers=asked.readers, images=asked.images, seed=1, repeats=0.0),
        )  # fmt: skip
        length = next((base / "study" / "images").iterdir()).stat().st_size
        process, port = begin(base / "study")
        try:
            start = time.perf_counter()
            times = asyncio.run(read_all(port, told["codes"], asked.pause))
            seconds = time.perf_counter() - start
        finally:
            process.terminate()
            process.wait(timeout=30)
    rows = [row_of(kind, found) for kind, found in sorted(times.items())]
    slowest = max(row["slowest_ms"] for row in rows)
    result = {
        "readers": asked.readers, "images": asked.images, "bytes_an_image": length,
        "pause_s": asked.pause, "seconds": seconds, "rows": rows, "slowest_ms": slowest,
        "load_average": os.getloadavg(), "cores": os.cpu_count(),
        "target_ms": TARGET_MS, "within": slowest < TARGET_MS, "environment": environment(),
    }  # fmt: skip
    for row in rows:
        print(f"{row['kind']:>8}: {row['n']:6d} requests, median {row['median_ms']:.1f} ms, "
              f"99 % {row['p99_ms']:.1f} ms, slowest {row['slowest_ms']:.1f} ms")  # fmt: skip
    print(f"slowest {slowest:.1f} ms of {asked.readers} readers in {seconds:.0f} s; "
          f"target {TARGET_MS:.0f} ms: {'held' if result['within'] else 'NOT held'}")  # fmt: skip
    if asked.out:
        write_json(asked.out, result)


if __name__ == "__main__":
    main()
