"""Feature vectors of an arm's reconstructions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from retinaforge.encoders import Encoder


def embed(encoder: Encoder, squares: Sequence[np.ndarray]) -> np.ndarray:
    """Return one feature vector an image, shape (n, d), one image at a time."""
    vectors = []
    with torch.no_grad():
        for pixels in squares:
            image = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0)
            vectors.append(encoder.embedding(image.permute(2, 0, 1)[None])[0].double().numpy())
    return np.stack(vectors)
