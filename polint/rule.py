"""Rules as they are loaded: from the cache when it holds, else checked and compiled from their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .ruleform import GROUPS, PARAM_TYPES, FixForm, Loaded, Param, Rule, RuleError, parse_param

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "GROUPS",
    "PARAM_TYPES",
    "Loaded",
    "Param",
    "Rule",
    "RuleError",
    "data_dir",
    "data_folder",
    "load_builtin",
    "load_rules",
    "parse_param",
]


def data_dir(name: str) -> Path:
    """``data_folder`` as a Path."""
    from pathlib import Path

    return Path(data_folder(name))


def data_folder(name: str) -> str:
    """The folder ``name`` that comes with polint: inside the package in a wheel, beside it in a checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    for parent in (here, os.path.dirname(here)):
        folder = os.path.join(parent, name)
        if os.path.isdir(folder):
            return folder
    raise FileNotFoundError(f"polint's folder {name!r} is missing: the installation is damaged")


def load_builtin() -> Loaded:
    """The rules that come with polint, in one read when nothing they rest on has changed."""
    from . import rulecache

    folder = data_folder("rules")
    key = rulecache.stamp(folder)
    record = rulecache.read(key)
    if record is not None:
        try:
            return Loaded(tuple(map(_unpack, record)), ())
        except (TypeError, ValueError):
            pass  # of another shape: build it anew
    loaded = load_rules([folder], builtin=True)
    if not loaded.errors:
        rulecache.write(key, tuple(map(_pack, loaded.rules)))
    return loaded


def load_rules(
    folders: Iterable[str | os.PathLike[str]],
    *,
    builtin: bool = False,
    known: Iterable[Rule] = (),
    subjects: Mapping[str, type] | None = None,
) -> Loaded:
    """Check and compile every rule file under ``folders`` (a folder may also be one file).

    ``known`` are rules whose codes and names are taken.  ``subjects`` are the classes
    behind ``for:``, the model's unless a test brings its own.  Nothing is raised for
    a bad file: all mistakes of all files come back together.
    """
    from .rulefile import load

    return load([os.fspath(folder) for folder in folders], builtin, tuple(known), subjects)


def _pack(rule: Rule) -> tuple[Any, ...]:
    """A rule in the plain types that marshal takes."""
    return (*rule[:-2], tuple(rule.fix) if rule.fix is not None else None, tuple(map(tuple, rule.params)))


def _unpack(record: tuple[Any, ...]) -> Rule:
    *plain, fix, params = record
    return Rule._make((*plain, FixForm._make(fix) if fix is not None else None, tuple(map(Param._make, params))))
