"""A broker of our own as `rollcall broker init` makes it, run as `rollcall broker run` does."""

import datetime as dt
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rollcall.broker.broker_folder import BrokerFolder
from rollcall.broker.broker_reload import operator_door, reload
from rollcall.broker.client.probe import Door, Probe
from rollcall.broker.folder_setup import set_password
from rollcall.broker.mosquitto import free_port
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.session import BrokerError
from rollcall.service.settings import Broker
from tests.support.waiting import wait_until


def rollcall(*arguments: str, **extra: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line; never raises."""
    command = [sys.executable, "-m", "rollcall.console", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **extra)


class OwnBroker:
    """A hardened broker in a folder that the account `mosquitto` may enter; a context manager."""

    def __init__(self, profile: Profile = Profile.TLS, *, services: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._base = Path(tempfile.mkdtemp(prefix="rollcall-test-"))
        self._base.chmod(0o755)
        self.folder = self._base / "broker"
        self.log = self._base / "log"
        self._process: subprocess.Popen[bytes] | None = None
        arguments = ["--folder", str(self.folder), "--profile", profile, "--port", str(self.port)]
        for name in services:
            arguments += ["--service", name]
        done = rollcall("broker", "init", *arguments)
        assert done.returncode == 0, done.stderr

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._base)

    @property
    def opened(self) -> BrokerFolder:
        return BrokerFolder.open(self.folder)

    def start(self) -> None:
        command = [sys.executable, "-m", "rollcall.console", "broker", "run"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([*command, "--folder", str(self.folder)], stderr=log)
        wait_until(self._answers, 30, what="the broker")

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(15)

    def kill(self) -> None:
        """SIGKILL to Mosquitto itself; `rollcall broker run` then says so and ends."""
        assert self._process is not None
        pid = self.opened.running()
        assert pid is not None
        os.kill(pid, 9)
        self._process.wait(15)

    def restart_killed(self) -> None:
        self.kill()
        self.start()

    def let_in(self, *names: str) -> None:
        """Let nodes in, with their files beside those of the services."""
        broker = self.opened
        now = dt.datetime.now(dt.UTC)
        for name in names:
            identity = broker.identity(name)
            identity.folder.mkdir(exist_ok=True)
            identity.authority.write_text(broker.authority.certificate_pem)
            if broker.plan.profile is Profile.TLS:
                made = broker.authority.issue_client(name, now=now)
                identity.certificate.write_text(made.certificate_pem)
                identity.key.write_text(made.key_pem)
            else:
                identity.password.write_text(f"{name} knows\n")
                set_password(broker, name, f"{name} knows")
        assert reload(broker)

    def door(self, name: str) -> Door:
        """The way in of a service that `init` made, or of a node that was let in."""
        broker = self.opened
        identity = broker.identity(name)
        context = ssl.create_default_context(cafile=str(broker.authority.certificate_file))
        if broker.plan.profile is Profile.TLS:
            context.load_cert_chain(identity.certificate, identity.key)
            return Door(port=self.port, tls=context, client_id=name)
        password = identity.password.read_text().rstrip("\n")
        return Door(port=self.port, tls=context, client_id=name, username=name, password=password)

    def endpoint(self, name: str) -> Broker:
        """The `[broker]` section of a service or node."""
        identity = self.opened.identity(name)
        section: dict[str, Any] = {"port": self.port, "ca_file": identity.authority}
        if self.opened.plan.profile is Profile.TLS:
            section |= {"certificate_file": identity.certificate, "key_file": identity.key}
        else:
            section |= {"username": name, "password_file": identity.password}
        return Broker(**section)

    def operator(self, *, client_id: str = "") -> Door:
        return operator_door(self.opened, client_id=client_id)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            with Probe(self.operator()):
                return True
        except BrokerError:
            return False
