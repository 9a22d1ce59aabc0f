"""Collectors that are not built in: programs, text files, and Python entry points.

Whatever a plug-in does, its report keeps to the contract: names that are not allowed are dropped
and counted. One that cannot be loaded reports that as its error; one whose name is taken is left
out. Both are problems, told in the log.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rollcall.node_agent.collectors.declaration import (
    AnySource,
    Collector,
    Declaration,
    Field,
    Found,
    Number,
    Source,
    gauge,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import BlockingOptions, Options
from rollcall.service.settings import Agent as AgentSettings

GROUP: Final = "rollcall.collectors"
_COLLECTOR: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_FIELDS: Final = 256


class PlugIn:
    """Keeps what `collector` finds within the contract, and declares what it has found so far."""

    def __init__(self, collector: Collector, declaration: Declaration) -> None:
        self._collector = collector
        self.declaration = declaration

    def collect(self, host: Host) -> Found:
        """Read it, on its own thread. Raises whatever it raises."""
        found = sound(self._collector.collect(host))
        instances = (found.instances or {}).values()
        self.declaration = replace(
            self.declaration,
            fields=_learned(self.declaration.fields, found.fields or ()),
            instance_fields=_learned(
                self.declaration.instance_fields, (name for each in instances for name in each)
            ),
        )
        return found


class Broken:
    """Stands for a plug-in that cannot be loaded: each of its reports says why."""

    def __init__(self, declaration: Declaration, why: str) -> None:
        self.declaration = declaration
        self._why = why

    def collect(self, host: Host) -> Found:  # noqa: ARG002 - there is nothing to read
        """Say why there is nothing."""
        return Found(error=f"failed: {self._why}")


def sources(
    settings: AgentSettings, built_in: Iterable[str]
) -> tuple[tuple[AnySource, ...], list[str]]:
    """Give the plug-ins of this host, and the problems with them."""
    taken = set(built_in)
    found: list[AnySource] = []
    problems: list[str] = []
    for origin, source in _offered(settings, problems):
        name = source.declaration.name
        if name in taken:
            problems.append(f"{origin}: there is a collector {name!r} already; left out")
        elif not _COLLECTOR.fullmatch(name):
            problems.append(f"{origin}: {name!r} cannot be the name of a collector; left out")
        else:
            taken.add(name)
            found.append(source)
    return tuple(found), problems


def sound(found: Found) -> Found:
    """Drop what the contract does not allow, and count it."""
    dropped = found.dropped_values
    fields, lost = _allowed(found.fields or {})
    dropped += lost
    instances = {}
    for name, values in (found.instances or {}).items():
        beside = {key: value for key, value in values.items() if key not in fields}
        kept, lost = _allowed(beside)
        dropped += lost + len(values) - len(beside)
        if kept:
            instances[str(name)] = kept
    error = found.error
    if error is None and not fields and not instances and dropped:
        error = "failed: nothing of what was found can be used"
    return Found(
        fields if found.fields is not None or error is None else None,
        None if found.instances is None else instances,
        error,
        dropped,
    )


def _allowed(values: Mapping[Any, Any]) -> tuple[dict[str, Number], int]:
    kept = {
        name: int(value) if isinstance(value, bool) else value
        for name, value in values.items()
        if _FIELD.fullmatch(str(name)) and isinstance(value, int | float)
    }
    few = dict(list(kept.items())[:_MAX_FIELDS])
    return few, len(values) - len(few)


def _learned(known: tuple[Field, ...], names: Iterable[str]) -> tuple[Field, ...]:
    declared = {each.name: each for each in known}
    for name in names:
        if name not in declared and len(declared) < _MAX_FIELDS:
            declared[name] = gauge(name, "")
    return tuple(declared.values())


def _offered(settings: AgentSettings, problems: list[str]) -> Iterator[tuple[str, AnySource]]:
    """Import only what is used: most hosts have no plug-in, and memory is dear."""
    if settings.programs:
        from rollcall.node_agent.collectors import exec as programs  # noqa: PLC0415 - see above

        for name, program in settings.programs.items():
            make = _program_maker(programs.Exec, name, program.command)
            yield f"[agent.exec.{name}]", Source(programs.declaration(name), make)
    if settings.textfile_dir is not None:
        from rollcall.node_agent.collectors import textfile  # noqa: PLC0415 - see above

        folder = settings.textfile_dir
        declared = textfile.Textfile.declaration
        yield (
            "[agent] textfile_dir",
            Source(declared, lambda options: PlugIn(textfile.Textfile(folder, options), declared)),
        )
    for name, load in entry_points():
        declared = Declaration(name, "A plug-in", instance="instance", blocks=True)
        declared = replace(declared, options=BlockingOptions)
        yield f"entry point {name!r}", Source(declared, _entry_maker(declared, load, problems))


def _program_maker(
    kind: Callable[[str, list[str], Any], Collector], name: str, command: list[str]
) -> Callable[[Options], Collector]:
    def make(options: Options) -> Collector:
        program = kind(name, command, options)
        return PlugIn(program, program.declaration)

    return make


def _entry_maker(
    declared: Declaration, load: Callable[[], Callable[[], Collector]], problems: list[str]
) -> Callable[[Options], Collector]:
    try:
        factory = load()
    except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises is said, not fatal
        why = f"it cannot be imported: {type(error).__name__}: {error}"
        problems.append(f"entry point {declared.name!r}: {why}")
        return lambda _: Broken(declared, why)

    def make(_: Options) -> Collector:
        try:
            collector = factory()
            own = collector.declaration
            known = replace(declared, fields=own.fields, instance_fields=own.instance_fields)
        except Exception as error:  # noqa: BLE001 - likewise
            return Broken(declared, f"it cannot be made: {type(error).__name__}: {error}")
        return PlugIn(collector, known)

    return make


def entry_points() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give name and loader of each entry point of our group."""
    folders = (Path(place) for place in sys.path)
    told = (path for folder in folders for path in folder.glob("*.dist-info/entry_points.txt"))
    if any(f"[{GROUP}]" in path.read_text("utf-8", "replace") for path in told):
        # Imported only where there is one, as it brings a mail parser and more along; by its name,
        # for `from importlib import` would find what `lean` has left in its place.
        metadata = import_module("importlib.metadata")
        for entry in metadata.entry_points(group=GROUP):
            yield entry.name, entry.load
