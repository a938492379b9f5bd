"""``--format svg``: a picture for a page or a README, in light and in dark, drawn of plain shapes and text.

Only what every renderer knows is used: no script, no font file, no reference to anything outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from ..budget import Scenario
from ..reporters import Style, clean
from . import Budget, Row, advice, demand, head, rows, share
from .palette import COUNT, STYLE

_WIDTH, _MARGIN = 760, 24
_LABEL, _NUMBER = 142, 150  # columns left and right of the bars
_BAR, _GAP = 26, 10  # height of a bar, and what is between two
_LINE = 26  # height of a row of the table
_CHAR, _BOLD = 7.1, 7.6  # width of a character of 13 pixels, roughly and rather too much
_X = _MARGIN + _LABEL
_ROOM = _WIDTH - _MARGIN - _NUMBER - _X
_KIND, _FACTORS, _TOTAL, _SHARE = 300, 560, 665, _WIDTH - _MARGIN  # where the columns of the table begin, the last three end
_SENTENCE = 98  # characters of a line across
_UNSEEN = dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")  # not allowed in XML


def report(found: Sequence[Budget], style: Style) -> str:
    """One picture, servers below each other."""
    panels: list[tuple[int, list[str]]] = []
    at = 0
    for number, one in enumerate(found):
        height, shapes = _server(one, number)
        panels.append((at, shapes))
        at += height
    if not found:
        panels, at = [(0, [_text(_MARGIN, 38, "no PostgreSQL server found", "name")])], 64
    title = "; ".join(f"{one.name}: {demand(one, one.worst)} connections, {one.worst.verdict}" for one in found)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {at}" width="{_WIDTH}" height="{at}" role="img" '
        f"aria-label={_quoted(title or 'no PostgreSQL server found')}>",
        f"<title>{_escaped(title or 'no PostgreSQL server found')}</title>",
        f"<style>{STYLE}</style>",
        "<defs>"
        '<pattern id="perhaps" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="weave" width="3" height="7"/></pattern></defs>',
        f'<rect class="page" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{at - 1}" rx="8"/>',
    ]
    for top, shapes in panels:
        lines.append(f'<g transform="translate(0 {top})">')
        lines += shapes
        lines.append("</g>")
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def _server(one: Budget, number: int) -> tuple[int, list[str]]:
    """Height and shapes of one server's part."""
    shapes: list[str] = []
    if number:
        shapes.append(f'<line class="rule" x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="0" y2="0"/>')
    verdict = one.worst.verdict
    pill = 26 + round(len(verdict) * 7.8)
    shapes.append(_text(_MARGIN, 40, _fitted(one.name, (_WIDTH - 3 * _MARGIN - pill) / 11), "title", full=one.name))
    shapes.append(f'<rect class="{verdict}" x="{_WIDTH - _MARGIN - pill}" y="21" width="{pill}" height="26" rx="13"/>')
    shapes.append(_text(_WIDTH - _MARGIN - pill / 2, 38.5, verdict, "verdict middle"))
    at = 62
    for line in _broken(head(one)):
        shapes.append(_text(_MARGIN, at, line, "muted"))
        at += 18
    at += 22
    table = rows(one.server)
    colours = {id(row.consumer): index % COUNT for index, row in enumerate(row for row in table if row.counts)}
    bars = list(_bars(one, at, colours))
    shapes += bars
    at += len(one.scenarios) * (_BAR + _GAP) + 22
    if table:
        for x, text, kind in (
            (_MARGIN + 22, "service", ""), (_KIND, "kind", ""), (_FACTORS, "replicas × processes × pool", " end"),
            (_TOTAL, "connections", " end"), (_SHARE, "share", " end"),
        ):  # fmt: skip
            shapes.append(_text(x, at, text, f"head{kind}"))
        at += 9
        for row in table:
            shapes += _row(one, row, at, colours)
            at += _LINE
    else:
        shapes.append(_text(_MARGIN, at, "no client found", "muted"))
    at += 20
    for line in _notes(one):
        shapes.append(_text(_MARGIN, at, line, "muted"))
        at += 18
    return at + 4, shapes


def _bars(one: Budget, top: int, colours: dict[int, int]) -> Iterator[str]:
    """A bar for each scenario, and the line of what the server has."""
    reach = max([one.usable or 0, 1, *(max(scenario.at_least, scenario.at_most or 0) for scenario in one.scenarios)])
    if one.usable is None:
        reach = round(reach * 1.25)
    scale = _ROOM / reach
    at = top
    for scenario in one.scenarios:
        yield _text(_MARGIN, at + 17.5, scenario.title, "label")
        if one.usable is not None:
            yield f'<rect class="track" x="{_X}" y="{at}" width="{_round(one.usable * scale)}" height="{_BAR}" rx="3"/>'
        yield from _segments(scenario, at, scale, reach, colours)
        if one.usable is not None and scenario.at_least > one.usable:
            beyond = (scenario.at_least - one.usable) * scale
            yield f'<rect class="over" x="{_round(_X + one.usable * scale)}" y="{at + _BAR}" width="{_round(beyond)}" height="4"/>'
        colour = "number over-text" if scenario.verdict == "over" else "number"
        part = share(one, scenario.at_least)
        yield _text(_WIDTH - _MARGIN, at + 17.5, _count(one, scenario) + (f" · {part}" if part else ""), f"{colour} end")
        at += _BAR + _GAP
    if one.usable is not None:
        x = _X + one.usable * scale
        yield f'<line class="limit" x1="{_round(x)}" x2="{_round(x)}" y1="{top - 6}" y2="{at - _GAP + 6}"/>'
        yield _text(x, top - 10, f"{one.usable} usable", "small end" if one.usable * scale > 60 else "small")


