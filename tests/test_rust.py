"""Rust: which code builds a pool, what its settings are worth, and where exactly that is written."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from polint.formats.rust import NEEDLES, Crate, PoolCall, read_crate
from polint.source import Source
from polint.units import Seconds
from polint.value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value

MISSING = object()


class Failure(Exception):
    """The program stops there."""


def crate(*texts: str, **files: str) -> Crate:
    """A crate of src/main.rs (and src/b.rs, …), or of the files named like ``src__config``."""
    named = {("src/main.rs" if at == 0 else f"src/{chr(97 + at)}.rs"): text for at, text in enumerate(texts)}
    named.update({name.replace("__", "/") + ".rs": text for name, text in files.items()})
    return read_crate([Source(path, text) for path, text in named.items()])


def main(body: str, before: str = "", after: str = "") -> str:
    return f"{before}\nasync fn main() {{\n{body}\n}}\n{after}\n"


def only(found: Crate) -> PoolCall:
    assert len(found.pools) == 1, found.pools
    return found.pools[0]


def size(expression: str, before: str = "", after: str = "", statements: str = "") -> Value:
    """What ``.max_connections(expression)`` is read as."""
    body = f"{statements}\nlet pool = PgPoolOptions::new().max_connections({expression}).connect(&url).await?;"
    return only(crate(main(body, before, after))).settings["max_connections"].value


def idle(expression: str, before: str = "") -> Value:
    body = f"let pool = PgPoolOptions::new().idle_timeout({expression}).connect(&url).await?;"
    return only(crate(main(body, before))).settings["idle_timeout"].value


def target(expression: str, before: str = "", statements: str = "") -> Value | None:
    return only(crate(main(f"{statements}\nlet pool = PgPool::connect({expression}).await?;", before))).target


def run(value: Value, environment: Mapping[str, str]) -> object:
    """What the program gets in this environment: a value, MISSING, or Failure raised."""
    match value:
        case Literal(constant):
            return constant
        case EnvRead(name, empty_is_missing=strict):
            text = environment.get(name)
            return MISSING if text is None or (strict and not text) else text
        case Fallback(first, second):
            try:
                found = run(first, environment)
            except ValueError:
                found = MISSING
            return run(second, environment) if found is MISSING else found
        case Computed(apply, args):
            given = [run(arg, environment) for arg in args]
            return MISSING if MISSING in given else apply(*given)
        case Opaque(reason):
            return f"? {reason}"
        case Alternative():
            raise AssertionError(value)


def outcome(value: Value, environment: Mapping[str, str]) -> object:
    try:
        return run(value, environment)
    except ValueError:
        return "fails"


def spot(value: Value | None) -> str:
    """``text@line:column`` of a value's span."""
    assert value is not None
    line, column = value.span.place
    return f"{value.span.text}@{line}:{column}"


# --- values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("10", 10),
        ("1_000", 1000),
        ("10u32", 10),
        ("10_u32", 10),
        ("0x10", 16),
        ("0b1010", 10),
        ("0o17", 15),
        ("0xffu32", 255),
        ("(10)", 10),
        ("{ 10 }", 10),
        ("unsafe { 7 }", 7),
        ("10 as u32", 10),
        ("300u32 as u8", 44),
        ("10.9 as u32", 10),
        ("-1.5 as u32", 0),
        ("2 * 8", 16),
        ("(1 + 2) * 3 - 4", 5),
        ("20 / 3", 6),
        ("20 % 3", 2),
        ("u32::MAX", 4294967295),
        ("10.into()", 10),
        ("10u64.try_into().unwrap()", 10),
        ("NonZeroU32::new(9).unwrap().get()", 9),
        ("std::num::NonZeroU32::new(9).expect(\"not zero\").get()", 9),
        ("std::cmp::max(3, 2)", 3),
        ("cmp::min(3, 2)", 2),
        ("3.max(4)", 4),
        ("3u32.min(4)", 3),
        ("30.clamp(1, 20)", 20),
        ("Some(5)", 5),
        ("None", None),
        ("Some(5).unwrap_or(6)", 5),
        ("None.unwrap_or(6)", 6),
        ('"12".parse::<u32>().unwrap()', 12),
        ('"12".parse().unwrap()', 12),
        ('String::from("12").parse().unwrap()', 12),
        ("10.to_string().parse().unwrap()", 10),
        ("10.saturating_sub(12)", 0),
        ("u32::from(7u8)", 7),
        ("u32::try_from(7).unwrap()", 7),
        ("if cfg!(test) { 1 } else { 5 }", 5),
        ("if fast { 5 } else { 5 }", 5),
        ("*&8", 8),
    ],
)  # fmt: skip
def test_number(expression: str, value: object) -> None:
    found = size(expression)
    assert isinstance(found, Literal)
    assert (type(found.value), found.value) == (type(value), value)


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("Duration::from_secs(5)", 5),
        ("std::time::Duration::from_secs(5)", 5),
        ("time::Duration::from_secs(5)", 5),
        ("core::time::Duration::from_secs(60 * 60)", 3600),
        ("Duration::from_millis(500)", 0.5),
        ("Duration::from_micros(1_500)", 0.0015),
        ("Duration::from_secs_f64(2.5)", 2.5),
        ("Duration::from_mins(10)", 600),
        ("Duration::from_hours(1)", 3600),
        ("Duration::new(2, 500_000_000)", 2.5),
        ("Duration::ZERO", 0),
        ("Duration::MAX", float("inf")),
        ("Some(Duration::from_secs(600))", 600),
        ("Duration::from_secs(30) * 2", 60),
        ("Duration::from_secs(30).into()", 30),
        ("Duration::from_secs(10).max(Duration::from_secs(20))", 20),
    ],
)
def test_duration(expression: str, seconds: float) -> None:
    found = idle(expression)
    assert isinstance(found, Literal)
    assert isinstance(found.value, Seconds)
    assert found.value == Seconds(seconds)


def test_no_timeout() -> None:
    found = idle("None")
    assert isinstance(found, Literal)
    assert found.value is None
    assert spot(found) == "None@3:46"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("num_cpus::get() as u32", "the number of CPUs the process sees"),
        ("std::thread::available_parallelism().unwrap().get()", "the number of CPUs the process sees"),
        ("config.size", "`config.size` is decided at run time"),
        ("config.db.size", "`config.db.size` is decided at run time"),
        ("sizes[0]", "`sizes[0]` is decided at run time"),
        ('read("secret")', "`read(\"…\")` is decided at run time"),
        ('env!("N").parse().unwrap()', "read from the environment when the program is compiled"),
        ('option_env!("N").unwrap_or("5").parse().unwrap()', "read from the environment when the program is compiled"),
        ("if fast { 5 } else { 6 }", "depends on a condition"),
        ("match mode { Mode::A => 5, Mode::B => 6 }", "depends on a condition"),
        ("5.connections()", "`5.connections()` is decided at run time"),
    ],
)  # fmt: skip
def test_opaque(expression: str, reason: str) -> None:
    found = size(expression)
    assert isinstance(found, Opaque)
    assert found.reason == reason


@pytest.mark.parametrize("expression", ["5.seconds()", 'humantime::parse_duration("5s")?', "config.timeout", "timeout()"])
def test_opaque_duration(expression: str) -> None:
    assert isinstance(idle(expression), Opaque)


NAMED = 'std::env::var("N")'


