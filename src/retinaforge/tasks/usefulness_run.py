"""A study of usefulness: what it will do and how long that takes, then all its arms and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder
from retinaforge.tasks.embedding_looks import Look, encoder_look
from retinaforge.tasks.usefulness_arms import arms_of, only
from retinaforge.tasks.usefulness_backbone import Backbone, beside_each_other
from retinaforge.tasks.usefulness_features import pixel_look, see_copies
from retinaforge.tasks.usefulness_fit import Job, fit_all
from retinaforge.tasks.usefulness_linear import LinearBackbone
from retinaforge.tasks.usefulness_plan import LinearCost, Speed
from retinaforge.tasks.usefulness_prepare import Asked, look_at
from retinaforge.tasks.usefulness_rounds import Round, rounds_of
from retinaforge.tasks.usefulness_study import Done, Options, Prepared

if TYPE_CHECKING:
    from retinaforge.tasks.usefulness_start import Start

Say = Callable[..., None]
Progress = Callable[[str, int, int], None]
TEACHING = "teaching arms"


def run_linear(
    asked: Asked, encoder: Encoder, cache: Path, fits: Path, options: Options,
    *, say: Say, on_progress: Progress,
) -> Done:  # fmt: skip
    """Run a study with a linear head on what an encoder sees.

    Args:
        asked: from `gather`.
        encoder: frozen.
        cache: keeps what the encoder saw, by content.
        fits: keeps what each arm answered, so that the same call resumes.
        options: how.
        say: told the plan before the work starts.
        on_progress: called with (what, done, all).
    """
    look, cost = encoder_look(encoder, size_px=options.size_px), LinearCost()
    speed = Speed(asked, look, cache, options, cost)
    say(speed.before().in_words())
    study = _Study(asked, look, cache, fits, options, speed, cost.bytes, say, on_progress)
    prepared, rounds, words = study.look()
    copies = _copies(prepared, look, cache, options, rounds, on_progress)
    backbone = LinearBackbone(
        prepared.vectors, copies, _widths(prepared), encoder.card.name, look.fingerprint,
        steps=options.steps, batch=options.batch,
    )  # fmt: skip
    facts = {**backbone.facts(), "encoder": encoder.card.name, "side_px": look.size_px,
             "fingerprint": look.fingerprint, "card": encoder.card.as_dict()}  # fmt: skip
    on_fit = _moving(on_progress, 1)[0]
    return study.teach(prepared, rounds, words, backbone, facts, options.jobs or 1, on_fit)


def run_trained(
    asked: Asked, start: Start, cache: Path, fits: Path, options: Options,
    *, settings: Sequence[tuple[float, float]], say: Say, on_progress: Progress,
) -> Done:  # fmt: skip
    """Run a study with a network that is taught whole on pixels.

    Args:
        asked: from `gather`.
        start: the network before it is taught.
        cache: keeps the squares, by content.
        fits: keeps what each arm answered, so that the same call resumes.
        options: how.
        settings: (learning rate, decay) pairs that are tried.
        say: told the plan before the work starts.
        on_progress: called with (what, done, all).
    """
    from retinaforge.tasks import usefulness_trained as trained
    from retinaforge.tasks.usefulness_cost import cost_of

    side = options.size_px or trained.SIDE_PX
    _refuse_side(side, start)
    look = pixel_look(side)
    blank = np.zeros((1, side, side, 3), np.uint8)
    classes = tuple(len(q.classes) for q in asked.labels.questions)
    backbone = trained.TrainedBackbone(
        blank, np.zeros(1), classes, start, look.fingerprint,
        steps=options.steps, batch=options.batch, settings=tuple(settings),
    )  # fmt: skip
    cost = cost_of(backbone)
    # A GPU is one: trainings beside each other on it are for who asks for them.
    jobs = options.jobs or (1 if trained.device().type == "cuda" else None)
    at_once = beside_each_other(jobs, each=cost.bytes, most=3 * options.seeds)[0]
    speed = Speed(asked, look, cache, options, cost, copies=False)
    first = speed.before(at_once)
    say(first.in_words())
    # What an earlier run finished is not known yet: then the exact plan warns.
    early = "" if any(fits.glob("*.npz")) else first.warning()
    _warn(early, say)
    study = _Study(asked, look, cache, fits, options, speed, cost.bytes, say, on_progress)
    prepared, rounds, words = study.look()
    on_fit, on_step = _moving(on_progress, cost.trainings * options.steps)
    backbone = replace(
        backbone, pixels=prepared.vectors, contents=prepared.material.contents,
        widths=_widths(prepared), on_step=on_step,
    )  # fmt: skip
    facts = {**backbone.facts(), "fingerprint": look.fingerprint,
             "seconds_a_step": round(cost.step_s, 3)}  # fmt: skip
    return study.teach(prepared, rounds, words, backbone, facts, jobs, on_fit,
                       warned=bool(early))  # fmt: skip


@dataclass(frozen=True)
class _Study:
    """What every backbone's study does alike."""

    asked: Asked
    what: Look
    cache: Path
    fits: Path
    options: Options
    speed: Speed
    bytes: int
    say: Say
    on_progress: Progress
    begun: float = field(default_factory=monotonic)

    def look(self) -> tuple[Prepared, list[Round], str]:
        """Look at all images, and say who teaches and who judges."""
        prepared = look_at(
            self.asked, self.what, self.cache, workers=self.options.workers,
            on_progress=lambda *c: self.on_progress("looking at images", *c),
        )  # fmt: skip
        o = self.options
        rounds, words = rounds_of(prepared.material, seeds=o.seeds, few=o.few, sources=o.leave_out)
        return prepared, rounds, words

    def teach(
        self, prepared: Prepared, rounds: list[Round], words: str, backbone: Backbone,
        facts: dict[str, Any], jobs: int | None, on_fit: Callable[[int, int], None],
        *, warned: bool = False,
    ) -> Done:  # fmt: skip
        """Say the plan, teach all arms, and return what they answer."""
        arms = only(arms_of(rounds, self.options.ratios), self.options.arms)
        todo = [Job(arm, one) for one in rounds for arm in arms]
        at_once, said = beside_each_other(jobs, each=self.bytes, most=len(todo))
        _warn(said, self.say, "memory")
        plan = self.speed.exactly(todo, prepared, backbone, self.fits, at_once)
        self.say(plan.in_words())
        if not warned:
            _warn(plan.warning(), self.say)
        taught = list(fit_all(todo, prepared.material, backbone, self.fits, on_fit=on_fit,
                              workers=at_once))  # fmt: skip
        spent = monotonic() - self.begun
        return Done(prepared, rounds, words, arms, taught, plan, facts, spent, self.options)


