"""A made-up host: plausible texts under `/proc` and `/sys`, the same for the same seed.

The real collectors read it. Its days have a wave, its minutes have noise, now and then it is
busy, its disk fills slowly and is cleaned, and one in five hosts is hot: overloaded for minutes
at a time, and then beyond 80 degrees Celsius. Clocks are real, and so is what the agent reads of
its own process.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from rollcall.node_agent.host import FileSystem, Host, LinuxHost

_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S
_NOISE_S: Final = 20
_SPIKE_EVERY_S: Final = 900
_HOT_EVERY_S: Final = 1_200
_HOT_FOR_S: Final = 480
_FILL_S: Final = 3 * _DAY_S
_GIB: Final = 1024**3
_TICKS: Final = 100
_PROCESS_PREFIX: Final = "/proc/self/stat"
_THROTTLED: Final = "/sys/bus/platform/drivers/raspberrypi-firmware/soc:firmware/get_throttled"
_SOFT_LIMIT_CELSIUS: Final = 80
_RUNNING_SHARE: Final = 0.1
# By number: the name, and its share of the time spent in programs.
_PROCESSES: Final = {
    1: ("systemd", 0.01),
    2: ("kthreadd", 0.0),
    310: ("systemd-journal", 0.02),
    402: ("sshd", 0.0),
    511: ("nginx", 0.1),
    620: ("python3", 0.3),
    621: ("python3", 0.3),
    622: ("python3", 0.2),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of machine one may find in a cupboard."""

    model: str
    architecture: str
    cores: int
    memory_bytes: int
    disk_bytes: int
    hertz: int
    kernel: str


MACHINES: Final = (
    Machine(
        "Raspberry Pi 4 Model B Rev 1.5", "aarch64", 4, 4 * _GIB, 31 * _GIB, 1_800_000_000, "6.6.31"
    ),
    Machine(
        "Raspberry Pi 5 Model B Rev 1.0", "aarch64", 4, 8 * _GIB, 58 * _GIB, 2_400_000_000, "6.6.31"
    ),
    Machine(
        "Raspberry Pi Zero 2 W Rev 1.0", "aarch64", 4, _GIB // 2, 14 * _GIB, 1_000_000_000, "6.6.31"
    ),
    Machine(
        "Raspberry Pi 3 Model B Plus Rev 1.3",
        "aarch64",
        4,
        _GIB,
        29 * _GIB,
        1_400_000_000,
        "6.1.21",
    ),
    Machine("Intel NUC8i5BEH", "x86_64", 8, 16 * _GIB, 233 * _GIB, 2_300_000_000, "6.1.0-28-amd64"),
)


