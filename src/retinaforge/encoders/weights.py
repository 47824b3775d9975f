"""Read weight files without running what is in them, and report every key that did not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders.checkpoint import unwrapped
from retinaforge.encoders.files import find_file, read_file

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class KeyReport:
    """How a file's keys met a network's.

    Attributes:
        loaded: how many arrays went in.
        missing: keys the network has and the file lacks.
        unexpected: keys the file has and nobody knows.
        reshaped: "key: file's shape, network's shape" where these differ.
        ignored: what was left aside on purpose, in words.
    """

    loaded: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Return whether every key found its place."""
        return not (self.missing or self.unexpected or self.reshaped)

    def in_words(self) -> str:
        """Return one line for a card or a message."""
        parts = [f"{self.loaded} arrays loaded"]
        for word in ("missing", "unexpected", "reshaped"):
            keys = getattr(self, word)
            if keys:
                parts.append(f"{len(keys)} {word} ({_first(keys)})")
        return "; ".join([*parts, *self.ignored])


def _first(keys: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(keys[:most]) + (", ..." if len(keys) > most else "")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read .npz, .safetensors or a torch file into one flat mapping of names to float tensors.

    Nothing in the file is executed; wrappers ("model", "state_dict", ...) and a leading "module."
    are taken off. `read_checkpoint` also keeps what else the file says.

    Raises:
        Refusal: if the file is absent or holds anything but arrays.
    """
    content, _ = read_file(find_file(path))
    inner, _ = unwrapped(content)
    tensors = {key: value for key, value in inner.items() if isinstance(value, Tensor)}
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def unfilled(make: Callable[[], Network]) -> Network:
    """Return a network without starting weights, which a file overwrites anyway: seconds saved."""
    device = torch.get_default_device()
    with torch.device("meta"):
        network = make()
    return network.to_empty(device=device)


def load_keys(
    network: nn.Module, weights: Mapping[str, Tensor], *, ignore: Mapping[str, str]
) -> KeyReport:
    """Load `weights` into `network`, every key accounted for.

    Args:
        network: whose parameters are filled.
        weights: names and arrays of the file.
        ignore: prefixes that may be left aside, with the words that say why.

    Raises:
        Refusal: if a key is missing, unknown or of another shape, with the report; or if what goes
            in is not finite, or whole numbers where the network has others.
    """
    own = network.state_dict()
    aside = {key for key in weights if key not in own and key.startswith(tuple(ignore))}
    given = {key: value for key, value in weights.items() if key not in aside}
    report = KeyReport(
        loaded=len(own.keys() & given.keys()),
        missing=tuple(key for key in own if key not in given),
        unexpected=tuple(key for key in given if key not in own),
        reshaped=tuple(
            f"{key}: file {tuple(given[key].shape)}, network {tuple(own[key].shape)}"
            for key in own
            if key in given and given[key].shape != own[key].shape
        ),
        ignored=_ignored_words(aside, ignore),
    )
    if not report.fits:
        raise Refusal(
            f"the keys of {type(network).__name__}",
            report.in_words(),
            "name the file of this very network, or the encoder that fits the file",
        )
    _require_numbers(given, own)
    network.load_state_dict(given)
    return report


def _require_numbers(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse what would load and compute nonsense: quantised arrays without scales, NaN."""
    floats = {key: value for key, value in given.items() if own[key].is_floating_point()}
    whole = tuple(key for key, value in floats.items() if not value.is_floating_point())
    if whole:
        raise Refusal(
            "weights as floating-point numbers",
            f"{floats[whole[0]].dtype} in {len(whole)} arrays ({_first(whole)}), as a quantised "
            "network has them",
            "name the file from before it was quantised, or save it in float16 or float32",
        )
    # Arrays on the meta device have shapes and no values: a layout is tested without its weights.
    there = {key: value for key, value in floats.items() if not value.is_meta}
    broken = tuple(key for key, value in there.items() if not value.isfinite().all())
    if broken:
        raise Refusal(
            "finite weights",
            f"NaN or infinity in {len(broken)} arrays ({_first(broken)})",
            "fetch the file again; if it is your own, its training diverged: name an earlier one",
        )


def _ignored_words(aside: set[str], ignore: Mapping[str, str]) -> tuple[str, ...]:
    counts = {prefix: sum(key.startswith(prefix) for key in aside) for prefix in ignore}
    return tuple(
        f"{count} arrays {prefix}* left aside ({ignore[prefix]})"
        for prefix, count in counts.items()
        if count
    )
