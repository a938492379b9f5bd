"""Lines of a .env file that its readers take for different things, or for something else than is written.

Compose, Laravel (phpdotenv) and Rust (dotenvy) read one file by three grammars.  A file counts as read by a program only where
files show it: an ``env_file`` or a ``${…}`` of a compose file, an ``artisan`` beside it, a crate that loads it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from ..diagnostic import Fix
from ..fact import Fact
from ..formats import Fault
from ..patterns import lazy
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Literal, env_reads
from .crates import Crates, CrateSources, load
from .project import Duplicate, Project, Stack, Tree
from .resolve import NOTHING, Environment
from .stack import join, parse_env, read_env, text_of

_PROGRAMS = {"compose": "Compose", "raw": "Compose", "phpdotenv": "Laravel (phpdotenv)", "dotenvy": "dotenvy"}
_OURS = lazy(r"(^|_)(DB|DATABASE|PG\w*|POSTGRES\w*|SQLX|POOL|DSN)(_|$)")
_SECRET = lazy(r"PASS|PWD|SECRET|URL|URI|DSN")


class Misreading:
    """One line of a .env file; ``account`` says what each reader makes of it, without its value."""

    kind = "misreading"

    def __init__(self, name: str, span: Span, account: str, fix: Fix | None = None) -> None:
        self.name = name  # the variable
        self.span = span
        self.account = account
        self.fix: Fix | None = fix
        self.label = f"variable {name}"

    @property
    def is_read_as_written(self) -> bool:
        """Never: lines that are all right are no subjects."""
        return False


class _Reading(NamedTuple):
    """What one dialect makes of a file: values by name, the places and texts they are written at, and what it refuses."""

    dialect: str
    values: Mapping[str, Fact[str]]
    spans: Mapping[str, Span]
    outside: Mapping[str, frozenset[str]]  # name -> variables that its value refers to and the file does not set
    cut: frozenset[str]  # names whose values hold a $ and letters that look like a piece of a secret, and are taken for a variable
    refused: Sequence[Fault]


def build_misreadings(crates: Crates, tree: Tree, project: Project) -> None:
    """Every such line of the files that something reads, file by file; repeated keys come first."""
    files = []
    for path, readers in sorted(_readers(crates, tree, project).items()):
        source = tree.read(path)
        if source is not None:
            files.append((source, readers, {dialect: _read(source, dialect, tree, project) for dialect in readers}))
    repeated = set()
    readers_of = {source.path: readers for source, readers, _ in files}
    for duplicate in project.duplicates:  # reading the files has found them
        if duplicate.format == "dotenv":
            repeated.add((duplicate.span.path, duplicate.setting))
            account = f"is set again on {duplicate.winner_place}: Compose and PHP take the last one, dotenvy the first"
            users = _users(duplicate.setting, readers_of.get(duplicate.span.path, {}))
            project.misreadings.append(Misreading(duplicate.setting, duplicate.span, account, _without_surplus(duplicate, users, project)))
    for source, readers, readings in files:
        done: set[int] = set()
        for fault in (fault for reading in readings.values() for fault in reading.refused):
            line = fault.span.place[0]
            if line not in done:
                done.add(line)
                name = _name_on(source, line)
                account = f"is refused, and the file with it: {fault.message}"
                concerned = {*_users(name, readers), *(one for one in readers if fault in readings[one].refused)}
                fix = _in_quotes(name, fault.span, {one: readings[one] for one in readers if one in concerned})
                project.misreadings.append(Misreading(name, fault.span, account, fix))
        for name in dict.fromkeys(name for reading in readings.values() for name in reading.values):
            if (source.path, name) in repeated or not _OURS.search(name.upper()):
                continue
            dialects = _users(name, readers)
            using = [readings[dialect] for dialect in dialects]
            lost = _loses(name, using)
            found = _differs(name, using) or lost
            if found is not None and found[0].place[0] not in done:
                plain = lost is not None or "$" not in found[0].text  # else a variable may be meant
                fix = _in_quotes(name, found[0], {dialect: readings[dialect] for dialect in dialects}) if plain else None
                project.misreadings.append(Misreading(name, *found, fix))


def _users(name: str, readers: Mapping[str, set[str] | None]) -> list[str]:
    """The dialects in which a variable is read."""
    return [dialect for dialect, wanted in readers.items() if wanted is None or name in wanted]


def _in_quotes(name: str, span: Span, readings: Mapping[str, _Reading]) -> Fix | None:
    """Quotes round a value; ``unsafe`` where some reader goes on with another one so far."""
    from ..formats import dotenv_edit

    edit = dotenv_edit.quoted(span, readings)
    if edit is None:
        return None
    meant = edit.replacement[1:-1]
    applicability = "safe" if all(_stops(one, span) or _has(one, name, meant) for one in readings.values()) else "unsafe"
    return Fix("put the value in quotes", applicability, (edit,))


def _stops(reading: _Reading, span: Span) -> bool:
    """Whether a program does not start because of the line at ``span``; one with dotenvy may go on without the rest of the file."""
    return reading.dialect == "phpdotenv" and any(fault.span.place[0] == span.place[0] for fault in reading.refused)


def _has(reading: _Reading, name: str, text: str) -> bool:
    value = reading.values.get(name)
    return value is not None and value.is_known and value.value == text


def _without_surplus(duplicate: Duplicate, dialects: Sequence[str], project: Project) -> Fix | None:
    """Takes away the line that no reader heeds; where they heed different ones, it must say the same."""
    again = duplicate.winner.span
    if not dialects or again is None or duplicate.setting in _referred(again.source):
        return None  # in between, others may refer to the value that is not heeded
    first = {dialect == "dotenvy" for dialect in dialects}
    if len(first) > 1:
        values = [_literal(place, dialect, project) for place in (duplicate.span, again) for dialect in dialects]
        if values[0] is None or any(value != values[0] for value in values):
            return None
    from ..formats import dotenv_edit

    edit = dotenv_edit.removed(again if first == {True} else duplicate.span)
    return Fix("remove the line that is not heeded", "safe", (edit,)) if edit is not None else None


def _literal(place: Span, dialect: str, project: Project) -> object:
    """The value at a place as one dialect reads it; None where it rests on others."""
    entry = next((one for one in parse_env(place.source, dialect, project).entries if one.value_span.start == place.start), None)
    return entry.value.value if entry is not None and isinstance(entry.value, Literal) else None


def _name_on(source: Source, line: int) -> str:
    """The variable that a line sets, as far as can be told."""
    name = source.line(line).partition("=")[0].strip().removeprefix("export ").strip()
    return name if name.isidentifier() else f"line {line}"


def _readers(crates: Crates, tree: Tree, project: Project) -> dict[str, dict[str, set[str] | None]]:
    """.env file -> dialect -> the names that are read (None: all of them)."""
    found: dict[str, dict[str, set[str] | None]] = {}
    for stack in project.stacks:
        if stack.project is None:
            continue
        beside = posixpath.join(stack.folder, ".env")
        for path, dialect in _env_files(stack):
            found.setdefault(path, {})[dialect] = None
        named = {read for source in stack.project.sources for read in _references(source.text)}
        known = found.setdefault(beside, {})
        if named and known.get("compose", ()) is not None:
            known["compose"] = named
    for path in tree.paths("dotenv"):
        folder, _, base = path.rpartition("/")
        if base == ".env" and tree.read(posixpath.join(folder, "artisan")) is not None:
            found.setdefault(path, {})["phpdotenv"] = None
    for crate in crates.under(("",)):
        path = _loaded_by(crate, tree, project)
        if path:
            found.setdefault(path, {})["dotenvy"] = None
    return {path: readers for path, readers in found.items() if readers}


def _env_files(stack: Stack) -> Iterator[tuple[str, str]]:
    for service in stack.services.values():
        for env_file in service.entry.env_files:
            path = text_of("env_file", env_file.path, stack.outer)
            where = join(env_file.base, path) if path is not None else None
            if where is not None:
                yield where, "raw" if env_file.raw else "compose"


@lru_cache(maxsize=8)
def _referred(source: Source) -> frozenset[str]:
    return frozenset(_references(source.text))


def _references(text: str) -> Iterator[str]:
    """The names after every ``$`` and ``${`` of a text."""
    at = text.find("$")
    while at >= 0:
        start = at + 2 if text.startswith("{", at + 1) else at + 1
        stop = start
        while stop < len(text) and (text[stop].isalnum() or text[stop] == "_"):
            stop += 1
        if stop > start:
            yield text[start:stop]
        at = text.find("$", max(stop, at + 1))


def _loaded_by(crate: CrateSources, tree: Tree, project: Project) -> str:
    """The .env file that a crate loads: that of its folder, or the nearest above."""
    folder = crate.folder
    while True:
        path = posixpath.join(folder, ".env")
        if tree.read(path) is not None:
            return path if load(crate, tree, project).loads_dotenv else ""
        if not folder:
            return ""
        folder = posixpath.dirname(folder)


def _read(source: Source, dialect: str, tree: Tree, project: Project) -> _Reading:
    environment: Environment = read_env(source.path, dialect, NOTHING, tree, project) or NOTHING
    parsed = parse_env(source, dialect, project)
    own = {entry.key for entry in parsed.entries}
    outside = {}
    cut = set()
    for entry in parsed.entries:
        reads = [read for read in env_reads(entry.value) if read.name not in own]
        outside[entry.key] = frozenset(read.name for read in reads)
        # $UPPER may well come from the shell; $lower in the middle of a password does not
        inside = (read for read in reads if read.span.start > entry.value_span.start and not read.span.text.startswith("${"))
        if _SECRET.search(entry.key.upper()) and any(not read.name.isupper() for read in inside):
            cut.add(entry.key)
    spans = {entry.key: entry.value_span for entry in parsed.entries}
    # what Compose refuses is a problem of its own already
    refused = [] if dialect in ("compose", "raw") else [fault for fault in parsed.faults if fault.fatal]
    return _Reading(dialect, environment.variables, spans, outside, frozenset(cut), refused)


def _differs(name: str, users: Sequence[_Reading]) -> tuple[Span, str] | None:
    """Where two readers make different values of one line, and why."""
    known = {reading.dialect: reading for reading in users if name in reading.values and reading.values[name].is_known}
    values = {dialect: reading.values[name].value for dialect, reading in known.items()}
    if len(set(values.values())) < 2:
        return None
    if frozenset.intersection(*(reading.outside[name] for reading in known.values())):
        return None  # what all of them refer to may be set elsewhere
    one = next(iter(values))
    other = next(dialect for dialect, value in values.items() if value != values[one])
    span = max((reading.spans[name] for reading in known.values()), key=lambda span: span.end)
    return span, f"has one value for {_PROGRAMS[one]} and another for {_PROGRAMS[other]}: {_why(span, values)}"


def _why(span: Span, values: Mapping[str, str]) -> str:
    """What in a value is read differently."""
    raw = span.text
    if "#" in raw and "phpdotenv" in values and all("#" in value for dialect, value in values.items() if dialect != "phpdotenv"):
        return "phpdotenv drops what follows #"
    if "$" in raw:
        return "they do not replace the same ${…} and $"
    if "\\" in raw:
        return "they do not undo the same backslashes"
    return "their grammars differ here"


def _loses(name: str, users: Sequence[_Reading]) -> tuple[Span, str] | None:
    """Where a reader plainly takes something else than is meant: a part that looks like a comment or a variable."""
    for reading in users:
        span = reading.spans.get(name)
        if span is None:
            continue
        text = span.source.text
        if reading.dialect == "phpdotenv" and span.end > span.start and text.startswith("#", span.end) and text[span.start] not in "'\"":
            return span, "is cut short: phpdotenv takes # for a comment, with no blank before it too"
        if name in reading.cut:
            return span, f"loses a part: {_PROGRAMS[reading.dialect]} takes the $ in it for a variable, which is not set"
    return None
