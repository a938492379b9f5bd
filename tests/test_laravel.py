"""PHP's connections beyond their own file: through which PgBouncer, as which role, by which workers."""

from __future__ import annotations

import pytest

from polint.config import Config
from polint.discover import Files
from polint.lint import project_of
from polint.model.artisan import calls
from polint.model.connection import Connection
from polint.model.project import Project

SKELETON = """<?php
return ['default' => env('DB_CONNECTION', 'pgsql'), 'connections' => [
    'mysql' => ['driver' => 'mysql'],
    'pgsql' => [
        'driver' => 'pgsql',
        'url' => env('DB_URL'),
        'host' => env('DB_HOST', '127.0.0.1'),
        'username' => env('DB_USERNAME', 'root'),
        %s
    ],
]];
"""


def project(compose: str, keys: str = "", **files: str) -> Project:
    texts = {
        "compose.yaml": compose,
        "app/config/database.php": SKELETON % keys,
        **{name.replace("__", "/"): text for name, text in files.items()},
    }
    return project_of(Files("", (), {path: text.encode() for path, text in texts.items()}), Config())


def stack(environment: str, *, image: str = "php:8.3-fpm", pooler: str = "v1.25.1-p0", more: str = "") -> str:
    return f"""services:
  web:
    image: {image}
    volumes: ["./app:/app"]
    environment: {{{environment}}}
{more}  pooler:
    image: edoburu/pgbouncer:{pooler}
    environment: {{DB_HOST: db, POOL_MODE: transaction}}
  db:
    image: postgres:17
"""


def connection(compose: str, keys: str = "", **files: str) -> Connection:
    found = [one for one in project(compose, keys, **files).connections if one.framework == "laravel"]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("environment", "keys", "expected"),
    [
        ("DB_HOST: pooler", "", "service pooler"),
        ("DB_HOST: db", "", ""),
        ("DB_HOST: elsewhere.example.test", "", ""),
        ("DB_URL: 'postgres://u@pooler:6432/app', DB_HOST: db", "", "service pooler"),
        ("DB_URL: 'postgres://u@db/app', DB_HOST: pooler", "", ""),
        ("DB_HOST: db", "'write' => ['host' => 'pooler'], 'read' => ['host' => 'db'],", "service pooler"),
        ("PGBOUNCER_HOST: pooler", "", ""),  # some variable names it, and the connection does not read that one
        ("DB_HOST: pooler, DB_CONNECTION: mysql", "", ""),
    ],
)
def test_pooler(environment: str, keys: str, expected: str) -> None:
    assert connection(stack(environment), keys).pooler_label == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("php:8.3-fpm", "8.3"),
        ("php:8.10.1-fpm-alpine", "8.10"),
        ("serversideup/php:8.2-fpm-nginx", "8.2"),
        ("dunglas/frankenphp:1.4-php8.3", "8.3"),
        ("dunglas/frankenphp:1.4", None),
        ("php:8-fpm", None),
        ("registry.example.test/shop-php:1.2", None),
    ],
)
def test_php_version(image: str, expected: str | None) -> None:
    php = connection(stack("DB_HOST: pooler", image=image)).php
    assert (php.value if php.is_known else None) == expected


def test_the_oldest_php_counts() -> None:
    worker = '  worker:\n    image: php:8.1-fpm\n    volumes: ["./app:/app"]\n    environment: {DB_HOST: pooler}\n'
    assert connection(stack("DB_HOST: pooler", more=worker)).php.value == "8.1"


@pytest.mark.parametrize(
    ("keys", "image", "pooler", "expected"),
    [
        ("", "php:8.3-fpm", "v1.25.1-p0", False),
        ("", "php:8.4-fpm", "v1.25.1-p0", None),
        ("", "php:8.4-fpm", "v1.20.1-p0", False),
        ("", "php:8-fpm", "latest", None),
        ("", "php:8.3-fpm", "latest", False),
        ("'options' => [PDO::ATTR_EMULATE_PREPARES => true],", "php:8.3-fpm", "v1.20.1-p0", True),
        ("'options' => [PDO::ATTR_EMULATE_PREPARES => env('E')],", "php:8.3-fpm", "v1.20.1-p0", False),
        ("'options' => [PDO::ATTR_EMULATE_PREPARES => env('E', 1)],", "php:8.3-fpm", "v1.20.1-p0", True),
        ("'options' => [Pdo\\Pgsql::ATTR_DISABLE_PREPARES => true],", "php:8.3-fpm", "v1.20.1-p0", True),
        ("'options' => [Pdo\\Pgsql::ATTR_EMULATE_PREPARES => true],", "php:8.3-fpm", "v1.20.1-p0", True),
        ("'options' => [...$more],", "php:8.3-fpm", "v1.20.1-p0", None),
        ("'options' => [(A ? PDO::ATTR_EMULATE_PREPARES : PDO::ATTR_TIMEOUT) => true],", "php:8.3-fpm", "v1.20.1-p0", None),
        ("'pooled' => true,", "php:8.3-fpm", "v1.25.1-p0", True),
        ("'pooled' => 'true',", "php:8.3-fpm", "v1.25.1-p0", False),  # Laravel compares with true itself
        ("'pooled' => env('P', true), 'options' => [PDO::ATTR_EMULATE_PREPARES => false],", "php:8.3-fpm", "v1.25.1-p0", False),
        ("'direct' => ['host' => 'db'],", "php:8.3-fpm", "v1.25.1-p0", True),
        ("'direct' => array_filter(['host' => env('D')]),", "php:8.3-fpm", "v1.25.1-p0", False),
        ("'direct' => [],", "php:8.3-fpm", "v1.25.1-p0", False),
        ("'direct' => direct(),", "php:8.3-fpm", "v1.25.1-p0", None),
    ],
)
def test_prepares(keys: str, image: str, pooler: str, expected: bool | None) -> None:
    found = connection(stack("DB_HOST: pooler", image=image, pooler=pooler), keys).prepares_survive
    assert (found.value if found.is_known else None) is expected


