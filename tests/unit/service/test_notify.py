"""What the supervisor is told, over a real datagram socket."""

import os
import socket
from pathlib import Path

import pytest

from rollcall.service.notify import Notifier
from tests.support.supervisor import SupervisorUnderTest
from tests.support.waiting import wait_until

READY = "READY=1"
BEAT = "WATCHDOG=1"


def environ(supervisor: SupervisorUnderTest, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": supervisor.address, **more}


@pytest.mark.parametrize("is_abstract", [False, True], ids=["a path", "an abstract name"])
def test_ready_is_said_once_and_status_on_one_line(tmp_path: Path, *, is_abstract: bool) -> None:
    address = f"@rollcall-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with SupervisorUnderTest(address) as supervisor:
        notifier = Notifier(environ(supervisor))
        notifier.ready()
        notifier.ready()
        notifier.status("error: 2 mistakes\n  line 3\nREADY=0")
        notifier.extend_start(1.5)
        assert supervisor.lines() == [
            READY,
            "STATUS=error: 2 mistakes line 3 READY=0",
            "EXTEND_TIMEOUT_USEC=1500000",
        ]


def test_beats_come_every_third_of_the_watchdogs_time(tmp_path: Path) -> None:
    with SupervisorUnderTest(str(tmp_path / "notify")) as supervisor:
        pid = str(os.getpid())
        notifier = Notifier(environ(supervisor, WATCHDOG_USEC="600000", WATCHDOG_PID=pid))
        notifier.ready()
        for _ in range(100):
            notifier.beat(lambda: "goes well")
        assert supervisor.lines() == [READY, BEAT, "STATUS=goes well"]

        def beaten_again() -> bool:
            notifier.beat(lambda: "goes well")
            return supervisor.count(BEAT) > 1

        wait_until(beaten_again, 0.5, what="a beat within the watchdog's time")


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "often"},
        {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"},
    ],
    ids=["no watchdog", "switched off", "no number", "the watchdog of another process"],
)
def test_where_no_watchdog_waits_for_us_the_status_comes_seldom(
    tmp_path: Path, watchdog: dict[str, str]
) -> None:
    with SupervisorUnderTest(str(tmp_path / "notify")) as supervisor:
        notifier = Notifier(environ(supervisor, **watchdog))
        notifier.ready()
        for _ in range(3):
            notifier.beat(lambda: "goes well")
        assert supervisor.count("STATUS=goes well") == 1


def test_a_start_that_waits_is_given_more_time(tmp_path: Path) -> None:
    with SupervisorUnderTest(str(tmp_path / "notify")) as supervisor:
        notifier = Notifier(environ(supervisor, WATCHDOG_USEC="60000000"))
        notifier.beat(lambda: "waits for the database")
        assert supervisor.lines() == [
            "EXTEND_TIMEOUT_USEC=90000000",
            "STATUS=waits for the database",
        ]


@pytest.mark.parametrize("named", [None, "", "vsock:2:1234"], ids=["unset", "empty", "no path"])
def test_without_a_socket_nothing_is_sent_and_no_status_is_worked_out(named: str | None) -> None:
    def never() -> str:
        raise AssertionError

    notifier = Notifier({} if named is None else {"NOTIFY_SOCKET": named})
    notifier.ready()
    notifier.beat(never)


def test_a_supervisor_that_is_gone_or_does_not_read_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert "the supervisor was not told READY=1" in caplog.text
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "deaf")})
        for _ in range(2000):
            notifier.status("full")
            if "not told STATUS=full" in caplog.text:
                break
        else:
            pytest.fail("the socket never filled")
