"""PHP files: what is read of them, at which places, and what is honestly not known."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from polint.formats import byte_filter
from polint.formats.php import NEEDLES, ConnectionEntry, PdoCall, PhpFile, SettingEntry, parse
from polint.source import Source
from polint.value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value, env_reads


def read(text: str) -> PhpFile:
    return parse(Source("app/x.php", text))


class Missing(Exception):
    """A variable is unset, or a conversion fails."""


def play(value: Value | None, env: Mapping[str, str] | None = None) -> Any:
    """The value a program would see with exactly ``env`` set; an Opaque gives its reason in angle brackets."""
    env = env or {}
    match value:
        case Literal(content, _):
            return content
        case EnvRead(name=name):
            if name not in env:
                raise Missing(name)
            return env[name]
        case Fallback(first, second):
            try:
                return play(first, env)
            except Missing:
                return play(second, env)
        case Computed(apply, args, _):
            given = [play(arg, env) for arg in args]
            opaque = [arg for arg, node in zip(given, args, strict=True) if isinstance(node, Opaque)]
            if opaque:
                return opaque[0]
            try:
                return apply(*given)
            except (ValueError, ArithmeticError) as error:
                raise Missing(str(error)) from error
        case Opaque(reason, _):
            return f"<{reason}>"
        case Alternative() | None:
            raise AssertionError(value)


def played(entries: Mapping[str, SettingEntry], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {key: play(entry.value, env) for key, entry in entries.items()}


def setting(expression: str, before: str = "") -> SettingEntry:
    found = read(f"<?php {before} return ['connections' => ['c' => ['v' => {expression}]]];")
    return found.connections[0].settings["v"]


def connection(body: str, before: str = "") -> ConnectionEntry:
    return read(f"<?php {before} return ['connections' => ['pgsql' => {body}]];").connections[0]


def only_call(text: str) -> PdoCall:
    calls = read(text).calls
    assert len(calls) == 1
    return calls[0]


def places(entries: Iterable[SettingEntry]) -> list[tuple[str, str, str, str, tuple[int, int]]]:
    return [(entry.key, entry.span.text, entry.key_span.text, entry.value_span.text, entry.span.place) for entry in entries]


# expressions whose value PHP itself can confirm: expression, variables set, value
EXPRESSIONS: list[tuple[str, dict[str, str], Any]] = [
    ("'a\\'b\\\\c\\n'", {}, "a'b\\c\\n"),
    ('"a\\n\\t\\x41\\101\\u{e9}\\$x\\""', {}, 'a\n\tAA\u00e9$x"'),
    ("1_000", {}, 1000),
    ("0x1F", {}, 31),
    ("0b11", {}, 3),
    ("017", {}, 15),
    ("0o17", {}, 15),
    ("-5", {}, -5),
    ("2.5", {}, 2.5),
    ("TRUE", {}, True),
    ("False", {}, False),
    ("NULL", {}, None),
    ("!true", {}, False),
    ("60 * 2 + 1", {}, 121),
    ("6 / 2", {}, 3),
    ("7 / 2", {}, 3.5),
    ("-7 % 3", {}, -1),
    ("'5' + '5'", {}, 10),
    ("'a' . 1 . true . null . 1.5 . 2.0", {}, "a111.52"),
    ("(int) '12abc'", {}, 12),
    ("(int) ' 7'", {}, 7),
    ("(int) '1e3'", {}, 1000),
    ("(int) '-3.9'", {}, -3),
    ("(int) '0x1A'", {}, 0),
    ("(integer) 'x'", {}, 0),
    ("(bool) '0.0'", {}, True),
    ("(bool) '0'", {}, False),
    ("(bool) 'false'", {}, True),
    ("(string) 5", {}, "5"),
    ("(float) '2.5s'", {}, 2.5),
    ("intval('9 lives')", {}, 9),
    ("max(1, '3', 2)", {}, "3"),
    ("min(4, 2)", {}, 2),
    ("strtolower(trim(' AB '))", {}, "ab"),
    ("sprintf('%s:%d;%2$s%%', 'a', '7')", {}, "a:7;7%"),
    ("implode(',', ['a', 'b', 3])", {}, "a,b,3"),
    ("['a' => ['b' => 'deep']]['a']['b']", {}, "deep"),
    ("'x' === 'x'", {}, True),
    ("'1' === 1", {}, False),
    ("'1' == 1", {}, True),
    ("true ? 'a' : 'b'", {}, "a"),
    ("<<<A\n   one\n     two\n   A", {}, "one\n  two"),
    ("<<<A\n  h=\x7b$_ENV['A']}\n\n  \\tb $_ENV[B]\n   c\n  A", {"A": "x", "B": "y"}, "h=x\n\n\tb y\n c"),
    ("<<<A\n\nA", {}, ""),
    ("<<<'A'\nraw $x\\n\nA", {}, "raw $x\\n"),
    ("env('A')", {}, None),
    ("env('A', 'b')", {}, "b"),
    ("env('A', 'b')", {"A": ""}, ""),
    ("env('A', env('B', 'c'))", {}, "c"),
    ("env('A', env('B', 'c'))", {"B": "x"}, "x"),
    ('env("A", fn () => 5)', {}, 5),
    ("env('A')", {"A": "(true)"}, True),
    ("env('A')", {"A": "FALSE"}, False),
    ("env('A', 'd')", {"A": "null"}, None),
    ("env('A')", {"A": "empty"}, ""),
    ("env('A')", {"A": "'quoted'"}, "quoted"),
    ("env(default: 1, key: 'A')", {"A": "7"}, "7"),
    ("\\env('A', 1)", {"A": "7"}, "7"),
    ("(int) env('A', '5')", {}, 5),
    ("(int) env('A')", {}, 0),
    ("(int) env('A', 5)", {"A": "8x"}, 8),
    ("(bool) env('A', false)", {"A": "false"}, False),
    ("intval(env('A', 5))", {"A": "6"}, 6),
    ("env('A') ?: 'd'", {}, "d"),
    ("env('A') ?: 'd'", {"A": ""}, "d"),
    ("env('A') ?: 'd'", {"A": "0"}, "d"),
    ("env('A') ?? 'd'", {}, "d"),
    ("env('A') ?? 'd'", {"A": "null"}, "d"),
    ("env('A') ?? 'd'", {"A": ""}, ""),
    ("env('A') ? env('A') : 'd'", {"A": "x"}, "x"),
    ("env('A') ? env('A') : 'd'", {}, "d"),
    ("getenv('A')", {}, False),
    ("getenv('A') ?: 'd'", {}, "d"),
    ("getenv('A') ?: 'd'", {"A": "x"}, "x"),
    ("getenv('A') ?? 'd'", {}, False),
    ("getenv('A') !== false ? getenv('A') : 'd'", {}, "d"),
    ("false === getenv('A') ? 'd' : 'd'", {}, "d"),
    ("(int) (getenv('A') ?: 30)", {"A": "4"}, 4),
    ("(int) getenv('A') ?: 30", {}, 30),
    ("!empty(getenv('A')) ? getenv('A') : 'd'", {"A": "0"}, "d"),
    ("getenv('A') === 'true'", {"A": "true"}, True),
    ("getenv('A') === 'true'", {}, False),
    ("filter_var(getenv('A'), FILTER_VALIDATE_BOOLEAN)", {"A": "on"}, True),
    ("filter_var(getenv('A'), FILTER_VALIDATE_BOOL)", {"A": "off"}, False),
    ("filter_var(getenv('A'), FILTER_VALIDATE_INT) ?: 5", {"A": "x"}, 5),
    ("'h=' . getenv('A') . ';'", {}, "h=;"),
    ("'h=' . getenv('A') . ';'", {"A": "db"}, "h=db;"),
    ("max(2, (int) getenv('A'))", {"A": "9"}, 9),
    ("$_ENV['A'] ?? 'd'", {}, "d"),
    ("$_ENV['A'] ?? 'd'", {"A": "x"}, "x"),
    ("isset($_ENV['A']) ? $_ENV['A'] : 'd'", {"A": "x"}, "x"),
    ("isset($_SERVER['A']) ? $_SERVER['A'] : 'd'", {}, "d"),
    ("\"h={$_ENV['A']};\"", {"A": "x"}, "h=x;"),
    ('"h=$_ENV[A];"', {"A": "x"}, "h=x;"),
]
_IDS = [f"{expression} {env or ''}" for expression, env, _ in EXPRESSIONS]


@pytest.mark.parametrize(("expression", "env", "expected"), EXPRESSIONS, ids=_IDS)
def test_expression(expression: str, env: dict[str, str], expected: Any) -> None:
    found = play(setting(expression).value, env)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.skipif(shutil.which("php") is None, reason="needs the php command line")
def test_php_agrees() -> None:
    """PHP itself computes the same; ``env()`` is what Laravel documents it to be."""
    shim = r"""<?php
    function env($key, $default = null) {
        $value = getenv($key);
        if ($value === false) return $default instanceof Closure ? $default() : $default;
        switch (strtolower($value)) {
            case 'true': case '(true)': return true;
            case 'false': case '(false)': return false;
            case 'empty': case '(empty)': return '';
            case 'null': case '(null)': return null;
        }
        return preg_match('/\A([\'"])(.*)\1\z/', $value, $found) ? $found[2] : $value;
    }
    function given($env) { foreach (['A', 'B'] as $name) { putenv($name); unset($_ENV[$name], $_SERVER[$name]); }
        foreach ($env as $name => $value) { putenv("$name=$value"); $_ENV[$name] = $_SERVER[$name] = $value; } }
    $out = [];
    """
    body = [
        f"given(json_decode({json.dumps(json.dumps(env))}, true)); $out[] = json_encode({expression}\n, JSON_PRESERVE_ZERO_FRACTION);"
        for expression, env, _ in EXPRESSIONS
    ]
    done = subprocess.run(
        ["php", "-n", "-d", "display_errors=stderr"],
        input=shim + "\n".join(body) + "\necho json_encode($out);",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    answers = [json.loads(answer) for answer in json.loads(done.stdout)]
    wrong = [
        (e, env, ours, php) for (e, env, ours), php in zip(EXPRESSIONS, answers, strict=True) if (type(ours), ours) != (type(php), php)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("database_path('x')", "computed by database_path()"),
        ("env($name)", "an environment variable whose name is computed"),
        ("env('A') ? 'a' : 'b'", "chosen by a condition"),
        ("env('A') !== 'x' ? 'a' : 'b'", "chosen by a condition"),
        ("config('a.b')", "read from Laravel's configuration"),
        ("$_GET['x']", "taken from the request"),
        ("$_SERVER['HTTP_HOST']", "taken from the request"),
        ("$unset", "$unset is not set here"),
        ("Other::X", "a constant of another class"),
        ("SOMEWHERE", "the constant SOMEWHERE is not set here"),
        ("match (true) { default => 1 }", "computed when the program runs"),
        ("['a', 'b']", "an array"),
        ("foo(...$x)", "computed when the program runs"),
        ("sprintf('%05.1f', 1)", "computed by sprintf()"),
    ],
)
def test_unknown_says_why(expression: str, reason: str) -> None:
    assert setting(expression).value == Opaque(reason, setting(expression).value_span) or play(setting(expression).value) == f"<{reason}>"


def test_equal_branches_are_no_choice() -> None:
    assert play(setting("env('A') ? 'x' : 'x'").value) == "x"


DATABASE = """<?php

