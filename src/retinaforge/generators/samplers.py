"""From noise to latents: the flow's ordinary differential equation, solved from time 0 to time 1.

The noise of an image depends on its seed alone, so an image does not change with its neighbours
or with the size of the batch (up to the float error of the machine's matrix products).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import torch
from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.generators.condition import Condition
from retinaforge.generators.guidance import Guidance, guided_velocity
from retinaforge.generators.interpolation import mixed
from retinaforge.generators.network import VelocityNetwork
from retinaforge.generators.samplers_reuse import reusing
from retinaforge.generators.solvers import METHODS, require_method, time_grid


def noise(seeds: Sequence[int], shape: tuple[int, int, int]) -> Float[Tensor, "batch c h w"]:
    """Return normal noise, each image's from its own seed, on the CPU whatever the device."""
    drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(drawn)


def sample(
    network: VelocityNetwork,
    condition: Condition,
    *,
    shape: Sequence[int],
    seeds: Sequence[int],
    steps: int = 50,
    guidance: float | Guidance = 4.0,
    null: Condition | None = None,
    method: str = "euler",
    shift: float = 1.0,
    times: Sequence[float] | None = None,
    batch: int | None = None,
    start: Float[Tensor, "batch channels rows columns"] | None = None,
    toward: tuple[Condition, Float[Tensor, " batch"]] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "batch channels rows columns"]:
    """Return latents that the flow leads to from the seeds' noise.

    The network runs in eval mode without gradients, on the conditions' device and in their
    type; the state is float32 throughout. A row of an image whose flow ran away holds NaN or
    infinity; `runaways` names it, and it does not touch the others.

    Args:
        network: gives velocities.
        condition: one row an image.
        shape: rows and columns of the latent; channels may stand before them.
        seeds: one an image; the same seed gives the same noise.
        steps: of the solver, on an even grid.
        guidance: g, or a Guidance with interval and passes.
        null: the empty string's condition, or a negative prompt's; one row or one an image.
        method: a name of METHODS.
        shift: of the times, see `time_grid`.
        times: a grid of one's own from 0 to 1, in place of steps and shift.
        batch: at most so many images at once; None takes all.
        start: noise in place of the seeds'.
        toward: a second condition and each image's share of it, see `generators.interpolation`.
        on_step: called with (steps done, steps of all batches).

    Raises:
        Refusal: if a number does not fit, or the method is not known.
    """
    if not isinstance(guidance, Guidance):
        guidance = Guidance(guidance)
    size = _latent_shape(network, shape)
    _require_fit(condition, null, seeds, method)
    grid = list(times) if times is not None else time_grid(steps, shift=shift)
    parts = _parts(len(seeds), batch)
    tick = _counter((len(grid) - 1) * len(parts), on_step)
    latents = []
    with _at_rest(network), torch.no_grad(), reusing(network):
        for part in parts:
            asked = condition.take(part)
            other = null if null is None or len(null) == 1 else null.take(part)
            velocity = guided_velocity(network, asked, other, guidance)
            if toward is not None:
                aim = guided_velocity(network, toward[0].take(part), other, guidance)
                velocity = mixed(velocity, aim, toward[1][part])
            x = noise(seeds[part], size) if start is None else start[part]
            x = x.to(asked.text.device)
            for state in METHODS[method](velocity, x, grid):
                x = state
                tick()
            latents.append(x)
    return torch.cat(latents) if latents else torch.empty(0, *size)


def runaways(latents: Float[Tensor, "batch channels rows columns"]) -> list[int]:
    """Return the numbers of images that are not finite everywhere."""
    return [number for number, one in enumerate(latents) if not bool(torch.isfinite(one).all())]


def _latent_shape(network: VelocityNetwork, shape: Sequence[int]) -> tuple[int, int, int]:
    *before, rows, columns = shape
    channels, patch = network.shape.latent_channels, network.shape.patch
    if before not in ([], [channels]) or rows % patch or columns % patch or rows * columns < 1:
        raise Refusal(
            f"{channels} channels and sides that are multiples of {patch}",
            " x ".join(str(side) for side in shape),
            "choose another size",
        )
    return channels, rows, columns


def _require_fit(
    condition: Condition, null: Condition | None, seeds: Sequence[int], method: str
) -> None:
    require_method(method)
    if len(seeds) != len(condition) or (null is not None and len(null) not in (1, len(seeds))):
        rows = f"{len(condition)} conditions, {0 if null is None else len(null)} null conditions"
        raise Refusal("one seed for each condition", f"{len(seeds)} seeds, {rows}", "match them")


def _parts(images: int, batch: int | None) -> list[slice]:
    size = batch or max(1, images)
    return [slice(start, min(start + size, images)) for start in range(0, images, size)]


def _counter(every: int, on_step: Callable[[int, int], None] | None) -> Callable[[], None]:
    numbers = count(1)

    def tick() -> None:
        done = next(numbers)
        if on_step is not None:
            on_step(done, every)

    return tick


@contextmanager
def _at_rest(network: VelocityNetwork) -> Iterator[None]:
    """Hold a module in eval mode, and leave it in the mode it was in."""
    if not isinstance(network, nn.Module):
        yield
        return
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
