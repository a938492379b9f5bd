"""What a container image is, and which environment variables mean anything to it (its entrypoint's source decides)."""

from __future__ import annotations

import re
from functools import cache

from ..patterns import lazy
from ..tuples import NamedTuple


class ImageName(NamedTuple):
    """``registry/repository:tag`` taken apart; Docker Hub's ``library/`` is left out."""

    repository: str
    tag: str

    @property
    def base(self) -> str:
        """The last part of the repository."""
        return self.repository.rpartition("/")[2]


@cache
def image_name(text: str) -> ImageName:
    """Take an image reference apart; the digest is dropped, as it says nothing about versions."""
    reference = text.strip().partition("@")[0]
    head, slash, tail = reference.rpartition("/")
    base, _, tag = tail.partition(":")
    first = head.partition("/")[0]
    if first in ("docker.io", "index.docker.io", "registry-1.docker.io", "public.ecr.aws"):
        head = head.partition("/")[2]
    if head in ("library", "docker/library"):
        head = ""
    return ImageName(f"{head}{slash if head else ''}{base}", tag)


class PostgresImage(NamedTuple):
    """A PostgreSQL server image.

    ``variables`` maps environment variables its entrypoint turns into settings
    (prefix forms included) to the setting.  ``known`` says whether its entrypoint
    was read: only then may a variable be called ignored.  ``max_connections`` is
    what it starts with when nobody says otherwise, or why that is unknown.
    ``arguments`` are variables whose words go on the server's command line.
    """

    family: str
    known: bool
    variables: tuple[tuple[str, str], ...] = ()
    max_connections: int | str = 100
    arguments: tuple[str, ...] = ()

    @property
    def is_tuned(self) -> bool:
        """Whether what it sets by itself is about memory and connections alone."""
        return self.max_connections in (_TUNED, _COMPUTED)


_BITNAMI = tuple(
    (prefix + name, setting)
    for prefix in ("POSTGRESQL_", "POSTGRES_")
    for name, setting in (
        ("MAX_CONNECTIONS", "max_connections"),
        ("TCP_KEEPALIVES_IDLE", "tcp_keepalives_idle"),
        ("TCP_KEEPALIVES_INTERVAL", "tcp_keepalives_interval"),
        ("TCP_KEEPALIVES_COUNT", "tcp_keepalives_count"),
        ("STATEMENT_TIMEOUT", "statement_timeout"),
        ("SHARED_PRELOAD_LIBRARIES", "shared_preload_libraries"),
    )
)
_BITNAMI_IMAGE = PostgresImage("bitnami/postgresql", True, _BITNAMI, arguments=("POSTGRESQL_EXTRA_FLAGS", "POSTGRES_EXTRA_FLAGS"))
_OFFICIAL = PostgresImage("postgres", True)
_COMPUTED = "spilo computes it from the memory of the host"
_TUNED = "timescaledb-tune sets it by the memory of the host when the data directory is made"
# repository -> what it is; each one's entrypoint was read in its own repository
_POSTGRES: dict[str, PostgresImage] = {
    "postgres": _OFFICIAL,
    "postgis/postgis": PostgresImage("postgis/postgis", True),
    "pgvector/pgvector": PostgresImage("pgvector/pgvector", True),
    "ankane/pgvector": PostgresImage("ankane/pgvector", True),
    "pgautoupgrade/pgautoupgrade": PostgresImage("pgautoupgrade", False),
    "bitnami/postgresql": _BITNAMI_IMAGE,
    "bitnamilegacy/postgresql": _BITNAMI_IMAGE,
    "timescale/timescaledb": PostgresImage("timescale/timescaledb", True, (("TS_TUNE_MAX_CONNS", "max_connections"),), _TUNED),
    "timescale/timescaledb-ha": PostgresImage("timescale/timescaledb-ha", False, (), _TUNED),
    "supabase/postgres": PostgresImage("supabase/postgres", True, (), "the image brings its own postgresql.conf"),
    "crunchydata/crunchy-postgres": PostgresImage("crunchy-postgres", True, (("MAX_CONNECTIONS", "max_connections"),)),
    "zalando/spilo": PostgresImage("spilo", False, (), _COMPUTED),
}
# Names that hold "postgres" and are no server.
_NOT_SERVERS = lazy(
    r"postgrest|exporter|backup|operator|pgadmin|pooler|bouncer|pgpool|metrics|client|dump|restore|migrat|walg|wal-g|barman|proxy|adminer|"
    r"postgraphile|mcp|proxysql|connector|kafka|schema|init|test|web|dev-tools"
)


@cache
def postgres_image(text: str) -> PostgresImage | None:
    """What is known of a PostgreSQL server image, None when ``text`` names something else."""
    name = image_name(text)
    found = _POSTGRES.get(name.repository)
    if found is not None:
        return found
    base = name.base.lower()
    if _NOT_SERVERS.search(base) or not re.search(r"postgres|postgis|pgvector|timescale|^pgsql$", base):
        return None
    return PostgresImage(name.repository, False, (), f"{name.repository} may bring its own configuration")


