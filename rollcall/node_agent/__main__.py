"""Entry point of the agent: `python -m rollcall.node_agent`."""

import sys

from rollcall.node_agent.lean import without

# pydantic looks for plug-ins of its own with the first, paho for a web proxy with the second.
with without("importlib.metadata", "urllib.request"):
    from rollcall.node_agent.program import main

if __name__ == "__main__":
    sys.exit(main())
