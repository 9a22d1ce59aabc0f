"""Putting a document into force: published only over the one that was seen, and waited for.

Two administrators may do this at once. MQTT knows no condition on publishing, so the document in
force is read again at the last moment; who still meets another one is told.
"""

import time
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from rollcall.broker.codec import DecodeError
from rollcall.broker.fleet.published import digest, sealed
from rollcall.broker.messages import APPLIED, FLEET, Fleet, encode
from rollcall.broker.session import Arrived
from rollcall.broker.topics import Kind, branch_of
from rollcall.console.fleet_answers import Answers
from rollcall.console.fleet_situation import Situation, situation_of
from rollcall.console.gather import OF_NODES, Link, linked
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.service.lifecycle import EXIT_CONFIGURATION
from rollcall.service.settings import Broker

_TAKEN_WITHIN_S: Final = 5.0


def already_in_force(seen: Situation, document: Mapping[str, JsonValue]) -> Answers | None:
    """Give what nodes have answered to this very document, if it is in force; else None."""
    if seen.in_force is None or seen.in_force.digest != digest(document):
        return None
    answers = Answers(seen.in_force)
    for view in seen.views.values():
        answers.ask(view)
    return answers


def put_into_force(
    broker: Broker,
    seen: Situation,
    document: Mapping[str, JsonValue],
    *,
    file: str | None = None,
    lines: Mapping[str, int] | None = None,
    timeout_s: float,
) -> Answers:
    """Publish a document over the one `seen`, and give what nodes answer within `timeout_s`.

    Raises CommandError when another one is in force by now, or comes into force meanwhile, and
    when the broker does not take it.
    """
    with linked(broker, OF_NODES) as link:
        present = situation_of(link.cluster)
        if _mark(present.in_force) != _mark(seen.in_force):
            raise _overtaken(present.in_force, "nothing was published")
        message = sealed(document, present.next_revision, file=file, lines=lines)
        answers = Answers(message)
        for view in present.views.values():
            answers.ask(view)
        _publish(link, message)
        deadline_s = time.monotonic() + timeout_s
        while answers.waiting and (left_s := deadline_s - time.monotonic()) > 0:
            _hear(link, message, answers, min(left_s, 0.5))
        return answers


def _publish(link: Link, message: Fleet) -> None:
    """Publish, and wait until it comes back: then it is what all others have, too."""
    topic, payload = link.topics.topic(Kind.FLEET), encode(message)
    try:
        sent = link.client.publish(topic, payload, retain=branch_of(Kind.FLEET).retained)
    except ValueError as error:
        raise CommandError(
            f"the document is too large: {error}", "shorten it", EXIT_CONFIGURATION
        ) from error
    deadline_s = time.monotonic() + _TAKEN_WITHIN_S
    while sent and time.monotonic() < deadline_s and not link.client.publish_failures:
        item = link.hear(0.1)
        if isinstance(item, Arrived) and item.topic == topic:
            if item.payload == payload:
                return
            raise _overtaken(_decoded(item.payload), "yours came at the same moment; look who won")
    if link.client.publish_failures:
        raise CommandError(
            "the broker does not let us publish the fleet document",
            "the identity of an administrator: [broker] username or certificate_file",
        )
    raise CommandError(
        "the broker does not take the document", "rollcall fleet show", EXIT_OUT_OF_REACH
    )


def _hear(link: Link, message: Fleet, answers: Answers, timeout_s: float) -> None:
    item = link.hear(timeout_s)
    address = link.address_of(item) if isinstance(item, Arrived) else None
    if not isinstance(item, Arrived) or address is None:
        return
    if address.kind is Kind.FLEET:
        found = _decoded(item.payload)
        if _mark(found) != _mark(message):
            raise _overtaken(found, f"revision {message.revision} was yours, and is overwritten")
    elif address.kind is Kind.APPLIED and item.payload:
        try:
            answers.hear(address.name, APPLIED.decode(item.payload))
        except DecodeError:
            return


def _decoded(payload: bytes) -> Fleet | None:
    try:
        return FLEET.decode(payload) if payload else None
    except DecodeError:
        return None


def _mark(fleet: Fleet | None) -> tuple[int, str] | None:
    return None if fleet is None else (fleet.revision, fleet.digest)


def _overtaken(found: Fleet | None, consequence: str) -> CommandError:
    what = "no document any more" if found is None else f"revision {found.revision}"
    return CommandError(
        f"somebody else changed the fleet meanwhile: {what} is in force; {consequence}",
        "rollcall fleet show, then rollcall fleet diff FILE, and apply again",
    )