use Illuminate\\Support\\Str;
use Pdo\\Mysql;

return [
    'default' => env('DB_CONNECTION', 'pgsql'),
    'connections' => [
        'sqlite' => ['driver' => 'sqlite', 'database' => env('DB_DATABASE', database_path('x.sqlite'))],
        // 'old' => ['driver' => 'pgsql', 'host' => env('OLD_HOST')],
        "pgsql" => array(
            'driver' => 'pgsql',
            'host' => env('DB_HOST', env('PGHOST', '127.0.0.1')),
            'port' => 5432,
            'port' => env('DB_PORT', '6432'),
            'search_path' => ['public', env('DB_SCHEMA', 'app')],
            'options' => extension_loaded('pdo_pgsql') ? array_filter([
                PDO::ATTR_PERSISTENT => env('DB_PERSISTENT', false),
                \\PDO::ATTR_TIMEOUT => 5,
                Pdo\\Pgsql::ATTR_DISABLE_PREPARES => true,
                (PHP_VERSION_ID >= 80500 ? Mysql::ATTR_SSL_CA : PDO::MYSQL_ATTR_SSL_CA) => env('CA'),
                PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            ]) : [],
        ),
    ],
    'redis' => ['prefix' => Str::slug(env('APP_NAME', 'laravel'))],
];
"""


def test_laravel_database() -> None:
    found = read(DATABASE)
    assert [(entry.name, str(entry.span), entry.span.text) for entry in found.connections] == [
        ("sqlite", "app/x.php:9:9", "'sqlite'"),
        ("pgsql", "app/x.php:11:9", '"pgsql"'),
    ]
    assert play(found.default_connection) == "pgsql"
    pgsql = found.connections[1]
    assert pgsql.settings_known
    assert pgsql.options_known
    assert played(pgsql.settings) == {"driver": "pgsql", "host": "127.0.0.1", "port": "6432", "search_path": "<an array>"}
    assert play(pgsql.settings["host"].value, {"PGHOST": "db"}) == "db"
    assert [play(item) for item in pgsql.settings["search_path"].items] == ["public", "app"]
    assert places([pgsql.settings["port"], *pgsql.settings["port"].shadowed]) == [
        ("port", "'port' => env('DB_PORT', '6432')", "'port'", "env('DB_PORT', '6432')", (15, 13)),
        ("port", "'port' => 5432", "'port'", "5432", (14, 13)),
    ]
    assert play(pgsql.settings["port"].shadowed[0].value) == 5432
    assert pgsql.options_span is not None
    assert pgsql.options_span.place == (17, 26)
    assert places(pgsql.options.values()) == [
        (
            "ATTR_PERSISTENT",
            "PDO::ATTR_PERSISTENT => env('DB_PERSISTENT', false)",
            "PDO::ATTR_PERSISTENT",
            "env('DB_PERSISTENT', false)",
            (18, 17),
        ),
        ("ATTR_TIMEOUT", "\\PDO::ATTR_TIMEOUT => 5", "\\PDO::ATTR_TIMEOUT", "5", (19, 17)),
        (
            "PGSQL_ATTR_DISABLE_PREPARES",
            "Pdo\\Pgsql::ATTR_DISABLE_PREPARES => true",
            "Pdo\\Pgsql::ATTR_DISABLE_PREPARES",
            "true",
            (20, 17),
        ),
        (
            "MYSQL_ATTR_SSL_CA",
            "(PHP_VERSION_ID >= 80500 ? Mysql::ATTR_SSL_CA : PDO::MYSQL_ATTR_SSL_CA) => env('CA')",
            "(PHP_VERSION_ID >= 80500 ? Mysql::ATTR_SSL_CA : PDO::MYSQL_ATTR_SSL_CA)",
            "env('CA')",
            (21, 17),
        ),
        ("ATTR_ERRMODE", "PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION", "PDO::ATTR_ERRMODE", "PDO::ERRMODE_EXCEPTION", (22, 17)),
    ]
    assert play(pgsql.options["ATTR_PERSISTENT"].value) is False
    assert play(pgsql.options["ATTR_PERSISTENT"].value, {"DB_PERSISTENT": "true"}) is True
    assert play(pgsql.options["ATTR_ERRMODE"].value) == "ERRMODE_EXCEPTION"


def test_characters_not_bytes() -> None:
    found = read("<?php /* привет 🙂 */ return ['connections' => ['базА' => ['host' => env('ХОСТ', 'é')]]];")
    entry = found.connections[0]
    assert (entry.name, entry.span.text, entry.span.place) == ("базА", "'базА'", (1, 48))
    assert places(entry.settings.values()) == [("host", "'host' => env('ХОСТ', 'é')", "'host'", "env('ХОСТ', 'é')", (1, 59))]
    assert [read.span.text for read in env_reads(entry.settings["host"].value)] == ["'ХОСТ'"]


@pytest.mark.parametrize(
    ("options", "before", "expected", "known"),
    [
        ("[]", "", {}, True),
        ("null", "", {}, True),
        ("[PDO::ATTR_PERSISTENT => 1]", "", {"ATTR_PERSISTENT": 1}, True),
        ("[12 => true, 2 => 3]", "", {"ATTR_PERSISTENT": True, "ATTR_TIMEOUT": 3}, True),
        ("[PDO::ATTR_CASE => 1] + [PDO::ATTR_CASE => 2, PDO::ATTR_TIMEOUT => 3]", "", {"ATTR_CASE": 1, "ATTR_TIMEOUT": 3}, True),
        ("array_replace([PDO::ATTR_CASE => 1], [PDO::ATTR_CASE => 2])", "", {"ATTR_CASE": 2}, True),
        # numeric keys are renumbered by array_merge and by spreads: the attributes are lost
        ("array_merge([PDO::ATTR_PERSISTENT => true], ['a' => 1])", "", {"ATTR_AUTOCOMMIT": True, "a": 1}, True),
        ("[...[PDO::ATTR_PERSISTENT => true], PDO::ATTR_CASE => 1]", "", {"ATTR_AUTOCOMMIT": True, "ATTR_CASE": 1}, True),
        ("[...$x, PDO::ATTR_PERSISTENT => true]", "", {"ATTR_PERSISTENT": True}, False),
        ("$x + [PDO::ATTR_PERSISTENT => true]", "", {"ATTR_PERSISTENT": "<what it is added to is not known>"}, False),
        ("[PDO::ATTR_PERSISTENT => true] + $x", "", {"ATTR_PERSISTENT": True}, False),
        ("array_replace([PDO::ATTR_CASE => 1], $x)", "", {"ATTR_CASE": "<what is merged over it is not known>"}, False),
        ("[PDO::ATTR_CASE => 1, $key => 2]", "", {"ATTR_CASE": "<an element whose key is computed may replace it>"}, False),
        ("$x", "", {}, False),
        ("options()", "", {}, False),
        ("env('X') ? [PDO::ATTR_PERSISTENT => true] : []", "", {"ATTR_PERSISTENT": "<set under a condition>"}, True),
        ("env('X') ? [PDO::ATTR_CASE => 1] : [PDO::ATTR_CASE => 1]", "", {"ATTR_CASE": 1}, True),
        ("defined('X') ? [] : [PDO::ATTR_CASE => 1]", "", {"ATTR_CASE": 1}, True),
        ("[(defined('X') ? PDO::ATTR_CASE : \\PDO::ATTR_TIMEOUT) => 1]", "", {"ATTR_CASE|ATTR_TIMEOUT": 1}, True),
        ("array_filter([PDO::ATTR_TIMEOUT => 0, PDO::ATTR_CASE => 1])", "", {"ATTR_CASE": 1}, True),
        ("array_filter($x)", "", {}, False),
        ("array_filter([PDO::ATTR_CASE => 1], 'f')", "", {}, False),
        ("$o", "$o = [PDO::ATTR_CASE => 1]; $o[PDO::ATTR_PERSISTENT] = true;", {"ATTR_CASE": 1, "ATTR_PERSISTENT": True}, True),
        ("$o", "$o[PDO::ATTR_PERSISTENT] = true;", {"ATTR_PERSISTENT": True}, True),
        ("$o", "$o = []; if ($a) { $o[PDO::ATTR_CASE] = 1; }", {"ATTR_CASE": "<set under a condition>"}, True),
        ("$o", "$o = [PDO::ATTR_CASE => 1]; if ($a) { $o[PDO::ATTR_CASE] = 1; }", {"ATTR_CASE": 1}, True),
        ("$o", "$o = [PDO::ATTR_CASE => 1]; if ($a) { $o = []; }", {"ATTR_CASE": "<set under a condition>"}, True),
        ("$o", "$o = [PDO::ATTR_CASE => 1]; unset($o[PDO::ATTR_CASE]);", {}, True),
        (
            "$o",
            "$o = [PDO::ATTR_CASE => 1]; $o += [PDO::ATTR_CASE => 2, PDO::ATTR_TIMEOUT => 3];",
            {"ATTR_CASE": 1, "ATTR_TIMEOUT": 3},
            True,
        ),
        ("$o", "$o = [PDO::ATTR_CASE => 1]; $o = array_replace($o, [PDO::ATTR_CASE => 2]);", {"ATTR_CASE": 2}, True),
        ("$o", "$o = [PDO::ATTR_CASE => 1]; change($o); extract($all);", {}, False),
        ("$o", "$o = [PDO::ATTR_CASE => 1]; $p = &$o;", {}, False),
        ("OPTIONS", "const OPTIONS = [PDO::ATTR_CASE => 1];", {"ATTR_CASE": 1}, True),
        ("$c['o']", "$c = ['o' => [PDO::ATTR_CASE => 1]];", {"ATTR_CASE": 1}, True),
    ],
)
def test_options(options: str, before: str, expected: dict[str, Any], known: bool) -> None:
    """The same options, in Laravel's config and given to ``new PDO``."""
    entry = connection(f"['options' => {options}]", before)
    assert (played(entry.options), entry.options_known) == (expected, known)
    assert entry.options_span is not None
    assert entry.options_span.text == options
    call = only_call(f"<?php {before} new PDO('pgsql:', null, null, {options});")
    assert (played(call.options), call.options_known) == (expected, known)
    assert call.options_span is not None
    assert call.options_span.text == options


