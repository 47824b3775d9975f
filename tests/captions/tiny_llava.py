"""A LLaVA of random weights with a tokenizer learnt on the spot: a real model, made in seconds."""

from __future__ import annotations

from pathlib import Path

WORDS = (
    "a colour fundus photograph of the right left eye optic disc macula vessels lesions none seen "
    'quality good { } " : , caption .'
)
SHORT = """
name = "short"
version = 1
words = [1, 9]
diagnosis = false
shows = []
system = "a"
user = "eye"
again = "$draft $findings"
[[answer]]
name = "caption"
says = "words"
"""
"""A prompt of few words: among a thousand, nine tokens of an image would not be noticed."""
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% elif part['type'] == 'text' %}{{ part['text'] }}"
    "{% endif %}{% endfor %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def save_tiny_llava(folder: Path, *, ends: bool = True) -> Path:
    """Save model, tokenizer and processor to `folder`; 30 px images, 9 image tokens.

    Args:
        folder: written.
        ends: answers are short, and image and words move them; else weights as they are drawn.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<image>"]
    bpe.train_from_iterator(
        [WORDS] * 4,
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, image_size=30, patch_size=10, projection_dim=32,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64,
            num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=4096,
            pad_token_id=0, bos_token_id=1, eos_token_id=2,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():
        # Drawn as small as they are, no hidden state could raise one word above the others, and
        # one image would look like the next.
        model.lm_head.weight.mul_(20)
        model.model.multi_modal_projector.linear_2.weight.mul_(100)
        for weight in model.model.vision_tower.parameters():
            if weight.ndim > 1:
                weight.mul_(5)
    if ends:
        _enlarge(model, len(tokenizer))
    model.save_pretrained(folder)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30}
        ),
        tokenizer=tokenizer, patch_size=10, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=TEMPLATE,
    )  # fmt: skip
    processor.save_pretrained(folder)
    return folder


def _enlarge(model, words: int) -> None:
    import torch

    # Weights at random hardly ever end: every eighth token does, so that answers are short.
    model.generation_config.eos_token_id = [2, *range(8, words, 8)]
    with torch.no_grad():
        # Otherwise neither image nor words would move the next token.
        for layer in model.model.language_model.layers:
            layer.self_attn.o_proj.weight.mul_(20)
