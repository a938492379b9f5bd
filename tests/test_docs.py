"""What README and the generated pages say is run: commands give the output shown, snippets load, pages are current."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from xml.etree import ElementTree

import jsonschema
import pytest
from click.testing import CliRunner

from polint import budget, config, docs, lint, rule, start, yamltext
from polint.bundle import planfile
from polint.cli import cli
from polint.config_schema import Configuration
from polint.examples import EXAMPLE_KEYS
from polint.rulefile import FIX_KEYS, RULE_KEYS
from polint.ruleform import GROUPS, PARAM_TYPES
from polint.source import Source

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [block.text for block in blocks_of(README) if block.language == language]


class Block(NamedTuple):
    language: str
    text: str
    start: int  # of the text, in the page
    end: int
    fence: str


_FENCED = re.compile(r"^(`{3,})([a-z]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"(?:#|//|--|;) (\w[\w./-]*\.[a-z]+)\n")  # of a file of the project; other tests look at those that begin with . or ~
_FOREIGN = re.compile(r"# [.~]")
_UNCHECKED = ("zsh", "fish")  # test_terminal.py tries what these say


def blocks_of(page: str) -> list[Block]:
    return [Block(found[2], found[3], found.start(3), found.end(3), found[1]) for found in _FENCED.finditer(page)]


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str, Path], tuple[int, str]]:
    """Runs a command line as a person would; polint alone within this process, as that is faster."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "polint").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m polint "$@"\n')
    (tools / "polint").chmod(0o755)
    who = {f"GIT_{kind}_{what}": "a@example.test" for kind in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    quiet = {"NO_COLOR": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **who}

    def run(line: str, folder: Path) -> tuple[int, str]:
        words = shlex.split(line)
        if words[0] == "polint" and not {"|", "<", ">", "&&", "||"} & set(words):
            with chdir(folder):
                result = CliRunner().invoke(cli, words[1:], env={"NO_COLOR": "1"})
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            return result.exit_code, result.output
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env={**os.environ, **quiet, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    return run


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_pages_show_what_happens(
    page: Path, tmp_path: Path, shell: Callable[[str, Path], tuple[int, str]], request: pytest.FixtureRequest
) -> None:
    """A page's blocks, one after another, in a copy of the example it names: commands are run, files written, and settings read."""
    text = page.read_text(encoding="utf-8")
    named = re.search(r"(?i)in\s+a\s+copy\s+of\s+`(examples/[\w/-]+)`", text)
    project = ROOT if page.stem == "README" and page.parent == ROOT else tmp_path / "project"
    if named is not None:
        shutil.copytree(ROOT / named[1], project, ignore=shutil.ignore_patterns("expected.txt"))
    elif project != ROOT:
        project.mkdir()
    made, last = "", 0
    for block in blocks_of(text):
        shown = block.text
        if block.language == "console":
            shown = "".join(f"{line}\n{output}" for line, output in _ran(shown, project, shell))
            assert f"\n{block.fence}" not in shown, "a longer fence is needed around this"
        else:
            if (path := _PATH.match(shown)) and project != ROOT:
                (project / path[1]).parent.mkdir(parents=True, exist_ok=True)
                (project / path[1]).write_text(shown, encoding="utf-8")
            _check(block.language, shown, tmp_path)
        made += text[last : block.start] + shown
        last = block.end
    made += text[last:]
    if request.config.getoption("--update"):
        page.write_text(made, encoding="utf-8")
    else:
        assert made == text, "write it again with: pytest --update tests/test_docs.py"


def _ran(block: str, project: Path, shell: Callable[[str, Path], tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Each command of a block with what it prints now."""
    lines = [line for line in block.splitlines() if line.startswith("$ ")]
    assert block.startswith("$ ")
    for line in lines:
        code, output = shell(line.removeprefix("$ "), project)
        assert code in (0, 1), f"{line}: {output}"
        yield line, output


def _check(language: str, text: str, tmp_path: Path) -> None:
    """A snippet that nobody runs is at least one that polint takes."""
    if language in _UNCHECKED or _FOREIGN.match(text):
        return
    if language == "toml":
        if text.startswith("# pyproject.toml"):
            config.parse(Source("pyproject.toml", text))
            return
        start.settled(str(ROOT / "examples" / "iss-tracker"), config.parse(Source("polint.toml", _without_folders(text))))
    elif language == "sh":
        assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0
    elif language == "yaml":
        plain = yamltext.to_plain(yamltext.documents(Source("x", text)).nodes[0])
        if "project" in plain:
            planfile.parse(Source("polint-plan.yaml", text))
        elif _PATH.match(text) and "services" in plain:
            pass  # a compose file, for the commands that follow
        elif "repos" in plain:
            ids = yamltext.to_plain(yamltext.documents(Source("h", (ROOT / ".pre-commit-hooks.yaml").read_text())).nodes[0])
            assert plain["repos"][0]["hooks"][0]["id"] in [one["id"] for one in ids]
        else:
            _check_rule(text, plain, tmp_path)
    else:
        pytest.fail(f"nothing checks a block of {language or 'no language'}: {text[:60]!r}")


def _without_folders(text: str) -> str:
    """A configuration without the folders it names, which need not exist here."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(("rules =", "templates =")))


_RULE = {
    "code": "TEAM999",
    "name": "shown",
    "since": "1.0.0",
    "severity": "info",
    "summary": "A part of a rule.",
    "why": "To be shown.",
    "for": "pool",
    "require": "pool.max_connections < 100",
    "message": "as it is",
}


def _check_rule(text: str, plain: dict[str, object], tmp_path: Path) -> None:
    """A whole rule with its examples, or some keys of one."""
    folder = tmp_path / "rules"
    folder.mkdir(exist_ok=True)
    if "code" in plain:
        (folder / f"{plain['name']}.yaml").write_text(text, encoding="utf-8")
        assert CliRunner().invoke(cli, ["rules", "test", str(folder / f"{plain['name']}.yaml")]).output == "1 rule tested, 0 problems\n"
        return
    path = folder / "shown.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in _RULE.items() if key not in plain) + text, encoding="utf-8")
    assert rule.load_rules([str(path)]).errors == ()
    path.unlink()


def test_adopting_takes_three_steps() -> None:
    text = (ROOT / "docs" / "adopting.md").read_text(encoding="utf-8")
    commands = [line for block in blocks_of(text) if block.language == "console" for line in block.text.splitlines() if line[:2] == "$ "]
    assert commands == ["$ polint init", "$ polint baseline", "$ polint lint"]
    for name in ("ignore-file", "until=", "per-file-ignores", "stale-baseline-entry"):
        assert name in text


LINKED = [ROOT / "README.md", *PAGES, ROOT / "rules" / "README.md"]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", _FENCED.sub("", page.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


def anchors(page: str) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", _FENCED.sub("", page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return found


def test_pages_name_all_there_is() -> None:
    pages = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
    for word in (*RULE_KEYS, *EXAMPLE_KEYS, *FIX_KEYS, *PARAM_TYPES):
        assert re.search(rf"`{word}[`:]", pages["writing-rules"]), word
    for group, prefix in GROUPS.items():
        assert re.search(rf"\b{prefix[2:]}\s+{'polint itself' if group == 'polint' else group}\b", pages["rules"]), group
    for title in budget.TITLES.values():
        assert f"| {title} |" in pages["budget"], title
    parameters = [parameter for command in cli.commands.values() for parameter in command.params]
    options = {option for parameter in parameters for option in parameter.opts if option.startswith("--")}
    everything = "\n".join(pages.values()) + README
    rare = {"--quiet", "--color"}  # as in any other program
    assert {option for option in options - rare if option not in everything} == set()


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert "docs/README.md" in README
    for page in PAGES:
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def current(path: Path, text: str, request: pytest.FixtureRequest) -> None:
    """What a tool makes of the sources is what stands in the file."""
    if request.config.getoption("--update"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "write it again with: pytest --update tests/test_docs.py"


def test_the_subjects_are_current(request: pytest.FixtureRequest) -> None:
    builder = tool("build_subjects")
    assert builder.missing() == []
    current(builder.PAGE, builder.page(), request)


def test_the_references_are_current(request: pytest.FixtureRequest) -> None:
    builder = tool("build_reference")
    shown = []
    for page in builder.PAGES.values():
        text = page.read_text(encoding="utf-8")
        shown += re.findall(r"<!-- table ([\w.-]+) -->", text)
        current(page, builder.written(text), request)
    assert sorted(shown) == sorted(builder.TABLES)


def test_the_picture_is_current(request: pytest.FixtureRequest) -> None:
    builder = tool("build_picture")
    text = builder.picture()
    current(builder.PICTURE, text, request)
    root = ElementTree.fromstring(text)
    width = float(root.attrib["width"])
    lines = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "error[PO701]" in lines
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        assert float(element.attrib["x"]) + float(element.attrib["textLength"]) <= width


def test_each_key_has_a_valid_example() -> None:
    builder = tool("build_reference")
    schema = Configuration.model_json_schema(by_alias=True)
    tables = {
        "": schema,
        "services.api": schema["$defs"]["Service"],
        "servers.db": schema["$defs"]["Server"],
        "host": schema["$defs"]["Host"],
    }
    for name, table in tables.items():
        for key, value in table["properties"].items():
            if not name and key in ("services", "servers", "host"):
                continue
            (example,) = value["examples"]
            text = (f"[{name}]\n" if name else "") + f"{key} = {builder.toml(example)}\n"
            settings = config.parse(Source("polint.toml", text))
            if key not in ("rules", "templates"):
                start.settled(str(ROOT / "examples" / "iss-tracker"), settings)


def test_the_schemas_are_current(request: pytest.FixtureRequest) -> None:
    builder = tool("build_schema")
    assert {path.name for path in builder.SCHEMAS} == {"config.schema.json", "plan.schema.json"}
    for path, schema in builder.SCHEMAS.items():
        current(path, schema(), request)


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
    assert result.output == (
        "wrote polint.toml: 1 server found; to be stated: my search\nwrote polint-plan.yaml: server db; 4 values assumed\n"
    )
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
    current(ROOT / "rules" / "README.md", docs.rules_index(rule.load_builtin().rules), request)
