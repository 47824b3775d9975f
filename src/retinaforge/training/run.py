"""All that changes while a model is trained, and how it is kept."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

from retinaforge.training import average, checkpoint, journal, sharding
from retinaforge.training.config import TrainConfig
from retinaforge.training.sharding import whole
from retinaforge.training.watch import Watch


@dataclass
class Window:
    """Sums over the steps since the last line of the log."""

    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    images: int = 0
    seconds: float = 0.0

    def add(self, reading: dict[str, float]) -> None:
        """Add one step's numbers."""
        self.steps += 1
        for name, value in reading.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def mean(self, name: str) -> float:
        """Return the mean of a number over the window; NaN for an empty one."""
        return self.sums.get(name, float("nan")) / self.steps if self.steps else float("nan")


@dataclass
class Run:
    """One training in one process.

    Attributes:
        accelerator: knows processes and devices.
        model: as wrapped by Accelerate; `plain` is what is inside.
        step: steps done.
        weights: of the terms, matched or as asked for.
    """

    accelerator: Accelerator
    config: TrainConfig
    folder: Path
    facts: dict[str, Any]
    plain: nn.Module
    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    weights: dict[str, float]
    precision: str = ""
    watch: Watch = field(default_factory=Watch)
    window: Window = field(default_factory=Window)
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    skipped: int = 0
    peak_use: float = 0.0
    last_line: dict[str, Any] = field(default_factory=dict)
    discriminator: nn.Module | None = None
    discriminator_optimiser: torch.optim.Optimizer | None = None

    @property
    def main(self) -> bool:
        """Return whether this process writes the files."""
        return self.accelerator.is_main_process

    def any_process(self, here: bool) -> bool:
        """Return whether something holds in any process, so that all take the same branch."""
        if self.accelerator.num_processes == 1:
            return here
        flag = torch.tensor(float(here), device=self.accelerator.device)
        return float(self.accelerator.reduce(flag, "sum")) > 0

    def mean_over_processes(self, values: dict[str, Tensor | float]) -> dict[str, float]:
        """Return numbers averaged over all processes, with one transfer from the device."""
        device = self.accelerator.device
        plain = (whole(v) if isinstance(v, Tensor) else v for v in values.values())
        scalars = (torch.as_tensor(v, dtype=torch.float32) for v in plain)
        stacked = torch.stack([scalar.detach().to(device) for scalar in scalars])
        if self.accelerator.num_processes > 1:
            stacked = self.accelerator.reduce(stacked, "mean")
        return dict(zip(values, stacked.tolist(), strict=True))

    def note(self, event: str, detail: str) -> None:
        """Journal an event, once for all processes."""
        if self.main:
            journal.note(self.folder, self.step, event, detail)


def device_for(config: TrainConfig) -> torch.device:
    """Return where `train` will run, for those who place encoders and data there beforehand."""
    return find_accelerator(config).device


def find_accelerator(config: TrainConfig) -> Accelerator:
    """Return Accelerate's view of processes and devices; torchrun's variables are honoured.

    Mixed precision is left to the loop, since Accelerate fixes one for the life of a process. The
    quantisers add their statistics up over the processes: no buffer has to be broadcast.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    kept = DistributedDataParallelKwargs(broadcast_buffers=False)
    on_cpu = config.device == "cpu" or not torch.cuda.is_available()
    return Accelerator(cpu=on_cpu, kwargs_handlers=[kept])


def prepare(
    accelerator: Accelerator, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Wrap model and optimiser for the processes at hand; all begin with the first one's values."""
    with warnings.catch_warnings():
        # PyTorch 2.13 renames broadcast_buffers; the new name is unknown to 2.6.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        wrapped, optimiser = accelerator.prepare(model, optimiser)
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)
    return wrapped, optimiser


def open_run(
    model: nn.Module,
    config: TrainConfig,
    folder: Path,
    *,
    accelerator: Accelerator,
    facts: dict[str, Any],
    weights: dict[str, float],
) -> Run:
    """Prepare model and optimiser for the processes at hand; changes the model in place."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    model.to(accelerator.device, memory_format=torch.channels_last).train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    fused = accelerator.device.type in ("cpu", "cuda")
    optimiser = torch.optim.Adam(trainable, config.learning_rate, betas=config.betas, fused=fused)
    wrapped, optimiser = prepare(accelerator, model, optimiser)
    return Run(
        accelerator=accelerator,
        config=config,
        folder=folder,
        facts=facts,
        plain=model,
        model=wrapped,
        optimiser=optimiser,
        average=average.start_average(model),
        weights=weights,
    )


def keep(run: Run) -> None:
    """Write a checkpoint, from the main process; the others wait."""
    model, optimiser = sharding.states(run.plain, run.optimiser)
    if run.main:
        content = {
            "facts": run.facts,
            "step": run.step,
            "model": model,
            "average": run.average,
            "optimiser": optimiser,
            "weights": run.weights,
            "precision": run.precision,
            "watch": run.watch.as_dict(),
            "window": vars(run.window),
            "counts": [run.images, run.seconds, run.skipped, run.peak_use],
            "random": checkpoint.random_states(),
        }
        if run.discriminator is not None and run.discriminator_optimiser is not None:
            inside = run.accelerator.unwrap_model(run.discriminator)
            content["discriminator"] = inside.state_dict()
            content["discriminator_optimiser"] = run.discriminator_optimiser.state_dict()
        checkpoint.save(run.folder, content)
        if run.step in run.config.keep_at:
            checkpoint.keep_copy(run.folder, content)
    run.accelerator.wait_for_everyone()


def restore(run: Run, content: dict[str, Any]) -> None:
    """Continue from a checkpoint; what was journalled after it is dropped."""
    run.step = content["step"]
    sharding.load_states(run.plain, run.optimiser, content["model"], content["optimiser"])
    for name, tensor in run.average.items():
        tensor.copy_(content["average"][name])
    run.weights = dict(content["weights"])
    run.precision = content["precision"]
    run.watch = Watch(**content["watch"])
    run.window = Window(**content["window"])
    run.images, run.seconds, run.skipped, run.peak_use = content["counts"]
    # A run that branched off begins here with a fresh discriminator.
    branched = "discriminator" not in content
    if not branched and run.discriminator is not None and run.discriminator_optimiser is not None:
        inside = run.accelerator.unwrap_model(run.discriminator)
        inside.load_state_dict(content["discriminator"])
        run.discriminator_optimiser.load_state_dict(content["discriminator_optimiser"])
    checkpoint.restore_random_states(content["random"])
    if run.main:
        journal.cut_back(run.folder, run.step)
    run.accelerator.wait_for_everyone()
