"""Every mistake one can make in polint's own files is answered with its place, its cause and a caret: tests/mistakes.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import polint

PAGE = Path(__file__).parent / "mistakes.md"
COMPOSE = "services:\n  api:\n    image: example.test/api\n"
FILES = {
    "configuration": "polint.toml",
    "rule file": "policy/policy.yaml",
    "suppression": "compose.yaml",
    "baseline": "polint-baseline.json",
    "plan": "polint-plan.yaml",
}
ARGUMENTS = {
    "configuration": ["lint"],
    "rule file": ["rules", "test", "policy"],
    "suppression": ["lint", "-q", "--select", "PO002,PO003,PO004,PO701"],
    "baseline": ["lint"],
    "plan": ["generate", "polint-plan.yaml", "--out", "bundle"],
}


class Mistake(NamedTuple):
    kind: str
    title: str
    text: str
    answer: str
    start: int  # of the answer, in the page
    end: int


def mistakes() -> list[Mistake]:
    page = PAGE.read_text(encoding="utf-8")
    found = []
    kind = ""
    for part in re.finditer(r"^## (.+)$|^### (.+)\n\n```input\n((?:.*\n)*?)```\n\n```answer\n((?:.*\n)*?)```$", page, re.MULTILINE):
        if part[1]:
            kind = part[1]
        else:
            found.append(Mistake(kind, part[2], part[3], part[4], part.start(4), part.end(4)))
    return found


MISTAKES = mistakes()


def answer(mistake: Mistake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    for name, text in {"compose.yaml": COMPOSE, FILES[mistake.kind]: mistake.text}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    code, out, err = polint(*ARGUMENTS[mistake.kind], env={"NO_COLOR": "1"})
    if mistake.kind in ("configuration", "baseline", "plan") and ": warning: " not in err:
        assert (code, out) == (2, "")
    return err if mistake.kind in ("configuration", "baseline", "plan") else out + err


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.kind}: {mistake.title}")
def test_the_answer_is_exact(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    given = answer(mistake, tmp_path, monkeypatch)
    if request.config.getoption("--update"):
        page = PAGE.read_text(encoding="utf-8")
        head, _, tail = page.partition(f"### {mistake.title}\n\n```input\n{mistake.text}```\n\n```answer\n{mistake.answer}```")
        PAGE.write_text(f"{head}### {mistake.title}\n\n```input\n{mistake.text}```\n\n```answer\n{given}```{tail}", encoding="utf-8")
        return
    assert given == mistake.answer
    assert given


def test_every_answer_points_at_its_place() -> None:
    assert len(MISTAKES) > 110
    for mistake in MISTAKES:
        no_caret = ": warning: " in mistake.answer or "a rule begins with code" in mistake.answer
        assert "^" in mistake.answer or no_caret, mistake.title
        assert re.match(r"\S+:\d+:\d+: |\w+\[PO\d+\]", mistake.answer), mistake.title