def test_prepares_that_code_may_change() -> None:
    found = connection(stack("DB_HOST: pooler"), **{"app/app/X.php": "<?php $p->setAttribute(PDO::ATTR_EMULATE_PREPARES, 1);"})
    assert found.prepares_survive.reason == "app/app/X.php may set it"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", []),
        ("'search_path' => 'public',", []),
        ("'search_path' => '\"$user\", public',", []),
        ("'schema' => 'shop',", ["schema = shop"]),
        ("'search_path' => 'public', 'schema' => 'shop',", []),  # the schema is not looked at then
        ("'search_path' => ['shop', 'public'],", ["search_path = shop,public"]),
        ("'search_path' => null,", []),
        ("'search_path' => env('S', 'shop'),", ["search_path = shop"]),
        ("'search_path' => env('DB_SCHEMA'),", []),
        ("'timezone' => 'UTC',", []),
        (
            "'isolation_level' => 'serializable', 'synchronous_commit' => 'off',",
            ["isolation_level = serializable", "synchronous_commit = off"],
        ),
    ],
)
def test_session_settings(keys: str, expected: list[str]) -> None:
    assert [str(fact) for fact in connection(stack("DB_HOST: pooler"), keys).session_settings] == expected


def test_several_services_that_agree() -> None:
    """What every service sees alike is known; what they differ in is not."""
    keys = "'options' => [PDO::ATTR_PERSISTENT => env('P'), PDO::ATTR_TIMEOUT => env('T')],"
    worker = '  worker:\n    image: php:8.3-cli\n    volumes: ["./app:/app"]\n    environment: {P: "true", T: 3}\n'
    found = connection(stack("P: 'true', T: 5", more=worker), keys)
    assert found.persistent.value is True
    assert not found.connect_timeout.is_known


def worker_of(command: str) -> str:
    return f"""services:
  worker:
    image: php:8.3-cli
    command: {command}
    volumes: ["./app:/app"]
    environment: {{DB_HOST: db}}
  db:
    image: postgres:17
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("php artisan queue:work", ("queue:work", False)),
        ("php artisan queue:work --max-time=60", ("queue:work", True)),
        ("php artisan queue:work --max-jobs 5", ("queue:work", True)),
        ("php artisan queue:work --max-time=0", ("queue:work", False)),
        ("php artisan queue:work --once", ("queue:work", True)),
        ("php -d memory_limit=1G artisan queue:work redis", ("queue:work", False)),
        ("sh -c 'php artisan migrate && php artisan queue:work; true --max-time=5'", ("queue:work", False)),
        ('["php", "/app/artisan", "queue:work", "--tries=3"]', ("queue:work", False)),
        ("php artisan horizon", ("horizon", True)),
        ("php artisan schedule:work", ("schedule:work", True)),
        ("sh -c 'php artisan queue:work $$OPTIONS'", ("queue:work", None)),
        ("php artisan queue:listen", None),
        ("php artisan horizon:terminate", None),
        ("php artisan queue:worker-of-ours", None),
    ],
)
def test_workers(command: str, expected: tuple[str, bool | None] | None) -> None:
    found = project(worker_of(command)).workers
    said = [(one.command, one.is_recycled.value if one.is_recycled.is_known else None) for one in found]
    assert said == ([] if expected is None else [expected])
    for one in found:
        assert one.span.text == one.command


def test_a_worker_on_another_database_is_none() -> None:
    compose = worker_of("php artisan queue:work").replace("DB_HOST: db", "DB_CONNECTION: mysql")
    assert project(compose).workers == []


@pytest.mark.parametrize(
    ("role", "sql", "expected"),
    [
        ("shop", "CREATE ROLE shop LOGIN CONNECTION LIMIT 4;", ("shop", 5, 4)),
        ("shop", "CREATE ROLE shop LOGIN CONNECTION LIMIT 4; ALTER ROLE shop CONNECTION LIMIT 9;", ("shop", 5, 9)),
        ("shop", "CREATE ROLE other LOGIN CONNECTION LIMIT 4;", None),
        ("shop", "CREATE DATABASE shop CONNECTION LIMIT 4;", None),
        ("shop", "ALTER ROLE shop CONNECTION LIMIT -1;", None),
        ("postgres", "ALTER ROLE postgres CONNECTION LIMIT 4;", None),
    ],
)
def test_role_limit(role: str, sql: str, expected: tuple[str, int, int] | None) -> None:
    compose = f"""services:
  web:
    image: php:8.3-fpm
    volumes: ["./app:/app"]
    environment: {{DB_HOST: db, DB_USERNAME: {role}}}
  db:
    image: postgres:17
