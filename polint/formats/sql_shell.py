"""SQL that a shell script gives to psql in a here-document or as an argument: ``psql … <<EOSQL``, ``psql … -c "…"``.

Only what is sure to reach the script's own server as it stands is read: psql at the start of a line,
without another host.  What the shell would fill in is a variable, and what it may skip is conditional.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from ..patterns import lazy
from ..source import Source
from ..tuples import NamedTuple
from .sql_read import Reader
from .sql_records import Records, SqlFile, Statement

_HERE = lazy(
    r"^(?=[^\n]*\n)(?P<command>[^#\n]*?)(?<!<)<<(?!<)(?P<dash>-?)\s*(?P<quote>['\"\\]?)(?P<tag>\w+)['\"]?(?P<rest>[^\n]*)\n", 8
)  # MULTILINE
_PSQL = lazy(r"(?:[A-Z_]+=\S*\s+)*(?:exec\s+)?(?:gosu\s+postgres\s+|su-exec\s+postgres\s+)?(?:[\w/]*/)?psql\s")
# another server, one transaction for all (which ALTER SYSTEM refuses), or SQL from somewhere else
_ELSEWHERE = lazy(r"\s(?:-h|--host|--single-transaction|-1|-f|--file)(?:[\s=]|$)|\s-h\S|://|\bhost=")
_GIVEN = lazy(r"\s(?:-[A-Za-z]*c|--command)(?:[\s=]|$)")
# an argument in one pair of quotes, of which the shell makes nothing else
_ARGUMENT = lazy(r"""\s(?:-[A-Za-z]*c|--command)(?:\s*|=)(?:"(?P<double>[^"\\`$]*)"|'(?P<single>[^']*)')(?=[\s;&|)]|$)""")
_OPENS = lazy(r"(?:if|for|while|until|case|select|function)\b|[\w-]+\s*\(\)")
_CLOSES = lazy(r"(?:fi|done|esac)\b|\}")
_LEAVES = lazy(r"(?:^|[;&|{]|\bthen|\bdo)\s*(?:exec\b|exit(?:\s+(?!0*[1-9])|\s*(?:[;&|}]|$)))")  # a failure stops the container


class _Piece(NamedTuple):
    """Where SQL stands in a script, and whether every start of the container reaches it.

    ``joined`` says psql sends several statements at once, as it does with one argument: they are one transaction.
    """

    start: int
    end: int
    conditional: bool
    joined: bool = False


def parse_shell(source: Source) -> SqlFile:
    """The settings, limits and roles of the script's SQL; the rest of what it says is left to SQL files."""
    out = Records()
    for piece in _pieces(source.text):
        found = Reader(source, piece.start, piece.end).file()
        if piece.conditional or piece.joined:

            def told(statement: Statement, piece: _Piece = piece) -> Statement:
                both = statement.conditional or piece.conditional, statement.in_transaction or piece.joined
                return statement._replace(conditional=both[0], in_transaction=both[1])

            found = found._replace(
                settings=tuple(one._replace(statement=told(one.statement)) for one in found.settings),
                limits=tuple(one._replace(statement=told(one.statement)) for one in found.limits),
            )
        out.settings += found.settings
        out.limits += found.limits
        out.roles += found.roles
    return out.file(source)


def _pieces(text: str) -> Iterator[_Piece]:
    """The here-documents and arguments that psql reads, in order."""
    at, level, left = 0, 0, False
    while found := _HERE.search(text, at):
        level, left = yield from _shell(text, at, found.start(), level, left)
        close, after = _close(text, found.end(), found["tag"], tabs=bool(found["dash"]))
        if close < 0:
            return
        command = _whole(text, found.start("command"), found.end("command")) + found["rest"]
        # the shell would make other SQL of these
        made = not found["quote"] and any(text.find(sign, found.end(), close) >= 0 for sign in ("`", "$(", "\\$"))
        if _PSQL.match(command) and not _ELSEWHERE.search(command) and not _GIVEN.search(command) and not made:
            indented = found["command"][:1] in (" ", "\t")
            yield _Piece(found.end(), close, level > 0 or left or (indented and "\\\n" not in command))
        else:
            level, left = yield from _shell(text, found.start("command"), found.end("command"), level, left)
        at = after
    yield from _shell(text, at, len(text), level, left)


def _whole(text: str, start: int, end: int) -> str:
    """A command with the lines before it that end in a backslash, without leading blanks."""
    while start > 1 and text.endswith("\\\n", 0, start):
        start = text.rfind("\n", 0, start - 1) + 1
    return text[start:end].lstrip(" \t")


def _close(text: str, at: int, tag: str, *, tabs: bool) -> tuple[int, int]:
    """Where the line that ends a here-document begins, and where the next line does; (-1, -1) without one."""
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].rstrip("\r")
        if (line.lstrip("\t") if tabs else line) == tag:
            return at, end + 1
        at = end + 1
    return -1, -1


def _shell(text: str, at: int, end: int, level: int, left: bool) -> Generator[_Piece, None, tuple[int, bool]]:
    """psql's arguments in a part of a script; returns how many blocks are open behind it, and whether it may have left the script."""
    for raw in text[at:end].split("\n"):
        start, at = at, at + len(raw) + 1
        line = raw.strip()
        if line.startswith("#"):
            continue
        if "psql" in line and _PSQL.match(line) and not _ELSEWHERE.search(line):
            for found in _ARGUMENT.finditer(raw):
                first, last = found.span(found.lastgroup or 0)
                several = ";" in raw[first:last].rstrip().rstrip(";")
                yield _Piece(start + first, start + last, level > 0 or left or raw[0] in " \t", several)
        if _LEAVES.search(line):
            left = True
        if _OPENS.match(line):
            level += 1
        elif _CLOSES.match(line):
            level = max(0, level - 1)
            continue
        if line.endswith((" fi", ";fi", " done", " esac")) or (line.endswith("}") and "{" in line and _OPENS.match(line)):
            level = max(0, level - 1)
    return level, left


def is_in_single_quotes(text: str, at: int) -> bool:
    """Whether the SQL at ``at`` is an argument in single quotes, over as many lines as it may have."""
    return any(found.lastgroup == "single" and found.start("single") <= at <= found.end("single") for found in _ARGUMENT.finditer(text))


def argument_around(text: str, at: int) -> tuple[str, int, int] | None:
    """psql's argument with the SQL at ``at``: the option for another one like it, and where its text begins and ends."""
    line = text.rfind("\n", 0, at) + 1
    newline = text.find("\n", at)
    for found in _ARGUMENT.finditer(text, line, newline if newline >= 0 else len(text)):
        start, end = found.span(found.lastgroup or 0)
        if start <= at < end:
            return "--command=" if "--command=" in found[0] else "--command " if "--command" in found[0] else "-c ", start, end
    return None
