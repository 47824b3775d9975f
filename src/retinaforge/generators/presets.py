"""Networks by name, from 2 million to 2 billion parameters.

A name is family-size: `dit` is the plain transformer of ours, `lumina` Lumina-Next's. Sizes are
those with a 4-channel latent and the text width that the preset names; another text width changes
them a little. `lumina-2b` is RetinaLogos's and Lumina-Next-SFT's network to the parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from retinaforge.core import Refusal
from retinaforge.generators.dit import DiT
from retinaforge.generators.lumina import Lumina
from retinaforge.generators.network import NetworkShape


@dataclass(frozen=True)
class Preset:
    """Sizes of a network.

    Attributes:
        family: dit or lumina.
        width, depth, heads: channels, blocks, attention heads.
        kv_heads: heads that keys and values have (lumina).
        multiple_of: the MLP's width is rounded up to one (lumina).
        text_width: of the text encoder that the stated size is counted with.
        parameters: in millions, with that text width, 4 latent channels, patch 2.
    """

    family: Literal["dit", "lumina"]
    width: int
    depth: int
    heads: int
    kv_heads: int = 0
    multiple_of: int = 64
    text_width: int = 256
    parameters: float = 0.0


PRESETS: dict[str, Preset] = {
    "dit-2m": Preset("dit", 160, 4, 4, parameters=2.0),
    "dit-5m": Preset("dit", 192, 8, 3, parameters=5.2),
    "dit-9m": Preset("dit", 256, 8, 4, parameters=9.2),
    "dit-33m": Preset("dit", 384, 14, 6, parameters=34.8),
    "dit-130m": Preset("dit", 768, 13, 12, parameters=128.8),
    "dit-500m": Preset("dit", 1152, 24, 16, text_width=2048, parameters=527.1),
    "dit-2b": Preset("dit", 2304, 24, 32, text_width=2048, parameters=2097.4),
    "lumina-2m": Preset("lumina", 160, 4, 4, 2, 64, parameters=2.0),
    "lumina-9m": Preset("lumina", 256, 8, 4, 2, 64, parameters=9.4),
    "lumina-33m": Preset("lumina", 384, 13, 8, 4, 64, parameters=32.5),
    "lumina-130m": Preset("lumina", 768, 14, 16, 4, 256, parameters=131.1),
    "lumina-500m": Preset("lumina", 1152, 24, 24, 6, 256, 2048, parameters=512.9),
    "lumina-2b": Preset("lumina", 2304, 24, 32, 8, 256, 2048, parameters=1754.9),
}


def require_preset(name: str) -> str:
    """Return the name of a preset, or refuse another."""
    if name not in PRESETS:
        raise Refusal(f"a preset of {', '.join(PRESETS)}", repr(name), "name one of these")
    return name


def build_network(
    preset: str, shape: NetworkShape, *, side: int = 32, recompute: bool = False
) -> nn.Module:
    """Build a network of a preset's size, with its authors' start.

    Weights are drawn from torch's global generator: seed it first.

    Args:
        preset: a name of PRESETS.
        shape: latent, text, classes and maps.
        side: of the square latent it will be taught on (lumina scales positions by it).
        recompute: activations are computed again on the way back, for less memory.

    Raises:
        Refusal: for another name, or without diffusers where the preset needs it.
    """
    plan = PRESETS[require_preset(preset)]
    sizes = {"width": plan.width, "depth": plan.depth, "heads": plan.heads}
    if plan.family == "dit":
        return DiT(shape, **sizes, recompute=recompute)
    return Lumina(
        shape,
        side=side,
        **sizes,
        kv_heads=plan.kv_heads,
        multiple_of=plan.multiple_of,
        recompute=recompute,
    )


def network_from_config(config: Mapping[str, Any], *, recompute: bool = False) -> nn.Module:
    """Build the network that its `as_dict` describes.

    Raises:
        Refusal: for a class that is not known, or fields of another version.
    """
    plain = dict(config)
    kinds = {"DiT": DiT, "Lumina": Lumina}
    name = plain.pop("class", None)
    if name not in kinds:
        raise Refusal(
            f"a network of class {' or '.join(kinds)}", repr(name), "load it with its own library"
        )
    try:
        shape = dict(plain.pop("shape"))
        shape["class_sizes"] = tuple(shape.get("class_sizes", ()))
        return kinds[name](NetworkShape(**shape), **plain, recompute=recompute)
    except (KeyError, TypeError) as error:
        raise Refusal(
            f"what {name}.as_dict wrote", str(error), "use the version of RetinaForge that wrote it"
        ) from error
