"""Reading a log of any size: how often each known error text stands in it, when first and last, and with which names.

A log is read in blocks whose size bounds the memory.  Only the places where a known text begins are looked at, and whole
lines only where a text is first or last seen, so that a log in which every line matches costs little more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from .errortexts import CLOSING, MARKS, MOST_BEHIND, POOLER, PREVIOUS, TEXTS, Text
from .patterns import lazy
from .tuples import NamedTuple

_BLOCK = 1 << 20
_KEPT = 4096  # bytes of a line longer than a block that are looked at again with the next one
_CONTEXT = 8192  # bytes before a line in which its time may stand
_LINE = 16384  # bytes of a line that are looked at for its time
_MOST_NAMES = 1000  # different names that are counted for a text
_CONTINUES = 48  # columns before libpq's second line, such as the name of a container
_MANY = 1024  # matches in a block
_TRIED = 16  # of the first and of the last of them are looked at
_NEWLINE = b"\n"

_TIME = lazy(
    rb"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d(?!\d)| [A-Z]{3,4}\b(?! [a-z]))?"
    rb"|\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: UTC)?"
    rb"|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?: [+-]\d{4})?"
    rb"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d"
)
_LEVELS = lazy(rb" (?:LOG|INFO|WARN|FAIL|DEBUG|ERROR|TRACE)$")
_HEAD = 160  # columns in which a line's own time begins
_STAMP = lazy(rb'"(?:@?timestamp|time|ts|datetime|date|asctime)": ?"')


class NotText(Exception):
    """The log is not something that can be read as text; ``str()`` says what it is, and what makes it text."""


class Seen(NamedTuple):
    """One text with the lines that it was counted in, and the most frequent of the names in them."""

    text: Text
    lines: int
    names: tuple[tuple[str, int], ...]


class Group(NamedTuple):
    """What a log holds of one cause; ``first`` and ``last`` are times as the log writes them, "" where it writes none."""

    cause: str
    lines: int
    first: str
    last: str
    seen: tuple[Seen, ...]


class _Searcher(Protocol):
    def find_matches_as_indexes(self, haystack: memoryview, /) -> list[tuple[int, int, int]]: ...


_Key = tuple[int, ...]
_Check = Callable[[bytearray, int, int, int], int]


class _Place(NamedTuple):
    """A line: how many bytes of the log come before its block, where it begins to match, and its time as far as that is known."""

    at: int
    time: str


class Reading:
    """A log as it is read; ``groups`` can be asked at any time."""

    def __init__(self) -> None:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind

        self.size = 0
        self._needles: list[bytes] = [*MARKS]
        texts: dict[bytes, list[int]] = {}
        for number, text in enumerate(TEXTS):
            for needle in text.needles:
                texts.setdefault(needle, []).append(number + len(MARKS))
        self._needles += texts
        self._search: _Searcher = BytesAhoCorasick(self._needles, matchkind=MatchKind.LeftmostLongest)
        self._names: dict[int, dict[bytes, int]] = {}
        patterns = [re.compile(text.after) if text.after else None for text in TEXTS]
        self._plain: list[int] = []  # by needle: its text where nothing but the needle decides, else -1
        self._checks: list[_Check] = []
        for number, needle in enumerate(self._needles):
            candidates = texts.get(needle, [number])
            only = TEXTS[candidates[0] - len(MARKS)] if needle in texts else None
            if only is None or (len(candidates) == 1 and not only.before and not only.after):
                self._plain.append(candidates[0])
                self._checks.append(_never)
            else:
                self._plain.append(-1)
                self._checks.append(self._check(candidates, patterns))
        self._special = frozenset(
            number
            for number, needle in enumerate(self._needles)
            if self._plain[number] < len(MARKS) or TEXTS[self._plain[number] - len(MARKS)].rank < 2
        )
        self._follows = frozenset(number + len(MARKS) for number, text in enumerate(TEXTS) if text.follows)
        self._counts: dict[_Key, int] = {}
        self._first: dict[_Key, _Place] = {}
        self._last: dict[_Key, _Place] = {}
        self._above = ""  # the last time in the blocks before
        self._open: set[int] = set()  # what the last line of the block before holds
        self._open_at = _Place(0, "")  # where it began

    def read(self, readinto: Callable[[memoryview], int | None]) -> None:
        """Read to the end, by what fills a buffer with as much as is there; raises NotText and OSError.

        Where it is interrupted, ``groups`` tell of what came before.
        """
        buffer = bytearray(_BLOCK)
        view = memoryview(buffer)
        filled = 0
        is_inside = False  # the block begins inside a line
        try:
            while True:
                count = readinto(view[filled:]) or 0
                if not self.size:
                    _refuse(bytes(view[:count]))
                end = filled + count
                self.size += count
                cut = end if not count else buffer.rfind(_NEWLINE, filled, end) + 1
                if count and not cut:
                    filled = end
                    if end < _BLOCK:
                        continue
                    cut = end - _KEPT
                self._scan(buffer, view, cut, end, is_inside, not count or buffer[cut - 1] == 10)
                if not count:
                    return
                is_inside = buffer[cut - 1] != 10
                buffer[: end - cut] = buffer[cut:end]
                filled = end - cut
        finally:
            self._close_open()

    def _close_open(self) -> None:
        """Count the line that might have gone on."""
        if self._open:
            keys = [tuple(sorted(self._open)) if len(self._open) > 1 else min(self._open)]
            self._open = set()
            self._count(bytearray(), keys, [-1], 0)

    def _scan(self, buffer: bytearray, view: memoryview, cut: int, end: int, is_inside: bool, is_whole: bool) -> None:
        """Count what begins before ``cut``; ``is_whole`` says that a line ends there."""
        matches = self._search.find_matches_as_indexes(view[: cut if is_whole else end])
        if len(matches) > _MANY and is_whole and not is_inside and self._scan_plain(buffer, matches, end):
            self._above = _last_time(buffer, cut) or self._above
            return
        find = buffer.find
        plain, checks, follows = self._plain, self._checks, self._follows
        keys: list[_Key | int] = []  # what each line holds: one text mostly
        begins: list[int] = []  # and where
        found = -1  # the first text of the line
        more: set[int] = set()  # all of them, where there are several
        begun = at = 0
        is_new = not is_inside
        if self._open:  # the line, or what is said of it, goes on
            found, begun = min(self._open), -1
            more = self._open if len(self._open) > 1 else set()
            self._open = set()
        for number, start, stop in matches:
            if start >= cut:
                break
            text = plain[number]
            if text < 0:
                text = checks[number](buffer, start, stop, end)
                if find(_NEWLINE, at, start) >= 0:
                    is_new = True
                at = stop
                if text < 0:
                    continue
                newline = -1
            else:
                newline = find(_NEWLINE, at, start)
                at = stop
            if newline >= 0 or is_new:
                is_new = False
                if found >= 0:
                    if (
                        text in follows
                        and (newline >= 0 or begun < 0)
                        and start - newline < _CONTINUES
                        and find(_NEWLINE, newline + 1, start) < 0
                    ):
                        more |= {found, text}
                        continue
                    if more:
                        keys.append(tuple(sorted(more)))
                        more = set()
                    else:
                        keys.append(found)
                    begins.append(begun)
                found = text
                begun = start
            elif found < 0:
                found, begun = text, start
            elif text != found:
                more.add(found)
                more.add(text)
        if found >= 0:
            if (begun < 0 and not is_inside) or find(_NEWLINE, at, cut - 1 if is_whole else cut) >= 0:
                keys.append(tuple(sorted(more)) if more else found)
                begins.append(begun)
            else:
                self._open = more or {found}
        self._count(buffer, keys, begins, end)
        if self._open:
            self._open_at = self._place(buffer, begun, end)
        self._above = _last_time(buffer, cut) or self._above

    def _scan_plain(self, buffer: bytearray, matches: list[tuple[int, int, int]], end: int) -> bool:
        """As ``_scan``, of many matches whose needles alone decide, each the only one of its line; whether they are such."""
        numbers = [match[0] for match in matches]
        if not self._special.isdisjoint(numbers):
            return False
        tried = [*pairwise(matches[:_TRIED]), *pairwise(matches[-_TRIED:])]
        if any(buffer.find(_NEWLINE, one[2], other[1]) < 0 for one, other in tried):
            return False
        self._close_open()
        self._count(buffer, [self._plain[number] for number in numbers], [match[1] for match in matches], end)
        return True

    def _count(self, buffer: bytearray, keys: Sequence[_Key | int], begins: Sequence[int], end: int) -> None:
        """Add the lines of a block, and where each kind is first and last."""
        for key, count in Counter(keys).items():
            texts = key if isinstance(key, tuple) else (key,)
            self._counts[texts] = self._counts.get(texts, 0) + count
            if texts not in self._first:
                self._first[texts] = self._place(buffer, begins[keys.index(key)], end)
            self._last[texts] = self._place(buffer, begins[len(keys) - 1 - keys[::-1].index(key)], end)

    def _place(self, buffer: bytearray, begun: int, end: int) -> _Place:
        """Where the line is that matches at ``begun``; -1 is the last one of the block before."""
        return self._open_at if begun < 0 else _Place(self.size - end + begun, _time(buffer, begun, end) or self._above)

    def _check(self, candidates: list[int], patterns: list[re.Pattern[bytes] | None]) -> _Check:
        """What tells which of the texts with one needle stands there: its number, or -1."""
        tests = [(number, TEXTS[number - len(MARKS)].before, patterns[number - len(MARKS)]) for number in candidates]
        named = {number: self._names.setdefault(number, {}) for number in candidates if TEXTS[number - len(MARKS)].names}
        harmless = {number: unless for number in candidates if (unless := TEXTS[number - len(MARKS)].unless) is not None}

        def check(buffer: bytearray, start: int, stop: int, end: int) -> int:
            for number, before, pattern in tests:
                if before and not buffer[max(0, start - 16) : start].endswith(before):
                    continue
                if pattern is not None:
                    match = pattern.match(buffer, stop, min(end, stop + MOST_BEHIND))
                    if match is None or (number in harmless and harmless[number](bytes(match[1]))):
                        continue
                    names = named.get(number)
                    if names is not None:
                        name = bytes(match[1])
                        if name in names or len(names) < _MOST_NAMES:
                            names[name] = names.get(name, 0) + 1
                return number
            return -1

        return check

    @property
    def groups(self) -> list[Group]:
        """What was found, by cause, the most frequent first."""
        closing, pooler, previous = map(MARKS.index, (CLOSING, POOLER, PREVIOUS))
        plain: dict[int, int] = {}
        echoes: dict[int, dict[int, int]] = {closing: {}, pooler: {}, previous: {}}
        times: dict[str, list[tuple[_Place, _Place]]] = {}
        for key, count in self._counts.items():
            marks = [number for number in key if number < len(MARKS)]
            texts = [number - len(MARKS) for number in key if number >= len(MARKS)]
            if not texts:
                continue
            winner = max(texts, key=lambda number: (TEXTS[number].rank, -number))
            counts = echoes[marks[-1]] if marks else plain
            counts[winner] = counts.get(winner, 0) + count
            if key in self._first:
                times.setdefault(TEXTS[winner].cause, []).append((self._first[key], self._last[key]))
        by_cause: dict[str, list[Seen]] = {}
        for number in sorted({*plain, *echoes[closing], *echoes[pooler], *echoes[previous]}):
            # PgBouncer tells of one client twice, and of its server as well; an exception is repeated as another's cause
            repeated = echoes[pooler].get(number, 0) or echoes[closing].get(number, 0)
            count = plain.get(number, 0) + repeated or echoes[previous].get(number, 0)
            names = sorted(self._names.get(number + len(MARKS), {}).items(), key=lambda item: (-item[1], item[0]))
            shown = tuple((name.decode("utf-8", "replace"), times) for name, times in names)
            by_cause.setdefault(TEXTS[number].cause, []).append(Seen(TEXTS[number], count, shown))
        groups = []
        for cause, seen in by_cause.items():
            first = min((first for first, _ in times.get(cause, ())), default=_Place(0, ""))
            last = max((last for _, last in times.get(cause, ())), default=_Place(0, ""))
            ordered = tuple(sorted(seen, key=lambda one: -one.lines))
            groups.append(Group(cause, sum(one.lines for one in seen), first.time, last.time, ordered))
        return sorted(groups, key=lambda group: (-group.lines, group.cause))


def _never(buffer: bytearray, start: int, stop: int, end: int) -> int:
    return -1


def _time(buffer: bytearray, place: int, end: int) -> str:
    """The time of the line at ``place``: its own, or that of the nearest line above that has one."""
    start = buffer.rfind(_NEWLINE, max(0, place - _LINE), place) + 1 or max(0, place - _LINE)
    stop = buffer.find(_NEWLINE, place, min(end, place + _LINE))
    line = bytes(buffer[start : stop if stop >= 0 else min(end, place + _LINE)])
    found = _TIME.search(line, 0, _HEAD)
    if found is None:
        stamps = (_TIME.match(line, stamp.end()) for stamp in _STAMP.finditer(line))
        found = next((stamp for stamp in stamps if stamp is not None), None)
    return _stated(found) if found is not None else _last_time(buffer, start)


def _last_time(buffer: bytearray, end: int) -> str:
    """The time of the last line before ``end`` that begins with one."""
    for line in reversed(bytes(buffer[max(0, end - _CONTEXT) : end]).split(_NEWLINE)):
        found = _TIME.search(line, 0, _HEAD)
        if found is not None:
            return _stated(found)
    return ""


def _stated(found: re.Match[bytes]) -> str:
    return _LEVELS.sub(b"", found[0]).decode("ascii")


_COMPRESSED = (
    (b"\x1f\x8b", "gzip", "zcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
    (b"\xfd7zXZ", "xz", "xzcat"),
    (b"BZh", "bzip2", "bzcat"),
)


def _refuse(head: bytes) -> None:
    """Raise NotText for what certainly is none."""
    for magic, name, program in _COMPRESSED:
        if head.startswith(magic):
            raise NotText(f"not text but compressed by {name}: {program} LOG | polint diagnose -")
    sample = head[:2048]
    zeros = max(sample[0::2].count(0), sample[1::2].count(0))
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(sample) >= 32 and zeros * 5 > len(sample) * 2):
        raise NotText("not UTF-8 text but UTF-16: iconv -f UTF-16 -t UTF-8 LOG | polint diagnose -")
