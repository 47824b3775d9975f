"""Where a classifier of real against synthetic images looks: what gives the images away?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.attribution import (
    CARDS,
    Gradient,
    Heat,
    Image,
    Score,
    infidelity,
    integrated_gradients,
    occlusion,
    sensitivity,
    share_by_region,
)
from retinaforge.audits.masking import VARIANTS, Parts
from retinaforge.core import Refusal, rng_for
from retinaforge.core.artefacts import write_with
from retinaforge.metrics.delong import DELONG_CARD, Tested, against_chance, delong
from retinaforge.metrics.statistics import paired_bootstrap
from retinaforge.tasks.probe_target import Round
from retinaforge.validation import audit_head
from retinaforge.validation.audit_eyes import Eyes, joined
from retinaforge.validation.audit_told import SURE, p_words, verdict, write_audit

METHODS = ("occlusion", "gradients")
SHOWN = 6
POORLY = 0.8
"""Infidelity from which a map explains next to nothing."""
OFTEN = 2.0
"""Attribution in a region, over its area, that a verdict speaks of."""

Progress = Callable[[int, int], None]
GradientOf = Callable[[audit_head.Head], Gradient]
Row = dict[str, Any]


def audit_attribution(
    see: audit_head.See, real: Eyes, synthetic: Eyes, out: Path, *,
    gradient_of: GradientOf | None = None, most: int = 20, batch: int = 16, seed: int = 0,
    about: Sequence[tuple[str, str]] = (), on_progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Teach real against synthetic, explain its answers, and write audit.json.

    Args:
        see: what an encoder makes of squares, from `audit_head.seer`.
        real, synthetic: images; their truth is not looked at.
        out: folder.
        gradient_of: a head's gradient by the image, for integrated gradients; None: occlusion.
        most: judging images that are explained, half real, half synthetic.
        batch: squares a step.
        seed: of squares, noise and folds.
        about: what was asked, for the page.
        on_progress: called with (images explained, all).
    """
    pixels, _, patients = joined((real, synthetic))
    parts = (*real.parts, *synthetic.parts)
    fake = np.arange(len(pixels)) >= len(real.truth)
    one = _halves(fake, patients, seed)
    vectors = audit_head.vectors_of(see, len(pixels), lambda k: pixels[k], batch=batch)
    said, (head,) = audit_head.answers(vectors, fake, patients, [one])
    judge = one.judge
    own = [patients[k] for k in judge]
    tested = against_chance(delong(fake[judge], said[judge][:, None], own))
    chosen = np.concatenate([judge[fake[judge] == side][: most // 2] for side in (False, True)])
    rows: list[Row] = []
    heats: list[Heat] = []
    for done, k in enumerate(int(place) for place in chosen):
        row, heat = _explained(see, head, gradient_of, pixels[k], parts[k], batch,
                               rng_for(seed, "attribution", done))  # fmt: skip
        rows.append(
            {
                "name": _name(real, synthetic, k),
                "synthetic": bool(fake[k]),
                "patient": patients[k],
                "logit": float(said[k]),
                **row,
            }
        )
        heats.append(heat)
        if on_progress:
            on_progress(done + 1, len(chosen))
    pictures = _pictures(out, pixels[chosen], rows, heats)
    return _write(out, rows, tested, pictures, (real, synthetic), about, seed)


def torch_gradient(encoder: Any, batch: int) -> GradientOf:
    """Return what makes a gradient by the pixels of a head's logit; for encoders we see into."""
    import torch

    from retinaforge.tasks.embedding_looks import device_of

    def of(head: audit_head.Head) -> Gradient:
        device = device_of(encoder)
        weights = torch.tensor(head.weights, dtype=torch.float32, device=device)

        def gradient(images: np.ndarray) -> np.ndarray:
            found = []
            for start in range(0, len(images), batch):
                some = torch.tensor(images[start : start + batch], dtype=torch.float32)
                ready = (some / 127.5 - 1).permute(0, 3, 1, 2).to(device).requires_grad_()
                with torch.enable_grad():
                    logits = encoder.embedding(ready).float() @ weights
                    (by,) = torch.autograd.grad(logits.sum(), ready)
                found.append(by.permute(0, 2, 3, 1).cpu().numpy().astype(np.float64) / 127.5)
            return np.concatenate(found)

        return gradient

    return of


def _halves(fake: np.ndarray, patients: Sequence[str], seed: int) -> Round:
    """Return one round: half of the patients of either side teach, the other half judges."""
    from sklearn.model_selection import StratifiedGroupKFold

    people = [len({p for p, f in zip(patients, fake, strict=True) if f == side})
              for side in (False, True)]  # fmt: skip
    if min(people) < 2 * audit_head.FEWEST:
        raise Refusal(
            f"at least {2 * audit_head.FEWEST} patients on each side",
            f"{people[0]} real and {people[1]} synthetic", "add images",
        )  # fmt: skip
    halves = StratifiedGroupKFold(2, shuffle=True, random_state=seed)
    return Round(seed, *next(iter(halves.split(fake, fake, patients))))


def _explained(
    see: audit_head.See, head: audit_head.Head, gradient_of: GradientOf | None, pixels: np.ndarray,
    parts: Parts, batch: int, rng: np.random.Generator,
) -> tuple[Row, Heat]:  # fmt: skip
    image, fov = pixels.astype(np.float64), parts.fov

    def score(images: np.ndarray) -> np.ndarray:
        squares = np.clip(np.rint(images), 0, 255).astype(np.uint8)
        return head.logits(
            audit_head.vectors_of(see, len(squares), lambda k: squares[k], batch=batch)
        )

    explain = _explain(score, head, gradient_of, fov)
    heat = explain(image)
    return {
        "shares": share_by_region(heat, regions_of(parts)),
        "infidelity": infidelity(score, heat, image, fov, rng=rng),
        "sensitivity": sensitivity(explain, heat, image, fov, rng=rng, trials=3),
    }, heat


def _explain(
    score: Score, head: audit_head.Head, gradient_of: GradientOf | None, fov: np.ndarray
) -> Callable[[Image], Heat]:
    if gradient_of is None:
        return lambda image: occlusion(score, image, fov)
    gradient = gradient_of(head)
    return lambda image: integrated_gradients(gradient, image, fov)


def regions_of(parts: Parts) -> dict[str, np.ndarray]:
    """Return the regions that attribution is counted in: field, border, disc, vessels, rest."""
    border = VARIANTS["border only"](parts)
    found = {"field": parts.fov, "border": border}
    rest = parts.fov & ~border
    for name, mask in (("disc", parts.disc), ("vessels", parts.vessels)):
        if mask is not None and mask.any():
            found[name] = mask & parts.fov & ~border
            rest = rest & ~mask
    return {**found, "rest": rest}


def _name(real: Eyes, synthetic: Eyes, k: int) -> str:
    count = len(real.records)
    return real.records[k].name if k < count else synthetic.records[k - count].name


def _pictures(
    out: Path, squares: np.ndarray, rows: Sequence[Row], heats: Sequence[Heat]
) -> list[dict[str, str]]:
    """Write image and map side by side for the surest answers of either side."""
    order = np.argsort([-abs(row["logit"]) for row in rows], kind="stable")
    sides = [[int(k) for k in order if rows[k]["synthetic"] == side] for side in (True, False)]
    chosen = [k for side in sides for k in side[: SHOWN // 2]]
    found = []
    for place, k in enumerate(chosen):
        name = f"pictures/attribution_{place}.png"
        kind = "synthetic" if rows[k]["synthetic"] else "real"
        image = _side_by_side(squares[k], heats[k], synthetic=rows[k]["synthetic"])
        write_with(out / name, lambda stream, image=image: image.save(stream, "PNG"))
        found.append(
            {
                "file": name,
                "title": f"{kind}: {rows[k]['name']}, logit "
                f"{rows[k]['logit']:+.2f}; orange speaks for synthetic, blue for real",
            }
        )
    return found


def _side_by_side(pixels: np.ndarray, heat: Heat, *, synthetic: bool) -> Any:
    from PIL import Image as Pictures
    from PIL import ImageDraw

    top = max(float(np.quantile(np.abs(heat), 0.995)), 1e-30)
    share = np.clip(heat / top, -1, 1)[..., None]
    grey = pixels.mean(axis=-1, keepdims=True) * 0.5
    colour = np.where(share > 0, np.array([255.0, 140.0, 40.0]), np.array([60.0, 170.0, 255.0]))
    shown = grey * (1 - np.abs(share)) + colour * np.abs(share)
    picture = Pictures.fromarray(np.concatenate([pixels, shown.astype(np.uint8)], axis=1))
    if synthetic:
        ImageDraw.Draw(picture).text((4, 4), "SYNTHETIC", fill=(255, 90, 80))
    return picture


def _write(
    out: Path, rows: Sequence[Row], tested: Tested, pictures: Sequence[dict[str, str]],
    sides: tuple[Eyes, Eyes], about: Sequence[tuple[str, str]], seed: int,
) -> dict[str, Any]:  # fmt: skip
    names = list(dict.fromkeys(name for row in rows for name in row["shares"]))[1:]
    lines = {
        side: {name: _mean([(r["shares"].get(name, math.nan), r["patient"]) for r in rows
                            if r["synthetic"] == (side == "synthetic")], seed) for name in names}
        for side in ("real", "synthetic")
    }  # fmt: skip
    trust = {key: _mean([(r[key], r["patient"]) for r in rows], seed)
             for key in ("infidelity", "sensitivity")}  # fmt: skip
    return write_audit(
        out, audit="attribution", title="What tells synthetic from real",
        asked=[*about, ("Images", f"{len(sides[0].records)} real, {len(sides[1].records)} "
                        f"synthetic; {len(rows)} explained")],
        cautions=["An attribution says where a classifier looks, not that what it sees there is "
                  "wrong."],
        said=_verdicts(tested, lines, trust), sections=_sections(lines, trust, rows, pictures),
        results=[{"auroc": tested.value, "interval": tested.interval, "p": tested.p,
                  "attribution": lines, **trust}, *rows],
        cards=[*CARDS, DELONG_CARD],
        protocol={
            "classifier": "logistic regression, real against synthetic, on a frozen encoder's "
            "vectors; half of the patients teach, images of the other half are explained",
            "share": "absolute attribution in a region over its area's share of the field",
            "infidelity": "64 squares, 1/8 to 1/3 of the image wide, replaced by the mean colour",
            "interval": "95 %, bootstrap over patients", "seed": seed,
        }, left_out=[*sides[0].left_out, *sides[1].left_out],
    )  # fmt: skip


def _mean(pairs: Sequence[tuple[float, str]], seed: int) -> dict[str, Any]:
    found = paired_bootstrap(
        np.array([float(value) for value, _ in pairs]), [name for _, name in pairs],
        rng=rng_for(seed, "attribution means"),
    )  # fmt: skip
    return {"value": found.value, "interval": found.interval, "reason": found.reason}


def _verdicts(
    tested: Tested, lines: dict[str, dict[str, Any]], trust: dict[str, Any]
) -> list[dict[str, Any]]:
    known = tested.value > 0.5 and (tested.p < SURE or tested.value > 0.95)
    between = f" ({tested.interval[0]:.3f} to {tested.interval[1]:.3f})" if tested.interval else ""
    said = [verdict(
        "failure" if known else "pass",
        f"Real and synthetic are told apart with AUROC {tested.value:.3f}{between}, against chance "
        f"{p_words(tested.p)}.",
    )]  # fmt: skip
    if not known:
        return [*said, verdict("open", "There is nothing to explain: where it looks says nothing.")]
    poor = trust["infidelity"]["value"]
    if not math.isfinite(poor) or poor > POORLY:
        return [*said, verdict("open", f"The maps explain next to nothing (infidelity {poor:.2f}): "
                               "where it looks cannot be said.")]  # fmt: skip
    for name, line in lines["synthetic"].items():
        low = line["interval"][0] if line["interval"] else math.nan
        if low > 1 and line["value"] > OFTEN:
            said.append(verdict("failure", f"On synthetic images it looks {line['value']:.1f} times"
                                f" as much at the {name} as at the rest of its size."))  # fmt: skip
    return said


def _sections(
    lines: dict[str, dict[str, Any]], trust: dict[str, Any], rows: Sequence[Row],
    pictures: Sequence[dict[str, str]],
) -> list[dict[str, Any]]:  # fmt: skip
    figures = [
        {"kind": "forest", "title": f"Attribution on {side} images",
         "lines": [{"name": "as much as anywhere", "value": 1.0}],
         "rows": [{"name": name, "value": line["value"], "interval": line["interval"]}
                  for name, line in found.items()]}
        for side, found in lines.items()
    ]  # fmt: skip
    figures.append({
        "kind": "forest", "title": "Can the maps be believed?",
        "lines": [{"name": "infidelity that explains nothing", "value": 1.0}],
        "rows": [{"name": name, "value": one["value"], "interval": one["interval"]}
                 for name, one in trust.items()],
    })  # fmt: skip
    table = [
        [{"text": row["name"]}, {"text": "synthetic" if row["synthetic"] else "real"},
         {"value": row["logit"]}, {"value": row["infidelity"]}, {"value": row["sensitivity"]}]
        for row in rows
    ]  # fmt: skip
    return [{
        "id": "where", "title": "Where it looks", "figures": figures, "pictures": list(pictures),
        "read": [
            "How much attribution lies in each region over the region's size, and examples.",
            "All regions near 1 where real and synthetic cannot be told apart.",
            "One region far right of 1 with low infidelity: look there for what the generator "
            "draws wrongly.",
        ],
        "table": {"columns": ["Image", "Set", "Logit", "Infidelity", "Sensitivity"], "rows": table},
    }]  # fmt: skip
