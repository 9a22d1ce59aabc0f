"""Generate what is told in two places: schemas, tables of topics and access, a configuration.

`python -m docs.generate` writes; with `--check` it only says what has drifted, and exits 1 then.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from docs.rule_tables import built_in_rules, rule_keys
from rollcall.broker import messages
from rollcall.broker.codec import Codec
from rollcall.broker.fleet import Document, NodeTable, Template
from rollcall.broker.topics import (
    BRANCHES,
    DEFAULT_PREFIX,
    FOREIGN,
    NODE_TREE_READERS,
    VERSION,
    Branch,
    Kind,
    Role,
)
from rollcall.service.settings import Settings, data_folder

_ROOT: Final = Path(__file__).parent.parent
CODECS: Final[dict[Kind, Codec[Any]]] = {
    Kind.STATUS: messages.STATUS,
    Kind.INFO: messages.INFO,
    Kind.METRICS: messages.REPORT,
    Kind.BACKLOG: messages.BACKLOG,
    Kind.APPLIED: messages.APPLIED,
    Kind.EVENT: messages.EVENT,
    Kind.FLEET: messages.FLEET,
    Kind.NODE_REPLY: messages.REPLY,
    Kind.COMMAND: messages.COMMAND,
    Kind.RECEIPT: messages.RECEIPT,
    Kind.ALERT: messages.ALERT,
    Kind.SERVICE_STATUS: messages.SERVICE_STATUS,
    Kind.SERVICE_REPLY: messages.REPLY,
}
_SAY: Final = {
    Kind.STATUS: "availability: birth, goodbye, last will; repeated every 60 s",
    Kind.INFO: "facts that hardly change",
    Kind.METRICS: "the newest report of one collector",
    Kind.BACKLOG: "reports that were not received in time, in batches",
    Kind.APPLIED: "which fleet revision runs there",
    Kind.EVENT: "something that happened once",
    Kind.NODE_REPLY: "the answer to a command",
    Kind.FLEET: "the fleet document",
    Kind.COMMAND: "a request to a node or a service",
    Kind.RECEIPT: "what is safely in the database",
    Kind.ALERT: "an alert that is pending or firing; emptied when over",
    Kind.SERVICE_STATUS: "availability and health of our own services",
    Kind.SERVICE_REPLY: "the answer to a command",
}


def generated() -> dict[Path, str]:
    """Give every generated file, below the project's root, with its content."""
    schemas = {
        Path("rollcall/broker/schema") / f"{kind}.json": _schema(kind, codec)
        for kind, codec in CODECS.items()
    }
    topics, security = Path("docs/topics.md"), Path("docs/security.md")
    fleet = Path("docs/fleet.md")
    alerts = Path("docs/alerts.md")
    rules = _between_marks((_ROOT / alerts).read_text("utf-8"), "rules", built_in_rules())
    return {
        **schemas,
        Path("docs/rollcall.sample.toml"): sample_configuration(),
        topics: _between_marks((_ROOT / topics).read_text("utf-8"), "topics", topic_table()),
        fleet: _between_marks((_ROOT / fleet).read_text("utf-8"), "fleet keys", fleet_keys()),
        alerts: _between_marks(rules, "rule keys", rule_keys()),
        security: _between_marks((_ROOT / security).read_text("utf-8"), "access", access_table()),
    }


def topic_table() -> str:
    """Write the topic tree as a table in Markdown."""
    rows = [_topic_row(branch) for branch in BRANCHES]
    return "\n".join(("| topic | retained | written by | what |", "|---|---|---|---|", *rows, ""))


def access_table() -> str:
    """Write who may publish and who may receive what as a table in Markdown."""
    rows = [
        (_topic(branch), _who(branch.writers, branch.levels), _who(branch.readers, branch.levels))
        for branch in BRANCHES
    ]
    unknown = f"{DEFAULT_PREFIX}/{VERSION}/node/<node>/(anything else)"
    rows.append((unknown, "nobody", _who(NODE_TREE_READERS, ())))
    rows += [
        (each.topic_filter, _who(each.writers, ()), _who(each.readers, ())) for each in FOREIGN
    ]
    lines = [f"| `{topic}` | {writers} | {readers} |" for topic, writers, readers in rows]
    head = ("| topic | may publish | may receive |", "|---|---|---|")
    return "\n".join((*head, *lines, ""))


def fleet_keys() -> str:
    """Write every key of the fleet document as tables in Markdown, one for each kind of table."""
    kinds = (
        ("The document", Document),
        ("A template, `[templates.NAME]`", Template),
        ("A node, `[nodes.NAME]`", NodeTable),
    )
    return "\n".join(line for title, model in kinds for line in _key_table(title, model))


def _key_table(title: str, model: type[BaseModel]) -> list[str]:
    lines = [f"**{title}**", "", "| key | default | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else f"`{json.dumps(value)}`"
        default = "none" if value is None else shown
        lines.append(f"| `{field.alias or name}` | {default} | {field.description} |")
    return [*lines, ""]


def _who(roles: tuple[Role, ...], levels: tuple[str, ...]) -> str:
    """Name the roles; `NODE` and `SERVICE` are those that the topic names, if it names one."""
    node = "that node" if "<" in "".join(levels) else "every node"
    words = {Role.NODE: node, Role.SERVICE: "that service"}
    return ", ".join(words.get(role, str(role)) for role in roles) or "nobody"


def sample_configuration() -> str:
    """Write `rollcall.toml` with every key, its default and what it means, all commented out."""
    lines = ["# Every key of rollcall.toml with its default. Remove the # of what you change."]
    for section, field in Settings.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        lines += ["", f"# {model.__doc__}", f"[{section}]"]
        lines += [line for name in model.model_fields for line in _sample_key(model, name)]
    return "\n".join((*lines, ""))


def _sample_key(model: type[BaseModel], name: str) -> list[str]:
    field = model.model_fields[name]
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        table = type(value)
        lines = [line for key in table.model_fields for line in _sample_key(table, key)]
        dotted = [line.replace("#", f"#{name}.", 1) if line[1] != " " else line for line in lines]
        return [f"# {table.__doc__}", *dotted]
    shown = "" if value is None else json.dumps(value, default=str)
    for home, place in (("sqlite:///", "sqlite:////home/you"), ("", "~")):
        shown = shown.replace(f"{home}{data_folder()}", f"{place}/.local/share/rollcall")
    return [f"# {field.description}", f"#{field.alias or name} = {shown}".rstrip()]


def _schema(kind: Kind, codec: Codec[Any]) -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{DEFAULT_PREFIX} {kind}",
        **codec.json_schema(),
    }
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _topic_row(branch: Branch) -> str:
    retained = "yes" if branch.retained else "no"
    expiry = f", expires after {branch.expiry_s} s" if branch.expiry_s else ""
    writers = ", ".join(branch.writers)
    return f"| `{_topic(branch)}` | {retained}{expiry} | {writers} | {_SAY[branch.kind]} |"


def _topic(branch: Branch) -> str:
    return "/".join((DEFAULT_PREFIX, VERSION, *branch.levels))


def _between_marks(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{table}{end}{after}"


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, say what has drifted")
    check = parser.parse_args().check
    drifted = []
    for path, text in generated().items():
        target = _ROOT / path
        if not target.exists() or target.read_text("utf-8") != text:
            drifted.append(path)
            if not check:
                target.write_text(text, "utf-8")
    for path in drifted:
        sys.stderr.write(f"{path}: {'has drifted' if check else 'written'}\n")
    if check and drifted:
        sys.stderr.write("try: .venv/bin/python -m docs.generate\n")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(_main())
