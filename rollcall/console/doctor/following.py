"""Gather what is known of one node's way from its sensors to the database."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from rollcall.broker.messages import ServiceOnline
from rollcall.broker.topics import Role, Topics, role_of
from rollcall.console.doctor import examination, stored
from rollcall.console.doctor.broker_checks import Failure
from rollcall.console.doctor.journey import JourneySeen
from rollcall.console.doctor.place import Place
from rollcall.console.gather import now
from rollcall.console.options import Options


def follow(
    options: Options,
    node: str,
    *,
    wait: Callable[[str], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
    root: Path = Path("/"),
) -> JourneySeen:
    """Hear the node live if it comes within some seconds, and ask the database. Raises ConfigError.

    What is away is part of what is given.
    """
    place = Place.of(options, root)
    seen, listened = examination.go_to_broker(place, only=node, wait=wait)
    topics = Topics(place.settings.broker.prefix)
    url = stored.url_of(place.settings.recorder, by_unit="recorder" in place.roles)
    # After the broker: what was heard there should be stored by now.
    found = stored.look_at_node(url, topics.node_filter(node).removesuffix("#"), node)
    start = examination.starting(place).start("recorder")
    if listened is None:
        unasked = f"the broker was asked nothing in the name of {seen.unasked}"
        failure = seen.failure or Failure(unasked, f"rollcall doctor --config {seen.admin}")
        return JourneySeen(node, now(), None, found, failure=failure, start_recorder=start)
    view = listened.cluster.node(node, listened.now)
    services = listened.cluster.services.items()
    recorders = [status for name, status in services if role_of(name) is Role.RECORDER]
    receipt, arrived_s = listened.receipts.get(node, (None, None))
    return JourneySeen(
        node,
        listened.now,
        view,
        found,
        receipt=receipt,
        receipt_arrived_s=arrived_s,
        recorder=next((one for one in recorders if isinstance(one, ServiceOnline)), None),
        drift=listened.cluster.drift(view) if view else None,
        start_recorder=start,
    )
