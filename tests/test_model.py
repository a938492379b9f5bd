"""How files hang together: small stacks, and what the model makes of them."""

from __future__ import annotations

import textwrap

import pytest

from polint import budget, config, discover, lint
from polint.model.project import Project

MAIN = "let pool = PgPoolOptions::new().max_connections(10).connect(&url).await?;\n"
DATABASE = """<?php
return [
    'default' => env('DB_CONNECTION', 'pgsql'),
    'connections' => [
        'pgsql' => ['driver' => 'pgsql', 'host' => env('DB_HOST', '127.0.0.1')],
        'mysql' => ['driver' => 'mysql', 'host' => env('DB_HOST', '127.0.0.1')],
    ],
];
"""


def project(toml: str = "", **files: str) -> Project:
    return of({name.replace("__", "/").replace("_yaml", ".yaml").replace("_rs", ".rs"): text for name, text in files.items()}, toml)


def of(files: dict[str, str], toml: str = "") -> Project:
    from polint.source import Source

    texts = {path: textwrap.dedent(text).encode() for path, text in files.items()}
    settings = config.parse(Source("polint.toml", textwrap.dedent(toml))) if toml else config.Config()
    return lint.project_of(discover.Files("", (), texts), settings)


def summary(files: dict[str, str], toml: str = "") -> list[str]:
    found = budget.servers(of(files, toml))
    return [budget.summary(server, budget.name_of(server, found)) for server in found]


API = """
services:
  api:
    build: ./api
    environment: {DATABASE_URL: "postgres://app@db:5432/app"}
    %s
  db:
    image: postgres:16
"""


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("deploy: {replicas: 3}", "db: 30 of 97 connections (31 %)"),
        ("scale: 4", "db: 40 of 97 connections (41 %)"),
        ("restart: always", "db: 10 of 97 connections (10 %)"),
        ("deploy: {mode: global}", "db: 97 usable connections, for clients of unknown size: api"),
        ("deploy: {replicas: '${N:-2}'}", "db: 20 of 97 connections (21 %)"),
        ("deploy: {replicas: '${N}'}", "db: 97 usable connections, for clients of unknown size: api"),
        ("profiles: [debug]", "db: 10 of 97 connections (10 %)"),
    ],
)
def test_replicas(key: str, expected: str) -> None:
    assert summary({"compose.yaml": API % key, "api/src/main.rs": MAIN}) == [expected]


def test_polint_toml_beats_the_files() -> None:
    files = {"compose.yaml": API % "scale: 4", "api/src/main.rs": MAIN}
    assert summary(files, "[services.api]\nreplicas = 6\n") == ["db: 60 of 97 connections (62 %)"]
    assert summary(files, "[services.api]\npool = 5\n") == ["db: 20 of 97 connections (21 %)"]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("command: postgres -c max_connections=200", 197),
        ("command: ['-c', 'max_connections=200']", 197),
        ("command: postgres -cmax_connections=200 --superuser-reserved-connections=10", 190),
        ("command: postgres -N 50", 47),
        ("command: ['postgres', '-c', 'max_connections=${LIMIT:-150}']", 147),
        ("command: postgres -c max_connections=300 -c reserved_connections=7", 290),
        ("environment: {POSTGRES_INITDB_ARGS: '-c max_connections=250'}", 247),
        ("environment: {POSTGRES_MAX_CONNECTIONS: 500}", 97),
    ],
)
def test_where_max_connections_comes_from(server: str, expected: int) -> None:
    text = f"services:\n  db:\n    image: postgres:16\n    {server}\n"
    (found,) = of({"compose.yaml": text}).servers
    assert found.usable_connections.value == expected


def test_bitnami_reads_its_variable() -> None:
    text = "services:\n  db:\n    image: bitnami/postgresql:16\n    environment: {POSTGRESQL_MAX_CONNECTIONS: 500}\n"
    (found,) = of({"compose.yaml": text}).servers
    assert found.max_connections.value == 500
    assert str(found.max_connections.span) == "compose.yaml:4:47"


@pytest.mark.parametrize(
    ("image", "is_server"),
    [
        ("postgres:16-alpine", True),
        ("docker.io/library/postgres", True),
        ("postgis/postgis:15-3.4", True),
        ("pgvector/pgvector:pg17", True),
        ("registry.example.test/team/postgres:15", True),
        ("postgrest/postgrest", False),
        ("quay.io/prometheuscommunity/postgres-exporter", False),
        ("prodrigestivill/postgres-backup-local", False),
        ("redis:7", False),
    ],
)
def test_which_images_are_servers(image: str, is_server: bool) -> None:
    assert bool(of({"compose.yaml": f"services:\n  x:\n    image: {image}\n"}).servers) is is_server


