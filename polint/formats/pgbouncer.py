"""pgbouncer.ini: sections, their settings, and the connect strings of databases, users and peers.

Follows PgBouncer's own reader (libusual's cfparser.c, loader.c), its verdicts compared with
PgBouncer 1.18.  Comments have lines of their own: what stands behind a value is part of it.
Names of sections and settings keep their case, as PgBouncer compares them.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import templating
from ..diagnostic import Edit, Fix
from ..patterns import lazy
from ..source import Source, Span
from ..value import Literal, Opaque, Value
from . import Entry, Fault, Parsed

SECTIONS = ("pgbouncer", "databases", "users", "peers")
INCLUDE = "%include"
Read = Callable[[str], Source | None]
"""Finds the file of a ``%include`` by its name; None when it cannot be known."""
_DEEPEST = 10  # MAX_INCLUDE of cfparser.c
_MOST = 100  # included files, in case they fan out
_BLANK = " \t"
_SPACE = " \t\n\v\f\r"
_PLAIN = lazy(r"[A-Za-z0-9_.*-]*")
_SQL_NAME = lazy(r'"((?:[^"]|"")*)"[ \t]*=')
_COLON = lazy(r"([A-Za-z0-9_.*-]+)[ \t]*(:)")
_TWO_WORDS = lazy(r"([A-Za-z0-9_.*-]+)([ \t]+)(\S[^\n]*?)[ \t\r]*")
_MARK = lazy(
    r"\$\{[^\n{}]*\}|\{\{[^\n{}]*\}\}|\{%[^\n{}]*%\}|\{!![^\n!]*!!\}|<%=?[^\n%]*%>|<\?(?:php|=)[^\n?]*(?:\?>)?"
    r"|@[A-Z_][A-Z0-9_]+@|(?<![%\w])%[A-Za-z_][A-Za-z0-9_]{2,}%(?![%\w])|\$[A-Za-z_][A-Za-z0-9_]*"
)
_MARKS = ("${", "{{", "{%", "{!!", "<%", "<?", "@", "%", "$")
_COMMENT = lazy(r"(?<![ \t])[ \t]+([;#])")
_FOREIGN = ("//", "--")
_TOUCHED = "a template decides whether this counts"


_Header = tuple[str, Span, int]  # name, span, number of the entries before it


class _State:
    """What a parse has found so far."""

    def __init__(self, source: Source, version: tuple[int, ...] | None, read: Read | None) -> None:
        self.source = source
        self.version = version
        self.read = read
        self.files = [source]  # the file being read, below those that include it
        self.included = 0
        self.is_template = False
        self.section = ""
        self.headers: list[_Header] = []
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self.homeless: list[Entry] = []  # before any header
        self.includes = False
        self.bad = -1  # where the last line ended that made no sense at all


def parse(source: Source, version: tuple[int, ...] | None = None, read: Read | None = None) -> Parsed:
    """Entries by section, and what PgBouncer refuses as faults.

    What ``read`` finds of an ``%include`` is read in its place; otherwise it stays as an entry of
    that name, and anything may be set by it.

    A second ``[pgbouncer]`` header puts the settings above it back to their defaults, so their
    entries come with section ``pgbouncer#1`` (``#2`` after a third header), and only what counts
    has section ``pgbouncer``; the few settings without a default, such as ``auth_user``, stay.
    The header itself is then a Fault that is not fatal.

    Values of ``[databases]``, ``[users]`` and ``[peers]`` are whole connect strings: see
    ``connect_string``.  What stands in a file without any header keeps section "": such a file
    is made to be included.  ``version`` is PgBouncer's: names in single quotes need 1.25,
    ``[peers]`` 1.19; nobody saying, both pass.
    """
    state = _State(source, version, read)
    _file(state, source)
    if state.headers and not state.includes:
        for number, entry in enumerate(state.homeless):
            fix = _housed(state, source) if number == 0 else None
            state.faults.append(Fault("PgBouncer refuses a setting before the first [section]", entry.key_span, fix=fix))
    _supersede(state)
    faults = sorted(state.faults, key=lambda fault: (fault.span.source is not source, fault.span.path, fault.span.start))
    return Parsed(source, tuple(state.entries), () if state.is_template else tuple(faults))


def takes_settings(source: Source) -> bool:
    """Whether a setting added to the file counts for certain: no template decides about parts of it."""
    return templating.controlled(source.text, (";", "#")) is None


def _file(state: _State, source: Source) -> None:
    """The lines of one file; those of an included one go on in the section it is included from, and what it opens stays open."""
    state.source = source
    state.bad = -1
    text = source.text
    nul = text.find("\0")
    stop = len(text) if nul < 0 else nul
    switched = templating.controlled(text, (";", "#"))
    state.is_template = state.is_template or switched is not None
    if source.bom and stop:
        end = text.find("\n")
        span = source.span(0, len(text[: end if end >= 0 else stop].rstrip(_SPACE)))
        state.faults.append(Fault("PgBouncer reads the byte-order mark before this line as a syntax error", span))
    start = 0
    while start < stop:
        end = text.find("\n", start, stop)
        end = stop if end < 0 else end
        at, start = start, end + 1
        while at < end and text[at] in _SPACE:
            at += 1
        if at >= end or text[at] in ";#":
            continue
        known = len(state.entries)
        control = switched is not None and templating.controlled(text[at:end]) is not None
        if control or templating.fills(text, at, end):
            state.is_template = True
            _filled(state, at, end, control)
        else:
            _line(state, at, end)
        if switched and switched[0] < at < switched[1]:
            state.entries[known:] = [_opaque(entry, _TOUCHED) for entry in state.entries[known:]]
    if nul >= 0 and text[nul:].strip(_SPACE + "\0"):
        state.faults.append(Fault("PgBouncer stops reading at this NUL character", source.span(nul, nul + 1), fatal=False))


def _include(state: _State, at: int, end: int) -> None:
    """``%include`` of a file: what stands in it, else an entry that says it is there."""
    source = state.source
    name = source.text[at + len(INCLUDE) : end].strip(_SPACE)
    found = state.read(name) if state.read is not None and not _mark(name) else None
    if found is None or state.included >= _MOST:
        _add(state, INCLUDE, at, at + len(INCLUDE), at + len(INCLUDE), end)
        state.includes = True
        return
    if any(found is file or found.path == file.path for file in state.files) or len(state.files) > _DEEPEST:
        state.faults.append(Fault("PgBouncer follows includes ten deep at most", _rest(source, at, end)))
        return
    state.included += 1
    state.files.append(found)
    _file(state, found)
    state.files.pop()
    state.source = source
    state.bad = -1


def _opaque(entry: Entry, reason: str) -> Entry:
    return entry._replace(value=Opaque(reason, entry.value_span))


def _filled(state: _State, at: int, end: int, control: bool) -> None:
    """A line a template fills in: its section or name may still be plain."""
    source = state.source
    text = source.text
    if not control and (text[at] == "[" or _mark(text[at:end].partition("=")[0]) or "=" not in text[at:end]):
        # any setting may be written here: those above need not be the last word
        state.entries = [_opaque(entry, _TOUCHED) for entry in state.entries]
        return
    faults = len(state.faults)
    known = len(state.entries)
    _line(state, at, end)
    if control:
        state.entries[known:] = [_opaque(entry, _TOUCHED) for entry in state.entries[known:]]
    del state.faults[faults:]


def _line(state: _State, at: int, end: int) -> None:
    """The statements of one line: headers, and after them one setting, include or comment."""
    text = state.source.text
    while at < end:
        if text[at] in _SPACE:
            at += 1
        elif text[at] in ";#":
            return
        elif text.startswith(INCLUDE, at, end) and text[at + len(INCLUDE) : at + len(INCLUDE) + 1] in (" ", "\t"):
            _include(state, at, end)
            return
        elif text[at] == "[":
            closing = text.find("]", at, end)
            if closing < 0:
                span = _rest(state.source, at, end)
                known = span.text[1:].strip(_SPACE) in SECTIONS
                fix = Fix("close the section's name", "safe", (Edit(span, f"[{span.text[1:].strip(_SPACE)}]"),)) if known else None
                state.faults.append(Fault("PgBouncer finds no ] on this line", span, fix=fix))
                return
            _header(state, at, closing + 1)
            at = closing + 1
        else:
            _setting(state, at, end)
            return


def _header(state: _State, at: int, end: int) -> None:
    source = state.source
    name = source.text[at + 1 : end - 1]
    state.section = name
    state.headers.append((name, source.span(at, end), len(state.entries)))
    if name == "peers" and state.version is not None and state.version < (1, 19):
        state.faults.append(Fault("PgBouncer before 1.19 knows no section [peers]", source.span(at, end)))
    elif name not in SECTIONS and not _mark(name):
        near = name.strip(_SPACE).lower()
        edits = (Edit(source.span(at + 1, end - 1), near),)
        fix = Fix(f"write [{near}]", "safe", edits) if near in SECTIONS else None
        state.faults.append(
            Fault("PgBouncer refuses this section: it knows [pgbouncer], [databases], [users] and [peers]", source.span(at, end), fix=fix)
        )


def _setting(state: _State, at: int, end: int) -> None:
    """``name = value``."""
    source = state.source
    text = source.text
    key_end = _PLAIN.match(text, at, end).end()  # type: ignore[union-attr]
    key = text[at:key_end]
    if text[at] == "'":
        closing = text.find("'", at + 1, end)
        if closing <= at + 1:
            state.faults.append(Fault("PgBouncer finds no name between quotes here", _rest(source, at, end)))
            return
        key, key_end = text[at + 1 : closing], closing + 1
        if state.version is not None and state.version < (1, 25):
            span = source.span(at, key_end)
            fix = Fix("take the quotes off the name", "safe", (Edit(span, key),)) if _PLAIN.fullmatch(key) else None
            state.faults.append(Fault("PgBouncer before 1.25 reads a name in quotes as a syntax error", span, fix=fix))
    equals = key_end
    while equals < end and text[equals] in _BLANK:
        equals += 1
    if equals < end and text[equals] == "=":
        if not key:
            state.faults.append(Fault("PgBouncer reads a setting without a name", source.span(equals, equals + 1), fatal=False))
        _add(state, key, at, key_end, equals + 1, end)
        return
    _no_equals(state, at, end)


def _rest(source: Source, at: int, end: int) -> Span:
    return source.span(at, at + len(source.text[at:end].rstrip(_SPACE)))


def _no_equals(state: _State, at: int, end: int) -> None:
    """What PgBouncer calls a syntax error, in the words that help most."""
    source = state.source
    text = source.text
    rest = _rest(source, at, end)
    for mark in _FOREIGN:
        if text.startswith(mark, at, end):
            fix = Fix("start the comment with ;", "safe", (Edit(source.span(at, at + len(mark)), ";"),))
            state.faults.append(Fault(f"PgBouncer reads {mark} as a syntax error: comments start with ; or #", rest, fix=fix))
            return
    if text.startswith(INCLUDE, at, end):
        state.faults.append(Fault("PgBouncer reads %include without a file name as a syntax error", rest))
        return
    if found := _SQL_NAME.match(text, at, end):
        name = found[1].replace('""', '"')
        span = source.span(at, found.end(1) + 1)
        cure: Fix | None = None
        if _PLAIN.fullmatch(name) and name:
            cure = Fix("take the quotes off the name", "safe", (Edit(span, name),))
        elif name and "'" not in name and state.version is not None and state.version >= (1, 25):
            cure = Fix("write single quotes", "safe", (Edit(span, f"'{name}'"),))
        state.faults.append(Fault("PgBouncer reads a name in double quotes as a syntax error", span, fix=cure))
        if name:
            _add(state, name, at, span.end, found.end(), end)
        return
    if found := _COLON.match(text, at, end):
        colon = found.start(2)
        left = "" if text[colon - 1] in _BLANK else " "
        right = "" if text[colon + 1 : colon + 2] in _BLANK else " "
        span = source.span(colon, colon + 1)
        fix = Fix("write =", "safe", (Edit(span, f"{left}={right}"),))
        state.faults.append(Fault("PgBouncer reads a colon as a syntax error: name and value are joined by =", span, fix=fix))
        _add(state, found[1], at, found.end(1), colon + 1, end)
        return
    if joined := _unjoined(state, at, end):
        state.faults.append(joined)
        return
    line = text.rfind("\n", 0, at)
    follows = line >= 0 and state.bad == line
    state.bad = end
    if follows:  # pasted text: one fault stands for all of it
        return
    if "=" in rest.text:
        message = "PgBouncer reads this as a syntax error: a name has the letters A-Z, digits and _ . - * only"
        state.faults.append(Fault(message, _rest(source, at, text.index("=", at))))
        return
    state.faults.append(Fault("PgBouncer reads a name without = as a syntax error", rest))


def _unjoined(state: _State, at: int, end: int) -> Fault | None:
    """A setting or database without its ``=``; None for anything that does not look like one."""
    source = state.source
    found = _TWO_WORDS.fullmatch(source.text, at, end)
    if found is None:
        return None
    from ..pgbouncer_settings import DATABASE_SETTINGS, SETTINGS

    if state.section == "pgbouncer":
        is_one = found[1] in SETTINGS and "=" not in found[3]
    else:
        is_one = state.section == "databases" and found[3].partition("=")[0] in DATABASE_SETTINGS and "=" in found[3]
    fix = Fix("write =", "safe", (Edit(source.span(*found.span(2)), " = "),))
    span = source.span(*found.span(1))
    return Fault("PgBouncer reads a name without = as a syntax error", span, fix=fix) if is_one else None


def _add(state: _State, key: str, at: int, key_end: int, begin: int, end: int) -> None:
    """The entry whose value stands somewhere from ``begin`` to ``end``."""
    source = state.source
    text = source.text
    first = begin
    while first < end and text[first] in _BLANK:
        first += 1
    last = first + len(text[first:end].rstrip(_SPACE))
    if last == first:
        first = last = begin
    span = source.span(first, last)
    raw = text[first:last]
    value: Value = Opaque(templating.REASON, span) if _mark(raw) else Literal(raw, span)
    entry = Entry(key, value, source.span(at, last if last > first else begin), source.span(at, key_end), span, state.section)
    state.entries.append(entry)
    if not state.headers and key != INCLUDE and not state.includes:
        state.homeless.append(entry)


def _mark(text: str) -> bool:
    """Whether a template or a shell puts something into ``text``."""
    return any(mark in text for mark in _MARKS) and _MARK.search(text) is not None


def _supersede(state: _State) -> None:
    """Set apart the settings that a later ``[pgbouncer]`` header puts back to their defaults."""
    mains = [header for header in state.headers if header[0] == "pgbouncer"]
    if len(mains) < 2:
        return
    from ..pgbouncer_settings import SETTINGS

    count = 0
    number = 1
    borders = [border for _, _, border in mains[1:]]
    reset = [0] * len(borders)
    for index, entry in enumerate(state.entries):
        while count < len(borders) and index >= borders[count]:
            count += 1
        number = count + 1
        if count == len(borders):
            break
        setting = SETTINGS.get(entry.key)
        if entry.section == "pgbouncer" and entry.key != INCLUDE and (setting is None or setting.default is not None):
            state.entries[index] = entry._replace(section=f"pgbouncer#{number}")
            reset[count] += 1
    for number, some in enumerate(reset):
        if some:
            message = "PgBouncer puts every setting of the [pgbouncer] section above back to its default here"
            span = mains[number + 1][1]
            state.faults.append(Fault(message, span, fatal=False, fix=_joined(state, mains[number], mains[number + 1])))


def _housed(state: _State, source: Source) -> Fix | None:
    """The first header moved above the settings that stand before it, where they all are settings of its section."""
    from ..pgbouncer_settings import SETTINGS

    name, header, _ = state.headers[0]
    others = [entry for entry in state.homeless if entry.key not in SETTINGS or entry.span.source is not source]
    start, end = _lines(header)
    if name != "pgbouncer" or others or header.source is not source or source.text[start:end].strip(_SPACE) != header.text:
        return None
    first, _ = _lines(state.homeless[0].span)
    edits = (Edit(source.span(first, first), "[pgbouncer]\n"), Edit(source.span(start, end), ""))
    return Fix("move the section's header above its settings", "safe", edits)


def _joined(state: _State, first: _Header, second: _Header) -> Fix | None:
    """The settings of a second ``[pgbouncer]`` section behind those of the one before it, in one section."""
    source = first[1].source
    start, end = _lines(second[1])
    text = source.text
    if second[1].source is not source or text[start:end].strip(_SPACE) != second[1].text or state.included or state.is_template:
        return None
    at = state.headers.index(first)
    between = state.headers[at + 1 : state.headers.index(second)]
    borders = [border for _, _, border in state.headers] + [len(state.entries)]
    after = state.headers.index(second) + 1
    own = state.entries[second[2] : borders[after]]
    earlier = state.entries[first[2] : borders[at + 1]]
    if any(entry.key == INCLUDE for entry in (*own, *earlier)) or not earlier:
        return None
    title = "keep one [pgbouncer] section"
    if not own or not between:
        return Fix(title, "unsafe", (Edit(source.span(start, end), ""),))
    _, home = _lines(earlier[-1].value_span)
    _, last = _lines(own[-1].value_span)
    return Fix(title, "unsafe", (Edit(source.span(home, home), text[end:last].lstrip("\r\n") + ("" if text[last - 1] == "\n" else "\n")),
                                 Edit(source.span(start, last), "")))  # fmt: skip


def _lines(span: Span) -> tuple[int, int]:
    """Where the line of ``span`` begins, and where the next one does."""
    text = span.source.text
    end = text.find("\n", span.end)
    return text.rfind("\n", 0, span.start) + 1, len(text) if end < 0 else end + 1


def inline_comment(entry: Entry) -> Fault | None:
    """The text behind a refused value that was meant as a comment, and that PgBouncer reads as part of it.

    The fix puts the comment on a line of its own.
    """
    span = entry.value_span
    found = _comment(span.source.text, span.start, span.end)
    if found is None:
        return None
    return Fault(
        "PgBouncer reads this comment as part of the value: a comment needs its own line",
        span.source.span(found, span.end),
        fix=_move_comment(entry, found),
    )


def _comment(text: str, start: int, end: int) -> int | None:
    """Where a comment behind a value seems to start: after a blank, outside single quotes."""
    if start < end and text[start] in ";#":
        return start
    quotes, at = 0, start
    for found in _COMMENT.finditer(text, start, end):
        quotes += text.count("'", at, found.start())
        at = found.start()
        if quotes % 2 == 0:
            return found.start(1)
    return None


def _move_comment(entry: Entry, at: int) -> Fix:
    source = entry.span.source
    text = source.text
    end = entry.value_span.end
    line = text.rfind("\n", 0, entry.span.start) + 1
    cut = at
    while text[cut - 1] in _BLANK:
        cut -= 1
    indent = text[line : entry.span.start]
    indent = "" if indent.strip(_SPACE) else indent
    line_end = "\r\n" if text.startswith("\r\n", end) else "\n"
    edits = (Edit(source.span(line, line), f"{indent}{text[at:end]}{line_end}"), Edit(source.span(cut, end), ""))
    return Fix("put the comment on its own line", "safe", edits)


def connect_string(entry: Entry) -> Parsed:
    """The ``key=value`` pairs of an entry of ``[databases]``, ``[users]`` or ``[peers]``, and what PgBouncer refuses in it.

    Every pair's ``section`` is the name of the entry.  Values stand bare up to the next blank
    or in single quotes, ``''`` for one; a tab is no blank.  PgBouncer reads the string of the
    entry ``*`` only when a client asks for an unknown database, so its faults are not fatal:
    such clients are turned away.
    """
    span = entry.value_span
    source = span.source
    raw = span.text
    fatal = entry.key != "*" or entry.section in ("users", "peers")
    marks = [found.span() for found in _MARK.finditer(raw)] if isinstance(entry.value, Opaque) else []
    free = isinstance(entry.value, Opaque) and (entry.value.reason != templating.REASON or not marks)
    pairs, faults = _pairs(source, span.start, _masked(raw, marks), entry.key, fatal=fatal)
    if marks:
        faults, filled = [], 0
        for index, pair in enumerate(pairs):
            start, end = pair.value_span.start - span.start, pair.value_span.end - span.start
            inside = 0
            while filled < len(marks) and marks[filled][0] < end:
                free = free or marks[filled][0] < start  # a mark outside the values may put in any pair
                filled += 1
                inside += 1
            if inside:
                pairs[index] = _opaque(pair, templating.REASON)
        free = free or filled < len(marks)
    elif any(fault.fatal or not fatal for fault in faults) and (comment := _comment(source.text, span.start, span.end)) is not None:
        message = "PgBouncer reads this comment as part of the connect string: a comment needs its own line"
        faults = [Fault(message, source.span(comment, span.end), fatal, _move_comment(entry, comment))]
    if free:
        pairs = [_opaque(pair, _TOUCHED) for pair in pairs]
    return Parsed(source, tuple(pairs), tuple(faults))


def _pairs(source: Source, base: int, text: str, section: str, *, fatal: bool) -> tuple[list[Entry], list[Fault]]:
    """The pairs of ``text``, which stands at ``base``, up to the first mistake."""
    pairs: list[Entry] = []
    faults: list[Fault] = []

    def refuse(message: str, start: int, end: int, *, stops: bool = True) -> None:
        faults.append(Fault(message, source.span(base + start, base + end), fatal and stops))

    def word(start: int) -> int:
        end = text.find(" ", start)
        return len(text) if end < 0 else end

    at = _skip(text, 0)
    while at < len(text):
        first = at
        blank = word(at)
        equals = text.find("=", at, blank)
        key_end = blank if equals < 0 else equals
        equals = _skip(text, key_end)
        if equals >= len(text) or text[equals] != "=" or key_end == first:
            refuse("PgBouncer expects key=value here", first, max(key_end, first + 1))
            break
        key = text[first:key_end]
        start = _skip(text, equals + 1)
        if start < len(text) and text[start] == "'":
            closing = _closing(text, start + 1)
            if closing < 0:
                refuse("PgBouncer finds no closing quote", start, len(text))
                break
            value, end = text[start + 1 : closing].replace("''", "'"), closing + 1
            if end < len(text) and text[end] != " ":
                refuse("PgBouncer drops the character behind a closing quote", end, end + 1, stops=False)
        else:
            end = word(start)
            value = text[start:end]
            if start > equals + 1 and value.partition("=")[0].isidentifier() and "=" in value:
                refuse(f"PgBouncer takes this for the value of {key}: there are no empty values", start, end, stops=False)
        if not value:
            refuse("PgBouncer reads an empty value as a syntax error", first, max(end, equals + 1))
            break
        span = source.span(base + start, base + end)
        pairs.append(
            Entry(
                key, Literal(value, span), source.span(base + first, base + end), source.span(base + first, base + key_end), span, section
            )
        )
        at = _skip(text, end + 1)
    return pairs, faults


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at


def _closing(text: str, at: int) -> int:
    """Where the quoted text from ``at`` ends, -1 when it does not."""
    while (at := text.find("'", at)) >= 0:
        if text[at + 1 : at + 2] != "'":
            return at
        at += 2
    return -1


def _masked(raw: str, marks: list[tuple[int, int]]) -> str:
    """The text with each template mark turned into as many letters, so that blanks and quotes in it split nothing."""
    parts = []
    at = 0
    for start, end in marks:
        parts += [raw[at:start], "x" * (end - start)]
        at = end
    return "".join([*parts, raw[at:]])
