"""Kill everything for a long time, and count: `.venv/bin/python -m bench.monkey --minutes 30`.

Ten real agents with ten reports a second each, a Mosquitto with the settings it comes with, the
recorder and its database. Every 5 to 20 s one of them is killed with SIGKILL (a third of the agents
at once), the database is locked by somebody else (SQLite, which has no server to kill), or the
broker's queue is filled up while the recorder is dead. Then everything may live until it has
settled, and the numbers that the agents took are compared with what the database holds.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.support.monkey import AGENTS, REPORTS_PER_S, Account, monkey
from tests.support.postgresql import PostgresqlUnderTest

_PAUSE_S = (5.0, 20.0)
_SETTLE_S = 900.0


def raged(engine: str, seconds: float, seed: int) -> tuple[Account, dict[str, int], float]:
    """Run it on one engine; give the account, how often what was done, and the time to settle."""
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-monkey-"))
        server = None
        url = f"sqlite:///{folder}/rollcall.db"
        if engine == "postgresql":
            server = opened.enter_context(PostgresqlUnderTest())
            url = opened.enter_context(server.databases())()
        with monkey(Path(folder), url, server=server, seed=seed) as cluster:
            cluster.rage(seconds, _PAUSE_S)
            began_s = time.monotonic()
            cluster.settle(_SETTLE_S)
            settled_s = time.monotonic() - began_s
            return cluster.account(), dict(cluster.deaths), settled_s


def main() -> int:
    """Rage and print; 1 when anything is missing or twice."""
    parser = argparse.ArgumentParser(description="Kill everything for long, and count.")
    parser.add_argument("--minutes", type=float, default=30.0, help="on each engine")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--seed", type=int, default=1, help="which story")
    arguments = parser.parse_args()
    engines = [arguments.engine] if arguments.engine else ["sqlite", "postgresql"]
    print(
        f"{AGENTS} agents, {REPORTS_PER_S} reports a second each, {arguments.minutes:g} minutes on "
        f"each engine, something killed every {_PAUSE_S[0]:g} to {_PAUSE_S[1]:g} s\n"
    )
    heads = ("engine", "numbers taken", "held once", "open gaps", "never coming", "samples")
    print("| " + " | ".join((*heads, "samples expected", "twice", "settled in s", "done")) + " |")
    print("|---" * (len(heads) + 4) + "|")
    exact = True
    for engine in engines:
        account, deaths, settled_s = raged(engine, arguments.minutes * 60, arguments.seed)
        done = ", ".join(f"{what} {times}" for what, times in sorted(deaths.items()))
        print(
            f"| {engine} | {account.issued} | {account.received} | {account.open_gaps} "
            f"| {account.doubtful} | {account.samples} | {account.expected_samples} "
            f"| {account.doubled_samples} | {settled_s:.0f} | {done} |",
            flush=True,
        )
        exact = exact and account.is_exact
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
