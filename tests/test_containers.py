"""Containers: memory, signals, health and updates, as compose files, Dockerfiles and images decide them."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from polint import config, discover, lint
from polint.fact import Fact
from polint.model.container import Container, read_duration, read_signal
from polint.model.memory import read_size
from polint.model.project import Project
from polint.units import Bytes, Seconds


def of(**files: str) -> Project:
    texts = {name.replace("_yaml", ".yaml").replace("_conf", ".conf"): textwrap.dedent(text).encode() for name, text in files.items()}
    return lint.project_of(discover.Files("", (), texts), config.Config())


def container(service: str, **files: str) -> Container:
    """The container of a service of which ``service`` holds the keys."""
    text = "services:\n  x:\n" + textwrap.indent(textwrap.dedent(service), "    ")
    (found,) = of(compose_yaml=text, **files).containers
    return found


def told(fact: Fact[Any]) -> str:
    """A fact with its place."""
    return f"{fact.span} {fact}" if fact.span is not None else str(fact)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 512 << 20),
        ("512M", 512 << 20),
        ("1.5 GB", 3 << 29),
        ("64MiB", 64 << 20),
        ("64mb", 64 << 20),
        ("2g", 2 << 30),
        ("300k", 300 << 10),
        ("100b", 100),
        ("4096", 4096),
        (4096, 4096),
        ("1t", 1 << 40),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert read_size(text) == Bytes(size)


@pytest.mark.parametrize("text", ["", "0", "-1", "m", "1x", "1.2.3m", "1 mm", "half", "inf", "nan", "1bm"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("2h", 7200), ("1.5m", 90), ("500ms", 0.5), ("1h2m3s4ms", 3723.004), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert read_duration(text) == Seconds(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "1d", "1m 30s", "30sec", "..s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "name"), [("SIGINT", "SIGINT"), ("int", "SIGINT"), (15, "SIGTERM"), ("3", "SIGQUIT"), (" sigquit", "SIGQUIT")]
)
def test_signals(text: object, name: str) -> None:
    assert read_signal(text) == name


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("mem_limit: 512m", "compose.yaml:3:16 memory = 512 MB"),
        ("deploy: {resources: {limits: {memory: 2G}}}", "compose.yaml:3:43 memory = 2 GB"),
        ("deploy: {resources: {reservations: {memory: 2G}}}", "memory is unknown: nothing limits it"),
        ("mem_limit: 0", "compose.yaml:3:16 memory is unknown: 0 limits nothing"),
        ("mem_limit: '${LIMIT:-64m}'", "compose.yaml:3:26 memory = 64 MB"),
        ("mem_limit: '${LIMIT}'", "compose.yaml:3:17 memory is unknown: LIMIT is not set"),
        ("mem_limit: 64m\ndeploy: {resources: {limits: {memory: 128m}}}", "compose.yaml:4:43 memory = 128 MB"),
    ],
)
def test_memory(service: str, expected: str) -> None:
    assert told(container(service).memory) == expected


def test_memory_by_way_of_the_env_file_beside() -> None:
    text = "services:\n  x:\n    mem_limit: ${LIMIT}\n"
    (found,) = of(**{"compose_yaml": text, ".env": "LIMIT=1g\n"}).containers
    assert told(found.memory) == ".env:1:7 memory = 1 GB"


@pytest.mark.parametrize(
    ("service", "dockerfile", "expected"),
    [
        ("image: postgres:16", "", "stop_signal = SIGINT (default)"),
        ("image: php:8.3-fpm", "", "stop_signal = SIGQUIT (default)"),
        ("image: php:8.3-apache", "", "stop_signal is unknown: the image decides"),
        ("image: php:5.6-fpm", "", "stop_signal is unknown: the image decides"),
        ("image: edoburu/pgbouncer:1.23.1", "", "stop_signal = SIGTERM (default)"),
        ("image: example.test/pgbouncer:1.23.1", "", "stop_signal is unknown: the image decides"),
        ("image: postgres:16\nstop_signal: TERM", "", "compose.yaml:4:18 stop_signal = SIGTERM"),
        ("build: .", "FROM php:8.3-fpm\nSTOPSIGNAL SIGTERM\n", "Dockerfile:2:12 stop_signal = SIGTERM"),
        ("build: .", "FROM php:8.3-fpm AS base\nSTOPSIGNAL 15\nFROM base\nRUN true\n", "Dockerfile:2:12 stop_signal = SIGTERM"),
        ("build: .\nstop_signal: SIGINT", "FROM php:8.3-fpm\nSTOPSIGNAL SIGTERM\n", "compose.yaml:4:18 stop_signal = SIGINT"),
    ],
)
def test_stop_signal(service: str, dockerfile: str, expected: str) -> None:
    files = {"Dockerfile": dockerfile} if dockerfile else {}
    assert told(container(service, **files).stop_signal) == expected


@pytest.mark.parametrize(
    ("service", "dockerfile", "program"),
    [
        ("image: edoburu/pgbouncer:v1.23.1-p0", "", "PgBouncer"),
        ("image: edoburu/pgbouncer:v1.22.0", "", ""),
        ("image: edoburu/pgbouncer", "", ""),  # whichever version that was when it was pulled
        ("image: edoburu/pgbouncer:v1.23.1-p0\nentrypoint: /run.sh", "", ""),
        ("image: postgres:16\ncommand: -c work_mem=8MB", "", "PostgreSQL"),
        ("image: postgres:16\ncommand: sh -c 'postgres'", "", ""),
        ("image: example.test/postgres:16", "", ""),
        ("image: php:8.3-fpm", "", "php-fpm"),
        ("image: php:8.3-fpm\ncommand: php artisan queue:work", "", ""),
        ("image: serversideup/php:8.3-fpm-nginx", "", ""),
        ("build: .", 'FROM php:8.3-fpm\nCMD ["php-fpm", "-F"]\n', "php-fpm"),
        ("image: php:8.3-fpm\ncommand: php-fpm -y /etc/own.conf", "", ""),
        ("build: .", "FROM php:8.3-fpm\nCMD php-fpm\n", ""),  # a shell gets the signal
        ("build: .", 'FROM php:8.3-fpm\nENTRYPOINT ["/start.sh"]\nCMD ["php-fpm"]\n', ""),
    ],
)
def test_what_gets_the_signal(service: str, dockerfile: str, program: str) -> None:
    files = {"Dockerfile": dockerfile} if dockerfile else {}
    assert container(service, **files).program == program


@pytest.mark.parametrize(
    ("service", "dockerfile", "expected"),
    [
        ("image: postgres:16", "", "healthcheck = false (default)"),
        ("image: example.test/postgres:16", "", "healthcheck is unknown: its image may have one"),
        ("image: postgres:16\nhealthcheck: {test: [CMD, pg_isready]}", "", "compose.yaml:4:5 healthcheck = true"),
        ("image: postgres:16\nhealthcheck: {disable: true}", "", "compose.yaml:4:5 healthcheck = false"),
        ("image: postgres:16\nhealthcheck: {test: NONE}", "", "compose.yaml:4:5 healthcheck = false"),
        ("build: .", "FROM postgres:16\nHEALTHCHECK CMD pg_isready\n", "healthcheck is unknown: its image may have one"),
        ("build: .", "FROM postgres:16\n", "healthcheck = false (default)"),
    ],
)
def test_healthcheck(service: str, dockerfile: str, expected: str) -> None:
    files = {"Dockerfile": dockerfile} if dockerfile else {}
    assert told(container(service, **files).has_healthcheck) == expected


@pytest.mark.parametrize(
    ("services", "names"),
    [
        ("api: {image: a, depends_on: [db]}", ("api",)),
        ("api: {image: a, depends_on: {db: {condition: service_healthy}}}", ()),
        ("api: {image: a, links: [db]}", ("api",)),
        ("api: {image: a}", ()),
        ("api: {depends_on: [db]}", ()),  # half a service: another file says the rest
        ("api: {image: nginx, depends_on: [db]}", ()),
        ("api: {image: edoburu/pgbouncer, depends_on: [db]}", ()),
        ("api: {image: adminer, depends_on: [db]}", ()),
        ("api: {image: a, command: ./wait-for-it.sh db, depends_on: [db]}", ()),
        ("api: {image: a, depends_on: [db, m]}\n  m: {image: m, depends_on: {db: {condition: service_healthy}}}", ()),
        ("api: {image: a, depends_on: [db, m]}\n  m: {image: m, depends_on: [db]}", ("api", "m")),
        ("api: {image: a, depends_on: [db, m]}\n  m: {image: m, depends_on: [api]}", ("api",)),  # Compose refuses the circle
    ],
)
def test_who_starts_too_early(services: str, names: tuple[str, ...]) -> None:
    (server,) = of(compose_yaml=f"services:\n  {services}\n  db: {{image: 'postgres:16'}}\n").servers
    assert server.container is not None
    assert server.container.impatient == names


def test_a_long_chain_of_dependencies() -> None:
    chain = "".join(f"  s{n}: {{image: a, depends_on: [s{n + 1}]}}\n" for n in range(3000))
    text = f"services:\n{chain}  s3000: {{image: a, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
    (server,) = of(compose_yaml=text + "  api: {image: a, depends_on: [db, s0]}\n  db: {image: 'postgres:16'}\n").servers
    assert server.container is not None
    assert server.container.impatient == ()


SWARM = """
services:
  api:
    build: ./api
    environment: {DATABASE_URL: "postgres://app@db/app"}
    deploy: {%s}
  db: {image: "postgres:16"}
