"""Where published files lie: an https address, or a repository of the Hugging Face hub.

The hub's own package (extra `hub`) finds the address and the login that its user made; no token is
asked for or kept here. Everything else is Python's own urllib.
"""

from __future__ import annotations

import http.client
import io
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from retinaforge.core import Refusal
from retinaforge.encoders.family import PublishedFile

SECONDS = 60
WHOLE_HASH = re.compile(r"[0-9a-f]{64}")
PAGES = ("drive.google.com", "pan.baidu.com")


@dataclass(frozen=True)
class Source:
    """A file on a server.

    Attributes:
        address: for people to read.
        url: that is opened.
        name: of the file.
        size: in bytes; 0 where the server does not say.
        sha256: as the hub declares it; "" elsewhere.
        headers: sent along, such as the hub's login; never shown.
    """

    address: str
    url: str
    name: str
    size: int = 0
    sha256: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the file's content.

        Raises:
            Refusal: if the server refuses, or the connection breaks.
        """
        with _opened(self.url, self.headers, self.address) as answer:
            while block := _read(answer, size, self.address):
                yield block


def open_source(file: PublishedFile) -> Source:
    """Ask the server about a file, without downloading it."""
    if file.where.startswith("hf:"):
        return _on_the_hub(file)
    host = urlsplit(file.where).hostname or ""
    if host in PAGES:
        raise Refusal(
            "an address that gives the file itself",
            f"{file.where}, a page that a person has to click through",
            f"open it in a browser, save the file ({file.gate}), then run "
            "`retinaforge encoders check FILE`",
        )
    with _opened(file.where, {}, file.where, method="HEAD") as answer:
        size = int(answer.headers.get("Content-Length") or 0)
    name = urlsplit(file.where).path.rpartition("/")[2]
    return Source(file.where, file.where, name, size)


def _on_the_hub(file: PublishedFile) -> Source:
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils import build_hf_headers
    except ImportError as error:
        raise Refusal(
            "the package huggingface_hub, which reads its hub",
            "a Python without it",
            "pip install 'retinaforge[hub]'",
        ) from error
    owner, repository, path = file.where.removeprefix("hf:").split("/", 2)
    url = hf_hub_url(f"{owner}/{repository}", path)
    page = url.partition("/resolve/")[0]
    try:
        said = get_hf_file_metadata(url)
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise _refused(status, f"{page} ({path})", on_the_hub=True) from error
    except Exception as error:
        raise _unreachable(page, error) from error
    declared = said.etag if said.etag and WHOLE_HASH.fullmatch(said.etag) else ""
    name = path.rpartition("/")[2]
    # The login goes to the hub alone, never to where the hub sends us for the content.
    at_home = urlsplit(said.location).netloc == urlsplit(url).netloc
    headers = build_hf_headers() if at_home else {}
    return Source(f"{page} ({path})", said.location, name, said.size or 0, declared, headers)


def _opened(url: str, headers: Mapping[str, str], address: str, *, method: str = "GET"):
    asked = urllib.request.Request(
        url, headers={"User-Agent": "retinaforge", **headers}, method=method
    )
    try:
        return urllib.request.urlopen(asked, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        raise _refused(error.code, address, on_the_hub="huggingface" in url) from error
    except (urllib.error.URLError, OSError) as error:
        raise _unreachable(address, error) from error


def _read(answer: io.BufferedIOBase, size: int, address: str) -> bytes:
    try:
        return answer.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(address, error) from error


def _refused(status: int, address: str, *, on_the_hub: bool) -> Refusal:
    if status in (401, 403):
        remedy = (
            "accept its terms there in a browser, then log in with `hf auth login` and run this "
            "again"
            if on_the_hub
            else "its owners send a personal address: download it in a browser, then run "
            "`retinaforge encoders check FILE`"
        )
        return Refusal("an open gate", f"{address}, which answers {status} (not allowed)", remedy)
    if status == 404:
        return Refusal(
            "a file that is there", f"{address}, which answers 404 (not found)",
            "its owners have moved it: look there in a browser",
        )  # fmt: skip
    return Refusal("a server that gives the file", f"{address}, which answers {status}",
                   "try again later")  # fmt: skip


def _unreachable(address: str, error: Exception) -> Refusal:
    said = getattr(error, "reason", None) or str(error)
    return Refusal(
        "a connection", f"{address}: {said}",
        "check the network, or download it elsewhere and run `retinaforge encoders check FILE`",
    )  # fmt: skip