def test_a_mounted_conf_counts_only_when_it_is_read() -> None:
    compose = """
    services:
      db:
        image: postgres:16
        {command}
        volumes: ["./pg.conf:/etc/postgresql/postgresql.conf:ro"]
    """
    conf = {"pg.conf": "max_connections = 500\n"}
    read = "command: postgres -c config_file=/etc/postgresql/postgresql.conf"
    assert summary({"compose.yaml": compose.format(command=read), **conf}) == ["db: 497 usable connections, no client found"]
    assert summary({"compose.yaml": compose.format(command=""), **conf})[0] == "db: 97 usable connections, no client found"


def test_conf_includes_and_the_last_one_wins() -> None:
    compose = """
    services:
      db:
        image: postgres:16
        command: postgres -c config_file=/etc/pg/postgresql.conf -c superuser_reserved_connections=5
        volumes: ["./pg:/etc/pg:ro"]
    """
    found = of(
        {
            "compose.yaml": compose,
            "pg/postgresql.conf": "max_connections = 50\ninclude_dir 'conf.d'\ninclude_if_exists 'none.conf'\n",
            "pg/conf.d/10-postgres.conf": "max_connections = 60\n",
            "pg/conf.d/20-postgres.conf": "max_connections = 70\nsuperuser_reserved_connections = 9\n",
        }
    )
    (server,) = found.servers
    assert (server.max_connections.value, str(server.max_connections.span)) == (70, "pg/conf.d/20-postgres.conf:1:19")
    assert server.superuser_reserved_connections.value == 5
    beaten = [(one.setting, str(one.span), one.winner_place) for one in found.duplicates]
    assert beaten == [
        ("max_connections", "pg/postgresql.conf:1:19", "pg/conf.d/10-postgres.conf:1"),
        ("max_connections", "pg/conf.d/10-postgres.conf:1:19", "pg/conf.d/20-postgres.conf:1"),
        ("superuser_reserved_connections", "pg/conf.d/20-postgres.conf:2:34", "compose.yaml:5"),
    ]


def test_a_conf_that_is_not_here_leaves_everything_unknown() -> None:
    text = "services:\n  db:\n    image: postgres:16\n    command: postgres -c config_file=/etc/pg.conf -c max_connections=40\n"
    (server,) = of({"compose.yaml": text}).servers
    assert server.max_connections.value == 40
    assert server.superuser_reserved_connections.reason == "its config_file /etc/pg.conf is not in the repository"


LARAVEL = """
services:
  web:
    image: php:8.3-fpm
    environment: {DB_HOST: db, %s}
    volumes: ["./app:/app", "./zz.conf:/usr/local/etc/php-fpm.d/%s"]
  db:
    image: postgres:16
"""


@pytest.mark.parametrize(
    ("name", "conf", "children"),
    [
        ("zz.conf", "[www]\npm.max_children = 20\n", 20),
        ("zz-more.conf", "[www]\npm.max_children = 20\n", 20),
        ("app.conf", "[www]\npm.max_children = 20\n", 5),  # the image's www.conf is read after it
        ("www.conf", "[www]\npm = static\npm.max_children = 7\n", 7),
        ("zz.conf", "[www]\npm.max_children = ${CHILDREN}\n", None),
        ("docs.conf", "pm.max_children = 9\n", 5),
    ],
)
def test_fpm_files_lie_over_those_of_the_image(name: str, conf: str, children: int | None) -> None:
    found = of({"compose.yaml": LARAVEL % ("X: 1", name), "zz.conf": conf, "app/config/database.php": DATABASE})
    (fpm,) = found.fpms
    assert (fpm.max_children.value if fpm.max_children.is_known else None) == children
    expected = "97 usable connections, for clients of unknown size: web"
    if children is not None:
        expected = f"{children} of 97 connections ({100 * children / 97:.0f} %)"
    assert [budget.summary(server, "db") for server in found.servers] == [f"db: {expected}"]


