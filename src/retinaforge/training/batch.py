"""Batches: a pure function of the step draws them, and none is used unseen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal


@dataclass(frozen=True)
class Batch:
    """Images with their fields of view.

    Attributes:
        images: RGB in [-1, 1], float32, shape (batch, 3, height, width).
        fov: 1 inside the field of view, 0 outside, shape (batch, 1, height, width).
        names: where each image came from, for messages; may be empty.
    """

    images: Float[Tensor, "batch 3 height width"]
    fov: Float[Tensor, "batch 1 height width"]
    names: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device, images in channels-last order."""
        images = self.images.to(device, memory_format=torch.channels_last, non_blocking=True)
        return replace(self, images=images, fov=self.fov.to(device, non_blocking=True))


# The index counts batches over all processes: step * processes + rank. The same index must give
# the same batch whoever asks, whenever: then every arm sees the same images in the same order.
Draw = Callable[[int], Batch]


def draw_ahead(draw: Draw, indices: range, workers: int) -> Iterator[Batch]:
    """Yield draw(index) in order, computed `workers` ahead in threads, or in place for 0."""
    if workers == 0:
        yield from map(draw, indices)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(draw, index) for index in indices[: workers + 1])
        try:
            for index in [*indices[workers + 1 :], *[None] * len(waiting)]:
                if not waiting:
                    return
                batch = waiting.popleft().result()
                if index is not None:
                    waiting.append(pool.submit(draw, index))
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def find_fault(batch: Batch) -> str:
    """Return what makes a batch unusable (NaN or infinite pixels, by image), or "".

    Raises:
        Refusal: if its shape or range shows that the data were prepared in another way.
    """
    b, _, h, w = batch.images.shape
    low, high = (float(x) for x in torch.aminmax(batch.images))
    if batch.fov.shape != (b, 1, h, w):
        raise Refusal(
            f"a field of view of shape {(b, 1, h, w)}",
            f"{tuple(batch.fov.shape)}",
            "let draw(index) return one 0/1 mask per image",
        )
    if not (low > -float("inf") and high < float("inf")):
        bad = (~torch.isfinite(batch.images)).flatten(1).any(1).nonzero().flatten().tolist()
        named = [batch.names[i] if i < len(batch.names) else f"image {i}" for i in bad]
        return "NaN or infinite pixels in " + ", ".join(named)
    if low < -1.01 or high > 1.01:
        raise Refusal(
            "pixels in [-1, 1]",
            f"pixels from {low:g} to {high:g}",
            "scale images by pixels / 127.5 - 1 before they become a Batch",
        )
    return ""
