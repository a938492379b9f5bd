"""Who connects where, as which role and how; and that no secret is ever said."""

from __future__ import annotations

import textwrap

import pytest

from polint import config, discover, lint
from polint.fact import Fact
from polint.model import addresses
from polint.model.logins import Login
from polint.model.project import Project

SECRET = "k3Vq9-tRz8mW"


def of(files: dict[str, str]) -> Project:
    texts = {path: textwrap.dedent(text).encode() for path, text in files.items()}
    return lint.project_of(discover.Files("", (), texts), config.Config())


def only(files: dict[str, str], service: str = "api") -> Login:
    (login,) = [login for login in of(files).logins if login.service == service]
    return login


def say(fact: Fact[str]) -> str:
    place = f" at {fact.span} {fact.span.text}" if fact.span is not None else ""
    return (str(fact.value) if fact.is_known else "?") + place


def stack(api: str, extra: str = "") -> str:
    return (
        "services:\n  api:\n    image: ghcr.io/shop/api:3\n    environment:\n"
        + textwrap.indent(textwrap.dedent(api), "      ")
        + "  db:\n    image: postgres:16\n    environment: {POSTGRES_USER: owner}\n"
        + extra
    )


@pytest.mark.parametrize(
    ("url", "host", "user", "password", "database", "params"),
    [
        ("postgres://u:p@h:5432/d", "h", "u", "p", "d", {}),
        ("postgresql://u@h/d?sslmode=require&a=b", "h", "u", "", "d", {"sslmode": "require", "a": "b"}),
        ("postgresql+psycopg2://u:p@h/d", "h", "u", "p", "d", {}),
        ("jdbc:postgresql://h:5433/d?user=u&password=p", "h", "u", "p", "d", {"user": "u", "password": "p"}),
        ("postgres://u:p@s@h/d", "h", "u", "p@s", "d", {}),
        ("postgres://u:p@[::1]:5432/d", "::1", "u", "p", "d", {}),
        ("postgres:///d?host=/run/postgresql", "a Unix socket", "", "", "d", {"host": "/run/postgresql"}),
        ("postgres://a,b/d", "", "", "", "d", {}),
        ("postgres://", "", "", "", "", {}),
    ],
)
def test_a_url_taken_apart(url: str, host: str, user: str, password: str, database: str, params: dict[str, str]) -> None:
    assert addresses.take_apart(url) == (host, user, password, database, params)


@pytest.mark.parametrize(
    "text", ["mysql://u:p@h/d", "http://h", "h:5432", "", "postgres://u:a?b@h/d", "postgres://u:a#b@h/d", "see postgres://h"]
)
def test_what_is_no_url_or_an_uncertain_one(text: str) -> None:
    assert addresses.take_apart(text) is None


@pytest.mark.parametrize(
    "host",
    [
        "pg.shop.eu",
        "x.c9.eu-west-1.rds.amazonaws.com",
        "ep-blue-1.neon.tech",
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "Pg.Shop.EU.",
    ],
)
def test_public_hosts(host: str) -> None:
    assert addresses.is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "db",
        "localhost",
        "a Unix socket",
        "host.docker.internal",
        "pg.internal",
        "pg.default.svc",
        "pg.default.svc.cluster.local",
        "nas.lan",
        "10.0.0.1",
        "127.0.0.1",
        "172.16.0.1",
        "172.31.9.9",
        "192.168.1.5",
        "169.254.0.9",
        "100.64.0.1",
        "100.127.1.1",
        "0.0.0.0",
        "224.0.0.1",
        "192.0.2.7",
        "999.1.1.1",
        "::1",
        "your-host.neon.tech",
        "db.example.com",
        "example.org",
        "<host>.db.eu",
        "\0.shop.eu",
        "-a.b.c",
        "a..b",
    ],
)
def test_hosts_that_are_not_certainly_public(host: str) -> None:
    assert not addresses.is_public(host)


@pytest.mark.parametrize(
    "password",
    [
        "postgres",
        "mysecretpassword",
        "p4ssw0rd!",
        "changeme",
        "Change-Me-Please",
        "admin123456",
        "<your password>",
        "{{ password }}",
        "xxxxxxxx",
        "shop",
        "shop_db_pass_2024",
        "SuperSecret1!",
        "12345678",
        "openadr",
        "abc",
        "very-long-and-random-password-here",
        "${X}",
    ],
)
def test_placeholders(password: str) -> None:
    assert addresses.is_placeholder(password, ("shop",))


