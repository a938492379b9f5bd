""".env files: one table, four readers.  The values were recorded from compose-go 2.13.0, phpdotenv 5.6 and dotenvy 0.15.7."""

from __future__ import annotations

import time

import pytest

from polint.formats.dotenv import DIALECTS, parse
from polint.source import Source
from polint.templating import REASON
from polint.value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value, env_reads

ENVIRONMENT = {"SET": "set", "EMPTY": ""}


class Refused(Exception):
    """The reader gives up."""


def resolve(value: Value, above: dict[str, object]) -> object:
    match value:
        case Literal(value=known):
            return known
        case EnvRead(name=name, empty_is_missing=empty, required=required):
            found = ENVIRONMENT.get(name, above.get(name))
            found = None if empty and found == "" else found
            if found is None and required is not None:
                raise Refused
            return found
        case Fallback(first, second):
            found = resolve(first, above)
            return resolve(second, above) if found is None else found
        case Alternative(test, then):
            return resolve(then, above) if resolve(test, above) is not None else ""
        case Computed(apply=apply, args=args):
            return apply(*(resolve(arg, above) for arg in args))
        case _:
            return Opaque


def load(text: str, dialect: str) -> list[tuple[str, object]] | None:
    """(key, value) in file order; None when the reader refuses the file."""
    parsed = parse(Source(".env", text), dialect)
    if any(fault.fatal for fault in parsed.faults):
        return None
    pairs: list[tuple[str, object]] = []
    above: dict[str, object] = {}
    try:
        for entry in parsed.entries:
            above[entry.key] = resolve(entry.value, above)
            pairs.append((entry.key, above[entry.key]))
    except Refused:
        return None
    return pairs


ERROR = Refused
# text -> value of A with compose, phpdotenv, dotenvy; ERROR: the file is refused; ...: there is no A
VALUES: list[tuple[str, object, object, object]] = [
    ("A=20", "20", "20", "20"),
    ("A=20 # c", "20", "20", "20"),
    ("A=20#c", "20#c", "20", "20#c"),
    ("A= #c", "#c", "", ""),
    ("A=#c", "#c", "", ""),
    ("A=", "", "", ""),
    ("A = 5", "5", "5", "5"),
    ("A=x\t#c", "x\t#c", "x", "x"),
    ("A=postgres://u:p#w@h/db", "postgres://u:p#w@h/db", "postgres://u:p", "postgres://u:p#w@h/db"),
    ("A=hello world", "hello world", ERROR, ERROR),
    ("A=pa$word", "pa", "pa$word", "pa"),
    ("A=5$", "5$", "5$", "5"),
    ("A=a$$b", "a$b", "a$$b", "a"),
    ("B=1\nA=$B", "1", "$B", "1"),
    ("B=1\nA=${B}", "1", "1", "1"),
    ('B=1\nA="x${B}y"', "x1y", "x1y", "x1y"),
    ("B=1\nA='${B}'", "${B}", "${B}", "${B}"),
    ("B_C=1\nA=$B_C", "1", "$B_C", "_C"),
    ('A="$SET"', "set", "$SET", ERROR),
    ("A=${SET}x", "setx", "setx", "setx"),
    ("A=${NOPE}", "", "${NOPE}", ""),
    ("A=${NOPE:-d}", "d", "${NOPE:-d}", ""),
    ("A=${NOPE-d}", "d", "${NOPE-d}", ""),
    ("A=${EMPTY:-d}", "d", "${EMPTY:-d}", ""),
    ("A=${EMPTY-d}", "", "${EMPTY-d}", ""),
    ("A=${NOPE:-${SET}}y}", "sety}", "${NOPE:-set}y}", "}y}"),
    ("A=${SET:+x}", "x", "${SET:+x}", ""),
    ("A=${NOPE:+x}", "", "${NOPE:+x}", ""),
    ("A=${NOPE:?m}", ERROR, "${NOPE:?m}", ""),
    ("A=${SET:?m}", "set", "${SET:?m}", ""),
    ("A=${", ERROR, "${", ERROR),
    ("A=${1}", ERROR, "${1}", ""),
    ("export AB=1\nA=2", "2", "2", "2"),
    ("export A=1", "1", ERROR, "1"),
    ("A: 1", "1", ERROR, ERROR),
    ("A:1", "1", ERROR, ERROR),
    (r"A=x\ny", r"x\ny", r"x\ny", "x\ny"),
    (r'A="x\ny"', "x\ny", "x\ny", "x\ny"),
    (r"A='x\ny'", r"x\ny", r"x\ny", r"x\ny"),
    (r'A="\"q\\"', '"q\\', '"q\\', '"q\\'),
    (r'A="\$SET"', "$SET", "$SET", "$SET"),
    (r'A="\t\q"', "\t\\q", ERROR, ERROR),
    (r'A="\0101\061"', r"A\61", ERROR, ERROR),
    (r"A='it\'s'", "it's", ERROR, ERROR),
    ("A='it'", "it", "it", "it"),
    ('A="x\ny"', "x\ny", "x\ny", "x\ny"),
    ("A='x\ny'", "x\ny", ERROR, "x\ny"),
    ('A="x"y', "x", ERROR, "xy"),
    ('A="x" # c', "x", "x", "x"),
    ('A="x', ERROR, ..., ERROR),
    ("A=it's", "it's", "it's", ERROR),
    ("A", ..., None, ERROR),
    ("A\nB=1", ..., None, ERROR),
    ("B C=1\nA=2", ERROR, ERROR, ERROR),
    ("1A=1\nA=2", "2", "2", ERROR),
    ("A-B=1\nA=2", "2", ERROR, ERROR),
    ("é=1\nA=2", "2", "2", ERROR),
    ('"A"=1', ERROR, "1", ERROR),
    ("=1\nA=2", "2", ERROR, ERROR),
    ("A=x\r\nB=y\r\n", "x", "x", "x"),
    ("# A=1\n\n  # c\nA=2", "2", "2", "2"),
    ("A=1 ", "1", "1", ERROR),
    ("A=a=b", "a=b", "a=b", "a=b"),
]


