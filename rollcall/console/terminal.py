"""What the terminal can do, and what the user wants of it: colour, shapes, bars.

Colours go to a terminal alone, unless `--color` says otherwise; `NO_COLOR` and `TERM=dumb` are
obeyed. Shapes beyond ASCII need a locale of UTF-8.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click
from rich.console import Console

from rollcall.console.options import Color, Options

_PIPE_WIDTH: Final = 200
_LINE_EVERY_S: Final = 10.0
_DUMB: Final = frozenset({"dumb", "unknown"})


class _Quiet(Console):
    """A console whose reader may leave: `rollcall status | head -1` is no mistake."""

    def on_broken_pipe(self) -> None:
        """Let the entry point end it quietly."""
        raise BrokenPipeError


def console(*, stderr: bool = False, **more: Any) -> Console:
    """Give a console for standard output or error; a table in a pipe may be 200 wide."""
    stream = sys.stderr if stderr else sys.stdout
    wanted = _wanted()
    # A reader who is no terminal gets no escapes; neither does one who has asked for none.
    plain = wanted is Color.NEVER or (wanted is Color.AUTO and bool(os.environ.get("NO_COLOR")))
    return _Quiet(
        stderr=stderr,
        highlight=False,
        width=None if stream.isatty() else _PIPE_WIDTH,
        color_system=None if plain else "standard" if wanted is Color.ALWAYS else "auto",
        force_terminal=True if wanted is Color.ALWAYS else None,
        no_color=False if wanted is Color.ALWAYS else None,
        **more,
    )


def has_shapes() -> bool:
    """Say whether standard output takes more than ASCII.

    Where the locale is C, Python speaks UTF-8 all the same; the terminal may not.
    """
    encoding = (sys.stdout.encoding or "").lower().replace("-", "").replace("_", "")
    forced = os.environ.get("PYTHONUTF8") == "1"
    return encoding == "utf8" and (forced or not sys.flags.utf8_mode)


def is_live(*, stderr: bool = False) -> bool:
    """Say whether a picture can be drawn over the last one."""
    stream = sys.stderr if stderr else sys.stdout
    return stream.isatty() and os.environ.get("TERM", "") not in _DUMB


@contextmanager
def progress(label: str, total: float) -> Iterator[Callable[[float, str], None]]:
    """Give how to tell (done, words) of a long work: a bar on a terminal, else a line per 10 s."""
    # Every command imports this module, and few have a bar to draw.
    from rich.progress import (  # noqa: PLC0415 - see above
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    drawn = is_live(stderr=True)
    told_s = time.monotonic()
    with Progress(*columns, console=console(stderr=True), disable=not drawn) as bar:
        task = bar.add_task(label, total=max(total, 1))

        def tell(done: float, words: str) -> None:
            nonlocal told_s
            bar.update(task, completed=done, description=words)
            if not drawn and time.monotonic() - told_s >= _LINE_EVERY_S:
                told_s = time.monotonic()
                click.echo(f"{words}, {100 * done / max(total, 1):.0f} %", err=True)

        yield tell
        bar.update(task, completed=max(total, 1))


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """Say that something takes its time: a spinner on a terminal, else a line per 10 s."""
    if is_live(stderr=True):
        with console(stderr=True).status(words):
            yield
        return
    over = threading.Event()
    begun_s = time.monotonic()

    def tell() -> None:
        while not over.wait(_LINE_EVERY_S):
            click.echo(f"{words}, {time.monotonic() - begun_s:.0f} s", err=True)

    teller = threading.Thread(target=tell, name="waiting", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _wanted() -> Color:
    context = click.get_current_context(silent=True)
    options = context.find_object(Options) if context else None
    return options.color if options else Color.AUTO
