"""The baseline: today's diagnostics, accepted so that only new ones fail.

An entry is kept by its rule and by what the diagnostic is about (``service api pool,
setting idle_timeout``), never by its line.  Its file and the text of its line are only
there to find it again when a service or a file has got another name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from .diagnostic import COVERED, Diagnostic, Edit, Fix, Note
from .mask import mask
from .source import Source, Span
from .tuples import NamedTuple

if TYPE_CHECKING:
    from .yamltext import Node

VERSION = 1
_ROUNDING = 1e-6
_LONGEST = 160  # characters kept of a line
_ABOVE, _ABOVE_LIMIT = 30, 3000  # lines and characters


class Problem(NamedTuple):
    """A mistake in a baseline file."""

    span: Span
    message: str

    def __str__(self) -> str:
        return f"{self.span}: {self.message}"


class BaselineError(Exception):
    """The baseline cannot be used; ``problems`` are all its mistakes."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Entry(NamedTuple):
    """One accepted diagnostic; ``measure`` is how bad it was, for rules that can tell."""

    rule: str
    subject: str
    path: str
    text: str
    measure: float | None
    span: Span


def removal(entry: Entry) -> Fix:
    """Takes an entry out of its file, with the comma that parts it from the others and the line it leaves."""
    text = entry.span.source.text
    start, end = entry.span.start, entry.span.end
    while text[start - 1].isspace():
        start -= 1
    after = end
    while text[after].isspace():
        after += 1
    if text[after] == ",":
        end = after + 1
    elif text[start - 1] == ",":
        start -= 1
    else:
        end = after
    return Fix("remove the entry from the baseline", "safe", (Edit(entry.span.source.span(start, end), ""),))


def entry_text(diagnostic: Diagnostic) -> str:
    """The line a diagnostic stands on, without blanks around it and without secrets."""
    source = diagnostic.span.source
    number = diagnostic.span.place[0]
    above = source.text[source.starts[max(0, number - 1 - _ABOVE)] : source.starts[number - 1]]  # may name the secret of this line
    return " ".join(mask(source.line(number), above[-_ABOVE_LIMIT:]).split())[:_LONGEST]


def entry_of(diagnostic: Diagnostic) -> Entry:
    """The entry that accepts a diagnostic."""
    return Entry(diagnostic.name, diagnostic.subject, diagnostic.span.path, entry_text(diagnostic), diagnostic.measure, diagnostic.span)