@pytest.mark.parametrize(
    ("expression", "outcomes"),
    [
        # (unset, "7", "x", " 7", "")
        (f"{NAMED}.ok().and_then(|v| v.parse().ok()).unwrap_or(10)", (10, 7, 10, 10, 10)),
        (f"{NAMED}.ok().and_then(|v| v.parse::<u32>().ok()).unwrap_or(10)", (10, 7, 10, 10, 10)),
        (f"{NAMED}.ok().and_then(|s| u32::from_str(&s).ok()).unwrap_or_default()", (0, 7, 0, 0, 0)),
        (f'{NAMED}.unwrap_or_else(|_| "10".to_string()).parse().unwrap_or(5)', (10, 7, 5, 5, 5)),
        (f'{NAMED}.unwrap_or_else(|_| "10".to_string()).parse::<u32>().unwrap()', (10, 7, "fails", "fails", "fails")),
        (f'{NAMED}.unwrap_or("10".into()).parse::<u32>().expect("a number")', (10, 7, "fails", "fails", "fails")),
        (f"{NAMED}.map(|s| s.parse::<u32>().unwrap()).unwrap_or(10)", (10, 7, "fails", "fails", "fails")),
        (f"{NAMED}.map(|s| s.parse().unwrap_or(3)).unwrap_or(10)", (10, 7, 3, 3, 3)),
        (f"{NAMED}.unwrap_or_default().parse().unwrap_or(4)", (4, 7, 4, 4, 4)),
        (f"{NAMED}.unwrap().parse().unwrap()", (MISSING, 7, "fails", "fails", "fails")),
        (f"{NAMED}?.parse::<u32>()?", (MISSING, 7, "fails", "fails", "fails")),
        (f"{NAMED}.ok().map_or(10, |v| v.parse().unwrap_or(3))", (10, 7, 3, 3, 3)),
        (f"{NAMED}.unwrap_or_else(|_| panic!(\"N\")).parse().unwrap()", (MISSING, 7, "fails", "fails", "fails")),
        (f"match {NAMED} {{ Ok(v) => v.parse().unwrap_or(5), Err(_) => 5 }}", (5, 7, 5, 5, 5)),
        (f"match {NAMED} {{ Ok(v) => v.parse().unwrap_or(3), Err(_) => 5 }}", (5, 7, 3, 3, 3)),
        (f"match {NAMED} {{ Ok(_) => 20, Err(_) => 5 }}", (5, 20, 20, 20, 20)),
        (f"match {NAMED} {{ Ok(v) => v.parse().unwrap(), Err(_) => panic!() }}", (MISSING, 7, "fails", "fails", "fails")),
        (f"if let Ok(v) = {NAMED} {{ v.parse().unwrap() }} else {{ 5 }}", (5, 7, "fails", "fails", "fails")),
        (f"{NAMED}.ok().filter(|s| !s.is_empty()).and_then(|v| v.parse().ok()).unwrap_or(8)", (8, 7, 8, 8, 8)),
        (f"{NAMED}.ok().and_then(|v| v.trim().parse().ok()).unwrap_or(10)", (10, 7, 10, 7, 10)),
        (f"{NAMED}.ok().and_then(|v| v.parse().ok()).unwrap_or(10) * 2", (20, 14, 20, 20, 20)),
        (f"{NAMED}.ok().and_then(|v| v.parse().ok()).unwrap_or(10).max(8)", (10, 8, 10, 10, 10)),
        ('dotenvy::var("N").ok().and_then(|x| x.parse::<u32>().ok()).unwrap_or(16)', (16, 7, 16, 16, 16)),
        ('dotenv::var("N").unwrap().parse().unwrap()', (MISSING, 7, "fails", "fails", "fails")),
    ],
)  # fmt: skip
def test_environment(expression: str, outcomes: tuple[object, ...]) -> None:
    found = size(expression)
    environments: list[dict[str, str]] = [{}, {"N": "7"}, {"N": "x"}, {"N": " 7"}, {"N": ""}]
    assert tuple(outcome(found, environment) for environment in environments) == outcomes


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("u32", "+7", 7),
        ("u32", "-7", "fails"),
        ("u32", "7_0", "fails"),
        ("u32", "4294967296", "fails"),
        ("u32", "٧", "fails"),
        ("u32", "7\n", "fails"),
        ("u8", "256", "fails"),
        ("i32", "-7", -7),
        ("f64", "1e1", 10.0),
        ("f64", "1_0.0", "fails"),
        ("bool", "true", True),
        ("bool", "True", "fails"),
        ("bool", "1", "fails"),
    ],
)
def test_parse(kind: str, text: str, expected: object) -> None:
    found = size(f'env::var("N").unwrap().parse::<{kind}>().unwrap()')
    assert outcome(found, {"N": text}) == expected


def test_duration_from_environment() -> None:
    found = idle('Duration::from_secs(env::var("T").ok().and_then(|v| v.parse().ok()).unwrap_or(300))')
    assert outcome(found, {}) == Seconds(300)
    assert outcome(found, {"T": "60"}) == Seconds(60)
    assert outcome(found, {"T": "-1"}) == Seconds(300)  # u64 takes no sign
    assert isinstance(found, Computed)


# --- names


@pytest.mark.parametrize(
    ("expression", "before", "statements", "value", "where"),
    [
        ("MAX", "const MAX: u32 = 20;", "", 20, "20@1:18"),
        ("MAX", "static MAX: u32 = 20;", "", 20, "20@1:19"),
        ("MAX", "#[cfg(test)] const MAX: u32 = 1; #[cfg(not(test))] const MAX: u32 = 20;", "", 20, "20@1:69"),
        ("MAX", "const MAX: u32 = 1;", "const MAX: u32 = 20;", 20, "20@3:18"),
        ("MAX", "const OTHER: u32 = 20; const MAX: u32 = OTHER;", "", 20, "20@1:20"),
        ("Pool::MAX", "struct Pool; impl Pool { const MAX: u32 = 7; }", "", 7, "7@1:43"),
        ("n", "", "let n = 5;", 5, "5@3:9"),
        ("n", "", "let n = 5; let n = 6;", 6, "6@3:20"),
        ("n", "", "let n = 5; { let n = 6; }", 5, "5@3:9"),
        ("n", "", "let (m, n) = (1, 2);", 2, "2@3:18"),
        ("limit()", "fn limit() -> u32 { 12 }", "", 12, "12@1:21"),
        ("limit()", "fn limit() -> u32 { let n = 12; return n; }", "", 12, "12@1:29"),
        ("twice(4)", "fn twice(n: u32) -> u32 { n }", "", 4, "4@4:55"),
        ("c.max", "struct C { max: u32 }", "let c = C { max: 9 };", 9, "9@3:18"),
        ("c.max", "struct C { max: u32 }", "let max = 9; let c = C { max };", 9, "9@3:11"),
        ("c.max", "struct C { max: u32 } impl C { fn new() -> Self { Self { max: 9 } } }", "let c = C::new();", 9, "9@1:63"),
        ("c.max", "struct C { max: u32 } impl C { fn new(max: u32) -> Self { Self { max } } }", "let c = C::new(9);", 9, "9@3:16"),
        ("c.max()", "struct C { max: u32 } impl C { fn max(&self) -> u32 { self.max } }", "let c = C { max: 9 };", 9, "9@3:18"),
        ("c.db.max", "struct D { max: u32 } struct C { db: D }", "let c = C { db: D { max: 9 } };", 9, "9@3:26"),
        ("c.max", "struct C { max: u32, x: u8 } impl Default for C { fn default() -> Self { C { max: 9, x: 1 } } }",
         "let c = C { x: 2, ..Default::default() };", 9, "9@1:83"),
        ("c.max", "struct C { max: u32 } impl Default for C { fn default() -> Self { Self { max: 9 } } }",
         "let c = C::default();", 9, "9@1:79"),
        ("CONFIG.max", "struct C { max: u32 } static CONFIG: LazyLock<C> = LazyLock::new(|| C { max: 9 });", "", 9, "9@1:78"),
        ("max", "struct C { max: u32 }", "let c = C { max: 9 }; let C { max, .. } = c;", 9, "9@3:18"),
        ("*SIZE", "static SIZE: Lazy<u32> = Lazy::new(|| 11);", "", 11, "11@1:39"),
    ],
)  # fmt: skip
def test_followed_name(expression: str, before: str, statements: str, value: object, where: str) -> None:
    statements = statements and statements + " //"
    body = f"{statements}\nlet pool = PgPoolOptions::new().max_connections({expression}).connect(&url).await?;"
    if not statements:
        body = "\n" + body.lstrip("\n")
    found = only(crate(f"{before}\nasync fn main() {{\n{body}\n}}")).settings["max_connections"].value
    assert isinstance(found, Literal)
    assert found.value == value
    assert spot(found) == where


@pytest.mark.parametrize(
    ("expression", "before", "statements", "reason"),
    [
        ("n", "", "let mut n = 5; n += 1;", "`n` is set in more than one place"),
        ("n", "", "let n; if fast { n = 5 } else { n = 6 }", "`n` is set in more than one place"),
        ("n", "", "for n in sizes {", "`n` changes from one pass of a loop to the next"),
        ("MAX", "", "", "`MAX` is decided at run time"),
        ("MAX", '#[cfg(feature = "a")] const MAX: u32 = 1; #[cfg(not(feature = "a"))] const MAX: u32 = 2;', "",
         "`MAX` is decided at run time"),
        ("n", "", "#[cfg(unix)]\nlet n = 5;", "`n` depends on how the program is compiled"),
        ("n", "", "let mut n = vec![5]; n.push(6);", "`n` is set in more than one place"),
        ("a::MAX", "mod a { pub const MAX: u32 = 1; } mod b { pub const MAX: u32 = 2; }", "", "`a::MAX` is decided at run time"),
        ("c.max", "struct C { max: u32 }", "let mut c = C { max: 9 }; c.max = 10;", "field `max` is changed as the program runs"),
        ("c.max", "#[derive(Deserialize)] struct C { max: u32 }", "let c: C = toml::from_str(&text)?;",
         "read from a configuration file at run time"),
        ("c.max", '#[derive(Deserialize)] struct C { #[serde(default = "ten")] max: u32 } fn ten() -> u32 { 10 }',
         "let c: C = config.try_deserialize()?;",
         "read from a configuration file at run time"),
        ("c.max", "#[derive(Parser)] struct C { #[arg(long)] max: u32 }", "let c = C::parse();", "read from the command line"),
        ("c.max", "struct C { max: u32 } fn a() -> C { C { max: 1 } } fn b() -> C { C { max: 2 } }", "let c: C = pick();",
         "field `max` is set in several places"),
        ("f(5)", "fn f(n: u32) -> u32 { if n > 3 { return 1; } n }", "", "returned from more than one place"),
        ("f()", "fn f() -> u32 { f() }", "", "too involved to follow"),
        ("LOOP", "const LOOP: u32 = LOOP;", "", "too involved to follow"),
    ],
)  # fmt: skip
def test_lost_name(expression: str, before: str, statements: str, reason: str) -> None:
    closing = "}" if statements.startswith("for") else ""
    body = f"{statements}\nlet pool = PgPoolOptions::new().max_connections({expression}).connect(&url).await?;{closing}"
    found = only(crate(main(body, before))).settings["max_connections"].value
    assert isinstance(found, Opaque), found
    if "too involved" not in reason:
        assert found.reason == reason


