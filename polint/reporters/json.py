"""``--format json``: everything there is, in the shape of schema/report.schema.json."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from typing import Any

from .. import __version__
from ..diagnostic import SEVERITIES, Diagnostic, Fix
from ..source import Span
from . import FileStatus, Report, Style, Unread, encodable, fixable, hides


def report(result: Report, style: Style) -> str:
    """The JSON text; the same for the same files, whatever the terminal is."""
    active = result.active
    document = {
        "schema_version": 1,
        "polint_version": __version__,
        "files": files(result.files),
        "unread": unread(result.unread),
        "diagnostics": [_diagnostic(diagnostic) for diagnostic in result.diagnostics],
        "summary": {
            **{severity: sum(diagnostic.severity == severity for diagnostic in active) for severity in SEVERITIES},
            "suppressed": len(result.diagnostics) - len(active),
            "fixable": sum(map(fixable, active)),
            "files_read": sum(file.status == "read" for file in result.files),
            "files_unreadable": sum(file.status == "unreadable" for file in result.files),
        },
    }
    return dumps(document, ensure_ascii=False, indent=1) + "\n"


def files(found: Sequence[FileStatus]) -> list[dict[str, Any]]:
    """The files as the report lists them."""
    return [{"path": encodable(file.path), "format": file.format, "status": file.status, "reason": file.reason} for file in found]


def unread(found: Sequence[Unread]) -> list[dict[str, Any]]:
    """The places that were not followed, as the report lists them."""
    return [{"path": encodable(one.span.path), "range": _range(one.span), "reason": encodable(one.reason)} for one in found]


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "name": diagnostic.name,
        "severity": diagnostic.severity,
        "message": encodable(diagnostic.message),
        "help": encodable(diagnostic.help),
        "path": encodable(diagnostic.span.path),
        "range": _range(diagnostic.span),
        "notes": [
            {
                "message": encodable(note.message),
                "path": encodable(note.span.path) if note.span is not None else None,
                "range": _range(note.span) if note.span is not None else None,
            }
            for note in diagnostic.notes
        ],
        "fix": _fix(diagnostic.fix) if diagnostic.fix is not None else None,
        "suppressed": encodable(diagnostic.suppressed) if diagnostic.suppressed is not None else None,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "title": encodable(fix.title),
        "applicability": "display" if hides(fix) else fix.applicability,
        "edits": [
            {"path": encodable(edit.span.path), "range": _range(edit.span), "replacement": encodable(edit.replacement)}
            for edit in fix.edits
        ],
    }


def _range(span: Span) -> dict[str, dict[str, int]]:
    places = (span.source.place(span.start), span.source.place(span.end))
    start, end = ({"line": line, "column": column} for line, column in places)
    return {"start": start, "end": end}
