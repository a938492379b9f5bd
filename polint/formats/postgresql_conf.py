"""postgresql.conf and postgresql.auto.conf, as PostgreSQL's own lexer reads them.

One setting a line; the tokens are those of the server's guc-file.l, the verdicts were
compared with PostgreSQL 15.  A line the server refuses is a Fault; where a person can
tell what was meant, the fault carries the cure and the line still gives its Entry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .. import templating
from ..diagnostic import Edit, Fix
from ..patterns import lazy
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Literal, Opaque, Value
from . import Entry, Fault, Parsed

# The server's lexer works on bytes and takes every byte from 0x80 up for a letter, so every non-ASCII character is one here.
# Letters and anything beyond ASCII, written as what they are not: sets that reach to U+10FFFF compile slowly.
_TOKEN = lazy(
    r"""(?P<word>[^\x00-@\[-\^`{-\x7f][^\x00-,;-@\[-\^`{-\x7f]*+)
      | (?P<real>[+-]?[0-9]*+\.[0-9]*+(?:[Ee][+-]?[0-9]+)?)
      | (?P<integer>[+-]?(?:0x[0-9a-fA-F]++|[0-9]++)[A-Za-z]*+)
      | (?P<string>'(?:[^'\\\n]++|\\[^\n]|'')*+')
      | (?P<equals>=)""",
    re.VERBOSE,
)
_ID = r"[^\x00-@\[-\^`{-\x7f][^\x00-/:-@\[-\^`{-\x7f]*+"
_NAME = lazy(rf"{_ID}(?:\.{_ID})?+")
_QUALIFIED = lazy(rf"{_ID}\.{_ID}")
_OPERATOR = lazy(r":=|=[=>]+|:")
_VARIABLE = lazy(r"\$(?:\{|[A-Za-z_])")
_ESCAPE = lazy(r"\\(?:([0-7]{1,3})|(.))|''", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BLANK = " \t\r"
_ODD_BLANK = "\u00a0\u200b\u202f\ufeff"
_UNITS = {unit.lower(): unit for unit in ("B", "kB", "MB", "GB", "TB", "us", "ms", "s", "min", "h", "d")}
_MARKS = ("--", "//", "/*", ";")  # comments of other languages
_SQL = frozenset(("set", "alter", "select", "show", "reset"))
_TEMPLATES = (".template", ".tmpl", ".tpl", ".in", ".j2", ".jinja", ".jinja2", ".erb", ".envsubst", ".ctmpl", ".gotmpl", ".mustache")


class _Token(NamedTuple):
    kind: str  # word, real, integer, string, equals, error, end
    start: int
    end: int


class _Value(NamedTuple):
    """A value as far as it is clear (``text`` None: it is not), and what is wrong with it or after it."""

    text: str | None
    start: int
    end: int
    fault: Fault | None = None


def parse(source: Source) -> Parsed:
    """Entries (keys lower case; include directives under their own names) and what PostgreSQL refuses."""
    text = source.text
    entries: list[Entry] = []
    faults: list[Fault] = []
    switched = templating.controlled(text)
    template = switched is not None
    start, length = 0, len(text)
    while start < length:
        end = text.find("\n", start)
        if end < 0:
            end = length
        at = start
        while at < end and text[at] in _BLANK:
            at += 1
        start = end + 1
        if at >= end or text[at] == "#":
            continue
        stop = at + len(text[at:end].rstrip(_BLANK))
        control = switched is not None and templating.controlled(text[at:stop]) is not None
        if control or templating.fills(text, at, stop):
            template = True
            entry = _filled(source, at, stop)
            if entry:
                entries.append(entry)
            elif not control:  # a template may write any setting here: those above need not be the last word
                entries = [entry._replace(value=Opaque(templating.REASON, entry.value_span)) for entry in entries]
            continue
        entry, fault = _line(source, at, stop)
        if entry:
            if switched and switched[0] < entry.span.start < switched[1]:
                entry = entry._replace(value=Opaque(templating.REASON, entry.value_span))
            entries.append(entry)
        if fault:
            faults.append(fault)
    if source.bom:
        faults.insert(0, _byte_order_mark(source))
    return Parsed(source, tuple(entries), () if template else tuple(faults))


def _filled(source: Source, at: int, stop: int) -> Entry | None:
    """``name = {{ value }}``; None when the template makes the name too."""
    token = _token(source.text, at, stop)
    name = source.text[token.start : token.end]
    if token.kind != "word" or not _NAME.fullmatch(name):
        return None
    value = _token(source.text, token.end, stop)
    if value.kind == "equals":
        value = _token(source.text, value.end, stop)
    span = source.span(value.start, max(_comment(source.text, value.start, stop), value.start))
    return Entry(name.lower(), Opaque(templating.REASON, span), source.span(at, span.end), source.span(at, token.end), span)


def _byte_order_mark(source: Source) -> Fault:
    text = source.text
    end = text.find("\n")
    first = text[: end if end >= 0 else len(text)].rstrip(_BLANK)
    name = _NAME.match(first)
    result = "part of the first name, which it then does not know" if name else "a syntax error"
    return Fault(f"PostgreSQL reads the byte-order mark before this line as {result}", source.span(0, name.end() if name else len(first)))


def _token(text: str, at: int, stop: int) -> _Token:
    while at < stop and text[at] in _BLANK:
        at += 1
    if at >= stop or text[at] == "#":
        return _Token("end", at, at)
    found = _TOKEN.match(text, at, stop)
    if not found:
        return _Token("error", at, at + 1)
    return _Token(found.lastgroup or "error", at, found.end())


def _is_value(text: str, token: _Token) -> bool:
    if token.kind == "word":
        return not _QUALIFIED.fullmatch(text, token.start, token.end)
    return token.kind in ("string", "integer", "real")


def _line(source: Source, at: int, stop: int) -> tuple[Entry | None, Fault | None]:
    """The entry and the fault of one line that is neither empty nor a comment."""
    text = source.text
    name = _token(text, at, stop)
    if name.kind != "word" or not _NAME.fullmatch(text, name.start, name.end):
        return _bad_name(source, name, stop)
    fault = None
    after = _token(text, name.end, stop)
    operator = _OPERATOR.match(text, after.start, stop) if after.kind in ("equals", "error") else None
    if operator:
        fault = _operator(source, after.start, operator.end(), "=")
        after = _Token("equals", after.start, operator.end())
    value = _value(source, after.end if after.kind == "equals" else name.end, stop)
    if text[name.start : name.end].lower() in _SQL and (fault or value.fault):
        message = "PostgreSQL reads SQL here as a syntax error: this file holds one name = value a line"
        return None, Fault(message, source.span(at, _comment(text, at, stop)))
    if value.start == value.end:
        return None, Fault("PostgreSQL reads a name without a value as a syntax error", source.span(at, max(after.end, name.end)))
    return _entry(source, text[name.start : name.end], name, value), fault or value.fault


def _entry(source: Source, key: str, name: _Token, value: _Value) -> Entry | None:
    if value.text is None:
        return None
    span = source.span(value.start, value.end)
    content: Value = Opaque(templating.REASON, span) if "${" in value.text else Literal(value.text, span)
    if value.fault and _VARIABLE.match(value.text):
        content = Opaque("a variable PostgreSQL does not read", span)
    return Entry(key.lower(), content, source.span(name.start, value.end), source.span(name.start, name.end), span)


def _bad_name(source: Source, name: _Token, stop: int) -> tuple[Entry | None, Fault]:
    text = source.text
    at = name.start
    written = text[name.start : name.end]
    for mark in _MARKS:
        if text.startswith(mark, at, stop):
            return None, _foreign_comment(source, mark, at, stop)
    if name.kind == "word":
        head, colon, tail = written.partition(":")
        if colon and _NAME.fullmatch(head):
            colon_at = at + len(head)
            glued = bool(tail) or (colon_at + 1 < stop and text[colon_at + 1] not in _BLANK)
            value = _value(source, colon_at + 1, stop)
            fault = _operator(source, colon_at, colon_at + 1, " = " if glued else " =")
            if value.start == value.end:
                return None, fault._replace(fix=None)
            return _entry(source, head, _Token("word", at, colon_at), value), fault
        if "-" in written and _NAME.fullmatch(written.replace("-", "_")):
            span = source.span(at, name.end)
            edit = Edit(span, written.replace("-", "_"))
            fault = Fault(
                "PostgreSQL reads a dash in a name as a syntax error: names have underscores",
                span,
                fix=Fix("write the name with underscores", "safe", (edit,)),
            )
            after = _token(text, name.end, stop)
            value = _value(source, after.end if after.kind == "equals" else name.end, stop)
            if value.start == value.end:
                return None, fault._replace(fix=None)
            return _entry(source, edit.replacement, name, value), fault
    span = source.span(at, _comment(text, at, stop))
    if text[at] == "[" and text[span.end - 1] == "]":
        edits = (Edit(source.span(at, at), "# "),)
        return None, Fault(
            "PostgreSQL reads a [section] as a syntax error: this file has none", span, fix=Fix("make it a comment", "safe", edits)
        )
    closing = text.find(text[at], at + 1, stop) if text[at] in "\"'" else -1
    if closing > 0 and _NAME.fullmatch(text, at + 1, closing):
        edits = (Edit(source.span(at, closing + 1), text[at + 1 : closing]),)
        message = "PostgreSQL reads a name in quotes as a syntax error"
        return None, Fault(message, source.span(at, closing + 1), fix=Fix("take the quotes off the name", "safe", edits))
    return None, Fault("PostgreSQL reads this as a syntax error: a line starts with the name of a setting", span)


def _operator(source: Source, start: int, end: int, cure: str) -> Fault:
    span = source.span(start, end)
    message = f"PostgreSQL reads {span.text} as a syntax error: name and value are joined by = or a blank"
    return Fault(message, span, fix=Fix("write =", "safe", (Edit(span, cure),)))


def _foreign_comment(source: Source, mark: str, at: int, stop: int) -> Fault:
    """A comment as SQL, C or an ini file would write it, from ``at`` to ``stop``."""
    text = source.text
    end = at + len(mark)
    while mark == "--" and end < stop and text[end] == "-":
        end += 1
    closed = mark != "/*" or text.endswith("*/", at, stop)
    blank = "" if at == 0 or text[at - 1] in " \t\r\n" else " "
    fix = Fix("start the comment with #", "safe", (Edit(source.span(at, end), blank + "#"),)) if closed else None
    return Fault(f"PostgreSQL reads {mark} as a syntax error: comments start with #, not {mark}", source.span(at, stop), fix=fix)


def _value(source: Source, at: int, stop: int) -> _Value:
    """The value at ``at`` and whatever PostgreSQL would not accept of it or behind it."""
    text = source.text
    token = _token(text, at, stop)
    start = token.start
    if token.kind == "end" or text.startswith(("--", ";"), start, stop):
        return _Value(None, start, start)
    if not _is_value(text, token):
        if text[start] == "'":
            return _Value(None, start, stop, Fault("PostgreSQL finds no closing quote on this line", source.span(start, stop)))
        return _unquoted(source, start, stop)
    after = _token(text, token.end, stop)
    value = _Value(_content(text, token), start, token.end)
    if after.kind == "end":
        return value
    fault = _trailing(source, token, after, stop)
    if fault:
        return value._replace(fault=fault)
    end = _comment(text, after.start, stop)
    rest = text[after.start : end]
    if token.kind in ("integer", "real") and rest.lower() in _UNITS:
        content = text[start : after.start] + _UNITS[rest.lower()]
        return _quoted(source, start, end, content, "PostgreSQL reads a blank before the unit as a syntax error: quote such a value")
    if after.start == token.end or rest.startswith(","):
        return _unquoted(source, start, stop)
    return _Value(
        None, start, token.end, Fault("PostgreSQL reads a second value on the line as a syntax error", source.span(after.start, end))
    )


def _trailing(source: Source, token: _Token, after: _Token, stop: int) -> Fault | None:
    """What stands behind a good value and only needs to go, or to become a comment."""
    text = source.text
    start = after.start
    end = _comment(text, start, stop)
    rest = text[start:end]
    bare = rest.strip(_BLANK + _ODD_BLANK)
    if not bare:
        cure = Fix("take it out", "safe", (Edit(source.span(start, end), ""),))
        return Fault("PostgreSQL reads a no-break space as part of a word: this is a syntax error", source.span(start, end), fix=cure)
    if bare in (";", ","):
        cure = Fix(f"drop the {bare}", "safe", (Edit(source.span(start, end), ""),))
        return Fault(f"PostgreSQL reads {bare} as a syntax error: a setting ends with its line", source.span(start, end), fix=cure)
    for mark in _MARKS:
        if rest.startswith(mark) and (mark != ";" or start > token.end or rest[1] in _BLANK):
            return _foreign_comment(source, mark, start, stop)
    return None


def _unquoted(source: Source, start: int, stop: int) -> _Value:
    """A value that needed quotes: one word, a list, or something in double quotes."""
    text = source.text
    end = _comment(text, start, stop)
    raw = text[start:end]
    cut = end
    if raw.startswith('"') and (closing := raw.find('"', 1)) > 0 and not raw[closing + 1 :].lstrip().startswith(","):
        cut = start + closing + 1
        rest = raw[closing + 1 :].strip(_BLANK)
        if not rest or rest.startswith(_MARKS):
            return _quoted(
                source, start, cut, raw[1:closing], "PostgreSQL reads double quotes as a syntax error: values stand in single quotes"
            )
    elif "," in raw.rstrip(",; \t"):
        cut = start + len(raw.rstrip(",; \t"))
        pieces = [piece.strip() for piece in raw[: cut - start].split(",")]
        if all(pieces) and not any(" " in piece or "\t" in piece for piece in pieces if piece[0] not in "'\""):
            bare = [piece[1:-1] if len(piece) > 1 and piece[0] == piece[-1] == "'" else piece for piece in pieces]
            if not any("'" in piece for piece in bare):
                joined = ", ".join(bare) if bare != pieces else raw[: cut - start]
                return _quoted(
                    source, start, cut, joined, "PostgreSQL reads a list without quotes as a syntax error: quote it as one value"
                )
    else:
        word = len(raw)
        for blank in " \t":
            found = raw.find(blank)
            word = found if 0 <= found < word else word
        rest = raw[word:].strip(_BLANK)
        content = raw[:word].rstrip(",;")
        cut = start + len(content)
        if content and (not rest or rest.startswith(_MARKS)) and "'" not in content and '"' not in content:
            if _VARIABLE.search(content):
                if source.path.endswith(_TEMPLATES):
                    return _Value(content.replace("$", "${", 1), start, cut)
                return _Value(content, start, cut, Fault("PostgreSQL reads no variables: this is a syntax error", source.span(start, cut)))
            return _quoted(source, start, cut, content, "PostgreSQL reads this without quotes as a syntax error: put it in single quotes")
    return _Value(
        None,
        start,
        cut,
        Fault("PostgreSQL reads this as a syntax error: values with blanks or signs stand in single quotes", source.span(start, end)),
    )


def _quoted(source: Source, start: int, end: int, content: str, message: str) -> _Value:
    span = source.span(start, end)
    fix = None
    if "<" not in content and "${" not in content:  # else a place to fill in: quoting it mends nothing
        escaped = content.replace("\\", "\\\\").replace("'", "''")
        fix = Fix("put the value in single quotes", "safe", (Edit(span, f"'{escaped}'"),))
    return _Value(content, start, end, Fault(message, span, fix=fix))


def _comment(text: str, start: int, stop: int) -> int:
    """Where the text from ``start`` ends before a # outside quotes, blanks not counted."""
    at = start
    while at < stop:
        hash_at = text.find("#", at, stop)
        if hash_at < 0:
            break
        quote = min((found for mark in "\"'" if (found := text.find(mark, at, hash_at)) >= 0), default=-1)
        if quote >= 0:
            closing = text.find(text[quote], quote + 1, stop)
            if closing >= 0:
                at = closing + 1
                continue
        stop = hash_at
        break
    return start + len(text[start:stop].rstrip(_BLANK))


def _content(text: str, token: _Token) -> str:
    """The value of a token, quotes and escapes undone."""
    if token.kind != "string":
        return text[token.start : token.end]
    inner = text[token.start + 1 : token.end - 1]
    if "\\" not in inner and "'" not in inner:
        return inner
    done = _ESCAPE.sub(_unescape, inner)
    if any("\udc80" <= character <= "\udcff" for character in done):
        done = done.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return done.partition("\0")[0]


def _unescape(found: re.Match[str]) -> str:
    octal, character = found.groups()
    if octal:
        code = int(octal, 8) & 0xFF
        return chr(code) if code < 0x80 else chr(0xDC00 + code)
    if character:
        return _ESCAPES.get(character, character)
    return "'"


# postgres' own short flags that stand for a setting: with an argument, and without
_FLAGS = {
    "B": "shared_buffers",
    "D": "data_directory",
    "h": "listen_addresses",
    "k": "unix_socket_directories",
    "N": "max_connections",
    "p": "port",
    "S": "work_mem",
    "W": "post_auth_delay",
}
_SWITCHES = {
    "e": ("datestyle", "euro"),
    "F": ("fsync", "false"),
    "i": ("listen_addresses", "*"),
    "l": ("ssl", "true"),
    "O": ("allow_system_table_mods", "true"),
    "P": ("ignore_system_indexes", "true"),
    "s": ("log_statement_stats", "true"),
}
_WITH_ARGUMENT = frozenset("BCDNSWcdfhkprtv")
_MODES = frozenset(("--single", "--boot", "--check", "--describe-config", "--version", "--help"))  # no settings, first word only
_SPACED = "postgres refuses blanks round the = of a setting"


def parse_arguments(words: Sequence[tuple[str, Span]]) -> Parsed:
    """Settings given on a command line: ``-c n=v``, ``-cn=v``, ``--n=v``, ``-N 9``, ``-B 64MB`` and the rest of postgres' own flags.

    ``words`` may start with the program's name.  All entries are kept in order (the last
    of a name wins); ``-D`` gives ``data_directory``.  What is not a setting is passed over.
    """
    entries: list[Entry] = []
    faults: list[Fault] = []
    index = 0
    while index < len(words):
        word, span = words[index]
        index += 1
        if word == "--":
            break
        if len(word) < 2 or word[0] != "-":
            name, equals, _ = word.partition("=")
            if equals and _NAME.fullmatch(name):
                faults.append(Fault("postgres refuses a setting without its own -c", span))
            continue
        if word.startswith("--"):
            if word not in _MODES:
                index = _setting(words, index - 1, 2, span.start, entries, faults)
            continue
        at = 1
        while at < len(word):
            flag = word[at]
            at += 1
            if flag in _SWITCHES:
                key, value = _SWITCHES[flag]
                entries.append(Entry(key, Literal(value, span), span, span, span))
            if flag not in _WITH_ARGUMENT:
                continue
            glued = at < len(word)
            if not glued and index >= len(words):
                faults.append(Fault(f"postgres finds no value for -{flag}", span))
            elif flag == "c":
                index = _setting(words, index - glued, at if glued else 0, span.start, entries, faults)
            else:
                word, value_span = words[index - glued]
                value_span = _part(word, value_span, at, len(word)) if glued else value_span
                index += not glued
                if flag in _FLAGS:
                    entry_span = _cover(span, value_span)
                    value = word[at:] if glued else word
                    entries.append(Entry(_FLAGS[flag], Literal(value, value_span), entry_span, span, value_span))
            break
    source = words[0][1].source if words else Source("", "")
    return Parsed(source, tuple(entries), tuple(faults))


def _setting(words: Sequence[tuple[str, Span]], index: int, offset: int, begin: int, entries: list[Entry], faults: list[Fault]) -> int:
    """Read ``name=value`` in word ``index`` from ``offset``; blanks round the = make more words of it.  Gives the index behind it."""
    word, span = words[index]
    name, equals, value = word[offset:].partition("=")
    following = [later for later, _ in words[index + 1 : index + 3]]
    taken = 0
    if equals and not value and following and not following[0].startswith("-"):
        value, taken = following[0], 1
    elif not equals and following and following[0].startswith("="):
        value, taken = following[0][1:], 1
        if not value and len(following) > 1 and not following[1].startswith("-"):
            value, taken = following[1], 2
    elif not equals:
        faults.append(Fault("postgres finds no = and value behind this name", span))
        return index + 1
    key = name.strip().replace("-", "_").lower()
    key_span = _part(word, span, offset, offset + len(name))
    if taken:
        last = words[index + taken][1]
        value_span = _part(words[index + taken][0], last, len(words[index + taken][0]) - len(value), len(words[index + taken][0]))
        wrong = _cover(key_span, last)
        pieces = [word[offset:], *following[:taken]]
        written = wrong.text.split() == pieces  # one plain string, not words of a list
        fix = Fix("close up the =", "safe", (Edit(wrong, "".join(pieces)),)) if written else None
        faults.append(Fault(_SPACED, wrong, fix=fix))
    else:
        value_span = _part(word, span, len(word) - len(value), len(word))
        if name != name.strip():
            faults.append(Fault(_SPACED, _part(word, span, offset, len(word))))
    entry_span = _cover(Span(span.source, begin, begin), value_span)
    entries.append(Entry(key, Literal(value, value_span), entry_span, key_span, value_span))
    return index + taken + 1


def _cover(first: Span, last: Span) -> Span:
    """From ``first`` to ``last``, or just ``last`` when they do not follow each other in one source."""
    return Span(last.source, first.start, last.end) if first.source is last.source and first.start <= last.start else last


def _part(word: str, span: Span, start: int, end: int) -> Span:
    """The place of ``word[start:end]``; all of ``span`` when the word is not written there as it reads."""
    at = span.text.find(word)
    return Span(span.source, span.start + at + start, span.start + at + end) if at >= 0 else span


__all__ = ["Entry", "parse", "parse_arguments"]
