"""The topic tree: no other module spells a topic.

Everything lies under ``<prefix>/v1/``. The third level says who writes: what is under
``node/<node>/`` is written by that node alone, so one access pattern covers it. `BRANCHES` is the
whole tree as a table, with who may publish and who may receive; building, parsing and documenting
topics and the broker's access list all read it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Final

VERSION: Final = "v1"
DEFAULT_PREFIX: Final = "rollcall"
SERVICES: Final = ("recorder", "alerts", "lcd", "dashboard", "admin", "homeassistant", "bridge")

_NODE_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_COLLECTOR: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RULE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TopicError(ValueError):
    """A name that cannot be part of a topic, or a topic that is not part of the tree."""


class Kind(StrEnum):
    """What a topic carries."""

    STATUS = "status"
    INFO = "info"
    METRICS = "metrics"
    BACKLOG = "backlog"
    APPLIED = "applied"
    EVENT = "event"
    NODE_REPLY = "node_reply"
    FLEET = "fleet"
    COMMAND = "command"
    RECEIPT = "receipt"
    ALERT = "alert"
    SERVICE_STATUS = "service_status"
    SERVICE_REPLY = "service_reply"


class Role(StrEnum):
    """Who takes part. `NODE` and `SERVICE` mean the very one that the topic names."""

    NODE = "node"
    SERVICE = "service"
    RECORDER = "recorder"
    ALERTS = "alerts"
    LCD = "lcd"
    DASHBOARD = "dashboard"
    HOMEASSISTANT = "homeassistant"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the topic tree.

    `levels` are the levels below the root; a level in angle brackets is a placeholder. An
    administrator may publish and receive on every branch, and is named where that is the rule.
    """

    kind: Kind
    levels: tuple[str, ...]
    writers: tuple[Role, ...]
    readers: tuple[Role, ...]
    retained: bool
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A topic filter outside the tree, and what roles may do there."""

    topic_filter: str
    writers: tuple[Role, ...]
    readers: tuple[Role, ...]


# They also hear what nodes say on topics that the tree does not know: the recorder reports it.
NODE_TREE_READERS: Final = (Role.RECORDER, Role.ALERTS, Role.DASHBOARD)
# The services that announce themselves and answer commands.
ANNOUNCED: Final = (Role.RECORDER, Role.ALERTS, Role.LCD, Role.DASHBOARD)
_EVERY_SERVICE: Final = (*ANNOUNCED, Role.HOMEASSISTANT)
_NODE: Final = (Role.NODE,)

BRANCHES: Final = (
    Branch(
        Kind.STATUS,
        ("node", "<node>", "status"),
        _NODE,
        (Role.NODE, *_EVERY_SERVICE),
        retained=True,
    ),
    Branch(Kind.INFO, ("node", "<node>", "info"), _NODE, _EVERY_SERVICE, retained=True),
    Branch(
        Kind.METRICS,
        ("node", "<node>", "metrics", "<collector>"),
        _NODE,
        _EVERY_SERVICE,
        retained=True,
        expiry_s=86_400,
    ),
    Branch(Kind.BACKLOG, ("node", "<node>", "backlog"), _NODE, NODE_TREE_READERS, retained=False),
    Branch(Kind.APPLIED, ("node", "<node>", "applied"), _NODE, NODE_TREE_READERS, retained=True),
    Branch(Kind.EVENT, ("node", "<node>", "event"), _NODE, NODE_TREE_READERS, retained=False),
    Branch(
        Kind.NODE_REPLY,
        ("node", "<node>", "reply", "<id>"),
        _NODE,
        NODE_TREE_READERS,
        retained=False,
    ),
    Branch(
        Kind.FLEET,
        ("control", "fleet"),
        (Role.ADMIN,),
        (Role.NODE, *_EVERY_SERVICE),
        retained=True,
    ),
    Branch(
        Kind.COMMAND,
        ("control", "command", "<name>"),
        (Role.ADMIN, Role.ALERTS),
        (Role.NODE, Role.SERVICE),
        retained=False,
        expiry_s=30,
    ),
    Branch(
        Kind.RECEIPT,
        ("receipt", "<node>"),
        (Role.RECORDER,),
        # A recorder looks for the receipts of a foreign database before it begins.
        (Role.NODE, Role.RECORDER, Role.DASHBOARD),
        retained=True,
    ),
    Branch(
        Kind.ALERT,
        ("alert", "<node>", "<rule>"),
        (Role.ALERTS,),
        _EVERY_SERVICE,
        retained=True,
    ),
    Branch(
        Kind.SERVICE_STATUS,
        ("service", "<name>", "status"),
        (Role.SERVICE,),
        _EVERY_SERVICE,
        retained=True,
    ),
    Branch(
        Kind.SERVICE_REPLY,
        ("service", "<name>", "reply", "<id>"),
        (Role.SERVICE,),
        (Role.ADMIN,),
        retained=False,
    ),
)
FOREIGN: Final = (
    Foreign("homeassistant/#", (Role.HOMEASSISTANT,), (Role.HOMEASSISTANT,)),
    Foreign("homeassistant/device/+/config", (Role.ADMIN,), (Role.ADMIN,)),
    Foreign("$SYS/#", (), (Role.RECORDER, Role.ALERTS, Role.DASHBOARD, Role.ADMIN)),
)
_BY_KIND: Final = {branch.kind: branch for branch in BRANCHES}


def is_service_name(name: str) -> bool:
    """Say whether `name` is reserved for a service: `recorder`, `recorder-2`, ..."""
    return any(name == service or name.startswith(f"{service}-") for service in SERVICES)


def role_of(user: str) -> Role:
    """Give the role of the MQTT user `user`: a service's, with or without suffix, or a node's."""
    services = (*_EVERY_SERVICE, Role.ADMIN)
    return next((role for role in services if f"{user}-".startswith(f"{role}-")), Role.NODE)


def is_node_name(name: str) -> bool:
    """Say whether `name` may be a node: the contract's pattern, and no service's name."""
    return _NODE_NAME.fullmatch(name) is not None and not is_service_name(name)


def node_name_from(hostname: str) -> str:
    """Make a node name of a host name: lower case, illegal characters to `-`.

    Raises TopicError when nothing legal is left of it or a service owns the name.
    """
    name = re.sub(r"[^a-z0-9-]+", "-", hostname.lower()).strip("-")[:63].strip("-")
    if not is_node_name(name):
        raise TopicError(
            f"host name {hostname!r} makes no node name; set [agent] node in rollcall.toml"
        )
    return name


def _is_name(text: str) -> bool:
    return _NODE_NAME.fullmatch(text) is not None


_ACCEPTS: Final[dict[str, Callable[[str], bool]]] = {
    "<node>": is_node_name,
    "<name>": _is_name,
    "<collector>": lambda text: _COLLECTOR.fullmatch(text) is not None,
    "<rule>": lambda text: _RULE.fullmatch(text) is not None,
    "<id>": lambda text: _ID.fullmatch(text) is not None,
}


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed topic: what it carries, whose it is, and the last placeholder if it has two."""

    kind: Kind
    name: str = ""
    leaf: str = ""


