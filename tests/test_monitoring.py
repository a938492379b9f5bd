"""PromQL, rule files, dashboards, and what is known of who exports a metric."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from polint import edits, exporters, promql
from polint.config import Config
from polint.discover import Files
from polint.fixer import splice
from polint.formats import grafana, prometheus
from polint.lint import project_of
from polint.model.project import Project
from polint.source import Source

# expression -> the metrics in it, in order
EXPRESSIONS = {
    "pg_up == 0": ["pg_up"],
    'sum by (instance) (pg_stat_activity_count{backend_type=~"client backend|"}) / on (instance) '
    "(pg_settings_max_connections - on (instance) pg_settings_superuser_reserved_connections) > 0.9": [
        "pg_stat_activity_count",
        "pg_settings_max_connections",
        "pg_settings_superuser_reserved_connections",
    ],
    'sum(rate(pg_x_total{a="b",c!~"d"}[5m] offset 1h)) by (le) or up{job="x"} == 0': ["pg_x_total", "up"],
    '{__name__="pg_up", a="b"}': ["pg_up"],
    '{__name__=~"pg_.*"}': [],
    '{a="b", __name__ != "pg_up"}': [],
    "a unless on (x) b": ["a", "b"],
    "a * on (x) group_left (y) b": ["a", "b"],
    "a * ignoring (x) group_right b": ["a", "b"],
    "sum without (a) (b)": ["b"],
    "SUM(x) BY (y)": ["x"],
    "topk(5, foo) + count_values('version', build)": ["foo", "build"],
    "1e3 + 0x1F + inf + NaN > bool foo": ["foo"],
    "foo @ start() + max_over_time(deriv(bar[5m])[10m:1m])": ["foo", "bar"],
    "foo # bar\n + baz": ["foo", "baz"],
    "label_replace(up, 'a', '$1', 'b', '(.*)')": ["up"],
    'foo{a="{b}"} and x:y:z': ["foo", "x:y:z"],
    "sum_total / min_of": ["sum_total", "min_of"],
    "`a{b`": [],
    r'foo{a="\"b"} + bar': ["foo", "bar"],
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_metrics_of_an_expression(text: str) -> None:
    found = promql.read(text)
    assert [metric.name for metric in found.metrics] == EXPRESSIONS[text]
    assert [text[metric.start : metric.end] for metric in found.metrics] == EXPRESSIONS[text]
    assert found.has_or == (" or " in text)


def test_names_that_a_dashboard_variable_touches_are_not_known() -> None:
    text = 'pg_${x}_total + $metric + pg_ok{instance="$i"}[$__interval] + a_[[b]] + {{c}}_d + rate(e[${f}])'
    assert [metric.name for metric in promql.read(text).metrics] == ["pg_ok", "e"]


@pytest.mark.parametrize("text", ["{", "}", "[[", '"', "a{", "((", "sum by (", "é + pg_up", "${", "\\", "a{b=", "pg_up)))[", "{{"])
def test_text_that_is_no_expression_does_no_harm(text: str) -> None:
    promql.read(text)


def test_reading_takes_linear_time() -> None:
    for text in ("(" * 200_000, "a + " * 50_000, "{" * 200_000, '"' * 200_000, "$" * 200_000, "[[" * 100_000, "{{" * 50_000):
        start = time.perf_counter()
        promql.read(text)
        assert time.perf_counter() - start < 2.0, text[:10]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_agrees_on_what_is_a_metric(tmp_path: Path) -> None:
    """An empty selector may follow a metric's name and nothing else that is a word: promtool must take just those."""
    expected: dict[str, bool] = {}
    for text in EXPRESSIONS:
        metrics = {metric.start for metric in promql.read(text).metrics}
        bare = re.sub(r"`[^`]*`|\"(?:[^\"\\]|\\.)*\"|'[^']*'|#[^\n]*", lambda match: " " * len(match[0]), text)
        for word in re.finditer(r"(?<![\w.])[A-Za-z_:][\w:]*(?![\w:]|\s*\{)", bare):
            expected[f"{text[: word.end()]}{{}}{text[word.end() :]}"] = word.start() in metrics
    assert set(expected.values()) == {True, False}
    paths = []
    for number, text in enumerate(expected):
        path = tmp_path / f"{number}.yml"
        body = text.replace("\n", "\n            ")
        path.write_text(f"groups:\n  - name: g\n    rules:\n      - record: r\n        expr: |\n            {body}\n")
        paths.append(str(path))
    done = subprocess.run(["promtool", "check", "rules", *paths], capture_output=True, text=True, check=False)
    taken = {int(number) for number in re.findall(r"Checking .*/(\d+)\.yml\n  SUCCESS", done.stdout)}
    assert [text for number, text in enumerate(expected) if expected[text] != (number in taken)] == []


