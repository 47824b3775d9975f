"""Captions on sheets: another font, bare letters or escapes, but never empty boxes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from retinaforge.tasks import sample_labels
from retinaforge.tasks.sample_grid import contact_sheet
from retinaforge.tasks.sample_labels import drawable, font_for, has, lines_of, plain


@pytest.fixture
def no_fonts(monkeypatch):
    monkeypatch.setattr(sample_labels, "FONTS", ())


def test_letters_that_the_font_has_stay(no_fonts):
    font = font_for(["eye"], 12)
    assert drawable("A right eye: 4 drusen, 0.5 · seed 7 …", font).startswith("A right eye: 4")
    assert not has(font, "右")
    assert has(font, "a")
    assert has(font, " ")


def test_letters_that_it_lacks_lose_their_accents_or_are_written_out(no_fonts):
    font = font_for(["右"], 12)
    text = drawable(plain("Trübung é 12 mm² 右 👁 \x07"), font)
    assert text == "Trubung e 12 mm2 \\u53f3 \\U0001f441 \\x07"
    assert all(has(font, letter) for letter in text)


def test_a_font_of_the_machine_stands_in_where_it_has_more():
    if sample_labels._open("DejaVuSans.ttf", 12) is None:
        pytest.skip("this machine has no DejaVu")
    assert font_for(["A right eye"], 12).getname() == ImageFont.load_default(12).getname()
    font = font_for(["Œil droit, глаз 右"], 12)
    assert font.getname()[0] != ImageFont.load_default(12).getname()[0]
    assert drawable("Œil глаз", font) == "Œil глаз"


def test_lines_are_no_wider_than_their_cell(no_fonts):
    font = font_for([""], 12)
    lines = lines_of(
        "A word " * 30 + "and_one_that_is_wider_than_any_cell_of_the_sheet", 90, font, 40
    )
    assert all(font.getlength(line) <= 90 for line in lines)
    assert "".join(lines).replace(" ", "").startswith("AwordAword")
    assert "".join(lines).endswith("sheet")
    cut = lines_of("A word " * 30, 90, font, 3)
    assert len(cut) == 3
    assert cut[-1].endswith(" …")
    assert font.getlength(cut[-1]) <= 90
    assert lines_of("", 90, font, 3) == []


def test_a_sheet_of_another_script_shows_no_box(no_fonts, tmp_path):
    """Two characters that both lack a glyph were one and the same box."""
    sheets = [
        np.asarray(Image.open(contact_sheet([None], [text], tmp_path / "s.png", cell_px=96)))
        for text in ("右", "左")
    ]
    assert (sheets[0] != sheets[1]).any()
