"""Generators on disk: diffusers reads them where it can, and we read others'."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lumina_toys import CAPTIONS, WIDTH, tiny_lumina, tiny_text, tiny_vae

from retinaforge.autoencoders import load_autoencoder
from retinaforge.core import Refusal
from retinaforge.core.artefacts import DiskFull
from retinaforge.generators.condition import Condition
from retinaforge.generators.dit import DiT
from retinaforge.generators.folder import load_network, load_pipeline, save_pipeline
from retinaforge.generators.folder_parts import vae_of
from retinaforge.generators.lumina_checkpoint import find_checkpoint, new_names
from retinaforge.generators.network import NetworkShape
from retinaforge.generators.samplers import noise, sample
from retinaforge.generators.text_encoder import load_text_encoder

META = {
    "recipe": "toy", "step": "pretrain", "scale": 0.7, "shift": 0.4, "size_px": 64,
    "training_data": {"photographs": 0, "synthetic": 9, "licences": ["CC0"]},
    "result": {"steps": 12},
}  # fmt: skip


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("parts")
    (root / "vae").mkdir()
    text = tiny_text("gemma", root / "text")
    (text / "README.md").write_text("---\nlicense: gemma\n---\n")
    return {"text": text, "vae": tiny_vae(root / "vae")}


@pytest.fixture(scope="module")
def saved(parts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = load_text_encoder(parts["text"], lower_case=True)
    return save_pipeline(
        tmp_path_factory.mktemp("saved") / "model",
        tiny_lumina(),
        autoencoder=parts["vae"],
        text_encoder=encoder,
        meta=META,
    )


def test_the_folder_says_what_it_is(saved: Path) -> None:
    index = json.loads((saved / "model_index.json").read_text())
    assert index["_class_name"] == "LuminaPipeline"
    assert index["text_encoder"] == ["transformers", "GemmaModel"]
    card = (saved / "README.md").read_text()
    for words in ("library_name: diffusers", "| text encoder | gemma |", "synthetic: 9",
                  "Steps of the optimiser: 12", "must not be used for a diagnosis",
                  "guides three of the latent's channels", "height=64, width=64"):  # fmt: skip
        assert words in card
    assert not list(saved.parent.glob(".model*"))
    assert (saved.parent / "model").stat().st_mode & 0o777 == 0o755
    (saved.parent / "probe").touch()
    usual = (saved.parent / "probe").stat().st_mode
    own = [path for path in saved.rglob("*") if path.is_file() and path.stat().st_nlink == 1]
    assert "vae/diffusion_pytorch_model.safetensors" in {
        path.relative_to(saved).as_posix() for path in own
    }
    assert {path.stat().st_mode for path in own} == {usual}


def test_a_run_is_told_where_its_generator_lies(saved: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "finetune").mkdir(parents=True)
    os.symlink(saved, run / "finetune/model")
    for folder in (run, run / "finetune"):
        with pytest.raises(Refusal, match=rf"name {run / 'finetune/model'}, which lies in it"):
            load_pipeline(folder)
    with pytest.raises(Refusal, match="that looks like another model"):
        load_pipeline(saved / "vae")
    with pytest.raises(Refusal, match=r"RUN/finetune/model"):
        load_pipeline(tmp_path)


def test_a_full_disk_leaves_the_older_folder(
    saved: Path, parts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors says that there is no room in an error of its own."""
    import diffusers
    from safetensors import SafetensorError

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("of yesterday")

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(diffusers.AutoencoderKL, "save_pretrained", full)
    with pytest.raises(DiskFull, match=r"could not write .*model: No space left on device; free"):
        save_pipeline(
            folder, tiny_lumina(), autoencoder=parts["vae"], text_encoder=parts["text"], meta=META
        )
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in folder.iterdir()] == ["weights"]


