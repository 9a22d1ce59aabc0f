"""How a node is let in: an invitation, what is asked for with it, and what is given.

The hub invites one node by name. The invitation is one line of text with everything the node needs:
where to ask, the pin of the key that answers there, and a token that is good once and for a short
time. The node makes its key itself and asks for a certificate; the name in it is that of the
invitation, whatever the request says. Pure: time is an argument.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rollcall.broker.topics import DEFAULT_PREFIX, is_node_name

VALID_S: Final = 900.0
LONGEST_MESSAGE_BYTES: Final = 65_536
FORMAT: Final = 1

_TOKEN_BYTES: Final = 16
_LINE: Final = re.compile(
    r"https://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253}):(?P<port>[0-9]{1,5})"
    r"/join/(?P<node>[a-z0-9-]{1,63})#(?P<token>[A-Za-z0-9_-]{22})\.(?P<pin>[A-Za-z0-9_-]{43})"
)
_HIGHEST_PORT: Final = 65_535

_Pem = Annotated[str, Field(max_length=20_000)]


class EnrolmentError(RuntimeError):
    """A node cannot be let in, or was not; the text says why and what to try."""


class RefusedError(EnrolmentError):
    """The hub refuses what was asked; `status` is the HTTP status code that says so."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a node has to be told to join. Its text is what people carry from hub to node.

    `pin` is the SHA-256 of the public key that answers at `host`:`port`, `token` the secret.
    """

    host: str
    port: int
    node: str
    pin: str
    token: str = field(repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}/join/{self.node}#{self.token}.{self.pin}"

    @property
    def path(self) -> str:
        """Where at the hub to ask."""
        return f"/join/{self.node}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an invitation. Raises EnrolmentError when it is none, or was cut short."""
        found = _LINE.fullmatch(text.strip())
        if found is None or not is_node_name(found["node"]) or int(found["port"]) > _HIGHEST_PORT:
            raise EnrolmentError(
                "this is no invitation; it is one line that begins with https:// and holds a #; "
                "copy it whole, in quotes, as rollcall node add prints it"
            )
        return cls(
            host=found["host"].strip("[]"),
            port=int(found["port"]),
            node=found["node"],
            pin=found["pin"],
            token=found["token"],
        )


def new_token() -> str:
    """Draw a token of 128 bits: 22 characters that need no quoting."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


@dataclass
class Admission:
    """Whether a token lets a node in: for one name, once, and until `ends_s` (monotonic seconds).

    It keeps the token's hash only. Not for several threads at once: lock around it.
    """

    node: str
    token_hash: bytes
    ends_s: float
    used: bool = False

    @classmethod
    def of(cls, node: str, token: str, now_s: float, valid_s: float = VALID_S) -> Self:
        """Admit `node` with `token` for `valid_s` seconds from `now_s` on."""
        return cls(node, _hash(token), now_s + valid_s)

    def check(self, node: str, token: str, now_s: float) -> None:
        """Raise RefusedError unless `token` lets `node` in at `now_s`.

        What is wrong is told only to whoever holds the token.
        """
        if not hmac.compare_digest(_hash(token), self.token_hash):
            raise RefusedError(403, "this token is not valid here; try on the hub: "
                               "rollcall node add")  # fmt: skip
        if node != self.node:
            raise RefusedError(403, f"this token is for {self.node} and for no other node; "
                               f"try on the hub: rollcall node add {node}")  # fmt: skip
        if self.used:
            raise RefusedError(410, "this token was used already; if that was not you, remove the "
                               f"node at once: rollcall node remove {node}; else try on the hub: "
                               f"rollcall node renew {node}")  # fmt: skip
        if now_s >= self.ends_s:
            raise RefusedError(410, "this token has expired; try on the hub: "
                               f"rollcall node add {node}")  # fmt: skip


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class JoinRequest(_Message):
    """What a node asks: to have its key certified."""

    format: int = FORMAT
    request: _Pem


class Welcome(_Message):
    """What a node is given: where the broker is, and what the broker knows it by.

    With a `certificate` it needs no password; with a `password`, no certificate.
    """

    format: int = FORMAT
    node: str
    host: str
    port: Annotated[int, Field(ge=1, le=_HIGHEST_PORT)]
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = DEFAULT_PREFIX
    authority: _Pem
    certificate: _Pem | None = None
    password: Annotated[str, Field(max_length=200)] | None = None


class Bundle(_Message):
    """A welcome with the key that was made for it: a node that joins without a network."""

    welcome: Welcome
    key: _Pem | None = None


def decode_request(body: bytes) -> JoinRequest:
    """Read what a node asks. Raises RefusedError."""
    try:
        return JoinRequest.model_validate_json(body)
    except ValidationError as error:
        raise RefusedError(400, "this is no request to join") from error


def decode_welcome(body: bytes, node: str) -> Welcome:
    """Read what the hub gives to `node`. Raises EnrolmentError."""
    try:
        welcome = Welcome.model_validate_json(body)
    except ValidationError as error:
        raise EnrolmentError("the hub's answer cannot be read; is it a newer version?") from error
    return _checked(welcome, node)


def decode_bundle(body: bytes) -> Bundle:
    """Read a bundle. Raises EnrolmentError."""
    try:
        bundle = Bundle.model_validate_json(body)
    except ValidationError as error:
        raise EnrolmentError("this file is no bundle; try: rollcall node add --bundle") from error
    _checked(bundle.welcome, bundle.welcome.node)
    return bundle


def _checked(welcome: Welcome, node: str) -> Welcome:
    if welcome.format != FORMAT:
        raise EnrolmentError(
            f"the hub speaks format {welcome.format}, this version {FORMAT}; upgrade this node"
        )
    if welcome.node != node or not is_node_name(node):
        raise EnrolmentError(f"the hub's answer is not for {node}")
    if (welcome.certificate is None) == (welcome.password is None):
        raise EnrolmentError("the hub's answer holds neither or both of certificate and password")
    return welcome


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
