"""``--format text``: the table that a person reads in a terminal, and where each number of it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..budget import Scenario
from ..reporters import Style, clean
from ..reporters.text import columns, wrapped
from . import Budget, Row, advice, demand, described, head, left_out, origins, rows, share

_COLOURS = {"fits": "32", "over": "1;31", "unknown": "1;33", "dim": "2", "bold": "1", "cyan": "36"}
_BAR, _LEAST_BAR = 24, 8  # columns of a bar: as many, and no fewer than
_LEAST_NAME = 12  # columns of a name that is cut
_SIGNS = ("█", "▒", "·", "»")  # known, perhaps, free, beyond
_ASCII = ("#", "?", ".", ">")


def report(found: Sequence[Budget], style: Style) -> str:
    """The budgets, one server after another."""
    if not found:
        return "no PostgreSQL server found\n"
    return "\n\n".join("\n".join(_server(one, style)) for one in found) + "\n"


def _server(one: Budget, style: Style) -> Iterator[str]:
    yield from _heading(one, style)
    yield ""
    table = rows(one.server)
    if table:
        yield from _table(one, table, style)
    else:
        yield "  no client found"
    yield ""
    yield from _scenarios(one, style)
    for name, reason in advice(one):
        yield from wrapped(f"{name}: {reason}", "  not known: ", 4, style)
    if one.server.left_out:
        yield from wrapped(left_out(one), "  not counted, as profiles are taken one at a time: ", 4, style)
    if style.verbosity >= 0:
        yield from _answers(one, style)
        told = {reason for _, reason in advice(one)}
        listed = [origin for origin in origins(one) if origin.place or origin.note not in told]
        if listed:
            yield ""
        for origin in listed:
            text = f"  {described(origin)}"
            yield f"{text}  {_paint(origin.place, 'cyan', style)}" if origin.place else text


def _heading(one: Budget, style: Style) -> Iterator[str]:
    name = f"server {one.name}"
    first, *rest = wrapped(head(one), f"{name}: ", 2, style)
    yield _paint(name, "bold", style) + first[len(name) :]
    yield from rest


def _table(one: Budget, table: Sequence[Row], style: Style) -> Iterator[str]:
    has_pooler = any(row.consumer.through for row in table)
    titles = ["service", "kind", "through", "replicas", "processes", "pool", "connections", "share"]
    cells = []
    for row in table:
        consumer = row.consumer
        name = "  " * row.depth + clean(consumer.service, style.ascii)
        kind = f"{consumer.kind}, once" if consumer.once else consumer.kind
        part = share(one, row.at_least, row.at_most) if row.counts and not consumer.once else ""
        cells.append([name, kind, clean(consumer.through or "", style.ascii), *row.factors, row.total, part])
    lefts = 3
    nested = all(row.depth for row in table if row.consumer.through)
    if not has_pooler or (nested and style.width < _width(_widths(titles, cells))):  # then they stand under their pooler, which is enough
        titles, cells, lefts = titles[:2] + titles[3:], [line[:2] + line[3:] for line in cells], 2
    widths = _widths(titles, cells)
    if style.wraps and style.width < _width(widths):
        _shorten(cells, max(_LEAST_NAME, widths[0] - _width(widths) + style.width), "..." if style.ascii else "…")
        widths = _widths(titles, cells)
    room = min(_BAR, style.width - _width(widths) - 2)
    yield _paint(_line(titles, widths, lefts), "dim", style)
    for row, line in zip(table, cells, strict=True):
        text = _line(line, widths, lefts)
        if room >= _LEAST_BAR and row.counts and not row.consumer.once and one.usable:
            most = row.at_most if row.at_most is not None else one.usable if row.reason else row.at_least
            text += " " * (_width(widths) + 2 - columns(text)) + _bar(row.at_least or 0, most or 0, one.usable, room, "", style)
        yield text.rstrip()


def _widths(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(columns(line[at]) for line in (titles, *cells)) for at in range(len(titles))]


def _width(widths: Sequence[int]) -> int:
    """Columns of a line with two blanks before each cell."""
    return sum(widths) + 2 * len(widths)


def _shorten(cells: Sequence[list[str]], room: int, dots: str) -> None:
    """Cut names that take more than ``room`` columns."""
    for line in cells:
        name = line[0]
        while columns(line[0]) > room:
            name = name[:-1]
            line[0] = name + dots


def _line(cells: Sequence[str], widths: Sequence[int], lefts: int) -> str:
    padded = []
    for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blanks = " " * (width - columns(cell))
        padded.append(cell + blanks if at < lefts else blanks + cell)
    return ("  " + "  ".join(padded)).rstrip()


def _scenarios(one: Budget, style: Style) -> Iterator[str]:
    lines = []
    for scenario in one.scenarios:
        title = scenario.title
        if scenario.name == "steady" and one.server.profile:
            title += f", profile {clean(one.server.profile, style.ascii)}"
        part = share(one, scenario.at_least, scenario.at_most)
        lines.append((title, demand(one, scenario), part, scenario.verdict))
    widths = [max(len(line[at]) for line in lines) for at in range(4)]
    room = min(_BAR, style.width - sum(widths) - 11)
    for scenario, line in zip(one.scenarios, lines, strict=True):
        text = f"  {line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}".rstrip()
        verdict = _paint(scenario.verdict, scenario.verdict, style)
        if room >= _LEAST_BAR and one.usable:
            yield f"{text}  {_scenario_bar(scenario, one.usable, room, style)}  {verdict}"
        else:
            yield f"{text}  {verdict}"


def _scenario_bar(scenario: Scenario, usable: int, room: int, style: Style) -> str:
    most = usable if scenario.at_most is None else scenario.at_most
    return _bar(scenario.at_least, most, usable, room, scenario.verdict, style)


def _bar(at_least: int, at_most: int, usable: int, room: int, colour: str, style: Style) -> str:
    """A bar of ``room`` columns, all of them the usable connections: what is sure, what may be, what is free; its end marks an excess."""
    known, perhaps, free, beyond = _ASCII if style.ascii else _SIGNS
    sure = min(room, max(round(at_least * room / usable), 1 if at_least else 0))
    most = min(room, max(round(at_most * room / usable), sure))
    if at_least > usable:
        return _paint(known * (room - 1) + beyond, "over", style)
    text = _paint(known * sure, colour, style) if colour else known * sure
    rest = perhaps * (most - sure)
    return text + _paint(rest, "unknown", style) + _paint(free * (room - most), "dim", style)


def _answers(one: Budget, style: Style) -> Iterator[str]:
    answers = one.answers
    lines = []
    for answer in answers.clients:
        cells = [clean(answer.service, style.ascii)]
        for name, now, most in ((answer.knob, answer.size, answer.largest_size), ("replicas", answer.replicas, answer.most_replicas)):
            cells.append("" if most is None else f"{name} {most}" + (f" (now {now})" if now is not None else ""))
        cells.append(f"or, all in proportion, {answer.knob} {answer.in_proportion}" if answer.in_proportion is not None else "")
        if any(cells[1:]):
            lines.append(cells)
    said = _needed(one)
    if not lines and not said:
        return
    yield ""
    if lines:
        bound = ", and less by what is not known" if answers.is_bound else ""
        scenario = " in every scenario" if len(one.scenarios) > 1 else ""
        yield from wrapped(f"what would fit{scenario}, each with the others as they are{bound}:", "  ", 4, style)
        widths = [max(columns(line[at]) for line in lines) for at in range(4)]
        for line in lines:
            yield _line(line, widths, 4).replace("  ", "    ", 1)
    if said:
        yield from wrapped(said, "  ", 4, style)


def _needed(one: Budget) -> str:
    answers, limit = one.answers, one.server.max_connections
    if answers.needed is None or not (one.server.direct or one.server.jobs):
        return ""
    text = f"max_connections needed: {'more than ' if answers.is_bound else ''}{answers.needed}"
    text += f", {answers.needed_with_room} with room to spare" if answers.needed_with_room is not None else ""
    return text + (f" (now {limit.value})" if limit.is_known else "")


def _paint(text: str, colour: str, style: Style) -> str:
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if style.colour and text else text
