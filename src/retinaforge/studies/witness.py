"""Who is no independent witness of an arm: a judge that is the arm's loss, or of its family.

A model can be good in the eyes of the network that trained it and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from retinaforge.core import RetinaForgeError, Score
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders import load
from retinaforge.losses import CATALOGUE, encoders_named
from retinaforge.studies.plan import Study, located
from retinaforge.vessels import load_judge, shipped_weights
from retinaforge.vessels.judge import JudgeCard

EDGE_LOSSES = tuple(entry.card.name for entry in CATALOGUE if entry.kind == "edge")


@dataclass(frozen=True)
class Witnesses:
    """What is known of arms and judges.

    Attributes:
        taught: by arm, fingerprints of the networks that were its loss.
        filtered: arms that were trained on edge filters.
        networks: by judge (or "encoder"), the fingerprint of its weights.
        filters: judges that are filters.
    """

    taught: dict[str, frozenset[str]]
    filtered: frozenset[str]
    networks: dict[str, str]
    filters: frozenset[str]

    def marked(self, score: Score) -> Score:
        """Return the score with `same_family`: whether its judge is no independent witness."""
        arm, judge = score.where.get("arm", ""), score.where.get("judge", "")
        # A set distance has no judge of vessels, but an encoder in whose space it is taken.
        network = self.networks.get(judge if "encoder" not in score.where else "encoder", "")
        same = network in self.taught.get(arm, ()) or (
            arm in self.filtered and judge in self.filters
        )
        return replace(score, extra={**score.extra, "same_family": bool(same)})


def witnesses(study: Study, data: Path, losses: dict[str, str]) -> Witnesses:
    """Look at the weights of losses and judges; what does not load was no loss and is no judge.

    Args:
        study: what was run.
        data: the data folder, where relative files are looked for first.
        losses: by arm, the expression that it was trained with.
    """
    judges = {card.name: (spec, card.family) for spec, card in _cards(study, data)}
    networks = {name: _file_of(located(spec, data)) for name, (spec, _) in judges.items()}
    own = "".join(_fingerprints(study, data, (study.measure.encoder,)))
    # Resizing alone has no loss.
    named = {arm: encoders_named(loss) for arm, loss in losses.items() if loss}
    edges = {arm for arm, loss in losses.items() if any(name in loss for name in EDGE_LOSSES)}
    return Witnesses(
        taught={arm: _fingerprints(study, data, names) for arm, names in named.items()},
        filtered=frozenset(edges),
        networks={**networks, "encoder": own},
        filters=frozenset(name for name, (_, family) in judges.items() if family == "filter"),
    )


def _cards(study: Study, data: Path) -> Iterator[tuple[str, JudgeCard]]:
    for spec in study.measure.judges:
        try:
            yield spec, load_judge(located(spec, data)).card
        except RetinaForgeError:
            continue


def _file_of(spec: str) -> str:
    """Return the fingerprint of a judge's file; "" for one without."""
    path = shipped_weights() if spec == "ours" else Path(spec.partition(":")[2])
    return sha256_of(path) if path.is_file() else ""


def _fingerprints(study: Study, data: Path, names: Iterable[str]) -> frozenset[str]:
    found = set()
    for name in names:
        try:
            encoder = load(located(study.encoders.get(name, name), data))
        except RetinaForgeError:
            continue
        found.add(encoder.card.fingerprint_sha256)
    return frozenset(found)