RULES = """\
groups:
  - name: database
    rules:
      - record: job:used
        expr: sum(pg_stat_activity_count)
      - alert: Full
        expr: >
          job:used /
            sum(pg_settings_max_connections) > 0.9
      - alert: "Quoted"
        expr: "rate(pg_x{a=\\"b\\"}[5m]) > 0 or pg_y"
      - alert: broken
"""


def test_rules_and_their_places() -> None:
    file = prometheus.parse(Source("rules.yml", RULES))
    assert [(rule.kind, rule.name, rule.has_or) for rule in file.rules] == [
        ("record", "job:used", False),
        ("alert", "Full", False),
        ("alert", "Quoted", True),
    ]
    assert [f"{use.span.place[0]}:{use.span.place[1]} {use.span.text}" for rule in file.rules for use in rule.metrics] == [
        "5:19 pg_stat_activity_count",
        "8:11 job:used",
        "9:17 pg_settings_max_connections",
        "11:21 pg_x",
        "11:47 pg_y",
    ]
    assert not file.is_config


def test_configuration() -> None:
    file = prometheus.parse(
        Source(
            "prometheus.yml",
            "rule_files: ['rules/*.yml', /etc/more.yml]\n"
            "scrape_configs:\n"
            "  - job_name: a\n    static_configs: [{targets: ['x:1', 'y:2']}, {targets: [z]}]\n"
            "  - job_name: b\n    docker_sd_configs: [{host: unix:///var/run/docker.sock}]\n"
            "  - job_name: c\n    metrics_path: /federate\n"
            "  - job_name: d\n    metric_relabel_configs: [{target_label: __name__, replacement: x}]\n"
            "  - job_name: e\n    dns_sd_configs: [{names: [api, tasks.web], type: A, port: 9464}]\n"
            "  - job_name: f\n    dns_sd_configs: [{names: [_metrics._tcp.api]}]\n",
        )
    )
    assert file.is_config
    assert file.rule_files == ("rules/*.yml", "/etc/more.yml")
    assert [(scrape.job, scrape.targets, scrape.is_open) for scrape in file.scrapes] == [
        ("a", ("x:1", "y:2", "z"), False),
        ("b", (), True),
        ("c", (), True),
        ("d", (), True),
        ("e", ("api:9464", "tasks.web:9464"), False),
        ("f", (), True),
    ]


@pytest.mark.parametrize(
    "text", ["", "groups:", "groups: [{rules: x}]", "groups: [{rules: [1, {alert: a}]}]", "{{ if }}\ngroups: [", "- 1"]
)
def test_rule_files_that_hold_nothing(text: str) -> None:
    assert prometheus.parse(Source("rules.yml", text)).rules == ()


def test_dashboard() -> None:
    text = (
        '{"schemaVersion": 42, "panels": [\n'
        '  {"type": "row", "panels": [{"targets": [{"expr": "sum(pg_a{x=\\"$y\\"}) / pg_b"}]}]},\n'
        '  {"targets": [{"datasource": {"type": "loki"}, "expr": "{app=\\"x\\"} |= `pg_c`"}, {"expr": "\\u0070g_d"}]}\n'
        "]}"
    )
    queries = grafana.parse(Source("d.json", text))
    found = [f"{span.place[0]}:{span.place[1]} {span.text} {name}" for query in queries for name, span in query.metrics]
    assert found == ["2:57 pg_a pg_a", "2:75 pg_b pg_b", "3:93 \\u0070g_d pg_d"]


