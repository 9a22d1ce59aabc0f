"""The few pages that the server writes itself: the shell, the login, and the table without scripts.

Everything from outside goes through `escape`. Pure.
"""

from collections.abc import Iterable
from html import escape
from typing import Final

from rollcall.broker.node_view import NodeView

_HEAD: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Rollcall</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/vendor/uPlot.min.css">
<link rel="stylesheet" href="/static/style.css">
"""


def shell(nodes: Iterable[NodeView]) -> str:
    """Give the page that the scripts fill; without scripts it shows the nodes as they are now."""
    return (
        _HEAD
        + '<script type="module" src="/static/main.js"></script>\n</head>\n<body>\n'
        + '<div id="app"></div>\n'
        + f"<noscript>{_table(nodes)}</noscript>\n</body>\n</html>\n"
    )


def login(*, with_password: bool, refusal: str | None = None) -> str:
    """Give the page that says how to come in; `refusal` is why the visitor is not in yet."""
    form = (
        '<form method="post" action="/login"><label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        'required><button type="submit">Log in</button></form>'
    )
    return _page(
        "<h1>Rollcall</h1>"
        + (f'<p role="alert" class="refusal">{escape(refusal)}</p>' if refusal else "")
        + "<p>Ask for a link on the machine where the dashboard runs, and open it here. "
        "It works once, for five minutes:</p><pre>rollcall dashboard link</pre>"
        + (form if with_password else "")
    )


def moves_on() -> str:
    """Give the page after a link was used: it goes on to the cluster by itself."""
    return (
        _HEAD
        + '<meta http-equiv="refresh" content="0;url=/">\n</head>\n<body>\n'
        + '<main class="narrow"><p><a href="/">On to the cluster</a></p></main>\n</body>\n</html>\n'
    )


def not_found(what: str) -> str:
    """Give the page for what cannot be a node."""
    return _page(
        f"<h1>No such page</h1><p>{escape(what[:80])} cannot be the name of a node.</p>"
        '<p><a href="/">To the cluster</a></p>'
    )


def _page(body: str) -> str:
    return f'{_HEAD}</head>\n<body>\n<main class="narrow">{body}</main>\n</body>\n</html>\n'


def _table(nodes: Iterable[NodeView]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(view.name)}</th><td>{escape(view.state)}</td>"
        f"<td>{escape(view.reason or '')}</td>"
        f"<td>{'unknown' if view.age_s is None else f'{view.age_s:.0f} s ago'}</td></tr>"
        for view in nodes
    )
    return (
        "<p>Without scripts this page shows the moment it was loaded.</p>"
        "<table><thead><tr><th>Node</th><th>State</th><th>Reason</th><th>Last heard</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )
