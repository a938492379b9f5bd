"""Pool libraries of Rust: what each calls the settings that pools have in common, and what holds when nobody sets them."""

from __future__ import annotations

from collections.abc import Mapping

from ..tuples import NamedTuple
from ..units import INFINITY, Seconds


class PoolLibrary(NamedTuple):
    """One library.

    ``names`` maps a pool's settings to the library's setters, ``defaults`` to what holds without them: None for a
    setting that follows the machine or another setting, infinity for a limit the library does not have (``absent``).
    """

    maker: str  # as its own project writes it
    package: str  # its crate, for the version
    names: Mapping[str, str]
    defaults: Mapping[str, object]
    absent: frozenset[str] = frozenset()
    waiting: str = ""  # how to say how long a caller waits, where it is not `.setter(Duration)`
    whose: str = ""  # whose defaults they are, when not its own

    def name(self, setting: str) -> str:
        """What the library calls a setting."""
        return self.names.get(setting, setting)


_SQLX_DEFAULTS: Mapping[str, object] = {
    "max_connections": 10,
    "min_connections": 0,
    "acquire_timeout": Seconds(30),
    "idle_timeout": Seconds(600),
    "max_lifetime": Seconds(1800),
    "test_before_acquire": True,
}
_R2D2_NAMES = {
    "max_connections": "max_size",
    "min_connections": "min_idle",
    "acquire_timeout": "connection_timeout",
    "test_before_acquire": "test_on_check_out",
}

LIBRARIES: Mapping[str, PoolLibrary] = {
    # sqlx-core/src/pool/options.rs
    "sqlx": PoolLibrary("SQLx", "sqlx", {}, _SQLX_DEFAULTS),
    # sea-orm/src/driver/sqlx_common.rs: it hands SQLx only what was set
    "sea-orm": PoolLibrary("SeaORM", "sea-orm", {}, _SQLX_DEFAULTS, whose="SQLx"),
    # bb8/src/api.rs
    "bb8": PoolLibrary("bb8", "bb8", _R2D2_NAMES, _SQLX_DEFAULTS),
    # r2d2/src/config.rs: without min_idle all connections are opened at once
    "r2d2": PoolLibrary("r2d2", "r2d2", _R2D2_NAMES, {**_SQLX_DEFAULTS, "min_connections": None}),
    # deadpool/src/managed/config.rs; a connection found closed is dropped, and others are not asked unless RecyclingMethod says so
    "deadpool": PoolLibrary(
        "deadpool",
        "deadpool",
        {"max_connections": "max_size", "acquire_timeout": "wait_timeout"},
        {
            "max_connections": None,
            "min_connections": 0,
            "acquire_timeout": Seconds(INFINITY),
            "idle_timeout": Seconds(INFINITY),
            "max_lifetime": Seconds(INFINITY),
            "test_before_acquire": True,
        },
        frozenset({"min_connections", "idle_timeout", "max_lifetime", "test_before_acquire"}),
        "`timeouts.wait` of PoolConfig, or `.wait_timeout(Some(Duration::from_secs(5)))` of the builder, with a runtime",
    ),
}
"""The libraries whose pools are read, by the names that formats give them."""
