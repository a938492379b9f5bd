"""PHP's own conversions of values: casts, truth, string building, Laravel's ``env()``.

Each takes and gives what a Literal may hold (str, int, float, bool, None) and
raises ValueError where PHP would fail, or where the caller should go on to the
other side of ``?:`` or ``??``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..patterns import lazy

_NUMBER = lazy(r"[ \t\n\r\v\f]*([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)")


def to_text(value: object) -> str:
    """``(string)``: true is ``1``, false and null are empty, floats have 14 digits or as many as they need."""
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, float):
        if math.isinf(value) or math.isnan(value):
            return "NAN" if math.isnan(value) else "INF" if value > 0 else "-INF"
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        shown = repr(value)
        if "e" in shown or abs(value) >= 1e15:
            raise ValueError("a float in PHP's own notation")
        return shown
    return str(value)


def to_number(value: object) -> int | float:
    """A value as arithmetic sees it; text that is not wholly a number raises ValueError."""
    if isinstance(value, bool) or value is None:
        return int(value or 0)
    if isinstance(value, (int, float)):
        return value
    shown = str(value)
    match = _NUMBER.match(shown)
    if match is None or shown[match.end() :].strip(" \t\n\r\v\f"):
        raise ValueError(f"{shown!r} is not a number")
    return float(match[1]) if match[3] or match[4] or "." in match[1] else int(match[1])


def to_int(value: object) -> int:
    """``(int)``: the number a text starts with, else 0; fractions are cut off."""
    if isinstance(value, str):
        match = _NUMBER.match(value)
        if match is None:
            return 0
        value = float(match[1]) if match[4] or "." in match[1] else int(match[1])
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else 0
    return int(value) if isinstance(value, int) else 0


def to_float(value: object) -> float:
    """``(float)``: the number a text starts with, else 0."""
    if isinstance(value, str):
        match = _NUMBER.match(value)
        return float(match[1]) if match else 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


def to_bool(value: object) -> bool:
    """``(bool)``: false for false, null, 0, ``""`` and ``"0"`` - so true for the text ``false``."""
    return value not in ("", "0") if isinstance(value, str) else bool(value)


def negate(value: object) -> bool:
    """``!``"""
    return not to_bool(value)


def truthy(value: object) -> object:
    """``value`` of ``value ?: other``; ValueError when the other one is taken."""
    if not to_bool(value):
        raise ValueError("false, so the other value is taken")
    return value


def not_null(value: object) -> object:
    """``value`` of ``value ?? other``; ValueError when the other one is taken."""
    if value is None:
        raise ValueError("null, so the other value is taken")
    return value


def not_false(value: object) -> object:
    """``value`` of ``value !== false ? value : other``; ValueError when the other one is taken."""
    if value is False:
        raise ValueError("false, so the other value is taken")
    return value


def kept(value: object) -> object:
    """What ``array_filter`` leaves of an element; ValueError when it drops it.

    False is kept: PDO's attributes are false where they are absent.
    """
    if value is not False and not to_bool(value):
        raise ValueError("dropped by array_filter")
    return value


def concat(*values: object) -> str:
    """``.``"""
    return "".join(map(to_text, values))


def laravel(value: object) -> object:
    """What Laravel's ``env()`` makes of a variable: ``true``, ``(false)``, ``null`` and ``empty`` lose their text, quotes come off.

    Source: Illuminate\\Support\\Env::getOption.
    """
    if not isinstance(value, str):
        return value
    match value.lower():
        case "true" | "(true)":
            return True
        case "false" | "(false)":
            return False
        case "empty" | "(empty)":
            return ""
        case "null" | "(null)":
            return None
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" and "\n" not in value:
        return value[1:-1]
    return value


def as_truth(value: object) -> bool:
    """``filter_var(…, FILTER_VALIDATE_BOOLEAN)``: 1, true, on and yes are true, anything else false."""
    return to_text(value).strip().lower() in ("1", "true", "on", "yes")


def as_count(value: object) -> int:
    """``filter_var(…, FILTER_VALIDATE_INT)``; ValueError where it gives false."""
    shown = to_text(value).strip()
    digits = shown.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or (len(digits) > 1 and digits[0] == "0"):
        raise ValueError(f"{shown!r} is not an integer")
    return int(shown)


def _remainder(left: object, right: object) -> int:
    one, other = to_int(to_number(left)), to_int(to_number(right))
    return int(math.fmod(one, other)) if abs(one) < 1 << 53 else one - other * int(one / other)


def _quotient(left: object, right: object) -> int | float:
    result = to_number(left) / to_number(right)
    return int(result) if result.is_integer() and abs(result) < 1 << 53 else result


def _same(left: object, right: object) -> bool:
    return type(left) is type(right) and left == right


def _alike(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return to_bool(left) is to_bool(right)
    try:
        return to_number(left) == to_number(right)
    except ValueError:
        if type(left) is not type(right):
            raise ValueError("compared with another type") from None
        return left == right


OPERATORS: dict[str, Callable[..., object]] = {
    "+": lambda left, right: to_number(left) + to_number(right),
    "-": lambda left, right: to_number(left) - to_number(right),
    "*": lambda left, right: to_number(left) * to_number(right),
    "/": _quotient,
    "%": _remainder,
    "===": _same,
    "!==": lambda left, right: not _same(left, right),
    "==": _alike,
    "!=": lambda left, right: not _alike(left, right),
    "&&": lambda left, right: to_bool(left) and to_bool(right),
    "and": lambda left, right: to_bool(left) and to_bool(right),
    "||": lambda left, right: to_bool(left) or to_bool(right),
    "or": lambda left, right: to_bool(left) or to_bool(right),
}

CASTS: dict[str, Callable[..., object]] = {
    "int": to_int,
    "integer": to_int,
    "bool": to_bool,
    "boolean": to_bool,
    "float": to_float,
    "double": to_float,
    "string": to_text,
}


# functions that only look at their arguments
FUNCTIONS: dict[str, Callable[..., object]] = {
    "intval": to_int,
    "boolval": to_bool,
    "floatval": to_float,
    "strval": to_text,
    "trim": lambda value: to_text(value).strip(" \t\n\r\0\v"),
    "strtolower": lambda value: to_text(value).lower(),
    "strtoupper": lambda value: to_text(value).upper(),
    "max": lambda *values: max(values, key=to_number),
    "min": lambda *values: min(values, key=to_number),
}
# how many arguments they may have; more change what they do
ARGUMENTS = dict.fromkeys(FUNCTIONS, (1, 1)) | {"max": (2, 9), "min": (2, 9)}


def unquote(body: str) -> str:
    """The text of a single-quoted string: only ``\\\\`` and ``\\'`` are escapes."""
    if "\\" not in body:
        return body
    out, at = [], 0
    while True:
        slash = body.find("\\", at)
        if slash < 0:
            out.append(body[at:])
            return "".join(out)
        out.append(body[at:slash])
        after = body[slash + 1 : slash + 2]
        out.append(after if after in ("\\", "'") else "\\" + after)
        at = slash + 2


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "e": "\x1b", "f": "\f", "\\": "\\", "$": "$", '"': '"'}


