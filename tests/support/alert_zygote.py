"""Starts the alert service again and again without importing it each time.

A process of one thread that has imported everything: on the line `start` it forks a child that runs
the real service on the real settings, on `kill` it ends that child with SIGKILL. After a start the
child tells at once what is due, instead of listening for 15 s first.
"""

import os
import signal
import sys
from functools import partial

from rollcall.alerts.__main__ import body
from rollcall.alerts.alerter import Patience
from rollcall.broker.session import BrokerError
from rollcall.service import lifecycle


def main() -> None:
    """Obey the lines of standard input until it ends; answer each with a line."""
    child = 0
    for line in sys.stdin:
        if line.strip() == "start":
            child = os.fork()
            if child == 0:
                _serve()
        elif child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            child = 0
        print(child, flush=True)  # noqa: T201 - the answer
    if child:
        os.kill(child, signal.SIGKILL)


def _serve() -> None:
    arguments = lifecycle.parser("alerts", "the service under test")
    serve = partial(body, patience=Patience(quiet_s=0))
    os._exit(lifecycle.run(arguments, serve, [], expected=(BrokerError,)))


if __name__ == "__main__":
    main()
