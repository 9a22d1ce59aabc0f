"""One round of a command: told to all nodes that are meant, and their replies as they come."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from pydantic import JsonValue

from rollcall.broker.client import BrokerClient
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import REPLY, STATUS, Command, Offline, Reply, encode
from rollcall.broker.session import Arrived, BrokerError, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics, branch_of
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.service.settings import Broker

_CONNECTED_WITHIN_S: Final = 5.0
_WILDCARDS: Final = frozenset("*?[")
_ANY: Final = "+"


@dataclass(frozen=True, slots=True)
class Answered:
    """A node's reply, and how long it took, in seconds."""

    node: str
    reply: Reply
    took_s: float


@dataclass(slots=True)
class Round:
    """Who answered, in that order; who said nothing in time; who is offline and was not asked."""

    answered: list[Answered] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    offline: list[str] = field(default_factory=list)


def meant(patterns: Sequence[str], known: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """Give the nodes that `patterns` mean: those to ask, and those that are offline.

    `known` says of every node whether it is online. Raises CommandError for a name or pattern that
    means none.
    """
    found: set[str] = set()
    for pattern in patterns:
        fits = {name for name in known if fnmatchcase(name, pattern)}
        if not fits:
            what = "no node fits" if _WILDCARDS & set(pattern) else "no such node:"
            raise CommandError(f"{what} {pattern}", "rollcall status")
        found |= fits
    return sorted(n for n in found if known[n]), sorted(n for n in found if not known[n])


class CommandRound:
    """Tells one command to nodes; a context manager, connected within. `heard` gets each reply.

    Entering raises CommandError with exit code 5 when the broker does not answer.
    """

    def __init__(self, broker: Broker, heard: Callable[[Answered], None]) -> None:
        self._broker = broker
        self._heard = heard
        self._id = secrets.token_hex(8)
        self._topics = Topics(broker.prefix)
        self._status: dict[str, bool] = {}
        self._replies: list[tuple[str, Reply]] = []

    def run(
        self, patterns: Sequence[str], command: str, keys: Mapping[str, JsonValue], timeout_s: float
    ) -> Round:
        """Tell `command` with its own `keys`; wait at most `timeout_s` for the replies."""
        filters = [
            self._topics.topic_filter(Kind.STATUS, _ANY),
            self._topics.topic_filter(Kind.NODE_REPLY, _ANY, self._id),
        ]
        client = BrokerClient(
            self._broker, client_id="", subscriptions=[(name, 0) for name in filters]
        )
        try:
            with client:
                self._connect(client)
                asked, offline = meant(patterns, self._status)
                return self._ask(client, asked, offline, (command, keys), timeout_s)
        except BrokerError as error:
            raise CommandError(str(error), "rollcall broker check", EXIT_OUT_OF_REACH) from error

    def _connect(self, client: BrokerClient) -> None:
        why = "no answer"
        until_s = time.monotonic() + _CONNECTED_WITHIN_S
        while (left_s := until_s - time.monotonic()) > 0:
            match client.receive(min(left_s, 0.5)):
                case Arrived() as arrived:
                    self._read(arrived)
                case Ready():
                    return
                case Lost(reason):
                    why = reason
                    break
        raise CommandError(
            f"the broker at {self._broker.host}:{self._broker.port} is out of reach: {why}",
            "rollcall up, or set [broker] host and port in rollcall.toml",
            EXIT_OUT_OF_REACH,
        )

    def _ask(
        self,
        client: BrokerClient,
        asked: list[str],
        offline: list[str],
        command: tuple[str, Mapping[str, JsonValue]],
        timeout_s: float,
    ) -> Round:
        done = Round(silent=list(asked), offline=offline)
        untold = list(asked)
        began_s = time.monotonic()
        while done.silent and (left_s := began_s + timeout_s - time.monotonic()) > 0:
            while untold and self._tell(client, untold[0], *command):
                untold.pop(0)
            if client.publish_failures:
                why = "the broker lets this identity give no commands"
                raise CommandError(why, "--config with the file of the identity admin")
            item = client.receive(min(left_s, 0.2))
            if isinstance(item, Arrived):
                self._read(item)
            for node, reply in self._replies:
                if node in done.silent:
                    done.silent.remove(node)
                    answer = Answered(node, reply, time.monotonic() - began_s)
                    done.answered.append(answer)
                    self._heard(answer)
            self._replies.clear()
        return done

    def _tell(
        self, client: BrokerClient, node: str, command: str, keys: Mapping[str, JsonValue]
    ) -> bool:
        lasts_s = branch_of(Kind.COMMAND).expiry_s
        told = {"id": self._id, "command": command, "expires": time.time() + (lasts_s or 0), **keys}
        return client.publish(
            self._topics.topic(Kind.COMMAND, node),
            encode(Command.model_validate(told)),
            expiry_s=lasts_s,
        )

    def _read(self, arrived: Arrived) -> None:
        try:
            address = self._topics.parse(arrived.topic)
            if address.kind is Kind.NODE_REPLY:
                reply = REPLY.decode(arrived.payload)
                if reply.id == self._id:
                    self._replies.append((address.name, reply))
            elif arrived.payload:
                offline = isinstance(STATUS.decode(arrived.payload), Offline)
                self._status[address.name] = not offline
        except (TopicError, DecodeError):
            # What cannot be read is no answer; a node without a readable status is not known.
            return
