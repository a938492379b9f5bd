"""Text with ``${…}`` as Compose reads it: into a Value, or into the words of a command line.

Grammar [run and read: compose-go 2.13.0 template]: ``$NAME``, ``${NAME}``, ``${NAME:-default}`` and ``-``,
``${NAME:?message}`` and ``?``, ``${NAME:+text}`` and ``+``; default and text are interpolated in turn; ``$$``
is ``$``; any other ``$`` is itself; any other ``${`` makes Compose refuse the file.  A default reaches to
the brace that closes it, counting every ``{``, and never past the line.
"""

from __future__ import annotations

from .patterns import lazy
from .source import Span
from .tuples import NamedTuple
from .value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value, text_of
from .yamltext import Place

MALFORMED = "its ${…} is malformed"
_DEEPEST = 40  # defaults within defaults

_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _START | frozenset("0123456789")


class Piece(NamedTuple):
    """A stretch of text from ``start`` to ``end``: ``value`` is its literal text, or what a ``${…}`` reads."""

    value: str | Value
    start: int
    end: int


def interpolate(text: str, span: Span, place: Place | None = None, start: int = 0, end: int | None = None) -> Value:
    """The value of ``text[start:end]``, which ``span`` covers.

    ``place`` tells where a range of ``text`` is written (without it everything stands at ``span``).
    Reads span their whole ``${…}``; a variable that is missing reads as empty text in Compose.
    Malformed text is Opaque with the reason MALFORMED.
    """
    stop = len(text) if end is None else end
    if text.find("$", start, stop) < 0:
        return Literal(text[start:stop], span)
    return _joined(pieces(text, span, place, start, stop), span, place)


def pieces(text: str, span: Span, place: Place | None = None, start: int = 0, end: int | None = None) -> list[Piece]:
    """The literal stretches and the references of ``text[start:end]``, in order; malformed text ends it with an Opaque."""
    return _Scan(text, span, place).pieces(start, len(text) if end is None else end, 0)


def malformed(text: str) -> int | None:
    """Offset of the first ``${`` that Compose refuses; None when all is well."""
    at = text.find("${")
    if at < 0:
        return None
    for piece in _Scan(text, _NOWHERE, None).pieces(0, len(text), _DEEPEST):
        if isinstance(piece.value, Opaque) and piece.value.reason == MALFORMED:
            return piece.start
    return None


_NOWHERE = Span(None, 0, 0)  # type: ignore[arg-type]


def _joined(parts: list[Piece], span: Span, place: Place | None) -> Value:
    values: list[Value] = []
    for value, start, end in parts:
        values.append(Literal(value, place(start, end) if place else span) if isinstance(value, str) else value)
    if len(parts) == 1 and isinstance(values[0], Literal):
        return Literal(values[0].value, span)
    return text_of(values, span)


class _Scan(NamedTuple):
    text: str
    span: Span
    place: Place | None

    def at(self, start: int, end: int) -> Span:
        return self.place(start, end) if self.place else self.span

    def pieces(self, start: int, end: int, depth: int) -> list[Piece]:
        text = self.text
        out: list[Piece] = []
        done = start  # all before it is in ``out``
        line_end = last_brace = -1  # of the line last looked at: where a default must end at the latest
        dollar = text.find("$", start, end)
        while dollar >= 0:
            after = text[dollar + 1] if dollar + 1 < end else ""
            value: str | Value
            if after == "$":
                value, stop = "$", dollar + 2
            elif after in _START:
                stop = self.name(dollar + 1, end)
                value = EnvRead(text[dollar + 1 : stop], self.at(dollar, stop))
            elif after == "{":
                if dollar >= line_end:
                    newline = text.find("\n", dollar, end)
                    line_end = end if newline < 0 else newline
                    last_brace = text.rfind("}", dollar, line_end)
                value, stop = self.braced(dollar, last_brace, end, depth)
            else:
                dollar = text.find("$", dollar + 1, end)
                continue
            if dollar > done:
                out.append(Piece(text[done:dollar], done, dollar))
            out.append(Piece(value, dollar, stop))
            done = stop
            dollar = text.find("$", done, end)
        if done < end:
            out.append(Piece(text[done:end], done, end))
        return out

    def name(self, at: int, end: int) -> int:
        while at < end and self.text[at] in _NAME:
            at += 1
        return at

    def braced(self, dollar: int, last_brace: int, end: int, depth: int) -> tuple[Value, int]:
        """The reference that begins at ``dollar``, and where it stops; a malformed one takes all the rest."""
        text = self.text
        name_end = self.name(dollar + 2, end)
        name = text[dollar + 2 : name_end]
        at = name_end
        if not name or name[0] not in _START:
            return Opaque(MALFORMED, self.span), end
        if at < end and text[at] == "}":
            return EnvRead(name, self.at(dollar, at + 1)), at + 1
        empty = at < end and text[at] == ":"
        at += empty
        operator = text[at] if at < end else ""
        close = self.closing(dollar, at + 1, last_brace) if operator in ("-", "?", "+") else -1
        if close < 0:
            return Opaque(MALFORMED, self.span), end
        whole = self.at(dollar, close + 1)
        if operator == "?":
            return EnvRead(name, whole, empty, text[at + 1 : close]), close + 1
        body_span = self.at(at + 1, close)
        body: Value
        if depth >= _DEEPEST:
            body = Opaque("its defaults are nested too deeply", body_span)
        else:
            body = _joined(self.pieces(at + 1, close, depth + 1), body_span, self.place)
        read = EnvRead(name, whole, empty)
        return (Fallback(read, body, whole) if operator == "-" else Alternative(read, body, whole)), close + 1

    def closing(self, dollar: int, body: int, last: int) -> int:
        """The brace that ends the reference: the matching one, else the last on the line."""
        text = self.text
        if last < body:
            return -1
        opened, at = 0, dollar
        while at <= last:
            character = text[at]
            if character == "}":
                opened -= 1
                if opened == 0:
                    return at
            elif character == "{":
                opened += 1
                at += 1  # Compose looks past the character after an opening brace
            at += 1
        return last


