"""The budget in every situation that files tell of: what is open, whether it fits, and what would fit."""

from __future__ import annotations

import pytest
from budget_stacks import START_FIRST, URL, found, pooled, project, said, stack
from hypothesis import given
from hypothesis import strategies as st

from polint import budget, sizing
from polint.budget_answers import Answer
from polint.config import ConfigError, parse
from polint.source import Source

JOB = f"""\
  migrate:
    build: ./migrate
    {URL}
  report:
    build: ./report
    {URL}
    depends_on: {{migrate: {{condition: service_completed_successfully}}}}
"""


@pytest.mark.parametrize(
    ("deploy", "toml", "expected"),
    [
        ("", "", None),
        (", update_config: {order: stop-first, parallelism: 2}", "", None),
        (", update_config: {order: start-first}", "", (40, 40)),  # one at a time, if nothing is said
        (START_FIRST % 2, "", (50, 50)),
        (START_FIRST % 0, "", (60, 60)),  # all at once
        (START_FIRST % 7, "", (60, 60)),
        (START_FIRST % "'${N}'", "", (40, 60)),
        (", update_config: {order: '${ORDER}'}", "", (30, 40)),
        (", update_config: {order: '${ORDER}', parallelism: 2}", "", (30, 50)),
        ("", "surge = 1", (40, 40)),
        ("", "surge = 9", (60, 60)),
        ("", "surge = '25%'", (40, 40)),  # rounded up, as Kubernetes does
        ("", "surge = '50%'", (50, 50)),
        ("", "surge = 0", None),
        (START_FIRST % 2, "surge = 0", None),  # polint.toml knows better
        (START_FIRST % 2, "surge = '0%'", None),
    ],
)
def test_a_rolling_deploy(deploy: str, toml: str, expected: tuple[int, int] | None) -> None:
    scenarios = said(stack({"api": (10, 3, deploy)}), f"[services.api]\n{toml}\n" if toml else "")
    assert scenarios[0] == ("steady", 30, 30, "fits")
    assert scenarios[1:] == ([("deploy", *expected, "fits")] if expected else [])


def test_where_the_extra_copies_are_told() -> None:
    (one,) = found(stack({"api": (10, 3, START_FIRST % 2)}))
    factors = one.scenarios[1].parts[0].copies.factors
    assert [str(fact) for fact in factors] == ["order = start-first", "parallelism = 2"]
    assert [fact.span.text for fact in factors if fact.span is not None] == ["start-first", "2"]


def test_an_update_of_all_services_at_once() -> None:
    services = {"api": (10, 2, START_FIRST % 1), "web": (4, 3, START_FIRST % 0), "mail": (5, 1, "")}
    assert said(stack(services)) == [("steady", 37, 37, "fits"), ("deploy", 59, 59, "fits")]


def test_an_update_that_does_not_fit_though_every_other_day_does() -> None:
    (one,) = found(stack({"api": (30, 3, START_FIRST % 1)}))
    assert [scenario.verdict for scenario in one.scenarios] == ["fits", "over"]
    assert one.worst.name == "deploy"


def test_an_autoscaler_and_everything_together() -> None:
    toml = "[services.api]\nmax-replicas = 6\nsurge = '50%'\n[services.psql]\npool = 2\nonce = true\nconnects-to = 'db'\n"
    assert said(stack({"api": (10, 2, "")}), toml) == [
        ("steady", 20, 20, "fits"),
        ("deploy", 30, 30, "fits"),
        ("autoscale", 60, 60, "fits"),
        ("jobs", 22, 22, "fits"),
        ("peak", 92, 92, "fits"),  # (6 + 3) x 10 + 2
    ]


def test_a_maximum_says_something_where_the_number_of_copies_does_not() -> None:
    files = stack({"api": (10, 0, "")})
    files["compose.yaml"] = files["compose.yaml"].replace("replicas: 0", "replicas: '${N}'")
    assert said(files, "[services.api]\nmax-replicas = 4\n") == [("steady", 0, None, "unknown"), ("autoscale", 40, 40, "fits")]
    assert said(stack({"api": (10, 3, "")}), "[services.api]\nmax-replicas = 2\n") == [("steady", 30, 30, "fits")]