@pytest.mark.parametrize(
    "password", [SECRET, "FmTKs5vX52ufKR1rd8tn", "gurkensalat-mit-zwiebeln", "Tr0ub4dor&3", "7f9c2ba4e88f827d", "x" + SECRET * 1000]
)
def test_passwords_somebody_means(password: str) -> None:
    assert not addresses.is_placeholder(password, ("shop",))


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        ("DATABASE_URL: postgres://shop:x@db:5432/shop\n", "db at c.yaml:5:39 db | shop at c.yaml:5:32 shop | ? | db"),
        (
            "PG: postgresql://shop@db/shop?sslmode=disable\n",
            "db at c.yaml:5:29 db | shop at c.yaml:5:24 shop | disable at c.yaml:5:45 disable | db",
        ),
        ("U: postgres://shop:${NOBODY_SETS_IT}@db/s\n", "db at c.yaml:5:44 db | shop at c.yaml:5:21 shop | ? | db"),
        ("U: postgres://${NOBODY}:x@db/s\n", "db at c.yaml:5:33 db | ? | ? | db"),
        ("U: postgres://a%40b:x@db/s\n", "db at c.yaml:5:29 db | a@b at c.yaml:5:21 a%40b | ? | db"),
        (
            "DB_HOST: db\nDB_USER: shop\nDB_SSLMODE: prefer\n",
            "db at c.yaml:5:16 db | shop at c.yaml:6:16 shop | prefer at c.yaml:7:19 prefer | db",
        ),
        ("KC_DB_URL: jdbc:postgresql://db/kc\nKC_DB_USERNAME: kc\n", "db at c.yaml:5:36 db | kc at c.yaml:6:23 kc | ? | db"),
        ("U: postgres://shop@10.0.0.7/shop\n", "10.0.0.7 at c.yaml:5:26 10.0.0.7 | shop at c.yaml:5:21 shop | ? | -"),
    ],
)
def test_variables_of_a_program_that_is_not_read(api: str, expected: str) -> None:
    login = only({"c.yaml": "", "compose.yaml": stack(api)})
    server = login.server.label if login.server is not None else "-"
    assert " | ".join([say(login.host), say(login.user), say(login.sslmode), server]).replace("compose.yaml", "c.yaml") == expected


@pytest.mark.parametrize(
    "api",
    [
        "DATABASE_URL: mysql://u:p@db/d\n",
        "DB_HOST: elsewhere\nDB_USER: u\n",
        "DB_HOST: db\nDB_CONNECTION: mysql\n",
        "DATABASE_URL: ${DATABASE_URL}\n",
        "NOTE: read postgres://db/d\n",
    ],
)
def test_what_is_no_login(api: str) -> None:
    assert of({"compose.yaml": stack(api)}).logins == []


RUST = 'let pool = PgPoolOptions::new().connect(&std::env::var("DATABASE_URL")?).await?;\n'


def rust(url: str, code: str = RUST, environment: str = "") -> dict[str, str]:
    text = stack(f"DATABASE_URL: {url}\n{environment}").replace("image: ghcr.io/shop/api:3", "build: ./api")
    return {"compose.yaml": text, "api/src/main.rs": code}


@pytest.mark.parametrize(
    ("files", "mode", "name"),
    [
        (rust("postgres://u@db/d"), "prefer", ""),
        (rust("postgres://u@db/d?sslmode=require&application_name=api"), "require", "api"),
        (rust("postgres://u@db/d?ssl-mode=disable"), "disable", ""),
        (rust("postgres://u@db/d", environment="PGSSLMODE: verify-full\nPGAPPNAME: api\n"), "verify-full", "api"),
        (rust("postgres://u@db/d?sslmode=disable", environment="PGSSLMODE: verify-full\n"), "disable", ""),
        (rust("postgres://u@db/d${MORE}"), "?", "?"),
        (rust("postgres://u@db/d", RUST + "fn o(c: PgConnectOptions) { c.ssl_mode(m); }\n"), "?", ""),
        (rust("postgres://u@db/d", RUST + 'fn o(c: PgConnectOptions) { c.application_name("x"); }\n'), "prefer", "?"),
        (rust("${URL}"), "?", "?"),
    ],
)
def test_a_pool_says_what_its_url_the_environment_or_the_library_decides(files: dict[str, str], mode: str, name: str) -> None:
    login = only(files)
    assert login.client == "rust"
    assert login.sslmode.value == mode if mode != "?" else not login.sslmode.is_known
    assert login.application_name.value == name if name != "?" else not login.application_name.is_known