def _warn(text: str, say: Say, alarm: str = "long") -> None:
    if text:
        say(text, alarm=alarm)


def _moving(
    on_progress: Progress, steps: int
) -> tuple[Callable[[int, int], None], Callable[[], None]]:
    """Return what moves the bar at the end of a fit, and at every step of one in this process."""
    state = {"done": 0, "all": 1}

    def on_fit(done: int, count: int) -> None:
        state.update(done=done * steps, all=count * steps)
        on_progress(TEACHING, state["done"], state["all"])

    def on_step() -> None:
        state["done"] += 1
        on_progress(TEACHING, state["done"], state["all"])

    return on_fit, on_step


def _widths(prepared: Prepared) -> tuple[int, ...]:
    return tuple(len(q.classes) for q in prepared.material.labels.questions)


def _refuse_side(side: int, start: Start) -> None:
    patch = getattr(start.shape, "patch_px", 1)
    if side % patch:
        near = max(patch, round(side / patch) * patch)
        raise Refusal(
            f"a --size of whole patches of {patch} px for {start.name}", f"{side}", f"say {near}"
        )


def _copies(
    prepared: Prepared, look: Look, cache: Path, options: Options, rounds: Sequence[Round],
    on_progress: Progress,
) -> np.ndarray:  # fmt: skip
    """Return augmented copies of all photographs that teach anywhere; NaN for the others."""
    material = prepared.material
    places = sorted({int(k) for one in rounds for k in one.teach})
    found = see_copies(
        look, [material.examples[k].record for k in places], cache, count=options.copies,
        on_progress=lambda *c: on_progress("augmented copies", *c),
    )  # fmt: skip
    shape = (len(material.examples), options.copies, prepared.vectors.shape[1])
    copies = np.full(shape, np.nan, np.float32)
    for row, vectors in found.items():
        copies[places[row]] = vectors
    return copies
