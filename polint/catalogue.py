"""PostgreSQL's own settings, by major version: which exist, what values they take, when a change takes effect.

The facts are those of pg_settings of servers 12 to 18 (``data/postgresql-settings.txt``) and, for what that view keeps to
itself, of the servers' answers to tried names and words (``data/postgresql-history.txt``).  Both are read at the first
question.  A major outside 12 to 18 is never judged; None stands for an unknown one, and is complained to only about what
no major from 12 to 18 accepts.

Names are compared as the server does, ASCII letters in any case.
"""

from __future__ import annotations

import os
from functools import lru_cache

from .pgunits import read_boolean, read_integer, read_memory, read_real, read_time
from .tuples import NamedTuple

OLDEST, NEWEST = 12, 18
_MAJORS = range(OLDEST, NEWEST + 1)
_DIRECTIVES = ("include", "include_dir", "include_if_exists")
_SPACES = " \t\n\v\f\r"
_MEMORY = {"B": 1, "kB": 1 << 10, "8kB": 1 << 13, "MB": 1 << 20}
_MEMORY_UNITS = (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1))
_TIME_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1))
_TIME = dict(_TIME_UNITS)
_TIME_BY_LENGTH = (2, 4, 5, 0, 1, 3)  # min, ms, us before d, h, s, which end some of them
# what people write, in lower case, for a unit the server wants spelt otherwise
_MEANT = {"k": "kB", "kb": "kB", "kib": "kB", "m": "MB", "mb": "MB", "mib": "MB", "g": "GB", "gb": "GB", "gib": "GB", "t": "TB"}
_MEANT |= {"tb": "TB", "tib": "TB", "b": "B", "byte": "B", "bytes": "B"}
_MEANT_TIME = {"m": "min", "mins": "min", "minute": "min", "minutes": "min", "sec": "s", "secs": "s", "second": "s", "seconds": "s"}
_MEANT_TIME |= {"hr": "h", "hour": "h", "hours": "h", "day": "d", "days": "d", "msec": "ms", "millis": "ms", "milliseconds": "ms"}
_MEANT_TIME |= {"usec": "us", "µs": "us", "s": "s", "ms": "ms", "min": "min", "h": "h", "d": "d", "us": "us"}
# what took over from them is measured in megabytes
_COUNTED_SEGMENTS = ("checkpoint_segments", "wal_keep_segments")
# buffers of the SLRU caches come in banks (check_slru_buffers, 17 and later)
_BANK = 16
_BANKED = (
    "commit_timestamp_buffers",
    "multixact_member_buffers",
    "multixact_offset_buffers",
    "notify_buffers",
    "serializable_buffers",
    "subtransaction_buffers",
    "transaction_buffers",
)


class Setting(NamedTuple):
    """One setting of one major.

    ``name`` is PostgreSQL's own spelling, ``vartype`` one of bool, integer, real, enum and string; ``unit`` (B, kB, 8kB, MB,
    ms, s, min) is that of a bare number and of ``least`` and ``most``, both inclusive.  ``words`` are the enum's listed
    words, ``hidden`` those it takes without listing them (some only where the server was built for it).  ``boot`` is the
    compiled-in value as text in ``unit``, which initdb or a packager may have overridden; None for what the server works
    out.  ``context`` says when a change takes effect, in pg_settings' words (``internal``: it cannot be set).
    """

    name: str
    vartype: str
    unit: str | None
    least: float | None
    most: float | None
    words: tuple[str, ...]
    hidden: tuple[str, ...]
    boot: str | None
    context: str

    @property
    def extension(self) -> str | None:
        """The extension that brings the setting; without it preloaded the server takes any value and uses none."""
        prefix, dot, _ = self.name.partition(".")
        return prefix if dot else None


class _Catalogue:
    """The two data files, cut into lines; a line is taken apart when its setting is asked for."""

    __slots__ = ("aliases", "hidden", "other", "removed", "rows")

    def __init__(self) -> None:
        self.rows: dict[str, list[str]] = {}  # lower-case name -> lines
        self.hidden: dict[str, list[tuple[str, str]]] = {}  # name -> (majors, words)
        self.aliases: dict[str, tuple[str, str]] = {}  # name -> (majors, what it means)
        self.other: set[str] = set()
        self.removed: dict[str, tuple[str, str]] = {}  # name -> (version, advice)
        for line in _lines("postgresql-settings.txt"):
            self.rows.setdefault(line[: line.index("\t")].lower(), []).append(line)
        for line in _lines("postgresql-history.txt"):
            kind, name, rest = (line + "\t").split("\t", 2)
            rest = rest[:-1]
            if kind == "hidden":
                self.rows.setdefault(name, []).append(f"{name}\t{rest}")
            elif kind == "alias":
                majors, _, meant = rest.partition("\t")
                self.aliases[name] = (majors, meant)
            elif kind == "removed":
                version, _, advice = rest.partition("\t")
                self.removed[name] = (version, "" if advice == "-" else advice)
            elif kind == "other":
                self.other.add(name)
            else:  # words, built
                majors, _, words = rest.partition("\t")
                self.hidden.setdefault(name.lower(), []).append((majors, words))


