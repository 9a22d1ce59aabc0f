"""Webhooks: each message as JSON to a URL, signed, so that its receiver knows who sent it.

The signature is the HMAC-SHA256 (RFC 2104) of the body's bytes with the shared secret, in hex, in
the header `Rollcall-Signature: sha256=...`. `Rollcall-Id` is the same in every attempt: whoever has
seen it has the message already.
"""

import hashlib
import hmac
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import rollcall
from rollcall.alerts.delivery import Misconfigured, Never, Outcome, Sent, TryAgain
from rollcall.alerts.grouping import Member
from rollcall.alerts.letter import letter_of
from rollcall.alerts.mail import Letterhead
from rollcall.alerts.notice import Notice

SIGNATURE: Final = "Rollcall-Signature"
IDENTITY: Final = "Rollcall-Id"
_TIMEOUT_S: Final = 30.0
_LATER: Final = frozenset({408, 425, 429})
_REFUSED_LOGIN: Final = frozenset({401, 403, 404, 407})
_REDIRECTED, _OUR_FAULT, _SERVERS_FAULT = 300, 400, 500


def body_of(notice: Notice, head: Letterhead, message_id: str) -> bytes:
    """Write a notice as the JSON document that webhooks get."""
    incident = notice.incident
    letter = letter_of(notice)
    document = {
        "schema": 1,
        "id": message_id.strip("<>"),
        "kind": notice.kind.value,
        "state": letter.state,
        "cluster": head.cluster,
        "incident": incident.id,
        "sequence": incident.mails + 1,
        "severity": incident.severity,
        "title": letter.title,
        "text": letter.headline,
        "time": notice.at,
        "alerts": [
            _alert(member, notice)
            for member in (*incident.firing, *incident.ended)
            if member.key not in notice.suppressed
        ],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: bytes, body: bytes) -> str:
    """Give the value of the header `Rollcall-Signature`."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that takes messages; `secret` signs them."""

    url: str
    secret: bytes | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def deliver(self, _recipient: str, content: bytes) -> Outcome:
        """POST one message. Blocks for half a minute at worst; raises nothing of the network."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"rollcall/{rollcall.__version__}",
            IDENTITY: json.loads(content)["id"],
        }
        if self.secret is not None:
            headers[SIGNATURE] = signature(self.secret, content)
        request = urllib.request.Request(self.url, content, headers, method="POST")  # noqa: S310 - settings allow http and https only
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            opener = urllib.request.build_opener(
                _NoRedirects(), urllib.request.HTTPSHandler(context=context)
            )
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                return _verdict(answer.status, answer.reason)
        except urllib.error.HTTPError as error:
            with error:
                return _verdict(error.code, error.reason)
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                why = error.reason.verify_message
                return Misconfigured(f"its certificate is refused: {why}")
            return TryAgain(str(error.reason), away=True)
        except (OSError, http.client.HTTPException) as error:
            return TryAgain(f"no answer: {error}", uncertain=True, away=True)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follow nobody: what is signed for one place goes to no other."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        """Refuse."""


def _verdict(status: int, reason: str) -> Outcome:
    why = f"{status} {reason}"[:200]
    if status < _REDIRECTED:
        return Sent()
    if status in _LATER or status >= _SERVERS_FAULT:
        return TryAgain(why, away=True)
    if status in _REFUSED_LOGIN or status < _OUR_FAULT:
        return Misconfigured(why)
    return Never(why)


def _alert(member: Member, notice: Notice) -> dict[str, Any]:
    rule = notice.rules.get(member.key.rule)
    return {
        "rule": member.key.rule,
        "node": member.key.node,
        "instance": member.key.instance,
        "state": "firing" if member.fires else "ended",
        "reason": member.reason or None,
        "metric": rule.metric if rule else None,
        "value": member.value,
        "threshold": rule.threshold if rule else None,
        "since": member.since,
        "until": member.ended_at,
        "summary": member.summary,
    }
