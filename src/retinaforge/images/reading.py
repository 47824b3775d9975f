"""Read a photograph or a mask from a file, whole, or say why not."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps

from retinaforge.core import Eye, Photograph, Refusal

_EXIF_ORIENTATION = 0x0112
_WHOLE_RANGES = (255, 1023, 4095, 16383, 65535)


class UnreadableImage(Refusal):
    """A file that is missing, empty, truncated, or no image."""


class MaskSizeError(Refusal):
    """A mask of another size than its photograph."""


def read_photograph(path: Path, *, eye: Eye | None = None) -> Photograph:
    """Read any common image file as an 8-bit RGB photograph.

    Every conversion (rotation by EXIF, 16 bits, CMYK, grey, palette, alpha) is written into
    `history`. A file that cannot be decoded to its last row is refused, never filled up.

    Args:
        path: PNG, JPEG, TIFF, BMP, GIF, WebP or PPM.
        eye: which eye it shows, where the data set says so.

    Returns:
        The photograph, in the orientation in which a viewer would show it.

    Raises:
        UnreadableImage: "expected a whole image file; got an empty file: NAME; ..."
    """
    path = Path(path)
    image = _open_whole(path)
    image, history = _upright(image)
    pixels, steps = _to_rgb(image, path)
    return Photograph(pixels, str(path), eye, (*history, *steps))


def read_mask(
    path: Path, *, size_px: tuple[int, int] | None = None
) -> Bool[np.ndarray, "height width"]:
    """Read a mask drawn in black and white: True where its grey value is above 127.

    Palettes are applied first, so that an inverted palette reads as it looks.

    Args:
        path: the mask file.
        size_px: (height, width) of the photograph, in pixels; None skips the check.

    Returns:
        True inside, shape (height, width).

    Raises:
        UnreadableImage: as `read_photograph`.
        MaskSizeError: "expected a mask of HxW px like its photograph; got ..."
    """
    image, _ = _upright(_open_whole(Path(path)))
    if image.mode.startswith("I"):
        grey = _scaled_to_8_bits(np.asarray(image))[0]
    else:
        grey = np.asarray(image.convert("L"))
    return _of_size(grey > 127, size_px, path)


def read_index_mask(
    path: Path, *, at_least: int = 1, size_px: tuple[int, int] | None = None
) -> Bool[np.ndarray, "height width"]:
    """Read a mask stored as small numbers (palette indices): True where value >= `at_least`.

    Args:
        path: the mask file, one channel.
        at_least: 1 for anything labelled; 2 for the cup in a 0/rim 1/cup 2 file.
        size_px: (height, width) of the photograph, in pixels; None skips the check.

    Returns:
        True inside, shape (height, width).

    Raises:
        UnreadableImage: also when the file has several channels and so no indices.
        MaskSizeError: as `read_mask`.
    """
    image, _ = _upright(_open_whole(Path(path)))
    if image.mode not in ("1", "L", "P", "I", "I;16"):
        raise UnreadableImage(
            "a mask of one channel holding small numbers",
            f"mode {image.mode}: {path}",
            "read it with read_mask if it is drawn in black and white",
        )
    return _of_size(np.asarray(image).astype(np.int64) >= at_least, size_px, path)


def read_grey(path: Path) -> UInt8[np.ndarray, "height width"]:
    """Read an image of 8 bits whose grey values mean something, such as a map of labels.

    A colour image is taken where its channels are equal, as many programs save grey ones so.

    Args:
        path: the image file.

    Returns:
        Values 0-255 as stored, palettes applied.

    Raises:
        UnreadableImage: as `read_photograph`; also for deeper images and for colours.
    """
    path = Path(path)
    image, _ = _upright(_open_whole(path))
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8) * 255
    if image.mode not in ("L", "P", "RGB", "RGBA"):
        raise UnreadableImage(
            "a grey image of 8 bits", f"mode {image.mode}: {path}", "save it as 8-bit grey"
        )
    pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    if pixels.ndim == 3 and (pixels != pixels[..., :1]).any():
        raise UnreadableImage(
            "a grey image, or a colour one whose channels are equal",
            f"colours: {path}",
            "save the grey values themselves",
        )
    return pixels if pixels.ndim == 2 else pixels[..., 0]


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image file, in pixels as stored, and refuse one that is cut off.

    No pixel is decoded: PNG's checksums and JPEG's end marker are read, of other formats the header
    alone. What is damaged inside a whole JPEG is found by `read_photograph`.

    Args:
        path: of the image.

    Raises:
        UnreadableImage: as `read_photograph`.
    """
    path = Path(path)
    content = _content(path)
    try:
        image = Image.open(BytesIO(content))
        size_px = image.height, image.width
        cut_off = image.format == "JPEG" and not _jpeg_ends(content)
        image.verify()
    except Image.UnidentifiedImageError as error:
        raise _unreadable("a file that is no image", path) from error
    except Exception as error:  # as in `_open_whole`; bombs of pixels too
        raise _unreadable(f"a truncated or damaged file ({error})", path) from error
    if cut_off:
        raise _unreadable("a truncated or damaged file (the JPEG never ends)", path)
    return size_px


