""".env files, in the dialect of the program that reads them.

Four readers, four languages: Compose's own (compose-go 2.13), Laravel's (phpdotenv 5.6),
Rust's (dotenvy 0.15) and Compose's ``format: raw``.  Each function below follows its
reader's tokens; all were compared with the readers themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .. import templating
from ..patterns import lazy
from ..source import Source, Span
from ..value import Alternative, EnvRead, Fallback, Literal, Opaque, Value, text_of
from . import Entry, Fault, Parsed

DIALECTS = ("compose", "phpdotenv", "dotenvy", "raw")

_DEEPEST = 10  # of defaults inside defaults


class _Found:
    """What a parse has found so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []

    def entry(self, key: str, value: Value, key_span: tuple[int, int], value_span: tuple[int, int]) -> None:
        """Add an entry; spans are (start, end)."""
        source = self.source
        end = max(key_span[1], value_span[1])
        self.entries.append(Entry(key, value, source.span(key_span[0], end), source.span(*key_span), source.span(*value_span)))

    def fault(self, message: str, start: int, end: int, fatal: bool = True) -> None:
        """Add a fault from ``start`` to ``end``."""
        self.faults.append(Fault(message, self.source.span(start, max(end, start)), fatal))


def parse(source: Source, dialect: str = "compose") -> Parsed:
    """Entries as ``dialect`` reads them; references to other variables are EnvRead values, what the reader refuses is a fault.

    Dialects: ``compose``, ``phpdotenv``, ``dotenvy`` and ``raw`` (KEY=VALUE as it stands).
    A reference sees the environment first, then the entries above it.  Duplicates are all
    kept: the last wins, with dotenvy the first.  Key and value of a line without ``=``:
    none with compose (passed through from the shell), None with phpdotenv.
    """
    read = _READERS[dialect]
    found = _Found(source)
    lines = _template_lines(source)
    if not lines:
        read(found, source.text, 0, len(source.text))
        return Parsed(source, tuple(found.entries), tuple(found.faults))
    at = 0
    for start, end, filled in lines:  # the lines between two template lines are read as a file of their own
        read(found, source.text, at, start)
        at = min(end + 1, len(source.text))
        if filled:
            _filled(found, start, end)
    read(found, source.text, at, len(source.text))
    switched = templating.controlled(source.text)
    if switched:
        found.entries = [
            entry._replace(value=Opaque(templating.REASON, entry.value_span)) if switched[0] < entry.span.start < switched[1] else entry
            for entry in found.entries
        ]
    return Parsed(source, tuple(found.entries))


def _template_lines(source: Source) -> list[tuple[int, int, bool]]:
    """(start, end, whether it fills in a value) of every line with a template's mark; comments do not count."""
    text = source.text
    lines: list[tuple[int, int, bool]] = []
    if not any(mark in text for mark in ("{{", "{%", "<%", "{!!")):
        return lines
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end]
        filled = templating.fills_braces(text, start, end) and not line.lstrip().startswith("#")
        if filled or templating.controlled(line):
            lines.append((start, end, filled))
        start = end + 1
    return lines


def _filled(found: _Found, start: int, end: int) -> None:
    text = found.source.text
    end = start + len(text[start:end].rstrip())
    equals = text.find("=", start, end)
    key = text[start:equals].strip().removeprefix("export ").strip() if equals >= 0 else ""
    if key and re.fullmatch(r"[\w.\-]+", key):
        begin = equals + 1
        while begin < end and text[begin] in " \t":
            begin += 1
        at = text.index(key, start)
        found.entry(key, Opaque(templating.REASON, found.source.span(begin, end)), (at, at + len(key)), (begin, end))


# --- compose: compose-go/dotenv/parser.go and template/template.go ---------------------------------------------------------

_GO_BLANK = "\t\v\f\r \x85\xa0"
_GO_SPACE = _GO_BLANK + "\n\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_EXPORT = lazy(r"export[\t\n\f\r ]+")
_COMPOSE_ESCAPE = lazy(r'\\(?:0([0-9]{0,3})|([abcfnrtv$"\\]))')
_COMPOSE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    '"': '"',
    "\\": "\\",
    "$": "$$",
    "c": "\\c",
}
_REFERENCE = lazy(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|(\{))")
_BRACED = lazy(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-+?]|\})")


