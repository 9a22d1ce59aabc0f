"""What the agent reads, one subject a file; this is the list of them."""

from collections.abc import Callable
from typing import Any, Final

from rollcall.node_agent.account import Account
from rollcall.node_agent.collectors.agent import AgentItself
from rollcall.node_agent.collectors.cpu import Cpu
from rollcall.node_agent.collectors.declaration import (
    AnySource,
    Collector,
    Declaration,
    Source,
)
from rollcall.node_agent.collectors.disk import Disk
from rollcall.node_agent.collectors.diskio import Diskio
from rollcall.node_agent.collectors.load import Load
from rollcall.node_agent.collectors.memory import Memory
from rollcall.node_agent.collectors.network import Network
from rollcall.node_agent.collectors.power import Power
from rollcall.node_agent.collectors.process import Processes
from rollcall.node_agent.collectors.system import System
from rollcall.node_agent.collectors.temperature import Temperature
from rollcall.node_agent.options import Options

# What is built in: what it declares, and how one is made of its options and the agent's account.
_BUILT_IN: Final[tuple[tuple[Declaration, Callable[[Any, Account], Collector]], ...]] = (
    (Cpu.declaration, lambda options, _: Cpu(options)),
    (Memory.declaration, lambda *_: Memory()),
    (Load.declaration, lambda *_: Load()),
    (Disk.declaration, lambda options, _: Disk(options)),
    (Diskio.declaration, lambda options, _: Diskio(options)),
    (Network.declaration, lambda options, _: Network(options)),
    (Temperature.declaration, lambda *_: Temperature()),
    (Power.declaration, lambda _, account: Power(account)),
    (Processes.declaration, lambda options, _: Processes(options)),
    (System.declaration, lambda options, _: System(options)),
    (AgentItself.declaration, lambda _, account: AgentItself(account)),
)
DECLARATIONS: Final[tuple[Declaration, ...]] = tuple(declared for declared, _ in _BUILT_IN)


def sources(account: Account) -> tuple[AnySource, ...]:
    """Give what is built in; what the agent knows of itself is in `account`."""
    return tuple(Source(declared, _maker(make, account)) for declared, make in _BUILT_IN)


def _maker(
    make: Callable[[Any, Account], Collector], account: Account
) -> Callable[[Options], Collector]:
    return lambda options: make(options, account)
