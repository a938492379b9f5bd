"""Bundles before the programs that read them, and the proof of their budget: as many connections as polint says, and not one more.

Each part is skipped where its program is missing.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from servers import Cluster, Database, Pooler, Refused, Session, place, secret, written
from test_bundle import PLANS, project_of
from test_bundle_monitoring import PROMTOOL, PSQL, SERVERS
from test_fix_real import COMPOSE, FPM, PHP, RUSTFMT, fpm, needs, run
from test_real_programs import PGBOUNCER, program

from polint.bundle.layout import Layout, lay_out
from polint.bundle.plan import MAJORS, Plan
from polint.bundle.render import render, targets
from polint.formats import postgresql_conf
from polint.pgunits import read_memory
from polint.source import Source

SAMPLE = (
    "rust-3-4-auto", "seed-3-4-auto", "horizon-1-1-auto", "queue-3-24-auto", "many-1-24-never", "other-8-24-auto",  # without a pooler
    "php-8-4-auto", "horizon-3-4-auto", "many-8-4-auto", "workers-8-1-always", "seed-1-4-always",  # behind one
)  # fmt: skip
CARGO = program("cargo", ("/usr/bin", str(Path.home() / ".cargo/bin")))
MOST_BUFFERS = 1 << 30  # that a machine which tests is asked for


def planned(name: str, version: int | None = None) -> Layout:
    """The layout of the plan of the grid whose name begins so."""
    (plan,) = [plan for key, plan in PLANS.items() if key.rpartition("-")[0] == name]
    if version is not None:
        plan = {**plan, "database": {**plan["database"], "version": version}}
    return lay_out(Plan.model_validate(plan))


LAYOUTS = {name: planned(name) for name in SAMPLE}
every_bundle = pytest.mark.parametrize("name", SAMPLE)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: written(render(layout), tmp_path_factory.mktemp(name)) for name, layout in LAYOUTS.items()}


def test_the_sample_has_every_kind_of_file() -> None:
    every = {target.template for plan in PLANS.values() for target in targets(lay_out(Plan.model_validate(plan)))}
    assert {target.template for layout in LAYOUTS.values() for target in targets(layout)} == every
    assert {layout.pooler is None for layout in LAYOUTS.values()} == {False, True}
    assert {layout.plan.monitoring for layout in LAYOUTS.values()} == {False, True}


# --- programs that only read -----------------------------------------------------------------


@needs(COMPOSE, "docker-compose")
@every_bundle
def test_compose_reads_it(bundles: dict[str, Path], name: str) -> None:
    code, out = run(COMPOSE, "-f", bundles[name] / "docker-compose.yml", "config", "-q", cwd=bundles[name])
    assert (code, out) == (0, "")


@needs(FPM, "php-fpm")
@every_bundle
def test_php_fpm_reads_it(bundles: dict[str, Path], name: str, tmp_path: Path) -> None:
    for service in LAYOUTS[name].of("laravel-fpm"):
        code, out = fpm(tmp_path, (bundles[name] / service.folder / "zz-polint.conf").read_bytes(), {})
        assert code == 0, out


CONFIGURATION = """\
function env($name, $default = null) { $found = getenv($name); return $found === false ? $default : $found; }
echo json_encode(require $argv[1]);
"""


@needs(PHP, "php")
@every_bundle
def test_php_reads_it(bundles: dict[str, Path], name: str) -> None:
    layout = LAYOUTS[name]
    for path in bundles[name].rglob("*.php"):
        code, out = run(PHP, "-l", path)
        assert code == 0, out
    if layout.of("laravel-horizon"):
        code, out = run(PHP, "-r", CONFIGURATION, bundles[name] / "php/config/horizon.php", env={"HORIZON_MAX_PROCESSES": "3"})
        assert code == 0, out
        assert json.loads(out)["defaults"]["supervisor-1"]["maxProcesses"] == 3


@needs(PROMTOOL, "promtool")
@every_bundle
def test_promtool_reads_it(bundles: dict[str, Path], name: str) -> None:
    folder = bundles[name] / "monitoring"
    assert folder.is_dir() == LAYOUTS[name].plan.monitoring
    for command in ("check config prometheus.yml", "check rules rules.yml", "test rules rules.test.yml") if folder.is_dir() else ():
        code, out = run(PROMTOOL, *command.split(), cwd=folder)
        assert code == 0, out


@needs(RUSTFMT, "rustfmt")
@every_bundle
def test_rustfmt_would_change_nothing(bundles: dict[str, Path], name: str) -> None:
    for path in bundles[name].rglob("*.rs"):
        code, out = run(RUSTFMT, "--check", "--color", "never", "--edition", "2021", path)
        assert code == 0, out


UNABLE = ("failed to download", "failed to get", "Could not resolve", "Couldn't resolve", "failed to query replaced", "requires rustc")


@needs(CARGO, "cargo")
def test_the_compiler_takes_it(bundles: dict[str, Path], pytestconfig: pytest.Config) -> None:
    """Against the real sqlx; what is compiled stays in pytest's cache, so that only the first run takes long."""
    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir("rust")
    for path in ("Cargo.toml", "src/db.rs"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes((bundles["seed-3-4-auto"] / "rust" / path).read_bytes())
    code, out = run(CARGO, "check", "--quiet", cwd=folder, env={"CARGO_TARGET_DIR": str(folder / "target"), "CARGO_TERM_COLOR": "never"})
    for line in out.splitlines() if code else ():
        if any(sign in line for sign in UNABLE):
            pytest.skip(f"cargo cannot build sqlx here: {line.strip()}")
    assert (code, out) == (0, "")


# --- the servers ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SERVERS or [None])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param is None or PSQL is None:
        pytest.skip("postgres or psql is not installed")
    with place() as folder:
        yield Cluster(request.param, folder)


class Stack(NamedTuple):
    """A bundle whose servers run."""

    layout: Layout
    files: Mapping[str, str]
    database: Database
    pooler: Pooler | None

    def open(self, sessions: ExitStack, service: str) -> Session:
        """One connection of a service, as its files have it."""
        (one,) = [one for one in self.layout.services if one.name == service]
        server = self.pooler if one.pooled else self.database
        assert server is not None
        session = server.session(one.user, one.secret, service)
        sessions.callback(session.close)
        return session

    def direct(self, sessions: ExitStack, user: str, password: str) -> Session:
        session = self.database.session(user, password)
        sessions.callback(session.close)
        return session


@contextmanager
def started(layout: Layout, files: Mapping[str, str], cluster: Cluster) -> Iterator[Stack]:
    if layout.pooler is not None and PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    less = ["shared_buffers=128MB"] if layout.shared_buffers.value > MOST_BUFFERS else []
    with ExitStack() as after:
        folder = after.enter_context(place())
        written(files, folder / "bundle")
        assert PSQL is not None
        database = Database(folder, cluster, PSQL, *less)
        after.callback(database.stop)
        pooler = None
        if layout.pooler is not None:
            assert PGBOUNCER is not None
            pooler = Pooler(PGBOUNCER, database, layout.user, "db_password")
            after.callback(pooler.stop)
        yield Stack(layout, files, database, pooler)


@pytest.fixture(scope="module", params=SAMPLE)
def stack(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Stack]:
    if cluster.major not in MAJORS:
        pytest.skip(f"no plan has PostgreSQL {cluster.major}")
    layout = planned(request.param, cluster.major)
    with started(layout, render(layout), cluster) as stack:
        yield stack


def test_postgres_has_the_numbers(stack: Stack) -> None:
    layout = stack.layout
    with ExitStack() as sessions:
        asker = stack.direct(sessions, "postgres", "postgres_password")
        entries = postgresql_conf.parse(Source("postgresql.conf", stack.files["postgres/postgresql.conf"])).entries
        for entry in entries:
            source = asker.value(f"SELECT source FROM pg_settings WHERE lower(name) = '{entry.key}'")
            redirected = entry.key == "listen_addresses" or (entry.key == "shared_buffers" and layout.shared_buffers.value > MOST_BUFFERS)
            assert source == ("command line" if redirected else "configuration file"), entry.key
        numbers = {"max_connections": layout.max_connections.value, "superuser_reserved_connections": layout.reserved}
        numbers |= {"tcp_keepalives_count": layout.keepalive.probes}
        for name, number in numbers.items():
            assert int(asker.value(f"SHOW {name}")) == number
        sizes = {name: getattr(layout, name).value for name in ("effective_cache_size", "work_mem", "maintenance_work_mem")}
        if layout.shared_buffers.value <= MOST_BUFFERS:
            sizes["shared_buffers"] = layout.shared_buffers.value
        for name, size in sizes.items():
            assert read_memory(asker.value(f"SHOW {name}"), "kB") == size
        assert asker.value("SHOW tcp_keepalives_idle") == str(int(layout.keepalive.idle))


def test_roles_and_their_limits(stack: Stack) -> None:
    layout, database = stack.layout, stack.database
    with ExitStack() as sessions:
        asker = stack.direct(sessions, "postgres", "postgres_password")
        limits = {layout.user: layout.role_limit.value} | ({layout.worker: layout.worker_limit.value} if layout.worker else {})
        for role, password in layout.logins:
            ((superuser, most),) = asker.ask(f"SELECT rolsuper, rolconnlimit FROM pg_roles WHERE rolname = '{role}'")
            assert superuser == "f"
            assert most == str(limits.get(role, 3))
            own = stack.direct(sessions, role, password)
            if role in limits:
                ladder = {"statement_timeout": layout.ladder.statement, "lock_timeout": layout.ladder.lock}
                ladder["idle_in_transaction_session_timeout"] = layout.ladder.transaction_idle
                for name, seconds in ladder.items():
                    assert own.value(f"SELECT setting FROM pg_settings WHERE name = '{name}'") == str(int(seconds * 1000))
                own.ask(f"CREATE TABLE of_{role} (id int); INSERT INTO of_{role} VALUES (1); DROP TABLE of_{role}")
    if layout.plan.monitoring:
        for role in ("postgres", layout.monitor):
            database.psql("-U", role, "-d", layout.database, "-f", "bundle/monitoring/queries.sql")


def test_every_role_logs_in_and_a_query_goes_through(stack: Stack) -> None:
    layout, pooler = stack.layout, stack.pooler
    server = pooler or stack.database
    with ExitStack() as sessions:
        for role, password in layout.logins:
            session = server.session(role, password)
            sessions.callback(session.close)
            assert session.ask("SELECT current_user, current_database(), 6 * 7") == [[role, layout.database, "42"]]
        if pooler is not None and layout.pooler is not None and layout.plan.monitoring:
            console = pooler.session(layout.monitor, "monitor_password", database="pgbouncer")
            sessions.callback(console.close)
            shown = {row[0]: row[1] for row in console.ask("SHOW CONFIG")}
            expected = {"default_pool_size": layout.pooler.pool, "reserve_pool_size": layout.pooler.reserve}
            expected |= {"max_db_connections": layout.pooler.opens, "max_client_conn": layout.pooler.clients}
            assert {name: shown[name] for name in expected} == {name: str(figure) for name, figure in expected.items()}
        with pytest.raises(Refused):
            Session(server.port, layout.user, "wrong", layout.database)


PDO = CONFIGURATION.replace(
    "echo json_encode(require $argv[1]);",
    """\
$one = (require $argv[1])['connections']['pgsql'];
$place = "pgsql:host={$one['host']};port={$one['port']};dbname={$one['database']};sslmode={$one['sslmode']}";
$link = new PDO($place, $one['username'], $one['password'], $one['options']);
$asked = $link->prepare('SELECT current_user || ? || 6 * ?::int');
$asked->execute([' ', 7]);
echo $asked->fetchColumn();
""",
)


@pytest.mark.skipif(PHP is None or "pdo_pgsql" not in run(PHP, "-m")[1], reason="PHP's pdo_pgsql is not installed")
def test_laravel_s_configuration_connects(stack: Stack) -> None:
    layout, folder = stack.layout, stack.database.folder
    for service in layout.laravel:
        server = stack.pooler or stack.database
        variables = {"DB_HOST": "127.0.0.1", "DB_PORT": str(server.port), "DB_USERNAME": service.user}
        variables["DB_PASSWORD_FILE"] = str(folder / "bundle/secrets" / f"{service.secret}.txt")
        code, out = run(PHP, "-r", PDO, folder / "bundle/php/config/database.php", env=variables)
        assert (code, out) == (0, f"{service.user} 42")


# --- the proof -----------------------------------------------------------------------------

LOCK = 2147483647
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


def until(asker: Session, sql: str, number: int, seconds: float = 3.5) -> None:
    """Wait until the answer is that number: less than query_wait_timeout, which ends what waits in PgBouncer."""
    end = time.monotonic() + seconds
    while (found := int(asker.value(sql))) != number and time.monotonic() < end:
        time.sleep(0.02)
    assert found == number


def test_the_worst_case_fits_and_an_administrator_gets_in(stack: Stack) -> None:
    layout = stack.layout
    project, found = project_of(stack.files)
    (server,) = project.servers
    worst = int(server.peak_connections.value) + server.surge.value
    assert (found, worst) == ([], layout.opens.value)
    with ExitStack() as sessions:
        asker = stack.direct(sessions, "postgres", "postgres_password")
        asker.ask(f"SELECT pg_advisory_lock({LOCK})")
        every = [stack.open(sessions, service.name) for service in layout.services for _ in range(service.opens.value)]
        assert len(every) == sum(service.opens.value for service in layout.services)
        if layout.plan.monitoring:
            every.append(stack.direct(sessions, layout.monitor, "monitor_password"))

        for session in every:  # everybody asks at once, and waits for the same lock
            session.send(f"SELECT pg_advisory_xact_lock_shared({LOCK}), 42")
        until(asker, WAITING, worst)
        assert int(asker.value(CLIENTS)) == worst

        administrator = stack.direct(sessions, "postgres", "postgres_password")
        assert administrator.value("SELECT 42") == "42"
        migration = stack.direct(sessions, layout.user, "db_password")
        assert migration.value("SELECT 42") == "42"

        asker.ask(f"SELECT pg_advisory_unlock({LOCK})")
        assert {row[1] for session in every for row in session.receive()} == {"42"}


def test_each_limit_is_where_polint_says(stack: Stack) -> None:
    """The role's, then the one of ordinary roles, then the server's own."""
    layout = stack.layout
    (server,) = project_of(stack.files)[0].servers
    usable, most = server.usable_connections.value, server.max_connections.value
    with ExitStack() as sessions:
        asker = stack.direct(sessions, "postgres", "postgres_password")
        asker.ask(f"DROP ROLE IF EXISTS someone; CREATE ROLE someone LOGIN PASSWORD '{secret('someone')}'")
        asker.ask(f"SELECT pg_terminate_backend(pid) {CLIENTS.removeprefix('SELECT count(*) ')}")  # what PgBouncer keeps open
        until(asker, CLIENTS, 0)
        asker.close()

        def fill(user: str, password: str) -> tuple[int, str]:
            for count in range(most + 2):
                try:
                    stack.direct(sessions, user, password)
                except Refused as refused:
                    return count, str(refused)
            raise AssertionError("nobody was refused")

        assert fill(layout.user, "db_password") == (layout.role_limit.value, f'too many connections for role "{layout.user}"')
        rest, why = fill("someone", "someone")
        assert layout.role_limit.value + rest == usable
        assert "remaining connection slots are reserved for" in why
        assert fill("postgres", "postgres_password") == (most - usable, "sorry, too many clients already")


# --- twins that ask for more ---------------------------------------------------------------

SEED = {"rust-iss": {"kind": "sqlx", "replicas": 3}, "php-web": {"kind": "laravel-fpm", "replicas": 3}}
CONF, COMPOSE_FILE, INI = "postgres/postgresql.conf", "docker-compose.yml", "pgbouncer/pgbouncer.ini"


class Twin(NamedTuple):
    """A bundle with one number changed, and what polint says to it."""

    layout: Layout
    files: dict[str, str]
    found: list[str]

    def said(self, code: str, words: str) -> list[int]:
        """The numbers of the one diagnostic of that code."""
        (one,) = [line for line in self.found if f" {code} " in line]
        numbers = re.search(words, one)
        assert numbers, one
        return [int(number) for number in numbers.groups()]


def twin(pgbouncer: str, version: int, path: str, old: str, new: str) -> Twin:
    plan = {"project": "iss-tracker", "services": SEED, "pgbouncer": pgbouncer, "database": {"cores": 8, "version": version}}
    layout = lay_out(Plan.model_validate(plan))
    files = render(layout)
    assert project_of(files)[1] == []
    files[path], count = re.subn(old, new, files[path], flags=re.MULTILINE)
    assert count == 1
    return Twin(layout, files, project_of(files)[1])


def opened(stack: Stack, sessions: ExitStack) -> tuple[list[Session], list[Refused]]:
    """Every connection that polint counts: those that there can be, and those that were refused."""
    (server,) = project_of(stack.files)[0].servers
    got: list[Session] = []
    refused: list[Refused] = []
    for consumer in sorted(server.direct, key=lambda one: one.kind != "exporter"):
        for _ in range(consumer.at_most.value):
            try:
                if consumer.kind == "exporter":
                    got.append(stack.direct(sessions, stack.layout.monitor, "monitor_password"))
                else:
                    got.append(stack.open(sessions, consumer.service))
                assert not refused
            except Refused as error:
                refused.append(error)
    return got, refused


def administered(stack: Stack) -> None:
    session = stack.database.administrator()
    assert session.value("SELECT 42") == "42"
    session.close()


def test_below_the_demand_the_next_connection_is_refused(cluster: Cluster) -> None:
    other = twin("never", cluster.major, CONF, r"^max_connections = \d+", "max_connections = 50")
    demand, usable = other.said("PO101", r"pools can open (\d+) of (\d+) usable connections")
    assert usable < demand
    with started(other.layout, other.files, cluster) as stack, ExitStack() as sessions:
        got, refused = opened(stack, sessions)
        assert (len(got), len(refused)) == (usable, demand - usable)
        assert {error.code for error in refused} == {"53300"}
        assert all("remaining connection slots are reserved for" in str(error) for error in refused)
        for session in got:
            session.send("SELECT 42")
        assert [session.receive() for session in got] == [[["42"]]] * usable
        administered(stack)


def test_above_the_role_s_limit_the_next_connection_is_refused(cluster: Cluster) -> None:
    other = twin("never", cluster.major, COMPOSE_FILE, r"(php-web:\n(?: .*\n)*? +replicas: )3", r"\g<1>12")
    workers, limit = other.said("PO108", rf"PHP can open (\d+) connections as {other.layout.user}, whose CONNECTION LIMIT is (\d+)")
    assert limit < workers
    with started(other.layout, other.files, cluster) as stack, ExitStack() as sessions:
        got = [stack.open(sessions, "php-web") for _ in range(limit)]
        with pytest.raises(Refused, match=f'too many connections for role "{other.layout.user}"'):
            stack.open(sessions, "php-web")
        assert [session.value("SELECT 42") for session in got] == ["42"] * limit
        assert stack.direct(sessions, other.layout.monitor, "monitor_password").value("SELECT 42") == "42"
        administered(stack)


@needs(PGBOUNCER, "pgbouncer")
def test_below_its_pools_the_pooler_s_next_connection_is_refused(cluster: Cluster) -> None:
    other = twin("always", cluster.major, CONF, r"^max_connections = \d+", "max_connections = 12")
    pools, usable = other.said("PO602", r"its pools can open (\d+) of (\d+) usable connections")
    assert usable < pools
    with started(other.layout, other.files, cluster) as stack, ExitStack() as sessions:
        assert stack.pooler is not None
        got = [stack.open(sessions, "php-web") for _ in range(pools)]
        for session in got:
            session.send("BEGIN; SELECT 42")  # and holds what it has
        answers = []
        for session in got:
            try:
                answers.append(session.receive() == [["42"]])
            except Refused:  # after query_wait_timeout
                answers.append(False)
        assert (answers.count(True), answers.count(False)) == (usable, pools - usable)
        assert "remaining connection slots are reserved for" in stack.pooler.process.log
        administered(stack)


@needs(PGBOUNCER, "pgbouncer")
def test_above_max_client_conn_the_next_client_is_refused(cluster: Cluster) -> None:
    other = twin("always", cluster.major, COMPOSE_FILE, r"(rust-iss:\n(?: .*\n)*? +replicas: )3", r"\g<1>13")
    most, demand = other.said("PO604", r"takes (\d+) clients, its applications can open (\d+)")
    assert most < demand
    with started(other.layout, other.files, cluster) as stack, ExitStack() as sessions:
        got = [stack.open(sessions, "rust-iss") for _ in range(most)]
        with pytest.raises(Refused, match="no more connections allowed"):
            stack.open(sessions, "rust-iss")
        for session in got:
            session.send("SELECT 42")
        assert [session.receive() for session in got] == [[["42"]]] * most
        administered(stack)
