"""Requests to the conditions that a network is asked under."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from retinaforge.core import Refusal, RetinaForgeError
from retinaforge.generators.condition import Condition
from retinaforge.generators.maps import MapPlan
from retinaforge.generators.resolution import Canvas
from retinaforge.tasks.sample_masks import asked_masks
from retinaforge.tasks.sample_painter import Painter
from retinaforge.tasks.sample_requests import Request, texts_of

TROUBLE = (RetinaForgeError, OSError, ValueError, TypeError, RuntimeError)
"""What a caption or a mask may cause; it costs its own image, not the run."""


def conditions_of(
    painter: Painter, requests: Sequence[Request], canvas: Canvas
) -> tuple[list[Request], Condition, dict[int, str]]:
    """Return who can be drawn, their conditions on the painter's device, and, by number, why the
    others cannot."""
    unsaid = _unsaid(painter, texts_of(requests))
    lost = {one.number: unsaid[text] for one in requests for text in one.texts if text in unsaid}
    maps: list[Tensor] = []
    for request in requests:
        if request.number not in lost:
            try:
                maps.append(_map(painter.maps, request, canvas))
            except TROUBLE as error:
                lost[request.number] = _words(error)
    ready = [request for request in requests if request.number not in lost]
    texts = texts_of(ready) or [""]
    rows = torch.tensor([texts.index(one.wording.text) for one in ready], dtype=torch.long)
    said = condition_of(painter, texts).take(rows.to(painter.device))
    classes = painter.vocabulary.encode([_facts(request) for request in ready])
    stack = torch.cat(maps) if maps and painter.maps is not None else None
    whole = Condition(said.text, said.text_mask, classes, stack)
    return ready, whole.to(painter.device), lost


def condition_of(painter: Painter, texts: Sequence[str]) -> Condition:
    """Return the condition of texts alone, on the painter's device."""
    said = painter.text_encoder.encode(texts)
    return Condition(said.hidden.to(painter.device), said.mask.to(painter.device))


def _unsaid(painter: Painter, texts: Sequence[str]) -> dict[str, str]:
    """Return the texts that cannot be encoded, with why; the usual case costs no second pass."""
    try:
        painter.text_encoder.count(texts)
    except TROUBLE:
        return {text: why for text in texts if (why := _why_unsaid(painter, text))}
    return {}


def _why_unsaid(painter: Painter, text: str) -> str:
    try:
        painter.text_encoder.count([text])
    except TROUBLE as error:
        return _words(error)
    return ""


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _facts(request: Request) -> dict[str, Any]:
    facts = {name: fact.value for name, fact in request.wording.record.facts.items()}
    return {**facts, **request.classes}


def _map(plan: MapPlan | None, request: Request, canvas: Canvas) -> Tensor:
    wording = request.wording
    if plan is None:
        if wording.mask is not None or wording.masks:
            came = str(wording.mask or ", ".join(wording.masks or {}))
            raise Refusal("no mask", came, "this generator takes none: leave it out")
        return torch.empty(0)
    shares, given = asked_masks(wording, plan, canvas.side)
    return plan.only(plan.encode(shares), given)