class _Invalid(Exception):
    """A reference compose-go refuses, at this offset."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def _compose(found: _Found, text: str, at: int, end: int) -> None:
    while True:
        while at < end and text[at] in _GO_SPACE:
            at += 1
        if at >= end:
            return
        if text[at] == "#":
            line = text.find("\n", at, end)
            at = end if line < 0 else line
            continue
        if exported := _EXPORT.match(text, at, end):
            at += 6
            while at < exported.end() and text[at] in _GO_BLANK:
                at += 1
        at = _compose_statement(found, text, at, end)


def _line_end(text: str, at: int, end: int) -> int:
    line = text.find("\n", at, end)
    return end if line < 0 else line


def _compose_statement(found: _Found, text: str, start: int, end: int) -> int:
    at = start
    while at < end:
        character = text[at]
        if character in "=:\n":
            break
        if not (character in _GO_BLANK or character in "_.-[]" or character.isalpha() or character.isnumeric()):
            line = _line_end(text, at, end)
            found.fault("Compose refuses this character in a name", at, start + len(text[start:line].rstrip()))
            return line
        at += 1
    key = text[start:at].rstrip(_GO_SPACE)
    key_end = start + len(key)
    if " " in key and at < end:
        line = _line_end(text, at, end)
        found.fault("Compose refuses a blank in a name", start, key_end)
        return line
    if at >= end or text[at] == "\n":  # a bare name passes the shell's value through; at the end of the file it is lost
        return at
    at += 1
    while at < end and text[at] in _GO_BLANK:
        at += 1
    if at < end and text[at] in "\"'":
        return _compose_quoted(found, text, at, end, key, (start, key_end))
    line = _line_end(text, at, end)
    comment = text.find(" #", at, line)
    stop = at + len(text[at : comment if comment >= 0 else line].rstrip(_GO_SPACE))
    try:
        value = _expand(found.source, text[at:stop], at, None, 0)
    except _Invalid as invalid:
        found.fault("Compose refuses this reference", invalid.at, stop)
    else:
        found.entry(key, value, (start, key_end), (at, stop))
    return min(line + 1, end)


def _compose_quoted(found: _Found, text: str, at: int, end: int, key: str, key_span: tuple[int, int]) -> int:
    quote = text[at]
    position = at + 1
    escaped = False
    while True:
        closing = text.find(quote, position, end)
        if closing < 0:
            line = _line_end(text, at, end)
            found.fault("Compose finds no closing quote", at, at + len(text[at:line].rstrip()))
            return _line_end(text, at, end)
        slash = text.find("\\", position, closing)
        if slash < 0:
            break
        escaped = True
        position = slash + 2  # whatever follows the backslash, be it the quote
    inner, base, places = text[at + 1 : closing], at + 1, None
    if escaped:
        inner, places = _undo(inner, base, quote)
    span = (at, closing + 1)
    if quote == "'":
        found.entry(key, Literal(inner, found.source.span(*span)), key_span, span)
        return closing + 1
    try:
        value = _expand(found.source, inner, base, places, 0)
    except _Invalid as invalid:
        found.fault("Compose refuses this reference", invalid.at, closing)
    else:
        found.entry(key, value._replace(span=found.source.span(*span)) if isinstance(value, Literal) else value, key_span, span)
    return closing + 1


def _undo(inner: str, base: int, quote: str) -> tuple[str, list[int]]:
    """The text between quotes with its escapes undone, and where each character of it was written."""
    written: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(inner):
        slash = inner.find("\\", at)
        if slash < 0:
            slash = len(inner)
        written.extend(inner[at:slash])
        places.extend(range(base + at, base + slash))
        if slash >= len(inner):
            break
        width, result = 2, inner[slash : slash + 2]
        if result == "\\" + quote and quote == "'":
            result = quote
        elif quote == '"' and (escape := _COMPOSE_ESCAPE.match(inner, slash)):
            width = escape.end() - slash
            if escape[2]:
                result = _COMPOSE_ESCAPES[escape[2]]
            else:
                octal = escape[1]
                code = int(octal, 8) if len(octal) == 3 and octal.isascii() and not set(octal) & set("89") else 256
                result = chr(code) if code < 256 else "\\" + octal
        written.extend(result)
        places.extend([base + slash] * len(result))
        at = slash + width
    return "".join(written), places


def _expand(source: Source, text: str, base: int, places: list[int] | None, depth: int) -> Value:
    """References in ``text``, whose character i was written at ``places[i]`` (or ``base + i``), the way Compose interpolates."""

    def place(index: int) -> int:
        if places is None:
            return base + index
        return places[index] if index < len(places) else (places[-1] + 1 if places else base)

    whole = source.span(place(0), place(len(text)))
    if "$" not in text:
        return Literal(text, whole)
    if depth > _DEEPEST:
        return Opaque("nested too deeply to follow", whole)
    parts: list[Value] = []
    plain: list[str] = []
    at = begin = 0
    line = last_brace = -1  # the line `at` is on ends here, with its last } there

    def flush(stop: int) -> None:
        plain.append(text[begin:stop])
        if written := "".join(plain):
            parts.append(Literal(written, source.span(place(begin), place(stop))))
        plain.clear()

    while reference := _REFERENCE.search(text, at):
        start, at = reference.span()
        if reference[1]:
            plain.append(text[begin : start + 1])
            begin = at
            continue
        flush(start)
        begin = at
        if reference[2]:
            span = source.span(place(start), place(at - 1) + 1)
            parts.append(Fallback(EnvRead(reference[2], span), Literal("", span), span))
            continue
        if start > line:
            line = _line_end(text, start, len(text))
            last_brace = text.rfind("}", start, line)
        braced = _BRACED.match(text, at)
        if not braced or (braced[2] != "}" and last_brace < braced.end()):
            raise _Invalid(place(start))
        closing = braced.end() - 1 if braced[2] == "}" else _closing(text, start, last_brace)
        span = source.span(place(start), place(closing) + 1)
        inner = braced.end()
        parts.append(_braced(source, braced[1], braced[2], text[inner:closing], span, inner, place, places is None, depth))
        at = begin = closing + 1
    flush(len(text))
    return text_of(parts, whole) if parts else Literal("", whole)


def _closing(text: str, start: int, last: int) -> int:
    """The } that ends the reference at ``start``, braces counted as compose-go counts them; else the line's last."""
    depth = 0
    at = start
    while at <= last:
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        elif text[at] == "{":
            depth += 1
            at += 1
        at += 1
    return last


