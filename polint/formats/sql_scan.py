"""Where the statements of a SQL file stand, without parsing them: one bad statement then hides no other.

psql's own rules (quotes, dollar quotes, nested comments, ``\\commands``, ``:variables``, COPY
data), read in one pass, and so much of PL/pgSQL that the SQL inside a body is found.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import templating
from ..patterns import lazy
from ..tuples import NamedTuple

_UNDECODED = lazy("[\udc80-\udcff]")
_MARK = lazy(r"""['"\\;$]|--|/\*|:(?=['"A-Za-z_])|\{[{%]""")
_COMMENT = lazy(r"/\*|\*/")
_DOLLAR = lazy(r"\$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$")
_ESCAPED = lazy(r"(?:[^'\\]++|\\.|'')*+'", 16)  # DOTALL
_NAME = lazy(r"\w+")
_SHELL = lazy(r"\$(?:\{[^{}\n]*\}|[A-Za-z_]\w*)")
_SENDS = frozenset(("g", "gx", "gexec", "gset", "gdesc", "crosstabview", "watch"))
_MISSES = 16  # searches to the end of the file that may fail before such a mark counts as plain text

STAND_IN = "\ue000"
"""The first character of every name and string put in place of a variable."""


class Hole(NamedTuple):
    """Text that is not SQL: a variable (``kind`` string, name or bare) or nothing at all (``blank``); ``reason`` why it is not known."""

    start: int
    end: int
    kind: str
    reason: str = "a variable of psql"


class Piece:
    """One statement as written, from its first to its last character, without the semicolon.

    ``prefix`` goes before it to make it a statement (``SELECT `` before an expression);
    ``bodies`` are the insides of dollar quotes; ``within`` is do or function for what stands in one;
    ``conditional`` says it runs only if something else holds.
    """

    __slots__ = ("bodies", "conditional", "end", "holes", "prefix", "start", "within")

    def __init__(self, start: int, end: int, within: str = "", conditional: bool = False, prefix: str = "") -> None:
        self.start = start
        self.end = end
        self.holes: list[Hole] = []
        self.bodies: list[tuple[int, int]] = []
        self.within = within
        self.conditional = conditional
        self.prefix = prefix

    def query(self, text: str, number: bool = False) -> str:
        """What to give to a parser: as long as the original (behind ``prefix``), variables replaced by something of their kind."""
        parts, at = [self.prefix], self.start
        for hole in self.holes:
            if hole.start < at or hole.end > self.end:
                continue
            width = hole.end - hole.start
            parts.append(text[at : hole.start])
            if hole.kind == "string":
                parts.append(f"'{STAND_IN:x<{width - 2}}'" if width > 2 else "''")
            elif hole.kind == "name":
                parts.append(f'"{STAND_IN:x<{width - 2}}"' if width > 2 else f"{STAND_IN}x")
            elif hole.kind == "blank":
                parts.append(" " * width)
            else:
                parts.append(f"{1:<{width}}" if number else f"{STAND_IN:x<{width}}")
            at = hole.end
        parts.append(text[at : self.end])
        query = "".join(parts)
        if not query.isascii():
            query = _UNDECODED.sub(STAND_IN, query)
        return query.replace("\0", " ")


