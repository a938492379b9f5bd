"""What people have accepted, as rules look at it: suppressions in comments, and the entries of a baseline."""

from __future__ import annotations

from ..diagnostic import Fix
from ..fact import Fact, derive
from ..source import Span

_NO = derive("is reported", lambda: False)


class Suppression:
    """One rule that one comment suppresses.

    ``name`` is the rule as written, ``reason`` the words behind it, ``until`` a date or "".
    ``fault`` says why the comment has no effect at all, "" when it is well formed.
    """

    kind = "suppression"

    def __init__(
        self,
        name: str,
        span: Span,
        *,
        reason: str = "",
        until: str = "",
        fault: str = "",
        is_used: Fact[bool] = _NO,
        is_expired: bool = False,
        fix: Fix | None = None,
    ) -> None:
        self.name: str = name
        self.span: Span = span
        self.reason: str = reason
        self.until: str = until
        self.fault: str = fault
        self.is_used: Fact[bool] = is_used  # some diagnostic is covered by it
        self.is_expired: bool = is_expired  # its date has passed
        self.fix: Fix | None = fix  # takes it out of the file
        self.label: str = f"suppression of {name}" if name else "suppression"


class BaselineEntry:
    """One diagnostic that the baseline accepts; ``is_matched`` while it is still reported."""

    kind = "baseline_entry"

    def __init__(self, rule: str, subject: str, span: Span, *, is_matched: Fact[bool], fix: Fix | None = None) -> None:
        self.rule: str = rule  # the rule's code
        self.subject: str = subject  # what it is about
        self.span: Span = span
        self.is_matched: Fact[bool] = is_matched
        self.fix: Fix | None = fix  # takes it out of the baseline
        self.label: str = f"{rule} of {subject}"
