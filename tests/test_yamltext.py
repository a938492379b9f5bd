"""YAML nodes: exact places, merge keys, faults, the meaning of scalars, and hostile files."""

from __future__ import annotations

import math
import time
from datetime import date

import pytest

from polint.source import Source
from polint.yamltext import Node, documents, place_in, plain, scalar, span_at, to_plain


def read(text: str) -> Node:
    nodes, faults = documents(Source("f.yml", text))
    assert faults == ()
    assert len(nodes) == 1
    return nodes[0]


def at(node: Node, *path: str | int) -> Node:
    for step in path:
        node = node.entries[step][1] if isinstance(step, str) else node.items[step]
    return node


def test_the_parser_is_the_c_one() -> None:
    from yaml import __with_libyaml__

    assert __with_libyaml__


def test_a_plain_scalar_in_flow_style_may_hold_a_colon() -> None:
    # libyaml before 0.2 refuses it; Go's yaml, and so Compose, does not
    (node,), faults = documents(Source("x.yaml", "a: [u=postgres://db/app, {b: x://y}]\n"))
    assert (faults, at(node, "a", 0).text, at(node, "a", 1, "b").text) == ((), "u=postgres://db/app", "x://y")


@pytest.mark.parametrize(
    ("text", "path", "written"),
    [
        ("a: b c  # d\n", ("a",), "b c"),
        ("a: 'b''c' # d\n", ("a",), "'b''c'"),
        ('a: "b\\"c"\n', ("a",), '"b\\"c"'),
        ("é: [ж, '𝄞', x]\nb: y\n", ("b",), "y"),
        ("é: [ж, '𝄞', x]\nb: y\n", ("é", 1), "'𝄞'"),
        ("a: 1\r\nb:\r\n  - x\r\n  - y # z\r\n\r\n# end\r\nc: 2\r\n", ("b",), "- x\r\n  - y"),
        ("a: x\u2028b: y\n", ("b",), "y"),
        ("a:\t[x,\ty]\t# z\n", ("a",), "[x,\ty]"),
        ("a: &k b\n", ("a",), "b"),
        ("a: !t &k b\n", ("a",), "b"),
        ("a: !<tag:x> 'b'\n", ("a",), "'b'"),
        ("a: &k # note\n  b: c\n\n# end\nd: e\n", ("a",), "b: c"),
        ("a: !override\n  - b\n  # end\nc: d\n", ("a",), "- b"),
        ("a: |\n  b\n  c\n\n\n# end\nd: e\n", ("a",), "|\n  b\n  c"),
        ("a: >-\n   b\n   c\n", ("a",), ">-\n   b\n   c"),
        ("a: b\n  c\nd: e\n", ("a",), "b\n  c"),
        ("a:\nb: c\n", ("a",), ""),
        ("a:\n  b:\n  c:\nd: e\n", ("a",), "b:\n  c:"),
        ("a: {b: c,\n  d: e}  # f\n", ("a",), "{b: c,\n  d: e}"),
        ("x: &k [b]\na:\n  - *k\n  - c\n", ("a",), "- *k\n  - c"),
        ("x: &k [b]\na: *k\n", ("a",), "[b]"),
        ("a: b", ("a",), "b"),
    ],
)
def test_span(text: str, path: tuple[str | int, ...], written: str) -> None:
    assert at(read(text), *path).span.text == written


def test_places_after_a_byte_order_mark() -> None:
    nodes, _ = documents(Source.from_bytes("f.yml", b"\xef\xbb\xbfa: 1\nb: 2\n"))
    assert str(at(nodes[0], "b").span) == "f.yml:2:4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n", {"b": "3", "a": "1"}),
        ("x: &x {a: 1, b: 2}\ny: {b: 3, <<: *x}\n", {"b": "3", "a": "1"}),
        ("x: &x {a: 1}\nz: &z {a: 2, b: 2}\ny: {<<: [*x, *z]}\n", {"a": "1", "b": "2"}),
        ("x: &x {a: 1}\nz: &z {<<: *x, b: 2}\ny:\n  <<: *z\n", {"b": "2", "a": "1"}),
        ("y: {<<: {a: 1}, b: 2}\n", {"b": "2", "a": "1"}),
        ("x: &x {a: 1}\nl: &l [*x]\ny: {<<: *l}\n", {"a": "1"}),
        ("x: &x {a: 1}\ny: {'<<': 5}\n", {"<<": "5"}),
        ("x: &x {a: 1}\ny: {<<: *x, a: }\n", {"a": ""}),
    ],
)
def test_merge_keys(text: str, expected: dict[str, str]) -> None:
    entries = at(read(text), "y").entries
    assert {name: value.text for name, (_, value) in entries.items()} == expected


