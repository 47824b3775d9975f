"""How fast phantoms are drawn and written with all masks, by size and by layer.

Times are the processor's, so that a busy machine shows the same; the last table is the wall clock
of whole data sets, starting the workers included. Exponents say how time grows with the number of
pixels between two sizes: 1 is proportional, below 1 is less.

Run: OMP_NUM_THREADS=1 python benchmarks/phantoms_speed.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from math import log
from pathlib import Path
from typing import Any
from unittest.mock import patch

from retinaforge.phantoms import export, phantom, write
from retinaforge.phantoms.people import places
from retinaforge.phantoms.recipe import load_recipe

SIZES_PX = (128, 256, 512, 1024, 2048)
LAYERS: dict[str, tuple[tuple[Any, str], ...]] = {
    "growth": tuple((phantom, name) for name in ("lay_out", "grow_trees", "find_crossings")),
    "raster": ((phantom, "rasterise"),),
    "vessels": ((phantom, "paint_vessels"),),
    "ground": tuple((phantom, name) for name in ("paint_ground", "paint_disc")),
    "lesions": tuple((phantom, name) for name in ("place_lesions", "paint_under", "paint_over",
                                                  "lesion_masks")),
    "camera": tuple((phantom, name) for name in ("set_up", "expose", "aperture_mask", "fov_of")),
    "facts": ((write, "facts_of"),),
    "graph": ((export, "graph_as_dict"), (export, "plain_json")),
    "png": ((export, "png"),),
}  # fmt: skip
GOAL = "2 images/s at 512 px with all masks on 2 cores"


def by_layer(size_px: int, *, count: int, recipe_name: str) -> dict[str, float]:
    """Return processor seconds an image by layer; "rest" is masks, tree and what is between."""
    recipe, spent = load_recipe(recipe_name), defaultdict(float)

    def timed(layer: str, function: Callable) -> Callable:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            before = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[layer] += time.process_time() - before

        return run

    with ExitStack() as stack:
        for layer, functions in LAYERS.items():
            for module, name in functions:
                whole = timed(layer, getattr(module, name))
                stack.enter_context(patch.object(module, name, whole))
        wanted = places(recipe, seed=1, count=count + 1)
        write.files_of(recipe, wanted[-1], seed=1, size_px=size_px)
        spent.clear()
        before = time.process_time()
        for place in wanted[:count]:
            write.files_of(recipe, place, seed=1, size_px=size_px)
        total = time.process_time() - before
    row = {layer: spent[layer] / count for layer in LAYERS}
    return row | {"rest": total / count - sum(row.values()), "total": total / count}


def written(size_px: int, *, count: int, workers: int, recipe_name: str) -> dict[str, float]:
    """Write a data set and return images a second by the wall clock and by the processor's."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), _cpu_s()
        write.write_phantoms(Path(folder) / "set", count=count, size_px=size_px, seed=1,
                             workers=workers, recipe=load_recipe(recipe_name))  # fmt: skip
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    return {
        "size_px": size_px,
        "workers": workers,
        "count": count,
        "images_per_s": count / wall,
        "images_per_cpu_s": count / cpu,
    }


def _cpu_s() -> float:
    use = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in use)


def exponent(small: dict[str, float], large: dict[str, float], layer: str, ratio: float) -> float:
    """Return ln(time ratio) / ln(pixel ratio)."""
    return log(max(large[layer], 1e-9) / max(small[layer], 1e-9)) / log(ratio)


def main() -> None:
    """Measure every size, print tables, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--count", type=int, default=8, help="images a size (fewer above 512 px)")
    parser.add_argument("--recipe", default="screening", help="population that is drawn")
    options = parser.parse_args()
    counts = {size: options.count if size <= 512 else max(2, options.count // 4)
              for size in SIZES_PX}  # fmt: skip
    layers = {
        size: by_layer(size, count=counts[size], recipe_name=options.recipe) for size in SIZES_PX
    }
    names = [*LAYERS, "rest", "total"]
    print("processor seconds an image, one thread, and images/cpu-s")
    print("size_px " + "".join(f"{name:>9s}" for name in names) + "  images/cpu-s")
    for size, row in layers.items():
        cells = "".join(f"{row[name]:9.3f}" for name in names)
        print(f"{size:7d} {cells}  {1 / row['total']:12.2f}")
    growth = {name: exponent(layers[512], layers[2048], name, 16.0) for name in names}
    print("exponent" + "".join(f"{growth[name]:9.2f}" for name in names) + "  (512 to 2048 px)")
    sets = [written(512, count=3 * options.count, workers=workers, recipe_name=options.recipe)
            for workers in (1, 2)]  # fmt: skip
    print(f"\nwhole data sets of 512 px; goal: {GOAL}; load average {os.getloadavg()[0]:.1f}")
    for row in sets:
        print(f"{row['workers']} worker(s), {row['count']} images: {row['images_per_s']:.2f} "
              f"images/s, {row['images_per_cpu_s']:.2f} images/cpu-s")  # fmt: skip
    if options.json:
        result = {"recipe": options.recipe, "seconds_by_layer": layers, "exponent": growth,
                  "sets": sets, "load": os.getloadavg()[0], "cores": os.cpu_count()}  # fmt: skip
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
