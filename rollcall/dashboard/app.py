"""The web application: pages, the stream, the JSON answers. The only user of Starlette.

No GET changes anything but the use of a login link; what is posted must come from our own pages.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rollcall.broker.topics import is_node_name
from rollcall.dashboard import pages
from rollcall.dashboard.actions import Actions
from rollcall.dashboard.archive import Archive
from rollcall.dashboard.entry import SESSION_LASTS_S, Entry
from rollcall.dashboard.gate import MembersOnly, SafeHeaders
from rollcall.dashboard.scrape import PATH, Scrape
from rollcall.dashboard.stream import MOST_VIEWERS, Broadcast, clock

STATIC: Final = Path(__file__).with_name("static")
_GUESS_COSTS_S: Final = 1.0


class Web:
    """Makes the application around a broadcast and an entry; `secure`: it is reached by TLS."""

    def __init__(
        self,
        broadcast: Broadcast,
        entry: Entry,
        archive: Archive,
        actions: Actions | None,
        scrape: Scrape,
        *,
        allowed_hosts: Sequence[str],
        secure: bool,
    ) -> None:
        self._broadcast = broadcast
        self._entry = entry
        self._archive = archive
        self._actions = actions
        self._scrape = scrape
        self._hosts = list(allowed_hosts)
        self._secure = secure
        self._cookie = "__Host-rollcall" if secure else "rollcall"
        self._one_guess = asyncio.Lock()

    def application(self) -> Starlette:
        """Give the ASGI application."""
        return Starlette(
            routes=[
                Route("/", self._shell),
                Route("/node/{node}", self._shell),
                *(Route(place, self._shell) for place in ("/compare", "/incidents", "/last-night")),
                Route("/login", self._login, methods=["GET"]),
                Route("/login", self._check_password, methods=["POST"]),
                Route("/login/{token}", self._use_link),
                Route("/logout", self._log_out, methods=["POST"]),
                Route("/health", self._health),
                Route(PATH, self._scrape.answer),
                Route("/api/session", self._session),
                Route("/api/stream", self._stream),
                Route("/api/cluster", self._cluster),
                Route("/api/node/{node}", self._node),
                *self._archive.routes(),
                Route("/api/actions", self._act, methods=["POST"]),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[
                Middleware(SafeHeaders),
                Middleware(TrustedHostMiddleware, allowed_hosts=self._hosts, www_redirect=False),
                Middleware(MembersOnly, entry=self._entry, cookie=self._cookie),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        going_on = [
            asyncio.create_task(self._broadcast.run()),
            asyncio.create_task(self._archive.seed(self._broadcast.live)),
        ]
        yield
        for task in going_on:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    # Pages

    async def _shell(self, request: Request) -> Response:
        node = request.path_params.get("node")
        if node is not None and not is_node_name(node):
            return HTMLResponse(pages.not_found(node), status_code=404)
        live = self._broadcast.live
        return HTMLResponse(pages.shell(live.cluster.worst_first(clock())))

    async def _login(self, _request: Request) -> Response:
        return HTMLResponse(pages.login(with_password=self._entry.has_password))

    async def _use_link(self, request: Request) -> Response:
        token = request.path_params["token"]
        if not await run_in_threadpool(self._entry.use_link, token, time.time()):
            why = "This link was used already, or is older than five minutes."
            return HTMLResponse(
                pages.login(with_password=self._entry.has_password, refusal=why), status_code=403
            )
        return await self._welcome(HTMLResponse(pages.moves_on()))

    async def _check_password(self, request: Request) -> Response:
        if not _is_our_own(request):
            return HTMLResponse(pages.login(with_password=True), status_code=403)
        async with request.form(max_files=0, max_fields=4, max_part_size=4096) as form:
            given = str(form.get("password", ""))
        # One guess at a time, for all visitors together, and each costs a second.
        async with self._one_guess:
            good = await run_in_threadpool(self._entry.knows_password, given)
            if not good:
                await asyncio.sleep(_GUESS_COSTS_S)
        if not good:
            page = pages.login(with_password=True, refusal="That is not the password.")
            return HTMLResponse(page, status_code=403)
        return await self._welcome(RedirectResponse("/", status_code=303))

    async def _welcome(self, response: Response) -> Response:
        secret = await run_in_threadpool(self._entry.open_session, time.time())
        response.set_cookie(
            self._cookie,
            secret,
            max_age=SESSION_LASTS_S,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return response

    async def _log_out(self, request: Request) -> Response:
        if not _is_our_own(request):
            return Response(status_code=403)
        await run_in_threadpool(self._entry.close_session, request.cookies.get(self._cookie, ""))
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True)
        return response

    # Answers for programs

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"state": "online"})

    async def _session(self, _request: Request) -> Response:
        """Say that there is a session, and what it may: without one, this is not reached."""
        return JSONResponse({"actions": self._actions is not None})

    async def _act(self, request: Request) -> Response:
        if self._actions is None:
            why = "this dashboard only looks; see [dashboard] actions"
            return JSONResponse({"error": why}, status_code=403)
        if not _is_our_own(request):
            return JSONResponse({"error": "not from a page of ours"}, status_code=403)
        return await self._actions.carry_out(request)

    async def _stream(self, _request: Request) -> Response:
        if self._broadcast.live.viewers >= MOST_VIEWERS:
            why = f"{MOST_VIEWERS} browsers look already; close one"
            return JSONResponse({"error": why}, status_code=503)
        return StreamingResponse(
            self._broadcast.events(),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    async def _cluster(self, request: Request) -> Response:
        if "at" in request.query_params:
            return await self._archive.cluster(request)
        live = self._broadcast.live
        now = clock()
        live.tick(now)
        return Response(live.snapshot(now), media_type="application/json")

    async def _node(self, request: Request) -> Response:
        name = request.path_params["node"]
        now = clock()
        found = self._broadcast.live.details(name, now) if is_node_name(name) else None
        if found is None:
            return _no_such_node()
        payload = json.dumps({"time": round(now.wall_s, 3), **found})
        return Response(payload, media_type="application/json")


def _no_such_node() -> Response:
    return JSONResponse({"error": "no such node; see /api/cluster"}, status_code=404)


def _is_our_own(request: Request) -> bool:
    """Say whether a form was sent by one of our own pages.

    Every browser says so by `Sec-Fetch-Site`, over TLS and on loopback; `Origin` is hidden by our
    own referrer policy.
    """
    return request.headers.get("sec-fetch-site") == "same-origin"
