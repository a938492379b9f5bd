"""The metrics that exporters for Prometheus have, by release: postgres_exporter, pgbouncer_exporter and php-fpm_exporter.

The names are those in the exporters' own sources (``data/exporter-metrics.txt``, read at the first question).  postgres_exporter
names its ``pg_settings_…`` after the server's settings, so those are judged by the catalogue of settings [its collector/pg_setting.go].
"""

from __future__ import annotations

import os
from functools import lru_cache

from . import catalogue
from .tuples import NamedTuple

POSTGRES, PGBOUNCER, FPM = "postgres_exporter", "pgbouncer_exporter", "php-fpm_exporter"

# How the names begin that only this exporter gives: others start with ``pg_`` too.
_OWN = {
    POSTGRES: tuple(
        "pg_stat_ pg_statio_ pg_settings_ pg_database_ pg_locks_ pg_replication_ pg_roles_ pg_exporter_ pg_postmaster_ pg_process_idle_ "
        "pg_long_running_transactions".split()
    ),
    PGBOUNCER: ("pgbouncer_",),
    FPM: ("phpfpm_",),
}
_PARTS = ("_bucket", "_sum", "_count")  # of a histogram
_SETTINGS = "pg_settings_"
_UNITS = {"ms": "_seconds", "s": "_seconds", "min": "_seconds", "B": "_bytes", "kB": "_bytes", "8kB": "_bytes", "MB": "_bytes"}
# What people write for what they mean; something else may be meant by the ambiguous ones.
_MEANT = {
    "pg_stat_activity_max_connections": "pg_settings_max_connections",
    "pg_stat_database_max_connections": "pg_settings_max_connections",
    "pg_database_max_connections": "pg_settings_max_connections",
    "pg_stat_activity_connections": "pg_stat_activity_count",
    "pg_replication_lag": "pg_replication_lag_seconds",
    "pg_replication_lag_bytes": "pg_stat_replication_pg_wal_lsn_diff",
    "pg_database_size": "pg_database_size_bytes",
    "pg_database_numbackends": "pg_stat_database_numbackends",
    "pgbouncer_pools_cl_waiting": "pgbouncer_pools_client_waiting_connections",
    "pgbouncer_pools_cl_active": "pgbouncer_pools_client_active_connections",
    "pgbouncer_pools_sv_active": "pgbouncer_pools_server_active_connections",
    "pgbouncer_pools_sv_idle": "pgbouncer_pools_server_idle_connections",
    "pgbouncer_pools_maxwait": "pgbouncer_pools_client_maxwait_seconds",
    "phpfpm_max_children_reached_total": "phpfpm_max_children_reached",
}
_AMBIGUOUS = ("pg_database_max_connections", "pg_stat_database_max_connections", "pg_replication_lag_bytes")

Version = tuple[int, ...]


class Verdict(NamedTuple):
    """What an exporter makes of a name.

    ``reason`` says that it has no such metric, "" when it has; ``instead`` is what is probably
    meant.  ``is_sure``: nothing else can be meant, and its values are what the name promised.
    """

    reason: str = ""
    instead: str = ""
    is_sure: bool = False


class _Range(NamedTuple):
    first: Version
    last: Version


_EVER: Version = (1 << 30,)


@lru_cache(maxsize=1)
def _metrics() -> dict[str, dict[str, _Range]]:
    """Exporter -> name -> the releases that have it; ``*`` for the releases that were looked at."""
    path = os.path.join(os.path.dirname(__file__), "data", "exporter-metrics.txt")
    found: dict[str, dict[str, _Range]] = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                exporter, name, first, last = line.rstrip("\n").split("\t")
                span = _Range(() if first == "-" else _version(first), _EVER if last == "-" else _version(last))
                found.setdefault(exporter, {})[name] = span
    return found


def _version(text: str) -> Version:
    return tuple(map(int, text.split(".")))


def version_of(tag: str) -> Version | None:
    """The release that an image's tag names in full (``v0.15.0``, ``0.15.0-debian-12-r3``); None for ``latest`` and the like."""
    parts = tag.removeprefix("v").partition("-")[0].split(".")
    return tuple(map(int, parts)) if len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts) else None


