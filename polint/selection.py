"""Which rules a user means: a code, a code prefix, a name or a group stands for the rules it names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Named(Protocol):
    """What selecting needs to know about a rule."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str: ...


class UnknownRule(Exception):
    """No rule is called that; ``nearest`` is what may have been meant, or ""."""

    def __init__(self, given: str, nearest: str) -> None:
        super().__init__(f"unknown rule: {given}" + (f"; did you mean '{nearest}'?" if nearest else ""))
        self.given = given
        self.nearest = nearest


def resolve(selector: str, rules: Iterable[Named]) -> frozenset[str]:
    """The codes that ``selector`` stands for; raises UnknownRule when there is none."""
    rules = list(rules)
    upper = selector.upper()
    found = frozenset(rule.code for rule in rules if selector in (rule.name, rule.group))
    if not found and upper[:1].isalpha() and (upper == selector or upper.startswith("PO")):
        found = frozenset(rule.code for rule in rules if rule.code.startswith(upper))
    if found:
        return found
    raise UnknownRule(selector, _nearest(selector, rules))


def resolve_all(selectors: Iterable[str], rules: Iterable[Named]) -> frozenset[str]:
    """The codes that any of ``selectors`` stands for; ``all`` is every rule, commas separate several."""
    rules = list(rules)
    codes: set[str] = set()
    for selector in selectors:
        for part in filter(None, (part.strip() for part in selector.split(","))):
            codes |= {rule.code for rule in rules} if part in ("all", "ALL") else resolve(part, rules)
    return frozenset(codes)


def one(selector: str, rules: Iterable[Named]) -> str:
    """The code of the one rule whose code or name is ``selector``; raises UnknownRule."""
    rules = list(rules)
    for rule in rules:
        if selector == rule.name or selector.upper() == rule.code:
            return rule.code
    raise UnknownRule(selector, _nearest(selector, rules))


def _nearest(selector: str, rules: list[Named]) -> str:
    from difflib import get_close_matches

    if selector[:2].upper() == "PO" and selector[2:].isdigit():
        return ""  # numbers that look alike mean nothing to each other
    begun = sorted(rule.name for rule in rules if len(selector) > 4 and rule.name.startswith(selector.lower()))
    if begun:
        return begun[0]
    known = [word for rule in rules for word in (rule.name, rule.code, rule.group)]
    near = get_close_matches(selector.lower(), known, n=1) or get_close_matches(selector.upper(), known, n=1)
    return near[0] if near else ""
