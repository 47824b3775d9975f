"""MedImageInsight's DaViT is Florence-2's in transformers; its text tower reads padded texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from word_makers import medimageinsight

from retinaforge.core import Refusal
from retinaforge.encoders import load, read_checkpoint
from retinaforge.encoders.medimageinsight import MEDIMAGEINSIGHT, MedImageInsightEncoder
from retinaforge.encoders.medimageinsight_layout import davit_shape, text_half
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.clip_text import ClipText
from retinaforge.nets.davit import Davit, DavitShape, DavitTower

SMALL = {"widths": (32, 64, 96, 128), "depths": (1, 1, 2, 1)}
TO_OURS = (
    (r"^(convs\.\d)\.conv\.", r"\1.proj."),
    (r"\.(conv[12])\.", r".\1.fn.dw."),
    (r"spatial_block\.norm1\.", "spatial_block.window_attn.norm."),
    (r"channel_block\.norm1\.", "channel_block.channel_attn.norm."),
    (r"\.norm2\.", ".ffn.norm."),
    (r"_attn\.(qkv|proj)\.", r"_attn.fn.\1."),
    (r"\.ffn\.fc", ".ffn.fn.net.fc"),
)


def ours_from(theirs: torch.nn.Module) -> dict[str, torch.Tensor]:
    arrays = {}
    for key, value in theirs.state_dict().items():
        for old, new in TO_OURS:
            key = re.sub(old, new, key)
        arrays[key] = value
    return arrays


def test_davit_is_that_of_transformers() -> None:
    florence = pytest.importorskip("transformers.models.florence2.modeling_florence2")
    config = florence.Florence2VisionConfig(
        depths=SMALL["depths"], embed_dim=SMALL["widths"], num_heads=(1, 2, 3, 4),
        num_groups=(1, 2, 3, 4), window_size=5,
    )  # fmt: skip
    theirs = florence.Florence2VisionBackbone(config).eval()
    torch.manual_seed(0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ours = Davit(DavitShape(**SMALL, window=5))
    norms = {key: value for key, value in ours.state_dict().items() if key.startswith("norms.")}
    ours.load_state_dict(ours_from(theirs) | norms)
    images = torch.randn(2, 3, 72, 88)  # 18 x 22 tokens at first: windows of 5 are filled up
    with torch.inference_mode():
        expected, maps = theirs(images).last_hidden_state, ours(images, (1, 4))
    assert [tuple(found.shape) for found in maps] == [(2, 32, 18, 22), (2, 128, 3, 3)]
    torch.testing.assert_close(maps[-1], expected, rtol=1e-4, atol=1e-4)


def test_published_sizes_fit_by_names_and_shapes() -> None:
    with torch.device("meta"):
        whole = DavitTower(DavitShape((256, 512, 1024, 2048), (1, 1, 9, 1)), 1024).state_dict()
    assert davit_shape(whole) == DavitShape((256, 512, 1024, 2048), (1, 1, 9, 1))
    shown = {
        "image_encoder.convs.1.norm.weight": (256,),
        "image_encoder.blocks.2.8.channel_block.channel_attn.fn.qkv.weight": (3072, 1024),
        "image_encoder.blocks.0.0.spatial_block.conv1.fn.dw.weight": (256, 1, 3, 3),
        "image_encoder.norms.weight": (2048,),
        "image_projection": (2048, 1024),
    }
    assert {key: tuple(whole[key].shape) for key in shown} == shown
    count = sum(value.numel() for value in whole.values())
    assert count == pytest.approx(0.36e9, rel=0.02)  # 0.36 B parameters, as its paper says


def test_file_loads_and_embeds(tmp_path: Path) -> None:
    encoder = load(medimageinsight(tmp_path))
    assert isinstance(encoder, MedImageInsightEncoder)
    assert (encoder.card.family, encoder.input_px) == ("medimageinsight", 480)
    vectors = encoder.embedding(torch.rand(2, 3, 96, 96) * 2 - 1)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    with torch.no_grad():
        maps = encoder.features(torch.zeros(1, 3, 64, 64), input_px=96)
    assert [tuple(found.shape[-2:]) for found in maps] == [(24, 24), (12, 12), (6, 6), (3, 3)]


def test_names_of_before_load_too(tmp_path: Path) -> None:
    path = medimageinsight(tmp_path)
    today = read_checkpoint(path).weights
    old = {}
    for key, value in today.items():
        for after, before in (
            ("image_encoder.", "visual."), ("lang_encoder.", "text."),
            ("image_projection", "vision_projection"), ("lang_projection", "text_projection"),
            (".convs.", ".conv_embeds."), (".blocks.", ".main_blocks."), ("spatial_block.", "0."),
            ("channel_block.", "1."), ("conv1.fn.dw", "cpe.0.proj"), ("conv2.fn.dw", "cpe.1.proj"),
            ("ffn.fn.net", "mlp"), ("ffn.norm", "norm2"), ("window_attn.norm", "norm1"),
            ("channel_attn.norm", "norm1"), ("window_attn.fn", "attn"), ("channel_attn.fn", "attn"),
        ):  # fmt: skip
            key = key.replace(after, before)
        old[key] = value
    assert "visual.main_blocks.2.1.1.cpe.0.proj.weight" in old
    save_file(old, tmp_path / "old.safetensors")
    images = torch.rand(1, 3, 96, 96) * 2 - 1
    found = load(f"medimageinsight:{tmp_path / 'old.safetensors'},px=96").embedding(images)
    expected = load(f"medimageinsight:{path},px=96").embedding(images)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_text_tower_sees_the_whole_text_and_nothing_that_fills_up(tmp_path: Path) -> None:
    shape, weights = text_half(read_checkpoint(medimageinsight(tmp_path)).weights)
    tower = ClipText(shape)
    load_keys(tower, weights, ignore={})
    ids = torch.tensor([[90, 5, 17, 91, 91, 91], [90, 5, 18, 91, 91, 91]])  # filled with the end
    real = torch.tensor([[1, 1, 1, 1, 0, 0]] * 2).bool()
    with torch.no_grad():
        vectors, alone = tower(ids, real), tower(ids[:, :4], real[:, :4])
        other = tower(ids, torch.ones_like(real))
    torch.testing.assert_close(vectors, alone, rtol=1e-4, atol=1e-5)
    assert (vectors - other).abs().max() > 1e-3
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3


def test_text_tower_is_pytorchs_transformer(tmp_path: Path) -> None:
    """Compare with the published definition on PyTorch's own attention layer."""
    checkpoint = read_checkpoint(medimageinsight(tmp_path))
    shape, weights = text_half(checkpoint.weights)
    tower = ClipText(shape)
    load_keys(tower, weights, ignore={})
    array = {k.removeprefix("lang_encoder."): v for k, v in checkpoint.weights.items()}
    ids, real = torch.tensor([[90, 5, 17, 91, 91]]), torch.tensor([[1, 1, 1, 1, 0]]).bool()
    norm = torch.nn.functional.layer_norm
    x = array["token_embedding.weight"][ids] + array["positional_embedding"][:5]
    for n in range(shape.depth):
        at = f"resblocks.{n}."
        layer = torch.nn.MultiheadAttention(shape.width, shape.heads, batch_first=True)
        layer.load_state_dict({k.removeprefix(f"{at}attn."): v for k, v in array.items()
                               if k.startswith(f"{at}attn.")})  # fmt: skip
        y = norm(x, (shape.width,), array[f"{at}ln_1.weight"], array[f"{at}ln_1.bias"], 1e-12)
        x = x + layer(y, y, y, key_padding_mask=~real, need_weights=False)[0]
        y = norm(x, (shape.width,), array[f"{at}ln_2.weight"], array[f"{at}ln_2.bias"], 1e-12)
        y = y @ array[f"{at}mlp.c_fc.weight"].T + array[f"{at}mlp.c_fc.bias"]
        y = y * torch.sigmoid(1.702 * y)
        x = x + y @ array[f"{at}mlp.c_proj.weight"].T + array[f"{at}mlp.c_proj.bias"]
    x = norm(x, (shape.width,), array["ln_final.weight"], array["ln_final.bias"], 1e-12)
    expected = x[:, 3] @ checkpoint.weights["lang_projection"]
    with torch.no_grad():
        torch.testing.assert_close(tower(ids, real), expected, rtol=1e-4, atol=1e-4)


def test_other_files_are_refused(tmp_path: Path) -> None:
    save_file({"image_projection": torch.zeros(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(Refusal, match=r"image_encoder.blocks, four stages; got keys such as image"):
        load(f"medimageinsight:{tmp_path / 'a.safetensors'}")


def test_the_published_file_is_known() -> None:
    (file,) = MEDIMAGEINSIGHT.files
    assert len(file.sha256) == 64
    assert file.licence == "MIT"
