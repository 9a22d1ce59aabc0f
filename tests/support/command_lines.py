"""The command lines that documents show, and what the tree of commands says of them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click

from rollcall.console.app import rollcall

ROOT: Final = Path(__file__).parents[2]
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SHELLS: Final = frozenset({"", "console", "sh", "bash", "shell"})
_INLINE: Final = re.compile(r"`(?:sudo )?(?:\./run (?!check|test)|rollcall )([a-z][^`\n]*)`")
_PROGRAM: Final = re.compile(
    r"^(?:[\w@.~-]*[$#] +)?(?:sudo +)?(?:(\./run)|(?:[\w./-]*/)?rollcall) +(?P<words>\S.*)$"
)
_INDENTED: Final = re.compile(r"^ {4,}((?:sudo +)?(?:\./run|rollcall) .*)$", re.MULTILINE)
_OF_RUN: Final = frozenset({"test", "check", "help"})
_NOT_THERE: Final = "does not exist"


class Shown(NamedTuple):
    """A command line, and where it is shown; `inline` ones may be no more than a name."""

    document: str
    words: tuple[str, ...]
    inline: bool = False

    def __str__(self) -> str:
        return f"{self.document}: rollcall {' '.join(self.words)}"


def shown_everywhere() -> list[Shown]:
    """Find them in README and in every document, each once."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [each for document in documents for each in shown_in(document)]
    return list(dict.fromkeys(found))


def shown_in(document: Path) -> Iterator[Shown]:
    """Find the command lines of one document."""
    text, name = document.read_text("utf-8"), document.name
    for language, block in _FENCE.findall(text):
        if language in _SHELLS:
            for line in block.replace("\\\n", " ").splitlines():
                yield from _of_line(name, line.strip())
    prose = _FENCE.sub("", text)
    for line in _INDENTED.findall(prose):
        yield from _of_line(name, line)
    for told in _INLINE.findall(prose):
        yield Shown(name, _words(told), inline=True)


def _of_line(name: str, line: str) -> Iterator[Shown]:
    for part in re.split(r"&&|;|\|(?! *\w+\|)", line):
        found = _PROGRAM.match(part.strip())
        if found:
            words = _words(found["words"])
            if words and not (found[1] and words[0] in _OF_RUN):
                yield Shown(name, words)


def _words(line: str) -> tuple[str, ...]:
    """Split as a shell does; what is optional counts, `...` and redirections do not."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        words = [word.strip("[]") for word in lexer]
    except ValueError:
        return ()
    redirected = next((i for i, word in enumerate(words) if word[:1] in "<>"), len(words))
    return tuple(word for word in words[:redirected] if word not in {"...", ""})


def wrong_with(shown: Shown) -> str | None:
    """Say what is wrong with a command line; None: it would be taken. Nothing is run."""
    command: click.Command = rollcall
    context = click.Context(rollcall, info_name="rollcall")
    words = list(shown.words)
    while isinstance(command, click.Group):
        if not words:
            return None
        if words[0].startswith("-"):
            return None if shown.inline else _usage(command, context, words)
        named = [command.get_command(context, name) for name in words[0].split("|")]
        if None in named:
            return f"no command {words[0]} in {context.command_path}"
        found = named[-1]
        assert found is not None
        words.pop(0)
        context = click.Context(found, parent=context, info_name=found.name)
        command = found
    if shown.inline:
        return _unknown_option(command, context, words)
    return _usage(command, context, words)


def _unknown_option(command: click.Command, context: click.Context, words: list[str]) -> str | None:
    if command.context_settings.get("ignore_unknown_options"):
        return None
    known = {opt for each in command.get_params(context) for opt in each.opts}
    unknown = [word for word in words if word.startswith("--") and word not in known]
    return f"{context.command_path} has no option {unknown[0]}" if unknown else None


def _usage(command: click.Command, context: click.Context, words: list[str]) -> str | None:
    try:
        command.make_context(context.info_name, words, parent=context.parent)
    except click.exceptions.Exit:
        return None  # --help, --version
    except click.UsageError as error:
        told = error.format_message()
        return None if _NOT_THERE in told else told
    return None
