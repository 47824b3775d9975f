"""Fine-tune a vision-language model of transformers on captioned photographs, in two stages.

After PA-LLaVA: first *align*, where only the connector between image and language is trained, then
*instruct*, where the language model learns by LoRA (through PEFT) while the connector goes on. What
comes out is merged and saved as a plain folder of transformers: `--writer hf:FOLDER`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retinaforge.captions.endpoint_image import fitted, opened
from retinaforge.captions.endpoint_prompt import Prompt, load_prompt
from retinaforge.captions.writer import CaptionRequest
from retinaforge.captions.writer_local import chat_of, load_model
from retinaforge.core import Refusal, rng_for
from retinaforge.core.artefacts import environment, no_room_told, usual_modes, write_json
from retinaforge.tasks.pairs import Pair

CONNECTOR = re.compile(r"(?:^|\.)(?:multi_modal_projector|mm_projector|connector|merger|aligner)\.")
LORA = r".*(?:language_model|text_model|model\.layers).*\.(?:q|k|v|o|gate|up|down)_proj"
UNLABELLED = -100
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class TunePlan:
    """How a model is tuned.

    Attributes:
        align_steps, steps: optimiser steps of the two stages.
        batch: captions a step, one after the other: memory is that of one.
        align_rate, rate: learning rates (AdamW, constant).
        rank: of LoRA.
        prompt: what the model is asked; ask the same when it writes.
        image_px: longest side before the model's own processor.
        seed: of order, of the caption drawn among paraphrases, and of LoRA's weights.
    """

    align_steps: int = 200
    steps: int = 1000
    batch: int = 8
    align_rate: float = 1e-3
    rate: float = 2e-4
    rank: int = 16
    prompt: str = "fundus-plain-v1"
    image_px: int = 768
    seed: int = 0


def tune_captioner(
    folder: Path, pairs: Sequence[Pair], out: Path, plan: TunePlan,
    on_progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Tune a model on the training pairs and save it; say what it cost the held-out ones.

    Args:
        folder: the model, as `save_pretrained` wrote it.
        pairs: those of split "train" or "" are learnt, "val" is held out, "test" is never read.
        out: folder to write.
        plan: of the run.
        on_progress: called with (steps done, steps, loss of the step).

    Returns:
        Loss a step of each stage, held-out loss before and after (None without "val"), the plan.

    Raises:
        Refusal: without training pairs, or for a model without a connector that we know.
        DiskFull: if the tuned model could not be written.
    """
    learnt = [pair for pair in pairs if pair.split in ("train", "")]
    held = [pair for pair in pairs if pair.split == "val"]
    if not learnt:
        raise Refusal("pairs of split train", f"none among {len(pairs)}", "name training pairs")
    processor, model = load_model(folder)
    model = model.float()
    teach = _Teacher(processor, load_prompt(plan.prompt), plan)
    before = _held_out(model, teach, held)
    done, total = 0, plan.align_steps + plan.steps

    def tell(loss: float) -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, total, loss)

    _only_connector(model, folder)
    align = _train(model, teach, learnt, plan.align_steps, plan.align_rate, "align", tell)
    torch.manual_seed(plan.seed)
    model = _with_lora(model, plan.rank)
    tuned = _train(model, teach, learnt, plan.steps, plan.rate, "instruct", tell)
    model = model.merge_and_unload()
    after = _held_out(model, teach, held)
    with no_room_told(out):
        model.save_pretrained(out)
        processor.save_pretrained(out)
        usual_modes(out)
    told = {
        "plan": asdict(plan), "base": str(folder), "pairs": len(learnt), "held_out": len(held),
        "held_out_loss": {"before": before, "after": after}, "align": align, "instruct": tuned,
        "environment": environment(),
    }  # fmt: skip
    write_json(out / "tune.json", told)
    return told


@dataclass(frozen=True)
class _Teacher:
    """Makes of a pair what the model reads and what it shall say."""

    processor: Any
    prompt: Prompt
    plan: TunePlan

    def lesson(self, pair: Pair, text: str) -> dict[str, Tensor]:
        """Return the model's inputs with labels on the caption alone."""
        image = fitted(opened(pair.path.read_bytes()), self.plan.image_px)
        picture = {"type": "image", "image": image}
        chat = chat_of(self.prompt, CaptionRequest(pair.record), picture)
        asked = dict(
            self.processor.apply_chat_template(
                chat, add_generation_prompt=True, tokenize=True, return_dict=True,
                return_tensors="pt",
            )
        )  # fmt: skip
        # The caption's tokens follow the prompt's as they do when it is generated: put into the
        # template as one text, a word could merge with the prompt's last character.
        tokenizer = self.processor.tokenizer
        said = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        answer = torch.tensor([said])
        hidden = torch.full_like(asked["input_ids"], UNLABELLED)
        asked["input_ids"] = torch.cat([asked["input_ids"], answer], 1)
        asked["attention_mask"] = torch.ones_like(asked["input_ids"])
        if "token_type_ids" in asked:
            kinds = asked["token_type_ids"]
            asked["token_type_ids"] = torch.cat([kinds, torch.zeros_like(answer)], 1)
        return {**asked, "labels": torch.cat([hidden, answer], 1)}


def _train(
    model: Any, teach: _Teacher, pairs: Sequence[Pair], steps: int, rate: float, stage: str,
    tell: Callable[[float], None],
) -> list[float]:  # fmt: skip
    """Train what may learn; step n draws its captions by its number alone."""
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=rate, weight_decay=0.0)
    batch, losses = min(teach.plan.batch, len(pairs)), []
    model.train()
    for step in range(steps):
        rng = rng_for(teach.plan.seed, stage, step)
        loss = 0.0
        for n in rng.choice(len(pairs), batch, replace=False):
            part = _loss(model, teach, pairs[n], _drawn(pairs[n], rng)) / batch
            part.backward()
            loss += part.item()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss)
        tell(loss)
    model.eval()
    return losses


def _drawn(pair: Pair, rng: np.random.Generator) -> str:
    texts = pair.texts or (pair.text,)
    return texts[int(rng.integers(len(texts)))]


def _loss(model: Any, teach: _Teacher, pair: Pair, text: str) -> Tensor:
    lesson = {key: value.to(model.device) for key, value in teach.lesson(pair, text).items()}
    return model(**lesson).loss


def _held_out(model: Any, teach: _Teacher, pairs: Sequence[Pair]) -> float | None:
    """Return the mean loss a token of held-out captions; None without any."""
    if not pairs:
        return None
    with torch.inference_mode():
        losses = [_loss(model, teach, pair, pair.text).item() for pair in pairs]
    return float(np.mean(losses))


def _only_connector(model: Any, folder: Path) -> None:
    found = False
    for name, weight in model.named_parameters():
        weight.requires_grad = bool(CONNECTOR.search(name))
        found = found or weight.requires_grad
    if not found:
        raise Refusal(
            "a model with a connector between image and language", f"none in {folder}",
            "name a model of LLaVA's, Idefics's or Qwen-VL's kind",
        )  # fmt: skip


def _with_lora(model: Any, rank: int) -> Any:
    """Return the model with LoRA on its language layers; the connector goes on learning."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise Refusal("peft", "none", "run pip install 'retinaforge[generate]'") from error
    tuned = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=LORA))
    for name, weight in tuned.named_parameters():
        if CONNECTOR.search(name):
            weight.requires_grad = True
    return tuned