def test_what_is_loaded_is_what_was_saved(saved: Path, parts: dict[str, Path]) -> None:
    found = load_pipeline(saved)
    ours, theirs = found.network.state_dict(), tiny_lumina().state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert found.why_not_diffusers == ()
    assert found.open_text_encoder().lower_case
    assert found.meta["recipe"] == "toy"
    # The shift has moved into the autoencoder; both ways round give the same.
    assert (found.scale, found.shift) == (0.7, 0.0)
    before, after = (load_autoencoder(each).model for each in (parts["vae"], found.autoencoder))
    latent = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(3))
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(4)) * 2 - 1
    with torch.no_grad():
        wanted = before.decode(latent / 0.7 + 0.4)
        torch.testing.assert_close(after.decode(latent / 0.7), wanted, rtol=1e-4, atol=1e-5)
        means = [each.quantise(each.encode(image)).latent for each in (before, after)]
        torch.testing.assert_close(means[1], means[0] - 0.4, rtol=1e-4, atol=1e-5)


def test_samples_equal_those_of_diffusers_pipeline(saved: Path) -> None:
    """Whole Euler samplings on the same noise and words, at the taught size and at another."""
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(saved)
    pipeline.set_progress_bar_config(disable=True)
    assert type(pipeline).__name__ == "LuminaPipeline"
    generator = load_pipeline(saved)
    generator.network.extrapolate = "always"
    said = generator.open_text_encoder().encode([CAPTIONS[0]])
    for rows, columns in ((8, 8), (12, 8)):
        start = noise([5], (4, rows, columns))
        theirs = pipeline(
            CAPTIONS[0], height=8 * rows, width=8 * columns, num_inference_steps=4,
            guidance_scale=1.0, latents=start, output_type="latent", clean_caption=False,
        ).images  # fmt: skip
        times = [1 - float(sigma) for sigma in pipeline.scheduler.sigmas]
        ours = sample(
            generator.network, Condition(said.hidden, said.mask), shape=(rows, columns),
            seeds=[5], guidance=1.0, times=times,
        )  # fmt: skip
        assert theirs.std() > 0.5
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


ALONE = """
import sys
sys.modules["retinaforge"] = None
import torch
from diffusers import DiffusionPipeline
pipeline = DiffusionPipeline.from_pretrained(sys.argv[1])
image = pipeline("The left eye", height=64, width=64, num_inference_steps=2, clean_caption=False,
                 generator=torch.Generator().manual_seed(0)).images[0]
image.save(sys.argv[2])
assert "retinaforge.generators" not in sys.modules
"""


@pytest.mark.slow
def test_diffusers_samples_without_us(saved: Path, tmp_path: Path) -> None:
    from PIL import Image

    out = tmp_path / "image.png"
    command = [sys.executable, "-c", ALONE, str(saved), str(out)]
    said = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert said.returncode == 0, said.stderr[-2000:]
    with Image.open(out) as image:
        assert image.size == (64, 64)


def test_what_diffusers_cannot_carry_says_why(parts: dict[str, Path], tmp_path: Path) -> None:
    shape = NetworkShape(latent_channels=4, patch=2, text_width=WIDTH, class_sizes=(2,))
    torch.manual_seed(0)
    cases = {
        "dit": (DiT(shape, width=32, depth=1, heads=2), "RetinaForge's own DiT"),
        "classes": (tiny_lumina(class_sizes=(2,), map_channels=1), "it takes classes"),
    }
    for name, (network, reason) in cases.items():
        folder = save_pipeline(
            tmp_path / name, network, autoencoder=parts["vae"], text_encoder=parts["text"],
            meta={"text": {"max_tokens": 64}},
        )  # fmt: skip
        assert not (folder / "model_index.json").exists()
        assert reason in (folder / "README.md").read_text()
        found = load_pipeline(folder)
        assert any(reason in why for why in found.why_not_diffusers)
        assert found.text["max_tokens"] == 64
        loaded, given = found.network.state_dict(), network.state_dict()
        assert all(torch.equal(loaded[key], given[key]) for key in given)
        assert found.network.as_dict() == network.as_dict()


