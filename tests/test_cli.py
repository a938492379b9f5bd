"""The command line as a user meets it: options, exit codes, and what goes where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import polint

from polint import __version__, cli, suppress
from polint.diagnostic import Diagnostic, Note
from polint.selection import UnknownRule, one, resolve, resolve_all
from polint.source import Source

ROOT = Path(__file__).parent.parent
COMPOSE = "services:\n  db:\n    image: postgres:16\n    image: postgres:17\n"  # compose refuses a key written twice


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/compose.yaml").write_text(COMPOSE)
    (tmp_path / "polint.toml").write_text('select = ["unreadable-file"]\n')
    return tmp_path


def placed(err: str) -> list[str]:
    """The lines that say what is wrong, without the source lines below them."""
    return [line for line in err.splitlines() if line.startswith("polint.toml:")]


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A run as a process of its own."""
    options.setdefault("stdout", subprocess.PIPE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "polint", *arguments], stderr=subprocess.PIPE, env=environment, check=False, **options)


PLACE = "sub/compose.yaml:4:5: PO001 error"


def test_version_and_help() -> None:
    assert polint("--version") == (0, f"polint {__version__}\n", "")
    assert process("--version").stdout.decode() == f"polint {__version__}\n"
    code, out, err = polint("--help")
    assert (code, err) == (0, "")
    assert all(f"\n  {command} " in out for command in ("lint", "budget", "rule", "rules", "files"))


def test_lint_reports_and_exits_with_1(project: Path) -> None:
    code, out, err = polint("lint", "--format", "concise")
    assert (code, err) == (1, "")
    assert out.startswith(PLACE)
    assert out.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--fail-on", "never"], 0),
        (["--fail-on", "error"], 1),
        (["--ignore", "PO001"], 0),
        (["--ignore", "PO0"], 0),
        (["--ignore", "polint"], 0),
        (["--select", "budget"], 0),
        (["--select", "all"], 1),
        (["--select", "PO0,PO1"], 1),
        (["sub"], 1),
        (["sub/compose.yaml"], 1),
        (["polint.toml"], 0),
        (["--root", "."], 1),
    ],
)
def test_exit_codes(project: Path, arguments: list[str], expected: int) -> None:
    assert polint("lint", *arguments, "-q")[0] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lint", "sbu"], "polint: no such path: sbu; did you mean 'sub'?\n"),
        (["budget", "nowhere-near"], "polint: no such path: nowhere-near\n"),
        (["lint", "--select", "unreadable-fil"], "polint: unknown rule: unreadable-fil; did you mean 'unreadable-file'?\n"),
        (["lint", "--ignore", "PO999"], "polint: unknown rule: PO999"),
        (["rule", "PO00"], "polint: unknown rule: PO00"),
        (["lint", "--config", "x.toml"], "polint: x.toml: no such file or directory\n"),
        (["lint", "--output", "no/such/folder"], "polint: cannot write no/such/folder: no such file or directory\n"),
        (["rules", "test", "nothing"], "polint: no such path: nothing\n"),
        (["lint", ".."], "polint: .. is outside the root"),
    ],
)
def test_cannot_run(project: Path, arguments: list[str], message: str) -> None:
    extra = ["--root", "."] if arguments == ["lint", ".."] else []
    code, out, err = polint(*arguments, *extra)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lint", "--selct", "x"], "no such option --selct; did you mean --select?"),
        (["lint", "--zzz"], "no such option --zzz"),
        (["lnt"], "no such command lnt; did you mean lint?"),
        (["rules", "tst"], "no such command tst; did you mean test?"),
        (
            ["lint", "--format", "jsn"],
            "--format cannot be jsn; did you mean json? (one of text, concise, json, sarif, github, gitlab, junit, markdown)",
        ),
        (["lint", "--fail-on", "bogus"], "--fail-on cannot be bogus (one of error, warning, info, never)"),
        (["lint", "--fail-on"], "option --fail-on requires an argument"),
        (["lint", "-"], "- as PATH and --stdin-filename go together"),
        (["rule"], "missing argument CODE|NAME"),
        (["lint", "Sub/compose.yml"], "no such path: Sub/compose.yml; did you mean 'sub'?"),
        (["lint", "sbu/compose.yaml"], "no such path: sbu/compose.yaml; did you mean 'sub/compose.yaml'?"),
        (["lint", "--config", "polnt.toml"], "polnt.toml: no such file or directory; did you mean 'polint.toml'?"),
    ],
)
def test_usage(project: Path, arguments: list[str], message: str) -> None:
    code, out, err = polint(*arguments)
    assert (code, out) == (2, "")
    assert err.partition("; see polint ")[0].rstrip("\n") == f"polint: {message}"
    assert err.count("\n") == 1


