"""What the agent reads, one subject a file; this is the list of them."""

from typing import Final

from rollcall.node_agent.account import Account
from rollcall.node_agent.collectors.agent import AgentItself
from rollcall.node_agent.collectors.cpu import Cpu
from rollcall.node_agent.collectors.declaration import AnySource, Declaration, Source
from rollcall.node_agent.collectors.disk import Disk
from rollcall.node_agent.collectors.load import Load
from rollcall.node_agent.collectors.memory import Memory
from rollcall.node_agent.collectors.network import Network
from rollcall.node_agent.collectors.system import System

DECLARATIONS: Final[tuple[Declaration, ...]] = tuple(
    kind.declaration for kind in (Cpu, Memory, Load, Disk, Network, System, AgentItself)
)


def sources(account: Account) -> tuple[AnySource, ...]:
    """Give what is built in; the agent's own reads `account`."""
    return (
        Source(Cpu.declaration, lambda _: Cpu()),
        Source(Memory.declaration, lambda _: Memory()),
        Source(Load.declaration, lambda _: Load()),
        Source(Disk.declaration, lambda _: Disk()),
        Source(Network.declaration, lambda _: Network()),
        Source(System.declaration, lambda _: System()),
        Source(AgentItself.declaration, lambda _: AgentItself(account)),
    )
