"""One run of `retinaforge generate obey`: a generator and an oracle in, obedience.json out.

OUT/obedience.json   words with verdicts, ladder, natural captions, spread, memory, fidelity
OUT/ceiling.jsonl    what is read of held-out eyes themselves, and through the autoencoder
and what `tasks.obey` writes
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core import Refusal, rng_for
from retinaforge.core.artefacts import environment, write_json
from retinaforge.tasks.obey import Answered, Draw, Segment, ask, set_apart_natural
from retinaforge.tasks.obey_ceiling import read_ceiling
from retinaforge.tasks.obey_plan import NATURAL, SAME, PlanSizes
from retinaforge.tasks.oracle import Oracle, load_oracle
from retinaforge.tasks.oracle_data import Eyes, known_eyes, load_eyes, split_eyes
from retinaforge.tasks.oracle_words import truth_of
from retinaforge.tasks.records_file import Known
from retinaforge.tasks.sample import sample_images
from retinaforge.tasks.sample_draw import SamplePlan
from retinaforge.tasks.sample_painter import Painter
from retinaforge.validation.obedience import cards, natural_scored, words_scored
from retinaforge.validation.obedience_fidelity import fidelity_beside_ceiling
from retinaforge.validation.obedience_ladder import ladder_of
from retinaforge.validation.obedience_spread import Seen, memory_of, spread_of
from retinaforge.validation.run import Options

RESULT, SCHEMA = "obedience.json", "1.0"
Embed = Callable[[np.ndarray], np.ndarray]
Fidelity = Callable[[Path, Path, "Path | None", Path], dict[str, Any]]
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ObeyOptions:
    """What is asked for.

    Attributes:
        sizes: how much is asked.
        words: which words; None: all.
        train_seen: training images among which the nearest is sought, at most.
        seed: of resamples.
    """

    sizes: PlanSizes = field(default_factory=PlanSizes)
    words: tuple[str, ...] | None = None
    train_seen: int = 800
    seed: int = 0


def draw_with(painter: Painter, plan: SamplePlan, on_progress: Say) -> Draw:
    """Return what draws requests with a painter into a folder."""

    def draw(requests: Sequence[Any], folder: Path) -> Sequence[tuple[str, str, str]]:
        def tell(at: Any) -> None:
            on_progress("sampling", int(at.done), at.images)

        return sample_images(painter, requests, plan, folder, on_progress=tell).failed

    return draw


def obey_generator(
    painter: Painter, plan: SamplePlan, oracle_folder: Path, out: Path, *, model: str,
    records: Path | None = None, options: ObeyOptions | None = None, embed: Embed | None = None,
    segment: Segment | None = None, suite: Any = None,
    on_progress: Say = lambda what, done, count: None,
) -> dict[str, Any]:  # fmt: skip
    """Judge a painter by an oracle's folder; see `judge_obedience`.

    Args:
        painter: the generator.
        plan: how it draws.
        oracle_folder: of `retinaforge generate oracle`.
        out: folder to write.
        model: the generator's folder, for the page.
        records: eyes of known facts; None: those that the oracle was taught and judged on.
        options: how much.
        embed: an encoder, or None.
        segment: our segmenters, or None.
        suite: of `validate`, or None to leave it out.
        on_progress: called with (what, done, of how many).

    Raises:
        Refusal: expected an oracle's folder; the eyes that it was taught on, where no records are
            given; eyes of a train split and others held out.
    """
    oracle = load_oracle(oracle_folder)
    source = records or _own_records(oracle, oracle_folder)
    learnt, held = split_eyes(known_eyes(source))
    validate_options = None if suite is None else Options(suite=suite)
    fidelity = None if validate_options is None else partial(
        fidelity_beside_ceiling, options=validate_options, on_progress=on_progress
    )  # fmt: skip
    about = {
        "model": model, "fingerprint": painter.fingerprint, "records": str(source),
        "oracle": str(oracle_folder), "held_out": len(held), "learnt": len(learnt),
        "plan": plan.as_dict(),
        "command": f"retinaforge generate obey {model} --oracle {oracle_folder} --out {out}",
    }  # fmt: skip
    side_px = int(plan.size.split("x")[0])
    return judge_obedience(
        draw_with(painter, plan, on_progress), oracle, learnt, held, out, side_px=side_px,
        autoencoder=painter.autoencoder, embed=embed, segment=segment, options=options,
        about=about, fidelity=fidelity, on_progress=on_progress,
    )  # fmt: skip


def judge_obedience(
    draw: Draw, oracle: Oracle, learnt: Sequence[Known], held_out: Sequence[Known], out: Path, *,
    side_px: int, autoencoder: Any = None, embed: Embed | None = None,
    segment: Segment | None = None, options: ObeyOptions | None = None,
    about: dict[str, Any] | None = None, fidelity: Fidelity | None = None,
    on_progress: Say = lambda what, done, count: None,
) -> dict[str, Any]:  # fmt: skip
    """Ask, draw, read, judge, and write OUT/obedience.json; the same call resumes.

    Args:
        draw: the generator, see `draw_with`.
        oracle: reads images.
        learnt: eyes that the generator learnt from.
        held_out: eyes that it did not.
        out: folder to write.
        side_px: side of the samples.
        autoencoder: of the generator; None where it has none.
        embed: an encoder: RGB 0-255 (n, side, side, 3) to vectors; None leaves spread and memory
            out.
        segment: our segmenters, see `tasks.oracle_segmenters`; None leaves them out.
        options: how much.
        about: what the page says of generator and oracle.
        fidelity: takes (held-out, samples, rebuilt, out) folders, see `obedience_fidelity`; None
            leaves it out.
        on_progress: called with (what, done, of how many).

    Returns:
        The content of obedience.json.
    """
    options = options or ObeyOptions()
    answered = ask(draw, oracle, [each.record for each in held_out], out, sizes=options.sizes,
                   words=options.words, segment=segment, on_progress=on_progress)  # fmt: skip
    eyes, ceiling = read_ceiling(answered.asked, held_out, oracle, autoencoder, out,
                                 side_px=side_px, segment=segment,
                                 on_progress=on_progress)  # fmt: skip
    rows = answered.rows
    on_progress("scores", 0, 1)
    result: dict[str, Any] = {
        "schema_version": SCHEMA, "about": about or {}, "options": asdict(options),
        "images": len(rows), "side_px": side_px, "unsaid": answered.unsaid,
        "failed": [list(each) for each in answered.failed],
        "oracle": _of_oracle(oracle), "cards": cards(),
        "words": words_scored(rows, ceiling, seed=options.seed),
        "natural": natural_scored(rows, ceiling, seed=options.seed),
        "ladder": ladder_of(rows, ceiling, seed=options.seed),
        "examples": _examples(answered), "environment": environment(),
    }  # fmt: skip
    result |= _looks(answered, eyes, learnt, out, embed, options, on_progress)
    apart = set_apart_natural(answered, out)
    if fidelity is not None:
        rebuilt = out / "rebuilt" if autoencoder is not None else None
        result["fidelity"] = fidelity(out / "real", apart, rebuilt, out / "validate")
    write_json(out / RESULT, result)
    return result


def _of_oracle(oracle: Oracle) -> dict[str, Any]:
    about = oracle.about
    return {"side_px": oracle.side_px, "asked": about.get("asked"), "took": about.get("took"),
            "held_out": about.get("held_out")}  # fmt: skip


def _examples(answered: Answered, most: int = 8) -> list[dict[str, Any]]:
    """Return the first natural captions with their images."""
    rows = [row for row in answered.rows if row["design"] == NATURAL]
    return [
        {"image": row["image"], "text": row["text"], "base": row["base"]} for row in rows[:most]
    ]


def _looks(
    answered: Answered, eyes: Eyes, learnt: Sequence[Known], out: Path, embed: Embed | None,
    options: ObeyOptions, on_progress: Say,
) -> dict[str, Any]:  # fmt: skip
    """Return spread and memory, or why there are none."""
    if embed is None or not learnt:
        reason = "no encoder was named" if embed is None else "no training eyes are known"
        return {"spread": {"reason": reason}, "memory": {"reason": reason}}
    see = partial(_see, embed=embed, on_progress=on_progress)
    train = _train_eyes(learnt, out, eyes.pixels.shape[1], options, on_progress)
    known = see("training eyes", [r.image for r in train.records], train.patients, train.pixels)
    held = see("held-out eyes", [r.image for r in eyes.records], eyes.patients, eyes.pixels)
    truths = (*train.truths, *eyes.truths)
    pool = Seen((*known.names, *held.names), (), np.concatenate([known.vectors, held.vectors]),
                truths)  # fmt: skip
    natural = [row for row in answered.rows if row["design"] == NATURAL]
    found: dict[str, Any] = {"spread": {"reason": "no caption was drawn often"},
                             "memory": {"reason": "no natural caption was drawn"}}  # fmt: skip
    if natural:
        drawn = see("samples", [r["image"] for r in natural], (), _images(natural, out))
        found["memory"] = memory_of(drawn, known, held, seed=options.seed)
    by_base: dict[str, list[dict[str, Any]]] = {}
    for row in answered.rows:
        if row["design"] == SAME:
            by_base.setdefault(row["base"], []).append(row)
    if by_base:
        wanted = {a.base: truth_of(a.record) for a in answered.asked if a.design == SAME}
        vectors = {base: embed(_images(rows, out)) for base, rows in by_base.items()}
        found["spread"] = spread_of(vectors, wanted, pool, seed=options.seed)
        found["spread"]["images"] = {b: [r["image"] for r in rows] for b, rows in by_base.items()}
        found["spread"]["texts"] = {b: rows[0]["text"] for b, rows in by_base.items()}
    return found


def _train_eyes(
    learnt: Sequence[Known], out: Path, side_px: int, options: ObeyOptions, say: Say
) -> Eyes:
    order = rng_for(options.seed, "train seen").permutation(len(learnt))[: options.train_seen]
    return load_eyes([learnt[i] for i in np.sort(order)], out / "cache" / "train", side_px=side_px,
                     on_progress=lambda k, n: say("training eyes", k, n))  # fmt: skip


def _see(
    what: str, names: Sequence[str], patients: Sequence[str], pixels: np.ndarray, *, embed: Embed,
    on_progress: Say,
) -> Seen:  # fmt: skip
    vectors = []
    for start in range(0, len(pixels), 16):
        vectors.append(embed(np.array(pixels[start : start + 16])))
        on_progress(f"encoder: {what}", min(start + 16, len(pixels)), len(pixels))
    return Seen(tuple(names), tuple(patients), np.concatenate(vectors))


def _images(rows: Sequence[dict[str, Any]], out: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(out / "images" / row["image"]).convert("RGB"))
                     for row in rows])  # fmt: skip


def read_obedience(out: Path) -> dict[str, Any]:
    """Return the content of obedience.json."""
    return json.loads((Path(out) / RESULT).read_text(encoding="utf-8"))


def _own_records(oracle: Oracle, folder: Path) -> Path:
    """Return where the oracle's eyes are: as it was told then, which may be another folder now."""
    source = Path(oracle.about["asked"]["source"])
    if not source.exists():
        raise Refusal(
            f"the eyes that {folder} was taught on", f"no {source} in {Path.cwd()}",
            "name them with --records, or go to the folder in which the oracle was taught",
        )  # fmt: skip
    return source
