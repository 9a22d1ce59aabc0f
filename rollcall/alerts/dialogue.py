"""smtplib's connections with a memory: what was said, line by line, and never a secret.

smtplib's own debug output prints passwords; here what follows AUTH is written as `***`, and a mail
as its size.
"""

import smtplib
from collections.abc import Callable
from typing import Any, Final

_MAX_LINE: Final = 200

Say = Callable[[str], None]


def hush(_line: str) -> None:
    """Let the conversation pass unheard."""


class _Recorded:
    """Mixed in before smtplib's classes; `say` takes the lines."""

    say: Say
    _in_auth = False

    def putcmd(self, cmd: str, args: str = "") -> None:
        words = f"{cmd} {args}".strip()
        if self._in_auth:
            mechanism = args.partition(" ")[0] if cmd.upper() == "AUTH" else ""
            words = f"AUTH {mechanism} ***" if mechanism else "***"
        self.say(f"> {words[:_MAX_LINE]}")
        super().putcmd(cmd, args)  # type: ignore[misc]

    def getreply(self) -> tuple[int, bytes]:
        code: int
        text: bytes
        code, text = super().getreply()  # type: ignore[misc]
        for line in text.decode("utf-8", "replace").splitlines() or [""]:
            shown = "".join(c if c.isprintable() else " " for c in line)[:_MAX_LINE]
            # What a server answers during AUTH may repeat what it was given.
            self.say(f"< {code} {'***' if self._in_auth and code == 334 else shown}".rstrip())  # noqa: PLR2004 - "go on", RFC 4954
        return code, text

    def auth(self, *args: Any, **more: Any) -> tuple[int, bytes]:
        self._in_auth = True
        try:
            answer: tuple[int, bytes] = super().auth(*args, **more)  # type: ignore[misc]
        finally:
            self._in_auth = False
        return answer

    def starttls(self, *args: Any, **more: Any) -> tuple[int, bytes]:
        answer: tuple[int, bytes] = super().starttls(*args, **more)  # type: ignore[misc]
        self.say_tls()
        return answer

    def say_tls(self) -> None:
        """Tell how the connection is encrypted, where it is."""
        version = getattr(getattr(self, "sock", None), "version", None)
        if version is not None:
            self.say(f"* {version()}, the server's certificate is valid")


class RecordedSmtp(_Recorded, smtplib.SMTP):
    """SMTP, in clear text until STARTTLS."""

    def __init__(self, host: str, port: int, name: str, *, say: Say, **more: Any) -> None:
        self.say = say
        super().__init__(host, port, name, **more)


class RecordedSmtpOverTls(_Recorded, smtplib.SMTP_SSL):
    """SMTP within TLS from the first byte."""

    def __init__(self, host: str, port: int, name: str, *, say: Say, **more: Any) -> None:
        self.say = say
        super().__init__(host, port, name, **more)
        self.say_tls()
