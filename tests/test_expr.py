"""The rule language: what it accepts and means, and what it refuses, with the column of the mistake."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, ClassVar, Literal

import pytest

from polint.engine import function
from polint.expr import Scope
from polint.exprtext import ExprError, nearest, split_template
from polint.fact import Fact, Unknown, default, derive, unknown, written
from polint.model import subject_class
from polint.model.pool_libraries import PoolLibrary
from polint.model.setting import Section, setting
from polint.ruletypes import ANYTHING, FactOf, ListOf, Maybe, attributes_of, name_of, type_of
from polint.source import Source, Span
from polint.units import Bytes, Seconds

SOURCE = Source("app.conf", "size = 5\nwait = 9s\n")
SIZE = SOURCE.span(7, 8)


@dataclass(frozen=True)
class Host:
    name: str
    cores: Fact[int]
    memory: Fact[Bytes]
    span: Span = SIZE
    label: str = "host h"


class Pool(Section):
    kind = "pool"
    family: ClassVar[str] = "sql"

    def __init__(self, raw: dict[str, Fact[Any]], host: Host | None = None, *, names: tuple[str, ...] = ()) -> None:
        super().__init__("pool p", SIZE, raw)
        self.host: Host | None = host
        self.names = names
        self.title = f"pool {len(names)}"
        self.strict = True
        self.hosts: list[Host] = [host] if host else []
        self.secret = object()  # of no type that rules know
        self._hidden: int = 3

    size = setting("size", int, int, 10, "lib", "most connections")
    least = setting("least", int, int, 0, "lib", "least connections")
    wait = setting("wait", Seconds, Seconds, Seconds(30), "lib", "longest wait")
    idle = setting("idle", Seconds, Seconds, Seconds(inf), "lib", "longest idling")
    check = setting("check", bool, bool, True, "lib", "ping")
    mode = setting("mode", str, str, "session", "lib", "how connections are shared")
    owner = setting("owner", str, str, None, "lib", "who owns it")  # type: ignore[arg-type]  # as a looser annotation would allow

    @property
    def share(self) -> Fact[float]:
        """Part of the size that is always open."""
        return derive("share", lambda a, b: a / b, self.least, self.size)

    @cached_property
    def kinds(self) -> Sequence[str]:
        return ["a", "b"]

    @property
    def listed(self) -> Fact[list[str]]:
        return default("listed", ["x", "y"])

    @property
    def any(self) -> Fact[Any]:
        return default("any", 7)

    @property
    def level(self) -> int | None:
        return None

    @property
    def colour(self) -> Literal["red", "green"]:
        return "red"

    @property
    def maybe(self) -> Fact[int] | None:
        return None

    @property
    def table(self) -> dict[str, int]:
        return {}

    def method(self) -> int:
        return 1


PARAMS: dict[str, type] = {"shortest": Seconds, "limit": int, "part": float, "room": Bytes, "word": str}
VALUES = {"shortest": Seconds(3), "limit": 20, "part": 0.5, "room": Bytes(1 << 20), "word": "session"}


def scope() -> Scope:
    return Scope("pool", Pool, PARAMS)


def pool(**raw: Any) -> Pool:
    return Pool({name: value if isinstance(value, Fact) else written(name, value, SIZE) for name, value in raw.items()})


def hosted() -> Pool:
    return Pool({}, Host("db", default("cores", 4), default("memory", Bytes(8 << 20))), names=("x", "y"))


def read(fact: Fact[Any]) -> Any:
    return fact.value


def run(code: Any, subject: Pool) -> Any:
    return function(code)(subject, VALUES, read)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("pool.size == 10", True),
        ("5 < pool.size <= params.limit", True),
        ("5 < pool.size <= 9", False),
        ("pool.size > 9.5", True),
        ("params.shortest <= pool.wait", True),
        ("pool.wait > 0", True),
        ("0 < pool.wait < pool.idle", True),
        ("pool.wait * 2 == pool.wait + pool.wait", True),
        ("2 * pool.wait > params.shortest * params.part", True),
        ("pool.wait / params.shortest == 10", True),
        ("pool.wait // params.shortest == 10", True),
        ("pool.wait - params.shortest > pool.wait / 2", True),
        ("pool.size * params.part - 1 == 4", True),
        ("-pool.size < 0", True),
        ("pool.size // 3 == 3", True),
        ("min(pool.size, params.limit, 3.5) == 3.5", True),
        ("max(pool.wait, params.shortest) == pool.wait", True),
        ("max(pool.wait, 0) > params.shortest", True),
        ("pool.check", True),
        ("not pool.check", False),
        ("pool.check and pool.size > 100 or pool.strict", True),
        ("pool.check == pool.strict", True),
        ("pool.mode == params.word", True),
        ("pool.mode != 'session'", False),
        ("pool.mode in ('session', 'statement')", True),
        ("pool.mode not in {'transaction'}", True),
        ("pool.mode in ['a']", False),
        ("pool.size in (10, 20)", True),
        ("'b' in pool.kinds", True),
        ("'z' in pool.listed", False),
        ("len(pool.kinds) + len(pool.listed) == 4", True),
        ("len(pool.hosts) == 0", True),
        ("pool.size.is_default and pool.size.is_known and not pool.size.is_written", True),
        ("pool.host", False),
        ("not pool.host", True),
        ("pool.host is None", True),
        ("pool.level is not None", False),
        ("pool.owner is None", True),
        ("pool.maybe is None or pool.maybe > 3", True),
        ("pool.host and pool.host.cores > 100", False),
        ("(pool.size if pool.check else pool.least) == 10", True),
        ("(pool.wait if pool.strict else 0) == pool.wait", True),
        ("pool.colour == 'red'", True),
        ("pool.family == 'sql' and pool.kind == 'pool' and pool.title == 'pool 0' and pool.label == 'pool p'", True),
        ("True", True),
        (" pool.size\n  >= 10 ", True),
        ("pool.title == '#1'", False),
    ],
)
def test_truths(text: str, holds: bool) -> None:
    assert run(scope().condition(text), pool()) is holds


def test_links_are_followed() -> None:
    code = scope().condition("pool.host and pool.host.cores * 2 == 8 and pool.host.memory > params.room and 'x' in pool.names")
    assert run(code, hosted()) is True


@pytest.mark.parametrize(
    ("text", "caret", "message"),
    [
        ("pool.acquire > 1", "^", "Pool has no 'acquire'"),
        ("pool.check and pool.siz > 1", "               ^", "Pool has no 'siz'; did you mean 'size'?"),
        ("1 < pool.host.corse", "    ^", "Host has no 'corse'; did you mean 'cores'?"),
        ("pol.size > 1", "^", "no 'pol' here, only 'pool' and 'params'; did you mean 'pool'?"),
        ("params.longest > pool.wait", "^", "no param 'longest'"),
        ("pool.size > params", "            ^", "params is read by name: params.<name>"),
        ("pool.size <= pool.wait", "             ^", "cannot compare int with Seconds"),
        ("params.shortest <= pool.size", "                   ^", "cannot compare Seconds with int"),
        ("pool.wait < params.room", "            ^", "cannot compare Seconds with Bytes"),
        ("pool.wait > 5", "            ^", "a bare 5 has no unit: put it in params as seconds"),
        ("5 > pool.wait", "^", "a bare 5 has no unit: put it in params as seconds"),
        ("pool.wait > -2 * 60", "            ^", "a bare -2 * 60 has no unit: put it in params as seconds"),
        ("params.room < 1024", "              ^", "a bare 1024 has no unit: put it in params as bytes"),
        ("pool.wait + 1 > pool.idle", "            ^", "a bare 1 has no unit: put it in params as seconds"),
        ("pool.wait - pool.size > pool.idle", "            ^", "cannot subtract int from Seconds"),
        ("pool.wait * pool.idle > 0", "            ^", "cannot multiply Seconds by Seconds"),
        ("pool.size / pool.wait > 0", "            ^", "cannot divide int by Seconds"),
        ("pool.size + pool.mode == 'a'", "            ^", "cannot add str"),
        ("pool.check * 2 == 2", "^", "cannot multiply bool"),
        ("pool.size ** 2 > 4", "^", "only + - * / // are part of the rule language: put it in a model property"),
        ("pool.size % 2 == 1", "^", "only + - * / // are part of the rule language: put it in a model property"),
        ("-pool.mode == 'a'", "^", "cannot negate str"),
        ("pool.mode == 5", "             ^", "cannot compare str with int"),
        ("pool.mode < 'b'", "            ^", "str has no order: only == and != apply"),
        ("pool.check < True", "             ^", "bool has no order: only == and != apply"),
        ("pool.check == 1", "              ^", "cannot compare bool with int"),
        ("pool.any == 7", "            ^", "cannot compare a value of any type with int"),
        ("pool.host == pool.host", "             ^", "cannot compare Host with Host"),
        ("pool.size", "^", "int is neither true nor false: compare it with something"),
        ("pool.check and pool.mode", "               ^", "str is neither true nor false: compare it with something"),
        ("not pool.kinds", "    ^", "a list of str is neither true nor false: compare its len()"),
        ("pool", "^", "Pool is neither true nor false: compare it with something"),
        ("pool.size.value > 1", "^", "a fact is read by its own name: drop '.value'"),
        ("pool.size.is_defalt", "^", "a fact has is_default, is_known and is_written, no 'is_defalt'; did you mean 'is_default'?"),
        ("pool.mode.upper == 'A'", "^", "a fact has is_default, is_known and is_written, no 'upper'"),
        ("pool.title.size > 1", "^", "str has no 'size' in rules: put it in a model property"),
        ("pool._hidden == 3", "^", "Pool has no '_hidden'"),
        ("pool.method() == 1", "^", "only min, max and len can be called, not pool.method: put it in a model property"),
        ("pool.method == 1", "^", "Pool has no 'method'; did you mean 'mode'?"),
        ("pool.secret == 1", "^", "Pool has no 'secret'"),
        ("pool.table == 1", "              ^", "cannot compare dict with int"),
        ("1 < sum(pool.kinds)", "    ^", "only min, max and len can be called, not sum: put it in a model property"),
        ("__import__('os')", "^", "only min, max and len can be called, not __import__: put it in a model property"),
        ("min(pool.size) > 1", "^", "min takes two or more values: put it in a model property"),
        ("min(pool.mode, 'a') == 'a'", "    ^", "min wants numbers, not str"),
        ("max(pool.size, pool.wait) > 1", "               ^", "cannot compare int with Seconds"),
        ("max(1, 2, default=3) > 1", "          ^", "max takes no named arguments here"),
        ("len(pool.mode) > 1", "    ^", "len wants a list, not str"),
        ("len() > 1", "^", "len takes one list"),
        ("len(*pool.kinds) > 1", "    ^", "unpacking is not part of the rule language: put it in a model property"),
        ("any(h.cores > 1 for h in pool.hosts)", "^", "only min, max and len can be called, not any: put it in a model property"),
        ("[h for h in pool.hosts]", "^", "a comprehension is not part of the rule language: put it in a model property"),
        ("pool.kinds[0] == 'a'", "^", "a subscript is not part of the rule language: put it in a model property"),
        ("f'{pool.mode}' == 'a'", "^", "an f-string is not part of the rule language: put it in a model property"),
        ("(lambda: True)", " ^", "a lambda is not part of the rule language: put it in a model property"),
        ("(x := pool.check)", " ^", "an assignment is not part of the rule language: put it in a model property"),
        ("pool.size == ...", "             ^", "this (...) is not part of the rule language: put it in a model property"),
        ("pool.mode == b'a'", "             ^", "this (b'a') is not part of the rule language: put it in a model property"),
        ("+pool.size > 1", "^", "this (+pool.size) is not part of the rule language: put it in a model property"),
        ("pool.mode in 'session'", "             ^", "'in' wants a list of values, not str: put it in a model property"),
        ("pool.mode in ('a', 1)", "                   ^", "cannot look for str among int"),
        ("pool.mode in ('a', pool.title)", "                   ^", "only literals stand in a list"),
        ("pool.size in pool.kinds", "             ^", "cannot look for int among str"),
        ("pool.wait in (1, 2)", "^", "cannot look for Seconds in a list"),
        ("pool.host in pool.hosts", "^", "cannot look for Host in a list"),
        ("1 < pool.size in (1, 2)", "    ^", "'in' and 'is' stand alone in a comparison: join two with 'and'"),
        ("pool.size is None", "^", "int is never None"),
        ("pool.host is pool", "             ^", "'is' goes with None only: compare with =="),
        ("pool.host == None", "             ^", "None stands only after 'is' or 'is not'"),
        ("(pool.size if pool.check else pool.wait) == 1", "                              ^", "cannot choose between int and Seconds"),
        ("(pool.size if pool.mode else 2) == 1", "              ^", "str is neither true nor false: compare it with something"),
        ("pool.size >", "           ^", "not an expression"),
        ("pool size", "     ^", "not an expression"),
        ("pool.check) or (pool.check", "          ^", "not an expression"),
        ("x = 1", "  ^", "not an expression"),
        ("pool.check; import os", "          ^", "not an expression"),
        ("pool.size > 1and pool.check", "            ^", "not an expression"),
        ("pool.size is 1", "             ^", "'is' goes with None only: compare with =="),
        ("pool.check # and so on", "           ^", "a comment does not belong in an expression"),
        ("   ", "^", "an expression is missing"),
        ("  pool.siz > 1", "  ^", "Pool has no 'siz'; did you mean 'size'?"),
        ("'žluť' == pool.mod", "          ^", "Pool has no 'mod'; did you mean 'mode'?"),
        ("pool.check and\npool.siz > 1", "               ^", "Pool has no 'siz'; did you mean 'size'?"),
        ("\ud800", "^", "not an expression"),
        ("pool.check\0", None, "not an expression"),
        ("pool.check and " * 80 + "pool.check", "^", "longer than 1000 characters: put it in a model property"),
        ("(" * 400 + "pool.check" + ")" * 400, None, "not an expression"),
        ("-" * 900 + "1 < 2", None, "nested too deeply: put it in a model property"),
        ("not " * 240 + "pool.siz", None, "Pool has no 'siz'; did you mean 'size'?"),
        ("1" + "+1" * 450 + " < 2", None, "nested too deeply: put it in a model property"),
    ],
)
def test_refused(text: str, caret: str | None, message: str) -> None:
    with pytest.raises(ExprError) as caught:
        scope().condition(text)
    assert caught.value.message == message
    if caret is not None:
        assert caught.value.offset == caret.index("^")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pool.size > 1", "size: read from the command line"),
        ("pool.share > 1", "share: read from the command line"),
        ("pool.check and pool.size > 1", "size: read from the command line"),
        ("not pool.host.cores > 1", "pool.host: there is none"),
        ("pool.level > 1", "pool.level: there is none"),
        ("pool.maybe > 1", "pool.maybe: there is none"),
        ("pool.owner == 'me'", "pool.owner: there is none"),
        ("1 / pool.least > 1", "1 / pool.least: division by zero"),
        ("1 // pool.least > 1", "1 // pool.least: integer division or modulo by zero"),
        ("pool.idle - pool.idle <= 0", "pool.idle - pool.idle: it has no value with these infinities"),
        ("max(0, pool.idle * 0) <= 0", "pool.idle * 0: it has no value with these infinities"),
        ("pool.least * 1 + params.part * 99 ** 1 > 1", None),
    ],
)
def test_stopped(text: str, reason: str | None) -> None:
    if reason is None:
        with pytest.raises(ExprError):
            scope().condition(text)
        return
    with pytest.raises(Unknown) as caught:
        run(scope().condition(text), pool(size=unknown("size", "read from the command line")))
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "text", ["not pool.size.is_known", "pool.size.is_written", "pool.strict or pool.size > 1", "pool.check or pool.level > 1"]
)
def test_not_stopped(text: str) -> None:
    fact = unknown("size", "read from the command line", SIZE)
    assert run(scope().condition(text), pool(size=fact)) is True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{{pool.size}}}", "{10}"),
        ("waits {pool.wait}, below {params.shortest}", "waits 30 s, below 3 s"),
        ("{pool.wait * 4} {pool.wait / 60} {pool.idle} {pool.idle + pool.wait}", "2 min 500 ms never never"),
        ("{params.room * 3} {params.room * (pool.idle / params.shortest)}", "3 MB unlimited"),
        ("{params.part:.0%} {pool.size:>4} {pool.share:.2f} {pool.mode:>9}", "50%   10 0.00   session"),
        ("{pool.size / 4} {pool.size * 2}", "2.5 20"),
        ("{pool.check} {pool.mode} {pool.any} {pool.label}", "true session 7 pool p"),
        ("{pool}", "pool p"),
        ("{pool.kinds} and {pool.listed}", "a, b and x, y"),
        ("{'}' if pool.size != 3 else ':'}", "}"),
        ("{ pool.size }", "10"),
        ("{min(pool.size, 3)}", "3"),
        ("{pool.wait / pool.idle:.0%} {pool.idle / pool.wait:.0%}", "0% unlimited"),
    ],
)
def test_templates(text: str, shown: str) -> None:
    assert run(scope().template(text), pool()) == shown


def test_template_shows_linked_things() -> None:
    assert run(scope().template("{pool.host} of {pool.hosts}, {pool.host.memory}"), hosted()) == "host h of host h, 8 MB"
    with pytest.raises(Unknown):
        run(scope().template("{pool.host}"), pool())


@pytest.mark.parametrize(
    ("text", "caret", "message"),
    [
        ("waits {pool.wiat} long", "       ^", "Pool has no 'wiat'; did you mean 'wait'?"),
        ("{pool.size} {pool.wait:.1f}", "             ^", "Seconds is printed with its unit and takes no format"),
        ("{pool.size:.q}", " ^", "format '.q': Format specifier missing precision"),
        ("{pool.check:d}", " ^", "bool is printed with its unit and takes no format"),
        ("{pool.hosts:d}", " ^", "list of Host is printed with its unit and takes no format"),
        ("{pool.table}", " ^", "dict cannot be printed: put it in a model property"),
        ("{pool.size", "^", "a hole without its '}': write '{{' for a brace"),
        ("a } b", "  ^", "a lone '}': write '}}'"),
        ("a {} b", "   ^", "an expression is missing"),
        ("a {pool.size!r} b", "            ^", "not an expression"),
        ("a {pool.size + params.shortest}", "               ^", "cannot add int to Seconds"),
    ],
)
def test_bad_templates(text: str, caret: str, message: str) -> None:
    with pytest.raises(ExprError) as caught:
        scope().template(text)
    assert (caught.value.message, caught.value.offset) == (message, caret.index("^"))


def test_places() -> None:
    subject = hosted()
    assert run(scope().place("pool.size"), subject) is subject.size
    assert run(scope().place("pool"), subject) is subject
    assert run(scope().place("pool.host"), subject) is subject.host
    assert run(scope().place("pool.span"), subject) is SIZE
    assert run(scope().place("pool.size if pool.size.is_written else pool.host"), subject) is subject.host
    assert run(scope().note("pool.hosts"), subject) is subject.hosts
    assert run(scope().place("pool.maybe"), subject) is None


@pytest.mark.parametrize(
    ("text", "caret", "message"),
    [
        ("pool.title", "^", "a place is a fact, or a thing with a span, and str is neither"),
        ("pool.hosts", "^", "a place is a fact, or a thing with a span, and list of Host is neither"),
        ("pool.size + 1", "^", "a place is a fact, or a thing with a span, and int is neither"),
        ("pool.size if True else pool.title", "                       ^", "a place is a fact, or a thing with a span, and str is neither"),
    ],
)
def test_bad_places(text: str, caret: str, message: str) -> None:
    with pytest.raises(ExprError) as caught:
        scope().place(text)
    assert (caught.value.message, caught.value.offset) == (message, caret.index("^"))


def test_used_params_are_noted() -> None:
    found = scope()
    found.condition("pool.wait < params.shortest")
    found.template("{params.part:.0%}")
    assert found.used == {"shortest", "part"}


def test_attributes_of_a_subject() -> None:
    found = attributes_of(Pool)
    assert found["size"] == FactOf(int)
    assert found["owner"] == FactOf(Maybe(str))
    assert found["wait"] == FactOf(Seconds)
    assert found["share"] == FactOf(float)
    assert found["host"] == Maybe(Host)
    assert found["hosts"] == ListOf(Host)
    assert found["names"] == ListOf(str)
    assert found["kinds"] == ListOf(str)
    assert found["listed"] == FactOf(ListOf(str))
    assert found["maybe"] == Maybe(FactOf(int))
    assert found["any"] == FactOf(ANYTHING)
    assert (found["label"], found["span"], found["title"], found["strict"]) == (str, Span, str, bool)
    assert not {"method", "secret", "_hidden", "_facts", "__init__"} & set(found)


def test_attributes_of_types_that_are_imported_for_checking_only() -> None:
    assert attributes_of(subject_class("login"))["bypassed"] == Maybe(subject_class("pooler"))
    assert attributes_of(subject_class("pool"))["made_with"] is PoolLibrary


@dataclass(slots=True)
class Slotted:
    hosts: list[Host] = field(default_factory=list)
    pools: tuple[Pool, ...] = ()
    count: int | None = None


def test_attributes_of_a_slotted_dataclass() -> None:
    assert attributes_of(Slotted) == {"hosts": ListOf(Host), "pools": ListOf(Pool), "count": Maybe(int)}


@pytest.mark.parametrize(
    ("hint", "kind", "name"),
    [
        (Fact[Seconds], FactOf(Seconds), "Seconds"),
        (Fact, FactOf(ANYTHING), "a value of any type"),
        (int | float, float, "float"),
        (int | str, ANYTHING, "a value of any type"),
        (tuple[str, str], ListOf(str), "list of str"),
        (tuple[str, int], ANYTHING, "a value of any type"),
        (frozenset[str], ListOf(str), "list of str"),
        (Sequence[Host | None], ListOf(Maybe(Host)), "list of Host"),
        (dict[str, int], dict, "dict"),
        (Any, ANYTHING, "a value of any type"),
        (None, ANYTHING, "a value of any type"),
    ],
)
def test_types(hint: Any, kind: Any, name: str) -> None:
    assert type_of(hint) == kind
    assert name_of(kind) == name


def test_split_template() -> None:
    assert list(split_template("a {x:>{3} b}}")) == [("a ", "x", ">{3", 3), (" b}", None, "", 13)]


def test_nearest() -> None:
    assert nearest("sieze", ["size", "wait"]) == "; did you mean 'size'?"
    assert nearest("zzz", ["size", "wait"]) == ""


def test_nothing_of_python_is_within_reach() -> None:
    code = scope().condition("pool.check")
    assert function(code).__globals__["__builtins__"] == {}


ATOMS = """
pool.size pool.least pool.wait pool.idle pool.check pool.mode pool.owner pool.share pool.kinds pool.listed pool.any pool.level
pool.maybe pool.host pool.host.cores pool.host.memory pool.hosts pool.names pool.title pool.strict pool.colour pool.span pool
params.shortest params.limit params.part params.room params.word pool.size.is_known 0 1 2.5 'a' True None pool.table
"""
SHAPES = """
({a} + {b})|({a} - {b})|({a} * {b})|({a} / {b})|({a} // {b})|({a} < {b})|({a} <= {b} < {c})|({a} == {b})|({a} != {b})|({a} and {b})
({a} or {b})|(not {a})|(-{a})|min({a}, {b})|max({a}, {b}, {c})|len({a})|({a} in {b})|({a} not in ('a', 'b'))|({a} is None)
({a} if {b} else {c})|{a}.cores|{a}.is_default
"""


def test_what_is_accepted_never_fails() -> None:
    """Whatever the checker lets pass ends in an answer or in Unknown, for every kind of subject."""
    draw = random.Random(20)
    atoms, shapes = ATOMS.split(), SHAPES.strip().replace("\n", "|").split("|")

    def text(depth: int) -> str:
        if depth == 0 or draw.random() < 0.2:
            return draw.choice(atoms)
        return draw.choice(shapes).format(a=text(depth - 1), b=text(depth - 1), c=text(depth - 1))

    strange = pool(size=inf, least=0, wait=Seconds(inf), idle=Seconds(0), share=unknown("share", "?"))
    strange._facts["size"] = written("size", inf, SIZE)
    subjects = [pool(), hosted(), strange, pool(size=unknown("size", "?"))]
    accepted = misplaced = 0
    for _ in range(6000):
        expression = text(draw.choice((1, 2, 2, 3)))
        for compile_text in (scope().condition, lambda text: scope().template("{" + text + "}")):
            try:
                code = compile_text(expression)
            except ExprError as error:
                misplaced += not 0 <= error.offset <= len(expression) + 2
                continue
            accepted += 1
            for subject in subjects:
                try:
                    found = run(code, subject)
                except Unknown:
                    continue
                assert isinstance(found, bool | str), expression
                assert found != "nan"
    assert accepted > 500
    assert misplaced == 0
