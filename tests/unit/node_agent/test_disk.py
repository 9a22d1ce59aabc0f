"""File systems that hang, hide, have odd names, or are far too many."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import Found
from rollcall.node_agent.collectors.disk import Disk, DiskOptions, parse_mounts
from rollcall.node_agent.host import FileSystem
from rollcall.node_agent.readings import MAX_INSTANCES, fit
from tests.support.hosts_of_files import HostOfFiles
from tests.support.waiting import wait_until

SIZES = FileSystem(1000, 400, 200, 100, 50)
TYPES = {"/proc/filesystems": "nodev\tproc\nnodev\ttmpfs\nnodev\tnfs4\n\text4\n\tfuseblk\n"}


def mount(number: int, point: str, kind: str = "ext4", options: str = "rw") -> str:
    return f"{20 + number} 1 8:{number} / {point} rw,relatime shared:1 - {kind} /dev/x {options}\n"


class Mounted(HostOfFiles):
    """A host whose file systems are `hung` until let go."""

    def __init__(self, folder: Path, *lines: str) -> None:
        super().__init__(folder, TYPES | {"/proc/self/mountinfo": "".join(lines)})
        self.hung: set[str] = set()
        self.let_go = threading.Event()
        self.asked: list[str] = []

    def file_system(self, mount_point: str) -> FileSystem:
        self.asked.append(mount_point)
        if mount_point in self.hung:
            self.let_go.wait()
        return SIZES


class Hosts:
    """Makes hosts, and at the end lets go what hangs in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Mounted] = []

    def with_mounts(self, *lines: str) -> Mounted:
        self._made.append(Mounted(self._folder, *lines))
        return self._made[-1]

    def let_go(self) -> None:
        for each in self._made:
            each.let_go.set()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    yield made
    made.let_go()


def points(found: Found) -> set[str]:
    return set(found.instances or {})


def impatient() -> Disk:
    return Disk(DiskOptions(interval=60, timeout=0.1))


def test_a_file_system_that_hangs_is_left_out_and_named_while_the_others_are_reported(
    hosts: Hosts,
) -> None:
    host = hosts.with_mounts(mount(1, "/"), mount(2, "/usb"), mount(3, "/var"))
    host.hung = {"/usb"}
    found = Disk(DiskOptions(interval=60, timeout=0.4)).collect(host)
    assert points(found) == {"/", "/var"}
    assert (found.error, found.dropped_values) == ("timeout: /usb does not answer", 1)


def test_what_hangs_is_asked_again_only_after_it_has_answered(hosts: Hosts) -> None:
    host, disk = hosts.with_mounts(mount(1, "/"), mount(2, "/usb")), impatient()
    host.hung = {"/usb"}
    for _ in range(3):
        found = disk.collect(host)
    assert found.error == "timeout: /usb still does not answer"
    assert host.asked.count("/usb") == 1
    assert host.asked.count("/") == 3
    host.let_go.set()
    wait_until(lambda: points(disk.collect(host)) == {"/", "/usb"})


def test_a_mount_that_is_taken_away_while_it_hangs_is_forgotten(hosts: Hosts) -> None:
    host, disk = hosts.with_mounts(mount(1, "/"), mount(2, "/usb")), impatient()
    host.hung = {"/usb"}
    disk.collect(host)
    host.write({"/proc/self/mountinfo": mount(1, "/")})
    assert disk.collect(host) == Found(instances=disk.collect(host).instances)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("/media/usb\\040stick", "/media/usb stick", id="space"),
        pytest.param("/a\\011b\\012c\\134d", "/a\\x09b\\x0ac\\d", id="tab, line end, backslash"),
        pytest.param("/caf\udce9", "/caf\\xe9", id="not UTF-8"),
        pytest.param("/a\u2028b", "/a\u2028b", id="a line end to Python alone"),
        pytest.param("/a\x1cb\x85", "/a\\x1cb\\x85", id="separators"),
        pytest.param("/Fotos-äöü-写真", "/Fotos-äöü-写真", id="other scripts"),
    ],
)
def test_a_mount_point_may_have_any_name(hosts: Hosts, written: str, shown: str) -> None:
    found = Disk(DiskOptions(interval=60)).collect(hosts.with_mounts(mount(1, written)))
    reading, dropped = fit(found, time_s=0, interval_s=60, synchronized=True)
    assert set(reading.instances or {}) == {shown}
    assert dropped == 0
    assert reading.model_dump_json()


def test_of_500_mounts_256_are_reported_the_root_among_them_and_the_rest_counted(
    hosts: Hosts,
) -> None:
    lines = [mount(0, "/"), *(mount(n, f"/data/{n:03d}") for n in range(1, 500))]
    found = Disk(DiskOptions(interval=60)).collect(hosts.with_mounts(*lines))
    reading, dropped = fit(found, time_s=0, interval_s=60, synchronized=True)
    assert found.error is None
    assert len(reading.instances or {}) == MAX_INSTANCES
    assert "/" in (reading.instances or {})
    fields_each = len((found.instances or {})["/"])
    assert dropped == (500 - MAX_INSTANCES) * fields_each


@pytest.mark.parametrize("line", ["garbage", "1 2 3 / - ext4", "1 2 8:1 / /x rw ext4 /dev/a rw"])
def test_a_line_that_cannot_be_read_costs_only_itself(hosts: Hosts, line: str) -> None:
    found = Disk(DiskOptions(interval=60)).collect(hosts.with_mounts(f"{line}\n", mount(1, "/")))
    assert (points(found), found.dropped_values) == ({"/"}, 1)


def test_shares_of_other_machines_are_reported_on_request(hosts: Hosts) -> None:
    host = hosts.with_mounts(
        mount(1, "/"),
        mount(2, "/nas", "nfs4"),
        mount(3, "/ssh", "fuse.sshfs"),
        mount(4, "/m", "autofs"),
    )
    assert points(Disk(DiskOptions(interval=60)).collect(host)) == {"/"}
    assert host.asked == ["/"]
    found = Disk(DiskOptions(interval=60, remote=True)).collect(host)
    assert points(found) == {"/", "/nas", "/ssh"}


def test_types_and_mount_points_are_left_out_on_request_but_never_the_root(hosts: Hosts) -> None:
    host = hosts.with_mounts(
        mount(1, "/"), mount(2, "/mnt/a"), mount(3, "/srv"), mount(4, "/w", "fuseblk")
    )
    options = DiskOptions(interval=60, exclude=("/mnt/*", "fuseblk", "/"))
    assert points(Disk(options).collect(host)) == {"/", "/srv"}


def test_a_file_system_without_size_is_left_out(hosts: Hosts) -> None:
    class Empty(Mounted):
        def file_system(self, mount_point: str) -> FileSystem:
            return SIZES if mount_point == "/" else FileSystem(0, 0, 0, 0, 0)

    host = Empty(hosts.with_mounts().folder, mount(1, "/"), mount(2, "/x"))
    assert points(Disk(DiskOptions(interval=60)).collect(host)) == {"/"}


def test_read_only_is_what_the_file_system_says_of_itself() -> None:
    (one, other), unread = parse_mounts(
        mount(1, "/", options="ro,errors=remount-ro") + mount(2, "/b", options="rw,errors=ro")
    )
    assert (one.read_only, other.read_only, unread) == (True, False, 0)
