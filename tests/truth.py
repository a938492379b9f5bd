"""How right polint is on real projects: python tests/truth.py FOLDER [--write]

Every folder inside FOLDER is linted as a project of its own.  What people found by reading its files stands in two
tables beside this script: names, lines and verdicts, nothing copied from the projects.

truth.tsv    project, file, line, rule, verdict, why
             true      the report is right
             false     it is wrong; stays in the table when polint is mended, so that it does not come back
             doubtful  a reader cannot decide; counts as wrong
             missed    polint should report it and does not
             unjudged  nobody has read it yet
budgets.tsv  project, server, worst case of all its clients, usable connections, why
             each number is "12", "2..12" (at least 2, at most 12), "2.." (no upper limit known) or "unknown";
             a project without a server has the server "-": every project that was read is in this table

Prints the precision of each rule and severity, the budgets that differ, reports without a verdict and recorded ones
that no longer come.  Exits with 1 when an error is not always right, when fewer than 95 of 100 reports of a warning
rule are, or when a budget is wrong: a number that is not the reader's, or an interval that does not contain it.

--write adds new reports of the read projects as unjudged, and makes a missed one true once polint reports it.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from polint import budget, config, lint
from polint.model.server import Server

VERDICTS = ("true", "false", "doubtful", "missed", "unjudged")
NEEDED = {"error": 1.0, "warning": 0.95}  # share of right reports; info may be as good as it can
HERE = os.path.dirname(os.path.abspath(__file__))


class Place(NamedTuple):
    """Where a rule reports; reports of one rule on one line share a verdict."""

    project: str
    file: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.project}/{self.file}:{self.line} {self.rule}"


class Judged(NamedTuple):
    """What a reader said about a report."""

    verdict: str
    why: str


class Interval(NamedTuple):
    """A number that is at least and at most so much; infinite when no upper limit is known."""

    least: int
    most: float

    def __str__(self) -> str:
        if self.least == self.most:
            return str(self.least)
        if math.isinf(self.most):
            return f"{self.least}.." if self.least else "unknown"
        return f"{self.least}..{int(self.most)}"

    def contains(self, other: Interval) -> bool:
        """Whether it claims no more than the other knows."""
        return self.least <= other.least and other.most <= self.most


UNKNOWN = Interval(0, math.inf)


class Counted(NamedTuple):
    """The budget of a server: what its clients open at worst, and what it has for them."""

    worst: Interval
    usable: Interval
    why: str = ""


class Table(NamedTuple):
    """What was recorded."""

    judged: dict[Place, Judged]
    budgets: dict[tuple[str, str], Counted]

    @property
    def projects(self) -> set[str]:
        """Every project that somebody read."""
        return {place.project for place in self.judged} | {project for project, _ in self.budgets}


class Found(NamedTuple):
    """What polint says: the severity of each report, how often it comes, and the budgets."""

    severities: dict[Place, str]
    counts: Counter[Place]
    budgets: dict[tuple[str, str], Counted]


class Outcome(NamedTuple):
    """The comparison, as text and as a verdict."""

    lines: list[str]
    passed: bool


def number(text: str) -> Interval:
    """The number of a table cell; raises ValueError for anything else."""
    if text == "unknown":
        return UNKNOWN
    least, dots, most = text.partition("..")
    return Interval(int(least), (int(most) if most else math.inf) if dots else int(least))


def _rows(path: str, columns: int) -> Iterator[list[str]]:
    with open(path, encoding="utf-8") as file:
        for count, line in enumerate(file, 1):
            row = line.rstrip("\n").split("\t")
            if len(row) != columns:
                raise SystemExit(f"{path}:{count}: {len(row)} columns, not {columns}")
            if count > 1:
                yield row


def recorded(folder: str = HERE) -> Table:
    """The two tables in ``folder``; a row that says nothing usable ends the program."""
    judged: dict[Place, Judged] = {}
    for project, file, line, rule, verdict, why in _rows(os.path.join(folder, "truth.tsv"), 6):
        place = Place(project, file, int(line), rule)
        if verdict not in VERDICTS:
            raise SystemExit(f"{place}: no verdict is called {verdict!r}")
        if place in judged:
            raise SystemExit(f"{place}: judged twice")
        judged[place] = Judged(verdict, why)
    budgets: dict[tuple[str, str], Counted] = {}
    for project, server, worst, usable, why in _rows(os.path.join(folder, "budgets.tsv"), 5):
        if (project, server) in budgets:
            raise SystemExit(f"{project}: server {server} is counted twice")
        budgets[project, server] = Counted(number(worst), number(usable), why)
    return Table(judged, budgets)


def write(table: Table, folder: str = HERE) -> None:
    """Write the judged reports back, sorted; the budgets are people's alone."""
    with open(os.path.join(folder, "truth.tsv"), "w", encoding="utf-8") as file:
        file.write("project\tfile\tline\trule\tverdict\twhy\n")
        for place, judged in sorted(table.judged.items()):
            file.write("\t".join((place.project, place.file, str(place.line), place.rule, *judged)) + "\n")