def test_what_another_service_waits_for_runs_once() -> None:
    files = {**stack({"api": (10, 3, "")}, JOB), "migrate/src/main.rs": "let c = PgConnection::connect(&url).await?;\n"}
    files["report/src/main.rs"] = files["api/src/main.rs"]
    assert said(files) == [("steady", 40, 40, "fits"), ("jobs", 41, 41, "fits")]
    (server,) = project(files).servers
    assert [(one.service, one.once) for one in server.jobs] == [("migrate", "report waits until it is done")]
    assert said(files, "[services.migrate]\nonce = false\n") == [("steady", 41, 41, "fits")]


@pytest.mark.parametrize(
    ("command", "job"),
    [
        ("psql -h db -f /seed.sql", "it runs psql"),
        ("['pg_dump', '-h', 'db', 'app']", "it runs pg_dump"),
        ("postgres -c max_connections=50", None),
        ("sh -c 'psql -h db -c x; exec sleep 9d'", None),
        ("pg_isready -h db", None),
    ],
)
def test_programs_of_the_servers_image(command: str, job: str | None) -> None:
    more = f"  seed:\n    image: postgres:16\n    command: {command}\n    environment: {{PGHOST: db}}\n"
    server = next(one for one in project(stack({"api": (10, 3, "")}, more)).servers if one.label == "db")
    assert [(one.service, one.once, one.at_least.value) for one in server.jobs] == ([("seed", job, 1)] if job else [])
    assert budget.steady(server).at_least == 30


def test_a_restore_with_jobs_is_unknown() -> None:
    more = "  restore:\n    image: postgres:16\n    command: pg_restore -h db -j 4 /dump\n    environment: {PGHOST: db}\n"
    (one,) = found(stack({"api": (10, 3, "")}, more))
    assert one.scenarios[1].missing == (("restore", "pg_restore opens a connection for each of its --jobs"),)
    assert (one.steady.verdict, one.worst.verdict) == ("fits", "unknown")


@pytest.mark.parametrize(
    ("command", "runs_once"),
    [
        ("sqlx migrate run", True),
        ("/app/server", False),
        ("sh -c 'sqlx migrate run && /app/server'", False),
        ("diesel migration run", True),
    ],
)
def test_commands_of_a_service_with_a_pool(command: str, runs_once: bool) -> None:
    files = stack({"api": (10, 1, "")})
    files["compose.yaml"] = files["compose.yaml"].replace("    build: ./api\n", f'    build: ./api\n    command: "{command}"\n')
    (server,) = project(files).servers
    assert [one.service for one in server.jobs] == (["api"] if runs_once else [])


def test_behind_a_pooler_only_the_pooler_counts() -> None:
    files = pooled()
    files["compose.yaml"] = files["compose.yaml"].replace(
        "    build: ./web\n", "    build: ./web\n    deploy: {replicas: 4, update_config: {order: start-first}}\n"
    )
    assert said(files) == [("steady", 25, 25, "fits")]


def test_what_is_missing() -> None:
    more = f"  search:\n    image: registry.example.test/search:1\n    {URL}\n"
    (one,) = found(stack({"api": (10, 3, "")}, more, limit="20"))
    assert (one.steady.verdict, one.steady.at_least, one.steady.at_most) == ("over", 30, None)  # what is known proves it
    (one,) = found(stack({"api": (10, 3, "")}, more))
    assert (one.steady.verdict, one.steady.missing) == ("unknown", (("search", "its image registry.example.test/search:1 is not read"),))
    (one,) = found(stack({"api": (10, 3, "")}, limit="${LIMIT}"))
    assert (one.steady.verdict, one.steady.missing) == ("unknown", (("db", "its value comes from a variable that is not set"),))
    assert (one.answers.needed, one.answers.clients) == (33, ())


def test_answers() -> None:
    (one,) = found(stack({"api": (10, 3, START_FIRST % 1), "web": (5, 2, "")}))
    # deploy: 4 copies of api; 97 - 10 = 87 for them, 97 - 40 = 57 for two of web
    assert one.answers.clients == (Answer("api", "pool", 10, 21, 3, 7), Answer("web", "pool", 5, 28, 2, 11))
    assert (one.answers.needed, one.answers.needed_with_room) == (53, 66)
    assert not one.answers.is_bound


