"""Reading `fleet.toml`, and everything that is to be said about it."""

from dataclasses import dataclass
from pathlib import Path

from rollcall.broker.fleet import Fleet, FleetError
from rollcall.broker.fleet.inspection import Finding, Known, Level, inspect
from rollcall.broker.fleet.source import Source, parse
from rollcall.console.options import EXIT_WARNINGS, CommandError
from rollcall.service.lifecycle import EXIT_CONFIGURATION


@dataclass(frozen=True, slots=True)
class Inspected:
    """A document and what is said of it; `fleet` is None where it is refused."""

    name: str
    source: Source
    fleet: Fleet | None
    findings: list[Finding]

    @property
    def code(self) -> int:
        """The exit code: 78 for a document that is refused, 3 for warnings, else 0."""
        if self.fleet is None:
            return EXIT_CONFIGURATION
        return EXIT_WARNINGS if any(each.level is Level.WARNING for each in self.findings) else 0

    @property
    def rule_lines(self) -> dict[str, int]:
        """On which line of the file each rule stands."""
        return {
            path[1]: line
            for path, line in self.source.lines.items()
            if path[0] == "rules" and len(path) == 2  # noqa: PLR2004 - rules.NAME
        }


def inspected(name: str, source: Source, known: Known) -> Inspected:
    """Judge a document that was read already."""
    fleet, findings = inspect(source, known)
    return Inspected(name, source, fleet, findings)


def read_file(path: Path, known: Known) -> Inspected:
    """Read and judge a file. Raises CommandError when it cannot be read at all."""
    try:
        source = parse(path.read_text("utf-8"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", "name another file") from error
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path}: is not UTF-8", "save it as UTF-8", EXIT_CONFIGURATION
        ) from error
    except FleetError as error:
        findings = [Finding(Level.FAULT, problem, None) for problem in error.problems]
        return Inspected(str(path), Source({}, {}), None, findings)
    return inspected(str(path), source, known)