def test_helper_function() -> None:
    code = main(
        'let pool = PgPoolOptions::new().max_connections(env_or("DB_MAX", 12)).connect(&must("URL")).await?;',
        after="fn env_or<T: FromStr>(key: &str, default: T) -> T {\n"
        "std::env::var(key).ok().and_then(|v| v.parse().ok()).unwrap_or(default) }\n"
        "fn must(key: &str) -> String { std::env::var(key).expect(key) }",
    )
    found = crate(code)
    value = only(found).settings["max_connections"].value
    assert isinstance(value, Fallback)
    assert spot(value.second) == "12@3:66"
    assert isinstance(value.first, Computed)
    read = value.first.args[0]
    assert isinstance(read, EnvRead)
    assert (read.name, spot(read)) == ("DB_MAX", '"DB_MAX"@3:56')
    assert outcome(value, {"DB_MAX": "3"}) == 3
    assert outcome(value, {"DB_MAX": "-3"}) == 12  # the setter takes u32
    goal = only(found).target
    assert isinstance(goal, EnvRead)
    assert spot(goal) == '"URL"@3:85'
    assert [(read.name, spot(read)) for read in found.env_reads] == [("DB_MAX", '"DB_MAX"@3:56'), ("URL", '"URL"@3:85')]
    assert found.reads_environment_wholesale == ""


@pytest.mark.parametrize(
    "body",
    [
        "if let Ok(v) = env::var(k) { return v.parse().unwrap_or(d); } d",
        "match env::var(k) { Ok(v) => v.parse().unwrap_or(d), Err(_) => d }",
        "let Ok(v) = env::var(k) else { return d; }; v.parse().unwrap_or(d)",
        "let text = env::var(k).unwrap_or_default(); text.parse().unwrap_or(d)",
        "env::var(k).map(|v| v.parse().unwrap_or(d)).unwrap_or(d)",
        "env::var(k).ok().map_or(d, |v| v.parse().unwrap_or(d))",
    ],
)
def test_helper_bodies(body: str) -> None:
    found = size('number("N", 12)', after=f"fn number(k: &str, d: u32) -> u32 {{ {body} }}")
    assert [outcome(found, given) for given in ({}, {"N": "3"}, {"N": "x"})] == [12, 3, 12]


def test_error_returns_are_no_results() -> None:
    after = "fn number(k: &str) -> Result<u32, E> { if k.is_empty() { return Err(E::Empty); } Ok(env::var(k)?.parse()?) }"
    found = size('number("N")?', after=after)
    assert [outcome(found, given) for given in ({}, {"N": "3"}, {"N": "x"})] == [MISSING, 3, "fails"]


BUILD = "async fn build(url: &str, size: u32) -> PgPool { PgPoolOptions::new().max_connections(size).connect(url).await.unwrap() }\n"


@pytest.mark.parametrize(
    ("callers", "expected"),
    [
        ('fn a() { build("postgres://a", 9); }', 9),
        ('fn a() { build("postgres://a", 9); } fn b() { build("postgres://a", 9); }', 9),
        ("fn a(n: u32) { build(URL, n); } fn b() { a(8) }", 8),
        ('fn a() { build("postgres://a", 9); } fn b() { build("postgres://b", 8); }', "? parameter `size` differs between its callers"),
        ("", "? parameter `size` is given by callers not found"),
        ("fn a() { run(build); }", "? parameter `size` is given by callers not found"),
        ("#[cfg(test)] mod tests { fn a() { build(URL, 1); } } fn b() { build(URL, 2); }", 2),
        ("fn a(n: u32) { build(URL, n); b(n) } fn b(n: u32) { a(n) }", "? parameter `n` is given by callers not found"),
        ('// build(URL, 3)\nfn b() { build(URL, 2); let s = "build(URL, 4)"; }', 2),
    ],
)
def test_parameters(callers: str, expected: object) -> None:
    assert run(only(crate(BUILD + callers)).settings["max_connections"].value, {}) == expected


def test_parameter_of_another_file() -> None:
    found = only(crate("mod db; fn main() { db::build(URL, 9); }", src__db="pub " + BUILD))
    value = found.settings["max_connections"].value
    assert isinstance(value, Literal)
    assert (str(value.span), value.span.text) == ("src/main.rs:1:36", "9")


def test_function_of_another_crate_with_the_same_name() -> None:
    body = 'fn main() { let p = PgPoolOptions::new().max_connections(size("N", 5)).connect(U); }'
    own = "pub fn size(k: &str, d: u32) -> u32 { d }"
    for use, known in (
        ("use other::size;", False),
        ("use other::{Thing, size};", False),
        ("use crate::env::size;", True),
        ("use myapp::env::size;", True),
        ("use env::{size, other};", True),
        ("use super::*;", True),
        ("", False),
    ):
        found = only(crate(f"{use}\n{body}", src__env=own)).settings["max_connections"].value
        assert isinstance(found, Literal) is known, use


def test_method_parameters() -> None:
    code = """
struct Db { pool: PgPool }
impl Db {
    pub async fn open(url: &str, size: u32) -> Self {
        Self { pool: PgPoolOptions::new().max_connections(size).connect(url).await.unwrap() }
    }
}
struct Other;
impl Other { fn open(a: &str, b: u32) {} }
fn main() { Db::open("postgres://x", 14); Other::open("y", 15); open("z", 16); }
"""
    assert spot(only(crate(code)).settings["max_connections"].value) == "14@10:38"


def test_config_over_three_files() -> None:
    found = crate(
        src__main="mod config; mod db;\nfn main() { let config = config::Config::from_env()?; db::connect(&config).await; }",
        src__config="pub struct Config { pub max: u32, pub url: String, pub idle: Option<u64> }\n"
        "impl Config { pub fn from_env() -> Result<Self> {\n"
        'Ok(Self { max: env::var("DB_MAX").ok().and_then(|v| v.parse().ok()).unwrap_or(DEFAULT),\n'
        'url: env::var("DATABASE_URL")?, idle: None }) } }\nconst DEFAULT: u32 = 25;',
        src__db="pub async fn connect(c: &Config) -> PgPool { PgPoolOptions::new().max_connections(c.max).connect(&c.url).await.unwrap() }",
    )
    pool = only(found)
    value = pool.settings["max_connections"].value
    assert isinstance(value, Fallback)
    assert str(value.second.span) == "src/config.rs:5:22"
    assert outcome(value, {"DB_MAX": "4"}) == 4
    assert isinstance(pool.target, EnvRead)
    assert (pool.target.name, str(pool.target.span)) == ("DATABASE_URL", "src/config.rs:4:15")
    assert pool.function == "connect"


CLAP = """
#[derive(Parser)]
struct Cli {
    /// how many
    #[arg(long, env = "DB_MAX", default_value_t = 10)]
    max: u32,
    #[clap(long, env)]
    database_url: String,
    #[arg(long, env = "DB_IDLE", default_value = "5")]
    idle: u64,
}
"""


def test_clap() -> None:
    body = "let cli = Cli::parse(); let p = PgPoolOptions::new().max_connections(cli.max).idle_timeout(Duration::from_secs(cli.idle))"
    found = crate(main(f"{body}.connect(&cli.database_url).await?;", CLAP))
    pool = only(found)
    value = pool.settings["max_connections"].value
    assert [outcome(value, given) for given in ({}, {"DB_MAX": "3"}, {"DB_MAX": "x"})] == [10, 3, "fails"]
    idle_for = pool.settings["idle_timeout"].value
    assert [outcome(idle_for, given) for given in ({}, {"DB_IDLE": "7"})] == [Seconds(5), Seconds(7)]
    assert isinstance(pool.target, EnvRead)
    assert pool.target.name == "DATABASE_URL"
    assert [(read.name, spot(read)) for read in found.env_reads] == [
        ("DB_MAX", '"DB_MAX"@5:23'),
        ("DATABASE_URL", "env@7:18"),
        ("DB_IDLE", '"DB_IDLE"@9:23'),
    ]


def test_clap_field_of_a_type_of_its_own() -> None:
    before = '#[derive(Parser)] struct C { #[arg(env = "DB_URL", default_value = "postgres://d")] url: Url }'
    found = target("c.url.as_str()", before, "let c = C::parse();")
    assert found is not None
    assert [outcome(found, given) for given in ({}, {"DB_URL": "postgres://e"})] == ["postgres://d", "postgres://e"]


def test_envconfig() -> None:
    before = '#[derive(Envconfig)] struct C { #[envconfig(from = "DB_MAX", default = "10")] max: u32 }'
    found = size("c.max", before, statements="let c = C::init_from_env().unwrap();")
    assert [outcome(found, given) for given in ({}, {"DB_MAX": "3"}, {"DB_MAX": "x"})] == [10, 3, "fails"]


# --- targets


