"""The bundles of `polint generate`: over a grid of plans each lints without a diagnostic and parses back to its plan's numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from polint import config as configuration
from polint import discover, engine, lint
from polint.bundle.layout import DoesNotFit, LaidService, Layout, lay_out
from polint.bundle.plan import MAJORS, Plan
from polint.bundle.render import render, untouched
from polint.model.project import Project
from polint.model.server import Server
from polint.source import Source
from polint.start import settled

STACKS: dict[str, dict[str, Any]] = {
    "rust": {"rust-iss": "sqlx"},
    "php": {"php-web": "laravel-fpm"},
    "seed": {"rust-iss": "sqlx", "php-web": "laravel-fpm"},
    "queue": {"php-web": "laravel-fpm", "php-queue": "laravel-queue"},
    "horizon": {"rust-iss": "sqlx", "php-web": "laravel-fpm", "horizon": "laravel-horizon"},
    "workers": {"php-queue": "laravel-queue", "horizon": {"kind": "laravel-horizon", "processes": 7}, "emails": "laravel-horizon"},
    "many": {
        "api": {"kind": "sqlx", "pool": 4},
        "feed": "sqlx",
        "web": {"kind": "laravel-fpm", "memory": "512MB", "memory-per-worker": "20MB"},
        "admin": {"kind": "laravel-fpm", "processes": 3},
        "php-queue": "laravel-queue",
        "reports": {"kind": "other", "pool": 3},
    },
    "other": {"metabase": {"kind": "other", "pool": 5}},
}
MACHINES = ((1, "1GB", 0), (4, "4GB", 0), (24, "96GB", 4))


def grid() -> Iterator[tuple[str, dict[str, Any]]]:
    """Plans of every stack, replica count, machine and choice of a pooler; what is left goes round."""
    majors, rest = itertools.cycle(MAJORS), itertools.cycle(range(12))
    for (name, stack), replicas, (cores, memory, spindles), pgbouncer in itertools.product(
        STACKS.items(), (1, 3, 8), MACHINES, ("auto", "always", "never")
    ):
        services = {key: dict(value) if isinstance(value, dict) else {"kind": value} for key, value in stack.items()}
        major, turn = next(majors), next(rest)
        for number, service in enumerate(services.values()):
            service["replicas"] = replicas if number % 2 == 0 else max(replicas // 2, 1)
            if (number + turn) % 3 == 0:
                service |= {"deploy": "start-first", "parallelism": turn % 4}
        plan = {
            "project": "iss-tracker",
            "services": services,
            "database": {"version": major, "cores": cores, "memory": memory, "spindles": spindles},
            "pgbouncer": pgbouncer,
            "requests-per-minute": (200, 1500)[turn % 2],
            "monitoring": turn % 3 != 1,
        }
        yield f"{name}-{replicas}-{cores}-{pgbouncer}-{major}", plan


PLANS = dict(grid())


def project_of(files: Mapping[str, str]) -> tuple[Project, list[str]]:
    """The model of a bundle, and what polint reports about it."""
    text = files.get(configuration.NAME)
    config = configuration.parse(Source(configuration.NAME, text)) if text is not None else configuration.Config()
    rules, selected, severities, params, _ = settled("", config)
    tree = discover.Files("", (), {path: text.encode() for path, text in files.items()})
    project = lint.project_of(tree, config)
    found = engine.check([rule for rule in rules if rule.code in selected], project.subjects(), params=params, severities=severities)
    return project, [f"{one.span}: {one.severity} {one.code} {one.message}" for one in found.diagnostics]


def check_service(service: LaidService, server: Server) -> None:
    (consumer,) = [one for one in server.consumers if one.service == service.name]
    assert (consumer.replicas.value, consumer.processes.value, consumer.pool.value) == (
        service.replicas,
        service.processes.value,
        service.pool.value,
    ), service.name
    assert bool(consumer.through) == service.pooled
    assert consumer.at_least.value == consumer.at_most.value == service.steady


def check_bundle(plan: Mapping[str, Any]) -> Layout:
    """No diagnostic; every number as it was laid out; the worst case fits."""
    layout = lay_out(Plan.model_validate(plan))
    files = render(layout)
    project, found = project_of(files)
    assert found == []

    (server,) = project.servers
    for service in layout.services:
        check_service(service, server)
    known = {service.name for service in layout.services}
    assert {one.kind for one in server.consumers if one.service not in known} <= {"exporter", "pgbouncer"}
    assert server.max_connections.value == layout.max_connections.value
    assert server.usable_connections.value == layout.usable
    for name in ("shared_buffers", "work_mem"):
        assert getattr(server, name).value == getattr(layout, name).value
    assert server.cores.value == layout.plan.database.cores
    assert server.memory.value == layout.plan.database.memory

    worst = server.peak_connections.value + server.surge.value
    assert worst == layout.opens.value
    assert worst <= layout.role_limit.value + 1 < layout.usable

    assert len(project.poolers) == (layout.pooler is not None)
    for pooler in project.poolers:
        laid = layout.pooler
        assert laid is not None
        assert pooler.default_pool_size.value == laid.pool.value
        assert pooler.reserve_pool_size.value == laid.reserve.value
        assert pooler.connections_to_server.value == laid.opens.value
        assert pooler.max_client_conn.value == laid.clients.value
        assert pooler.client_connections.value <= sum(one.opens.value for one in layout.services if one.pooled) + 1 <= laid.clients.value

    for path, text in files.items():
        assert untouched(path, text), path
        assert not re.search(r"[^\n]\Z|\n\n\Z", text), path
        assert not re.search(r"[ \t]\n|\n\n\n|\t", text), path
    return layout


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_of_the_grid_gives_a_clean_bundle(name: str) -> None:
    check_bundle(PLANS[name])


def test_the_grid_is_wide_enough() -> None:
    layouts = [lay_out(Plan.model_validate(plan)) for plan in PLANS.values()]
    assert len(layouts) >= 200
    assert {layout.plan.database.version for layout in layouts} == set(MAJORS)
    assert {layout.pooler is None for layout in layouts if layout.plan.pgbouncer == "auto"} == {True, False}


def test_the_same_plan_gives_the_same_bytes() -> None:
    for plan in itertools.islice(PLANS.values(), 0, None, 40):
        assert render(lay_out(Plan.model_validate(plan))) == render(lay_out(Plan.model_validate(plan)))


def test_a_changed_number_is_reported() -> None:
    layout = lay_out(Plan.model_validate(PLANS["horizon-3-4-always-14"]))
    files = render(layout)
    assert project_of(files)[1] == []
    for path, old, new, code in (
        ("docker-compose.yml", 'DB_MAX_CONNECTIONS: "10"', 'DB_MAX_CONNECTIONS: "90"', "PO604"),
        ("docker-compose.yml", "DB_HOST: pgbouncer", "DB_HOST: postgres", "PO609"),
        ("postgres/postgresql.conf", "max_connections = 20", "max_connections = 12", "PO602"),
        ("pgbouncer/pgbouncer.ini", "query_wait_timeout = 4", "query_wait_timeout = 6", "PO213"),
        ("php/zz-polint.conf", "pm.max_children = 12", "pm.max_children = 60", "PO507"),
        ("rust/src/db.rs", "self.pool.close()", "self.pool.close_event()", "PO302"),
    ):
        assert old in files[path], (path, old)
        found = project_of({**files, path: files[path].replace(old, new)})[1]
        assert any(code in one for one in found), (code, found)


SIZES = st.integers(1, 60)
KINDS = st.one_of(
    st.fixed_dictionaries({"kind": st.just("sqlx")}, optional={"pool": SIZES}),
    st.fixed_dictionaries({"kind": st.just("laravel-fpm")}, optional={"processes": SIZES, "memory": st.sampled_from(["256MB", "3GB"])}),
    st.fixed_dictionaries({"kind": st.just("laravel-horizon")}, optional={"processes": SIZES}),
    st.just({"kind": "laravel-queue"}),
    st.fixed_dictionaries({"kind": st.just("other"), "pool": SIZES}),
)
ROLLOUT = st.fixed_dictionaries(
    {},
    optional={"replicas": st.integers(1, 12), "deploy": st.sampled_from(["start-first", "stop-first"]), "parallelism": st.integers(0, 5)},
)
SERVICES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True),
    st.tuples(KINDS, ROLLOUT).map(lambda both: {**both[0], **both[1]}),
    min_size=1,
    max_size=5,
)
DATABASES = st.fixed_dictionaries(
    {"version": st.sampled_from(MAJORS)},
    optional={
        "cores": st.sampled_from([0.5, 1.0, 2.0, 3.0, 8.0, 64.0]),
        "memory": st.sampled_from(["64MB", "256MB", "1GB", "1500MB", "16GB", "1TB"]),
        "spindles": st.integers(0, 24),
        "max-connections": st.integers(20, 900),
    },
)
ANY_PLAN = st.fixed_dictionaries(
    {"project": st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True), "services": SERVICES, "database": DATABASES},
    optional={
        "pgbouncer": st.sampled_from(["auto", "always", "never"]),
        "requests-per-minute": st.integers(0, 100_000),
        "monitoring": st.booleans(),
    },
)


@settings(
    max_examples=150, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(ANY_PLAN)
def test_any_plan_that_fits_gives_a_clean_bundle(plan: dict[str, Any]) -> None:
    try:
        lay_out(Plan.model_validate(plan))
    except (DoesNotFit, ValidationError):
        reject()
    check_bundle(plan)
