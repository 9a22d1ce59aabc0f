"""The shape, the word and the style of each verdict: one table for all that prints nodes."""

from types import MappingProxyType
from typing import Final

MARKS: Final = MappingProxyType(
    {
        "ok": ("✓", "ok", "green"),
        "warning": ("●", "WARN", "yellow"),
        "critical": ("▲", "CRIT", "bold red"),
        "stale": ("~", "STALE", "magenta"),
        "offline": ("✗", "OFF", "bold red"),
        "unknown": ("?", "??", "magenta"),
    }
)
ORDER: Final = ("critical", "offline", "stale", "unknown", "warning", "ok")
