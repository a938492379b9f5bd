"""What the readers of a .env file make of its lines, and what nothing sets in a compose file."""

from __future__ import annotations

import pytest

from polint.config import Config
from polint.discover import Files
from polint.formats import Parsed, dotenv
from polint.lint import project_of
from polint.model.project import Project
from polint.source import Source


def built(files: dict[str, str]) -> Project:
    return project_of(Files("", (), {path: text.encode() for path, text in files.items()}), Config())


COMPOSE = "services:\n  app:\n    image: app\n    env_file: .env\n"
RUST = {
    "Cargo.toml": '[package]\nname = "api"\n',
    "src/main.rs": "async fn main() { dotenvy::dotenv().ok(); let p = PgPoolOptions::new().connect(&u).await?; }",
}
ALL = {"compose.yaml": COMPOSE, "artisan": "", **RUST}


def found(env: str, others: dict[str, str]) -> list[str]:
    return [
        f"{one.span.place[0]}:{one.span.place[1]} {one.span.text}|{one.name} {one.account}"
        for one in built({".env": env, **others}).misreadings
    ]


HASH = "phpdotenv drops what follows #"
DOLLAR = "they do not replace the same ${…} and $"


@pytest.mark.parametrize(
    ("env", "others", "expected"),
    [
        ("DB_PASSWORD=a#b\n", {"compose.yaml": COMPOSE}, []),
        ("DB_PASSWORD=a#b\n", {}, []),
        (
            "DB_PASSWORD=a#b\n",
            {"compose.yaml": COMPOSE, "artisan": ""},
            [f"1:13 a#b|DB_PASSWORD has one value for Compose and another for Laravel (phpdotenv): {HASH}"],
        ),
        (
            "DATABASE_URL=postgres://a:b#c@db/x\n",
            ALL,
            [f"1:14 postgres://a:b#c@db/x|DATABASE_URL has one value for Compose and another for Laravel (phpdotenv): {HASH}"],
        ),
        ("DB_PASSWORD=a #b\n", ALL, []),
        ('DB_PASSWORD="a#b"\n', ALL, []),
        ("DB_PASSWORD='a$b'\n", ALL, []),
        ("DB_HOST=db\nDB_URL=pgsql://${DB_HOST}/x\n", ALL, []),
        ("DB_URL=pgsql://${DB_HOST}/x\n", ALL, []),  # set elsewhere, or by nobody: then all lose it
        (
            "DB_PASSWORD=a$b\n",
            ALL,
            [f"1:13 a$b|DB_PASSWORD has one value for Compose and another for Laravel (phpdotenv): {DOLLAR}"],
        ),
        (
            "DB_PASSWORD=a$b\n",
            {"compose.yaml": COMPOSE},
            ["1:13 a$b|DB_PASSWORD loses a part: Compose takes the $ in it for a variable, which is not set"],
        ),
        ("DB_PASSWORD=a$b\n", {"artisan": ""}, []),
        ("DB_PASSWORD=a$B\n", {"compose.yaml": COMPOSE}, []),
        ("DB_NAME=a$b\n", {"compose.yaml": COMPOSE}, []),
        (
            "DB_PASSWORD=ab#cd\n",
            {"artisan": ""},
            ["1:13 ab|DB_PASSWORD is cut short: phpdotenv takes # for a comment, with no blank before it too"],
        ),
        (
            "MAIL=two words\nDB_PASSWORD=x\n",
            {"artisan": ""},
            ["1:10 words|MAIL is refused, and the file with it: phpdotenv refuses a blank inside an unquoted value"],
        ),
        (
            "TITLE=two words\n",
            RUST,
            ["1:11 words|TITLE is refused, and the file with it: dotenvy refuses a blank inside an unquoted value"],
        ),
        ("TITLE=two words\n", {"compose.yaml": COMPOSE}, []),
        (
            "DB_HOST=a\nDB_HOST=b\n",
            ALL,
            ["1:9 a|DB_HOST is set again on line 2: Compose and PHP take the last one, dotenvy the first"],
        ),
        ("KEY=a#b\n", ALL, []),
        ("DB_PASSWORD=a#b\n", {"compose.yaml": "services: {app: {image: 'app:${TAG}'}}", "artisan": "", "x": ""}, ["cut"]),
    ],
)
def test_readers_of_one_file(env: str, others: dict[str, str], expected: list[str]) -> None:
    lines = found(env, others)
    if expected == ["cut"]:  # Compose reads the file, but not this key
        assert [line.partition("|")[2].split()[:4] for line in lines] == [["DB_PASSWORD", "is", "cut", "short:"]]
    else:
        assert [line for line in lines if "refuses" not in line or "refuses" in "".join(expected)] == expected