def test_a_second_fpm_pool_adds_up() -> None:
    conf = "[www]\npm.max_children = 20\n[admin]\nlisten = 9001\npm = static\npm.max_children = 4\n"
    files = {"compose.yaml": LARAVEL % ("X: 1", "zz.conf"), "zz.conf": conf, "app/config/database.php": DATABASE}
    assert summary(files) == ["db: 24 of 97 connections (25 %)"]


def test_a_service_on_mysql_is_no_client() -> None:
    files = {"compose.yaml": LARAVEL % ("DB_CONNECTION: mysql", "zz.conf"), "zz.conf": "[www]\n", "app/config/database.php": DATABASE}
    assert summary(files) == ["db: 97 usable connections, no client found"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("php artisan queue:work --max-time=3600", "db: 2 of 97 connections (2 %)"),
        ("php artisan octane:start --workers=8 --task-workers=2", "db: 20 of 97 connections (21 %)"),
        ("php artisan octane:start", "db: 97 usable connections, for clients of unknown size: worker"),
        ("php artisan horizon", "db: 24 of 97 connections (25 %)"),
    ],
)
def test_laravel_processes(command: str, expected: str) -> None:
    compose = f"""
    services:
      worker:
        image: php:8.3-cli
        command: {command}
        environment: {{DB_HOST: db}}
        volumes: ["./app:/app"]
        deploy: {{replicas: 2}}
      db:
        image: postgres:16
    """
    horizon = """<?php
    return [
        'defaults' => ['one' => ['maxProcesses' => 1], 'two' => ['maxProcesses' => 2]],
        'environments' => [
            'production' => ['one' => ['maxProcesses' => 10], 'two' => []],
            'local' => ['one' => ['maxProcesses' => 3]],
        ],
    ];
    """
    files = {"compose.yaml": compose, "app/config/database.php": DATABASE, "app/config/horizon.php": horizon}
    assert summary(files) == [expected]


def test_a_read_write_split_doubles() -> None:
    php = DATABASE.replace("'host' => env('DB_HOST', '127.0.0.1')", "'read' => ['host' => 'db'], 'write' => ['host' => 'db']", 1)
    files = {"compose.yaml": LARAVEL % ("X: 1", "zz.conf"), "zz.conf": "[www]\npm.max_children = 20\n", "app/config/database.php": php}
    assert summary(files) == ["db: 40 of 97 connections (41 %)"]


def test_values_flow_as_in_reality() -> None:
    compose = """
    services:
      api:
        build: ./api
        env_file: api.env
        environment:
          POOL_SIZE: ${SIZE:-7}
      db:
        image: postgres:16
    """
    main = 'let size = std::env::var("POOL_SIZE").ok().and_then(|v| v.parse().ok()).unwrap_or(3);\n' + MAIN.replace("(10)", "(size)")
    main = "async fn main() {\n" + main + "}\n"
    base = {"compose.yaml": compose, "api.env": "POOL_SIZE=9\nDATABASE_URL=postgres://app@db/app\n", "api/src/main.rs": main}

    def pool(files: dict[str, str]) -> tuple[int, str, list[str]]:
        (found,) = of(files).pools
        fact = found.max_connections
        return fact.value, str(fact.span), [str(span) for span in fact.via]

    assert pool(base) == (7, "compose.yaml:7:26", ["api/src/main.rs:2:26"])
    assert pool({**base, ".env": "SIZE=12\n"}) == (12, ".env:1:6", ["compose.yaml:7:18", "api/src/main.rs:2:26"])
    without = {**base, "compose.yaml": compose.replace("POOL_SIZE: ${SIZE:-7}", "OTHER: 1")}
    assert pool(without) == (9, "api.env:1:11", ["api/src/main.rs:2:26"])
    assert pool({**without, "api.env": "DATABASE_URL=postgres://app@db/app\n"}) == (3, "api/src/main.rs:2:83", [])


def test_an_env_file_that_is_not_here_leaves_variables_unknown() -> None:
    main = (
        'async fn main() {\nlet n = std::env::var("N").ok().and_then(|v| v.parse().ok()).unwrap_or(3);\n'
        + MAIN.replace("(10)", "(n)")
        + "}\n"
    )
    compose = "services:\n  api: {build: ./api, env_file: .env}\n  db: {image: postgres:16}\n"
    (pool,) = of({"compose.yaml": compose, "api/src/main.rs": main}).pools
    assert pool.max_connections.reason == "N may be set elsewhere: .env is not in the repository"


