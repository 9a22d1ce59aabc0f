"""Which groups of the fleet document a node belongs to, remembered until one of them changes."""

from typing import Final

from rollcall.broker import messages
from rollcall.broker.fleet import Fleet, read
from rollcall.broker.messages import Info
from rollcall.broker.node_view import NodeView

_NONE: Final[frozenset[str]] = frozenset()


class Membership:
    """Answers for the document in force; without one, no node belongs to any group."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None
        self._known: dict[str, tuple[Info | None, frozenset[str]]] = {}

    def put_in_force(self, published: messages.Fleet | None) -> None:
        """Answer by this document from now on; None: there is none any more.

        Raises FleetError, and goes on with the one before.
        """
        self._fleet = read(published.document) if published else None
        self._known.clear()

    def groups_of(self, node: NodeView) -> frozenset[str]:
        """Name the groups of a node by its name and the labels it announces."""
        if self._fleet is None:
            return _NONE
        known = self._known.get(node.name)
        if known is None or known[0] is not node.info:
            labels = node.info.labels if node.info else {}
            known = (node.info, frozenset(self._fleet.groups_of(node.name, labels)))
            self._known[node.name] = known
        return known[1]
