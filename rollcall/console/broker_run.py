"""`rollcall broker run`: Mosquitto in the foreground, and its revocation list kept young.

A supervisor is told when it answers, and that it goes on answering.
"""

import datetime as dt
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Final

from rollcall.broker.broker_folder import BrokerFolder, BrokerFolderError
from rollcall.broker.certificates import CredentialError
from rollcall.broker.mosquitto import MosquittoError, find_mosquitto, require_supported
from rollcall.broker.mosquitto_conf import Profile
from rollcall.console.broker_watch import BrokerWatch
from rollcall.console.options import CommandError
from rollcall.console.supervisor import end_with_parent
from rollcall.service.lifecycle import stop_on_signals
from rollcall.service.lock import AlreadyRunningError, ProcessLock
from rollcall.service.notify import Notifier

_LOOK_EVERY_S: Final = 0.5
_SIGN_EVERY_S: Final = 86_400.0
_STOP_WITHIN_S: Final = 10.0

_log = logging.getLogger(__name__)


def run_broker(folder: Path) -> None:
    """Run the broker of the folder until told to stop. Raises CommandError."""
    stop = stop_on_signals(signal.SIGHUP)
    try:
        broker = BrokerFolder.open(folder)
        program = find_mosquitto()
        require_supported(program)
        with ProcessLock(folder / "run.lock", "this broker"):
            _require_startable(broker)
            _run(broker, program, stop)
    except AlreadyRunningError as error:
        raise CommandError(str(error), f"rollcall broker check --folder {folder}") from error
    except (BrokerFolderError, MosquittoError) as error:
        what, _, remedy = str(error).partition("; try: ")
        raise CommandError(what, remedy or "rollcall broker init") from error
    except OSError as error:
        raise CommandError(
            f"{folder}: {error}", f"rollcall broker init --folder {folder}"
        ) from error


def _require_startable(broker: BrokerFolder) -> None:
    if broker.plan.drop_in:
        raise CommandError(
            f"this broker is the Mosquitto that reads {broker.plan.drop_in}",
            "sudo systemctl restart mosquitto",
        )
    place = "127.0.0.1" if broker.plan.profile is Profile.LOOPBACK else ""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place, broker.plan.port))
        except OSError as error:
            raise CommandError(
                f"port {broker.plan.port} is taken: {error.strerror}",
                f"sudo ss -ltnp 'sport = :{broker.plan.port}', or another --port of broker init",
            ) from error


def _run(broker: BrokerFolder, program: Path, stop: threading.Event) -> None:
    command = [str(program), "-c", str(broker.configuration_file)]
    # Mosquitto would say by itself that it is ready, before it listens.
    environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
    _sign(broker)
    due_s = time.monotonic() + _SIGN_EVERY_S
    notifier = Notifier()
    with (
        BrokerWatch(broker) as watch,
        subprocess.Popen(  # noqa: S603 - our own configuration
            command,
            env=environment,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call, no thread runs here
        ) as process,
    ):
        try:
            while not stop.wait(_LOOK_EVERY_S):
                if process.poll() is not None:
                    raise CommandError(
                        f"mosquitto ended with code {process.returncode}; its reason stands above",
                        f"rollcall broker init --folder {broker.folder}",
                    )
                if time.monotonic() >= due_s:
                    due_s += _SIGN_EVERY_S
                    _sign(broker)
                    process.send_signal(signal.SIGHUP)
                if notifier.is_heard and watch.answers():
                    notifier.ready()
                    notifier.beat(lambda: f"answers on port {broker.plan.port}")
        finally:
            _end(process)


def _sign(broker: BrokerFolder) -> None:
    """Sign the revocation list anew; where that fails the old one holds for most of a year."""
    if broker.plan.profile is Profile.LOOPBACK:
        return
    try:
        broker.authority.renew_revocations(now=dt.datetime.now(dt.UTC))
    except (CredentialError, OSError) as error:
        _log.warning("the revocation list was not signed anew: %s", error)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
