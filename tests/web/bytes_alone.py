"""What a file, an answer or a place in an order tells about an image without decoding a pixel."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

STORED = 0
"""Kind of a deflate block whose bytes are not compressed."""


def skeleton(content: bytes) -> bytes:
    """Return a PNG's bytes without pixels and checksums: heads of chunks, zlib and deflate blocks.

    Raises:
        AssertionError: for a block that is compressed, whose length would tell of its pixels.
    """
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    found, place, stream = [content[:8]], 8, b""
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        found.append(content[place : place + 8])
        body = content[place + 8 : place + 8 + length]
        if kind == b"IDAT":
            stream += body
        else:
            found.append(body)
        place += 12 + length
    found.append(stream[:2])
    at = 2
    while True:
        head, size, _ = struct.unpack("<BHH", stream[at : at + 5])
        assert head >> 1 & 3 == STORED, "a compressed block"
        found.append(stream[at : at + 5])
        at += 5 + size
        if head & 1:
            break
    assert len(stream) - at == 4  # Adler's sum and no more
    return b"".join(found)


def features(path: Path, content: bytes, rank: int, places: list[int]) -> list[float]:
    """Return numbers of a file that know none of its pixels.

    Args:
        path: where it lies; its name and times count.
        content: its bytes.
        rank: its place in the listing of the folder.
        places: where it stands in readers' orders.
    """
    told = path.stat()
    letters = [*path.stem.encode()[:12].ljust(12, b"0")]
    zeros = len(content) - len(content.rstrip(b"\0"))
    ends = [*content[:48], *content[-16:-12]]
    return [len(content), zeros, told.st_mtime, rank, float(np.mean(places)),
            float(min(places)), float(len(places)), *letters, *ends]  # fmt: skip


def judged(rows: np.ndarray, truth: np.ndarray, *, shuffles: int = 20) -> tuple[float, float]:
    """Return the cross-validated AUC of a forest, and the largest with the truth shuffled."""
    rng = np.random.default_rng(0)

    def area(answer: np.ndarray) -> float:
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        forest = RandomForestClassifier(60, random_state=0)
        found = cross_val_predict(forest, rows, answer, cv=folds, method="predict_proba")[:, 1]
        return float(roc_auc_score(answer, found))

    return area(truth), max(area(rng.permutation(truth)) for _ in range(shuffles))