"""
    found = connection(compose, **{"init.sql": sql})
    assert (found.role, found.workers.value, found.role_limit.value) == expected if expected else not found.role


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("['default' => 'pgsql', 'connections' => ['pgsql' => ['driver' => 'pgsql']]]", True),
        ("['default' => 'a', 'connections' => ['a' => ['driver' => 'mysql'], 'pgsql' => ['driver' => 'pgsql']]]", False),
        ("['default' => env('DB_CONNECTION', 'pgsql'), 'connections' => ['pgsql' => ['driver' => 'pgsql']]]", True),
        ("['default' => choose(), 'connections' => ['pgsql' => ['driver' => 'pgsql']]]", None),
    ],
)
def test_query_log_of_which_database(config: str, expected: bool | None) -> None:
    texts = {"config/database.php": f"<?php return {config};", "app/X.php": "<?php DB::enableQueryLog();"}
    found = project_of(Files("", (), {path: text.encode() for path, text in texts.items()}), Config()).query_logs
    assert [log.uses_postgresql.value if log.uses_postgresql.is_known else None for log in found] == [expected]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("app/X.php", False), ("tests/Feature/X.php", True), ("app/XTest.php", True), ("app/Contest.php", False), ("src/Latest/X.php", False)],
)
def test_query_log_in_a_test(path: str, expected: bool) -> None:
    texts = {path: "<?php DB::enableQueryLog();"}
    found = project_of(Files("", (), {path: text.encode() for path, text in texts.items()}), Config()).query_logs
    assert [log.is_bounded for log in found] == [expected]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("php artisan queue:work --tries=3", [("queue:work", True)]),
        ("php /app/artisan --env=production horizon", [("horizon", True)]),
        ("php artisan horizon:snapshot", [("horizon:snapshot", False)]),
        ("php artisan queue:work --stop-when-empty", [("queue:work", False)]),
        ("php artisan octane:frankenphp --workers=8", [("octane:frankenphp", True)]),
        ("sh -c 'php artisan migrate --force && php artisan schedule:work'", [("migrate", False), ("schedule:work", True)]),
        ("horizon", [("horizon", True)]),  # the image's entrypoint is artisan
        ("/srv/horizon/start horizon", []),
    ],
)
def test_the_artisan_commands_of_a_service(command: str, expected: list[tuple[str, bool]]) -> None:
    found = project(f'services:\n  worker:\n    image: php:8.3-cli\n    command: "{command}"\n')
    assert [(call.name, call.is_long_running) for call in calls(found.stacks[0].services["worker"])] == expected


@pytest.mark.parametrize(
    ("default", "files", "expected"),
    [
        ("'pgsql'", {}, True),
        ("'mysql'", {}, False),
        ("env('DB_CONNECTION', 'mysql')", {}, False),
        ("env('DB_CONNECTION', 'mysql')", {"app/.env": "DB_CONNECTION=pgsql\n"}, True),
        ("env('DB_CONNECTION', 'mysql')", {"app/.env.example": "DB_CONNECTION=pgsql\n"}, True),
        ("'mysql'", {"app/app/Report.php": "<?php class Report { protected $connection = 'pgsql'; }"}, True),
        ("'mysql'", {"app/app/Report.php": "<?php DB::connection('pgsql')->select('select 1');"}, True),
        ("'mysql'", {"app/app/Report.php": "<?php if (DB::connection()->getDriverName() === 'pgsql') {}"}, False),
    ],
)
def test_a_connection_that_nothing_opens(default: str, files: dict[str, str], expected: bool) -> None:
    config = (
        f"<?php return ['default' => {default}, 'connections' => ['mysql' => ['driver' => 'mysql'], 'pgsql' => ['driver' => 'pgsql']]];"
    )
    texts = {"app/config/database.php": config, **files}
    found = project_of(Files("", (), {path: text.encode() for path, text in texts.items()}), Config())
    assert [one.is_used for one in found.connections] == [expected]
