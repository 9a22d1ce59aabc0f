"""The agent as a program: its arguments, and the real things that it runs on."""

import argparse
import logging
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rollcall.broker.session import BrokerError, Endpoint, Session
from rollcall.broker.topics import Kind, TopicError, Topics, is_node_name, node_name_from
from rollcall.node_agent import farewell, plugins
from rollcall.node_agent.agent import Agent
from rollcall.node_agent.announcement import NodeAnnouncement
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.facts import boot_id, hostname, identity
from rollcall.node_agent.host import Host, LinuxHost
from rollcall.node_agent.lean import without
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spool_file import SpoolError
from rollcall.node_agent.steering import Wanted, wanted_here
from rollcall.service import lifecycle
from rollcall.service.config import ConfigError, Fault
from rollcall.service.lock import ProcessLock
from rollcall.service.notify import Notifier
from rollcall.service.settings import Agent as AgentSettings
from rollcall.service.settings import Settings

if TYPE_CHECKING:
    from rollcall.broker.client import BrokerClient

_log = logging.getLogger(__name__)

_SESSION_EXPIRY_S = 300


def node_name(configured: str | None, host: Host) -> str:
    """Give the configured name, or one made of the host's. Raises ConfigError."""
    if configured is not None and not is_node_name(configured):
        fault = f"[agent] node: {configured!r} cannot be a node name; use letters, digits and -"
        raise ConfigError("the settings", [Fault("", fault)])
    try:
        return configured or node_name_from(hostname(host))
    except TopicError as error:
        raise ConfigError("the settings", [Fault("", str(error))]) from error


def collected(settings: AgentSettings) -> Wanted:
    """Give what is to be collected here. Raises ConfigError."""
    found, problems = plugins.sources(settings, (each.name for each in DECLARATIONS))
    for problem in problems:
        _log.error("%s", problem)
    wanted, faults = wanted_here(settings, found, problems)
    if faults:
        raise ConfigError("the settings", [Fault("", f"[agent] {fault}") for fault in faults])
    return wanted


def body(settings: Settings, arguments: argparse.Namespace, stop: threading.Event) -> None:
    """Open the real things and run the agent on them."""
    host = _host(arguments.simulate)
    node = node_name(settings.agent.node, host)
    topics = Topics(settings.broker.prefix)
    wanted = collected(settings.agent)
    folder = settings.agent.state_dir
    notifier = Notifier()
    with ExitStack() as stack:
        try:
            stack.enter_context(ProcessLock(folder / "agent.lock", f"the agent of {node}"))
        except OSError as error:
            _log.warning("a second agent would not be noticed: %s", error)
        spool = stack.enter_context(Spool(folder, boot=boot_id(host), identity=identity(host)))
        announcement = NodeAnnouncement(
            topics,
            node,
            next_session=spool.next_session,
            wall_s=host.wall_s,
            epoch=spool.epoch,
            seq=spool.last_seq,
            interval_s=settings.agent.interval,
            reason=farewell.reason_now,
        )
        client = client_for(settings.broker)(
            settings.broker,
            client_id=node,
            subscriptions=[
                (announcement.topic, 1),
                (topics.topic(Kind.FLEET), 1),
                (topics.topic(Kind.COMMAND, node), 1),
                (topics.topic(Kind.RECEIPT, node), 1),
            ],
            announcement=announcement,
            session=Session(expiry_s=_SESSION_EXPIRY_S),
            watchdog=lambda: notifier.beat(lambda: _status(client)),
        )
        Agent(
            topics=topics,
            node=node,
            settings=settings.agent,
            host=host,
            spool=spool,
            client=stack.enter_context(client),
            announcement=announcement,
            wanted=wanted,
        ).run(stop, notifier.ready)


def client_for(endpoint: Endpoint) -> "type[BrokerClient]":
    """Import the client: paho looks for a web proxy with the first, and may do without TLS."""
    tls = ("ssl",) if endpoint.ca_file is None else ()
    with without("urllib.request", *tls):
        from rollcall.broker.client import BrokerClient  # noqa: PLC0415 - when it is known how

    return BrokerClient


def _status(client: "BrokerClient") -> str:
    return "connected" if client.ready else "waits for the broker, and keeps what it reads"


def _host(seed: int | None) -> Host:
    if seed is None:
        return LinuxHost()
    # Imported here: a real host does without it, and memory is what an agent has to save.
    from rollcall.node_agent.simulation import SimulatedHost  # noqa: PLC0415 - see above

    return SimulatedHost(seed)


def main() -> int:
    """Run until told to stop; give the exit code."""
    parser = lifecycle.parser("agent", "Reads this host and publishes what it finds.")
    parser.add_argument("--simulate", type=int, metavar="SEED", help="read a made-up host instead")
    return lifecycle.run(parser, body, expected=(BrokerError, SpoolError))
