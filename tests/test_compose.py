"""Compose files: what a service is in the end, where each part is written, and what Compose refuses."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from polint.formats.compose import ComposeProject, ServiceEntry, load
from polint.source import Source, Span
from polint.value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value


def project(files: Mapping[str, str] | str, *overrides: str) -> ComposeProject:
    named = {"compose.yml": files} if isinstance(files, str) else files
    sources = {path: Source(path, text) for path, text in named.items()}
    main = next(iter(sources))
    return load(sources[main], tuple(sources[path] for path in overrides), sources.get)


def service(files: Mapping[str, str] | str, *overrides: str, name: str = "a") -> ServiceEntry:
    loaded = project(files, *overrides)
    assert loaded.faults == ()
    assert loaded.unread == ()
    return loaded.services[name]


def a(body: str) -> ServiceEntry:
    """The only service of a file, given the lines of its definition."""
    return service("services:\n  a:\n" + "".join(f"    {line}\n" for line in body.splitlines()))


def show(value: Value | None) -> object:
    """A value in short: reads as ${NAME}, defaults behind a bar."""
    match value:
        case None:
            return None
        case Literal(literal):
            return literal
        case EnvRead(name):
            return f"${{{name}}}"
        case Fallback(EnvRead(name), second):
            return f"${{{name}|{show(second)}}}"
        case Alternative(EnvRead(name), then):
            return f"${{{name}&{show(then)}}}"
        case Computed(_, args):
            return "".join(str(show(arg)) for arg in args)
        case Opaque(reason):
            return f"<{reason}>"
        case _:
            raise AssertionError(value)


def where(span: Span) -> str:
    return f"{span} {span.text}"


def environment(entry: ServiceEntry) -> dict[str, object]:
    return {name: show(variable.value) for name, variable in entry.environment.items()}


def words(entry: ServiceEntry) -> list[object]:
    return [show(word.value) for word in entry.command or ()]


def faults(files: Mapping[str, str] | str, *overrides: str) -> list[tuple[str, str]]:
    """(message without its usual end, place) of every fault."""
    return [(fault.message.removesuffix("; Compose refuses the file"), str(fault.span)) for fault in project(files, *overrides).faults]


# --- environment


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1.50", "1.5"),
        ("017", "15"),
        ("08", "8"),
        ("0x1F", "31"),
        ("1e3", "1000"),
        ("1e21", "1e+21"),
        ("123456789012345678901", "123456789012345680000"),
        ("0.00001", "1e-05"),
        ("0.0001", "0.0001"),
        ("-0", "-0"),
        ("1_000", "1000"),
        ("True", "true"),
        ("yes", "yes"),
        ("'1.50'", "1.50"),
        ('""', ""),
        ("5s", "5s"),
        ("2001-01-01", "<YAML takes it for a date>"),
        ("~", None),
        ("", None),
        ("${X:-5}", "${X|5}"),
        ("a$$b", "a$b"),
        ("!!str 5", "5"),
        (">-\n        x\n        y", "x y"),
    ],
)
def test_a_mapped_variable_is_printed_anew(written: str, text: str | None) -> None:
    assert environment(a(f"environment:\n  A: {written}")) == {"A": text}


@pytest.mark.parametrize(
    ("item", "name", "value"),
    [
        ("A=1.50", "A", "1.50"),
        ("A", "A", None),
        ("A=", "A", ""),
        ('A="8.3"', "A", '"8.3"'),
        ("'A=b=c'", "A", "b=c"),
        ("A= b", "A", " b"),
        ("A=x${B}y", "A", "x${B}y"),
        ("A=${B:-${C:-d}}", "A", "${B|${C|d}}"),
    ],
)
def test_a_listed_variable_is_text(item: str, name: str, value: str | None) -> None:
    assert environment(a(f"environment:\n  - {item}")) == {name: value}


def test_the_last_of_a_listed_variable_wins() -> None:
    assert environment(a("environment: [A=1, B=2, A=3]")) == {"B": "2", "A": "3"}


def test_places_of_variables() -> None:
    text = "services:\n  a:\n    environment:\n      URL: postgres://u:${PW:-x}@db # c\n      BARE:\n"
    found = service(text).environment
    assert where(found["URL"].span) == "compose.yml:4:7 URL: postgres://u:${PW:-x}@db"
    assert where(found["URL"].value_span) == "compose.yml:4:12 postgres://u:${PW:-x}@db"
    value = found["URL"].value
    assert isinstance(value, Computed)
    assert [where(arg.span) for arg in value.args] == [
        "compose.yml:4:12 postgres://u:",
        "compose.yml:4:25 ${PW:-x}",
        "compose.yml:4:33 @db",
    ]
    assert where(found["BARE"].span) == "compose.yml:5:7 BARE"
    listed = service('services:\n  a:\n    environment:\n      - "A=${B:-1}" # c\n      - D\n').environment
    assert where(listed["A"].span) == 'compose.yml:4:9 "A=${B:-1}"'
    assert where(listed["A"].value_span) == "compose.yml:4:12 ${B:-1}"
    assert where(listed["D"].span) == "compose.yml:5:9 D"


def test_places_survive_crlf_and_a_byte_order_mark() -> None:
    main = Source.from_bytes("compose.yml", "\ufeff# é\r\nservices:\r\n  a:\r\n    environment:\r\n      - A=1\r\n".encode())
    variable = load(main, (), lambda path: None).services["a"].environment["A"]
    assert where(variable.value_span) == "compose.yml:5:11 1"


# --- command


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("postgres -c max_connections=200", ["postgres", "-c", "max_connections=200"]),
        ("-cmax_connections=200", ["-cmax_connections=200"]),
        ("postgres -c 'max_connections=${V:-100}' -c \"a=b c\"", ["postgres", "-c", "max_connections=${V|100}", "-c", "a=b c"]),
        ('["-c", "x=1", "a ${B}"]', ["-c", "x=1", "a ${B}"]),
        (">\n      postgres\n      -c a=1\n", ["postgres", "-c", "a=1"]),
        ("|\n      postgres \\\n        -c a=1\n", ["postgres", "\n", "-c", "a=1"]),
        ("postgres\n      -c a=1", ["postgres", "-c", "a=1"]),
        ('""', []),
        ("[]", []),
    ],
)
def test_command(command: str, expected: list[str]) -> None:
    assert words(service(f"services:\n  a:\n    command: {command}\n")) == expected


def test_places_of_words() -> None:
    folded = service("services:\n  a:\n    command: >\n      postgres\n      -c a=${B:-1}\n").command
    assert folded is not None
    assert [where(word.span) for word in folded] == ["compose.yml:4:7 postgres", "compose.yml:5:7 -c", "compose.yml:5:10 a=${B:-1}"]
    assert isinstance(folded[2].value, Computed)
    assert where(folded[2].value.args[1].span) == "compose.yml:5:12 ${B:-1}"
    quoted = service("services:\n  a:\n    command: \"postgres -c 'a=1 2'\"\n").command
    assert quoted is not None
    assert where(quoted[2].span) == "compose.yml:3:27 'a=1 2'"
    listed = service("services:\n  a:\n    command:\n    - postgres\n    - 'a=1'\n").command
    assert listed is not None
    assert where(listed[1].span) == "compose.yml:5:7 'a=1'"


def test_what_compose_drops_of_a_command() -> None:
    loaded = project("services:\n  a:\n    command: sleep 5 && postgres\n")
    assert words(loaded.services["a"]) == ["sleep", "5"]
    assert [(fault.message, where(fault.span), fault.fatal) for fault in loaded.faults] == [
        ('Compose drops all of "command" from "&&" on: no shell reads it', "compose.yml:3:22 &&", False)
    ]


def test_no_command_and_an_empty_one_differ() -> None:
    assert a("command:\nimage: x").command is None
    assert a("entrypoint: []").entrypoint == ()


# --- the other keys


def test_simple_values() -> None:
    entry = a(
        "image: postgres:16\ncontainer_name: c\nscale: 2\nmem_limit: 512m\ncpus: 0.5\nstop_signal: SIGINT\n"
        "stop_grace_period: 30s\nnetwork_mode: service:b\nprofiles: [x, y]\nhostname: h\nrestart: always\nx-own: 1"
    )
    assert [show(value) for value in (entry.image, entry.container_name, entry.scale, entry.memory, entry.cpus)] == [
        "postgres:16",
        "c",
        2,
        "512m",
        0.5,
    ]
    assert [show(value) for value in (entry.stop_signal, entry.stop_grace_period, entry.network_mode)] == ["SIGINT", "30s", "service:b"]
    assert (entry.profiles, entry.aliases, entry.depends_on) == (("x", "y"), ("h",), {"b": "service_started"})
    assert {name: where(span) for name, span in entry.other.items()} == {"restart": "compose.yml:13:5 restart"}
    assert where(entry.span) == "compose.yml:2:3 a"


def test_deploy() -> None:
    entry = a(
        "mem_limit: 1g\ndeploy:\n  mode: global\n  replicas: ${N:-3}\n  update_config: {order: start-first, parallelism: 2}\n"
        "  resources:\n    limits: {memory: 64M, cpus: '0.25'}\n"
    )
    assert show(entry.replicas) == "${N|3}"
    assert [show(value) for value in (entry.mode, entry.update_order, entry.update_parallelism)] == ["global", "start-first", 2]
    assert [show(value) for value in (entry.memory, entry.cpus)] == ["64M", "0.25"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("healthcheck: {test: [CMD, pg_isready]}", "compose.yml:3:5 healthcheck: {test: [CMD, pg_isready]}"),
        ("healthcheck: {disable: true}", None),
        ("healthcheck: {test: [NONE]}", None),
        ("healthcheck: {disable: false, interval: 1s}", "compose.yml:3:5 healthcheck: {disable: false, interval: 1s}"),
        ("image: x", None),
    ],
)
def test_healthcheck(written: str, expected: str | None) -> None:
    span = a(written).healthcheck
    assert (where(span) if span else None) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("healthcheck: {disable: true}", "compose.yml:3:5 healthcheck: {disable: true}"),
        ("healthcheck: {disable: 'yes'}", "compose.yml:3:5 healthcheck: {disable: 'yes'}"),
        ("healthcheck: {test: [NONE]}", "compose.yml:3:5 healthcheck: {test: [NONE]}"),
        ("healthcheck: {test: [CMD, NONE]}", None),
        ("healthcheck: {interval: 1s}", None),
        ("image: x", None),
    ],
)
def test_healthcheck_switched_off(written: str, expected: str | None) -> None:
    span = a(written).healthcheck_off
    assert (where(span) if span else None) == expected


@pytest.mark.parametrize(
    ("item", "source", "target"),
    [
        ("./pg.conf:/etc/pg.conf:ro", "./pg.conf", "/etc/pg.conf"),
        ("~/x:/x", "~/x", "/x"),
        ("data:/var/lib/", None, "/var/lib"),
        ("/anonymous", None, "/anonymous"),
        ("'${DIR:-./d}:/d'", "${DIR|./d}", "/d"),
        ("'${DIR}/c:/d'", "${DIR}/c", "/d"),
        ("'${VOLUME:-data}:/d'", "<the name of a volume, unless a variable makes it a path>", "/d"),
        ("'C:\\x:/d'", "C:\\x", "/d"),
        ("'${BOTH}'", "<a variable decides what is mounted where>", "<a variable decides what is mounted where>"),
        ("{type: bind, source: ./x, target: /x}", "./x", "/x"),
        ("{type: volume, source: data, target: /x}", None, "/x"),
        ("{type: tmpfs, target: /x}", None, "/x"),
        ("named:/d", "/srv/d", "/d"),
    ],
)
def test_volumes(item: str, source: str | None, target: str) -> None:
    named = "volumes:\n  data:\n  named: {driver: local, driver_opts: {type: none, o: bind, device: /srv/d}}\n"
    (mount,) = service(f"services:\n  a:\n    volumes:\n      - {item}\n{named}").mounts
    assert (show(mount.source), show(mount.target)) == (source, target)
    assert where(mount.span) == f"compose.yml:4:9 {item}"


def test_the_last_mount_of_a_target_wins() -> None:
    assert [show(mount.source) for mount in a("volumes: ['./x:/x', './y:/y', './z:/x/']").mounts] == ["./z", "./y"]


def test_configs_and_secrets() -> None:
    text = (
        "services:\n  a:\n    configs: [c, {source: d, target: /etc/d}]\n    secrets: [s, {source: s, target: key}]\n"
        "configs: {c: {content: 'x=1'}, d: {file: ./d.conf}}\nsecrets: {s: {file: ./s}}\n"
    )
    assert [(show(mount.source), show(mount.target), show(mount.content)) for mount in service(text).mounts] == [
        (None, "/c", "x=1"),
        ("./d.conf", "/etc/d", None),
        ("./s", "/run/secrets/s", None),
        ("./s", "/run/secrets/key", None),
    ]


@pytest.mark.parametrize(
    ("item", "published", "target"),
    [
        ("5432", None, "5432"),
        ("'5432:5433'", "5432", "5433"),
        ("127.0.0.1:5432:5433/tcp", "5432", "5433"),
        ("'127.0.0.1::80'", None, "80"),
        ("'[::1]:7:8'", "7", "8"),
        ("'${P:-5432}:5432'", "${P|5432}", "5432"),
        ("'${P:-1:2}'", "<a variable decides which ports these are>", "<a variable decides which ports these are>"),
        ("{target: 5, published: '6'}", "6", 5),
        ("8000-8005:8000-8005", "8000-8005", "8000-8005"),
    ],
)
def test_ports(item: str, published: str | None, target: object) -> None:
    (port,) = a(f"ports:\n  - {item}").ports
    assert (show(port.published), show(port.target)) == (published, target)


def test_env_files() -> None:
    entry = a("env_file:\n  - a.env\n  - {path: '${B:-b}.env', required: false, format: raw}\n  - a.env")
    assert [(show(file.path), file.base, file.required, file.raw) for file in entry.env_files] == [
        ("a.env", "", True, False),
        ("${B|b}.env", "", False, True),
    ]
    assert [show(file.path) for file in a("env_file: x.env").env_files] == ["x.env"]


def test_build() -> None:
    build = a("build:\n  context: ./api\n  dockerfile: D\n  target: t\n  args: [A=1, B]\n  dockerfile_inline: FROM x").build
    assert build is not None
    assert [show(value) for value in (build.context, build.dockerfile, build.target, build.inline)] == ["./api", "D", "t", "FROM x"]
    assert ({name: show(value) for name, value in build.args.items()}, build.base) == ({"A": "1", "B": None}, "")
    short = a("build: api").build
    assert short is not None
    assert (show(short.context), short.dockerfile) == ("api", None)


def test_names_a_service_answers_to() -> None:
    text = (
        "services:\n  a:\n    hostname: h\n    networks: {n: {aliases: [x, y]}, m: }\n"
        "  b:\n    links: ['a:db', a]\n    depends_on: {a: {condition: service_healthy}}\n  c:\n    depends_on: [a, b]\n"
    )
    loaded = project(text)
    assert (loaded.services["a"].aliases, loaded.services["a"].networks) == (("x", "y", "h", "db"), ("n", "m"))
    assert loaded.services["b"].depends_on == {"a": "service_healthy"}
    assert loaded.services["c"].depends_on == {"a": "service_started", "b": "service_started"}


# --- several files


BASE = """\
services:
  a:
    image: x
    environment: {A: 1, B: "2", C: }
    ports: ["80:80", "81:81"]
    volumes: ["./d:/d"]
    command: foo
    env_file: e
    depends_on: [b]
    deploy: {replicas: 2, resources: {limits: {memory: 1g}}}
    healthcheck: {test: [CMD, a]}
    build: ./b
  b: {image: y}
