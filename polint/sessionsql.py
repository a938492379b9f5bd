"""What an SQL text leaves behind in its session, as seen by whoever gets the connection next.

Only what its statements say outright (PostgreSQL manual: SET, LISTEN, PREPARE, CREATE TABLE, advisory locks); bodies in
dollar quotes, strings and comments are left alone.  Names are compared as the server does, in any case.
"""

from __future__ import annotations

import re

from . import catalogue
from .patterns import lazy
from .tuples import NamedTuple

_LONGEST = 20_000  # characters; longer texts are no queries
_TOKEN = lazy(
    r"--[^\n]*|/\*|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$|(?P<end>;)|(?P<word>[A-Za-z_][\w.]*)|[(),]|::|[^\s]"
)
_SET_CONFIG = lazy(r"\s*\(\s*'([\w.]+)'\s*,[^;]{0,300}?,\s*(?:false|'f(?:alse)?'|'off')\s*\)", re.IGNORECASE)
_LOCKS = ("PG_ADVISORY_LOCK", "PG_ADVISORY_LOCK_SHARED", "PG_TRY_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK_SHARED")
_SPELT = {"TIME": "timezone", "NAMES": "client_encoding", "SCHEMA": "search_path", "ROLE": "role", "AUTHORIZATION": "session_authorization"}
_PASSING = ("LOCAL", "TRANSACTION", "CONSTRAINTS", "@")
NEEDLES = ("listen", "advisory_lock", "temp", "set", "prepare")
"""A text without any of these, in lower case, leaves nothing behind."""


class Trace(NamedTuple):
    """One thing that stays with the session.

    ``feature`` is ``listen``, ``lock``, ``table``, ``set`` or ``prepare``; ``name`` the channel, function, table, setting
    or statement; ``start`` and ``end`` are where the text says so.
    """

    feature: str
    name: str
    start: int
    end: int


class _Word(NamedTuple):
    text: str
    start: int
    end: int


def traces(text: str) -> list[Trace]:
    """What the statements of ``text`` leave behind, in order."""
    low = text[:_LONGEST].lower()
    if len(text) > _LONGEST or not any(needle in low for needle in NEEDLES):
        return []
    found: list[Trace] = []
    for statement in _statements(text):
        trace = _trace(text, statement, low)
        if trace is None or (trace.feature == "set" and any(end in low for end in (f"reset {trace.name}", "reset all", "discard all"))):
            continue
        found.append(trace)
    return found


def _statements(text: str) -> list[list[_Word]]:
    """The words of each statement, names in double quotes among them."""
    statements: list[list[_Word]] = [[]]
    at = 0
    while (found := _TOKEN.search(text, at)) is not None:
        at = found.end()
        piece = found[0]
        if piece == "/*":
            at = text.find("*/", at) + 2
            if at < 2:
                break
        elif found["tag"] is not None and piece[0] == "$":
            at = text.find(piece, at) + len(piece)
            if at < len(piece):
                break
        elif found["end"]:
            statements.append([])
        elif piece[0] not in "-'" or len(piece) == 1:
            statements[-1].append(_Word(piece, found.start(), at))
    return statements


def _trace(text: str, words: list[_Word], low: str) -> Trace | None:
    if not words:
        return None
    upper = [word.text.upper() for word in words[:6]] + [""] * 6
    first = words[0]
    if upper[0] == "LISTEN" and len(words) > 1:
        return Trace("listen", words[1].text, first.start, words[1].end)
    if upper[0] == "PREPARE" and len(words) > 2 and upper[1] != "TRANSACTION":
        return Trace("prepare", words[1].text, first.start, words[1].end)
    if upper[0] == "SET":
        return _set(words, upper)
    if upper[0] == "CREATE":
        return _table(words, upper)
    for number, word in enumerate(words):
        name = word.text.upper().rpartition(".")[2]
        if number and words[number - 1].text.upper() == "FUNCTION":
            continue
        if name in _LOCKS and number + 1 < len(words) and words[number + 1].text == "(" and "pg_advisory_unlock" not in low:
            return Trace("lock", name.lower(), word.start, word.end)
        if name == "SET_CONFIG" and (given := _SET_CONFIG.match(text, word.end)) is not None and _is_setting(given[1]):
            return Trace("set", given[1].lower(), word.start, given.end())
    return None


def _set(words: list[_Word], upper: list[str]) -> Trace | None:
    at = 2 if upper[1] == "SESSION" else 1
    if len(words) <= at or upper[at] in _PASSING:
        return None
    name = _SPELT.get(upper[at], words[at].text.strip('"').lower())
    if upper[at] == "TIME" and upper[at + 1] != "ZONE":
        return None
    if upper[at] == "CHARACTERISTICS":
        name = "default_transaction_isolation"
    elif name != _SPELT.get(upper[at]) and (not _is_setting(name) or upper[at + 1] not in ("TO", "=")):
        return None
    last = words[at + (upper[at] == "TIME")]
    return Trace("set", name, words[0].start, last.end)


def _is_setting(name: str) -> bool:
    """Whether PostgreSQL takes the name: one of its own, or one with a prefix."""
    return "." in name or catalogue.judge_name(name, None) is None


def _table(words: list[_Word], upper: list[str]) -> Trace | None:
    at = 2 if upper[1] in ("GLOBAL", "LOCAL") else 1
    if upper[at] not in ("TEMP", "TEMPORARY") or upper[at + 1] != "TABLE":
        return None
    rest = [word.text.upper() for word in words]
    if any(rest[number : number + 3] == ["ON", "COMMIT", "DROP"] for number in range(at, len(rest))):
        return None
    named = at + 2 + (3 if rest[at + 2 : at + 5] == ["IF", "NOT", "EXISTS"] else 0)
    if len(words) <= named:
        return None
    return Trace("table", words[named].text, words[0].start, words[named].end)