def test_filtered_option_is_dropped_when_empty() -> None:
    entry = connection("['options' => array_filter([PDO::ATTR_TIMEOUT => env('T')])]")
    assert play(entry.options["ATTR_TIMEOUT"].value, {"T": "4"}) == "4"
    with pytest.raises(Missing):
        play(entry.options["ATTR_TIMEOUT"].value)


def test_element_write_has_its_place() -> None:
    call = only_call("<?php\n$o = [];\n$o[PDO::ATTR_PERSISTENT] = true;\nnew PDO('pgsql:', 'u', 'p', $o);")
    assert places(call.options.values()) == [("ATTR_PERSISTENT", "$o[PDO::ATTR_PERSISTENT] = true", "PDO::ATTR_PERSISTENT", "true", (3, 1))]


@pytest.mark.parametrize(
    ("body", "reads", "writes"),
    [
        ("['host' => 'a']", [], []),
        ("['host' => 'a', 'read' => ['host' => ['r1', 'r2']], 'write' => ['host' => 'w']]", ["r1", "r2"], ["w"]),
        ("['host' => 'a', 'read' => ['port' => 1], 'write' => ['host' => ['w']]]", ["a"], ["w"]),
        ("['host' => 'a', 'read' => [['host' => 'r1'], ['host' => 'r2'], ['port' => 1]]]", ["r1", "r2", "a"], []),
        ("['host' => ['a', 'b'], 'read' => ['port' => 1]]", ["a", "b"], []),
        ("['read' => null]", [], []),
        ("['read' => f()]", ["<a split that could not be read>"], []),
        ("['read' => ['host' => explode(',', env('R'))]]", ["<computed by explode()>"], []),
    ],
)
def test_read_write_split(body: str, reads: list[str], writes: list[str]) -> None:
    entry = connection(body)
    assert [play(host) for host in entry.read_hosts] == reads
    assert [play(host) for host in entry.write_hosts] == writes
    assert {"read", "write", "options"}.isdisjoint(entry.settings)


