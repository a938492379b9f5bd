"""What was meant where PgBouncer refuses a name or a value: certain from how it is spelt, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .. import pgbouncer_settings as table
from ..diagnostic import Edit, Fix
from ..patterns import lazy
from ..source import Span

_AMOUNT = lazy(r"([0-9]+)(?:\.([0-9]+))?[ \t]*([A-Za-z]*)")
_UNDERSCORED = lazy(r"[0-9]{1,3}(?:_[0-9]{3})+")
_MICROSECONDS = {
    "us": 1,
    "ms": 1000,
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1_000_000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000_000),
    **dict.fromkeys(("h", "hour", "hours"), 3_600_000_000),
    "d": 86_400_000_000,
}
_BYTES = {"b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20}
_WORDS = {"true": "1", "on": "1", "yes": "1", "false": "0", "off": "0", "no": "0"}
# Names that one section has and another has not, for the same thing
_MOVED = {
    "pgbouncer": {
        "pool_size": "default_pool_size",
        "reserve_pool": "reserve_pool_size",
        "listen_address": "listen_addr",
        "listen_addresses": "listen_addr",
    },
    "databases": {
        "default_pool_size": "pool_size",
        "reserve_pool_size": "reserve_pool",
        "username": "user",
        "hostname": "host",
        "database": "dbname",
        "db": "dbname",
    },
    "users": {"default_pool_size": "pool_size"},
}
_LEAST = 3  # letters of a word that can be told in spite of a wrong one


def meant_name(key: str, section: str, version: table.Version | None, taken: Collection[str]) -> str | None:
    """The key of a section that ``key`` stands for; none that the version does not know, or that is among those ``taken``."""
    settings = table.SECTIONS[section]
    found = _MOVED.get(section, {}).get(key.lower()) or (None if key in settings else _nearest(key, settings))
    if found is None or found in taken or (version is not None and not settings[found].known_in(version)):
        return None
    return None if version is None and settings[found].since is not None else found


def _nearest(key: str, settings: Mapping[str, table.Setting]) -> str | None:
    plain = key.lower().replace("-", "").replace("_", "")
    same = [name for name in settings if name.replace("_", "") == plain]
    if same:
        return same[0]
    near = [name for name in settings if _is_typo(key.lower().split("_"), name.split("_"))]
    return near[0] if len(near) == 1 else None


def _is_typo(words: list[str], meant: list[str]) -> bool:
    """Whether one word has a wrong letter; at its end there may be two too few or too many."""
    differ = [pair for pair in zip(words, meant, strict=False) if pair[0] != pair[1]]
    if len(words) != len(meant) or len(differ) != 1 or min(map(len, differ[0])) < _LEAST:
        return False
    from difflib import SequenceMatcher

    one, other = sorted(differ[0], key=len)
    if len(one) > _LEAST and other.startswith(one):
        return len(other) - len(one) <= 2
    same = sum(block.size for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())
    return max(len(one), len(other)) - same == 1


def meant_value(setting: table.Setting, text: str, version: table.Version | None) -> str | None:
    """A refused value without quotes, units and words that PgBouncer does not know; None where that is not all."""
    body = text.strip()
    if len(body) > 2 and body[0] == body[-1] and body[0] in "\"'":
        body = body[1:-1].strip()
    if _takes(setting, body, version):
        return body
    made = _plain(setting, body)
    return made if made is not None and _takes(setting, made, version) else None


def _takes(setting: table.Setting, text: str, version: table.Version | None) -> bool:
    try:
        table.read(setting, text, version)
    except ValueError:
        return False
    return bool(text)


def _plain(setting: table.Setting, text: str) -> str | None:
    if setting.kind == "flag":
        return _WORDS.get(text.lower())
    if setting.kind == "enum":
        words = [word for word in setting.choices if _letters(word) == _letters(text)]
        return words[0] if len(words) == 1 else None
    if setting.kind not in ("count", "seconds"):
        return None
    if _UNDERSCORED.fullmatch(text):
        return text.replace("_", "")
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return None
    whole, part, unit = found[1], found[2] or "", found[3].lower()
    if setting.kind == "seconds" or setting.unit in ("s", "ms"):
        sizes, own = _MICROSECONDS, 1000 if setting.unit == "ms" else 1_000_000
    else:
        sizes, own = _BYTES if setting.unit == "bytes" else {}, 1
    if not unit or unit not in sizes or len(whole) + len(part) > 15:
        return None
    number = int(whole + part) * sizes[unit]
    scale = own * 10 ** len(part)
    if number % scale == 0:
        return str(number // scale)
    return f"{number / scale:.6f}".rstrip("0") if setting.kind == "seconds" and number >= scale / 1000 else None


def _letters(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "").replace(" ", "")


def renamed(span: Span, key: str, section: str, version: table.Version | None, taken: Collection[str]) -> Fix | None:
    """The fix of a refused ``key`` at ``span``, ``taken`` being the keys beside it; a name of another section is less certain."""
    meant = meant_name(key, section, version, taken)
    if meant is None or span.text not in (key, f"'{key}'"):
        return None
    return Fix(f"write {meant}", "unsafe" if key.lower() in _MOVED.get(section, {}) else "safe", (Edit(span, meant),))


def revalued(span: Span, text: str, meant: str | None) -> Fix | None:
    """The fix that writes ``meant`` in place of the value ``text`` at ``span``, in the quotes of its file."""
    if meant is None:
        return None
    written = span.text
    if written == text:
        return Fix(f"write {meant}", "safe", (Edit(span, meant),))
    if len(written) > 1 and written[0] == written[-1] and written[0] in "\"'" and written[1:-1] == text:
        return Fix(f"write {meant}", "safe", (Edit(span, f"{written[0]}{meant}{written[0]}"),))
    default = f":-{text}}}"
    if written.startswith("${") and written.endswith(default):
        at = span.start + len(written) - len(default) + 2
        return Fix(f"write {meant}", "safe", (Edit(Span(span.source, at, at + len(text)), meant),))
    return None
