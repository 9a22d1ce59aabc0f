"""A real HTTP server of the test's own, which writes down what it gets and answers as told."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class HttpUnderTest:
    """An HTTP server on loopback; a context manager.

    `status` is what it answers; `received` holds (headers, body) of every POST; with `drop` the
    connection is cut once the body was read.
    """

    def __init__(self) -> None:
        self.status = 200
        self.drop = False
        self.received: list[tuple[dict[str, str], bytes]] = []
        test = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                test.received.append((dict(self.headers), body))
                if test.drop:
                    self.close_connection = True
                    return
                self.send_response(test.status)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
