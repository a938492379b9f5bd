"""Rules over subjects: what is reported, where, with which notes; examples as tests; rule pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from polint.diagnostic import Diagnostic, Note
from polint.docs import rule_page, rules_index
from polint.engine import Report, check
from polint.examples import Example, Place, load_examples, run, run_example, unmark
from polint.exprtext import ExprError
from polint.fact import Fact, derive, unknown, written
from polint.model.setting import Section, setting
from polint.rule import Rule, load_rules
from polint.source import Source, Span
from polint.units import Seconds


class Server(Section):
    kind = "server"

    def __init__(self, label: str, span: Span, raw: Mapping[str, Fact[Any]], pools: Sequence[Pool] = ()) -> None:
        super().__init__(label, span, raw)
        self.pools: Sequence[Pool] = pools
        self.notes: Sequence[Note] = ()

    max_connections = setting("max_connections", int, int, 100, "PostgreSQL", "connections allowed")
    reserved = setting("superuser_reserved_connections", int, int, 3, "PostgreSQL", "kept for superusers")

    @property
    def usable(self) -> Fact[int]:
        return derive("usable", lambda a, b: a - b, self.max_connections, self.reserved)

    @property
    def peak(self) -> Fact[int]:
        return derive("all pools full", lambda *n: sum(n), *(pool.peak for pool in self.pools))

    @property
    def broken(self) -> int:
        raise LookupError("a bug of the model")


class Pool(Section):
    kind = "pool"

    def __init__(self, label: str, span: Span, raw: Mapping[str, Fact[Any]], server: Server | None = None) -> None:
        super().__init__(label, span, raw)
        self.server: Server | None = server

    replicas = setting("replicas", int, int, 1, "compose", "instances")
    size = setting("max_connections", int, int, 10, "SQLx", "most connections")
    wait = setting("acquire_timeout", Seconds, lambda value: Seconds(float(value)), Seconds(30), "SQLx", "longest wait")

    @property
    def peak(self) -> Fact[int]:
        return derive("peak", lambda a, b: a * b, self.replicas, self.size)


SUBJECTS: dict[str, type] = {"server": Server, "pool": Pool}

BUDGET = """\
code: PO101
name: connections-over-budget
since: 0.1.0
severity: error
summary: Full pools together need more connections than the server has.
why: |
  Each pool is sized alone, but all of them meet at one server.
help: Shrink the largest of {len(server.pools)} pools first.
refs: [PostgreSQL manual 20.3]
params:
  share: {type: number, default: 0.9, help: part of the usable connections | that pools may plan for}
for: server
when: len(server.pools) > 0
require: server.peak <= server.usable * params.share
at: server.max_connections
message: "pools can open {server.peak} of {server.usable}, over {params.share:.0%}"
---
example: two services that each look modest
files:
  pools.txt: |
    replicas=3 max_connections=25
    max_connections=20
  server.txt: |
    max_connections=[|100|]
messages: ["pools can open 95 of 97, over 90%"]
notes:
  - "pools.txt:1:10 replicas = 3"
  - "pools.txt:1:28 max_connections = 25"
  - "replicas = 1 (default)"
  - "pools.txt:2:17 max_connections = 20"
  - "superuser_reserved_connections = 3 (default)"
---
example: pools of ten
files:
  pools.txt: |
    replicas=3 max_connections=10
  server.txt: |
    max_connections=100
---
example: a size that only the environment knows
files:
  pools.txt: |
    max_connections=?
  server.txt: |
    max_connections=100
unknown: true
---
example: a fuller plan is allowed here
config: |
  [params.PO101]
  share = 1.0
files:
  pools.txt: |
    replicas=3 max_connections=25
    max_connections=20
  server.txt: |
    max_connections=100