def exporter_of(name: str) -> str:
    """The exporter that has ``name``, or whose own names begin like it; "" when there is none."""
    begun = next((exporter for exporter, starts in _OWN.items() if name.startswith(starts)), "")
    return begun or next((exporter for exporter, names in _metrics().items() if name != "*" and name in names), "")


def judge(exporter: str, name: str, version: Version | None) -> Verdict | None:
    """What ``exporter`` of that release (None: any) makes of ``name``; None where that is not known."""
    if exporter_of(name) != exporter:
        return None
    if name.startswith(_SETTINGS):
        return _judge_setting(name)
    names = _metrics()[exporter]
    looked = names["*"]
    if version is not None and version > looked.last:
        return Verdict() if _range(names, name) else None
    span = _range(names, name)
    shown = ".".join(map(str, version or looked.last))
    if span is not None and (version is None or span.first <= version <= span.last):
        return Verdict()
    if version is not None and version < looked.first:
        return None
    if span is None:
        reason = f"{exporter} {shown} has no such metric" if version else f"no release of {exporter} up to {shown} has it"
    elif version is not None and version < span.first:
        reason = f"{exporter} has it since {'.'.join(map(str, span.first))}, and {shown} runs here"
    else:
        reason = f"{exporter} had it up to {'.'.join(map(str, span.last))}, and {shown} runs here"
    return Verdict(reason, *_near(name, names, version))


def _range(names: dict[str, _Range], name: str) -> _Range | None:
    found = names.get(name)
    for part in _PARTS:
        if found is None and name.endswith(part):
            found = names.get(name.removesuffix(part))
    return None if name == "*" else found


def _near(name: str, names: dict[str, _Range], version: Version | None) -> tuple[str, bool]:
    """The name that is probably meant, "" when nothing is near, and whether nothing else can be."""
    from difflib import get_close_matches

    able = [other for other, span in names.items() if other != "*" and (version is None or span.first <= version <= span.last)]
    meant = _MEANT.get(name, "")
    if meant and (meant in able or meant.startswith(_SETTINGS)):
        return meant, name not in _AMBIGUOUS
    renamed = [other for other in able if other in (f"{name}_total", name.removesuffix("_total")) and other != name]
    slips = [other for other in able if _is_slip(name, other)] if _range(names, name) is None else []
    if len(renamed or slips) == 1:
        other = (renamed or slips)[0]
        return other, version is not None or names[other].last == _EVER
    return next(iter(get_close_matches(name, able, 1, 0.9)), ""), False


def _is_slip(name: str, other: str) -> bool:
    """Whether one letter too many, too few or wrong, or two that changed places, make ``name`` of ``other``."""
    if abs(len(name) - len(other)) > 1:
        return False
    same = next((at for at, (one, two) in enumerate(zip(name, other, strict=False)) if one != two), min(len(name), len(other)))
    left, right = name[same:], other[same:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or (left[1::-1] == right[:2] and left[2:] == right[2:])


def _judge_setting(name: str) -> Verdict | None:
    """``pg_settings_`` names every boolean and number of pg_settings, with the unit that its value is turned into."""
    stem = name.removeprefix(_SETTINGS)
    for ending in ("", "_bytes", "_seconds"):
        known = catalogue.setting(stem.removesuffix(ending), None) if stem.endswith(ending) else None
        if known is None or known.name != stem.removesuffix(ending):
            continue
        if known.vartype in ("string", "enum"):
            return Verdict(f"{POSTGRES} exports no setting that is a text, and {known.name} is one")
        right = f"{_SETTINGS}{known.name}{_UNITS.get(known.unit or '', '')}"
        in_its_unit = known.unit in (None, "", "s", "B")  # else numbers beside the name count something else
        return Verdict() if name == right else Verdict(f"{POSTGRES} exports {known.name} as {right}", right, in_its_unit)
    return None  # an extension may bring it