@pytest.mark.parametrize(
    ("text", "names", "known"),
    [
        ("<?php $c = ['connections' => ['a' => []]]; return $c;", ["a"], True),
        ("<?php return array_merge(require 'x.php', ['connections' => ['a' => []]]);", ["a"], True),
        ("<?php return ['connections' => array_merge(base(), ['a' => []])];", ["a"], False),
        ("<?php $base = ['host' => 'x']; return ['connections' => ['a' => $base, 'b' => [] + $base]];", ["a", "b"], True),
        ("<?php namespace A; return ['connections' => ['a' => []]];", ["a"], True),
        ("<?php function f() { return ['connections' => ['a' => []]]; }", [], True),
        ("<?php $x = ['connections' => ['a' => []]];", [], True),
        ("<?php /* return ['connections' => ['a' => []]]; */ $x = \"return ['connections' => ['a' => []]];\";", [], True),
        ("<?php return ['connections' => env('A')];", [], True),
        ("return ['connections' => ['a' => []]];", [], True),
    ],
)
def test_which_arrays_are_configuration(text: str, names: list[str], known: bool) -> None:
    found = read(text)
    assert ([entry.name for entry in found.connections], found.connections_known) == (names, known)


def test_connection_of_unknown_make() -> None:
    entry = connection("makeIt()")
    assert (entry.settings, entry.settings_known, entry.options_known) == ({}, False, False)


