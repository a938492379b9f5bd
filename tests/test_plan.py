"""Plans: what is read, what stands for what, what init writes.  Mistakes in them are in mistakes.md."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
from conftest import polint
from hypothesis import given
from hypothesis import strategies as st

from polint import yamltext
from polint.bundle.plan import MAJORS, Plan
from polint.bundle.planfile import NAME, PlanError, parse
from polint.bundle.render import every_name
from polint.source import Source
from polint.units import Bytes

ROOT = Path(__file__).parent.parent
PLAN = "project: shop\nservices: {web: sqlx}\n"
SCHEMA = json.loads((ROOT / "schema" / "plan.schema.json").read_text(encoding="utf-8"))


def plan(text: str) -> Plan:
    return parse(Source("plan.yaml", text)).plan


def test_everything_but_names_and_services_has_a_default() -> None:
    found = plan(PLAN)
    assert (found.database_name, found.user) == ("shop", "shop_app")
    assert (found.database.version, found.database.cores, found.database.memory) == (17, 4, 4 << 30)
    assert (found.requests_per_minute, found.pgbouncer, found.monitoring) == (600, "auto", True)
    web = found.services["web"]
    assert (web.kind, web.replicas, web.pool, web.deploy, web.memory_per_worker) == ("sqlx", 1, None, "stop-first", 64 << 20)


def test_a_whole_plan() -> None:
    found = plan(
        "project: my-shop\n"
        "services:\n"
        "  web: &web {kind: laravel-fpm, replicas: 2, memory: 2 GB, memory-per-worker: 48MB, deploy: start-first, parallelism: 0}\n"
        "  admin: {<<: *web, replicas: 1, processes: 5}\n"
        "  search: {kind: other, pool: 5}\n"
        "database: {name: main, user: writer, version: 12, cores: 2.5, spindles: 1, memory: 1.5GB, max-connections: 200}\n"
        "requests-per-minute: 0\npgbouncer: never\nmonitoring: false\n"
    )
    assert (found.database_name, found.user, found.database.cores) == ("main", "writer", 2.5)
    assert found.database.memory == Bytes(3 << 29)
    assert [service.replicas for service in found.services.values()] == [2, 1, 1]
    assert found.services["admin"].processes == 5
    assert list(found.services) == ["web", "admin", "search"]


@pytest.mark.parametrize(
    "text",
    [
        f"{PLAN}database:\n",  # what is not filled in says nothing
        f"{PLAN}database: {{max-connections: , memory: ~}}\npgbouncer:\n",
        "project: shop\nservices: {web: {kind: sqlx, pool: null}}\n",
        "\ufeff" + PLAN,
        PLAN.replace("\n", "\r\n"),
        f"---\n{PLAN}...\n",
        '{"project": "shop", "services": {"web": "sqlx"}}',
    ],
)
def test_spellings_of_the_same_plan(text: str) -> None:
    assert plan(text) == plan(PLAN)


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (
            "project: order\nservices: {web: {kind: sqlx, replicas: none}}\ndatabase: {name: Main}\n",
            [
                "1:10: project: is a keyword of SQL, and the database has its name; state database.name",
                "2:40: services.web.replicas: must be a whole number",
                "3:18: database.name: must be a name of lower-case letters, digits and _",
            ],
        ),
        (
            "project: shop\nservices: {a: {kind: other, replicas: none}, b: {kind: other, pool: '5'}}\n",
            [
                "2:12: services.a.pool: is missing: nobody can tell what a service of kind other opens",
                "2:39: services.a.replicas: must be a whole number",
                "2:69: services.b.pool: must be a whole number",
            ],
        ),
        ("project: shop\nservices: {A: sqlx}\n", ["2:12: services.A: must be a name of lower-case letters, digits, - and _"]),
    ],
)
def test_mistakes_that_only_show_once_others_are_mended_are_told_at_once(text: str, mistakes: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        plan(text)
    assert [str(one).removeprefix("plan.yaml:") for one in caught.value.problems] == mistakes


def test_a_place_is_where_the_value_is_written() -> None:
    with pytest.raises(PlanError) as caught:
        plan("project: shop\nservices:\n  a: &a {kind: sqlx, pool: '5'}\n  b: *a\n  c: {<<: *a, replicas: 2}\n")
    assert [str(one) for one in caught.value.problems] == [
        f"plan.yaml:3:28: services.{name}.pool: must be a whole number" for name in ("a", "b", "c")
    ]


def problems(text: str) -> tuple[str, ...]:
    """What is wrong with a plan, place and key of each."""
    try:
        parse(Source("plan.yaml", text)).laid_out()
    except PlanError as error:
        return tuple(f"{one.span} {one.key}" for one in error.problems)
    return ()


@given(st.text(max_size=60))
def test_anything_is_a_plan_or_a_list_of_mistakes(text: str) -> None:
    assert problems(text)
    assert all(one.startswith("plan.yaml:") for one in problems(text))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 20_000), st.floats(), st.sampled_from(["sqlx", "other", "4GB", "x", "auto", "1e999GB", ""]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.sampled_from(["kind", "pool", "x"]), st.integers(0, 3), max_size=2),
)  # fmt: skip
KEYS = [*SCHEMA["properties"], *SCHEMA["$defs"]["Service"]["properties"], *SCHEMA["$defs"]["Database"]["properties"], "none-of-these"]


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), st.sampled_from(["", "database", "service"]))
def test_any_values_anywhere_are_a_plan_or_a_list_of_mistakes(values: dict[str, object], where: str) -> None:
    content: dict[str, object] = {"project": "shop", "services": {"web": "sqlx"}}
    if where == "service":
        content["services"] = {"web": {"kind": "sqlx", **values}}
    elif where:
        content[where] = values
    else:
        content |= values
    found = problems(json.dumps(content).replace("NaN", ".nan").replace("Infinity", ".inf"))
    assert all(re.fullmatch(r"plan\.yaml:1:\d+ \S+", one) for one in found)


# --- the schema ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (PLAN, True),
        ("project: s\nservices: {a: {kind: other, pool: 3}, b: {kind: laravel-horizon, processes: 3}}\n", True),
        (f"{PLAN}database: {{memory: 1.5 GB, version: 18, cores: 0.5, max-connections: 50}}\n", True),
        ("project: s\nservices: {a: other}\n", False),
        ("project: s\nservices: {a: {kind: other}}\n", False),
        ("project: s\nservices: {a: {kind: laravel-fpm, pool: 3}}\n", False),
        ("project: s\nservices: {a: {kind: sqlx, processes: 3}}\n", False),
        ("project: s\nservices: {A: sqlx}\n", False),
        ("project: s\nservices: {}\n", False),
        ("services: {a: sqlx}\n", False),
        (f"{PLAN}database: {{memory: 4GiB}}\n", False),
        (f"{PLAN}database: {{version: 11}}\n", False),
        (f"{PLAN}database: {{max_connections: 50}}\n", False),
        (f"{PLAN}pgbouncer: sometimes\n", False),
    ],
)
def test_the_schema_says_what_polint_says(text: str, valid: bool) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    content = yamltext.to_plain(yamltext.documents(Source("plan.yaml", text)).nodes[0])
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(content) == valid
    try:
        plan(text)
    except PlanError:
        assert not valid
    else:
        assert valid


def test_every_key_of_the_schema_is_described() -> None:
    for table in (SCHEMA, SCHEMA["$defs"]["Service"], SCHEMA["$defs"]["Database"]):
        assert all(key == key.lower() and "_" not in key for key in table["properties"])
        assert all(value.get("description") for value in table["properties"].values())
    assert SCHEMA["$defs"]["Database"]["properties"]["version"]["enum"] == list(MAJORS)


# --- init ----------------------------------------------------------------------------------


def drafted(folder: Path) -> str:
    code, out, err = polint("init", str(folder))
    assert (code, err) == (0, "")
    assert f"wrote {NAME}: server " in out
    return (folder / NAME).read_text(encoding="utf-8")


def test_init_reads_a_plan_from_a_project(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "iss-tracker-fixed", tmp_path / "iss-tracker")
    text = drafted(tmp_path / "iss-tracker")
    assert (
        re.sub(r" *#.*", "", text).split()
        == (
            "project: iss-tracker services: rust-iss: kind: sqlx replicas: 3 pool: 10 "
            "php-web: kind: laravel-fpm replicas: 1 processes: 20 memory-per-worker: 64MB "
            "database: name: iss_tracker version: 16 cores: 4 memory: 4GB max-connections: 100 requests-per-minute: 600"
        ).split()
    )
    assumed = [line.split(":")[0].strip() for line in text.splitlines() if "# assumed" in line]
    assert assumed == ["memory-per-worker", "cores", "memory", "requests-per-minute"]
    layout = parse(Source(NAME, text)).laid_out()
    assert {service.name: service.opens.value for service in layout.services} == {"rust-iss": 30, "php-web": 20}
    assert polint("generate", str(tmp_path / "iss-tracker" / NAME), "--out", str(tmp_path / "bundle"), "-q") == (0, "", "")


COMPOSE = """\
name: 'Shop 2'
services:
  db:
    image: postgres:14
    command: postgres -c max_connections=20
    environment: {POSTGRES_DB: Shop, POSTGRES_PASSWORD: hunter2hunter2}
    deploy: {resources: {limits: {cpus: '1.5', memory: 3g}}}
  postgres:
    build: ./api
    deploy: {replicas: 4, update_config: {order: start-first, parallelism: 2}, resources: {limits: {memory: 256m}}}
    environment: {DATABASE_URL: postgres://app:hunter2hunter2@db/app}
  worker:
    image: example.test/worker:1
    environment: {DATABASE_URL: postgres://app:hunter2hunter2@db/app}
    scale: 3
"""
MAIN = 'fn main() { let p = PgPoolOptions::new().max_connections(40).connect(&std::env::var("DATABASE_URL")?).await?; }\n'


def test_init_says_what_it_assumed_and_keeps_secrets_out(tmp_path: Path) -> None:
    (tmp_path / "api" / "src").mkdir(parents=True)
    (tmp_path / "api" / "Cargo.toml").write_text('[package]\nname = "api"\n[dependencies]\nsqlx = "0.8"\n')
    (tmp_path / "api" / "src" / "main.rs").write_text(MAIN)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    text = drafted(tmp_path)
    assert "hunter2" not in text
    assert text.startswith("# What polint generate makes a bundle of; ")
    assert text.partition("project: ")[2] == (
        "shop-2\n\nservices:\n"
        "  postgres-2:\n    kind: sqlx\n    replicas: 4\n    pool: 40\n    deploy: start-first\n    parallelism: 2\n    memory: 256MB\n"
        "  worker:\n    kind: other\n    replicas: 3\n    pool: 5  # assumed: its image example.test/worker:1 is not read\n"
        "\ndatabase:\n  version: 14\n  cores: 1.5\n  memory: 3GB\n"
        "  # max-connections: 20  # today's, which has no room for these services\n"
        "\nrequests-per-minute: 600  # assumed: no file says it\n"
    )


def test_init_leaves_what_is_there(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "iss-tracker-fixed", tmp_path / "x")
    (tmp_path / "x" / NAME).write_text("# mine\n")
    code, out, err = polint("init", str(tmp_path / "x"))
    assert (code, out, err) == (0, "wrote polint.toml: 1 server found\n", "")
    assert (tmp_path / "x" / NAME).read_text() == "# mine\n"
    message = f"polint: polint.toml configures this project already, and there is a {NAME}\n"
    assert polint("init", str(tmp_path / "x")) == (2, "", message)
    (tmp_path / "x" / NAME).unlink()
    code, out, err = polint("init", str(tmp_path / "x"))
    assert (code, out.split(":")[0], err) == (0, f"wrote {NAME}", "")


def test_init_plans_nothing_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: nginx}}\n")
    assert polint("init", str(tmp_path)) == (0, "wrote polint.toml: 0 servers found\n", "")
    assert not (tmp_path / NAME).exists()


def test_the_plans_shown_are_valid() -> None:
    (block,) = [part.partition("```")[0] for part in (ROOT / "README.md").read_text(encoding="utf-8").split("```yaml\n")[1:]]
    shown = parse(Source("README.md", block)).laid_out()
    example = parse(Source("iss-tracker.yaml", (ROOT / "examples" / "plans" / "iss-tracker.yaml").read_text(encoding="utf-8"))).laid_out()
    assert [service.opens for service in shown.services] == [service.opens for service in example.services]


def test_what_any_bundle_has() -> None:
    tops, names = every_name()
    assert {"postgres", "php", "rust", "pgbouncer"} <= tops
    assert {"docker-compose.yml", "db.rs", "pgbouncer.ini", "polint.toml", "horizon.php"} <= names
