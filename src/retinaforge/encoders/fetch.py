"""Fetch a published weight file, only ever because somebody asked for it by name.

What comes is written to a temporary name, checked against the published SHA-256 (or the one that
the hub declares), and renamed only then; a file that is cut off, another one, or a login page is
refused and nothing is kept. Beside it lies FILE.licence.json: whose terms it came under.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of, whole_file, write_json
from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.fetch_sources import Source, open_source
from retinaforge.encoders.kinds import WEIGHTS, WORDS, stand_in_of

BLOCK = 2**20
HEX = 64
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Offer:
    """What would be fetched, for somebody to agree to.

    Attributes:
        family: to which it belongs.
        file: as it is published.
        source: where it lies, how large it is and what hash its server declares.
    """

    family: Family
    file: PublishedFile
    source: Source

    @property
    def expected(self) -> str:
        """Return the SHA-256 to expect, whole or its first digits; "" where nobody says one."""
        return self.file.sha256 or self.source.sha256

    @property
    def spec(self) -> str:
        """Return how the fetched file is named to `load`."""
        return f"{self.family.name}:{self.source.name}"


def find_published(name: str, families: Sequence[Family]) -> tuple[Family, PublishedFile]:
    """Return a published file by its name, or a family's only one by the family's.

    Raises:
        Refusal: listing names near to it.
    """
    every = [(family, file) for family in families for file in family.files]
    found = [pair for pair in every if pair[1].name == name]
    found = found or [pair for pair in every if pair[0].name == name]
    if len(found) == 1:
        return found[0]
    names = [file.name for _, file in (found or every)]
    near = (found and names) or difflib.get_close_matches(name, names, n=5, cutoff=0.4) or names[:5]
    raise Refusal(
        f"the name of one published file, such as {', '.join(near)}",
        repr(name),
        "see `retinaforge encoders show FAMILY` for all of a family's",
    )


def make_offer(name: str, families: Sequence[Family]) -> Offer:
    """Ask the server of a published file for its size and hash; nothing is downloaded.

    Raises:
        Refusal: for an unknown name, a gate that is closed, or a file that is not there.
    """
    family, file = find_published(name, families)
    return Offer(family, file, open_source(file))


def fetch(offer: Offer, folder: Path, on_progress: Progress | None = None) -> Path:
    """Download what was offered into `folder` and return its path.

    Args:
        offer: from `make_offer`, agreed to.
        folder: made if absent; a whole file of that name and hash there is not fetched again.
        on_progress: called with (bytes so far, all bytes; 0 where the server does not say).

    Raises:
        Refusal: if what came is cut off, another file, or no weights; nothing is kept.
    """
    path = folder / offer.source.name
    if path.is_file():
        return _already_there(path, offer)
    digest, size, head = hashlib.sha256(), 0, b""
    with whole_file(path) as stream:
        for block in offer.source.blocks(BLOCK):
            stream.write(block)
            digest.update(block)
            size, head = size + len(block), head or block[:BLOCK]
            if on_progress:
                on_progress(size, offer.source.size)
        _require_content(offer, head, size)
        _require_whole(offer, size)
        _require_hash(offer, digest.hexdigest())
    _write_licence(path, offer, digest.hexdigest(), size)
    return path


def _already_there(path: Path, offer: Offer) -> Path:
    found = sha256_of(path)
    if offer.expected and found.startswith(offer.expected):
        _write_licence(path, offer, found, path.stat().st_size)
        return path
    why = f"SHA-256 {found[:12]}..., not {offer.expected[:12]}..." if offer.expected else (
        "whose hash nobody publishes"
    )  # fmt: skip
    raise Refusal(
        "a folder without another file of that name",
        f"{path}, {why}",
        "move it away, or fetch into another folder with --to",
    )


def _require_whole(offer: Offer, size: int) -> None:
    if offer.source.size and size != offer.source.size:
        raise Refusal(
            f"{offer.source.size:,} bytes of {offer.source.address}",
            f"{size:,}: the download was cut off; nothing was kept",
            "run the same command again",
        )


def _require_hash(offer: Offer, found: str) -> None:
    if not found.startswith(offer.expected):
        declared = "published" if offer.file.sha256 else "declared by the hub"
        raise Refusal(
            f"SHA-256 {offer.expected[:16]}... as {declared}",
            f"{found[:16]}... from {offer.source.address}; nothing was kept",
            "the file was changed or damaged on its way: do not use it from there",
        )


def _require_content(offer: Offer, head: bytes, size: int) -> None:
    if stand_in := stand_in_of(head):
        raise Refusal(
            WEIGHTS,
            f"{WORDS[stand_in][0].format(size=size)}, from {offer.source.address}; nothing was "
            "kept",
            "open the address in a browser: it may ask for a login or a click",
        )


def _write_licence(path: Path, offer: Offer, sha256: str, size: int) -> None:
    file = offer.file
    checked = "published" if file.sha256 else "declared by the hub" if offer.source.sha256 else (
        "nobody publishes one; this was measured"
    )  # fmt: skip
    write_json(
        path.with_name(f"{path.name}.licence.json"),
        {
            "name": file.name, "family": offer.family.name, "licence": file.licence,
            "gate": file.gate, "modality": file.modality, "address": offer.source.address,
            "source": file.source, "reference": offer.family.reference, "sha256": sha256,
            "sha256_expected": offer.expected, "sha256_is": checked, "size_bytes": size,
            "fetched": datetime.now(UTC).date().isoformat(),
        },
    )  # fmt: skip
