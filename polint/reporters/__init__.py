"""How a run's result is shown: one module here is one value of ``--format``, and none imports another.

What they share is here: the result itself, how the terminal wants it, and the
two cleanings that every text from a file goes through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..diagnostic import SEVERITIES, Diagnostic, Fix
from ..mask import mask
from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple

if TYPE_CHECKING:
    from ..engine import Silence
    from ..ruleform import Rule

FORMATS = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "markdown")
MACHINE = frozenset(("json", "sarif", "gitlab", "junit", "markdown"))
"""Formats that are UTF-8 wherever they go."""

# reasons of a file that could be read but has nothing to do with the project's connections
IDLE = "nothing about connections in it"
UNASKED = "nothing refers to it"
_LONGEST = 80  # characters shown of a place that was not followed


class FileStatus(NamedTuple):
    """What became of one file: ``status`` is read, skipped or unreadable, ``reason`` why not read."""

    path: str
    format: str | None
    status: str
    reason: str | None = None


class Unread(NamedTuple):
    """A place in a file that leads to something polint could not read, and why: an include that is not there, a template."""

    span: Span
    reason: str


class Report(NamedTuple):
    """The result of one lint run: ``diagnostics`` in order, suppressed ones included.

    ``budgets`` are finished lines, one for each server, the most utilised first.  ``silenced`` says by rule code
    which subjects a rule could not judge.  ``warnings`` are about the configuration, each with its place; they are for
    standard error.  ``unread`` are the places in files that were not followed.  ``rules`` are those that ran.
    """

    root: str
    diagnostics: Sequence[Diagnostic]
    files: Sequence[FileStatus]
    budgets: Sequence[str] = ()
    silenced: Mapping[str, Sequence[Silence]] = {}
    warnings: Sequence[str] = ()
    unread: Sequence[Unread] = ()
    rules: Sequence[Rule] = ()

    @property
    def active(self) -> list[Diagnostic]:
        """The diagnostics that no suppression covers."""
        return [diagnostic for diagnostic in self.diagnostics if diagnostic.suppressed is None]

    def worst_reaches(self, threshold: str) -> bool:
        """Whether an active diagnostic is at or above ``threshold`` (a severity, or ``never``)."""
        if threshold == "never":
            return False
        failing = SEVERITIES[: SEVERITIES.index(threshold) + 1]
        return any(diagnostic.severity in failing for diagnostic in self.active)


class Style(NamedTuple):
    """How a terminal wants text: in ``colour``, in ``ascii`` only, up to ``width`` columns of source text.

    ``verbosity`` is -1 for quiet, 0, or the number of ``-v``.  ``wraps`` breaks sentences
    at ``width`` too; what goes into a file or a pipe keeps one line for each.
    """

    colour: bool = False
    ascii: bool = False
    width: int = 120
    verbosity: int = 0
    wraps: bool = False


# control characters (the tab is laid out by whoever shows a line), direction overrides, undecodable bytes
_UNSAFE = lazy(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, ascii: bool = False, before: str = "") -> str:
    """``text`` without secrets and without anything that a terminal would act on; as long as before.

    ``before`` are the lines above it in its file.
    """
    text = mask(text, before)
    if not text.isprintable():
        text = _UNSAFE.sub("?" if ascii else "\ufffd", text)
    return text


def encodable(text: str) -> str:
    """``text`` without secrets, and with undecodable bytes escaped: for formats that are UTF-8."""
    text = mask(text)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def hides(fix: Fix) -> bool:
    """Whether one of the fix's edits would write a secret: it is shown masked, so nobody must apply it from a report."""
    return any(mask(edit.replacement) != edit.replacement for edit in fix.edits)


def fingerprints(diagnostics: Sequence[Diagnostic]) -> list[str]:
    """A name for each diagnostic that stays as long as the finding does, wherever its lines move to.

    It rests on the rule, the file and what the diagnostic is about; equal ones are counted.
    """
    from collections import Counter
    from hashlib import sha256

    seen: Counter[tuple[str, str, str]] = Counter()
    names = []
    for diagnostic in diagnostics:
        key = (diagnostic.code, diagnostic.span.path, diagnostic.subject or diagnostic.message)
        text = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        names.append(sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32])
    return names


def plural(count: int, word: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def counted(count: int, severity: str) -> str:
    """``2 errors``, ``3 info``: infos are not counted in the plural."""
    return f"{count} info" if severity == "info" else plural(count, severity)


def fixable(diagnostic: Diagnostic) -> bool:
    """Whether ``polint fix`` has something to write for it."""
    return diagnostic.fix is not None and diagnostic.fix.applicability != "display"


def statistics(result: Report) -> str:
    """``--statistics``: how often each rule reported, the most frequent first."""
    from collections import Counter

    counts = Counter((diagnostic.code, diagnostic.name, diagnostic.severity) for diagnostic in result.active)
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    width = len(str(rows[0][1])) if rows else 0
    return "".join(f"{count:>{width}}  {code}  {severity:<7}  {name}\n" for (code, name, severity), count in rows)


def file_lines(found: Sequence[FileStatus], unread: Sequence[Unread], style: Style) -> str:
    """``polint files``: what is read as what, then what is not and why; quiet leaves out the latter."""
    width = max((len(file.format or "") for file in found), default=0)
    shown = [file for file in found if file.status == "read" or style.verbosity >= 0]
    column = max((len(file.status) for file in shown), default=0)
    column = max(column, len("skipped"))
    lines = []
    for file in sorted(shown, key=lambda file: file.status != "read"):
        reason = "" if file.status == "read" else f": {clean(file.reason or '', style.ascii)}"
        lines.append(f"{file.status:<{column}}  {file.format or '':<{width}}  {clean(file.path, style.ascii)}{reason}\n")
    for place in unread if style.verbosity >= 0 else ():
        line, column = place.span.place
        text = clean(" ".join(place.span.text.split())[:_LONGEST], style.ascii)
        lines.append(f"not followed: {clean(place.span.path, style.ascii)}:{line}:{column}: {text}: {clean(place.reason, style.ascii)}\n")
    return "".join(lines)