@pytest.mark.parametrize(
    ("expression", "before", "statements", "environment", "expected"),
    [
        ('"postgres://localhost/x"', "", "", {}, "postgres://localhost/x"),
        ("&url", "", 'let url = std::env::var("DATABASE_URL").expect("set it");', {"DATABASE_URL": "postgres://e"}, "postgres://e"),
        ('&env::var("DATABASE_URL")?', "", "", {"DATABASE_URL": "postgres://e"}, "postgres://e"),
        ("url.as_str()", 'const url: &str = "postgres://c";', "", {}, "postgres://c"),
        ('&format!("postgres://{}:{}@{}/{}", "u", 5, HOST, n = 1)', 'const HOST: &str = "h";', "", {},
         "? put together as the program runs"),
        ('&format!("postgres://{}@{host}/{0}{{}}", USER, host = "h")', 'const USER: &str = "u";', "", {}, "postgres://u@h/u{}"),
        ('&format!("postgres://{user}@h:{}", port)', "", 'let user = env::var("U").unwrap(); let port = 5432;', {"U": "me"}, "postgres://me@h:5432"),
        ('&format!("postgres://{:?}", user)', "", 'let user = "u";', {}, "? put together as the program runs"),
        ('concat!("postgres://", "h")', "", "", {}, "postgres://h"),
        ('r#"postgres://"h""#', "", "", {}, 'postgres://"h"'),
        (r'"a\n\x41\u{e9}\\"', "", "", {}, "a\nAé\\"),
        ("&secrets.url", "", "", {}, "? `secrets.url` is decided at run time"),
    ],
)  # fmt: skip
def test_target(expression: str, before: str, statements: str, environment: dict[str, str], expected: object) -> None:
    found = target(expression, before, statements)
    assert found is not None
    assert run(found, environment) == expected


def test_options_are_no_target() -> None:
    assert only(crate(main('let p = PgPool::connect_with(PgConnectOptions::new().host("h")).await?;'))).target is None


def test_options_from_one_url() -> None:
    found = only(crate(main('let p = PgPool::connect_with(PgConnectOptions::from_str("postgres://h")?.application_name("a")).await?;')))
    assert spot(found.target) == '"postgres://h"@3:57'


def test_reason_holds_no_text_of_the_code() -> None:
    found = target('&login("postgres://u:hunter2@h/d")')
    assert isinstance(found, Opaque)
    assert "hunter2" not in found.reason


# --- which code is a pool


@pytest.mark.parametrize(
    ("expression", "constructor"),
    [
        ("PgPoolOptions::new().connect(&url).await?", "PgPoolOptions::new"),
        ("sqlx::postgres::PgPoolOptions::new().connect(&url).await?", "PgPoolOptions::new"),
        ("PgPoolOptions::default().connect(&url).await?", "PgPoolOptions::default"),
        ("PoolOptions::<Postgres>::new().connect(&url).await?", "PoolOptions::<Postgres>::new"),
        ("sqlx::pool::PoolOptions::<sqlx::Postgres>::new().connect(&url).await?", "PoolOptions::<Postgres>::new"),
        ("PgPool::connect(&url).await?", "PgPool::connect"),
        ("sqlx::PgPool::connect(&url).await?", "PgPool::connect"),
        ("PgPool::connect_with(options).await?", "PgPool::connect_with"),
        ("PgPool::connect_lazy(&url)?", "PgPool::connect_lazy"),
        ("PgPool::connect_lazy_with(options)", "PgPool::connect_lazy_with"),
        ("Pool::<Postgres>::connect(&url).await?", "Pool::<Postgres>::connect"),
        ("sqlx::Pool::<sqlx::Postgres>::connect(&url).await?", "Pool::<Postgres>::connect"),
        ("PoolOptions::new().connect_with(PgConnectOptions::new()).await?", "PoolOptions::new"),
        ('PoolOptions::new().connect("postgres://x").await?', "PoolOptions::new"),
    ],
)
def test_constructor(expression: str, constructor: str) -> None:
    text = main(f"let pool = {expression};")
    assert any(needle.decode() in text for needle in NEEDLES)
    found = only(crate(text))
    assert (found.library, found.constructor, found.function) == ("sqlx", constructor, "main")
    expected = expression.partition("()")[0] + "()" if "Options::" in expression.partition("(")[0] else expression.partition(")")[0] + ")"
    assert found.span.text == expected
    assert found.span.place == (3, 12)
    assert found.lazy == ("lazy" in constructor)


@pytest.mark.parametrize(
    "code",
    [
        main("let pool: PgPool = PoolOptions::new().connect(&url).await?;"),
        main("let pool: sqlx::Pool<sqlx::Postgres> = PoolOptions::new().connect(&url).await?;"),
        main("let pool: Pool<Postgres> = Pool::connect(&url).await?;"),
        "async fn open(url: &str) -> Result<PgPool, Error> { PoolOptions::new().connect(url).await }",
        "async fn open(url: &str) -> Result<Pool<Postgres>> { Ok(PoolOptions::new().connect(url).await?) }",
        main("let options: PoolOptions<Postgres> = PoolOptions::new(); let pool = options.connect(&url).await?;"),
        "use sqlx::postgres::PgPoolOptions as Options;\n" + main("let p = Options::new().connect(&url).await?;"),
        "use sqlx::postgres::{PgPool as P, PgPoolOptions as Options};\n" + main("let p = Options::new().connect(&url).await?;"),
        "type Db = sqlx::Pool<sqlx::Postgres>;\n" + main("let p = Db::connect(&url).await?;"),
        "type Backend = sqlx::Postgres;\n" + main("let p = PoolOptions::<Backend>::new().connect(&url).await?;"),
        "lazy_static! { static ref POOL: PgPool = PgPoolOptions::new().connect_lazy(URL).unwrap(); }",
        "static POOL: Lazy<PgPool> = Lazy::new(|| PgPoolOptions::new().connect_lazy(URL).unwrap());",
        main("tokio::select! { p = PgPoolOptions::new().connect(&url) => p, _ = stop() => return }"),
        main("let (a, b) = try_join!(PgPool::connect(&url), other())?;"),
        main("let p = block_on(async { PgPool::connect(&url).await })?;"),
        main("spawn(async move { let p = PgPool::connect(&url).await; });"),
        "#[tokio::main]\n" + main("let p = PgPool::connect(&url).await?;"),
        "#[cfg(not(test))]\n" + main("let p = PgPool::connect(&url).await?;").strip(),
        '#[cfg(feature = "latest")]\n' + main("let p = PgPool::connect(&url).await?;").strip(),
        "#[cfg(test)] mod tests { fn f() {} }\n" + main("let p = PgPool::connect(&url).await?;"),
        main("let p = PgPool :: connect(&url).await?;"),
    ],
)
def test_is_a_pool(code: str) -> None:
    only(crate(code))


@pytest.mark.parametrize(
    "code",
    [
        main("let p = MySqlPoolOptions::new().connect(&url).await?;"),
        main("let p = SqlitePoolOptions::new().connect(&url).await?;"),
        main("let p = AnyPoolOptions::new().connect(&url).await?;"),
        main("let p = PoolOptions::<MySql>::new().connect(&url).await?;"),
        main("let p = PoolOptions::<Sqlite>::new().connect(&url).await?;"),
        main("let p = Pool::<MySql>::connect(&url).await?;"),
        main("let p = PoolOptions::new().connect(&url).await?;"),
        main("let p: MySqlPool = PoolOptions::new().connect(&url).await?;"),
        main("let p = Pool::connect(&url).await?;"),
        main("let p = MyPgPool::connect(&url).await?;"),
        main("let p = PgPool::builder().build(manager)?;"),
        main("let f = PgPool::close;"),
        main("// PgPoolOptions::new()\n/* PgPool::connect(&url) */"),
        "/// PgPoolOptions::new()\n//! PgPool::connect(&url)\nfn f() {}",
        main('let s = "PgPoolOptions::new()"; let r = r#"PgPool::connect(&url)"#;'),
        "macro_rules! pool { ($url:expr) => { PgPoolOptions::new().connect($url) } }",
        "#[cfg(test)]\nmod tests { use super::*; fn f() { PgPoolOptions::new().connect(URL); } }",
        "#[cfg(all(test, unix))]\nmod tests { fn f() { PgPoolOptions::new().connect(URL); } }",
        '#[cfg(any(test, feature = "testing"))]\nfn f() { PgPoolOptions::new().connect(URL); }',
        "#[test]\nfn f() { PgPoolOptions::new().connect(URL); }",
        "#[tokio::test]\nasync fn f() { PgPoolOptions::new().connect(URL); }",
        '#[tokio::test(flavor = "multi_thread")]\n// why\n#[ignore]\nasync fn f() { PgPoolOptions::new().connect(URL); }',
        "#[sqlx::test]\nasync fn f(o: PgPoolOptions) { PgPool::connect(URL); }",
        "#![cfg(test)]\nfn f() { PgPoolOptions::new().connect(URL); }",
        "type PgPool = r2d2::Pool<ConnectionManager<PgConnection>>;\n" + main("let p = PgPool::connect(&url);"),
        "struct PgPoolOptions { size: u32 }\n" + main("let p = PgPoolOptions::new().connect(&url);"),
        "use sqlx::postgres::PgPoolOptions;\nfn f(pool: &PgPool, o: PgPoolOptions) {}",
    ],
)
def test_is_no_pool(code: str) -> None:
    assert crate(code).pools == ()


