"""What a reader may ask: where am I, keep this answer, close this image, show the open one."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field

from retinaforge.tasks.reader_questions import checked_value
from retinaforge.tasks.reader_study import MEDIA
from retinaforge.web import answers, gate
from retinaforge.web.hall import Hall, Named, Session

LONGEST_MS = 24 * 3600 * 1000


class Said(BaseModel):
    """An answer, a pause or the end of a trial."""

    model_config = ConfigDict(extra="forbid")
    position: int = Field(ge=0, le=1_000_000)
    what: str = Field(default="close", max_length=40)
    value: str = Field(default="", max_length=4000)
    ms: int = Field(ge=0, le=LONGEST_MS)


def add_reading(app: FastAPI, hall: Hall) -> None:
    """Add a reader's state, answers, closing of trials, and images."""
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