"""


def parse(source: Source) -> list[tuple[Span, dict[str, Fact[Any]]]]:
    """Toy files: a subject a line, ``key=value`` words, ``?`` for what is not known."""
    found = []
    at = 0
    for line in source.text.splitlines(keepends=True):
        raw: dict[str, Fact[Any]] = {}
        column = at
        for word in line.split(" "):
            key, _, value = word.strip().partition("=")
            span = source.span(column + len(key) + 1, column + len(key) + 1 + len(value))
            raw[key] = unknown(key, "read from the command line", span) if value == "?" else written(key, value, span)
            column += len(word) + 1
        found.append((source.span(at, at + len(line.rstrip())), raw))
        at += len(line)
    return found


def load(files: Mapping[str, str], config: str | None = None) -> list[dict[str, list[Any]]]:
    sources = {path: Source(path, text) for path, text in files.items()}
    pools = [Pool(f"pool {at}", span, raw) for at, (span, raw) in enumerate(parse(sources.get("pools.txt", Source("pools.txt", ""))))]
    servers = [Server("server db", span, raw, pools) for span, raw in parse(sources.get("server.txt", Source("server.txt", "")))]
    for pool in pools:
        pool.server = servers[0] if servers else None
    return [{"pool": pools, "server": servers}]


def rules(folder: Path, *texts: str) -> list[Rule]:
    groups = {"PO1": "budget", "PO2": "timeouts"}
    for text in texts:
        code, name = (text.split(f"{key}: ")[1].split("\n")[0] for key in ("code", "name"))
        path = folder / groups[code[:3]] / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    loaded = load_rules([folder], builtin=True, subjects=SUBJECTS)
    assert [str(error) for error in loaded.errors] == []
    return list(loaded.rules)


def rule(folder: Path, *lines: str, subject: str = "pool", code: str = "PO201", name: str = "faulty", severity: str = "warning") -> Rule:
    """A rule with the given lines after the usual head."""
    text = f"code: {code}\nname: {name}\nsince: 0.1.0\nseverity: {severity}\nsummary: S.\nwhy: W.\nrefs: [R]\nfor: {subject}\n"
    given = {line.partition(":")[0] for line in lines}
    rest = [line for line in ("require: 1 > 2", "message: bad") if line.partition(":")[0] not in given]
    return next(found for found in rules(folder, text + "\n".join([*lines, *rest]) + "\n") if found.code == code)


def shown(diagnostics: Sequence[Diagnostic]) -> list[str]:
    return [f"{diagnostic.span!r} {diagnostic.message}" for diagnostic in diagnostics]


def notes(diagnostic: Diagnostic) -> list[str]:
    return [note.message if note.span is None else f"{note.span} {note.message}" for note in diagnostic.notes]


def look(found: Rule, pools: str = "", server: str = "", **options: Any) -> Report:
    files = {path: text for path, text in (("pools.txt", pools), ("server.txt", server)) if text}
    return check([found], load(files)[0], **options)


def test_a_diagnostic_across_files(tmp_path: Path) -> None:
    (budget,) = rules(tmp_path, BUDGET)
    report = look(budget, "replicas=3 max_connections=25\nmax_connections=20\n", "max_connections=100\n")
    (diagnostic,) = report.diagnostics
    assert repr(diagnostic.span) == "<server.txt:1:17 '100'>"
    assert (diagnostic.code, diagnostic.name, diagnostic.severity) == ("PO101", "connections-over-budget", "error")
    assert diagnostic.message == "pools can open 95 of 97, over 90%"
    assert diagnostic.help == "Shrink the largest of 2 pools first."
    assert diagnostic.subject == "server db, setting max_connections"
    assert notes(diagnostic) == [
        "pools.txt:1:10 replicas = 3",
        "pools.txt:1:28 max_connections = 25",
        "replicas = 1 (default)",
        "pools.txt:2:17 max_connections = 20",
        "superuser_reserved_connections = 3 (default)",
    ]
    assert report.silenced == {}


def test_when_guards(tmp_path: Path) -> None:
    found = rule(tmp_path, "when: pool.size > 5", "require: pool.size < 8")
    assert shown(look(found, "max_connections=5\nmax_connections=6\nmax_connections=9\n").diagnostics) == [
        "<pools.txt:3:1 'max_connections=9'> bad"
    ]


def test_a_default_is_shown_at_its_subject(tmp_path: Path) -> None:
    found = rule(tmp_path, "require: pool.wait < pool.wait", "at: pool.wait", 'message: "waits {pool.wait}"')
    (unsaid,) = look(found, "replicas=2\n").diagnostics
    assert (shown([unsaid]), notes(unsaid)) == (["<pools.txt:1:1 'replicas=2'> waits 30 s"], [])
    assert unsaid.subject == "pool 0, setting acquire_timeout"
    (said,) = look(found, "acquire_timeout=60\n").diagnostics
    assert (shown([said]), notes(said)) == (["<pools.txt:1:17 '60'> waits 1 min"], [])


def test_a_derived_place_is_its_subjects(tmp_path: Path) -> None:
    found = rule(tmp_path, "require: pool.peak > 99", "at: pool.peak")
    (diagnostic,) = look(found, "replicas=2\n").diagnostics
    assert repr(diagnostic.span) == "<pools.txt:1:1 'replicas=2'>"
    assert notes(diagnostic) == ["pools.txt:1:10 replicas = 2", "max_connections = 10 (default)"]


def test_without_at_the_subject_is_the_place(tmp_path: Path) -> None:
    (diagnostic,) = look(rule(tmp_path), "replicas=2\n").diagnostics
    assert (shown([diagnostic]), diagnostic.subject) == (["<pools.txt:1:1 'replicas=2'> bad"], "pool 0")


def test_a_linked_thing_is_a_place_too(tmp_path: Path) -> None:
    (diagnostic,) = look(rule(tmp_path, "at: pool.server"), "replicas=2\n", "max_connections=7\n").diagnostics
    assert (shown([diagnostic]), diagnostic.subject) == (["<server.txt:1:1 'max_connections=7'> bad"], "pool 0")
    (unlinked,) = look(rule(tmp_path, "at: pool.server"), "replicas=2\n").diagnostics
    assert shown([unlinked]) == ["<pools.txt:1:1 'replicas=2'> bad"]


def test_unknown_is_silent_and_counted(tmp_path: Path) -> None:
    found = rule(tmp_path, "require: pool.peak < 5", "at: pool.size")
    report = look(found, "max_connections=?\nmax_connections=9\nreplicas=? max_connections=1\n")
    assert shown(report.diagnostics) == ["<pools.txt:2:17 '9'> bad"]
    assert {code: [case[:2] for case in cases] for code, cases in report.silenced.items()} == {
        "PO201": [("pool 0", "peak: read from the command line"), ("pool 2", "peak: read from the command line")]
    }


@pytest.mark.parametrize(
    "lines",
    [
        ["when: pool.size > 1", "require: 1 > 2"],
        ["require: pool.size > 99"],
        ['message: "{pool.size}"'],
        ['help: "{pool.size}"'],
        ["at: pool.server.max_connections"],
        ["subject_key: '{pool.server}'"],
        ["require: pool.server.max_connections > 99"],
    ],
)
def test_unknown_anywhere_is_silent(tmp_path: Path, lines: list[str]) -> None:
    report = look(rule(tmp_path, *lines), "max_connections=?\n")
    assert report.diagnostics == []
    assert len(report.silenced["PO201"]) == 1


def test_an_unknown_place_is_still_a_place(tmp_path: Path) -> None:
    found = rule(tmp_path, "require: pool.size.is_known", "at: pool.size", "note: [pool.peak, pool.server]")
    (diagnostic,) = look(found, "max_connections=?\n", "max_connections=7\n").diagnostics
    assert repr(diagnostic.span) == "<pools.txt:1:17 '?'>"
    assert notes(diagnostic) == ["server.txt:1:1 server db"]


def test_notes_name_further_facts_each_once(tmp_path: Path) -> None:
    found = rule(
        tmp_path,
        "require: pool.size > 99 and pool.replicas > 99",
        "note: [pool.wait, pool.size, pool.server.usable]",
        'message: "{pool.size} x {pool.replicas}"',
    )
    (diagnostic,) = look(found, "acquire_timeout=3 max_connections=9\n", "max_connections=7\n").diagnostics
    assert notes(diagnostic) == [
        "pools.txt:1:35 max_connections = 9",
        "replicas = 1 (default)",
        "pools.txt:1:17 acquire_timeout = 3 s",
        "server.txt:1:17 max_connections = 7",
        "superuser_reserved_connections = 3 (default)",
    ]


def test_a_list_of_notes(tmp_path: Path) -> None:
    found = rule(tmp_path, "note: [server.pools]", subject="server", code="PO101")
    (diagnostic,) = look(found, "replicas=1\nreplicas=2\n", "max_connections=7\n").diagnostics
    assert notes(diagnostic) == ["pools.txt:1:1 pool 0", "pools.txt:2:1 pool 1"]


def test_where_a_value_passes_through(tmp_path: Path) -> None:
    code, env = Source("main.rs", 'env("SIZE")'), Source(".env", "SIZE=200\nWAIT=9")
    raw = {
        "max_connections": written("max_connections", "200", env.span(5, 8), via=(code.span(0, 11),)),
        "acquire_timeout": written("acquire_timeout", "9", env.span(14, 15), via=(code.span(4, 10),)),
    }
    found = rule(tmp_path, "require: pool.size < 99 or pool.wait < 0", "at: pool.size")
    (diagnostic,) = check([found], {"pool": [Pool("p", code.span(0, 11), raw)]}).diagnostics
    assert repr(diagnostic.span) == "<.env:1:6 '200'>"
    assert notes(diagnostic) == ["main.rs:1:1 read here", ".env:2:6 acquire_timeout = 9 s", "main.rs:1:5 read here"]


def test_a_subjects_own_notes_come_last(tmp_path: Path) -> None:
    found = rule(tmp_path, "require: server.usable < 1", subject="server", code="PO101")
    (subjects,) = load({"server.txt": "max_connections=7\n"})
    subjects["server"][0].notes = (Note("the image runs it", None),)
    (diagnostic,) = check([found], subjects).diagnostics
    assert notes(diagnostic)[-2:] == ["superuser_reserved_connections = 3 (default)", "the image runs it"]


def test_subject_key(tmp_path: Path) -> None:
    found = rule(tmp_path, "at: pool.size", 'subject_key: "size {pool.size}"')
    (diagnostic,) = look(found, "max_connections=9\n").diagnostics
    assert (diagnostic.subject, notes(diagnostic)) == ("pool 0, size 9", [])


def test_the_one_order(tmp_path: Path) -> None:
    both = [
        rule(tmp_path, "at: pool.server.max_connections", code="PO202", name="later"),
        rule(tmp_path, code="PO201", name="sooner"),
    ]
    (subjects,) = load({"pools.txt": "replicas=1\nreplicas=2\n", "server.txt": "max_connections=7\n"})
    found = check(both, subjects).diagnostics
    assert [(str(diagnostic.span), diagnostic.code) for diagnostic in found] == [
        ("pools.txt:1:1", "PO201"),
        ("pools.txt:2:1", "PO201"),
        ("server.txt:1:17", "PO202"),
        ("server.txt:1:17", "PO202"),
    ]


def test_overrides(tmp_path: Path) -> None:
    (budget,) = rules(tmp_path, BUDGET)
    files = ("replicas=3 max_connections=25\nmax_connections=20\n", "max_connections=100\n")
    for key in ("PO101", "connections-over-budget"):
        assert look(budget, *files, params={key: {"share": 1}}).diagnostics == []
        assert [found.severity for found in look(budget, *files, severities={key: "info"}).diagnostics] == ["info"]
        assert look(budget, *files, severities={key: "off"}).diagnostics == []
    with pytest.raises(ValueError, match=r"^connections-over-budget has no param 'shar'; did you mean 'share'\?$"):
        look(budget, *files, params={"PO101": {"shar": 1}})


def test_no_subjects_no_work(tmp_path: Path) -> None:
    assert check([rule(tmp_path)], {}) == ([], {})


def test_a_bug_is_not_hidden(tmp_path: Path) -> None:
    found = rule(tmp_path, "require: server.broken > 1", subject="server", code="PO101")
    with pytest.raises(LookupError, match="a bug of the model"):
        look(found, "", "max_connections=7\n")


# -- examples


def test_the_examples_of_a_good_rule(tmp_path: Path) -> None:
    (budget,) = rules(tmp_path, BUDGET)
    assert run(budget, load) == []


OVER = "pools can open 95 of 97, over 90%"
DEFAULT = '  - "replicas = 1 (default)"\n'
FIRST, SECOND = '  - "pools.txt:1:10 replicas = 3"\n', '  - "pools.txt:1:28 max_connections = 25"\n'
MODEST = "two services that each look modest"
TEN = "files:\n  pools.txt: |\n    replicas=3 max_connections=10\n  server.txt: |\n    max_connections=100\n---"


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        (
            "[|100|]",
            "100",
            [
                f":18:10: {MODEST}: server.txt:1:17: reported but not marked, at '100': {OVER}",
                ":18:10: no example is marked: show with [|…|] what the rule reports",
            ],
        ),
        ("[|100|]", "10[|0|]", ["server.txt:1:17: reported but not marked, at '100'", "server.txt:1:19: marked but not reported: '0'"]),
        ("[|100|]", "[|100|] reserved=[|3|]", ["server.txt:1:30: marked but not reported: '3'"]),
        ("max_connections=[|100|]", "[|max_connections=[|100|]|]", ["server.txt:1:1: marked but not reported: 'max_connections=100'"]),
        (
            'over 90%"]',
            'over 80%"]',
            ["message not given: pools can open 95 of 97, over 80%; did", f"message not expected: {OVER}"],
        ),
        (DEFAULT, "", ["note not expected: replicas = 1 (default)"]),
        (DEFAULT, DEFAULT + '  - "x"\n', ["note not given: x"]),
        (DEFAULT, DEFAULT * 2, ["notes given 5 times, not 6"]),
        (FIRST + SECOND, SECOND + FIRST, ["notes in another order: pools.txt:1:10 replicas = 3;"]),
        ("max_connections=?", "max_connections=9", ["only the environment knows: 'unknown: true', but the rule met nothing unknown"]),
        ("max_connections=?", "max_connections=999", ["reported but not marked", "'unknown: true' says the rule is silent, and it is not"]),
        ("share = 1.0", "shar = 1.0", ["a fuller plan is allowed here: config: connections-over-budget has no param 'shar'"]),
        ("share = 1.0", "share = ", ["a fuller plan is allowed here: config: polint.toml:2:9: "]),
        ("example: pools of ten\n", "exampel: pools of ten\n", [":33:1: example: is missing", ":33:1: exampel: no such key"]),
        ("example: pools of ten\n", f"example: {MODEST}\n", [":33:10: example: another example has this title"]),
        ("[|100|]", "[|100", [":24:21: '[|' is never closed"]),
        ("[|100|]", "100|]", [":24:24: '|]' closes nothing"]),
        (TEN, "files: 3\nx: 4\n---", [":34:8: files: should be a mapping of texts", ":35:1: x: no such key"]),
    ],
)
def test_every_difference_is_a_problem(tmp_path: Path, old: str, new: str, problems: list[str]) -> None:
    assert old in BUDGET
    (budget,) = rules(tmp_path, BUDGET.replace(old, new, 1))
    found = [f"{error.path}:{error.line}:{error.column}: {error.message}" for error in run(budget, load)]
    assert [problem for problem in problems if not any(problem in text for text in found)] == [], found
    assert all(text.startswith(f"{budget.path}:") for text in found)


def test_a_rule_needs_both_kinds_of_example(tmp_path: Path) -> None:
    head, first, *_ = BUDGET.split("---\n")
    (budget,) = rules(tmp_path, head + "---\n" + first)
    (error,) = run(budget, load)
    assert str(error) == f"{budget.path}:18:10: every example is marked: show one that the rule leaves alone"
    (budget,) = rules(tmp_path, head)
    assert len(run(budget, load)) == 2


def test_examples_as_read(tmp_path: Path) -> None:
    (budget,) = rules(tmp_path, BUDGET)
    examples, errors = load_examples(budget.path)
    assert errors == []
    assert [(example.title, example.span.place[0], example.is_marked, example.unknown) for example in examples] == [
        ("two services that each look modest", 18, True, False),
        ("pools of ten", 33, False, False),
        ("a size that only the environment knows", 40, False, True),
        ("a fuller plan is allowed here", 48, False, False),
    ]
    assert run_example(budget, Example("t", {"server.txt": "max_connections=100\n"}, examples[0].span), load) == []


@pytest.mark.parametrize(
    ("marked", "text", "places"),
    [
        ("plain", "plain", []),
        ("a [|b|] c", "a b c", [("f", 2, 3)]),
        ("[|a [|b|]|] [|c|]", "a b c", [("f", 0, 3), ("f", 2, 3), ("f", 4, 5)]),
        ("x[||]y", "xy", [("f", 1, 1)]),
        ("vec[0] |x| |y|", "vec[0] |x| |y|", []),
        ("[|a\nb|]\n", "a\nb\n", [("f", 0, 3)]),
    ],
)
def test_unmark(marked: str, text: str, places: list[tuple[str, int, int]]) -> None:
    assert unmark("f", marked) == (text, [Place(*place) for place in places])


@pytest.mark.parametrize(("marked", "offset"), [("a |] b", 2), ("[|a", 0), ("x[|a [|b|]", 1), ("[|a|] |]", 6)])
def test_marks_that_do_not_pair(marked: str, offset: int) -> None:
    with pytest.raises(ExprError) as caught:
        unmark("f", marked)
    assert caught.value.offset == offset


# -- pages


def test_a_page(tmp_path: Path) -> None:
    (budget,) = rules(tmp_path, BUDGET)
    assert (
        rule_page(budget, load)
        == """\
