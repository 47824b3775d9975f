"""The reader study as a web application: one door for readers, one for the organiser.

The server knows no truth: it opens study.json and the images, never the key. A reader gets the
images of the open trial and of the next one, under a number; what is behind cannot be had again.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from retinaforge.core import Refusal
from retinaforge.tasks.reader_study import ReaderStudy
from retinaforge.web import answers
from retinaforge.web.doors import add_doors, add_organiser
from retinaforge.web.guard import Guard
from retinaforge.web.hall import Hall
from retinaforge.web.reading import add_reading

PAGES = Path(__file__).parent / "pages"
FILES = {
    "/": ("reader.html", "text/html"), "/organiser": ("organiser.html", "text/html"),
    "/reader.js": ("reader.js", "text/javascript"), "/view.js": ("view.js", "text/javascript"),
    "/organiser.js": ("organiser.js", "text/javascript"),
    "/reader.css": ("reader.css", "text/css"),
}  # fmt: skip


def create_app(study: ReaderStudy, *, secure: bool = False) -> FastAPI:
    """Return the application of one study.

    Args:
        study: as `read_study` found it.
        secure: served by HTTPS; cookies then travel by nothing else.

    Raises:
        Refusal: where answers.sqlite belongs to another study.
    """
    hall = Hall(study, secure=secure)
    if not hall.clerk.hand_in(answers.belongs_to(study.told["id"])).result():
        hall.clerk.close()
        raise Refusal(f"answers to study {study.told['id']}", f"another's in {study.folder}",
                      "move that file away")  # fmt: skip

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        # What is there now stays: a full collection would stop all readers for a tenth of a second.
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
        hall.clerk.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.state.hall = hall
    app.add_middleware(Guard)
    _say_refusals(app)
    _add_pages(app)
    add_doors(app, hall)
    add_reading(app, hall)
    add_organiser(app, hall)
    return app


def _say_refusals(app: FastAPI) -> None:
    @app.exception_handler(answers.NotHere)
    async def not_here(*_: Any) -> JSONResponse:
        return _told(409, "This image is closed or not open yet; reload the page.")

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return _told(422, str(refusal))

    @app.exception_handler(RequestValidationError)
    async def wrong(*_: Any) -> JSONResponse:
        return _told(422, "The request is not as the page sends it; reload the page.")


def _told(status: int, words: str) -> JSONResponse:
    return JSONResponse({"detail": words}, status_code=status)


def _add_pages(app: FastAPI) -> None:
    def add(address: str, content: bytes, media: str) -> None:
        async def page() -> Response:
            return Response(content, media_type=media)

        app.add_api_route(address, page, methods=["GET"])

    for address, (file, media) in FILES.items():
        add(address, (PAGES / file).read_bytes(), media)