def _of_size(mask: np.ndarray, size_px: tuple[int, int] | None, path: Path) -> np.ndarray:
    if size_px is not None and mask.shape != tuple(size_px):
        raise MaskSizeError(
            f"a mask of {size_px[1]}x{size_px[0]} px like its photograph",
            f"{mask.shape[1]}x{mask.shape[0]} px: {path}",
            "give the mask drawn for this photograph, at its size",
        )
    return mask


def _open_whole(path: Path) -> Image.Image:
    """Decode all of the file or refuse it by name."""
    content = _content(path)
    try:
        image = Image.open(BytesIO(content))
        cut_off = image.format == "JPEG" and not _jpeg_ends(content)
        if not cut_off:
            # Pillow itself drops the low bytes of 16-bit colour, and forgets it on loading.
            deep = any("RGB;16" in str(tile.args) for tile in image.tile)
            image.load()
            image.info |= {"deep": True} if deep else {}
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage(
            "a photograph of ordinary size",
            f"{error}: {path}",
            "reduce it, or leave it out if it came from a stranger",
        ) from error
    except Image.UnidentifiedImageError as error:
        raise _unreadable("a file that is no image", path) from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise _unreadable(f"a truncated or damaged file ({error})", path) from error
    if cut_off:
        raise _unreadable("a truncated or damaged file (the JPEG never ends)", path)
    return image


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise _unreadable("a folder", path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(f"a file that cannot be opened ({error.strerror})", path) from error
    if not content:
        raise _unreadable("an empty file", path)
    return content


def _unreadable(came: str, path: Path) -> UnreadableImage:
    return UnreadableImage(
        "a whole image file", f"{came}: {path}", "fetch the file again or leave it out"
    )


def _jpeg_ends(content: bytes) -> bool:
    """Tell whether an end marker follows the last scan.

    A download cut short and padded with zeros decodes without complaint into a grey half.
    Inside a scan 0xFF is always followed by a zero, so neither marker occurs there by chance.
    """
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def _upright(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    if orientation not in range(2, 9):
        return image, ()
    return ImageOps.exif_transpose(image), (f"turned upright (EXIF orientation {orientation})",)


def _to_rgb(
    image: Image.Image, path: Path
) -> tuple[UInt8[np.ndarray, "height width 3"], tuple[str, ...]]:
    """Convert any mode to 8-bit RGB and say what was done."""
    mode = image.mode
    if mode == "RGB":
        note = ("16 bits per channel reduced to 8",) if "deep" in image.info else ()
        return np.array(image), note
    if mode.startswith("I"):
        grey, step = _scaled_to_8_bits(np.asarray(image))
        return np.repeat(grey[..., None], 3, axis=2), (step, "grey copied to three channels")
    if mode == "F":
        raise UnreadableImage(
            "an image of 8 or 16 bits per channel",
            f"floating-point pixels of unknown range: {path}",
            "save it as 8-bit or 16-bit PNG",
        )
    if "A" in mode or "a" in mode or "transparency" in image.info:
        return _on_black(image), (f"mode {mode} laid on black (alpha)",)
    words = {"L": "grey copied to three channels", "P": "palette applied"}
    return np.array(image.convert("RGB")), (words.get(mode, f"converted from {mode}"),)


def _scaled_to_8_bits(deep: np.ndarray) -> tuple[UInt8[np.ndarray, "height width"], str]:
    """Scale by the smallest usual range (8, 10, 12, 14, 16 bits) that holds the brightest pixel.

    Cameras store 12 bits in 16-bit files; divided by 65535 these would be nearly black.
    """
    brightest = int(deep.max(initial=0))
    whole = next((top for top in _WHOLE_RANGES if brightest <= top), brightest)
    grey = np.round(deep.astype(np.float64).clip(0) * (255 / whole)).astype(np.uint8)
    return grey, f"scaled from 0-{whole} to 0-255"


def _on_black(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    rgba = image.convert("RGBA")
    black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
    return np.array(Image.alpha_composite(black, rgba).convert("RGB"))
