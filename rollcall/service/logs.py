"""Logging: one line an event on standard error; under systemd the journal adds the time."""

import logging
import os
import time


class LineFormatter(logging.Formatter):
    """Keeps an entry on one line, so that no payload can forge another."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - its name
        """Write the time in UTC."""
        return time.strftime(datefmt or "%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        """Write the entry; a trace follows indented, what does not print is escaped."""
        line, *trace = super().format(record).split("\n")
        kept = "\n".join((line, *(f"    {more}" for more in trace)))
        return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in kept)


def configure(*, verbose: bool) -> None:
    """Send log lines to standard error: from INFO on, with `verbose` from DEBUG on."""
    journal = "JOURNAL_STREAM" in os.environ
    layout = "%(levelname)s %(name)s: %(message)s"
    stream = logging.StreamHandler()
    stream.setFormatter(LineFormatter(layout if journal else f"%(asctime)s {layout}"))
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[stream], force=True
    )