def test_an_autoencoder_that_shrinks_by_four_is_said_so(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    folder = save_pipeline(
        tmp_path / "model", tiny_lumina(), autoencoder=tiny_vae(tmp_path / "vae", factor=4),
        text_encoder=parts["text"], meta={},
    )  # fmt: skip
    why = load_pipeline(folder).why_not_diffusers
    assert why == ("its autoencoder shrinks by 4, the pipeline assumes 8",)
    again = save_pipeline(
        folder, tiny_lumina(seed=1), autoencoder=parts["vae"], text_encoder=parts["text"], meta={}
    )
    assert load_pipeline(again).why_not_diffusers == ()


def test_an_autoencoder_of_ours_is_carried_along(parts: dict[str, Path], tmp_path: Path) -> None:
    from retinaforge.autoencoders import Autoencoder, AutoencoderConfig, save_autoencoder

    config = AutoencoderConfig(kind="kl", factor=4, widths=(8, 16), code_dim=4)
    torch.manual_seed(0)
    ours = Autoencoder(config).eval()
    save_autoencoder(ours, tmp_path / "vae", meta={"licence": "CC-BY-4.0"})
    folder = save_pipeline(
        tmp_path / "model", tiny_lumina(), autoencoder=tmp_path / "vae",
        text_encoder=parts["text"], meta={"scale": 2.0, "shift": 0.5},
    )  # fmt: skip
    found = load_pipeline(folder)
    assert "RetinaForge's own" in found.why_not_diffusers[0]
    assert (found.scale, found.shift) == (2.0, 0.5)
    assert "| autoencoder | CC-BY-4.0 | vae |" in (folder / "README.md").read_text()
    latent = torch.randn(1, 4, 4, 4)
    with torch.no_grad():
        again = load_autoencoder(found.autoencoder).model.decode(latent)
        torch.testing.assert_close(again, ours.decode(latent))
    with pytest.raises(Refusal, match=r"an autoencoder: a folder with config.json"):
        save_pipeline(
            folder, tiny_lumina(), autoencoder=tmp_path, text_encoder=parts["text"], meta={}
        )
    assert load_pipeline(folder).scale == 2.0  # what was there stands


def test_a_published_pipeline_loads_trains_and_samples(saved: Path, tmp_path: Path) -> None:
    """The layout of Alpha-VLLM/Lumina-Next-SFT-diffusers: the pipeline's former class name."""
    folder = tmp_path / "published"
    folder.mkdir()
    for name in ("transformer", "vae", "text_encoder", "tokenizer", "scheduler"):
        (folder / name).symlink_to(saved / name)
    index = json.loads((saved / "model_index.json").read_text())
    (folder / "model_index.json").write_text(
        json.dumps({**index, "_class_name": "LuminaText2ImgPipeline"})
    )
    found = load_pipeline(folder)
    assert found.scale == pytest.approx(0.7)
    assert found.text == {"hidden_index": -2, "max_tokens": 256, "lower_case": True}
    _trains_and_samples(found.network, found.open_text_encoder().encode(CAPTIONS[:2]))
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "FluxPipeline"}))
    with pytest.raises(Refusal, match=r"a pipeline of class LuminaPipeline.*got FluxPipeline"):
        load_pipeline(folder)