def _lines(name: str) -> list[str]:
    path = os.path.join(os.path.dirname(__file__), "data", name)
    with open(path, encoding="utf-8") as file:
        return [line for line in file.read().split("\n") if line and not line.startswith("#")]


@lru_cache(maxsize=1)
def _catalogue() -> _Catalogue:
    return _Catalogue()


def setting(name: str, major: int | None) -> Setting | None:
    """The setting that ``name`` (any case, old names too) means to that major, or None.

    Without a major: of the newest one that has it.
    """
    if not name.isascii():
        return None
    if major is not None:
        return _setting(name.lower(), major)
    return next((found for known in reversed(_MAJORS) if (found := _setting(name.lower(), known))), None)


def context(name: str, major: int | None) -> str | None:
    """When a change of the setting takes effect, in pg_settings' words: postmaster (at a restart), sighup (at a reload),
    superuser-backend and backend (in new sessions), superuser and user (at once), internal (cannot be set)."""
    found = setting(name, major)
    return found.context if found else None


def judge_name(name: str, major: int | None) -> str | None:
    """Why that major refuses a setting of that name, or None when it takes it (or nobody can tell)."""
    if major is not None and major not in _MAJORS:
        return None
    known = _catalogue()
    low = name.lower() if name.isascii() else name
    if low in _DIRECTIVES or low in known.other or setting(name, major) is not None:
        return None
    prefix, dot, _ = low.partition(".")
    if dot:
        return _judge_dotted(name, low, prefix, major)
    who = f"PostgreSQL {major} has no setting" if major is not None else f"no PostgreSQL from {OLDEST} to {NEWEST} has a setting"
    clause = f'{who} "{_shown(name)}"'
    if gone := known.removed.get(low):
        version, advice = gone
        return f"{clause}, removed in {version}" + (f": {advice}" if advice else "")
    if since := _since(low):
        return f"{clause}, new in {since}"
    near = _nearest(low, major)
    return f'{clause}; did you mean "{near}"?' if near else clause


def resembles(name: str, major: int | None) -> bool:
    """Whether a name that the major does not know is a removed, a later or a misspelt one of PostgreSQL's."""
    low = name.lower()
    return low in _catalogue().removed or _since(low) is not None or _nearest(low, major) is not None


def meant_name(name: str, major: int | None) -> str | None:
    """The setting whose name was mistyped, or that took over from a removed one with its values; None where nobody can tell."""
    low = name.lower()
    if judge_name(name, major) is None or "." in low or _since(low):
        return None
    if low in _catalogue().removed:
        other = _catalogue().removed[low][1].removeprefix("use ")
        heir = setting(other, major) if low not in _COUNTED_SEGMENTS else None
        return heir.name if heir else None
    return _nearest(low, major)


def meant_value(name: str, text: str, major: int | None) -> str | None:
    """The value that was meant where nothing but the spelling of its unit is wrong, else None."""
    known = setting(name, major)
    if known is None or known.vartype not in ("integer", "real") or known.unit is None or judge_value(name, text, major) is None:
        return None
    number, unit = _parted(text)
    meant = _meant(known).get(unit.lower())
    return f"{number}{meant}" if meant and judge_value(name, f"{number}{meant}", major) is None else None


def majors() -> range:
    """The majors whose settings are known."""
    return _MAJORS


def judge_value(name: str, text: str, major: int | None) -> str | None:
    """Why that major refuses ``text`` (quotes already taken off) for the setting, or None when it takes it or nobody can tell.

    Values of string settings are the business of their own checks and never judged; nor are names that are not known.
    """
    if major is None:
        verdict = None
        for known in _MAJORS:
            found = setting(name, known)
            if found is not None:
                verdict = _judge(found, text)
                if verdict is None:
                    return None
        return verdict
    found = setting(name, major)
    return _judge(found, text) if found is not None else None


