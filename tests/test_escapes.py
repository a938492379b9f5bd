"""Nothing outside the root is read or written, nothing is run, whatever the files of a project say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import polint

from polint import writing
from polint.discover import Files, walk
from polint.rendering import BadTemplate, rendered

OUTSIDE = "outside-marker-4711"
SERVER = "services:\n  db:\n    image: postgres:16\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project beside a folder whose files say OUTSIDE in every way polint could show it."""
    beside = tmp_path / "beside"
    (beside / "init").mkdir(parents=True)
    (beside / "part.yml").write_text(f"services:\n  {OUTSIDE}:\n    image: postgres:16\n    nonsense_{OUTSIDE}: 1\n")
    (beside / "secret.env").write_text(f"DATABASE_URL=postgres://u:x@{OUTSIDE}/app\nPOOL={OUTSIDE}\n")
    (beside / "postgresql.conf").write_text(f"max_connections = {OUTSIDE}\n")
    (beside / "pgbouncer.ini").write_text(f"[databases]\n* = host={OUTSIDE}\n[pgbouncer]\npool_mode = {OUTSIDE}\n")
    (beside / "www.conf").write_text(f"[www]\npm = {OUTSIDE}\npm.max_children = 1\n")
    (beside / "init/1.sql").write_text(f"ALTER SYSTEM SET work_mem = '{OUTSIDE}';\n")
    (beside / "Dockerfile").write_text(f"FROM {OUTSIDE}\nENV DATABASE_URL=postgres://u:x@{OUTSIDE}/app\n")
    (beside / "main.rs").write_text(f'fn main() {{ PgPoolOptions::new().max_connections(0).connect("postgres://u:x@{OUTSIDE}/app"); }}\n')
    (beside / "rules.yml").write_text(f"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: pg_{OUTSIDE.replace('-', '_')} > 1\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / ".git").mkdir()
    return root


def everything(root: Path) -> str:
    """All that polint says of a project."""
    said = []
    for arguments in (("lint", "-v"), ("lint", "--format", "json"), ("budget", "-v"), ("files", "-v"), ("fix", "--diff", "--unsafe")):
        code, out, err = polint(*arguments, str(root))
        assert code in (0, 1), err
        assert "internal error" not in err
        said.append(out + err)
    return "\n".join(said)


def forms(beside: Path) -> dict[str, str]:
    """Paths that lead out, as a file may write them."""
    return {
        "absolute": str(beside),
        "above": "../beside",
        "winding": "./a/../../beside",
        "link": "link",
        "proc": f"/proc/self/root{beside}",
    }


def referring(at: str) -> str:
    return f"""\
include:
  - {at}/part.yml
  - path: {at}/part.yml
    env_file: {at}/secret.env
    project_directory: {at}
services:
  db:
    image: postgres:16
    env_file: {at}/secret.env
    command: postgres -c config_file=/etc/pg/postgresql.conf
    volumes:
      - {at}/postgresql.conf:/etc/pg/postgresql.conf
      - {at}/init:/docker-entrypoint-initdb.d
  pgbouncer:
    image: edoburu/pgbouncer
    volumes: [{at}/pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini]
  php:
    image: php:8.3-fpm
    volumes: [{at}/www.conf:/usr/local/etc/php-fpm.d/www.conf, {at}:/var/www]
  api:
    build: {at}
    extends: {{file: {at}/part.yml, service: {OUTSIDE[:7]}}}
    env_file: [{{path: {at}/secret.env}}]
  api2:
    build: {{context: ., dockerfile: {at}/Dockerfile, additional_contexts: {{x: {at}}}}}
  prometheus:
    image: prom/prometheus
    volumes: [{at}/rules.yml:/etc/prometheus/rules.yml]
configs: {{c: {{file: {at}/postgresql.conf}}}}
secrets: {{s: {{file: {at}/secret.env}}}}
"""


@pytest.mark.parametrize("form", ["absolute", "above", "winding", "link", "proc"])
def test_paths_in_compose_files(project: Path, form: str) -> None:
    beside = project.parent / "beside"
    (project / "link").symlink_to(beside, target_is_directory=True)
    (project / "docker-compose.yml").write_text(referring(forms(beside)[form]))
    assert OUTSIDE not in everything(project)


@pytest.mark.parametrize("form", ["absolute", "above", "winding", "link", "proc"])
def test_includes_of_servers(project: Path, form: str) -> None:
    beside = project.parent / "beside"
    at = forms(beside)[form]
    (project / "link").symlink_to(beside, target_is_directory=True)
    mounts = "    volumes: [./postgresql.conf:/etc/pg/postgresql.conf]\n    command: postgres -c config_file=/etc/pg/postgresql.conf\n"
    bouncer = "  pgbouncer:\n    image: edoburu/pgbouncer\n    volumes: [./pgbouncer:/etc/pgbouncer]\n"
    (project / "docker-compose.yml").write_text(SERVER + mounts + bouncer)
    (project / "postgresql.conf").write_text(
        f"include '{at}/postgresql.conf'\ninclude_dir '{at}'\ninclude_if_exists '{at}/postgresql.conf'\n"
    )
    (project / "pgbouncer").mkdir()
    (project / "pgbouncer/pgbouncer.ini").write_text(
        f"%include {at}/pgbouncer.ini\n[databases]\na = host=db\n[pgbouncer]\nauth_file = {at}/userlist.txt\n"
    )
    (project / "www.conf").write_text(f"include={at}/www.conf\n[www]\npm = static\npm.max_children = 5\n")
    (project / "Cargo.toml").write_text(f'[workspace]\nmembers = ["{at}"]\n[package]\nname = "x"\n[lib]\npath = "{at}/main.rs"\n')
    (project / "src").mkdir()
    (project / "src/main.rs").write_text(
        f'#[path = "{at}/main.rs"]\nmod x;\nfn main() {{ include_str!("{at}/secret.env"); PgPoolOptions::new(); }}\n'
    )
    said = everything(project)
    assert OUTSIDE not in said


def test_links_out_of_the_root(project: Path) -> None:
    beside = project.parent / "beside"
    for name, target in {
        "docker-compose.yml": "part.yml",
        ".env": "secret.env",
        "postgresql.conf": "postgresql.conf",
        "pgbouncer.ini": "pgbouncer.ini",
        "www.conf": "www.conf",
        "init.sql": "init/1.sql",
        "Dockerfile": "Dockerfile",
        "main.rs": "main.rs",
    }.items():
        (project / name).symlink_to(beside / target)
    (project / "deep").symlink_to(beside)
    assert OUTSIDE not in everything(project)


def test_ignore_files_that_are_links_out_of_the_root_do_not_count(project: Path) -> None:
    (project.parent / "beside/ignore").write_text("*.yml\n")
    (project / ".gitignore").symlink_to(project.parent / "beside/ignore")
    (project / "docker-compose.yml").write_text(SERVER)
    assert [file.skip_reason for file in walk(str(project)) if file.format == "compose"] == [""]


def test_loops_pipes_and_devices(project: Path) -> None:
    (project / ".env").symlink_to(".env")
    (project / "loop").symlink_to(".")
    (project / "a.sql").symlink_to("b.sql")
    (project / "b.sql").symlink_to("a.sql")
    os.mkfifo(project / "postgresql.conf")
    os.mkfifo(project / "Dockerfile")
    os.mkfifo(project / "main.rs")
    os.mkfifo(project / ".gitignore")
    os.mkfifo(project / "more.env")
    (project / "pgbouncer.ini").symlink_to("/dev/zero")
    (project / "www.conf").symlink_to("/dev/stdin")
    volumes = "    volumes: [./postgresql.conf:/etc/pg/postgresql.conf, /dev/zero:/docker-entrypoint-initdb.d/1.sql, ./loop/loop:/x]\n"
    (project / "docker-compose.yml").write_text(
        "include: [docker-compose.yml, loop/docker-compose.yml, /dev/zero, main.rs]\n"
        + SERVER
        + volumes
        + "    env_file: [/dev/zero, more.env, .env]\n"
        "  api: {build: {context: ., dockerfile: /dev/zero}, extends: {file: more.env, service: x}}\n"
    )
    done = subprocess.run([sys.executable, "-m", "polint", "files", "-v", str(project)], capture_output=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    said = everything(project)
    assert "link loop" in said
    assert "not a regular file" in said


@pytest.mark.parametrize("path", ["../x", "/etc/hostname", "a/../../x", "/proc/self/environ", "link/x"])
def test_files_are_found_below_the_root_only(project: Path, path: str) -> None:
    (project.parent / "x").write_text("x")
    (project / "link").symlink_to("..")
    files = Files(str(project), walk(str(project)))
    assert files.find(path) is None
    assert files.read(path) is None
    assert files.data(path) == b""


def test_nothing_is_run(project: Path) -> None:
    touched = project / "touched"
    for name in ("artisan", "psql", "postgres", "docker", "polint"):
        (project / name).write_text(f"#!/bin/sh\ntouch {touched}\n")
        (project / name).chmod(0o755)
    (project / "sitecustomize.py").write_text(f"open({str(touched)!r}, 'w')\n")
    (project / "click.py").write_text(f"open({str(touched)!r}, 'w')\n")
    (project / "docker-compose.yml").write_text(
        SERVER + f"    command: $(touch {touched}) `touch {touched}`\n    x-a: !!python/object/apply:os.system ['touch {touched}']\n"
    )
    (project / ".env").write_text(f"A=$(touch {touched})\nB=`touch {touched}`\n")
    (project / "a.sql").write_text(f"\\! touch {touched}\n\\set x `touch {touched}`\nALTER SYSTEM SET work_mem = :x;\n")
    everything(project)
    assert not touched.exists()


# --- polint's own files, written by a stranger --------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["baseline", "templates", "rules"])
@pytest.mark.parametrize("form", ["absolute", "above", "link"])
def test_the_configuration_names_nothing_outside(project: Path, key: str, form: str) -> None:
    beside = project.parent / "beside"
    at = {"absolute": str(beside), "above": "../beside", "link": "link"}[form]
    (project / "link").symlink_to(beside)
    (project / "docker-compose.yml").write_text(SERVER)
    value = {"baseline": f'"{at}/base.json"', "templates": f'"{at}"', "rules": f'["{at}"]'}[key]
    (project / "polint.toml").write_text(f"{key} = {value}\n")
    before = sorted(path.name for path in beside.rglob("*"))
    for command in ("lint", "baseline", "fix"):
        code, out, err = polint(command, str(project))
        assert code == 2, (command, out, err)
        assert "outside" in err
        assert OUTSIDE not in out + err
    assert sorted(path.name for path in beside.rglob("*")) == before


def test_a_baseline_that_is_a_link_is_not_written_through_to_the_outside(project: Path) -> None:
    victim = project.parent / "beside/victim.json"
    victim.write_text("precious")
    (project / "polint-baseline.json").symlink_to(victim)
    (project / "docker-compose.yml").write_text(SERVER)
    for command in ("lint", "baseline"):
        code, out, err = polint(command, str(project))
        assert code == 2, (command, out, err)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["polint.toml", "polint-plan.yaml"])
def test_init_writes_through_no_link(project: Path, name: str) -> None:
    victim = project.parent / "beside/victim"
    (project / name).symlink_to(victim)  # a link that leads nowhere: nothing is there yet
    (project / "docker-compose.yml").write_text(SERVER + "  api:\n    image: api\n    environment: {DATABASE_URL: postgres://u:x@db/app}\n")
    polint("init", str(project))
    assert not victim.exists()


def test_a_stranger_s_journal_reaches_nothing_outside(project: Path) -> None:
    victim = project.parent / "beside/victim"
    victim.write_text("precious")
    (project / "evil").write_text("evil")
    (project / "link").symlink_to(victim.parent)
    Path(f"{victim}{writing.BESIDE}").write_text("evil")
    for pairs in (
        [["", "../beside/victim"]],
        [["", str(victim)]],
        [["evil", "../beside/victim"]],
        [[f"../beside/victim{writing.BESIDE}", "../beside/victim"]],
        [[f"link/victim{writing.BESIDE}", "link/victim"]],
        [["", "link/victim"]],
        [["", "."]],
        [[5, None]],
        [["a"]],
        {"a": "b"},
        [["", "a\0b"]],
    ):
        (project / writing.JOURNAL).write_text(json.dumps(pairs))
        writing.recover(str(project))
        assert victim.read_text() == "precious"
        assert project.is_dir()
        assert not (project / writing.JOURNAL).exists()


def test_a_journal_of_broken_nesting_is_left_aside(project: Path) -> None:
    (project / writing.JOURNAL).write_text("[" * 100_000)
    assert writing.recover(str(project)) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ x.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'].popen('id').read() }}",
        "{% include '/etc/passwd' %}",
        "{% include '../../beside/secret.env' %}",
        "{% import '../beside/secret.env' as x %}",
        "{% include 'link/secret.env' %}",
        "{{ '%s' | format(x.__class__) }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(x) }}",
        "{{ x | attr('__class__') }}",
        "{% for n in range(10**9) %}{% endfor %}",
        "{{ values.append(1) }}",
    ],
)
def test_templates_reach_nothing(project: Path, text: str) -> None:
    folder = project / "templates"
    folder.mkdir()
    (folder / "link").symlink_to(project.parent / "beside")
    (folder / "a.j2").write_text(text)
    try:
        said = rendered("a.j2", (str(folder),), {"x": "a text", "values": [1]})
    except BadTemplate:
        return
    assert not said.strip() or said == text, said
