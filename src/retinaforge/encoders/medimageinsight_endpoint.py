"""MedImageInsight behind an address that the user names: images and texts leave this machine.

The schema is Azure ML's for this model: microsoft/healthcareai-examples,
agentic/medimageinsight/mcp-server/mi2_client.py and zero_shot.py at 45a4895.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from retinaforge.core import Refusal
from retinaforge.encoders.black_box import BlackBox
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import Preprocess
from retinaforge.encoders.http_client import Endpoint, post, require_safe
from retinaforge.encoders.spec import require_known
from retinaforge.encoders.text import require_texts

KEY_VARIABLE = "RETINAFORGE_MEDIMAGEINSIGHT_KEY"
INPUT_PX = 480
WIDTH = 1024
A_REQUEST = 8
OPTIONS = ("timeout", "tries")


class EndpointEncoder(BlackBox):
    """MedImageInsight at an address: one vector of length 1 an image or a text."""

    def __init__(self, card: EncoderCard, endpoint: Endpoint) -> None:
        to_bytes = Preprocess([127.5] * 3, [127.5] * 3, resampling="bicubic")
        super().__init__(card, preprocess=to_bytes, input_px=INPUT_PX, chunk=A_REQUEST)
        self.endpoint = endpoint

    def vectors(self, ready: Tensor) -> Float[Tensor, "batch channels"]:
        """Send the images, losslessly as PNG, and return the vectors that come back."""
        pictures = [_png(image) for image in ready]
        return self._asked([[picture, None] for picture in pictures], "image_features")

    def text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Send the texts and return the vectors that come back."""
        require_texts(texts)
        parts = [texts[i : i + A_REQUEST] for i in range(0, len(texts), A_REQUEST)]
        rows = [[[None, text] for text in part] for part in parts]
        return torch.cat([self._asked(part, "text_features") for part in rows])

    def _asked(self, rows: list[list[str | None]], name: str) -> Tensor:
        table = {"columns": ["image", "text"], "index": list(range(len(rows))), "data": rows}
        answer = post(self.endpoint, {"input_data": table, "params": {}})
        return normalize(_vectors(answer, name, len(rows)), dim=1)


def _png(image: Tensor) -> str:
    pixels = image.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def _vectors(answer: Any, name: str, count: int) -> Tensor:
    """Return the vectors of an answer, or refuse one that cannot be MedImageInsight's."""
    rows = answer if isinstance(answer, list) else []
    if len(rows) != count or not all(isinstance(row, dict) and name in row for row in rows):
        raise Refusal(
            f"{count} rows with {name}",
            f"{len(rows)} rows of {_words(answer)}",
            "name an address that serves MedImageInsight by Azure ML's schema",
        )
    try:
        found = torch.tensor([_flat(row[name]) for row in rows], dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise _wrong(name, f"something else ({error})") from error
    if found.ndim != 2 or found.shape[1] != WIDTH:
        raise _wrong(name, f"{tuple(found.shape[1:])} numbers a row")
    if not bool(torch.isfinite(found).all()) or not bool(found.norm(dim=1).all()):
        raise _wrong(name, "NaN, infinity or only zeros")
    return found


def _flat(values: Any) -> Any:
    """Return a vector that lies in a list of one, as published endpoints answer, without it."""
    nested = isinstance(values, list) and len(values) == 1 and isinstance(values[0], list)
    return values[0] if nested else values


def _wrong(name: str, came: str) -> Refusal:
    return Refusal(
        f"{WIDTH} finite numbers as {name} of each row", came, "check what the address serves"
    )


def _words(answer: Any) -> str:
    first = answer[0] if isinstance(answer, list) and answer else answer
    if isinstance(first, dict):
        return f"keys {', '.join(list(first)[:5]) or 'none'}"
    return f"{type(first).__name__} {str(first)[:80]!r}"


def at_address(address: str, options: Mapping[str, str]) -> EndpointEncoder:
    """Return the encoder behind an address; nothing is sent before the first image or text.

    The key is read from the environment variable RETINAFORGE_MEDIMAGEINSIGHT_KEY.

    Raises:
        Refusal: for an address that is none, or that would give the key away.
    """
    require_known(options, OPTIONS, "an endpoint of medimageinsight")
    endpoint = require_safe(
        Endpoint(
            address,
            key=os.environ.get(KEY_VARIABLE, ""),
            key_variable=KEY_VARIABLE,
            timeout_s=_number(options, "timeout", 60.0),
            tries=int(_number(options, "tries", 5.0)),
        )
    )
    host = urlsplit(address).netloc
    card = EncoderCard(
        name=f"medimageinsight at {host}",
        network="MedImageInsight (DaViT, 360 M parameters) as its operator runs it; images and "
        f"texts LEAVE THIS MACHINE and go to {host}",
        licence="MIT for the weights (microsoft/MedImageInsight); the operator's terms for its use",
        fingerprint_sha256=hashlib.sha256(address.encode()).hexdigest(),
        training_data="X-ray, CT, MRI, dermoscopy, OCT, fundus photographs, ultrasound, "
        "histopathology, mammograms with words; which of public fundus sets is not published here",
        domain="medical images",
        preprocessing=f"antialiased bicubic resize to {INPUT_PX} px, sent as PNG; the endpoint "
        "normalises; vectors scaled to length 1",
        key_report="no file: the fingerprint is of the address, what runs there is not known",
        reference="Codella et al., arXiv 2410.06542",
        family="medimageinsight",
        modality="several medical",
        input_px=INPUT_PX,
        certainty="not confirmed: an operator may serve anything; width and finiteness are checked",
    )
    return EndpointEncoder(card, endpoint)


def _number(options: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(options.get(name, default))
    except ValueError:
        value = 0.0
    if value > 0:
        return value
    raise Refusal(f"{name}= a positive number", repr(options[name]), f"write e.g. {name}=30")
