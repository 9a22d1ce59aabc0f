"""The configuration in words: every key with its value, without secrets; what a key means. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from rollcall.service.settings import Settings

HIDDEN: Final = "***"
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_KEY: Final = re.compile(r"passw|secret|token|credential|api_?key", re.IGNORECASE)
_IN_URL: Final = re.compile(r"(://[^/@\s:]*:)[^@\s]*@")
_IN_QUERY: Final = re.compile(r"(passw\w*=)[^&\s]*", re.IGNORECASE)
_Path = tuple[str, ...]


def values(settings: Settings) -> dict[_Path, Any]:
    """Give every key with its value as JSON has it; tables are followed down, None is not set."""
    return dict(_leaves((), settings.model_dump(mode="json", by_alias=True)))


def shown(path: _Path, value: Any) -> Any:
    """Give a value without what may be secret: passwords, webhooks, arguments of programs."""
    if value is None or (_SECRET_KEY.search(path[-1]) and not path[-1].endswith("_file")):
        return value if value is None else HIDDEN
    if path[-1] == "webhook":
        url = urlsplit(str(value))
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}/{HIDDEN}"
    if path[:2] == ("agent", "exec") and isinstance(value, list):
        return [value[0], *(HIDDEN for _ in value[1:])]
    if isinstance(value, str):
        return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1{HIDDEN}@", value))
    return value


def origin(path: _Path, origins: Mapping[str, str]) -> str:
    """Say where the value of a key comes from: `default`, or what `config.origins` says of it."""
    ways = (".".join(path[:end]) for end in range(len(path), 1, -1))
    return next((origins[way] for way in ways if way in origins), "default")


def as_toml(found: Mapping[_Path, Any], origins: Mapping[str, str] | None) -> list[str]:
    """Write the keys as a TOML file, each with where it comes from if that is wanted."""
    lines = []
    section = ""
    for path, value in found.items():
        if path[0] != section:
            section = path[0]
            lines += ["", f"[{section}]"]
        key = ".".join(part if _BARE.fullmatch(part) else json.dumps(part) for part in path[1:])
        line = f"#{key} =" if value is None else f"{key} = {_toml(shown(path, value))}"
        lines.append(line if origins is None else f"{line:<40}  # {origin(path, origins)}")
    return lines[1:]


def explained(path: _Path) -> dict[str, Any] | None:
    """Say what a key or section is: what it means, what it may be, its default; None: unknown.

    In a table whose names are free, such as `mail.receivers`, any name is good.
    """
    schema = Settings.model_json_schema()
    found: Any = schema
    for part in path:
        found = _below(_resolved(found, schema), part)
        if found is None:
            return None
    meant = _resolved(found, schema)
    variable = "__".join(path).upper() if len(path) == len(("section", "key")) else None
    return {
        "key": ".".join(path),
        "meaning": found.get("description") or meant.get("description", ""),
        "allowed": allowed(found, schema),
        "default": shown(path, values(Settings()).get(path)),
        "variable": variable and f"ROLLCALL_{variable}",
        "keys": list(meant.get("properties", {})),
    }


def allowed(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Say in words what a value may be, from its JSON Schema."""
    found = _resolved(part, schema)
    if "anyOf" in found:
        each = [allowed(one, schema) for one in found["anyOf"] if one.get("type") != "null"]
        return " or ".join(each)
    if "enum" in found or "const" in found:
        return "one of " + ", ".join(map(str, found.get("enum") or [found["const"]]))
    kind = found.get("type")
    if kind == "array":
        return f"a list, each {allowed(found.get('items', {}), schema)}"
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    text = words.get(str(kind), "a table" if kind == "object" else "text")
    if "minimum" in found:
        text += f" from {found['minimum']}"
    if "maximum" in found:
        text += f" to {found['maximum']}"
    return text + (f" that matches {found['pattern']}" if "pattern" in found else "")


def known() -> list[str]:
    """Name every section and key that has a default."""
    keys = [".".join(path) for path in values(Settings())]
    return sorted({*keys, *(key.partition(".")[0] for key in keys)})


def _leaves(above: _Path, value: Any) -> Iterator[tuple[_Path, Any]]:
    if isinstance(value, dict) and (value or not above):
        for key, below in value.items():
            yield from _leaves((*above, key), below)
    else:
        yield above, value


def _below(found: Mapping[str, Any], part: str) -> Any:
    named = found.get("properties", {}).get(part)
    if named is not None:
        return named
    patterns = found.get("patternProperties", {})
    fits = next((below for pattern, below in patterns.items() if re.search(pattern, part)), None)
    more = found.get("additionalProperties")
    return fits if fits is not None else more if isinstance(more, dict) else None


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in part:
        return part
    found: Mapping[str, Any] = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return found


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{}"
    return json.dumps(value, ensure_ascii=False)
