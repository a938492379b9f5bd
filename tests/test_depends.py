"""Edits of compose files that let a service wait for its database."""

from __future__ import annotations

import pytest

from polint.diagnostic import Diagnostic, Fix
from polint.fixer import apply
from polint.formats.compose_depends import depends, waiting
from polint.source import Source, Span

START = "services:\n  api:\n    build: .\n"


def mended(text: str, service: str = "api", others: tuple[str, ...] = ()) -> str | None:
    source = Source("compose.yaml", text)
    at = text.index(f"  {service}:") + 2
    span = Span(source, at, at + len(service))
    edits = waiting(span, "db", (service, *others))
    if edits is None:
        return None
    fix = Fix("", "unsafe", tuple(edits))
    return apply([Diagnostic("", "", "info", "", span, mend=lambda: fix)], {})["compose.yaml"].after.decode()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("    depends_on: [db]\n", "    depends_on: {db: {condition: service_healthy}}\n"),
        (
            "    depends_on: [ 'x' , db ] # y\n",
            "    depends_on: { 'x': {condition: service_started} , db: {condition: service_healthy} } # y\n",
        ),
        ("    depends_on:\n    - db", "    depends_on:\n      db:\n        condition: service_healthy"),
        (
            "    depends_on:\n        - x # y\n        - db\n    tty: true\n",
            "    depends_on:\n        x: # y\n          condition: service_started\n"
            "        db:\n          condition: service_healthy\n    tty: true\n",
        ),
        ("    depends_on: {db: {condition: 'service_started'}}\n", "    depends_on: {db: {condition: 'service_healthy'}}\n"),
        (
            "    depends_on: &wait\n      - db\n",
            "    depends_on: &wait\n      db:\n        condition: service_healthy\n",
        ),
    ],
)
def test_waiting(written: str, expected: str) -> None:
    assert mended(START + written) == START + expected
    assert mended((START + written).replace("\n", "\r\n")) == (START + expected).replace("\n", "\r\n")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "    depends_on: [x]\n",
        "    depends_on: {db: {required: false}}\n",
        "    depends_on: {db: {condition: '${HOW:-service_started}'}}\n",
        "    depends_on: [*name]\n",
        "    depends_on: [db]\n    deploy: {placement: {constraints: [node.role == manager]}}\n",
    ],
)
def test_waiting_is_not_plain(written: str) -> None:
    assert mended("x-name: &name db\n" + START + written) is None


def test_shared_dependencies() -> None:
    text = "x-app: &app\n  depends_on:\n    - db\nservices:\n  api: *app\n  job:\n    <<: *app\n    tty: true\n"
    assert mended(text, "job") is None
    assert mended(text, "job", ("api",)) == text.replace("- db\n", "db:\n      condition: service_healthy\n")


def test_depends() -> None:
    source = Source("compose.yaml", START + "    depends_on: [db]\n  job: {extends: {service: api}}\n  db: {image: postgres:16}\n")
    assert [depends(source, name) for name in ("api", "job", "db", "none")] == [True, True, False, False]
