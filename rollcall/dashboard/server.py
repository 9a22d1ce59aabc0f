"""The web server: uvicorn on a thread of its own, stopped within a moment by the main thread."""

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from starlette.applications import Starlette

from rollcall.broker.session import Item
from rollcall.dashboard.listening import Listening
from rollcall.dashboard.stream import Broadcast

_GRACE_S: Final = 3
_READY_WITHIN_S: Final = 30.0
_CONNECTIONS: Final = 200


class ServerError(RuntimeError):
    """The web server ended, or never began; the text says why."""


class _Server(uvicorn.Server):
    """Says when it listens; signals are the main thread's affair."""

    def __init__(self, configuration: uvicorn.Config, ready: Future[None]) -> None:
        super().__init__(configuration)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._ready.set_result(None)


class WebServer:
    """Serves what `make` gives for a broadcast, on sockets that already listen; a context manager.

    `make_broadcast` and `make` run on the server's own event loop. Entering raises ServerError.
    """

    def __init__(
        self,
        listening: Listening,
        sockets: list[socket.socket],
        make_broadcast: Callable[[], Broadcast],
        make: Callable[[Broadcast], Starlette],
    ) -> None:
        self._listening = listening
        self._sockets = sockets
        self._make_broadcast = make_broadcast
        self._make = make
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._server: uvicorn.Server
        self._broadcast: Broadcast
        self._fault: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(_READY_WITHIN_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(RuntimeError):  # the loop may have ended by itself
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(2 * _GRACE_S)

    def hand_over(self, items: list[Item]) -> None:
        """Let the loop take in what the broker said; wait until it did. Raises ServerError."""
        self.check()
        taking = self._broadcast.take(items)
        try:
            asyncio.run_coroutine_threadsafe(taking, self._loop).result(_READY_WITHIN_S)
        except (RuntimeError, TimeoutError) as error:
            taking.close()
            raise ServerError(f"the web server does not answer: {error}") from error

    def check(self) -> None:
        """Raise ServerError when the server has ended by itself."""
        if not self._thread.is_alive():
            raise ServerError(f"the web server has ended: {self._fault}")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told by the main thread, which ends for it
            self._fault = error
            if not self._ready.done():
                self._ready.set_exception(ServerError(f"the web server did not start: {error}"))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._broadcast = self._make_broadcast()
        self._server = _Server(self._configuration(self._make(self._broadcast)), self._ready)
        await self._server.serve(sockets=self._sockets)

    def _stop(self) -> None:
        # Streams end first: the server waits for every open answer.
        closing = asyncio.ensure_future(self._broadcast.close())
        closing.add_done_callback(lambda _: setattr(self._server, "should_exit", True))

    def _configuration(self, application: Starlette) -> uvicorn.Config:
        listening = self._listening
        tls: dict[str, Any] = {}
        if listening.certificate_file is not None:
            tls = {
                "ssl_certfile": str(listening.certificate_file),
                "ssl_keyfile": str(listening.key_file),
            }
        return uvicorn.Config(
            application,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,  # it would hold the tokens of login links
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_S,
            **tls,
        )
