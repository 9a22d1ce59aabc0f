"""Entry point of the agent: `python -m rollcall.node_agent`."""

import sys

from rollcall.node_agent.lean import without, without_openssl_hashes

# pydantic looks for plug-ins of its own with the first, and reads time zones with the second.
with without("importlib.metadata", "zoneinfo"), without_openssl_hashes():
    from rollcall.node_agent.program import main

if __name__ == "__main__":
    sys.exit(main())