LARAVEL = """\
<?php
return ['connections' => ['pgsql' => [
    'driver' => 'pgsql', 'url' => env('DB_URL'), 'host' => env('DB_HOST', '127.0.0.1'),
    'username' => env('DB_USERNAME', 'root'), 'sslmode' => env('DB_SSLMODE', 'prefer'), %s
]]];
"""


@pytest.mark.parametrize(
    ("dotenv", "entry", "expected"),
    [
        ("DB_HOST=db\nDB_USERNAME=shop\n", "", ("db", "shop", "prefer", "")),
        ("DB_HOST=db\nDB_SSLMODE=require\n", "'application_name' => 'web'", ("db", "root", "require", "web")),
        ("DB_HOST=x\nDB_URL=postgres://u:p@db/d?sslmode=disable\n", "", ("db", "u", "disable", "")),
        ("DB_HOST=db\n", "'application_name' => config('app.name')", ("db", "root", "prefer", "?")),
    ],
)
def test_laravel(dotenv: str, entry: str, expected: tuple[str, str, str, str]) -> None:
    compose = "services:\n  api:\n    image: php:8.3-fpm\n    volumes: ['./:/app']\n  db:\n    image: postgres:16\n"
    login = only({"compose.yaml": compose, ".env": "DB_CONNECTION=pgsql\n" + dotenv, "config/database.php": LARAVEL % entry})
    facts = (login.host, login.user, login.sslmode, login.application_name)
    assert tuple(fact.value if fact.is_known else "?" for fact in facts) == expected
    assert login.server is not None


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("new PDO('pgsql:host=pg.shop.eu;dbname=d', 'u', 'p')", ("pg.shop.eu", "u", "prefer")),
        ("new PDO('pgsql:host=pg.shop.eu;user=u;sslmode=require')", ("pg.shop.eu", "u", "require")),
        ("pg_connect('host=pg.shop.eu user=u sslmode=disable')", ("pg.shop.eu", "u", "disable")),
        ("new PDO('pgsql:host=' . $host, 'u')", ("?", "u", "prefer")),
        ("new PDO($dsn, 'u')", None),
    ],
)
def test_pdo(call: str, expected: tuple[str, str, str] | None) -> None:
    found = of({"index.php": f"<?php $db = {call};\n"}).logins
    if expected is None:
        assert found == []
        return
    (login,) = found
    assert tuple(fact.value if fact.is_known else "?" for fact in (login.host, login.user, login.sslmode)) == expected


POOLER = "  pooler:\n    image: edoburu/pgbouncer:v1.23.1-p0\n    volumes: ['./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro']\n"


def test_a_login_through_pgbouncer_ends_at_its_server() -> None:
    files = {
        "compose.yaml": stack("DATABASE_URL: postgres://shop@pooler/shop\n", POOLER),
        "pgbouncer.ini": "[databases]\nshop = host=db user=owner\n[pgbouncer]\npool_mode = session\n",
    }
    login, own = of(files).logins
    assert (login.pooler, login.server and login.server.label, say(login.superuser)) == ("pooler", "db", "owner at compose.yaml:8:34 owner")
    assert (own.client, say(own.user), own.is_tool, own.is_superuser.value) == (
        "pgbouncer",
        "owner at pgbouncer.ini:2:21 owner",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("image: postgres:16", "postgres"),
        ("image: postgres:16\n    environment: {POSTGRES_USER: ''}", "postgres"),
        ("image: pgvector/pgvector:pg16\n    environment: {POSTGRES_USER: a}", "a"),
        ("image: postgres:16\n    environment: {POSTGRES_USER_FILE: /run/secrets/u}", "?"),
        ("image: postgres:16\n    environment: {POSTGRES_USER: '${WHO}'}", "?"),
        ("image: bitnami/postgresql:16\n    environment: {POSTGRESQL_USERNAME: a}", "postgres"),
        ("image: supabase/postgres:15", "?"),
    ],
)
def test_the_superuser_of_an_image(server: str, expected: str) -> None:
    text = f"services:\n  api:\n    image: x\n    environment: {{U: postgres://a@db/d}}\n  db:\n    {server}\n"
    found = only({"compose.yaml": text}).superuser
    assert (found.value if found.is_known else "?") == expected