def _count(one: Budget, scenario: Scenario) -> str:
    least, most = scenario.at_least, scenario.at_most
    count = f"≥ {least}" if most is None else f"{least}" if most == least else f"{least}–{most}"
    return f"{count} of {one.usable}" if one.usable is not None else count


def _segments(scenario: Scenario, y: int, scale: float, reach: int, colours: dict[int, int]) -> Iterator[str]:
    at = float(_X)
    end = _X + reach * scale
    for part in scenario.parts:
        count = part.at_least or 0
        width = count * scale
        if not width:
            continue
        tip = f"{clean(part.consumer.service)}: {count}"
        colour = colours.get(id(part.consumer), 0)
        drawn = _round(max(width - 1, 0.7))
        shape = f'<rect class="c{colour}" x="{_round(at)}" y="{y}" width="{drawn}" height="{_BAR}"/>'
        text = str(count)
        inside = _text(at + (width - 1) / 2, y + 17.5, text, "inside middle") if width > len(text) * 8 + 6 else ""
        yield f"<g><title>{_escaped(tip)}</title>{shape}{inside}</g>"
        at += width
    most = scenario.at_most
    extra = (end - at) if most is None else (most - scenario.at_least) * scale
    if extra > 0.5:
        yield f'<rect class="perhaps" x="{_round(at)}" y="{y}" width="{_round(extra)}" height="{_BAR}"><title>not known</title></rect>'


def _row(one: Budget, row: Row, top: int, colours: dict[int, int]) -> Iterator[str]:
    consumer = row.consumer
    base = top + 17.5
    indent = 18 * row.depth
    name = clean(consumer.service)
    if row.counts:
        yield f'<rect class="c{colours[id(consumer)]}" x="{_MARGIN}" y="{top + 7}" width="12" height="12" rx="2"/>'
    else:
        middle = _round(top + 13)
        yield f'<path class="branch" d="M{_MARGIN + 28} {top + 1}V{middle}H{_MARGIN + 36}"/>'
    yield _text(_MARGIN + 22 + indent, base, _fitted(name, (_KIND - _MARGIN - 32 - indent) / _BOLD), "name", full=name)
    kind = clean(consumer.kind) + (", once" if consumer.once else "")
    factors = " × ".join(row.factors)
    room = (_FACTORS - _KIND) / _CHAR - len(factors) - 2
    yield _text(_KIND, base, _fitted(kind, room), "muted", full=kind)
    yield _text(_FACTORS, base, factors, "plain end")
    yield _text(_TOTAL, base, row.total, "name end" if row.counts else "muted end")
    if row.counts and not consumer.once:
        yield _text(_SHARE, base, share(one, row.at_least), "plain end")


def _notes(one: Budget) -> Iterator[str]:
    """What is missing, and what would do."""
    for name, reason in advice(one):
        yield from _broken(f"not known: {name}: {reason}")
    answers = one.answers
    if answers.needed is not None and (one.server.direct or one.server.jobs):
        more = "more than " if answers.is_bound else ""
        limit = one.server.max_connections
        now = f"; it is {limit.value}" if limit.is_known else ""
        room = f", {answers.needed_with_room} with room to spare" if answers.needed_with_room is not None else ""
        yield f"max_connections needed: {more}{answers.needed}{room}{now}"


def _broken(text: str) -> list[str]:
    """A sentence in lines."""
    from textwrap import wrap

    return wrap(text, _SENTENCE, break_on_hyphens=False) or [""]


def _fitted(text: str, room: float) -> str:
    """As much of a text as there is room for; wide characters count twice."""
    used = 0.0
    for at, char in enumerate(text):
        used += 1.8 if char >= "\u1100" else 1
        if used > room:
            return text[: max(at - 1, 1)] + "…"
    return text


def _text(x: float, y: float, text: str, kind: str, full: str = "") -> str:
    tip = f"<title>{_escaped(full)}</title>" if full and full != text else ""
    return f'<text class="{kind}" x="{_round(x)}" y="{_round(y)}">{tip}{_escaped(text)}</text>'


def _round(number: float) -> str:
    """A coordinate, the same on every machine."""
    return f"{number:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    return escape(text.translate(_UNSEEN))


def _quoted(text: str) -> str:
    return quoteattr(text.translate(_UNSEEN))
