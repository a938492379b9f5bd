"""The work of a run, counted, not timed: files opened, bytes parsed, templates rendered.  test_architecture counts modules."""

from __future__ import annotations

import builtins
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.inputs import BIG, EXAMPLE, NOISE, write_tree
from polint import discover, lint, rendering, treesitter
from polint.config import Config


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened from here on, by its path."""
    counts: Counter[str] = Counter()
    plain_open, os_open = builtins.open, os.open

    def see(file: Any, *arguments: Any, **named: Any) -> Any:
        counts[str(file)] += 1
        return plain_open(file, *arguments, **named)

    def see_low(path: Any, *arguments: Any, **named: Any) -> Any:
        counts[str(path)] += 1
        return os_open(path, *arguments, **named)

    monkeypatch.setattr(builtins, "open", see)
    monkeypatch.setattr(os, "open", see_low)
    return counts


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every text that a tree-sitter parser is given from here on, in bytes."""
    sizes: list[int] = []
    plain = treesitter.tree_of

    def see(reader: Any, data: bytes) -> Any:
        sizes.append(len(data))
        return plain(reader, data)

    monkeypatch.setattr(treesitter, "tree_of", see)
    return sizes


def under(root: Path, counts: Counter[str]) -> dict[str, int]:
    return {os.path.relpath(path, root): count for path, count in counts.items() if path.startswith(f"{root}{os.sep}")}


def test_files_are_opened_once_to_be_judged_and_once_to_be_kept(tmp_path: Path, opened: Counter[str]) -> None:
    root = tmp_path / "example"
    shutil.copytree(EXAMPLE, root)
    opened.clear()
    report = lint.run(str(root), Config())
    assert report.diagnostics
    found = under(root, opened)
    assert found.pop("services/rust-iss/src/main.rs") <= 2
    assert found.pop("services/rust-iss/Cargo.toml") <= 2
    assert len(found) >= 8
    assert set(found.values()) == {1}


def test_files_of_no_interest_are_not_opened(tmp_path: Path, opened: Counter[str]) -> None:
    write_tree(tmp_path, 1, 100)
    opened.clear()
    lint.run(str(tmp_path), Config())
    noise = {path for path in under(tmp_path, opened) if path.startswith("code")}
    assert noise
    assert {path.rpartition(".")[2] for path in noise} <= {"rs", "php", "yaml"}


def test_sources_without_a_needle_are_not_parsed(tmp_path: Path, parsed: list[int]) -> None:
    write_tree(tmp_path, 1, 0)
    lint.run(str(tmp_path), Config())
    alone = sorted(parsed)
    assert alone
    parsed.clear()
    for number in range(50):
        for kind in ("rs", "php"):
            (tmp_path / f"row_{number}.{kind}").write_text(NOISE[kind].format(n=number))
    lint.run(str(tmp_path), Config())
    assert sorted(parsed) == alone


def test_a_source_is_parsed_once(tmp_path: Path, parsed: list[int]) -> None:
    write_tree(tmp_path, 1, 0)
    report = lint.run(str(tmp_path), Config())
    sizes = [os.path.getsize(tmp_path / file.path) for file in report.files if file.format in ("rust", "php")]
    assert sum(parsed) <= sum(sizes)


def test_the_tree_is_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, 2, 100)
    listed: Counter[str] = Counter()
    plain = os.scandir

    def see(path: Any = ".") -> Any:
        listed[os.path.realpath(path)] += 1
        return plain(path)

    monkeypatch.setattr(discover.os, "scandir", see)
    files = lint.files_of(str(tmp_path), Config())
    assert len(files) >= 60
    assert set(listed.values()) == {1}


def test_most_fixes_are_rendered_without_the_template_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_environment", lambda *_: pytest.fail("jinja2 was asked for"))
    report = lint.run(str(EXAMPLE), Config())
    assert any(diagnostic.fix is not None for diagnostic in report.diagnostics)


@pytest.mark.parametrize(
    "text",
    ["a {{ key }} = {{ value }}\n", "{{ key }}\n\n", "no names", "}} { {{ key }}", "\n{{ value }}{{ key }}\n", "ü {{ value }}\t\n "],
)
def test_filled_templates_are_what_jinja_makes_of_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "fix").mkdir()
    (tmp_path / "fix/x.j2").write_text(text, "utf-8")
    values = {"key": "a{{ b }}", "value": 2.5}
    filled = rendering.rendered("fix/x.j2", (str(tmp_path),), values)
    assert filled == rendering._environment((str(tmp_path),), False).get_template("fix/x.j2").render(values)
    assert rendering._filled(rendering._text("fix/x.j2", (str(tmp_path),)), values) == filled


@pytest.mark.parametrize("text", ["{{key}}", "{% if key %}a{% endif %}", "{# a #}", "{{ key | upper }}", "{{ other }}", "a\r\nb", ""])
def test_other_templates_are_left_to_jinja(text: str) -> None:
    assert rendering._filled(text, {"key": "a"}) is None


def test_large_inputs_name_formats_that_polint_has() -> None:
    assert all(big.path and big.again.count("@") for big in BIG.values())