def _braced(
    source: Source, name: str, operator: str, rest: str, span: Span, inner: int, place: Callable[[int], int], plain: bool, depth: int
) -> Value:
    """``${NAME…}``; ``rest`` starts at ``inner``, and ``plain`` says that its characters stand side by side in the source."""
    if operator == "}":
        return Fallback(EnvRead(name, span), Literal("", span), span)
    empty = operator.startswith(":")
    if operator.endswith("?"):
        return EnvRead(name, span, empty, rest)
    try:
        other = _expand(source, rest, place(inner), None if plain else [place(inner + index) for index in range(len(rest) + 1)], depth + 1)
    except _Invalid:
        other = Opaque("a reference Compose refuses", span)
    if operator.endswith("+"):
        return Alternative(EnvRead(name, span, empty), other, span)
    return Fallback(EnvRead(name, span, empty), other, span)


# --- phpdotenv: src/Parser/{Lines,EntryParser,Lexer}.php, src/Loader/Resolver.php ------------------------------------------

_PHP_TRIM = " \n\r\t\0\x0b"
_PHP_LINE = lazy(r"\r\n|\n|\r")
_PHP_TOKEN = lazy(r"""[\r\n]+|[ \t\f\v]+|[\\'"#$]|[^\s\\'"#$]+|[^\\'"#$]""", re.ASCII)
_PHP_NAME = lazy(r"[\w.]+")
_PHP_REFERENCE = lazy(r"\$\{([A-Za-z0-9_.]+)\}")
_PHP_ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PHP_SPACE = " \t\n\r\v\f"


