"""The reader study as a web application: one door for readers, one for the organiser.

The server knows no truth: it opens study.json and the images, never the key. A reader gets the
images of the open trial and of the next one, under a number; what is behind cannot be had again.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Cookie, FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from retinaforge.core import Refusal
from retinaforge.tasks.reader_codes import hashed
from retinaforge.tasks.reader_questions import checked_value
from retinaforge.tasks.reader_study import ANSWERS, MEDIA, ReaderStudy
from retinaforge.web import answers, gate
from retinaforge.web.clerk import Clerk
from retinaforge.web.guard import Guard

PAGES = Path(__file__).parent / "pages"
FILES = {
    "/": ("reader.html", "text/html"), "/organiser": ("organiser.html", "text/html"),
    "/reader.js": ("reader.js", "text/javascript"), "/view.js": ("view.js", "text/javascript"),
    "/organiser.js": ("organiser.js", "text/javascript"),
    "/reader.css": ("reader.css", "text/css"),
}  # fmt: skip
COOKIE, ORGANISER_COOKIE = "reader", "organiser"
SESSION_S = 14 * 24 * 3600
LONGEST_MS = 24 * 3600 * 1000


class Code(BaseModel):
    """A code or token as typed."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=64)


class Said(BaseModel):
    """An answer, a pause or the end of a trial."""

    model_config = ConfigDict(extra="forbid")
    position: int = Field(ge=0, le=1_000_000)
    what: str = Field(default="close", max_length=40)
    value: str = Field(default="", max_length=4000)
    ms: int = Field(ge=0, le=LONGEST_MS)


Session = Annotated[str | None, Cookie(alias=COOKIE)]
OrganiserSession = Annotated[str | None, Cookie(alias=ORGANISER_COOKIE)]
Named = Annotated[str, Header(alias="x-reader", max_length=40)]


class Hall:
    """What every door needs: study, table, gate."""

    def __init__(self, study: ReaderStudy, *, secure: bool) -> None:
        self.study, self.secure, self.gate = study, secure, gate.Gate()
        self.clerk = Clerk(study.folder / ANSWERS, answers.SCHEMA)
        self.questions = {q["name"]: q for q in study.told["questions"]}
        self.needed = [q["name"] for q in study.told["questions"] if q["needed"]]

    def whose_code(self, code: str) -> str | None:
        """Return the reader whose code it is; every code is compared, in equal time."""
        given, found = hashed(code, self.study.told["salt"]), None
        for reader in self.study.told["readers"]:
            if hmac.compare_digest(given, reader["code"]):
                found = reader["name"]
        return found

    def is_organiser(self, code: str) -> bool:
        """Tell whether a token is the organiser's."""
        told = self.study.told
        return hmac.compare_digest(hashed(code, told["salt"]), told["organiser"])

    def keep(self, response: Response, name: str, token: str, path: str) -> None:
        """Set a session's cookie: no script reads it, no other site sends it."""
        response.set_cookie(name, token, max_age=SESSION_S, path=path, httponly=True,
                            samesite="strict", secure=self.secure)  # fmt: skip


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
        yield
        hall.clerk.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.state.hall = hall
    app.add_middleware(Guard)
    _say_refusals(app)
    _add_pages(app)
    _add_doors(app, hall)
    _add_reading(app, hall)
    _add_organiser(app, hall)
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


def _add_doors(app: FastAPI, hall: Hall) -> None:
    """Let readers and the organiser in by code, and out again."""

    def tried(request: Request, right: bool) -> None:
        host = request.client.host if request.client else ""
        wait = hall.gate.wait_s(host)
        if wait > 0:
            raise HTTPException(429, f"Too many wrong codes; try again in {wait:.0f} seconds.",
                                {"Retry-After": str(int(wait) + 1)})  # fmt: skip
        if not right:
            hall.gate.wrong(host)
            raise HTTPException(403, "No such code.")

    @app.post("/api/enter")
    async def enter(code: Code, request: Request, response: Response) -> dict[str, Any]:
        reader = hall.whose_code(code.code)
        tried(request, reader is not None)
        assert_reader = str(reader)
        token = await hall.clerk.do(lambda db: gate.begin(db, assert_reader))
        hall.keep(response, COOKIE, token, "/")
        return {"reader": reader}

    @app.post("/api/leave")
    async def leave(response: Response, session: Session = None) -> dict[str, bool]:
        await hall.clerk.do(lambda db: gate.end(db, session))
        response.delete_cookie(COOKIE, path="/")
        return {"left": True}

    @app.post("/api/organiser/enter")
    async def enter_organiser(code: Code, request: Request, response: Response) -> dict[str, bool]:
        tried(request, hall.is_organiser(code.code))
        token = await hall.clerk.do(lambda db: gate.begin(db, gate.ORGANISER))
        hall.keep(response, ORGANISER_COOKIE, token, "/api/organiser")
        return {"entered": True}


