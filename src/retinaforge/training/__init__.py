"""Training: one flat loop that resumes, watches itself and runs on any number of processes."""

from retinaforge.training.batch import Batch, Draw
from retinaforge.training.branch import branch_off
from retinaforge.training.config import TrainConfig
from retinaforge.training.duel import Adversary
from retinaforge.training.loop import train
from retinaforge.training.preflight import Preflight
from retinaforge.training.progress import OnProgress, Progress, rich_progress
from retinaforge.training.result import TrainResult
from retinaforge.training.run import device_for
from retinaforge.training.watch import TrainingStopped

__all__ = [
    "Adversary",
    "Batch",
    "Draw",
    "OnProgress",
    "Preflight",
    "Progress",
    "TrainConfig",
    "TrainResult",
    "TrainingStopped",
    "branch_off",
    "device_for",
    "rich_progress",
    "train",
]