def _phpdotenv(found: _Found, text: str, at: int, end: int) -> None:
    opened = -1
    while at <= end:
        newline = _PHP_LINE.search(text, at, end)
        stop = newline.start() if newline else end
        if opened < 0 and text.find('="', at, stop) >= 0 and not _php_stops(text[at:stop], started=True):
            opened = at
        elif opened >= 0 and _php_stops(text[at:stop], started=False):
            _php_entry(found, text, opened, stop)
            opened = -1
        elif opened < 0:
            _php_entry(found, text, at, stop)
        if not newline:
            break
        at = newline.end()
    if opened >= 0:
        stop = opened + len(text[opened : _line_end(text, opened, end)].rstrip())
        found.fault("phpdotenv drops all from here on: this quote is never closed", opened, stop, fatal=False)


def _php_stops(line: str, started: bool) -> bool:
    """Whether a multi-line value ends on ``line``: quotes without a backslash before them, the line's first character aside."""
    if line == '"':
        return True
    body = line.replace("\\\\", "")
    count = body.count('"', 1) - body.count('\\"')
    return count > 1 if started else count >= 1


def _php_entry(found: _Found, text: str, at: int, end: int) -> None:
    start, stop = _trim(text, at, end)
    if start >= stop or text[start] == "#":
        return
    first_line = start + len(re.split(r"[\r\n]", text[start:stop], maxsplit=1)[0].rstrip())
    equals = text.find("=", at, end)
    name_start, name_stop = _trim(text, at, equals) if equals >= 0 else (at, end)
    name = text[name_start:name_stop]
    if not name:
        found.fault("phpdotenv refuses a line that starts with =", start, first_line)
        return
    if len(name) > 8 and name.startswith("export") and name[6] in _PHP_SPACE:
        name = name[6:].lstrip(_PHP_SPACE)
        name_start = name_stop - len(name)
    if len(name) > 2 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1]
    if not _PHP_NAME.fullmatch(name) or not all(c in "_." or not c.isalpha() or c.islower() or c.isupper() for c in name):
        found.fault("phpdotenv refuses this as a name", name_start, max(min(name_stop, first_line), name_start + 1))
        return
    if equals < 0:
        found.entry(name, Literal(None, found.source.span(name_stop, name_stop)), (name_start, name_stop), (name_stop, name_stop))
        return
    value_start, value_stop = _trim(text, equals + 1, end)
    value = _php_value(found, text, value_start, value_stop)
    if value is not None:
        found.entry(
            name, value[0], (name_start, name_stop), (value_start, value[1]) if value_start < value_stop else (equals + 1, equals + 1)
        )


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in _PHP_TRIM:
        start += 1
    while end > start and text[end - 1] in _PHP_TRIM:
        end -= 1
    return start, end


def _php_value(found: _Found, text: str, start: int, end: int) -> tuple[Value, int] | None:
    """The value and where its text ends; None after a fault."""
    source = found.source
    parts: list[Value] = []
    plain: list[str] = []
    state = "initial"
    at = plain_at = last = start
    while at < end:
        token = _PHP_TOKEN.match(text, at, end)
        if token is None:  # cannot be: the last branch takes any character
            break
        word, here, at = token[0], at, token.end()
        if state == "blank":
            if word == "#":
                break
            if not word.strip(_PHP_SPACE):
                continue
            found.fault("phpdotenv refuses a blank inside an unquoted value", here, _first_line(text, here, end))
            return None
        if state == "single":
            if word == "'":
                state, last = "blank", at
            else:
                plain.append(word)
            continue
        if state == "escape":
            if word in ('"', "\\", "$"):
                plain.append(word)
            elif word[0] in _PHP_ESCAPES:
                plain.append(_PHP_ESCAPES[word[0]] + word[1:])
            else:
                found.fault("phpdotenv refuses this escape", here - 1, here + 1)
                return None
            state = "double"
            continue
        if state == "double":
            if word == '"':
                state, last = "blank", at
                continue
            if word == "\\":
                state = "escape"
                continue
        elif state == "initial" and word in ("'", '"'):
            state = "single" if word == "'" else "double"
            continue
        elif word == "#":
            break
        elif state == "unquoted" and not word.strip(_PHP_SPACE):
            state = "blank"
            continue
        else:
            state, last = "unquoted", at
        if word == "$" and (reference := _PHP_REFERENCE.match(text, here, end)):
            if plain:
                parts.append(Literal("".join(plain), source.span(plain_at, here)))
                plain.clear()
            at = plain_at = reference.end()
            span = source.span(here, at)
            parts.append(Fallback(EnvRead(reference[1], span), Literal(reference[0], span), span))
            last = at if state == "unquoted" else last
        else:
            plain.append(word)
    if state in ("single", "double", "escape"):
        found.fault("phpdotenv finds no closing quote", start, _first_line(text, start, end))
        return None
    span = source.span(start, last)
    if plain or not parts:
        parts.append(Literal("".join(plain), source.span(plain_at, last) if parts else span))
    return text_of(parts, span), last


