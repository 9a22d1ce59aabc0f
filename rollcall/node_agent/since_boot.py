"""What was seen since the host started, kept while the host runs and the agent does not.

The file names the boot it is of; in another boot it says nothing. As it must outlive only the
agent, not the host, it is replaced without being synced.
"""

import json
import logging
from pathlib import Path

_log = logging.getLogger(__name__)


class SinceBoot:
    """Flags seen in `boot`, in a file; `recall` them once, then `keep` what is new."""

    def __init__(self, file: Path, boot: str) -> None:
        self._file = file
        self._boot = boot
        self._kept: set[str] = set()
        self._fault = ""

    def recall(self) -> set[str]:
        """Give what was kept in this boot; nothing when that cannot be read."""
        try:
            told = json.loads(self._file.read_text("utf-8"))
            if told["boot"] == self._boot != "":
                self._kept = {str(flag) for flag in told["flags"]}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s: %s; the flags of this boot begin anew", self._file, error)
        return set(self._kept)

    def keep(self, flags: set[str]) -> None:
        """Write the flags if there are new ones. A disk that refuses is told once."""
        if flags == self._kept:
            return
        text = json.dumps({"boot": self._boot, "flags": sorted(flags)})
        new = self._file.with_suffix(".new")
        try:
            new.write_text(text, "utf-8")
            new.replace(self._file)
        except OSError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                _log.warning("flags since boot are not kept: %s", error)
            return
        self._kept, self._fault = set(flags), ""