@dataclass(frozen=True)
class Topics:
    """The tree under one prefix (`[broker] prefix`). Raises TopicError for an illegal prefix."""

    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        if _PREFIX.fullmatch(self.prefix) is None:
            raise TopicError(
                f"prefix {self.prefix!r} is not one topic level of letters, digits, - and _"
            )

    @cached_property
    def root(self) -> str:
        """The first two levels: `rollcall/v1`."""
        return f"{self.prefix}/{VERSION}"

    @cached_property
    def nodes_filter(self) -> str:
        """The topic filter of all that nodes write, also of what the tree does not know."""
        return f"{self.root}/node/#"

    def node_filter(self, node: str) -> str:
        """Give the topic filter of all that one node writes. Raises TopicError."""
        if not is_node_name(node):
            raise TopicError(f"{node[:200]!r} cannot be a node")
        return f"{self.root}/node/{node}/#"

    def topic(self, kind: Kind, *names: str) -> str:
        """Build the topic of `kind`, filling its placeholders with `names` in order.

        Raises TopicError for a name that its place does not allow.
        """
        return self._fill(kind, names, wildcards=False)

    def topic_filter(self, kind: Kind, *names: str) -> str:
        """Build a topic filter of `kind`; a name may be the wildcard `+`.

        Raises TopicError for any other name that its place does not allow.
        """
        return self._fill(kind, names, wildcards=True)

    def places(self, kind: Kind) -> int:
        """Give how many names a topic of `kind` takes."""
        return sum(level in _ACCEPTS for level in _BY_KIND[kind].levels)

    def parse(self, topic: str) -> Address:
        """Take a topic apart. Raises TopicError when it is not one of the tree's."""
        return _parsed(self.root, topic)

    def _fill(self, kind: Kind, names: tuple[str, ...], *, wildcards: bool) -> str:
        levels = list(_BY_KIND[kind].levels)
        places = [i for i, level in enumerate(levels) if level in _ACCEPTS]
        if len(places) != len(names):
            raise TopicError(f"{kind} takes {len(places)} names, not {len(names)}")
        for place, name in zip(places, names, strict=True):
            if not (wildcards and name == "+") and not _ACCEPTS[levels[place]](name):
                raise TopicError(f"{name[:200]!r} cannot be the {levels[place]} of a {kind} topic")
            levels[place] = name
        return "/".join((self.root, *levels))


# The same topics come again and again; what is no topic of the tree is not remembered.
@lru_cache(maxsize=16_384)
def _parsed(root: str, topic: str) -> Address:
    if topic.startswith(f"{root}/"):
        levels = topic[len(root) + 1 :].split("/")
        for branch in BRANCHES:
            names = _match(branch.levels, levels)
            if names is not None:
                return Address(branch.kind, *names)
    raise TopicError(f"no topic of the tree under {root}: {topic[:200]!r}")


def _match(pattern: tuple[str, ...], levels: list[str]) -> tuple[str, ...] | None:
    if len(pattern) != len(levels):
        return None
    names = []
    for expected, level in zip(pattern, levels, strict=True):
        accepts = _ACCEPTS.get(expected)
        if accepts is None:
            if expected != level:
                return None
        elif accepts(level):
            names.append(level)
        else:
            return None
    return tuple(names)


def shared_filter(group: str, topic_filter: str) -> str:
    """Give the filter by which the members of `group` divide the messages of `topic_filter`."""
    return f"$share/{group}/{topic_filter}"


def branch_of(kind: Kind) -> Branch:
    """Give the line of the tree for `kind`: who writes and reads it, retention, expiry."""
    return _BY_KIND[kind]