@pytest.mark.parametrize(("text", "compose", "phpdotenv", "dotenvy"), VALUES)
def test_what_the_readers_make_of_it(text: str, compose: object, phpdotenv: object, dotenvy: object) -> None:
    for dialect, expected in (("compose", compose), ("phpdotenv", phpdotenv), ("dotenvy", dotenvy)):
        pairs = load(text, dialect)
        assert (ERROR if pairs is None else dict(pairs).get("A", ...)) == expected, dialect


def test_a_bare_name_is_null_to_phpdotenv() -> None:
    assert load("A\n", "phpdotenv") == [("A", None)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_duplicates_keep_their_order(dialect: str) -> None:
    assert load("A=1\nB=x\nA=2\n", dialect) == [("A", "1"), ("B", "x"), ("A", "2")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_byte_order_mark_is_skipped(dialect: str) -> None:
    parsed = parse(Source.from_bytes(".env", b"\xef\xbb\xbfA=1\n"), dialect)
    assert [entry.key for entry in parsed.entries] == ["A"]
    assert parsed.faults == ()


def spans(text: str, dialect: str) -> list[tuple[str, str, str, tuple[int, int]]]:
    entries = parse(Source(".env", text), dialect).entries
    return [(entry.key_span.text, entry.value_span.text, entry.span.text, entry.value_span.place) for entry in entries]


@pytest.mark.parametrize("dialect", DIALECTS[:3])
@pytest.mark.parametrize(
    ("line", "key", "value", "whole"),
    [
        ("AB=20 # c", "AB", "20", "AB=20"),
        ('  AB = "x y" # c', "AB", '"x y"', 'AB = "x y"'),
        ("export AB='x y'", "AB", "'x y'", "AB='x y'"),
        ("AB=${C}x ", "AB", "${C}x", "AB=${C}x"),
        ("AB=", "AB", "", "AB="),
        (r'AB="a\n\"b"', "AB", r'"a\n\"b"', r'AB="a\n\"b"'),
    ],
)
def test_spans(dialect: str, line: str, key: str, value: str, whole: str) -> None:
    column = line.index(value, line.index("=") + 1) + 1
    assert spans(f"# é\n{line}\n", dialect) == [(key, value, whole, (2, column))]


@pytest.mark.parametrize(
    ("dialect", "line", "places"),
    [
        ("compose", r'A="\n${B}-$C"', [("B", "${B}", 6), ("C", "$C", 11)]),
        ("compose", "A=${B:-${C}}", [("B", "${B:-${C}}", 3), ("C", "${C}", 8)]),
        ("compose", "A=x$$${B}", [("B", "${B}", 6)]),
        ("phpdotenv", r'A="\n${B}-$C"', [("B", "${B}", 6)]),
        ("dotenvy", "A=x${B}$C", [("B", "${B}", 4), ("C", "$C", 8)]),
    ],
)
def test_places_of_references(dialect: str, line: str, places: list[tuple[str, str, int]]) -> None:
    (entry,) = parse(Source(".env", line), dialect).entries
    assert [(seen.name, seen.span.text, seen.span.place[1]) for seen in env_reads(entry.value)] == places


@pytest.mark.parametrize(
    ("dialect", "text", "place", "fatal"),
    [
        ("compose", "X=1\nA B=2\n", "A B", True),
        ("compose", "X=1\nA!=2\n", "!=2", True),
        ("compose", 'X=1\nA="x\n', '"x', True),
        ("compose", "X=1\nA=y${\n", "${", True),
        ("phpdotenv", "X=1\nA=hello world\n", "world", True),
        ("phpdotenv", "X=1\nA-B=2\n", "A-B", True),
        ("phpdotenv", "X=1\n=2\n", "=2", True),
        ("phpdotenv", 'X=1\nA="\\q"\n', "\\q", True),
        ("phpdotenv", "X=1\nA='x\n", "'x", True),
        ("phpdotenv", 'X=1\nA="x\nB=2\n', 'A="x', False),
        ("dotenvy", "X=1\nA=hello world\n", "world", True),
        ("dotenvy", "X=1\nA: 2\n", ": 2", True),
        ("dotenvy", "X=1\n1A=2\n", "1A=2", True),
        ("dotenvy", "X=1\nA=\\q\n", "\\q", True),
        ("dotenvy", "X=1\nA='x\n", "A='x", True),
        ("raw", "X=1\nA B=2\n", "A B", True),
        ("raw", "X=1\n=2\n", "=", True),
    ],
)
def test_places_of_faults(dialect: str, text: str, place: str, fatal: bool) -> None:
    parsed = parse(Source(".env", text), dialect)
    assert [(fault.span.text, fault.fatal, fault.span.place[0]) for fault in parsed.faults] == [(place, fatal, 2)]
    assert parsed.entries[0].key == "X"
    assert not any("hello" in fault.message or "world" in fault.message for fault in parsed.faults)


@pytest.mark.parametrize("dialect", DIALECTS[:3])
def test_reading_goes_on_behind_a_fault(dialect: str) -> None:
    keys = [entry.key for entry in parse(Source(".env", "A=1\n!=2\nB=3\n"), dialect).entries]
    assert keys == ["A", "B"]


def test_raw_is_taken_as_it_stands() -> None:
    text = "A = x\nB='y' # c\r\n# c\n  C=${D}\nE\nF= z \n"
    parsed = parse(Source(".env", text), "raw")
    assert [(entry.key, entry.value) for entry in parsed.entries] == [
        (entry.key, Literal(entry.value_span.text, entry.value_span)) for entry in parsed.entries
    ]
    assert [(entry.key, entry.value_span.text) for entry in parsed.entries] == [("B", "'y' # c"), ("C", "${D}"), ("F", " z ")]
    assert [fault.span.text for fault in parsed.faults] == ["A"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_template_is_not_faulted_and_its_values_are_open(dialect: str) -> None:
    text = "A=1\nB={{ b }}\n{% if x %}\nC=3\n{% endif %}\nD=4\n?=bad one\n"
    parsed = parse(Source(".env.j2", text), dialect)
    assert parsed.faults == ()
    values = {entry.key: entry.value for entry in parsed.entries}
    assert [values["B"], values["C"]] == [Opaque(REASON, entry.value_span) for entry in parsed.entries if entry.key in "BC"]
    assert [resolve(values[key], {}) for key in "AD"] == ["1", "4"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_time_is_linear_and_depth_harmless(dialect: str) -> None:
    started = time.perf_counter()
    for value in (
        "${A:-" * 20_000,
        "${A:-{" * 20_000 + "}" * 20_000,
        "'" * 50_001,
        '"' * 50_001,
        'x="\n' * 20_000,
        "\\" * 50_000,
        "$A" * 20_000,
    ):
        parse(Source(".env", "A=" + value), dialect)
    assert time.perf_counter() - started < 4