def test_merged_entries_stand_where_they_are_written() -> None:
    node = read("x: &x\n  a: 1\ny:\n  <<: *x\n  b: 2\n")
    key, value = at(node, "y").entries["a"]
    assert (str(key.span), str(value.span), value.span.text) == ("f.yml:2:3", "f.yml:2:6", "1")
    assert at(node, "x").aliased
    assert not at(node, "y").aliased


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", 'key "a" is written twice', "3:1"),
        ("a: 1\n'a': 3\n", 'key "a" is written twice', "2:1"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x\n", 'merge key "<<" is written twice', "4:3"),
        ("y:\n  <<: 5\n", 'merge key "<<" takes a map or a list of maps', "2:7"),
        ("y:\n  <<: [{a: 1}, b]\n", 'merge key "<<" takes a map or a list of maps', "2:16"),
        ("a: *b\n", 'alias "b" has no anchor above it', "1:4"),
        ("a: &b [*b]\n", 'alias "b" refers to what it stands in', "1:8"),
        ("? [a]\n: b\n", "a list is used as a key", "1:3"),
        ("a:\n\tb: 1\n", "not YAML: a tab cannot indent", "2:1"),
        ("a: @b\n", "not YAML: a value cannot start with @; quote it", "1:4"),
        ("a: *****\n", "not YAML: a value that starts with * or & must be quoted", "1:5"),
        ("é: 'b\nc: d\n", "not YAML: what is opened here is never closed", "1:4"),
        ("a: b: c\n", 'not YAML: a second ": " on this line, or a wrong indent: quote the value if it holds one', "1:5"),
        ("a: [b\nc: d\n", 'not YAML: a list opened with "[" is not closed before this', "2:2"),
        ("a:\n  - 1\n b: 2\n", "not YAML: this does not fit the map above it: check the indent, and quotes around the value before", "3:2"),
        ("é: \x01\n", "not YAML: control character U+0001 is not allowed", "1:4"),
        ("é: \udc80\n", "not UTF-8 text", "1:4"),
    ],
)
def test_faults(text: str, message: str, place: str) -> None:
    _, faults = documents(Source("f.yml", text))
    assert [(fault.message, str(fault.span)) for fault in faults] == [(message, f"f.yml:{place}")]


def test_a_broken_document_is_left_out_and_the_ones_before_it_stay() -> None:
    nodes, faults = documents(Source("f.yml", "a: 1\n---\nb: [\n"))
    assert [to_plain(node) for node in nodes] == [{"a": 1}]
    assert len(faults) == 1


def test_limit_leaves_the_rest_unread() -> None:
    nodes, faults = documents(Source("f.yml", "a: 1\n---\nb: 2\n---\n\tbroken: [\n"), limit=2)
    assert [to_plain(node) for node in nodes] == [{"a": 1}, {"b": 2}]
    assert faults == ()


@pytest.mark.parametrize(("text", "count"), [("", 0), ("# only a comment\n", 0), ("---\n", 1), ("a: 1\n...\n---\nb: 2\n", 2)])
def test_documents(text: str, count: int) -> None:
    assert len(documents(Source("f.yml", text)).nodes) == count


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("nUll", "nUll"),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("0", 0),
        ("+5", 5),
        ("-12", -12),
        ("1_000", 1000),
        ("017", 15),
        ("0o17", 15),
        ("08", 8.0),
        ("0x1F", 31),
        ("0b101", 5),
        ("18446744073709551615", 18446744073709551615),
        ("99999999999999999999", 1e20),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("1e999", "1e999"),
        ("0.5s", "0.5s"),
        ("22:22", "22:22"),
        ("1.2.3", "1.2.3"),
        ("16-alpine", "16-alpine"),
        ("2001-01-01", date(2001, 1, 1)),
        ("2001-13-01", "2001-13-01"),
        ("2024-01-15-alpine", "2024-01-15-alpine"),
        ("٣", "٣"),
        ("1٣", "1٣"),
        (".", "."),
        ("-", "-"),
        ("0x", "0x"),
        ("1e", "1e"),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    result = plain(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: '5'", "5"),
        ("a: !!str 5", "5"),
        ("a: !!int 5", 5),
        ("a: !!float 5", 5.0),
        ("a: !x 5", "5"),
        ("a: !reset 5", 5),
        ("a: |\n  5", "5"),
    ],
)
def test_tags_and_quotes_decide(text: str, value: object) -> None:
    assert scalar(at(read(text), "a")) == value


