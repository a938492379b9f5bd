"""Readers: from the value a file gives to the value a setting means; ValueError says what is wrong with it."""

from __future__ import annotations

import math

from ..units import INFINITY, Seconds


def count(value: object) -> int:
    """A whole number, as written or as text."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{value!r} is not a number")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = str(value).strip()
    if not (text.isascii() and text.removeprefix("-").removeprefix("+").isdigit()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def seconds(value: object) -> Seconds:
    """A number of seconds; None is never."""
    if value is None:
        return Seconds(INFINITY)
    if isinstance(value, Seconds):
        return value
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a duration")
    number = float(value) if isinstance(value, (int, float)) else float(str(value).strip())
    if math.isnan(number) or number < 0:
        raise ValueError(f"{value!r} is not a duration")
    return Seconds(number)


def truth(value: object) -> bool:
    """true or false, as code and PHP's casts see it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value != 0
    if value is None:
        return False
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off", ""):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def php_truth(value: object) -> bool:
    """As PHP casts to bool, and PDO takes ATTR_PERSISTENT: any text but "" and "0" is true, "false" included."""
    return value not in ("", "0") if isinstance(value, str) else bool(value)


def fpm_seconds(value: object) -> Seconds:
    """A php-fpm time: units s m h d; any other trailing letters are dropped as FPM does (``30ms`` is 30 s); 0 is off."""
    return Seconds(fpm_grace(value) or INFINITY)


def fpm_grace(value: object) -> Seconds:
    """As ``fpm_seconds``, but 0 is no time at all."""
    text = str(value).strip()
    factor = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:], 1)
    digits = ""
    for character in text:
        if not character.isdigit():
            break
        digits += character
    if not digits:
        raise ValueError(f"{text!r} is not a time")
    return Seconds(int(digits) * factor)
