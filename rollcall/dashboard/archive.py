"""The answers about the past: parameters in, the database asked on a thread, JSON out.

At most four questions are asked at a time, each for ten seconds; what cannot be answered says why
with status 503, and never holds up the live stream.
"""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rollcall.dashboard import past
from rollcall.dashboard.live import Live
from rollcall.dashboard.past import Answer, Connection, HistoryAwayError, Window
from rollcall.dashboard.trend import TREND

_AT_ONCE: Final = 4
_WITHIN_S: Final = 10.0
_MS: Final = 1000
_LATEST_S: Final = 253_402_300_799
_MOST_POINTS: Final = 2000
_LONGEST_NAME: Final = 512
_AGAIN_S: Final = 30.0
_TRIES: Final = 120

_log = logging.getLogger("rollcall.dashboard")

Question = Callable[[Connection], Answer]


class BadQuestionError(ValueError):
    """A parameter that is missing or wrong; the text says which."""


class Archive:
    """Answers from the database behind `url`; made on the event loop that asks."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._clock = clock
        self._asking = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[Route]:
        """Give the routes of the answers about the past."""
        return [
            Route("/api/series", self._series),
            Route("/api/compare", self._compare),
            Route("/api/incidents", self._incidents),
            Route("/api/processes", self._processes),
        ]

    async def seed(self, live: Live) -> None:
        """Give the live cluster the last hour of its trends; while that cannot be had, try again.

        After an hour there is nothing left to give.
        """
        for _ in range(_TRIES):
            until = round(self._clock() * _MS)
            question = partial(past.trends, metric=TREND, until=until)
            try:
                async with self._asking:
                    live.seed(await run_in_threadpool(past.ask, self._url, question))
            except HistoryAwayError as error:
                _log.info("no trends from before the start yet: %s", error)
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    async def cluster(self, request: Request) -> Response:
        """Give the cluster as it was at `at`."""

        def read() -> Question:
            at = _moment(request, "at")
            return lambda connection: past.cluster_at(connection, at)

        return await self._answer(read)

    async def _series(self, request: Request) -> Response:
        def read() -> Question:
            node, metric = _text(request, "node"), _text(request, "metric")
            instance = request.query_params.get("instance", "")[:_LONGEST_NAME]
            window = self._window(request)
            return lambda connection: past.series(connection, node, metric, instance, window)

        return await self._answer(read)

    async def _compare(self, request: Request) -> Response:
        def read() -> Question:
            points = int(min(_MOST_POINTS, _number(request, "points", 240, least=1)))
            metric, window = _text(request, "metric"), self._window(request)
            return lambda connection: past.compared(connection, metric, window, points)

        return await self._answer(read)

    async def _incidents(self, request: Request) -> Response:
        def read() -> Question:
            window, node = self._window(request), request.query_params.get("node")
            return lambda connection: past.night(connection, window, node)

        return await self._answer(read)

    async def _processes(self, request: Request) -> Response:
        def read() -> Question:
            node, until = _text(request, "node"), round(self._clock() * _MS)
            return partial(past.processes, node=node, until=until)

        return await self._answer(read)

    async def _answer(self, read: Callable[[], Question]) -> Response:
        try:
            question = read()
            async with asyncio.timeout(_WITHIN_S), self._asking:
                found = await run_in_threadpool(past.ask, self._url, question)
        except BadQuestionError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        except HistoryAwayError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        except TimeoutError:
            why = f"the database did not answer within {_WITHIN_S:.0f} s; try a shorter window"
            return JSONResponse({"error": why}, status_code=503)
        return Response(json.dumps(found, separators=(",", ":")), media_type="application/json")

    def _window(self, request: Request) -> Window:
        start, stop = _moment(request, "since"), _moment(request, "until")
        if stop <= start:
            raise BadQuestionError("until has to lie after since")
        return Window(start, stop, round(self._clock() * _MS))


def _moment(request: Request, name: str) -> int:
    return round(_number(request, name, None) * _MS)


def _number(request: Request, name: str, default: float | None, *, least: float = 0) -> float:
    written = request.query_params.get(name)
    try:
        number = float(written) if written is not None else default
    except ValueError:
        number = None
    if number is None or not math.isfinite(number) or not least <= number <= _LATEST_S:
        raise BadQuestionError(f"{name} has to be a number of at least {least}, in seconds")
    return number


def _text(request: Request, name: str) -> str:
    written = request.query_params.get(name, "")
    if not written:
        raise BadQuestionError(f"{name} is missing")
    return written[:_LONGEST_NAME]
