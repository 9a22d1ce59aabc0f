"""What the fleet document costs for ten thousand nodes: `.venv/bin/python -m bench.fleet`.

A fleet of groups by pattern and label, templates that overlap, and a table of its own for every
second node. Beside it, in the same run, what one would write first: `fnmatch` for every pattern of
every node, and `deepcopy` with a recursive update, without origins. Both must agree.
"""

import argparse
import fnmatch
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from rollcall.broker import fleet
from rollcall.broker.fleet.differences import differences
from rollcall.broker.fleet.inspection import Known, inspect
from rollcall.broker.fleet.published import digest
from rollcall.broker.fleet.source import Source
from rollcall.console.fleet_catalogue import collectors

_KINDS: Final = ("web", "db", "pi", "edge", "gpu")
Labels = dict[str, dict[str, str]]


def fleet_of(count: int) -> tuple[dict[str, Any], Labels]:
    """Give a document, and the labels of every node."""
    nodes = {
        f"{_KINDS[number % len(_KINDS)]}-{number}": {"rack": str(number % 40)}
        for number in range(count)
    }
    groups = {"all": ["*"], **{kind: [f"{kind}-*"] for kind in _KINDS}}
    groups |= {f"rack{rack}": [f"label:rack={rack}"] for rack in range(40)}
    base = {
        "cpu": {"interval": "10s"},
        "disk": {"interval": "60s", "exclude": ["/mnt/scratch"]},
        "process": {"groups": {"python": "python*", "nginx": "nginx"}},
    }
    templates: dict[str, Any] = {
        "base": {"groups": ["all"], "rules": ["node_offline", "cpu_high"], "collectors": base}
    }
    for kind in _KINDS:
        own = {"cpu": {"interval": "5s"}, "process": {"groups": {kind: f"{kind}*"}}}
        templates[kind] = {"groups": [kind], "rules": ["disk_full"], "collectors": own}
    for rack in range(40):
        own = {"temperature": {"interval": "5s"}}
        templates[f"rack{rack}"] = {"groups": [f"rack{rack}"], "collectors": own}
    tables = {
        name: {"description": f"number {number}", "collectors": {"cpu": {"interval": "2s"}}}
        for number, name in enumerate(nodes)
        if number % 2
    }
    return {"groups": groups, "templates": templates, "nodes": tables}, nodes


def written_first(document: dict[str, Any], node: str, labels: dict[str, str]) -> dict[str, Any]:
    """Work out a node's collectors as a short script would."""
    groups = set()
    for group, members in document["groups"].items():
        for member in members:
            if member.startswith("label:"):
                key, _, value = member[6:].partition("=")
                if labels.get(key) == value:
                    groups.add(group)
            elif fnmatch.fnmatchcase(node, member):
                groups.add(group)
    settings: dict[str, Any] = {}
    for template in document["templates"].values():
        if groups & set(template["groups"]):
            _update(settings, deepcopy(template["collectors"]))
    _update(settings, deepcopy(document["nodes"].get(node, {}).get("collectors", {})))
    return settings


def _update(under: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _update(under[key], value)
        else:
            under[key] = value


def _timed(what: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Give the least of some runs in seconds, and what came out."""
    best, answer = float("inf"), None
    for _ in range(runs):
        begun = time.perf_counter()
        answer = what()
        best = min(best, time.perf_counter() - begun)
    return best, answer


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="What the fleet document costs.")
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    document, nodes = fleet_of(given.nodes)
    other = deepcopy(document)
    other["templates"]["web"]["collectors"]["cpu"]["interval"] = "1s"
    ours, theirs = fleet.read(document), fleet.read(other)
    rows: list[tuple[str, float]] = []

    def row(title: str, what: Callable[[], Any]) -> Any:
        seconds, answer = _timed(what, given.runs)
        rows.append((title, seconds))
        return answer

    found = row(
        "effective settings of every node, with origins",
        lambda: {name: ours.effective(name, labels).collectors for name, labels in nodes.items()},
    )
    first = row(
        "the same as one would write it first, without origins",
        lambda: {name: written_first(document, name, labels) for name, labels in nodes.items()},
    )
    assert found == first
    row("reading the document", lambda: fleet.read(document))
    row("digest", lambda: digest(document))
    row("what another document changes, for whom", lambda: differences(ours, theirs, nodes))
    row(
        "everything that is to be said about it",
        lambda: inspect(Source(document, {}), Known(collectors(), nodes)),
    )
    print(f"| {given.nodes} nodes, best of {given.runs} | s | of the first row |\n|---|---|---|")
    for title, seconds in rows:
        print(f"| {title} | {seconds:.3f} | {seconds / rows[0][1]:.2f} |")


if __name__ == "__main__":
    main()
