"""A thousand SIGKILLs at random moments: `.venv/bin/python -m bench.alerts_monkey`.

Real broker, database and mail server. Prints what was killed, what people got, and what was lost or
doubled: nothing may be. `--seed` makes a run again with the same moments.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.alert_monkey import Monkey


def main() -> int:
    """Run it; 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.monotonic()
        monkey = Monkey(Path(folder), seed=arguments.seed, nodes=arguments.nodes)
        found = monkey.run(arguments.kills)
    took_s = time.monotonic() - began_s
    print(f"seed {arguments.seed}, {arguments.nodes} nodes, {took_s:.0f} s")
    print("| kills | incidents | mails accepted | of them again, same id | lost | doubled |")
    print("|---|---|---|---|---|---|")
    row = (found.kills, found.incidents, found.mails, found.repeated, found.lost, found.doubled)
    print("| " + " | ".join(str(number) for number in row) + " |")
    for fault in found.faults:
        print(fault)
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