@lru_cache(maxsize=1024)
def _setting(low: str, major: int) -> Setting | None:
    known = _catalogue()
    if low in known.aliases and _within(known.aliases[low][0], major):
        low = known.aliases[low][1]
    for line in known.rows.get(low, ()):
        name, majors, when, kind, bounds, boot = line.split("\t")
        if not _within(majors, major):
            continue
        vartype, _, unit = kind.partition(" ")
        least = most = None
        words: tuple[str, ...] = ()
        if vartype == "enum":
            words = tuple(bounds.split("|"))
        elif bounds != "-":
            number = int if vartype == "integer" else float
            low_end, _, high_end = bounds.partition("..")
            least, most = number(low_end), number(high_end)
        hidden = tuple(word for span, more in known.hidden.get(low, ()) if _within(span, major) for word in more.split("|"))
        return Setting(name, vartype, unit or None, least, most, words, hidden, None if boot == "-" else boot[1:-1], when)
    return None


def _within(majors: str, major: int) -> bool:
    first, _, last = majors.partition("-")
    return int(first) <= major <= int(last or first)


def _since(low: str) -> int | None:
    """The major that first had the setting, if it is one of those known here and not the oldest."""
    first = next((major for major in _MAJORS if _setting(low, major)), None)
    return first if first != OLDEST else None


def _judge_dotted(name: str, low: str, prefix: str, major: int | None) -> str | None:
    """Any dotted name is taken; only what looks like a known extension's setting gone wrong is worth a word."""
    own = [other for other in _catalogue().rows if other.startswith(prefix + ".")]
    if not own:
        return None
    who = f"{prefix} of PostgreSQL {major}" if major is not None else prefix
    if since := _since(low):
        return f'{who} has no setting "{_shown(name)}", new in {since}'
    near = _closest(low, own, 2 if len(low) - len(prefix) > 8 else 1)
    return f'{who} has no setting "{_shown(name)}"; did you mean "{near}"?' if near else None


@lru_cache(maxsize=8)
def _plain_names(major: int | None) -> list[str]:
    """The names, in lower case, that the major knows and that no extension brings."""
    return [name for name in _catalogue().rows if "." not in name and setting(name, major) is not None]


@lru_cache(maxsize=64)
def _nearest(low: str, major: int | None) -> str | None:
    """The setting that was probably meant, in PostgreSQL's spelling."""
    if len(low) > 63:
        return None
    names = _plain_names(major)
    plain = low.replace("-", "").replace("_", "")
    found = next((other for other in names if other.replace("_", "") == plain), None)
    found = found or _closest(low, names, 1 if len(low) < 6 else 2 if len(low) < 12 else 3)
    if found is None:
        # a part forgotten or too many: idle_in_transaction_timeout
        parts = set(low.replace("-", "_").split("_"))
        holding = [other for other in names if len(parts ^ set(other.split("_"))) == 1] if len(parts) > 2 else []
        found = holding[0] if len(holding) == 1 else None
    exact = setting(found, major) if found else None
    return exact.name if exact else None


def _closest(low: str, names: list[str], most: int) -> str | None:
    """The one of ``names`` that takes the fewest, at most ``most``, edits; None also when two are equally near."""
    best, found = most + 1, None
    letters = set(low)
    for name in names:
        # one edit changes at most one letter into another
        if abs(len(name) - len(low)) <= min(best, most) and len(letters.symmetric_difference(name)) <= 2 * most:
            edits = _edits(low, name, min(best, most))
            if edits < best:
                best, found = edits, name
            elif edits == best:
                found = None
    return found


def _edits(one: str, two: str, most: int) -> int:
    """Letters added, dropped, changed or swapped with a neighbour between the two; ``most + 1`` when there are more."""
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, other in enumerate(two, 1):
            if abs(i - j) > most:
                row.append(most + 1)
                continue
            edits = before[j - 1] if letter == other else 1 + min(before[j - 1], before[j], row[j - 1])
            if i > 1 and j > 1 and letter == two[j - 2] and one[i - 2] == other:
                edits = min(edits, older[j - 2] + 1)
            row.append(edits)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _judge(known: Setting, text: str) -> str | None:
    if known.context == "internal":
        return f"{known.name} cannot be set: the server works it out itself"
    match known.vartype:
        case "bool":
            return _judge_boolean(known, text)
        case "enum":
            low = text.lower() if text.isascii() else text
            if low in known.hidden or any(low == word.lower() for word in known.words):
                return None
            return f'{known.name} takes {_listed([word or "an empty value" for word in known.words])}, not "{_shown(text)}"'
        case "integer" | "real":
            return _judge_number(known, text)
    return None


def _judge_boolean(known: Setting, text: str) -> str | None:
    try:
        value = read_boolean(text) if text.isascii() else None
    except ValueError:
        value = None
    if value is None:
        return f'{known.name} takes on or off, not "{_shown(text)}"'
    if value and known.name == "default_with_oids":
        return "default_with_oids takes off only, tables have no OIDs since 12"
    return None