# PO101 connections-over-budget

Full pools together need more connections than the server has.

error · group budget · since 0.1.0

## Why

Each pool is sized alone, but all of them meet at one server.

## Parameters

| name | type | default | meaning |
|---|---|---|---|
| `share` | number | `0.9` | part of the usable connections \\| that pools may plan for |

## Reported

Two services that each look modest:

`pools.txt`

```
replicas=3 max_connections=25
max_connections=20
```

`server.txt`

```
max_connections=100
                ^^^
```

## Not reported

Pools of ten:

`pools.txt`

```
replicas=3 max_connections=10
```

`server.txt`

```
max_connections=100
```

## What to do

For the example above:

Shrink the largest of 2 pools first.

## References

- PostgreSQL manual 20.3
"""
    )


def test_a_page_underlines_every_line_and_fences_safely(tmp_path: Path) -> None:
    head = BUDGET.split("---\n")[0].replace("severity: error", "severity: info\npreview: true")
    example = (
        "---\nexample: shapes\nfiles:\n  a.md: |\n    ```\n    one [|two\n      three|] [|four|]\n    \tx[||]\n    \t[|tab|]\n    ```\n"
    )
    (budget,) = rules(tmp_path, head + example)
    page = rule_page(budget, load)
    assert "info · group budget · since 0.1.0, preview\n" in page
    assert "## What to do\n\nShrink the largest of … pools first.\n" in page  # the example reports nothing
    assert page.partition("`a.md`\n\n")[2].partition("\n\n##")[0] == (
        "````\n```\none two\n    ^^^\n  three four\n  ^^^^^ ^^^^\n    x\n     ^\n    tab\n    ^^^\n```\n````"
    )


def test_the_index(tmp_path: Path) -> None:
    head = BUDGET.split("---\n")[0].replace("Full pools together need more connections than the server has.", "Pools | do not fit.")
    twin = (
        head.replace("PO101", "PO102")
        .replace("connections-over-budget", "twin")
        .replace("severity: error", "severity: info\npreview: true")
    )
    late = head.replace("PO101", "PO201").replace("connections-over-budget", "late")
    assert (
        rules_index(reversed(rules(tmp_path, late, twin, head)))
        == """\
# Rules

Made from the rule files by `polint rules --markdown`; `polint rule CODE` shows one rule's page.

## Pool sizing and budget

| code | name | severity | reports | fix |
|---|---|---|---|---|
| PO101 | [connections-over-budget](budget/connections-over-budget.yaml) | error | Pools \\| do not fit. |  |
| PO102 | [twin](budget/twin.yaml) | info (preview) | Pools \\| do not fit. |  |

## Timeouts

| code | name | severity | reports | fix |
|---|---|---|---|---|
| PO201 | [late](timeouts/late.yaml) | error | Pools \\| do not fit. |  |
"""
    )