def test_unknown_clients_are_never_taken_for_none() -> None:
    compose = """
    services:
      search:
        image: example.test/search:1
        environment: {PGHOST: db}
      reports:
        build: ./reports
        depends_on: [db]
      cache:
        image: redis:7
        depends_on: [db]
      db:
        image: postgres:16
    """
    (server,) = of({"compose.yaml": compose}).servers
    assert [(one.service, one.at_most.is_known) for one in server.consumers] == [("search", False), ("reports", False)]
    assert budget.steady(server).verdict == "unknown"


def test_two_services_on_one_crate_each_count() -> None:
    compose = """
    services:
      one: &api
        image: app
        network_mode: host
        environment: [DATABASE_URL=postgres://app@localhost/app]
      two:
        <<: *api
      db:
        image: postgres:16
        network_mode: host
    """
    files = {"compose.yaml": compose, "Cargo.toml": '[package]\nname = "app"\n', "src/main.rs": MAIN}
    assert summary(files) == ["db: 20 of 97 connections (21 %)"]


def test_a_crate_outside_compose_runs_once() -> None:
    files = {
        "compose.yaml": "services:\n  db:\n    image: postgres:16\n    ports: ['5432:5432']\n",
        "Cargo.toml": '[package]\nname = "app"\n',
        "src/main.rs": MAIN,
    }
    assert summary(files) == ["db: 10 of 97 connections (10 %)"]


def test_pools_of_alternative_functions_leave_a_range() -> None:
    main = "fn a() { " + MAIN + "}\nfn b() { " + MAIN.replace("10", "4") + "}\n"
    assert summary({"compose.yaml": API % "scale: 1", "api/src/main.rs": main}) == ["db: 10 to 14 of 97 connections (10 %)"]


def test_override_files_and_variants() -> None:
    base = API % "scale: 1"
    files = {"docker-compose.yml": base, "api/src/main.rs": MAIN}
    override = "services:\n  api:\n    deploy: {replicas: 5}\n"
    assert summary({**files, "docker-compose.override.yml": override.replace("deploy: {replicas: 5}", "scale: 5")}) == [
        "db: 50 of 97 connections (52 %)"
    ]
    other = "services:\n  api:\n    scale: 9\n"
    assert summary({**files, "docker-compose.prod.yml": other}) == [
        "db in docker-compose.yml: 10 of 97 connections (10 %)",
        "db in docker-compose.yml + docker-compose.prod.yml: 90 of 97 connections (93 %)",
    ]


def test_profiles_that_are_alternatives_are_not_added_up() -> None:
    compose = """
    services:
      small:
        build: ./api
        profiles: [small]
        environment: &env {DATABASE_URL: "postgres://app@db/app"}
      large:
        build: ./api
        profiles: [large]
        scale: 3
        environment: *env
      db:
        image: postgres:16
    """
    assert summary({"compose.yaml": compose, "api/src/main.rs": MAIN}) == ["db: 30 of 97 connections (31 %)"]


def test_without_compose_the_root_is_one_stack() -> None:
    files = {"postgresql.conf": "max_connections = 20\n", "app/src/main.rs": MAIN}
    assert summary(files) == ["postgresql: 10 of 17 connections (59 %)"]


def test_a_pool_behind_pgbouncer_is_not_counted_at_the_server() -> None:
    compose = """
    services:
      api:
        build: ./api
        environment: {DATABASE_URL: "postgres://app@pooler:6432/app"}
      pooler:
        image: edoburu/pgbouncer:1.23.1
        environment: {DB_HOST: db}
      db:
        image: postgres:16
    """
    (server,) = of({"compose.yaml": compose, "api/src/main.rs": MAIN}).servers
    assert [(one.service, one.at_least.is_known, one.through) for one in server.consumers] == [
        ("pooler", True, None),
        ("api", True, "pooler"),
    ]
    assert [one.service for one in server.direct] == ["pooler"]


