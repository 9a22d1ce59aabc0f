"""What the agent reads, one subject a file; this is the list of them."""

from typing import Final

from rollcall.node_agent.account import Account
from rollcall.node_agent.collectors.agent import AgentItself
from rollcall.node_agent.collectors.cpu import Cpu
from rollcall.node_agent.collectors.declaration import AnySource, Declaration, Source
from rollcall.node_agent.collectors.disk import Disk
from rollcall.node_agent.collectors.diskio import Diskio
from rollcall.node_agent.collectors.load import Load
from rollcall.node_agent.collectors.memory import Memory
from rollcall.node_agent.collectors.network import Network
from rollcall.node_agent.collectors.power import Power
from rollcall.node_agent.collectors.process import Processes
from rollcall.node_agent.collectors.system import System
from rollcall.node_agent.collectors.temperature import Temperature

_KINDS: Final = (
    Cpu,
    Memory,
    Load,
    Disk,
    Diskio,
    Network,
    Temperature,
    Power,
    Processes,
    System,
    AgentItself,
)
DECLARATIONS: Final[tuple[Declaration, ...]] = tuple(kind.declaration for kind in _KINDS)


def sources(account: Account) -> tuple[AnySource, ...]:
    """Give what is built in; what the agent knows of itself is in `account`."""
    return (
        Source(Cpu.declaration, Cpu),
        Source(Memory.declaration, lambda _: Memory()),
        Source(Load.declaration, lambda _: Load()),
        Source(Disk.declaration, Disk),
        Source(Diskio.declaration, Diskio),
        Source(Network.declaration, Network),
        Source(Temperature.declaration, lambda _: Temperature()),
        Source(Power.declaration, lambda _: Power(account)),
        Source(Processes.declaration, Processes),
        Source(System.declaration, lambda _: System()),
        Source(AgentItself.declaration, lambda _: AgentItself(account)),
    )
