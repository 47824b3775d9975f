"""One eye with its layers on a sheet: photograph, vessels, landmarks, lesions, graph, facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation, binary_erosion

from retinaforge.phantoms.fundus import LESION_KINDS
from retinaforge.phantoms.phantom import Phantom

Picture = UInt8[np.ndarray, "height width 3"]
Colour = tuple[int, int, int]

PAPER, INK, GREY = (255, 255, 255), (30, 30, 30), (120, 120, 120)
ARTERY, VEIN = (255, 70, 60), (70, 120, 255)
LANDMARKS: dict[str, Colour] = {
    "disc": (255, 255, 120), "cup": (120, 255, 160), "fovea": (255, 150, 255),
    "macula": (160, 200, 255), "fov": (190, 190, 190),
}  # fmt: skip
PALETTE: tuple[Colour, ...] = (
    (255, 60, 60), (200, 0, 90), (255, 120, 0), (255, 240, 0), (255, 255, 255), (0, 255, 120),
    (0, 200, 255), (120, 90, 255), (160, 0, 0), (190, 255, 60), (255, 170, 220), (120, 120, 120),
    (110, 70, 30), (255, 0, 200), (0, 130, 110), (150, 150, 255),
)  # fmt: skip
LESION_COLOURS = {kind: PALETTE[i % len(PALETTE)] for i, kind in enumerate(LESION_KINDS)}
SHOWN_BIOMARKERS = (
    "crae_knudtson_um", "crve_knudtson_um", "avr_knudtson", "artery_length_mm", "vein_length_mm",
    "artery_pooled_tortuosity", "vein_pooled_tortuosity", "artery_branching_angle_deg",
    "vein_branching_angle_deg", "crossings", "disc_area_mm2", "rim_area_mm2",
)  # fmt: skip
"""Of the true values those that fit on the sheet; the facts hold all."""
TITLE_PX = 26


def show_layers(phantom: Phantom, facts: Mapping[str, Any]) -> Image.Image:
    """Return the sheet of one eye: six panels, three in a row.

    Args:
        phantom: what was drawn.
        facts: its record, see `facts.facts_of`.
    """
    photo = phantom.photograph.pixels
    kinds = [kind for kind, mask in phantom.lesions.items() if mask.any()]
    panels = (
        panel("photograph", photo),
        panel("vessels", vessel_layer(phantom), {"artery": ARTERY, "vein": VEIN}),
        panel("landmarks", landmark_layer(phantom), LANDMARKS),
        panel("lesions", lesion_layer(phantom), {kind: LESION_COLOURS[kind] for kind in kinds}),
        panel("vessel graph", graph_layer(phantom), {"branching": (255, 230, 0),
                                                      "end": (180, 180, 180)}),
        text_panel("facts", fact_lines(facts), photo.shape[0]),
    )  # fmt: skip
    return sheet(panels, columns=3)


def sheet(panels: tuple[Image.Image, ...] | list[Image.Image], *, columns: int) -> Image.Image:
    """Return panels of one size side by side, row by row, on white."""
    width, height = panels[0].size
    rows = -(-len(panels) // columns)
    page = Image.new("RGB", (columns * width, rows * height), PAPER)
    for number, panel in enumerate(panels):
        page.paste(panel, (number % columns * width, number // columns * height))
    return page


def vessel_layer(phantom: Phantom) -> Picture:
    """Return the photograph, darker, with arteries red and veins blue, the upper one on top."""
    picture = _dimmed(phantom)
    picture = _blend(picture, phantom.vein, VEIN, 0.85)
    return _blend(picture, phantom.artery, ARTERY, 0.85)


def landmark_layer(phantom: Phantom) -> Picture:
    """Return the photograph with the outlines of disc, cup, fovea, macula and field."""
    picture = phantom.photograph.pixels
    for name, colour in LANDMARKS.items():
        mask = phantom.fov.mask if name == "fov" else getattr(phantom, name)
        picture = _blend(picture, _outline(mask), colour, 1.0)
    return picture


def lesion_layer(phantom: Phantom) -> Picture:
    """Return the photograph, darker, with every lesion in the colour of its kind."""
    picture = _dimmed(phantom)
    for kind, mask in phantom.lesions.items():
        picture = _blend(picture, mask, LESION_COLOURS[kind], 0.8)
    return picture


def graph_layer(phantom: Phantom) -> Picture:
    """Return centrelines with their branchings and ends, on black."""
    size = phantom.vessel.shape[0]
    page = Image.new("RGB", (size, size))
    draw = ImageDraw.Draw(page)
    parents = {branch.parent for branch in phantom.tree.branches}
    dot = max(1.0, size / 256)
    for number, branch in enumerate(phantom.tree.branches):
        colour = ARTERY if branch.kind == "artery" else VEIN
        points = [(float(x), float(y)) for x, y in branch.points_px]
        draw.line(points, fill=colour, width=max(1, size // 400))
        x, y = points[-1]
        mark = (255, 230, 0) if number in parents else (180, 180, 180)
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=mark)
    return np.where(phantom.fov.mask[..., None], np.asarray(page), 0).astype(np.uint8)


def fact_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts in short lines, as they stand beside the layers."""
    person, disc, macula = facts["person"], facts["disc"], facts["macula"]
    lines = [f"{facts['eye']}, seed {facts['seed']}"]
    if person:
        lines.append(f"{person['sex']}, {person['age']:.0f} years, visit {person['visit'] + 1}")
    lines += [
        f"camera: {facts['camera']['model']}, {facts['picture']['fov_deg']:g} degrees",
        *(f"{key.replace('_', ' ')}: {_shown(value)}" for key, value in facts["labels"].items()),
        f"cup-to-disc ratio {disc['cup_to_disc']:.2f}"
        + (f", notch {disc['notch_at']}" if disc["notch_at"] else ""),
        f"disc to fovea {macula['disc_fovea_dd']:.2f} disc diameters",
    ]
    for kind, found in facts["lesions"].items():
        if found["count"]:
            places = ", ".join(f"{n} {place}" for place, n in found["places"].items())
            lines.append(f"{kind.replace('_', ' ')}: {found['count']} ({places})")
    truth = facts["biomarkers"]
    return lines + [f"true {_words(key)}: {_shown(truth[key])}" for key in SHOWN_BIOMARKERS]


