"""What the `rollcall node` commands share on the hub: the broker's folder, and its operator."""

import datetime as dt
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from rollcall.broker.broker_folder import OPERATOR, BrokerFolder, BrokerFolderError
from rollcall.broker.certificates import CredentialError
from rollcall.broker.membership import Membership
from rollcall.broker.mosquitto import MosquittoError
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Topics, is_node_name
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.service import settings

_TRY: Final = "; try: "
_REMEDIES: Final = {
    errno.EACCES: "again with sudo",
    errno.EPERM: "again with sudo",
    errno.EADDRINUSE: "another port: --port 0",
}


@dataclass(frozen=True, slots=True)
class Hub:
    """A broker of our own on this machine, and who belongs to it."""

    broker: BrokerFolder

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the broker of `folder`. Raises BrokerFolderError, CredentialError."""
        hub = cls(BrokerFolder.open(folder))
        hub.members.require_enrolment()
        return hub

    @property
    def members(self) -> Membership:
        """The nodes that it lets in."""
        return Membership(self.broker)

    @property
    def topics(self) -> Topics:
        """The tree of topics there."""
        return Topics(self.broker.plan.prefix)

    @property
    def operator(self) -> settings.Broker:
        """The way in for the operator on this machine, under any client id."""
        return settings.Broker(
            host=str(self.broker.socket),
            username=OPERATOR,
            password_file=self.broker.identity(OPERATOR).password,
            prefix=self.broker.plan.prefix,
        )

    def require_running(self) -> None:
        """Raise CommandError with exit code 5 when the broker does not run."""
        if self.broker.running() is None:
            raise CommandError(
                "the broker does not run",
                f"rollcall broker run --folder {self.broker.folder}",
                EXIT_OUT_OF_REACH,
            )


@contextmanager
def told() -> Iterator[None]:
    """Turn what can go wrong on the hub into words, one thing to try, and an exit code."""
    try:
        yield
    except BrokerError as error:
        what, remedy = _parted(str(error), "rollcall broker check")
        raise CommandError(what, remedy, EXIT_OUT_OF_REACH) from error
    except (BrokerFolderError, CredentialError, MosquittoError) as error:
        raise CommandError(*_parted(str(error), "rollcall broker check")) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0, "rollcall broker check")
        raise CommandError(f"{where}{error.strerror or error}", remedy) from error


def require_node_name(name: str) -> None:
    """Raise CommandError when `name` can be no node."""
    if not is_node_name(name):
        raise CommandError(
            f"{name[:80]!r} cannot be the name of a node",
            "lower-case letters, digits and -, at most 63, and no service's name",
            2,
        )


def now() -> dt.datetime:
    """Read the wall clock."""
    return dt.datetime.now(dt.UTC)


def _parted(text: str, otherwise: str) -> tuple[str, str]:
    what, _, remedy = text.partition(_TRY)
    return what, remedy or otherwise
