"""Text encoders of every class, on tiny random weights."""

import hashlib
from pathlib import Path

import pytest
import torch
from lumina_toys import CAPTIONS, LAYERS, WIDTH, tiny_text, tiny_tokeniser

from retinaforge.core import Refusal, in_one_line
from retinaforge.core.artefacts import sha256_of
from retinaforge.generators.text_encoder import load_text_encoder
from retinaforge.generators.text_source import find_text_source
from retinaforge.generators.text_tokens import tokenise

KINDS = ("gemma", "t5", "clip", "bert")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("text")
    return {kind: tiny_text(kind, root / kind) for kind in KINDS}


def test_loading_shows_no_bar_and_leaves_the_switch_as_it_was(
    folders: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging as switch

    switch.enable_progress_bar()
    capfd.readouterr()
    load_text_encoder(folders["bert"])
    assert capfd.readouterr().err == ""
    assert switch.is_progress_bar_enabled()
    switch.disable_progress_bar()
    load_text_encoder(folders["bert"])
    assert not switch.is_progress_bar_enabled()
    switch.enable_progress_bar()


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_gives_the_same_for_a_text_whatever_stands_beside_it(
    kind: str, folders: dict[str, Path]
) -> None:
    encoder = load_text_encoder(folders[kind])
    said = encoder.encode([CAPTIONS[0], "", CAPTIONS[1]])
    alone = encoder.encode([CAPTIONS[0]])
    assert said.hidden.shape[::2] == (3, WIDTH)
    tokens = int(alone.mask.sum())
    torch.testing.assert_close(said.hidden[0, :tokens], alone.hidden[0], rtol=1e-4, atol=1e-5)
    assert said.token_counts[0] == tokens
    assert not any(said.truncated)
    assert said.mask[1].sum() == 2  # the frame around nothing
    assert not said.hidden[~said.mask].any()
    assert torch.isfinite(said.means()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_hidden_state_is_transformers_own(kind: str, folders: dict[str, Path]) -> None:
    import transformers

    encoder = load_text_encoder(folders[kind], hidden_index=1)
    tokens = tokenise(encoder.tokenizer, CAPTIONS[:1], 256)
    classes = {"t5": transformers.T5EncoderModel, "clip": transformers.CLIPTextModel}
    model = classes.get(kind, transformers.AutoModel).from_pretrained(folders[kind]).eval()
    with torch.no_grad():
        wanted = model(tokens.ids, output_hidden_states=True).hidden_states[1]
    torch.testing.assert_close(encoder.encode(CAPTIONS[:1]).hidden, wanted, rtol=1e-4, atol=1e-5)


def test_what_is_cut_is_counted(folders: dict[str, Path]) -> None:
    encoder = load_text_encoder(folders["clip"])
    assert encoder.max_tokens == 60
    long = " ".join(CAPTIONS)
    said = encoder.encode([long, "left eye"])
    assert said.truncated == (True, False)
    assert said.token_counts[0] == encoder.count([long])[0] > 60 == said.hidden.shape[1]
    kept = encoder.tokenizer(long, truncation=True, max_length=60)["input_ids"]
    assert kept[-1] == 2  # the end token stays when the text is cut
    assert load_text_encoder(folders["bert"], max_tokens=12).encode([long]).mask.sum() == 12


def test_settings_change_what_is_said_and_the_fingerprint(folders: dict[str, Path]) -> None:
    plain = load_text_encoder(folders["gemma"])
    prefixed = load_text_encoder(folders["gemma"], prefix="Fundus: ", precision="bfloat16")
    assert prefixed.fingerprint != plain.fingerprint
    assert prefixed.encode(["left"]).hidden.dtype == torch.bfloat16
    assert prefixed.count(["left"])[0] > plain.count(["left"])[0]
    assert prefixed.count([""]) == plain.count([""])
    lowered = load_text_encoder(folders["gemma"], lower_case=True)
    assert lowered.prepare(" Left Eye ") == "left eye"
    again = load_text_encoder(folders["gemma"], **prefixed.settings())
    assert again.fingerprint == prefixed.fingerprint


def test_a_tokeniser_without_a_frame_still_says_something_of_nothing() -> None:
    tokenizer = tiny_tokeniser(eos_token="[SEP]")
    tokenizer.backend_tokenizer.post_processor = None
    tokens = tokenise(tokenizer, ["", "left eye"], 256)
    assert tokens.counts[0] == 0
    assert tokens.mask[0].sum() == 1


def test_equal_to_the_pipelines_own_encoding(folders: dict[str, Path]) -> None:
    from diffusers import LuminaPipeline
    from transformers import AutoModel, AutoTokenizer

    encoder = load_text_encoder(folders["gemma"], lower_case=True)
    for side in ("left", "right"):
        tokenizer = AutoTokenizer.from_pretrained(folders["gemma"], padding_side=side)
        model = AutoModel.from_pretrained(folders["gemma"]).eval()
        pipeline = LuminaPipeline(None, None, None, model, tokenizer)
        pipeline.max_sequence_length = 256
        texts = [CAPTIONS[0], "left eye"]
        with torch.no_grad():
            hidden, mask, none, none_mask = pipeline.encode_prompt(
                texts, device=torch.device("cpu"), clean_caption=False
            )
        said, null = encoder.encode(texts), encoder.encode([""])
        for row in range(2):
            real = said.hidden[row][said.mask[row]]
            torch.testing.assert_close(hidden[row][mask[row].bool()], real, rtol=0, atol=1e-5)
        torch.testing.assert_close(none[0][none_mask[0].bool()], null.hidden[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "words"),
    [("nowhere", "neither"), ("a b/c", "neither"), ("tests/none", "neither")],
)
def test_a_spec_that_is_nothing_is_refused(spec: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        load_text_encoder(spec)


def test_a_name_on_the_hub_is_not_fetched_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def refuse(name: str, **_: object) -> str:
        asked.append(name)
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(Refusal, match=r"google/gemma-2b from the hub or its cache; got offline"):
        load_text_encoder("hub:google/gemma-2b")
    assert asked == ["google/gemma-2b"]


def test_refusals_name_what_is_wrong(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"hidden_index from -4 to 3; got 7"):
        load_text_encoder(folders["bert"], hidden_index=7)
    with pytest.raises(Refusal, match="at least 4 tokens"):
        load_text_encoder(folders["bert"], max_tokens=2)
    with pytest.raises(Refusal, match="without one"):
        load_text_encoder(tmp_path)
    encoder = load_text_encoder(folders["bert"])
    with pytest.raises(Refusal, match="a list of texts"):
        encoder.encode("one text")
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folders["bert"].iterdir():
        (broken / path.name).write_bytes(path.read_bytes()[: 100 if path.suffix != ".json" else -1])
    with pytest.raises(Refusal, match="expected"):
        load_text_encoder(broken)


def test_the_source_says_whose_terms_it_is_under(folders: dict[str, Path]) -> None:
    source = find_text_source(folders["t5"])
    assert source.licence == "not stated"
    assert len(source.sha256) == 64
    (folders["t5"] / "README.md").write_text("---\nlicense: apache-2.0\n---\n# T5\n")
    assert find_text_source(folders["t5"]).licence == "apache-2.0"
    assert find_text_source(folders["t5"]).sha256 == source.sha256
    assert LAYERS + 1 == 4


def test_the_hash_of_two_files_of_one_name_is_the_same_in_any_order(tmp_path: Path) -> None:
    lines = []
    for folder, content in (("text_encoder", "{}"), ("tokenizer", '{"of": "words"}')):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "config.json"
        path.write_text(content)
        lines.append(f"config.json {sha256_of(path)}\n")
    expected = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    assert find_text_source(tmp_path).sha256 == expected


def test_an_error_that_says_nothing_is_told_by_its_kind() -> None:
    assert in_one_line(OSError()) == "OSError"
    assert in_one_line(ValueError("\nfirst\nsecond")) == "first"
    assert len(in_one_line(ValueError("a" * 999))) == 200