def test_no_value_is_shown() -> None:
    env = "DB_PASSWORD=geheim#nis$abc\nDB_DSN=x geheim\nDB_URL=geheim$geheim\n"
    for others in (ALL, {"artisan": ""}, {"compose.yaml": COMPOSE}, RUST):
        for one in built({".env": env, **others}).misreadings:
            assert "geheim" not in one.name + one.account


@pytest.mark.parametrize(
    ("env", "text", "expected"),
    [
        ("A=1\n", "deploy: {replicas: '${N}'}", ["N replicas no"]),
        ("N=\n", "deploy: {replicas: '${N}'}", ["N replicas no"]),
        ("N=2\n", "deploy: {replicas: '${N}'}", ["N replicas yes"]),
        (None, "deploy: {replicas: '${N}'}", ["N replicas unknown"]),
        ("A=1\n", "deploy: {replicas: '${N:-1}'}", []),
        ("A=1\n", "deploy: {replicas: '${N:?how many}'}", []),
        ("A=1\n", "mem_limit: ${M}m", ["M the memory limit no"]),
        ("A=1\n", "mem_limit: 1${M}m", []),
        ("A=1\n", "environment: {DB_POOL_SIZE: '${N}', TITLE: '${T}'}", ["N DB_POOL_SIZE no"]),
        ("A=1\n", "environment: {DB_POOL_SIZE: '${N}${M}'}", []),
        ("A=1\n", "command: postgres -c max_connections=${N} -c log_statement=${L}", ["N max_connections no"]),
        ("A=1\n", "command: ['postgres', '--work-mem=${W}MB']", ["W work_mem no"]),
    ],
)
def test_references(env: str | None, text: str, expected: list[str]) -> None:
    files = {"compose.yaml": f"services:\n  db:\n    image: postgres:16\n    {text}\n"}
    project = built(files if env is None else {**files, ".env": env})
    answers = [
        f"{one.variable} {one.setting} {('yes' if one.is_set.value else 'no') if one.is_set.is_known else 'unknown'}"
        for one in project.references
    ]
    assert answers == expected
    assert all(one.span.text == f"${{{one.variable}}}" for one in project.references)


@pytest.mark.parametrize(
    ("path", "text", "is_known"),
    [
        ("Makefile", "up:\n\tN=3 docker compose up", False),
        (".github/workflows/ci.yml", "env: {N: 3}", False),
        ("README.md", "export N=3", False),
        (".env.production", "N=3", False),
        ("run.sh", "docker compose --env-file prod.env up", False),
        ("src/main.rs", 'env::var("N")', True),
        ("run.sh", "echo NN N_", True),
    ],
)
def test_what_may_set_a_variable(path: str, text: str, is_known: bool) -> None:
    files = {"compose.yaml": "services: {a: {image: a, scale: '${N}'}}", ".env": "A=1", path: text}
    assert built(files).references[0].is_set.is_known is is_known


def test_a_file_is_taken_apart_once_for_each_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    parse, seen = dotenv.parse, []

    def counted(source: Source, dialect: str = "compose") -> Parsed:
        seen.append((source.path, dialect))
        return parse(source, dialect)

    monkeypatch.setattr(dotenv, "parse", counted)
    services = "services:\n  a: {image: a, env_file: .env}\n  b: {image: b, env_file: .env, environment: {C: '${A}'}}\n"
    built({**ALL, "compose.yaml": services, ".env": "A=1\nB=$A\n"})
    assert sorted(seen) == [(".env", "compose"), (".env", "dotenvy"), (".env", "phpdotenv")]