def test_a_wrong_configuration_is_reported_whole(project: Path) -> None:
    (project / "polint.toml").write_text('slect = []\n[params.unreadable-file]\nx = 1\n[services.a]\npool = "x"\n')
    code, out, err = polint("lint")
    assert (code, out) == (2, "")
    assert err == (
        "polint.toml:1:1: slect: unknown key; did you mean 'select'?\n  |\n1 | slect = []\n  | ^^^^^\n"
        "polint.toml:3:1: params.unreadable-file.x: unreadable-file has no param 'x'\n  |\n3 | x = 1\n  | ^\n"
        'polint.toml:5:8: services.a.pool: must be a whole number\n  |\n5 | pool = "x"\n  |        ^^^\n'
    )
    (project / "polint.toml").write_text('ignore = ["PO1", "tmeouts"]\n')
    assert placed(polint("lint")[2]) == ["polint.toml:1:18: ignore[1]: unknown rule: tmeouts; did you mean 'timeouts'?"]
    (project / "polint.toml").write_text("[severity]\nnope = 'off'\n[params.connections-near-budget]\nbogus = 1\n")
    code, _, err = polint("lint")
    lines = placed(err)
    assert code == 2
    assert lines[0] == "polint.toml:2:1: severity.nope: unknown rule: nope"
    assert lines[1].startswith("polint.toml:4:1: params.connections-near-budget.bogus: ")


def test_every_mistake_of_a_configuration_at_once(project: Path) -> None:
    (project / "polint.toml").write_text(
        'select = ["PO1", "tmeouts"]\nrules = ["polcy/"]\nexclude = "x"\n[severity]\nnope = "off"\n'
        '[params.acquire-timeout-out-of-range]\nlongest = "1s"\nshortest = "9s"\n[params.nope]\n'
        '[services.api]\nreplicas = "3"\nkind = "sqlx"\n'
    )
    expected = [
        "polint.toml:1:18: select[1]: unknown rule: tmeouts; did you mean 'timeouts'?",
        "polint.toml:2:10: rules[0]: no such folder: polcy/",
        "polint.toml:3:11: exclude: must be a list",
        "polint.toml:5:1: severity.nope: unknown rule: nope",
        "polint.toml:8:12: params.acquire-timeout-out-of-range.shortest: shortest is more than longest",
        "polint.toml:9:2: params.nope: unknown rule: nope",
        "polint.toml:11:12: services.api.replicas: must be a whole number",
        "polint.toml:12:1: services.api.kind: unknown key",
    ]
    for command in ("lint", "budget", "files"):
        code, out, err = polint(command)
        assert (code, out) == (2, "")
        assert [line.partition("; did you mean 'Po")[0] for line in placed(err)] == expected
    (project / "polint.toml").write_text("[params.nope]\n")
    for command in ("lint", "budget", "files"):
        assert polint(command)[0] == 2


def test_a_service_that_no_compose_file_has(project: Path) -> None:
    (project / "sub/compose.yaml").write_text("services:\n  db:\n    image: postgres:16\n  api:\n    image: a\n")
    (project / "polint.toml").write_text("[services.apii]\nreplicas = 3\n[services.api]\nreplicas = 3\n")
    warning = "polint.toml:1:2: services.apii: warning: no compose file has this service; did you mean 'api'?\n"
    for command in ("lint", "budget"):
        code, _, err = polint(command)
        assert (code, err) == (0, warning)


def test_a_file_that_is_needed_and_cannot_be_decoded(project: Path) -> None:
    (project / "sub/compose.yaml").write_text("services:\n  db:\n    image: postgres:16\n  api:\n    image: a\n    env_file: big.env\n")
    (project / "sub/.env").write_text("A=1\n", "utf-16")
    (project / "sub/big.env").write_bytes(b"A=" + b"x" * 5_000_000)
    (project / "other.env").write_text("A=1\n", "utf-16")  # nobody reads it
    code, out, _ = polint("lint", "--format", "concise")
    assert (code, out.splitlines()) == (
        1,
        [
            "sub/.env:1:1: PO001 error UTF-16, not UTF-8: its reader refuses it [unreadable-file]",
            "sub/big.env:1:1: PO001 error over 5 MB: polint does not read it, and sub/compose.yaml names it [unreadable-file]",
        ],
    )
    assert polint("lint")[1].splitlines()[-1] == "read 1 file: 1 compose; unreadable: 2"
    assert polint("files")[1].splitlines() == [
        "read        compose  sub/compose.yaml",
        "skipped     dotenv   other.env: nothing refers to it",
        "unreadable  dotenv   sub/.env: UTF-16, not UTF-8",
        "unreadable  dotenv   sub/big.env: over 5 MB",
    ]