def test_module_for_tests_only() -> None:
    code = "fn f() { PgPool::connect(URL); }"
    assert len(crate(src__lib="mod support;", src__support=code).pools) == 1
    assert crate(src__lib="#[cfg(test)]\nmod support;", src__support=code).pools == ()
    assert crate(src__lib="#[cfg(test)]\nmod support;", src__support="mod db;", src__support__db=code).pools == ()
    assert len(crate(src__lib="#[cfg(test)]\nmod other;\nmod support;", src__support=code).pools) == 1


# --- chains


def test_spans() -> None:
    code = """async fn main() {
    let größe = "é";
    let pool = PgPoolOptions::new()
        // the ü in this comment is two bytes
        .max_connections( 10 )
        /* and
           here */
        .acquire_timeout(std::time::Duration::from_secs(3))
        .idle_timeout(Some(Duration::from_secs(MINUTES * 60)))
        .connect(&url)
        .await?;
}
const MINUTES: u64 = 10;
"""
    for text in (code, code.replace("\n", "\r\n")):
        pool = only(crate(text))
        assert (pool.span.text, pool.span.place) == ("PgPoolOptions::new()", (3, 16))
        size_call = pool.settings["max_connections"]
        assert (size_call.span.text, size_call.span.place) == (".max_connections( 10 )", (5, 9))
        assert (size_call.name_span.text, size_call.name_span.place) == ("max_connections", (5, 10))
        assert (size_call.value_span.text, size_call.value_span.place) == ("10", (5, 27))
        assert spot(size_call.value) == "10@5:27"
        wait = pool.settings["acquire_timeout"]
        assert wait.value_span.text == "std::time::Duration::from_secs(3)"
        assert spot(wait.value) == "std::time::Duration::from_secs(3)@8:26"
        idle_call = pool.settings["idle_timeout"]
        assert idle_call.value_span.text == "Some(Duration::from_secs(MINUTES * 60))"
        assert outcome(idle_call.value, {}) == Seconds(600)
        assert isinstance(idle_call.value, Computed)
        product = idle_call.value.args[0]
        assert isinstance(product, Computed)
        assert [spot(arg) for arg in product.args] == ["10@13:22", "60@9:58"]


def chain(body: str, before: str = "", after: str = "") -> tuple[dict[str, object], list[object], PoolCall]:
    pool = only(crate(main(body, before, after)))
    settings = {name: run(call.value, {}) for name, call in pool.settings.items()}
    return settings, [(call.name, run(call.value, {})) for call in pool.shadowed], pool


@pytest.mark.parametrize(
    ("body", "settings", "shadowed"),
    [
        ("PgPoolOptions::new().max_connections(5).max_connections(6).connect(U);", {"max_connections": 6}, [("max_connections", 5)]),
        ("let o = PgPoolOptions::new(); let o = o.max_connections(5); o.connect(U);", {"max_connections": 5}, []),
        ("let o = PgPoolOptions::new().max_connections(4); let p = o.max_connections(5); p.connect(U);",
         {"max_connections": 5}, [("max_connections", 4)]),
        ("let mut o = PgPoolOptions::new(); o = o.max_connections(5); o = o.min_connections(1); o.connect(U);",
         {"max_connections": 5, "min_connections": 1}, []),
        ("let mut o; o = PgPoolOptions::new(); o = o.max_connections(5); o.connect(U);", {"max_connections": 5}, []),
        ("let mut o = PgPoolOptions::new(); if c { o = o.max_connections(5); } o.connect(U);",
         {"max_connections": "? set in only one branch"}, []),
        ("let mut o = PgPoolOptions::new().max_connections(4); if c { o = o.max_connections(5); } o.connect(U);",
         {"max_connections": "? set differently in two branches"}, []),
        ("let mut o = PgPoolOptions::new(); if c { o = o.max_connections(5); } o.max_connections(7).connect(U);",
         {"max_connections": 7}, [("max_connections", "? set in only one branch")]),
        ("let o = PgPoolOptions::new(); let o = if c { o.max_connections(5) } else { o }; o.min_connections(2).connect(U);",
         {"max_connections": "? set in only one branch", "min_connections": 2}, []),
        ("let o = PgPoolOptions::new(); let o = match c { A => o.max_connections(5), B => o.max_connections(6) }; o.connect(U);",
         {"max_connections": "? set differently in two branches"}, []),
        ("let mut o = PgPoolOptions::new(); if cfg!(test) { o = o.max_connections(1); } o.connect(U);", {}, []),
        ("let o = PgPoolOptions::new().max_connections(5); loop { if o.clone().connect(U).await.is_ok() { break; } }",
         {"max_connections": 5}, []),
        ("let o = PgPoolOptions::new().max_connections(5); { let o = other(); o.max_connections(9); } o.connect(U);",
         {"max_connections": 5}, []),
        ("let o = { let o = PgPoolOptions::new(); o.max_connections(5) }; o.connect(U);", {"max_connections": 5}, []),
        ("let o = PgPoolOptions::new().max_connections(5); spawn(async move { o.connect(U).await });", {"max_connections": 5}, []),
        ("PgPoolOptions::new().test_before_acquire(false).connect(U);", {"test_before_acquire": False}, []),
    ],
)  # fmt: skip
def test_chain(body: str, settings: dict[str, object], shadowed: list[object]) -> None:
    found, lost, pool = chain(body)
    assert (found, lost) == (settings, shadowed)
    assert pool.unfinished == ""
    assert len(pool.connects) == 1


def test_builder_from_function() -> None:
    settings, _, pool = chain(
        "let p = options().min_connections(2).connect(U);",
        after="fn options() -> PgPoolOptions { PgPoolOptions::new().max_connections(5) }",
    )
    assert settings == {"max_connections": 5, "min_connections": 2}
    assert pool.function == "options"
    assert pool.unfinished == ""


def test_builder_through_function() -> None:
    settings, _, pool = chain(
        "let p = tune(PgPoolOptions::new().max_connections(5), 2).connect(U);",
        after="fn tune(options: PgPoolOptions, least: u32) -> PgPoolOptions { options.min_connections(least) }",
    )
    assert settings == {"max_connections": 5, "min_connections": 2}
    assert pool.unfinished == ""


def test_shared_builder() -> None:
    settings, _, pool = chain(
        'let o = PgPoolOptions::new().max_connections(5); let a = o.clone().min_connections(1).connect("postgres://a"); let b = o.connect("postgres://b");'
    )
    reason = "? differs between the pools made from one builder"
    assert settings == {"max_connections": 5, "min_connections": reason}
    assert pool.target is not None
    assert run(pool.target, {}) == reason
    assert [span.text[-14:] for span in pool.connects] == ['"postgres://a")'[-14:], '"postgres://b")'[-14:]]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("self.options = PgPoolOptions::new().max_connections(5);", "is kept in a field"),
        ("let s = S { options: PgPoolOptions::new().max_connections(5) };", "is kept in a struct"),
        ("let p = elsewhere(PgPoolOptions::new().max_connections(5));", "is passed to `elsewhere`"),
        ("let o = PgPoolOptions::new().max_connections(5).tap(more); o.connect(U);", "goes through `.tap()`"),
    ],
)
def test_builder_out_of_sight(body: str, why: str) -> None:
    settings, _, pool = chain(body)
    assert settings["max_connections"] == 5
    assert settings["idle_timeout"] == f"? the pool's builder {why}"
    assert settings["acquire_timeout"] == settings["idle_timeout"]
    assert pool.settings["idle_timeout"].span == pool.span
    assert pool.unfinished == why


def test_callbacks_and_unknown_setters() -> None:
    settings, _, pool = chain("PgPoolOptions::new().after_connect(|c, _| Box::pin(async move { Ok(()) })).connect(U);")
    assert settings == {"after_connect": "? decided by code as it runs"}
    assert pool.unfinished == ""


def test_choice() -> None:
    found = crate(
        main("let p = if lazy { PgPool::connect_lazy(U)? } else { PgPool::connect(U).await? };\nlet q = PgPool::connect(U).await?;")
    )
    first, second, third = found.pools
    assert first.choice is not None
    assert first.choice == second.choice
    assert first.choice.text.startswith("if lazy {")
    assert third.choice is None
    assert [pool.lazy for pool in found.pools] == [True, False, False]


def test_order_and_functions() -> None:
    found = crate("static P: Lazy<PgPool> = Lazy::new(|| PgPool::connect_lazy(U).unwrap());\n" + BUILD)
    assert [(pool.function, pool.span.place) for pool in found.pools] == [("", (1, 39)), ("build", (2, 50))]


# --- the rest of a crate


@pytest.mark.parametrize(
    ("statement", "closed"),
    [
        ("pool.close().await;", ["pool.close()"]),
        ("self.pool.close().await;", ["self.pool.close()"]),
        ("state.db.clone().close().await;", ["state.db.clone().close()"]),
        ("app.pg_pool().close().await;", ["app.pg_pool().close()"]),
        ("let handle = PgPool::connect(U).await?; handle.close().await;", ["handle.close()"]),
        ("file.close();", []),
        ("socket.close().await;", []),
        ("// pool.close().await;", []),
        ("pool.close_event().await;", []),
    ],
)
def test_close(statement: str, closed: list[str]) -> None:
    assert [span.text for span in crate(main(statement)).closes] == closed


