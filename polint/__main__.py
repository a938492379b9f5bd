"""``polint`` and ``python -m polint``: asking for the version imports nothing else."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from . import __version__

        print(f"polint {__version__}")
        return
    from .cli import run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
