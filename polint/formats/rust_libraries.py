"""The pool libraries that are read: how their builders are called.  What their settings mean is the model's."""

from __future__ import annotations

from collections.abc import Mapping

from ..tuples import NamedTuple


class Library(NamedTuple):
    """One pool library: how its builders are called.

    ``setters`` maps each setter to the type of its argument; ``connects`` each
    call that ends a chain to whether it opens connections only when first used.
    """

    name: str
    label: str  # as its own project writes it
    setters: Mapping[str, str]
    connects: Mapping[str, bool]
    takes: frozenset[str] = frozenset()  # functions that make a pool of the builder they are given, by the end of their path
    is_lent: bool = False  # setters change the builder they are called on, in place
    # of libraries whose types name the database
    builders: frozenset[str] = frozenset()  # types whose `new` and `default` start a chain
    generic_builders: frozenset[str] = frozenset()  # the same, for databases named by a type argument
    pools: frozenset[str] = frozenset()  # types whose `connect*` builds a pool with all defaults
    generic_pools: frozenset[str] = frozenset()
    database: frozenset[str] = frozenset()  # the type argument that means PostgreSQL
    with_options: frozenset[str] = frozenset()  # the connects that take options instead of a URL


SQLX = Library(
    name="sqlx",
    label="SQLx",
    builders=frozenset({"PgPoolOptions"}),
    generic_builders=frozenset({"PoolOptions"}),
    pools=frozenset({"PgPool"}),
    generic_pools=frozenset({"Pool"}),
    database=frozenset({"Postgres"}),
    # sqlx-core/src/pool/options.rs; connect_timeout until 0.5
    setters={
        "max_connections": "u32",
        "min_connections": "u32",
        "acquire_timeout": "duration",
        "connect_timeout": "duration",
        "idle_timeout": "duration",
        "max_lifetime": "duration",
        "test_before_acquire": "bool",
        "acquire_slow_threshold": "duration",
        "acquire_slow_level": "",
        "acquire_time_level": "",
        "after_connect": "",
        "before_acquire": "",
        "after_release": "",
        "parent": "",
    },
    connects={"connect": False, "connect_with": False, "connect_lazy": True, "connect_lazy_with": True},
    with_options=frozenset({"connect_with", "connect_lazy_with"}),
)

# sea-orm/src/database/mod.rs; map_sqlx_postgres_pool_opts is left out: it may change any setting
SEAORM = Library(
    name="sea-orm",
    label="SeaORM",
    setters={
        "max_connections": "u32",
        "min_connections": "u32",
        "connect_timeout": "duration",
        "acquire_timeout": "duration",
        "idle_timeout": "duration",
        "max_lifetime": "duration",
        "test_before_acquire": "bool",
        "test_before_acquire_if_idle_for": "",
        "map_sqlx_postgres_before_acquire": "",
        "sqlx_logging": "",
        "sqlx_logging_level": "",
        "sqlx_slow_statements_logging_settings": "",
        "record_stmt_in_spans": "",
        "sqlcipher_key": "",
        "set_schema_search_path": "",
        "set_application_name": "",
        "statement_timeout": "",
        "connect_lazy": "",
        "after_connect": "",
        "map_sqlx_mysql_opts": "",
        "map_sqlx_mysql_pool_opts": "",
        "map_sqlx_mysql_before_acquire": "",
        "map_sqlx_postgres_opts": "",
        "map_sqlx_sqlite_opts": "",
        "map_sqlx_sqlite_pool_opts": "",
        "map_sqlx_sqlite_before_acquire": "",
    },
    connects={},
    takes=frozenset({"Database::connect", "SqlxPostgresConnector::connect"}),
    is_lent=True,
)

# bb8/src/api.rs
BB8 = Library(
    name="bb8",
    label="bb8",
    setters={
        "max_size": "u32",
        "min_idle": "u32",
        "test_on_check_out": "bool",
        "max_lifetime": "duration",
        "idle_timeout": "duration",
        "connection_timeout": "duration",
        "retry_connection": "",
        "error_sink": "",
        "reaper_rate": "",
        "queue_strategy": "",
        "connection_customizer": "",
    },
    connects={"build": False, "build_unchecked": True},
)

# r2d2/src/config.rs; diesel::r2d2 is the same crate
R2D2 = BB8._replace(
    name="r2d2",
    label="r2d2",
    setters={
        **{name: BB8.setters[name] for name in ("max_size", "min_idle", "test_on_check_out", "max_lifetime", "idle_timeout")},
        "connection_timeout": "duration",
        "thread_pool": "",
        "error_handler": "",
        "event_handler": "",
        "connection_customizer": "",
    },
)

# deadpool/src/managed/builder.rs; `config` and `timeouts` stand for several settings at once
DEADPOOL = BB8._replace(
    name="deadpool",
    label="deadpool",
    setters={
        "max_size": "usize",
        "wait_timeout": "duration",
        "create_timeout": "duration",
        "recycle_timeout": "duration",
        "config": "",
        "timeouts": "",
        "queue_mode": "",
        "runtime": "",
        "post_create": "",
        "pre_recycle": "",
        "post_recycle": "",
    },
    connects={"build": True, "create_pool": True, "new": True, "from_config": True},
)

LIBRARIES: tuple[Library, ...] = (SQLX, SEAORM, BB8, R2D2, DEADPOOL)
