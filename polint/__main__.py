"""``polint`` and ``python -m polint``: asking for the version imports nothing else."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from . import __version__

        print(f"polint {__version__}")
        return
    try:
        if sys.argv[1:2] == ["lint"] and not any(argument.startswith("-") for argument in sys.argv[2:]):
            from .command import run_plain

            run_plain(sys.argv[2:])
        from .cli import run

        run(sys.argv[1:])
    except SystemExit as leaving:
        # everything is written; taking a large model apart object by object takes as long as reading a file or two
        sys.stderr.flush()
        os._exit(leaving.code if isinstance(leaving.code, int) else 1)


if __name__ == "__main__":
    main()
