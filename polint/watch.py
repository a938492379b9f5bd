"""``polint lint --watch``: lint again whenever a file of the project changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from time import strftime

from . import command, start
from .discover import PRUNED

# what programs and editors write while they run
_NOISE = (".log", ".pid", ".lock", ".tmp", ".swp", ".swx", "~")
_CLEAR = "\033[2J\033[3J\033[H"
_PAUSE = 100  # milliseconds between two looks


def watch(lint: Callable[[], int], paths: Sequence[str], root: str | None, config_file: str | None, outputs: Sequence[str]) -> None:
    """Call ``lint`` now and after each change, until interrupted; ``outputs`` are files it writes.  Raises CannotRun."""
    try:
        import watchfiles
    except ImportError:
        raise start.CannotRun("--watch needs watchfiles: pip install 'polint-pg[watch]'") from None
    import gc

    top = os.path.realpath(start.settle(paths, root, config_file)[0])
    written = {os.path.realpath(output) for output in outputs}
    gc.enable()  # this run is long

    def matters(_: watchfiles.Change, path: str) -> bool:
        below = os.path.relpath(path, top).split(os.sep)
        return PRUNED.isdisjoint(below) and not path.endswith(_NOISE) and path not in written

    first = True
    # the first, empty answer comes when the watcher runs: from then on no change is missed
    for changes in watchfiles.watch(top, watch_filter=matters, rust_timeout=_PAUSE, yield_on_timeout=True):
        if not changes and not first:
            continue
        first = False
        if sys.stdout.isatty():
            sys.stdout.write(_CLEAR)
        try:
            lint()
        except Exception as error:  # a mistake in the configuration, perhaps half written: the next change may mend it
            command.failed(error, ())
        names = sorted(os.path.relpath(path, top) for _, path in changes)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        what = f"{names[0]}{more} changed, linted again" if names else "linted"
        command.say(f"{strftime('%H:%M:%S')} {what}; watching for changes, Ctrl-C stops")
