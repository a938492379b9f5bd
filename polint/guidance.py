"""The pooling guide that the rules put into practice: every piece of its advice, by a short name.

A rule file names the pieces it stands for under ``guide:``; rules/README.md shows both ways.
Where the guide's own words do not hold, ``advice`` says what does, and the rule tells why.
"""

from __future__ import annotations

from .tuples import NamedTuple


class Advice(NamedTuple):
    """One piece of advice: the part of the guide it stands in, and what to do or not to do."""

    part: str
    advice: str


_DO, _DONT, _RUST, _PHP, _SERVER, _WATCH, _TROUBLE, _SUM = (
    "DO",
    "DON'T",
    "Rust pools",
    "PHP and php-fpm",
    "PostgreSQL server",
    "Monitoring",
    "Troubleshooting",
    "Summary",
)

GUIDE: dict[str, Advice] = {
    "do-timeouts": Advice(_DO, "Wait 3 to 5 s for a connection, close idle ones after 5 to 10 min, replace them after 30 to 60 min."),
    "do-size": Advice(_DO, "Size the pools by the database's cores: about cores × 2 + spindles busy connections, of all clients together."),
    "do-pooler": Advice(_DO, "Put PgBouncer between many clients and the server, with few server connections that fit."),
    "do-health-checks": Advice(_DO, "Test connections before they are handed out."),
    "do-close": Advice(_DO, "Close the pool on shutdown."),
    "do-alert": Advice(_DO, "Watch for exhaustion: alert when pools are nearly all in use, and when waits or timeouts rise."),
    "dont-whole-server": Advice(_DONT, "Do not give one pool all of max_connections: replicas and other services share the server."),
    "dont-persistent-workers": Advice(_DONT, "No persistent connections in long-running work; batch jobs get a connection of their own."),
    "dont-hold": Advice(_DONT, "Do not keep a connection longer than its work takes."),
    "dont-leak": Advice(_DONT, "Do not lose connections, on error paths either."),
    "dont-share": Advice(_DONT, "Do not share one connection between threads; take one from the pool for each request."),
    "rust-sizes": Advice(_RUST, "State max_connections, and a min_connections below it."),
    "rust-timeouts": Advice(_RUST, "State acquire_timeout, idle_timeout and max_lifetime."),
    "rust-test": Advice(_RUST, "Keep test_before_acquire on."),
    "rust-variables": Advice(_RUST, "Tune the pool by variables that the code reads."),
    "url-password": Advice(_RUST, "Keep the connection URL, with its password, in the environment."),
    "fpm-workers": Advice(_PHP, "Set pm.max_children and the spare workers so that php-fpm takes them and the machine bears them."),
    "fpm-recycle": Advice(_PHP, "Replace workers after a number of requests."),
    "fpm-variables": Advice(_PHP, "Set php-fpm by variables that the image reads."),
    "pdo-persistent": Advice(_PHP, "Persistent connections are no pool: each worker keeps one for itself."),
    "pdo-timeout": Advice(_PHP, "Limit how long PDO waits for the server; queries need statement_timeout."),
    "pdo-options": Advice(_PHP, "Pass PDO only options that change something."),
    "laravel-keys": Advice(_PHP, "Choose sslmode and search_path for where the connection leads."),
    "server-limit": Advice(_SERVER, "Set max_connections where the server reads it, and keep slots for administration."),
    "server-pooler": Advice(_SERVER, "With PgBouncer in front, max_connections stays low."),
    "server-memory": Advice(_SERVER, "work_mem and maintenance_work_mem times their users fit the memory."),
    "server-buffers": Advice(_SERVER, "shared_buffers takes about a quarter of the memory."),
    "server-keepalive": Advice(_SERVER, "Find dead clients in minutes by TCP keepalives."),
    "server-statement-timeout": Advice(_SERVER, "Limit statements, by role rather than for everyone."),
    "server-idle-transaction": Advice(_SERVER, "End sessions that idle in a transaction."),
    "server-conf": Advice(_SERVER, "Write postgresql.conf in its own syntax, with settings and values this version knows."),
    "watch-sessions": Advice(_WATCH, "Count client backends, by state and by application."),
    "watch-kill": Advice(_WATCH, "End sessions by pid, user or database, never all idle ones."),
    "watch-pool": Advice(_WATCH, "Export the pool's size and idle connections."),
    "watch-queries": Advice(_WATCH, "Measure queries without a log that grows for ever."),
    "watch-metrics": Advice(_WATCH, "Build dashboards and alerts on metrics that somebody exports."),
    "trouble-too-many": Advice(_TROUBLE, "Too many clients: shrink pools, pool before the server, or raise max_connections and restart."),
    "trouble-exhausted": Advice(_TROUBLE, "Exhausted pool: do not block while holding a connection; a longer wait only hides it."),
    "trouble-stale": Advice(_TROUBLE, "Stale connections: test them, limit their age, keep TCP alive."),
    "trouble-leak": Advice(_TROUBLE, "Leaks: let the guard's scope give the connection back; look for idle transactions."),
    "sum-budget": Advice(_SUM, "Replicas × processes × pool of all clients together fit the usable connections, with room to spare."),
    "sum-scale": Advice(_SUM, "Grow by numbers: when traffic grows, add PgBouncer before larger pools."),
}
"""Every piece of advice by its name, in the order of the guide."""