def _first_line(text: str, start: int, end: int) -> int:
    return start + len(text[start : _line_end(text, start, end)].rstrip())


# --- dotenvy: src/{iter,parse}.rs ------------------------------------------------------------------------------------------

_RUST_KEY = lazy(r"[A-Za-z_][A-Za-z0-9_.]*")
_RUST_LINE = lazy(r"""[\\"'\s]""")
_RUST_ALNUM = lazy(r"[^\W_]+")
_RUST_PLAIN = lazy(r"""[^\\"'$ \t]+""")


def _dotenvy(found: _Found, text: str, at: int, end: int) -> None:
    while at < end:
        start = at
        while start < end and text[start] != "\n" and text[start].isspace():
            start += 1
        line = _line_end(text, at, end)
        if (line < end and start >= line) or (start < end and text[start] == "#"):
            at = line + 1
            continue
        begin = at
        stop, at, state = _rust_line(text, at, end)
        if state == "blank":
            last = begin + len(text[begin:end].rstrip())
            found.fault("dotenvy refuses a file that ends in a blank", last, end)
            if last == begin:
                continue
        elif state != "complete":
            found.fault("dotenvy finds the end of the file in the middle of this value", start, _first_line(text, start, end))
            at = _line_end(text, start, end) + 1  # dotenvy itself gives up here
            continue
        _rust_entry(found, text, start, stop)


def _rust_line(text: str, at: int, end: int) -> tuple[int, int, str]:
    """Where the logical line at ``at`` stops (comment cut off), where the next begins, and the state it ends in."""
    state = "complete"
    while at < end:
        character = text[at]
        if state in ("complete", "blank"):
            if state == "blank" and character == "#":
                line = _line_end(text, at, end)
                return at, line + 1, "complete"
            if character == "\\":
                state = "escape"
            elif character == '"':
                state = "weak"
            elif character == "'":
                state = "strong"
            elif state == "complete" and character not in "\r\n" and character.isspace():
                state = "blank"
            else:
                state = "complete"
                if character != "\n":
                    special = _RUST_LINE.search(text, at, end)
                    at = special.start() if special and special.start() > at else at + 1 if special else end
                    continue
        elif state == "escape":
            state = "complete"
        elif state in ("weak", "strong"):
            if character == "\\":
                state += " escape"
            elif character == ('"' if state == "weak" else "'"):
                state = "complete"
        else:
            state = state.removesuffix(" escape")
        at += 1
        if character == "\n" and state == "complete":
            return at - 1, at, state
    return at, at, state


def _rust_entry(found: _Found, text: str, start: int, stop: int) -> None:
    stop = start + len(text[start:stop].rstrip())
    if start >= stop:
        return

    def blanks(at: int) -> int:
        while at < stop and text[at].isspace():
            at += 1
        return at

    def refuse(message: str, at: int) -> None:
        at = min(at, stop - 1)
        found.fault(message, at, _first_line(text, at, stop))

    key = _RUST_KEY.match(text, start, stop)
    if not key:
        refuse("dotenvy expects a name here", start)
        return
    at = blanks(key.end())
    if key[0] == "export" and not text.startswith("=", at, stop):
        key = _RUST_KEY.match(text, at, stop)
        if not key:
            refuse("dotenvy expects a name here", at)
            return
        at = blanks(key.end())
    if not text.startswith("=", at, stop):
        refuse("dotenvy refuses a line without = behind the name", at if at < stop else key.start())
        return
    equals = at
    at = blanks(at + 1)
    if at >= stop or text[at] == "#":
        found.entry(key[0], Literal("", found.source.span(equals + 1, equals + 1)), key.span(), (equals + 1, equals + 1))
        return
    try:
        value, last = _rust_value(found.source, text, at, stop)
    except _Refusal as refusal:
        refuse(str(refusal), refusal.at)
    else:
        found.entry(key[0], value, key.span(), (at, last))


