"""Trained backbones: ResNet-18, ResNet-50 and ViT-B/16 taught on pixels, whole, from step to step.

ResNet-18 follows "A ResNet is all you need?" as far as it is told: a plain ResNet-18, the square
cut to the field of view, augmentation of every batch, referable DR judged by image and by patient,
by quality and by grade, with predictive entropy. Its abstract and its repository (splits and
answers, no code) name neither the optimiser nor rates, sizes and ranges of the augmentation:
AdamW, the rates that are tried, 224 px, `USUAL` and `STRONG` are ours, fixed before any result.

Every arm sees the same number of steps on batches of the same size, of usual augmentation (the
`augmented` arm of strong), and tries the same pairs of learning rate and decay on one inner fold.

References:
    Castilla, Martínez, Leguía, Larrabide, Orlando, SIPAIM 2022, arXiv 2210.03180, repository
    TomasCast/sipaim-2022-resnet (2fc9941d). He et al., CVPR 2016. Dosovitskiy et al., ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retinaforge.core import rng_for, seed_for
from retinaforge.core.artefacts import whole_file
from retinaforge.nets.classifier import Classifier
from retinaforge.tasks.usefulness_arms import Pool
from retinaforge.tasks.usefulness_augment import AUGMENT_VERSION, STRONG, USUAL, altered
from retinaforge.tasks.usefulness_start import Start
from retinaforge.tasks.usefulness_teach import CHECKPOINT_S, Course, probabilities, teach
from retinaforge.training.watch import TrainingStopped

TRAINED_VERSION = 1
SIDE_PX, BATCH = 224, 32
RATES_SCRATCH, RATES_TUNED = (3e-4, 1e-3), (1e-4, 3e-4)
"""Learning rates that are tried, the cautious first: from scratch, and from a file's weights."""
DECAYS = (0.05,)
ANSWERED = 64


@dataclass(frozen=True)
class TrainedBackbone:
    """How a network is taught on pixels.

    Attributes:
        pixels: uint8, shape (images, side, side, 3), one square an image of the material.
        contents: what names each file's bytes.
        widths: number of classes of each question.
        start: the network before it is taught.
        look: fingerprint of what made the squares.
        steps, batch: the same for every arm.
        settings: (learning rate, decay) pairs that are tried, the most cautious first.
        folds: inner folds of patients on which the pair is chosen.
        every_s: seconds between two checkpoints.
        on_step: called after every step, in this process only.
    """

    pixels: np.ndarray
    contents: np.ndarray
    widths: tuple[int, ...]
    start: Start
    look: str
    steps: int
    batch: int = BATCH
    settings: tuple[tuple[float, float], ...] = tuple((r, DECAYS[0]) for r in RATES_SCRATCH)
    folds: int = 1
    every_s: float = CHECKPOINT_S
    on_step: Callable[[], None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"on_step": None}

    def facts(self) -> dict[str, Any]:
        """Return what a finished fit depends on beside its images."""
        return {
            "backbone": self.start.name, "network": self.start.in_words(),
            "weights": self.start.sha256 or "from scratch", "pixels": self.look,
            "side_px": int(self.pixels.shape[1]), "steps": self.steps, "batch": self.batch,
            "rates_and_decays": [list(pair) for pair in self.settings], "folds": self.folds,
            "recipe": TRAINED_VERSION, "augmentation": AUGMENT_VERSION,
        }  # fmt: skip

    def mark(self, place: int) -> bytes:
        """Return the bytes that an image is known by."""
        return str(self.contents[place]).encode()

    def fit(
        self, pool: Pool, judged: np.ndarray, *, seed: int,
        settings: Sequence[tuple[float, float]], keep: Path | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Teach a network for each setting and return its answers.

        Args:
            pool: what teaches.
            judged: places to answer for.
            seed: decides starting weights, order and augmentation, alike for all settings.
            settings: (learning rate, decay) pairs.
            keep: folder where answers and the checkpoint of an unfinished training lie.

        Returns:
            Probabilities, shape (settings, judged, all classes); NaN of a setting that diverged
            where there are others.

        Raises:
            TrainingStopped: if the only setting diverged.
        """
        found = []
        for number, setting in enumerate(settings):
            own = keep and keep / str(number)
            try:
                found.append(self._fit_one(pool, judged, seed, setting, own))
            except TrainingStopped:
                if len(settings) == 1:
                    raise
                found.append(np.full((len(judged), sum(self.widths)), np.nan, np.float32))
        return np.stack(found)

    def _fit_one(
        self, pool: Pool, judged: np.ndarray, seed: int, setting: tuple[float, float],
        keep: Path | None,
    ) -> np.ndarray:  # fmt: skip
        done = _answered(keep, (len(judged), sum(self.widths)))
        if done is not None:
            return done
        network = self.network(seed)
        rate, decay = setting
        teach(
            network, lambda step: self.batch_at(pool, seed, step),
            Course(self.steps, rate, decay), self.widths,
            keep=keep, every_s=self.every_s, on_step=self.on_step,
        )  # fmt: skip
        said = self.answers(network, judged)
        if keep:
            with whole_file(keep / "answers.npy") as stream:
                np.save(stream, said)
            for large in keep.glob("checkpoint*.pt"):
                large.unlink()
        return said

    def network(self, seed: int) -> Classifier:
        """Return the classifier before it is taught, where it will be taught."""
        trunk = self.start.trunk(seed_for(seed, "usefulness", "start"))
        network = Classifier(trunk, sum(self.widths)).to(device())
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batch_at(self, pool: Pool, seed: int, step: int) -> tuple[Tensor, Tensor]:
        """Return images and values of a step: drawn by the pool's chances, augmented."""
        rng = rng_for(seed, "usefulness", "trained", step)
        rows = rng.choice(len(pool.places), size=self.batch, p=pool.chances)
        images = self._images(pool.places[rows])
        images = altered(images, rng=rng, ranges=STRONG if pool.strong else USUAL)
        values = torch.from_numpy(pool.values[rows].astype(np.float32)).to(images.device)
        return images.contiguous(memory_format=torch.channels_last), values

    @torch.inference_mode()
    def answers(self, network: Classifier, places: np.ndarray) -> np.ndarray:
        """Return probabilities for images as they are, shape (places, all classes)."""
        network.eval()
        chunks = np.split(places, range(ANSWERED, len(places), ANSWERED))
        said = [probabilities(network(self._images(c)).float(), self.widths).cpu() for c in chunks]
        return torch.cat(said).numpy()

    def _images(self, places: np.ndarray) -> Tensor:
        """Return images of places in [0, 1], where the network lies."""
        squares = torch.from_numpy(np.ascontiguousarray(self.pixels[places])).to(device())
        return squares.permute(0, 3, 1, 2).float() / 255


def device() -> torch.device:
    """Return where networks are taught: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _answered(keep: Path | None, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the answers that an earlier run finished; None where there are none."""
    try:
        said = np.load(keep / "answers.npy") if keep else None
    except (OSError, ValueError, EOFError):
        return None
    return said if said is not None and said.shape == shape else None
