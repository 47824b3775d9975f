"""Features of 1,000 photographs by a ViT-S: ours beside a plain timm loop, in one run.

    OMP_NUM_THREADS=1 python benchmarks/encoder_speed.py FOLDER [--images 1000] [--out FILE]

Needs timm (an environment with a torchvision that imports, or whose schemas are declared as below).
The same random weights go into timm's vit_small_patch16_224 and, as a file in MAE's layout, into
ours. The peer is the loop that people write: an ImageFolder-like dataset, timm's own transform, a
DataLoader in this process, batches under inference_mode. Ours reads, finds the field of view,
crops, resizes with antialias, and keeps its vectors on disk. Both are timed by the wall and by
CPU seconds, in turn, piece by piece of 100 images, so that other work on the machine hits both.
A second part embeds 200 and then all images in processes of their own, for the memory.
Writes benchmarks/results/encoder_speed.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from retinaforge.core import Record, artefacts
from retinaforge.encoders import Encoder, load
from retinaforge.images import read_records
from retinaforge.tasks.embedding import embed_folder

RESULT = Path(__file__).parent / "results" / "encoder_speed.json"
NAME, BATCH, PIECE = "vit_small_patch16_224", 16, 100
# A torchvision beside a CPU build of torch imports once these schemas are declared.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
MEMORY = """
import sys
from pathlib import Path
from retinaforge.encoders import load
from retinaforge.images import read_records
from retinaforge.tasks.embedding import embed_folder
said = lambda: {r.split(':')[0]: r.split()[1] for r in open('/proc/self/status') if r[:2] == 'Vm'}
folder, weights, count = sys.argv[1:]
encoder, records = load(f'retfound:{weights}'), read_records(Path(folder))[: int(count)]
before = int(said()['VmRSS'])
embed_folder(encoder, records, None, batch=16)
print(before / 1024, int(said()['VmHWM']) / 1024)
"""


def peer_network() -> Any:
    """Return timm's network with random weights, and its transform."""
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    import timm

    torch.manual_seed(0)
    network = timm.create_model(NAME, pretrained=False, num_classes=0).eval()
    config = timm.data.resolve_data_config({}, model=network)
    return network, timm.data.create_transform(**config), timm.__version__, library


class Files(torch.utils.data.Dataset):
    """Photographs through timm's transform."""

    def __init__(self, paths: Sequence[Path], transform: Callable[[Any], torch.Tensor]) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[place]).convert("RGB"))


def by_peer(network: Any, transform: Any, records: Sequence[Record]) -> np.ndarray:
    """Return features as a plain loop computes them."""
    loader = torch.utils.data.DataLoader(Files([r.path for r in records], transform), BATCH)
    with torch.inference_mode():
        return torch.cat([network(images) for images in loader]).numpy()


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def pieces(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    yield from (records[k : k + PIECE] for k in range(0, len(records), PIECE))


def agreement(network: Any, encoder: Encoder) -> float:
    """Return the largest difference of the two networks on one prepared batch."""
    images = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        return float(
            (network(encoder.prepare(images, None)) - encoder.embedding(images)).abs().max()
        )


def memory_of(folder: Path, weights: Path, count: int) -> dict[str, float]:
    """Return resident MiB before and at most, embedding `count` images in a process of its own."""
    words = [sys.executable, "-c", MEMORY, str(folder), str(weights), str(count)]
    before, most = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return {"images": count, "before_mib": float(before), "peak_mib": float(most)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = read_records(options.folder)[: options.images]
    network, transform, version, _library = peer_network()
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch) / "vit_small.pth"
        torch.save({"model": network.state_dict()}, weights)
        plain = load(f"retfound:{weights}")
        quick = load(f"retfound:{weights},precision=auto")
        ways: dict[str, Callable[[Sequence[Record]], Any]] = {
            "timm loop, float32": lambda rows: by_peer(network, transform, rows),
            "ours, float32": lambda rows: embed_folder(plain, rows, None, batch=BATCH),
            "ours, precision=auto": lambda rows: embed_folder(quick, rows, None, batch=BATCH),
        }
        for work in ways.values():
            work(records[:BATCH])  # what happens once is not counted
        spent = {name: [0.0, 0.0] for name in ways}
        for piece in pieces(records):
            for name, work in ways.items():
                wall, cpu = timed(lambda work=work, piece=piece: work(piece))
                spent[name][0] += wall
                spent[name][1] += cpu
            print(json.dumps(spent), file=sys.stderr, flush=True)
        content = {
            "network": NAME, "timm": version, "images": len(records), "batch": BATCH,
            "seconds": {n: {"wall": w, "cpu": c} for n, (w, c) in spent.items()},
            "timm_over_ours": {
                name: {"wall": spent["timm loop, float32"][0] / w,
                       "cpu": spent["timm loop, float32"][1] / c}
                for name, (w, c) in spent.items() if name != "timm loop, float32"
            },
            "precision_chosen": str(getattr(quick, "precision", "")),
            "largest_difference_on_one_batch": agreement(network, plain),
            "memory": [memory_of(options.folder, weights, n) for n in (200, len(records))],
            "environment": artefacts.environment(),
        }  # fmt: skip
    artefacts.write_json(options.out, content)
    print(json.dumps({k: content[k] for k in ("seconds", "timm_over_ours", "memory")}, indent=2))


if __name__ == "__main__":
    main()
