"""`rollcall export`: what was recorded, into a file for other programs."""

import csv
import datetime as dt
import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click

from rollcall.console.consent import confirm_replacing
from rollcall.console.moments import Moment, milliseconds
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.parquet import parquet_rows, require_pyarrow
from rollcall.console.terminal import progress
from rollcall.recorder.export import Export, Page, Wanted
from rollcall.recorder.overviews import HistoryAwayError

_USAGE: Final = 2
_MIB: Final = 1024 * 1024
_PARQUET: Final = ".parquet"
_FOREVER: Final = 1 << 52
_RESOLUTIONS: Final = {"1m": "minutely", "1h": "hourly", "1d": "daily"}
_HEAD: Final = ("node", "metric", "instance", "time", "ts")
_SAMPLE: Final = ("value", "unit")
_BUCKET: Final = ("min", "avg", "max", "last", "samples", "unit")
_HOLE: Final = ("node", "what", "since", "until", "first_seq", "last_seq", "why")
_Write = Callable[[Iterable[tuple[Any, ...]]], None]


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--since", type=Moment(), help="From when on: 2026-11-01, or 24h; default: all.")
@click.option("--until", type=Moment(), help="Up to when; default: now.")
@click.option("--node", "nodes", multiple=True, metavar="GLOB", help="Only these nodes.")
@click.option("--metric", "metrics", multiple=True, metavar="GLOB", help="Only these metrics.")
@click.option("--every", type=click.Choice(list(_RESOLUTIONS)), help="Roll-ups, no samples.")
@click.option("--yes", is_flag=True, help="Replace FILE without asking.")
@shared
@click.pass_obj
def export(
    options: Options,
    file: Path,
    *,
    since: dt.datetime | None,
    until: dt.datetime | None,
    nodes: tuple[str, ...],
    metrics: tuple[str, ...],
    every: str | None,
    yes: bool,
) -> None:
    """Write what was recorded to FILE: .csv or .jsonl, with .gz compressed, or .parquet.

    What is not there is listed beside it, in FILE.gaps.csv.
    """
    stem = _stem(file)
    if file.exists() and not yes:
        confirm_replacing(file)
    wanted = Wanted(
        0 if since is None else milliseconds(since),
        _FOREVER if until is None else milliseconds(until),
        nodes or ("*",),
        metrics or ("*",),
        _RESOLUTIONS.get(every or "", "raw"),
    )
    gaps = file.with_name(f"{stem}.gaps.csv")
    try:
        with Export.opened(options.settings().recorder.database, wanted) as found:
            count = _write_all(found, file, raw=every is None)
            holes = _write_holes(found, gaps)
    except HistoryAwayError as error:
        remedy = "look at [recorder] database: rollcall config show --origin"
        raise CommandError(str(error), remedy, EXIT_OUT_OF_REACH) from error
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}", "another FILE") from error
    size_bytes = file.stat().st_size
    if options.json:
        told = {"rows": count, "size_bytes": size_bytes, "gaps_file": str(gaps), "gaps": holes}
        click.echo(json.dumps({"schema": 1, "file": str(file), **told}))
        return
    click.echo(
        f"Wrote {file}: {count:,} rows, {size_bytes / _MIB:,.1f} MiB; "
        f"{holes} {'gap' if holes == 1 else 'gaps'} listed in {gaps}"
    )


def _stem(file: Path) -> str:
    plain = file.name.removesuffix(".gz")
    if file.suffix == _PARQUET and file.stem:
        require_pyarrow()
        return file.stem
    for suffix in (".csv", ".jsonl"):
        if plain.endswith(suffix) and plain != suffix:
            return plain.removesuffix(suffix)
    what = f"{file} is neither .csv, .jsonl nor .parquet"
    raise CommandError(what, "a FILE such as nov.csv or nov.csv.gz", _USAGE)


def _write_all(found: Export, file: Path, *, raw: bool) -> int:
    columns = (*_HEAD, *(_SAMPLE if raw else _BUCKET))
    count, begun_s = 0, time.monotonic()
    with (
        _replacing(file) as part,
        _writing(part, file.name, columns) as write,
        progress("export", found.span_ms) as tell,
    ):
        for page in found.pages():
            write(_rows(page))
            count += len(page.rows)
            rate = count / max(time.monotonic() - begun_s, 0.001)
            tell(page.done_ms, f"{count:,} rows, {rate:,.0f}/s")
    return count


def _rows(page: Page) -> Iterator[tuple[Any, ...]]:
    for series, (ts, *values) in page.rows:
        head = (series.node, series.metric, series.instance)
        yield (*head, _iso(ts), ts, *values, series.unit)


def _write_holes(found: Export, file: Path) -> int:
    count = 0
    with _replacing(file) as part, part.open("w", encoding="utf-8", newline="") as opened:
        write = csv.writer(opened)
        write.writerow(_HOLE)
        for hole in found.holes():
            since = None if hole.since is None else _iso(hole.since)
            until = None if hole.until is None else _iso(hole.until)
            write.writerow((hole.node, hole.what, since, until, *hole[4:]))
            count += 1
    return count


def _iso(ts: int) -> str:
    moment = dt.datetime.fromtimestamp(ts / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _writing(part: Path, name: str, columns: tuple[str, ...]) -> Iterator[_Write]:
    """Give how to write rows in the form that the name of the finished file says."""
    if name.endswith(_PARQUET):
        with parquet_rows(part, columns) as write:
            yield write
        return
    packed = name.endswith(".gz")
    with (
        gzip.open(part, "wt", encoding="utf-8", newline="", compresslevel=6)
        if packed
        else part.open("w", encoding="utf-8", newline="")
    ) as opened:
        if name.removesuffix(".gz").endswith(".csv"):
            rows = csv.writer(opened)
            rows.writerow(columns)
            yield rows.writerows
        else:
            yield lambda found: _write_lines(opened, columns, found)


def _write_lines(
    opened: IO[str], columns: tuple[str, ...], found: Iterable[tuple[Any, ...]]
) -> None:
    opened.writelines(
        json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n" for row in found
    )


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """Write beside the file, and rename when all is written; what was begun is removed."""
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
