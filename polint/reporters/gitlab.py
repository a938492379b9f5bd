"""``--format gitlab``: a Code Quality report, which GitLab shows in merge requests."""

from __future__ import annotations

from json import dumps

from . import Report, Style, encodable, fingerprints

_SEVERITIES = {"error": "critical", "warning": "major", "info": "info"}


def report(result: Report, style: Style) -> str:
    """The report; an empty list when there is nothing to report."""
    names = dict(zip(result.diagnostics, fingerprints(result.diagnostics), strict=True))
    issues = [
        {
            "description": encodable(f"{diagnostic.name}: {diagnostic.message}"),
            "check_name": diagnostic.code,
            "fingerprint": names[diagnostic],
            "severity": _SEVERITIES[diagnostic.severity],
            "location": {
                "path": encodable(diagnostic.span.path),
                "lines": {"begin": diagnostic.span.place[0], "end": diagnostic.span.source.place(diagnostic.span.end)[0]},
            },
        }
        for diagnostic in result.active
    ]
    return dumps(issues, ensure_ascii=False, indent=1) + "\n"
