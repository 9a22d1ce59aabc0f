"""Hand a finished mail to an SMTP server, and translate its answers (RFC 5321).

Nothing falls back: with `starttls` or `tls` the certificate is checked, and a server that offers
less gets nothing. One connection, one MAIL, RCPT and DATA for each mail, so that every answer is
about one recipient.
"""

import smtplib
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from rollcall.alerts.delivery import Misconfigured, Never, Outcome, Refused, Sent, TryAgain
from rollcall.alerts.dialogue import RecordedSmtp, RecordedSmtpOverTls, Say, hush

_CONNECT_TIMEOUT_S: Final = 15.0
_COMMAND_TIMEOUT_S: Final = 60.0
_ACCEPT_TIMEOUT_S: Final = 600.0
_QUIT_TIMEOUT_S: Final = 5.0
_OK: Final = frozenset({250, 251})
_PERMANENT: Final = 500
_MAILBOX_FULL: Final = 552
_CLOSING: Final = 421
# Without a name of our own smtplib asks the DNS, which may hang; RFC 5321, 4.1.3 allows this.
_OUR_NAME: Final = "[127.0.0.1]"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """An SMTP server and how to get in; `sender` is the bare address for MAIL FROM."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    ehlo: str = ""

    def deliver(self, recipient: str, content: bytes, say: Say = hush) -> Outcome:
        """Send one mail to one recipient. Blocks for minutes at worst; raises nothing.

        `say` hears the conversation, line by line, without secrets.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            return Misconfigured(f"[mail] ca_file {self.ca_file} cannot be read: {error.strerror}")
        try:
            say(f"* connecting to {self.host}:{self.port}, security {self.security}")
            say = _discreet(say, self.password)
            with closing(self._connect(context, say)) as smtp:
                refused = self._enter(smtp, context) or _address(smtp, self.sender, recipient)
                return refused or _hand_over(smtp, content, say)
        except OSError as error:
            return self._translated(error)

    def _connect(self, context: ssl.SSLContext, say: Say) -> smtplib.SMTP:
        name = self.ehlo or _OUR_NAME
        if self.security == "tls":
            return RecordedSmtpOverTls(
                self.host, self.port, name, say=say, timeout=_CONNECT_TIMEOUT_S, context=context
            )
        return RecordedSmtp(self.host, self.port, name, say=say, timeout=_CONNECT_TIMEOUT_S)

    def _enter(self, smtp: smtplib.SMTP, context: ssl.SSLContext) -> Outcome | None:
        _allow(smtp, _COMMAND_TIMEOUT_S)
        if self.security == "starttls":
            code, answer = smtp.starttls(context=context)
            if code != 220:  # noqa: PLR2004 - the answer that STARTTLS may begin, RFC 3207
                return _verdict(code, self._told(_answer(code, answer)))
        if self.username is not None:
            smtp.login(self.username, self.password or "")
        else:
            smtp.ehlo_or_helo_if_needed()
        return None

    def _translated(self, error: OSError) -> Outcome:
        """Judge what smtplib and ssl raise; all of it is an OSError, so the order matters."""
        match error:
            case smtplib.SMTPServerDisconnected():
                return TryAgain(self._told(str(error)), away=True)
            case smtplib.SMTPNotSupportedError():
                return Misconfigured(self._told(f"{error}; [mail] security is {self.security}"))
            case smtplib.SMTPResponseException(smtp_code=code, smtp_error=answer):
                return _verdict(code, self._told(_answer(code, answer)))
            case smtplib.SMTPException():
                return Misconfigured(self._told(str(error)))
            case ssl.SSLCertVerificationError(verify_message=why):
                return Misconfigured(
                    self._told(f"its certificate is refused: {why}; see [mail] ca_file")
                )
        why = error.strerror or str(error) or type(error).__name__
        return TryAgain(self._told(why), away=True)

    def _told(self, text: str) -> str:
        return f"{self.host}:{self.port}: {text}"


def _address(smtp: smtplib.SMTP, sender: str, recipient: str) -> Outcome | None:
    code, answer = smtp.mail(sender)
    if code not in _OK:
        return _verdict(code, f"sender {sender}: {_answer(code, answer)}")
    code, answer = smtp.rcpt(recipient)
    if code in _OK:
        return None
    why = f"recipient {recipient}: {_answer(code, answer)}"
    if code >= _PERMANENT and code != _MAILBOX_FULL:
        return Never(why)
    return TryAgain(why, away=code == _CLOSING)


def _hand_over(smtp: smtplib.SMTP, content: bytes, say: Say) -> Outcome:
    _allow(smtp, _ACCEPT_TIMEOUT_S)
    say(f"* the mail has {len(content)} bytes")
    try:
        code, answer = smtp.data(content)
    except smtplib.SMTPDataError as error:
        return _refusal(error.smtp_code, error.smtp_error)
    except OSError as error:
        why = f"the connection ended while the mail was handed over: {error}"
        return TryAgain(why, uncertain=True, away=True)
    if code not in _OK:
        return _refusal(code, answer)
    _allow(smtp, _QUIT_TIMEOUT_S)
    with suppress(OSError):  # the mail is accepted already; smtplib's errors are OSErrors
        smtp.quit()
    return Sent()


def _refusal(code: int, answer: bytes | str) -> Outcome:
    why = f"the mail: {_answer(code, answer)}"
    return Refused(why) if code >= _PERMANENT else TryAgain(why, away=code == _CLOSING)


def _verdict(code: int, why: str) -> Outcome:
    """Judge an answer between the greeting and MAIL, where nothing is about one mail."""
    return Misconfigured(why) if code >= _PERMANENT else TryAgain(why, away=True)


def _discreet(say: Say, password: str | None) -> Say:
    """Let no answer of the server repeat our password."""
    if not password:
        return say
    return lambda line: say(line.replace(password, "***"))


def _allow(smtp: smtplib.SMTP, timeout_s: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(timeout_s)


def _answer(code: int, text: bytes | str) -> str:
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} " + "".join(c if c.isprintable() else " " for c in plain)[:200]
