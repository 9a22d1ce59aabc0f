"""Why this program is told to stop: by itself, or because the host goes down.

systemd stops services in a transaction that has a job for the target it is on its way to; see
systemd.special(7), and `list-jobs` in systemctl(1).
"""

import logging
import re
from typing import Final, Literal

_log = logging.getLogger(__name__)

Reason = Literal["stopped", "shutdown", "reboot"]

_REBOOT: Final = frozenset({"reboot.target", "kexec.target", "soft-reboot.target"})
_SHUTDOWN: Final = frozenset({"poweroff.target", "halt.target", "shutdown.target"})
_JOB: Final = re.compile(r"^\s*\d+\s+(\S+)\s+start\s", re.MULTILINE)
_WITHIN_S: Final = 1.5


def reason_in(jobs: str) -> Reason:
    """Read the answer of `systemctl list-jobs`. Pure."""
    units = set(_JOB.findall(jobs))
    if units & _REBOOT:
        return "reboot"
    return "shutdown" if units & _SHUTDOWN else "stopped"


def reason_now() -> Reason:
    """Ask systemd; without an answer within 1.5 s, nobody knows of more than `stopped`."""
    # Imported at the end of the program: until then it would only cost memory.
    import subprocess  # noqa: PLC0415 - see above

    command = ["systemctl", "list-jobs", "--no-legend", "--plain"]
    try:
        told = subprocess.run(  # noqa: S603 - our own words, from PATH as any admin's
            command, capture_output=True, timeout=_WITHIN_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.debug("systemd does not tell why we stop: %s", error)
        return "stopped"
    return reason_in(told.stdout.decode(errors="replace"))
