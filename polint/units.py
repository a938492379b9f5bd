"""Seconds and Bytes: how polint holds, compares and prints quantities with a unit.

"Off", "never" and "unlimited" become infinity at the border, so comparisons just work.
"""

from __future__ import annotations

import math

INFINITY = math.inf


class Seconds(float):
    """A duration; infinity where the program never times out."""

    __slots__ = ()

    def __str__(self) -> str:
        if math.isinf(self):
            return "never"
        if self and self < 1:
            return f"{self * 1000:g} ms"
        if self and self % 3600 == 0:
            return f"{self / 3600:g} h"
        if self and self % 60 == 0:
            return f"{self / 60:g} min"
        return f"{float(self):g} s"

    __repr__ = __str__
    __format__ = object.__format__


class Bytes(int):
    """An amount of memory."""

    __slots__ = ()

    def __str__(self) -> str:
        for unit, size in (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
            if self and int(self) % size == 0:
                return f"{int(self) // size} {unit}"
        for unit, size in (("GB", 1 << 30), ("MB", 1 << 20)):
            if self >= size:
                return f"{int(self) / size:.1f} {unit}"
        return f"{int(self)} B"

    __repr__ = __str__
    __format__ = object.__format__


_DURATIONS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


def _split(text: str) -> tuple[str, str]:
    body = text.strip()
    at = len(body)
    while at and not (body[at - 1].isdigit() or body[at - 1] == "."):
        at -= 1
    return body[:at].strip(), body[at:].strip()


def parse_seconds(text: str) -> Seconds:
    """``3s``, ``500 ms``, ``10min``, ``never``, as written in rule files and polint.toml; ValueError says what is wrong."""
    if text.strip() == "never":
        return Seconds(INFINITY)
    number, unit = _split(text)
    if unit not in _DURATIONS:
        raise ValueError(f"{text!r} needs a unit: {', '.join(_DURATIONS)}")
    return Seconds(round(float(number) * _DURATIONS[unit], 9))


def parse_bytes(text: str) -> Bytes:
    """``64MB``, ``8 kB``, as written in rule files and polint.toml; ValueError says what is wrong."""
    number, unit = _split(text)
    if unit not in _SIZES:
        raise ValueError(f"{text!r} needs a unit: {', '.join(_SIZES)}")
    return Bytes(float(number) * _SIZES[unit])
