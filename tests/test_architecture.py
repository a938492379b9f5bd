"""Imports point downwards only, and a plain run imports nothing it does not need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import polint

PACKAGE = Path(polint.__file__).parent

# From the lowest up.  A module stands under its own name, else under its folder's; it may import
# what stands lower or on its own row (formats and reporters have a stricter rule of their own).
LAYERS = [
    {"polint"},  # the version
    {"polint.source", "polint.patterns", "polint.tuples", "polint.maskcode"},
    {"polint.errortexts", "polint.causes", "polint.diagnosis"},
    {"polint.units", "polint.value", "polint.treesitter", "polint.gitignore", "polint.mask"},
    {"polint.sizing"},
    {
        "polint.fact",
        "polint.spelling",
        "polint.diagnostic",
        "polint.yamltext",
        "polint.tomltext",
        "polint.pgunits",
        "polint.pgbouncer_settings",
        "polint.catalogue",
        "polint.templating",
        "polint.interpolate",
        "polint.sessionsql",
        "polint.promql",
        "polint.exporters",
    },
    {"polint.config", "polint.config_schema"},
    {"polint.formats"},
    {"polint.discover"},
    {"polint.gittree"},
    {"polint.model"},
    {"polint.expr", "polint.exprtext", "polint.ruletypes"},
    {"polint.rule", "polint.rulecache", "polint.rulefile", "polint.ruleform", "polint.guidance"},
    {"polint.rendering"},
    {"polint.edits", "polint.edits_added", "polint.edits_lines", "polint.bundle"},
    {
        "polint.engine",
        "polint.mending",
        "polint.suppress",
        "polint.selection",
        "polint.baseline",
        "polint.examples",
        "polint.budget",
        "polint.budget_answers",
        "polint.whatif",
        "polint.fixer",
        "polint.plans",
        "polint.plan_pooler",
        "polint.writing",
        "polint.patch",
    },
    {"polint.accept"},
    {"polint.reporters", "polint.docs", "polint.proposal", "polint.draft"},
    {"polint.budgets"},
    {"polint.start"},
    {"polint.lint"},
    {"polint.adopt"},
    {"polint.command", "polint.completion"},
    {"polint.diagnose_here"},
    {"polint.mend", "polint.watch", "polint.generate", "polint.sums", "polint.diagnose"},
    {"polint.cli", "polint.__main__"},
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(name: str) -> int:
    for key in (name, name.rpartition(".")[0]):
        for number, names in enumerate(LAYERS):
            if key in names and (key != "polint" or name == "polint"):
                return number
    raise AssertionError(f"{name} has no layer: add it to LAYERS")


def imports(path: Path) -> set[str]:
    """The polint modules that ``path`` imports anywhere, for type checking too."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    names = {module_name(module) for module in MODULES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = ".".join([*package[: len(package) - node.level + 1], *(node.module or "").split(".")]).rstrip(".")
        inner = {f"{base}.{alias.name}" for alias in node.names} & names
        found |= inner
        if len(inner) < len(node.names):
            found.add(base)
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_downwards(path: Path) -> None:
    name = module_name(path)
    upwards = {other for other in imports(path) if layer(other) > layer(name)}
    assert not upwards, f"{name} imports {upwards}"


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name == "reporters"], ids=module_name)
def test_reporters_do_not_import_each_other(path: Path) -> None:
    assert not {name for name in imports(path) if name.startswith("polint.reporters.")}


def test_formats_do_not_import_each_other() -> None:
    """A format may be spread over several modules that share its name."""
    for path in (PACKAGE / "formats").glob("*.py"):
        own = path.stem.split("_")[0]
        for name in imports(path):
            if name.startswith("polint.formats."):
                assert name.rpartition(".")[2].split("_")[0] == own, f"{path.stem} imports {name}"


def modules_after(arguments: list[str], cwd: Path) -> set[str]:
    code = (
        "import atexit, os, sys\n"
        "atexit.register(lambda: sys.stderr.write('\\n' + '\\n'.join(sys.modules)))\n"
        "os._exit = sys.exit\n"
        f"sys.argv = ['polint', *{arguments!r}]\n"
        "from polint.__main__ import main\n"
        "main()\n"
    )
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stderr.split("\n"))


