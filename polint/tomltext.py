"""Where the keys and values of a TOML text stand.

``tomllib`` says what a text means but not where; this scanner says where and
nothing else.  It is only asked about texts that ``tomllib`` accepts, so it
does not check them; on a text that is not TOML the places are meaningless.
"""

from __future__ import annotations

from .source import Source, Span
from .tuples import NamedTuple

Key = str | int
Path = tuple[Key, ...]


class Place(NamedTuple):
    """Where one key and its value are written (an array item has its value's place twice)."""

    key: Span
    value: Span


def places(source: Source) -> dict[Path, Place]:
    """The place of every key path: tables by their header, array items by number."""
    return _Scanner(source).scan()


_SPACE = " \t"
_BARE_END = frozenset(" \t\r\n=.]#,}\"'")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


class _Scanner:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.at = 0
        self.found: dict[Path, Place] = {}
        self.tables: dict[Path, int] = {}  # how many of each array of tables so far

    def scan(self) -> dict[Path, Place]:
        table: Path = ()
        text = self.text
        while True:
            self.blank()
            if self.at >= len(text):
                return self.found
            start = self.at
            if text[start] == "[":
                array = text.startswith("[[", start)
                self.at += 2 if array else 1
                keys, span = self.keys()
                table = self.header(keys, array)
                self.found.setdefault(table, Place(span, self.source.span(start, self.at + (2 if array else 1))))
                self.at = self.line_end()
            else:
                self.pair(table)

    def header(self, keys: list[str], array: bool) -> Path:
        path: Path = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            if array and number == len(keys) - 1:
                self.tables[path] = self.tables.get(path, -1) + 1
            if path in self.tables:
                path = (*path, self.tables[path])
        return path

    def pair(self, table: Path) -> None:
        before = self.at
        keys, key_span = self.keys()
        self.skip_to("=")
        value = self.value((*table, *keys))
        for depth in range(1, len(keys)):
            self.found.setdefault((*table, *keys[:depth]), Place(key_span, value))
        self.found[(*table, *keys)] = Place(key_span, value)
        if self.at == before:  # not TOML after all
            self.at += 1

    def value(self, path: Path) -> Span:
        self.spaces()
        text, start = self.text, self.at
        char = text[start : start + 1]
        if char == "[":
            self.at += 1
            number = 0
            while True:
                self.blank(",")
                if self.at >= len(text):
                    break
                if text[self.at] == "]":
                    self.at += 1
                    break
                item = self.value((*path, number))
                self.found[(*path, number)] = Place(item, item)
                number += 1
        elif char == "{":
            self.at += 1
            while True:
                self.blank(",")
                if self.at >= len(text):
                    break
                if text[self.at] == "}":
                    self.at += 1
                    break
                self.pair(path)
        elif char and char in "\"'":
            self.string()
        else:
            while self.at < len(text) and text[self.at] not in ",]}#\r\n":
                self.at += 1
            end = self.trimmed(start, self.at)
            if self.at == start:
                self.at += 1  # not TOML after all
            return self.source.span(start, end)
        return self.source.span(start, self.at)

    def keys(self) -> tuple[list[str], Span]:
        self.spaces()
        start = end = self.at
        keys: list[str] = []
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char in "\"'":
                keys.append(self.string())
            else:
                begin = self.at
                while self.at < len(text) and text[self.at] not in _BARE_END:
                    self.at += 1
                keys.append(text[begin : self.at])
            end = self.at
            self.spaces()
            if text[self.at : self.at + 1] != ".":
                break
            self.at += 1
            self.spaces()
        return keys, self.source.span(start, end)

    def string(self) -> str:
        """Pass a string of any of the four kinds; what it says, with simple escapes resolved."""
        text = self.text
        quote = text[self.at]
        delimiter = quote * 3 if text.startswith(quote * 3, self.at) else quote
        start = at = self.at + len(delimiter)
        while True:
            end = text.find(delimiter, at)
            if end < 0:
                self.at = len(text)
                return text[start:]
            if quote == '"':
                escape = text.find("\\", at, end)
                if escape >= 0:
                    at = escape + 2
                    continue
            break
        if len(delimiter) == 3:  # up to two quotes may stand before the closing three
            while text.startswith(quote, end + 3):
                end += 1
        self.at = end + len(delimiter)
        body = text[start:end]
        return _unescaped(body) if quote == '"' and "\\" in body else body

    def spaces(self) -> None:
        text = self.text
        while self.at < len(text) and text[self.at] in _SPACE:
            self.at += 1

    def blank(self, also: str = "") -> None:
        """Pass white space, line ends, comments and the characters of ``also``."""
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char == "#":
                self.at = self.line_end()
            elif char in " \t\r\n" or char in also:
                self.at += 1
            else:
                return

    def skip_to(self, char: str) -> None:
        self.spaces()
        if self.text.startswith(char, self.at):
            self.at += 1

    def line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def trimmed(self, start: int, end: int) -> int:
        while end > start and self.text[end - 1] in " \t\r\n":
            end -= 1
        return end


def _unescaped(body: str) -> str:
    out: list[str] = []
    at = 0
    while True:
        escape = body.find("\\", at)
        if escape < 0 or escape + 1 >= len(body):
            out.append(body[at:])
            return "".join(out)
        out.append(body[at:escape])
        char = body[escape + 1]
        digits = {"u": 4, "U": 8, "x": 2}.get(char, 0)
        if digits:
            try:
                out.append(chr(int(body[escape + 2 : escape + 2 + digits], 16)))
            except (ValueError, OverflowError):
                out.append(body[escape : escape + 2 + digits])
        else:
            out.append(_ESCAPES.get(char, char))
        at = escape + 2 + digits
