"""Find Mosquitto, and run a private one on loopback.

The private broker has its own configuration, port and folder, and never touches one that the
system runs.
"""

import logging
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rollcall.broker.mosquitto_conf import loopback_configuration

_log = logging.getLogger(__name__)
_LOOPBACK: Final = "127.0.0.1"
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_STOP_WITHIN_S: Final = 5.0
_OLDEST: Final = (2, 0, 11)


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


def require_supported(program: Path) -> str:
    """Give the version of the Mosquitto at `program`, such as `2.0.11`.

    Raises MosquittoError when it cannot be told, or is older than what we have tried.
    """
    # It answers a question for help with exit code 3.
    done = subprocess.run(  # noqa: S603 - the broker's program
        [program, "-h"], capture_output=True, text=True, check=False, timeout=_STOP_WITHIN_S
    )
    version = version_in(done.stdout)
    if version is None:
        raise MosquittoError(f"{program} -h names no version; try: apt-get install mosquitto")
    if version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise MosquittoError(
            f"{program} is version {'.'.join(map(str, version))}; {oldest} or newer is needed: "
            "older ones have no password hashes worth the name; try: Debian 12 or newer"
        )
    return ".".join(map(str, version))


def version_in(help_text: str) -> tuple[int, int, int] | None:
    """Read the version from what `mosquitto -h` prints; None when it names none."""
    found = re.search(r"^mosquitto version (\d+)\.(\d+)\.(\d+)", help_text, re.MULTILINE)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


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
        # Started as root it would become `mosquitto`, which may not enter our folder.
        user = "root" if os.geteuid() == 0 else None
        text = loopback_configuration(self.port, user=user)
        (self._folder / "mosquitto.conf").write_text(text, "utf-8")

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
