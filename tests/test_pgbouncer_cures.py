"""PgBouncer: what was meant by names and values it refuses, and settings added to what configures it."""

from __future__ import annotations

import pytest

from polint import edits, lint
from polint.fixer import splice
from polint.formats import pgbouncer
from polint.model.pgbouncer_cures import meant_name, meant_value
from polint.model.pgbouncer_faults import of_parsed
from polint.model.pooler import Pooler
from polint.pgbouncer_settings import SETTINGS
from polint.source import Source


@pytest.mark.parametrize(
    ("key", "section", "meant"),
    [
        ("Max-Client-Conn", "pgbouncer", "max_client_conn"),
        ("max_client_conns", "pgbouncer", "max_client_conn"),
        ("log_pool_errors", "pgbouncer", "log_pooler_errors"),
        ("listen_addresses", "pgbouncer", "listen_addr"),
        ("pool_size", "pgbouncer", "default_pool_size"),
        ("max_connections", "pgbouncer", None),  # clients or servers?
        ("max_prepared_statement", "pgbouncer", None),  # 1.20 has none
        ("verbos", "pgbouncer", None),  # it is there already
        ("reserve_pool_size", "databases", "reserve_pool"),
        ("max_db_connections", "users", None),
    ],
)
def test_meant_name(key: str, section: str, meant: str | None) -> None:
    assert meant_name(key, section, (1, 20), {"verbose"}) == meant


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("server_lifetime", "1h", "3600"),
        ("server_lifetime", "'1.5 min'", "90"),
        ("server_lifetime", "250ms", "0.25"),
        ("server_lifetime", "1h30m", None),
        ("server_lifetime", "-1s", None),
        ("tcp_user_timeout", "30s", "30000"),
        ("stats_period", "1500ms", None),
        ("pkt_buf", "4kB", "4096"),
        ("default_pool_size", '"20"', "20"),
        ("default_pool_size", "20s", None),
        ("max_client_conn", "10_000", "10000"),
        ("log_stats", "Off", "0"),
        ("auth_type", "scram_sha_256", "scram-sha-256"),
        ("pool_mode", "pooled", None),
    ],
)
def test_meant_value(name: str, text: str, meant: str | None) -> None:
    assert meant_value(SETTINGS[name], text, None) == meant


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("server_reset_query = ; nothing to do", "unsafe"),  # PgBouncer takes it and sends it
        ("server_reset_query =\t# nothing", "unsafe"),
        ("default_pool_size = 20 ; twenty", "safe"),  # PgBouncer does not start
    ],
)
def test_a_comment_that_is_a_value_is_moved_with_consent_only(line: str, how: str) -> None:
    (fault,) = of_parsed(pgbouncer.parse(Source("pgbouncer.ini", f"[pgbouncer]\n{line}\n")), None)
    assert fault.fix is not None
    assert (fault.fix.title, fault.fix.applicability) == ("put the comment on its own line", how)


SERVICE = "services:\n  p:\n    image: edoburu/pgbouncer:v1.25.2-p0\n"


@pytest.mark.parametrize(
    ("environment", "added"),
    [
        ("    environment:\n      DB_HOST: db # here\n", "      MAX_CLIENT_CONN: 300\n"),
        ("    environment:\n      DB_HOST: 'db'\n    restart: always\n", "      MAX_CLIENT_CONN: '300'\n"),
        ("    environment:\n    - DB_HOST=db\n", "    - MAX_CLIENT_CONN=300\n"),
        ('    environment: ["DB_HOST=db"]\n', ', "MAX_CLIENT_CONN=300"'),
        ("    environment: {DB_HOST: db}\n", ", MAX_CLIENT_CONN: 300"),
        ("    env_file: p.env\n", "    environment:\n      MAX_CLIENT_CONN: 300\n"),
        ("    environment:\n      MAX_CLIENT_CONN:\n", None),
        ("    environment: &e\n      DB_HOST: db\n  q:\n    environment: *e\n", None),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_variable_is_added_as_the_others_are_written(environment: str, added: str | None, end: str) -> None:
    text = (SERVICE + environment).replace("\n", end)
    source = Source("compose.yaml", text)
    edit = edits.inserted(source.span(text.index("p:"), text.index("p:") + 1), "MAX_CLIENT_CONN", 300)
    assert (edit.replacement if edit is not None else None) == added
    if edit is not None:
        made = splice(source, [edit])
        (pooler,) = _poolers({"compose.yaml": made, "p.env": "DB_HOST=db\n"})
        assert pooler.max_client_conn.value == 300
        assert made.replace(added.replace("\n", end) if added else "", "") == text


def _poolers(files: dict[str, str]) -> list[Pooler]:
    return [pooler for subjects in lint.subjects_of(files) for pooler in subjects["pooler"]]


def test_a_pool_shrinks_where_its_size_is_decided() -> None:
    ini = "[databases]\na = host=db pool_size=60\nb = host=db pool_size=30 user=x\nc = host=db\n[pgbouncer]\n"
    compose = "services:\n  p:\n    image: edoburu/pgbouncer:v1.25.2-p0\n    volumes: ['./p.ini:/etc/pgbouncer/pgbouncer.ini']\n"
    (pooler,) = _poolers({"compose.yaml": compose + "  db:\n    image: postgres:16\n", "p.ini": ini})
    remedy = pooler.smaller_pools
    assert remedy is not None
    assert [(fact.name, fact.value, after) for fact, after in remedy.changes] == [("pool_size", 60, 28), ("pool_size", 30, 28)]
    assert pooler.least(pooler.at_server, 28).value == 76
