"""What makes polint at home in a project: its first configuration, and its baseline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import config as configuration
from .config import Config
from .diagnostic import SEVERITIES
from .lint import Choice, files_of, project_of, run
from .reporters import counted
from .start import CannotRun, within

if TYPE_CHECKING:
    from .baseline import Entry


def initialise(root: str, config: Config) -> tuple[str, str]:
    """Write a first polint.toml; its name and what it says in a few words.  Raises CannotRun."""
    from . import budget
    from .proposal import configuration as proposed

    if config.source is not None:
        raise CannotRun(f"{config.source.path} configures this project already")
    path = os.path.join(root, configuration.NAME)
    project = project_of(files_of(root, config), config)
    servers = budget.servers(project)
    write_report(path, proposed(servers).encode("utf-8", "backslashreplace"))
    unknown = dict.fromkeys(consumer.service for server in servers for consumer in server.unknown_consumers)
    asked = f"; to be stated: {', '.join(unknown)}" if unknown else ""
    return configuration.NAME, f"{len(servers)} server{'' if len(servers) == 1 else 's'} found{asked}"


def record(root: str, config: Config, prefixes: Sequence[str], today: str) -> tuple[str, str]:
    """Write the baseline of what is reported under ``prefixes``; its name and what it accepts.  Raises CannotRun."""
    from . import baseline

    name = config.baseline or configuration.BASELINE
    before: Sequence[Entry] = ()
    try:
        before = baseline.load(root, name) or ()
    except baseline.BaselineError as error:
        if prefixes:  # what it accepts elsewhere would be lost; else it is written anew
            raise CannotRun(mistakes=error.problems) from None
    except OSError as error:
        raise CannotRun(f"{name}: {(error.strerror or str(error)).lower()}") from None
    found = run(root, config, prefixes=prefixes, choice=Choice(no_baseline=True), today=today).active
    kept = [entry for entry in before if prefixes and not within(entry.path, prefixes)]
    write_report(os.path.join(root, name), baseline.dump([*kept, *map(baseline.entry_of, found)]).encode())
    counts = [(severity, sum(one.severity == severity for one in found)) for severity in SEVERITIES]
    said = ", ".join(counted(count, severity) for severity, count in counts if count) or "nothing"
    return name, f"{said} accepted" + (f", {len(kept)} kept from before" if kept else "")


def write_report(path: str, data: bytes) -> None:
    """Write a report to a file: whole or not at all where the file system allows; raises CannotRun."""
    try:
        if os.path.lexists(path) and not (os.path.isfile(path) and not os.path.islink(path)):
            with open(path, "wb") as handle:  # a pipe, a device, a link: written through
                handle.write(data)
            return
        beside = f"{path}.{os.getpid()}.tmp"
        try:
            with open(beside, "xb") as handle:
                handle.write(data)
            os.replace(beside, path)
        finally:
            if os.path.lexists(beside):
                os.unlink(beside)
    except OSError as error:
        raise CannotRun(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
