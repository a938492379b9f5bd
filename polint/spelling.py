"""Values written anew in the idiom of the text they replace: the unit, the scale, the case and the quotes stay.

Nothing is guessed: a text must be one number, one word or one boolean that really says the old
value, in some scale people use, before its new spelling is known; otherwise the answer is None.
"""

from __future__ import annotations

import re
from math import isinf

from .patterns import lazy
from .tuples import NamedTuple
from .units import Bytes, Seconds

_WHOLE = 10**9  # quantities are counted in billionths, so that nothing is rounded
_MS, _US = _WHOLE // 1000, _WHOLE // 1_000_000
_MIN, _HOUR, _DAY = 60 * _WHOLE, 3600 * _WHOLE, 86400 * _WHOLE

Units = tuple[tuple[str, int], ...]
_ANY_TIME: Units = (
    ("w", 7 * _DAY),
    ("d", _DAY),
    ("h", _HOUR),
    ("min", _MIN),
    ("m", _MIN),
    ("s", _WHOLE),
    ("ms", _MS),
    ("us", _US),
    ("µs", _US),
)
_POSTGRES_TIME: Units = (("d", _DAY), ("h", _HOUR), ("min", _MIN), ("s", _WHOLE), ("ms", _MS), ("us", _US))
_GO_TIME: Units = (("h", _HOUR), ("m", _MIN), ("s", _WHOLE), ("ms", _MS), ("us", _US))
_FPM_TIME: Units = (("d", _DAY), ("h", _HOUR), ("m", _MIN), ("s", _WHOLE))
_LETTERS = ("", "k", "m", "g", "t")
_BARE_TIMES = (_WHOLE, _MS, _US, 1, _MIN, _HOUR, _DAY)
_BARE_SIZES = tuple(size * _WHOLE for size in (1, 1 << 10, 1 << 13, 1 << 20, 1 << 30))

_NUMBER = lazy(r"(?P<number>0[xX][0-9a-fA-F]+|-?(?:[0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+))(?P<blank>[ \t]*)(?P<unit>[A-Za-zµ]*)")
_RUST_NUMBER = lazy(r"(?P<number>[0-9][0-9_]*?(?:\.[0-9]+)?)(?P<blank>)(?P<unit>_*(?:[iu](?:8|16|32|64|128|size)|f32|f64)?)")
_SERIES = lazy(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|us|µs|m|s|d))+")
_PART = lazy(r"(?<![0-9])([0-9]++)(?:\.([0-9]++))?(h|ms|us|µs|m|s|d)")
_SIZE = lazy(r"([kKmMgGtT]?)([iI]?[bB]?)")
_TRUTHS = (("on", "off"), ("true", "false"), ("yes", "no"), ("1", "0"), ("t", "f"), ("y", "n"))


class Idiom(NamedTuple):
    """How one kind of text writes times.

    ``times`` are the units it has, from the largest down; without any, a unit is only kept, or becomes seconds.  ``fresh`` is the
    unit of a time where there was none to go by ("" for none: bare seconds; None: it cannot be known).  ``zero_is_off`` says that a
    timeout of 0 never ends.  ``lax`` says that the program reads past a unit it does not know.  ``series`` allows ``1m30s``.
    """

    times: Units = ()
    fresh: str | None = None
    zero_is_off: bool = False
    lax: bool = False
    series: bool = False
    code: bool = False  # numbers are those of a program: 60_000u64, 5.0


POSTGRES = Idiom(_POSTGRES_TIME, "s", True)
FPM = Idiom(_FPM_TIME, "s", True, lax=True)
PGBOUNCER = Idiom(fresh="", zero_is_off=True)
GO = Idiom(_GO_TIME, series=True)
PLAIN = Idiom()
CODE = Idiom(code=True)


def _billionths(value: float) -> int:
    return int(value) * _WHOLE if isinstance(value, int) else round(value * _WHOLE)


class _Number(NamedTuple):
    """A number as written: ``digits`` over ``10 ** places``."""

    digits: int
    places: int
    text: str

    def counts(self, size: int, wanted: int) -> bool:
        """Whether so many times ``size`` is ``wanted``, give or take what floats lose."""
        got, exact = self.digits * size, wanted * int(10**self.places)
        return abs(got - exact) <= abs(exact) // 10**9


def _readings(text: str) -> list[_Number]:
    """What a number may be: C reads a leading zero as octal, most others do not."""
    bare = text.replace("_", "")
    if bare.lower().startswith("0x"):
        return [_Number(int(bare, 16), 0, text)]
    whole, _, fraction = bare.partition(".")
    if len(whole) + len(fraction) > 40:
        return []
    found = [_Number(int(whole.removeprefix("-") + fraction or "0") * (-1 if whole[:1] == "-" else 1), len(fraction), text)]
    if not fraction and len(whole) > 1 and whole[0] == "0" and not set(whole) & set("89"):
        found.append(_Number(int(whole, 8), 0, text))
    return found


