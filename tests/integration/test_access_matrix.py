"""Who may publish and receive what, tried out in full: every role, every topic, both profiles.

The table is the contract's, written down here by hand. What the real broker does, and what the
generated access list says, are both compared with it.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from rollcall.broker.client.probe import NOT_AUTHORIZED, Probe
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.topics import BRANCHES, TopicError, Topics
from tests.support.access import AccessList
from tests.support.own_broker import OwnBroker
from tests.support.waiting import wait_until

R = "rollcall/v1"
NODES = ("n1", "n2")
ALL = ("recorder", "alerts", "lcd", "dashboard", "homeassistant")
DEEP = ("recorder", "alerts", "dashboard")
ROLES = (*NODES, *ALL, "admin", "recorder-2")

# topic: who publishes, who receives. `recorder-2` is a second recorder, `admin` is below the root
# everywhere but in the name of a node called admin.
CONTRACT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    f"{R}/node/n1/status": (("n1",), ("n1", *ALL)),
    f"{R}/node/n1/info": (("n1",), ALL),
    f"{R}/node/n1/metrics/cpu": (("n1",), ALL),
    f"{R}/node/n1/backlog": (("n1",), DEEP),
    f"{R}/node/n1/applied": (("n1",), DEEP),
    f"{R}/node/n1/event": (("n1",), DEEP),
    f"{R}/node/n1/reply/x": (("n1",), DEEP),
    f"{R}/node/n1/other": ((), DEEP),
    f"{R}/node/n1": ((), DEEP),
    f"{R}/node/n1/metrics/cpu/x": ((), DEEP),
    f"{R}/control/fleet": ((), (*NODES, *ALL)),
    f"{R}/control/command/n1": (("alerts",), ("n1",)),
    f"{R}/control/command/lcd": (("alerts",), ("lcd",)),
    f"{R}/control/other": ((), ()),
    f"{R}/receipt/n1": (("recorder",), ("n1", "recorder", "dashboard")),
    f"{R}/alert/n1/hot": (("alerts",), ALL),
    f"{R}/alert/n1": ((), ()),
    **{
        f"{R}/service/{name}/status": ((name,), ALL)
        for name in ("recorder", "alerts", "lcd", "dashboard")
    },
    **{
        f"{R}/service/{name}/reply/x": ((name,), ())
        for name in ("recorder", "alerts", "lcd", "dashboard")
    },
    f"{R}/service/homeassistant/status": ((), ALL),
    f"{R}/service/n1/status": ((), ALL),
    f"{R}/service/lcd/other": ((), ()),
    **{
        f"{R}/node/{name}/status": ((), tuple(role for role in ALL if role != name)) for name in ALL
    },
    "homeassistant/device/rollcall_n1/config": (("homeassistant",), ("homeassistant",)),
    "homeassistant/status": (("homeassistant",), ("homeassistant",)),
    "rollcall/v2/node/n1/status": ((), ()),
    "elsewhere": ((), ()),
    "$CONTROL/x": ((), ()),
}
NOBODYS = f"{R}/node/admin/status"
ADMINS = "homeassistant/device/rollcall_n1/config"
UPTIME = "$SYS/broker/uptime"


def publishers(topic: str) -> set[str]:
    return set(CONTRACT[topic][0]) | _more(topic, CONTRACT[topic][0])


def receivers(topic: str) -> set[str]:
    return set(CONTRACT[topic][1]) | _more(topic, CONTRACT[topic][1])


def _more(topic: str, roles: tuple[str, ...]) -> set[str]:
    """The administrator, and the second recorder where it does what every recorder does."""
    found = {"admin"} if topic.startswith(f"{R}/") or topic == ADMINS else set()
    by_name = topic.startswith((f"{R}/service/recorder/", f"{R}/node/recorder/"))
    if "recorder" in roles and not (by_name and roles == ("recorder",)):
        found.add("recorder-2")
    if topic == f"{R}/node/recorder/status" and roles:
        # Only its own name is closed to it.
        found.add("recorder-2")
    return found


@dataclass(frozen=True)
class Outcome:
    """What the real broker let happen: topics by role."""

    published: dict[str, set[str]]
    received: dict[str, set[str]]


@pytest.fixture(scope="module", params=[Profile.TLS, Profile.PASSWORD])
def broker(request: pytest.FixtureRequest) -> Iterator[OwnBroker]:
    with OwnBroker(request.param, services=["recorder-2"]) as running:
        running.let_in(*NODES)
        yield running


@pytest.fixture(scope="module")
def outcome(broker: OwnBroker) -> Outcome:
    """Every role is there at once, subscribed to everything, and publishes on every topic."""
    topics = [*CONTRACT, NOBODYS]
    published: dict[str, set[str]] = {}
    with ExitStack() as stack:
        probes = {name: stack.enter_context(Probe(broker.door(name))) for name in ROLES}
        for probe in probes.values():
            probe.subscribe("#", "$SYS/#", "$CONTROL/#")
        heard: dict[str, set[str]] = {name: set() for name in ROLES}
        for name, probe in probes.items():
            reasons = probe.publish_all([(topic, name.encode()) for topic in topics])
            pairs = zip(topics, reasons, strict=True)
            published[name] = {topic for topic, reason in pairs if reason != NOT_AUTHORIZED}
        for name, probe in probes.items():
            probe.settle()
            heard[name] |= {message.topic for message in probe.heard()}
        # The broker tells its uptime every ten seconds.
        wait_until(lambda: _hears(probes["admin"], heard["admin"], UPTIME), 15, what="uptime")
        for name, probe in probes.items():
            probe.settle()
            heard[name] |= {message.topic for message in probe.heard()}
    return Outcome(published, heard)


def _hears(probe: Probe, heard: set[str], topic: str) -> bool:
    heard |= {message.topic for message in probe.heard()}
    return topic in heard


@pytest.mark.parametrize("topic", CONTRACT)
def test_only_they_publish(outcome: Outcome, topic: str) -> None:
    found = {name for name in ROLES if topic in outcome.published[name]}
    assert found == publishers(topic)


@pytest.mark.parametrize("topic", [topic for topic in CONTRACT if publishers(topic)])
def test_only_they_receive(outcome: Outcome, topic: str) -> None:
    found = {name for name in ROLES if topic in outcome.received[name]}
    assert found == receivers(topic)


def test_only_they_receive_what_the_broker_says_of_itself(outcome: Outcome) -> None:
    found = {name for name in ROLES if UPTIME in outcome.received[name]}
    assert found == {"recorder", "recorder-2", "alerts", "dashboard", "admin"}


def test_nobody_speaks_as_a_node_called_admin(outcome: Outcome) -> None:
    assert not any(NOBODYS in topics for topics in outcome.published.values())


@pytest.mark.parametrize("topic", [*CONTRACT, NOBODYS, UPTIME])
def test_the_broker_does_what_its_access_list_says(
    broker: OwnBroker, outcome: Outcome, topic: str
) -> None:
    says = AccessList(broker.opened.access_file.read_text())
    is_sent = topic == UPTIME or any(topic in topics for topics in outcome.published.values())
    for name in ROLES:
        assert (topic in outcome.published[name]) == says.may(name, "write", topic), name
        if is_sent:
            assert (topic in outcome.received[name]) == says.may(name, "read", topic), name


def test_the_table_has_every_branch_of_the_tree() -> None:
    topics = Topics()
    kinds = set()
    for topic in CONTRACT:
        try:
            kinds.add(topics.parse(topic).kind)
        except TopicError:
            continue
    assert kinds == {branch.kind for branch in BRANCHES}