@pytest.mark.parametrize("text", ["", "[]", '{"expr": 1}', '{"panels": [{"targets": [{"expr": "pg_up"}', "x: {expr: pg_up}"])
def test_what_is_no_dashboard(text: str) -> None:
    assert [query.metrics for query in grafana.parse(Source("d.json", text)) if query.metrics] == []


@pytest.mark.parametrize(
    ("name", "version", "reason", "instead"),
    [
        ("pg_up", None, "", ""),
        ("pg_stat_activity_count", "0.11.1", "", ""),
        ("pg_stat_activity_max_connections", None, "no release of postgres_exporter up to", "pg_settings_max_connections"),
        ("pg_stat_bgwriter_buffers_clean", "0.9.0", "", ""),
        ("pg_stat_bgwriter_buffers_clean", "0.15.0", "postgres_exporter had it up to 0.10.1", "pg_stat_bgwriter_buffers_clean_total"),
        ("pg_replication_slots_wal_status", "0.15.0", "postgres_exporter has it since 0.20.0", ""),
        ("pg_replication_lag", "0.15.0", "postgres_exporter 0.15.0 has no such metric", "pg_replication_lag_seconds"),
        ("pg_process_idle_seconds_bucket", None, "", ""),
        ("pg_stat_database_session_time", "0.10.0", "", ""),
        ("pg_settings_max_connections", None, "", ""),
        ("pg_settings_work_mem", None, "postgres_exporter exports work_mem as", "pg_settings_work_mem_bytes"),
        ("pg_settings_statement_timeout_seconds", None, "", ""),
        ("pg_settings_auto_explain_log_min_duration_seconds", None, None, ""),
        ("pg_settings_wal_level", None, "postgres_exporter exports no setting that is a text", ""),
        ("pg_stat_something_new", "9.0.0", None, ""),
        ("pgbouncer_pools_client_maxwait_seconds", "0.7.0", "", ""),
        ("pgbouncer_pools_cl_waiting", "0.7.0", "pgbouncer_exporter 0.7.0", "pgbouncer_pools_client_waiting_connections"),
        ("phpfpm_max_children_reached", None, "", ""),
        ("phpfpm_max_children_reached_total", None, "no release of php-fpm_exporter", "phpfpm_max_children_reached"),
        ("pg_backup_age_seconds", None, None, ""),
    ],
)
def test_what_exporters_make_of_a_name(name: str, version: str | None, reason: str | None, instead: str) -> None:
    exporter = exporters.exporter_of(name)
    verdict = exporters.judge(exporter, name, exporters.version_of(version) if version else None) if exporter else None
    if reason is None:
        assert verdict is None
    else:
        assert verdict is not None
        assert verdict.reason.startswith(reason)
        assert bool(verdict.reason) == bool(reason)
        assert verdict.instead == instead


def test_names_are_read_out_of_the_exporters_sources() -> None:
    tool = runpy.run_path(str(Path(__file__).parent.parent / "tools" / "build_metrics.py"))
    collector = """
const walSubsystem = "wal"
var (
    a = prometheus.NewDesc(prometheus.BuildFQName(namespace, walSubsystem, "segments"), "help", nil, nil)
    b = prometheus.NewDesc(
        prometheus.BuildFQName(
            namespace,
            "database",
            "size_bytes",
        ), "help", nil, nil)
    c = prometheus.NewDesc("pg_long", "help", nil, nil)
    d = prometheus.BuildFQName(namespace, walSubsystem, computed)
    e = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "up", Help: "x"})
)
var builtin = map[string]intermediateMetricMap{
    "pg_locks": {
        map[string]ColumnMapping{
            "mode":  {LABEL, "a label", nil, nil},
            "count": {GAUGE, "a count", nil, nil},
            "delay": {DURATION, "a time", nil, nil},
"""
    expected = "pg_database_size_bytes pg_locks_count pg_locks_delay_milliseconds pg_long pg_static pg_up pg_wal_segments"
    assert sorted(tool["names"]("postgres_exporter", [collector])) == expected.split()


