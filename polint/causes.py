"""What lies behind each group of error texts: cause, what to check, what to change, and the rules that see it coming."""

from __future__ import annotations

from .tuples import NamedTuple


class Check(NamedTuple):
    """Something to look at: SQL for PostgreSQL 12 to 18, commands of PgBouncer's console, or shell commands, a line each."""

    what: str
    sql: str = ""
    console: str = ""
    shell: str = ""


class Change(NamedTuple):
    """Something to change; ``at`` names what of the project is edited for it, as ``diagnose_here`` finds it."""

    what: str
    at: str = ""


class Cause(NamedTuple):
    """One cause; ``here`` names what of the project matters for it, as ``diagnose_here`` shows it."""

    id: str
    symptom: str
    why: str
    here: tuple[str, ...]
    checks: tuple[Check, ...]
    changes: tuple[Change, ...]
    rules: tuple[str, ...]
    begin: tuple[str, ...] = ()  # causes that bring this one about: where a log tells of both, they come first


_FULL = ("too-many-clients", "connection-limit")
_DOWN = ("server-unreachable", "server-starting", "out-of-memory")
_SLOTS = Check(
    "slots in use, and how many there are",
    sql="""\
SELECT count(*) AS used,
       current_setting('max_connections') AS slots,
       current_setting('superuser_reserved_connections') AS reserved
FROM pg_stat_activity WHERE backend_type = 'client backend';""",
)
_HOLDERS = Check(
    "who holds them, the most first",
    sql="""\
SELECT usename, application_name, client_addr, state, count(*),
       max(now() - state_change) AS longest
FROM pg_stat_activity WHERE backend_type = 'client backend'
GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC;""",
)
_RUNNING = Check(
    "statements that run longest",
    sql="""\
SELECT pid, usename, application_name, wait_event_type,
       now() - query_start AS running, left(query, 60) AS query
FROM pg_stat_activity
WHERE state = 'active' AND pid <> pg_backend_pid()
ORDER BY query_start LIMIT 10;""",
)
_OPEN = Check(
    "transactions that are open and idle",
    sql="""\
SELECT pid, usename, application_name,
       now() - state_change AS idle, left(query, 60) AS last_query
FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
ORDER BY state_change LIMIT 10;""",
)
_BLOCKED = Check(
    "who waits for whom",
    sql="""\
SELECT pid, pg_blocking_pids(pid) AS waits_for,
       now() - query_start AS waiting, left(query, 60) AS query
FROM pg_stat_activity
WHERE cardinality(pg_blocking_pids(pid)) > 0;""",
)
_TIMEOUTS = Check(
    "the limits of a new session, and where each is set",
    sql="""\
SELECT name, setting, unit, source, sourcefile, sourceline
FROM pg_settings
WHERE name ~ '(statement|lock|session|transaction)_timeout$';""",
)
_ROLE_SETTINGS = Check(
    "what roles and databases set for their sessions",
    sql="""\
SELECT rolname, datname, setconfig FROM pg_db_role_setting
LEFT JOIN pg_roles ON pg_roles.oid = setrole
LEFT JOIN pg_database ON pg_database.oid = setdatabase;""",
)
_STARTED = Check("when the server was started: later than the first line, it was restarted", sql="SELECT pg_postmaster_start_time();")
_POOLS = Check("clients that wait (cl_waiting, maxwait) and servers in use (sv_active), by pool", console="SHOW POOLS;")