def test_unknown_spread_hides_what_it_may_replace() -> None:
    entry = connection("['host' => 'a', ...more(), 'port' => 1]")
    assert played(entry.settings) == {"host": "<what is merged over it is not known>", "port": 1}
    assert not entry.settings_known


PDO_CODE = """<?php
namespace App;

use PDO;

class Db
{
    private const OPTIONS = [PDO::ATTR_PERSISTENT => true];
    private string $host = 'db';
    private $name;
    protected array $rest = [PDO::ATTR_TIMEOUT => 3];

    public function __construct()
    {
        $this->name = getenv('DB_NAME') ?: 'app';
    }

    public function open(string $user): PDO
    {
        $port = 6432;
        $dsn = "pgsql:host={$this->host};port=$port";
        $dsn .= ';dbname=' . $this->name;
        return new PDO($dsn, $user, getenv('PW'), self::OPTIONS);
    }

    public function other(): \\PDO
    {
        return \\PDO::connect(options: $this->rest, dsn: sprintf('pgsql:host=%s', $this->host));
    }
}
"""


def test_pdo_calls() -> None:
    first, second = read(PDO_CODE).calls
    assert (first.function, first.span.place) == ("new PDO", (23, 16))
    assert first.span.text == "new PDO($dsn, $user, getenv('PW'), self::OPTIONS)"
    assert play(first.dsn) == "pgsql:host=db;port=6432;dbname=app"
    assert play(first.dsn, {"DB_NAME": "x"}) == "pgsql:host=db;port=6432;dbname=x"
    assert play(first.user) == "<$user is given by the caller>"
    assert places(first.options.values()) == [("ATTR_PERSISTENT", "PDO::ATTR_PERSISTENT => true", "PDO::ATTR_PERSISTENT", "true", (8, 30))]
    assert first.options_known
    assert first.driver == "pgsql"
    assert {key: play(value) for key, value in first.keywords.items()} == {"host": "db", "port": "6432", "dbname": "app"}
    assert (second.function, second.span.place, second.user) == ("PDO::connect", (28, 16), None)
    assert play(second.dsn) == "pgsql:host=db"
    assert played(second.options) == {"ATTR_TIMEOUT": 3}


@pytest.mark.parametrize(
    ("code", "dsn"),
    [
        ("$d = 'pgsql:a'; new PDO($d);", "pgsql:a"),
        ("define('H', 'db'); new PDO('pgsql:host=' . H);", "pgsql:host=db"),
        ("const H = 'db'; function f() { new PDO('pgsql:host=' . H); }", "pgsql:host=db"),
        ("if ($a) { define('H', 'db'); } new PDO('pgsql:host=' . H);", "<the constant H is not set here>"),
        ("define('H', 'a'); define('H', 'b'); new PDO('pgsql:host=' . H);", "<the constant H is not set here>"),
        ("$d = 'a:'; $d = 'b:'; new PDO($d); $d = 'c:';", "b:"),
        ("$d = 'a:'; if ($x) { $d = 'b:'; } new PDO($d);", "<$d is set under a condition>"),
        ("$d = 'a:'; if ($x) { $d = 'b:'; new PDO($d); }", "b:"),
        ("$d = 'a:'; if ($x) { $d = 'b:'; } else { new PDO($d); }", "a:"),
        ("$d = 'a:'; if ($x) { $d = 'b:'; return; } new PDO($d);", "a:"),
        ("$d = 'a:'; if ($x) $d = 'b:'; new PDO($d);", "<$d is set under a condition>"),
        ("$d = 'a:'; $x && $d = 'b:'; new PDO($d);", "<$d is set under a condition>"),
        ("$d = 'a:'; if ($x = f()) { new PDO($d); }", "a:"),
        ("if ($d = 'a:') { } new PDO($d);", "a:"),
        ("switch ($x) { case 1: $d = 'a:'; break; case 2: $d = 'b:'; new PDO($d); }", "b:"),
        ("$d = 'a:'; while ($x) { new PDO($d); $d = 'b:'; }", "<$d is set in more than one place>"),
        ("while ($x) { $d = 'a:'; new PDO($d); $d = 'b:'; }", "a:"),
        ("foreach ($all as $d) { new PDO($d); }", "<$d changes in a way that was not followed>"),
        ("[$d] = f(); new PDO($d);", "<$d changes in a way that was not followed>"),
        ("$d = 'a:'; try { $d = f(); } catch (E $e) { } new PDO($d);", "<$d is set under a condition>"),
        ("$d = 'a:'; unset($d); new PDO($d);", "<$d changes in a way that was not followed>"),
        ("$d = 'a:'; $d .= 'b'; new PDO($d);", "a:b"),
        ("$d = 'a:'; $d ??= 'b:'; new PDO($d);", "a:"),
        ("new PDO($d = 'a:');", "a:"),
        ("$c = ['h' => 'db']; new PDO(\"pgsql:host=$c[h]\");", "pgsql:host=db"),
        ("$c = ['h' => 'db']; new PDO(\"pgsql:host={$c['h']}\");", "pgsql:host=db"),
        ("$h = 'db'; new PDO(\"pgsql:host=${h}\");", "pgsql:host=db"),
        ("$d = 'a:'; function f() { new PDO($d); }", "<$d is not set here>"),
        ("function f($d = 'a:') { new PDO($d); }", "<$d is given by the caller>"),
        ("function f($d = 'a:') { $d = 'b:'; new PDO($d); }", "b:"),
        ("$d = 'a:'; function f() { global $d; new PDO($d); }", "a:"),
        ("$d = 'a:'; $d = 'b:'; function f() { global $d; new PDO($d); }", "<the global $d is not set once and for all here>"),
        ("$d = 'a:'; $f = function () use ($d) { new PDO($d); };", "a:"),
        ("$d = 'a:'; $f = function () { new PDO($d); };", "<$d is not set here>"),
        ("$d = 'a:'; $f = fn () => new PDO($d);", "a:"),
        ("$d = 'a:'; $f = fn ($d) => new PDO($d);", "<$d is given by the caller>"),
        ("$d = 'a:'; $f = function () use (&$d) { $d = 'b:'; }; new PDO($d);", "<$d changes in a way that was not followed>"),
        ("class A { const D = 'a:'; function f() { new PDO(static::D); } }", "a:"),
        ("class A { const D = 'a:'; function f() { new PDO(A::D); } }", "a:"),
        ("class A { static $d = 'a:'; function f() { new PDO(self::$d); } }", "a:"),
        ("class A { private $d = 'a:'; function f() { new PDO($this->d); } }", "a:"),
        (
            "class A { private $d = 'a:'; function f() { new PDO($this->d); } function g() { $this->d = f(); } }",
            "<a property that is not set once and for all here>",
        ),
        ("class A { private $d = 'a:'; function f() { $this->d = 'b:'; new PDO($this->d); } }", "b:"),
        (
            "abstract class A { protected $d = 'a:'; function f() { new PDO($this->d); } }",
            "<a property that is not set once and for all here>",
        ),
        (
            "class A { function __construct(private $d = 'a:') {} function f() { new PDO($this->d); } }",
            "<a property that is not set once and for all here>",
        ),
        (
            "class A { private $d = 'a:'; } class B { function f() { new PDO($this->d); } }",
            "<a property that is not set once and for all here>",
        ),
        ("extract($_POST); $d = 'a:'; new PDO($d);", "<$d is set in more than one place>"),
        ("new PDO(...$all);", "<given by a list of arguments>"),
        ("new PDO($_ENV['DSN'] ?? 'a:');", "a:"),
        ("$a = $a; new PDO($a);", "<$a is not set here>"),
    ],
)
def test_dsn(code: str, dsn: str) -> None:
    assert play(only_call(f"<?php {code}").dsn) == dsn


