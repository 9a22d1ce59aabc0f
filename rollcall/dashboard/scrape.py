"""The answer to a scraper: the cluster as OpenMetrics, for whoever has a token.

A session does not open it, and a token opens nothing else; without any token there is no such
address. While the broker is away there is no answer: what is not known is not told.
"""

from dataclasses import replace
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rollcall.dashboard.live import Live
from rollcall.dashboard.meanings import meanings
from rollcall.dashboard.openmetrics import CONTENT_TYPE, exposition
from rollcall.dashboard.stream import clock
from rollcall.dashboard.tokens import Tokens

PATH: Final = "/metrics"
_BEARER: Final = "bearer "


class Scrape:
    """Answers scrapers from `live`."""

    def __init__(self, live: Live, tokens: Tokens) -> None:
        self._live = live
        self._tokens = tokens
        self._meanings = meanings()

    async def answer(self, request: Request) -> Response:
        """Give the metrics, or why not."""
        given = request.headers.get("authorization", "")
        if not await run_in_threadpool(self._tokens.names):
            why = "no token was made: rollcall dashboard token NAME\n"
            return PlainTextResponse(why, status_code=404)
        token = given[len(_BEARER) :].strip() if given.lower().startswith(_BEARER) else ""
        if not await run_in_threadpool(self._tokens.knows, token):
            why = "a token is needed: Authorization: Bearer TOKEN\n"
            headers = {"WWW-Authenticate": "Bearer"}
            return PlainTextResponse(why, status_code=401, headers=headers)
        if not self._live.connected:
            return PlainTextResponse("the broker is out of reach\n", status_code=503)
        now = clock()
        # What is written on a thread must not change meanwhile.
        views = [
            replace(view, reports=dict(view.reports)) for view in self._live.cluster.nodes(now)
        ]
        text = await run_in_threadpool(exposition, views, self._meanings, now)
        return Response(text.encode(), media_type=CONTENT_TYPE)