def test_close_in_tests_only() -> None:
    assert crate("#[tokio::test]\nasync fn t() { pool.close().await; }").closes == ()


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (main('env::var("A"); std::env::var("B"); dotenvy::var("C"); std::env::var_os("D");'), ["A", "B", "C", "D"]),
        ('use std::env::var;\n' + main('var("A"); self.var("B"); other::var("C");'), ["A"]),
        ('const KEY: &str = "A";\n' + main("env::var(KEY);"), ["A"]),
        (main('let key = "A"; env::var(key);'), ["A"]),
        (main('get("A"); get("B");', after="fn get(k: &str) -> String { inner(k) } fn inner(k: &str) -> String { env::var(k).unwrap() }"),
         ["A", "B"]),
        (main('println!("{}", env::var("A").unwrap());'), ["A"]),
        (main('// env::var("A")\nlet s = r#"env::var("B")"#;'), []),
        ("#[cfg(test)]\nmod t { fn f() { env::var(\"A\"); } }", []),
        (main('let m = Command::new("x").arg(Arg::new("y").env("A")).env("B", "C");'), ["A"]),
        (main('env!("A"); option_env!("B");'), []),
    ],
)  # fmt: skip
def test_env_names(code: str, names: list[str]) -> None:
    found = crate(code)
    assert [read.name for read in found.env_reads] == names
    assert found.env_names == frozenset(names)
    assert found.reads_environment_wholesale == ""
    assert all(read.span.text.strip('"') in (read.name, "KEY", "key") for read in found.env_reads)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("let c = envy::from_env::<C>()?;", "envy fills a struct from the environment"),
        ('let c = envy::prefixed("APP_").from_env::<C>()?;', "envy fills a struct from the environment"),
        (
            'let c = config::Config::builder().add_source(config::Environment::with_prefix("APP"));',
            "the config crate merges in the environment",
        ),
        ('let f = Figment::new().merge(Env::prefixed("APP_"));', "figment merges in the environment"),
        ("for (k, v) in std::env::vars() {}", "the code goes through all variables"),
        ("for name in names { env::var(name); }", "the code reads a variable whose name is computed"),
        ('env::var(format!("{p}_URL"));', "the code reads a variable whose name is computed"),
        ("names.map(env::var);", "the code reads a variable whose name is computed"),
        ("// envy::from_env::<C>()", ""),
        ('let s = "envy::from_env";', ""),
    ],
)
def test_wholesale(statement: str, reason: str) -> None:
    assert crate(main(statement)).reads_environment_wholesale == reason


@pytest.mark.parametrize(
    ("code", "loads"),
    [
        (main("dotenvy::dotenv().ok();"), True),
        ("use dotenvy::dotenv;\n" + main("dotenv().ok();"), True),
        (main('dotenvy::from_filename(".env.local").ok();'), True),
        ("use dotenvy::from_filename;\n" + main('from_filename(".env.local").ok();'), True),
        (main("dotenv::dotenv().expect(\"no .env\");"), True),
        (main('dotenvy::var("A");'), True),
        (main("// dotenvy::dotenv().ok();"), False),
        ("#[test]\nfn t() { dotenvy::dotenv().ok(); }", False),
        ("use dotenvy::dotenv;\nfn main() {}", False),
        (main('let s = "dotenv";'), False),
    ],
)  # fmt: skip
def test_dotenv(code: str, loads: bool) -> None:
    assert crate(code).loads_dotenv is loads


# --- hard input


@pytest.mark.parametrize(
    "code",
    [
        "",
        "\x00",
        "fn main() { let p = PgPoolOptions::new(",
        "fn main() { let p = PgPoolOptions::new().max_connections(",
        "fn main() { let p = PgPoolOptions::new().max_connections().connect(); }",
        "PgPoolOptions::new()",
        "PgPool::connect",
        "fn f() { PgPoolOptions::new().max_connections(99999999999999999999999999999999999999999999999999999999999999999).connect(U) }",
        "fn f() { PgPoolOptions::new().max_connections(1 / 0).connect(U) }",
        "fn f() { PgPoolOptions::new().idle_timeout(Duration::from_secs(-1)).connect(U) }",
        'fn f() { PgPool::connect("\\u{110000}") }',
        'fn f() { PgPool::connect("\\',
        "fn f() { PgPool::connect(&format!()) } fn g() { PgPool::connect(&format!(\"{\")) }",
        "lazy_static! { PgPool::connect(((((( }",
        "#[cfg(test",
        "fn f() { PgPoolOptions::new().max_connections(C::).connect(U) } fn (n: u32) { PgPool::connect(n) }",
        "type PgPool",
        "use sqlx::PgPool as ;",
        'fn f() { env::var("A',
        "#[arg(env =)] x",
        "\udce9\udcff PgPool::connect(U); \udcff",
    ],
)  # fmt: skip
def test_never_raises(code: str) -> None:
    read_crate([Source("src/main.rs", code)])


def test_broken_code_still_gives_what_it_can() -> None:
    found = crate("fn broken( { let x = ; }\n}}}\n" + main("let p = PgPoolOptions::new().max_connections(7).connect(U).await?;"))
    assert spot(only(found).settings["max_connections"].value) == "7@5:46"


def test_impossible_number_is_not_a_value() -> None:
    assert outcome(size("1 / 0"), {}) == "fails"
    assert outcome(idle("Duration::from_secs(-1)"), {}) == "fails"
    assert isinstance(size("9" * 70), Opaque)


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 5000 + "5" + ")" * 5000,
        "5" + " + 5" * 5000,
        "{" * 5000 + "5" + "}" * 5000,
        "Some(" * 3000 + "5" + ")" * 3000,
        "5" + ".into()" * 5000,
    ],
)
def test_deep_nesting(expression: str) -> None:
    assert isinstance(size(expression), Opaque)


def test_time_stays_linear() -> None:
    def seconds(count: int) -> float:
        pools = "".join(
            f"async fn f{n}(u: &str) {{ let p = PgPoolOptions::new().max_connections(N{n}).connect(u).await; }}\n" for n in range(count)
        )
        consts = "".join(f"const N{n}: u32 = {n};\n" for n in range(count))
        start = time.perf_counter()
        assert len(crate(pools + consts).pools) == count
        return time.perf_counter() - start

    seconds(5)
    few, many = min(seconds(40) for _ in range(3)), seconds(400)
    assert many < 40 * few + 0.5


def test_many_reads_through_many_callers() -> None:
    start = time.perf_counter()
    found = crate("fn g(k: &str) {" + "env::var(k);" * 1000 + "}\nfn f() {" + 'g("A");\n' * 1000 + "}")
    assert len(found.env_reads) == 1000
    assert time.perf_counter() - start < 3


def test_huge_line() -> None:
    text = 'fn f() { let s = "' + "x " * 1_000_000 + '"; } fn g() { let p = PgPool::connect(U); }'
    start = time.perf_counter()
    only(crate(text))
    assert time.perf_counter() - start < 2


def test_no_heavy_import_without_needle() -> None:
    import subprocess
    import sys

    code = "import sys; import polint.formats.rust; assert not [m for m in sys.modules if 'tree_sitter' in m or 'treesitter' in m]"
    subprocess.run([sys.executable, "-c", code], check=True)


ONE_URL = '"postgres://db/d"'


@pytest.mark.parametrize(
    ("text", "least", "most", "why"),
    [
        ("async fn pool() { PgPool::connect(U).await } async fn main() { let a = pool().await; }", 1, 1, ""),
        ("async fn pool() { PgPool::connect(U).await } async fn main() { let a = pool().await; let b = pool().await; }", 2, 2, ""),
        ("async fn pool() { PgPool::connect(U).await } async fn main() { if x { pool().await; } else { pool().await; } }", 1, 1, ""),
        ("async fn pool() { PgPool::connect(U).await } async fn main() { pool().await; if x { pool().await; } }", 1, 2, ""),
        ("async fn pool() { PgPool::connect(U).await } async fn main() { pool().await; }\n#[test] fn t() { pool(); }", 1, 1, ""),
        ("struct Db; impl Db { fn new() { PgPool::connect(U) } } async fn main() { Db::new(); Db::new(); Other::new(); }", 2, 2, ""),
        ("fn pool() { PgPool::connect(U) } fn both() { pool(); pool(); } fn main() { both(); both(); }", 4, 4, ""),
        ("fn main() { for i in 0..20 { shards.push(PgPool::connect(U).await); } }", 1, None, "is built in a loop"),
        ("fn main() { let all = urls.iter().map(|u| PgPool::connect_lazy(u)).collect(); }", 1, None, "is built in a loop"),
        ("fn main() { let one = url.as_ref().map(|u| PgPool::connect_lazy(u)); }", 1, 1, ""),
        ("fn main() { loop { match PgPool::connect(U).await { Ok(p) => break p, Err(e) => sleep() } } }", 1, 1, ""),
        ("fn f() { for _ in 0..5 { let p = PgPool::connect(U).await; if p.is_ok() { return p; } } }", 1, 1, ""),
        ("fn f() { for t in all { if t.bad() { return Err(x); } v.push(PgPool::connect(U).await?); } }", 1, None, "is built in a loop"),
        ("fn page() { PgPool::connect(U).await } fn main() { r.route(\"/\", get(page)); }", 1, None, "is built for each request"),
        ("#[get(\"/\")]\nasync fn handler() { PgPool::connect(U).await }", 1, None, "is built for each request"),
        ("fn db() { P.get_or_init(|| PgPool::connect_lazy(U)) } fn a() { db(); } fn b() { db(); } fn main() { a(); b(); }", 1, 1, ""),
        ("fn main() { HttpServer::new(|| { App::new().data(PgPool::connect_lazy(U)) }) }", 1, None,
         "is built for each worker of the HTTP server"),
        ("fn main() { let make = || PgPool::connect_lazy(U); let a = make(); let b = make(); }", 2, 2, ""),
        ("fn main() { let o = PgPoolOptions::new(); let a = o.clone().connect(U).await; let b = o.connect(U).await; }", 2, 2, ""),
    ],
)  # fmt: skip
def test_how_often_built(text: str, least: int, most: int | None, why: str) -> None:
    pool = only(crate(text.replace("(U)", f"({ONE_URL})")))
    assert (pool.at_least_built, pool.at_most_built, pool.repeated, pool.in_loop) == (least, most, why, most is None)


