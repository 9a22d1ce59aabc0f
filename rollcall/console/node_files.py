"""The files of an enrolled node: its credentials, and the configuration of its agent.

Everything lies in one folder: `rollcall.toml`, `ca.crt`, and `node.crt` with `node.key` or, where
the broker uses passwords, `password`. A configuration that is there is never overwritten.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomli_w

from rollcall.broker.certificates import Credential, Details, check_credential
from rollcall.broker.enrolment import EnrolmentError, Welcome
from rollcall.broker.private_files import make_private_folder, write_private
from rollcall.broker.topics import DEFAULT_PREFIX
from rollcall.service import config

CONFIGURATION: Final = "rollcall.toml"
_AUTHORITY: Final = "ca.crt"
_CERTIFICATE: Final = "node.crt"
_KEY: Final = "node.key"
_PASSWORD: Final = "password"  # noqa: S105 - a file's name


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The files of one node in `folder` (absolute)."""

    folder: Path

    @property
    def configuration(self) -> Path:
        """The configuration of the agent."""
        return self.folder / CONFIGURATION

    def check_free_for(self, node: str) -> None:
        """Raise EnrolmentError when the folder's configuration is not one of ours for `node`."""
        if not self.configuration.exists():
            return
        found = config.load(self.configuration, {})
        mine = (self.folder / _AUTHORITY, node)
        if (found.broker.ca_file, found.agent.node) != mine:
            whose = found.agent.node or "something else"
            raise EnrolmentError(
                f"{self.configuration} is there already, for {whose}; move it away, or give "
                "another folder: --folder DIR"
            )

    def prepare(self, node: str) -> None:
        """Make sure that `install` can work, before anything is asked of the hub.

        Raises EnrolmentError, and OSError when the folder cannot be written to.
        """
        self.check_free_for(node)
        make_private_folder(self.folder)
        if not os.access(self.folder, os.W_OK):
            raise PermissionError(errno.EACCES, "may not be written to", str(self.folder))

    def install(self, welcome: Welcome, key_pem: str) -> Details | None:
        """Write what the hub gave; the configuration only where there is none.

        Gives what the certificate says, None with a password. Raises EnrolmentError,
        CredentialError before anything is written, and OSError.
        """
        self.check_free_for(welcome.node)
        found = None
        if welcome.certificate is not None:
            credential = Credential(welcome.certificate, key_pem)
            found = check_credential(credential, welcome.authority, welcome.node)
        make_private_folder(self.folder)
        write_private(self.folder / _AUTHORITY, welcome.authority)
        if welcome.certificate is not None:
            write_private(self.folder / _KEY, key_pem)
            write_private(self.folder / _CERTIFICATE, welcome.certificate)
        else:
            write_private(self.folder / _PASSWORD, f"{welcome.password}\n")
        if not self.configuration.exists():
            write_private(self.configuration, tomli_w.dumps(self._settings(welcome)))
        return found

    def _settings(self, welcome: Welcome) -> dict[str, dict[str, Any]]:
        broker: dict[str, Any] = {
            "host": welcome.host,
            "port": welcome.port,
            "ca_file": str(self.folder / _AUTHORITY),
        }
        if welcome.certificate is not None:
            broker["certificate_file"] = str(self.folder / _CERTIFICATE)
            broker["key_file"] = str(self.folder / _KEY)
        else:
            broker["username"] = welcome.node
            broker["password_file"] = str(self.folder / _PASSWORD)
        if welcome.prefix != DEFAULT_PREFIX:
            broker["prefix"] = welcome.prefix
        return {"broker": broker, "agent": {"node": welcome.node}}


def default_folder() -> Path:
    """Give the folder where the agent looks for its configuration by itself."""
    if os.geteuid() == 0:
        return Path("/etc/rollcall")
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "rollcall"
