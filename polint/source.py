"""Text and places in it: the lowest layer, on which every span of polint rests.

Offsets are counted in characters of the decoded text, never in bytes; lines and
columns appear only when a place is shown and are then 1-based.
"""

from __future__ import annotations

from bisect import bisect_right

from .tuples import NamedTuple

_BOM = b"\xef\xbb\xbf"


class Source:
    """One file as it was read.

    ``path`` is relative to the project root and uses ``/``.  ``text`` is the
    decoded content without a byte-order mark; undecodable bytes survive as
    surrogates, so ``encode(text)`` gives back every byte.  Line ends are kept.
    """

    __slots__ = ("_bytes_at", "_starts", "bom", "path", "text")

    def __init__(self, path: str, text: str, *, bom: bool = False) -> None:
        self.path = path
        self.text = text
        self.bom = bom
        self._starts: list[int] | None = None
        self._bytes_at: list[int] | None = None

    @classmethod
    def from_bytes(cls, path: str, data: bytes) -> Source:
        """Decode ``data`` as UTF-8, losing nothing."""
        bom = data.startswith(_BOM)
        return cls(path, data[3 if bom else 0 :].decode("utf-8", "surrogateescape"), bom=bom)

    def encode(self, text: str | None = None) -> bytes:
        """The bytes of ``text`` (default: this file's own) as this file writes them."""
        body = (self.text if text is None else text).encode("utf-8", "surrogateescape")
        return _BOM + body if self.bom else body

    @property
    def starts(self) -> list[int]:
        """Offset of the first character of every line."""
        if self._starts is None:
            starts, at = [0], self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._starts = starts
        return self._starts

    def place(self, offset: int) -> tuple[int, int]:
        """1-based (line, column) of a character offset."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Text of the 1-based line ``number``, without its line end."""
        start = self.starts[number - 1]
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def char(self, byte: int) -> int:
        """Character offset of a byte offset into the UTF-8 text (parsers that count bytes need it)."""
        if self.text.isascii():
            return byte
        if self._bytes_at is None:
            total, table = 0, [0]
            for character in self.text:
                code = ord(character)
                escaped = 0xDC80 <= code <= 0xDCFF
                total += 1 if code < 0x80 or escaped else 2 if code < 0x800 else 3 if code < 0x10000 else 4
                table.append(total)
            self._bytes_at = table
        return bisect_right(self._bytes_at, byte) - 1

    def span(self, start: int, end: int) -> Span:
        """The range from character ``start`` to ``end`` (exclusive)."""
        return Span(self, start, end)

    def __repr__(self) -> str:
        return f"Source({self.path!r})"


class Span(NamedTuple):
    """A range of one source: character offsets, end exclusive."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        """What is written there."""
        return self.source.text[self.start : self.end]

    @property
    def path(self) -> str:
        """Path of the source, relative to the root."""
        return self.source.path

    @property
    def place(self) -> tuple[int, int]:
        """1-based (line, column) of the start."""
        return self.source.place(self.start)

    def __str__(self) -> str:
        line, column = self.place
        return f"{self.path}:{line}:{column}"

    def __repr__(self) -> str:
        return f"<{self} {self.text[:40]!r}>"