class _Refusal(Exception):
    """dotenvy stops at ``at``."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def _rust_value(source: Source, text: str, start: int, stop: int) -> tuple[Value, int]:
    parts: list[Value] = []
    plain: list[str] = []
    plain_at = at = last = start
    weak = False
    while at < stop:
        character = text[at]
        if character == "$":
            name = _RUST_ALNUM.match(text, at + 1, stop)
            here, at = at, name.end() if name else at + 1
            word = name[0] if name else ""
            end = at
            if not name and text.startswith("{", at, stop):
                closing = text.find("}", at, stop)
                if closing < 0:
                    raise _Refusal("dotenvy finds no } for this reference", here)
                word, at = text[at + 1 : closing], closing + 1
                end = at
            elif at < stop and text[at] != "$":  # it takes whatever follows as it is, quotes and blanks too
                at += 1
            if plain:
                parts.append(Literal("".join(plain), source.span(plain_at, here)))
                plain.clear()
            if re.fullmatch(r"[\w.]+", word):
                span = source.span(here, end)
                parts.append(Fallback(EnvRead(word, span), Literal("", span), span))
            plain_at = end
            plain.append(text[end:at])
            last = at
            continue
        if character == "\\":
            at += 1
            if at < stop:
                if text[at] not in "\\'\"$ n":
                    raise _Refusal("dotenvy refuses this escape", at - 1)
                plain.append("\n" if text[at] == "n" else text[at])
                at += 1
            last = at
            continue
        if character == '"':
            weak = not weak
            at += 1
        elif character == "'" and not weak:
            closing = text.find("'", at + 1, stop)
            if closing < 0:
                raise _Refusal("dotenvy finds no closing quote", at)
            plain.append(text[at + 1 : closing])
            at = closing + 1
        elif character in " \t" and not weak:
            while at < stop and text[at] in " \t":
                at += 1
            if at < stop and text[at] != "#":
                raise _Refusal("dotenvy refuses a blank inside an unquoted value", at)
            break
        elif run := _RUST_PLAIN.match(text, at, stop):
            plain.append(run[0])
            at = run.end()
        else:
            plain.append(character)
            at += 1
        last = at
    if weak:
        raise _Refusal("dotenvy finds no closing quote", start)
    span = source.span(start, last)
    rest = "".join(plain)
    if rest or not parts:
        parts.append(Literal(rest, source.span(plain_at, last) if parts else span))
    return text_of(parts, span), last


# --- raw: docker/cli pkg/kvfile --------------------------------------------------------------------------------------------


def _raw(found: _Found, text: str, at: int, end: int) -> None:
    while at < end:
        line = _line_end(text, at, end)
        stop = line - 1 if line > at and text[line - 1] == "\r" else line
        start = at
        while start < stop and text[start] in _GO_SPACE:
            start += 1
        at = line + 1
        if start >= stop or text[start] == "#":
            continue
        equals = text.find("=", start, stop)
        key = text[start : equals if equals >= 0 else stop]
        if not key or any(character in _GO_SPACE for character in key):
            message = "Compose refuses a blank in a name" if key else "Compose finds no name before ="
            found.fault(message, start, start + max(len(key.rstrip()), 1))
        elif equals >= 0:
            found.entry(key, Literal(text[equals + 1 : stop], found.source.span(equals + 1, stop)), (start, equals), (equals + 1, stop))


_READERS = {"compose": _compose, "phpdotenv": _phpdotenv, "dotenvy": _dotenvy, "raw": _raw}
