"""Who measures masks loads no network: the rooms' doors are lazy, and complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import retinaforge.anatomy
import retinaforge.vessels

HEAVY = ("torch", "pandas", "pyarrow", "sklearn", "statsmodels")
MEASURE = f"""
import sys
from pathlib import Path
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_work import Settings, measure_job
import retinaforge.tasks.crew
import retinaforge.vessels.compare_sets
from retinaforge.vessels import compare_masks

folder = Path(sys.argv[1])
row = measure_job(Job("a.png", "a", None, {{"vessel": folder / "a.png"}}),
                  out=folder / "out", settings=Settings())
assert row["status"] == "ok", row["reason"]
assert len(row["values"]) > 20, row
assert (folder / "out/overlays/a.jpg").is_file()
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_measuring_a_mask_loads_no_network(tmp_path: Path) -> None:
    mask = np.zeros((256, 256), dtype=np.uint8)
    mask[40:216, 120:128] = mask[120:126, 128:230] = 255
    Image.fromarray(mask).save(tmp_path / "a.png")
    call = [sys.executable, "-W", "error", "-c", MEASURE, str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], "loaded though nothing needs it"


@pytest.mark.parametrize("room", [retinaforge.anatomy, retinaforge.vessels])
def test_every_name_of_a_lazy_room_is_there(room: object) -> None:
    assert {name: getattr(room, name) for name in room.__all__}
    with pytest.raises(AttributeError):
        _ = room.no_such_name
