"""The manual page, out of the tree of commands: as man(7) wants it. Pure."""

import re
from collections.abc import Iterator
from typing import Final

import click

_EXIT_CODES: Final = (
    ("0", "fine"),
    ("1", "failed"),
    ("2", "wrong usage"),
    ("3", "warnings, or stale nodes"),
    ("4", "critical alerts, or offline nodes"),
    ("5", "broker or database out of reach"),
    ("78", "the configuration is wrong"),
    ("130", "interrupted"),
)
_FILES: Final = (
    ("~/.config/rollcall/rollcall.toml", "the configuration of a user"),
    ("/etc/rollcall/rollcall.toml", "the configuration of the machine"),
)
_VARIABLES: Final = (
    ("ROLLCALL_SECTION__KEY", "overrides a key of the configuration"),
    ("NO_COLOR", "no colours"),
)
_SHARED: Final = frozenset({"config", "json", "verbose", "color"})
_ESCAPES: Final = str.maketrans(
    {
        "\\": r"\e",
        "-": r"\-",
        "'": r"\(aq",
        '"': r"\(dq",
        "~": r"\(ti",
        "^": r"\(ha",
        "`": r"\(ga",
    }
)


def manual(root: click.Group, version: str) -> str:
    """Write the manual page of `rollcall` in the language of man(7)."""
    context = click.Context(root, info_name="rollcall")
    lines = [
        f'.TH ROLLCALL 1 "" "Rollcall {_escaped(version)}" "Rollcall"',
        ".SH NAME",
        r"rollcall \- which machines of a cluster are alive, and how they fare",
        ".SH SYNOPSIS",
        r".B rollcall",
        r"[\fIOPTION\fR]... \fICOMMAND\fR [\fIARGUMENT\fR]...",
        ".SH DESCRIPTION",
        *_paragraphs(root.help or ""),
        ".SH OPTIONS",
        "These stand before a command or after it.",
        *(line for option in root.get_params(context) for line in _option(option, context)),
        ".SH COMMANDS",
        *(line for command in _commands(root, context) for line in command),
    ]
    sections = (("EXIT STATUS", _EXIT_CODES), ("ENVIRONMENT", _VARIABLES), ("FILES", _FILES))
    for title, rows in sections:
        lines.append(f".SH {title}" if " " not in title else f'.SH "{title}"')
        for name, meaning in rows:
            lines += [".TP", rf".B {_escaped(name)}", _escaped(meaning)]
    return "\n".join((*lines, ""))


def _commands(group: click.Group, context: click.Context) -> Iterator[list[str]]:
    """Give the sections of all commands that do something, in order of their names."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        below = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, below)
            continue
        pieces = " ".join(piece for piece in command.collect_usage_pieces(below))
        arguments = pieces.removeprefix("[OPTIONS]").strip()
        yield [
            f'.SS "{_escaped(f"{below.command_path} {arguments}".rstrip())}"',
            *_paragraphs(command.help or ""),
            *(
                line
                for option in command.params
                if option.name not in _SHARED
                for line in _option(option, below)
            ),
        ]


def _option(option: click.Parameter, context: click.Context) -> list[str]:
    record = option.get_help_record(context) if isinstance(option, click.Option) else None
    if record is None:
        return []
    names, meaning = record
    return [".TP", rf".B {_escaped(names)}", _escaped(" ".join(meaning.split()))]


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        words = " ".join(paragraph.replace("\b", "").split())
        if words:
            yield ".PP"
            yield _escaped(words)


def _escaped(text: str) -> str:
    """Escape what troff would obey."""
    plain = text.translate(_ESCAPES)
    return rf"\&{plain}" if plain.startswith(".") else plain