def test_each_program_of_a_crate_is_a_process() -> None:
    pool = 'pub fn pool() { PgPool::connect_lazy("postgres://db/d") }'
    found = crate(
        src__db=pool, src__main="fn main() { pool(); pool(); }\nuse db::pool;", src__bin__tool="use x::db::pool; fn main() { pool(); }"
    )
    assert (only(found).at_least_built, only(found).at_most_built) == (1, 2)


@pytest.mark.parametrize(
    ("text", "name", "at"),
    [
        ("fn main() { let c = deadpool_postgres::Config::new(); }", "deadpool", (1, 21)),
        ("use bb8_postgres::PostgresConnectionManager;", "bb8", (1, 5)),
        ("fn p() { let m = diesel::r2d2::ConnectionManager::<diesel::PgConnection>::new(u); }", "r2d2", (1, 18)),
        ("use rocket_db_pools::Database;\n#[derive(Database)] struct Db(sqlx::PgPool);", "rocket_db_pools", (1, 5)),
        ("async fn p() { tokio_postgres::connect(url, NoTls).await }", "tokio-postgres", (1, 16)),
        ("fn p() { sqlx::any::AnyPoolOptions::new().max_connections(90).connect(url) }", "SQLx's AnyPool", (1, 21)),
    ],
)
def test_other_libraries(text: str, name: str, at: tuple[int, int]) -> None:
    found = crate(text)
    assert [(label, span.place) for label, span in found.others] == [(name, at)]
    assert any(needle in text.encode() for needle in NEEDLES) or "AnyPool" in text
    assert crate(f"// {text}").others == () or "\n" in text
    assert crate(f"#[cfg(test)] mod tests {{ {text} }}").others == ()


def test_single_connections() -> None:
    text = main('let l = PgListener::connect("postgres://db/a").await;\nlet m = PgListener::connect_with(&pool).await;\n'
                'let c = sqlx::PgConnection::connect("postgres://db/b").await;')  # fmt: skip
    found = [(one.constructor, one.span.text.partition("(")[0], one.target, one.at_most_built) for one in crate(text).singles]
    assert [(name, shown, count) for name, shown, _, count in found] == [
        ("PgListener::connect", "PgListener::connect", 1),
        ("PgConnection::connect", "sqlx::PgConnection::connect", 1),
    ]
    assert [value.value for _, _, value, _ in found if isinstance(value, Literal)] == ["postgres://db/a", "postgres://db/b"]


@pytest.mark.parametrize(
    ("body", "closed"), [("self.inner.close().await", True), ("self.file.close().await", False), ("other.inner.close().await", False)]
)
def test_a_wrapper_closes_its_pool(body: str, closed: bool) -> None:
    text = f"struct Db {{ inner: PgPool, file: File }} impl Db {{ async fn close(&self) {{ {body}; }} }}"
    assert [span.text for span in crate(text).closes] == ([body.removesuffix(".await")] if closed else [])


@pytest.mark.parametrize(
    "form", ["default.to_string()", "(&default.to_string()).clone()", 'format!("{}", default)', 'format!("{default}")']
)
def test_a_helpers_default_is_the_callers_argument(form: str) -> None:
    helper = f"fn num(name: &str, default: u32) -> u32 {{ std::env::var(name).unwrap_or_else(|_| {form}).parse().unwrap() }}"
    value = size('num("MAX", 60)', helper)
    assert run(value, {}) == 60
    assert isinstance(value, Computed)
    first = value.args[0]
    assert isinstance(first, Fallback)
    assert isinstance(first.second, Literal)
    assert first.second.span.text == "60"


@pytest.mark.parametrize(
    ("call", "field", "environment", "expected"),
    [
        ("let c: C = envy::from_env()?;", "max: u32", {"MAX": "150"}, 150),
        ("let c = envy::from_env::<C>()?;", "max: u32", {"MAX": "150"}, 150),
        ('let c = envy::prefixed("APP_").from_env::<C>()?;', "max: u32", {"APP_MAX": "7", "MAX": "1"}, 7),
        ("let c = envy::from_env::<C>()?;", '#[serde(default = "ten")] max: u32', {}, 10),
        ("let c = envy::from_env::<C>()?;", '#[serde(default = "ten")] max: u32', {"MAX": "3"}, 3),
        ("let c = envy::from_env::<C>()?;", "#[serde(default)] max: u32", {}, 0),
    ],
)
def test_envy(call: str, field: str, environment: dict[str, str], expected: int) -> None:
    before = f"#[derive(Deserialize)] struct C {{ {field} }} fn ten() -> u32 {{ 10 }}"
    assert run(size("c.max", before, statements=call), environment) == expected


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ('#[serde(rename = "MAX")] max: u32', "read from the environment in a form that is not followed"),
        ('#[serde(deserialize_with = "f")] max: u32', "read from the environment in a form that is not followed"),
        ("#[serde(flatten)] max: u32", "read from the environment in a form that is not followed"),
    ],
)
def test_envy_lost(field: str, reason: str) -> None:
    value = size("c.max", f"#[derive(Deserialize)] struct C {{ {field} }}", statements="let c = envy::from_env::<C>()?;")
    assert isinstance(value, Opaque)
    assert value.reason == reason


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("fn main() { PgPoolOptions::new(); }", []),
        ("fn main( { PgPoolOptions::new().max_connections(1 }", [(1, 9)]),
        ("use x;\nfn main( {\n PgPoolOptions::new();\n}\n", [(2, 9)]),
        ("fn other( {\n}\nfn main() {\n PgPoolOptions::new();\n}\n", []),
        ("fn main( { }", []),
    ],
)
def test_broken_syntax(text: str, places: list[tuple[int, int]]) -> None:
    assert [fault.span.place for fault in crate(text).faults] == places


# --- other libraries than SQLx


DEADPOOL = "use deadpool_postgres::{Config, Manager, Pool, PoolConfig, Runtime, Timeouts};\n"
SEAORM = "use sea_orm::{ConnectOptions, Database};\n"
DIESEL = "use diesel::{r2d2::{ConnectionManager, Pool}, PgConnection};\n"
BB8 = "use bb8::Pool;\nuse bb8_postgres::PostgresConnectionManager;\n"
MANAGER = "let manager = Manager::new(url.parse().unwrap(), NoTls);\n"
DIESEL_MANAGER = "let manager = ConnectionManager::<PgConnection>::new(url);\n"


def literals(call: PoolCall) -> dict[str, object]:
    """The settings of a pool that are written out."""
    return {name: one.value.value for name, one in call.settings.items() if isinstance(one.value, Literal)}


