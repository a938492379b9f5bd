"""What PostgreSQL makes of the text of a setting: numbers, units, booleans and enums.

Follows the server's own reading (guc.c: parse_int, parse_real, parse_bool), checked
against PostgreSQL 15: C integers with octal and hexadecimal, fractions rounded half to
even, unit names in exact case, a bare number in the setting's own unit.  A ValueError
says, as a clause, why the server refuses the text; ranges are the caller's business,
and so are sentinels: 0 stays 0 and -1 stays minus one unit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from .patterns import lazy
from .units import Bytes, Seconds

_SPACE = " \t\n\v\f\r"
# strtol with base 0, then strtod when a point or an exponent follows; 0x and 0x.8 are left to the unit check as in C
_INTEGER = lazy(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_DECIMAL = lazy(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = lazy(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?")
_WORDS = lazy(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)
_INT_MAX = 0x7FFFFFFF
_LONG_MAX = (1 << 63) - 1

# per base unit: unit name -> factor, from large to small (a fraction is first rounded to the next smaller unit)
_MEMORY: dict[str, tuple[tuple[str, float], ...]] = {
    base: tuple((name, size / own) for name, size in (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1)))
    for base, own in (("B", 1), ("kB", 1 << 10), ("8kB", 1 << 13), ("MB", 1 << 20))
}
_BASE_BYTES = {"B": 1, "kB": 1 << 10, "8kB": 1 << 13, "MB": 1 << 20}
_TIME: dict[str, tuple[tuple[str, float], ...]] = {
    "ms": (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1), ("us", 1 / 1000)),
    "s": (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 1 / 1000), ("us", 1 / 1_000_000)),
    "min": (("d", 1440), ("h", 60), ("min", 1), ("s", 1 / 60), ("ms", 1 / 60_000), ("us", 1 / 60_000_000)),
}
_PER_SECOND = {"ms": 1000.0, "s": 1.0, "min": 1 / 60}
_BOOLEANS = (("true", True, 1), ("false", False, 1), ("yes", True, 1), ("no", False, 1), ("on", True, 2), ("off", False, 2))


def read_integer(text: str) -> int:
    """The value of an integer setting without a unit: ``020`` is 16, ``99.6`` is 100."""
    return _whole(text, (), "this setting takes no unit")


def read_time(text: str, unit: str) -> Seconds:
    """The value of an integer setting whose own unit is ``ms``, ``s`` or ``min``."""
    whole = _whole(text, _TIME[unit], "units are us, ms, s, min, h and d, in lower case")
    return Seconds(whole * 60 if unit == "min" else whole / _PER_SECOND[unit])


def read_memory(text: str, unit: str) -> Bytes:
    """The value of an integer setting whose own unit is ``B``, ``kB``, ``8kB`` (a block) or ``MB``."""
    return Bytes(_whole(text, _MEMORY[unit], "units are B, kB, MB, GB and TB, case matters") * _BASE_BYTES[unit])


def read_real(text: str) -> float:
    """The value of a floating-point setting without a unit."""
    number, end = _float(text, _skip(text, 0))
    if end < 0 or math.isnan(number) or (math.isinf(number) and "inf" not in text.lower()):
        raise ValueError(f"PostgreSQL reads no number in {_shown(text)}")
    if _skip(text, end) < len(text):
        raise ValueError(f"PostgreSQL refuses {_shown(text)}: this setting takes no unit")
    return number


def read_boolean(text: str) -> bool:
    """on/off, true/false, yes/no in any case and as unique prefixes, 1 and 0."""
    if text in ("1", "0"):
        return text == "1"
    word = text.lower()
    for name, value, shortest in _BOOLEANS:
        if len(word) >= shortest and name.startswith(word):
            return value
    raise ValueError(f"PostgreSQL reads no boolean in {_shown(text)}")


def read_enum(text: str, options: Sequence[str]) -> str:
    """The one of ``options`` that ``text`` names; case does not matter, abbreviations are refused."""
    word = text.lower()
    for option in options:
        if option.lower() == word:
            return option
    raise ValueError(f"PostgreSQL takes {', '.join(options)} here, not {_shown(text)}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _float(text: str, at: int) -> tuple[float, int]:
    """C's strtod: the number at ``at`` and where it ends, or -1."""
    if found := _HEXADECIMAL.match(text, at):
        try:
            return float.fromhex(found[0]), found.end()
        except OverflowError:
            return math.inf, found.end()
    if found := _DECIMAL.match(text, at) or _WORDS.match(text, at):
        return float(found[0]), found.end()
    return 0.0, -1


def _long(text: str, at: int) -> tuple[int, int]:
    """C's strtol with base 0: the number at ``at`` and where it ends, or -1."""
    found = _INTEGER.match(text, at)
    if not found:
        return 0, -1
    body = found[0]
    digits = body.lstrip("+-")
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    if len(digits) > 4300 and base == 10:  # beyond what int() takes, and beyond any long
        return _LONG_MAX + 1, found.end()
    value = int(digits, base)
    return (-value if body[0] == "-" else value), found.end()


def _whole(text: str, units: tuple[tuple[str, float], ...], hint: str) -> int:
    start = _skip(text, 0)
    whole, end = _long(text, start)
    number: float = 0.0
    after = text[end : end + 1] if end >= 0 else text[:1]
    if after in (".", "e", "E") or abs(whole) > _LONG_MAX:
        number, end = _float(text, start)
        if math.isinf(number):
            end = -1
    elif end >= 0:
        number = float(whole)
    if end < 0 or math.isnan(number):
        raise ValueError(f"PostgreSQL reads no number in {_shown(text)}")
    unit_at = _skip(text, end)
    if unit_at < len(text):
        unit = text[unit_at:].rstrip(_SPACE)
        for index, (name, factor) in enumerate(units):
            if name == unit:
                number *= factor
                if index + 1 < len(units):
                    smaller = units[index + 1][1]
                    number = round(number / smaller) * smaller if abs(number / smaller) < 1e300 else number
                break
        else:
            raise ValueError(f"PostgreSQL refuses {_shown(text)}: {hint}")
    if not -_INT_MAX - 1 <= number <= _INT_MAX + 0.5:
        raise ValueError(f"{_shown(text)} is beyond PostgreSQL's integers")
    rounded = round(number)
    if not -_INT_MAX - 1 <= rounded <= _INT_MAX:
        raise ValueError(f"{_shown(text)} is beyond PostgreSQL's integers")
    return rounded
