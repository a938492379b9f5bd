"""INI dialects: php-fpm pool files (pgbouncer.ini follows the same shape).

php-fpm hands its file to PHP's ini parser line by line, so nothing spans two lines;
tokens and grammar are those of zend_ini_scanner.l and zend_ini_parser.y, the verdicts
were compared with php-fpm 8.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .. import templating
from ..diagnostic import Edit, Fix
from ..patterns import lazy
from ..source import Source, Span
from ..value import Computed, EnvRead, Fallback, Literal, Opaque, Value, text_of
from . import Entry, Fault, Parsed

_LABEL = lazy(r'[^=\n\r\t;&|^$~(){}!"\[\0]++')
_WORD = lazy(r"""(?:[^$= \t\n\r;&|^~()!"'\0]++|\$(?:\\.|[^{\0]))++""", re.DOTALL)
_OFFSET_WORD = lazy(r"""(?:[^$\n\r;"'\]\\]++|\\.|\$(?:\\.|[^{\0]))++""", re.DOTALL)
_IDENTIFIER = lazy(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED_STOP = lazy(r'["\\]|\$\{')
_COLON = lazy(r"[ \t]*([A-Za-z_][\w.]*)[ \t]*(:)")
_ATOI = lazy(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_TRUE = frozenset(("true", "on", "yes"))
_FALSE = frozenset(("false", "off", "no", "none", "null"))
_BLANK = " \t"
_OPERATORS = "|&^~()!"
_DEEPEST = 100  # of nested parentheses; nobody writes two
_ERROR_LEVELS = {
    "E_ERROR": 1, "E_WARNING": 2, "E_PARSE": 4, "E_NOTICE": 8, "E_CORE_ERROR": 16, "E_CORE_WARNING": 32, "E_COMPILE_ERROR": 64,
    "E_COMPILE_WARNING": 128, "E_USER_ERROR": 256, "E_USER_WARNING": 512, "E_USER_NOTICE": 1024, "E_RECOVERABLE_ERROR": 4096,
    "E_DEPRECATED": 8192, "E_USER_DEPRECATED": 16384,
}  # fmt: skip
# other constants PHP puts in place of an unquoted word; E_ALL and E_STRICT depend on the version
_CONSTANT = lazy(
    r"(?:PHP|M|LOG|E|PCRE|INI|LC|SORT|CRYPT|DATE|PREG|FILE|LOCK|STR|ENT|HTML|COUNT|CREDITS|INFO|SEEK|UPLOAD_ERR|DNS|EXTR)_[A-Z0-9_]+"
)
_CONSTANTS = frozenset(
    ("INF", "NAN", "DIRECTORY_SEPARATOR", "PATH_SEPARATOR", "DEFAULT_INCLUDE_PATH", "PEAR_INSTALL_DIR", "ZEND_THREAD_SAFE")
)


class _Refused(Exception):
    """PHP's ini parser stops at ``at``."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class _State:
    """What a parse has found so far."""

    def __init__(self, source: Source, version: tuple[int, int] | None) -> None:
        self.source = source
        self.version = version
        self.section = ""
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []


def parse_fpm(source: Source, version: tuple[int, int] | None = None) -> Parsed:
    """Entries of a php-fpm configuration, ``${ENV}`` as EnvRead values, ``include`` as an entry; what the ini parser refuses as faults.

    Names of plain settings are in lower case, as php-fpm compares them; ``env[X]`` and its
    like keep theirs.  ``section`` is the name as written; "" before the first header, which
    php-fpm takes for ``[global]``.  ``$pool`` stays in the text.  ``version`` is PHP's, as
    (8, 3): ``${X:-8}`` is a fallback only from then on, and unknown when nobody says.
    """
    text = source.text
    state = _State(source, version)
    switched = templating.controlled(text, (";", "#"))
    template = switched is not None
    start, length = 0, len(text)
    while start < length:
        end = text.find("\n", start)
        if end < 0:
            end = length
        at = start
        while at < end and text[at] in " \t\r":
            at += 1
        start, line = end + 1, start
        if at >= end or text[at] == ";":
            continue
        stop = at + len(text[at:end].rstrip(" \t\r"))
        control = switched is not None and templating.controlled(text[at:stop]) is not None
        if control or templating.fills(text, at, stop):
            template = True
            _filled(state, at, stop, control)
            continue
        if text[at] == "#":
            span = source.span(at, stop)
            fix = Fix("start the comment with ;", "safe", (Edit(source.span(at, at + 1), ";"),))
            state.faults.append(Fault("php-fpm reads # as the start of a name: comments start with ;", span, fix=fix))
            continue
        known = len(state.entries)
        _line(state, line, end, stop)
        if switched and switched[0] < at < switched[1]:
            state.entries[known:] = [entry._replace(value=Opaque(templating.REASON, entry.value_span)) for entry in state.entries[known:]]
    return Parsed(source, tuple(state.entries), () if template else tuple(state.faults))


def _filled(state: _State, at: int, stop: int, control: bool) -> None:
    """A line a template fills in: its name may still be plain."""
    source = state.source
    name, equals, _ = source.text[at:stop].partition("=")
    key = name.rstrip(_BLANK)
    if source.text[at] == "[" or not equals or templating.fills(key, 0, len(key)) or templating.controlled(key):
        if source.text[at] == "[" and source.text[stop - 1] == "]":
            state.section = source.text[at + 1 : stop - 1]
        elif not control:  # any setting may be written here: those above need not be the last word
            state.entries = [entry._replace(value=Opaque(templating.REASON, entry.value_span)) for entry in state.entries]
        return
    begin = at + len(name) + 1
    while begin < stop and source.text[begin] in _BLANK:
        begin += 1
    span = source.span(begin, stop)
    state.entries.append(
        Entry(_key(key), Opaque(templating.REASON, span), source.span(at, stop), source.span(at, at + len(key)), span, state.section)
    )


def _key(name: str) -> str:
    return name if "[" in name else name.lower()


def _line(state: _State, at: int, end: int, stop: int) -> None:
    """All statements of one line: php-fpm gives the ini parser one line at a time, up to a NUL."""
    text = state.source.text
    cut = text.find("\0", at, end)
    end = cut if cut >= 0 else end
    try:
        while at < end:
            character = text[at]
            if character in " \t\r":
                at += 1
            elif character == ";":
                found = text.find("\r", at, end)
                at = end if found < 0 else found
            elif character == "[":
                at = _section(state, at + 1, end)
            else:
                at = _statement(state, at, end, stop)
    except _Refused as refused:
        place = min(refused.at, stop - 1)
        state.faults.append(Fault(str(refused), state.source.span(place, stop)))


def _section(state: _State, at: int, end: int) -> int:
    text = state.source.text
    opened = at - 1
    parts, at = _pieces(state, at, end, constants=False)
    if at >= end or text[at] != "]":
        raise _Refused("php-fpm finds no ] for this section", opened)
    state.section = "".join(str(part.value) if isinstance(part, Literal) else part.span.text for part in parts)
    return at + 1


def _pieces(state: _State, at: int, end: int, *, constants: bool) -> tuple[list[Value], int]:
    """What stands between [ and ]."""
    text = state.source.text
    parts: list[Value] = []
    while at < end:
        quote = at
        while quote < end and text[quote] in _BLANK:
            quote += 1
        if quote < end and (text[quote] == '"' or (text[quote] == "]" and constants)):
            at = quote
        character = text[at]
        if character == '"':
            more, at = _double(state, at, end)
            parts.extend(more)
        elif character == "'" and (closing := text.find("'", at + 1, end)) > at + 1:
            parts.append(Literal(text[at + 1 : closing], state.source.span(at, closing + 1)))
            at = closing + 1
        elif text.startswith("${", at, end):
            part, at = _variable(state, at, end)
            parts.append(part)
        elif found := _OFFSET_WORD.match(text, at, end):
            parts.append(_word(state, found[0], at, found.end()) if constants else Literal(found[0], state.source.span(at, found.end())))
            at = found.end()
        else:
            break
    return parts, at


def _statement(state: _State, at: int, end: int, stop: int) -> int:
    """``name = value`` or ``name[offset] = value``; gives the offset behind it."""
    source = state.source
    text = source.text
    label = _LABEL.match(text, at, end)
    if not label:
        raise _Refused(f"php-fpm expects the name of a setting, not {text[at]}", at)
    name = label[0].rstrip(_BLANK)
    key_end = at + len(name)
    after = label.end()
    key = name.lower()
    if after < end and text[after] == "[":
        bracket = after
        pieces, after = _pieces(state, after + 1, end, constants=True)
        if after >= end or text[after] != "]":
            raise _Refused("php-fpm finds no ] for this name", bracket)
        after += 1
        key_end = after
        offset = "".join(str(part.value) if isinstance(part, Literal) else part.span.text for part in pieces)
        key = f"{name}[{offset}]"
    elif key in _TRUE or key in _FALSE:
        raise _Refused(f"php-fpm reads {key} as a boolean, not as a name", at)
    while after < end and text[after] in _BLANK:
        after += 1
    fault = None
    if after >= end or text[after] != "=":
        begin, fault = _no_equals(source, at, key_end, after, stop)
        if begin < 0:
            state.faults.append(fault)
            return end
        if "[" not in key:
            key_end = at + len(text[at : text.index(":", at)].rstrip(_BLANK))
            key = text[at:key_end].lower()
    else:
        begin = after + 1
        if begin < end and text[begin] == "=":
            span = source.span(after, begin + 1)
            fault = Fault("php-fpm reads == as a syntax error", span, fix=Fix("write =", "safe", (Edit(span, "="),)))
            begin += 1
    equals = begin
    while begin < end and text[begin] in _BLANK:
        begin += 1
    reader = _Reader(state, begin, end, stop)
    try:
        value = reader.value()
    except _Refused as refused:
        if fault:
            state.faults.append(fault)
            return end
        entry_value = _cure(state, refused, begin, stop)
        if entry_value is None:
            return end
        value, reader.last, reader.at = entry_value, stop, end
        fault = None
    value_span = source.span(begin, reader.last) if reader.last > begin else source.span(equals, equals)
    if isinstance(value, Literal) and value.span != value_span:
        value = Literal(value.value, value_span)
    state.entries.append(
        Entry(key, value, source.span(at, max(value_span.end, key_end)), source.span(at, key_end), value_span, state.section)
    )
    state.faults.extend([fault] if fault else reader.faults)
    return reader.at


def _no_equals(source: Source, at: int, key_end: int, after: int, stop: int) -> tuple[int, Fault]:
    """A name without =: where the value starts if a colon stands for it, else -1."""
    text = source.text
    colon = -1
    if text[key_end - 1] == "]":
        colon = after if text.startswith(":", after, stop) else -1
    elif found := _COLON.match(text, at, stop):
        colon = found.start(2)
    if colon < 0:
        return -1, Fault("php-fpm refuses a name without = and value", source.span(at, stop))
    left = " " if text[colon - 1] not in _BLANK else ""
    right = " " if colon + 1 < stop and text[colon + 1] not in _BLANK else ""
    span = source.span(colon, colon + 1)
    return colon + 1, Fault(
        "php-fpm reads a colon as part of the name: write =", span, fix=Fix("write =", "safe", (Edit(span, f"{left}={right}"),))
    )


def _cure(state: _State, refused: _Refused, begin: int, stop: int) -> Value | None:
    """Report a refused value; quoting it is the cure when it has no quotes, variables or comments of its own."""
    source = state.source
    raw = source.text[begin:stop]
    place = min(refused.at, stop - 1)
    clear = bool(raw) and not any(character in raw for character in "\"';$\\\r\0")
    if raw == "''":
        edits = (Edit(source.span(begin, stop), '""'),)
        state.faults.append(Fault(str(refused), source.span(begin, stop), fix=Fix('write ""', "safe", edits)))
        return Literal("", source.span(begin, stop))
    fix = Fix("put the value in double quotes", "safe", (Edit(source.span(begin, stop), f'"{raw}"'),)) if clear else None
    state.faults.append(Fault(str(refused), source.span(place, stop), fix=fix))
    return Literal(raw, source.span(begin, stop)) if clear else None


def _variable(state: _State, at: int, end: int) -> tuple[Value, int]:
    """``${NAME}``."""
    source = state.source
    text = source.text
    label = _LABEL.match(text, at + 2, end)
    if not label or not text.startswith("}", label.end(), end):
        raise _Refused("php-fpm finds no } for this variable", at)
    span = source.span(at, label.end() + 1)
    name, colon, rest = label[0].partition(":")
    name = name.strip(_BLANK)
    empty = Literal("", span)
    if colon:
        if state.version is None:
            return Opaque(f"php-fpm reads {span.text} only from PHP 8.3 on", span), span.end
        if state.version < (8, 3) or not rest.startswith("-"):
            return empty, span.end
        return Fallback(EnvRead(name, span), Literal(rest[1:], span), span), span.end
    if name == name.lower() and name.upper() != name:
        return Opaque("a php.ini directive or an environment variable", span), span.end
    return Fallback(EnvRead(name, span), empty, span), span.end


def _double(state: _State, at: int, end: int) -> tuple[list[Value], int]:
    """A string in double quotes, and the blanks behind it."""
    source = state.source
    text = source.text
    parts: list[Value] = []
    begin = position = at + 1
    written: list[str] = []

    def close(stop: int) -> None:
        written.append(text[begin:stop])
        if any(written):
            parts.append(Literal("".join(written), source.span(at + 1, stop)))
        written.clear()

    while found := _QUOTED_STOP.search(text, position, end):
        mark = found[0]
        if mark == '"':
            close(found.start())
            position = found.end()
            while position < end and text[position] in _BLANK:
                position += 1
            return parts, position
        if mark == "${":
            close(found.start())
            part, position = _variable(state, found.start(), end)
            parts.append(part)
            begin = position
            continue
        position = found.end()
        if position >= end:
            break
        escaped = text[position]
        if escaped == '"' and (position + 1 >= end or text[position + 1] == "\r"):
            continue  # "C:\path\" at the end of a line: PHP lets the quote close
        if escaped in '"\\$':
            written.append(text[begin : position - 1])
            begin = position
        position += 1
    raise _Refused("php-fpm finds no closing quote on this line", at)


def _word(state: _State, word: str, start: int, end: int) -> Value:
    span = state.source.span(start, end)
    if word in _ERROR_LEVELS:
        return Literal(str(_ERROR_LEVELS[word]), span)
    if word[:1].isupper() and _IDENTIFIER.fullmatch(word) and (word in _CONSTANTS or _CONSTANT.fullmatch(word)):
        return Opaque("a constant of PHP", span)
    return Literal(word, span)


def _integer(text: object) -> int:
    """C's atoi, in 32 bits."""
    found = _ATOI.match(str(text))
    number = int(found[1][:25]) if found else 0
    number = max(-(1 << 63), min(number, (1 << 63) - 1)) & 0xFFFFFFFF
    return number - (1 << 32) if number & 0x80000000 else number


_BINARY: dict[str, Callable[[object, object], str]] = {
    "|": lambda left, right: str(_integer(left) | _integer(right)),
    "&": lambda left, right: str(_integer(left) & _integer(right)),
    "^": lambda left, right: str(_integer(left) ^ _integer(right)),
}
_UNARY: dict[str, Callable[[object], str]] = {
    "~": lambda only: str(~_integer(only)),
    "!": lambda only: str(int(not _integer(only))),
}


def _apply(operation: Callable[..., str], args: tuple[Value, ...], span: Span) -> Value:
    if all(isinstance(arg, Literal) for arg in args):
        return Literal(operation(*(arg.value for arg in args if isinstance(arg, Literal))), span)
    return next((arg for arg in args if isinstance(arg, Opaque)), Computed(operation, args, span))


class _Reader:
    """The value of one entry: an expression of | & ^ ~ ! ( ) over strings, or one boolean word."""

    __slots__ = ("at", "end", "faults", "last", "state", "stop", "text")

    def __init__(self, state: _State, at: int, end: int, stop: int) -> None:
        self.state = state
        self.text = state.source.text
        self.at = at
        self.last = at  # end of the last token of the value
        self.end = end
        self.stop = stop
        self.faults: list[Fault] = []

    def value(self) -> Value:
        """Read it; raises _Refused where PHP would."""
        start, text = self.at, self.text
        if self._done():
            return Literal("", self.state.source.span(start, start))
        found = _WORD.match(text, self.at, self.end)
        if found and (word := found[0].lower()) in _TRUE | _FALSE:
            self.at = self.last = found.end()
            self._blanks()
            if text.startswith("'", self.at) and text.find("'", self.at + 1, self.end) < 0:
                self._lone_quote()
            if not self._done():
                raise _Refused(f"php-fpm reads {found[0]} as a boolean, which nothing may follow", start)
            return Literal("1" if word in _TRUE else "", self.state.source.span(start, self.last))
        value = self._expression(0)
        if not self._done():
            raise _Refused(f"php-fpm reads {self.text[self.at]} as an operator: this is a syntax error", self.at)
        return value

    def _done(self) -> bool:
        return self.at >= self.end or self.text[self.at] in "\r;"

    def _lone_quote(self) -> None:
        """A single quote that nothing closes ends the line for PHP, without a word."""
        span = self.state.source.span(self.at, self.stop)
        self.faults.append(Fault("php-fpm drops all that follows this lone quote", span, fatal=False))
        self.at = self.end

    def _blanks(self) -> None:
        while self.at < self.end and self.text[self.at] in _BLANK:
            self.at += 1

    def _expression(self, depth: int) -> Value:
        start = self.at
        left = self._operand(depth)
        while self.at < self.end and self.text[self.at] in "|&^":
            operation = _BINARY[self.text[self.at]]
            self.at += 1
            self._blanks()
            right = self._operand(depth)
            left = _apply(operation, (left, right), self.state.source.span(start, self.last))
        return left

    def _operand(self, depth: int) -> Value:
        start = self.at
        signs = []
        while self.at < self.end and self.text[self.at] in "~!":
            signs.append(self.text[self.at])
            self.at += 1
            self._blanks()
        if self.at < self.end and self.text[self.at] == "(":
            if depth >= _DEEPEST:
                raise _Refused("php-fpm reads ( as an operator: too many of them", self.at)
            opened = self.at
            self.at += 1
            self._blanks()
            value = self._expression(depth + 1)
            if not self.text.startswith(")", self.at, self.end):
                raise _Refused("php-fpm finds no ) for this (, which it reads as an operator", opened)
            self.at += 1
            self.last = self.at
            self._blanks()
        else:
            value = self._strings()
        for sign in reversed(signs):
            value = _apply(_UNARY[sign], (value,), self.state.source.span(start, self.last))
        return value

    def _strings(self) -> Value:
        """Strings, words and variables one after another: PHP joins them."""
        source, text, end = self.state.source, self.text, self.end
        start = self.at
        parts: list[Value] = []
        empty = True
        while self.at < end:
            at = self.at
            character = text[at]
            if character in _BLANK:
                self._blanks()
                if self._done():
                    break
                if text[self.at] != '"':
                    parts.append(Literal(text[at : self.at], source.span(at, self.at)))
                    continue
                at, character = self.at, '"'
            if character == '"':
                more, self.at = _double(self.state, at, end)
                parts.extend(more)
                empty = False
                self.last = at + len(text[at : self.at].rstrip(_BLANK))
                continue
            if character == "'":
                closing = text.find("'", at + 1, end)
                if closing == at + 1:
                    raise _Refused("php-fpm reads '' as a syntax error: an empty value is \"\" or nothing", at)
                if closing < 0:
                    if empty:
                        raise _Refused("php-fpm finds no closing quote on this line", at)
                    self._lone_quote()
                    break
                parts.append(Literal(text[at + 1 : closing], source.span(at, closing + 1)))
                self.at = closing + 1
            elif text.startswith("${", at, end):
                part, self.at = _variable(self.state, at, end)
                parts.append(part)
            elif found := _WORD.match(text, at, end):
                if found[0].lower() in _TRUE or found[0].lower() in _FALSE:
                    raise _Refused(f"php-fpm reads {found[0]} as a boolean, which stands alone or in quotes", at)
                if character == "#" and at > start and text[at - 1] in _BLANK and not self.faults:
                    fix = Fix("start the comment with ;", "unsafe", (Edit(source.span(at, at + 1), ";"),))
                    message = "php-fpm keeps this as part of the value: comments start with ;"
                    self.faults.append(Fault(message, source.span(at, self.stop), fatal=False, fix=fix))
                self.at = found.end()
                parts.append(_word(self.state, found[0], at, self.at))
            elif character == "$":  # the last one of the line takes the line end with it
                self.at += 1
                parts.append(Literal("$\n", source.span(at, self.at)))
            elif character == "=":
                raise _Refused("php-fpm reads a second = as a syntax error", at)
            else:
                break
            empty = False
            self.last = self.at
        if empty:
            if self.at < end and text[self.at] in _OPERATORS:
                raise _Refused(f"php-fpm reads {text[self.at]} as an operator: this is a syntax error", self.at)
            raise _Refused("php-fpm expects a value here", min(self.at, end - 1))
        return text_of(parts, source.span(start, self.last)) if parts else Literal("", source.span(start, self.last))
