"""deadpool's settings: what PoolConfig and Timeouts hold, wherever they are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..source import Span
from ..value import Opaque, Value
from .rust import SettingCall
from .rust_code import File, arguments
from .rust_pools import Link
from .rust_records import Field, Record, Records, value_of
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_TIMEOUTS = {"wait": "wait_timeout", "create": "create_timeout", "recycle": "recycle_timeout"}
SETS = {"config": ("max_size", *_TIMEOUTS.values()), "timeouts": tuple(_TIMEOUTS.values())}
"""What deadpool's setters for several settings at once decide."""


def takes_tls(file: File, call: Node, word: bytes) -> bool:
    """Whether the arguments are those of deadpool_postgres: a TLS connector, and since 0.10 the runtime before it."""
    given = [file.text(one) for one in arguments(call)]
    if word == b".builder":
        return len(given) == 1 and "tls" in given[0].lower()
    return (len(given) == 2 and ("Runtime" in given[0] or given[0] == "None")) or (len(given) == 1 and "tls" in given[0].lower())


def expanded(link: Link, reader: Reader, records: Records) -> dict[str, SettingCall] | None:
    """What ``.config(..)`` and ``.timeouts(..)`` of deadpool's builder set; None for other setters."""
    given = arguments(link.call)
    if link.name not in ("config", "timeouts") or len(given) != 1:
        return None
    span = link.scope.file.span(link.call)
    record = records.read(given[0], link.scope)
    return pool_config(reader, records, record, span) if link.name == "config" else _timeouts(reader, record, span)


def pool_config(reader: Reader, records: Records, record: Record, span: Span) -> dict[str, SettingCall]:
    """The settings that a PoolConfig holds; those that may be set out of sight are unknown, at ``span``."""
    out: dict[str, SettingCall] = {}
    size = record.fields.get("max_size")
    if size is not None:
        out["max_size"] = _setting("max_size", size, value_of(reader, size, "usize"))
    elif record.why:
        out["max_size"] = _unseen("max_size", record.why, span)
    inner = records.inner(record, "timeouts")
    return out | (_timeouts(reader, inner, span) if inner is not None else {})


def _timeouts(reader: Reader, record: Record, span: Span) -> dict[str, SettingCall]:
    out: dict[str, SettingCall] = {}
    for field, name in _TIMEOUTS.items():
        found = record.fields.get(field)
        if found is not None:
            out[name] = _setting(name, found, value_of(reader, found, "duration"))
        elif record.why:
            out[name] = _unseen(name, record.why, span)
    return out


def _setting(name: str, field: Field, value: Value) -> SettingCall:
    return SettingCall(name, value, field.span, field.name_span, field.value_span)


def _unseen(name: str, why: str, span: Span) -> SettingCall:
    return SettingCall(name, Opaque(f"the pool's settings {why}", span), span, span, span)
