"""The exact graph of a phantom's vessels: where they start, part, cross and end, as plain data.

Nodes and segments carry flat attributes beside their coordinates, so that the record goes into
GraphML (`graph_as_graphml`) or GeoJSON (`graph_as_geojson`) without loss.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np

from retinaforge.phantoms.phantom import Phantom

FORMAT = 1


def graph_as_dict(phantom: Phantom) -> dict[str, Any]:
    """Return nodes and segments in pixels of the picture and micrometres on the retina.

    Pixels have their centres at whole numbers, to a thousandth; micrometres are those of the
    fundus (a right eye, fovea at the origin, x nasal, y down), to a hundredth. Coordinates in
    micrometres are the same at every size of the picture.

    Returns:
        "nodes": id, type (root, bifurcation, end, crossing), kind, x_px, y_px, x_um, y_um; a
        crossing also artery, vein, over and angle_deg. "segments": id, source, target, kind,
        parent, generation, length_um, points_px, points_um, radii_px, radii_um.
    """
    nodes, segments = _nodes(phantom), []
    ends = {node["vessel"]: node["id"] for node in nodes if node["type"] in ("bifurcation", "end")}
    roots = {node["vessel"]: node["id"] for node in nodes if node["type"] == "root"}
    for index, (vessel, branch) in enumerate(
        zip(phantom.fundus.vessels, phantom.tree.branches, strict=True)
    ):
        pieces = np.hypot(*np.diff(vessel.points_um, axis=0).T)
        segments.append({
            "id": index,
            "source": roots[index] if vessel.parent is None else ends[vessel.parent],
            "target": ends[index],
            "kind": vessel.kind,
            "parent": vessel.parent,
            "generation": vessel.generation,
            "length_um": round(float(pieces.sum()), 2),
            "points_px": _plain(branch.points_px, 3),
            "radii_px": _plain(branch.radii_px, 4),
            "points_um": _plain(vessel.points_um, 2),
            "radii_um": _plain(vessel.radii_um, 3),
        })  # fmt: skip
    return {
        "format": FORMAT,
        "synthetic": True,
        "source": phantom.photograph.source,
        "eye": phantom.photograph.eye,
        "size_px": phantom.vessel.shape[0],
        "um_per_px": phantom.px_um,
        "nodes": [{k: v for k, v in node.items() if k != "vessel"} for node in nodes],
        "segments": segments,
    }


def _nodes(phantom: Phantom) -> list[dict[str, Any]]:
    """Return roots, then each vessel's end, then crossings."""
    vessels, last = phantom.fundus.vessels, phantom.vessel.shape[1] - 1
    parents = {vessel.parent for vessel in vessels}
    places, facts = [], []
    for index, vessel in enumerate(vessels):
        if vessel.parent is None:
            places.append(vessel.points_um[0])
            facts.append({"type": "root", "kind": vessel.kind, "vessel": index})
    for index, vessel in enumerate(vessels):
        places.append(vessel.points_um[-1])
        what = "bifurcation" if index in parents else "end"
        facts.append({"type": what, "kind": vessel.kind, "vessel": index})
    for crossing in phantom.fundus.crossings:
        places.append(np.array(crossing.point_um))
        facts.append({
            "type": "crossing", "kind": "both", "vessel": None, "artery": crossing.artery,
            "vein": crossing.vein, "over": crossing.over, "angle_deg": round(crossing.angle_deg, 3),
        })  # fmt: skip
    pixels = phantom.frame.to_px(np.array(places))
    if phantom.photograph.eye == "OS":
        pixels[:, 0] = last - pixels[:, 0]
    return [
        {"id": number, **fact, "x_px": round(float(px), 3), "y_px": round(float(py), 3),
         "x_um": round(float(x), 2), "y_um": round(float(y), 2)}
        for number, (fact, (px, py), (x, y)) in enumerate(zip(facts, pixels, places, strict=True))
    ]  # fmt: skip


def graph_as_geojson(graph: dict[str, Any]) -> dict[str, Any]:
    """Return a FeatureCollection of points and line strings, coordinates in pixels."""
    features = [
        _feature("Point", [node["x_px"], node["y_px"]], node) for node in graph["nodes"]
    ] + [
        _feature("LineString", segment["points_px"], segment, leave=("points_px", "points_um"))
        for segment in graph["segments"]
    ]
    return {"type": "FeatureCollection", "features": features}


def graph_as_graphml(graph: dict[str, Any]) -> str:
    """Return GraphML text; lists (points, radii) stand as text, numbers parted by blanks."""
    root = ElementTree.Element("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
    keys: dict[tuple[str, str], str] = {}
    body = ElementTree.Element("graph", id="fundus", edgedefault="directed")
    for item in graph["nodes"]:
        element = ElementTree.SubElement(body, "node", id=f"n{item['id']}")
        _data(root, element, keys, "node", item)
    for item in graph["segments"]:
        source, target = f"n{item['source']}", f"n{item['target']}"
        element = ElementTree.SubElement(body, "edge", id=f"e{item['id']}", source=source,
                                         target=target)  # fmt: skip
        _data(root, element, keys, "edge", item)
    root.append(body)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _data(
    root: ElementTree.Element, element: ElementTree.Element, keys: dict[tuple[str, str], str],
    domain: str, item: dict[str, Any],
) -> None:  # fmt: skip
    """Write an item's attributes, declaring each the first time that it appears."""
    types = {int: "long", float: "double"}
    for name, value in item.items():
        if name in ("id", "source", "target") or value is None:
            continue
        if (domain, name) not in keys:
            keys[domain, name] = f"d{len(keys)}"
            declared = {"id": keys[domain, name], "for": domain, "attr.name": name,
                        "attr.type": types.get(type(value), "string")}  # fmt: skip
            ElementTree.SubElement(root, "key", declared)
        flat = np.ravel(value).tolist() if isinstance(value, list) else [value]
        ElementTree.SubElement(element, "data", key=keys[domain, name]).text = " ".join(
            str(entry) for entry in flat
        )


def _feature(
    shape: str, coordinates: list, item: dict[str, Any], *, leave: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": shape, "coordinates": coordinates},
        "properties": {k: v for k, v in item.items() if k not in leave},
    }


def _plain(values: np.ndarray, digits: int) -> list:
    return np.round(values, digits).tolist()