def _judge_number(known: Setting, text: str) -> str | None:
    try:
        number = _number(known, text)
    except ValueError as error:
        return _misread(known, text, str(error))
    if known.least is not None and known.most is not None and not known.least <= number <= known.most:
        side, bound = ("least", known.least) if number < known.least else ("most", known.most)
        told = f'"{_shown(text)}"'
        if known.unit and text.strip().lstrip("+-").isdigit():
            told += f" ({_pretty(number, known.unit)})"
        if known.least == known.most:
            return f"{known.name} takes {_pretty(bound, known.unit)} only, not {told}"
        return f"{known.name} is at {side} {_pretty(bound, known.unit)}, not {told}"
    if known.name in _BANKED and number % _BANK:
        return f'{known.name} is a multiple of {_BANK} blocks, not "{_shown(text)}"'
    if known.name == "io_max_concurrency" and number == 0:
        return "io_max_concurrency is -1 or at least 1, not 0"
    if known.name == "vacuum_buffer_usage_limit" and 0 < number < 128:
        return f'vacuum_buffer_usage_limit is 0 or at least 128kB, not "{_shown(text)}"'
    return None


def _number(known: Setting, text: str) -> float:
    """The value in the setting's own unit; ValueError as in pgunits."""
    unit = known.unit
    if known.vartype == "real":
        return _real(text, unit)
    if unit is None:
        return read_integer(text)
    if unit in _MEMORY:
        return read_memory(text, unit) // _MEMORY[unit]
    return round(read_time(text, unit) * 1_000_000 / _TIME[unit])


def _real(text: str, unit: str | None) -> float:
    """As read_real, with the units of time when the setting has one (no other unit is in use)."""
    try:
        return read_real(text)
    except ValueError:
        if unit is None:
            raise
    body = text.rstrip(" \t\n\v\f\r")
    at = next((i for i in _TIME_BY_LENGTH if body.endswith(_TIME_UNITS[i][0])), None)
    if at is None:
        raise ValueError("no unit")
    name, size = _TIME_UNITS[at]
    number = read_real(body[: -len(name)]) * (size / _TIME[unit])
    if at + 1 < len(_TIME_UNITS):  # the server rounds to the next smaller unit
        smaller = _TIME_UNITS[at + 1][1] / _TIME[unit]
        number = round(number / smaller) * smaller if abs(number / smaller) < 1e300 else number
    return number


def _misread(known: Setting, text: str, reason: str) -> str:
    """What is wrong with a number that the server cannot read."""
    number, unit = _parted(text)
    body = text.strip(_SPACES)
    if "beyond" in reason or (len(body) > 300 and number.lstrip("+-").isdigit()):
        return f'{known.name} takes no number as large as "{_shown(text)}"'
    try:
        read_real(number)
    except ValueError:
        return f'{known.name} takes a number, not "{_shown(text)}"'
    if not unit:
        octal = ": a leading 0 makes it octal" if body.lstrip("+-").startswith("0") and body.lstrip("+-").isdigit() else ""
        return f'{known.name} takes a number, not "{_shown(text)}"{octal}'
    if known.unit is None:
        return f'{known.name} is a plain number and takes no unit, not "{_shown(text)}"'
    family = _MEMORY_UNITS if known.unit in _MEMORY else _TIME_UNITS
    units = ", ".join(name for name, _ in reversed(family))
    intended = _meant(known).get(unit.lower())
    if intended:
        return f'{known.name} cannot be "{_shown(text)}", write "{_shown(number)}{intended}"; units are case-sensitive: {units}'
    return f'{known.name} cannot be "{_shown(text)}"; units are case-sensitive: {units}'


def _parted(text: str) -> tuple[str, str]:
    """The number and the letters behind it."""
    body = text.strip(_SPACES)
    end = len(body)
    while end and body[end - 1].isalpha():
        end -= 1
    return body[:end].rstrip(), body[end:]


def _meant(known: Setting) -> dict[str, str]:
    """What people write for units, and how the server spells them."""
    return _MEANT if known.unit in _MEMORY else _MEANT_TIME


def _pretty(number: float, unit: str | None) -> str:
    """The number with the largest unit that leaves it whole: 16 blocks of 8kB are 128kB."""
    if unit is None:
        return f"{number:.15g}"
    size, family = (_MEMORY[unit], _MEMORY_UNITS) if unit in _MEMORY else (_TIME[unit], _TIME_UNITS)
    whole = number * size
    for name, factor in family:
        if whole and whole % factor == 0:
            return f"{whole / factor:.15g}{name}"
    return f"{number:.15g}"


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _shown(text: str) -> str:
    flat = "".join(letter if letter.isprintable() else "?" for letter in text[:41])
    return flat if len(text) <= 40 else flat[:37] + "..."
