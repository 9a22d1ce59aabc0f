#!/usr/bin/python3
"""What systemd does for a service elsewhere, in a container: hear whether it works, and end it.

    rollcall-watched COMMAND...     runs it; one that does not move is ended, and started by Docker
    rollcall-watched --check        the health check: 0 while it works

The service tells as sd_notify(3) describes it. Only what Debian's Python has is used.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WATCHDOG_S = float(os.environ.get("ROLLCALL_WATCHDOG_SECONDS", "60"))
START_S = 90.0
FOLDER = Path(os.environ.get("ROLLCALL_WATCHED_FOLDER", tempfile.gettempdir()))
NOTIFY = FOLDER / "rollcall.notify"
HEALTH = FOLDER / "rollcall.health"


class Patience:
    """How long the service may be silent: until it is ready, and from beat to beat after that."""

    def __init__(self, now_s: float) -> None:
        self.is_ready = False
        self.until_s = now_s + START_S
        self.status = "starting"

    def hear(self, assignment: str, now_s: float) -> None:
        """Take one line of what the service tells."""
        key, _, value = assignment.partition("=")
        if key == "READY":
            self.is_ready = True
            self.until_s = now_s + WATCHDOG_S
        elif key == "WATCHDOG":
            self.until_s = now_s + WATCHDOG_S
        elif key == "EXTEND_TIMEOUT_USEC" and not self.is_ready:
            self.until_s = max(self.until_s, now_s + int(value) / 1_000_000)
        elif key == "STATUS":
            self.status = value


def check() -> int:
    """Say what the service last said; 0 when it works."""
    try:
        text = HEALTH.read_text("utf-8")
    except OSError:
        text = "nothing runs"
    print(text)
    return 0 if text.startswith("ready: ") else 1


def run(command: list[str]) -> int:
    """Run the service until it ends, or is told to, or no longer moves; give its exit code."""
    NOTIFY.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(NOTIFY))
        heard.settimeout(0.5)
        told = {"NOTIFY_SOCKET": str(NOTIFY), "WATCHDOG_USEC": str(round(WATCHDOG_S * 1_000_000))}
        with subprocess.Popen(command, env={**os.environ, **told}) as service:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, _: service.send_signal(number))
            try:
                return watch(service, heard)
            finally:
                HEALTH.unlink(missing_ok=True)


def watch(service: "subprocess.Popen[bytes]", heard: socket.socket) -> int:
    """Listen until the service ends; kill one that has been silent for too long."""
    patience = Patience(time.monotonic())
    while service.poll() is None:
        try:
            for assignment in heard.recv(4096).decode("utf-8", "replace").split("\n"):
                patience.hear(assignment, time.monotonic())
        except TimeoutError:
            pass
        write(f"{'ready' if patience.is_ready else 'not ready'}: {patience.status}")
        if time.monotonic() > patience.until_s:
            print(f"the service is silent; it said last: {patience.status}", file=sys.stderr)
            service.kill()
            break
    code = service.wait()
    return code if code >= 0 else 128 - code


def write(text: str) -> None:
    """Replace what the health check reads, where it has changed."""
    if not HEALTH.is_file() or HEALTH.read_text("utf-8") != text:
        new = HEALTH.with_suffix(".new")
        new.write_text(text, "utf-8")
        new.replace(HEALTH)


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else run(sys.argv[1:]))
