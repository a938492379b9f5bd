"""The error texts that programs print about PostgreSQL connections, and the cause that each belongs to.

PostgreSQL's texts are those of 12 to 18 with English messages, libpq's of 12 to 17, PgBouncer's of 1.16 to 1.25, SQLx's of 0.5 to 0.9.
"""

from __future__ import annotations

from collections.abc import Callable

from .tuples import NamedTuple

MOST_BEHIND = 300  # bytes after a needle that an `after` may look at


class Text(NamedTuple):
    """One text: a line that holds one of ``needles`` tells of ``cause``.

    ``before`` are what must stand right before the needle (any of them; none: anything), ``after`` a pattern of what must
    follow, whose group is a name (``names`` says of what).  ``rank`` decides between texts of one line: the more specific wins.
    """

    source: str  # the program that words it
    shown: str
    cause: str
    needles: tuple[bytes, ...]
    rank: int = 2
    names: str = ""
    before: tuple[bytes, ...] = ()
    after: bytes = b""
    follows: bool = False  # libpq's own line under the one that says why
    unless: Callable[[bytes], bool] | None = None  # what is told of is no trouble, by the group of ``after``


_NAMED = rb'([^"\\\n]{1,120})\\?"'  # in a line of JSON its quotes are escaped
_NAME = rb'\\?"' + _NAMED
# what may stand right before a message that is too short to be looked for alone
_SAID = (b"FATAL:  ", b"FATAL: ", b"FATAL ", b"ERROR:  ", b"ERROR: ", b"database: ", b"because: ", b"pooler error: ", b"cached error: ")

# what PgBouncer's two lines about one client begin with, and Laravel's repetition of an exception
CLOSING, POOLER, PREVIOUS = b"closing because: ", b"pooler error: ", b"[previous exception] "
MARKS = (CLOSING, POOLER, PREVIOUS)


def _suffices(told: bytes) -> bool:
    """Whether PgBouncer may open as many files as it says that it could need."""
    return int(told.split(b" ", 1)[0]) >= int(told.rsplit(b" ", 1)[1])


_ROLE = (b'role "', b'role \\"')
_DATABASE = (b'database "', b'database \\"')

