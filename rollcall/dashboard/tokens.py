"""Tokens for programs that scrape: each has a name, is shown once, and is kept only as a hash."""

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Final

from rollcall.broker.private_files import make_private_folder, write_private
from rollcall.broker.topics import is_node_name

_TOKEN_BYTES: Final = 32


class Tokens:
    """The folder of tokens; methods raise OSError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tokens"

    def make(self, name: str, now_s: float) -> str:
        """Make a token; give it, this once. Raises ValueError for a name that is bad or taken."""
        file = self._file(name)
        if file.exists():
            raise ValueError(f"there is a token {name} already")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        make_private_folder(self._folder)
        write_private(file, json.dumps({"sha256": _digest(token), "made": now_s}))
        return token

    def remove(self, name: str) -> bool:
        """Make a token worthless; say whether there was one. Raises ValueError for a bad name."""
        file = self._file(name)
        there = file.exists()
        file.unlink(missing_ok=True)
        return there

    def names(self) -> list[str]:
        """Name the tokens."""
        return sorted(file.stem for file in self._folder.glob("*.json") if is_node_name(file.stem))

    def knows(self, token: str) -> bool:
        """Say whether this is one of the tokens."""
        given = _digest(token)
        return any(hmac.compare_digest(given, self._kept(name)) for name in self.names())

    def _file(self, name: str) -> Path:
        if not is_node_name(name):
            raise ValueError("a token's name has small letters, digits and hyphens")
        return self._folder / f"{name}.json"

    def _kept(self, name: str) -> str:
        try:
            return str(json.loads(self._file(name).read_text("ascii"))["sha256"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return ""


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