def _names(servers: Iterable[Server]) -> Iterator[tuple[str, Server]]:
    """Each server and its name, with its file where another one is called the same."""
    known = list(servers)
    often = Counter(server.label for server in known)
    for server in known:
        yield (server.label if often[server.label] == 1 else f"{server.label} in {server.span.path}"), server


def _counted(server: Server) -> Counted:
    states = budget.scenarios(server)
    most = [state.at_most for state in states]
    highest = math.inf if None in most else max(count for count in most if count is not None)
    usable = server.usable_connections
    return Counted(
        Interval(max(state.at_least for state in states), highest),
        Interval(usable.value, usable.value) if usable.is_known else UNKNOWN,
    )


def run(folder: str) -> Found:
    """Lint every project in the folder."""
    severities: dict[Place, str] = {}
    counts: Counter[Place] = Counter()
    budgets: dict[tuple[str, str], Counted] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not entry.is_dir():
            continue
        settings = config.load(entry.path)
        for diagnostic in lint.run(entry.path, settings).diagnostics:
            place = Place(entry.name, diagnostic.span.path, diagnostic.span.place[0], diagnostic.name)
            severities[place] = diagnostic.severity
            counts[place] += 1
        project = lint.project_of(lint.files_of(entry.path, settings), settings)
        for name, server in _names(budget.servers(project)):
            budgets[entry.name, name] = _counted(server)
    return Found(severities, counts, budgets)


def written_back(table: Table, found: Found) -> Table:
    """The table with new reports of read projects as unjudged, and with missed ones that now come as true."""
    judged = dict(table.judged)
    for place in found.counts:
        if place not in judged and place.project in table.projects:
            judged[place] = Judged("unjudged", "")
        elif place in judged and judged[place].verdict == "missed":
            judged[place] = judged[place]._replace(verdict="true")
    return table._replace(judged=judged)