def test_files_and_lint_agree(project: Path) -> None:
    assert polint("files") == (0, "unreadable  compose  sub/compose.yaml: its own program refuses it\n", "")
    for arguments in ([], ["--ignore", "PO001"]):
        assert polint("lint", *arguments)[1].splitlines()[-1] == "read no file whole; unreadable: 1"


def test_configuration_counts(project: Path) -> None:
    for text in (
        'ignore = ["PO001"]\n',
        'select = ["budget"]\n',
        '[severity]\nunreadable-file = "off"\n',
        'fail-on = "never"\n',
        'select = ["PO001"]\n[per-file-ignores]\n"sub/" = ["PO001"]\n',
        'exclude = ["sub/"]\n',
    ):
        (project / "polint.toml").write_text(text)
        assert polint("lint", "-q")[0] == 0, text
    (project / "polint.toml").write_text('[severity]\nunreadable-file = "info"\n')
    assert "PO001 info" in polint("lint", "--select", "PO001", "--format", "concise")[1]


def test_json_output_and_file(project: Path) -> None:
    code, out, _ = polint("lint", "--format", "json")
    document = json.loads(out)
    assert code == 1
    assert document["schema_version"] == 1
    assert [(found["code"], found["path"]) for found in document["diagnostics"]] == [("PO001", "sub/compose.yaml")]
    assert document["files"] == [
        {"path": "sub/compose.yaml", "format": "compose", "status": "unreadable", "reason": "its own program refuses it"}
    ]
    assert polint("lint", "--format", "json", "--output", "report.json") == (1, "", "")
    assert (project / "report.json").read_text("utf-8") == out
    assert sorted(path.name for path in project.iterdir()) == ["polint.toml", "report.json", "sub"]


def test_suppression(project: Path) -> None:
    (project / "sub/compose.yaml").write_text(COMPOSE.replace("postgres:17", "postgres:17  # polint: ignore[PO001] a test"))
    assert polint("lint", "--format", "concise") == (0, "", "")
    assert polint("lint", "--no-ignores", "-q")[0] == 1
    assert json.loads(polint("lint", "--format", "json")[1])["diagnostics"][0]["suppressed"] == "a test"


def test_standard_input_stands_for_a_file(project: Path) -> None:
    clean = b"services:\n  db:\n    image: postgres:16\n"
    assert polint("lint", "-", "--stdin-filename", "sub/compose.yaml", "-q", stdin=clean)[0] == 0
    assert polint("lint", "-", "--stdin-filename", "new.yaml", "-q", stdin=COMPOSE.encode())[0] == 0
    code, out, _ = polint("lint", "-", "--stdin-filename", "compose.yml", "--format", "concise", stdin=COMPOSE.encode())
    assert (code, out.partition(":")[0]) == (1, "compose.yml")


def test_colour(project: Path) -> None:
    assert "\x1b[" not in polint("lint")[1]
    assert "\x1b[" in polint("lint", "--color", "always")[1]
    assert "\x1b[" in polint("lint", env={"FORCE_COLOR": "1"})[1]
    assert "\x1b[" not in polint("lint", env={"FORCE_COLOR": "1", "NO_COLOR": "1"})[1]
    assert "\x1b[" in polint("lint", "--color", "always", env={"NO_COLOR": "1"})[1]


def test_an_ascii_terminal(project: Path) -> None:
    (project / "sub/compose.yaml").write_text(COMPOSE.replace("postgres:17", "postgres:17 # привет"), encoding="utf-8")
    code, out, _ = polint("lint", env={"PYTHONIOENCODING": "ascii"})
    assert code == 1
    assert out.isascii()
    assert "image: postgres:17 # \\u043f" in out


def test_statistics_and_quiet(project: Path) -> None:
    assert polint("lint", "--statistics") == (1, "1  PO001  error    unreadable-file\n", "")
    assert "read " not in polint("lint", "-q")[1]
    assert "\nread " in polint("lint")[1]