@pytest.mark.parametrize(
    ("service", "extra", "reads"),
    [
        ("image: postgres:16", {}, False),
        ("image: postgres:16\n    command: sh -c 'exec postgres -c max_connections=$$POSTGRES_MAX_CONNECTIONS'", {}, True),
        (
            "image: postgres:16\n    volumes: ['./up:/usr/local/bin/up']",
            {"up": "exec postgres -c max_connections=$POSTGRES_MAX_CONNECTIONS\n"},
            True,
        ),
        ("build: ./db", {"db/Dockerfile": "FROM postgres:16\nCOPY start /start\n", "db/start": "echo $POSTGRES_MAX_CONNECTIONS\n"}, True),
        ("build: ./db", {"db/Dockerfile": "FROM postgres:16\n", "db/README.md": "Set POSTGRES_MAX_CONNECTIONS.\n"}, False),
        ("build: ./db", {"db/Dockerfile": "FROM postgres:16\n", "db/start": "echo $POSTGRES_MAX_CONNECTIONS_OTHER\n"}, False),
    ],
)
def test_a_variable_is_read_wherever_a_program_names_it(service: str, extra: dict[str, str], reads: bool) -> None:
    compose = f"services:\n  db:\n    {service}\n    environment: {{POSTGRES_MAX_CONNECTIONS: 200}}\n"
    (variable,) = of({"compose.yaml": compose, **extra}).variables
    assert (variable.is_read.value, variable.is_ignored) == (reads, not reads)


@pytest.mark.parametrize(
    ("databases", "settings", "expected"),
    [
        ("app = host=db", "default_pool_size = 15\nreserve_pool_size = 5", 20),
        ("app = host=db\nother = host=db", "default_pool_size = 15", 30),
        ("app = host=db pool_size=25", "default_pool_size = 15", 25),
        ("app = host=db max_db_connections=7", "default_pool_size = 15", 7),
        ("app = host=db\nother = host=db", "default_pool_size = 15\nmax_db_connections = 10", 20),
        ("app = host=db", "default_pool_size = 15\nmax_user_connections = 4", 4),
        ("app = host=db", "default_pool_size = 0", 1),  # from 1.24 on unlimited
        ("app = host=db", "listen_port = 6432", 20),
    ],
)
def test_what_pgbouncer_can_open(databases: str, settings: str, expected: int | None) -> None:
    compose = """
    services:
      pooler:
        image: edoburu/pgbouncer:v1.23.1-p0
        volumes: ["./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini"]
      db:
        image: postgres:16
    """
    (pooler,) = of({"compose.yaml": compose, "pgbouncer.ini": f"[databases]\n{databases}\n[pgbouncer]\n{settings}\n"}).poolers
    found = pooler.server_connections
    assert (found.value if found.is_known else None) == expected


def test_pgbouncer_from_variables_counts_a_pool_for_each_user_listed() -> None:
    compose = """
    services:
      pooler:
        image: bitnami/pgbouncer:1.23.1
        environment: {PGBOUNCER_DEFAULT_POOL_SIZE: "12", PGBOUNCER_RESERVE_POOL_SIZE: "3", POSTGRESQL_HOST: db}
      db:
        image: postgres:16
    """
    assert summary({"compose.yaml": compose}) == ["db: 15 of 97 connections (15 %)"]


@pytest.mark.parametrize(
    "app",
    [
        'environment: {CONNECTION: "Host=db;Database=d;Username=u"}',
        'environment: {CONNECTION: "Server=db;Port=5432;Database=d"}',
        'environment: {X: "ecto://u:p@db/d"}',
        'environment: {X: "jdbc:postgresql://other,db:5432/d"}',
        'environment: {X: "postgresql+asyncpg://u:p@db1,db:5432/d"}',
        'environment: {DATA_SOURCE_URI: "db:5432/d?sslmode=disable"}',
        "environment: {PGHOST: db}",
        "environment: {DB_HOST: /var/run/postgresql}",
        "environment: {DATABASE_URL_FILE: /run/secrets/url}",
        'environment: {DATABASE_URL: "postgres://u@proxy/d"}',
        'command: ["--dsn", "postgres://u:p@db/d"]',
        "command: serve --db-host=db",
        "env_file: secrets.env",
        "depends_on: [db]",
        "build: ./app\n    environment: {PGHOST: db}",
    ],
)
def test_no_sign_of_a_client_is_passed_over(app: str) -> None:
    service = app if app.startswith("build") else f"image: example.test/app:1\n    {app}"
    compose = f"services:\n  app:\n    {service}\n  proxy:\n    image: haproxy\n  db:\n    image: postgres:16\n"
    files = {"compose.yaml": compose, "app/Dockerfile": "FROM alpine:3.20\nCMD app\n"}
    assert summary(files) == ["db: 97 usable connections, for clients of unknown size: app"]


