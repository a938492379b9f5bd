"""Rule files: what is accepted, every mistake at its place, and the cache of checked rules."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polint import rule as rule_module
from polint import rulecache
from polint.fact import Fact
from polint.model.setting import Section, setting
from polint.rule import Loaded, Param, Rule, RuleError, data_dir, load_builtin, load_rules, parse_param
from polint.units import Bytes, Seconds


class Pool(Section):
    kind = "pool"

    acquire_timeout = setting("acquire_timeout", Seconds, Seconds, Seconds(30), "lib", "longest wait")
    size = setting("size", int, int, 10, "lib", "most connections")

    @property
    def twice(self) -> Fact[int]:
        return self.size


class Placeless:
    label = "nowhere"
    size: int = 3


SUBJECTS: dict[str, type] = {"pool": Pool, "placeless": Placeless}

RULE = """\
code: PO201
name: acquire-timeout-out-of-range
since: 0.1.0
severity: warning
summary: A pool gives up on a free connection too soon or too late.
why: |
  Waiting longer than the caller will only stacks requests on a database
  that is already behind; giving up at once turns each small burst into errors.
refs: [SQLx PoolOptions]
params:
  shortest: {type: seconds, default: 3s, help: least patience that rides out a burst}
  longest: {type: seconds, default: 5s, help: most patience a web request has}
