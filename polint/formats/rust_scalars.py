"""Rust's literals, and the arithmetic and parsing of its standard library, on plain values.

Every function here raises ValueError where the program itself would fail.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from ..patterns import lazy
from ..units import Seconds

_UNSIGNED = lazy(r"\+?[0-9]+", re.ASCII)
_SIGNED = lazy(r"[+-]?[0-9]+", re.ASCII)
_FLOAT = lazy(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.ASCII | re.IGNORECASE)
_INTEGER_LITERAL = lazy(r"(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*?)_*([iu](?:8|16|32|64|128|size)|f32|f64)?", re.ASCII)
_FLOAT_LITERAL = lazy(r"([0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]+)?)(f32|f64)?", re.ASCII)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", "'": "'", '"': '"'}
_WIDTHS = {"8": 8, "16": 16, "32": 32, "64": 64, "128": 128, "size": 64}

RANGES: dict[str, tuple[int, int]] = {
    **{f"u{name}": (0, (1 << bits) - 1) for name, bits in _WIDTHS.items()},
    **{f"i{name}": (-(1 << bits - 1), (1 << bits - 1) - 1) for name, bits in _WIDTHS.items()},
}


def integer(text: str) -> int | float:
    """The number of an integer literal: ``1_000u32``, ``0xff``."""
    match = _INTEGER_LITERAL.fullmatch(text)
    if match is None or len(text) > 60:
        raise ValueError(f"no integer: {text[:60]}")
    number = int(match[1].replace("_", ""), 0 if match[1][:2] in ("0x", "0o", "0b") else 10)
    return float(number) if (match[2] or "").startswith("f") else number


def decimal(text: str) -> float:
    """The number of a float literal: ``1.5f64``."""
    match = _FLOAT_LITERAL.fullmatch(text)
    if match is None:
        raise ValueError(f"no float: {text[:60]}")
    return float(match[1].replace("_", ""))


def unescape(text: str) -> str:
    """The characters of a string literal's inside."""
    if "\\" not in text:
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        slash = text.find("\\", at)
        if slash < 0 or slash + 1 >= len(text):
            out.append(text[at:])
            break
        out.append(text[at:slash])
        kind = text[slash + 1]
        at = slash + 2
        if kind in _ESCAPES:
            out.append(_ESCAPES[kind])
        elif kind == "x":
            out.append(chr(int(text[at : at + 2], 16)))
            at += 2
        elif kind == "u" and text[at : at + 1] == "{":
            end = text.find("}", at)
            if end < 0:
                raise ValueError("unfinished escape")
            out.append(chr(int(text[at + 1 : end].replace("_", ""), 16)))
            at = end + 1
        elif kind in "\n\r":
            while at < len(text) and text[at] in " \t\r\n":
                at += 1
        else:
            raise ValueError(f"unknown escape \\{kind}")
    return "".join(out)


def parser(kind: str) -> Callable[[object], object]:
    """What ``.parse::<kind>()`` does to a text; for "" the type is not known and any plain number or boolean is taken."""

    def parse(value: object) -> object:
        if not isinstance(value, str):
            return value
        return parse_text(value, kind)

    return parse


def parse_text(text: str, kind: str) -> object:
    """``text`` as ``FromStr`` of ``kind`` reads it: no blanks, no underscores, nothing out of range."""
    if kind in RANGES:
        if not (_SIGNED if kind[0] == "i" else _UNSIGNED).fullmatch(text) or len(text) > 60:
            raise ValueError(f"{kind} cannot be read from {text[:20]!r}")
        low, high = RANGES[kind]
        number = int(text)
        if not low <= number <= high:
            raise ValueError(f"{number} is out of range for {kind}")
        return number
    if kind in ("f32", "f64"):
        if not _FLOAT.fullmatch(text):
            raise ValueError(f"{kind} cannot be read from {text[:20]!r}")
        return float(text)
    if kind == "bool":
        if text not in ("true", "false"):
            raise ValueError(f"bool cannot be read from {text[:20]!r}")
        return text == "true"
    if kind == "str":
        return text
    if text in ("true", "false"):
        return text == "true"
    if _SIGNED.fullmatch(text) and len(text) <= 60:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    raise ValueError(f"no number: {text[:20]!r}")