# --- command lines ---------------------------------------------------------------------------


class WordAt(NamedTuple):
    """One word of a command line; ``start`` and ``end`` cover it as written, quotes included."""

    value: Value
    start: int
    end: int
    loose: bool = False  # an unquoted ${…} stands in it: blanks in what it brings split the word, nothing at all drops it


class Words(NamedTuple):
    """A command line in words.  ``cut`` is the offset of an operator (``&&``, ``|``, ``>``) from which on Compose drops everything;
    ``refused`` is True when Compose refuses the line: an open quote, a bare parenthesis."""

    words: tuple[WordAt, ...]
    cut: int | None = None
    refused: bool = False


_ORDINARY = lazy(r"""[^ \t\r\n"'`\\;&|<>()]+""")
_SPLIT = "words inside ${…} are only split once it is filled in"


def split_words(text: str, span: Span, place: Place | None = None) -> Words:
    """``text`` in words the way Compose splits a command given as a string.

    Both quotes group; a backslash takes the next character, except in single quotes; ``#`` is a word like
    any other; nothing is expanded [run and read: compose-go 2.13.0, go-shellwords 1.0.12].  Variables
    are filled in before the split, so a word whose default would change the split is Opaque.
    """
    words: list[WordAt] = []
    held: list[Piece] = []  # the word so far
    begin = -1  # where it began; -1: between words
    got = escaped = double = single = back = dollar = loose = False

    def put() -> None:
        stop = held[-1].end if held else begin
        stop = max(stop, last)
        where = place(begin, stop) if place else span
        words.append(WordAt(_word(held, where, place, span), begin, stop, loose))

    last = 0
    for value, start, end in pieces(text, span, place):
        if not isinstance(value, str):
            if begin < 0:
                begin = start
            risky = holds(value, '"\\' if double else "'" if single else " \t\r\n\"'\\`;&|<>()") or isinstance(value, Opaque)
            reason = value.reason if isinstance(value, Opaque) else _SPLIT
            held.append(Piece(Opaque(reason, span) if risky else value, start, end))
            got, escaped, last, loose = True, False, end, loose or not (double or single)
            continue
        at = start
        index = 0
        while index < len(value):
            run = _ORDINARY.match(value, index) if not escaped else None
            if run:
                index = run.end()
                step = end if end - start != len(value) else start + index
                begin = at if begin < 0 else begin
                held.append(Piece(run.group(), at, step))
                got, at, last = True, step, step
                continue
            character = value[index]
            index += 1
            step = at + 1
            if escaped:
                held.append(Piece(character, at, step))
                escaped, got, last = False, True, step
            elif character == "\\" and not single:
                begin = at if begin < 0 else begin
                escaped, last = True, step
            elif character in " \t\r\n" and not (single or double or back or dollar):
                if got:
                    put()
                held, begin, got, loose = [], -1, False, False
            elif character == '"' and not single and not dollar:
                begin = at if begin < 0 else begin
                got, double, last = got or double, not double, step
            elif character == "'" and not double and not dollar:
                begin = at if begin < 0 else begin
                got, single, last = got or single, not single, step
            elif character in ";&|<>" and not (single or double or back or dollar):
                if got and not (character == ">" and held and isinstance(held[0].value, str) and held[0].value[:1].isdigit()):
                    put()
                return Words(tuple(words), at)
            else:
                if character == "`" and not single and not double and not dollar:
                    back = not back
                elif character == ")" and not single and not double and not back:
                    dollar = not dollar
                elif character == "(" and not single and not double and not back:
                    before = held[-1].value if held else ""
                    if dollar or not isinstance(before, str) or not before.endswith("$"):
                        return Words(tuple(words), None, True)
                    dollar = True
                begin = at if begin < 0 else begin
                held.append(Piece(character, at, step))
                got, last = True, step
            at = step
    if escaped or single or double or back or dollar:
        return Words(tuple(words), None, True)
    if got:
        put()
    return Words(tuple(words))


def _word(held: list[Piece], where: Span, place: Place | None, span: Span) -> Value:
    values: list[Value] = []
    run: list[str] = []
    first = 0
    for value, start, end in held:
        if isinstance(value, str):
            if not run:
                first = start
            run.append(value)
            stop = end
            continue
        if run:
            values.append(Literal("".join(run), place(first, stop) if place else span))
            run = []
        values.append(value)
    if run or not values:
        values.append(Literal("".join(run), where if not values else place(first, stop) if place else span))
    opaque = next((value for value in values if isinstance(value, Opaque)), None)
    return Opaque(opaque.reason, where) if opaque else text_of(values, where)


def holds(value: Value, characters: str) -> bool:
    """Whether literal text anywhere in ``value``, a default for one, holds one of ``characters``."""
    match value:
        case Literal(text):
            return any(character in str(text) for character in characters)
        case Fallback(first, second):
            return holds(first, characters) or holds(second, characters)
        case Alternative(_, then):
            return holds(then, characters)
        case Computed(args=args):
            return any(holds(arg, characters) for arg in args)
        case Opaque():
            return True
        case _:
            return False
