"""``${…}`` in text and command lines, as Compose reads them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from polint.interpolate import MALFORMED, interpolate, malformed, split_words
from polint.source import Source
from polint.value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value, env_reads


def value_of(text: str) -> Value:
    source = Source("f", text)
    return interpolate(text, source.span(0, len(text)), source.span)


def resolve(value: Value, env: Mapping[str, str]) -> object:
    """The value in ``env``, the way Compose evaluates it."""
    match value:
        case Literal(literal):
            return literal
        case EnvRead(name, _, empty, required):
            missing = name not in env or (empty and not env[name])
            return f"<{required}>" if missing and required is not None else env.get(name, "")
        case Fallback(EnvRead(name, _, empty), second):
            return resolve(second, env) if name not in env or (empty and not env[name]) else env[name]
        case Alternative(EnvRead(name, _, empty), then):
            return "" if name not in env or (empty and not env[name]) else resolve(then, env)
        case Computed(apply, args):
            return apply(*(resolve(arg, env) for arg in args))
        case Opaque(reason):
            return f"<{reason}>"
        case _:
            raise AssertionError(value)


ENVS = ({}, {"V": ""}, {"V": "v", "W": "w"})


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("plain", ("plain", "plain", "plain")),
        ("", ("", "", "")),
        ("$V", ("", "", "v")),
        ("${V}", ("", "", "v")),
        ("a${V}b$W.c", ("ab.c", "ab.c", "avbw.c")),
        ("${V:-d}", ("d", "d", "v")),
        ("${V-d}", ("d", "", "v")),
        ("${V:-}", ("", "", "v")),
        ("${V:-${W:-c}}", ("c", "c", "v")),
        ("${V:-a${W}b}", ("ab", "ab", "v")),
        ("${V:-[::]}", ("[::]", "[::]", "v")),
        ("${V:-a:-b?c+d}", ("a:-b?c+d", "a:-b?c+d", "v")),
        ('${V:-{"a":1}}', ('{"a":1}', '{"a":1}', "v")),
        ("${V:-{}}", ("{}", "{}", "v")),
        ("${V:-a}}", ("a}", "a}", "v}")),
        ("${V:?no V}", ("<no V>", "<no V>", "v")),
        ("${V?}", ("<>", "", "v")),
        ("${V:+r}", ("", "", "r")),
        ("${V+r$W}", ("", "r", "rw")),
        ("$$V", ("$V", "$V", "$V")),
        ("$$$V", ("$", "$", "$v")),
        ("$$${V:-x}", ("$x", "$x", "$v")),
        ("${V:-$$}", ("$", "$", "v")),
        ("$1 $ $. $", ("$1 $ $. $",) * 3),
        ("$Vé", ("é", "é", "vé")),
        ("${V:-a} and ${W:-b}", ("a and b", "a and b", "v and w")),
        ("{$V}", ("{}", "{}", "{v}")),
        ("${v}", ("", "", "")),
        ("postgres://u:${V:-p}@db/x", ("postgres://u:p@db/x", "postgres://u:p@db/x", "postgres://u:v@db/x")),
    ],
)
def test_values(text: str, results: tuple[str, str, str]) -> None:
    value = value_of(text)
    assert tuple(resolve(value, env) for env in ENVS) == results
    assert malformed(text) is None


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("${V", 0),
        ("a ${}", 2),
        ("${ V}", 0),
        ("${1}", 0),
        ("${V.x}", 0),
        ("${V:x}", 0),
        ("$$ ${V:-a\nb}", 3),
        ("${V} ${", 5),
        ("${V:-a", 0),
        ("${V:=a}", 0),
    ],
)
def test_what_compose_refuses(text: str, offset: int) -> None:
    assert malformed(text) == offset
    assert MALFORMED in str(value_of(text))


def test_places() -> None:
    reads = env_reads(value_of("a=${A:-x${B}} $C"))
    assert [(read.name, str(read.span), read.span.text) for read in reads] == [
        ("A", "f:1:3", "${A:-x${B}}"),
        ("B", "f:1:9", "${B}"),
        ("C", "f:1:15", "$C"),
    ]
    fallback = value_of("${N:-10}")
    assert isinstance(fallback, Fallback)
    assert fallback.second.span.text == "10"


def test_a_range_of_a_text() -> None:
    source = Source("f", "KEY=${A}/x")
    value = interpolate(source.text, source.span(4, 10), source.span, 4)
    assert isinstance(value, Computed)
    assert [arg.span.text for arg in value.args] == ["${A}", "/x"]


def test_without_places_everything_stands_at_the_span() -> None:
    whole = Source("f", "x: whatever").span(3, 11)
    value = interpolate("a${B:-c}", whole)
    assert isinstance(value, Computed)
    assert {arg.span for arg in value.args} == {whole}


def words(text: str) -> list[tuple[object, str]]:
    source = Source("f", text)
    split = split_words(text, source.span(0, len(text)), source.span)
    assert not split.refused
    return [(resolve(word.value, {"V": "v"}), source.text[word.start : word.end]) for word in split.words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres -c a=1", [("postgres", "postgres"), ("-c", "-c"), ("a=1", "a=1")]),
        (" \ta\n b\r\n", [("a", "a"), ("b", "b")]),
        ("-c 'a=1 2'", [("-c", "-c"), ("a=1 2", "'a=1 2'")]),
        ("a\"b c\"d'e f'", [("ab cde f", "a\"b c\"d'e f'")]),
        ("'a=${V:-1}' ${V}x", [("a=v", "'a=${V:-1}'"), ("vx", "${V}x")]),
        ('a\\ b "c\\"d\\e" \'f\\g\'', [("a b", "a\\ b"), ('c"de', '"c\\"d\\e"'), ("f\\g", "'f\\g'")]),
        ("a \\\n b", [("a", "a"), ("\n", "\\\n"), ("b", "b")]),
        ("a # b", [("a", "a"), ("#", "#"), ("b", "b")]),
        ("'' \"\"", [("", "''"), ("", '""')]),
        ("", []),
        ("sh -c 'a && b | c'", [("sh", "sh"), ("-c", "-c"), ("a && b | c", "'a && b | c'")]),
        ("echo $$(date +%s) x", [("echo", "echo"), ("$(date +%s)", "$$(date +%s)"), ("x", "x")]),
        ("echo `a b`", [("echo", "echo"), ("`a b`", "`a b`")]),
        ('"a ${V:-b c}"', [("a v", '"a ${V:-b c}"')]),
    ],
)
def test_words(text: str, expected: list[tuple[str, str]]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected", "cut"),
    [("a b && c", ["a", "b"], 4), ("a; b", ["a"], 1), ("a 2>x", ["a"], 3), ("a x2>y", ["a", "x2"], 4), ("a | b", ["a"], 2)],
)
def test_operators_end_the_line(text: str, expected: list[str], cut: int) -> None:
    source = Source("f", text)
    split = split_words(text, source.span(0, len(text)), source.span)
    assert ([resolve(word.value, {}) for word in split.words], split.cut) == (expected, cut)


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a (b)", "a `b", "a \\", "$$(a"])
def test_lines_compose_refuses(text: str) -> None:
    assert split_words(text, Source("f", text).span(0, len(text))).refused


def test_a_default_that_would_change_the_split_is_unknown() -> None:
    text = "run ${OPTS:--a 1} ${B:-x} '${C:-y z}'"
    source = Source("f", text)
    found = split_words(text, source.span(0, len(text)), source.span).words
    assert [isinstance(word.value, Opaque) for word in found] == [False, True, False, False]
    assert [word.loose for word in found] == [False, True, True, False]
    assert found[1].value.span.text == "${OPTS:--a 1}"


@pytest.mark.parametrize(
    "text", ["${A:-}" * 20_000, "${A:-${B:-c}}" * 10_000, "${A:-{}" * 20_000, "${A:-" * 50_000, "{${" * 30_000 + "}", "$A '" * 20_001]
)
def test_hostile_text_takes_no_time(text: str) -> None:
    source = Source("f", text)
    begun = time.perf_counter()
    interpolate(text, source.span(0, len(text)), source.span)
    malformed(text)
    split_words(text, source.span(0, len(text)), source.span)
    assert time.perf_counter() - begun < 2


def test_defaults_nested_beyond_reason_are_unknown() -> None:
    text = "${A:-" * 100 + "x" + "}" * 100
    assert "nested too deeply" in str(value_of(text))
