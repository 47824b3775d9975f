"""Draw the gallery of phantoms: docs/reference/phantom-gallery.md and its pictures.

`python tools/make_gallery.py` draws all of it with fixed seeds, in about two minutes on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from retinaforge.phantoms import (
    AnatomyParams,
    CameraParams,
    DiseaseParams,
    PhantomParams,
    draw,
    draw_fundus,
    facts_of,
    load_recipe,
    photograph_fundus,
)
from retinaforge.phantoms.cameras import PROFILES
from retinaforge.phantoms.layers import panel, sheet, show_layers
from retinaforge.phantoms.people import phantom_of, places, sit

DOCS = Path(__file__).parents[1] / "docs"
ASSETS = DOCS / "assets" / "phantoms"
QUALITY = 82
"""Of the JPEG files: all of the gallery stays below 1.5 MB."""
PLAIN = CameraParams(model="like_canon_cr5", aim="between")

DISEASES: tuple[tuple[str, DiseaseParams], ...] = (
    ("no disease", DiseaseParams()),
    ("diabetic retinopathy, grade 1", DiseaseParams(diabetic_grade=1)),
    ("diabetic retinopathy, grade 2", DiseaseParams(diabetic_grade=2)),
    ("grade 2, macular oedema", DiseaseParams(diabetic_grade=2, macular_oedema=True)),
    ("diabetic retinopathy, grade 3", DiseaseParams(diabetic_grade=3)),
    ("diabetic retinopathy, grade 4", DiseaseParams(diabetic_grade=4)),
    ("laser scars", DiseaseParams(diabetic_grade=3, laser=True)),
    ("AMD, early", DiseaseParams(amd=1)),
    ("AMD, intermediate", DiseaseParams(amd=2)),
    ("AMD, late", DiseaseParams(amd=3)),
    ("glaucoma suspect", DiseaseParams(glaucoma=1)),
    ("glaucoma", DiseaseParams(glaucoma=2)),
)
LADDER: tuple[tuple[str, dict], ...] = (
    ("as the camera is", {}),
    ("defocus 35 um", {"defocus_um": 35.0}),
    ("defocus 80 um", {"defocus_um": 80.0}),
    ("motion 200 um", {"motion_um": 200.0}),
    ("haze 0.3", {"haze": 0.3}),
    ("haze 0.6", {"haze": 0.6}),
    ("dark", {"exposure": 0.45}),
    ("missed pupil", {"crescent": -0.8}),
    ("noise 15", {"noise": 15.0}),
    ("JPEG 12", {"jpeg_quality": 12}),
    ("dust 40, spots 4", {"dust": 40, "spots": 4}),
    ("eyelashes", {"lashes": 0.8}),
)
PIGMENTS = (0.0, 0.33, 0.67, 1.0)


def twelve_eyes() -> Image.Image:
    """Return the first twelve photographs of the screening recipe, seed 3."""
    recipe = load_recipe("screening")
    rows = []
    for place in places(recipe, seed=3, count=12):
        sitting = sit(recipe, place, seed=3)
        phantom = phantom_of(sitting, size_px=300)
        title = f"{sitting.place.eye}, {sitting.sex}, {sitting.age:.0f}"
        rows.append(panel(title, phantom.photograph.pixels))
    return sheet(rows, columns=4)


def each_disease() -> Image.Image:
    """Return one eye with each disease by the same camera; the title gives the drawn labels."""
    panels = []
    for title, disease in DISEASES:
        params = PhantomParams(disease=disease, camera=PLAIN)
        panels.append(
            panel(title, draw(21, size_px=320, eye="OD", params=params).photograph.pixels)
        )
    return sheet(panels, columns=4)


def lesions_near() -> Image.Image:
    """Return details of 3 mm of eyes with diabetic retinopathy, as drawn at 1600 px."""
    panels = []
    for title, seed, disease, kind in (
        ("microaneurysms, dots", 21, DiseaseParams(diabetic_grade=2), "haemorrhage_dot"),
        ("hard exudates", 22, DiseaseParams(diabetic_grade=2, macular_oedema=True), "hard_exudate"),
        ("flames, cotton wool", 23, DiseaseParams(diabetic_grade=3), "cotton_wool_spot"),
        ("new vessels", 24, DiseaseParams(diabetic_grade=4), "neovascularisation"),
        ("drusen", 25, DiseaseParams(amd=2), "drusen"),
        ("geographic atrophy", 26, DiseaseParams(amd=3), "geographic_atrophy"),
        ("glaucoma", 27, DiseaseParams(glaucoma=2), "disc"),
        ("healthy disc", 28, DiseaseParams(), "disc"),
    ):
        phantom = draw(seed, size_px=1600, eye="OD",
                       params=PhantomParams(disease=disease, camera=PLAIN))  # fmt: skip
        mask = phantom.disc if kind == "disc" else phantom.lesions.get(kind, phantom.disc)
        panels.append(panel(title, _detail(phantom.photograph.pixels, mask, 320)))
    return sheet(panels, columns=4)


def _detail(pixels: np.ndarray, mask: np.ndarray, side: int) -> np.ndarray:
    """Return a square round the part of a mask that lies nearest to the picture's middle."""
    middle = pixels.shape[0] / 2
    rows, columns = np.nonzero(mask)
    nearest = int(np.argmin((rows - middle) ** 2 + (columns - middle) ** 2))
    close = np.hypot(rows - rows[nearest], columns - columns[nearest]) < side / 2
    row, column = int(rows[close].mean()), int(columns[close].mean())
    top = min(max(row - side // 2, 0), pixels.shape[0] - side)
    left = min(max(column - side // 2, 0), pixels.shape[1] - side)
    return pixels[top : top + side, left : left + side]


def each_camera() -> Image.Image:
    """Return the same eye by every camera, and four pigments by one."""
    fundus = draw_fundus(31, eye="OD")
    shown = [
        panel(name, photograph_fundus(fundus, CameraParams(model=name), size_px=320)
              .photograph.pixels)
        for name in PROFILES
    ]  # fmt: skip
    for pigment in PIGMENTS:
        params = PhantomParams(anatomy=AnatomyParams(pigment=pigment), camera=PLAIN)
        phantom = draw(31, size_px=320, eye="OD", params=params)
        shown.append(panel(f"pigment {pigment:g}", phantom.photograph.pixels))
    return sheet(shown, columns=4)


def quality_ladder() -> Image.Image:
    """Return the same photograph spoilt in eleven ways, each with the label that follows."""
    params = PhantomParams(disease=DiseaseParams(diabetic_grade=2))
    fundus = draw_fundus(42, eye="OS", params=params)
    shown = []
    for title, settings in LADDER:
        camera = CameraParams(model="like_canon_cr5", aim="between", **settings)
        phantom = photograph_fundus(fundus, camera, size_px=320, params=params)
        label = facts_of(phantom)["labels"]["quality"]
        shown.append(panel(f"{title}: {label}", phantom.photograph.pixels))
    return sheet(shown, columns=4)


def visits() -> Image.Image:
    """Return one eye with worsening retinopathy at four visits, 2.5 years apart."""
    params = PhantomParams(disease=DiseaseParams(diabetic_grade=1, diabetic_progression=0.4))
    shown = []
    for visit in range(4):
        fundus = draw_fundus(52, eye="OD", params=params, years=2.5 * visit)
        phantom = photograph_fundus(fundus, PLAIN, size_px=320, params=params, shot=visit)
        grade = facts_of(phantom)["labels"]["dr_grade"]
        shown.append(panel(f"year {2.5 * visit:g}: grade {grade}", phantom.photograph.pixels))
    return sheet(shown, columns=4)


def layers() -> Image.Image:
    """Return one eye with its layers."""
    params = PhantomParams(disease=DiseaseParams(diabetic_grade=3), camera=PLAIN)
    phantom = draw(61, size_px=440, eye="OD", params=params)
    return show_layers(phantom, facts_of(phantom))


PICTURES: tuple[tuple[str, str, str, Callable[[], Image.Image]], ...] = (
    ("twelve", "Twelve eyes", "The first twelve photographs of `--recipe screening --seed 3`: six "
     "persons, both eyes, any disease, any camera, as they come.", twelve_eyes),
    ("diseases", "Each disease", "The same eye, with each disease in turn; the titles name "
     "what was asked for.", each_disease),
    ("details", "Lesions and discs from near", "Details of photographs of 1600 px, one camera.",
     lesions_near),
    ("cameras", "Each camera, light and dark fundi", "The same eye by every camera; then by one "
     "camera with pigment from very light to very dark.", each_camera),
    ("quality", "Quality", "One eye, one camera, spoilt in eleven ways; the label follows from the "
     "settings by a rule.", quality_ladder),
    ("visits", "Visits", "The same vessels; the lesions of the eye progress.", visits),
    ("layers", "Layers of one eye", "What comes with every photograph, as "
     "`retinaforge phantoms show` prints it.", layers),
)  # fmt: skip


def page() -> str:
    """Return the Markdown of the gallery."""
    lines = [
        "# Gallery of phantoms", "",
        "Made by `python tools/make_gallery.py`, with fixed seeds, none picked by hand. Every eye "
        "here is drawn: no person's photograph is in it. "
        "[How to draw them](../how-to/draw-phantoms.md).",
    ]  # fmt: skip
    for name, title, about, _ in PICTURES:
        lines += ["", f"## {title}", "", about, "", f"![{title}](../assets/phantoms/{name}.jpg)"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draw the pictures named on the command line, or all, and write the page."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name, _, _, make in PICTURES:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        path = ASSETS / f"{name}.jpg"
        make().save(path, "jpeg", quality=QUALITY, optimize=True, comment=b"synthetic: RetinaForge")
        print(f"wrote {path}: {path.stat().st_size / 1024:.0f} KiB", file=sys.stderr)
    (DOCS / "reference" / "phantom-gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
