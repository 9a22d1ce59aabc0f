"""A real PostgreSQL of the tests' own: own folder, process and socket, nothing of the system's."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.support.waiting import wait_until

_SETTINGS = """
listen_addresses = ''
fsync = on
shared_buffers = 32MB
max_connections = 60
max_wal_size = 256MB
timezone = 'UTC'
lc_messages = 'C'
"""


def program(name: str) -> str:
    """Give the path of a program of PostgreSQL, which Debian keeps beside the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    assert path, f"{name} is not installed; ./run test installs it"
    return path


class PostgresqlUnderTest:
    """A server on a socket in `folder`; a context manager.

    It refuses to run as root: then it is run by `postgres`, or by `nobody`, who may not enter the
    folders of pytest; so it has one of its own.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self._opened = ExitStack()
        self._user = _unprivileged() if os.getuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def __enter__(self) -> Self:
        made = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-pg-"))
        self.folder = Path(made)
        if self._user:
            shutil.chown(self.folder, self._user)
        initdb = [program("initdb"), "-D", self._cluster, "-U", "rollcall", "-A", "trust"]
        initdb += ["-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*self._as_user(), *initdb], check=True, capture_output=True)
        with Path(self._cluster, "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_SETTINGS)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGQUIT)
        self._opened.close()

    def url(self, name: str) -> str:
        return f"postgresql://rollcall@/{name}?host={self.folder}"

    @contextmanager
    def databases(self) -> Iterator[Callable[[], str]]:
        """Give a way to make empty databases; all of them are dropped in the end."""
        made: list[str] = []

        def make() -> str:
            self._made += 1
            made.append(f"test_{self._made}")
            self.run(f"CREATE DATABASE {made[-1]} TEMPLATE template0")
            return self.url(made[-1])

        yield make
        for name in made:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str, name: str = "postgres") -> None:
        """Run one statement outside of any transaction."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        """Start it; it answers when this returns.

        After a kill it refuses to start until the last child has noticed; then once more.
        """
        self._launch()
        wait_until(self._answers, 60, what="PostgreSQL")

    def _launch(self) -> None:
        command = [*self._as_user(), program("postgres"), "-D", self._cluster, "-k"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, str(self.folder)], stdout=log, stderr=log)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it at once; sessions are cut off."""
        assert self._process is not None
        os.kill(self.pid, how)
        self._process.wait(20)

    def kill(self) -> None:
        """SIGKILL to the server and all its children: as if the machine had stopped."""
        assert self._process is not None
        group = _children(self.pid)
        for pid in (self.pid, *group):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(20)

    @property
    def pid(self) -> int:
        """The server's own process, below the one that changed the user."""
        return int(Path(self._cluster, "postmaster.pid").read_text("utf-8").split("\n")[0])

    @property
    def _cluster(self) -> str:
        return str(self.folder / "cluster")

    def _as_user(self) -> list[str]:
        return ["setpriv", f"--reuid={self._user}", "--clear-groups", "--"] if self._user else []

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            self._launch()
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    return [int(child) for child in told.split()]
