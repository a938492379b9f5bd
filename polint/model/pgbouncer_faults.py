"""What PgBouncer refuses in a file, or in the variables an image makes one of: syntax, unknown keys, unreadable values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .. import pgbouncer_settings as table
from .. import templating
from ..fact import Fact
from ..formats import Entry, Fault, Parsed, pgbouncer
from .resolve import NOTHING, resolve

_NEWEST = (1, 26)  # whose settings are in the table; a later one may know more


def of_parsed(parsed: Parsed, version: tuple[int, ...] | None) -> Iterator[Fault]:
    """Everything in a pgbouncer.ini that PgBouncer, of that version if known, refuses or takes otherwise than meant."""
    yield from parsed.faults
    for entry in parsed.entries:
        section = entry.section.partition("#")[0]
        if section == "peers" and version is not None and version < (1, 19):
            continue  # the section is refused
        if section in ("databases", "users", "peers"):
            if section == "databases" and entry.key == "pgbouncer":
                yield Fault("PgBouncer reserves the database name pgbouncer for its console", entry.key_span)
            split = pgbouncer.connect_string(entry)
            yield from split.faults
            if not split.faults:
                yield from _pairs(split, section, version, fatal=section != "databases" or entry.key != "*")
        elif section == "pgbouncer" and entry.key != pgbouncer.INCLUDE and not parsed.source.path.endswith((".template", ".tmpl", ".j2")):
            yield from _setting(entry, version)


def of_variables(raw: Mapping[str, Fact[Any]], version: tuple[int, ...] | None) -> Iterator[Fault]:
    """Values of variables that an image writes into its pgbouncer.ini, where PgBouncer refuses them."""
    for key, fact in raw.items():
        if fact.is_known and fact.span is not None and not templating.is_placeholder(str(fact.value), key):
            message = _refusal(table.SETTINGS[key], str(fact.value), version)
            if message:
                yield Fault(f"{key}: {message}", fact.span)


def _setting(entry: Entry, version: tuple[int, ...] | None) -> Iterator[Fault]:
    known = table.SETTINGS.get(entry.key)
    if known is None or (version is not None and not known.known_in(version)):
        if known is not None or version is None or version[:2] <= _NEWEST:
            yield Fault(f'PgBouncer refuses the unknown parameter "{entry.key}"{_hint(entry.key, table.SETTINGS, version)}', entry.key_span)
        return
    fact = resolve(entry.key, entry.value, NOTHING)
    if not fact.is_known or templating.is_placeholder(str(fact.value), entry.key):
        return
    message = _refusal(known, str(fact.value), version)
    if message:
        yield pgbouncer.inline_comment(entry) or Fault(message, entry.value_span)


def _refusal(setting: table.Setting, text: str, version: tuple[int, ...] | None) -> str:
    """Why PgBouncer refuses a value, "" when it does not."""
    try:
        table.read(setting, text, version)
    except table.Unclear:
        return ""
    except ValueError as error:
        return str(error)
    return ""


def _pairs(split: Parsed, section: str, version: tuple[int, ...] | None, *, fatal: bool) -> Iterator[Fault]:
    """Keys and values of a connect string; PgBouncer stops at the first that it refuses."""
    settings = table.SECTIONS[section]
    for pair in split.entries:
        known = settings.get(pair.key)
        if known is None or (version is not None and not known.known_in(version)):
            if known is None and version is not None and version[:2] > _NEWEST:
                continue
            yield Fault(
                f'PgBouncer refuses the unknown key "{pair.key}" in [{section}]{_hint(pair.key, settings, version)}', pair.key_span, fatal
            )
            return
        fact = resolve(pair.key, pair.value, NOTHING)
        if not fact.is_known or templating.is_placeholder(str(fact.value), pair.key):
            continue
        try:
            table.read_pair(known, str(fact.value), version)
        except ValueError as error:
            yield Fault(str(error), pair.value_span, fatal)
            return


def _hint(key: str, settings: Mapping[str, table.Setting], version: tuple[int, ...] | None) -> str:
    """Since when there is such a key, where it belongs, or which one may be meant."""
    since = settings[key].since if key in settings else None
    if since is not None:
        return f": it came with {'.'.join(map(str, since))}"
    if settings is table.SETTINGS and key in table.SECTIONS["databases"]:
        return ": it belongs into a connect string of [databases]"
    from difflib import get_close_matches

    known = [name for name, one in settings.items() if (one.since or (0,)) <= (version or (1, 25))]
    near = get_close_matches(key.lower(), known, 1, 0.75)
    return f'; did you mean "{near[0]}"?' if near else ""
