"""Reading the tables of a document: all faults of its shape, and what is left without them."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.faults import faults_of, keys_of, told


def read_document(table: Mapping[str, JsonValue]) -> tuple[Document, list[str]]:
    """Give the document without what is wrong in it, and every fault that was found.

    So the rest can be judged in the same run; a document with faults is put into force nowhere.
    """
    try:
        return Document.model_validate(table), []
    except ValidationError as error:
        faults = faults_of(error)
    problems = [told(fault, _known_at(fault)) for fault in faults]
    rest = deepcopy(dict(table))
    for fault in reversed(faults):
        _drop(rest, [part for part in fault["loc"] if part != "[key]"], fault["type"] == "missing")
    if rest == table:
        return Document(), problems
    # What is missing now is missing because we took it away.
    document, _ = read_document(rest)
    return document, problems


def _drop(table: Any, path: list[int | str], is_missing: bool) -> None:  # noqa: FBT001 - one caller
    """Take away what is at `path`, or the table that lacks it."""
    *above, last = path[:-1] if is_missing else path
    for part in above:
        if not _has(table, part):
            return
        table = table[part]
    if not _has(table, last):
        return
    if above == ["groups"] and not isinstance(table[last], list):
        # Templates name it: that it is there at all stays true.
        table[last] = []
    else:
        del table[last]


def _has(table: Any, part: int | str) -> bool:
    if isinstance(table, list):
        return isinstance(part, int) and part < len(table)
    return isinstance(table, dict) and part in table


def _known_at(fault: ErrorDetails) -> list[str]:
    within = {"templates": Template, "nodes": NodeTable}.get(str(fault["loc"][0]))
    model: Any = within if within is not None and len(fault["loc"]) > 1 else Document
    return keys_of(model)
