"""What makes polint at home in a project: its first configuration, and its baseline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import config as configuration
from .config import Config
from .diagnostic import SEVERITIES
from .lint import Choice, files_of, project_of, run
from .reporters import counted, plural
from .start import OUTSIDE, CannotRun, leads_out, within

if TYPE_CHECKING:
    from .baseline import Entry


def initialise(root: str, config: Config) -> list[tuple[str, str]]:
    """Write a first polint.toml and a plan where there are none; the names written and what they say in a few words.

    Raises CannotRun, also when both are there.
    """
    from . import budget
    from .draft import NAME as PLAN
    from .draft import draft
    from .proposal import configuration as proposed

    planned = os.path.lexists(os.path.join(root, PLAN))
    if config.source is not None and planned:
        raise CannotRun(f"{config.source.path} configures this project already, and there is a {PLAN}")
    if config.source is None and os.path.lexists(os.path.join(root, configuration.NAME)):
        raise CannotRun(f"{configuration.NAME} is there already, and is no file that can be read")
    project = project_of(files_of(root, config), config)
    servers = budget.servers(project)
    written = []
    if config.source is None:
        write_report(os.path.join(root, configuration.NAME), proposed(servers).encode("utf-8", "backslashreplace"))
        unknown = dict.fromkeys(consumer.service for server in servers for consumer in server.unknown_consumers)
        asked = f"; to be stated: {', '.join(unknown)}" if unknown else ""
        written.append((configuration.NAME, f"{plural(len(servers), 'server')} found{asked}"))
    plan = None if planned else draft(project, servers, root)
    if plan is not None:
        text, server = plan
        write_report(os.path.join(root, PLAN), text.encode("utf-8", "backslashreplace"))
        guesses = text.count("  # assumed")
        assumed = f"; {plural(guesses, 'value')} assumed" if guesses else ""
        written.append((PLAN, f"server {budget.name_of(server, servers)}{assumed}"))
    if not written:
        assert config.source is not None
        raise CannotRun(f"{config.source.path} configures this project already, and there is no client of a server to plan for")
    return written


def record(root: str, config: Config, prefixes: Sequence[str], today: str) -> tuple[str, str]:
    """Write the baseline of what is reported under ``prefixes``; its name and what it accepts.  Raises CannotRun."""
    from . import baseline

    name = config.baseline or configuration.BASELINE
    if leads_out(root, config, name):
        raise CannotRun(f"baseline {name} {OUTSIDE}")
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