CAUSES = (
    Cause(
        "too-many-clients",
        "PostgreSQL has no connection slot left",
        "Clients together hold every slot that ordinary roles may have: max_connections less those reserved for superusers. Idle"
        " connections count too, and so do exporters, psql and every process of an application.",
        ("servers",),
        (_SLOTS, _HOLDERS),
        (
            Change(
                "Now: end idle sessions of the client that holds most, with pg_terminate_backend(pid) and a filter on usename and state."
            ),
            Change("Make the largest pools smaller, until all clients together fit with a tenth to spare.", "largest"),
            Change("Or raise max_connections; it takes a restart, a reload is not enough.", "max_connections"),
            Change("Or put PgBouncer in transaction mode in between, when many processes hold few busy connections each."),
        ),
        (
            "connections-over-budget",
            "connections-near-budget",
            "pool-equals-max-connections",
            "pgbouncer-over-max-connections",
            "start-first-overlap",
            "server-variable-ignored",
            "pool-per-request",
        ),
    ),
    Cause(
        "connection-limit",
        "a role or a database has reached its own CONNECTION LIMIT",
        "The limit of that role or database is lower than what its clients open, though the server may have slots left. Superusers are"
        " exempt.",
        ("limits", "servers"),
        (
            Check(
                "limits of roles, and what they use",
                sql="""\
SELECT rolname, rolconnlimit,
       (SELECT count(*) FROM pg_stat_activity
        WHERE usename = rolname
        AND backend_type = 'client backend') AS used
FROM pg_roles WHERE rolconnlimit >= 0;""",
            ),
            Check(
                "limits of databases, and what they use",
                sql="""\
SELECT d.datname, datconnlimit,
       (SELECT count(*) FROM pg_stat_activity a
        WHERE a.datname = d.datname
        AND backend_type = 'client backend') AS used
FROM pg_database d WHERE datconnlimit >= 0;""",
            ),
        ),
        (
            Change(
                "Raise it: ALTER ROLE … CONNECTION LIMIT n or ALTER DATABASE … CONNECTION LIMIT n holds at once for new sessions.", "limit"
            ),
            Change("Or make the pools of its clients smaller; a limit is a fence, not a size to run at.", "largest"),
        ),
        ("connection-limit-below-demand", "connection-limit-over-max", "connections-over-budget"),
    ),
    Cause(
        "replication-slots",
        "no slot left for a replication connection",
        "Replicas, backups and change streams together are more than max_wal_senders; a connection that broke off keeps its slot until"
        " it times out.",
        (),
        (
            Check(
                "who replicates",
                sql="SELECT pid, usename, application_name, client_addr, state,\n       backend_start\nFROM pg_stat_replication;",
            ),
            Check("the limit", sql="SHOW max_wal_senders;"),
        ),
        (Change("Raise max_wal_senders (it takes a restart), or stop the replica or backup that nobody needs.", "server"),),
        (),
    ),
    Cause(
        "pool-exhausted",
        "the application's own pool has no connection free in time",
        "Every connection of the pool is in use for longer than acquire_timeout: too few for the load, held across slow work, or never"
        " given back. A server that is full or refuses connections looks the same: SQLx tries again until the time is up, and then"
        " says this.",
        ("pools max_connections acquire_timeout", "servers statement_timeout", "servers"),
        (
            Check("first whether PostgreSQL was full: its log says so at the same times, or see", sql=_SLOTS.sql),
            _RUNNING,
            Check("connections that are kept while nothing runs", sql=_OPEN.sql),
        ),
        (
            Change("Hold a connection no longer than a query: no HTTP call, sleep or second acquire while one is held."),
            Change("Make slow statements faster, or limit them: statement_timeout of the role below acquire_timeout.", "statement_timeout"),
            Change("Then a larger pool, if the server has slots for it in every process.", "pool"),
            Change("A longer acquire_timeout only hides it; 3 to 5 s suit a web request.", "acquire_timeout"),
        ),
        (
            "connection-held-over-slow-work",
            "nested-acquire",
            "connection-leaked",
            "pool-per-request",
            "pool-size-implicit",
            "acquire-timeout-missing",
            "acquire-timeout-out-of-range",
            "timeout-ladder",
        ),
        begin=(*_FULL, *_DOWN),
    ),
    Cause(
        "pool-closed",
        "a query came after the pool was closed",
        "pool.close() has run, and requests or tasks still use the pool: mostly on shutdown, when the pool is closed before the server"
        " stops.",
        ("pools max_connections",),
        (Check("whether the times are those of deploys or restarts"),),
        (
            Change(
                "Close the pool last: stop taking requests, wait for those that run, end background tasks, then pool.close().await.", "pool"
            ),
        ),
        ("close-missing", "stop-signal-mismatch"),
    ),
    Cause(
        "server-unreachable",
        "nothing answers where the client looks for PostgreSQL",
        "Refused: nothing listens on that host and port, as the server is down, restarting or refuses its configuration. Timed out: the"
        " host is not reached. A name that cannot be translated is no host of this network.",
        ("problems",),
        (
            Check(
                "whether it runs and listens", shell="pg_isready -h HOST -p PORT\ndocker compose ps\ndocker compose logs --tail 50 DATABASE"
            ),
            _STARTED,
        ),
        (
            Change("Mend what keeps the server from starting; its own log names the line.", "server"),
            Change("Let clients wait for it: a healthcheck with pg_isready, and depends_on with condition: service_healthy.", "service"),
            Change("Give up early: a connect timeout of a few seconds, instead of 30."),
        ),
        (
            "conf-syntax",
            "conf-value-invalid",
            "conf-unknown-setting",
            "reserve-invalid",
            "healthcheck-missing",
            "pdo-connect-timeout-missing",
        ),
        begin=("out-of-memory", "session-ended"),
    ),
    Cause(
        "server-starting",
        "clients come while PostgreSQL starts or stops",
        "The server takes no sessions until recovery is done, nor once it shuts down. After a crash or an out-of-memory kill it starts"
        " by itself.",
        ("problems",),
        (_STARTED, Check("why it started: the lines before in its log", shell="docker compose logs DATABASE | grep -B5 'starting up'")),
        (
            Change("Let clients wait for it: a healthcheck with pg_isready, and depends_on with condition: service_healthy.", "service"),
            Change("Let clients try again with a pause that grows."),
        ),
        ("healthcheck-missing", "stop-signal-mismatch"),
        begin=("out-of-memory",),
    ),
    Cause(
        "connection-lost",
        "a connection broke off under its client",
        "The server, a pooler or a firewall in between closed it, and the client noticed only when it used it: a restart, a crash, a"
        " session that was ended, or an idle time that the network does not allow.",
        ("pools test_before_acquire idle_timeout max_lifetime", "servers idle_session_timeout tcp_keepalives_idle"),
        (
            _STARTED,
            Check("what the server's log says at those times: terminated, restarted, killed"),
            Check("keepalive of the server", sql="SELECT name, setting, unit FROM pg_settings\nWHERE name LIKE 'tcp\\_keepalives%';"),
        ),
        (
            Change("Test connections before they are handed out, and close idle ones earlier than the server or a firewall does.", "pool"),
            Change("Let keepalive find dead peers within minutes: tcp_keepalives_idle = 60, interval 10, count 6.", "server"),
            Change("In PHP, leave out persistent connections: the first request after a restart fails with each of them."),
        ),
        (
            "health-check-off",
            "idle-session-timeout-below-pool",
            "max-lifetime-out-of-range",
            "idle-timeout-out-of-range",
            "keepalive-slow",
            "persistent-connections",
            "persistent-in-long-running",
        ),
        begin=("session-ended", "out-of-memory", "server-starting", "idle-session", "idle-in-transaction"),
    ),
    Cause(
        "session-ended",
        "somebody ended sessions on the server",
        "pg_terminate_backend() was called, the server was stopped or restarted, or the database was dropped with FORCE.",
        ("pools test_before_acquire",),
        (_STARTED, Check("jobs and scripts that call pg_terminate_backend, and who may", sql=_HOLDERS.sql)),
        (
            Change("Let whatever ends sessions filter by usename, state and age: idle connections of a healthy pool are no leak."),
            Change("Test connections before they are handed out, so that the next request gets a new one.", "pool"),
        ),
        ("terminate-unfiltered", "health-check-off"),
    ),
    Cause(
        "statement-timeout",
        "statements ran into their time limit",
        "A statement took longer than statement_timeout, or than PgBouncer's query_timeout: a slow query, or a wait for a lock or for"
        " the disk.",
        ("servers statement_timeout", "poolers query_timeout"),
        (_RUNNING, _BLOCKED, _TIMEOUTS, _ROLE_SETTINGS),
        (
            Change("Mend the statement: EXPLAIN (ANALYZE, BUFFERS) with its real values."),
            Change("Set the limit for the application's role, so that migrations and reports are not cut off.", "statement_timeout"),
            Change("Keep it below the limit of the request, and above the slowest statement that is fine."),
        ),
        ("statement-timeout-global", "timeout-ladder", "bare-time-number"),
    ),
    Cause(
        "lock-timeout",
        "statements gave up waiting for a lock",
        "Another transaction holds the lock for longer than lock_timeout: a migration, a long transaction, or one that idles while open.",
        ("servers statement_timeout idle_in_transaction_session_timeout",),
        (_BLOCKED, _OPEN, _TIMEOUTS),
        (
            Change("End the transaction that blocks; keep transactions short, and migrations in small steps."),
            Change("Limit open transactions that do nothing: idle_in_transaction_session_timeout.", "idle_in_transaction_session_timeout"),
        ),
        ("idle-in-transaction-timeout-missing", "connection-held-over-slow-work", "statement-timeout-global"),
        begin=("idle-in-transaction",),
    ),
    Cause(
        "idle-in-transaction",
        "transactions were left open with nothing running",
        "The client began a transaction and then did something else, or lost it, for longer than the limit. The session is gone, its"
        " locks with it.",
        ("servers idle_in_transaction_session_timeout", "poolers idle_transaction_timeout"),
        (_OPEN, _TIMEOUTS, _ROLE_SETTINGS),
        (
            Change("Commit before anything slow: no HTTP call, queue or user between BEGIN and COMMIT."),
            Change("A longer limit keeps locks and old rows longer; leave it short.", "idle_in_transaction_session_timeout"),
        ),
        ("connection-held-over-slow-work", "connection-leaked", "idle-in-transaction-timeout-missing"),
    ),
    Cause(
        "idle-session",
        "idle sessions were closed under their clients",
        "The server's idle_session_timeout, or PgBouncer's client_idle_timeout, is shorter than the time for which pools keep idle"
        " connections.",
        ("servers idle_session_timeout", "poolers client_idle_timeout", "pools idle_timeout"),
        (_TIMEOUTS, _ROLE_SETTINGS),
        (
            Change("Let the pool close idle connections first: its idle_timeout below the server's limit.", "idle_timeout"),
            Change("Or leave idle_session_timeout at 0 for roles whose clients pool.", "idle_session_timeout"),
        ),
        ("idle-session-timeout-below-pool", "idle-timeout-out-of-range"),
    ),
    Cause(
        "transaction-timeout",
        "transactions ran into their time limit",
        "A whole transaction took longer than transaction_timeout (PostgreSQL 17, PgBouncer 1.25): long work, or pauses between its"
        " statements.",
        ("servers transaction_timeout statement_timeout", "poolers transaction_timeout"),
        (_OPEN, _RUNNING, _TIMEOUTS, _ROLE_SETTINGS),
        (Change("Split the transaction, or set the limit for the application's role alone: batch work needs a longer one.", "server"),),
        ("statement-timeout-global", "connection-held-over-slow-work"),
    ),
    Cause(
        "login-refused",
        "logins are refused",
        "The role or the database does not exist there, may not be used, or the password is another one: mostly the wrong server, or an"
        " init script that ran before it was changed. Scripts of /docker-entrypoint-initdb.d run only on an empty data directory.",
        ("logins",),
        (
            Check(
                "roles, and whether they may log in", sql="SELECT rolname, rolcanlogin, rolsuper, rolvaliduntil\nFROM pg_roles ORDER BY 1;"
            ),
            Check(
                "databases, and whether they take connections",
                sql="SELECT datname, datallowconn, datconnlimit\nFROM pg_database ORDER BY 1;",
            ),
            Check("what PgBouncer knows", console="SHOW DATABASES;\nSHOW USERS;"),
        ),
        (
            Change("Make the role or database there, or correct the name in the client's settings."),
            Change(
                "Behind PgBouncer, list the database in [databases] and the role in its auth_file, or let auth_query find it.", "pooler"
            ),
        ),
        ("env-override-conflict", "env-dialect-hazard", "env-code-mismatch", "interpolation-empty"),
    ),
    Cause(
        "prepared-statements",
        "prepared statements meet the wrong server connection",
        "In transaction mode each transaction may run on another server connection: a statement prepared on one is missing on the next, or"
        " another client has prepared its own under the same name.",
        ("poolers pool_mode max_prepared_statements",),
        (
            Check("mode, version and whether PgBouncer tracks them", console="SHOW VERSION;\nSHOW CONFIG;"),
            Check(
                "what is prepared on a server connection", sql="SELECT name, left(statement, 60), from_sql\nFROM pg_prepared_statements;"
            ),
        ),
        (
            Change("PgBouncer 1.21 or later with max_prepared_statements above 0 (200 is 1.24's default).", "max_prepared_statements"),
            Change("PHP before 8.4: PDO::ATTR_EMULATE_PREPARES => true for the connection that goes through the pooler."),
            Change("Migrations and LISTEN: connect to PostgreSQL directly, or use a pool in session mode."),
        ),
        ("prepared-statements-through-pooler", "native-prepares-through-pooler", "session-features-through-pooler"),
    ),
    Cause(
        "failed-transaction",
        "a transaction goes on after its first error, or begins twice",
        "A statement of the transaction failed, and all after it are refused until ROLLBACK; the first error is the one to look for. Or"
        " beginTransaction() was called while one was open, as persistent connections and shared ones make likely.",
        (),
        (Check("the error before the first of these lines, of the same process"), _OPEN),
        (
            Change("Roll back where an error is caught inside a transaction, or use DB::transaction()."),
            Change("Leave out persistent connections, and give each worker a connection of its own."),
            Change("Behind PgBouncer with PHP before 8.4: emulated prepares, as DEALLOCATE of a renamed statement fails the transaction."),
        ),
        ("persistent-connections", "persistent-in-long-running", "native-prepares-through-pooler", "connection-shared"),
    ),
    Cause(
        "startup-parameter",
        "PgBouncer refuses what a client sets when it connects",
        "A startup parameter that PgBouncer does not track: SQLx always sends extra_float_digits, and options=-c … sends any setting.",
        ("poolers ignore_startup_parameters",),
        (Check("what is ignored today", console="SHOW CONFIG;"),),
        (
            Change(
                "Name it in ignore_startup_parameters, separated by commas; what is ignored is not applied.", "ignore_startup_parameters"
            ),
            Change("Set limits such as statement_timeout on the server instead: ALTER ROLE … SET."),
        ),
        ("startup-parameter-refused",),
    ),
    Cause(
        "pooler-full",
        "PgBouncer takes no further clients",
        "Its clients together are more than max_client_conn (or than a database's or user's limit, from 1.24). Waiting clients count too.",
        ("poolers max_client_conn",),
        (
            Check("clients and the limit", console="SHOW LISTS;\nSHOW CLIENTS;\nSHOW CONFIG;"),
            Check("open files that its process may have: each client takes one", shell="cat /proc/$(pidof pgbouncer)/limits"),
        ),
        (
            Change("Raise max_client_conn above what all processes of all clients can open.", "max_client_conn"),
            Change("Raise the limit of open files with it."),
        ),
        ("pgbouncer-clients-below-demand",),
        begin=("pooler-wait",),
    ),
    Cause(
        "pooler-wait",
        "clients of PgBouncer wait too long for a server connection",
        "All server connections of the pool are busy, or PostgreSQL refuses new ones: then clients wait as well, until query_wait_timeout.",
        ("poolers pool_mode default_pool_size reserve_pool_size query_wait_timeout", "servers"),
        (Check("first whether PostgreSQL was full", sql=_SLOTS.sql), _POOLS, _RUNNING, _OPEN),
        (
            Change("Free server connections sooner: transaction mode, shorter transactions, a statement_timeout.", "pool_mode"),
            Change("A larger default_pool_size, as far as the server has slots.", "default_pool_size"),
            Change("query_wait_timeout a little below what clients wait themselves, so that they get an answer.", "query_wait_timeout"),
        ),
        ("pgbouncer-session-mode", "query-wait-timeout-long", "pgbouncer-over-max-connections", "connection-held-over-slow-work"),
        begin=(*_FULL, *_DOWN, "pooler-login"),
    ),
    Cause(
        "pooler-login",
        "PgBouncer cannot log in to PostgreSQL",
        "The server refuses PgBouncer's own connection or does not answer; what the server said follows in the line. It tries again"
        " after server_login_retry.",
        ("poolers default_pool_size", "servers"),
        (Check("the server's answer, in PgBouncer's log", shell="docker compose logs PGBOUNCER | grep 'login failed'"), _POOLS, _SLOTS),
        (Change("Mend what the server says: a full server, a wrong password in auth_file, a database that is not there.", "pooler"),),
        ("pgbouncer-over-max-connections", "pgbouncer-syntax"),
        begin=(*_FULL, *_DOWN, "login-refused"),
    ),
    Cause(
        "file-descriptors",
        "PgBouncer may need more open files than it is allowed",
        "Each client and each server connection takes a file; beyond the limit connections fail one by one.",
        ("poolers max_client_conn",),
        (Check("the limit of its process", shell="cat /proc/$(pidof pgbouncer)/limits"),),
        (
            Change("Raise it: ulimits: nofile: in compose, LimitNOFILE= for systemd.", "pooler"),
            Change("Or lower max_client_conn to what its clients open.", "max_client_conn"),
        ),
        (),
    ),
    Cause(
        "fpm-full",
        "php-fpm has no worker free",
        "All workers are busy, so requests queue: too few for the load, or each waits too long, often for the database. php-fpm says so"
        " once until a worker is free again: the count is of episodes, not of requests.",
        ("fpms max_children request_terminate_timeout", "servers"),
        (
            Check("workers and queue (pm.status_path)", shell="curl -s http://localhost/fpm-status"),
            Check("what the workers wait for", sql=_RUNNING.sql),
        ),
        (
            Change("Find what is slow first: slowlog and request_slowlog_timeout; more workers only bring more connections.", "fpm"),
            Change("Raise pm.max_children as far as memory and the connections of the server go.", "max_children"),
            Change("Limit stuck requests: request_terminate_timeout, and a shorter statement_timeout.", "fpm"),
        ),
        ("fpm-terminate-timeout-missing", "php-workers-over-budget", "fpm-children-over-memory", "fpm-env-not-interpolated"),
        begin=(*_FULL, *_DOWN, "pooler-wait", "statement-timeout", "lock-timeout"),
    ),
    Cause(
        "out-of-memory",
        "the kernel killed processes for want of memory",
        "A container or the machine was out of memory. When one PostgreSQL backend is killed, the server ends all sessions and recovers."
        " php-fpm's workers are killed with signal 9 by a few other things as well.",
        ("containers", "servers max_connections shared_buffers work_mem", "fpms max_children"),
        (
            Check("what was killed", shell="dmesg -T | grep -i 'killed process'\ndocker inspect -f '{{.State.OOMKilled}}' CONTAINER"),
            Check(
                "memory settings",
                sql="SELECT name, setting, unit FROM pg_settings WHERE name IN\n('shared_buffers', 'work_mem', 'maintenance_work_mem');",
            ),
        ),
        (
            Change("Fewer connections, or a smaller work_mem: each may take work_mem several times.", "work_mem"),
            Change("Fewer php-fpm workers: the limit of the container divided by what a worker takes at most.", "max_children"),
            Change("Or more memory for the container.", "memory"),
        ),
        ("memory-overcommitted", "fpm-children-over-memory", "shared-buffers-off"),
    ),
    Cause(
        "shared-memory",
        "PostgreSQL ran out of shared memory",
        "Parallel queries share memory in /dev/shm, which is 64 MB in a container unless shm_size says otherwise.",
        ("containers",),
        (
            Check("how large it is", shell="docker compose exec DATABASE df -h /dev/shm"),
            Check(
                "what uses it",
                sql="SELECT name, setting FROM pg_settings WHERE name IN\n('max_parallel_workers_per_gather', 'work_mem');",
            ),
        ),
        (
            Change("Give the database's service shm_size: 256mb or more.", "service"),
            Change("Or fewer parallel workers: max_parallel_workers_per_gather.", "server"),
        ),
        (),
    ),
)
BY_ID = {cause.id: cause for cause in CAUSES}
