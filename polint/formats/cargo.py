"""Cargo.toml and Cargo.lock: a package's name, and the versions of what it depends on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..source import Source, Span
from ..tuples import NamedTuple


class Requirement(NamedTuple):
    """A dependency's version as Cargo.toml asks for it (``0.8``, ``^0.7.1``), and where."""

    text: str
    span: Span


def package_name(data: bytes) -> str:
    """``name`` of ``[package]``, "" when there is none; line by line, as every crate of a tree is asked for it."""
    inside = False
    for line in data.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.startswith("["):
            inside = text.partition("#")[0].strip() == "[package]"
        elif inside and text.partition("=")[0].strip() == "name":
            return text.partition("=")[2].partition("#")[0].strip().strip("\"'")
    return ""


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def requirement(source: Source, name: str) -> Requirement | None:
    """What a Cargo.toml asks of dependency ``name`` (also in ``[workspace.dependencies]``); None when it states no version."""
    import tomllib

    try:
        tables = tomllib.loads(source.text)
    except (ValueError, RecursionError):
        return None
    for table in (tables, _table(tables.get("workspace"))):
        for kind in ("dependencies", "build-dependencies", "dev-dependencies"):
            found = _version(table.get(kind), name)
            if found is not None:
                at = max(source.text.find(f"\n{name}"), source.text.find(f".{name}]"), 0)
                start = source.text.find(found, at)
                return Requirement(found, source.span(start, start + len(found)) if start >= 0 else source.span(0, 0))
    return None


def features(source: Source, names: Collection[str]) -> frozenset[str]:
    """The features that a Cargo.toml (also its ``[workspace.dependencies]``) asks of dependencies ``names``."""
    import tomllib

    try:
        tables = tomllib.loads(source.text)
    except (ValueError, RecursionError):
        return frozenset()
    found: set[str] = set()
    for table in (tables, _table(tables.get("workspace"))):
        wanted = table.get("dependencies") if isinstance(table, dict) else None
        if not isinstance(wanted, dict):
            continue
        for name in names:
            entry = wanted.get(name)
            asked = entry.get("features") if isinstance(entry, dict) else None
            if isinstance(asked, list):
                found.update(one for one in asked if isinstance(one, str))
    return frozenset(found)


def _version(dependencies: Any, name: str) -> str | None:
    entry = dependencies.get(name) if isinstance(dependencies, dict) else None
    version = entry.get("version") if isinstance(entry, dict) else entry
    return version if isinstance(version, str) else None


def locked(data: bytes, name: str) -> str | None:
    """The version of ``name`` that a Cargo.lock holds (the first, when it holds several); its layout is Cargo's own and fixed."""
    text = data.decode("utf-8", "replace")
    at = text.find(f'\nname = "{name}"\n')
    head, _, rest = text[at + 1 :].partition("\n") if at >= 0 else ("", "", "")
    line = rest.partition("\n")[0]
    return line.partition('"')[2].partition('"')[0] if head and line.startswith("version") else None


def major_minor(version: str) -> tuple[int, int] | None:
    """``^0.8.1`` as (0, 8); None for what names no version (``*``)."""
    parts = version.strip().lstrip("^~=>v ").partition(",")[0].split(".")
    if not parts[0].isdigit():
        return None
    minor = parts[1] if len(parts) > 1 else "0"
    return int(parts[0]), int(minor) if minor.isdigit() else 0
