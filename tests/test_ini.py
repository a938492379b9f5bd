"""php-fpm configuration: PHP's ini parser, one line at a time."""

from __future__ import annotations

import time

import pytest

from polint.formats import Parsed
from polint.formats.ini import parse_fpm
from polint.source import Source
from polint.templating import REASON
from polint.value import Computed, EnvRead, Fallback, Literal, Opaque, Value, env_reads

ENVIRONMENT = {"FOO": "foo", "N": "8", "EMPTY": ""}


def read(text: str, version: tuple[int, int] | None = None) -> Parsed:
    return parse_fpm(Source("www.conf", text), version)


def resolve(value: Value) -> object:
    """The value in ENVIRONMENT; the class Opaque where nobody can tell."""
    match value:
        case Literal(value=known):
            return known
        case EnvRead(name=name):
            return ENVIRONMENT.get(name)
        case Fallback(first, second):
            found = resolve(first)
            return resolve(second) if found is None else found
        case Computed(apply=apply, args=args):
            known = [resolve(arg) for arg in args]
            return Opaque if Opaque in known else apply(*known)
        case _:
            return Opaque


def pairs(parsed: Parsed) -> list[tuple[str, object]]:
    return [(entry.key, resolve(entry.value)) for entry in parsed.entries]


@pytest.mark.parametrize(
    ("line", "value", "written"),
    [
        ("a = 5", "5", "5"),
        ("a=5;c", "5", "5"),
        ("a = 5 ; c", "5", "5"),
        ("\ta\t=\tx y \t; c", "x y", "x y"),
        ("a =", "", ""),
        ("a = ; c", "", ""),
        ("a = yes", "1", "yes"),
        ("a = ON ; c", "1", "ON"),
        ("a = none", "", "none"),
        ("a = Null", "", "Null"),
        ("a = false", "", "false"),
        ('a = "on"', "on", '"on"'),
        ("a = nothing", "nothing", "nothing"),
        ('a = "x;y" ; c', "x;y", '"x;y"'),
        ('a = "x" "y" z', "xyz", '"x" "y" z'),
        ("a = 'x ${FOO}'", "x ${FOO}", "'x ${FOO}'"),
        (r'a = "q\"q\\q\$q\'q\n"', "q\"q\\q$q\\'q\\n", r'"q\"q\\q\$q\'q\n"'),
        ('a = "C:\\x\\"', "C:\\x\\", '"C:\\x\\"'),
        ("a = /run/$pool.sock", "/run/$pool.sock", "/run/$pool.sock"),
        ("a = $FOO", "$FOO", "$FOO"),
        ("a = $${FOO}", "$${FOO}", "$${FOO}"),
        ("a = ${FOO}", "foo", "${FOO}"),
        ("a = ${ FOO }", "foo", "${ FOO }"),
        ("a = ${UNSET}", "", "${UNSET}"),
        ("a = ${EMPTY}", "", "${EMPTY}"),
        ('a = "${N}0 ${FOO}"', "80 foo", '"${N}0 ${FOO}"'),
        ("a = x${N}.${FOO} y", "x8.foo y", "x${N}.${FOO} y"),
        ("a = (1|2)&6", "2", "(1|2)&6"),
        ("a = ~1", "-2", "~1"),
        ("a = !5", "0", "!5"),
        ("a = 5 ^ ${N}", "13", "5 ^ ${N}"),
        ("a = 99999999999|0", "1215752191", "99999999999|0"),
        ("a = E_WARNING | E_NOTICE", "10", "E_WARNING | E_NOTICE"),
        ("a = PHP_VERSION", Opaque, "PHP_VERSION"),
        ("a = PHP_FPM_MAX_CHILDREN & 1", Opaque, "PHP_FPM_MAX_CHILDREN & 1"),
        ("a = {x}", "{x}", "{x}"),
        ("a = x#y", "x#y", "x#y"),
        ("a = #y", "#y", "#y"),
        ("a = 1\r", "1", "1"),
    ],
)
def test_values(line: str, value: object, written: str) -> None:
    parsed = read(f"{line}\nz = 1\n")
    assert parsed.faults == ()
    assert pairs(parsed) == [("a", value), ("z", "1")]
    assert parsed.entries[0].value_span.text == written
    assert parsed.entries[0].span.text.endswith(written or "=")


def test_sections_keys_and_order() -> None:
    text = "\ufeffpid = 1\n[global]\nPID = 2\n[www]\npm.Max_Children = 5\nenv[X] = 1\nphp_admin_value[memory_limit] = 2\n"
    text += "[ww2] ; c\n[www]\npm = x"
    parsed = parse_fpm(Source.from_bytes("www.conf", text.encode()))
    assert [(entry.section, entry.key) for entry in parsed.entries] == [
        ("", "pid"),
        ("global", "pid"),
        ("www", "pm.max_children"),
        ("www", "env[X]"),
        ("www", "php_admin_value[memory_limit]"),
        ("www", "pm"),
    ]
    assert parsed.faults == ()
    assert parsed.entries[3].key_span.text == "env[X]"
    assert parsed.entries[2].span.place == (5, 1)
    assert parsed.entries[2].value_span.place == (5, 19)


