"""Copy audits into a study: every number and verdict, no picture, no image's or patient's name.

python tools/audit_study.py --out studies/audits degradation-idrid=d_ph masking-odir=m_odir
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_json

KEPT = ("audit", "title", "cautions", "said", "protocol", "environment")
NAMES = ("name", "patient")


def without_names(told: dict[str, Any]) -> dict[str, Any]:
    """Return what may be shown of an audit.json."""
    rows = [{k: v for k, v in row.items() if k not in NAMES} for row in told["results"]]
    asked = [[what, Path(text).name if what in ("Real", "Synthetic") else text]
             for what, text in told["asked"]]  # fmt: skip
    return {**{key: told[key] for key in KEPT}, "asked": asked, "results": rows,
            "left out": len(told["left_out"])}  # fmt: skip


def main() -> None:
    """Read folders of audits and write one file each."""
    say = argparse.ArgumentParser(description=__doc__)
    say.add_argument("audits", nargs="+", help="NAME=FOLDER")
    say.add_argument("--out", type=Path, required=True)
    asked = say.parse_args()
    for pair in asked.audits:
        name, _, folder = pair.partition("=")
        told = json.loads((Path(folder) / "audit.json").read_text(encoding="utf-8"))
        print(write_json(asked.out / f"{name}.json", without_names(told)))


if __name__ == "__main__":
    main()
