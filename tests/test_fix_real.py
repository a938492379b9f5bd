"""What fixes write, before the programs that read it; each is skipped where its program is not installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import polint
from faulty import FORMATS, Files
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_fix_contract import check
from test_real_programs import FPM, POSTGRES, postgres, program
from test_real_programs import data as data  # a fixture

EXAMPLE = Path(__file__).parent.parent / "examples" / "iss-tracker"
PHP = program("php", ("/usr/bin",))
COMPOSE = program("docker-compose", ("/usr/bin",))
PROMTOOL = program("promtool", ("/usr/bin",))
RUSTFMT = program("rustfmt", ("/usr/bin", os.path.expanduser("~/.cargo/bin")))
FEW = settings(max_examples=8, derandomize=True, deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False)


def needs(tool: str | None, name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(tool is None, reason=f"{name} is not installed")


def run(*command: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


# --- the example project ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example after ``polint fix --unsafe``."""
    root = tmp_path_factory.mktemp("fixed") / "iss-tracker"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("expected.txt"))
    code, _, err = polint("fix", "--unsafe", "--root", str(root), str(root))
    assert (code, err) == (0, "")
    return root


def variables(tree: Path) -> dict[str, str]:
    """What the example's .env gives to its containers."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", (tree / ".env").read_text(), re.MULTILINE))


def test_the_example_lints_clean(tree: Path) -> None:
    code, out, err = polint("lint", "--root", str(tree), str(tree), "--format", "concise")
    assert (code, err) == (0, ""), out


def test_a_second_run_changes_nothing(tree: Path) -> None:
    assert polint("fix", "--unsafe", "--check", "--root", str(tree), str(tree))[0] == 0


def test_plain_fix_applies_only_what_is_safe(tmp_path: Path) -> None:
    root = tmp_path / "iss-tracker"
    shutil.copytree(EXAMPLE, root)
    assert polint("fix", "--root", str(root), str(root))[0] == 0
    assert polint("fix", "--check", "--root", str(root), str(root))[0] == 0
    assert "max_connections = 100                    # Total" in (root / "postgres/postgresql.conf").read_text()
    assert "PDO::ATTR_PERSISTENT => true" in (root / "services/php-web/laravel-patches/config/database.php").read_text()


@needs(POSTGRES, "postgres")
def test_postgres_reads_the_example(tree: Path, data: Path) -> None:
    assert postgres(data, "max_connections", (EXAMPLE / "postgres/postgresql.conf").read_bytes())[0] is None  # the unmended one
    assert postgres(data, "max_connections", (tree / "postgres/postgresql.conf").read_bytes())[0] == "100"


@needs(PHP, "php")
def test_php_reads_the_example(tree: Path) -> None:
    for path in tree.rglob("*.php"):
        code, out = run(PHP, "-l", path)
        assert code == 0, out


@needs(FPM, "php-fpm")
def test_fpm_reads_the_example(tree: Path, tmp_path: Path) -> None:
    code, out = fpm(tmp_path, (tree / "services/php-web/php-fpm.conf").read_bytes(), variables(tree))
    assert code == 0, out


@needs(RUSTFMT, "rustfmt")
def test_rustfmt_would_change_no_line_of_ours(tree: Path) -> None:
    def changed(path: Path) -> set[str]:
        _, out = run(RUSTFMT, "--check", "--color", "never", "--edition", "2021", path)
        assert "error" not in out, out
        return {line for line in out.splitlines() if line[:1] in "+-"}

    for path in tree.rglob("*.rs"):
        assert changed(path) == changed(EXAMPLE / path.relative_to(tree))


@needs(COMPOSE, "docker-compose")
def test_compose_reads_the_example(tree: Path) -> None:
    code, out = run(COMPOSE, "-f", tree / "docker-compose.yml", "config", "-q", cwd=tree)
    assert code == 0, out


def fpm(folder: Path, conf: bytes, env: Mapping[str, str]) -> tuple[int, str]:
    """What ``php-fpm -t`` says of a pool's file as the image puts it: behind one that says who it is and where it listens."""
    pools = folder / "pools"
    pools.mkdir(exist_ok=True)
    (pools / "www.conf").write_text("[www]\nuser = nobody\nlisten = 127.0.0.1:9000\npm = dynamic\npm.max_children = 5\n")
    with (pools / "www.conf").open("a") as base:
        base.write("pm.start_servers = 2\npm.min_spare_servers = 1\npm.max_spare_servers = 3\n")
    (pools / "zz.conf").write_bytes(conf)
    main = folder / "php-fpm.conf"
    main.write_text(f"[global]\nerror_log = /dev/null\ninclude = {pools}/*.conf\n")
    return run(FPM, "-t", "-y", main, env=env)


# --- what fixes make of generated files ---------------------------------------------------------


def mended(draw: st.DataObject, name: str) -> Files:
    return check(*FORMATS[name](draw.draw), True)


@needs(POSTGRES, "postgres")
def test_postgres_reads_what_fixes_write(data: Path) -> None:
    @FEW
    @given(st.data())
    def reads(draw: st.DataObject) -> None:
        conf = mended(draw, "postgresql.conf")["postgresql.conf"]
        shown, log = postgres(data, "max_connections", conf)
        assert shown is not None, (conf, log)

    reads()


@needs(FPM, "php-fpm")
def test_fpm_reads_what_fixes_write(tmp_path: Path) -> None:
    @FEW
    @given(st.data())
    def reads(draw: st.DataObject) -> None:
        conf = mended(draw, "php-fpm.conf")["php-fpm.conf"]
        code, out = fpm(tmp_path, conf, {})
        assert code == 0, (conf, out)

    reads()


@needs(PHP, "php")
def test_php_reads_what_fixes_write(tmp_path: Path) -> None:
    @FEW
    @given(st.data())
    def reads(draw: st.DataObject) -> None:
        path = tmp_path / "database.php"
        path.write_bytes(mended(draw, "laravel")["config/database.php"])
        code, out = run(PHP, "-l", path)
        assert code == 0, (path.read_bytes(), out)

    reads()


@needs(RUSTFMT, "rustfmt")
def test_rustfmt_reads_what_fixes_write(tmp_path: Path) -> None:
    @FEW
    @given(st.data())
    def reads(draw: st.DataObject) -> None:
        path = tmp_path / "main.rs"
        path.write_bytes(mended(draw, "rust")["src/main.rs"])
        code, out = run(RUSTFMT, "--emit", "stdout", "--edition", "2021", path)
        assert code == 0, (path.read_bytes(), out)

    reads()


@needs(COMPOSE, "docker-compose")
def test_compose_reads_what_fixes_write(tmp_path: Path) -> None:
    @settings(FEW, max_examples=4)
    @given(st.data())
    def reads(draw: st.DataObject) -> None:
        path = tmp_path / "compose.yaml"
        path.write_bytes(mended(draw, "compose")["compose.yaml"].removeprefix(b"\xef\xbb\xbf"))  # 1.29 knows no such mark
        code, out = run(COMPOSE, "-f", path, "config", "-q", cwd=tmp_path, env={"SIZE": "5"})
        assert code == 0, (path.read_bytes(), out)

    reads()


@needs(PROMTOOL, "promtool")
def test_promtool_reads_what_fixes_write(tmp_path: Path) -> None:
    @FEW
    @given(st.data())
    def reads(draw: st.DataObject) -> None:
        path = tmp_path / "alerts.yml"
        path.write_bytes(mended(draw, "prometheus")["monitoring/alerts.yml"])
        code, out = run(PROMTOOL, "check", "rules", path)
        assert code == 0, (path.read_bytes(), out)

    reads()
