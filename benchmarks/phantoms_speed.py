"""How fast phantoms are drawn, with all masks, by size, in one process with one thread.

Run: OMP_NUM_THREADS=1 python benchmarks/phantoms_speed.py [--json]
"""

from __future__ import annotations

import argparse
import json
import time

from retinaforge.phantoms import draw_phantom

SIZES_PX = (128, 256, 512, 1024, 2048)


def measure(size_px: int, *, count: int) -> dict[str, float]:
    """Return images a second by the wall clock and by the processor's."""
    draw_phantom(0, size_px=size_px)
    wall, cpu = time.perf_counter(), time.process_time()
    for seed in range(count):
        draw_phantom(seed, size_px=size_px)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "size_px": size_px,
        "count": count,
        "images_per_s": round(count / wall, 2),
        "images_per_cpu_s": round(count / cpu, 2),
    }


def main() -> None:
    """Measure every size and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--count", type=int, default=8, help="images a size (fewer above 512 px)")
    options = parser.parse_args()
    rows = [
        measure(size, count=options.count if size <= 512 else max(2, options.count // 4))
        for size in SIZES_PX
    ]
    if options.json:
        print(json.dumps({"rows": rows}, indent=2))
        return
    print("size_px  images/s  images/cpu-s")
    for row in rows:
        print(f"{row['size_px']:7d}  {row['images_per_s']:8.2f}  {row['images_per_cpu_s']:12.2f}")


if __name__ == "__main__":
    main()
