"""`rollcall db`: look after the database."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.terminal import progress
from rollcall.recorder.engine import CLAIMED
from rollcall.recorder.errors import DatabaseUnavailableError, RecorderError
from rollcall.recorder.upgrade import Estimate, Upgrade, unfinished_of
from rollcall.service.lock import AlreadyRunningError
from rollcall.service.settings import data_folder

_MIB: Final = 1024 * 1024
_LOOK_EVERY_S: Final = 0.1
_SQLITE: Final = "sqlite:///"


@click.group()
@shared
def db() -> None:
    """Look after the database."""


@db.command()
@click.option("--dry-run", is_flag=True, help="Only say what there is to do.")
@click.option(
    "--backup",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the copy made before goes; default: beside the database.",
)
@click.option("--no-backup", is_flag=True, help="Make no copy before.")
@shared
@click.pass_obj
def upgrade(options: Options, *, dry_run: bool, backup: Path | None, no_backup: bool) -> None:
    """Bring an older database to the schema of this version.

    Stop the recorder first. A copy is made before; killed in the middle, run it again.
    """
    url = options.settings().recorder.database
    with _explained(), Upgrade.opened(url) as work:
        found = work.estimate()
        old = found.theirs is not None and bool(found.steps)
        copy = None if no_backup or not old else backup or _copy_of(url, found)
        if not options.json:
            click.echo(_described(found, copy))
        if not dry_run and found.steps:
            if copy is not None:
                _check_room(copy, found)
            _run(work, found, copy)
        if options.json:
            click.echo(json.dumps(_document(found, copy, done=not dry_run), indent=2))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except AlreadyRunningError as error:
        raise CommandError(str(error), "stop the recorder, and run this again") from error
    except DatabaseUnavailableError as error:
        if error.state in {"locked", CLAIMED}:
            raise CommandError(str(error), "stop the recorder, and run this again") from error
        remedy = "look whether the database runs, and run this again"
        raise CommandError(str(error), remedy, EXIT_OUT_OF_REACH) from error
    except RecorderError as error:
        raise CommandError(str(error), "rollcall db upgrade --no-backup, or as it says") from error


def _copy_of(url: str, found: Estimate) -> Path:
    name = f"before-{found.ours}"
    if url.startswith(_SQLITE):
        path = Path(found.where)
        return path.with_name(f"{path.name}.{name}")
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"rollcall.{name}.dump"


def _described(found: Estimate, copy: Path | None) -> str:
    if not found.steps:
        return f"{found.where} has schema {found.ours}: there is nothing to do"
    if found.theirs is None:
        return f"{found.where} is empty: schema {found.ours} is made"
    size = f"{found.size_bytes / _MIB:.1f} MiB, steps: {' '.join(found.steps)}"
    lines = [
        f"{found.where}: schema {found.theirs} becomes {found.ours} ({size})",
        f"takes about {max(found.seconds, 1):.0f} s on a memory card, less on a disk",
    ]
    if copy is not None:
        lines.append(f"the copy made before: {copy}")
    return "\n".join(lines)


def _check_room(copy: Path, found: Estimate) -> None:
    free_bytes = shutil.disk_usage(copy.parent).free
    if not copy.exists() and free_bytes < found.size_bytes:
        raise CommandError(
            f"the copy needs {found.size_bytes / _MIB:.0f} MiB, and {copy.parent} has "
            f"{free_bytes / _MIB:.0f} MiB left",
            "--backup FILE on another disk",
        )


def _run(work: Upgrade, found: Estimate, copy: Path | None) -> None:
    with ThreadPoolExecutor(1) as worker:
        if copy is not None:
            growing = unfinished_of(copy)
            with progress("copy", found.size_bytes) as tell:
                copying = worker.submit(work.back_up, copy)
                _watch(copying, lambda: tell(_size_of(growing), "copy"))
        done: list[str] = []
        with progress("upgrade", len(found.steps)) as tell:
            upgrading = worker.submit(work.apply, done.append)
            _watch(upgrading, lambda: tell(len(done), "upgrade"))
    if not sys.stderr.isatty():
        click.echo(f"schema {found.ours}", err=True)


def _watch(job: Future[None], look: Callable[[], None]) -> None:
    while not job.done():
        time.sleep(_LOOK_EVERY_S)
        look()
    job.result()


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _document(found: Estimate, copy: Path | None, *, done: bool) -> dict[str, object]:
    return {
        "schema": 1,
        "database": found.where,
        "from": found.theirs,
        "to": found.ours,
        "steps": list(found.steps),
        "size_bytes": found.size_bytes,
        "estimated_seconds": round(found.seconds, 1),
        "backup": None if copy is None else str(copy),
        "upgraded": done and bool(found.steps),
    }