@pytest.mark.parametrize(
    ("tag", "version"),
    [("v0.15.0", (0, 15, 0)), ("0.15.0-debian-12-r3", (0, 15, 0)), ("latest", None), ("0", None), ("", None), ("v0.15", None)],
)
def test_versions_of_tags(tag: str, version: tuple[int, ...] | None) -> None:
    assert exporters.version_of(tag) == version


COMPOSE = """\
services:
  exporter:
    image: prometheuscommunity/postgres-exporter:v0.15.0{exporter}
  prometheus:
    image: prom/prometheus{prometheus}
    volumes:
      - ./prometheus.yml:/etc/prometheus/prometheus.yml
      - ./rules.yml:/etc/prometheus/rules.yml
{more}
"""
CONFIG = "rule_files: [rules.yml]\nscrape_configs: [{job_name: a, static_configs: [{targets: ['exporter:9187']}]}]\n"
ALERT = "groups: [{name: g, rules: [{alert: Lag, expr: pg_replication_lag > 5}]}]\n"


def built(**changes: str) -> Project:
    compose = COMPOSE.format(**{"exporter": "", "prometheus": "", "more": "", **{k: v for k, v in changes.items() if k in COMPOSE}})
    files = {"compose.yaml": compose, "prometheus.yml": CONFIG, "rules.yml": ALERT}
    files |= {name.replace("__", "."): text for name, text in changes.items() if name not in ("exporter", "prometheus", "more")}
    return project_of(Files("", (), {path: text.encode() for path, text in files.items()}), Config())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"README__md": "see pg_replication_lag"}, None),
        ({"more": "  web:\n    image: nginx\n  nodes:\n    image: prom/node-exporter"}, None),
        ({"exporter": "\n    environment: [PG_EXPORTER_EXTEND_QUERY_PATH=/q.yaml]"}, "exporter is given queries or a prefix of its own"),
        ({"exporter": "\n    command: --extend.query-path=/q"}, "the command of exporter may change what it exports"),
        ({"exporter": "\n    env_file: gone.env"}, "gone.env is not in the repository"),
        ({"exporter": "\n    build: ."}, "no exporter of the stack is known to have such metrics"),
        ({"prometheus": "\n    command: --web.enable-remote-write-receiver"}, "others may send prometheus metrics"),
        ({"more": "  t:\n    image: telegraf"}, "what t exports is not known"),
        ({"more": "  t:\n    image: acme/sql-exporter"}, "what t exports is not known"),
        (
            {"prometheus__yml": CONFIG.replace("exporter:", "db.example.test:")},
            "prometheus.yml scrapes db.example.test, which is no service of the project",
        ),
        ({"prometheus__yml": CONFIG + "remote_read: []\n"}, "prometheus.yml takes metrics in ways that files do not tell"),
        ({"app__py": "Gauge('pg_replication_lag')"}, "app.py names it, and may define it"),
        ({"q__yaml": "pg_replication:\n  query: SELECT 1\n  metrics:\n    - lag: {usage: GAUGE}"}, "q.yaml holds queries for an exporter"),
        (
            {"rules__yml": ALERT.replace("lag >", "lag > 5 or pg_replication_lag_seconds >")},
            "the expression has an alternative for releases that lack it",
        ),
    ],
)
def test_when_it_is_known_that_nothing_exports_a_metric(changes: dict[str, str], reason: str | None) -> None:
    metric = built(**changes).metrics[0]
    assert metric.name == "pg_replication_lag"
    if reason is None:
        assert metric.is_exported.is_known
        assert not metric.is_exported.value
        assert (str(metric.span), metric.span.text, metric.instead) == (
            "rules.yml:1:47",
            "pg_replication_lag",
            "pg_replication_lag_seconds",
        )
    else:
        assert not metric.is_exported.is_known
        assert metric.is_exported.reason == reason


def test_a_recorded_metric_is_there() -> None:
    first = "{record: pg_replication_lag, expr: pg_replication_lag_seconds}"
    recorded = f"groups: [{{name: g, rules: [{first}, {{alert: a, expr: pg_replication_lag > 5}}]}}]"
    assert [(metric.name, metric.is_exported.value) for metric in built(rules__yml=recorded).metrics] == [
        ("pg_replication_lag_seconds", True),
        ("pg_replication_lag", True),
    ]


