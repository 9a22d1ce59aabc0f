"""`rollcall config`: what is configured, whether it is right, and what a key means."""

import difflib
import json
import os
from pathlib import Path
from typing import Any, Final

import click

from rollcall.console import config_words
from rollcall.console.options import EXIT_WARNINGS, CommandError, Options, shared
from rollcall.service import config as configuration
from rollcall.service.config import ConfigError
from rollcall.service.lifecycle import EXIT_CONFIGURATION

_USAGE: Final = 2


@click.group()
@shared
def config() -> None:
    """Show the configuration, check it, explain its keys."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@shared
@click.pass_obj
def show(options: Options, *, origin: bool) -> None:
    """Print every key with the value in force, as a rollcall.toml; without secrets."""
    found = config_words.values(options.settings())
    origins = configuration.origins(options.config, os.environ)
    if options.json:
        keys = [_as_json(path, value, origins) for path, value in found.items()]
        click.echo(json.dumps({"schema": 1, "file": _file(options), "keys": keys}, indent=2))
        return
    click.echo(f"# {_file(options) or 'no file: defaults and the environment'}")
    for line in config_words.as_toml(found, origins if origin else None):
        click.echo(line)


@config.command()
@shared
@click.pass_context
def check(context: click.Context) -> None:
    """Say every mistake at once, and which of the named files are missing.

    Exit code 0: fine; 3: files are missing; 78: mistakes.
    """
    options = context.ensure_object(Options)
    try:
        settings = options.settings()
    except ConfigError as error:
        if not options.json:
            raise
        faults = [{"origin": fault.origin, "text": fault.text} for fault in error.faults]
        click.echo(json.dumps(_verdict(options, faults, []), indent=2))
        context.exit(EXIT_CONFIGURATION)
    missing = [
        f"{'.'.join(path)}: {value} is not there"
        for path, value in config_words.values(settings).items()
        if path[-1].endswith("_file") and value is not None and not Path(value).is_file()
    ]
    if options.json:
        click.echo(json.dumps(_verdict(options, [], missing), indent=2))
    else:
        click.echo(f"{_file(options) or 'no file, only defaults'}: no mistakes")
        for line in missing:
            click.echo(f"warning: {line}")
    context.exit(EXIT_WARNINGS if missing else 0)


@config.command()
@click.argument("key")
@shared
@click.pass_obj
def explain(options: Options, key: str) -> None:
    """Say what KEY (section.key, or a section) means, may be, is by default, and is now."""
    path = tuple(key.strip("[]").split("."))
    found = config_words.explained(path)
    if found is None:
        near = difflib.get_close_matches(key, config_words.known(), n=1, cutoff=0.4)
        remedy = f"rollcall config explain {near[0]}" if near else "rollcall config show"
        raise CommandError(f"there is no key {key}", remedy, _USAGE)
    now, origin = _in_force(options, path)
    if options.json:
        document = {"schema": 1, **found, "value": now, "origin": origin}
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{found['key']}: {found['meaning']}")
    if found["keys"]:
        click.echo(f"  keys      {', '.join(found['keys'])}")
        return
    click.echo(f"  may be    {found['allowed']}")
    click.echo(f"  default   {_said(found['default'])}")
    click.echo(f"  now       {_said(now)} ({origin})")
    if found["variable"]:
        click.echo(f"  variable  {found['variable']}")


def _in_force(options: Options, path: tuple[str, ...]) -> tuple[Any, str]:
    """Give the value of a key and its origin; a wrong configuration has none, and can be read."""
    try:
        found = config_words.values(options.settings())
        origins = configuration.origins(options.config, os.environ)
    except ConfigError:
        return None, "the configuration has mistakes: rollcall config check"
    return config_words.shown(path, found.get(path)), config_words.origin(path, origins)


def _said(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _as_json(path: tuple[str, ...], value: Any, origins: dict[str, str]) -> dict[str, Any]:
    return {
        "key": ".".join(path),
        "value": config_words.shown(path, value),
        "origin": config_words.origin(path, origins),
    }


def _verdict(options: Options, faults: list[dict[str, str]], missing: list[str]) -> dict[str, Any]:
    file = _file(options)
    told = {"ok": not faults, "faults": faults, "warnings": missing}
    return {"schema": 1, "file": file, **told}


def _file(options: Options) -> str | None:
    found = options.config or configuration.find_file(os.environ)
    return None if found is None else str(found)