HEAVY = {
    "ahocorasick_rs",
    "pydantic",
    "jinja2",
    "pglast",
    "tree_sitter",
    "tree_sitter_rust",
    "tree_sitter_php",
    "rich",
    "asyncio",
    "multiprocessing",
    "concurrent.futures",
    "importlib.metadata",
    "importlib.resources",
    "pathlib",
    "tomllib",
    "difflib",
    "subprocess",
    "unittest",
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text("services:\n  db:\n    image: postgres:16\n")
    (tmp_path / ".env").write_text("DB_POOL=10\n")
    (tmp_path / "postgresql.conf").write_text("max_connections = 100\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    return tmp_path


def test_version_imports_next_to_nothing(small: Path) -> None:
    assert not modules_after(["--version"], small) & (HEAVY | {"click", "dataclasses", "re", "polint.cli"})


def test_a_small_lint_imports_nothing_heavy(small: Path) -> None:
    modules_after(["lint", "."], small)  # the checked rules may have to be made first
    found = modules_after(["lint", "."], small)
    assert "polint.engine" in found
    assert not found & (HEAVY | {"click", "json", "dataclasses", "shlex", "polint.rulefile"})


@pytest.mark.parametrize(
    ("name", "text", "modules"),
    [
        ("compose.yaml", "services: {}\n", {"yaml", "polint.formats.compose"}),
        ("compose.yaml", "services: {db: {image: 'postgres:16', env_file: .env}}\n", {"polint.formats.dotenv"}),
        ("www.conf", "[www]\npm = static\npm.max_children = 5\n", {"polint.formats.ini", "polint.model.client"}),
        ("pgbouncer.ini", "[databases]\napp =\n[pgbouncer]\n", {"polint.formats.pgbouncer", "polint.model.pooler"}),
        ("init.sql", "ALTER SYSTEM SET max_connections = 50;\n", {"polint.formats.sql", "polint.formats.sql_records"}),
        (
            "config/database.php",
            "<?php return ['connections' => ['pgsql' => ['driver' => 'pgsql']]];\n",
            {"polint.formats.php", "polint.model.connections", "polint.model.connection", "tree_sitter"},
        ),
        (
            "src/main.rs",
            'fn main() { PgPoolOptions::new().connect(""); }\n',
            {"polint.formats.rust", "polint.formats.cargo", "polint.model.crate_pools", "polint.model.pool_libraries", "tree_sitter"},
        ),
    ],
)
def test_a_format_is_imported_for_its_files_only(tmp_path: Path, name: str, text: str, modules: set[str]) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "index.php").write_text("<?php echo 1;\n")
    (tmp_path / "main.rs").write_text("fn main() {}\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    modules_after(["lint", "."], tmp_path)  # the checked rules may have to be made first
    assert not modules_after(["lint", "."], tmp_path) & (modules | {"polint.formats.dockerfile"})
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert modules_after(["lint", "."], tmp_path) >= modules


def test_a_server_alone_brings_in_nothing_of_its_clients(small: Path) -> None:
    modules_after(["lint", "."], small)
    clients = "client connection connections crate_pools php_services pool_libraries pooler pgbouncer laravel ladders usage monitoring"
    unasked = {f"polint.model.{name}" for name in (*clients.split(), "entrances", "sessions", "fpm_values")}
    unasked |= {f"polint.formats.{name}" for name in "rust php cargo ini pgbouncer sql sql_records dockerfile prometheus grafana".split()}
    assert not modules_after(["lint", "."], small) & (unasked | {"polint.pgbouncer_settings", "polint.promql", "polint.exporters"})


def test_bundles_are_for_generate_only(small: Path) -> None:
    modules_after(["lint", "."], small)
    for arguments in (["--version"], ["lint", "."], ["lint", "--format", "json", "."], ["budget", "."]):
        found = {name for name in modules_after(arguments, small) if name.startswith(("polint.bundle", "polint.generate", "polint.draft"))}
        assert not found, arguments
    (small / "plan.yaml").write_text("project: x\nservices: {a: sqlx}\n")
    found = modules_after(["generate", "plan.yaml", "--out", "out"], small)
    assert {"polint.bundle.plan", "polint.sizing", "pydantic", "jinja2"} <= found
    assert not found & {"polint.engine", "polint.model.build", "polint.rulefile", "pglast", "tree_sitter", "rich"}


def test_records_keep_their_annotations_as_text() -> None:
    users = [path.stem for path in MODULES if re.search(r"^\s*from typing import .*\bNamedTuple\b", path.read_text("utf-8"), re.MULTILINE)]
    assert users == ["tuples"]


def test_patterns_of_the_yaml_library_are_compiled_when_used() -> None:
    code = (
        "import re\n"
        "from polint import yamltext\n"
        "from polint.source import Source\n"
        "yamltext.documents(Source('a.yaml', 'a: 1'))\n"
        "from yaml.reader import Reader\n"
        "assert not isinstance(Reader.NON_PRINTABLE, re.Pattern)\n"
        "assert Reader.NON_PRINTABLE.search('a\\0') is not None\n"
        "assert isinstance(re.compile('a'), re.Pattern)\n"
    )
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert not done.returncode, done.stderr


def test_the_pattern_library_waits_for_a_pattern(small: Path) -> None:
    (small / ".gitignore").write_text("# nothing\n")
    assert "pathspec" not in modules_after(["lint", "."], small)
    (small / ".gitignore").write_text("*.log\n")
    assert "pathspec" in modules_after(["lint", "."], small)


def test_pydantic_comes_with_a_configuration_only(small: Path) -> None:
    (small / "polint.toml").write_text("")
    assert "pydantic" in modules_after(["lint", "."], small)