def _add_reading(app: FastAPI, hall: Hall) -> None:
    told = hall.study.told

    def mine(db: Any, session: str | None, reader: str | None = None) -> str:
        """Return whose session it is; another reader may have entered in another tab."""
        found = gate.who(db, session)
        if found not in hall.study.readers:
            raise HTTPException(401, "Enter with your code.")
        if reader is not None and reader != found:
            raise HTTPException(403, f"{found} has entered in this browser; enter with your code.")
        return found

    def state(db: Any, reader: str) -> dict[str, Any]:
        return answers.state(db, reader, len(hall.study.trials(reader)))

    @app.get("/api/state")
    async def where(session: Session = None) -> dict[str, Any]:
        def job(db: Any) -> dict[str, Any]:
            reader = mine(db, session)
            return {"reader": reader, **state(db, reader)}

        shown = ("title", "design", "questions", "size_px")
        return {**await hall.clerk.do(job), **{key: told[key] for key in shown}}

    @app.post("/api/answer")
    async def answer(said: Said, named: Named, session: Session = None) -> dict[str, bool]:
        pause = said.what == "pause"
        if not pause and said.what not in hall.questions:
            raise HTTPException(422, "No such question; reload the page.")
        value = "" if pause else checked_value(hall.questions[said.what], said.value)

        def job(db: Any) -> None:
            reader = mine(db, session, named)
            click = answers.Click(reader, said.position, said.what, value, said.ms)
            answers.answer(db, click, log_only=pause)

        await hall.clerk.do(job)
        return {"saved": True}

    @app.post("/api/close")
    async def close(said: Said, named: Named, session: Session = None) -> dict[str, Any]:
        def job(db: Any) -> dict[str, Any]:
            reader = mine(db, session, named)
            click = answers.Click(reader, said.position, "close", "", said.ms)
            if missing := answers.close(db, click, hall.needed):
                raise HTTPException(422, f"Still to answer: {', '.join(missing)}.")
            return state(db, reader)

        return await hall.clerk.do(job)

    @app.get("/image/{reader}/{position}/{side}")
    async def image(reader: str, position: int, side: int, session: Session = None) -> Response:
        here = await hall.clerk.do(lambda db: answers.place(db, mine(db, session, reader)))
        trials = hall.study.trials(reader)
        # The next one is fetched ahead; what is closed is not shown again.
        if position not in (here, here + 1) or position >= len(trials):
            raise HTTPException(404, "That image is not open.")
        if not 0 <= side < len(trials[position]):
            raise HTTPException(404, "That image is not open.")
        content = hall.study.image(trials[position][side]).read_bytes()
        return Response(content, media_type=MEDIA[told["codec"]])


def _add_organiser(app: FastAPI, hall: Hall) -> None:
    @app.get("/api/organiser/progress")
    async def progress(session: OrganiserSession = None) -> dict[str, Any]:
        counts = {r: len(hall.study.trials(r)) for r in hall.study.readers}

        def job(db: Any) -> list[dict[str, Any]]:
            if gate.who(db, session) != gate.ORGANISER:
                raise HTTPException(401, "Enter with the organiser's token.")
            return answers.progress(db, counts)

        told = hall.study.told
        return {"title": told["title"], "design": told["design"], "study": told["id"],
                "now": answers.now(), "readers": await hall.clerk.do(job)}  # fmt: skip