def pieces(text: str, start: int, end: int, within: str = "") -> Iterator[Piece]:
    """The statements of ``text[start:end]`` in order; psql's and templates' own marks count only outside bodies."""
    psql = not within
    at, misses, switches = start, 0, 0
    piece: Piece | None = None
    comment = (-1, -1)  # the last run of comments: not part of a statement that ends with it

    def open_(offset: int) -> Piece:
        return piece or Piece(_skip(text, begin, offset), offset, within, switches > 0)

    begin = start
    while at < end:
        found = _MARK.search(text, at, end)
        if not found:
            break
        mark, here = found[0], found.start()
        at = found.end()
        if mark == "--":
            close = text.find("\n", at, end)
            at = end if close < 0 else close
        elif mark == "/*":
            close = _comment(text, at, end) if misses < _MISSES else -1
            if close < 0:
                misses += 4
                continue
            at = close
        if mark in ("--", "/*"):
            if piece is None and not text[begin:here].strip():
                begin = at
            else:
                piece = open_(here)
                comment = (comment[0] if comment[1] >= 0 and not text[comment[1] : here].strip() else here, at)
        elif mark == "'" or mark == '"':
            piece = open_(here)
            if mark == "'" and here > start and text[here - 1] in "eE" and not _is_word(text, here - 2, start):
                escaped = _ESCAPED.match(text, at, end) if misses < _MISSES else None
                close = escaped.end() - 1 if escaped else -1
            else:
                close = text.find(mark, at, end) if misses < _MISSES else -1
            if close < 0:
                misses += 1
            else:
                at = close + 1
        elif mark == "$":
            if _is_word(text, here - 1, start):
                continue
            tag = _DOLLAR.match(text, here, end)
            if tag:
                close = text.find(tag[0], tag.end(), end) if misses < _MISSES else -1
                if close < 0:
                    misses += 1
                    continue
                piece = open_(here)
                piece.bodies.append((tag.end(), close))
                at = close + len(tag[0])
            elif psql and (shell := _SHELL.match(text, here, end)):
                piece = open_(here)
                piece.holes.append(Hole(here, shell.end(), "bare", templating.REASON))
                at = shell.end()
        elif mark == ":":
            if psql and not (here > start and text[here - 1] == ":") and (close := _variable(text, at, end)) > 0:
                piece = open_(here)
                kind = {"'": "string", '"': "name"}.get(text[at], "bare")
                piece.holes.append(Hole(here, close, kind))
                at = close
        elif mark == "{{" or mark == "{%":
            close = text.find("}}" if mark == "{{" else "%}", at, min(end, at + 400)) if psql else -1
            if close < 0:
                continue
            if mark == "{%":
                word = _NAME.search(text, at, close)
                switches = max(0, switches + _switch(word[0] if word else ""))
                if piece is None and not text[begin:here].strip():
                    begin = close + 2
                else:
                    piece = open_(here)
                    piece.holes.append(Hole(here, close + 2, "blank"))
            else:
                piece = open_(here)
                piece.holes.append(Hole(here, close + 2, "bare", templating.REASON))
            at = close + 2
        elif mark == "\\":
            if not psql:
                continue
            close = text.find("\n", here, end)
            close = end if close < 0 else close
            word = _NAME.match(text, at, close)
            command = word[0] if word else ""
            switches = max(0, switches + _switch(command))
            sends = command in _SENDS
            at = close
            if command == "copy" and "from stdin" in text[here:close].lower():
                at = _data(text, close, end)
            if piece is None and not text[begin:here].strip():
                begin = at
            elif sends:
                yield _closed(text, open_(here), here, comment)
                piece, begin, comment = None, at, (-1, -1)
            else:
                piece = open_(here)
                piece.holes.append(Hole(here, close, "blank"))
        else:  # a semicolon
            done = _closed(text, open_(here), here, comment)
            if done.end > done.start:
                yield done
                if psql and text[done.start : done.start + 4].lower() == "copy" and "stdin" in text[done.start : done.end].lower():
                    at = _data(text, at, end)
            piece, begin, comment = None, at, (-1, -1)
    done = _closed(text, open_(end), end, comment)
    if done.end > done.start:
        yield done


def _switch(command: str) -> int:
    """psql's and Jinja's words that open (1) and close (-1) text which is not always read."""
    return 1 if command in ("if", "for") else -1 if command in ("endif", "endfor") else 0


