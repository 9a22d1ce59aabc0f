"""Where doctor stands: the configuration in force, a broker of our own here, what runs what."""

import os
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from rollcall.broker.broker_check import start_of
from rollcall.broker.broker_folder import OPERATOR, BrokerFolder, BrokerFolderError
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.topics import TopicError, node_name_from
from rollcall.console.broker_place import default_folder
from rollcall.console.doctor import looking
from rollcall.console.hub import Hub
from rollcall.console.options import Options
from rollcall.service import config
from rollcall.service.settings import Broker, Settings

_MADE_BY_INIT: Final = "broker.json"


@dataclass(frozen=True, slots=True)
class Place:
    """The configuration, whose `file` it is, and what of the hub is on this machine.

    `folder` is a broker of our own that the configuration means. `by_up`: `rollcall up` wrote the
    configuration. `roles` have units of systemd here.
    """

    file: Path | None
    settings: Settings
    folder: BrokerFolder | None
    by_up: bool
    roles: frozenset[str]

    @classmethod
    def of(cls, options: Options, root: Path) -> Self:
        """Look around; `root` is the machine's file system. Raises ConfigError."""
        found = options.settings()
        file = options.config or config.find_file(os.environ)
        by_up = file is not None and file.absolute() == config.runtime_file().absolute()
        folder = _folder(found.broker)
        return cls(file, found, folder, by_up, looking.installed_roles(root))

    @property
    def node(self) -> str | None:
        """The name that an agent here has; None where this host's name can be none."""
        try:
            return self.settings.agent.node or node_name_from(socket.gethostname())
        except TopicError:
            return None

    @property
    def where(self) -> str:
        """Name the broker that is meant: `host:port`, or its socket."""
        operator, broker = self.operator, self.settings.broker
        if operator is not None and not broker.model_fields_set:
            return f"127.0.0.1:{self.folder.plan.port}" if self.folder else operator.host
        return broker.host if broker.host.startswith("/") else f"{broker.host}:{broker.port}"

    @property
    def port(self) -> int:
        """The port of the broker that is meant."""
        broker = self.settings.broker
        is_own = self.folder is not None and "port" not in broker.model_fields_set
        return self.folder.plan.port if self.folder and is_own else broker.port

    @property
    def operator(self) -> Broker | None:
        """Give the operator's way in, where it can be used: it disturbs nobody."""
        if self.folder is None or self.folder.plan.profile is Profile.LOOPBACK:
            return None
        found = Hub(self.folder).operator
        usable = found.password_file is not None and os.access(found.password_file, os.R_OK)
        return found if usable and self.folder.socket.exists() else None

    @property
    def identities(self) -> Path | None:
        """Give the folder of the services' own configurations, where there is one."""
        if self.folder is None or self.folder.plan.profile is Profile.LOOPBACK:
            return None
        return self.folder.folder / "identities"

    @property
    def has_broker(self) -> bool:
        """Say whether the broker that is meant runs on this machine, as far as its name tells."""
        host = self.settings.broker.host
        return self.folder is not None or host.startswith("/") or looking.is_loopback_name(host)

    @property
    def logs(self) -> Path | None:
        """Give the folder of the logs of a `rollcall up` that runs."""
        if not self.by_up or self.file is None:
            return None
        try:
            pid = int((self.file.parent / "lock").read_text("ascii"))
        except (OSError, ValueError):
            return None
        return self.file.parent / "log" if Path(f"/proc/{pid}").exists() else None

    @property
    def admin(self) -> Path:
        """Give the administrator's configuration, which may be another machine's."""
        return (self.identities or default_folder() / "identities") / OPERATOR / "rollcall.toml"

    @property
    def init(self) -> str:
        """Give the command that mends the broker's files."""
        own = f" --folder {self.folder.folder}" if self.folder else ""
        return f"rollcall broker init{own}"

    @property
    def start(self) -> str:
        """Give the command that starts the broker, or says why it does not start."""
        if self.logs is not None:
            return f"tail -n 30 {shlex.quote(str(self.logs / 'broker.log'))}"
        if self.by_up or (self.file is None and self.folder is None):
            return "rollcall up"
        return start_of(self.folder) if self.folder else "sudo systemctl restart mosquitto"


def _folder(broker: Broker) -> BrokerFolder | None:
    """Find the folder of the broker that is meant, if it is one of ours on this machine."""
    near = broker.ca_file.parent.parent.parent if broker.ca_file else None
    for path in filter(None, (near, default_folder())):
        if not os.access(path / _MADE_BY_INIT, os.R_OK):
            continue
        try:
            found = BrokerFolder.open(path)
        except BrokerFolderError:
            # It is another's, or damaged: `rollcall broker check` says so.
            continue
        if _means(broker, found):
            return found
    return None


def _means(broker: Broker, folder: BrokerFolder) -> bool:
    if not broker.model_fields_set - {"prefix"}:
        return True
    plan = folder.plan
    is_here = broker.host in {*plan.hosts, *plan.addresses, str(folder.socket)}
    return is_here and (broker.port == plan.port or broker.host.startswith("/"))
