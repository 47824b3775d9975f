"""Fetching published weights, against a server that this test starts: good files and bad ones."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from retinaforge.cli import app
from retinaforge.core import Refusal
from retinaforge.encoders import FAMILIES, load
from retinaforge.encoders import fetch as room
from retinaforge.encoders import fetch_sources as sources
from retinaforge.encoders.family import PublishedFile
from retinaforge.encoders.fetch import fetch, find_published, make_offer
from retinaforge.encoders.fetch_sources import open_source
from retinaforge.nets.unet import VesselNet

torch.manual_seed(0)
CONTENT = save(VesselNet((4, 8)).state_dict())
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html>log in</html>"
HUB = "/owner/model/resolve/main"


class Server(http.server.BaseHTTPRequestHandler):
    """Serve one file well, and in every way badly."""

    seen: list[str | None] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        Server.seen.append(self.headers.get("Authorization"))
        name = self.path.rpartition("/")[2]
        status = {"gated.safetensors": 401, "absent.safetensors": 404}.get(name, 200)
        content = PAGE if name == "page.safetensors" else CONTENT
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if status == 200 else 0))
        if self.path.startswith(HUB):
            self.send_header("X-Repo-Commit", "c0ffee")
            self.send_header("ETag", f'"{SHA256}"')
            if status == 401:
                self.send_header("X-Error-Code", "GatedRepo")
        self.end_headers()
        if body and status == 200:
            half = len(content) // 2 if name == "cut.safetensors" else len(content)
            self.wfile.write(content[:half])

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def published(where: str, sha256: str = SHA256[:12]) -> PublishedFile:
    return PublishedFile("test-file", where, "CC BY 4.0", "none", sha256, "colour fundus", "here")


def families_with(file: PublishedFile):
    return [replace(family, files=(file,)) for family in FAMILIES if family.name == "segmenter"]


def offer_of(where: str, sha256: str = SHA256[:12]):
    return make_offer("test-file", families_with(published(where, sha256)))


def test_a_good_file_is_whole_loads_and_carries_its_licence(address, tmp_path) -> None:
    offer = offer_of(f"{address}/net.safetensors")
    assert offer.source.size == len(CONTENT)
    told: list[tuple[int, int]] = []
    path = fetch(offer, tmp_path / "weights", lambda *said: told.append(said))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert path.read_bytes() == CONTENT
    beside = json.loads((tmp_path / "weights/net.safetensors.licence.json").read_text())
    assert beside["licence"] == "CC BY 4.0"
    assert beside["sha256"] == SHA256
    assert beside["sha256_is"] == "published"
    assert beside["address"] == offer.source.address
    assert load(f"segmenter:{path}").card.fingerprint_sha256 == SHA256
    before = len(Server.seen)
    assert fetch(offer, tmp_path / "weights") == path
    assert len(Server.seen) == before, "a whole file is not fetched again"


@pytest.mark.parametrize(
    ("name", "sha256", "words"),
    [
        ("net", "0" * 64, r"SHA-256 0{16}\.\.\. as published; got .* nothing was kept"),
        ("cut", SHA256, r"bytes of http.*cut off; nothing was kept; run the same command again"),
        ("page", "", r"an HTML page, such as the login page .*from http.*nothing was kept"),
    ],
)
def test_what_is_not_the_file_is_refused_and_not_kept(
    address, tmp_path, name: str, sha256: str, words: str
) -> None:
    offer = offer_of(f"{address}/{name}.safetensors", sha256)
    with pytest.raises(Refusal, match=words):
        fetch(offer, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gated", r"an open gate; got .*answers 401 \(not allowed\); its owners send"),
        ("absent", r"a file that is there; got .*answers 404 \(not found\)"),
    ],
)
def test_closed_gates_and_missing_files_are_said_before_anything_is_fetched(
    address, name: str, words: str
) -> None:
    with pytest.raises(Refusal, match=words):
        offer_of(f"{address}/{name}.safetensors")


def test_nobody_there(tmp_path) -> None:
    with pytest.raises(Refusal, match=r"a connection; got http://127.0.0.1:9/x.*refused"):
        offer_of("http://127.0.0.1:9/x.safetensors")


def test_another_file_of_that_name_is_left_alone(address, tmp_path) -> None:
    (tmp_path / "net.safetensors").write_bytes(b"mine")
    with pytest.raises(Refusal, match=r"without another file of that name; got .*move it away"):
        fetch(offer_of(f"{address}/net.safetensors"), tmp_path)
    assert (tmp_path / "net.safetensors").read_bytes() == b"mine"


def test_without_a_published_hash_the_measured_one_is_written_down(address, tmp_path) -> None:
    path = fetch(offer_of(f"{address}/net.safetensors", ""), tmp_path)
    beside = json.loads(path.with_name("net.safetensors.licence.json").read_text())
    assert beside["sha256"] == SHA256
    assert "measured" in beside["sha256_is"]


def hub_at(monkeypatch, address: str) -> None:
    pytest.importorskip("huggingface_hub")
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )  # fmt: skip


def test_the_hub_declares_the_hash(monkeypatch, address, tmp_path) -> None:
    hub_at(monkeypatch, address)
    offer = offer_of("hf:owner/model/net.safetensors", "")
    assert (offer.expected, offer.source.size) == (SHA256, len(CONTENT))
    path = fetch(offer, tmp_path)
    beside = json.loads(path.with_name("net.safetensors.licence.json").read_text())
    assert beside["sha256_is"] == "declared by the hub"


def test_a_gated_repository_says_how_to_get_in(monkeypatch, address) -> None:
    hub_at(monkeypatch, address)
    with pytest.raises(Refusal, match=r"an open gate.*accept its terms there.*hf auth login"):
        open_source(published("hf:owner/model/gated.safetensors"))


def test_an_unreachable_hub_is_refused_in_words(monkeypatch) -> None:
    hub_at(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(Refusal, match=r"a connection; got .*owner/model.*check the network"):
        open_source(published("hf:owner/model/net.safetensors"))


def test_a_connection_that_breaks_is_refused_in_words(monkeypatch, tmp_path) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(sources, "_opened", lambda *_, **__: Breaking())
    offer = room.Offer(FAMILIES[0], FAMILIES[0].files[0], sources.Source("there", "", "net.pth"))
    with pytest.raises(Refusal, match=r"a connection; got there: reset by peer"):
        fetch(offer, tmp_path)
    assert not list(tmp_path.iterdir())


def test_pages_to_click_through_are_named_not_scraped() -> None:
    with pytest.raises(Refusal, match=r"a page that a person has to click through; open it"):
        open_source(published("https://drive.google.com/file/d/1/view"))


def test_names_are_found_and_near_ones_offered() -> None:
    assert find_published("retfound-cfp", FAMILIES)[0].name == "retfound"
    with pytest.raises(Refusal, match=r"such as .*retfound-cfp.*; got 'retfound-cpf'"):
        find_published("retfound-cpf", FAMILIES)
    with pytest.raises(Refusal, match=r"such as squeezenet-1.0, squeezenet-1.1; got 'squeezenet'"):
        find_published("squeezenet", FAMILIES)


def test_the_command_asks_first(monkeypatch, address, tmp_path) -> None:
    families = families_with(published(f"{address}/net.safetensors"))
    monkeypatch.setattr("retinaforge.cli.encoders_fetch.FAMILIES", families)
    run = CliRunner()
    asked = run.invoke(app, ["encoders", "fetch", "test-file", "--to", str(tmp_path)])
    assert isinstance(asked.exception, Refusal)
    assert "--yes, where nobody can be asked" in str(asked.exception)
    assert "CC BY 4.0" in asked.stdout
    assert list(tmp_path.iterdir()) == []
    done = run.invoke(
        app, ["encoders", "fetch", "test-file", "--to", str(tmp_path), "--yes", "--json"]
    )
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer[0]["name"] == "test-file"
    assert answer[0]["licence"] == "CC BY 4.0"
    assert Path(answer[0]["file"]).read_bytes() == CONTENT


def test_nothing_else_goes_to_the_network(monkeypatch) -> None:
    """Loading, listing and checking open no address."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("urllib.request.urlopen", never)
    monkeypatch.setattr("socket.socket.connect", never)
    run = CliRunner()
    assert run.invoke(app, ["encoders", "list"]).exit_code == 0
    assert run.invoke(app, ["encoders", "show", "retfound-cfp", "--json"]).exit_code == 0
    assert room.find_published("flair", FAMILIES)