def test_the_authors_checkpoint_loads_trains_and_samples(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    """The layout that junzhin/RetinaLogo's code reads: its names, and a pickled Namespace."""
    network = tiny_lumina()
    state = _authors_names(network.inner.state_dict())
    torch.save(state, tmp_path / "consolidated_ema.00-of-01.pth")
    torch.save({}, tmp_path / "consolidated.00-of-01.pth")
    said = argparse.Namespace(
        model="NextDiT_2B_GQA_patch2", image_size=64, vae="sdxl", qk_norm=True
    )
    torch.save(said, tmp_path / "model_args.pth")
    with pytest.raises(Refusal, match=r"stabilityai/sdxl-vae.*google/gemma-2b"):
        load_pipeline(tmp_path)
    found = load_pipeline(tmp_path, autoencoder=parts["vae"], text_encoder=parts["text"])
    assert found.scale == 0.13025
    assert found.meta["arguments"]["image_size"] == 64
    loaded = found.network.inner.state_dict()
    for name, value in network.inner.state_dict().items():
        wanted = value
        if name.endswith("attn2.to_q.weight"):  # the authors' queries are one matrix
            wanted = network.inner.state_dict()[name.replace("attn2", "attn1")]
        if "attn2.norm_q" in name:
            wanted = network.inner.state_dict()[name.replace("attn2", "attn1")]
        assert torch.equal(loaded[name], wanted), name
    assert found.network.as_dict()["side"] == 8
    _trains_and_samples(found.network, found.open_text_encoder().encode(CAPTIONS[:2]))


def _authors_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors under the names of Lumina-T2X's NextDiT, told by its own module tree."""
    block = {
        "attention.wq.weight": "attn1.to_q.weight", "attention.wk.weight": "attn1.to_k.weight",
        "attention.wv.weight": "attn1.to_v.weight", "attention.wk_y.weight": "attn2.to_k.weight",
        "attention.wv_y.weight": "attn2.to_v.weight", "attention.gate": "gate",
        "attention.wo.weight": "attn2.to_out.0.weight",
        "attention.q_norm.weight": "attn1.norm_q.weight",
        "attention.q_norm.bias": "attn1.norm_q.bias",
        "attention.k_norm.weight": "attn1.norm_k.weight",
        "attention.k_norm.bias": "attn1.norm_k.bias",
        "attention.ky_norm.weight": "attn2.norm_k.weight",
        "attention.ky_norm.bias": "attn2.norm_k.bias",
        "feed_forward.w1.weight": "feed_forward.linear_1.weight",
        "feed_forward.w2.weight": "feed_forward.linear_2.weight",
        "feed_forward.w3.weight": "feed_forward.linear_3.weight",
        "attention_norm1.weight": "norm1.norm.weight", "attention_norm2.weight": "norm2.weight",
        "ffn_norm1.weight": "ffn_norm1.weight", "ffn_norm2.weight": "ffn_norm2.weight",
        "adaLN_modulation.1.weight": "norm1.linear.weight",
        "adaLN_modulation.1.bias": "norm1.linear.bias",
        "attention_y_norm.weight": "norm1_context.weight",
    }  # fmt: skip
    outside = {
        "x_embedder": "patch_embedder.proj",
        "t_embedder.mlp.0": "time_caption_embed.timestep_embedder.linear_1",
        "t_embedder.mlp.2": "time_caption_embed.timestep_embedder.linear_2",
        "cap_embedder.0": "time_caption_embed.caption_embedder.0",
        "cap_embedder.1": "time_caption_embed.caption_embedder.1",
        "final_layer.linear": "norm_out.linear_2",
        "final_layer.adaLN_modulation.1": "norm_out.linear_1",
    }
    found = {"pad_token": state["pad_token"]}
    for old, new in outside.items():
        found |= {f"{old}.{end}": state[f"{new}.{end}"] for end in ("weight", "bias")}
    for layer in range(2):
        found |= {
            f"layers.{layer}.{old}": state[f"layers.{layer}.{new}"] for old, new in block.items()
        }
    return found


def _trains_and_samples(network: torch.nn.Module, said: object) -> None:
    condition = Condition(said.hidden, said.mask)  # pyright: ignore[reportAttributeAccessIssue]
    network.train()
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-3)
    x, time = noise([1, 2], (4, 8, 8)), torch.tensor([0.3, 0.7])
    losses = []
    for _ in range(3):
        loss = (network(x, time, condition) - x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    drawn = sample(network, condition, shape=(8, 8), seeds=[1, 2], steps=2, guidance=1.0)
    assert drawn.shape == (2, 4, 8, 8)
    assert torch.isfinite(drawn).all()


def test_names_of_the_authors_have_each_their_place() -> None:
    assert new_names("layers.3.attention.wq.weight") == (
        "layers.3.attn1.to_q.weight", "layers.3.attn2.to_q.weight",
    )  # fmt: skip
    assert new_names("layers.0.attention.ky_norm.bias") == ("layers.0.attn2.norm_k.bias",)


def test_broken_folders_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="with none of them"):
        load_pipeline(tmp_path)
    (tmp_path / "consolidated.00-of-02.pth").write_bytes(b"")
    with pytest.raises(Refusal, match="weights in one part"):
        find_checkpoint(tmp_path)
    for cut in ("weights", "version", "keys"):
        folder = tmp_path / cut
        (folder / "transformer").mkdir(parents=True)
        for path in (saved / "transformer").iterdir():
            (folder / "transformer" / path.name).write_bytes(path.read_bytes())
        said = json.loads((saved / "retinaforge.json").read_text())
        weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
        if cut == "weights":
            weights.write_bytes(weights.read_bytes()[:-50])
        if cut == "version":
            said["version"] = 99
        if cut == "keys":
            from safetensors.torch import load_file, save_file

            state = load_file(weights)
            state.pop("layers.1.gate")
            save_file(state, weights)
        (folder / "retinaforge.json").write_text(json.dumps(said))
        words = {"weights": "expected", "version": "of version 99", "keys": "layers.1.gate"}
        with pytest.raises(Refusal, match=words[cut]):
            load_network(folder)
    alien = tmp_path / "alien"
    alien.mkdir()
    torch.save({"conv.weight": torch.zeros(1)}, alien / "consolidated_ema.00-of-01.pth")
    with pytest.raises(Refusal, match="a checkpoint of Lumina-Next or RetinaLogos"):
        load_network(alien)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("retinaforge.json", "{", r"as it was saved; got .*retinaforge\.json \("),
        ("retinaforge.json", "[1]", r"retinaforge\.json \(a list, not an object\)"),
        ("model_index.json", "no json", r"as it was saved; got .*model_index\.json \("),
        ("transformer/config.json", '{"hidden_size": null}', "a transformer/ with config and"),
        ("vae/config.json", "{", r"as it was saved; got .*config\.json \("),
    ],
)
def test_damaged_texts_of_a_folder_are_refused(
    saved: Path, tmp_path: Path, name: str, content: str, said: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    if name != "retinaforge.json":  # then it is read as a folder of diffusers
        (folder / "retinaforge.json").unlink()
    (folder / name).write_text(content)
    with pytest.raises(Refusal, match=said):
        load_pipeline(folder)


def test_an_autoencoder_without_its_config_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    assert vae_of(tmp_path) == tmp_path
    (tmp_path / "diffusion_pytorch_model.safetensors").rename(tmp_path / "vqgan.ckpt")
    assert vae_of(tmp_path) == tmp_path / "vqgan.ckpt"


def test_what_does_not_belong_together_is_not_saved(parts: dict[str, Path], tmp_path: Path) -> None:
    from retinaforge.generators.lora import add_lora

    how = {"autoencoder": parts["vae"], "text_encoder": parts["text"], "meta": {}}
    with pytest.raises(Refusal, match="a text encoder of width 48"):
        save_pipeline(tmp_path / "model", tiny_lumina(text_width=48), **how)
    with pytest.raises(Refusal, match="merge_lora first"):
        save_pipeline(tmp_path / "model", add_lora(tiny_lumina(), rank=2), **how)
    assert not list(tmp_path.iterdir())