@pytest.mark.parametrize(
    "app",
    [
        'environment: {CACHE: "redis://db:6379"}',
        'environment: {API: "http://db:8080"}',
        "environment: {DB_HOST: mysql}",
        'environment: {DATABASE_URL: "postgres://u@db.example.test/d"}',
        "depends_on: [mysql]",
        "labels: [db]",
    ],
)
def test_what_is_no_client_is_not_called_one(app: str) -> None:
    compose = f"services:\n  app:\n    image: example.test/app:1\n    {app}\n  mysql:\n    image: mysql:8\n  db:\n    image: postgres:16\n"
    assert summary({"compose.yaml": compose}) == ["db: 97 usable connections, no client found"]


def test_a_split_over_two_servers_counts_on_both() -> None:
    php = DATABASE.replace("'host' => env('DB_HOST', '127.0.0.1')", "'read' => ['host' => 'replica'], 'write' => ['host' => 'db']", 1)
    compose = LARAVEL % ("X: 1", "zz.conf") + "  replica:\n    image: postgres:16\n"
    files = {"compose.yaml": compose, "zz.conf": "[www]\npm.max_children = 20\n", "app/config/database.php": php}
    assert summary(files) == ["db: 20 of 97 connections (21 %)", "replica: 20 of 97 connections (21 %)"]


def test_a_second_connection_counts_where_the_code_asks_for_it() -> None:
    php = DATABASE.replace("'mysql' => ['driver' => 'mysql', 'host'", "'reports' => ['driver' => 'pgsql', 'host' => 'reports', 'was'")
    compose = LARAVEL % ("X: 1", "zz.conf") + "  reports:\n    image: postgres:16\n"
    files = {"compose.yaml": compose, "zz.conf": "[www]\npm.max_children = 20\n", "app/config/database.php": php}
    assert summary(files) == ["db: 20 of 97 connections (21 %)", "reports: 97 usable connections, no client found"]
    files["app/app/Report.php"] = "<?php DB::connection('reports')->select('select 1');\n"
    assert summary(files) == ["db: 20 of 97 connections (21 %)", "reports: 20 of 97 connections (21 %)"]


def test_what_else_a_container_starts_leaves_the_number_open() -> None:
    dockerfile = 'FROM php:8.3-fpm\nENTRYPOINT ["/start.sh"]\n'
    compose = "services:\n  web:\n    build: ./web\n    environment: {DB_HOST: db}\n  db:\n    image: postgres:16\n"
    files = {"compose.yaml": compose, "web/Dockerfile": dockerfile}
    assert summary(files) == ["db: at least 5 of 97 connections (5 %); unknown: web"]
    files["web/Dockerfile"] = 'FROM php:8.3-fpm\nRUN sed -i "s/max_children = 5/max_children = 150/" /usr/local/etc/php-fpm.d/www.conf\n'
    assert summary(files) == ["db: 97 usable connections, for clients of unknown size: web"]


def test_a_service_that_only_polint_toml_knows() -> None:
    toml = '[services.ghost]\nreplicas = 2\npool = 50\nconnects-to = "db"\n'
    assert summary({"compose.yaml": "services:\n  db:\n    image: postgres:16\n"}, toml) == ["db: 100 of 97 connections (103 %)"]


def test_servers_of_another_compose_file_on_a_shared_network() -> None:
    files = {
        "infra/compose.yaml": "services:\n  db:\n    image: postgres:16\n    networks: [shared]\nnetworks: {shared: {name: shared}}\n",
        "app/compose.yaml": "services:\n  api:\n    build: .\n    environment: {DATABASE_URL: 'postgres://u@db/d'}\nnetworks:\n  shared:\n"
        "    external: true\n",
        "app/src/main.rs": MAIN,
    }
    assert summary(files) == ["db: 10 of 97 connections (10 %)"]


def test_a_server_with_a_profile_meets_only_what_runs_with_it() -> None:
    compose = """
    services:
      job:
        build: ./api
        profiles: [prod]
        environment: &env {DATABASE_URL: "postgres://app@db/app"}
      web:
        build: ./api
        environment: *env
      db:
        image: postgres:16
        profiles: [dev]
    """
    (server,) = of({"compose.yaml": compose, "api/src/main.rs": MAIN}).servers
    assert ([one.service for one in server.consumers], [one.service for one in server.left_out]) == (["web"], ["job"])


