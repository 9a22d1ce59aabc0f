"""Commands that are imported when they are used, and what is said when they cannot be."""

import re
import subprocess
import sys

HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "cryptography":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from rollcall.console.__main__ import main
sys.argv = ["rollcall", *sys.argv[1:]]
sys.exit(main())
"""


def without_cryptography(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HIDE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_status_needs_nothing_of_the_hub() -> None:
    program = "import sys, rollcall.console.app; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert without_cryptography("status", "--help").returncode == 0


def test_help_lists_all_commands_with_and_without_the_packages() -> None:
    done = without_cryptography("--help")
    assert done.returncode == 0
    assert re.search(r"broker +\(needs the package cryptography\)", done.stdout)


def test_a_command_whose_package_is_missing_says_which_and_what_to_try() -> None:
    done = without_cryptography("broker", "init", "--folder", "/x")
    assert done.returncode == 1
    assert "rollcall broker needs the package cryptography" in done.stderr
    assert "try: pip install 'rollcall-mqtt[broker]'" in done.stderr
