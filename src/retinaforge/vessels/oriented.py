"""The judge `classical`: an oriented, multi-scale matched filter on the green channel.

    g' = (g - G_L * g) / sd_L(g)                              flat and even inside the FOV
    k_{σ,θ}(u, v) = -(1 - u²/σ²) exp(-u²/2σ² - v²/2(λσ)²)     zero mean, unit L1 norm
    r = max(0, max_σ max_θ k_{σ,θ} * g'),   p = sigmoid((r / rms(r) - t) / w)

u runs across and v along the vessel: the second derivative of a Gaussian line, λ times as long as
wide. Pieces too small to be a vessel are halved below the threshold. Nothing is trained; t and the
widths are fixed on the training photographs of CHASE_DB1 and HRF.

References:
    S. Chaudhuri et al., "Detection of blood vessels in retinal images using two-dimensional matched
    filters", IEEE Trans. Med. Imaging 8(3), 1989.
    M. Sofka and C. V. Stewart, "Retinal vessel centerline extraction using multiscale matched
    filters", IEEE Trans. Med. Imaging 25(12), 2006.
"""

from __future__ import annotations

import math
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from retinaforge.anatomy.frame import enter, leave, working_frame
from retinaforge.core import Fov, Photograph, require_same_size
from retinaforge.nets.unet import CELL_PX, blur_cells, flatten_background
from retinaforge.vessels.judge import Judge, JudgeCard
from retinaforge.vessels.skeleton import labels_of

DIAMETER_PX = 512.0
SIGMAS_PX = (1.2, 2.0, 3.2)
ELONGATION = 2.5
ORIENTATIONS = 12
RESPONSE_AT_THRESHOLD = 1.39
RESPONSE_WIDTH = 0.35
"""Both in units of the response's root mean square inside the field of view."""

SMALLEST_PIECE_PX = 60

CARD = JudgeCard(
    name="classical",
    version=1,
    family="filter",
    measures="Vessels as an oriented second-derivative filter of three widths finds them.",
    training_data=("threshold and widths only: chase_db1 and hrf (training images)",),
    licence="Apache-2.0",
    reference="S. Chaudhuri et al., IEEE Trans. Med. Imaging 8(3), 1989",
    known_failure="Takes the disc's rim, lesion borders and choroidal vessels for vessels; kin to "
    "Laplacian, LoG and Frangi losses, so no neutral judge of them.",
)


def line_kernels(sigma_px: float) -> Float[Tensor, "orientations 1 side side"]:
    """Return zero-mean, unit-L1 kernels that answer to dark lines, one per orientation."""
    reach = math.ceil(2.5 * sigma_px * ELONGATION)
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    kernels: list[Tensor] = []
    for turn in range(ORIENTATIONS):
        theta = math.pi * turn / ORIENTATIONS
        u = x * math.cos(theta) + y * math.sin(theta)
        v = y * math.cos(theta) - x * math.sin(theta)
        window = torch.exp(-0.5 * (u / sigma_px) ** 2 - 0.5 * (v / (ELONGATION * sigma_px)) ** 2)
        kernel = -(1 - (u / sigma_px) ** 2) * window
        kernel = kernel - window * kernel.sum() / window.sum()
        kernels.append(kernel / kernel.abs().sum())
    return torch.stack(kernels)[:, None]


def line_response(
    flat: Float[Tensor, "1 1 height width"],
) -> Float[Tensor, "height width"]:
    """Return the strongest answer over widths and orientations, 0 where no dark line is."""
    best = torch.zeros(flat.shape[-2:])
    for sigma_px in SIGMAS_PX:
        kernels = line_kernels(sigma_px)
        answers = F.conv2d(flat, kernels, padding=kernels.shape[-1] // 2)
        best = torch.maximum(best, answers[0].amax(0))
    return best


def even_contrast(
    flat: Float[Tensor, "1 1 height width"], fov: Float[Tensor, "1 1 height width"]
) -> Float[Tensor, "1 1 height width"]:
    """Divide by the local standard deviation, not below 0.3 of the whole field's."""
    mass = blur_cells(F.avg_pool2d(fov, CELL_PX)).clamp_min(1e-4)
    power = blur_cells(F.avg_pool2d(flat.square(), CELL_PX)) / mass
    spread = F.interpolate(power, scale_factor=CELL_PX, mode="bilinear").sqrt().clamp_min(0.3)
    return flat / spread * fov


def drop_small_pieces(p: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """Halve the probability of connected pieces above 0.5 with fewer than 60 pixels."""
    pieces = labels_of(p >= 0.5, np.ones((3, 3), dtype=bool))
    areas = np.bincount(pieces.ravel())
    small = (areas < SMALLEST_PIECE_PX)[pieces] & (pieces > 0)
    return np.where(small, 0.5 * p, p).astype(np.float32)


@final
class ClassicalJudge(Judge):
    """The oriented matched filter; needs no weights."""

    def __init__(self) -> None:
        self.card, self.threshold = CARD, 0.5

    @torch.inference_mode()
    def probability(self, photo: Photograph, fov: Fov) -> Float[np.ndarray, "height width"]:
        """Return a calibrated response of the filter."""
        require_same_size(photo, fov)
        frame = working_frame(fov, diameter_px=DIAMETER_PX)
        pad = (0, -frame.size_px[1] % CELL_PX, 0, -frame.size_px[0] % CELL_PX)
        images, inside = (F.pad(x, pad) for x in enter(photo, fov, frame))
        green = even_contrast(flatten_background(images, inside)[:, 1:2], inside)
        r = line_response(green) * inside[0, 0]
        area = inside.sum().clamp_min(1.0)
        r = r / (r.square().sum() / area).sqrt().clamp_min(1e-6)
        p = torch.sigmoid((r - RESPONSE_AT_THRESHOLD) / RESPONSE_WIDTH)
        p = p[: frame.size_px[0], : frame.size_px[1]].numpy()
        return leave(drop_small_pieces(p), fov, frame)