def _words(key: str) -> str:
    """Return a biomarker's name with its unit in brackets, e.g. "disc area (mm2)"."""
    name, _, unit = key.rpartition("_")
    if unit not in ("um", "mm", "mm2", "deg"):
        name, unit = key, ""
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "undefined", True: "yes", False: "no"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _dimmed(phantom: Phantom) -> Picture:
    return (phantom.photograph.pixels * 0.55).astype(np.uint8)


def _blend(
    picture: Picture, mask: Bool[np.ndarray, "height width"], colour: Colour, share: float
) -> Picture:
    painted = (1 - share) * picture + share * np.array(colour)
    return np.where(mask[..., None], painted, picture).astype(np.uint8)


def _outline(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    edge = mask & ~binary_erosion(mask, border_value=1)
    # Zero iterations would mean "until nothing changes" to SciPy.
    return binary_dilation(edge, iterations=1 + mask.shape[0] // 700)


def panel(title: str, picture: Picture, legend: Mapping[str, Colour] | None = None) -> Image.Image:
    size = picture.shape[0]
    page = Image.new("RGB", (size, size + TITLE_PX), PAPER)
    page.paste(Image.fromarray(picture), (0, TITLE_PX))
    draw = ImageDraw.Draw(page)
    draw.text((6, 4), title, INK, _font(16))
    line = max(10, size // 36)
    for row, (name, colour) in enumerate((legend or {}).items()):
        top = TITLE_PX + 4 + row * (line + 2)
        draw.rectangle((4, top, 4 + line * 0.7, top + line * 0.7), fill=colour, outline=GREY)
        draw.text((8 + line * 0.7, top - 2), name.replace("_", " "), (255, 255, 255), _font(line))
    return page


def text_panel(title: str, lines: list[str], size: int) -> Image.Image:
    page = Image.new("RGB", (size, size + TITLE_PX), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((6, 4), title, INK, _font(16))
    step = min(max(10.0, size / 30), (size - 4) / max(1, len(lines)))
    for row, line in enumerate(lines):
        draw.text((8, TITLE_PX + row * step), line, INK, _font(0.82 * step))
    return page


def _font(size_px: float) -> Any:
    return ImageFont.load_default(size=max(4.0, size_px))
