"""What the files beside CLIP's weights say that no array can: heads, activation, normalisation.

Hugging Face keeps config.json and preprocessor_config.json there, open_clip open_clip_config.json.
A wrong activation or normalisation breaks nothing and spoils every number, so what was taken for
want of such a file stands in the card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from retinaforge.core import Refusal
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.clip_layout import Layout
from retinaforge.encoders.encoder import Resampling
from retinaforge.nets.clip import Activation

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
HEAD_WIDTH = 64
HEAD_WIDTHS = {1280: 80, 1408: 88, 1664: 104}
"""ViT-H, ViT-g and ViT-bigG of open_clip have wider heads than all others."""
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
BICUBIC = 3  # PIL's number, as preprocessor_config.json has it


@dataclass(frozen=True)
class Said:
    """What is known of a CLIP model beside its arrays.

    Attributes:
        image, text: what the configuration says of each tower, under Hugging Face's names.
        activation, mean, std, resampling: as said, or the layout's default.
        source: whence they come, in words for the card.
    """

    image: Mapping[str, Any]
    text: Mapping[str, Any]
    activation: Activation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resampling: Resampling
    source: str

    def image_heads(self, width: int) -> int:
        """Return the number of heads of the image tower."""
        given = self.image.get("num_attention_heads")
        return int(given or max(1, width // HEAD_WIDTHS.get(width, HEAD_WIDTH)))

    def text_heads(self, width: int) -> int:
        """Return the number of heads of the text tower."""
        return int(self.text.get("num_attention_heads") or max(1, width // HEAD_WIDTH))

    def text_activation(self) -> Activation:
        """Return the text tower's activation: the image tower's, where nothing else is said."""
        return _activation(self.text.get("hidden_act", self.activation))


def what_is_said(checkpoint: Checkpoint, layout: Layout) -> Said:
    """Read the files beside the weights, and the option `activation`.

    Raises:
        Refusal: for an activation or a pooling that the towers here do not have.
    """
    open_clip = read_json(checkpoint.path.parent / "open_clip_config.json")
    if layout != "Hugging Face's" and "model_cfg" in open_clip:
        return _of_open_clip(open_clip, checkpoint)
    config = read_json(checkpoint.path.parent / "config.json")
    if layout == "Hugging Face's" and "clip" in str(config.get("model_type")):
        return _of_hugging_face(config, checkpoint)
    default: Activation = "gelu" if layout == "open_clip's" else "quick_gelu"
    whose = "open_clip's default" if layout == "open_clip's" else "as in OpenAI's models"
    wanted = "open_clip_config.json" if layout == "open_clip's" else "a config.json"
    given = checkpoint.options.get("activation")
    source = "as named" if given else f"{whose}, for want of {wanted}"
    if layout == "OpenAI's" and not given:
        source = "as in OpenAI's models"
    return Said({}, {}, _activation(given or default), *_normalisation({}), source)


def _of_hugging_face(config: Mapping[str, Any], checkpoint: Checkpoint) -> Said:
    parts = [config.get(f"{name}_config", config) for name in ("vision", "text")]
    image, text = (part if isinstance(part, dict) else {} for part in parts)
    # A value that is transformers' default is not always written.
    image, text = {"num_attention_heads": 12} | image, {"num_attention_heads": 8} | text
    option = checkpoint.options.get("activation")
    named = option or image.get("hidden_act", "quick_gelu")
    beside = read_json(checkpoint.path.parent / "preprocessor_config.json")
    said = {
        "mean": beside.get("image_mean"),
        "std": beside.get("image_std"),
        "interpolation": "bicubic" if beside.get("resample", BICUBIC) == BICUBIC else "other",
    }
    source = "as named" if option else "config.json"
    return Said(image, text, _activation(named), *_normalisation(said), source)


def _of_open_clip(config: Mapping[str, Any], checkpoint: Checkpoint) -> Said:
    model = config["model_cfg"]
    vision, text = model.get("vision_cfg", {}), model.get("text_cfg", {})
    for tower, usual in ((vision, "tok"), (text, "argmax")):
        if (pooled := tower.get("pool_type", usual)) != usual:
            raise Refusal(
                f"pool_type {usual!r} in open_clip_config.json",
                repr(pooled),
                "name a CLIP that reads its class token and its end-of-text token",
            )
    image = {}
    if width := vision.get("head_width"):
        image["num_attention_heads"] = int(vision["width"]) // int(width)
    option = checkpoint.options.get("activation")
    named = option or ("quick_gelu" if model.get("quick_gelu") else "gelu")
    heads = {"num_attention_heads": text["heads"]} if "heads" in text else {}
    normal = _normalisation(config.get("preprocess_cfg", {}))
    source = "as named" if option else "open_clip_config.json"
    return Said(image, heads, _activation(named), *normal, source)


def _normalisation(
    said: Mapping[str, Any],
) -> tuple[tuple[float, ...], tuple[float, ...], Resampling]:
    other = said.get("interpolation", "bicubic") != "bicubic"
    resampling: Resampling = "bilinear" if other else "bicubic"
    return tuple(said.get("mean") or MEAN), tuple(said.get("std") or STD), resampling


def _activation(named: Any) -> Activation:
    if named in ACTIVATIONS:
        return named
    raise Refusal(
        f"hidden_act of {' or '.join(ACTIVATIONS)} in config.json", repr(named),
        "name another CLIP model",
    )  # fmt: skip


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; {} where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