def test_answers_when_it_is_over() -> None:
    (one,) = found(stack({"api": (40, 3, ""), "web": (10, 2, "")}))
    api, web = one.answers.clients
    assert (api.largest_size, api.most_replicas, web.largest_size, web.most_replicas) == (25, 1, 0, 0)
    assert (api.in_proportion, web.in_proportion) == (27, 6)  # 3 x 27 + 2 x 6 = 93 of 94
    assert one.answers.needed == 143


def test_a_client_of_unknown_size_is_answered_and_bounds_the_others() -> None:
    more = f"  search:\n    image: registry.example.test/search:1\n    {URL}\n    deploy: {{replicas: 2}}\n"
    (one,) = found(stack({"api": (10, 3, "")}, more))
    api, search = one.answers.clients
    assert one.answers.is_bound
    assert (search.size, search.largest_size, search.most_replicas) == (None, 33, None)
    assert api.largest_size == 32


def test_of_several_unknown_clients_none_is_answered() -> None:
    more = "".join(f"  {name}:\n    image: registry.example.test/{name}:1\n    {URL}\n" for name in ("search", "index"))
    (one,) = found(stack({"api": (10, 3, "")}, more))
    assert [(answer.service, answer.largest_size) for answer in one.answers.clients] == [("api", 32), ("search", None), ("index", None)]
    assert (one.answers.needed, one.answers.needed_with_room) == (33, None)
    (one,) = found(stack({}, more))
    assert one.answers.needed is None


def test_one_process_with_one_connection_can_only_be_multiplied() -> None:
    more = "  exporter:\n    image: prometheuscommunity/postgres-exporter\n    environment: {DATA_SOURCE_NAME: 'postgres://x@db/app'}\n"
    (one,) = found(stack({"api": (10, 3, "")}, more))
    assert one.answers.clients[1] == Answer("exporter", "processes", 1, None, 1, 67)


@given(st.integers(1, 60), st.integers(1, 8), st.integers(0, 4), st.integers(1, 40), st.integers(0, 100))
def test_answers_fit_and_one_more_does_not(pool: int, replicas: int, parallelism: int, other: int, percent: int) -> None:
    files = stack({"api": (pool, replicas, START_FIRST % parallelism), "web": (other, 1, "")})
    toml = f"[services.web]\nsurge = '{percent}%'\n"
    (one,) = found(files, toml)
    for answer in one.answers.clients:
        for size, replica in ((answer.largest_size, None), (None, answer.most_replicas)):
            for more in (0, 1):
                services = {"api": (pool, replicas), "web": (other, 1)}
                at = services[answer.service]
                services[answer.service] = (at[0] if size is None else size + more, at[1] if replica is None else replica + more)
                again = stack({name: (*pair, START_FIRST % parallelism if name == "api" else "") for name, pair in services.items()})
                verdicts = {verdict for _, _, _, verdict in said(again, toml)}
                rest_is_over = (size if size is not None else replica) == 0
                assert ("over" in verdicts) == bool(more) or rest_is_over


def test_max_connections_needed_is_enough() -> None:
    files = {"api": (40, 3, START_FIRST % 1), "web": (10, 2, "")}
    (one,) = found(stack(files))
    assert one.answers.needed is not None
    assert {verdict for *_, verdict in said(stack(files, limit=str(one.answers.needed)))} == {"fits"}
    assert "over" in {verdict for *_, verdict in said(stack(files, limit=str(one.answers.needed - 1)))}
    assert one.answers.needed_with_room == sizing.usable_needed(180) + 3


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("surge = '25'", "services.api.surge: must be a whole number, or a share such as '25%'"),
        ("surge = -1", "services.api.surge: must be a whole number, or a share such as '25%'"),
        ("surge = 1.5", "services.api.surge: must be a whole number, or a share such as '25%'"),
        ("max-replicas = 0", "services.api.max-replicas: must be 1 or more"),
        ("max_replicas = 2", "services.api.max_replicas: unknown key; did you mean 'max-replicas'?"),
        ("once = 'yes'", "services.api.once: "),
    ],
)
def test_mistakes_in_the_configuration(text: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(Source("polint.toml", f"[services.api]\n{text}\n"))
    (problem,) = error.value.problems
    assert f"{problem.key}: {problem.message}".startswith(mistake)
