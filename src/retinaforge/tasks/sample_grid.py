"""Contact sheets of drawn images, each with its caption below; ladders with one seed a row."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from retinaforge.core.artefacts import write_with
from retinaforge.tasks.sample_files import png_info
from retinaforge.tasks.sample_labels import font_for, lines_of

BLACK, PAPER, INK = (0, 0, 0), (255, 255, 255), (40, 40, 40)
MARGIN_PX = 8
TEXT_PX = 12
LINE_PX = 15
MOST_LINES = 8


def contact_sheet(
    images: Sequence[Image.Image | None],
    captions: Sequence[str],
    path: Path,
    *,
    columns: int | None = None,
    cell_px: int = 192,
    heads: bool = False,
) -> Path:
    """Write images in rows, with captions below, as PNG that says it is synthetic.

    Args:
        images: in reading order; None leaves a cell black.
        captions: one an image; what does not fit in eight lines ends in "…"; see
            `tasks.sample_labels` for letters that are not in the font.
        path: of the PNG.
        columns: None makes the sheet about as wide as high.
        cell_px: width of a cell; images are brought to it.
        heads: captions stand above the first row only, one a column (ladders).
    """
    count = len(images)
    columns = min(columns or max(1, round(count**0.5 * 1.2)), max(1, count))
    font = font_for(captions, TEXT_PX)
    texts = [lines_of(caption, cell_px, font, MOST_LINES) for caption in captions]
    below = max((len(lines) for lines in texts), default=0) * LINE_PX + MARGIN_PX
    height = max((_fitted(image, cell_px).height for image in images if image), default=cell_px)
    pitch = height + (MARGIN_PX if heads else below + MARGIN_PX)
    top = MARGIN_PX + (below if heads else 0)
    size = (
        columns * (cell_px + MARGIN_PX) + MARGIN_PX,
        -(-count // columns) * pitch + top,
    )
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for at, image in enumerate(images):
        x, y = MARGIN_PX + at % columns * (cell_px + MARGIN_PX), top + at // columns * pitch
        if image is None:
            draw.rectangle((x, y, x + cell_px, y + height), fill=BLACK)
        else:
            sheet.paste(_fitted(image, cell_px), (x, y))
        if not heads:
            _write(draw, texts[at], x, y + height + 3, font)
        elif at < columns:
            _write(draw, texts[at], x, MARGIN_PX, font)
    return _save(sheet, path)


def folder_sheet(
    folder: Path, stems: Sequence[str], captions: Sequence[str], path: Path, **how: int | bool
) -> Path:
    """Write the contact sheet of images that a run drew, from its files or shards.

    Args:
        folder: of the run.
        stems: of the images, in order; one that is not there leaves a black cell.
        captions: one a stem.
        path: of the PNG.
        how: of `contact_sheet`.
    """
    shards = sorted(folder.glob("synthetic-*.tar"))
    images = _from_shards(shards, stems) if shards else [_open(folder, stem) for stem in stems]
    return contact_sheet(images, captions, path, **how)


def spread(count: int, most: int) -> list[int]:
    """Return at most so many numbers below `count`, evenly spaced."""
    if count <= most:
        return list(range(count))
    return [at * count // most for at in range(most)]


def _open(folder: Path, stem: str) -> Image.Image | None:
    path = folder / f"{stem}.png"
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.convert("RGB")


def _from_shards(shards: Sequence[Path], stems: Sequence[str]) -> list[Image.Image | None]:
    wanted, found = {f"{stem}.png": stem for stem in stems}, {}
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.name in wanted else None
                if stream is not None:
                    image = Image.open(io.BytesIO(stream.read())).convert("RGB")
                    found[wanted[member.name]] = image
    return [found.get(stem) for stem in stems]


def _write(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], x: int, y: int, font: ImageFont.FreeTypeFont
) -> None:
    for number, line in enumerate(lines):
        draw.text((x, y + number * LINE_PX), line, fill=INK, font=font)


def _fitted(image: Image.Image, width_px: int) -> Image.Image:
    height = max(1, round(image.height * width_px / image.width))
    return image.resize((width_px, height), Image.Resampling.BICUBIC)


def _save(sheet: Image.Image, path: Path) -> Path:
    return write_with(path, lambda stream: sheet.save(stream, "PNG", pnginfo=png_info({})))
