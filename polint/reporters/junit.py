"""``--format junit``: JUnit's XML, for CI systems that show tests.

A file is a suite and a diagnostic a failed test; an info is a skipped one, as it fails no run.  A
file that was read and has nothing to report is one test that passed.
"""

from __future__ import annotations

from collections import defaultdict
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..diagnostic import Diagnostic
from . import Report, Style, clean


def report(result: Report, style: Style) -> str:
    """The document, with its declaration."""
    found: defaultdict[str, list[Diagnostic]] = defaultdict(list)
    for file in result.files:
        if file.status != "skipped":
            found[file.path] = []
    for diagnostic in result.active:
        found[diagnostic.span.path].append(diagnostic)
    failed = sum(diagnostic.severity != "info" for diagnostic in result.active)
    tests = sum(max(len(diagnostics), 1) for diagnostics in found.values())
    top = Element("testsuites", name="polint", tests=str(tests), failures=str(failed))
    for path in sorted(found):
        _suite(top, path, found[path])
    indent(top, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(top, encoding="unicode")}\n'


def _suite(top: Element, path: str, diagnostics: list[Diagnostic]) -> None:
    skipped = sum(diagnostic.severity == "info" for diagnostic in diagnostics)
    suite = SubElement(
        top,
        "testsuite",
        name=_text(path),
        tests=str(max(len(diagnostics), 1)),
        failures=str(len(diagnostics) - skipped),
        errors="0",
        skipped=str(skipped),
    )
    if not diagnostics:
        SubElement(suite, "testcase", name="polint", classname=_text(path))
    for diagnostic in diagnostics:
        line, column = diagnostic.span.place
        name = f"{diagnostic.code} {diagnostic.name} at {line}:{column}"
        case = SubElement(suite, "testcase", name=_text(name), classname=_text(path))
        message = _text(diagnostic.message)
        if diagnostic.severity == "info":
            SubElement(case, "skipped", message=message)
            continue
        failure = SubElement(case, "failure", type=diagnostic.severity, message=message)
        lines = [f"{diagnostic.span}: {diagnostic.message}"]
        lines += [f"note: {note.message}" + (f" ({note.span})" if note.span is not None else "") for note in diagnostic.notes]
        lines += [f"help: {line}" for line in diagnostic.help.strip().splitlines()]
        failure.text = "\n".join(map(_text, lines))


def _text(text: str) -> str:
    """Without secrets and without what XML cannot hold."""
    return clean(text).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
