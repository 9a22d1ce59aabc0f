"""What every answer carries, and who gets one: plain ASGI around the application.

The content security policy allows nothing but our own files, with Trusted Types for scripts, so
that a hostile node name that slipped through would still be inert.
"""

import time
from collections.abc import Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rollcall.dashboard.entry import Entry

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NEVER_KEPT: Final = ("/api", "/login", "/logout", "/metrics")
_OPEN_TO_ALL: Final = ("/login", "/static/", "/health")
# Asks for a token by itself, and does not care for sessions.
_SCRAPED: Final = "/metrics"


class SafeHeaders:
    """Adds the headers that every answer carries, refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in _HEADERS.items():
                    headers[name] = text
                if scope["path"].startswith(_NEVER_KEPT):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class MembersOnly:
    """Lets in who has a session; sends people to the login page, and refuses programs."""

    def __init__(
        self, app: ASGIApp, *, entry: Entry, cookie: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._app = app
        self._entry = entry
        self._cookie = cookie
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or self._may_pass(HTTPConnection(scope)):
            await self._app(scope, receive, send)
        else:
            await self._refusal(scope["path"])(scope, receive, send)

    def _may_pass(self, connection: HTTPConnection) -> bool:
        path = connection.url.path
        if path.startswith(_OPEN_TO_ALL) or path == _SCRAPED:
            return True
        secret = connection.cookies.get(self._cookie)
        return secret is not None and self._entry.has_session(secret, self._clock())

    def _refusal(self, path: str) -> Response:
        if path.startswith("/api"):
            why = "no session; open a link made by: rollcall dashboard link"
            return JSONResponse({"error": why}, status_code=401)
        return RedirectResponse("/login", status_code=303)
