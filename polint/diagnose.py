"""``polint diagnose``: from the error texts of a log to their causes, and what to do about each in this project."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import Any, cast

from . import command, diagnose_here
from .causes import BY_ID, Cause, Check
from .config import Config
from .diagnose_here import Line
from .diagnosis import Group, NotText, Reading, Seen
from .diagnostic import Diagnostic
from .reporters import Style, clean, plural
from .reporters.text import paint, wrapped
from .start import CannotRun, near_path, scope, settle, settled, within
from .tuples import NamedTuple

_MOST_NAMES = 4
_MOST_RULES = 3
_GUTTER = 10
_NOWHERE = "for the numbers of a project run it in the project's folder, or with --root DIR"


class Answer(NamedTuple):
    """What a log tells of one cause, and what the project has to do with it.

    ``rules`` are code and name of each rule that knows the cause; ``reports`` what they find in the project.
    """

    cause: Cause
    group: Group
    here: Sequence[Line]
    changes: Sequence[Line]
    rules: Sequence[tuple[str, str]]
    reports: Sequence[Diagnostic]


def diagnose(log: str, *, root: str | None, config_file: str | None, format_name: str, color: str, verbosity: int) -> None:
    """Read ``log`` (``-``: standard input) and print what is behind the errors in it; raises CannotRun."""
    top, config = settle(["."], root, config_file)
    reading = _read(log)
    name = "standard input" if log == "-" else log
    groups = reading.groups
    answers, has_server = _answers(groups, top, config, () if root else scope(["."], top)) if groups else ([], False)
    if format_name == "json":
        command.write(as_json(log, reading.size, answers, has_server), None, utf8=True)
        return
    style = command.style(color, verbosity, False)
    command.write("".join(f"{line}\n" for line in _text(name, reading.size, answers, has_server, top, style)), None)


def _read(log: str) -> Reading:
    """The log, read to its end; standard input also up to an interrupt, as of one that is followed."""
    reading = Reading()
    try:
        if log == "-":
            reading.read(cast(BufferedReader, sys.stdin.buffer).readinto1)
        elif os.path.isdir(log):
            raise CannotRun(f"{log}: is a folder; name a log file")
        else:
            with open(log, "rb", buffering=0) as file:
                reading.read(file.readinto)
    except KeyboardInterrupt:
        if log != "-":
            raise
    except NotText as error:
        raise CannotRun(f"{log}: {error}") from None
    except OSError as error:
        near = near_path(log) if isinstance(error, FileNotFoundError) else ""
        raise CannotRun(f"{log}: {(error.strerror or str(error)).lower()}{near}") from None
    return reading


def _answers(groups: Sequence[Group], root: str, config: Config, prefixes: Sequence[str]) -> tuple[list[Answer], bool]:
    """What to say to each group, and whether the project has a server at all."""
    from . import budget, lint
    from .engine import check

    rules, _, severities, params, _ = settled(root, config)
    project = lint.project_of(lint.files_of(root, config), config)
    by_name = {rule.name: rule for rule in rules}
    found: list[Diagnostic] = []
    has_server = bool(budget.servers(project))
    if has_server:
        asked = {name for group in groups for name in BY_ID[group.cause].rules if name in by_name}
        levels = {code: level for code, level in severities.items() if level != "off"}
        chosen = [by_name[name] for name in sorted(asked)]
        found += check(chosen, project.subjects(), params=params, severities=levels, templates=project.templates).diagnostics
        if diagnose_here.narrow(project, prefixes):
            found = [one for one in found if within(one.span.path, prefixes)]
    answers = []
    for group in groups:
        cause = BY_ID[group.cause]
        codes = [(by_name[name].code, name) for name in cause.rules if name in by_name]
        once = {(one.code, one.span): one for one in found if one.name in cause.rules}
        answers.append(
            Answer(
                cause,
                group,
                diagnose_here.lines(project, cause.here) if has_server else (),
                [
                    Line(change.what, diagnose_here.places(project, change.at) if has_server and change.at else ())
                    for change in cause.changes
                ],
                codes,
                list(once.values()),
            )
        )
    return answers, has_server


def _text(name: str, size: int, answers: Sequence[Answer], has_server: bool, root: str, style: Style) -> Iterator[str]:
    shown = _safe(name, style)
    if not answers:
        yield f"{shown}: no known error text about PostgreSQL connections in {_size(size)}"
        if style.verbosity >= 0:
            yield from wrapped("texts are known in English: a server with another lc_messages writes others", "", 2, style)
        return
    total = sum(answer.group.lines for answer in answers)
    yield f"{shown}: {_plural_lines(total)} of {plural(len(answers), 'known problem')} in {_size(size)}"
    if len(answers) > 1:
        width = len(f"{answers[0].group.lines:,}")
        for answer in answers:
            yield f"  {answer.group.lines:>{width},}  {answer.cause.symptom}"
    if not has_server:
        yield from wrapped(f"no PostgreSQL server in {_safe(os.path.relpath(root), style)}: {_NOWHERE}", "", 2, style)
    if style.verbosity < 0:
        return
    told: set[str] = set()
    ids = [answer.cause.id for answer in answers]
    for answer in answers:
        yield ""
        yield from _answer(answer, [one for one in answer.cause.begin if one in ids], has_server, told, style)


def _answer(answer: Answer, begin: Sequence[str], has_server: bool, told: set[str], style: Style) -> Iterator[str]:
    """One cause; what was ``told`` before is not told again."""
    group = answer.group
    when = f", {group.first} to {group.last}" if group.first and group.last != group.first else f", {group.first}" if group.first else ""
    head = f"{answer.cause.symptom}"
    yield paint(head, "error", style)
    yield from wrapped(f"{_plural_lines(group.lines)}{when}", "  ", 2, style)
    width = len(f"{group.seen[0].lines:,}")
    rows = [(f"{one.lines:>{width},}  {_safe(one.text.shown, style)}", f"({one.text.source}{_names(one, style)})") for one in group.seen]
    yield from _block("seen", [f"{text}  {source}" for text, source in rows], style, indent=width + 2)
    first = [f"This log also says: {BY_ID[one].symptom}. Begin with that." for one in begin[:1]]
    yield from _block("cause", [_safe(answer.cause.why, style), *first], style)
    here = [_placed(line, style) for line in answer.here]
    new = [text for text in here if text not in told]
    told.update(here)
    yield from _block("here", [*new, "the rest as above"] if 0 < len(new) < len(here) else new or (here[:1] and ["as above"]), style)
    yield from _label("check", _checks(answer.cause.checks, told, style), style)
    numbered = [f"{number}. {_placed(line, style)}" for number, line in enumerate(answer.changes, 1)]
    yield from _block("change", numbered, style, indent=3)
    if answer.rules:
        yield from _block("rules", list(_rules(answer, has_server, style)), style)


def _rules(answer: Answer, has_server: bool, style: Style) -> Iterator[str]:
    """Which rules report it in this project, and which would have."""
    for code, name in answer.rules:
        spans = [one.span for one in answer.reports if one.code == code]
        if spans:
            where = list(dict.fromkeys(f"{span.path}:{span.place[0]}" for span in spans))
            more = f" and {len(where) - _MOST_NAMES} more" if len(where) > _MOST_NAMES else ""
            yield f"{code} {name} reports it here: {_safe(', '.join(where[:_MOST_NAMES]), style)}{more}"
    reporting = {one.code for one in answer.reports}
    others = [f"{code} {name}" for code, name in answer.rules if code not in reporting]
    if others:
        nothing = "" if reporting or not has_server else ", which report nothing here"
        yield f"would be caught by {', '.join(others[:_MOST_RULES])}{nothing}"


def _checks(checks: Sequence[Check], told: set[str], style: Style) -> Iterator[str]:
    inner = style._replace(width=style.width - _GUTTER)
    for check in checks:
        steps = check.sql + check.console + check.shell
        yield from wrapped(
            f"{check.what}: as above" if steps and steps in told else f"{check.what}:" if steps else check.what, "", 2, inner
        )
        if steps in told:
            continue
        told.add(steps)
        for program, text in (("", check.sql), ("pgbouncer=# ", check.console), ("$ ", check.shell)):
            for line in text.splitlines():
                yield f"  {program}{line}"


def _block(label: str, texts: Sequence[str], style: Style, indent: int = 2) -> Iterator[str]:
    inner = style._replace(width=style.width - _GUTTER)
    return _label(label, (line for text in texts for line in wrapped(text, "", indent, inner)), style)


def _label(label: str, rows: Iterator[str], style: Style) -> Iterator[str]:
    """Rows beside their label."""
    for row in rows:
        yield f"  {paint(label, 'bold', style)}{' ' * (_GUTTER - 2 - len(label))}{row}".rstrip()
        label = ""


def _placed(line: Line, style: Style) -> str:
    return _safe(line.text + (f"  {', '.join(map(str, line.places))}" if line.places else ""), style)


def _names(one: Seen, style: Style) -> str:
    if not one.names:
        return ""
    counted = len(one.names) > 1 and sum(count for _, count in one.names) == one.lines
    shown = [f"{_safe(name, style)} {count:,}" if counted else _safe(name, style) for name, count in one.names[:_MOST_NAMES]]
    more = f" and {len(one.names) - _MOST_NAMES} more" if len(one.names) > _MOST_NAMES else ""
    return f"; {one.text.names}: {', '.join(shown)}{more}"


def _safe(text: str, style: Style) -> str:
    shown = clean(text, style.ascii)
    return shown.replace("…", "...").replace("≤", "<=") if style.ascii else shown


def _plural_lines(count: int) -> str:
    """``1 line``, ``17,960 lines``."""
    return f"{count:,} line" + ("" if count == 1 else "s")


def _size(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def as_json(log: str, size: int, answers: Sequence[Answer], has_server: bool) -> str:
    """The same as JSON of schema_version 1."""
    from json import dumps

    report: dict[str, Any] = {
        "schema_version": 1,
        "log": log,
        "bytes": size,
        "project": has_server,
        "causes": [_json(one) for one in answers],
    }
    return dumps(report, indent=1, ensure_ascii=False) + "\n"


def _json(answer: Answer) -> dict[str, Any]:
    group, cause = answer.group, answer.cause
    return {
        "id": cause.id,
        "symptom": cause.symptom,
        "lines": group.lines,
        "first": group.first or None,
        "last": group.last or None,
        "texts": [
            {
                "source": one.text.source,
                "text": one.text.shown,
                "lines": one.lines,
                "names": [{"kind": one.text.names, "name": clean(name)} for name, _ in one.names[:_MOST_NAMES]],
            }
            for one in group.seen
        ],
        "cause": cause.why,
        "here": [_line(line) for line in answer.here],
        "check": [
            {"what": one.what, "sql": one.sql or None, "console": one.console or None, "shell": one.shell or None} for one in cause.checks
        ],
        "change": [_line(line) for line in answer.changes],
        "rules": [
            {
                "code": code,
                "name": name,
                "places": [
                    {"path": one.span.path, "line": one.span.place[0], "message": clean(one.message)}
                    for one in answer.reports
                    if one.code == code
                ],
            }
            for code, name in answer.rules
        ],
    }


def _line(line: Line) -> dict[str, Any]:
    return {"text": clean(line.text), "places": [{"path": place.path, "line": place.line} for place in line.places]}
