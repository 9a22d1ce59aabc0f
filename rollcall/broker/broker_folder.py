"""Where everything of a broker of our own lies: the folder that `rollcall broker init` makes.

    broker.json        what was asked for
    mosquitto.conf     acl  passwd       generated
    pki/               the certificate authority; the broker reads three files of it
    identities/NAME/   what a service on this machine shows: certificate and key, or password
    state/             what the broker keeps, its process id, the operator's socket

Mosquitto runs as an account of its own when root starts it. It may read what it needs and write
nothing but its state: neither the access list nor a key of the authority.
"""

import os
import pwd
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rollcall.broker.credentials import Authority
from rollcall.broker.mosquitto_conf import (
    Places,
    Profile,
    drop_in_configuration,
    hardened_configuration,
    loopback_configuration,
)

SERVICES: Final = ("recorder", "alerts", "lcd", "dashboard", "admin", "homeassistant")
SYSTEM_FOLDER: Final = Path("/etc/rollcall/broker")
OPERATOR: Final = "admin"
SYSTEM_STATE: Final = Path("/var/lib/rollcall-broker")
_ACCOUNT: Final = "mosquitto"


class BrokerFolderError(RuntimeError):
    """The folder is not usable; the text says why and what to try."""


class Plan(BaseModel):
    """What a broker folder is for: `broker.json`.

    `hosts` and `addresses` name this machine, and what of `names` was added by hand is among them.
    `drop_in` is the file for an existing Mosquitto, whose process id stands in `pid_file`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    profile: Profile
    port: int
    prefix: str
    hosts: tuple[str, ...]
    addresses: tuple[str, ...]
    names: tuple[str, ...] = ()
    services: tuple[str, ...] = SERVICES
    drop_in: Path | None = None
    pid_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of one service on this machine; which of them exist depends on the profile."""

    name: str
    folder: Path

    @property
    def authority(self) -> Path:
        """A copy of the authority's certificate."""
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        """Its certificate."""
        return self.folder / "certificate.crt"

    @property
    def key(self) -> Path:
        """The key of its certificate."""
        return self.folder / "key.pem"

    @property
    def password(self) -> Path:
        """The file that holds its password."""
        return self.folder / "password"

    @property
    def configuration(self) -> Path:
        """The lines of `rollcall.toml` that use them."""
        return self.folder / "rollcall.toml"


@dataclass(frozen=True, slots=True)
class BrokerFolder:
    """A broker's folder and what was asked for."""

    folder: Path
    plan: Plan

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder that was made. Raises BrokerFolderError."""
        path = folder / "broker.json"
        try:
            return cls(folder, Plan.model_validate_json(path.read_bytes()))
        except FileNotFoundError as error:
            raise BrokerFolderError(
                f"{folder} holds no broker; try: rollcall broker init --folder {folder}"
            ) from error
        except OSError as error:
            raise BrokerFolderError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise BrokerFolderError(f"{path} is damaged; try: rollcall broker init") from error

    @property
    def plan_file(self) -> Path:
        """What was asked for, as JSON."""
        return self.folder / "broker.json"

    @property
    def configuration_file(self) -> Path:
        """The configuration that Mosquitto reads."""
        return self.plan.drop_in or self.folder / "mosquitto.conf"

    @property
    def access_file(self) -> Path:
        """The access list."""
        return self.folder / "acl"

    @property
    def password_file(self) -> Path:
        """Names and hashes: of everybody, or with certificates of the operator alone."""
        return self.folder / "passwd"

    @property
    def authority(self) -> Authority:
        """The certificate authority, which need not exist yet."""
        return Authority(self.folder / "pki")

    @property
    def state(self) -> Path:
        """The folder that the broker writes to."""
        return SYSTEM_STATE if self.folder == SYSTEM_FOLDER else self.folder / "state"

    @property
    def socket(self) -> Path:
        """The operator's socket."""
        return self.state / "operator.sock"

    @property
    def pid_file(self) -> Path:
        """Where the running broker leaves its process id."""
        return self.plan.pid_file or self.state / "mosquitto.pid"

    @property
    def account(self) -> str | None:
        """The account that Mosquitto becomes when root starts it; None for other users."""
        return _ACCOUNT if os.geteuid() == 0 else None

    @property
    def places(self) -> Places:
        """Where Mosquitto finds its files."""
        return Places(
            access_list=self.access_file,
            passwords=self.password_file,
            authority=self.authority.certificate_file,
            certificate=self.authority.server_certificate_file,
            key=self.authority.server_key_file,
            revocations=self.authority.revocations_file,
            state=self.state,
            pid=self.pid_file,
            socket=self.socket,
            user=self.account,
        )

    @property
    def configuration(self) -> str:
        """The text of the configuration."""
        if self.plan.profile is Profile.LOOPBACK:
            return loopback_configuration(self.plan.port, user=self.account)
        write = drop_in_configuration if self.plan.drop_in else hardened_configuration
        return write(self.plan.profile, self.plan.port, self.places)

    def identity(self, name: str) -> Identity:
        """Give the places of a service's credentials."""
        return Identity(name, self.folder / "identities" / name)

    def running(self) -> int | None:
        """Give the process id of the broker that runs from this folder; None when none does."""
        try:
            pid = int(self.pid_file.read_text("ascii"))
            name = Path(f"/proc/{pid}/comm").read_text("utf-8").strip()
        except (OSError, ValueError):
            return None
        return pid if name == "mosquitto" else None

    def hang_up(self) -> bool:
        """Make the running broker read certificates, passwords and access list; False if none runs.

        A reload with a file that it cannot read drops all restrictions: use `broker_reload`.
        """
        pid = self.running()
        if pid is None:
            return False
        os.kill(pid, signal.SIGHUP)
        return True


def account_ids(account: str) -> tuple[int, int]:
    """Give user and group id of an account. Raises BrokerFolderError when there is none."""
    try:
        entry = pwd.getpwnam(account)
    except KeyError as error:
        raise BrokerFolderError(
            f"there is no account {account}; try: apt-get install mosquitto"
        ) from error
    return entry.pw_uid, entry.pw_gid