def test_the_summary_of_a_server_whose_limit_is_not_known() -> None:
    compose = (API % "scale: 2").replace("postgres:16", "timescale/timescaledb:latest-pg16")
    reason = "timescaledb-tune sets it by the memory of the host when the data directory is made"
    assert summary({"compose.yaml": compose, "api/src/main.rs": MAIN}) == [
        f"db: 20 connections planned, usable connections unknown: {reason}"
    ]
    assert summary({"compose.yaml": "services:\n  db: {image: timescale/timescaledb:latest-pg16}\n"}) == [
        f"db: usable connections unknown: {reason}"
    ]


WEB = """
services:
  web:
    image: registry.example.test/web:3
    environment: {DB_HOST: %s, DATABASE_URL: "%s"}
    deploy: {replicas: 2}
  pooler:
    image: edoburu/pgbouncer:v1.23.1-p0
    environment: {DB_HOST: db, DB_USER: app, DB_NAME: app, MAX_CLIENT_CONN: 30, DEFAULT_POOL_SIZE: 10, MAX_DB_CONNECTIONS: 10}
  db:
    image: postgres:16
"""


@pytest.mark.parametrize(
    ("host", "url", "more", "expected", "clients"),
    [
        # what no service is seen to read is the web tier's when nothing else could be
        ("db", "", {}, "db: 50 of 97 connections (52 %)", 0),
        ("pooler", "", {}, "db: 10 of 97 connections (10 %)", 40),
        # its host and its URL lead to different places: the pooler has to have room for it, the server is not charged on a guess
        ("pooler", "postgres://app@db/app", {}, "db: at least 10 of 97 connections (10 %); unknown: web", 40),
        # two pools, or two services: nobody can tell
        ("db", "", {"php/b-fpm.conf": "[b]\npm = static\npm.max_children = 5\n"},
         "db: at least 10 of 97 connections (10 %); unknown: web", 0),
    ],
)  # fmt: skip
def test_a_php_fpm_pool_that_no_service_is_seen_to_read(host: str, url: str, more: dict[str, str], expected: str, clients: int) -> None:
    laravel = DATABASE.replace("'host' => env('DB_HOST', '127.0.0.1')]", "'url' => env('DATABASE_URL'), 'host' => env('DB_HOST')]")
    files = {
        "compose.yaml": WEB % (host, url),
        "web/config/database.php": laravel,
        "php/www.conf": "[www]\npm = static\npm.max_children = 20\n",
        **more,
    }
    assert summary(files) == [expected]
    (pooler,) = of(files).poolers
    assert pooler.client_connections.value == clients


def test_a_variant_that_extends_the_file_compose_finds_leaves_that_a_stack() -> None:
    main = "services:\n  db:\n    image: postgres:16\n    command: postgres -c max_connections=50\n"
    nightly = "services:\n  db:\n    extends: {file: compose.yaml, service: db}\n    command: postgres -c max_connections=20\n"
    assert [line.partition(", ")[0] for line in summary({"compose.yaml": main, "compose.nightly.yaml": nightly})] == [
        "db in compose.yaml: 47 usable connections",
        "db in compose.nightly.yaml: 17 usable connections",
    ]


SIGNS = """
services:
  db:
    image: %s
    command: postgres -c max_connections=50
    environment: {POSTGRES_USER: app}
    volumes: ["data:/var/lib/postgresql/data"]
    %s
"""


@pytest.mark.parametrize(
    ("image", "more", "expected"),
    [
        ("ghcr.io/shop/analytics:2", "healthcheck: {test: pg_isready}", ["db: 47 usable connections, no client found"]),
        ("ghcr.io/shop/analytics:2", "restart: always", []),  # a tool that looks into the data directory
        ("postgres:${TAG}", "restart: always", ["db: 47 usable connections, no client found"]),
        ("${REGISTRY}/postgres:16", "restart: always", []),
        ("shop/pgsql:16", "restart: always", ["db: 47 usable connections, no client found"]),
        ("shop/web-pgsql:16", "restart: always", []),
    ],
)
def test_what_a_server_is_known_by(image: str, more: str, expected: list[str]) -> None:
    assert summary({"compose.yaml": SIGNS % (image, more)}) == expected


def test_a_server_without_a_client_in_the_files_is_there_for_somebody() -> None:
    (server,) = of({"compose.yaml": "services:\n  db:\n    image: postgres:16\n"}).servers
    state = budget.steady(server)
    assert (state.verdict, state.at_least, state.at_most) == ("unknown", 0, None)
    assert state.missing == (("db", "no file says who connects to it"),)
