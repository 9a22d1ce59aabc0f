"""The script that records hosts: what it writes gives the same reports, and nothing private."""

import json
from pathlib import Path

import pytest

from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Found, UnsupportedError
from tests.fixtures.record import Blanks, private_names, record
from tests.support.collectors import make_collectors
from tests.support.hosts import RecordedHost
from tests.support.hosts_of_files import HostOfFiles
from tests.unit.node_agent.test_collectors import HOSTS, OPTIONS, collector

NAMES = [declared.name for declared in DECLARATIONS]


def reports(name: str, hosts: dict[str, RecordedHost]) -> Found:
    reading = collector(name)
    try:
        reading.collect(hosts["t0"])
        return reading.collect(hosts["t1"])
    except UnsupportedError as error:
        return Found(error=f"unsupported: {error}")


@pytest.mark.parametrize("host", HOSTS)
def test_what_was_recorded_anew_gives_the_same_reports(host: str, tmp_path: Path) -> None:
    before = {moment: RecordedHost(host, moment) for moment in ("t0", "t1")}
    blanks = Blanks([])
    collectors = [collector(name) for name in NAMES]
    for moment, recorded in before.items():
        record(recorded, collectors, blanks, tmp_path / host / moment)
    after = {moment: RecordedHost(host, moment, tmp_path) for moment in ("t0", "t1")}
    for name in NAMES:
        assert reports(name, after) == reports(name, before), name


def test_nothing_private_is_written(tmp_path: Path) -> None:
    files = {
        "/etc/passwd": "root:x:0:0::/root:/bin/sh\nantonia:x:1000:1000::/home/antonia:/bin/sh\n",
        "/proc/sys/kernel/hostname": "garden-shed\n",
        "/proc/sys/kernel/random/boot_id": "11111111-2222-3333-4444-555555555555\n",
        "/etc/machine-id": "abcdefabcdefabcdefabcdefabcdefab\n",
        "/sys/firmware/devicetree/base/serial-number": "10000000deadbeef\0",
        "/proc/net/fib_trie": "     |-- 83.97.12.5\n        /32 host LOCAL\n",
        "/proc/net/if_inet6": "2a0212345678000000000000deadbeef 02 40 00 80 eth0\n",
        "/proc/net/dev": f"h\nh\nenxb827ebaabbcc: {'7 ' * 16}\n",
        "/sys/class/net/enxb827ebaabbcc/address": "b8:27:eb:aa:bb:cc\n",
        "/sys/class/net/enxb827ebaabbcc/operstate": "up\n",
        "/sys/class/net/enxb827ebaabbcc/ifindex": "2\n",
        "/proc/filesystems": "nodev\tproc\n\text4\n",
        "/proc/self/mountinfo": (
            "25 1 179:2 / / rw - ext4 /dev/root rw\n"
            "31 25 0:40 / /home/antonia rw - nfs fileserver.lan:/home/antonia rw\n"
        ),
    }
    host = HostOfFiles(tmp_path / "host", files)
    collectors = list(make_collectors(collector("agent")._account, OPTIONS).values())  # type: ignore[attr-defined]
    record(host, collectors, Blanks(private_names(host)), tmp_path / "written")
    written = [path for path in (tmp_path / "written").rglob("*") if path.is_file()]
    everything = "".join(f"{path}\n{path.read_text()}" for path in written)
    private = ["garden-shed", "antonia", "deadbeef", "83.97", "2a0212", "fileserver", "11111111"]
    for secret in (*private, "abcdefab", "b827ebaabbcc", "b8:27:eb"):
        assert secret not in everything, secret
    told = json.loads((tmp_path / "written" / "host.json").read_text())
    assert told["page_bytes"] == 4096
    (interface,) = (tmp_path / "written/sys/class/net").iterdir()
    assert interface.name.startswith("enx")
    assert interface.name in (tmp_path / "written/proc/net/dev").read_text()