def test_to_plain() -> None:
    node = read("a: &x {b: [1, yes, ~, 2001-01-01]}\nc: *x\n1: {<<: *x, d: '2'}\n")
    inner = {"b": [1, "yes", None, "2001-01-01"]}
    assert to_plain(node) == {"a": inner, "c": inner, "1": {"d": "2", **inner}}


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        (("a", "b", 1), False, "2:10 y"),
        (("a", "b"), True, "2:3 b"),
        (("a", "b", 7), False, "2:6 [x, y]"),
        (("a", "none"), False, "2:3 b: [x, y]\n  c:"),
        (("a", "c"), False, "3:3 c"),
        (("none", "x"), True, "1:1 a:\n  b: [x, y]\n  c:"),
        ((), False, "1:1 a:\n  b: [x, y]\n  c:"),
    ],
)
def test_span_at(path: tuple[str | int, ...], key: bool, expected: str) -> None:
    span = span_at(read("a:\n  b: [x, y]\n  c:\n"), path, key=key)
    assert f"{span.place[0]}:{span.place[1]} {span.text}" == expected


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("a: foo bar", "bar", "1:8 bar"),
        ("a: 'foo bar'", "bar", "1:9 bar"),
        ('a: "foo bar"', "bar", "1:9 bar"),
        ("a: foo\n   bar baz\n", "bar baz", "2:4 bar baz"),
        ("a: >\n   foo bar\n   bar=7 baz\n", "bar=7", "3:4 bar=7"),
        ("a: |\n  foo\n\n    bär=7\n", "bär=7", "4:5 bär=7"),
        ("a: 'foo\n\n   bar'", "bar", "3:4 bar"),
        ('a: "f\\oo bar"'.replace("\\o", "\\x6f"), "bar", "1:12 bar"),
        ("a: 'it''s bar'", "bar", "1:11 bar"),
        ('a: "say \\"bar\\"\n  baz"', "bar", '1:4 "say \\"bar\\"\n  baz"'),
    ],
)
def test_place_in(text: str, word: str, expected: str) -> None:
    node = at(read(text), "a")
    start = node.text.index(word)
    span = place_in(node)(start, start + len(word))
    assert f"{span.place[0]}:{span.place[1]} {span.text}" == expected


BOMB = "x0: &a0 [lol]\n" + "".join(f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 15))


def test_an_alias_bomb_is_a_fault_not_a_disaster() -> None:
    begun = time.perf_counter()
    nodes, faults = documents(Source("f.yml", BOMB))
    assert time.perf_counter() - begun < 1
    assert nodes == ()
    assert [fault.message.partition(" for ")[0] for fault in faults] == ["its aliases stand"]
    assert not faults[0].own_limit


def test_nested_anchors_are_shared_not_copied() -> None:
    chain = "x0: &a0 {k0: 1}\n" + "".join(f"x{i}: &a{i} {{k{i}: *a{i - 1}, <<: *a{i - 1}}}\n" for i in range(1, 201))
    node = read(chain)
    assert at(node, "x200").entries["k7"][1] is at(node, "x6")
    assert list(at(node, "x200").entries)[:2] == ["k200", "k199"]
    assert len(at(node, "x200").entries) == 201
    assert to_plain(node)["x1"] == {"k1": {"k0": 1}, "k0": 1}  # type: ignore[index]


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "".join(" " * n + "a:\n" for n in range(300))])
def test_deep_nesting_ends_in_a_fault(text: str) -> None:
    begun = time.perf_counter()
    nodes, faults = documents(Source("f.yml", text))
    assert time.perf_counter() - begun < 1
    assert nodes == ()
    assert [(fault.message, fault.own_limit) for fault in faults] == [("nested deeper than 200 levels", True)]


def test_time_grows_with_the_file() -> None:
    def seconds(count: int) -> float:
        text = "services:\n" + "".join(f"  s{i}:\n    image: x\n    environment: [A=1, B=2]\n" for i in range(count))
        begun = time.perf_counter()
        documents(Source("f.yml", text))
        return time.perf_counter() - begun

    seconds(100)
    assert min(seconds(4000) for _ in range(3)) < 25 * min(seconds(500) for _ in range(3))
