"""Pairs as files that others read: RetinaLogos's json and yaml, an imagefolder, WebDataset shards,
Croissant.

Each form keeps whole rows, so that reading it back gives the same pairs. RetinaLogos's reader takes
image and caption(s) of a row and passes over the rest; the pair stands there as a column of ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_json, write_text
from retinaforge.tasks.caption_import import OURS
from retinaforge.tasks.pairs import Pair, pair_from_row, row_of, write_pairs

Form = Literal["retinalogos", "metadata", "webdataset", "croissant"]
FORMS: tuple[Form, ...] = ("retinalogos", "metadata", "webdataset", "croissant")
PER_SHARD = 1000
Progress = Callable[[int, int], None]


def export_pairs(
    pairs: Sequence[Pair],
    out: Path,
    form: Form,
    *,
    per_shard: int = PER_SHARD,
    about: dict[str, str] | None = None,
    on_progress: Progress | None = None,
) -> list[Path]:
    """Write pairs in a form that others read.

    Args:
        pairs: from `read_pairs`.
        out: folder; made if absent.
        form: "retinalogos": data.json and data.yaml, images stay where they are; "metadata": an
            imagefolder with its images copied; "webdataset": tar shards; "croissant": an
            imagefolder with croissant.json.
        per_shard: images a shard.
        about: name, description, licence and url of the set, for Croissant.
        on_progress: called with (images done, images).

    Returns:
        The files a reader opens.

    Raises:
        Refusal: for another form, no pairs, or an image that is not there.
    """
    if form not in FORMS:
        raise Refusal(f"a form: {', '.join(FORMS)}", str(form), "choose one of them")
    if not pairs:
        raise Refusal("pairs to export", "none", "write some with `retinaforge captions write`")
    out = Path(out)
    if form == "retinalogos":
        return _retinalogos(pairs, out, on_progress)
    if form == "webdataset":
        return _webdataset(pairs, out, per_shard, on_progress)
    table = write_pairs(out, pairs, "copy", on_progress)
    if form == "metadata":
        return [table]
    from retinaforge.tasks.caption_export_croissant import write_croissant

    return [write_croissant(out, pairs, about or {}), table]


def _retinalogos(pairs: Sequence[Pair], out: Path, on_progress: Progress | None) -> list[Path]:
    """Write data.json, and data.yaml that names it."""
    rows = []
    for done, pair in enumerate(pairs, 1):
        with _open(pair.path) as image:
            width, height = image.size
        rows.append({
            "image": os.path.abspath(pair.path),
            "id": str(pair.more.get("id", pair.name)),
            "width": width,
            "height": height,
            "caption": list(pair.texts) if len(pair.texts) > 1 else pair.text,
            OURS: row_of(pair),
        })  # fmt: skip
        if on_progress:
            on_progress(done, len(pairs))
    table = write_json(out / "data.json", rows)
    yaml = f"META:\n  - path: {json.dumps(os.path.abspath(table))}\n    type: default\n"
    return [write_text(out / "data.yaml", yaml), table]


def _webdataset(
    pairs: Sequence[Pair], out: Path, per_shard: int, on_progress: Progress | None
) -> list[Path]:
    """Write tar shards: a sample is KEY.png (or as the image ends), KEY.txt and KEY.json."""
    wds = _library()
    count = -(-len(pairs) // per_shard)
    done, paths = 0, []
    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = out / f"pairs-{number:06d}-of-{count:06d}.tar"
        part = path.with_suffix(".tar.tmp")
        with part.open("wb") as stream, wds.TarWriter(stream, encoder=False, mtime=0) as writer:
            for pair in pairs[number * per_shard : (number + 1) * per_shard]:
                writer.write(_sample(done, pair))
                done += 1
                if on_progress:
                    on_progress(done, len(pairs))
        os.replace(part, path)
        paths.append(path)
    return paths


def _sample(number: int, pair: Pair) -> dict[str, Any]:
    if not pair.path.is_file():
        raise Refusal("an image file", f"none: {pair.path}", "leave it out or put it there")
    ending = pair.path.suffix.lower().lstrip(".") or "png"
    row = json.dumps(row_of(pair), ensure_ascii=False)
    return {
        "__key__": f"{number:08d}",
        ending: pair.path.read_bytes(),
        "txt": pair.text.encode(),
        "json": row.encode(),
    }


def read_shards(shards: Iterable[Path]) -> Iterator[tuple[Pair, bytes]]:
    """Yield the pairs of shards, with each image's file, in their order.

    A pair's path is its name: nothing is unpacked.
    """
    _library()
    from webdataset.tariterators import group_by_keys, tar_file_iterator

    for shard in shards:
        # Opened here, since the library's own reader leaves its file open.
        with Path(shard).open("rb") as stream:
            files = ({**one, "__url__": str(shard)} for one in tar_file_iterator(stream))
            for sample in group_by_keys(files):
                yield _pair_of_sample(sample)


def _pair_of_sample(sample: dict[str, Any]) -> tuple[Pair, bytes]:
    pair = pair_from_row(json.loads(sample["json"]), Path())
    words = ("json", "txt")
    image = next(sample[key] for key in sample if key not in words and key[:2] != "__")
    return replace(pair, path=Path(pair.name)), image


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except OSError as error:
        raise Refusal("an image file", f"{error}: {path}", "leave it out or mend it") from error


def _library() -> Any:
    try:
        import webdataset
    except ImportError as error:
        raise Refusal(
            "the webdataset library", "none", "pip install 'retinaforge[generate]'"
        ) from error
    return webdataset
