"""Secrets in program text: string literals that an expression turns into a password.

No parser: a line may stand alone, and a wrong guess must only ever hide too much.
What is hidden are whole literals; the names that a value is looked up by stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .patterns import lazy

Range = tuple[int, int]

_TOKEN = lazy(r"[A-Za-z_$][\w$]*!?|[\"'`()\[\]{},;\n]")
_BODIES = {quote: lazy(rf"[^{quote}\\\n]*(?:\\.[^{quote}\\\n]*)*") for quote in "\"'`"}
_NAME = lazy(r"[\w.-]+")
_SIGN = lazy(r"[ \t]*(?:=>|\?\?=?|:=|==?=?|!==?|:(?!:))")
_BEFORE_AT = lazy(r"(?<![^\s@])[^\s@]++@")
_PLACEHOLDER = lazy(r"\{[^{}]*\}|%(?:\d+\$)?s")
_OPEN_NAME = lazy(r"([\w.-]{1,80})[ \t]{0,9}(?:=|:|=>)[ \t]{0,9}\\?[\"']?$")
_FILLED_NAME = lazy(r"([\w.-]{1,80})[ \t]{0,9}[=:][ \t]{0,9}\\?[\"']?(?:\{[^{}]*\}|%(?:\d+\$)?s)")
_SQL_TEXT = lazy(r"\s*+(?:(?:[eEnN]|[uU]&)?'|\$(?:[A-Za-z_]\w*)?\$)")
_PSQL = lazy(r"[ \t]*:(?:'\w+'|\"\w+\"|\w+)(?=[\s;,)]|$)")
_ROLE = lazy(r"\b(?:alter|create)\s+(?:user|role|group)\b[^;]*$", re.IGNORECASE)
# functions whose first argument is the name of a value, or a message
_READERS = frozenset("env var var_os getenv config get fetch input expect context env! option_env! has key".split())
# the argument that is a password, counted from 0
_PASSWORD_AT = {"pdo": 2, "mysqli": 2, "mysqli_connect": 2, "pg_user": 1}
_DSN = ("pgsql:", "mysql:", "sqlsrv:", "oci:")
_TRIGGERS = lazy(r"PDO|mysqli|(?:pgsql|mysql|sqlsrv|oci):|://", re.IGNORECASE)
_GOES_ON = "=.+?:|&([{,>"  # at the end of a line: its statement is not over
_GOES_BEFORE = ".+?|:&-"  # at the start of the next


class _Frame:
    """One open bracket: ``hot`` from outside, and why a literal directly in it may be a secret."""

    __slots__ = ("argument", "bracket", "first_named", "inherits", "name", "opened", "password_at", "pending", "secret", "subscript")

    def __init__(self, bracket: str, name: str, subscript: bool, inherits: bool) -> None:
        self.bracket = bracket
        self.name = name
        self.subscript = subscript
        self.inherits = inherits
        self.argument = 0
        self.password_at = -1
        self.secret = False  # everything in here, up to its end
        self.pending = False  # everything up to the next comma
        self.first_named = False
        self.opened: list[Range] | None = None  # pieces behind `scheme://` whose @ is still to come

    @property
    def is_hot(self) -> bool:
        return self.inherits or self.secret or self.pending or self.argument == self.password_at


def literals(text: str) -> list[Range]:
    """The contents of the quoted texts of one line, in order; an unclosed one ends with the line."""
    found = []
    at = 0
    while at < len(text):
        if text[at] in "\"'`" and not _is_apostrophe(text, at):
            end = _end(text, at)
            found.append((at + 1, end))
            at = end
        at += 1
    return found


def secrets(text: str, is_secret_name: Callable[[str], bool], has_name: bool) -> list[Range]:
    """The literals of ``text`` (lines of a program) that may be passwords; ``has_name``: a secret's name is in it."""
    if not has_name and not _TRIGGERS.search(text):
        return []
    ranges: list[Range] = []
    stack = [_Frame("", "", False, False)]
    before = ""  # the token before, with nothing but blanks between
    name, name_end, at = "", -1, 0
    while True:
        found = _TOKEN.search(text, at)
        if found is None:
            return ranges
        start, at = found.span()
        token = found.group()
        frame = stack[-1]
        if token in ("(", "[", "{"):
            adjacent = name_end >= 0 and not text[name_end:start].strip(" \t")
            called = name if adjacent and token == "(" else ""
            subscript = token == "[" and start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_])")
            inner = _Frame(token, called.lower(), subscript, frame.is_hot)
            if called:
                inner.password_at = _PASSWORD_AT.get(inner.name, -1)
                if inner.name == "connect" and text[max(0, start - 20) : start].lower().rstrip().endswith("pdo::connect"):
                    inner.password_at = 2
                inner.secret = is_secret_name(called)
            stack.append(inner)
        elif token in (")", "]", "}"):
            if len(stack) > 1:
                stack.pop()
                if frame.first_named:
                    stack[-1].pending = True  # env::var("DB_PASSWORD").unwrap_or("x")
            else:
                frame.pending = False
        elif token == ",":
            frame.argument += 1
            frame.pending = False
        elif token == ";":
            frame.pending = False
            frame.opened = None
        elif token == "\n":
            if len(stack) == 1 and not (_last(text, start) in _GOES_ON or _first(text, at) in _GOES_BEFORE):
                frame.pending = False
                frame.opened = None
            continue
        elif token in "\"'`":
            if _is_apostrophe(text, start):
                continue
            end = _end(text, start)
            ranges += _literal(text, (start + 1, end), before, stack, is_secret_name)
            at = end + 1
        else:
            name, name_end = token, at
            if token.lower() == "password":
                if (stop := psql_variable(text, start, at)) >= 0:
                    before, at = "name", stop
                    continue
                if (value := sql_text(text, at)) is not None:
                    ranges.append(value)
                    before, at = "'", min(value[1] + 1, len(text))
                    continue
            if _SIGN.match(text, at) and is_secret_name(token.lstrip("$")):
                frame.pending = True
            before = "name"
            continue
        before, name_end = token, -1


