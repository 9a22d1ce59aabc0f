"""Put a new access list into force, and never run without one.

Mosquitto that reloads a file it cannot read goes on without any restriction. So a new list is
tried on a broker of its own, which has nothing else to do, then renamed into place, then reloaded,
then proved: what is forbidden must be refused. Where it is not, the broker is stopped.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rollcall.broker.broker_folder import OPERATOR, BrokerFolder, BrokerFolderError
from rollcall.broker.client.probe import NOT_AUTHORIZED, Door, Probe
from rollcall.broker.mosquitto import find_mosquitto
from rollcall.broker.passwords import SALT_BYTES, password_line
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Kind, Topics

_NODE: Final = "trial"
_OTHER: Final = "other"
_SECRET: Final = "only for this moment"  # noqa: S105 - of a broker that lives for a second
_WITHIN_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.02


def try_access_list(text: str, prefix: str) -> None:
    """Run a broker with the access list for a moment and see that it restricts.

    Raises BrokerFolderError when it does not, and then it must not be used; MosquittoError.
    """
    topics = Topics(prefix)
    with _throwaway(text) as path:
        door = Door(socket=path, username=_NODE, password=_SECRET, client_id=_NODE)
        with Probe(door, timeout_s=_WITHIN_S) as probe:
            own, foreign = probe.publish_all(
                [(topics.topic(Kind.EVENT, name), b"") for name in (_NODE, _OTHER)]
            )
    if own == NOT_AUTHORIZED or foreign != NOT_AUTHORIZED:
        raise BrokerFolderError(
            "Mosquitto does not follow the new access list, and it was not put in place; "
            "try: rollcall broker check"
        )


def reload(broker: BrokerFolder) -> bool:
    """Make the running broker read its files again, and prove that it still restricts.

    False when none runs. A broker that does not prove it is stopped, and BrokerFolderError raised.
    """
    if broker.running() is None:
        return False
    try_access_list(broker.access_file.read_text("utf-8"), broker.plan.prefix)
    broker.hang_up()
    try:
        why = "" if is_restricting(broker) else "it refused nothing"
    except BrokerFolderError as error:
        why = str(error).partition("; try: ")[0]
    if why:
        pid = broker.running()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        raise BrokerFolderError(
            f"after the reload the broker was stopped, for it cannot be trusted: {why}; "
            f"try: rollcall broker init --folder {broker.folder}"
        )
    return True


def is_restricting(broker: BrokerFolder) -> bool:
    """Ask the running broker, as its operator, for what nobody may. Raises BrokerFolderError."""
    topic = f"{Topics(broker.plan.prefix).root}/node/{OPERATOR}/status"
    try:
        with Probe(operator_door(broker), timeout_s=_WITHIN_S) as probe:
            return probe.publish(topic) == NOT_AUTHORIZED
    except BrokerError as error:
        raise BrokerFolderError(
            f"the broker does not answer its operator: {error}; try: rollcall broker check"
        ) from error


def operator_door(broker: BrokerFolder, *, client_id: str = "") -> Door:
    """Give the way in for the operator on this machine; any client id is allowed there.

    A client id of somebody who is connected ends that connection. Raises BrokerFolderError.
    """
    identity = broker.identity(OPERATOR)
    try:
        password = identity.password.read_text("utf-8").rstrip("\n")
    except OSError as error:
        raise BrokerFolderError(
            f"{identity.password} cannot be read: {error.strerror}; try: sudo rollcall broker check"
        ) from error
    return Door(socket=broker.socket, username=OPERATOR, password=password, client_id=client_id)


@contextmanager
def _throwaway(access_list: str) -> Iterator[Path]:
    """Run a broker with one user and this access list; give its socket."""
    with tempfile.TemporaryDirectory(prefix="rollcall-") as name:
        folder = Path(name)
        (folder / "acl").write_text(access_list, "utf-8")
        line = password_line(_NODE, _SECRET, os.urandom(SALT_BYTES))
        (folder / "passwd").write_text(f"{line}\n", "utf-8")
        lines = [
            "allow_anonymous false",
            f"password_file {folder}/passwd",
            f"acl_file {folder}/acl",
            "persistence false",
            "log_dest stderr",
            f"listener 0 {folder}/socket",
            *(["user root"] if os.geteuid() == 0 else ()),
        ]
        conf = folder / "mosquitto.conf"
        conf.write_text("\n".join((*lines, "")), "utf-8")
        command = [str(find_mosquitto()), "-c", str(conf)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - see above
            try:
                _wait_for_socket(process, folder / "socket")
                yield folder / "socket"
            finally:
                process.kill()


def _wait_for_socket(process: subprocess.Popen[str], path: Path) -> None:
    deadline_s = time.monotonic() + _WITHIN_S
    while not _listens(path):
        if process.poll() is not None:
            said = process.stderr.read() if process.stderr else ""
            raise BrokerFolderError(f"Mosquitto does not take the new access list: {said[-500:]}")
        if time.monotonic() > deadline_s:
            raise BrokerFolderError(f"Mosquitto did not start within {_WITHIN_S:g} s")
        time.sleep(_LOOK_EVERY_S)


def _listens(path: Path) -> bool:
    """Say whether somebody answers: the file is there a moment before that."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