def unescape(escape: str) -> str:
    """The text of one escape of a double-quoted string."""
    body = escape[1:]
    if body in _ESCAPES:
        return _ESCAPES[body]
    try:
        if body.startswith("u{"):
            return chr(int(body[2:-1], 16))
        if body.startswith(("x", "X")):
            return chr(int(body[1:], 16))
        return chr(int(body, 8) & 0xFF)
    except (ValueError, OverflowError):
        return escape


def whole_number(written: str) -> int:
    """An integer literal: decimal, ``0x``, ``0b``, ``0o`` or a leading 0 for octal, with ``_`` between digits; else ValueError."""
    digits = written.replace("_", "").lower()
    if digits.startswith(("0x", "0b", "0o")):
        return int(digits, 0)
    if len(digits) > 4000:
        raise ValueError("too long a number")
    return int(digits, 8) if len(digits) > 1 and digits[0] == "0" else int(digits)


_ATTRIBUTES = (
    "AUTOCOMMIT PREFETCH TIMEOUT ERRMODE SERVER_VERSION CLIENT_VERSION SERVER_INFO CONNECTION_STATUS CASE CURSOR_NAME CURSOR"
    " ORACLE_NULLS PERSISTENT STATEMENT_CLASS FETCH_TABLE_NAMES FETCH_CATALOG_NAMES DRIVER_NAME STRINGIFY_FETCHES MAX_COLUMN_LEN"
    " DEFAULT_FETCH_MODE EMULATE_PREPARES DEFAULT_STR_PARAM"
)
# the PDO attribute of each number, in the order of pdo_attribute_type
ATTRIBUTES = tuple(f"ATTR_{name}" for name in _ATTRIBUTES.split())


def pdo_constant(owner: str, name: str) -> str:
    """The one name of a constant that PDO and, from PHP 8.4, a class per driver have: ``PGSQL_ATTR_DISABLE_PREPARES``.

    ``owner`` is the class in lower case without a leading backslash (``pdo``, ``pdo\\pgsql``).
    """
    driver = owner.rpartition("\\")[2]
    if driver == "pdo" or name in ATTRIBUTES or not (name.startswith(("ATTR_", "TRANSACTION_"))):
        return name
    return f"{driver.upper()}_{name}"


def camel(key: str) -> str:
    """``max_processes`` and ``max-processes`` as ``maxProcesses``."""
    if "_" not in key and "-" not in key:
        return key[:1].lower() + key[1:]
    words = key.replace("-", " ").replace("_", " ").split()
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return joined[:1].lower() + joined[1:]
