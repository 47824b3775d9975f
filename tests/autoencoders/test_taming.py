"""taming-transformers' layout: random weights under its published keys, and a plain forward.

Keys and arithmetic were read from CompVis/taming-transformers (taming/models/vqgan.py,
taming/modules/diffusionmodules/model.py, taming/modules/vqvae/quantize.py) in November 2026 and
written anew here as functions on a state dict.
"""

import argparse

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from retinaforge.autoencoders import load_autoencoder
from retinaforge.autoencoders.taming import diffusers_name
from retinaforge.core import Refusal

CH, Z, DIM, CODES = 32, 6, 5, 16
WIDTHS, BLOCKS = (32, 32, 64), 2


class Layout:
    """Collect random tensors under taming's keys."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}
        self.rng = torch.Generator().manual_seed(0)

    def conv(self, name: str, narrow: int, wide: int, kernel: int) -> None:
        shape = (wide, narrow, kernel, kernel)
        scale = (narrow * kernel * kernel) ** -0.5
        self.state[f"{name}.weight"] = scale * torch.randn(shape, generator=self.rng)
        self.state[f"{name}.bias"] = 0.1 * torch.randn(wide, generator=self.rng)

    def norm(self, name: str, channels: int) -> None:
        self.state[f"{name}.weight"] = 1 + 0.1 * torch.randn(channels, generator=self.rng)
        self.state[f"{name}.bias"] = 0.1 * torch.randn(channels, generator=self.rng)

    def block(self, name: str, narrow: int, wide: int) -> None:
        self.norm(f"{name}.norm1", narrow)
        self.conv(f"{name}.conv1", narrow, wide, 3)
        self.norm(f"{name}.norm2", wide)
        self.conv(f"{name}.conv2", wide, wide, 3)
        if narrow != wide:
            self.conv(f"{name}.nin_shortcut", narrow, wide, 1)

    def attention(self, name: str, channels: int) -> None:
        self.norm(f"{name}.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            self.conv(f"{name}.{part}", channels, channels, 1)

    def middle(self, side: str, channels: int) -> None:
        self.block(f"{side}.mid.block_1", channels, channels)
        self.attention(f"{side}.mid.attn_1", channels)
        self.block(f"{side}.mid.block_2", channels, channels)


def taming_state(*, kl: bool = False) -> dict[str, Tensor]:
    """Three resolutions, two blocks each, attention at the coarsest, as in its f16 config."""
    made, last = Layout(), len(WIDTHS) - 1
    made.conv("encoder.conv_in", 3, CH, 3)
    width = CH
    for i, wide in enumerate(WIDTHS):
        for j in range(BLOCKS):
            made.block(f"encoder.down.{i}.block.{j}", width, wide)
            width = wide
            if i == last:
                made.attention(f"encoder.down.{i}.attn.{j}", wide)
        if i < last:
            made.conv(f"encoder.down.{i}.downsample.conv", wide, wide, 3)
    made.middle("encoder", width)
    made.norm("encoder.norm_out", width)
    made.conv("encoder.conv_out", width, 2 * Z if kl else Z, 3)
    made.conv("decoder.conv_in", Z, width, 3)
    made.middle("decoder", width)
    for i in reversed(range(len(WIDTHS))):
        for j in range(BLOCKS + 1):
            made.block(f"decoder.up.{i}.block.{j}", width, WIDTHS[i])
            width = WIDTHS[i]
            if i == last:
                made.attention(f"decoder.up.{i}.attn.{j}", width)
        if i > 0:
            made.conv(f"decoder.up.{i}.upsample.conv", width, width, 3)
    made.norm("decoder.norm_out", width)
    made.conv("decoder.conv_out", width, 3, 3)
    if kl:
        made.conv("quant_conv", 2 * Z, 2 * Z, 1)
        made.conv("post_quant_conv", Z, Z, 1)
    else:
        made.state["quantize.embedding.weight"] = torch.randn(CODES, DIM, generator=made.rng)
        made.conv("quant_conv", Z, DIM, 1)
        made.conv("post_quant_conv", DIM, Z, 1)
    made.conv("loss.discriminator.main.0", 3, 8, 4)
    return made.state


class Forward:
    """taming's forward pass on a state dict."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def conv(self, name: str, x: Tensor, **options: int) -> Tensor:
        weight = self.state[f"{name}.weight"]
        options.setdefault("padding", weight.shape[-1] // 2)
        return F.conv2d(x, weight, self.state[f"{name}.bias"], **options)

    def norm(self, name: str, x: Tensor) -> Tensor:
        return F.group_norm(x, 32, self.state[f"{name}.weight"], self.state[f"{name}.bias"], 1e-6)

    def block(self, name: str, x: Tensor) -> Tensor:
        y = self.conv(f"{name}.conv1", F.silu(self.norm(f"{name}.norm1", x)))
        y = self.conv(f"{name}.conv2", F.silu(self.norm(f"{name}.norm2", y)))
        short = f"{name}.nin_shortcut"
        return y + (self.conv(short, x) if f"{short}.weight" in self.state else x)

    def attention(self, name: str, x: Tensor) -> Tensor:
        if f"{name}.q.weight" not in self.state:
            return x
        y = self.norm(f"{name}.norm", x)
        q, k, v = (self.conv(f"{name}.{part}", y).flatten(2) for part in "qkv")
        weights = torch.einsum("bci,bcj->bij", q, k).mul(x.shape[1] ** -0.5).softmax(2)
        mixed = torch.einsum("bcj,bij->bci", v, weights).view_as(x)
        return x + self.conv(f"{name}.proj_out", mixed)

    def middle(self, side: str, x: Tensor) -> Tensor:
        x = self.attention(f"{side}.mid.attn_1", self.block(f"{side}.mid.block_1", x))
        return self.block(f"{side}.mid.block_2", x)

    def encode(self, x: Tensor) -> Tensor:
        x = self.conv("encoder.conv_in", x)
        for i in range(len(WIDTHS)):
            for j in range(BLOCKS):
                x = self.block(f"encoder.down.{i}.block.{j}", x)
                x = self.attention(f"encoder.down.{i}.attn.{j}", x)
            if i < len(WIDTHS) - 1:
                name = f"encoder.down.{i}.downsample.conv"
                x = self.conv(name, F.pad(x, (0, 1, 0, 1)), stride=2, padding=0)
        x = self.middle("encoder", x)
        x = self.conv("encoder.conv_out", F.silu(self.norm("encoder.norm_out", x)))
        return self.conv("quant_conv", x)

    def decode(self, z: Tensor) -> Tensor:
        x = self.middle("decoder", self.conv("decoder.conv_in", self.conv("post_quant_conv", z)))
        for i in reversed(range(len(WIDTHS))):
            for j in range(BLOCKS + 1):
                x = self.block(f"decoder.up.{i}.block.{j}", x)
                x = self.attention(f"decoder.up.{i}.attn.{j}", x)
            if i > 0:
                x = F.interpolate(x, scale_factor=2.0)
                x = self.conv(f"decoder.up.{i}.upsample.conv", x)
        return self.conv("decoder.conv_out", F.silu(self.norm("decoder.norm_out", x)))


def images() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_a_vqgan_checkpoint_loads_whole_and_computes_the_same(tmp_path):
    state, path = taming_state(), tmp_path / "last.ckpt"
    torch.save({"state_dict": state, "epoch": 3}, path)
    loaded = load_autoencoder(path)
    assert loaded.report.complete
    assert loaded.report.loaded == sum(not name.startswith("loss.") for name in state)
    assert len(loaded.report.ignored) == 2
    # Four matrices in each of two middles, two encoder and three decoder attentions.
    assert len(loaded.report.reshaped) == 4 * (2 + 2 + 3)
    assert "28 reshaped" in loaded.report.in_words()
    assert (loaded.model.config.kind, loaded.model.config.factor) == ("vq", 4)
    plain = Forward(state)
    z = plain.encode(images())
    codes = torch.cdist(z.flatten(2)[0].T, state["quantize.embedding.weight"]).argmin(1)
    q = state["quantize.embedding.weight"][codes].T.reshape(z.shape)
    with torch.no_grad():
        out = loaded.model(images())
    assert torch.equal(out.codes.flatten(), codes)
    torch.testing.assert_close(out.reconstruction, plain.decode(q), rtol=1e-3, atol=1e-4)


def test_a_kl_first_stage_loads_and_computes_the_same(tmp_path):
    state, path = taming_state(kl=True), tmp_path / "kl.ckpt"
    torch.save(state, path)
    loaded = load_autoencoder(path)
    assert (loaded.report.complete, loaded.model.config.kind) == (True, "kl")
    plain = Forward(state)
    mode = plain.encode(images()).chunk(2, dim=1)[0]
    with torch.no_grad():
        out = loaded.model(images()).reconstruction
    torch.testing.assert_close(out, plain.decode(mode), rtol=1e-3, atol=1e-4)


def test_names_count_up_blocks_from_the_coarsest():
    renamed = diffusers_name("decoder.up.0.upsample.conv.weight", 5)
    assert renamed == "decoder.up_blocks.4.upsamplers.0.conv.weight"


def test_a_key_too_many_is_refused_by_name(tmp_path):
    state = taming_state() | {"encoder.extra.weight": torch.zeros(2)}
    torch.save({"state_dict": state}, tmp_path / "odd.ckpt")
    with pytest.raises(Refusal, match=r"1 unknown to the model: encoder\.extra\.weight \(2,\)"):
        load_autoencoder(tmp_path / "odd.ckpt")


def test_a_checkpoint_with_other_objects_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "lightning.ckpt"
    torch.save({"state_dict": taming_state(), "callbacks": argparse.Namespace(a=1)}, path)
    with pytest.raises(Refusal, match=r"a checkpoint of tensors only.*weights_only=False"):
        load_autoencoder(path)


def test_other_layouts_are_refused(tmp_path):
    torch.save({"state_dict": {"weight": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(Refusal, match=r"got .* without encoder\.conv_in\.weight"):
        load_autoencoder(tmp_path / "other.ckpt")
    state = taming_state()
    state["quantize.embed.weight"] = state.pop("quantize.embedding.weight")
    torch.save({"state_dict": state}, tmp_path / "gumbel.ckpt")
    with pytest.raises(Refusal, match=r"with neither \(a Gumbel codebook\?\)"):
        load_autoencoder(tmp_path / "gumbel.ckpt")


def test_a_cut_off_checkpoint_is_refused(tmp_path):
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": taming_state()}, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(Refusal, match=r"cut off|copy the file again"):
        load_autoencoder(path)
