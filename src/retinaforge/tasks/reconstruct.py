"""One photograph through an autoencoder and back into its own coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retinaforge.autoencoders import reconstruct_images
from retinaforge.core import Fov, Photograph
from retinaforge.core.artefacts import write_with
from retinaforge.images import Normalised, normalise


@dataclass(frozen=True)
class Reconstruction:
    """A photograph and what an autoencoder made of it, at both scales.

    Attributes:
        original: the photograph on its normalised square, as the model saw it.
        square: the reconstruction of that square.
        native: the reconstruction in the photograph's own size and coordinates.
    """

    original: Normalised
    square: Photograph
    native: Photograph


def reconstruct_photograph(
    model: torch.nn.Module | None, photo: Photograph, fov: Fov, *, size_px: int
) -> Reconstruction:
    """Reconstruct one photograph; without a model only the resizing there and back is done.

    The resizing alone is the line to hold a model against: what it loses, no autoencoder of
    this working size can keep.

    Args:
        model: any autoencoder of `retinaforge.autoencoders`, or None.
        photo: the photograph.
        fov: its field of view.
        size_px: side of the square on which the model works.
    """
    sheet = normalise(photo, fov, size_px=size_px)
    pixels = sheet.photograph.pixels
    if model is not None:
        pixels = np.where(sheet.fov.mask[..., None], run_pixels(model, pixels), 0).astype(np.uint8)
    step = "reconstructed by an autoencoder" if model is not None else "resized there and back"
    square = sheet.photograph.after(pixels, step, synthetic=True)
    back = np.where(fov.mask[..., None], sheet.geometry.undo_image(pixels), photo.pixels)
    return Reconstruction(sheet, square, photo.after(back, step, synthetic=True))


def run_pixels(model: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Return an autoencoder's reconstruction of one RGB image, uint8 of the same shape."""
    device = next(model.parameters()).device
    images = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0)
    images = images.permute(2, 0, 1)[None].to(device)
    back = reconstruct_images(model, images)[0].float().clamp(-1, 1)
    return ((back.permute(1, 2, 0).cpu().numpy() + 1.0) * 127.5).round().astype(np.uint8)


def save_synthetic(photo: Photograph, folder: Path, stem: str, *, model: str) -> Path:
    """Write a synthetic image as PNG that says so in its name and its metadata.

    Args:
        photo: the image.
        folder: where to.
        stem: file name without "synthetic_" and without suffix.
        model: the model's name or fingerprint, written into the metadata.
    """
    info = PngInfo()
    info.add_text("Synthetic", "true")
    info.add_text("Software", f"RetinaForge {metadata.version('retinaforge')}")
    info.add_text("Source", photo.source)
    info.add_text("History", "; ".join(photo.history))
    info.add_text("Model", model)
    image = Image.fromarray(photo.pixels)
    return write_with(
        folder / f"synthetic_{stem}.png",
        lambda stream: image.save(stream, format="PNG", pnginfo=info, compress_level=4),
    )