@pytest.mark.parametrize(
    "path", ["compose.test.yaml", "ci/compose.yaml", ".devcontainer/docker-compose.yml", "examples/a/compose.yaml", "compose.override.yaml"]
)
def test_files_for_tests_and_development(path: str) -> None:
    project = of({path: stack(f"U: postgres://owner:{SECRET}@db/d\n")})
    assert [login.is_for_tests for login in project.logins] == [True]
    assert [password.is_for_tests for password in project.passwords] == [True]


def test_no_secret_is_ever_said() -> None:
    """Neither facts, nor labels, nor anything a diagnostic is made of holds the password's value."""
    files = {
        "compose.yaml": stack(
            f"A: postgres://owner:{SECRET}@db/d\n"
            f"B: postgres://${{U:-owner}}:${{P:-{SECRET}}}@${{H:-db}}/d?sslmode=disable\n"
            f"C: postgres://owner:{SECRET}@pg.shop.eu/d?sslmode=disable\n"
            f"DB_HOST: db\nDB_USER: owner\nDB_PASSWORD: {SECRET}\n",
            POOLER,
        ),
        "pgbouncer.ini": f"[databases]\nd = host=pg.shop.eu user=owner password={SECRET}\n[pgbouncer]\npool_mode = session\n",
        "index.php": f"<?php $a = new PDO('pgsql:host=pg.shop.eu;dbname=d', 'owner', '{SECRET}');\n",
        "src/main.rs": f'let pool = PgPoolOptions::new().connect("postgres://owner:{SECRET}@pg.shop.eu/d").await?;\n',
    }
    project = of(files)
    said = []
    for login in project.logins:
        facts = [fact for fact in vars(login).values() if isinstance(fact, Fact)]
        said += [str(leaf) for fact in facts for leaf in (fact, *fact.leaves())] + [
            login.label,
            login.mode if login.sslmode.is_known else "",
        ]
    said += [text for password in project.passwords for text in (password.label, password.owner)]
    assert not [text for text in said if SECRET in text]
    places = sorted(str(password.span) for password in project.passwords if password.span.text == SECRET and not password.is_placeholder)
    lines = [(path, number, line) for path, text in files.items() for number, line in enumerate(text.split("\n"), 1)]
    assert places == sorted(f"{path}:{number}:{line.index(SECRET) + 1}" for path, number, line in lines if SECRET in line)
    assert len(places) == 7


def test_a_line_with_a_password_is_shown_masked() -> None:
    from polint.mask import mask

    for text in (
        f"      DATABASE_URL: postgres://app:{SECRET}@db/app",
        f"app = host=db user=app password={SECRET}",
        f"new PDO('pgsql:host=db', 'u', '{SECRET}')",
    ):
        assert SECRET not in mask(text)
        assert len(mask(text)) == len(text)


def test_hostile_texts_are_taken_in_linear_time() -> None:
    for text in ("postgres://" + "a:" * 200_000, "postgres://u:p@h/d?" + "a=b&" * 100_000, "postgres://" + "@" * 200_000, "a." * 200_000):
        addresses.take_apart(text)
        addresses.is_public(text[:100_000])
    addresses.is_placeholder("a1B" * 1_000_000)


def test_a_stack_without_a_database_has_no_logins() -> None:
    assert of({"compose.yaml": "services: {web: {image: nginx}}\n"}).logins == []


@pytest.mark.parametrize(
    ("url", "server", "reason"),
    [
        ("postgres://api:${PW}@other:5432/d", "other", ""),
        ("postgres://api:${PW}@oth${X}:5432/d", "", "which server or pooler it connects to cannot be told from the files"),
        ("postgres://api:${PW}@db-${STAGE}.shop.eu:5432/d", "", "its host is no server of this stack"),
    ],
)
def test_a_url_known_in_part(url: str, server: str, reason: str) -> None:
    compose = f"services:\n  api:\n    build: ./api\n    environment:\n      U: {url}\n"
    compose += "  db:\n    image: postgres:16\n  other:\n    image: postgres:16\n"
    code = 'let pool = PgPoolOptions::new().connect(&std::env::var("U")?).await?;'
    found = only({"compose.yaml": compose, "api/src/main.rs": code})
    assert (found.server.service if found.server is not None else "", found.target.reason) == (server, reason)