@pytest.mark.parametrize(
    ("expression", "watches"),
    [
        ("pg_replication_lag_seconds > 5", False),
        ("pg_stat_activity_count > 80", True),
        ('pg_stat_activity_count{state="idle in transaction"} > 5', False),
        ("pgbouncer_pools_client_waiting_connections > 0", True),
        ("phpfpm_listen_queue > 5", True),
        ("pg_stat_database_numbackends > 90", True),
        ("app_pool_idle == 0", True),
        ("pg_locks_count > 500", False),
    ],
)
def test_alerts_on_exhaustion(expression: str, watches: bool) -> None:
    text = f"groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: {expression}\n"
    found = built(rules__yml=text).monitorings[0]
    assert found.watches_exhaustion.value is watches


@pytest.mark.parametrize(
    ("name", "instead", "is_sure"),
    [
        ("pg_stat_activity_cuont", "pg_stat_activity_count", True),
        ("pg_stat_activity_max_connections", "pg_settings_max_connections", True),
        ("pg_stat_bgwriter_buffers_clean", "pg_stat_bgwriter_buffers_clean_total", True),
        ("pg_stat_user_tables_n_tup_hot_ins", "pg_stat_user_tables_n_tup_ins", False),
        ("pg_database_max_connections", "pg_settings_max_connections", False),
        ("pg_settings_work_mem", "pg_settings_work_mem_bytes", False),  # numbers beside it may be kB
        ("pg_settings_tcp_keepalives_idle", "pg_settings_tcp_keepalives_idle_seconds", True),
    ],
)
def test_which_metric_is_meant(name: str, instead: str, is_sure: bool) -> None:
    verdict = exporters.judge(exporters.POSTGRES, name, (0, 17, 1))
    assert verdict is not None
    assert (verdict.instead, verdict.is_sure) == (instead, is_sure)


def with_alerts(text: str, key: str = "postgres") -> str:
    """A rule file with alerts added beside its first one."""
    source = Source("rules.yml", text)
    edit = edits.inserted(prometheus.parse(source).rules[0].name_span, key, 0.9)
    return splice(source, [edit]) if edit is not None else ""


LAG = "groups:\n- name: g\n  rules:\n  - alert: Lag\n    expr: pg_replication_lag_seconds > 5"


@pytest.mark.parametrize(
    "text",
    [
        LAG,
        f"{LAG}\n",
        f"{LAG}  # s\n\n# end\n",
        f"{LAG}\n".replace("\n", "\r\n"),
        f"{LAG}\n    for: 5m\n    labels:\n        severity: page\n    annotations: {{summary: 'lag'}}\n",
        f"{LAG.replace('pg_rep', '|-{0}      pg_rep').format(chr(10))}\n\n  - record: a\n    expr: |\n      up\n\n",
        '- alert: "Lag"\n'.join(LAG.split("- alert: Lag\n")),
    ],
)
def test_alerts_are_added_as_their_neighbours_are_written(text: str, tmp_path: Path) -> None:
    made = with_alerts(text, "postgres pgbouncer php-fpm")
    found = prometheus.parse(Source("rules.yml", made))
    before = prometheus.parse(Source("rules.yml", text))
    assert [rule.name for rule in found.rules][len(before.rules) :] == [
        "PostgresConnectionsNearlyExhausted",
        "PgbouncerClientsWaiting",
        "PhpFpmMaxChildrenReached",
    ]
    assert made.endswith("\n") == text.endswith("\n")
    assert made.count("\r\n") in (0, made.count("\n"))
    if promtool := shutil.which("promtool"):
        path = tmp_path / "rules.yml"
        path.write_bytes(made.encode())
        done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", ["groups: [{name: g, rules: [{alert: Lag, expr: pg_up == 0}]}]\n", f"a: &x\n  - {{}}\n{LAG}\nb: [\n"])
def test_no_alert_is_added_where_its_place_is_not_plain(text: str) -> None:
    assert not prometheus.parse(Source("rules.yml", text)).rules or not with_alerts(text)
