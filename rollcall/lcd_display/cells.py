"""How one node is put into one cell, or into a word and an age."""

from dataclasses import dataclass
from typing import Final

from rollcall.broker.node_view import NodeState, Now
from rollcall.lcd_display import layout
from rollcall.lcd_display.charset import DOWN, LOST, UP
from rollcall.lcd_display.figures import NodeFigures

_WORDS: Final = {
    "lost": ("offline", "off"),
    "stopped": ("stopped", "stop"),
    "shutdown": ("halted", "halt"),
    "reboot": ("reboot", "boot"),
    "stale": ("stale", "old"),
    "unknown": ("unknown", "unkn"),
    "waiting": ("waiting", "wait"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Why a node shows no values: in at most seven letters, in at most four, and for how long."""

    word: str
    short: str
    age: str


def mark_of(node: NodeFigures) -> str:
    """Draw whether a node is online, offline or neither for certain."""
    if node.is_unsure:
        return "?"
    return UP if node.view.state is NodeState.ONLINE else DOWN


def cell_of(node: NodeFigures) -> str:
    """Draw a node as one cell: its CPU as a bar, or what it is instead."""
    if node.is_lost:
        return LOST
    if node.view.state is NodeState.OFFLINE and not node.view.held_back:
        return "-"
    return "?" if node.cpu_percent is None else layout.level(node.cpu_percent)


def worst_cell_of(nodes: list[NodeFigures]) -> str:
    """Draw several nodes as one cell, by the worst: lost, unknown, the busiest, stopped."""
    cells = [cell_of(node) for node in nodes]
    for mark in (LOST, "?"):
        if mark in cells:
            return mark
    busy = [node.cpu_percent for node in nodes if node.cpu_percent is not None]
    return layout.level(max(busy)) if busy else "-"


def standing_of(node: NodeFigures, now: Now) -> Standing | None:
    """Say why and since when a node is not online; None when it is."""
    view = node.view
    if view.held_back:
        return Standing(*_WORDS["waiting"], "")
    if node.is_silent:
        age = "" if view.age_s is None else layout.age(view.age_s)
        return Standing(*_WORDS["stale" if view.state is NodeState.STALE else "unknown"], age)
    if view.state is NodeState.ONLINE:
        return None
    age = "" if view.since is None else layout.age(now.wall_s - view.since)
    return Standing(*_WORDS[view.reason or "lost"], age)