def compare(table: Table, found: Found) -> Outcome:
    """The tables against what polint says."""
    lines: list[str] = []
    passed = True
    tally: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for place, count in found.counts.items():
        if place.project in table.projects:
            verdict = table.judged[place].verdict if place in table.judged else "unjudged"
            tally[found.severities[place], place.rule]["true" if verdict == "missed" else verdict] += count
    missed = Counter(place.rule for place, judged in table.judged.items() if judged.verdict == "missed" and place not in found.counts)
    lines.append(f"{'rule':<40} {'severity':<8} {'true':>5} {'false':>5} {'doubt':>5} {'precision':>9} {'missed':>6} {'unread':>6}")
    for (severity, rule), verdicts in sorted(
        tally.items(), key=lambda item: (list(NEEDED).index(item[0][0]) if item[0][0] in NEEDED else 9, item[0])
    ):
        share = _precision(verdicts)
        enough = share is None or share >= NEEDED.get(severity, 0.0)
        passed &= enough
        lines.append(_line(rule, severity, verdicts, missed.pop(rule, 0)) + ("" if enough else "  too low"))
    lines += [f"{rule:<40} {'':<8} {0:>5} {0:>5} {0:>5} {'':>9} {count:>6} {0:>6}" for rule, count in sorted(missed.items())]
    lines.append("")
    for severity in ("error", "warning", "info"):
        total = sum((verdicts for (one, _), verdicts in tally.items() if one == severity), Counter())
        lines.append(_line("all of them", severity, total, 0).rstrip())
    lines += _section("not judged", (str(place) for place in found.counts if _unjudged(place, table)))
    lines += _section("no longer reported", (f"{place} ({judged.verdict})" for place, judged in _gone(table, found)))
    right, weaker, wrong = _budgets(table.budgets, found.budgets, table.projects)
    lines += _section("budgets that say less than the files do", weaker)
    lines += _section("wrong budgets", wrong)
    unread = {place.project for place in found.counts} - table.projects
    lines += ["", f"{len(table.projects)} projects read, {sum(sum(one.values()) for one in tally.values())} reports on them"]
    lines.append(f"{right} budgets equal, {len(weaker)} wider, {len(wrong)} wrong; {len(unread)} projects with reports were not read")
    return Outcome(lines, passed and not wrong)


def _precision(verdicts: Mapping[str, int]) -> float | None:
    judged = verdicts["true"] + verdicts["false"] + verdicts["doubtful"]
    return verdicts["true"] / judged if judged else None


def _line(rule: str, severity: str, verdicts: Mapping[str, int], missed: int) -> str:
    share = _precision(verdicts)
    shown = f"{100 * share:.1f}%" if share is not None else "-"
    columns = f"{verdicts['true']:>5} {verdicts['false']:>5} {verdicts['doubtful']:>5} {shown:>9} {missed:>6} {verdicts['unjudged']:>6}"
    return f"{rule:<40} {severity:<8} {columns}"


def _unjudged(place: Place, table: Table) -> bool:
    judged = table.judged.get(place)
    return place.project in table.projects and (judged is None or judged.verdict == "unjudged")


def _gone(table: Table, found: Found) -> Iterator[tuple[Place, Judged]]:
    """Right reports that no longer come; a wrong one is gone because polint was mended."""
    for place, judged in sorted(table.judged.items()):
        if place not in found.counts and judged.verdict in ("true", "doubtful", "unjudged"):
            yield place, judged


def _budgets(
    told: Mapping[tuple[str, str], Counted], found: Mapping[tuple[str, str], Counted], projects: set[str]
) -> tuple[int, list[str], list[str]]:
    """How many are equal, those that are wider than they need be, and the wrong ones."""
    right, weaker, wrong = 0, [], []
    for key in sorted({key for key in told if key[1] != "-"} | {key for key in found if key[0] in projects}):
        name = f"{key[0]}: server {key[1]}"
        if key not in found or key not in told:
            wrong.append(f"{name}: polint has {'no such server' if key not in found else 'one more server than the reader'}")
            continue
        reader, polint = told[key], found[key]
        shown = f"{name}: worst case {polint.worst} of {polint.usable}, by hand {reader.worst} of {reader.usable}"
        if (polint.worst, polint.usable) == (reader.worst, reader.usable):
            right += 1
        elif polint.worst.contains(reader.worst) and polint.usable.contains(reader.usable):
            weaker.append(shown)
        else:
            wrong.append(shown)
    return right, weaker, wrong


def _section(title: str, lines: Iterable[str]) -> list[str]:
    shown = sorted(lines)
    return ["", f"{title}: {len(shown)}", *(f"  {line}" for line in shown)] if shown else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--write", action="store_true", help="add what is new to truth.tsv")
    options = parser.parse_args()
    table, found = recorded(), run(options.folder)
    if options.write:
        table = written_back(table, found)
        write(table)
    outcome = compare(table, found)
    print("\n".join(outcome.lines))
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