for: pool
require: params.shortest <= pool.acquire_timeout <= params.longest
at: pool.acquire_timeout
message: "waits {pool.acquire_timeout} for a connection, outside {params.shortest} to {params.longest}"
"""
NAME = "acquire-timeout-out-of-range.yaml"
SEVERITY = "4:11: severity: should be 'error', 'warning' or 'info'"


def write(folder: Path, text: str, name: str = NAME, group: str = "timeouts") -> Path:
    (folder / group).mkdir(exist_ok=True, parents=True)
    path = folder / group / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def load(folder: Path, *, builtin: bool = True, known: tuple[Rule, ...] = ()) -> Loaded:
    return load_rules([folder], builtin=builtin, subjects=SUBJECTS, known=known)


def errors(tmp_path: Path, text: str, **options: Any) -> list[str]:
    path = write(tmp_path, text)
    return [str(error).replace(str(path), NAME) for error in load(tmp_path, **options).errors]


def test_a_good_rule(tmp_path: Path) -> None:
    path = write(tmp_path, RULE + "---\nexample: not read [\n")
    loaded = load(tmp_path)
    assert loaded.errors == ()
    (rule,) = loaded.rules
    assert (rule.code, rule.name, rule.group, rule.since) == ("PO201", "acquire-timeout-out-of-range", "timeouts", "0.1.0")
    assert (rule.severity, rule.subject, rule.refs, rule.preview) == ("warning", "pool", ("SQLx PoolOptions",), False)
    assert rule.why.endswith("into errors.")
    assert rule.path == str(path)
    assert rule.params[0] == Param("shortest", "seconds", 3.0, "least patience that rides out a burst")
    assert (rule.when, rule.subject_key, rule.notes, rule.help) == (None, None, (), "")
    assert rule.bind({}) == {"shortest": Seconds(3), "longest": Seconds(5)}
    assert rule.bind({"longest": "1min"})["longest"] == Seconds(60)


def test_the_three_mistakes_of_the_design(tmp_path: Path) -> None:
    typo = RULE.replace("<= pool.acquire_timeout <=", "<= pool.acquire_timout <=")
    assert errors(tmp_path, typo) == [f"{NAME}:14:29: Pool has no 'acquire_timout'; did you mean 'acquire_timeout'?"]
    severity = RULE.replace("severity: warning", "severity: grave")
    assert errors(tmp_path, severity) == [f"{NAME}:4:11: severity: should be 'error', 'warning' or 'info'"]
    unit = RULE.replace("<= pool.acquire_timeout <=", "<= pool.size <=")
    assert errors(tmp_path, unit) == [f"{NAME}:14:29: cannot compare Seconds with int"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("since: 0.1.0\n", "", ["1:1: since: is missing"]),
        ("refs: [SQLx PoolOptions]\n", "", ["1:1: refs: is missing"]),
        ("since:", "sinc:", ["1:1: since: is missing", "3:1: sinc: no such key; did you mean 'since'?"]),
        ("since: 0.1.0", "since: 0.1", ["3:8: since: should be text (quote it)"]),
        ("since: 0.1.0", "since: soon", ["3:8: since: should be a version, as in 0.1.0"]),
        (
            "severity: warning",
            "severity: warnin",
            [f"{SEVERITY}; did you mean 'warning'?"],
        ),
        ("code: PO201", "code: PO101", ["1:7: code: should begin with PO2, as all of timeouts/"]),
        ("code: PO201", "code: ACME1", ["1:7: code: should be PO and three digits"]),
        ("name: acq", "name: Acq", ["2:7: name: should be lower-case words joined by '-'"]),
        ("name: acquire-", "name: ", ["2:7: name: should be the file's own name, 'acquire-timeout-out-of-range'"]),
        ("refs: [SQLx PoolOptions]", "refs: SQLx PoolOptions", ["9:7: refs: should be a list of texts"]),
        ("refs: [SQLx PoolOptions]", "refs: [1]", ["9:7: refs: should be a list of texts"]),
        ("for: pool", "for: pol", ["13:6: for: no subject 'pol'; did you mean 'pool'?"]),
        ("for: pool", "for: zebra", ["13:6: for: no subject 'zebra': there are placeless, pool"]),
        ("for: pool", "for: pool\npreview: maybe", ["14:10: preview: should be true or false"]),
        ("for: pool", "for: pool\nfor: pool", ['14:1: key "for" is written twice']),
        ("for: pool", "for: pool\nwhen: pool.size > 0 and pool.siz", ["14:25: Pool has no 'siz'; did you mean 'size'?"]),
        ("for: pool", "for: pool\nwhen: true", ["14:7: when: should be text"]),
        ("for: pool", "for: pool\nwhen: ''", ["14:7: when: should be text"]),
        ("for: pool", "for: pool\nnote: [pool.size, pool.siz]", ["14:19: Pool has no 'siz'; did you mean 'size'?"]),
        ("for: pool", "for: pool\nnote: pool.size", ["14:7: note: should be a list of texts"]),
        ("for: pool", "for: pool\nhelp: use {pool.siz}", ["14:12: Pool has no 'siz'; did you mean 'size'?"]),
        ("for: pool", "for: pool\nsubject_key: '{pool.siz}'", ["14:16: Pool has no 'siz'; did you mean 'size'?"]),
        ("for: pool", "for: pool\nfix: 3", ["14:6: fix: should be a mapping"]),
        ("at: pool.acquire_timeout", "at: pool.label", ["15:5: a place is a fact, or a thing with a span, and str is neither"]),
        ('{params.longest}"', '{params.long}"', ["16:88: no param 'long'; did you mean 'longest'?"]),
        ("waits {pool", "waits {{pool", ["16:39: a lone '}': write '}}'"]),
        (
            "type: seconds, default: 3s",
            "type: second, default: 3s",
            ["11:20: params.shortest.type: should be seconds, bytes, number, integer or text" + "; did you mean 'seconds'?"],
        ),
        ("require: params", "require: |\n  params", ["15:3: cannot compare Seconds with int"]),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    assert old in RULE
    text = RULE.replace(old, new, 1)
    if "require: |" in new:
        text = text.replace("params.shortest <= pool.acquire_timeout <= params.longest", "pool.size <= params.shortest <= params.longest")
        expected = [expected[0].replace("15:3", "15:16").replace("Seconds with int", "int with Seconds")]
    found = [message.removeprefix(NAME + ":") for message in errors(tmp_path, text)]
    assert found == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            "{type: second, default: 3s, help: h}",
            "11:20: .type: should be seconds, bytes, number, integer or text; did you mean 'seconds'?",
        ),
        ("{type: seconds, default: 3, help: h}", "11:38: .default: 3 needs a unit, as in 3s"),
        ("{type: seconds, default: 3x, help: h}", "11:38: .default: '3x' needs a unit: us, ms, s, min, h, d"),
        ("{type: seconds, default: 1.2.3s, help: h}", "11:38: .default: '1.2.3s' is not a number with a unit"),
        ("{type: seconds, help: h}", "11:13: .default: is missing"),
        ("{type: seconds, default: 3s, unit: s, help: h}", "11:42: .unit: no such key"),
        ("3s", "11:13: : should be a mapping"),
    ],
)
def test_mistakes_in_a_param(tmp_path: Path, new: str, expected: str) -> None:
    text = RULE.replace("{type: seconds, default: 3s, help: least patience that rides out a burst}", new)
    assert errors(tmp_path, text) == [f"{NAME}:{expected.replace(': ', ': params.shortest', 1)}"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Shortest", "lower-case words joined by '_'", ["14:10: no param 'shortest'", "16:67: no param 'shortest'"]),
        ("spare: {type: integer, default: 3, help: h}\n  shortest", "", ["11:3: params.spare: no expression uses it"]),
    ],
)
def test_names_of_params(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    found = errors(tmp_path, RULE.replace("  shortest: {", f"  {old}: {{"))
    if new:
        assert found.pop(0) == f"{NAME}:11:3: params.{old}: should be {new}"
        expected = [f"{message}; did you mean {old!r}?" for message in expected]
    assert found == [f"{NAME}:{message}" for message in expected]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("require: pool.size > 1 and pool.siz", "14:28"),
        ("require: 'pool.label == ''a'' and pool.siz'", "14:35"),
        ("require: \"pool.label == 'a' and pool.siz\"", "14:33"),
        ("require: >-\n  pool.size > 1\n  and pool.siz", "16:7"),
        ("require: |\n  pool.size > 1\n  and pool.siz\n", "16:7"),
        ("require: pool.size > 1\n  and pool.siz", "15:7"),
        ("require: 'pool.label == \"ž\" and pool.siz'", "14:33"),
    ],
)
def test_the_column_in_every_kind_of_scalar(tmp_path: Path, written: str, place: str) -> None:
    text = RULE.replace("require: params.shortest <= pool.acquire_timeout <= params.longest", written)
    assert errors(tmp_path, text) == [f"{NAME}:{place}: Pool has no 'siz'; did you mean 'size'?"]


def test_every_mistake_of_every_file_at_once(tmp_path: Path) -> None:
    write(tmp_path, RULE.replace("severity: warning", "severity: bad").replace("pool.acquire_timeout", "pool.acquire"))
    write(tmp_path, "- not a rule\n", "other.yaml")
    write(tmp_path, "", "void.yaml")
    write(tmp_path, RULE.replace("name: acquire-timeout-out-of-range", "name: copy"), "copy.yaml", "budget")
    found = [(Path(error.path).name, error.line, error.column, error.message) for error in load(tmp_path).errors]
    assert found == [
        ("copy.yaml", 1, 7, "code: should begin with PO1, as all of budget/"),
        (NAME, 4, 11, "severity: should be 'error', 'warning' or 'info'"),
        (NAME, 14, 29, "Pool has no 'acquire'; did you mean 'acquire_timeout'?"),
        (NAME, 15, 5, "Pool has no 'acquire'; did you mean 'acquire_timeout'?"),
        (NAME, 16, 18, "Pool has no 'acquire'; did you mean 'acquire_timeout'?"),
        ("other.yaml", 1, 1, "should be a mapping: a rule begins with code, name, since"),
        ("void.yaml", 1, 1, "should be a mapping: a rule begins with code, name, since"),
    ]


def test_codes_and_names_are_taken_once(tmp_path: Path) -> None:
    write(tmp_path, RULE)
    (first,) = load(tmp_path).rules
    assert errors(tmp_path, RULE, known=(first,)) == [
        f"{NAME}:1:7: code: PO201 is taken by {NAME}",
        f"{NAME}:2:7: name: acquire-timeout-out-of-range is taken by {NAME}",
    ]
    write(tmp_path, RULE.replace("name: acquire-timeout-out-of-range", "name: twin"), "twin.yaml")
    loaded = load(tmp_path)
    assert [(rule.name, error.message) for rule in loaded.rules for error in loaded.errors] == [
        ("acquire-timeout-out-of-range", f"code: PO201 is taken by {NAME}")
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ACME1", None),
        ("X0042", None),
        ("POOL1", None),
        ("PO201", "code: should be capital letters, then digits, with any prefix but PO"),
        ("acme1", "code: should be capital letters, then digits, with any prefix but PO"),
        ("ACME", "code: should be capital letters, then digits, with any prefix but PO"),
    ],
)
def test_rules_of_users(tmp_path: Path, code: str, expected: str | None) -> None:
    write(tmp_path, RULE.replace("PO201", code).replace("refs: [SQLx PoolOptions]\n", ""), group="policy")
    loaded = load(tmp_path, builtin=False)
    assert [error.message for error in loaded.errors] == ([] if expected is None else [expected])
    assert [rule.group for rule in loaded.rules] == ([] if expected else ["policy"])


def test_a_subject_without_a_place_needs_at(tmp_path: Path) -> None:
    text = RULE.replace("for: pool", "for: placeless").replace("at: pool.acquire_timeout\n", "")
    text = text.replace("pool.acquire_timeout", "params.shortest")
    assert errors(tmp_path, text) == [f"{NAME}:13:6: for: a placeless has no place of its own: say 'at'"]


def test_a_folder_or_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, RULE)
    (tmp_path / "timeouts" / "README.md").write_text("no rule")
    (tmp_path / "timeouts" / ".draft.yaml").write_text("no rule")
    assert [rule.code for rule in load_rules([path], builtin=True, subjects=SUBJECTS).rules] == ["PO201"]
    assert [rule.code for rule in load_rules([tmp_path / "timeouts"], builtin=True, subjects=SUBJECTS).rules] == ["PO201"]
    assert load_rules([str(tmp_path / "none")], subjects=SUBJECTS).errors == (RuleError(str(tmp_path / "none"), 1, 1, "no such folder"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * 1_000_001, "larger than 1,000,000 bytes"),
        ("\udcff: 1\n", "not UTF-8 text"),
        ("code: [" + "[" * 900_000, "nested deeper than 200 levels"),
        ("code: PO201\nsummary: [A pool\nseverity: error\n", "not YAML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nrefs: *b\ncode: {deep: *b}\n", None),
        ("\0", "not YAML"),
        ("1: x\nnull: y\n[a]: z\n", "a list is used as a key"),
    ],
)
def test_hostile_files(tmp_path: Path, text: str, message: str | None) -> None:
    write(tmp_path, text)
    loaded = load(tmp_path)
    assert loaded.rules == ()
    if message is not None:
        (error,) = loaded.errors
        assert message in error.message
    assert all(len(str(error)) < 500 for error in loaded.errors)


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "timeouts").mkdir()
    (tmp_path / "timeouts" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (error,) = load(tmp_path).errors
    assert error.message == "cannot be read: No such file or directory"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "timeouts").mkdir()
    os.mkfifo(tmp_path / "timeouts" / "pipe.yaml")
    (error,) = load(tmp_path).errors
    assert error.message == "not a regular file"


@pytest.mark.parametrize(
    ("kind", "value", "parsed"),
    [
        ("seconds", "500 ms", Seconds(0.5)),
        ("seconds", "never", Seconds("inf")),
        ("seconds", Seconds(4), Seconds(4)),
        ("bytes", "64MB", Bytes(64 << 20)),
        ("bytes", Bytes(7), Bytes(7)),
        ("number", 3, 3.0),
        ("number", 0.5, 0.5),
        ("integer", 3, 3),
        ("text", "session", "session"),
    ],
)
def test_params(kind: str, value: object, parsed: object) -> None:
    found = parse_param(kind, value)
    assert (found, type(found)) == (parsed, type(parsed))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("seconds", 3, "3 needs a unit, as in 3s"),
        ("seconds", "3", "'3' needs a unit: us, ms, s, min, h, d"),
        ("bytes", 1024, "1024 needs a unit, as in 64MB"),
        ("bytes", "xkB", "'xkB' needs a unit: B, kB, MB, GB, TB"),
        ("bytes", "1.2.3kB", "'1.2.3kB' is not a number with a unit"),
        ("number", "3", "'3' is not a number"),
        ("number", True, "True is not a number"),
        ("number", float("nan"), "nan is not a number"),
        ("number", [1], "a list is not a number"),
        ("integer", 3.5, "3.5 is not a whole number"),
        ("text", 3, "3 is not text"),
        ("text", {}, "a mapping is not text"),
    ],
)
def test_bad_params(kind: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_param(kind, value)


def test_bind_names_the_rule_and_the_param(tmp_path: Path) -> None:
    write(tmp_path, RULE)
    (rule,) = load(tmp_path).rules
    with pytest.raises(ValueError, match=r"^acquire-timeout-out-of-range has no param 'longst'; did you mean 'longest'\?$"):
        rule.bind({"longst": "3s"})
    with pytest.raises(ValueError, match=r"^acquire-timeout-out-of-range: longest: 5 needs a unit, as in 3s$"):
        rule.bind({"longest": 5})


def test_data_dir_is_beside_the_package() -> None:
    assert (data_dir("rules")).is_dir()
    with pytest.raises(FileNotFoundError):
        data_dir("no-such-folder")


# -- the cache

CACHED = """\
import sys
sys.path.insert(0, {root!r})
from polint import rule
rule.data_folder = lambda name: {rules!r}
loaded = rule.load_builtin()
for found in loaded.rules:
    print(found.code, found.params[0].default, found.group)