TEXTS = (
    Text("PostgreSQL", "sorry, too many clients already", "too-many-clients", (b"sorry, too many clients already",)),
    Text(
        "PostgreSQL",
        "remaining connection slots are reserved for …",
        "too-many-clients",
        (b"remaining connection slots are reserved for ",),
        after=rb"non-replication superuser connections|roles with the SUPERUSER attribute|roles with privileges of the ",
    ),
    Text(
        "PostgreSQL",
        'too many connections for role "…"',
        "connection-limit",
        (b"too many connections for role ",),
        names="role",
        after=_NAME,
    ),
    Text(
        "PostgreSQL",
        'too many connections for database "…"',
        "connection-limit",
        (b"too many connections for database ",),
        names="database",
        after=_NAME,
    ),
    Text(
        "PostgreSQL",
        "number of requested standby connections exceeds max_wal_senders",
        "replication-slots",
        (b"number of requested standby connections exceeds ",),
        after=rb'(?:\\?")?max_wal_senders',
    ),
    Text(
        "PostgreSQL",
        "canceling statement due to statement timeout",
        "statement-timeout",
        (b"canceling statement due to statement timeout",),
    ),
    Text("PgBouncer", "query timeout", "statement-timeout", (b"query timeout",), before=_SAID),
    Text("PostgreSQL", "canceling statement due to lock timeout", "lock-timeout", (b"canceling statement due to lock timeout",)),
    Text(
        "PostgreSQL",
        "terminating connection due to idle-in-transaction timeout",
        "idle-in-transaction",
        (b"terminating connection due to idle-in-transaction timeout",),
    ),
    Text("PgBouncer", "idle transaction timeout", "idle-in-transaction", (b"idle transaction timeout",), before=_SAID),
    Text(
        "PostgreSQL",
        "terminating connection due to idle-session timeout",
        "idle-session",
        (b"terminating connection due to idle-session timeout",),
    ),
    Text("PgBouncer", "client_idle_timeout", "idle-session", (b"client_idle_timeout",), before=_SAID),
    Text(
        "PostgreSQL",
        "terminating connection due to transaction timeout",
        "transaction-timeout",
        (b"terminating connection due to transaction timeout",),
    ),
    Text("PgBouncer", "transaction timeout", "transaction-timeout", (b"transaction timeout",), before=_SAID),
    Text(
        "PostgreSQL",
        "terminating connection due to administrator command",
        "session-ended",
        (b"terminating connection due to administrator command",),
    ),
    Text(
        "PostgreSQL",
        'role "…" is not permitted to log in',
        "login-refused",
        _ROLE,
        names="role",
        before=_SAID,
        after=_NAMED + rb" is not permitted",
    ),
    Text("PostgreSQL", 'role "…" does not exist', "login-refused", _ROLE, names="role", before=_SAID, after=_NAMED + rb" does not exist"),
    Text(
        "PostgreSQL",
        'database "…" does not exist',
        "login-refused",
        _DATABASE,
        names="database",
        before=_SAID,
        after=_NAMED + rb" does not exist",
    ),
    Text(
        "PostgreSQL",
        'database "…" is not currently accepting connections',
        "login-refused",
        _DATABASE,
        names="database",
        before=_SAID,
        after=_NAMED + rb" is not currently accepting connections",
    ),
    Text(
        "PostgreSQL",
        'password authentication failed for user "…"',
        "login-refused",
        (b"password authentication failed for user ",),
        names="role",
        after=_NAME,
    ),
    Text(
        "PgBouncer",
        "no such database: …",
        "login-refused",
        (b"no such database: ",),
        names="database",
        before=_SAID,
        after=rb"([\w.-]{1,63})",
    ),
    Text(
        "PgBouncer",
        'database "…" is disabled',
        "login-refused",
        _DATABASE,
        names="database",
        before=_SAID,
        after=_NAMED + rb" is disabled",
    ),
    Text(
        "PgBouncer",
        '"trust" authentication failed',
        "login-refused",
        (b'"trust" authentication failed', b'\\"trust\\" authentication failed'),
    ),
    Text("PostgreSQL", "the database system is starting up", "server-starting", (b"the database system is starting up",)),
    Text("PostgreSQL", "the database system is shutting down", "server-starting", (b"the database system is shutting down",)),
    Text("PostgreSQL", "could not resize shared memory segment …", "shared-memory", (b"could not resize shared memory segment ",)),
    Text(
        "PostgreSQL",
        "server process was terminated by signal 9: Killed",
        "out-of-memory",
        (b"was terminated by signal 9: Killed",),
    ),
    Text(
        "Linux",
        "out of memory: killed process … (…)",
        "out-of-memory",
        (b"ut of memory: Kill",),  # Linux before 5.1: Kill process
        names="process",
        after=rb"(?:ed)? process \d+ \((postgres|postmaster|pgbouncer|php-fpm[\w.]{0,8})\)",
    ),
    Text("php-fpm", "child … exited on signal 9 (SIGKILL)", "out-of-memory", (b"exited on signal 9 (SIGKILL)",)),
    Text(
        "libpq",
        'connection to server at "…" failed: Connection refused',
        "server-unreachable",
        (b"connection to server at ", b"connection to server on socket "),  # the address follows, then the port
        rank=1,
        names="host",
        after=_NAME
        + rb"(?: \([^)\n]{1,64}\))?(?:, port \d{1,5})? failed: (?:Connection refused|Connection timed out|timeout expired|No route to host"
        rb"|Network is unreachable|No such file or directory)",
    ),
    Text(
        "libpq ≤13",
        "could not connect to server: …",
        "server-unreachable",
        (b"could not connect to server: ",),
        rank=1,
        after=rb"Connection refused|(?:Connection|Operation) timed out|No route to host|Network is unreachable|No such file",
    ),
    Text(
        "libpq",
        'could not translate host name "…"',
        "server-unreachable",
        (b"could not translate host name ",),
        rank=1,
        names="host",
        after=_NAME,
    ),
    Text("PDO", "SQLSTATE[08006] [7] …", "server-unreachable", (b"SQLSTATE[08006] [7] ",), rank=0),
    Text(
        "SQLx",
        "error communicating with database: Connection refused",
        "server-unreachable",
        (b"error communicating with database: ",),
        rank=1,
        after=rb"Connection refused|failed to lookup|No route to host|Network is unreachable|Connection timed out",
    ),
    Text("SQLx", "error communicating with database: …", "connection-lost", (b"error communicating with database: ",), rank=1),
    Text(
        "libpq",
        "server closed the connection unexpectedly",
        "connection-lost",
        (b"server closed the connection unexpectedly",),
        rank=1,
        follows=True,
    ),
    Text("PDO", "SQLSTATE[HY000]: General error: 7 …", "connection-lost", (b"SQLSTATE[HY000]: General error: 7 ",), rank=0),
    Text("Laravel", "LostConnectionException", "connection-lost", (b"LostConnectionException",), rank=0),
    Text("PgBouncer", "server conn crashed?", "connection-lost", (b"server conn crashed?",), rank=1),
    Text(
        "PostgreSQL",
        'prepared statement "…" does not exist',
        "prepared-statements",
        (b"prepared statement ",),
        after=_NAME + rb" does not exist",
    ),
    Text(
        "PostgreSQL",
        'prepared statement "…" already exists',
        "prepared-statements",
        (b"prepared statement ",),
        after=_NAME + rb" already exists",
    ),
    Text(
        "PDO", "SQLSTATE[25P02]: In failed sql transaction", "failed-transaction", (b"SQLSTATE[25P02]: In failed sql transaction",), rank=1
    ),
    Text(
        "PostgreSQL",
        "current transaction is aborted, commands ignored until end of transaction block",
        "failed-transaction",
        (b"current transaction is aborted, commands ignored until",),
    ),
    Text("PDO", "There is already an active transaction", "failed-transaction", (b"There is already an active transaction",)),
    Text(
        "SQLx",
        "pool timed out while waiting for an open connection",
        "pool-exhausted",
        (b"pool timed out while waiting for an open connection",),
    ),
    Text(
        "SQLx",
        "acquired connection, but time to acquire exceeded slow threshold",
        "pool-exhausted",
        (b"time to acquire exceeded slow threshold", b"quired_after_secs"),  # 0.8 writes aquired, 0.9 acquired
    ),
    Text(
        "SQLx",
        "attempted to acquire a connection on a closed pool",
        "pool-closed",
        (b"attempted to acquire a connection on a closed pool",),
    ),
    Text("PgBouncer", "no more connections allowed (max_client_conn)", "pooler-full", (b"no more connections allowed (max_client_conn)",)),
    Text(
        "PgBouncer",
        "client connections exceeded (…)",
        "pooler-full",
        (b"client connections exceeded (",),
        names="limit",
        after=rb"(max_db_client_connections|max_user_client_connections)",
    ),
    Text("PgBouncer", "query_wait_timeout", "pooler-wait", (b"query_wait_timeout",), before=_SAID),
    Text("PgBouncer", "taking connection from reserve_pool", "pooler-wait", (b"taking connection from reserve_pool",)),
    Text(
        "PgBouncer",
        "unsupported startup parameter: …",
        "startup-parameter",
        (b"unsupported startup parameter",),
        names="parameter",
        before=_SAID,
        after=rb"(?: in options)?: ([\w.]{1,63})",
    ),
    Text("PgBouncer", "server login has been failing, …", "pooler-login", (b"server login has been failing, ",), rank=1),
    Text("PgBouncer", "server login failed: …", "pooler-login", (b"server login failed: ",), rank=1),
    Text(
        "PgBouncer",
        "kernel file descriptor limit: …; max expected fd use: …",
        "file-descriptors",
        (b"kernel file descriptor limit: ",),
        after=rb"(\d+ \([^)\n]{0,40}\); max_client_conn: \d+, max expected fd use: \d+)",
        unless=_suffices,
    ),
    Text("php-fpm", "server reached pm.max_children setting", "fpm-full", (b"server reached pm.max_children setting",)),
    Text("php-fpm", "seems busy (you may need to increase pm.start_servers, …)", "fpm-full", (b"seems busy (you may need to increase ",)),
)
"""What is looked for; where texts share a needle the first that fits counts."""
