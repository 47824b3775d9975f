"""A vision-language model of `transformers` as a writer, in this process; nothing is downloaded.

The same prompt files as for an endpoint, the same reading of the answer. One request at a time: the
weights are there once, and the seed of a draw is the process's.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retinaforge.captions.answers import LENGTH, model_of, read_answer
from retinaforge.captions.endpoint_image import fitted, opened
from retinaforge.captions.endpoint_prompt import DEFAULT, Prompt, load_prompt
from retinaforge.captions.writer import FAILED, CaptionAnswer, CaptionRequest
from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.core.quiet import without_bars

OPTIONS = ("prompt", "image_px", "max_tokens", "temperature")


@dataclass(frozen=True)
class _Told:
    """What the network wrote: the text, why it ended, tokens in and out."""

    text: str
    finish: str
    tokens_in: int
    tokens_out: int


class LocalWriter:
    """A folder of weights, tokenizer, processor and chat template, as `save_pretrained` writes it.

    Args:
        folder: of the model.
        prompt: shipped name or path of a prompt file.
        image_px: longest side that the photograph is reduced to before the model's own processor.
        max_tokens: of one answer.
        temperature: 0 takes the likeliest token each time.

    Raises:
        Refusal: if there is no such model, or it reads no images or no chat.
    """

    leaves, threads = "", 1

    def __init__(
        self, folder: Path, prompt: str = DEFAULT, image_px: int = 768, max_tokens: int = 1024,
        temperature: float = 0.7,
    ) -> None:  # fmt: skip
        self.folder, self.image_px, self.max_tokens = folder, image_px, max_tokens
        self.temperature, self.prompt = temperature, load_prompt(prompt)
        self.looks = image_px > 0
        self.processor, self.model = load_model(folder)
        self._answer = model_of(self.prompt)
        self.name = folder.resolve().name
        content = [_weights_of(folder), self.prompt.fingerprint, image_px, max_tokens, temperature]
        self.version = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        """Return the answer to one request."""
        started = time.monotonic()
        try:
            picture = self._picture(request)
        except Refusal as refusal:
            return CaptionAnswer(
                status=FAILED, reason=str(refusal), prompt=self.prompt.label, attempts=0
            )
        told = self._generated(chat_of(self.prompt, request, picture), request.seed)
        reading = read_answer(told.text, told.finish, "", self._answer, asked_schema=False)
        return CaptionAnswer(
            text=reading.text, fields=reading.fields, status=reading.status, reason=reading.reason,
            tokens_in=told.tokens_in, tokens_out=told.tokens_out,
            seconds=time.monotonic() - started, model=self.name, prompt=self.prompt.label,
            structure=reading.structure,
        )  # fmt: skip

    def _picture(self, request: CaptionRequest) -> dict[str, Any] | None:
        if not self.looks:
            return None
        if request.image is None:
            raise Refusal("a photograph", f"none of {request.record.image}", "name its folder")
        return {"type": "image", "image": fitted(opened(request.image), self.image_px)}

    def _generated(self, chat: list[Any], seed: int) -> _Told:
        import torch

        ready = self.processor.apply_chat_template(
            chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        ).to(self.model.device, dtype=self.model.dtype)
        torch.manual_seed(seed % 2**63)
        how: dict[str, Any] = {"do_sample": False}
        if self.temperature > 0:
            how = {"do_sample": True, "temperature": self.temperature}
        with torch.inference_mode():
            out = self.model.generate(**ready, max_new_tokens=self.max_tokens, **how)
        read = ready["input_ids"].shape[1]
        new = out[0, read:]
        text = self.processor.batch_decode(new[None], skip_special_tokens=True)[0]
        finish = LENGTH if len(new) >= self.max_tokens else "stop"
        return _Told(text, finish, read, len(new))

    def about(self) -> dict[str, Any]:
        """Return what the run's file says of this writer."""
        return {
            "kind": "transformers", "folder": str(self.folder), "image_px": self.image_px,
            "max_tokens": self.max_tokens, "temperature": self.temperature,
            "architecture": type(self.model).__name__,
            "prompt": {"label": self.prompt.label, "sha256": self.prompt.fingerprint},
        }  # fmt: skip


def chat_of(
    prompt: Prompt, request: CaptionRequest, picture: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Return a chat in parts; the system's words head the user's: not all models know a system."""
    system, *rest = prompt.messages(request, picture)
    first = rest[0]["content"]
    words = {"type": "text", "text": f"{system['content']}\n\n{first[0]['text']}"}
    rest[0] = {"role": "user", "content": [*first[1:], words]}
    return [
        {**part, "content": [{"type": "text", "text": part["content"]}]}
        if isinstance(part["content"], str)
        else part
        for part in rest
    ]


def load_model(folder: Path) -> tuple[Any, Any]:
    """Return the processor and the model of a folder, ready to answer.

    Raises:
        Refusal: if there is no such model, or it reads no images or no chat.
    """
    if not (folder / "config.json").is_file():
        raise Refusal(
            "a folder that a model of transformers was saved to", str(folder),
            "fetch the model yourself and name its folder: nothing is downloaded here",
        )  # fmt: skip
    try:
        import torch
        import transformers
        from transformers import AutoModelForImageTextToText, AutoProcessor
    except ImportError as error:
        raise Refusal("transformers", "none", "run pip install 'retinaforge[captions]'") from error
    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        with without_bars(transformers):
            model = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True, dtype="auto"
            )
    except (OSError, ValueError, ImportError) as error:
        raise Refusal(
            "a model that reads images and writes text", f"{folder}: {str(error)[:200]}",
            "name one that transformers' AutoModelForImageTextToText loads",
        ) from error  # fmt: skip
    if not getattr(processor, "chat_template", None):
        raise Refusal("a model with a chat template", str(folder), "put chat_template.jinja there")
    return processor, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _weights_of(folder: Path) -> list[Any]:
    """Return the hashes of the weight files: a fine-tuned model is another one of equal size."""
    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.bin"))
    return [[file.name, sha256_of(file)] for file in files]