def test_include_is_an_entry() -> None:
    assert pairs(read("include=/etc/php-fpm.d/*.conf\n")) == [("include", "/etc/php-fpm.d/*.conf")]


def test_reads_of_the_environment_know_their_place() -> None:
    (entry,) = read("pm.max_children = ${FPM_CHILDREN}\n").entries
    (seen,) = env_reads(entry.value)
    assert (seen.name, str(seen.span), seen.span.text) == ("FPM_CHILDREN", "www.conf:1:19", "${FPM_CHILDREN}")
    assert isinstance(entry.value, Fallback)
    assert resolve(entry.value.second) == ""


@pytest.mark.parametrize(("version", "value"), [((8, 2), ""), ((8, 3), "9"), (None, Opaque)])
def test_fallbacks_are_read_from_8_3_on(version: tuple[int, int] | None, value: object) -> None:
    assert pairs(read("a = ${UNSET:-9}\n", version)) == [("a", value)]


def test_a_lower_case_variable_may_be_a_php_directive() -> None:
    assert pairs(read("a = ${memory_limit}\n")) == [("a", Opaque)]


@pytest.mark.parametrize(
    ("line", "place", "value", "fixed"),
    [
        ("# c", "# c", None, "; c"),
        ("# it's (x) = y", "# it's (x) = y", None, "; it's (x) = y"),
        ("a: 5", ":", "5", "a = 5"),
        ("a:5", ":", "5", "a = 5"),
        ("a : 5", ":", "5", "a = 5"),
        ("env[X]: 5", ":", "5", "env[X] = 5"),
        ("a == 5", "==", "5", "a = 5"),
        ("a = x=y", "=y", "x=y", 'a = "x=y"'),
        ("a = x(y)", "(y)", "x(y)", 'a = "x(y)"'),
        ("a = no such", "no such", "no such", 'a = "no such"'),
        ("a = x on", "on", "x on", 'a = "x on"'),
        ("a = ''", "''", "", 'a = ""'),
        ("a", "a", None, "a"),
        ("// c", "// c", None, "// c"),
        ('a = "x', '"x', None, 'a = "x'),
        ("a = 'x", "'x", None, "a = 'x"),
        ("a = ${X", "${X", None, "a = ${X"),
        ("a = ${}", "${}", None, "a = ${}"),
        ("[www", "[www", None, "[www"),
        ("[www]]", "]", None, "[www]]"),
        ("= 5", "= 5", None, "= 5"),
        ("on = 5", "on = 5", None, "on = 5"),
    ],
)
def test_refused(line: str, place: str, value: str | None, fixed: str) -> None:
    parsed = read(f"y = 1\n{line}\nz = 2\n")
    assert [(fault.span.text, fault.fatal) for fault in parsed.faults] == [(place, True)]
    (fault,) = parsed.faults
    assert fault.span.place == (2, (line.rindex(place) if place in ("]", "on") else line.index(place)) + 1)
    assert [found for key, found in pairs(parsed) if key not in "yz"] == ([] if value is None else [value])
    text = parsed.source.text
    for edit in reversed(fault.fix.edits if fault.fix else ()):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert text == f"y = 1\n{fixed}\nz = 2\n"
    assert (fault.fix is None) == (fixed == line)


@pytest.mark.parametrize(
    ("line", "place", "value"),
    [("a = 5 # five", "# five", "5 # five"), ("a = it's", "'s", "it"), ("a = x 'y", "'y", "x ")],
)
def test_accepted_but_not_as_meant(line: str, place: str, value: str) -> None:
    parsed = read(line + "\n")
    assert [(fault.span.text, fault.fatal) for fault in parsed.faults] == [(place, False)]
    assert pairs(parsed) == [("a", value)]


def test_a_template_is_not_faulted_and_its_values_are_open() -> None:
    text = (
        '[%pool%]\nuser = %user%\npm = static\n{{ if true }}\npm.max_children = 4\n{{ end }}\npm.max_requests = {{ getenv "X" "8" }}\n# x\n'
    )
    parsed = read(text)
    assert parsed.faults == ()
    assert pairs(parsed) == [("user", Opaque), ("pm", "static"), ("pm.max_children", Opaque), ("pm.max_requests", Opaque)]
    assert parsed.entries[-1].value == Opaque(REASON, parsed.entries[-1].value_span)
    assert parsed.entries[-1].value_span.text == '{{ getenv "X" "8" }}'


@pytest.mark.parametrize("mark", ["@if ($x)", "{% if x %}", "<?php if ($x): ?>", "<% if x %>"])
def test_what_a_template_switches_is_open(mark: str) -> None:
    parsed = read(f"a = 1\n{mark}\nb = 2\n{mark}\nc = 3\n")
    assert pairs(parsed) == [("a", "1"), ("b", Opaque), ("c", "3")]
    assert parsed.faults == ()


def test_time_is_linear_and_depth_harmless() -> None:
    started = time.perf_counter()
    for value in ("(" * 100_000, "~" * 100_000, "1|" * 50_000, "${A:-" * 50_000, "x " * 100_000, "'" * 100_000, '"' * 100_001):
        read("a = " + value)
    assert time.perf_counter() - started < 3
