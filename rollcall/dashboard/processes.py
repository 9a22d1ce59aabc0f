"""The largest processes of a node, from its own words: what is not a list of them is refused.

The same list comes as the reply to a command and, recorded, as an event. Pure.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

MOST: Final = 20
EVENT: Final = "processes"
_Words = Annotated[str, Field(max_length=255)]


class _Process(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False, hide_input_in_errors=True)

    pid: Annotated[int, Field(ge=0)]
    name: _Words
    user: _Words | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    resident_bytes: float | None = None


class _List(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    by: _Words
    processes: list[_Process]


class NoListError(ValueError):
    """What a node sent is no list of processes."""


def listed(told: JsonValue) -> dict[str, JsonValue]:
    """Give `by` and at most twenty `processes` with the keys that are known.

    Raises NoListError.
    """
    try:
        found = _List.model_validate(told)
    except ValidationError as error:
        raise NoListError("the node's answer is no list of processes") from error
    return {
        "by": found.by,
        "processes": [each.model_dump(exclude_none=True) for each in found.processes[:MOST]],
    }
