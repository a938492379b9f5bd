"""What README and the generated pages say is run: commands give the output shown, snippets load, pages are current."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from polint import config, docs, lint, rule, start, yamltext
from polint.cli import cli
from polint.source import Source

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [part.partition("```")[0] for part in README.split(f"```{language}\n")[1:]]


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.partition("\n")[0])
def test_console_blocks_show_what_is_printed(block: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    command, _, shown = block.partition("\n")
    words = shlex.split(command)
    assert words[:2] == ["$", "polint"]
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(cli, words[2:], env={"NO_COLOR": "1"})
    if request.config.getoption("--update"):
        page = ROOT / "README.md"
        page.write_text(page.read_text(encoding="utf-8").replace(block, f"{command}\n{result.output}"), encoding="utf-8")
    else:
        assert result.output == shown


def test_adopting_takes_the_three_commands_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    page = ROOT / "docs" / "adopting.md"
    text = page.read_text(encoding="utf-8")
    project = tmp_path / "iss-tracker"
    shutil.copytree(ROOT / "examples" / "iss-tracker", project, ignore=shutil.ignore_patterns("expected.txt"))
    monkeypatch.chdir(project)
    shown = [part.partition("```")[0] for part in text.split("```console\n")[1:]]
    assert len(shown) == 3
    for block in shown:
        command, _, answer = block.partition("\n")
        result = CliRunner().invoke(cli, shlex.split(command)[2:], env={"NO_COLOR": "1"})
        assert result.exit_code == 0
        if request.config.getoption("--update"):
            text = text.replace(block, f"{command}\n{result.output}")
            page.write_text(text, encoding="utf-8")
        else:
            assert result.output == answer
    hook, own = (part.partition("```")[0] for part in text.split("```yaml\n")[1:])
    ids = [one["id"] for one in yamltext.to_plain(yamltext.documents(Source("h", (ROOT / ".pre-commit-hooks.yaml").read_text())).nodes[0])]
    assert yamltext.to_plain(yamltext.documents(Source("c", hook)).nodes[0])["repos"][0]["hooks"][0]["id"] in ids
    (project / "policy").mkdir()
    (project / "policy" / "suppression-without-reason.yaml").write_text(own, encoding="utf-8")
    assert CliRunner().invoke(cli, ["rules", "test", "policy"]).output == "1 rule tested, 0 problems\n"
    for name in ("ignore-file", "until=", "per-file-ignores", "stale-baseline-entry"):
        assert name in text


def test_the_schema_of_the_configuration_is_current(request: pytest.FixtureRequest) -> None:
    spec = importlib.util.spec_from_file_location("build_schema", ROOT / "tools" / "build_schema.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    if request.config.getoption("--update"):
        builder.SCHEMA.write_text(builder.schema(), encoding="utf-8")
    assert builder.SCHEMA.read_text(encoding="utf-8") == builder.schema(), "write it again with: pytest --update tests/test_docs.py"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('select = ["PO1"]\nfail-on = "error"\nbaseline = "accepted.json"\n[severity]\nclose-missing = "off"\n', True),
        ('[params.acquire-timeout-out-of-range]\nlongest = "10s"\n[services.api]\nreplicas = 3\nconnects-to = ["db"]\n', True),
        ('[host]\ncores = 8\nmemory = "16GB"\n[servers.db]\nversion = "16"\n', True),
        ('slect = ["PO1"]\n', False),
        ('[severity]\nclose-missing = "fatal"\n', False),
        ("[params.acquire-timeout-out-of-range]\nlongest = 10\n", False),
        ("[services.api]\nreplicas = -1\n", False),
    ],
)
def test_the_schema_says_what_polint_says(text: str, valid: bool) -> None:
    schema = json.loads((ROOT / "schema" / "config.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(tomllib.loads(text)) == valid
    try:
        start.settled(str(ROOT / "examples" / "iss-tracker"), config.parse(Source("polint.toml", text)))
    except (config.ConfigError, start.CannotRun):
        assert not valid
    else:
        assert valid


def test_what_init_writes_is_a_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services:\n  db:\n    image: postgres:16\n  'my search':\n    image: example.test/search\n    environment: {PGHOST: db}\n"
    )
    result = CliRunner().invoke(cli, ["init", str(tmp_path)])
    assert result.output == "wrote polint.toml: 1 server found; to be stated: my search\n"
    text = (tmp_path / "polint.toml").read_text(encoding="utf-8")
    assert not config.parse(Source("polint.toml", text)).services
    # what it shows as comments is valid, too
    shown = [line.removeprefix("# ") for line in text.splitlines() if re.match(r'# (\[[\w."\s-]+\]|[\w"/*-]+ = )', line)]
    settings = config.parse(Source("polint.toml", "\n".join(shown)))
    assert settings.services["my search"].facts["pool"][0] == 5
    assert settings.host is not None
    start.settled(str(tmp_path), settings)


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
