"""The only user of pyarrow: rows into a Parquet file, in row groups of a bounded size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rollcall.console.options import CommandError

_GROUP_ROWS: Final = 100_000
_WHOLE: Final = frozenset({"ts", "samples"})
_TEXTS: Final = frozenset({"node", "metric", "instance", "unit"})
_MOMENT: Final = "time"


def require_pyarrow() -> Any:
    """Give the package. Raises CommandError where it is not installed."""
    try:
        import pyarrow.parquet  # noqa: PLC0415 - an extra that few have
    except ModuleNotFoundError as missing:
        raise CommandError(
            "a file in Parquet needs the package pyarrow",
            "pip install 'rollcall-mqtt[parquet]', or a FILE such as nov.csv.gz",
        ) from missing
    return pyarrow


@contextmanager
def parquet_rows(
    file: Path, columns: Sequence[str]
) -> Iterator[Callable[[Iterable[tuple[Any, ...]]], None]]:
    """Give how to write rows with these columns to a new file; a context manager.

    `time` becomes a timestamp of milliseconds in UTC, from `ts`; the others are as in the views.
    Raises CommandError, OSError.
    """
    arrow = require_pyarrow()
    schema = arrow.schema([(name, _type_of(arrow, name)) for name in columns])
    sources = [columns.index("ts" if name == _MOMENT else name) for name in columns]
    held: list[tuple[Any, ...]] = []
    with arrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            if held:
                cells = list(zip(*held, strict=True))
                arrays = [
                    arrow.array(cells[source], field.type)
                    for source, field in zip(sources, schema, strict=True)
                ]
                writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
                held.clear()

        def write(rows: Iterable[tuple[Any, ...]]) -> None:
            held.extend(rows)
            if len(held) >= _GROUP_ROWS:
                flush()

        yield write
        flush()


def _type_of(arrow: Any, column: str) -> Any:
    if column == _MOMENT:
        return arrow.timestamp("ms", tz="UTC")
    if column in _TEXTS:
        return arrow.string()
    return arrow.int64() if column in _WHOLE else arrow.float64()