"""
MAIN = "let pool = PgPoolOptions::new().max_connections(10).connect(&url).await?;\n"


@pytest.mark.parametrize(
    ("deploy", "surge"),
    [
        ("replicas: 4, update_config: {order: start-first}", 10),
        ("replicas: 4, update_config: {order: start-first, parallelism: 3}", 30),
        ("replicas: 4, update_config: {order: start-first, parallelism: 9}", 40),
        ("replicas: 4, update_config: {order: start-first, parallelism: 0}", 40),
        ("replicas: 4, update_config: {order: '${ORDER:-start-first}'}", 10),
        ("replicas: 4, update_config: {order: stop-first}", 0),
        ("replicas: 4, update_config: {parallelism: 2}", 0),
        ("replicas: 0, update_config: {order: start-first}", 0),
        ("mode: global, update_config: {order: start-first}", 0),
        ("replicas: '${N}', update_config: {order: start-first}", 0),
    ],
)
def test_surge(deploy: str, surge: int) -> None:
    files = {"compose_yaml": SWARM % deploy, "api/src/main.rs": MAIN}
    (server,) = of(**files).servers
    assert server.surge.value == surge


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("", 40),
        ("-c max_connections=20", 20),
        ("-c max_connections=300 -c work_mem=8MB", 40),
    ],
)
def test_planned_connections(command: str, expected: int) -> None:
    text = SWARM.replace('"postgres:16"', f'"postgres:16", command: "{command}"') % "replicas: 4"
    (server,) = of(**{"compose_yaml": text, "api/src/main.rs": MAIN}).servers
    assert server.planned_connections.value == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [("-c max_connections=300 -c work_mem=8MB", 300), ("-c max_connections=300", 0), ("-c work_mem=8MB", 0)],
)
def test_planned_connections_of_clients_out_of_sight(command: str, expected: int) -> None:
    text = f"services:\n  api: {{image: a, environment: {{PGHOST: db}}}}\n  db: {{image: 'postgres:16', command: {command}}}\n"
    (server,) = of(compose_yaml=text).servers
    assert server.planned_connections.value == expected


@pytest.mark.parametrize(
    ("image", "command", "expected"),
    [
        ("postgres:16", "-c shared_buffers=1GB", "compose.yaml:4:32 shared_buffers = 1 GB"),
        ("postgres:16", "-c shared_buffers=1000", "compose.yaml:4:32 shared_buffers = 8000 kB"),
        ("postgres:16", "", "shared_buffers = 128 MB (default)"),
        ("postgres", "", "shared_buffers = 128 MB (default)"),
        ("postgres:13", "", "shared_buffers is unknown: its default depends on who wrote postgresql.conf before PostgreSQL 15"),
        ("timescale/timescaledb:latest-pg16", "-c work_mem=8MB", "shared_buffers is unknown"),
    ],
)
def test_shared_buffers(image: str, command: str, expected: str) -> None:
    (server,) = of(compose_yaml=f"services:\n  db:\n    image: {image}\n    command: {command}\n").servers
    assert told(server.shared_buffers).startswith(expected)


WEB = "services:\n  web:\n    image: php:8.3-fpm\n    volumes: ['./zz.conf:/usr/local/etc/php-fpm.d/zz.conf']\n"


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ("[global]\nprocess.max = 20\n[www]\npm.max_children = 50\n", ["zz.conf:2:15 pm.max_children = 20"]),
        ("[global]\nprocess.max = 0\n[www]\npm.max_children = 50\n", ["zz.conf:4:19 pm.max_children = 50"]),
        ("[www]\npm.max_children = 50\n[global]\nprocess.max = 128\n", ["zz.conf:2:19 pm.max_children = 50"]),
        (
            "[global]\nprocess.max = 20\n[www]\npm.max_children = 15\n[b]\nlisten = 9001\npm = static\npm.max_children = 15\n",
            ["zz.conf:2:15 pm.max_children is unknown: process.max caps all pools together"] * 2,
        ),
    ],
)
def test_process_max_caps_the_workers(conf: str, expected: list[str]) -> None:
    project = of(compose_yaml=WEB, zz_conf=conf)
    assert [told(fpm.max_children) for fpm in project.fpms] == expected
    assert project.problems == []


@pytest.mark.parametrize(
    ("pool", "ignored"),
    [
        ("pm = static\npm.start_servers = 4\npm.process_idle_timeout = 5s\n", "pm.start_servers, pm.process_idle_timeout"),
        ("pm = ONDEMAND\npm.max_spawn_rate = 4\npm.process_idle_timeout = 5s\n", "pm.max_spawn_rate"),
        ("pm = dynamic\npm.start_servers = 2\npm.process_idle_timeout = 5s\n", "pm.process_idle_timeout"),
        ("pm = static\n", ""),  # what the image's own www.conf sets is nobody's
        ("pm.process_idle_timeout = 5s\n", "pm.process_idle_timeout"),
    ],
)
def test_what_a_process_manager_does_not_read(pool: str, ignored: str) -> None:
    (fpm,) = of(compose_yaml=WEB, zz_conf="[www]\npm.max_children = 5\n" + pool).fpms
    assert fpm.ignored_names.value == ignored


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[global]\nprocess_control_timeout = 30\n[www]\npm.max_children = 5\n", "zz.conf:2:27 process_control_timeout = 30 s"),
        ("[www]\npm.max_children = 5\n", "process_control_timeout = 0 s (default)"),
        (
            "[www]\npm.max_children = 5\n[global]\nprocess_control_timeout = ${T}\n",
            "zz.conf:4:27 process_control_timeout is unknown: '' is not a time",
        ),
    ],
)
def test_process_control_timeout(text: str, expected: str) -> None:
    project = of(compose_yaml=WEB, zz_conf=text)
    (fpm,) = project.fpms
    assert told(fpm.process_control_timeout).startswith(expected)
    (web,) = project.containers
    assert web.drain is fpm.process_control_timeout


@pytest.mark.parametrize(
    ("service", "dockerfile", "known"),
    [
        ("image: php:8.3-fpm", "", True),
        ("image: php:8.3-fpm\nvolumes: ['./zz.conf:/usr/local/etc/php-fpm.d/zz.conf']", "", True),
        ("image: php:8.3-fpm\nvolumes: ['./lost.conf:/usr/local/etc/php-fpm.d/zz.conf']", "", False),
        ("image: php:8.3-fpm\nvolumes: ['/srv/zz.conf:/usr/local/etc/php-fpm.d/zz.conf']", "", False),
        ("image: php:8.3-fpm\nvolumes: ['/srv/php.ini:/etc/php.ini']", "", True),
        ("build: .", "FROM php:8.3-fpm\nCOPY zz.conf /usr/local/etc/php-fpm.d/\n", True),
        ("build: .", "FROM php:8.3-fpm\nCOPY *.conf /usr/local/etc/php-fpm.d/\n", False),
        ("build: .", "FROM php:8.3-fpm\nCOPY --from=other /zz.conf /usr/local/etc/php-fpm.d/\n", False),
        ("build: .", "FROM php:8.3-fpm\nRUN sed -i s/5/9/ /usr/local/etc/php-fpm.d/www.conf\n", False),
    ],
)
def test_whether_all_files_of_php_fpm_are_seen(service: str, dockerfile: str, known: bool) -> None:
    files = {"zz_conf": "[www]\npm.max_children = 5\n", **({"Dockerfile": dockerfile} if dockerfile else {})}
    assert container(service, **files).drain.is_known is known


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("php:8.3-fpm", "request_terminate_timeout = never (default)"),
        ("serversideup/php:8.3-fpm", "request_terminate_timeout is unknown: its image may set it"),
    ],
)
def test_whose_request_terminate_timeout_is_known(image: str, expected: str) -> None:
    (fpm,) = of(compose_yaml=f"services:\n  web:\n    image: {image}\n").fpms
    assert told(fpm.request_terminate_timeout) == expected
    assert not fpm.is_written


FPM = """
services:
  web:
    build: ./web
    {more}
    volumes:
      - ./fpm.conf:{place}:ro
"""


@pytest.mark.parametrize(
    ("place", "more", "workers"),
    [
        ("/usr/local/etc/php-fpm.d/zz-web.conf", "", [7]),
        ("/usr/local/etc/php-fpm.d/zz-web.conf", "command: php artisan queue:work", []),
        ("/etc/web/fpm.conf", "", []),
    ],
)
def test_a_pool_file_where_the_official_image_looks_tells_an_unseen_image(place: str, more: str, workers: list[int]) -> None:
    project = of(compose_yaml=FPM.format(place=place, more=more), fpm_conf="[www]\npm.max_children = 7\n")
    (container,) = project.containers
    assert [fact.value for fact in container.children] == workers
    assert not project.problems  # what else the image's own files say is not known
