"""Rebuild polint/data/exporter-metrics.txt from the sources of the exporters.

``python tools/build_metrics.py postgres_exporter=DIR pgbouncer_exporter=DIR php-fpm_exporter=DIR`` takes git checkouts with
their tags, reads the names of metrics out of the Go sources of every release, and writes which release was the first and
which the last to have each.  Exporters that are not given keep their rows.

A row of the data holds exporter, name, first and last release between tabs.  The first is ``-`` for what the oldest release
looked at has, the last is ``-`` for what the newest one has; the name ``*`` stands for the releases that were looked at.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

DATA = Path(__file__).parent.parent / "polint" / "data" / "exporter-metrics.txt"
HEADER = """\
# Names of metrics that exporters have; written by tools/build_metrics.py, not by hand.
# exporter, name, first release that has it ('-': the oldest looked at), last one ('-': the newest looked at); '*': those looked at
"""
PREFIX = {"postgres_exporter": "pg", "pgbouncer_exporter": "pgbouncer", "php-fpm_exporter": "phpfpm"}
# Columns that a SELECT * of the releases before their view had a collector of its own brings: every number is exported.
VIEWS = {
    "pg_stat_database": "session_time active_time idle_in_transaction_time sessions sessions_abandoned sessions_fatal sessions_killed "
    "checksum_failures checksum_last_failure parallel_workers_to_launch parallel_workers_launched",
    "pg_stat_database_conflicts": "confl_active_logicalslot",
    "pg_stat_replication": "reply_time",
}
_CONSTANT = re.compile(r'\b(\w+)\s*=\s*"([^"]*)"')
_BUILT = re.compile(r'BuildFQName\(\s*("[^"]*"|\w+)\s*,\s*("[^"]*"|\w+)\s*,\s*("[^"]*"|\w+)\s*,?\s*\)')
_LITERAL = re.compile(r'NewDesc\(\s*"((?:pg|pgbouncer|phpfpm)_\w+)"')
_OPTIONS = re.compile(r'Namespace:\s*(\w+|"[^"]*"),\s*(?:Subsystem:\s*(\w+|"[^"]*"),\s*)?Name:\s*"([^"]*)"')
_SPACE = re.compile(r'"(\w+)":\s*(?:intermediateMetricMap)?\{$')
_COLUMN = re.compile(r'"(\w+)":\s*\{(COUNTER|GAUGE|MAPPEDMETRIC|DURATION|HISTOGRAM),\s*"([^"]*)"')


def names(exporter: str, texts: list[str]) -> set[str]:
    """The names of the metrics that the Go sources of one release make."""
    prefix = PREFIX[exporter]
    found: set[str] = {f"{prefix}_static"} if exporter == "postgres_exporter" else set()
    constants: dict[str, str] = {}
    for text in texts:
        constants.update(_CONSTANT.findall(text))
    constants["namespace"] = prefix

    def part(word: str) -> str | None:
        return word[1:-1] if word.startswith('"') else constants.get(word)

    for text in texts:
        own = {**constants, **dict(_CONSTANT.findall(text)), "namespace": prefix}
        for match in [*_BUILT.finditer(text), *_OPTIONS.finditer(text)]:
            parts = [word[1:-1] if word.startswith('"') else own.get(word) for word in (match[1], match[2] or '""')]
            last = match[3] if match.re is _OPTIONS else part(match[3])
            if None not in parts and last is not None:
                name = "_".join(word for word in (*parts, last) if word)
                if name.isidentifier():
                    found.add(name)
        found.update(_LITERAL.findall(text))
        space = ""
        for line in text.splitlines():
            if opened := _SPACE.search(line):
                space = opened[1]
            elif (column := _COLUMN.search(line)) and space:
                if exporter == "pgbouncer_exporter":
                    found.add(f"{prefix}_{space}_{column[3]}")
                else:
                    found.add(f"{space}_{column[1]}{'_milliseconds' if column[2] == 'DURATION' else ''}")
    return found


def releases(folder: Path) -> list[tuple[tuple[int, ...], str]]:
    """(version, tag) of every release, oldest first."""
    tags = git(folder, "tag", "-l").split()
    found = [(tuple(map(int, match[1].split("."))), tag) for tag in tags if (match := re.fullmatch(r"v(\d+\.\d+\.\d+)", tag))]
    return sorted(found)


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8", "replace")


def rows(exporter: str, folder: Path) -> list[str]:
    """The data's rows of one exporter."""
    have: dict[str, list[int]] = {}
    versions = releases(folder)
    for index, (_, tag) in enumerate(versions):
        paths = [
            path
            for path in git(folder, "ls-tree", "-r", "--name-only", tag).splitlines()
            if path.endswith(".go") and not path.endswith("_test.go") and not path.startswith("vendor/")
        ]
        for name in names(exporter, [git(folder, "show", f"{tag}:{path}") for path in paths]):
            have.setdefault(name, []).append(index)
    if exporter == "postgres_exporter":
        for view, columns in VIEWS.items():
            for column in columns.split():
                have.setdefault(f"{view}_{column}", list(range(len(versions))))
    newest = len(versions) - 1
    span = ["{}.{}.{}".format(*versions[index][0]) for index in (0, newest)]
    lines = [f"{exporter}\t*\t{span[0]}\t{span[1]}\n"]
    for name, indexes in sorted(have.items()):
        first = ".".join(map(str, versions[indexes[0]][0])) if indexes[0] else "-"
        last = ".".join(map(str, versions[indexes[-1]][0])) if indexes[-1] < newest else "-"
        lines.append(f"{exporter}\t{name}\t{first}\t{last}\n")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("exporters", nargs="+", metavar="NAME=DIR", help="an exporter and a git checkout of it")
    made: dict[str, list[str]] = {}
    for given in parser.parse_args().exporters:
        name, _, folder = given.partition("=")
        if name not in PREFIX or not folder:
            parser.error(f"{given}: not one of {', '.join(PREFIX)} with a folder")
        made[name] = rows(name, Path(folder))
    kept: dict[str, list[str]] = {}
    for line in DATA.read_text("utf-8").splitlines(keepends=True) if DATA.exists() else ():
        name = line.partition("\t")[0]
        if not line.startswith("#") and name not in made:
            kept.setdefault(name, []).append(line)
    made |= kept
    DATA.write_text(HEADER + "".join(line for _, lines in sorted(made.items()) for line in lines), encoding="utf-8")
    sys.stdout.write(f"{sum(map(len, made.values())) - len(made)} metrics\n")


if __name__ == "__main__":
    main()
