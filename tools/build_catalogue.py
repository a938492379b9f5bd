"""Rebuild polint/data/postgresql-settings.txt from what servers say of themselves.

``python tools/build_catalogue.py FILE.json ...`` takes files that were saved from servers: either one major
(``{"postgresql_major": 16, "settings": [row, ...]}``) or extension settings by major (``{"16": [row, ...]}``), a row being
the columns of pg_settings that QUERY asks for.  ``--psql "psql -h db -U postgres"`` asks a running server instead, which should
preload the libraries whose settings are wanted.  The majors given replace their own rows; other majors stay as they are.

A row of the data holds name, majors, context, type with unit, range or words, and boot value, between tabs.  Values of
context ``internal`` belong to one build or cluster and are left out.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "polint" / "data" / "postgresql-settings.txt"
QUERY = (
    "SELECT json_build_object('postgresql_major', current_setting('server_version_num')::int / 10000, 'settings', json_agg(s)) FROM "
    "(SELECT name, vartype, unit, min_val, max_val, enumvals, boot_val, context FROM pg_settings ORDER BY lower(name)) s"
)
HEADER = """\
# PostgreSQL's settings as pg_settings lists them; written by tools/build_catalogue.py, not by hand.
# name, majors, context, type and unit, range or words (in the setting's own unit), boot value; '-' where there is none
"""
# name -> major -> the other columns
Rows = dict[str, dict[int, str]]


def columns(row: dict[str, Any]) -> str:
    """What a data row says of ``row`` (a row of pg_settings) after the name and the majors."""
    kind = row["vartype"] + (f" {row['unit']}" if row["unit"] else "")
    bounds, boot = "-", "-"
    if row["enumvals"] is not None:
        bounds = "|".join(row["enumvals"])
    elif row["min_val"] is not None and row["context"] != "internal":
        bounds = f"{row['min_val']}..{row['max_val']}"
    if row["boot_val"] is not None and row["context"] != "internal":
        boot = f"'{row['boot_val']}'"
    found = (row["context"], kind, bounds, boot)
    if any(mark in cell for cell in found for mark in "\t\r\n"):
        raise ValueError(f"{row['name']} holds a tab or a line break")
    return "\t".join(found)


def add(rows: Rows, major: int, settings: Iterable[dict[str, Any]]) -> None:
    """Put the settings of one major into ``rows``."""
    for row in settings:
        rows.setdefault(row["name"], {})[major] = columns(row)


def forget(rows: Rows, major: int, extensions: bool) -> None:
    """Take what ``rows`` has of a major: its own settings, or those of extensions."""
    for name, held in rows.items():
        if ("." in name) == extensions:
            held.pop(major, None)


def read(text: str) -> Rows:
    """The rows of a data file."""
    rows: Rows = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, majors, rest = line.split("\t", 2)
            first, _, last = majors.partition("-")
            for major in range(int(first), int(last or first) + 1):
                rows.setdefault(name, {})[major] = rest
    return rows


def write(rows: Rows) -> str:
    """The data file: sorted by name, then by major, with neighbouring majors that agree on one line."""
    lines = []
    for name in sorted(rows, key=str.lower):
        runs: list[tuple[int, int, str]] = []
        for major in sorted(rows[name]):
            rest = rows[name][major]
            if runs and runs[-1][1] == major - 1 and runs[-1][2] == rest:
                runs[-1] = (runs[-1][0], major, rest)
            else:
                runs.append((major, major, rest))
        lines += [f"{name}\t{first if first == last else f'{first}-{last}'}\t{rest}\n" for first, last, rest in runs]
    return HEADER + "".join(lines)


def update(rows: Rows, document: dict[str, Any]) -> None:
    """Replace what ``rows`` has of the majors that ``document`` (either shape) speaks of."""
    if "settings" in document:
        major = int(document["postgresql_major"])
        forget(rows, major, extensions=False)
        if any("." in row["name"] for row in document["settings"]):
            forget(rows, major, extensions=True)
        add(rows, major, document["settings"])
    else:
        for key, settings in document.items():
            forget(rows, int(key), extensions=True)
            add(rows, int(key), settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="JSON files saved from servers")
    parser.add_argument("--psql", help="command line that reaches a running server")
    given = parser.parse_args()
    if not given.files and not given.psql:
        parser.error("give JSON files or --psql")
    rows = read(DATA.read_text("utf-8")) if DATA.exists() else {}
    for path in given.files:
        update(rows, json.loads(path.read_text("utf-8")))
    if given.psql:
        command = [*shlex.split(given.psql), "-X", "-A", "-t", "-c", QUERY]
        update(rows, json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    DATA.write_text(write(rows), encoding="utf-8")
    sys.stdout.write(f"{len(rows)} settings\n")


if __name__ == "__main__":
    main()
