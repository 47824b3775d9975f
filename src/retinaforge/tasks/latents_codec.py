"""Between images and latents, by one of the project's autoencoders or a diffusers one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal


def encode_latents(
    model: nn.Module, images: Float[Tensor, "batch 3 height width"], *, spread: bool = False
) -> Float[Tensor, "batch channels rows columns"]:
    """Return what the decoder sees of images in [-1, 1].

    Args:
        model: of `load_autoencoder`, in eval mode.
        images: in [-1, 1].
        spread: put a KL autoencoder's standard deviation behind its mean: twice the channels.
    """
    raw = model.encode(images)
    latent = model.quantise(raw).latent.float()
    if not spread:
        return latent
    log_variance = raw.float().chunk(2, dim=1)[1].clamp(-30.0, 20.0)
    return torch.cat([latent, (log_variance / 2).exp()], 1)


@torch.no_grad()
def decode_latents(
    model: nn.Module,
    latents: Float[Tensor, "batch channels rows columns"],
    *,
    scale: float = 1.0,
    shift: float = 0.0,
) -> Float[Tensor, "batch 3 height width"]:
    """Return images in [-1, 1] of latents as a generator gives them.

    A VQ latent is brought to the nearest codes first, as Rombach et al. 2022 do. An FSQ one is
    not: its bottleneck would squash the values a second time.

    Args:
        model: of `load_autoencoder`, in eval mode.
        latents: under scale and shift.
        scale, shift: of the LatentSet that the generator learnt from.
    """
    raw = latents.float() / scale + shift
    if model.config.kind == "vq":
        raw = model.quantise(raw).latent
    return model.decode(raw).float().clamp(-1, 1)


def stated_scale(model: nn.Module) -> tuple[float, float] | None:
    """Return (scale, shift) that a diffusers KL autoencoder states in its config, or None."""
    inner = getattr(getattr(model, "inner", None), "config", None)
    if model.config.kind != "kl" or not getattr(inner, "scaling_factor", None):
        return None
    return float(inner.scaling_factor), float(getattr(inner, "shift_factor", None) or 0.0)


@dataclass(frozen=True)
class LatentEncoder:
    """Squares to rows.

    Attributes:
        model: of `load_autoencoder`, in eval mode, on the device.
        device: that computes.
        size_px: side of the squares.
        wants_spread: rows hold the standard deviation too, of a KL autoencoder.
        precision: "fp32" or "bf16" (autocast).

    Raises:
        Refusal: if the autoencoder's factor does not divide the side.
    """

    model: nn.Module
    device: torch.device
    size_px: int
    wants_spread: bool
    precision: str

    def __post_init__(self) -> None:
        factor = self.model.config.factor
        if self.size_px % factor:
            raise Refusal(
                f"a side that the autoencoder's factor {factor} divides",
                f"{self.size_px} px",
                f"ask for {max(1, round(self.size_px / factor)) * factor} px",
            )

    @property
    def spread(self) -> bool:
        """Return whether rows hold the standard deviation."""
        return self.wants_spread and self.model.config.kind == "kl"

    @torch.no_grad()
    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """Return rows, float32, (n, channels, rows, columns), of squares, RGB 0-255, (n, side,
        side, 3)."""
        pixels = torch.from_numpy(squares).to(self.device).permute(0, 3, 1, 2)
        images = (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return encode_latents(self.model, images, spread=self.spread).cpu().numpy()


def precision_on(asked: str, device: torch.device) -> str:
    """Return "fp32" or "bf16" for what was asked; "auto" is bf16 on a GPU that can."""
    if asked != "auto":
        return asked
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