"""


def test_override() -> None:
    over = (
        'services:\n  a:\n    environment: [B=3, D=4]\n    ports: ["82:82", "80:80"]\n    volumes: ["./e:/d"]\n    command: bar\n'
        "    env_file: [e, f]\n    depends_on: {b: {condition: service_healthy}}\n    deploy: {replicas: 3}\n    build: {target: t}\n"
    )
    entry = service({"compose.yml": BASE, "over.yml": over}, "over.yml")
    assert environment(entry) == {"A": "1", "C": None, "B": "3", "D": "4"} or environment(entry) == {
        "A": "1",
        "B": "3",
        "C": None,
        "D": "4",
    }
    assert where(entry.environment["B"].span) == "over.yml:3:19 B=3"
    assert [where(variable.span) for variable in entry.replaced] == ['compose.yml:4:25 B: "2"']
    assert [show(port.published) for port in entry.ports] == ["80", "81", "82"]
    assert [show(mount.source) for mount in entry.mounts] == ["./e"]
    assert words(entry) == ["bar"]
    assert [show(file.path) for file in entry.env_files] == ["e", "f"]
    assert entry.depends_on == {"b": "service_healthy"}
    assert (show(entry.replicas), show(entry.memory)) == (3, "1g")
    assert entry.build is not None
    assert (show(entry.build.context), show(entry.build.target)) == ("./b", "t")


@pytest.mark.parametrize(
    ("over", "check"),
    [
        ("command: !reset null", lambda entry: entry.command is None),
        ("command:", lambda entry: entry.command is None),
        ("ports: !reset []", lambda entry: entry.ports == ()),
        ("deploy: {replicas: !reset null}", lambda entry: (entry.replicas, show(entry.memory)) == (None, "1g")),
        ("environment: !override {Z: 1}", lambda entry: environment(entry) == {"Z": "1"}),
        ("environment: {A: !reset null, E: 5}", lambda entry: environment(entry) == {"B": "2", "C": None, "E": "5"}),
        ("environment:", lambda entry: environment(entry) == {"A": "1", "B": "2", "C": None}),
        ("ports: !override ['1:1']", lambda entry: [show(port.target) for port in entry.ports] == ["1"]),
    ],
)
def test_reset_and_override(over: str, check: object) -> None:
    entry = service({"compose.yml": BASE, "over.yml": f"services:\n  a:\n    {over}\n"}, "over.yml")
    assert callable(check)
    assert check(entry)


def test_a_service_can_be_reset_and_a_lone_reset_is_no_value() -> None:
    assert set(project({"c.yml": BASE, "o.yml": "services: {b: !reset null}\n"}, "o.yml").services) == {"a"}
    assert a("command: !reset foo\nimage: x").command is None


def test_documents_of_one_file_are_laid_over_each_other() -> None:
    assert environment(service("services: {a: {environment: [A=1, B=1]}}\n---\nservices: {a: {environment: {A: 2}}}\n")) == {
        "B": "1",
        "A": "2",
    }


def test_merge_keys_on_whole_services() -> None:
    text = "services:\n  a: &a\n    image: x\n    environment: &e {A: 1, B: 2}\n  b:\n    <<: *a\n    environment: {<<: *e, B: 3}\n"
    entry = service(text, name="b")
    assert environment(entry) == {"B": "3", "A": "1"}
    assert where(entry.environment["A"].span) == "compose.yml:4:22 A: 1"
    assert entry.image is not None
    assert where(entry.image.span) == "compose.yml:3:12 x"


def test_extends_in_the_same_file() -> None:
    text = (
        "services:\n  base: {image: x, ports: ['1:1'], command: c, scale: 3}\n"
        "  a: {extends: {service: base}, ports: ['2:2']}\n  b: {extends: a, ports: ['3:3'], command: !reset null}\n"
    )
    entry = service(text, name="b")
    assert [show(port.target) for port in entry.ports] == ["1", "2", "3"]
    assert (show(entry.image), show(entry.scale), entry.command, "extends" in entry.other) == ("x", 3, None, False)


def test_extends_in_another_folder_takes_its_paths_along() -> None:
    files = {
        "compose.yml": (
            "services:\n  a:\n    extends: {file: sub/base.yml, service: s}\n    volumes: ['./mine:/mine']\n    build: {target: t}\n"
        ),
        "sub/base.yml": (
            "services:\n  s:\n    extends: {file: ../other/o.yml, service: z}\n    build: {context: ./ctx}\n    env_file: e.env\n"
        ),
        "other/o.yml": "services:\n  z:\n    image: z\n    volumes: ['./zz:/zz', {type: bind, source: q, target: /q}]\n",
    }
    loaded = project(files)
    entry = loaded.services["a"]
    assert [(show(mount.source), mount.base) for mount in entry.mounts] == [("./zz", "other"), ("q", "other"), ("./mine", "")]
    assert [file.base for file in entry.env_files] == ["sub"]
    assert entry.build is not None
    assert (show(entry.build.context), entry.build.base) == ("./ctx", "sub")
    assert [source.path for source in loaded.sources] == list(files)


def test_include() -> None:
    files = {
        "compose.yml": (
            "include:\n  - sub/i.yml\n  - {path: [p/one.yml, p/two.yml], project_directory: ., env_file: [p/x.env, p/y.env]}\n"
            "services:\n  s: {environment: {B: 2}, volumes: ['./m:/m']}\n"
        ),
        "sub/i.yml": (
            "services:\n  s: {image: x, env_file: e, volumes: ['./d:/d'], environment: [A=1, B=1], configs: [c]}\n"
            "configs: {c: {file: ./c.conf}}\n"
        ),
        "p/one.yml": "services:\n  p: {image: x, volumes: ['./pp:/pp'], scale: 2}\n",
        "p/two.yml": "services:\n  p: {image: y}\n",
    }
    loaded = project(files)
    assert (loaded.faults, loaded.unread) == ((), ())
    one, two = loaded.services["s"], loaded.services["p"]
    assert environment(one) == {"A": "1", "B": "2"}
    assert [(show(mount.source), mount.base) for mount in one.mounts] == [("./d", "sub"), ("./m", ""), ("./c.conf", "sub")]
    assert ([file.base for file in one.env_files], one.dotenvs) == (["sub"], ("sub/.env",))
    assert (show(two.image), show(two.scale), two.mounts[0].base, two.dotenvs) == ("y", 2, "", ("p/y.env", "p/x.env"))


def test_an_included_file_has_the_env_file_beside_it() -> None:
    files = {"compose.yml": "include: [s/d.yml]\n", "s/d.yml": "include: [t/e.yml]\n", "s/t/e.yml": "services: {e: {image: x}}\n"}
    assert service(files, name="e").dotenvs == ("s/.env", "s/t/.env")


def test_paths_of_a_project_in_a_folder_and_of_its_overrides() -> None:
    files = {
        "x/compose.yml": "services: {a: {build: ., extends: {file: ../b.yml, service: b}}}\n",
        "x/y/o.yml": "services: {a: {env_file: e}}\n",
    }
    entry = service({**files, "b.yml": "services: {b: {env_file: f}}\n"}, "x/y/o.yml")
    assert entry.build is not None
    assert (entry.build.base, [file.base for file in entry.env_files]) == ("x", ["", "x"])


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        ("include: [gone.yml]\n", "the included file is not there", "1:11"),
        ("include: [../up.yml]\n", "the included file lies outside the project", "1:11"),
        ("include: [/etc/x.yml]\n", "the included file lies outside the project", "1:11"),
        ("include: ['${X}']\n", "the included file is named by a variable", "1:11"),
        ("include: ['oci://r/x']\n", "the included file is fetched from elsewhere", "1:11"),
        ("services: {a: {extends: {file: '${X:-gone.yml}', service: b}}}\n", "the extended file is not there", "1:32"),
        ("services: {a: {extends: '${X}'}}\n", "the extended service is named by a variable", "1:25"),
        ("a: " + "[" * 300, "nested deeper than 200 levels", "1:203"),
    ],
)
def test_what_cannot_be_followed(text: str, reason: str, place: str) -> None:
    loaded = project(text)
    assert [(why, str(span)) for why, span in loaded.unread] == [(reason, f"compose.yml:{place}")]
    assert loaded.faults == ()


def test_a_default_names_a_file() -> None:
    assert "b" in project({"c.yml": "include: ['${X:-d}.yml']\n", "d.yml": "services: {b: {image: x}}\n"}).services


# --- faults


SERVICE = "services:\n  a:\n    image: x\n"


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        (SERVICE + "    image: y\n", 'key "image" is written twice', "4:5"),
        (SERVICE + "  a:\n    image: y\n", 'key "a" is written twice', "4:3"),
        (SERVICE + "    environment: 5\n", '"environment" must be a mapping or a list', "4:18"),
        (SERVICE + "    environment:\n", '"environment" must be a mapping or a list', "4:5"),
        (SERVICE + "    environment: [5]\n", 'each item of "environment" must be text', "4:19"),
        (SERVICE + "    environment:\n      - A: 1\n", 'each item of "environment" must be text', "5:9"),
        (SERVICE + "    environment: [A = 1]\n", 'variable "A" has a blank before "="', "4:19"),
        (SERVICE + "    environment: {A: [1]}\n", 'variable "A" must be a single value', "4:22"),
        (SERVICE + "    environment: {1: x}\n", "key 1 is no string: quote it", "4:19"),
        (SERVICE + "    enviroment: {A: 1}\n", 'service "a" has no key "enviroment"', "4:5"),
        (SERVICE + "    command: 5\n", '"command" must be text or a list', "4:14"),
        (SERVICE + "    command: [sleep, 5]\n", 'each item of "command" must be text', "4:22"),
        (SERVICE + "    command: a 'b\n", '"command" has an open quote or a bare parenthesis', "4:14"),
        (SERVICE + "    volumes: x\n", '"volumes" must be a list', "4:14"),
        (SERVICE + "    volumes: ['xx::y']\n", "a volume with an empty part between colons", "4:15"),
        (SERVICE + "    volumes: [{type: bind, target: /x}]\n", "a bind mount needs a source", "4:15"),
        (SERVICE + "    volumes: [{source: x, target: /x}]\n", "a volume written as a mapping needs a type", "4:15"),
        (SERVICE + "    ports: 80\n", '"ports" must be a list', "4:12"),
        (SERVICE + "    container_name: 5\n", '"container_name" must be text: quote it', "4:21"),
        (SERVICE + "    deploy: {replicas: 1.5}\n", '"replicas" must be a whole number', "4:24"),
        (SERVICE + "    healthcheck:\n", '"healthcheck" must be a mapping', "4:5"),
        (SERVICE + "    env_file: {path: x}\n", '"env_file" must be a path or a list', "4:15"),
        (SERVICE + "    depends_on: {b: }\n", '"b" must be a mapping with a condition', "4:18"),
        (SERVICE + "    extends: b\n", 'service "a" extends "b", which is not there', "4:14"),
        (SERVICE + "    x-own: 'a ${B'\n", "malformed ${…}", "4:15"),
        (SERVICE + "foo: 1\n", 'unknown section "foo"', "4:1"),
        (SERVICE + "volumes:\n", '"volumes" must be a mapping, not null', "4:1"),
        (SERVICE + "    <<: 5\n", 'merge key "<<" takes a map or a list of maps', "4:9"),
        ("services:\n  - a\n", '"services" must be a mapping, not a list', "2:3"),
        ("services:\n  a:\n", 'service "a" must be a mapping, not null', "2:3"),
        ("services:\n  a: *b\n", 'alias "b" has no anchor above it', "2:6"),
        ("services:\n\ta:\n", "not YAML: a tab cannot indent", "2:1"),
        ("services:\n  a: {extends: a}\n", 'service "a" extends itself', "2:16"),
        ("services:\n  a: {extends: b}\n  b: {extends: a}\n", 'service "a" extends itself', "2:16"),
        ("include: [compose.yml]\n", "compose.yml includes itself", "1:11"),
        ("include: x\n", '"include" must be a list, not text', "1:10"),
        ("- a\n", "not a mapping of sections", "1:1"),
        ("", "an empty compose file", "1:1"),
    ],
)
def test_refusals(text: str, message: str, place: str) -> None:
    loaded = project(text)
    found = [(fault.message, str(fault.span)) for fault in loaded.faults if "must be a mapping, not text" not in fault.message]
    assert (f"{message}; Compose refuses the file", f"compose.yml:{place}") in found
    assert len(found) == 1 or text == "services:\n  a: *b\n" or "extends: b" in text
    assert all(fault.fatal for fault in loaded.faults)


def test_a_faulty_service_does_not_hide_the_others() -> None:
    loaded = project("services:\n  a: 5\n  b: {environment: [1], command: 'x', foo: 1}\n  c: {image: ok}\n")
    assert set(loaded.services) == {"b", "c"}
    assert words(loaded.services["b"]) == ["x"]
    assert [message for message, _ in faults("services:\n  a: 5\n  b: {environment: [1], foo: 1}\n")] == [
        'service "a" must be a mapping, not a number',
        'each item of "environment" must be text',
        'service "b" has no key "foo"',
    ]


def test_a_list_over_a_map() -> None:
    assert faults({"c.yml": BASE, "o.yml": "services: {a: {deploy: [1]}}\n"}, "o.yml")[0] == ("a list cannot override a map", "o.yml:1:24")


def test_compose_1_files_are_read_and_said_to_be_so() -> None:
    loaded = project("db:\n  image: postgres\n  environment: [A=1]\nweb:\n  build: .\n  links: [db]\n")
    assert set(loaded.services) == {"db", "web"}
    assert [(fault.message, str(fault.span), fault.fatal) for fault in loaded.faults] == [
        ('no "services": only Compose 1 takes these for services, Compose 2 refuses the file', "compose.yml:1:1", False)
    ]
    assert project("command: docker compose\nshort: x\noptions: [{option: a}]\n").services == {}


def test_name() -> None:
    loaded = project("name: ${N:-shop}\nversion: '2'\nservices: {}\n")
    assert (show(loaded.name), loaded.faults) == ("${N|shop}", ())


# --- size


def seconds(text: str) -> float:
    begun = time.perf_counter()
    project(text)
    return time.perf_counter() - begun


def test_time_grows_with_the_number_of_services() -> None:
    def many(count: int) -> str:
        return "services:\n" + "".join(
            f"  s{n}:\n    image: x\n    environment: [A=1, 'B=${{C:-d}}']\n    ports: ['1:1']\n" for n in range(count)
        )

    seconds(many(50))
    assert min(seconds(many(2400)) for _ in range(2)) < 25 * min(seconds(many(300)) for _ in range(3))


@pytest.mark.parametrize(
    "text",
    [
        "x0: &a0 [lol]\n" + "".join(f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 15)) + SERVICE,
        "x0: &a0 {k: v}\n" + "".join(f"x{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}], k{i}: v}}\n" for i in range(1, 200)) + SERVICE,
        "services:\n"
        + "".join(f"  s{n}: {{extends: s{n + 1}, environment: {{K{n}: 1}}}}\n" for n in range(2000))
        + "  s2000: {image: x}\n",
        "include: [" + "compose.yml, " * 2000 + "compose.yml]\n",
        "services:\n  a:\n    volumes: ['" + "a:" * 50_000 + "']\n    command: " + "a ${B:-c} " * 10_000 + "\n",
        "services: {a: {environment: [A=1]}}\n---\n" * 1000,
        "services:\n" + "  a: {image: x}\n" * 5000,
    ],
)
def test_hostile_files_take_no_time(text: str) -> None:
    assert seconds(text) < 3


def test_includes_that_double_come_to_an_end() -> None:
    files = {f"i{n}.yml": f"include: [i{n + 1}.yml, i{n + 1}.yml]\nservices: {{a{n}: {{image: x}}}}\n" for n in range(40)}
    begun = time.perf_counter()
    loaded = project(files)
    assert time.perf_counter() - begun < 2
    assert "more than 200 includes" in {reason for reason, _ in loaded.unread}


CORPUS = os.environ.get("POLINT_CORPUS")


@pytest.mark.skipif(not CORPUS, reason="POLINT_CORPUS names no folder of real projects")
def test_real_files_are_read() -> None:
    assert CORPUS is not None
    root = Path(CORPUS)
    paths = [path for path in root.rglob("*compose*.y*ml") if path.is_file()]
    assert paths
    for path in paths:
        home = root / path.relative_to(root).parts[0]

        def read(name: str, home: Path = home) -> Source | None:
            file = home / name
            return Source.from_bytes(name, file.read_bytes()) if file.is_file() else None

        main = read(path.relative_to(home).as_posix())
        assert main is not None
        loaded = load(main, (), read)
        assert loaded.services or loaded.faults or loaded.unread or "\nservices:" not in main.text
