"""A file's change as a unified diff, as ``git apply`` takes it: bytes, whatever the terminal's encoding."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .mask import mask
from .tuples import NamedTuple

_CONTEXT = 3  # lines around a change
_ABOVE, _ABOVE_BYTES = 30, 3000  # above a line, that are looked at for whose value it is


class Patch(NamedTuple):
    """The diff of one file; one that ``hides`` a secret cannot be applied."""

    data: bytes
    hides: bool


def of(path: str, before: bytes | None, after: bytes | None, *, known: bytes = b"") -> Patch:
    """The change of one file, None where there is none, and whether it hides a secret that stands too near to be left out.

    Lines around a change that hold a secret are not shown: the context ends before them.  Lines of ``known`` hold none,
    whatever they look like.
    """
    from difflib import SequenceMatcher

    name = path.encode("utf-8", "surrogateescape")
    out = [b"--- a/" + name + b"\n" if before is not None else b"--- /dev/null\n"]
    out.append(b"+++ b/" + name + b"\n" if after is not None else b"+++ /dev/null\n")
    old, new = _lines(before or b""), _lines(after or b"")
    harmless = frozenset(_lines(known))
    olds, news = _Lines(old, harmless), _Lines(new, harmless)
    regions = [region[1:] for region in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if region[0] != "equal"]
    hides = False
    at = 0
    while at < len(regions):
        last = at
        while last + 1 < len(regions) and not _apart(olds, regions[last][1], regions[last + 1][0]):
            last += 1
        body, hidden = _hunk(olds, news, regions[at : last + 1])
        out += body
        hides = hides or hidden
        at = last + 1
    return Patch(b"".join(out), hides)


Region = tuple[int, int, int, int]  # lines of the old file from, to; of the new one from, to


class _Lines:
    """The lines of one file, and what of them may be shown."""

    def __init__(self, lines: Sequence[bytes], harmless: Collection[bytes]) -> None:
        self.lines = lines
        self._harmless = harmless
        self._masked: dict[int, bytes] = {}

    def masked(self, at: int) -> bytes:
        """The line without secrets: what stands above it may say that it holds one."""
        if at not in self._masked:
            line = self.lines[at]
            if line not in self._harmless:
                above = b"".join(self.lines[max(0, at - _ABOVE) : at])[-_ABOVE_BYTES:].decode("utf-8", "surrogateescape")
                line = mask(line.decode("utf-8", "surrogateescape"), above).encode("utf-8", "surrogateescape")
            self._masked[at] = line
        return self._masked[at]

    def is_secret(self, at: int) -> bool:
        return self.masked(at) != self.lines[at]


def _apart(before: _Lines, end: int, begin: int) -> bool:
    """Whether two changes are too far from each other for one hunk, or have a secret between them."""
    return begin - end > 2 * _CONTEXT or any(map(before.is_secret, range(end, begin)))


def _hunk(before: _Lines, after: _Lines, regions: Sequence[Region]) -> tuple[list[bytes], bool]:
    first, last = regions[0][0], regions[-1][1]
    above = first
    while above > max(0, first - _CONTEXT) and not before.is_secret(above - 1):
        above -= 1
    below = last
    while below < min(len(before.lines), last + _CONTEXT) and not before.is_secret(below):
        below += 1
    if below == last < len(before.lines):  # without a line below it, a hunk would only fit at the end of the file
        below += 1
    rows = [(b" ", before, at) for at in range(above, first)]
    old = first
    for begin, end, new, new_end in regions:
        rows += [(b" ", before, at) for at in range(old, begin)]
        rows += [(b"-", before, at) for at in range(begin, end)] + [(b"+", after, at) for at in range(new, new_end)]
        old = end
    rows += [(b" ", before, at) for at in range(old, below)]
    offset = regions[0][2] - first
    removed, added = (sum(sign != other for sign, _, _ in rows) for other in (b"+", b"-"))
    head = f"@@ -{_range(above, removed)} +{_range(above + offset, added)} @@\n".encode()
    hides = any(of.is_secret(at) for _, of, at in rows)
    lines = [sign + of.masked(at) for sign, of, at in rows]
    return [head, *(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)], hides


def _range(begin: int, count: int) -> str:
    first = begin + 1 if count else begin
    return f"{first}" if count == 1 else f"{first},{count}"


def _lines(data: bytes) -> list[bytes]:
    """Lines as patches count them: a carriage return alone ends none."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
