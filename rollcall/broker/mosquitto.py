"""Write a configuration for a private Mosquitto on loopback, and run it.

The private broker has its own configuration, port and folder, and never touches one that the
system runs. The limits are those of a broker that is to lose nothing to its own defaults.
"""

import logging
import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_log = logging.getLogger(__name__)
_LOOPBACK: Final = "127.0.0.1"
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_STOP_WITHIN_S: Final = 5.0


class MosquittoError(RuntimeError):
    """Mosquitto is missing or did not start; the text says what to do."""


def find_mosquitto() -> Path:
    """Find the broker's program, also where a user's PATH does not look.

    Raises MosquittoError when there is none.
    """
    search = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    found = shutil.which("mosquitto", path=search)
    if found is None:
        raise MosquittoError("mosquitto is not installed; try: sudo apt-get install mosquitto")
    return Path(found)


def free_port() -> int:
    """Give a TCP port that nobody on loopback listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Say whether nobody on loopback listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
        return True


def private_configuration(port: int) -> str:
    """Write the text of `mosquitto.conf` for a private broker on loopback.

    It keeps nothing across its own death: agents bring everything back.
    """
    lines = [
        f"listener {port} {_LOOPBACK}",
        "allow_anonymous true",
        "allow_zero_length_clientid true",
        "persistence false",
        "max_packet_size 327680",
        "max_keepalive 120",
        "max_queued_messages 100000",
        "max_queued_bytes 67108864",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
    ]
    if os.geteuid() == 0:
        # Started as root it would become `mosquitto`, which may not enter our folder.
        lines.append("user root")
    return "\n".join((*lines, ""))


class PrivateMosquitto:
    """A private broker as a child process; a context manager.

    Entering writes `folder`/mosquitto.conf and starts the program; raises MosquittoError.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def command(self) -> list[str]:
        """The command line that runs it."""
        return [str(find_mosquitto()), "-c", str(self._folder / "mosquitto.conf")]

    def configure(self) -> None:
        """Write the configuration. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "mosquitto.conf").write_text(private_configuration(self.port), "utf-8")

    def start(self) -> None:
        """Start the broker; it listens soon after. Raises MosquittoError, OSError."""
        self.configure()
        self._process = subprocess.Popen(self.command)  # noqa: S603 - our own configuration

    def stop(self) -> None:
        """Stop it with SIGTERM: it publishes every will and ends."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            _log.warning("mosquitto does not stop; killing it")
            self.kill()

    def kill(self) -> None:
        """Kill it with SIGKILL, as a fault would: nothing it holds survives."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