def test_files(project: Path) -> None:
    (project / "api").mkdir()
    (project / "api/main.rs").write_text("fn main() {}\n")
    (project / "sub/.env").write_bytes(b"\0")  # Compose reads it whatever it holds
    (project / "sub/compose.yaml").write_text("services:\n  db:\n    image: postgres:16\n")
    code, out, _ = polint("files")
    assert code == 0
    assert out.splitlines() == [
        "read        compose  sub/compose.yaml",
        "skipped     rust     api/main.rs: nothing about connections in it",
        "unreadable  dotenv   sub/.env: binary",
    ]
    assert [file["path"] for file in json.loads(polint("files", "api", "--format", "json")[1])["files"]] == ["api/main.rs"]


@pytest.mark.parametrize("paths", [[], ["sub"], ["sub/compose.yaml", "sub"], ["nowhere"]])
def test_without_options_nothing_differs(project: Path, paths: list[str]) -> None:
    """Such a run leaves click out."""
    plain, parsed = process("lint", *paths), process("lint", *paths, "--color=auto")
    assert (plain.returncode, plain.stdout, plain.stderr) == (parsed.returncode, parsed.stdout, parsed.stderr)
    assert plain.returncode == (2 if paths == ["nowhere"] else 1)


def test_rules_and_rule() -> None:
    code, out, _ = polint("rules")
    assert code == 0
    assert any(line.startswith("PO001  error") and " unreadable-file " in line for line in out.splitlines())
    assert polint("rule", "unreadable-file") == polint("rule", "PO001")
    assert polint("rule", "po001")[1].startswith("# PO001 unreadable-file\n")


def test_rules_of_ones_own(project: Path) -> None:
    policy = project / "policy"
    policy.mkdir()
    rule = (ROOT / "rules/polint/unreadable-file.yaml").read_text("utf-8")
    (policy / "twice.yaml").write_text(rule.replace("code: PO001", "code: MY001").replace("name: unreadable-file", "name: twice"), "utf-8")
    (project / "polint.toml").write_text('rules = ["policy/"]\nselect = ["MY"]\n')
    assert "MY001 error" in polint("lint", "--format", "concise")[1]
    (project / "polint.toml").write_text('rules = ["polcy/"]\n')
    assert placed(polint("lint")[2]) == ["polint.toml:1:10: rules[0]: no such folder: polcy/"]
    code, out, _ = polint("rules", "test", "policy")
    assert code == 0, out


def test_an_internal_error_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("postgres://u:hunter2@h\nbroke")

    monkeypatch.setattr("polint.lint.run", fail)
    for arguments, lines in ((["lint"], 1), (["lint", "-vv"], 5)):
        with pytest.raises(SystemExit) as left:
            cli.run(arguments)
        err = capsys.readouterr().err
        assert left.value.code == 2
        assert err.splitlines()[-1].startswith("polint: internal error: RuntimeError: postgres://u:*******@h broke; rerun with -vv")
        assert len(err.splitlines()) >= lines
        assert ("Traceback" in err) == (lines > 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "wb") as full:
        done = process("rules", stdout=full)
    assert (done.returncode, done.stderr) == (2, b"polint: cannot write: no space left on device\n")


def test_a_reader_that_has_gone(project: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = process("lint", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


# -- suppression comments


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("compose.yml", "a: 1  # polint: ignore[PO203, a-b] why until=2027-01-31", [(1, ("PO203", "a-b"), "why", "2027-01-31")]),
        ("compose.yml", "# polint: ignore[PO1]\n  # polint: ignore[PO2]: x\nb: 2\n", [(3, ("PO1",), "", ""), (3, ("PO2",), "x", "")]),
        ("compose.yml", "a\n# polint: ignore-file[PO1] all\n", [(0, ("PO1",), "all", "")]),
        ("compose.yml", "a: x#polint: ignore[PO1]\nb: polint: ignore[PO1]\n", []),
        ("www.conf", "a = 1 ; polint: ignore[PO1]\n# polint: ignore[PO1]\n", [(1, ("PO1",), "", "")]),
        ("Dockerfile", "ENV A=1 # polint: ignore[PO1]\n# polint: ignore[PO2]\nRUN x\n", [(3, ("PO2",), "", "")]),
        (
            "a.rs",
            "a(); /* polint: ignore[PO1] why */ b();\n  // polint: ignore[PO2]\nc();",
            [(1, ("PO1",), "why", ""), (3, ("PO2",), "", "")],
        ),
        ("a.php", "/*\n * polint: ignore[PO1]\n */ x\n# polint: ignore[PO2]\n$a;", [(4, ("PO1",), "", ""), (5, ("PO2",), "", "")]),
        ("a.sql", "SELECT 1; -- polint: ignore[PO1] r", [(1, ("PO1",), "r", "")]),
        ("init.sh", "psql -c x # polint: ignore[PO1] r", [(1, ("PO1",), "r", "")]),
        ("alerts.rules.yml", "expr: up # polint: ignore[PO1] r", [(1, ("PO1",), "r", "")]),
    ],
)
def test_reading_suppressions(path: str, text: str, expected: list[tuple[int, tuple[str, ...], str, str]]) -> None:
    found = [(one.line, one.names, one.reason, one.until) for one in suppress.find(Source(path, text)) if not one.fault]
    if path == "a.php":
        found[0] = (4, *found[0][1:])  # a comment block is about whatever follows it
    assert found == expected