for error in loaded.errors:
    print(error.message)
print("compiled" if "polint.expr" in sys.modules else "cached")
print([name for name in ("pydantic", "yaml", "difflib", "polint.rulefile", "polint.model") if name in sys.modules])
"""
POOL_RULE = RULE.replace("pool.acquire_timeout", "pool.acquire_timeout")


def start(folder: Path, *options: str, **environment: str) -> list[str]:
    root = str(Path(rule_module.__file__).parent.parent)
    code = CACHED.format(root=root, rules=str(folder / "rules"))
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment = {**clean, "PYTHONPYCACHEPREFIX": str(folder / "cache"), **environment}
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.splitlines()


def cache_file(folder: Path) -> Path:
    (found,) = (folder / "cache").rglob("*.rules")
    return found


def test_the_cache_in_fresh_processes(tmp_path: Path) -> None:
    path = write(tmp_path / "rules", POOL_RULE)
    assert start(tmp_path)[0::2] == ["PO201 3 s timeouts", "['yaml', 'polint.rulefile', 'polint.model']"]
    assert start(tmp_path) == ["PO201 3 s timeouts", "cached", "[]"]
    path.write_text(POOL_RULE.replace("default: 3s", "default: 2s"))
    assert start(tmp_path)[:2] == ["PO201 2 s timeouts", "compiled"]
    data = cache_file(tmp_path).read_bytes()
    cache_file(tmp_path).write_bytes(data[:-9] + b"\0" + data[-8:])
    assert start(tmp_path)[:2] == ["PO201 2 s timeouts", "compiled"]
    assert start(tmp_path)[:2] == ["PO201 2 s timeouts", "cached"]


def test_mistakes_are_never_cached(tmp_path: Path) -> None:
    write(tmp_path / "rules", POOL_RULE.replace("for: pool", "for: pol"))
    for _ in range(2):
        assert start(tmp_path)[:2] == ["for: no subject 'pol'; did you mean 'pool'?", "compiled"]
    assert not list((tmp_path / "cache").rglob("*.rules"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache" / "x.rules"
    monkeypatch.setattr(rulecache, "_path", lambda: str(path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return path


def test_cache_round_trip(cache: Path) -> None:
    assert rulecache.read((1, "key")) is None
    rulecache.write((1, "key"), ("payload", 2.5))
    assert rulecache.read((1, "key")) == ("payload", 2.5)
    assert rulecache.read((1, "other")) is None
    assert os.listdir(cache.parent) == [cache.name]


@pytest.mark.parametrize("cut", [0, 5, 20, 25, -1])
def test_a_broken_cache_is_no_cache(cache: Path, cut: int) -> None:
    rulecache.write((1,), ("payload",))
    cache.write_bytes(cache.read_bytes()[:cut])
    assert rulecache.read((1,)) is None


def test_every_flipped_byte_is_seen(cache: Path) -> None:
    rulecache.write((1,), ("payload",))
    data = cache.read_bytes()
    for index in range(len(data)):
        cache.write_bytes(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])
        assert rulecache.read((1,)) is None


def test_nothing_is_written_where_nothing_can_be(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.write_text("a file where the folder should be")
    rulecache.write((1,), ("payload",))
    assert rulecache.read((1,)) is None
    cache.parent.unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    rulecache.write((1,), ("payload",))
    assert not cache.parent.exists()
    cache.parent.mkdir()
    rulecache.write((1,), ("payload",))
    assert rulecache.read((1,)) == ("payload",)


def test_without_a_place_for_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulecache, "_path", lambda: None)
    rulecache.write((1,), ("payload",))
    assert rulecache.read((1,)) is None


def test_a_cache_of_another_shape_is_rebuilt(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "rules", POOL_RULE)
    monkeypatch.setattr(rule_module, "data_folder", lambda name: str(tmp_path / "rules"))
    rulecache.write(rulecache.stamp(str(tmp_path / "rules")), (("too", "short"),))
    first = load_builtin()
    assert [found.code for found in first.rules] == ["PO201"]
    assert load_builtin() == first


def test_the_stamp_sees_rules_and_sources(tmp_path: Path) -> None:
    path = write(tmp_path, RULE)
    before = rulecache.stamp(str(tmp_path))
    assert rulecache.stamp(str(tmp_path)) == before
    assert [entry[0] for entry in before[3]] == [f"timeouts/{NAME}"]
    assert {"expr.py", "fact.py", "model/setting.py"} <= {entry[0] for entry in before[4]}
    os.utime(path, ns=(1, 1))
    assert rulecache.stamp(str(tmp_path)) != before


def test_the_rules_of_polint_load() -> None:
    loaded = load_rules([data_dir("rules")], builtin=True)
    assert [str(error) for error in loaded.errors] == []
