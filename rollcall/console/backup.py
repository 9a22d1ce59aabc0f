"""`rollcall backup`: database, configuration and broker's folder in one file, while all goes on."""

import datetime as dt
import json
import os
import shutil
from pathlib import Path
from typing import Final

import click

from rollcall import __version__
from rollcall.console.archive import Manifest, pack
from rollcall.console.broker_copy import digests, files_of
from rollcall.console.broker_place import folder_option
from rollcall.console.consent import confirm_replacing
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.terminal import waiting
from rollcall.recorder import backup as copies
from rollcall.recorder.errors import RecorderError
from rollcall.service import config

_USAGE: Final = 2
_MIB: Final = 1024 * 1024


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Replace FILE without asking.")
@folder_option
@shared
@click.pass_obj
def backup(options: Options, file: Path, *, yes: bool, folder: Path) -> None:
    """Copy the database and the configuration into FILE, and open the copy to see that it is whole.

    Where a broker's folder is here, its keys, rules and identities go in too: keep FILE as you keep
    those. The recorder goes on recording. It takes the room of the database twice while it is made.
    """
    settings = options.settings()
    if file.exists() and not yes:
        confirm_replacing(file)
    copied = file.with_name(f"{file.name}.database")
    configuration = options.config or config.find_file(os.environ)
    try:
        broker = files_of(folder)
        copied.unlink(missing_ok=True)
        with waiting("copying the database, and opening the copy"):
            found = copies.copy(settings.recorder.database, copied)
            manifest = Manifest(
                made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                version=__version__,
                cluster=settings.cluster.name,
                engine=found.engine,
                schema_version=found.schema,
                uuid=found.uuid,
                counts=found.counts,
                newest_ts=found.newest_ts,
                size_bytes=copied.stat().st_size,
                sha256=copies.sha256(copied),
                configuration_sha256=copies.sha256(configuration) if configuration else None,
                broker=digests(broker),
            )
            _check_room(file, manifest.size_bytes)
            pack(file, manifest, copied, configuration, broker)
    except RecorderError as error:
        remedy = "look whether the database is there: rollcall config show --origin"
        raise CommandError(str(error), remedy, EXIT_OUT_OF_REACH) from error
    except OSError as error:
        where = error.filename or file
        raise CommandError(f"{where}: {error.strerror}", "another FILE, or sudo") from error
    finally:
        copied.unlink(missing_ok=True)
    _say(options, file, manifest)


def _check_room(file: Path, size_bytes: int) -> None:
    free_bytes = shutil.disk_usage(file.absolute().parent).free
    if free_bytes < size_bytes:
        raise CommandError(
            f"the backup needs {size_bytes / _MIB:.0f} MiB more, and {free_bytes / _MIB:.0f} MiB "
            f"are left at {file}",
            "another FILE, on another disk",
        )


def _say(options: Options, file: Path, manifest: Manifest) -> None:
    if options.json:
        click.echo(json.dumps({"schema": 1, "file": str(file), **manifest.model_dump()}, indent=2))
        return
    counts = manifest.counts
    click.echo(
        f"Wrote {file}: {file.stat().st_size / _MIB:,.1f} MiB, {counts.get('nodes', 0):,} nodes, "
        f"{counts.get('samples', 0):,} samples, schema {manifest.schema_version}; the copy was "
        "opened and is whole"
    )
    if manifest.broker:
        click.echo(f"The broker's keys and rules are in it, {len(manifest.broker)} files: "
                   "keep it where nobody else reads it")  # fmt: skip