def number(value: object) -> int | float:
    """``value`` where it is a number; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    return value


def binary(operator: str, left: object, right: object) -> object:
    """``left + right`` and the like, on whole numbers as Rust divides them; durations stay durations."""
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    a, b = number(left), number(right)
    result: int | float
    if operator == "+":
        result = a + b
    elif operator == "-":
        result = a - b
    elif operator == "*":
        result = a * b
    elif b == 0:
        raise ValueError("division by zero")
    elif operator == "%":
        result = math.fmod(a, b) if isinstance(a, float) or isinstance(b, float) else int(math.fmod(a, b))
    elif isinstance(a, int) and isinstance(b, int):
        result = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    else:
        result = a / b
    return Seconds(result) if isinstance(left, Seconds) or isinstance(right, Seconds) else result


def cast(value: object, kind: str) -> object:
    """``value as kind``: floats are cut and saturate, integers wrap."""
    if isinstance(value, bool):
        return int(value)
    plain = number(value)
    if kind in ("f32", "f64"):
        return float(plain)
    if kind not in RANGES:
        return plain
    low, high = RANGES[kind]
    if isinstance(plain, float):
        return 0 if math.isnan(plain) else high if plain >= high else low if plain <= low else int(plain)
    return (plain - low) % (high - low + 1) + low


def narrow(value: object, kind: str) -> object:
    """``value`` converted to ``kind`` where it fits; ValueError otherwise, as ``try_into`` fails."""
    if kind in RANGES and isinstance(value, int) and not isinstance(value, bool):
        low, high = RANGES[kind]
        if not low <= value <= high:
            raise ValueError(f"{value} is out of range for {kind}")
    return value


def text(value: object) -> str:
    """``value`` as ``Display`` prints it; ValueError where that is not known."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, Seconds)):
        return str(value)
    raise ValueError("printed form not known")


_MOST = float((1 << 64) - 1)
_UNITS = {"from_secs": 1, "from_millis": 1000, "from_micros": 1_000_000, "from_nanos": 1_000_000_000}
_LONG_UNITS = {"from_mins": 60, "from_minutes": 60, "from_hours": 3600, "from_days": 86400, "from_weeks": 604800}


def duration(name: str) -> Callable[..., object] | None:
    """The constructor ``Duration::name`` as a function to Seconds; None where there is none."""
    if name in _UNITS:
        parts = _UNITS[name]
        return lambda count: Seconds(whole(count) / parts)
    if name in _LONG_UNITS:
        size = _LONG_UNITS[name]
        return lambda count: Seconds(whole(count) * size)
    if name in ("from_secs_f64", "from_secs_f32"):
        return _from_float
    if name == "new":
        return lambda seconds, nanos: Seconds(whole(seconds) + whole(nanos) / 1_000_000_000)
    return None


def whole(value: object) -> int:
    """``value`` where it is a whole number that is not negative; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not an unsigned number")
    return value


def _from_float(value: object) -> Seconds:
    seconds = float(number(value))
    if not 0 <= seconds <= _MOST:
        raise ValueError("not a length of time")
    return Seconds(seconds)


def least(left: object, right: object) -> object:
    """``min(left, right)``, keeping which of the two it is."""
    return left if number(left) <= number(right) else right


def most(left: object, right: object) -> object:
    """``max(left, right)``, keeping which of the two it is."""
    return right if number(right) >= number(left) else left


def clamp(value: object, low: object, high: object) -> object:
    """``value.clamp(low, high)``, which panics when the bounds are the wrong way round."""
    if number(low) > number(high):
        raise ValueError("bounds the wrong way round")
    return least(most(value, low), high)


def raising(apply: Callable[..., object]) -> Callable[..., object]:
    """``apply`` with every failure as ValueError."""

    def checked(*args: object) -> object:
        try:
            return apply(*args)
        except (TypeError, OverflowError, ArithmeticError) as error:
            raise ValueError(str(error)) from error

    return checked


def unless(apply: Callable[..., object], fallback: object) -> Callable[..., object]:
    """``apply``, but the fallback value itself goes through untouched."""
    return lambda value: value if value is fallback or not isinstance(value, str) else apply(value)


def rescued(apply: Callable[..., object], fallback: object) -> Callable[..., object]:
    """``apply``, or the fallback value where it fails."""

    def rescued(*args: object) -> object:
        try:
            return apply(*args)
        except ValueError:
            return fallback

    return rescued


def saturating_sub(left: object, right: object) -> object:
    """``left.saturating_sub(right)``: never below zero."""
    result = number(binary("-", left, right))
    return max(result, type(result)(0))


def part_of(name: str) -> Callable[[object], object]:
    """What ``.as_secs()`` and its like make of a duration."""

    def part(value: object) -> object:
        seconds = float(number(value))
        return seconds if name == "as_secs_f64" else int(seconds if name == "as_secs" else round(seconds * 1000, 6))

    return part