def test_part_of_a_dsn_may_be_known() -> None:
    call = only_call('<?php $d = "pgsql:host=$h;port=6432;dbname=app"; if ($p) { $d .= ";sslmode=$p"; } new PDO($d);')
    assert call.driver == "pgsql"
    assert {key: play(value) for key, value in call.keywords.items()} == {
        "host": "<$h is not set here>",
        "port": "6432",
        "dbname": "<added under a condition>",
    }
    assert call.dsn is not None
    assert play(call.dsn).startswith("<")


@pytest.mark.parametrize(
    ("dsn", "driver", "keywords"),
    [
        ("'pgsql:host=db;port=6432'", "pgsql", {"host": ("db", "db"), "port": ("6432", "6432")}),
        ("'pgsql:host=db dbname=x;password=hush'", "pgsql", {"host": ("db", "db"), "dbname": ("x", "x")}),
        ("'mysql:host=db'", "mysql", {}),
        ("\"pgsql:host='a b'\"", "pgsql", {}),
        ("'pgsql:' . $rest", "pgsql", {}),
        ("$driver . ':host=x'", "", {}),
        ("'pgsql:host'", "pgsql", {}),
        ("'pgsql:'", "pgsql", {}),
        ("env('DSN', 'pgsql:host=x')", "", {}),
    ],
)
def test_keywords(dsn: str, driver: str, keywords: dict[str, tuple[str, str]]) -> None:
    call = only_call(f"<?php new PDO({dsn});")
    assert call.driver == driver
    assert {key: (play(value), value.span.text) for key, value in call.keywords.items()} == keywords


@pytest.mark.parametrize(
    "code",
    [
        "// new PDO('pgsql:')",
        "# new PDO('pgsql:')",
        "/* new PDO('pgsql:'); pg_connect('x'); */",
        "$x = \"new PDO('pgsql:')\";",
        "$x = <<<A\nnew PDO('pgsql:')\nA;",
        "?> new PDO('pgsql:') <p>pg_connect('x')</p>",
        "new MyPDO('pgsql:');",
        "new Foo\\PDO('pgsql:');",
        "use Foo\\PDO; new PDO('pgsql:');",
        "namespace App; new PDO('pgsql:');",
        "$x->pg_connect('x');",
        "Db::pg_connect('x');",
        "Db::connect('pgsql:');",
        "function pg_connect($x) {}",
        "$f = pg_connect(...);",
        "$f = PDO::connect(...);",
        "new PDO;",
        "new class('pgsql:') extends PDO {};",
        "echo PDO::class;",
    ],
)
def test_no_call(code: str) -> None:
    assert read(f"<?php {code}").calls == ()


@pytest.mark.parametrize(
    ("code", "function", "dsn"),
    [
        ("new PDO('pgsql:a');", "new PDO", "pgsql:a"),
        ("new \\PDO('pgsql:a');", "new PDO", "pgsql:a"),
        ("new pdo('pgsql:a');", "new PDO", "pgsql:a"),
        ("namespace A; new \\PDO('pgsql:a');", "new PDO", "pgsql:a"),
        ("namespace A; use PDO; new PDO('pgsql:a');", "new PDO", "pgsql:a"),
        ("namespace A { use \\PDO; class B { function f() { return new PDO('pgsql:a'); } } }", "new PDO", "pgsql:a"),
        ("new Pdo\\Pgsql('pgsql:a');", "new PDO", "pgsql:a"),
        ("use Pdo\\Pgsql; new Pgsql('pgsql:a');", "new PDO", "pgsql:a"),
        ("Pdo\\Pgsql::connect('pgsql:a');", "PDO::connect", "pgsql:a"),
        ("PDO :: connect('pgsql:a');", "PDO::connect", "pgsql:a"),
        ("$x = @pg_connect('host=a') or die();", "pg_connect", "host=a"),
        ('namespace A; \\pg_pconnect("host=a");', "pg_pconnect", "host=a"),
        ("PG_Connect('host=a', 2);", "pg_connect", "host=a"),
        ("pg_connect('a', '5432', '', '', 'x');", "pg_connect", "<given as separate arguments>"),
        ("$x = [fn () => new PDO('pgsql:a')];", "new PDO", "pgsql:a"),
        ("?><p><?= new PDO('pgsql:a') ?></p><?php", "new PDO", "pgsql:a"),
        ("$x = ; new PDO('pgsql:a'); if (", "new PDO", "pgsql:a"),
    ],
)
def test_call(code: str, function: str, dsn: str) -> None:
    call = only_call(f"<?php {code}")
    assert (call.function, play(call.dsn)) == (function, dsn)


