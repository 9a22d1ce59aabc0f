"""The node's side of joining: ask the hub, over TLS, after checking that it is the hub.

No authority vouches for the key that answers; the invitation carries its pin. Nothing is sent, not
even the token, before the key has been found to be that one.
"""

import hmac
import json
import ssl
from http.client import HTTPException, HTTPSConnection
from typing import Final

from rollcall.broker.certificates import CredentialError, public_key_pin
from rollcall.broker.enrolment import (
    LONGEST_MESSAGE_BYTES,
    EnrolmentError,
    Invitation,
    JoinRequest,
    Welcome,
    decode_welcome,
)

_ANSWERS_WITHIN_S: Final = 15.0
_LONGEST_REASON: Final = 400
_OK: Final = 200


def ask(invitation: Invitation, request_pem: str) -> Welcome:
    """Ask to be let in, once. Raises EnrolmentError; its text says what to try."""
    connection = _PinnedConnection(invitation)
    headers = {
        "Authorization": f"Bearer {invitation.token}",
        "Content-Type": "application/json",
    }
    body = JoinRequest(request=request_pem).model_dump_json()
    try:
        connection.request("POST", invitation.path, body=body, headers=headers)
        answer = connection.getresponse()
        status, text = answer.status, answer.read(LONGEST_MESSAGE_BYTES)
    except (OSError, HTTPException) as error:
        raise EnrolmentError(
            f"{invitation.host}:{invitation.port} does not let us in: {_why(error)}; an invitation "
            f"is good once and for 15 minutes; try on the hub: rollcall node add {invitation.node}"
        ) from error
    finally:
        connection.close()
    if status != _OK:
        raise EnrolmentError(f"the hub refuses: {_reason(text)}")
    return decode_welcome(text, invitation.node)


class _PinnedConnection(HTTPSConnection):
    """An HTTPS connection to exactly the key that the invitation names."""

    def __init__(self, invitation: Invitation) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the pin below says more than a name
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        super().__init__(
            invitation.host, invitation.port, timeout=_ANSWERS_WITHIN_S, context=context
        )
        self._pin = invitation.pin

    def connect(self) -> None:
        """Connect, and close at once unless the pinned key answers. Raises EnrolmentError."""
        super().connect()
        assert isinstance(self.sock, ssl.SSLSocket)
        shown = self.sock.getpeercert(binary_form=True) or b""
        try:
            matches = hmac.compare_digest(public_key_pin(shown), self._pin)
        except CredentialError:
            matches = False
        if not matches:
            self.close()
            raise EnrolmentError(
                f"{self.host}:{self.port} is not the hub of this invitation: its key is another "
                "one. Nothing was sent. Somebody may be in between, or the invitation is an old "
                "one; try on the hub: rollcall node add"
            )


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or "no answer"


def _reason(text: bytes) -> str:
    try:
        told = str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        told = "it does not say why"
    return "".join(char if char.isprintable() else " " for char in told[:_LONGEST_REASON])
