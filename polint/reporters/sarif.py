"""``--format sarif``: SARIF 2.1.0, for code scanning on a forge.

Regions count characters as SARIF's ``unicodeCodePoints``; paths are relative to the root.  A finding keeps
its fingerprint while lines around it move, and what is suppressed says so instead of being left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import __version__
from ..diagnostic import COVERED, Diagnostic, Fix, Note
from ..source import Span
from . import Report, Style, Unread, encodable, fingerprints, hides

if TYPE_CHECKING:
    from ..ruleform import Rule

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def report(result: Report, style: Style) -> str:
    """The SARIF log; without diagnostics its ``results`` are empty, not missing."""
    index = {str(rule.code): number for number, rule in enumerate(result.rules)}
    run = {
        "tool": {
            "driver": {
                "name": "polint",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in result.rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(result)}],
        "results": [
            _result(diagnostic, name, index) for diagnostic, name in zip(result.diagnostics, fingerprints(result.diagnostics), strict=True)
        ],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return dumps(log, ensure_ascii=False, indent=1) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    why, advice = " ".join(rule.why.split()), " ".join(rule.help.split())
    if not advice or "{" in advice:  # it is filled in for each finding
        advice = rule.summary
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": why},
        "help": {"text": advice, "markdown": f"{why}\n\n{advice}\n\n`polint rule {rule.code}` shows the whole page."},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.group]},
    }


def _notifications(result: Report) -> list[dict[str, Any]]:
    """Files that could not be read, and places that were not followed: what the results do not rest on."""
    made = [
        {
            "level": "warning",
            "message": {"text": encodable(f"not read: {file.reason or ''}")},
            "locations": [{"physicalLocation": {"artifactLocation": _artifact(file.path)}}],
        }
        for file in result.files
        if file.status == "unreadable"
    ]
    return made + [_unread(one) for one in result.unread]


def _unread(one: Unread) -> dict[str, Any]:
    text = encodable(f"not followed: {one.reason}")
    return {"level": "note", "message": {"text": text}, "locations": [{"physicalLocation": _location(one.span)}]}


def _result(diagnostic: Diagnostic, fingerprint: str, index: dict[str, int]) -> dict[str, Any]:
    fix = diagnostic.fix
    made: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": encodable(diagnostic.message)},
        "locations": [{"physicalLocation": _location(diagnostic.span)}],
        "partialFingerprints": {"polintFinding/v1": fingerprint},
    }
    if diagnostic.code in index:
        made["ruleIndex"] = index[diagnostic.code]
    related = [_related(number, note) for number, note in enumerate(diagnostic.notes) if note.span is not None]
    if related:
        made["relatedLocations"] = related
    properties: dict[str, Any] = {"help": encodable(diagnostic.help)} if diagnostic.help else {}
    defaults = [encodable(note.message) for note in diagnostic.notes if note.span is None]
    if defaults:
        properties["defaults"] = defaults
    if properties:
        made["properties"] = properties
    if diagnostic.suppressed is not None:
        kind = "external" if diagnostic.suppressed == COVERED else "inSource"
        made["suppressions"] = [{"kind": kind, "justification": encodable(diagnostic.suppressed)}]
    if fix is not None and fix.applicability != "display" and not hides(fix):
        made["fixes"] = [_fix(fix)]
    return made


def _related(number: int, note: Note) -> dict[str, Any]:
    assert note.span is not None
    return {"id": number, "message": {"text": encodable(note.message)}, "physicalLocation": _location(note.span)}


def _fix(fix: Fix) -> dict[str, Any]:
    paths = dict.fromkeys(edit.span.path for edit in fix.edits)
    return {
        "description": {"text": encodable(fix.title)},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(path),
                "replacements": [
                    {"deletedRegion": _region(edit.span), "insertedContent": {"text": encodable(edit.replacement)}}
                    for edit in fix.edits
                    if edit.span.path == path
                ],
            }
            for path in paths
        ],
    }


def _location(span: Span) -> dict[str, Any]:
    return {"artifactLocation": _artifact(span.path), "region": _region(span)}


def _artifact(path: str) -> dict[str, Any]:
    return {"uri": quote(path.encode("utf-8", "surrogateescape")), "uriBaseId": "%SRCROOT%"}


def _region(span: Span) -> dict[str, int]:
    (line, column), (last, end) = _places(span)
    return {"startLine": line, "startColumn": column, "endLine": last, "endColumn": end}


def _places(span: Span) -> Sequence[tuple[int, int]]:
    return (span.source.place(span.start), span.source.place(span.end))
