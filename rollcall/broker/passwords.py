"""Mosquitto's password file: hashes that it understands since 2.0, as text. Pure.

A line is `name:$7$<iterations>$<salt>$<hash>`, PBKDF2 with HMAC-SHA512 and 64 bytes, both in
base64, as `mosquitto_passwd` writes them.
"""

import base64
import hashlib
import hmac
from typing import Final

SALT_BYTES: Final = 12
_ITERATIONS: Final = 20_000
_HASH_BYTES: Final = 64


def password_line(name: str, password: str, salt: bytes) -> str:
    """Give the line of one user; `salt` is random, `SALT_BYTES` long."""
    return f"{name}:{_hashed(password, salt, _ITERATIONS)}"


def with_password(text: str, name: str, password: str, salt: bytes) -> str:
    """Give the file with this password for `name`, replacing an earlier one."""
    lines = without_user(text, name).splitlines()
    return "\n".join((*lines, password_line(name, password, salt), ""))


def without_user(text: str, name: str) -> str:
    """Give the file without `name`."""
    kept = [line for line in text.splitlines() if line.partition(":")[0] != name]
    return "\n".join((*kept, "")) if kept else ""


def users(text: str) -> frozenset[str]:
    """Give the names in the file."""
    return frozenset(line.partition(":")[0] for line in text.splitlines() if ":" in line)


def is_password(text: str, name: str, password: str) -> bool:
    """Say whether the file has just this password for `name`."""
    for line in text.splitlines():
        user, _, hashed = line.partition(":")
        parts = hashed.split("$")
        if user == name and len(parts) == 5 and parts[1] == "7":  # noqa: PLR2004 - see the docstring
            salt = base64.b64decode(parts[3])
            return hmac.compare_digest(hashed, _hashed(password, salt, int(parts[2])))
    return False


def _hashed(password: str, salt: bytes, iterations: int) -> str:
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, _HASH_BYTES)
    salted, hashed = (base64.b64encode(part).decode() for part in (salt, derived))
    return f"$7${iterations}${salted}${hashed}"
