"""What PgBouncer refuses in a file, or in the variables an image makes one of: syntax, unknown keys, unreadable values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .. import pgbouncer_settings as table
from .. import templating
from ..fact import Fact
from ..formats import Entry, Fault, Parsed, pgbouncer
from . import pgbouncer_cures as cures
from .resolve import NOTHING, resolve

_NEWEST = (1, 26)  # whose settings are in the table; a later one may know more


def of_parsed(parsed: Parsed, version: tuple[int, ...] | None) -> Iterator[Fault]:
    """Everything in a pgbouncer.ini that PgBouncer, of that version if known, refuses or takes otherwise than meant."""
    yield from parsed.faults
    taken = {entry.key for entry in parsed.entries if entry.section.partition("#")[0] == "pgbouncer"}
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
            yield from _setting(entry, version, taken)


def of_variables(raw: Mapping[str, Fact[Any]], version: tuple[int, ...] | None) -> Iterator[Fault]:
    """Values of variables that an image writes into its pgbouncer.ini, where PgBouncer refuses them."""
    for key, fact in raw.items():
        if fact.is_known and fact.span is not None and not templating.is_placeholder(str(fact.value), key):
            text = str(fact.value)
            message = _refusal(table.SETTINGS[key], text, version)
            if message:
                fix = cures.revalued(fact.span, text, cures.meant_value(table.SETTINGS[key], text, version))
                yield Fault(f"{key}: {message}", fact.span, fix=fix)


def _setting(entry: Entry, version: tuple[int, ...] | None, taken: Collection[str]) -> Iterator[Fault]:
    known = table.SETTINGS.get(entry.key)
    if known is None or (version is not None and not known.known_in(version)):
        if known is not None or version is None or version[:2] <= _NEWEST:
            message = f'PgBouncer refuses the unknown parameter "{entry.key}"{_hint(entry.key, table.SETTINGS, version)}'
            fix = cures.renamed(entry.key_span, entry.key, "pgbouncer", version, taken)
            yield Fault(message, entry.key_span, fix=fix)
        return
    fact = resolve(entry.key, entry.value, NOTHING)
    if not fact.is_known or templating.is_placeholder(str(fact.value), entry.key):
        return
    message = _refusal(known, str(fact.value), version)
    comment = pgbouncer.inline_comment(entry) if str(fact.value)[:1] in (";", "#") else None
    if comment is not None and not message:  # a text takes it: no query, file or user begins like that
        yield comment._replace(fatal=False, fix=comment.fix and comment.fix._replace(applicability="unsafe"))
    if message:
        text = str(fact.value)
        fix = cures.revalued(entry.value_span, text, cures.meant_value(known, text, version))
        yield pgbouncer.inline_comment(entry) or Fault(message, entry.value_span, fix=fix)


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
            message = f'PgBouncer refuses the unknown key "{pair.key}" in [{section}]{_hint(pair.key, settings, version)}'
            fix = cures.renamed(pair.key_span, pair.key, section, version, {other.key for other in split.entries})
            yield Fault(message, pair.key_span, fatal, fix)
            return
        fact = resolve(pair.key, pair.value, NOTHING)
        if not fact.is_known or templating.is_placeholder(str(fact.value), pair.key):
            continue
        try:
            table.read_pair(known, str(fact.value), version)
        except ValueError as error:
            text = str(fact.value)
            fix = cures.revalued(pair.value_span, text, cures.meant_value(known, text, version))
            yield Fault(str(error), pair.value_span, fatal, fix)
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
