"""Encoders from files and seeds: names, strict keys, preprocessing, frozenness."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders import MapEncoder
from retinaforge.encoders import load as load_encoder
from retinaforge.encoders.encoder import quarter_depths
from retinaforge.encoders.preprocess import require_batch
from retinaforge.nets.alexnet import AlexNet
from retinaforge.nets.clip import ClipShape, ClipTower
from retinaforge.nets.inception import InceptionV3
from retinaforge.nets.squeezenet import SqueezeNet
from retinaforge.nets.unet import VesselNet
from retinaforge.nets.vgg import VGG16
from retinaforge.nets.vit import VisionTransformer, VitShape, initialise

WEIGHTS = Path(__file__).parents[2] / "../shared/data/weights"
TOWER = ClipShape(width=64, depth=2, heads=1, patch_px=8, input_px=32, hidden=128, projected=24)
SHAPE = VitShape(width=64, depth=4, heads=1, patch_px=8, input_px=32)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Write one small file for each loader, in the form that people have it in."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    alexnet = {**AlexNet().state_dict(), "classifier.1.weight": torch.zeros(2, 2)}
    torch.save(alexnet, folder / "alexnet.pth")
    torch.save({"state_dict": VGG16().state_dict()}, folder / "vgg16.pth")
    torch.save(SqueezeNet("1.1").state_dict(), folder / "squeezenet.pth")
    vit = initialise(VisionTransformer(SHAPE), seed=3).state_dict()
    mae = {**vit, "mask_token": torch.zeros(1, 1, 8), "decoder_pred.bias": torch.zeros(8)}
    checkpoint = {"model": mae, "args": argparse.Namespace(lr=0.1), "epoch": 7}
    torch.save(checkpoint, folder / "retfound.pth")
    save_file(VesselNet((4, 8)).state_dict(), folder / "segmenter.safetensors")
    torch.save(InceptionV3("2015").state_dict(), folder / "inception.pth")
    save_file(ClipTower(TOWER).state_dict(), folder / "clip.safetensors")
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize(
    "name", ["squeezenet", "vgg16", "alexnet", "retfound", "segmenter", "inception", "clip"]
)
def test_every_loader_gives_frozen_features_with_a_card(files, name):
    encoder = load_encoder(f"{name}:{files[name]}")
    assert encoder.card.fingerprint_sha256 == sha256_of(files[name])
    assert "arrays loaded" in encoder.card.key_report
    card = encoder.card.as_dict()
    assert all(
        card[field] for field in ("name", "network", "licence", "training_data", "reference")
    )
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not any(module.training for module in encoder.train().modules())
    images = (torch.rand(2, 3, 64, 64) * 2 - 1).requires_grad_()
    features = encoder.features(images)
    assert len(features) == len(encoder.blocks)
    sum(f.float().square().mean() for f in features).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert encoder.embedding(images).shape[0] == 2


@pytest.mark.parametrize(
    "spec", ["", "nonet:x", "squeezenet", "random-vit-huge", "random-vit-tiny@x"]
)
def test_refuses_unknown_names_and_lists_the_known(spec):
    with pytest.raises(
        Refusal, match=r"one of .*squeezenet:FILE, vgg16:FILE.*random-vit-tiny\[@SEED\]"
    ):
        load_encoder(spec)


def test_random_vit_depends_on_its_seed_alone():
    one, two, other = (load_encoder(f"random-vit-tiny@{seed}") for seed in (4, 4, 5))
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    features = [e.features(images, (12,), input_px=32)[0] for e in (one, two, other)]
    assert torch.equal(features[0], features[1])
    assert not torch.equal(features[0], features[2])
    assert one.card.domain == "none (random)"
    assert one.blocks == (3, 6, 9, 12)
    assert quarter_depths(24) == (6, 12, 18, 24)


def test_retfound_infers_its_shape_and_says_what_it_left_aside(files):
    encoder = load_encoder(f"retfound:{files['retfound']}")
    assert "width 64, 4 blocks, 1 heads, patches of 8 px" in encoder.card.network
    assert "1 arrays decoder_* left aside (MAE's decoder" in encoder.card.key_report
    assert encoder.card.licence.startswith("CC BY-NC 4.0")
    images = torch.rand(1, 3, 48, 48) * 2 - 1
    assert encoder.features(images)[0].shape == (1, 16, 64)
    assert encoder.features(images, (2,), input_px=64)[0].shape == (1, 64, 64)
    with pytest.raises(Refusal, match=r"blocks from 1 to 4; got \(5,\)"):
        encoder.features(images, (5,))
    with pytest.raises(
        Refusal, match="a side that is a multiple of 8 px; got 48 x 48 px and px=12"
    ):
        encoder.features(images, input_px=12)


def test_retfound_fine_tuned_with_a_pooled_norm_loads(tmp_path):
    shape = VitShape(width=64, depth=2, heads=1, patch_px=8, input_px=32, final_norm="fc_norm")
    network = VisionTransformer(shape)
    path = tmp_path / "tuned.pth"
    torch.save({"model": {**network.state_dict(), "head.weight": torch.zeros(5, 64)}}, path)
    encoder = load_encoder(f"retfound:{path}")
    images = torch.rand(1, 3, 32, 32)
    expected = network(encoder.prepare(images, None)).embedding
    torch.testing.assert_close(encoder.embedding(images), expected)


def test_strict_keys_are_named_in_the_refusal(tmp_path):
    state = AlexNet().state_dict()
    state["extra.weight"] = state.pop("features.0.bias")
    state["features.3.bias"] = torch.zeros(7)
    path = tmp_path / "broken.safetensors"
    save_file(state, path)
    with pytest.raises(Refusal) as caught:
        load_encoder(f"alexnet:{path}")
    for words in (
        "1 missing (features.0.bias)",
        "1 unexpected (extra.weight)",
        "1 reshaped (features.3.bias: file (7,), network (192,))",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda value: value.to(torch.int8),
            r"floating-point.*int8 in 1 arrays \(features.0",
        ),
        (
            lambda value: value * torch.nan,
            r"finite weights; got NaN .* \(features.0.bias",
        ),
    ],
)
def test_weights_that_would_compute_nonsense_are_refused(tmp_path, spoil, words):
    state = AlexNet().state_dict()
    state["features.0.bias"] = spoil(state["features.0.bias"])
    save_file(state, tmp_path / "net.safetensors")
    with pytest.raises(Refusal, match=words):
        load_encoder(f"alexnet:{tmp_path / 'net.safetensors'}")


def test_a_file_that_is_not_there_is_called_so(tmp_path):
    with pytest.raises(Refusal, match=r"a weight file; got .*gone\.pth, which is no file"):
        load_encoder(tmp_path / "gone.pth")


def test_a_file_without_read_permission_is_refused_in_words(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "net.pth").touch()
    monkeypatch.setattr("retinaforge.encoders.files.kind_of", denied)  # root may read everything
    with pytest.raises(Refusal, match=r"net\.pth, which this user may not read"):
        load_encoder(tmp_path / "net.pth")


@pytest.mark.parametrize("images", [torch.rand(3, 8, 8), torch.zeros(1, 3, 8, 8).byte()])
def test_one_image_and_bytes_are_refused_with_what_to_write(images):
    with pytest.raises(Refusal, match=r"\(B, C, h, w\).*got torch\..* write images\[None\]"):
        require_batch(images)


class Harmful:
    """Unpickling this would call a function."""

    def __reduce__(self):
        return print, ("run by the file",)


@pytest.mark.parametrize("case", ["absent", "empty", "text", "pickle.pth", "pickle.npz", "list"])
def test_refuses_files_that_are_no_weights_and_runs_nothing(tmp_path, capsys, case):
    path = tmp_path / (case if "." in case else f"{case}.pth")
    if case == "empty":
        path.touch()
    elif case == "text":
        path.write_text("no weights")
    elif case == "pickle.pth":
        torch.save({"model": Harmful()}, path)
    elif case == "pickle.npz":
        np.savez(path, a=np.array([Harmful()], dtype=object))
    elif case == "list":
        torch.save([1, 2], path)
    with pytest.raises(Refusal, match=r"(a weight file; got .*no file|a whole \.npz)"):
        load_encoder(f"alexnet:{path}")
    assert "run by the file" not in capsys.readouterr().out


def test_heads_must_fit_the_network(files, tmp_path):
    heads = {
        f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1)
        for i, c in enumerate((64, 192, 384, 256, 256))
    }
    path = tmp_path / "alex.pth"
    torch.save(heads, path)
    encoder = load_encoder(f"alexnet:{files['alexnet']},heads={path}")
    assert isinstance(encoder, MapEncoder)
    assert [head.shape[1] for head in encoder.heads] == [64, 192, 384, 256, 256]
    with pytest.raises(Refusal, match=r"5 heads of shapes .*; got 5 arrays"):
        load_encoder(f"vgg16:{files['vgg16']},heads={path}")
    with pytest.raises(Refusal, match="heads for a convolutional network; got retfound"):
        load_encoder(f"retfound:{files['retfound']},heads={path}")


def test_imagenet_preprocessing_is_torchvisions(files):
    encoder = load_encoder(f"alexnet:{files['alexnet']}")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    unit = torch.rand(1, 3, 4, 4)
    expected = (unit - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    torch.testing.assert_close(encoder.prepare(2 * unit - 1, None), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.data
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no ../shared/data")
def test_released_squeezenet_loads_whole_and_tells_images_apart():
    path = WEIGHTS / "squeezenet_v1_0_imagenet/squeezenet_v1_0_imagenet.npz"
    encoder = load_encoder(f"squeezenet:{path}")
    assert encoder.card.key_report.startswith("50 arrays loaded; 2 arrays conv_final.* left aside")
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    expected = torch.tensor([0 - 104.0, 0 - 117.0, 255 - 123.0])
    torch.testing.assert_close(encoder.prepare(red, None)[0, :, 0, 0], expected)
    edge = torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 1
    # Trained first-layer filters answer to an edge; its mirror image gives another answer.
    one, two = (encoder.features(image, (1,))[0] for image in (edge, edge.flip(3)))
    assert (one - two).abs().max() > 10
    heads = WEIGHTS / "lpips_linear_heads_v0.1/squeeze.pth"
    with pytest.raises(Refusal, match="on whose features the heads were trained"):
        load_encoder(f"squeezenet:{path},heads={heads}")


@pytest.mark.data
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no ../shared/data")
@pytest.mark.parametrize(
    ("name", "heads"), [("squeezenet", "squeeze"), ("vgg16", "vgg"), ("alexnet", "alex")]
)
def test_published_lpips_heads_fit_the_torchvision_layouts(files, name, heads):
    path = WEIGHTS / f"lpips_linear_heads_v0.1/{heads}.pth"
    encoder = load_encoder(f"{name}:{files[name]},heads={path}")
    assert isinstance(encoder, MapEncoder)
    assert len(encoder.heads) == len(encoder.blocks)
    assert all((head >= 0).all() for head in encoder.heads)