def dump(entries: Iterable[Entry]) -> str:
    """A baseline of these entries: JSON, one entry a line, in an order that does not change with line numbers."""
    from json import dumps

    rows = []
    for one in entries:
        row: dict[str, object] = {"rule": one.rule, "subject": one.subject, "path": one.path, "text": one.text}
        if one.measure is not None and isfinite(one.measure):
            row["measure"] = round(one.measure, 9)
        rows.append(dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace").decode())
    body = ",\n".join(f"  {row}" for row in sorted(rows))
    return f'{{\n "schema_version": {VERSION},\n "entries": [' + (f"\n{body}\n ]" if rows else "]") + "\n}\n"


def load(root: str, name: str) -> list[Entry] | None:
    """The entries of the baseline file ``name`` under ``root``, None without such a file; raises BaselineError or OSError."""
    try:
        with open(os.path.join(root, name), "rb") as handle:
            return parse(Source.from_bytes(name, handle.read()))
    except FileNotFoundError:
        return None


def parse(source: Source) -> list[Entry]:
    """The entries that a baseline's text holds; raises BaselineError with everything wrong in it."""
    from . import yamltext  # JSON is YAML, and this reader knows places

    conflict = next((start for start in source.starts if source.text.startswith("<<<<<<< ", start)), None)
    if conflict is not None:
        message = "a merge conflict: keep the lines of both sides, or write the file again with polint baseline"
        raise BaselineError([Problem(source.span(conflict, conflict + 7), message)])
    nodes, faults = yamltext.documents(source)
    if faults:
        raise BaselineError([Problem(fault.span, f"not valid JSON: {fault.message.removeprefix('not YAML: ')}") for fault in faults])
    problems: list[Problem] = []
    node = nodes[0] if nodes else None
    if node is None or node.kind != "map":
        raise BaselineError([Problem(source.span(0, 0), "no baseline: write one with polint baseline")])
    version = node.get("schema_version")
    if version is None or version.text != str(VERSION):
        at = version.span if version is not None else source.span(0, 1)
        raise BaselineError([Problem(at, f"schema_version should be {VERSION}: write the file again with polint baseline")])
    listed = node.get("entries")
    if listed is None or listed.kind != "seq":
        raise BaselineError([Problem(listed.span if listed is not None else source.span(0, 1), "entries should be a list")])
    entries = []
    for item in listed.items:
        entry = _entry(item, problems)
        if entry is not None:
            entries.append(entry)
    if problems:
        raise BaselineError(problems)
    return entries


def _entry(item: Node, problems: list[Problem]) -> Entry | None:
    texts = {}
    for key in ("rule", "subject", "path", "text"):
        value = item.get(key)
        if value is None:
            problems.append(Problem(item.span, f"{key} is missing"))
        elif value.kind != "scalar" or value.style != '"':
            problems.append(Problem(value.span, f"{key} should be a text"))
        else:
            texts[key] = value.text
    measure = item.get("measure")
    number = None
    if measure is not None:
        try:
            number = float(measure.text)
        except ValueError:
            problems.append(Problem(measure.span, "measure should be a number"))
    if len(texts) < 4:
        return None
    return Entry(texts["rule"], texts["subject"], texts["path"], texts["text"], number, item.span)


_Key = Callable[[str, str, str, str], Hashable]
# From the surest way an entry is found again to the least: as it was; with other words on its line; in another file;
# of a service with another name; in another file of a service with another name.
_KEYS: tuple[_Key, ...] = (
    lambda rule, subject, path, text: (rule, subject, path, text),
    lambda rule, subject, path, text: (rule, subject, path),
    lambda rule, subject, path, text: (rule, subject),
    lambda rule, subject, path, text: (rule, path, text),
    lambda rule, subject, path, text: (rule, text),
)


def match(entries: Sequence[Entry], diagnostics: Sequence[Diagnostic]) -> tuple[list[Diagnostic], list[bool]]:
    """The diagnostics, those that an entry accepts marked as suppressed, and which entries were found again.

    An entry accepts one diagnostic.  One that is worse than what was recorded (its
    ``measure`` has grown) stays, with a note that says so.
    """
    found: list[Diagnostic] = list(diagnostics)
    used = [False] * len(entries)
    open_ones = [index for index, one in enumerate(found) if one.suppressed is None]
    texts = {index: entry_text(found[index]) for index in open_ones}
    for key in _KEYS:
        waiting: dict[Hashable, list[int]] = {}
        for number in range(len(entries) - 1, -1, -1):
            if not used[number]:
                entry = entries[number]
                waiting.setdefault(key(entry.rule, entry.subject, entry.path, entry.text), []).append(number)
        left = []
        for index in open_ones:
            one = found[index]
            numbers = waiting.get(key(one.name, one.subject, one.span.path, texts[index]))
            if not numbers:
                left.append(index)
                continue
            number = numbers.pop()
            used[number] = True
            found[index] = _covered(one, entries[number])
        open_ones = left
    return found, used


def _covered(one: Diagnostic, entry: Entry) -> Diagnostic:
    if one.measure is not None and entry.measure is not None and one.measure > entry.measure + _ROUNDING:
        note = Note(f"worse than the baseline accepts: {entry.measure:.3g} was recorded, now it is {one.measure:.3g}", entry.span)
        return one._replace(notes=(*one.notes, note))
    return one._replace(suppressed=COVERED)
