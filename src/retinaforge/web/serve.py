"""Start the server of a reader study."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path

from retinaforge.core import Refusal
from retinaforge.tasks.reader_study import read_study

IDLE_S = 120
"""A connection outlives the time that a reader looks at one image."""


def require_server() -> None:
    """Refuse where the packages that serve pages are missing.

    Raises:
        Refusal: "expected fastapi and uvicorn; got ...; pip install 'retinaforge[reader]'".
    """
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise Refusal("fastapi and uvicorn to serve pages", f"no {' and no '.join(missing)}",
                      "pip install 'retinaforge[reader]'")  # fmt: skip


def addresses(host: str, port: int, *, secure: bool) -> list[str]:
    """Return where readers find the page; of all interfaces also this machine's own address."""
    scheme = "https" if secure else "http"
    if host not in ("0.0.0.0", "::"):
        return [f"{scheme}://{host}:{port}/"]
    found = [f"{scheme}://127.0.0.1:{port}/"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: connecting a datagram socket asks which interface would be taken.
            probe.connect(("192.0.2.1", 9))
            found.append(f"{scheme}://{probe.getsockname()[0]}:{port}/")
        except OSError:
            pass
    return found


def serve(
    folder: Path, host: str, port: int, *, certificate: Path | None = None,
    private_key: Path | None = None,
) -> None:  # fmt: skip
    """Serve a study until interrupted.

    Args:
        folder: of `retinaforge reader new`.
        host: address to listen on.
        port: of it.
        certificate: PEM; with `private_key` pages travel by HTTPS.
        private_key: PEM.

    Raises:
        Refusal: for missing packages, no study, a port in use, or one of two PEM files.
    """
    require_server()
    import uvicorn

    from retinaforge.web.app import create_app

    if (certificate is None) != (private_key is None):
        raise Refusal("a certificate and its private key", "one of them", "give both or none")
    app = create_app(read_study(folder), secure=certificate is not None)
    uvicorn.run(
        app, host=host, port=port, log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=IDLE_S, ssl_certfile=certificate, ssl_keyfile=private_key,
    )  # fmt: skip


def require_port(host: str, port: int) -> None:
    """Refuse a port that something else holds.

    Raises:
        Refusal: "expected a free port; got ...".
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refusal("a free port", f"{host}:{port} ({error.strerror})",
                          "name another --port or --host") from error  # fmt: skip
