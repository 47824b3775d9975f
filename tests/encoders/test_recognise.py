"""What a file is told to be: kinds by first bytes, wrappers, other networks, other images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from makers import MAKERS
from safetensors.torch import save_file
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders import load, read_checkpoint
from retinaforge.encoders.spec import parse

ZERO = torch.zeros(2, 2)
ARRAYS = {"a.weight": ZERO, "a.bias": torch.zeros(2)}


class Harmful:
    """Unpickling this would call a function."""

    def __reduce__(self):
        return print, ("run by the file",)


BYTES: dict[str, tuple[bytes, str]] = {
    "lfs.pth": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        r"a Git LFS pointer, 63 bytes of text.*git lfs pull",
    ),
    "page.pth": (b"<!DOCTYPE html><html>log in", r"an HTML page, such as the login page.*accept"),
    "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(64), r"an HDF5 file, as Keras saves.*Keras code"),
    "net.onnx": (b"\x08\x07\x12\x07pytorch", r"an ONNX graph, not named weights"),
    "weights.tar.gz": (b"\x1f\x8b\x08\x00", r"an archive; unpack it"),
    "empty.pth": (b"", r"an empty file; fetch it again"),
    "notes.pth": (b"my weights", r"text; fetch it again"),
    "config.json": (b'{"model_type": "vit"}', r"JSON that is no index of shards"),
}


@pytest.mark.parametrize("name", BYTES)
def test_other_kinds_of_files_are_named(tmp_path: Path, name: str) -> None:
    content, words = BYTES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=words):
        load(tmp_path / name)


def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path: Path, capsys) -> None:
    torch.save({"model": Harmful()}, tmp_path / "harmful.pth")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    for name, runs in (("harmful", "print"), ("module", "torch.nn.modules.linear.Linear")):
        with pytest.raises(Refusal, match=f"a pickle that runs {runs} when it is") as caught:
            load(tmp_path / f"{name}.pth")
        assert "run by the file" not in capsys.readouterr().out
    lines = str(caught.value).partition("name the new file:\n")[2].splitlines()
    assert all(len(line) < 80 for line in lines)
    # The lines do what they say.
    script = "\n".join(line.strip() for line in lines).replace('"module', f'"{tmp_path}/module')
    exec(script, {})  # our own words, on our own file
    assert read_checkpoint(tmp_path / "module.safetensors").weights.keys() == {"weight", "bias"}


WRAPPED: tuple[tuple[str, Callable[[], object], str, str], ...] = (
    ("plain", lambda: ARRAYS, "", ""),
    ("model", lambda: {"model": ARRAYS, "epoch": 3}, "model", ""),
    ("lightning", lambda: {"state_dict": _under("model.")}, "state_dict", "model."),
    ("parallel", lambda: {"model_state_dict": _under("module.")}, "model_state_dict", "module."),
    ("compiled", lambda: _under("_orig_mod.module."), "", "_orig_mod.module."),
    ("nested", lambda: {"model": {"state_dict": ARRAYS}}, "model.state_dict", ""),
    ("teacher", lambda: {"teacher": _under("backbone.") | {"dino_head.w": ZERO}}, "teacher",
     "backbone."),
    ("flat teacher", lambda: {"model": _under("teacher.backbone.") | _under("student.backbone.")},
     "model.teacher", "backbone."),
    ("ema", lambda: {"model_ema": ARRAYS, "optimizer": {"state": {}}}, "model_ema", ""),
)  # fmt: skip


def _under(prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in ARRAYS.items()}


@pytest.mark.parametrize(("name", "make", "wrapper", "prefix"), WRAPPED, ids=lambda x: str(x)[:12])
def test_wrappers_and_prefixes_are_taken_off_and_recorded(
    tmp_path: Path, name: str, make: Callable[[], object], wrapper: str, prefix: str
) -> None:
    torch.save(make(), tmp_path / "file.pth")
    found = read_checkpoint(tmp_path / "file.pth")
    assert (found.wrapper, found.prefix) == (wrapper, prefix)
    assert set(ARRAYS) <= found.weights.keys()
    if name == "model":
        assert found.said == {"epoch": 3}
    if name == "ema":
        assert found.said["also"] == ["optimizer"]


def test_shards_and_folders_of_the_hub_are_read(tmp_path: Path) -> None:
    for number, key in enumerate(ARRAYS):
        save_file({key: ARRAYS[key]}, tmp_path / f"part{number}.safetensors", {"format": "pt"})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(
        '{"weight_map": {"a.weight": "part0.safetensors", "a.bias": "part1.safetensors"}}'
    )
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    found = read_checkpoint(tmp_path)
    assert found.path == index
    assert found.weights.keys() == ARRAYS.keys()
    assert found.said["config"] == {"model_type": "vit"}
    assert len(found.sha256) == 64
    (tmp_path / "part1.safetensors").unlink()
    with pytest.raises(Refusal, match=r"all shards beside their index; got .* without part1"):
        read_checkpoint(index)
    with pytest.raises(Refusal, match="a folder without a weight file of a usual name"):
        read_checkpoint(tmp_path.parent / tmp_path.name / "..")


NETWORKS: dict[str, tuple[object, str]] = {
    "lora": ({"x.lora_A.weight": ZERO}, r"a LoRA adapter.*merge_and_unload"),
    "optimiser": ({"state": {0: {"step": ZERO}}, "param_groups": []}, r"an optimiser's state"),
    "unet": (
        {"conv_in.weight": ZERO, "time_embedding.w": ZERO, "down_blocks.0.w": ZERO},
        r"a diffusion UNet of diffusers",
    ),
    "vae": (
        {"encoder.down_blocks.0.w": ZERO, "decoder.up_blocks.0.w": ZERO},
        r"an image autoencoder of diffusers.*retinaforge reconstruct",
    ),
    "heads": ({"lin0.model.1.weight": ZERO}, r"LPIPS's linear heads.*vgg16:FILE,heads=HEADS"),
    "detector": ({"rpn_head.w": ZERO}, r"a segmenter or detector with its decoder"),
    "strange": ({"foo.weight": ZERO}, r"it holds 1 array: foo \(1\); name the family before"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_no_encoder_is_named(tmp_path: Path, name: str) -> None:
    content, words = NETWORKS[name]
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(Refusal, match=words):
        load(tmp_path / "file.pth")


def test_a_file_of_another_family_is_named_with_the_way_to_load_it(tmp_path: Path) -> None:
    path = MAKERS["retfound-dinov2"](tmp_path)
    with pytest.raises(Refusal) as caught:
        load(f"retfound:{path}")
    assert "which seems to be a teacher checkpoint of DINOv2" in str(caught.value)
    assert f"retfound-dinov2:{path.name}" in str(caught.value)
    with pytest.raises(Refusal, match=r"which seems to be retfound-dinov2 .* load it as retfound-"):
        load(f"squeezenet:{path}")
    assert load(path).card.family == "retfound-dinov2"


def test_oct_weights_are_refused_unless_they_are_meant(tmp_path: Path) -> None:
    path = MAKERS["retfound"](tmp_path).rename(tmp_path / "RETFound_mae_natureOCT.pth")
    with pytest.raises(Refusal, match=r"these are OCT weights \(its name says so\).*modality=oct"):
        load(f"retfound:{path}")
    card = load(f"retfound:{path},modality=oct").card
    assert card.modality == "OCT"
    assert card.training_sets == ("kermany_oct",)


def test_options_are_cut_from_the_end_and_unknown_ones_refused(tmp_path: Path) -> None:
    spec = parse("clip:a,b/c=1.pth,px=224,precision=auto")
    assert spec.text == "clip:a,b/c=1.pth"
    assert spec.options == {"px": "224", "precision": "auto"}
    assert str(spec) == "clip:a,b/c=1.pth,px=224,precision=auto"
    path = MAKERS["squeezenet"](tmp_path)
    with pytest.raises(Refusal, match=r"options of px, .*; got colour= for squeezenet"):
        load(f"squeezenet:{path},colour=red")
    with pytest.raises(Refusal, match="px= a whole number from 1; got 'big'"):
        load(f"squeezenet:{path},px=big")
    with pytest.raises(Refusal, match="precision fp32, bf16, auto; got 'half'"):
        load(f"squeezenet:{path},precision=half")
    encoder = load(f"squeezenet:{path},px=64,chunk=3,precision=auto")
    assert (encoder.input_px, encoder.chunk, encoder.precision) == (64, 3, "auto")
    with torch.no_grad():
        encoder.embedding(torch.zeros(2, 3, 64, 64))
    assert encoder.precision in ("fp32", "bf16")
    assert "of its time" in encoder.card.precision