def _written(amount: int, size: int, like: _Number, idiom: Idiom) -> str | None:
    """``amount`` in units of ``size``, whole where the number it replaces is."""
    if amount % size == 0:
        text = str(amount // size)
        if "_" in like.text:
            text = f"{amount // size:_}"
        return f"{text}.0" if idiom.code and like.places else text
    if not like.places:
        return None
    for places in range(1, 10):
        if amount * 10**places % size == 0:
            whole, part = divmod(amount * 10**places // size, 10**places)
            return f"{whole}.{part:0{places}d}"
    return None


def amount(text: str, before: float, after: float, idiom: Idiom) -> str | None:
    """The number (with its unit, if it has one) that says ``after`` where ``text`` says ``before``."""
    kinds = {type(value) for value in (before, after) if isinstance(value, (Seconds, Bytes))}
    if len(kinds) > 1 or isinf(after):
        return None
    kind = kinds.pop() if kinds else float
    found = (_RUST_NUMBER if idiom.code else _NUMBER).fullmatch(text)
    if found is None:
        return _series(text, before, after) if idiom.series and kind is Seconds else None
    number, blank, unit = found["number"], found["blank"], found["unit"]
    readings = _readings(number)
    if isinf(before) or not before:
        nothing = readings[:1] and (readings[0].digits == 0 or (isinf(before) and number == "-1"))
        return _fresh(number, unit, after, kind, idiom) if nothing else None
    old, new = _billionths(before), _billionths(after)
    for reading in readings:
        if idiom.code or not unit:
            sizes = _BARE_TIMES if kind is Seconds else _BARE_SIZES if kind is Bytes else (_WHOLE,)
            size = next((size for size in sizes if reading.counts(size, old)), 0)
            written = _written(new, size, reading, idiom) if size else None
            if written is not None:
                return f"{written}{blank}{unit}"
            continue
        units = _times(unit, idiom) if kind is Seconds else _sizes(unit) if kind is Bytes else ()
        if units and reading.counts(units[0][1], old):
            return _stepped(new, units, reading, blank, idiom)
        if idiom.lax and kind is Seconds and not units and reading.counts(_WHOLE, old):
            return _stepped(new, (("s", _WHOLE),), reading, blank, idiom)
    return None


def _stepped(new: int, units: Units, like: _Number, blank: str, idiom: Idiom) -> str | None:
    """``new`` in the first of ``units`` of which it is a whole number."""
    for name, size in units:
        if new % size == 0:
            return f"{new // size}{blank}{name}"
    written = _written(new, units[0][1], like, idiom)
    return f"{written}{blank}{units[0][0]}" if written is not None else None


def _times(unit: str, idiom: Idiom) -> Units:
    """The unit and the smaller ones that may take its place."""
    units = idiom.times or _ANY_TIME
    at = next((at for at, (name, _) in enumerate(units) if name == unit), None)
    if at is None:
        return () if idiom.times != _GO_TIME else tuple(one for one in _ANY_TIME if one[0] == unit)
    if idiom.times:
        return units[at:]
    own = units[at]
    return (own, ("s", _WHOLE)) if own[1] > _WHOLE else (own,)


def _sizes(unit: str) -> Units:
    """The same for memory: ``GB``, ``g``, ``GiB``, ``Gi``."""
    found = _SIZE.fullmatch(unit)
    if found is None:
        return ()
    letter, rest = found[1], found[2]
    power = _LETTERS.index(letter.lower())
    units: list[tuple[str, int]] = [(unit, 1024**power * _WHOLE)]
    for smaller in range(power - 1, 0, -1):
        name = _LETTERS[smaller] if letter.islower() or (rest == "B" and smaller == 1) else _LETTERS[smaller].upper()
        units.append((name + rest, 1024**smaller * _WHOLE))
    return tuple(units)


def _fresh(number: str, unit: str, after: float, kind: type, idiom: Idiom) -> str | None:
    """A value where 0 (or -1) says off or nothing, so that there is no scale to go by."""
    new = _billionths(after)
    if kind is float:
        plain = new % _WHOLE == 0 and "." not in number and (idiom.code or not unit)
        return f"{new // _WHOLE}{unit}" if plain else None
    if unit and not idiom.code:
        units = _times(unit, idiom) if kind is Seconds else _sizes(unit)
        return _stepped(new, units, _Number(0, 0, number), "", idiom) if units else None
    return spelled(Seconds(after) if kind is Seconds else Bytes(after), idiom)


def spelled(value: float, idiom: Idiom) -> str | None:
    """A number, time or size as it is written where nothing is there to go by."""
    if isinf(value):
        return "0" if idiom.zero_is_off else None
    new = _billionths(value)
    if isinstance(value, Seconds):
        if idiom.fresh is None:
            return None
        if not idiom.fresh:
            return str(new // _WHOLE) if new % _WHOLE == 0 else None
        smaller = [unit for unit in idiom.times if unit[1] <= _WHOLE]
        return next((f"{new // size}{name}" for name, size in smaller if new % size == 0), None)
    if isinstance(value, Bytes):
        if idiom is not POSTGRES:
            return None
        return next(f"{int(value) // size}{name}" for name, size in _MEMORY if int(value) % size == 0)
    return str(new // _WHOLE) if new % _WHOLE == 0 else None if isinstance(value, int) else f"{value:.9f}".rstrip("0")


_MEMORY = (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1))


def _series(text: str, before: float, after: float) -> str | None:
    """``1m30s``: the new time in the largest unit of which it is a whole number."""
    if not _SERIES.fullmatch(text) or isinf(before):
        return None
    sizes = dict(_ANY_TIME)
    total = 0
    for whole, part, unit in _PART.findall(text):
        total += int(whole + part) * sizes[unit] // 10 ** len(part)
    if abs(total - _billionths(before)) > 1:
        return None
    new = _billionths(after)
    return next((f"{new // size}{name}" for name, size in _GO_TIME if new % size == 0), None) if new else "0s"


def product(text: str) -> int | None:
    """The value of ``30 * 60``, parentheses and type suffixes allowed; None of anything else."""
    factors = text.replace("(", " ").replace(")", " ").split("*")
    if len(factors) < 2 or text.count("(") != text.count(")"):
        return None
    total = 1
    for factor in factors:
        found = _RUST_NUMBER.fullmatch(factor.strip())
        if found is None or "." in found["number"] or len(factor) > 40:
            return None
        total *= int(found["number"].replace("_", ""))
    return total


def truth(text: str, before: bool, after: bool) -> str | None:
    """The other word of the pair that ``text`` is of, in its case."""
    low = text.lower()
    for words in _TRUTHS:
        if low in words:
            if (low == words[0]) is not before:
                return None
            if before is after:
                return text
            word = words[0] if after else words[1]
            return word.upper() if text.isupper() and text != text.lower() else word.capitalize() if text[:1].isupper() else word
    return None


def says(text: str, value: str) -> bool:
    """Whether a word, quotes taken off, is the text ``value``: case aside, and QUIT for SIGQUIT."""
    return bool(text) and (text.lower() == value.lower() or f"sig{text.lower()}" == value.lower())


SIMPLE = lazy(r"[A-Za-z0-9_][A-Za-z0-9_./:@+-]*", re.ASCII)
"""Texts that mean themselves in every format, without quotes."""
POSTGRES_WORD = lazy(r"[A-Za-z_][A-Za-z0-9_./:-]*|[0-9]+[A-Za-z]*", re.ASCII)
"""Texts that postgresql.conf takes without quotes."""
FPM_WORDS = frozenset(("true", "on", "yes", "false", "off", "no", "none", "null"))
"""Words that an ini file takes for something else than text."""


_REFERENCE = lazy(r"\$\{[^{}]*\}")
_URL = lazy(r"[a-z][a-z0-9+]*://[^\s/'\"#]+/[^\s'\"#]+")
_DSN = lazy(r"(?:pgsql:)?[a-z_]+=[^\s;'\"]*(?:(?P<mark>[; ])[a-z_]+=[^\s;'\"]*)*(?P<end>;?)")


def with_parameter(text: str, name: str, value: str) -> str | None:
    """A URL or a DSN with one more parameter, in the quotes that stand there; None where ``text`` is neither, or may have it."""
    quote = text[0] if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0] else ""
    inside = text[1:-1] if quote else text
    plain = _REFERENCE.sub("x", inside)
    if name in inside or not value.isascii() or not value.replace("-", "").replace("_", "").replace(".", "").isalnum():
        return None
    if _URL.fullmatch(plain):
        joint = "?" if "?" not in plain else "" if plain[-1] in "?&" else "&"
        return f"{quote}{inside}{joint}{name}={value}{quote}"
    found = _DSN.fullmatch(plain) if quote and plain == inside else None
    if found is None or "$" in inside or "\\" in inside:
        return None
    mark = "" if found["end"] else found["mark"] or (";" if inside.startswith("pgsql:") else " ")
    return f"{quote}{inside}{mark}{name}={value}{quote}"