def test_needles_find_what_is_read() -> None:
    for code in ("new PDO(", "new \\PDO(", "new Pdo\\Pgsql(", "PDO::connect(", "pg_connect(", "pg_pconnect(", "'connections' =>"):
        assert any(needle in code.encode() for needle in NEEDLES)


def test_attributes_set() -> None:
    found = read(
        "<?php\n$pdo->setAttribute(PDO::ATTR_PERSISTENT, true);\n$this->db?->setAttribute(\\PDO::ATTR_EMULATE_PREPARES, (bool) env('E'));\n"
        "$node->setAttribute('class', 'x'); // $pdo->setAttribute(PDO::ATTR_CASE, 1)\nsetAttribute(PDO::ATTR_CASE, 1);"
    )
    assert places(found.attributes_set) == [
        ("ATTR_PERSISTENT", "PDO::ATTR_PERSISTENT, true", "PDO::ATTR_PERSISTENT", "true", (2, 20)),
        (
            "ATTR_EMULATE_PREPARES",
            "\\PDO::ATTR_EMULATE_PREPARES, (bool) env('E')",
            "\\PDO::ATTR_EMULATE_PREPARES",
            "(bool) env('E')",
            (3, 26),
        ),
    ]
    assert play(found.attributes_set[1].value, {"E": "true"}) is True


HORIZON = """<?php
return [
    'defaults' => [
        'one' => ['connection' => 'redis', 'queue' => ['high', 'low', 'bulk'], 'balance' => 'auto', 'maxProcesses' => 1, 'tries' => 3],
        'two' => ['connection' => 'redis', 'queue' => explode(',', env('QUEUES', 'a,b')), 'processes' => 4],
    ],
    'environments' => [
        'production' => [
            'one' => ['maxProcesses' => (int) env('HORIZON_MAX', env('WORKERS', 10)), 'queue' => ['urgent']],
            'extra' => ['min_processes' => 2, 'processes' => 6],
        ],
        'local*' => [],
    ],
];
"""


def test_horizon() -> None:
    found = read(HORIZON)
    assert found.supervisors_known
    assert [(one.environment, one.name, one.span.place, one.span.text) for one in found.supervisors] == [
        ("production", "one", (9, 13), "'one'"),
        ("production", "two", (5, 9), "'two'"),
        ("production", "extra", (10, 13), "'extra'"),
        ("local*", "one", (4, 9), "'one'"),
        ("local*", "two", (5, 9), "'two'"),
    ]
    one, two, extra, local, _ = found.supervisors
    assert played(one.settings, {"WORKERS": "7"}) == {
        "connection": "redis",
        "queue": "urgent,low,bulk",  # merged place by place, as array_replace_recursive does
        "balance": "auto",
        "maxProcesses": 7,
        "maxTries": 3,
    }
    assert one.settings["maxProcesses"].key_span.place == (9, 23)
    assert [play(entry.value) for entry in one.settings["maxProcesses"].shadowed] == [1]
    assert played(two.settings) == {"connection": "redis", "queue": "a,b", "maxProcesses": 4}
    assert played(extra.settings) == {"minProcesses": 2, "maxProcesses": 6}
    assert extra.settings["maxProcesses"].key_span.text == "'processes'"
    assert play(local.settings["maxProcesses"].value) == 1


@pytest.mark.parametrize(
    ("defaults", "own", "expected"),
    [
        # of two names for one thing the later one in the merged array wins
        ("'maxProcesses' => 1", "'processes' => 9", 9),
        ("'processes' => 1", "'maxProcesses' => 9", 9),
        ("'maxProcesses' => 1, 'processes' => 2", "'maxProcesses' => 9", 2),
    ],
)
def test_horizon_processes(defaults: str, own: str, expected: int) -> None:
    found = read(f"<?php return ['defaults' => ['s' => [{defaults}]], 'environments' => ['p' => ['s' => [{own}]]]];")
    assert play(found.supervisors[0].settings["maxProcesses"].value) == expected


@pytest.mark.parametrize(
    ("text", "names", "known"),
    [
        ("['environments' => ['p' => ['s' => ['queue' => 'a']]]]", [("p", "s", True)], True),
        ("['environments' => ['p' => ['s' => ['queue' => 'a', ...$x]]]]", [("p", "s", False)], True),
        ("['defaults' => base(), 'environments' => ['p' => ['s' => ['queue' => 'a']]]]", [("p", "s", True)], False),
        ("['environments' => ['p' => more()]]", [], False),
        ("['environments' => ['p' => ['adapter' => 'pgsql', 'host' => 'x']]]", [], True),
        ("['defaults' => ['s' => ['queue' => 'a']]]", [], True),
    ],
)
def test_which_supervisors(text: str, names: list[tuple[str, str, bool]], known: bool) -> None:
    found = read(f"<?php return {text};")
    assert [(one.environment, one.name, one.settings_known) for one in found.supervisors] == names
    assert found.supervisors_known is known