def _skip(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _closed(text: str, piece: Piece, end: int, comment: tuple[int, int]) -> Piece:
    if comment[0] >= piece.start and not text[comment[1] : end].strip():
        end = comment[0]
    while end > piece.start and text[end - 1].isspace():
        end -= 1
    piece.end = end
    return piece


def _comment(text: str, at: int, end: int) -> int:
    """Where the comment that was opened before ``at`` is closed; PostgreSQL's comments nest."""
    level = 1
    for found in _COMMENT.finditer(text, at, end):
        level += 1 if found[0] == "/*" else -1
        if not level:
            return found.end()
    return -1


def _is_word(text: str, at: int, start: int) -> bool:
    return at >= start and (text[at].isalnum() or text[at] in "_$")


def _variable(text: str, at: int, end: int) -> int:
    """The end of psql's ``:name``, ``:'name'`` or ``:"name"``; -1 when it is none."""
    quote = text[at] if text[at] in "'\"" else ""
    name = _NAME.match(text, at + len(quote), end)
    if not name or not text.startswith(quote, name.end(), end):
        return -1
    return name.end() + len(quote)


def _data(text: str, at: int, end: int) -> int:
    """The end of the COPY data that starts on the line behind ``at``."""
    close = text.find("\n\\.", at, end)
    return close + 3 if close >= 0 else at


# PL/pgSQL

_WORD = lazy(r"'[^']*+'|--[^\n]*+|/\*.*?\*/|\(|\)|:=|<<\w+>>|[^\W\d][\w.$]*+", 16)  # DOTALL
_INTO = lazy(r"\binto\s+(?:strict\s+)?[\w.\"]++(?:\s*,\s*[\w.\"]++)*+", 2)  # IGNORECASE
_SQL = frozenset("select with insert update delete alter set reset create grant revoke truncate drop merge call".split())
_LONGEST = 20_000  # characters of one statement of a body that are looked at


def inner(text: str, piece: Piece) -> Iterator[Piece]:
    """The SQL in one statement of a PL/pgSQL body: the statement, its query, its expressions."""
    at, end = piece.start, min(piece.end, piece.start + _LONGEST)
    for _ in range(50):
        word = _WORD.match(text, at := _skip(text, at, end), end)
        if not word:
            return
        lower = word[0].lower()
        if lower in ("begin", "else", "loop", "exception", "declare", "perform", "return", "query", "then") or lower[:2] in (
            "<<",
            "--",
            "/*",
        ):
            at = word.end()
            if lower == "perform":
                yield _part(text, piece, at, end, "SELECT")
                return
            if lower == "return":
                after = _WORD.match(text, _skip(text, at, end), end)
                if not after or after[0].lower() not in ("query", "next"):
                    yield _part(text, piece, at, end, "SELECT")
                    return
        elif lower in ("if", "elsif", "elseif", "while", "when", "case"):
            close, behind = _until(text, word.end(), end, ("when",) if lower == "case" else ("then", "loop"))
            if close < 0:
                return
            if lower != "when":
                yield _part(text, piece, word.end(), close, "SELECT")
            at = behind
        elif lower in ("for", "foreach"):
            _, query = _until(text, word.end(), end, ("in",))
            close, behind = _until(text, query, end, ("loop",)) if query >= 0 else (-1, -1)
            if close < 0:
                return
            yield _part(text, piece, query, close, "")
            at = behind
        elif lower in _SQL or lower == "execute":
            part = _part(text, piece, at, end, "")
            if lower in ("select", "with") and (into := _INTO.search(text, at, end)):
                part.holes.append(Hole(into.start(), into.end(), "blank"))
            yield part
            return
        else:
            _, behind = _until(text, word.end(), end, (":=", "default"))
            if behind >= 0:
                yield _part(text, piece, behind, end, "SELECT")
            return


def _part(text: str, piece: Piece, start: int, end: int, prefix: str) -> Piece:
    start = _skip(text, start, end)
    while end > start and text[end - 1].isspace():
        end -= 1
    part = Piece(start, end, piece.within, True, prefix + " " if prefix else "")
    part.holes = [hole for hole in piece.holes if hole.start >= start]
    return part


def _until(text: str, at: int, end: int, words: tuple[str, ...]) -> tuple[int, int]:
    """Start and end of the first of ``words`` outside parentheses and CASE; (-1, -1) when there is none."""
    level = 0
    for found in _WORD.finditer(text, at, end):
        lower = found[0].lower()
        if not level and lower in words:
            return found.start(), found.end()
        if lower in ("(", "case"):
            level += 1
        elif lower in (")", "end"):
            level = max(0, level - 1)
    return -1, -1
