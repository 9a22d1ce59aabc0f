"""From the command line to a running service and back: arguments, signals, exit codes."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rollcall.service import config, logs
from rollcall.service.lock import AlreadyRunningError
from rollcall.service.notify import Notifier
from rollcall.service.settings import Settings

EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 78

_log = logging.getLogger(__name__)

Body = Callable[[Settings, argparse.Namespace, threading.Event], None]


def parser(name: str, purpose: str) -> argparse.ArgumentParser:
    """Make the argument parser every service shares; a service may add its own options."""
    made = argparse.ArgumentParser(
        prog=f"rollcall run {name}", description=purpose, formatter_class=_formatter
    )
    made.add_argument("--config", type=Path, metavar="FILE", help="default: the first one found")
    made.add_argument("-v", "--verbose", action="store_true", help="log from DEBUG on")
    return made


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Write help for 80 columns: to look for more, argparse imports what no service needs."""
    return argparse.HelpFormatter(prog, width=78)


def stop_on_signals(*more: signal.Signals) -> threading.Event:
    """Give an event that SIGTERM, SIGINT and `more` set; a signal does nothing else."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, *more):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run(
    arguments: argparse.ArgumentParser,
    body: Body,
    argv: Sequence[str] | None = None,
    *,
    expected: tuple[type[Exception], ...] = (),
) -> int:
    """Run a service until it is told to stop; give its exit code.

    0 after a stop, 1 when it failed, 78 when the configuration is wrong. Errors in `expected` say
    all there is to say in one line; any other is a fault of ours, and logged with its trace.
    """
    parsed = arguments.parse_args(argv)
    logs.configure(verbose=parsed.verbose)
    stop = stop_on_signals()
    try:
        body(config.load(parsed.config), parsed, stop)
    except config.ConfigError as error:
        _say(f"error: {error}")
        return EXIT_CONFIGURATION
    except Exception as error:  # noqa: BLE001 - the one place of a process where any fault ends
        if isinstance(error, AlreadyRunningError):
            _say(f"error: {error}\ntry: rollcall status, to look at what it does")
        elif isinstance(error, expected):
            _say(f"error: {error}")
        else:
            _log.exception("stopped by a fault of its own")
        return EXIT_FAILED
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    Notifier().status(text)