_PLAIN = frozenset("postgres postgresql postgis pgvector timescaledb timescaledb-ha postgres-server postgresql-server".split())


def is_plainly_postgres(text: str) -> bool:
    """Whether an image's name says PostgreSQL and nothing else."""
    return image_name(text).base.lower() in _PLAIN or image_name(text).repository in _POSTGRES


def major_version(tag: str) -> int | None:
    """PostgreSQL's major version as a tag tells it: ``16.2-alpine``, ``pg16``, ``latest-pg15``, ``15-3.4``; None when it does not."""
    named = re.search(r"pg(\d{1,2})(?!\d)", tag)
    if named is None:
        named = re.match(r"v?(\d{1,2})(?:[.\-]|$)", tag)
    major = int(named.group(1)) if named else 0
    return major if 9 <= major <= 30 else None


class FpmImage(NamedTuple):
    """An image that runs php-fpm.

    ``variables`` maps environment variables to the settings they reach,
    ``settings`` is what it starts with, ``files`` the folder its main configuration includes.
    """

    family: str
    known: bool
    variables: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    folder: str = ""
    main: str = ""


_PHP_OWN = (
    ("pm", "dynamic"),
    ("pm.max_children", "5"),
    ("pm.start_servers", "2"),
    ("pm.min_spare_servers", "1"),
    ("pm.max_spare_servers", "3"),
)
_PM_NAMES = (("MAX_CHILDREN", "pm.max_children"), ("START_SERVERS", "pm.start_servers"), ("MIN_SPARE_SERVERS", "pm.min_spare_servers"),
             ("MAX_SPARE_SERVERS", "pm.max_spare_servers"), ("MAX_REQUESTS", "pm.max_requests"))  # fmt: skip
_FPM: tuple[tuple[re.Pattern[str], FpmImage], ...] = (
    (lazy(r"^php$"), FpmImage("php", True, (), _PHP_OWN, "/usr/local/etc/php-fpm.d", "/usr/local/etc/php-fpm.conf")),
    (
        lazy(r"^serversideup/php(-pro)?$"),
        FpmImage(
            "serversideup/php",
            True,
            (("PHP_FPM_PM_CONTROL", "pm"), *((f"PHP_FPM_PM_{name}", key) for name, key in _PM_NAMES)),
            (("pm.max_children", "20"),),
        ),
    ),
    (
        lazy(r"^webdevops/php(-.*)?$"),
        FpmImage(
            "webdevops/php",
            True,
            (
                ("FPM_PROCESS_MAX", "process.max"),
                ("FPM_MAX_REQUESTS", "pm.max_requests"),
                *((f"FPM_PM_{name}", key) for name, key in _PM_NAMES[:4]),
            ),
            _PHP_OWN,
        ),
    ),
    (
        lazy(r"^wodby/(php|drupal-php|wordpress-php|laravel-php)$"),
        FpmImage("wodby/php", True, tuple((f"PHP_FPM_PM_{name}", key) for name, key in _PM_NAMES), (("pm.max_children", "8"),)),
    ),
    (
        lazy(r"^uselagoon/php.*fpm$"),
        FpmImage("uselagoon/php-fpm", True, (("PHP_FPM_PM_MAX_CHILDREN", "pm.max_children"),), (("pm.max_children", "50"),)),
    ),
    (lazy(r"^trafex/(alpine-nginx-php7|php-nginx)$"), FpmImage("trafex/php-nginx", True, (), (("pm.max_children", "100"),))),
    (lazy(r"(^|/)bitnami/php-fpm$"), FpmImage("bitnami/php-fpm", False, (), (), "/opt/bitnami/php/etc/php-fpm.d")),
)


@cache
def fpm_image(text: str) -> FpmImage | None:
    """What is known of an image that runs php-fpm, None when ``text`` names something else or php without fpm."""
    name = image_name(text)
    for pattern, image in _FPM:
        if pattern.search(name.repository):
            if image.family in ("php", "serversideup/php") and "fpm" not in name.tag:
                return None
            if image.family == "webdevops/php" and ("apache" in name.base or "cli" in name.tag):
                return None
            return image
    if "php-fpm" in name.repository or ("php" in name.repository and "fpm" in name.tag):
        return FpmImage(name.repository, False)
    return None


def php_version(text: str) -> tuple[int, int] | None:
    """PHP's version as an image's tag tells it: ``8.3-fpm-alpine`` is (8, 3); None when it does not."""
    found = re.match(r"v?(\d)\.(\d{1,2})(?!\d)", image_name(text).tag)
    return (int(found.group(1)), int(found.group(2))) if found else None


def is_pgbouncer(text: str) -> bool:
    """Whether an image runs PgBouncer."""
    base = image_name(text).base
    return "pgbouncer" in base and "exporter" not in base