def sql_text(text: str, at: int) -> Range | None:
    """The content of the SQL string at ``at`` or behind blanks: ``'x'``, ``E'x'``, ``$$x$$``; an unclosed one goes to the end."""
    found = _SQL_TEXT.match(text, at)
    if found is None:
        return None
    start, opened = found.end(), found[0].lstrip()
    if opened[0] == "$":
        close = text.find(opened, start)
    else:
        close = text.find("'", start)
        while close >= 0 and (text.startswith("''", close) or (opened[0] in "eE" and text[close - 1] == "\\")):
            close = text.find("'", close + (2 if text.startswith("''", close) else 1))
    return start, close if close >= 0 else len(text)


def psql_variable(text: str, start: int, end: int) -> int:
    """Where psql's variable behind the word at ``start`` to ``end`` ends, as in ``ALTER ROLE a PASSWORD :'pw'``; -1 when there is none."""
    found = _PSQL.match(text, end)
    return found.end() if found and _ROLE.search(text, max(0, start - 200), start) else -1


def _literal(text: str, span: Range, before: str, stack: list[_Frame], is_secret_name: Callable[[str], bool]) -> list[Range]:
    """What to hide of one literal; notes in the frames what it says about those to come."""
    frame = stack[-1]
    start, end = span
    content = text[start:end]
    after = text[end + 1 : end + 40].lstrip(" \t\n")
    names = len(content) <= 80 and _NAME.fullmatch(content) is not None and is_secret_name(content.lstrip("-"))
    if after.startswith("=>") or (after.startswith(":") and not after.startswith("::") and before in ("{", ",")):
        frame.pending = frame.pending or names
        return []
    if frame.subscript and before == "[":
        if names:
            stack[-2].pending = True
        return []
    if frame.bracket == "(" and before == "(" and (frame.name in _READERS or names):
        # what is read under the name of a secret is one, whatever stands beside or behind the call
        frame.secret = frame.secret or names
        frame.first_named = names
        return []
    if names and (content.isupper() or not frame.is_hot):
        if after.startswith(","):
            frame.password_at = frame.argument + 1
        return []
    ranges = [span] if frame.is_hot else []
    opened = _OPEN_NAME.search(content, max(0, len(content) - 120))
    if opened and is_secret_name(opened[1]):
        frame.pending = True  # 'host=h password=' . 'x'
        frame.password_at = frame.argument + 1
    if frame.bracket == "(":
        filled = _FILLED_NAME.search(content) if "=" in content or ":" in content else None
        if (filled and is_secret_name(filled[1])) or ("://" in content and _has_filled_login(content)):
            frame.secret = True  # format!("postgres://{}:{}@{}", "u", "x", "h")
        if content[:8].lower().startswith(_DSN):
            frame.password_at = frame.argument + 2
    sign = content.rfind("@")
    if frame.opened is not None:
        if sign >= 0:
            ranges += [*frame.opened, (start, start + sign)]
            frame.opened = None
        else:
            frame.opened.append(span)
    scheme = content.rfind("://")
    if scheme >= 0 and sign < scheme and "/" not in content[scheme + 3 :]:
        colon = content.find(":", scheme + 3)
        frame.opened = [(start + colon + 1, end)] if colon >= 0 else []
    return ranges


def _has_filled_login(text: str) -> bool:
    """Whether something is put in before the @ of a ``scheme://{}:{}@host``."""
    for found in _BEFORE_AT.finditer(text):
        at = text.find("://", found.start(), found.end())
        if at >= 0 and _PLACEHOLDER.search(text, at, found.end()):
            return True
    return False


def _end(text: str, quote: int) -> int:
    """Where the literal that opens at ``quote`` closes: at its quote, or at the end of its line."""
    body = _BODIES[text[quote]].match(text, quote + 1)
    end = body.end() if body else quote + 1
    return end + 1 if text.startswith("\\", end) and not text.startswith("\n", end + 1) else end


def _is_apostrophe(text: str, at: int) -> bool:
    """Whether a quote is one of ``don't`` or of Rust's ``&'static``."""
    if text[at] != "'" or not text[at + 1 : at + 2].isalpha() or text[at + 2 : at + 3] == "'":
        return False
    previous = text[at - 1 : at]
    return previous.isalnum() or previous in ("&", "<") or text.startswith("static", at + 1)


def _last(text: str, end: int) -> str:
    at = end - 1
    while at >= 0 and text[at] in " \t\r":
        at -= 1
    return text[at] if at >= 0 else " "


def _first(text: str, start: int) -> str:
    at = start
    while at < len(text) and text[at] in " \t":
        at += 1
    return text[at] if at < len(text) else " "
