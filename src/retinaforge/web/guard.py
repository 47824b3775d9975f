"""What every answer of the server carries, and what no request may be."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BODY = 32 * 1024
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Guard:
    """Adds headers; refuses long bodies and requests that another site sends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["method"] != "GET" and (why := _refused(Headers(scope=scope))):
            await JSONResponse({"detail": why}, status_code=400)(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)


def _refused(headers: Headers) -> str:
    """Return why a request that changes something is refused, or nothing."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return "Requests of other sites are refused."
    if not headers.get("content-type", "").startswith("application/json"):
        return "JSON is expected."
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > LONGEST_BODY:
        return f"A body of at most {LONGEST_BODY} bytes is expected."
    return ""
