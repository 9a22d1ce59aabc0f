"""Entry point of `rollcall`: run the command line, turn what went wrong into words and a code."""

import io
import logging
import os
import sys
import traceback

from rollcall.service import lifecycle
from rollcall.service.config import ConfigError

_INTERRUPTED = 130


def main() -> int:
    """Run the command line; give its exit code, as `docs/operations.md` lists them."""
    # What went wrong is told in words of our own; the library's log lines are for services.
    logging.getLogger("rollcall").addHandler(logging.NullHandler())
    try:
        from rollcall.console.app import rollcall  # noqa: PLC0415 - a node has no click
    except ModuleNotFoundError as missing:
        return _failed(
            f"the command line needs the package {missing.name}",
            "pip install 'rollcall-mqtt[console]'; the agent alone: python -m rollcall.node_agent",
        )
    return _run(rollcall)


def _run(rollcall: object) -> int:
    import click  # noqa: PLC0415 - as above

    from rollcall.console.options import CommandError, ReaderLeftError  # noqa: PLC0415 - as above

    assert isinstance(rollcall, click.Command)
    code = 0
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A degree sign must not end a command whose locale has none.
            sys.stdout.reconfigure(errors="replace")
        answer = rollcall.main(prog_name="rollcall", standalone_mode=False)
        sys.stdout.flush()
        code = answer if isinstance(answer, int) else 0
    except CommandError as error:
        code = _failed(str(error), error.remedy, error.code)
    except ConfigError as error:
        code = _failed(str(error), "correct what is named", lifecycle.EXIT_CONFIGURATION)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except (BrokenPipeError, ReaderLeftError):
        # The reader of a pipe has left: whoever wrote `| head` wants no complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001 - the one place where any fault ends
        if "-vv" in sys.argv:
            traceback.print_exc()
        code = _failed(f"{type(error).__name__}: {error}", "again with -vv, and report it")
    return code


def _failed(what: str, remedy: str, code: int = lifecycle.EXIT_FAILED) -> int:
    sys.stderr.write(f"error: {what}\ntry: {remedy}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
