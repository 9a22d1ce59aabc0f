"""What was found: how it is, why, and one command to try. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rollcall.console.marks import ORDER
from rollcall.console.options import EXIT_CRITICAL, EXIT_OUT_OF_REACH, EXIT_WARNINGS
from rollcall.console.words import iso
from rollcall.service.lifecycle import EXIT_CONFIGURATION

Verdict = Literal["critical", "offline", "stale", "unknown", "warning", "ok"]
# A wrong configuration and a part that is away come first: nothing behind them can be believed.
_CODES: Final = (EXIT_CONFIGURATION, EXIT_OUT_OF_REACH, EXIT_CRITICAL, EXIT_WARNINGS)
# Of so many findings of one kind each is told; the rest is counted.
MOST: Final = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    `verdict` is a word of `marks`. What is not ok has a `remedy`: one command to try. `code` is the
    exit code that it calls for, where that is another than the verdict's.
    """

    subject: str
    verdict: Verdict
    text: str
    why: str = ""
    remedy: str = ""
    code: int | None = None

    @property
    def exit_code(self) -> int:
        """Give the exit code that this finding alone calls for."""
        if self.code is not None:
            return self.code
        if self.verdict == "ok":
            return 0
        return EXIT_CRITICAL if self.verdict in {"critical", "offline"} else EXIT_WARNINGS


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Order findings by their verdict; those of one verdict stay in the order of the checks."""
    return sorted(findings, key=lambda finding: ORDER.index(finding.verdict))


def exit_code(findings: Iterable[Finding]) -> int:
    """Give the exit code of all of them: 78, 5, 4, 3 or 0, whichever comes first."""
    codes = {finding.exit_code for finding in findings}
    return next((code for code in _CODES if code in codes), 0)


def bounded(findings: Sequence[Finding], rest: str, remedy: str) -> list[Finding]:
    """Give at most `MOST` of one kind; what is beyond is one finding that counts the `rest`."""
    if len(findings) <= MOST:
        return list(findings)
    first = findings[0]
    more = f"{len(findings) - MOST} more {rest}"
    return [*findings[:MOST], Finding(first.subject, first.verdict, more, remedy=remedy)]


def document(findings: Sequence[Finding], wall_s: float) -> dict[str, Any]:
    """Give findings as the document of `--json`; `wall_s` in Unix seconds."""
    return {
        "schema": 1,
        "time": iso(wall_s),
        "ts": round(wall_s * 1000),
        "exit_code": exit_code(findings),
        "findings": [
            {
                "subject": finding.subject,
                "verdict": finding.verdict,
                "text": finding.text,
                "why": finding.why or None,
                "try": finding.remedy or None,
            }
            for finding in findings
        ],
    }