@pytest.mark.parametrize(
    ("code", "library", "driver", "settings"),
    [
        # deadpool: the Config, field by field, as a literal, from a function, by another name
        ("let mut c = Config::new(); c.pool = Some(PoolConfig::new(16)); c.create_pool(Some(Runtime::Tokio1), NoTls)", "deadpool",
         "tokio-postgres", {"max_size": 16}),
        ("let c = Config { pool: Some(PoolConfig { max_size: 9, ..Default::default() }), ..Config::new() }; c.create_pool(None, NoTls)",
         "deadpool", "tokio-postgres", {"max_size": 9}),
        ("let mut c = Config::default(); c.pool = PoolConfig::new(7).into(); let b = c.builder(NoTls).unwrap(); b.max_size(8).build()",
         "deadpool", "tokio-postgres", {"max_size": 8}),
        ("let mut c = Config::new(); c.pool = Some(PoolConfig::new(4)); let mut c = Config::new(); c.create_pool(None, NoTls)",
         "deadpool", "tokio-postgres", {}),
        ("let mut p = PoolConfig::new(5); p.timeouts.wait = Some(Duration::from_secs(3));"
         "let c = Config { pool: Some(p), ..Config::new() }; c.create_pool(Some(Runtime::Tokio1), NoTls)",
         "deadpool", "tokio-postgres", {"max_size": 5, "wait_timeout": Seconds(3)}),
        ("let mut c = Config::new(); c.create_pool(NoTls)", "deadpool", "tokio-postgres", {}),
        # deadpool: the builder
        (MANAGER + "Pool::builder(manager).max_size(16).wait_timeout(Some(Duration::from_secs(2))).build()", "deadpool", "tokio-postgres",
         {"max_size": 16, "wait_timeout": Seconds(2)}),
        (MANAGER + "Pool::builder(manager).max_size(3).config(PoolConfig::new(16)).build()", "deadpool", "tokio-postgres",
         {"max_size": 16}),
        (MANAGER + "Pool::builder(manager).timeouts(Timeouts::wait_millis(1500)).build()", "deadpool", "tokio-postgres",
         {"wait_timeout": Seconds(1.5)}),
        (MANAGER + "Pool::builder(manager).wait_timeout(Some(T)).timeouts(Timeouts::new()).build()", "deadpool", "tokio-postgres", {}),
        (MANAGER + "Pool::new(manager, 12)", "deadpool", "tokio-postgres", {"max_size": 12}),
    ],
)  # fmt: skip
def test_deadpool(code: str, library: str, driver: str, settings: dict[str, object]) -> None:
    found = only(crate(main(code, DEADPOOL)))
    assert (found.library, found.driver, literals(found)) == (library, driver, settings)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("let c: Config = load(); c.create_pool(None, NoTls)", "the pool's settings come from `load()`, decided at run time"),
        ("settings.pg.create_pool(Some(Runtime::Tokio1), NoTls)", "the pool's settings come from `settings.pg`, decided at run time"),
        ("let mut c = Config::new(); if x { c.pool = Some(PoolConfig::new(3)); } c.create_pool(None, NoTls)",
         "the pool's settings are set in only one branch (`pool`)"),
        ("let mut c = Config::new(); tune(&mut c); c.create_pool(None, NoTls)", "the pool's settings are lent to another function"),
    ],
)  # fmt: skip
def test_deadpool_out_of_sight(code: str, reason: str) -> None:
    found = only(crate(main(code, DEADPOOL)))
    size = found.settings["max_size"]
    assert isinstance(size.value, Opaque)
    assert (size.value.reason, size.span) == (reason, found.span)


@pytest.mark.parametrize(
    ("code", "library", "driver", "settings"),
    [
        (DIESEL + "fn main() {" + DIESEL_MANAGER + "Pool::builder().max_size(4).min_idle(Some(2)).build(manager) }", "r2d2", "diesel",
         {"max_size": 4, "min_idle": 2}),
        (DIESEL + "fn main() {" + DIESEL_MANAGER + "Pool::new(manager) }", "r2d2", "diesel", {}),
        (DIESEL + "type Db = Pool<ConnectionManager<PgConnection>>;\nfn pool() -> Db { Db::builder().build(ConnectionManager::new(url)) }",
         "r2d2", "diesel", {}),
        (DIESEL + "fn pool() -> Pool<ConnectionManager<PgConnection>> { let m = ConnectionManager::new(u); Pool::new(m).unwrap() }",
         "r2d2", "diesel", {}),
        (DIESEL + "struct S { db: Pool<ConnectionManager<PgConnection>> }\n"
         "fn s() -> S { let db = Pool::new(ConnectionManager::new(u)).unwrap(); S { db } }", "r2d2", "diesel", {}),
        ("use r2d2_postgres::PostgresConnectionManager;\nfn main() { let m = PostgresConnectionManager::new(url.parse().unwrap(), NoTls);"
         "r2d2::Pool::builder().max_size(6).build(m) }", "r2d2", "tokio-postgres", {"max_size": 6}),
        (BB8 + "fn main() { let m = PostgresConnectionManager::new_from_stringlike(u, NoTls).unwrap();"
         "let pool = Pool::builder().max_size(15).connection_timeout(Duration::from_secs(5)).build(m).await; }", "bb8", "tokio-postgres",
         {"max_size": 15, "connection_timeout": Seconds(5)}),
        ("use diesel_async::{AsyncPgConnection, pooled_connection::{bb8::Pool as P, AsyncDieselConnectionManager as M}};\n"
         "fn main() { P::builder().build(M::<AsyncPgConnection>::new(u)).await; }", "bb8", "diesel-async", {}),
        ("use diesel_async::{AsyncPgConnection, pooled_connection::{deadpool::Pool, AsyncDieselConnectionManager}};\n"
         "fn main() { Pool::builder(AsyncDieselConnectionManager::<AsyncPgConnection>::new(u)).max_size(5).build(); }", "deadpool",
         "diesel-async", {"max_size": 5}),
        ("use deadpool_diesel::postgres::{Manager, Pool};\nfn main() { Pool::builder(Manager::new(u, R)).max_size(8).build(); }",
         "deadpool", "diesel", {"max_size": 8}),
        ("struct Own;\nimpl bb8::ManageConnection for OwnManager { type Connection = tokio_postgres::Client; }\nstruct OwnManager;\n"
         "fn main() { bb8::Pool::builder().max_size(2).build(OwnManager::new()).await; }", "bb8", "tokio-postgres", {"max_size": 2}),
        (SEAORM + 'fn main() { let mut o = ConnectOptions::new("postgres://db/d"); o.max_connections(9).min_connections(1);'
         "o.idle_timeout(Duration::from_secs(60)); Database::connect(o).await; }", "sea-orm", "sqlx",
         {"max_connections": 9, "min_connections": 1, "idle_timeout": Seconds(60)}),
        (SEAORM + "fn main() { Database::connect(ConnectOptions::new(u).max_connections(3).to_owned()).await; }", "sea-orm", "sqlx",
         {"max_connections": 3}),
        ("fn main() { sea_orm::Database::connect(&url).await; }", "sea-orm", "sqlx", {}),
    ],
)  # fmt: skip
def test_managed_pool(code: str, library: str, driver: str, settings: dict[str, object]) -> None:
    found = crate(code)
    pool = only(found)
    assert (pool.library, pool.driver, literals(pool), found.lost) == (library, driver, settings, ())


@pytest.mark.parametrize(
    "code",
    [
        DIESEL + "fn main() { Pool::builder().max_size(4).build(ConnectionManager::<diesel::SqliteConnection>::new(u)); }",
        "use bb8_redis::RedisConnectionManager as M;\nfn main() { bb8::Pool::builder().build(M::new(u)).await; }\n// postgres",
        "fn main() { deadpool_redis::Pool::builder(manager).max_size(3).build(); }\nuse sqlx::PgPool;",
        "use deadpool_redis::Config;\nuse deadpool_postgres::Pool as P;\nfn main() { Config::new().create_pool(Some(Runtime::Tokio1)); }",
        "struct Pool;\nimpl Pool { fn builder() -> B {} }\nfn main() { Pool::builder().max_size(3).build(PgConnection); }",
        "struct ThreadManager;\nimpl bb8::ManageConnection for ThreadManager { type Connection = redis::Thing; }\n"
        "fn main() { bb8::Pool::builder().build(ThreadManager).await; }",
        "#[cfg(test)] mod tests { " + DIESEL + "fn p() { Pool::new(ConnectionManager::<PgConnection>::new(u)); } }",
    ],
)
def test_pool_of_another_database(code: str) -> None:
    assert crate(code).pools == ()


def test_pool_of_an_undecided_database() -> None:
    code = DIESEL + "fn main() { let m = ConnectionManager::<Connection>::new(u); let pool = Pool::builder().max_size(4).build(m); }"
    found = crate(code)
    assert (found.pools, [(name, span.text) for name, span in found.lost]) == ((), [("r2d2", "Pool::builder()")])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (DEADPOOL + 'fn main() { let mut c = Config::new(); c.url = Some("postgres://db/d".into()); c.create_pool(None, NoTls); }', "postgres://db/d"),
        (DEADPOOL + 'fn main() { Pool::builder(Manager::new("host=db".parse().unwrap(), NoTls)).build(); }', "host=db"),
        (DIESEL + 'fn main() { Pool::new(ConnectionManager::<PgConnection>::new("postgres://db/d")); }', "postgres://db/d"),
        (SEAORM + 'fn main() { let o = ConnectOptions::new("postgres://db/d"); Database::connect(o).await; }', "postgres://db/d"),
        (BB8 + "fn main() { let mut c = tokio_postgres::Config::new(); c.host(H);"
         "Pool::builder().build(PostgresConnectionManager::new(c, T)); }", None),
    ],
)  # fmt: skip
def test_managed_target(code: str, expected: str | None) -> None:
    target = only(crate(code)).target
    assert (target.value if isinstance(target, Literal) else target) == expected


def test_options_lent_away_are_unfinished() -> None:
    code = SEAORM + "fn main() { let mut o = ConnectOptions::new(u); o.max_connections(5); tune(&mut o); Database::connect(o).await; }"
    found = only(crate(code))
    assert (found.unfinished, literals(found)) == ("goes through another function", {"max_connections": 5})
    assert isinstance(found.settings["acquire_timeout"].value, Opaque)


def test_statements_that_are_typed_are_not_prepared() -> None:
    pool = DEADPOOL + "fn main() {" + MANAGER + "Pool::builder(manager).build(); }"
    assert only(crate(pool)).prepares
    assert not only(crate(pool + "fn q() { client.query_typed(sql, &[]).await; }")).prepares


def test_broken_code_that_the_grammar_never_gets_past() -> None:
    started = time.perf_counter()
    assert crate("use sqlx::PgPool;\n(P=l(e(>();}", main("PgPool::connect(url)")).pools[0].library == "sqlx"
    assert time.perf_counter() - started < 5
