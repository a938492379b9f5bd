"""What CI systems read (the action, the GitLab job, the documentation's snippets) is checked by their schemas and carried out."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from installing import ROOT, bash, context, environment, installed, run

from polint import yamltext
from polint.cli import cli
from polint.source import Source

ACTION = ROOT / "action.yml"
TEMPLATE = ROOT / "ci" / "gitlab.yml"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCHEMAS = {".github/workflows/": "vendor.github-workflows", ".gitlab-ci.yml": "vendor.gitlab-ci"}


def plain(text: str) -> Any:
    return yamltext.to_plain(yamltext.documents(Source("y", text)).nodes[0])


def snippets(language: str) -> list[tuple[str, str]]:
    """Name of the file that the first line states (else of the page), and text, of each block on any page."""
    found = []
    for page in PAGES:
        for part in page.read_text("utf-8").split(f"```{language}\n")[1:]:
            text = part.partition("```")[0]
            named = re.match(r"# ([~./][\w./~-]+)\n", text)
            found.append((named[1] if named else page.name, text))
    return found


def schema_accepts(name: str, file: Path) -> None:
    done = run("check-jsonschema", "--builtin-schema", name, file, cwd=file.parent, env=environment())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("schema", "file"), [("vendor.github-actions", ACTION), ("vendor.gitlab-ci", TEMPLATE)])
def test_the_schemas_accept(schema: str, file: Path) -> None:
    schema_accepts(schema, file)


@pytest.mark.parametrize(("name", "text"), [one for one in snippets("yaml") if one[0].startswith(".")])
def test_the_snippets_are_valid(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / Path(name).name
    file.write_text(text, encoding="utf-8")
    if name == ".pre-commit-config.yaml":
        done = run("pre-commit", "validate-config", file, cwd=tmp_path, env=environment())
        assert done.returncode == 0, done.stdout
        ids = {one["id"] for one in plain((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}
        assert {hook["id"] for one in plain(text)["repos"] for hook in one["hooks"]} <= ids
        return
    schema_accepts(next(schema for start, schema in SCHEMAS.items() if name.startswith(start)), file)
    if name.startswith(".github"):
        (job,) = plain(text)["jobs"].values()
        used = [step for step in job["steps"] if step["uses"].startswith("example/polint@")]
        assert len(used) == 1
        assert set(used[0].get("with", {})) <= set(plain(ACTION.read_text("utf-8"))["inputs"])


def test_every_ci_system_has_a_snippet() -> None:
    names = [name for name, _ in snippets("yaml")]
    assert names.count(".pre-commit-config.yaml") >= 2
    assert sum(name.startswith(".github/workflows/") for name in names) == 2
    assert names.count(".gitlab-ci.yml") == 3


@pytest.mark.parametrize(("name", "text"), [one for one in snippets("sh") if one[0] in ("ci.md", "terminal.md", "~/.bashrc")])
def test_the_shell_accepts_the_commands(name: str, text: str, tmp_path: Path) -> None:
    done = run("bash", "-n", "-c", text, cwd=tmp_path, env=environment())
    assert (done.returncode, done.stdout) == (0, "")
    for line in text.splitlines():
        words = shlex.split(line.partition(" < ")[0], comments=True)
        if words and (words[0].endswith("polint") or words[:2] == ["docker", "run"]):
            arguments = words[max(at for at, word in enumerate(words) if word.endswith("polint")) + 1 :] or ["lint"]
            command = cli.commands[arguments[0]]
            with click.Context(command) as within:
                command.parse_args(within, arguments[1:])  # a UsageError for what polint does not know


def test_the_page_describes_every_input() -> None:
    inputs = plain(ACTION.read_text("utf-8"))["inputs"]
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w-]+)` \| .* \| .* \|$", page.partition("| input |")[2].partition("\n\n")[0], re.MULTILINE) == list(inputs)
    for name in ("junit", "gitlab", "sarif", "github", "markdown", "json"):
        assert re.search(rf"^\| `{name}` \|", page, re.MULTILINE)


STEPS = plain(ACTION.read_text("utf-8"))["runs"]["steps"]


def test_no_input_reaches_a_script_but_through_its_environment() -> None:
    for step in STEPS:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        assert "uses" not in step
    said = {name: plain(ACTION.read_text("utf-8"))["inputs"][name]["default"] for name in ("format", "summary")}
    assert said == {"format": "github", "summary": "true"}
    assert len(STEPS[1]["env"]) == 1 + len(plain(ACTION.read_text("utf-8"))["inputs"])


class Runner:
    """What a GitHub runner does with a composite action, for the expressions that this one uses."""

    def __init__(self, folder: Path) -> None:
        self.temp, self.outputs, self.summary = folder / "temp", folder / "outputs", folder / "summary"
        self.workspace = folder / "work space"
        self.temp.mkdir()
        shutil.copytree(ROOT / "examples" / "iss-tracker", self.workspace)
        self.action = context(folder / "_actions" / "polint", ACTION.name)
        self.inputs = plain(ACTION.read_text("utf-8"))["inputs"]
        self.env = environment(
            RUNNER_TEMP=str(self.temp),
            GITHUB_ACTION_PATH=str(self.action),
            GITHUB_OUTPUT=str(self.outputs),
            GITHUB_STEP_SUMMARY=str(self.summary),
        )

    def install(self, **env: str) -> Any:
        return bash(STEPS[0]["run"], self.workspace, self.env | env)

    def lint(self, **inputs: str) -> tuple[int, str]:
        given = {name: one["default"] for name, one in self.inputs.items()} | {
            name.replace("_", "-"): text for name, text in inputs.items()
        }
        outputs = dict(line.split("=", 1) for line in self.outputs.read_text("utf-8").splitlines())
        env = {}
        for name, text in STEPS[1]["env"].items():
            expression = re.fullmatch(r"\$\{\{ (inputs|steps\.install\.outputs)\.([\w-]+) \}\}", text)
            assert expression is not None
            env[name] = (given if expression[1] == "inputs" else outputs)[expression[2]]
        self.summary.write_text("before\n", encoding="utf-8")
        done = bash(STEPS[1]["run"], self.workspace, self.env | env)
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    found = Runner(tmp_path_factory.mktemp("runner"))
    installed(found.install())
    return found


def test_the_action_marks_lines_and_tells_the_budget(runner: Runner) -> None:
    code, out = runner.lint()
    assert code == 1, out
    assert re.search(r"^::error file=docker-compose\.yml,line=\d+,endLine=\d+,col=34,endColumn=37,title=PO701 ", out, re.MULTILINE)
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in out.splitlines())
    summary = runner.summary.read_text("utf-8")
    assert summary.startswith("before\n")
    assert "PO701" in summary
    assert "97" in summary


def test_the_action_does_what_its_inputs_say(runner: Runner) -> None:
    (runner.workspace / "other file.toml").write_text('fail-on = "never"\n', encoding="utf-8")
    code, out = runner.lint(
        sarif="polint report.sarif", fail_on="never", summary="false", format="concise", args="--select PO701\n--ignore PO1\n"
    )
    assert (code, out.count("\n")) == (0, 1), out
    assert "PO701" in out
    (one,) = json.loads((runner.workspace / "polint report.sarif").read_text("utf-8"))["runs"][0]["results"]
    assert one["ruleId"] == "PO701"
    assert runner.summary.read_text("utf-8") == "before\n"
    assert runner.lint(config="other file.toml")[0] == 0
    assert "docker-compose" not in runner.lint(paths="services/rust-iss  postgres/postgresql.conf", format="concise")[1]


def test_nothing_in_an_input_is_run(runner: Runner) -> None:
    for name in runner.inputs:
        evil = '$(touch pwned) `touch pwned` "; touch pwned; echo " * --'
        code, out = runner.lint(**{name.replace("-", "_"): evil})
        assert not (runner.workspace / "pwned").exists(), name
        assert code in (1, 2), (name, out)
    for file in runner.workspace.glob("*touch*"):
        file.unlink()


def test_the_action_fails_with_one_line_when_it_cannot_run(runner: Runner) -> None:
    code, out = runner.lint(fail_on="eror")
    assert code == 2
    assert "did you mean error?" in out
    assert runner.summary.read_text("utf-8") == "before\n"


def test_the_action_asks_for_a_python(tmp_path: Path) -> None:
    env = environment(PATH=str(tmp_path), RUNNER_TEMP=str(tmp_path), GITHUB_OUTPUT=str(tmp_path / "o"), RUNNER_TOOL_CACHE="")
    done = run(shutil.which("bash") or "bash", "-e", "-o", "pipefail", "-c", STEPS[0]["run"], cwd=tmp_path, env=env)
    assert (done.returncode, "::error title=polint::" in done.stdout, "setup-python" in done.stdout) == (2, True, True)


def test_the_gitlab_job_writes_its_reports(runner: Runner) -> None:
    job = plain(TEMPLATE.read_text("utf-8"))["polint"]
    ask, install, lint = job["script"]
    assert bash(ask, runner.workspace, runner.env).returncode == 2
    assert bash(ask, runner.workspace, runner.env | {"POLINT_SOURCE": "x"}).returncode == 0
    assert install == 'pip install --quiet "$POLINT_SOURCE"'
    assert not {"POLINT_SOURCE", "POLINT_ARGS"} & set(job["variables"])
    path = {"PATH": f"{runner.temp / 'polint' / 'bin'}:{runner.env['PATH']}"}
    done = bash(lint, runner.workspace, runner.env | path | {"POLINT_ARGS": "--select PO701 --fail-on error"})
    assert (done.returncode, "error[PO701]" in done.stdout) == (1, True), done.stdout
    reports = job["artifacts"]["reports"]
    (found,) = json.loads((runner.workspace / reports["codequality"]).read_text("utf-8"))
    assert found["check_name"].startswith("PO701")
    assert len(list(ElementTree.parse(runner.workspace / reports["junit"]).iter("failure"))) == 1
    assert job["artifacts"]["when"] == "always"
