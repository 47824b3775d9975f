"""What every door of a reader study's server shares: the study, the table of answers, the gate."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Cookie, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from retinaforge.tasks.reader_codes import hashed
from retinaforge.tasks.reader_study import ANSWERS, ReaderStudy
from retinaforge.web import answers, gate
from retinaforge.web.clerk import Clerk

COOKIE, ORGANISER_COOKIE = "reader", "organiser"


class Code(BaseModel):
    """A code or token as typed."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=64)


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

    def require_right(self, request: Request, *, right: bool) -> None:
        """Refuse a wrong code, and any code of an address that tried too many.

        Raises:
            HTTPException: 403 for a wrong code, 429 with Retry-After for too many.
        """
        host = request.client.host if request.client else ""
        wait = self.gate.wait_s(host)
        if wait > 0:
            raise HTTPException(429, f"Too many wrong codes; try again in {wait:.0f} seconds.",
                                {"Retry-After": str(int(wait) + 1)})  # fmt: skip
        if not right:
            self.gate.wrong(host)
            raise HTTPException(403, "No such code.")

    def keep(self, response: Response, name: str, token: str, path: str) -> None:
        """Set a session's cookie: no script reads it, no other site sends it."""
        response.set_cookie(name, token, max_age=gate.SESSION_S, path=path, httponly=True,
                            samesite="strict", secure=self.secure)  # fmt: skip