_PGBOUNCER_VERSION = lazy(r"v?(\d+)\.(\d+)")


def pgbouncer_version(text: str) -> tuple[int, int] | None:
    """PgBouncer's version as an image's tag tells it: ``v1.23.1-p2`` is (1, 23); None when it does not."""
    found = _PGBOUNCER_VERSION.match(image_name(text).tag)
    return (int(found.group(1)), int(found.group(2))) if found else None


# The STOPSIGNAL of images whose Dockerfiles were read; those without one get Docker's SIGTERM.
_STOP_SIGNALS = (
    (lazy(r"^(postgres|postgis/postgis|pgvector/pgvector)$"), "SIGINT"),
    (lazy(r"^(edoburu/(docker-)?pgbouncer|bitnami(legacy)?/pgbouncer)$"), "SIGTERM"),
)


def stop_signal(text: str) -> str:
    """The signal an image asks to be stopped with, "" when that is not known."""
    name = image_name(text)
    if name.repository == "php":
        return "SIGQUIT" if "fpm" in name.tag and (php_version(text) or (0, 0)) >= (7, 4) else ""  # since April 2019
    return next((signal for pattern, signal in _STOP_SIGNALS if pattern.search(name.repository)), "")


_POOLERS = lazy(r"pgbouncer|pgcat|pgdog|odyssey|pgpool|supavisor|pgagroal|proxysql|pg_?doorman")


def pools_connections(text: str) -> bool:
    """Whether an image's name is that of some connection pooler."""
    return bool(_POOLERS.search(image_name(text).repository)) and "exporter" not in text


# Images that talk to PostgreSQL only while a person or a scrape asks: (pattern, kind, connections or None when used by hand)
_TOOLS: tuple[tuple[re.Pattern[str], str, int | None], ...] = (
    (lazy(r"postgres[-_]?exporter|pg_exporter|pgbouncer[-_]?exporter"), "exporter", 1),
    (lazy(r"pgadmin|adminer|pgweb|dbgate|cloudbeaver|sqlpad"), "by hand", None),
)


def tool(text: str) -> tuple[str, int | None] | None:
    """(kind, connections) of a helper image; connections None: used by hand, outside any steady state."""
    name = image_name(text)
    for pattern, kind, connections in _TOOLS:
        if pattern.search(name.repository):
            return kind, connections
    return None


# Runtimes of languages other than PHP and Rust, and systems that come without either.
_RUNTIMES = frozenset(
    """node bun deno python pypy golang go ruby openjdk eclipse-temurin amazoncorretto maven gradle dotnet sdk aspnet elixir erlang
    perl swift haskell julia r-base jruby groovy clojure scala""".split()
)
_SYSTEMS = frozenset("debian ubuntu alpine busybox fedora centos rockylinux almalinux archlinux opensuse scratch distroless".split())


def runs_other_language(text: str) -> bool:
    """Whether an image is the runtime of a language polint does not read."""
    return image_name(text).base in _RUNTIMES


def is_bare_system(text: str) -> bool:
    """Whether an image is an operating system with no language of its own."""
    return image_name(text).base in _SYSTEMS


_OTHER_DATABASES = lazy(
    r"(^|/)(mysql|mariadb|mongo|redis|valkey|mssql|oracle|clickhouse|cassandra|elasticsearch|neo4j|percona|memcached|couchdb|scylla)"
)


def is_other_database(text: str) -> bool:
    """Whether an image is a database other than PostgreSQL."""
    return bool(_OTHER_DATABASES.search(image_name(text).repository))


# Images that never open a connection to PostgreSQL by themselves, whatever they depend on.
_BYSTANDERS = lazy(
    r"^(.*/)?(nginx|httpd|traefik|caddy|haproxy|envoy|redis|valkey|keydb|memcached|rabbitmq|mysql|mariadb|mongo|elasticsearch|opensearch|"
    r"kafka|zookeeper|prometheus|grafana-agent|alertmanager|node-exporter|cadvisor|mailhog|mailpit|mailcatcher|minio|mc|selenium|busybox|"
    r"alpine|jaeger|zipkin|loki|promtail|meilisearch|typesense|soketi|dozzle|portainer.*|watchtower|clickhouse.*|nats|etcd|vault|consul|"
    r"localstack|certbot|autoheal|statsd.*|otel.*|opentelemetry-collector.*|vector|fluentd|fluent-bit|phpmyadmin|redis.*|cloudflared)$"
)


def is_bystander(text: str) -> bool:
    """Whether an image is known to have no PostgreSQL client of its own."""
    return bool(_BYSTANDERS.match(image_name(text).repository))


def runs_neither(image: str, base: str) -> bool:
    """Whether a service runs neither Rust nor PHP of ours: it uses a bystander ``image`` as it is, or another language's ``base``."""
    return bool(image and is_bystander(image)) or runs_other_language(base)