def test_broken_code() -> None:
    """What does not parse gives what can be read of it, and nothing that is not there."""
    found = read("<?php return ['connections' => ['a' => ['driver' => 'pgsql', 'port' => 1], 'b' => ['host' => 'x' 'port' => 2]")
    assert [(entry.name, played(entry.settings)) for entry in found.connections][:1] == [("a", {"driver": "pgsql", "port": 1})]
    assert not found.connections_known
    assert all("host" not in entry.settings or play(entry.settings["host"].value) != "port" for entry in found.connections)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<?php",
        "\ufeff<?php new PDO(",
        "<?php new PDO('pgsql:'" + "(" * 3000,
        "<?php new PDO(" + "(" * 3000 + "'x'" + ")" * 3000 + ");",
        "<?php $x = " + "env('A', " * 3000 + "1" + ")" * 3000 + ";",
        "<?php return ['connections' => " + "['a' => " * 3000 + "1" + "]" * 3000 + "];",
        "<?php new PDO('a:', 1, 2, x" + " && y" * 3000 + " ? [] : [1]);",
        "<?php " + "if (a) { " * 3000 + "$x = 1; new PDO($x);" + "}" * 3000,
        "<?php $d = env('A'); " + "$d = $d . $d; " * 300 + "new PDO($d);",
        "<?php $o = [1, 2]; " + "$o = array_merge($o, $o); " * 60 + "new PDO('a:', 1, 2, $o);",
        "<?php $a = $b; $b = $a; while (1) { $a = $b; $b = $a; new PDO($a); }",
        "<?php class A { private $a = self::B; const B = self::B; function f() { new PDO($this->a, self::B, '', self::B); } }",
        "<?php const A = B; const B = A; new PDO(A, B, '', A);",
        "<?php return ['connections' => [" + "'a' => 1 'b' => [ " * 500,
        "<?php 'connections' " * 50,
        "<?php \udc80 return ['connections' => ['\udc80' => ['a' => env('\udc80')]]];",
    ],
)
def test_never_raises(text: str) -> None:
    found = read(text)
    assert isinstance(found, PhpFile)


def test_time_is_linear() -> None:
    """Ten times the text takes about ten times as long: not a hundred."""
    import time

    def spent(count: int) -> float:
        text = "<?php $o = []; class A { private $d = 'a:'; " + "function f() { new PDO($this->d); }\n" * count + "}"
        text += "if ($x) { $d = 'pgsql:'; } new PDO($d, '', '', $o);\n" * count
        source = Source("x.php", text)
        start = time.perf_counter()
        parse(source)
        return time.perf_counter() - start

    spent(20)
    assert spent(1000) < 40 * max(spent(100), 0.005)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("<?php return ['connections' => []];", []),
        ("<?php return [\n 'connections' => [\n  'pgsql' => 1,\n", [(2, 19)]),
        ("<?php return ['nothing' => [", []),
    ],
)
def test_broken_syntax(text: str, places: list[tuple[int, int]]) -> None:
    assert [fault.span.place for fault in parse(Source("config/database.php", text)).faults] == places


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("DB::enableQueryLog();", [(False, False)]),
        ("$this->db?->connection('a')->enableQueryLog();", [(False, False)]),
        ("namespace A; class B { function f() { return tap(1, fn () => DB::enableQueryLog()); } }", [(False, False)]),
        ("DB::EnableQueryLog(); // ->enableQueryLog()", [(False, False)]),
        ("enableQueryLog(); $f = 'enableQueryLog'; DB::$enableQueryLog; [DB::class, 'enableQueryLog'];", []),
        ("class A { function enableQueryLog() {} }", []),
        ("DB::enableQueryLog(); DB::flushQueryLog();", [(False, True)]),
        ("class A { function a() { DB::enableQueryLog(); } function b() { DB::disableQueryLog(); } }", [(False, True)]),
        ("if (app()->isLocal()) DB::enableQueryLog();", [(True, False)]),
        ("if (a()) { b(); } else { DB::enableQueryLog(); }", [(True, False)]),
        ("if (DB::enableQueryLog()) { b(); }", [(False, False)]),
        ("config('app.debug') && DB::enableQueryLog();", [(True, False)]),
        ("config('app.debug') ? DB::enableQueryLog() : null;", [(True, False)]),
        ("match (env('APP_ENV')) { 'local' => DB::enableQueryLog(), default => null };", [(True, False)]),
        ("when(app()->isLocal(), fn () => DB::enableQueryLog());", [(True, False)]),
        ("function f() { if (! app()->isLocal()) { return; } DB::enableQueryLog(); }", [(True, False)]),
        ("function f() { abort_unless(app()->isLocal(), 404); DB::enableQueryLog(); }", [(True, False)]),
        ("function f() { if (a()) { b(); } DB::enableQueryLog(); }", [(False, False)]),
        ("function f() { DB::enableQueryLog(); if (a()) { return; } }", [(False, False)]),
        ("if (a()) { return; } class B { function f() { DB::enableQueryLog(); } }", [(False, False)]),
        ("class A { private function startProfiler() { DB::enableQueryLog(); } }", [(True, False)]),
        ("try { DB::enableQueryLog(); } catch (E $e) { DB::enableQueryLog(); }", [(False, False), (True, False)]),
        ("foreach ($a as $b) { $b->enableQueryLog(); }", [(False, False)]),
        ("DB::enableQueryLog( ; if (", [(False, False)]),
    ],
)
def test_query_log(code: str, expected: list[tuple[bool, bool]]) -> None:
    assert [(call.is_conditional, call.is_ended) for call in read(f"<?php {code}").query_logs] == expected


def test_query_log_place() -> None:
    call = read("<?php\nuse X\\DB;\n  DB::connection('a')\n    ->enableQueryLog();\n").query_logs[0]
    assert (call.span.place, call.span.text) == ((3, 3), "DB::connection('a')\n    ->enableQueryLog()")


@pytest.mark.parametrize(
    ("sides", "known"),
    [
        ("'read' => ['host' => 'a'], 'write' => ['host' => 'b']", True),
        ("'read' => ['host' => 'a', 'options' => [PDO::ATTR_TIMEOUT => 1]]", False),
        ("'write' => [['host' => 'a'], ['host' => 'b', 'options' => []]]", False),
        ("'read' => 'x'", True),
    ],
)
def test_options_of_one_side_leave_the_others_unknown(sides: str, known: bool) -> None:
    assert connection(f"['options' => [PDO::ATTR_TIMEOUT => 5], {sides}]").options_known is known


def test_every_needle_of_the_format_holds_a_hint() -> None:
    """And files with the newer names of classes are read."""
    is_worth = byte_filter("php")
    for code in ("new Pdo\\Pgsql(", "use Pdo\\Pgsql;", "DB::enableQueryLog()", "PDO::connect(", "pg_connect("):
        assert is_worth(code.encode())
    assert not is_worth(b"$pdo->query()")
