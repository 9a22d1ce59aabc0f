"""`rollcall restore`: put a backup in the place of the database."""

import datetime as dt
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from rollcall.console.archive import CONFIGURATION, DATABASE, Manifest, manifest_of, unpack
from rollcall.console.broker_place import folder_option
from rollcall.console.consent import NOBODY, confirm
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.restore_broker import restore_broker
from rollcall.recorder import backup as copies
from rollcall.recorder.backup import Contents
from rollcall.recorder.engine import CLAIMED
from rollcall.recorder.errors import DatabaseUnavailableError, RecorderError
from rollcall.service.lock import AlreadyRunningError

_USAGE: Final = 2


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what is in it and what is there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--configuration",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="TARGET",
    help="Write the configuration that is in it to TARGET, and do nothing else.",
)
@click.option(
    "--broker", is_flag=True, help="Put the broker's folder back that is in it, and nothing else."
)
@folder_option
@shared
@click.pass_obj
def restore(
    options: Options,
    file: Path,
    *,
    dry_run: bool,
    yes: bool,
    configuration: Path | None,
    broker: bool,
    folder: Path,
) -> None:
    """Put the database in FILE in the place of the present one, which is kept beside it.

    Stop the recorder first. What is in FILE is shown against what is there. With --broker it is the
    broker that is stopped, compared and put back: a database from yesterday does no harm, but a
    broker from yesterday lets in who was removed today.
    """
    manifest = manifest_of(file)
    if broker:
        confirm = (lambda: None) if yes else _ask
        restore_broker(options, file, manifest, folder, confirm=None if dry_run else confirm)
        return
    if configuration is not None:
        _write_configuration(file, manifest, configuration)
        return
    url = options.settings().recorder.database
    if manifest.engine != copies.engine_of(url):
        raise CommandError(
            f"{file} holds a database of {manifest.engine}, and [recorder] database is "
            f"{copies.engine_of(url)}",
            f"[recorder] database with {manifest.engine}",
        )
    with _explained(), copies.alone(url) as database:
        present = copies.contents(url)
        if dry_run or not options.json:
            _compare(options, manifest, present)
        if dry_run:
            click.echo("Nothing was changed.", err=True)
            return
        if not yes:
            _ask()
        with _copy_in(file, manifest, copies.place_of_copy(url)) as copied:
            kept = copies.restore(url, database, copied, _expected(manifest))
    if options.json:
        click.echo(json.dumps({"schema": 1, "restored": str(file), "kept": kept or None}))
        return
    click.echo(f"Restored; the one before is kept: {kept}" if kept else "Restored.")
    if manifest.broker:
        click.echo(f"A broker's folder is in it, too: rollcall restore {file} --broker")


@contextmanager
def _explained() -> Iterator[None]:
    stop = "stop the recorder, and run this again"
    try:
        yield
    except AlreadyRunningError as error:
        raise CommandError(str(error), stop) from error
    except DatabaseUnavailableError as error:
        if error.state == CLAIMED:
            raise CommandError(str(error), stop) from error
        raise CommandError(str(error), "run this again later", EXIT_OUT_OF_REACH) from error
    except RecorderError as error:
        raise CommandError(str(error), "another backup; nothing was changed") from error
    except OSError as error:
        raise CommandError(f"cannot be written: {error}", "make room or give access") from error


@contextmanager
def _copy_in(file: Path, manifest: Manifest, place: Path | None) -> Iterator[Path]:
    """Unpack the copy where it is needed, and look whether it is what was packed."""
    with tempfile.TemporaryDirectory() as folder:
        copied = place or Path(folder) / DATABASE
        try:
            unpack(file, DATABASE, copied)
            if copies.sha256(copied) != manifest.sha256:
                raise CommandError(f"{file} is damaged: the database in it differs", "another FILE")
            yield copied
        finally:
            copied.unlink(missing_ok=True)


def _expected(manifest: Manifest) -> Contents:
    return Contents(
        manifest.engine,
        manifest.schema_version,
        manifest.uuid,
        manifest.counts,
        manifest.newest_ts,
    )


def _write_configuration(file: Path, manifest: Manifest, target: Path) -> None:
    if manifest.configuration_sha256 is None:
        raise CommandError(f"{file} holds no configuration", "another FILE")
    if target.exists():
        raise CommandError(f"{target} is there already", "another TARGET", _USAGE)
    unpack(file, CONFIGURATION, target)
    click.echo(f"Wrote {target}")


def _ask() -> None:
    question = "Put it in the place of what is there?"
    confirm(question, unasked=NOBODY, remedy="--yes, or --dry-run")


def _compare(options: Options, manifest: Manifest, present: Contents | None) -> None:
    if options.json:
        there: dict[str, Any] | None = None if present is None else present._asdict()
        found = {"schema": 1, "backup": manifest.model_dump(), "present": there}
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{'':14}{'backup':>24}{'there now':>24}")
    old = ("made", manifest.made.replace("+00:00", "Z"), "")
    told = [
        old,
        ("newest sample", _moment(manifest.newest_ts), _moment(present and present.newest_ts)),
        ("schema", manifest.schema_version, present.schema if present else "-"),
        *(
            (name, f"{count:,}", f"{present.counts.get(name, 0):,}" if present else "-")
            for name, count in manifest.counts.items()
        ),
    ]
    for name, one, other in told:
        click.echo(f"{name:14}{one:>24}{other:>24}".rstrip())


def _moment(ts: int | None) -> str:
    if ts is None:
        return "-"
    return f"{dt.datetime.fromtimestamp(ts / 1000, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
