"""What is wrong with a fleet document, in words: the path, the fault, and the nearest known key."""

import difflib
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


class FleetError(ValueError):
    """A document that is refused; `problems` are all of its mistakes."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def faults_of(error: ValidationError) -> list[ErrorDetails]:
    """Give the faults that pydantic found, without the input."""
    return error.errors(include_url=False, include_input=False, include_context=False)


def told(fault: ErrorDetails, known: list[str], above: tuple[str, ...] = ()) -> str:
    """Say one fault; `known` are the keys of its table, `above` the path to what was validated."""
    path = ".".join(ascii(str(part))[1:-1][:80] for part in (*above, *fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key{nearest(str(fault['loc'][-1]), known)}"
    text = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {text}"


def path_of_problem(problem: str) -> tuple[str, ...]:
    """Give the path that a problem begins with, as `told` and others write it."""
    return tuple(problem.partition(": ")[0].split("."))


def keys_of(model: type[BaseModel]) -> list[str]:
    """Give the keys of a table as people write them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def nearest(name: str, known: Iterable[str]) -> str:
    """Give the end of a sentence: the known name that `name` is nearest to, else all of them."""
    near = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.5)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known are {', '.join(sorted(known)) or 'none'}"
