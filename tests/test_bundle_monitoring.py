"""What a bundle has to watch its connections with, and POOLING.md: tried with promtool and a real server where those are installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_real_programs import program

from polint import exporters, promql
from polint.bundle.layout import lay_out
from polint.bundle.plan import MAJORS, Plan
from polint.bundle.render import render
from polint.formats import grafana, prometheus
from polint.source import Source

SERVICES: dict[str, Any] = {
    "rust-iss": {"kind": "sqlx", "replicas": 3},
    "feed": {"kind": "sqlx", "deploy": "start-first"},
    "php-web": {"kind": "laravel-fpm", "replicas": 2},
    "admin": {"kind": "laravel-fpm", "processes": 3},
    "php-queue": "laravel-queue",
    "horizon": "laravel-horizon",
    "reports": {"kind": "other", "pool": 3},
}
STACKS: dict[str, dict[str, Any]] = {
    "all": SERVICES,
    "seed": {name: SERVICES[name] for name in ("rust-iss", "php-web")},
    "rust": {"end": "sqlx"},
    "queue": {"on": {"kind": "laravel-queue", "replicas": 3}},
    "other": {"y": {"kind": "other", "pool": 5}},
}
LAYOUTS = {
    f"{name}-{pgbouncer}": lay_out(Plan.model_validate({"project": "iss-tracker", "pgbouncer": pgbouncer, "services": stack}))
    for name, stack in STACKS.items()
    for pgbouncer in ("always", "never")
}
BUNDLES = {name: render(layout) for name, layout in LAYOUTS.items()}
every_bundle = pytest.mark.parametrize("name", BUNDLES)

PROMTOOL = program("promtool", ())
# Servers of other majors may stand anywhere: POLINT_POSTGRES names their bin folders, with a * for each part that differs.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", *filter(None, os.environ.get("POLINT_POSTGRES", "").split(os.pathsep)))
SERVERS = sorted({str(path.parent) for folder in FOLDERS for path in Path("/").glob(folder.lstrip("/") + "/initdb")})
PSQL = program("psql", FOLDERS[:2])


def alerts(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in yaml.safe_load(files["monitoring/rules.yml"])["groups"] for rule in group["rules"]}


def expressions(files: dict[str, str]) -> list[str]:
    """What the rules and the dashboard ask Prometheus."""
    board = grafana.parse(Source("monitoring/dashboard.json", files["monitoring/dashboard.json"]))
    return [*(rule["expr"] for rule in alerts(files).values()), *(query.expression for query in board)]


@every_bundle
def test_each_alert_is_tried_firing_and_silent(name: str) -> None:
    tried: dict[str, set[bool]] = {}
    for test in yaml.safe_load(BUNDLES[name]["monitoring/rules.test.yml"])["tests"]:
        for case in test["alert_rule_test"]:
            tried.setdefault(case["alertname"], set()).add("exp_alerts" in case)
    assert tried == {key: {False, True} for key in alerts(BUNDLES[name])}


@every_bundle
def test_each_metric_is_exported_by_what_the_bundle_runs(name: str) -> None:
    files = BUNDLES[name]
    services = yaml.safe_load(files["docker-compose.yml"])["services"].values()
    images = dict(service["image"].rpartition("/")[2].split(":") for service in services if "exporter" in service.get("image", ""))
    running = {exporter.replace("_", "-"): exporter for exporter in (exporters.POSTGRES, exporters.PGBOUNCER)}
    versions = {running.get(image, image): exporters.version_of(tag) for image, tag in images.items()}
    rust = "".join(text for path, text in files.items() if path.endswith("db.rs"))
    named = {metric.name for expression in expressions(files) for metric in promql.read(expression).metrics} - {"up", "vector"}
    for metric in named:
        if metric.startswith("sqlx_"):
            assert f"# TYPE {metric} " in rust
        else:
            exporter = exporters.exporter_of(metric)
            assert exporters.judge(exporter, metric, versions[exporter]) == exporters.Verdict(), metric
    assert {"pg_stat_activity_count", "pg_up"} <= named


@every_bundle
def test_prometheus_asks_every_exporter_and_every_rust_service(name: str) -> None:
    layout, files = LAYOUTS[name], BUNDLES[name]
    config = prometheus.parse(Source("prometheus.yml", files["monitoring/prometheus.yml"]))
    assert not any(scrape.is_open for scrape in config.scrapes)
    hosts = {target.removeprefix("tasks.").partition(":")[0] for scrape in config.scrapes for target in scrape.targets}
    services = yaml.safe_load(files["docker-compose.yml"])["services"]
    assert hosts == {service for service in services if service.endswith("-exporter")} | {one.name for one in layout.of("sqlx")}
    jobs = [scrape.job for scrape in config.scrapes]
    assert len(set(jobs)) == len(jobs)
    for job in re.findall(r'job=~?"([^"]*)"', files["monitoring/rules.yml"] + files["monitoring/dashboard.json"].replace("\\", "")):
        assert set(job.split("|")) <= set(jobs)


@every_bundle
def test_dashboard(name: str) -> None:
    layout, board = LAYOUTS[name], json.loads(BUNDLES[name]["monitoring/dashboard.json"])
    assert board["schemaVersion"] == 42
    assert len(board["uid"]) <= 40
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len({panel["title"] for panel in panels})
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in panels]
    assert len(set(places)) == len(places)
    assert all(x in (0, 12) and y % 8 == 0 and (w, h) == (12, 8) for x, y, w, h in places)
    for panel in panels:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)
    shares = next(panel for panel in panels if panel["type"] == "bargauge")["targets"]
    labels = {target["legendFormat"]: target["expr"].rpartition(" / ")[2] for target in shares}
    for service in layout.services:
        role = f"PgBouncer's clients as {service.user}"
        assert labels.get(service.name, str(service.opens)) == str(service.opens)
        assert role in labels if service.pooled else service.name in labels
    titles = " ".join(panel["title"] for panel in panels)
    assert ("PgBouncer" in titles, "Acquire timeouts" in titles, "FPM children" in titles) == (
        layout.pooler is not None,
        bool(layout.of("sqlx")),
        bool(layout.of("laravel-fpm")),
    )


@pytest.mark.parametrize("pgbouncer", ["always", "never"])
def test_without_monitoring(pgbouncer: str) -> None:
    plan = {"project": "iss-tracker", "services": SERVICES, "monitoring": False, "pgbouncer": pgbouncer}
    files = render(lay_out(Plan.model_validate(plan)))
    assert [path for path in files if path.startswith("monitoring/")] == []
    assert not re.search(r"monitoring/|_exporter|Prometheus|_monitor", files["POOLING.md"])
    check_document(files["POOLING.md"])


def check_document(text: str) -> None:
    """That links lead somewhere, tables are even, code is closed and nothing is left of the template."""
    names = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.M)}
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= names
    assert text.count("```") % 2 == 0
    assert "\n\n\n" not in text
    assert not re.search(r" $|\t|\{\{|\{%|None|Undefined", text, re.M)
    width = 0
    for line in text.splitlines():
        columns = re.sub(r"`[^`]*`", "", line).count("|") if line.startswith("|") else 0
        assert width in (0, columns) or not columns
        width = columns


@every_bundle
def test_document(name: str) -> None:
    layout, text = LAYOUTS[name], BUNDLES[name]["POOLING.md"]
    check_document(text)
    flow = re.search(r"```mermaid\nflowchart TD\n(.*?)```", text, re.S)
    assert flow is not None
    nodes, edges = {}, []
    for line in flow[1].splitlines():
        node = re.fullmatch(r' {4}(\w+)(?:\["([^"\[\]]*)"\]|\[\("([^"\[\]]*)"\)\])', line)
        edge = re.fullmatch(r" {4}(\w+) -->\|(\d+)\| (\w+)", line)
        assert node or edge, line
        if node:
            nodes[node[1]] = (node[2] or node[3]).partition("<br/>")[0]
        elif edge:
            edges.append((nodes[edge[1]], int(edge[2]), edge[3]))
    assert sum(count for _, count, to in edges if to == "server") == layout.opens.value
    for service in layout.services:
        assert (service.name, service.opens.value, "pooler" if service.pooled else "server") in edges
        assert f"| {service.name} | {service.kind} | {service.instances}" in text
    for alert in alerts(BUNDLES[name]):
        assert f"`{alert}`" in text or alert.endswith("NotWatched")
    for rule in alerts(BUNDLES[name]).values():
        assert f"# {rule['annotations']['runbook'].removeprefix('POOLING.md: ')}\n" in text


# ------------------------------------------------------------------ promtool


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def written(files: dict[str, str], folder: Path) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder / "monitoring"


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool")
@every_bundle
def test_promtool_takes_the_files(name: str, tmp_path: Path) -> None:
    folder = written(BUNDLES[name], tmp_path)
    asked = [expression.replace("$__rate_interval", "1m") for expression in expressions(BUNDLES[name])]
    board = {"groups": [{"name": "board", "rules": [{"record": f"board:n{number}", "expr": one} for number, one in enumerate(asked)]}]}
    (folder / "board.yml").write_text(yaml.safe_dump(board))
    for command in ("check config prometheus.yml", "check rules rules.yml", "check rules board.yml", "test rules rules.test.yml"):
        done = promtool(folder, *command.split())
        assert done.returncode == 0, done.stdout + done.stderr


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """(alert, rules) with one thing of that alert changed that some test of it must notice."""
    changes = {
        r"for: \dm": ("for: 0m",),
        r"(?<= )(> |== )[0-9.]+": ("> 100000", "> -1"),
        r"\n? +or [^\n]*": ("",),
        r"(?<=alert: )\w+": ("Other",),
    }
    for pattern, instead in changes.items():
        for found in re.finditer(pattern, text):
            alert = re.findall(r"alert: (\w+)", text[: found.end()])[-1]
            for other in instead:
                yield alert, text[: found.start()] + other + text[found.end() :]


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool")
def test_the_tests_of_the_rules_notice_every_change(tmp_path: Path) -> None:
    files = BUNDLES["seed-always"]
    folder = written(files, tmp_path)
    tests = yaml.safe_load(files["monitoring/rules.test.yml"])
    for alert in alerts(files):
        own = [test for test in tests["tests"] if any(case["alertname"] == alert for case in test["alert_rule_test"])]
        (folder / f"{alert}.yml").write_text(yaml.safe_dump({**tests, "tests": own}))
    changed = list(mutants(files["monitoring/rules.yml"]))
    assert len(changed) > 50
    for alert, text in changed:
        (folder / "rules.yml").write_text(text)
        missed = promtool(folder, "test", "rules", f"{alert}.yml").returncode == 0
        assert not missed, "\n".join(set(text.splitlines()) - set(files["monitoring/rules.yml"].splitlines()))


# ------------------------------------------------------------------ PostgreSQL


class Database:
    """A server of its own, reached by a socket in its folder."""

    def __init__(self, programs: str, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._as = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
        if self._as:
            os.chown(folder, 65534, 65534)
        self._run("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=30"
        self._run("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")

    def _run(self, name: str, *arguments: str) -> None:
        environment = {**os.environ, "LC_ALL": "C"}
        command = [*self._as, f"{self._programs}/{name}", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, timeout=120, check=False)
        assert done.returncode == 0

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def command(self, user: str, database: str) -> list[str]:
        assert PSQL is not None
        return [PSQL, "-X", "-q", "-A", "-F", "|", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", user, "-d", database]

    def ask(self, sql: str, user: str = "postgres", database: str = "iss_tracker") -> str:
        """What psql prints; fails when it does."""
        done = subprocess.run(self.command(user, database), input=sql, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def session(self, user: str, name: str, sql: str) -> subprocess.Popen[str]:
        """A client that stays after it has said something."""
        environment = {**os.environ, "PGAPPNAME": name}
        command = self.command(user, "iss_tracker")
        client = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert client.stdin is not None
        client.stdin.write(sql + "\n")
        client.stdin.flush()
        return client


@pytest.fixture(scope="module", params=SERVERS or [None])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param is None or PSQL is None or (os.getuid() == 0 and shutil.which("setpriv") is None):
        pytest.skip("needs PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="pg") as folder:  # a socket's path must be short
        server = Database(request.param, Path(folder))
        try:
            yield server
        finally:
            server.stop()


def statements(files: dict[str, str]) -> str:
    """The roles as the first start makes them, with secrets for the occasion."""
    return re.sub(r"`cat /run/secrets/\w+`", "secret", files["postgres/init/10-roles.sql"])


@pytest.mark.parametrize("name", ["all-always", "all-never", "rust-always", "other-never"])
def test_the_sql_answers_what_it_is_asked(database: Database, name: str) -> None:
    layout, files = LAYOUTS[name], BUNDLES[name]
    database.ask("DROP DATABASE IF EXISTS iss_tracker", database="postgres")
    database.ask("CREATE DATABASE iss_tracker", database="postgres")
    for role in ("app", "worker", "monitor"):
        database.ask(f"DROP ROLE IF EXISTS iss_tracker_{role}", database="postgres")
    database.ask(statements(files))
    database.ask("CREATE TABLE jobs AS SELECT 1 AS id; ALTER TABLE jobs OWNER TO iss_tracker_app")

    leaky = database.session("iss_tracker_app", "leaky", "BEGIN; UPDATE jobs SET id = 2;")
    until(database, "state = 'idle in transaction'")
    stuck = database.session("iss_tracker_app", "stuck", "UPDATE jobs SET id = 3;")
    until(database, "wait_event_type = 'Lock'")

    for user in ("postgres", layout.monitor):
        answers = database.ask(files["monitoring/queries.sql"], user)
        assert "30|3|3|24\n" in answers  # the two and the one that asks, of 30
        assert re.search(r"^leaky\|iss_tracker_app\|1\|0\|1\|", answers, re.M)
        assert re.search(
            r"^\d+\|iss_tracker_app\|leaky\|idle in transaction\|.*\|BEGIN; UPDATE|^\d+\|.*\|leaky\|idle in tr.*UPDATE jobs", answers, re.M
        )
        assert re.search(r"^\d+\|stuck\|.*\|UPDATE jobs SET id = 3;\|\d+\|leaky\|idle in transaction\|", answers, re.M)
        assert f"iss_tracker_app|{layout.role_limit}|2|statement_timeout=30s, lock_timeout=10s" in answers
        assert "max_connections|30|" in answers
        for service in layout.direct:
            assert re.search(rf"^{service.name}\|\|0\|0\|0\|\|{service.opens}$", answers, re.M)

    found = [block.replace("\n   ", "\n") for block in re.findall(r"```sql\n(.*?)```", files["POOLING.md"], re.S)]
    ending = [block for block in found if "pg_terminate_backend" in block]
    assert len(ending) == 1
    assert len(found) >= 6
    for block in found:
        database.ask(block)
    assert leaky.poll() is None  # it was not idle for long enough
    soon = re.sub(r"interval '\d+ seconds'", "interval '0 seconds'", ending[0])
    assert re.search(r"^\d+\|leaky\|t$", database.ask(soon), re.M)
    assert stuck.stdin is not None
    assert leaky.stdin is not None
    stuck.stdin.close()
    assert stuck.wait(10) == 0  # the lock is free
    leaky.stdin.close()
    leaky.wait(10)
    for client in (leaky, stuck):
        assert client.stderr is not None
        client.stderr.close()


def until(database: Database, condition: str) -> None:
    """Waits until some client is in that state."""
    for _ in range(200):
        if "\n1\n" in database.ask(f"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND {condition}"):
            return
        time.sleep(0.05)
    raise AssertionError(condition)


@pytest.mark.parametrize("version", MAJORS)
def test_the_error_texts_are_those_of_the_release(version: int) -> None:
    text = render(lay_out(Plan.model_validate({"project": "x", "services": {"a": "sqlx"}, "database": {"version": version}})))["POOLING.md"]
    assert ("roles with the SUPERUSER attribute" in text) == (version >= 16)
    assert ("non-replication superuser connections" in text) == (version < 16)
