"""Let readers and the organiser in by code and out again; the organiser sees how far each is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response

from retinaforge.web import answers, gate
from retinaforge.web.hall import COOKIE, ORGANISER_COOKIE, Code, Hall, OrganiserSession, Session


def add_doors(app: FastAPI, hall: Hall) -> None:
    """Add what lets readers in and out."""

    @app.post("/api/enter")
    async def enter(code: Code, request: Request, response: Response) -> dict[str, str]:
        reader = hall.whose_code(code.code) or ""
        hall.require_right(request, right=bool(reader))
        token = await hall.clerk.do(lambda db: gate.begin(db, reader))
        hall.keep(response, COOKIE, token, "/")
        return {"reader": reader}

    @app.post("/api/leave")
    async def leave(response: Response, session: Session = None) -> dict[str, bool]:
        await hall.clerk.do(lambda db: gate.end(db, session))
        response.delete_cookie(COOKIE, path="/")
        return {"left": True}


def add_organiser(app: FastAPI, hall: Hall) -> None:
    """Add the organiser's door and what stands behind it."""
    counts = {r: len(hall.study.trials(r)) for r in hall.study.readers}

    @app.post("/api/organiser/enter")
    async def enter(code: Code, request: Request, response: Response) -> dict[str, bool]:
        hall.require_right(request, right=hall.is_organiser(code.code))
        token = await hall.clerk.do(lambda db: gate.begin(db, gate.ORGANISER))
        hall.keep(response, ORGANISER_COOKIE, token, "/api/organiser")
        return {"entered": True}

    @app.post("/api/organiser/leave")
    async def leave(response: Response, session: OrganiserSession = None) -> dict[str, bool]:
        await hall.clerk.do(lambda db: gate.end(db, session))
        response.delete_cookie(ORGANISER_COOKIE, path="/api/organiser")
        return {"left": True}

    @app.get("/api/organiser/progress")
    async def progress(session: OrganiserSession = None) -> dict[str, Any]:
        def job(db: Any) -> list[dict[str, Any]]:
            if gate.who(db, session) != gate.ORGANISER:
                raise HTTPException(401, "Enter with the organiser's token.")
            return answers.progress(db, counts)

        told = hall.study.told
        return {"title": told["title"], "design": told["design"], "study": told["id"],
                "now": answers.now(), "readers": await hall.clerk.do(job)}  # fmt: skip
