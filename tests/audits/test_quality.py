"""The quality grade: phantoms by their own rule, blur, bad light, small and bad input."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib import resources

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.audits import quality
from retinaforge.audits.quality import Grade, grade_quality, read_quality_model
from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.images import find_fov, normalise
from retinaforge.phantoms import CameraParams, PhantomParams, draw

PLAIN = CameraParams(model="like_nidek_nm200d", fov_deg=45, aim="between", aperture="circle",
                     crescent=0.0, lashes=0.0, dust=0, spots=0, haze=0.0, rim_haze=0.0)  # fmt: skip


def square(seed: int, size_px: int = 256, **camera: float) -> tuple[Photograph, Fov]:
    params = PhantomParams(camera=replace(PLAIN, **camera))
    drawn = draw(seed, size_px=512, params=params)
    made = normalise(drawn.photograph, find_fov(drawn.photograph), size_px=size_px)
    return made.photograph, made.fov


@pytest.fixture(scope="module")
def sharp() -> tuple[Photograph, Fov]:
    return square(5)


def blurred(photo: Photograph, fov: Fov, sigma_px: float) -> Photograph:
    weight = np.maximum(ndimage.gaussian_filter(fov.mask.astype(float), sigma_px), 1e-6)
    soft = ndimage.gaussian_filter(photo.pixels.astype(float), (sigma_px, sigma_px, 0))
    pixels = np.where(fov.mask[..., None], soft / weight[..., None], 0)
    return photo.after(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), "blurred")


def times(photo: Photograph, factor: float) -> Photograph:
    return photo.after(np.clip(photo.pixels * factor, 0, 255).astype(np.uint8), "lit")


def test_a_clear_phantom_is_good_and_one_out_of_focus_is_not() -> None:
    assert grade_quality(*square(5)).grade == "good"
    assert grade_quality(*square(5, defocus_um=180.0)).grade != "good"


def test_blur_never_raises_the_grade(sharp: tuple[Photograph, Fov]) -> None:
    photo, fov = sharp
    grades = [grade_quality(blurred(photo, fov, s), fov) for s in (0.3, 0.8, 1.5, 2.5, 4.0)]
    order = [quality.GRADES.index(g.grade) for g in grades]
    severities = np.array([g.severity for g in grades])
    assert order == sorted(order)
    assert order[-1] == 2
    assert (np.diff(severities) > -0.02).all()  # a reject is hardly worse than another
    assert severities[0] < severities[1] < severities[2]


@pytest.mark.parametrize("factor", [0.12, 5.0])
def test_too_little_and_too_much_light_are_no_longer_good(
    sharp: tuple[Photograph, Fov], factor: float
) -> None:
    photo, fov = sharp
    assert grade_quality(times(photo, factor), fov).grade != "good"


def test_the_reason_of_a_blurred_photograph_names_sharpness(
    sharp: tuple[Photograph, Fov],
) -> None:
    photo, fov = sharp
    assert "sharpness" in grade_quality(blurred(photo, fov, 3.0), fov).reason


def test_the_size_hardly_matters_and_small_ones_carry_a_caution() -> None:
    found = {size: grade_quality(*square(5, size)) for size in (128, 256, 512)}
    assert {g.grade for g in found.values()} == {"good"}
    assert "judged at 128 px" in found[128].reason
    assert found[512].reason == ""
    assert "enlarged to 128 px" in grade_quality(*square(5, 96)).reason


def test_a_black_image_is_a_reject(sharp: tuple[Photograph, Fov]) -> None:
    photo, fov = sharp
    black = grade_quality(photo.after(np.zeros_like(photo.pixels), "black"), fov)
    assert black == Grade("reject", 1.0, "black or flat: no structure in the field of view", 2.0)


def test_the_same_image_gets_the_same_grade_as_plain_data(
    sharp: tuple[Photograph, Fov],
) -> None:
    first, second = grade_quality(*sharp), grade_quality(*sharp)
    assert first == second
    assert json.loads(json.dumps(asdict(first)))["grade"] == first.grade
    assert 1 / 3 <= first.probability <= 1


def test_a_field_of_view_of_another_size_is_refused(sharp: tuple[Photograph, Fov]) -> None:
    with pytest.raises(Refusal, match="field of view of the photograph's"):
        grade_quality(sharp[0], replace(sharp[1], mask=sharp[1].mask[:-1]))


def shipped() -> dict:
    return json.loads((resources.files("retinaforge.audits") / quality.SHIPPED).read_text())


def without(key: str) -> dict:
    return {k: v for k, v in shipped().items() if k != key}


def other_size(key: str, value: object) -> dict:
    plain = shipped()
    plain["sizes"]["256"][key] = value
    return plain


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "a quality model as JSON"),
        ("[]", "another file"),
        (json.dumps(without("format")), "another file"),
        (json.dumps(without("columns")), "this version's grades and numbers"),
        (json.dumps(without("sizes")), "a whole quality model"),
        (json.dumps({**shipped(), "sizes": {"128": shipped()["sizes"]["128"]}}), "for 256 px"),
        (json.dumps(other_size("means", [0.0])), "means must be"),
        (json.dumps(other_size("scales", [0.0] * 32)), "scales must be above 0"),
        (json.dumps(other_size("linear", "much")), "a whole quality model"),
    ],
)
def test_a_bad_model_is_refused_by_name(tmp_path, content: str, said: str) -> None:
    path = tmp_path / "quality.json"
    path.write_text(content)
    with pytest.raises(Refusal, match=said):
        read_quality_model(path)


def test_a_written_model_grades_as_the_shipped_one(tmp_path, sharp: tuple[Photograph, Fov]) -> None:
    path = tmp_path / "quality.json"
    path.write_text(json.dumps(shipped()))
    assert grade_quality(*sharp, model=read_quality_model(path)) == grade_quality(*sharp)


def test_the_card_of_the_model_says_what_it_was_made_from() -> None:
    card = shipped()["card"]
    assert all(word in " ".join(card["training_data"]) for word in ("idrid", "phantoms"))
    assert "CC BY 4.0" in card["licence"]
    assert set(card["results"]) == {"128", "256"}
