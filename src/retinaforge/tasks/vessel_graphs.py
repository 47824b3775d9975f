"""Vessel trees as GraphML and GeoJSON, in pixels of the photograph (x right, y down).

(0, 0) is the centre of the first pixel. Coordinates are rounded to a hundredth of a pixel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from retinaforge.core import Branch
from retinaforge.vessels.vasculature import Vasculature

GRAPHML_KEYS = (
    ("node", "x", "double"), ("node", "y", "double"), ("edge", "branch", "int"),
    ("edge", "kind", "string"), ("edge", "length_px", "double"), ("edge", "calibre_px", "double"),
    ("edge", "parent", "int"), ("edge", "points_px", "string"), ("edge", "radii_px", "string"),
)  # fmt: skip


def geojson(v: Vasculature) -> bytes:
    """Return the trees as a FeatureCollection: a LineString a branch, a Point a crossing.

    A branch has the properties id, kind, parent (id of the branch it grew from, or null),
    length_px, calibre_px (median) and radii_px (one a point).
    """
    features = [_line(k, branch) for k, branch in enumerate(v.tree.branches)]
    features += [
        _feature("Point", [round(x, 2), round(y, 2)], {"what": "crossing", "kind": kind})
        for kind, traced in v.traced.items()
        for x, y in traced.crossings_px.tolist()
    ]
    content = {"type": "FeatureCollection", "features": features}
    return (json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n").encode()


def _feature(kind: str, place: list[Any], properties: dict[str, Any]) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": place}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _line(k: int, branch: Branch) -> dict[str, Any]:
    radii = [round(r, 2) if np.isfinite(r) else None for r in branch.radii_px.tolist()]
    said = {"what": "branch", "id": k, "kind": branch.kind, "parent": branch.parent}
    measures = {key: value for key, value in _measures(branch).items() if value is not None}
    said |= measures | {"radii_px": radii}
    return _feature("LineString", np.round(branch.points_px, 2).tolist(), said)


def _measures(branch: Branch) -> dict[str, float | None]:
    radius = float(np.median(branch.radii_px)) if len(branch.radii_px) else np.nan
    calibre = round(2 * radius, 3) if np.isfinite(radius) else None
    return {"length_px": round(branch.length_px, 3), "calibre_px": calibre}


def graphml(v: Vasculature) -> bytes:
    """Return the trees as GraphML: an edge a branch, a node where branches begin, meet and end."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        *(
            f'<key id="{name}" for="{of}" attr.name="{name}" attr.type="{kind}"/>'
            for of, name, kind in GRAPHML_KEYS
        ),
        '<graph id="vessels" edgedefault="directed">',
        *_elements(v.tree.branches),
        "</graph>",
        "</graphml>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _elements(branches: tuple[Branch, ...]) -> Iterator[str]:
    for k, branch in enumerate(branches):
        begin = f"b{k}" if branch.parent is None else f"e{branch.parent}"
        if branch.parent is None:
            yield _node(begin, branch.points_px[0])
        yield _node(f"e{k}", branch.points_px[-1])
    for k, branch in enumerate(branches):
        begin = f"b{k}" if branch.parent is None else f"e{branch.parent}"
        data = {"branch": k, "kind": branch.kind, **_measures(branch), "parent": branch.parent,
                "points_px": " ".join(f"{x:.2f},{y:.2f}" for x, y in branch.points_px.tolist()),
                "radii_px": " ".join(f"{r:.2f}" for r in branch.radii_px.tolist())}  # fmt: skip
        known = {key: value for key, value in data.items() if value is not None}
        inside = "".join(f"<data key={quoteattr(key)}>{known[key]}</data>" for key in known)
        yield f'<edge source="{begin}" target="e{k}">{inside}</edge>'


def _node(name: str, place: np.ndarray) -> str:
    x, y = place.tolist()
    return f'<node id="{name}"><data key="x">{x:.2f}</data><data key="y">{y:.2f}</data></node>'


GRAPHS = {"geojson": geojson, "graphml": graphml}
"""How a vasculature is written, by the file's ending."""