def chance(seed: int, *what: object) -> float:
    """Give a number from 0 to 1 that depends on nothing but the arguments."""
    digest = hashlib.blake2b(repr((seed, *what)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def busy_share(seed: int, wall_s: float) -> float:
    """Give the share of its processors that the host uses at a time, from 0.01 to 0.99."""
    if is_hot(seed, wall_s):
        return 0.95 + 0.04 * _noise(seed, "hot", wall_s)
    level = 0.04 + 0.2 * chance(seed, "level")
    wave = 0.6 * level * math.sin(2 * math.pi * (wall_s / _DAY_S + chance(seed, "phase")))
    noise = 0.8 * level * (_noise(seed, "busy", wall_s) - 0.5)
    return min(0.9, max(0.01, level + wave + noise + _spike(seed, wall_s)))


def is_hot(seed: int, wall_s: float) -> bool:
    """Say whether the host is overloaded now; four in five never are."""
    shifted_s = wall_s + chance(seed, "hot") * _HOT_EVERY_S
    return seed % 5 == 3 and shifted_s % _HOT_EVERY_S < _HOT_FOR_S  # noqa: PLR2004 - one in five


def celsius(seed: int, wall_s: float) -> float:
    """Give the temperature of its processor, which follows its work of the last minute."""
    times = [wall_s - back_s for back_s in (0, 15, 30, 45)]
    heat = sum(30 * busy_share(seed, each) + 8 * is_hot(seed, each) for each in times) / len(times)
    return 44 + 4 * chance(seed, "celsius") + heat


def _spike(seed: int, wall_s: float) -> float:
    number, into_s = divmod(wall_s, _SPIKE_EVERY_S)
    lasts_s = 30 + 150 * chance(seed, "lasts", number)
    is_one = chance(seed, "spike", number) < 0.3  # noqa: PLR2004 - about every third
    return 0.3 + 0.3 * chance(seed, "height", number) if is_one and into_s < lasts_s else 0.0


def _noise(seed: int, what: str, wall_s: float) -> float:
    """Give smooth noise from 0 to 1."""
    number, into_s = divmod(wall_s, _NOISE_S)
    here, there = chance(seed, what, number), chance(seed, what, number + 1)
    return here + (there - here) * into_s / _NOISE_S


class SimulatedHost:
    """A host made of a seed. `clocks` is where time comes from, by default the real host."""

    def __init__(self, seed: int, clocks: Host | None = None) -> None:
        self._seed = seed
        self._real: Host = clocks or LinuxHost()
        self._machine = MACHINES[seed % len(MACHINES)]
        self._totals: dict[str, float] = {}
        self._counted_at_s = 0.0
        self._files: dict[str, Callable[[], str]] = {
            "/proc/stat": self._stat,
            "/proc/meminfo": self._meminfo,
            "/proc/vmstat": lambda: "pswpin 0\npswpout 0\noom_kill 0\n",
            "/proc/loadavg": self._loadavg,
            "/proc/pressure/cpu": self._pressure,
            "/proc/net/dev": self._net_dev,
            "/proc/net/fib_trie": self._fib_trie,
            "/proc/uptime": lambda: f"{self._uptime_s():.2f} 0.00\n",
            "/proc/self/mountinfo": self._mountinfo,
            "/proc/filesystems": lambda: "nodev\tproc\nnodev\ttmpfs\n\text4\n\tvfat\n",
            "/proc/device-tree/model": lambda: f"{self._machine.model}\0",
            "/proc/sys/kernel/hostname": lambda: f"sim-{seed}\n",
            "/proc/sys/kernel/osrelease": lambda: f"{self._machine.kernel}\n",
            "/proc/sys/kernel/random/boot_id": self._boot_id,
            "/etc/os-release": lambda: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "/etc/debian_version": lambda: "12.11\n",
            "/sys/class/net/eth0/operstate": lambda: "up\n",
            "/sys/class/net/eth0/ifindex": lambda: "2\n",
            "/sys/class/net/eth0/speed": lambda: "1000\n",
            "/sys/class/net/eth0/carrier_changes": lambda: "2\n",
            "/proc/diskstats": self._diskstats,
            f"/sys/block/{self._disk}/dev": lambda: "179:0\n",
            **{f"{folder}/scaling_cur_freq": self._frequency for folder in self._core_folders()},
            **{f"/proc/{pid}/stat": partial(self._process, pid) for pid in _PROCESSES},
            **self._sensors(),
        }

    @property
    def architecture(self) -> str:
        """The architecture of the made-up machine."""
        return self._machine.architecture

    @property
    def page_bytes(self) -> int:
        """The size of a memory page."""
        return self._real.page_bytes

    @property
    def ticks_per_second(self) -> int:
        """The unit of CPU times in `/proc`."""
        return _TICKS

    def read(self, path: str) -> str:
        """Give the text of a file. Raises FileNotFoundError."""
        if path.startswith(_PROCESS_PREFIX):
            return self._real.read(path)
        if path not in self._files:
            raise FileNotFoundError(2, "the simulated host has no such file", path)
        return self._files[path]()

    def listing(self, folder: str) -> list[str]:
        """Give the names in a folder, sorted; an unknown folder is empty."""
        below = (path.removeprefix(f"{folder}/") for path in self._files)
        names = {name.partition("/")[0] for name in below if not name.startswith("/")}
        return sorted(names)

    def exists(self, path: str) -> bool:
        """Say whether there is such a file or folder."""
        return path in self._files or any(each.startswith(f"{path}/") for each in self._files)

    def link(self, path: str) -> str:
        """Raise FileNotFoundError: it has no links."""
        raise FileNotFoundError(2, "the simulated host has no such link", path)

    def file_system(self, mount_point: str) -> FileSystem:
        """Give a disk that fills over three days and is then cleaned."""
        if mount_point != "/":
            return _file_system(512 * 1024**2, 0.15)
        filled = ((self.wall_s() / _FILL_S) + chance(self._seed, "fill")) % 1.0
        base = 0.3 + 0.3 * chance(self._seed, "disk")
        return _file_system(self._machine.disk_bytes, base + 0.35 * filled)

    def ask(self, command: Sequence[str], timeout_s: float) -> str:  # noqa: ARG002 - it asks nobody
        """Raise FileNotFoundError: it has no programs."""
        raise FileNotFoundError(2, "the simulated host has no such program", command[0])

    def clock_error_s(self) -> float:
        """Give the error of a clock that a time service looks after."""
        return 0.002 + 0.01 * chance(self._seed, "clock")

    def wall_s(self) -> float:
        """Give the real wall clock."""
        return self._real.wall_s()

    def boottime_s(self) -> float:
        """Give the real clock for durations."""
        return self._real.boottime_s()

    # What the files say

    @property
    def _disk(self) -> str:
        return "mmcblk0" if self._is_raspberry_pi else "nvme0n1"

    @property
    def _is_raspberry_pi(self) -> bool:
        return self._machine.model.startswith("Raspberry Pi")

    def _sensors(self) -> dict[str, Callable[[], str]]:
        chip = "/sys/class/hwmon/hwmon0"
        heat = {f"{chip}/temp1_input": lambda: f"{1000 * self._celsius():.0f}\n"}
        if not self._is_raspberry_pi:
            label = {f"{chip}/temp1_label": lambda: "Package id 0\n"}
            return heat | label | {f"{chip}/name": lambda: "coretemp\n"}
        return heat | {
            f"{chip}/name": lambda: "cpu_thermal\n",
            "/sys/class/hwmon/hwmon1/name": lambda: "rpi_volt\n",
            "/sys/class/hwmon/hwmon1/in0_lcrit_alarm": lambda: "0\n",
            _THROTTLED: lambda: "80008\n" if self._celsius() >= _SOFT_LIMIT_CELSIUS else "0\n",
        }

    def _celsius(self) -> float:
        return celsius(self._seed, self.wall_s())

    def _core_folders(self) -> Iterator[str]:
        for core in range(self._machine.cores):
            yield f"/sys/devices/system/cpu/cpu{core}/cpufreq"

    def _uptime_s(self) -> float:
        """Give the time since the host was started last, once a week."""
        return (self.wall_s() + chance(self._seed, "boot") * _WEEK_S) % _WEEK_S

    def _boot_id(self) -> str:
        number = round((self.wall_s() - self._uptime_s()) / _WEEK_S)
        text = hashlib.blake2b(repr((self._seed, number)).encode(), digest_size=16).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}\n"

    def _busy(self) -> float:
        return busy_share(self._seed, self.wall_s())

    def _count(self) -> dict[str, float]:
        """Let all counters grow by what has happened since they were read last."""
        now_s = self.boottime_s()
        elapsed_s = now_s - self._counted_at_s if self._totals else self._uptime_s()
        self._counted_at_s = now_s
        for name, rate in self._rates_per_second().items():
            self._totals[name] = self._totals.get(name, 0.0) + rate * elapsed_s
        return self._totals

    def _rates_per_second(self) -> dict[str, float]:
        busy, ticks = self._busy(), self._machine.cores * _TICKS
        traffic = 2_000 + 400_000 * busy * (0.5 + chance(self._seed, "traffic"))
        return {
            "user": 0.72 * busy * ticks,
            "nice": 0.01 * busy * ticks,
            "system": 0.25 * busy * ticks,
            "softirq": 0.02 * busy * ticks,
            "iowait": 0.1 * (1 - busy) * busy * ticks,
            "idle": (1 - 0.1 * busy) * (1 - busy) * ticks,
            "switches": 300 + 9_000 * busy,
            "interrupts": 200 + 4_000 * busy,
            "waited_us": max(0.0, busy - 0.6) * 1e6,
            "read_sectors": 20 + 8_000 * busy,
            "written_sectors": 60 + 12_000 * busy,
            "disk_busy_ms": 5 + 600 * busy,
            "forks": 0.2 + 5 * busy,
            "received": traffic,
            "transmitted": 0.4 * traffic,
        }

    def _stat(self) -> str:
        counted = self._count()
        states = ("user", "nice", "system", "idle", "iowait", "", "softirq")
        ticks = [int(counted.get(name, 0)) for name in states]
        each = " ".join(str(tick // self._machine.cores) for tick in ticks)
        lines = [f"cpu  {' '.join(map(str, ticks))} 0 0 0"]
        lines += [f"cpu{core} {each} 0 0 0" for core in range(self._machine.cores)]
        lines += [f"intr {int(counted['interrupts'])} 0", f"ctxt {int(counted['switches'])}"]
        lines += [f"processes {int(counted['forks'])}"]
        return "\n".join((*lines, ""))

    def _meminfo(self) -> str:
        total = self._machine.memory_bytes * 15 // 16 // 1024
        level = 0.2 + 0.3 * chance(self._seed, "memory") + 0.2 * self._busy()
        available = int(total * (1 - level))
        sizes = {
            "MemTotal": total,
            "MemFree": available // 3,
            "MemAvailable": available,
            "Cached": available // 2,
            "SwapTotal": 102_396,
            "SwapFree": 102_396,
        }
        return "".join(f"{name + ':':<16}{size:>8} kB\n" for name, size in sizes.items())

    def _loadavg(self) -> str:
        now_s, cores = self.wall_s(), self._machine.cores
        seen = {
            minutes: sum(busy_share(self._seed, now_s - 60 * back) for back in range(minutes))
            for minutes in (1, 5, 15)
        }
        means = " ".join(f"{cores * total / minutes:.2f}" for minutes, total in seen.items())
        return f"{means} {1 + round(cores * self._busy())}/214 31337\n"

    def _pressure(self) -> str:
        return f"some avg10=0.00 avg60=0.00 avg300=0.00 total={int(self._count()['waited_us'])}\n"

    def _diskstats(self) -> str:
        counted = self._count()
        read, written = int(counted["read_sectors"]), int(counted["written_sectors"])
        busy_ms = int(counted["disk_busy_ms"])
        reading = f"{read // 64} 0 {read} {read // 50}"
        writing = f"{written // 32} 0 {written} {written // 20}"
        return f" 179       0 {self._disk} {reading} {writing} 0 {busy_ms} {busy_ms}\n"

    def _process(self, pid: int) -> str:
        name, share = _PROCESSES[pid]
        state = "R" if share * self._busy() > _RUNNING_SHARE else "S"
        ticks = int(self._count()["user"] * share)
        started_ticks, pages = 100 * pid, int(self._machine.memory_bytes * share) // 4096 // 10
        return (
            f"{pid} ({name}) {state} 1 {pid} {pid} 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0"
            f" {started_ticks} {pages * 8192} {pages}\n"
        )

    def _net_dev(self) -> str:
        counted = self._count()
        received, transmitted = int(counted["received"]), int(counted["transmitted"])
        coming = f"{received} {received // 600} 0 0 0 0 0 0"
        going = f"{transmitted} {transmitted // 500} 0 0 0 0 0 0"
        headings = "Inter-|   Receive  |  Transmit\n face |bytes  |bytes\n"
        return f"{headings}  eth0: {coming} {going}\n    lo: {coming} {coming}\n"

    def _fib_trie(self) -> str:
        address = f"192.168.1.{10 + self._seed % 240}"
        return f"Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- {address}\n        /32 host LOCAL\n"

    def _mountinfo(self) -> str:
        return (
            "25 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n"
            "31 25 179:1 / /boot/firmware rw,relatime shared:20 - vfat /dev/mmcblk0p1 rw\n"
            "22 25 0:21 / /proc rw,relatime shared:12 - proc proc rw\n"
        )

    def _frequency(self) -> str:
        idle_hertz = self._machine.hertz // 3
        hertz = idle_hertz + (self._machine.hertz - idle_hertz) * min(1.0, 2 * self._busy())
        return f"{int(hertz) // 1000}\n"


def _file_system(total_bytes: int, used: float) -> FileSystem:
    free_bytes = int(total_bytes * (1 - used)) // 4096 * 4096
    return FileSystem(
        total_bytes=total_bytes,
        free_bytes=free_bytes,
        available_bytes=max(0, free_bytes - total_bytes // 20),
        inodes=total_bytes // 16_384,
        free_inodes=int(total_bytes // 16_384 * (1 - used / 3)),
    )
