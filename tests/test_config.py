"""polint.toml: what it may say, and that every mistake is reported at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from polint import gitignore, tomltext
from polint.config import Config, ConfigError, find, load, parse
from polint.source import Source
from polint.start import settled

FULL = """\
select = ["PO1", "timeouts"]
ignore = ["PO203"]
rules = ["policy/"]
templates = "policy/templates"
exclude = ["legacy/"]
fail-on = "error"

[severity]
PO201 = "off"

[per-file-ignores]
"legacy/*.conf" = ["PO4"]

[params.acquire-timeout-out-of-range]
shortest = "2s"

[services.rust-iss]
replicas = 3
connects-to = "postgres"

[servers."my db"]
max-connections = 200
version = "16.4"

[host]
cores = 4
memory = "8GB"
"""


def test_everything_at_once() -> None:
    config = parse(Source("polint.toml", FULL))
    assert (config.select, config.ignore, config.rules, config.exclude) == (("PO1", "timeouts"), ("PO203",), ("policy/",), ("legacy/",))
    assert config.templates == "policy/templates"
    assert (config.fail_on, config.severity) == ("error", {"PO201": "off"})
    assert config.per_file_ignores == {"legacy/*.conf": ("PO4",)}
    assert config.params == {"acquire-timeout-out-of-range": {"shortest": "2s"}}
    service = config.services["rust-iss"]
    assert {key: (value, str(span)) for key, (value, span) in service.facts.items()} == {
        "replicas": (3, "polint.toml:18:12"),
        "connects-to": (["postgres"], "polint.toml:19:15"),
    }
    assert {key: (str(fact), fact.origin) for key, fact in service.known.items()} == {
        "replicas": ("replicas = 3", "written"),
        "connects-to": ("connects-to = ['postgres']", "written"),
    }
    assert config.servers["my db"].span.text == 'servers."my db"'
    assert config.host is not None
    assert config.host.facts["memory"][0] == "8GB"
    assert str(config.span("select", 1)) == "polint.toml:1:18"
    assert str(config.span("params", "acquire-timeout-out-of-range", "shortest")) == "polint.toml:15:12"
    assert config.span("nothing") is None


def test_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n\n[tool.polint]\nselect = ['PO1']\n")
    config = load(str(tmp_path))
    assert config.select == ("PO1",)
    assert str(config.span("select", 0)) == "pyproject.toml:5:11"
    (tmp_path / "polint.toml").write_text("select = ['PO2']\n")
    assert load(str(tmp_path)).select == ("PO2",)


@pytest.mark.parametrize("text", ["", "[project]\nname = 'polint-user'\n", "[tool.ruff]\n"])
def test_pyproject_without_configuration(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert find(str(tmp_path)) is None
    assert load(str(tmp_path)) == Config()


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ('selct = ["PO1"]', ["1:1: selct: unknown key; did you mean 'select'?"]),
        ('fail-on = "warnin"', ["1:11: fail-on: must be 'error', 'warning', 'info' or 'never'; did you mean 'warning'?"]),
        ('[severity]\nPO201 = "hint"', ["2:9: severity.PO201: must be 'error', 'warning', 'info' or 'off'"]),
        ('select = "PO1"', ["1:10: select: must be a list"]),
        ('select = ["PO1", 2]', ["1:18: select[1]: must be text in quotes"]),
        ('[services.a]\nreplicas = "3"', ["2:12: services.a.replicas: must be a whole number"]),
        ("[services.a]\nreplicas = true", ["2:12: services.a.replicas: must be a whole number"]),
        ("services.a.pool = -1", ["1:19: services.a.pool: must be 0 or more"]),
        ("[services]\na = {poool = 1}", ["2:6: services.a.poool: unknown key; did you mean 'pool'?"]),
        ("[services.a]\nconnects_to = 'b'", ["2:1: services.a.connects_to: unknown key; did you mean 'connects-to'?"]),
        ('[host]\nmemory = "8"', ["2:10: host.memory: '8' needs a unit: B, kB, MB, GB, TB"]),
        ("[servers.a]\nversion = 'new'", ["2:11: servers.a.version: must be a version such as '16' or '16.4'"]),
        ('["per-file-ignores"]\n"a b/*" = "PO4"', ['2:11: per-file-ignores."a b/*": must be a list']),
        ("a = ", ["1:5: not valid TOML: invalid value"]),
        ("select = []\nb = [1,\n", ["2:8: not valid TOML: unclosed array"]),
        ("# é\nfail-on = 1\nbogus = 2\n", ["2:11: fail-on: must be 'error', 'warning', 'info' or 'never'", "3:1: bogus: unknown key"]),
        ("a = " + "[" * 5000, ["1:1: nested too deeply"]),
    ],
)
def test_mistakes(text: str, problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Source("polint.toml", text))
    lines = str(caught.value).split("\n")
    if "unclosed" in problems[0]:  # where tomllib says the end is differs between versions
        assert len(lines) == 1
        assert "not valid TOML" in lines[0]
    else:
        assert lines == [f"polint.toml:{problem}" for problem in problems]


SEVERITIES = [
    ('{all = "info", PO2 = "off", PO201 = "error"}', {"PO101": "info", "PO202": "off", "PO201": "error"}),
    ('{PO201 = "error", PO2 = "off", all = "info"}', {"PO101": "info", "PO202": "off", "PO201": "error"}),
    ('{close-missing = "error", lifecycle = "warning"}', {"PO302": "error", "PO301": "warning", "PO201": None}),
]


@pytest.mark.parametrize(("table", "expected"), SEVERITIES)
def test_the_severity_that_names_fewer_rules_wins(table: str, expected: dict[str, str | None]) -> None:
    found = settled("", parse(Source("polint.toml", f"severity = {table}"))).severities
    assert {code: found.get(code) for code in expected} == expected


@pytest.mark.parametrize("pattern", ["api", "api/", "./api", "./api/", "/api", "api/**", "**/main.rs", "*.rs", "./api/src/main.rs"])
def test_patterns_of_files(pattern: str) -> None:
    patterns = gitignore.compile_paths([pattern])
    assert gitignore.matches(patterns, "api/src/main.rs")
    assert not gitignore.matches(patterns, "web/index.php")
    assert gitignore.matches(patterns, "web/api/src/main.rs") == (pattern in ("api", "api/", "**/main.rs", "*.rs"))


def test_undecodable() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Source.from_bytes("polint.toml", b"select = ['\xff']"))
    assert str(caught.value) == "polint.toml:1:12: not UTF-8 text"


def test_places_of_every_spelling() -> None:
    text = (
        '"a b".c = 1 # not = this\n'
        "d = [ 1, # one ]\n  'two', ]\n"
        'e = {f = [{g = 2}], \'h\' = "\\"}"}\n'
        "m = '''x\n= ]''' \n"
        's = """a\\"""b"""\n'
        "[t.u] # head\nv.w = 1979-05-27\n"
        "[[x]]\ny = 1\n[[x]]\ny = 2\n[x.z]\nq = +1\r\n"
        '"\\u0041" = 3\n'
    )
    source = Source("x.toml", text)
    found = {path: (place.key.text, place.value.text) for path, place in tomltext.places(source).items()}
    assert found == {
        ("a b",): ('"a b".c', "1"),
        ("a b", "c"): ('"a b".c', "1"),
        ("d",): ("d", "[ 1, # one ]\n  'two', ]"),
        ("d", 0): ("1", "1"),
        ("d", 1): ("'two'", "'two'"),
        ("e",): ("e", '{f = [{g = 2}], \'h\' = "\\"}"}'),
        ("e", "f"): ("f", "[{g = 2}]"),
        ("e", "f", 0): ("{g = 2}", "{g = 2}"),
        ("e", "f", 0, "g"): ("g", "2"),
        ("e", "h"): ("'h'", '"\\"}"'),
        ("m",): ("m", "'''x\n= ]'''"),
        ("s",): ("s", '"""a\\"""b"""'),
        ("t", "u"): ("t.u", "[t.u]"),
        ("t", "u", "v"): ("v.w", "1979-05-27"),
        ("t", "u", "v", "w"): ("v.w", "1979-05-27"),
        ("x", 0): ("x", "[[x]]"),
        ("x", 0, "y"): ("y", "1"),
        ("x", 1): ("x", "[[x]]"),
        ("x", 1, "y"): ("y", "2"),
        ("x", 1, "z"): ("x.z", "[x.z]"),
        ("x", 1, "z", "q"): ("q", "+1"),
        ("x", 1, "z", "A"): ('"\\u0041"', "3"),
    }


@pytest.mark.parametrize("text", ["a", "[", "a = ", "]", "= 1", "a = {", "a = [", "a = {b", '"', "a.\n", "\x00", "[[a\nb = '''"])
def test_the_scanner_ends_on_anything(text: str) -> None:
    tomltext.places(Source("x.toml", text * 3))
