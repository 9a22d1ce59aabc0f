"""The units of systemd under which the services run: what they may do, and why. Texts only.

They stand by what a service needs, and forbid the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollcall.console.unit_credentials import Credential

ROLES: Final = ("agent", "broker", "recorder", "alerts", "dashboard", "lcd")
BROKER: Final = "broker"
HUB: Final = frozenset({"recorder", "alerts", "dashboard"})
ACCOUNT: Final = "rollcall"
STATE: Final = Path("/var/lib/rollcall")
CONFIGURATION: Final = "rollcall.toml"

_PURPOSES: Final = {
    "agent": "agent of this host",
    "broker": "broker",
    "recorder": "recorder",
    "alerts": "alert service",
    "dashboard": "dashboard",
    "lcd": "character display",
}


@dataclass(frozen=True, slots=True)
class Installation:
    """What the unit of a role is made for.

    `program` is the command `rollcall`; `configuration` is the file of the role, for the broker its
    folder; `writable` are folders outside of its own, `bus` is the display's.
    """

    program: str
    configuration: Path
    credentials: Sequence[Credential] = ()
    writable: Sequence[Path] = ()
    bus: int = 1


def unit_name(role: str) -> str:
    """Give the name of the unit of a role."""
    return f"rollcall-{role}.service"


def unit(role: str, installation: Installation) -> str:
    """Write the unit of a role."""
    hub = role in HUB
    lines = [
        f"# Written by `rollcall service install {role}`, which may write it anew: changes of",
        f"# your own belong in a drop-in: systemctl edit {unit_name(role)}",
        "[Unit]",
        f"Description=Rollcall: {_PURPOSES[role]}",
        *(_AFTER_HUB if hub else _AFTER_BROKER if role == BROKER else _AFTER),
        _COMMON_UNIT,
        "",
        "[Service]",
        _COMMON_SERVICE,
        *_started(role, installation),
        "",
        *_IDENTITY[role],
        *_writable(installation),
        "",
        *(_HARDENED_BROKER if role == BROKER else _HARDENED),
        _ONLY[role].replace("{bus}", str(installation.bus)),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def system_users(roles: Sequence[str]) -> dict[str, str]:
    """Give the files of sysusers.d that the roles need, by name: accounts and groups."""
    files = {}
    if HUB & set(roles):
        files["rollcall.conf"] = f'u {ACCOUNT} - "Rollcall" {STATE}\n'
    if "lcd" in roles:
        files["rollcall-lcd.conf"] = "g i2c -\n"
    return files


def _started(role: str, installation: Installation) -> list[str]:
    program, option = installation.program, f"--config %d/{CONFIGURATION}"
    if role == BROKER:
        return [f"ExecStart={program} broker run --folder {installation.configuration}"]
    lines = [f"ExecStart={program} run {role} {option}"]
    if role == "lcd":
        lines += [
            "# However the service ended, after SIGKILL too: the glass never shows old state.",
            f"ExecStopPost=-{program} lcd goodbye {option}",
        ]
    lines += [
        "# Copies, which this service alone can read, made at each start: after a change of these",
        "# files, and after `rollcall node renew`, restart it.",
        f"LoadCredential={CONFIGURATION}:{installation.configuration}",
    ]
    for credential in installation.credentials:
        lines.append(f"LoadCredential={credential.name}:{credential.source}")
        if credential.variable:
            lines.append(f"Environment={credential.variable}=%d/{credential.name}")
    return lines


def _writable(installation: Installation) -> list[str]:
    return [f"ReadWritePaths={folder}" for folder in installation.writable]


_AFTER: Final = (
    "# Stopped in the reverse order: goodbyes leave before Mosquitto does.",
    "After=network.target mosquitto.service rollcall-broker.service",
)
_AFTER_HUB: Final = (
    "# Stopped in the reverse order: goodbyes leave before Mosquitto and the database do.",
    "Wants=network-online.target",
    "After=network-online.target mosquitto.service rollcall-broker.service postgresql.service",
)
_AFTER_BROKER: Final = ("After=network.target",)
_COMMON_UNIT: Final = """\
# A service that fails is started again for ever.
StartLimitIntervalSec=0"""

_COMMON_SERVICE: Final = """\
# It says itself when it works, that it still moves, and what it waits for.
Type=notify
NotifyAccess=main
Restart=always
# 78: the configuration is wrong, which no restart mends.
RestartPreventExitStatus=78
TimeoutStartSec=90
TimeoutStopSec=15
UMask=0027"""

_HUB_IDENTITY: Final = (
    "# One account and one folder for the services that share the database: what a dynamic user",
    "# keeps is open to root alone.",
    f"User={ACCOUNT}",
    "PrivateUsers=yes",
    "StateDirectory=rollcall",
    "StateDirectoryMode=0750",
    "Environment=XDG_DATA_HOME=%S",
)
_IDENTITY: Final = {
    "agent": (
        "DynamicUser=yes",
        "StateDirectory=rollcall-agent",
        "StateDirectoryMode=0700",
        "# A dynamic user has no home where defaults could lie.",
        "Environment=XDG_DATA_HOME=%S",
        "Environment=ROLLCALL_AGENT__STATE_DIR=%S/rollcall-agent",
    ),
    "broker": (
        "# Root signs the list of what is revoked; Mosquitto becomes an account that can read its",
        "# own key and the rules, and write neither. It takes these five rights of root's.",
        "User=root",
    ),
    "recorder": _HUB_IDENTITY,
    "alerts": _HUB_IDENTITY,
    "dashboard": _HUB_IDENTITY,
    "lcd": (
        "DynamicUser=yes",
        "SupplementaryGroups=i2c",
        "# It keeps nothing but a lock, which ends with it.",
        "Environment=XDG_DATA_HOME=/tmp",
    ),
}

_HARDENED: Final = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "RemoveIPC=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
)
_RIGHTS: Final = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_KILL CAP_SETGID CAP_SETUID"
_INSTEAD: Final = {
    "CapabilityBoundingSet=": f"CapabilityBoundingSet={_RIGHTS}",
    "SystemCallFilter=~@privileged @resources": "SystemCallFilter=~@resources",
}
_HARDENED_BROKER: Final = tuple(_INSTEAD.get(line, line) for line in _HARDENED)

_MEMORY: Final = "# Without effect where the kernel was booted with cgroup_disable=memory."
_AGENT_ONLY: Final = f"""\
# Read-only, not hidden: a hidden /home would have another file system's size.
ProtectHome=read-only
# /proc stays open, as it is what the agent reads; programs of [agent.exec] that need more than
# this unit allows need a drop-in.
# Reading the state of the clock takes adjtimex, which ProtectClock and @privileged forbid even
# for reading. Setting it takes a capability, which is not there.
ProtectClock=no
SystemCallFilter=adjtimex clock_adjtime clock_adjtime64
PrivateDevices=yes
# AF_NETLINK: the addresses of the interfaces.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
{_MEMORY}
MemoryMax=96M
TasksMax=24
# Measuring gives way to what is measured.
Nice=5
CPUWeight=20
IOSchedulingClass=idle
RestartSec=5
WatchdogSec=90"""

_HIDDEN: Final = """\
ProtectHome=yes
# Other processes, and all of /proc that is not about processes, are hidden: it measures nothing.
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes"""
_HUB_ONLY: Final = f"""\
{_HIDDEN}
PrivateDevices=yes
# No IPAddressDeny: mail servers and webhooks may be anywhere.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
{_MEMORY}
MemoryMax=256M
TasksMax=64
RestartSec=2
WatchdogSec=60"""
_BROKER_ONLY: Final = f"""\
UMask=0077
PrivateMounts=yes
{_HIDDEN}
PrivateDevices=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
{_MEMORY}
MemoryMax=256M
TasksMax=32
# A connection takes a descriptor, and a thousand may come.
LimitNOFILE=4096
RestartSec=2
WatchdogSec=60"""
_LCD_ONLY: Final = f"""\
{_HIDDEN}
# Of all devices the bus of the display alone.
PrivateDevices=no
DevicePolicy=closed
DeviceAllow=/dev/i2c-{{bus}} rw
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
{_MEMORY}
MemoryMax=96M
RestartSec=2
WatchdogSec=60"""
_ONLY: Final = {
    "agent": _AGENT_ONLY,
    "broker": _BROKER_ONLY,
    "recorder": _HUB_ONLY,
    "alerts": _HUB_ONLY,
    "dashboard": _HUB_ONLY,
    "lcd": _LCD_ONLY,
}
