"""Masks as conditions: a vessel, lesion or disc mask becomes channels beside the latent.

The mask stands at the image's full resolution and a cell of the latent covers factor x factor of
its pixels. "pixels" keeps them all, as factor^2 channels (space to depth, Shi et al. 2016, arXiv
1609.05158): a capillary of one pixel keeps its place in the cell. "area" keeps their mean alone:
one channel, but at factor 8 a vessel may then lie anywhere in a cell wider than itself. The cost
of "pixels" is a wider first layer only, so it is the default.

0 says that nobody gave the mask, -1 that there is nothing here, 1 that there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from retinaforge.core import Refusal

Keeping = Literal["pixels", "area"]


@dataclass(frozen=True)
class MapPlan:
    """How masks are given to a network.

    Attributes:
        kinds: what the masks show, in order: "vessel", "lesion", "disc".
        factor: side of the image over side of the latent.
        keeping: "pixels" or "area".
    """

    kinds: tuple[str, ...]
    factor: int
    keeping: Keeping = "pixels"

    def __post_init__(self) -> None:
        if self.keeping not in get_args(Keeping):
            raise Refusal("keeping pixels or area", repr(self.keeping), "choose one of them")

    @property
    def channels(self) -> int:
        """Return what `NetworkShape.map_channels` takes."""
        return len(self.kinds) * (self.factor**2 if self.keeping == "pixels" else 1)

    def encode(
        self, masks: Float[Tensor, "batch kinds height width"]
    ) -> Float[Tensor, "batch maps rows columns"]:
        """Return maps in [-1, 1] in the latent's grid.

        Args:
            masks: shares from 0 (nothing) to 1, at the size of the image.

        Raises:
            Refusal: if kinds or sides do not fit, or values lie outside 0 to 1.
        """
        kinds, height, width = masks.shape[1:]
        if kinds != len(self.kinds) or height % self.factor or width % self.factor:
            raise Refusal(
                f"masks of {', '.join(self.kinds)} with sides that are multiples of {self.factor}",
                f"{kinds} masks of {width}x{height} px",
                "bring the masks to the size of the image",
            )
        if masks.numel() and not (masks.min() >= 0 and masks.max() <= 1):
            raise Refusal("masks from 0 to 1", "values beyond", "divide 8-bit masks by 255")
        signed = masks.float() * 2 - 1
        if self.keeping == "area":
            return F.avg_pool2d(signed, self.factor)
        return F.pixel_unshuffle(signed, self.factor)

    def only(
        self, maps: Float[Tensor, "batch maps rows columns"], given: Bool[Tensor, "batch kinds"]
    ) -> Float[Tensor, "batch maps rows columns"]:
        """Return maps with the masks that nobody gave, kind by kind, as if they were absent."""
        kept = given.to(maps.device).repeat_interleave(self.channels // len(self.kinds), dim=1)
        return torch.where(kept[:, :, None, None], maps, torch.zeros_like(maps))

    def absent(self, batch: int, rows: int, columns: int) -> Float[Tensor, "b maps rows columns"]:
        """Return the maps of images for which nobody gave a mask."""
        return torch.zeros(batch, self.channels, rows, columns)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> MapPlan:
        """Return what `as_dict` wrote."""
        return cls(tuple(plain["kinds"]), int(plain["factor"]), plain["keeping"])


def drop_maps(maps: Tensor, rows: Sequence[bool] | Tensor) -> Tensor:
    """Return maps with those of some rows taken away, so that a network learns to do without."""
    dropped = torch.as_tensor(rows, dtype=torch.bool, device=maps.device)
    return torch.where(dropped[:, None, None, None], torch.zeros_like(maps), maps)
