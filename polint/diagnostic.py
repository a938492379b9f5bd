"""What a rule reports, and the edits that would mend it."""

from __future__ import annotations

from collections.abc import Callable

from .source import Span
from .tuples import NamedTuple

SEVERITIES = ("error", "warning", "info")  # most severe first
COVERED = "in the baseline"  # why a diagnostic that the baseline accepts is suppressed
APPLICABILITIES = ("safe", "unsafe", "display")


class Note(NamedTuple):
    """A related place (``span`` is None for a default, which stands in no file)."""

    message: str
    span: Span | None


class Edit(NamedTuple):
    """Replace the text at ``span`` with ``replacement``."""

    span: Span
    replacement: str


class Fix(NamedTuple):
    """A titled set of edits; ``applicability`` is safe, unsafe or display."""

    title: str
    applicability: str
    edits: tuple[Edit, ...]


class Diagnostic(NamedTuple):
    """One report of one rule at one place.

    ``subject`` names the model object without lines (``service rust-iss, setting
    acquire_timeout``): baselines and fingerprints rest on it.  ``suppressed`` is
    the reason given in a suppression that covers it, or None.  ``measure`` is how
    bad it is, for rules that can tell: a baseline accepts no more than it recorded.
    ``mend`` plans the fix when somebody asks for it, so that a plain run does not.
    """

    code: str
    name: str
    severity: str
    message: str
    span: Span
    help: str = ""
    notes: tuple[Note, ...] = ()
    mend: Callable[[], Fix | None] | None = None
    subject: str = ""
    suppressed: str | None = None
    measure: float | None = None

    @property
    def fix(self) -> Fix | None:
        """The edits that would mend it; None when there are none, or none that can be told."""
        return self.mend() if self.mend is not None else None

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """The one order used everywhere: path, place, code."""
        line, column = self.span.place
        return self.span.path, line, column, self.code, self.message
