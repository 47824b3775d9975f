"""Load weights strictly: what is missing, unknown or of another shape is named and refused."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from retinaforge.vessels.judge import WeightsRefused


def _listing(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} {what} ({', '.join(names[:3])}{more})"


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Fill `model` with `state`, or refuse with the differences.

    Raises:
        WeightsRefused: expected the network's own keys and shapes; got a list of differences.
    """
    wanted = model.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    unknown = sorted(state.keys() - wanted.keys())
    shapes = sorted(k for k in wanted.keys() & state.keys() if wanted[k].shape != state[k].shape)
    kinds = (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
    found = [_listing(what, names) for what, names in kinds if names]
    if found:
        raise WeightsRefused(
            f"the {len(wanted)} keys and shapes of {type(model).__name__}",
            f"{source} with keys {'; '.join(found)}",
            "name the file that was trained for this network",
        )
    model.load_state_dict(dict(state))
