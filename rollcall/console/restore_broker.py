"""`rollcall restore --broker`: put the folder of a broker back that is in a backup."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import click

from rollcall.broker.broker_folder import BrokerFolder, BrokerFolderError
from rollcall.broker.certificates import CredentialError
from rollcall.broker.private_files import make_private_folder
from rollcall.console.archive import BROKER, Manifest, part
from rollcall.console.broker_copy import (
    Difference,
    digests,
    files_of,
    is_path,
    kept_beside,
    put_back,
)
from rollcall.console.options import CommandError, Options
from rollcall.service.lock import AlreadyRunningError, ProcessLock


def restore_broker(
    options: Options,
    file: Path,
    manifest: Manifest,
    folder: Path,
    *,
    confirm: Callable[[], None] | None,
) -> None:
    """Show what differs, ask, and put the folder back; `confirm` is None for a dry run.

    Raises CommandError; what was there is kept beside it.
    """
    if not manifest.broker:
        raise CommandError(f"{file} holds no broker's folder", "another FILE")
    try:
        difference = Difference.between(manifest.broker, digests(files_of(folder)))
        if not options.json:
            _compare(folder, difference)
        kept = None
        if not difference.is_none and confirm is not None:
            files = _unpacked(file, manifest)
            _require_stopped(folder)
            confirm()
            kept = _replace(folder, files)
    except AlreadyRunningError as error:
        raise CommandError(str(error), "stop it, and run this again") from error
    except (BrokerFolderError, CredentialError) as error:
        what, _, remedy = str(error).partition("; try: ")
        raise CommandError(what, remedy or "rollcall broker check") from error
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror}", "again with sudo") from error
    _tell(options, difference, kept, dry_run=confirm is None)


def _replace(folder: Path, files: dict[str, str]) -> Path | None:
    now = dt.datetime.now(dt.UTC)
    kept = kept_beside(folder, now) if files_of(folder) else None
    make_private_folder(folder)
    with ProcessLock(folder / "run.lock", "this broker"):
        put_back(folder, files, now)
    return kept


def _require_stopped(folder: Path) -> None:
    """Raise CommandError where a broker runs from the folder, AlreadyRunningError likewise."""
    if not (folder / "broker.json").is_file():
        return
    with ProcessLock(folder / "run.lock", "this broker"):
        pid = BrokerFolder.open(folder).running()
    if pid is not None:
        raise CommandError(
            f"the broker of {folder} runs (process {pid})", "sudo systemctl stop mosquitto"
        )


def _unpacked(file: Path, manifest: Manifest) -> dict[str, str]:
    """Read all the files, and look whether they are what was packed."""
    strange = [path for path in manifest.broker if not is_path(path)]
    if strange:
        raise CommandError(f"{file} is no backup of ours: {strange[0]!r} is in it", "another FILE")
    files = {path: part(file, f"{BROKER}/{path}").decode() for path in manifest.broker}
    if digests(files) != manifest.broker:
        raise CommandError(f"{file} is damaged: the broker's files in it differ", "another FILE")
    return files


def _compare(folder: Path, difference: Difference) -> None:
    click.echo(f"{folder}: {len(difference.same)} files are as in the backup")
    for path in difference.other:
        click.echo(f"  differs            {path}")
    for path in difference.only_in_backup:
        click.echo(f"  only in the backup {path}")
    for path in difference.only_there:
        click.echo(f"  only there now     {path}")
    if "pki/issued.json" not in difference.same:
        click.echo("Who was removed since the backup gets in again: rollcall node remove NAME")


def _tell(options: Options, difference: Difference, kept: Path | None, *, dry_run: bool) -> None:
    changed = not (difference.is_none or dry_run)
    if options.json:
        answer = {
            "schema": 1,
            "changed": changed,
            "differs": difference.other,
            "only_in_backup": difference.only_in_backup,
            "only_there": difference.only_there,
            "kept": str(kept) if kept else None,
        }
        click.echo(json.dumps(answer))
    elif not changed:
        click.echo("Nothing was changed.", err=True)
    else:
        click.echo(f"Restored; the one before is kept: {kept}" if kept else "Restored.")
