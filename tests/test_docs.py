"""What README and the generated pages say is run: commands give the output shown, snippets load, pages are current."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from polint import config, docs, lint, rule
from polint.cli import cli
from polint.source import Source

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [part.partition("```")[0] for part in README.split(f"```{language}\n")[1:]]


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.partition("\n")[0])
def test_console_blocks_show_what_is_printed(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command, _, shown = block.partition("\n")
    words = shlex.split(command)
    assert words[:2] == ["$", "polint"]
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(cli, words[2:], env={"NO_COLOR": "1"})
    assert result.output == shown


def test_the_configuration_shown_is_valid() -> None:
    (block,) = blocks("toml")
    settings = config.parse(Source("polint.toml", block))
    assert settings.services["search"].facts["pool"][0] == 5
    files = lint.files_of(str(ROOT / "examples" / "iss-tracker-fixed"), settings)
    assert lint.project_of(files, settings).servers
    assert "acquire-timeout-out-of-range" in settings.params


def test_two_commands_open_the_readme() -> None:
    first, second = blocks("sh")[:2]
    assert "polint lint examples/iss-tracker" in first
    assert second.rstrip().endswith("pytest")
    assert README.index(first) < README.index(second) < README.index("## ")


def test_every_command_is_in_the_readme() -> None:
    for name in cli.commands:
        assert f"`polint {name}" in README, name


def test_the_page_of_rules_is_current(request: pytest.FixtureRequest) -> None:
    page = ROOT / "rules" / "README.md"
    current = docs.rules_index(rule.load_builtin().rules)
    if request.config.getoption("--update"):
        page.write_text(current, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == current, "write it again with: pytest --update tests/test_docs.py"
