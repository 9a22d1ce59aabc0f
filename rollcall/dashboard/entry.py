"""Who may come in: one-time links, a password if one is set, and the sessions that follow.

All of it is files in one folder, so that whoever may write there may let people in: a link is a
file named by the hash of its token, and removing the file is its single use. Tokens themselves are
never kept. Sessions survive a restart.
"""

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Final

from rollcall.broker.private_files import make_private_folder, write_private

LINK_LASTS_S: Final = 300
SESSION_LASTS_S: Final = 30 * 86_400
_LINK_BYTES: Final = 16
_SESSION_BYTES: Final = 32
_MOST_SESSIONS: Final = 1000
# Cost of one guess: 64 MiB and some 0.2 s, RFC 7914's recommendation for interactive logins x 4.
_SCRYPT: Final = {"n": 2**16, "r": 8, "p": 1, "maxmem": 2**27}
LEAST_PASSWORD: Final = 10
# Names are hashes; what is being written has another name.
_OURS: Final = "[0-9a-f]*"


class Entry:
    """The folder of links, sessions and the password. Times are Unix seconds.

    Methods raise OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._links = folder / "links"
        self._sessions = folder / "sessions"
        self._password = folder / "password.json"

    def make_link(self, now_s: float) -> str:
        """Make a token that opens a session once, within five minutes."""
        token = secrets.token_urlsafe(_LINK_BYTES)
        _write(self._links / _digest(token), {"until": now_s + LINK_LASTS_S})
        return token

    def use_link(self, token: str, now_s: float) -> bool:
        """Use up a token; say whether it was good. Of two at once only one gets True."""
        self._sweep(self._links, now_s)
        file = self._links / _digest(token)
        until = _until(file)
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        return until is not None and now_s <= until

    def open_session(self, now_s: float) -> str:
        """Begin a session; give the secret that the browser keeps."""
        self._sweep(self._sessions, now_s)
        kept = sorted(self._sessions.glob(_OURS), key=lambda file: file.stat().st_mtime)
        for oldest in kept[: max(0, len(kept) - _MOST_SESSIONS + 1)]:
            oldest.unlink(missing_ok=True)
        secret = secrets.token_urlsafe(_SESSION_BYTES)
        _write(self._sessions / _digest(secret), {"until": now_s + SESSION_LASTS_S})
        return secret

    def has_session(self, secret: str, now_s: float) -> bool:
        """Say whether a session of this secret is open."""
        until = _until(self._sessions / _digest(secret))
        return until is not None and now_s <= until

    def close_session(self, secret: str) -> None:
        """End a session."""
        (self._sessions / _digest(secret)).unlink(missing_ok=True)

    @property
    def has_password(self) -> bool:
        """Whether a password is set."""
        return self._password.exists()

    def set_password(self, password: str | None) -> None:
        """Set the password, or take it away; all sessions end. Raises ValueError when too short."""
        if password is not None and len(password) < LEAST_PASSWORD:
            raise ValueError(f"a password has at least {LEAST_PASSWORD} characters")
        for file in self._sessions.glob(_OURS):
            file.unlink(missing_ok=True)
        if password is None:
            self._password.unlink(missing_ok=True)
            return
        salt = secrets.token_bytes(16)
        _write(self._password, {"salt": salt.hex(), "hash": _stretched(password, salt).hex()})

    def knows_password(self, password: str) -> bool:
        """Compare with the password; takes some 0.2 s and 64 MiB on purpose."""
        try:
            kept = json.loads(self._password.read_text("ascii"))
        except FileNotFoundError:
            return False
        given = _stretched(password, bytes.fromhex(kept["salt"]))
        return hmac.compare_digest(given, bytes.fromhex(kept["hash"]))

    def _sweep(self, folder: Path, now_s: float) -> None:
        """Remove what is over."""
        for file in folder.glob(_OURS):
            until = _until(file)
            if until is None or until < now_s:
                file.unlink(missing_ok=True)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _stretched(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT)


def _until(file: Path) -> float | None:
    try:
        return float(json.loads(file.read_text("ascii"))["until"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, values: dict[str, object]) -> None:
    make_private_folder(file.parent)
    write_private(file, json.dumps(values))