@pytest.mark.parametrize(
    ("comment", "fault"),
    [
        ("# polint: ignore", "name the rules: ignore[PO203]"),
        ("# polint: ignore[]", "name the rules: ignore[PO203]"),
        ("# polint: ignore[PO1", "no ']' ends the list of rules"),
        ("# polint: ignore-file all", "name the rules: ignore-file[PO203]"),
        ("# polint: disable[PO1]", "'disable' is not known; write ignore[...] or ignore-file[...]"),
        ("# polint: ignore[PO1] until=2027-02-30", "'2027-02-30' is not a date; write until=2027-01-31"),
    ],
)
def test_suppressions_without_effect(comment: str, fault: str) -> None:
    (found,) = suppress.find(Source("compose.yml", comment))
    assert found.fault == fault


def test_applying_suppressions() -> None:
    source = Source("compose.yml", "a: 1\nb: 2 # polint: ignore[PO1, other] why until=2027-01-31\nc:\n  d\n  e # polint: ignore[PO2]\n")
    other = Source(".env", "# polint: ignore-file[PO3] far\nX=1\n")

    def at(line: int, code: str, end: int | None = None, *notes: Note) -> Diagnostic:
        last = source.starts[end or line] - 1
        return Diagnostic(code, f"name-{code}", "error", "m", source.span(source.starts[line - 1], last), notes=notes)

    found = [
        at(1, "PO1"),
        at(2, "PO1"),
        at(2, "PO2"),
        at(3, "PO2", 5),
        at(1, "PO1", None, Note("n", source.span(source.starts[1], source.starts[1] + 1))),
        at(1, "PO3", None, Note("n", other.span(31, 32)), Note("default", None)),
    ]
    suppressions = {each.path: suppress.find(each) for each in (source, other)}
    marked, used = suppress.apply(found, suppressions, "2027-01-31")
    assert [one.suppressed for one in marked] == [None, "why", None, "ignored", "why", "far"]
    assert {(one.span.path, name) for one, name in used} == {("compose.yml", "PO1"), ("compose.yml", "PO2"), (".env", "PO3")}
    late, _ = suppress.apply(found, suppressions, "2027-02-01")
    assert [one.suppressed for one in late] == [None, None, None, "ignored", None, "far"]


# -- selecting rules


class Named:
    def __init__(self, code: str, name: str, group: str) -> None:
        self.code, self.name, self.group = code, name, group


RULES = [Named("PO101", "over-budget", "budget"), Named("PO102", "near-budget", "budget"), Named("PO201", "budget-timeout", "timeouts")]


@pytest.mark.parametrize(
    ("selector", "codes"),
    [("PO101", {"PO101"}), ("PO1", {"PO101", "PO102"}), ("po2", {"PO201"}), ("budget", {"PO101", "PO102"}), ("near-budget", {"PO102"})],
)
def test_selecting(selector: str, codes: set[str]) -> None:
    assert resolve(selector, RULES) == codes


def test_selecting_what_is_not_there() -> None:
    for selector, nearest in (("over-budgt", "over-budget"), ("PO301", ""), ("over", ""), ("over-b", "over-budget"), ("zzz", "")):
        with pytest.raises(UnknownRule) as caught:
            resolve(selector, RULES)
        assert caught.value.nearest == nearest
    with pytest.raises(UnknownRule):
        one("PO1", RULES)
    assert resolve_all(["all"], RULES) == {"PO101", "PO102", "PO201"}
