"""What each reporter prints, character by character, and that no secret is ever in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from polint.diagnostic import Diagnostic, Edit, Fix, Note
from polint.engine import Silence
from polint.mask import mask
from polint.reporters import FileStatus, Report, Style, Unread, clean, concise, file_lines, statistics, text
from polint.reporters import json as json_reporter
from polint.source import Source, Span

SCHEMA = Path(__file__).parent.parent / "schema" / "report.schema.json"


def span(path: str, marked: str) -> Span:
    """The span between ``[|`` and ``|]`` of a text."""
    start, end = marked.index("[|"), marked.index("|]") - 2
    return Source(path, marked.replace("[|", "").replace("|]", "")).span(start, end)


def diagnostic(place: Span, **changes: object) -> Diagnostic:
    values: dict[str, object] = {"code": "PO101", "name": "over-budget", "severity": "error", "message": "too many", "span": place}
    return Diagnostic(**{**values, **changes})  # type: ignore[arg-type]


def show(*found: Diagnostic, style: Style = Style(verbosity=-1)) -> str:  # noqa: B008
    return text.report(Report("/r", found, ()), style)


RAISED = Fix("raise it", "unsafe", (Edit(span("a.conf", "x = [|1|]"), "2"),))
FULL = diagnostic(
    span("postgres/postgresql.conf", "# c\n" * 9 + "max_connections = [|100|]  # enough?\n"),
    help="Shrink the largest pool first;\nor put PgBouncer between.",
    notes=(
        Note("replicas = 3", span("docker-compose.yml", "\n\n      replicas: [|3|]\n")),
        Note("max_connections = 25", span("main.rs", "    .max_connections([|per_core() * 5|])\n")),
        Note("superuser_reserved_connections = 3 (default)", None),
    ),
    mend=lambda: RAISED,
)


def test_text() -> None:
    assert show(FULL) == (
        "error[PO101] over-budget: too many\n"
        "  --> postgres/postgresql.conf:10:19\n"
        "   |\n"
        "10 | max_connections = 100  # enough?\n"
        "   |                   ^^^\n"
        "   = note: replicas = 3  --> docker-compose.yml:3:17\n"
        "   = note: max_connections = 25  --> main.rs:1:22\n"
        " 1 |     .max_connections(per_core() * 5)\n"
        "   |                      ^^^^^^^^^^^^^^\n"
        "   = note: superuser_reserved_connections = 3 (default)\n"
        "   = help: Shrink the largest pool first;\n"
        "           or put PgBouncer between.\n"
        "   = more: polint rule PO101\n"
        "\n"
    )


@pytest.mark.parametrize(
    ("marked", "rows"),
    [
        ("a = [||]\n", ["1 | a =", "  |     ^"]),
        ("[|a|]", ["1 | a", "  | ^"]),
        ("\tа = [|да|] # ы\r\n", ["1 |     а = да # ы", "  |         ^^"]),
        ("x = '漢字' [|漢字|]", ["1 | x = '漢字' 漢字", "  |            ^^^^"]),
        ("x = e\u0301 [|1|]", ["1 | x = e\u0301 1", "  |       ^"]),
        ("a\n[|b|]\n", ["2 | b", "  | ^"]),
        ("a [|b\n|]c", ["1 | a b", "  |   ^"]),
        (
            "let p = [|new()\n  .a()\n  .b()\n    .c()|];\n",
            ["1 | let p = new()", "  |         ^^^^^", "...", "4 |     .c();", "  |     ^^^^"],
        ),
        ("x = [|{\n}|]", ["1 | x = {", "  |     ^", "2 | }", "  | ^"]),
        ("a = \x1b[31m[|1|]\u202e", ["1 | a = \ufffd[31m1\ufffd", "  |          ^"]),
        ("a = \udce9 [|1|]", ["1 | a = \ufffd 1", "  |       ^"]),
    ],
)
def test_snippets(marked: str, rows: list[str]) -> None:
    assert show(diagnostic(span("a", marked))).split("\n")[3 : 3 + len(rows)] == rows


def test_a_long_line_is_clipped_around_the_span() -> None:
    place = span("a", "a" * 300 + " [|bbb|] " + "c" * 300)
    rows = show(diagnostic(place), style=Style(width=60, verbosity=-1)).split("\n")[3:5]
    assert rows == ["1 | …" + "a" * 23 + " bbb " + "c" * 26 + "…", "  | " + " " * 25 + "^^^"]
    assert len(rows[0]) == 60
    rows = show(diagnostic(place), style=Style(width=60, verbosity=-1, ascii=True)).split("\n")[3:5]
    assert rows == ["1 | ..." + "a" * 23 + " bbb " + "c" * 22 + "...", "  | " + " " * 27 + "^^^"]


def test_a_long_line_keeps_its_beginning_where_it_can() -> None:
    place = span("a", " " * 40 + "shared_buffers = [|256MB|]" + " " * 20 + "-- Shared cache")
    rows = show(diagnostic(place), style=Style(width=60, verbosity=-1)).split("\n")[3:5]
    assert rows == ["1 | …shared_buffers = 256MB                    -- Shared ca…", "  |                   ^^^^^"]
    place = span("a", "shared_buffers = 256MB" + " " * 15 + "[|-- Shared cache for all connections|]")
    rows = show(diagnostic(place), style=Style(width=60, verbosity=-1)).split("\n")[3:5]
    assert rows == [
        "1 | shared_buffers = 256MB               -- Shared cache fo…",
        "  |                                      ^^^^^^^^^^^^^^^^^^",
    ]


def test_sentences_wrap_on_a_terminal_only() -> None:
    found = FULL._replace(message="opens far more connections than the server has ever had to give", help="Shrink the largest pool " * 3)
    style = Style(width=60, verbosity=-1, wraps=True)
    rows = show(found, style=style).split("\n")
    assert rows[:2] == ["error[PO101] over-budget: opens far more connections than", "    the server has ever had to give"]
    at = next(number for number, row in enumerate(rows) if "help:" in row)
    assert rows[at : at + 2] == ["   = help: Shrink the largest pool Shrink the largest pool", "           Shrink the largest pool"]
    assert "           --> docker-compose.yml:3:17" not in rows  # it fits
    assert max(map(len, rows)) <= 60
    coloured = show(found, style=style._replace(colour=True))
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured).split("\n") == rows
    assert show(found, style=Style(width=60, verbosity=-1)).startswith(f"error[PO101] over-budget: {found.message}\n")


def test_the_footer_is_short() -> None:
    files = [FileStatus("a", "dotenv", "skipped", "UTF-16, not UTF-8")] * 5 + [FileStatus("b", "dotenv", "skipped", "binary")]
    budgets = [f"db{number}: {9 - number} of 97 connections" for number in range(8)]
    report = Report("/r", (), files, [budgets[0], *budgets])
    assert text.report(report, Style()).split("\n") == [
        *budgets[:5],
        "… and 3 more: polint budget",
        "no problems found",
        "read no files: nothing here that polint knows; skipped 6: 5 UTF-16, not UTF-8; 1 binary",
        "",
    ]


def test_many_diagnostics_on_one_endless_line_take_linear_time() -> None:
    source = Source("a.env", "A=" + "x" * 4_000_000)
    found = [diagnostic(source.span(at, at + 3)) for at in range(0, 4_000_000, 4000)]
    assert show(*found).count("^^^") == 1000


def test_colour_changes_nothing_but_escapes() -> None:
    plain = show(FULL)
    coloured = show(FULL, style=Style(colour=True, verbosity=-1))
    assert coloured.startswith("\x1b[1;31merror[PO101]\x1b[0m over-budget: ")
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain


def test_summary() -> None:
    place = span("a", "[|a|]")
    found = (
        diagnostic(place),
        diagnostic(place, code="PO102", severity="warning", mend=FULL.mend),
        diagnostic(place, severity="info", suppressed="known"),
        diagnostic(place, severity="info"),
    )
    files = [
        FileStatus("a", "compose", "read"),
        FileStatus("b", "dotenv", "read"),
        FileStatus("c", "rust", "skipped", "test code"),
        FileStatus("d", "rust", "skipped", "nothing about connections in it"),
        FileStatus("f", "cargo", "skipped", "nothing refers to it"),
        FileStatus("e", "dotenv", "unreadable", "its own program refuses it"),
    ]
    silenced = {"PO102": [*(Silence(f"pool {name}", "size: read at run time") for name in "xyzvx"), Silence("pool w", "url: not set")]}
    lost = [Unread(span("compose.yaml", f"include:\n  - [|{name}.yaml|]\n"), "the included file is not there") for name in "xy"]
    report = Report("/r", found, files, ("db: 50 of 97 connections (52 %)",), {**silenced, "PO201": []}, unread=lost)
    lines = text.report(report, Style()).split("\n")
    assert lines[-4:] == [
        "db: 50 of 97 connections (52 %)",
        "1 error, 1 warning, 1 info (1 suppressed, 1 fixable)",
        "read 2 files: 1 compose, 1 dotenv; unreadable: 1; skipped 1: 1 test code"
        "; not followed 2: 2 the included file is not there (polint files)",
        "",
    ]
    assert text.report(report, Style(verbosity=1)).split("\n")[-4:-1] == [
        "not judged, because something is unknown: 6 cases of 1 rule",
        "  PO102 size: read at run time: pool x, pool y, pool z and 1 more",
        "  PO102 url: not set: pool w",
    ]
    assert statistics(report) == "1  PO101  error    over-budget\n1  PO101  info     over-budget\n1  PO102  warning  over-budget\n"
    assert file_lines(files, lost, Style(verbosity=-1)) == "read     compose  a\nread     dotenv   b\n"
    assert file_lines(files[2:3], lost[:1], Style()) == (
        "skipped  rust  c: test code\nnot followed: compose.yaml:2:5: x.yaml: the included file is not there\n"
    )


def test_nothing_found_and_nothing_read() -> None:
    assert text.report(Report("/r", (), ()), Style()) == "no problems found\nread no files: nothing here that polint knows\n"


def test_concise() -> None:
    hidden = diagnostic(span("b", "[|x|]"), suppressed="why")
    assert concise.report(Report("/r", (FULL, hidden), ()), Style()) == (
        "postgres/postgresql.conf:10:19: PO101 error too many [over-budget]\n"
    )


def test_json_and_its_schema() -> None:
    hidden = diagnostic(span("b\udcff", "[|\r\nx|]"), suppressed="why", message="é")
    files = [FileStatus("a", "compose", "read"), FileStatus("b/", None, "skipped", "no permission")]
    out = json_reporter.report(Report("/r", (FULL, hidden), files), Style())
    assert out.encode("utf-8")
    document = json.loads(out)
    assert document["summary"] == {
        "error": 1,
        "warning": 0,
        "info": 0,
        "suppressed": 1,
        "fixable": 1,
        "files_read": 1,
        "files_unreadable": 0,
    }
    first, second = document["diagnostics"]
    assert first["range"] == {"start": {"line": 10, "column": 19}, "end": {"line": 10, "column": 22}}
    assert first["notes"][2] == {"message": "superuser_reserved_connections = 3 (default)", "path": None, "range": None}
    assert first["fix"]["edits"][0] == {
        "path": "a.conf",
        "range": {"start": {"line": 1, "column": 5}, "end": {"line": 1, "column": 6}},
        "replacement": "2",
    }
    assert (second["path"], second["message"], second["suppressed"], second["fix"]) == ("b\\udcff", "é", "why", None)
    assert document["files"][1] == {"path": "b/", "format": None, "status": "skipped", "reason": "no permission"}
    assert list(document) == ["schema_version", "polint_version", "files", "unread", "diagnostics", "summary"]
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    validator.validate(document)
    document["diagnostics"][0]["range"]["start"]["line"] = 0
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    ("shown", "masked"),
    [
        ("DATABASE_URL=postgres://u:hunter2@db:5432/x", "DATABASE_URL=postgres://u:*******@db:5432/x"),
        ('url: "postgres://u:p@ss/w@h/db"', 'url: "postgres://u:******@h/db"'),
        ("postgres://u:${DB_PASSWORD}@h/db", "postgres://u:${DB_PASSWORD}@h/db"),
        ("postgres://u:${DB_PASSWORD:-hunter2}@h/db", "postgres://u:${DB_PASSWORD:-*******}@h/db"),
        ("postgres://${U:-a}:hunter2@h/db", "postgres://${U:-a}:*******@h/db"),
        ("postgres://u:{hunter2@h/db", "postgres://u:********@h/db"),
        ("a,postgres://u:x@h,redis://:yy@k", "a,postgres://u:*@h,redis://:**@k"),
        ("      POSTGRES_PASSWORD: hunter2   # c", "      POSTGRES_PASSWORD: *******   # c"),
        ("export DB_PASSWORD=hun ter2", "export DB_PASSWORD=********"),
        ('  - "POSTGRES_PASSWORD=hunter2"', '  - "POSTGRES_PASSWORD=*******"'),
        ("environment: {POSTGRES_PASSWORD: hunter2, X: y}", "environment: {POSTGRES_PASSWORD: *******, X: y}"),
        ("DB_PASSWORD=${DB_PASSWORD:?err}", "DB_PASSWORD=${DB_PASSWORD:?err}"),
        ("DB_PASSWORD=", "DB_PASSWORD="),
        ("APP_KEY=base64:abc=", "APP_KEY=***********"),
        ("'password' => env('DB_PASSWORD', 'hunter2'),", "'password' => env('DB_PASSWORD', '*******'),"),
        ('"password": "hunter2",', '"password": "*******",'),
        ('.password("hunter2")', '.password("*******")'),
        ('env::var("DB_PASSWORD").unwrap_or("hunter2".into())', 'env::var("DB_PASSWORD").unwrap_or("*******".into())'),
        ('const DB_PASSWORD: &str = "hunter2";', 'const DB_PASSWORD: &str = "*******";'),
        ("new PDO('pgsql:host=h', 'u', 'hunter2', [])", "new PDO('pgsql:host=h', 'u', '*******', [])"),
        ('pg_connect("host=h password=hunter2 dbname=x")', 'pg_connect("host=h password=******* dbname=x")'),
        ("ALTER ROLE x PASSWORD 'hunter2';", "ALTER ROLE x PASSWORD '*******';"),
        ("jdbc:postgresql://h/db?user=u&password=hunter2&x=1", "jdbc:postgresql://h/db?user=u&password=*******&x=1"),
        ("service api: DB_PASSWORD = hunter2", "service api: DB_PASSWORD = *******"),
        ("ENV DB_PASSWORD hunter2", "ENV DB_PASSWORD *******"),
        ("env[DB_PASSWORD] = hunter2", "env[DB_PASSWORD] = *******"),
        ("ghp://x\nAPI_TOKEN=ab\n", "ghp://x\nAPI_TOKEN=**\n"),
        ("env[DB_PASSWORD] hunter2", "env[DB_PASSWORD] *******"),
        ("env[DB_PASSWORD]hunter2", "env[DB_PASSWORD]*******"),
        ("pg_pconnect('host=db password=' . 'hunter2');", "pg_pconnect('host=db password=' . '*******');"),
        ("pg_connect('password=' . env('P', 'hunter2') . ' port=1')", "pg_connect('password=' . env('P', '*******') . '*******')"),
        ("new PDO($dsn, $_ENV['U'] ?? 'u', $_ENV['P'] ?? 'hunter2')", "new PDO($dsn, $_ENV['U'] ?? 'u', $_ENV['P'] ?? '*******')"),
        ("f(); new \\PDO ($dsn, 'u', getenv('P') ?: 'hunter2')", "f(); new \\PDO ($dsn, 'u', getenv('P') ?: '*******')"),
        ("PDO::connect('pgsql:host=h', 'u', 'h (2,)')", "PDO::connect('pgsql:host=h', 'u', '******')"),
        ("new PDO('a', 'u', $x); $q = new PDO('a', 'u', 'hunter2')", "new PDO('a', 'u', $x); $q = new PDO('a', 'u', '*******')"),
        ("parent::__construct('pgsql:host=h', 'u', 'hunter2')", "parent::__construct('pgsql:host=h', 'u', '*******')"),
        ("'password' => $_ENV['P'] ?? 'hunter2',", "'password' => $_ENV['P'] ?? '*******',"),
        ("$x = $_ENV['DB_PASS'] ?? 'hunter2';", "$x = $_ENV['DB_PASS'] ?? '*******';"),
        ("'password' => env('X', 'hunter2'), 'host' => 'h'", "'password' => env('X', '*******'), 'host' => 'h'"),
        ("sprintf('host=h password=%s', 'hunter2')", "sprintf('host=h password=%s', '*******')"),
        ('&format!("postgres://{}:{}@{}", "u", "hunter2", "h")', '&format!("postgres://{}:{}@{}", "*", "*******", "*")'),
        (
            'format!("postgres://u:{}@h", env::var("P").unwrap_or("x".into()))',
            'format!("postgres://u:{}@h", env::var("P").unwrap_or("*".into()))',
        ),
        ("$u = 'pgsql://u:' . 'hunter2' . '@h/db';", "$u = 'pgsql://u:' . '*******' . '@h/db';"),
        ('.password(&env::var("P").unwrap_or("hunter2".into()))', '.password(&env::var("P").unwrap_or("*******".into()))'),
        ('env::var("DB_PASS").unwrap_or_else(|_| "hunter2".into())', 'env::var("DB_PASS").unwrap_or_else(|_| "*******".into())'),
        ('let password = if x { "hunter2" } else { "" };', 'let password = if x { "*******" } else { "" };'),
        ('"{\\"password\\": \\"hunter2\\"}"', '"{\\"password\\": \\"*******\\"}"'),
        ("conninfo = 'host=a password=''hun ter'''", "conninfo = 'host=a password=''*******'''"),
        ("archive_command = 'curl -u a:hunter2 x'", "archive_command = 'curl -u a:******* x'"),
        ("archive_command = 'curl --user=a:hunter2 x'", "archive_command = 'curl --user=a:******* x'"),
        ("command: curl -H 'Authorization: Bearer hunter2' x", "command: curl -H 'Authorization: **************' x"),
        ("command: redis-server --requirepass hunter2", "command: redis-server --requirepass *******"),
        ('command: ["x", "--password", "hunter2", "y"]', 'command: ["x", "--password", "*******", "y"]'),
        ("archive_command = 'PGPASSWORD=hunter2 cp %p x'", "archive_command = 'PGPASSWORD=******* cp %p x'"),
        ('DB_PASSWORD="hun"ter2', 'DB_PASSWORD="***"****'),
    ],
)
def test_secrets_are_masked(shown: str, masked: str) -> None:
    assert mask(shown) == masked
    assert len(masked) == len(shown)


@pytest.mark.parametrize(
    "shown",
    [
        "max_connections = 100",
        "tcp_keepalives_idle = 60",
        "password_encryption = scram-sha-256",
        "POSTGRES_PASSWORD_FILE=/run/secrets/db",
        "JWT_TOKEN_LIFETIME=60",
        "primary_key: id",
        "image: http://host:80/path@v1",
        "let password = config.password.clone();",
        "DATABASE_URL=postgres://user@host/db",
        "command: docker run -u 1000:1000 x",
        "pg_isready -U user -d db",
        'env::var("DB_PASSWORD").expect("DB_PASSWORD must be set")',
        "$p = getenv('DB_PASSWORD'); $h = 'localhost';",
        "new PDO('pgsql:host=h', 'u', $_ENV['P'], [PDO::ATTR_PERSISTENT => true])",
        "'url' => 'http://a', 'host' => 'b'",
        "let t = CancellationToken::new();",
        "total_tokens: 5",
        "let x: &'static str = \"don't\";",
        "",
    ],
)
def test_what_is_no_secret_stays(shown: str) -> None:
    assert mask(shown) == shown


@pytest.mark.parametrize(
    ("before", "shown", "masked"),
    [
        ("new PDO(\n  $dsn,\n  'u',\n", "  'hunter2',", "  '*******',"),
        ("new PDO($dsn, # don't\n", "  'u', 'hunter2', [PDO::ATTR_PERSISTENT => true]", "  'u', '*******', [PDO::ATTR_PERSISTENT => true]"),
        ("let o = o.password(\n", '    "hunter2",', '    "*******",'),
        ('env::var("DB_PASSWORD")\n', '    .unwrap_or("hunter2".into())', '    .unwrap_or("*******".into())'),
        ("  POSTGRES_PASSWORD:\n", "    hunter2", "    *******"),
        ("  POSTGRES_PASSWORD: |\n    a\n", "    hunter2", "    *******"),
        ("  - --requirepass\n", "  - hunter2", "  - *******"),
        ('A=1\nDB_PASSWORD="a\nb\n', "hunter2=x", "*********"),
        ("  POSTGRES_PASSWORD: x\n", '  image: "postgres:16"', '  image: "postgres:16"'),
        ('DB_PASSWORD="a"\n', "POOL=1", "POOL=1"),
        ("$password = 'a';\n", "$host = 'h';", "$host = 'h';"),
    ],
)
def test_secrets_that_stand_below_their_names(before: str, shown: str, masked: str) -> None:
    assert mask(shown, before) == masked


@pytest.mark.parametrize(
    "piece",
    [
        "password=",
        "://",
        "postgres://a:b@",
        "PASSWORD ${",
        "env('PASSWORD',",
        "://a:${a:",
        "PDO(('x'",
        "PDO(",
        "'://",
        "-u a:",
        "--password ",
        "password='a' . ",
        "\\'",
    ],
)
def test_masking_takes_linear_time(piece: str) -> None:
    assert len(mask(piece * 20_000)) == len(piece) * 20_000


def test_no_reporter_prints_a_secret() -> None:
    line = span("compose.yml", "A: postgres://u:hunter2@h/[|db|]")
    found = diagnostic(
        line,
        message="DB_PASSWORD = hunter2",
        help="set DB_PASSWORD=hunter2",
        notes=(Note("url is postgres://u:hunter2@h", span(".env", "DB_PASSWORD=[|hunter2|]")),),
        mend=lambda: Fix("write it", "safe", (Edit(line, "postgres://u:hunter2@h"),)),
    )
    report = Report("/r", (found,), ())
    for style in (Style(verbosity=2), Style(colour=True)):
        for shown in (text.report(report, style), concise.report(report, style), json_reporter.report(report, style)):
            assert "hunter2" not in shown
    assert json.loads(json_reporter.report(report, Style()))["diagnostics"][0]["fix"]["applicability"] == "display"
    assert "1 | A: postgres://u:*******@h/db\n  |                           ^^" in text.report(report, Style())


# what a project may hold, and each line in it that some reporter may show; every secret begins with S3CR
PLANTED = {
    ".env": "DB_PASSWORD=S3CRa\nexport API_TOKEN='S3CRb'\nDATABASE_URL=postgres://u:S3CRc@db/x\nJWT_KEY=\"S3CRd\nS3CRe\n",
    "compose.yaml": (
        "services:\n  db:\n    image: postgres:16\n    environment:\n      POSTGRES_PASSWORD: S3CRa\n      PGPASSWORD: 'S3CRb'\n"
        '      API_SECRET: >-\n        S3CRc\n    command: ["psql", "--password", "S3CRd"]\n'
        "    entrypoint:\n      - --requirepass\n      - S3CRe\n"
        "    healthcheck: {test: 'PGPASSWORD=S3CRf psql postgresql://u:S3CRg@db'}\n"
    ),
    "php-fpm.conf": (
        "[www]\nenv[DB_PASSWORD] S3CRa\nenv[DB_PASSWORD] = S3CRb\nphp_admin_value[pgsql.password] = S3CRc\nenv[URL] = a://u:S3CRd@h\n"
    ),
    "postgresql.conf": (
        "primary_conninfo = 'host=a user=b password=S3CRa'\narchive_command = 'curl -u a:S3CRb x'\nssl_passphrase_command = 'echo S3CRc'\n"
        "restore_command = 'PGPASSWORD=S3CRd psql --password S3CRe'\nprimary_conninfo = 'password=''S3CRf g'''\n"
    ),
    "pgbouncer.ini": "[databases]\nx = host=db password=S3CRa user=u\nauth_query_password = S3CRb\n",
    "Dockerfile": "ENV DB_PASSWORD S3CRa\nARG TOKEN=S3CRb\nENV A=1 DB_PASSWORD=S3CRc\n",
    "src/main.rs": (
        'const DB_PASSWORD: &str = "S3CRa";\nlet o = PgConnectOptions::new().username("u").password("S3CRb");\n'
        'PgPool::connect(&format!("postgres://{}:{}@{}", "u", "S3CRc", "db"));\nlet u = "postgres://u:p@S3CRd/S3CRe@db";\n'
        'let p = env::var("PW_POOL").unwrap_or("x"); let q = env::var("DB_PASS").unwrap_or_else(|_| "S3CRf".into());\n'
        'let c = concat!("postgres://", "u", ":", "S3CRg", "@db");\nlet o = o.password(\n    "S3CRh",\n);\n'
    ),
    "x.php": (
        "<?php pg_pconnect(\"host=db password=S3CRa\"); new PDO('pgsql:host=db', 'u', 'S3CRb');\n"
        "$q = new PDO('pgsql:host=db;dbname=x', 'u', 'S3CR CRETF,)');\npg_pconnect('host=db user=u password=' . 'S3CRc');\n"
        "return new PDO('pgsql:host=db', $_ENV['U'] ?? 'u', $_ENV['P'] ?? 'S3CRd');\n$x = ['password' => env('X', 'S3CRe')];\n"
        "new PDO(dsn: 'pgsql:host=db', password: 'S3CRf');\nnew PDO(\n  'pgsql:host=db',\n  'u',\n  'S3CRg'\n);\n"
        "$u = sprintf('pgsql://%s:%s@h', 'u', 'S3CRh'); define('DB_PASS', 'S3CRi');\n"
    ),
}


@pytest.mark.parametrize("path", PLANTED)
def test_no_planted_secret_comes_out(path: str) -> None:
    """Every line of every format, as a place and as a message."""
    source = Source(path, PLANTED[path])
    assert "S3CR" in source.text
    for number, start in enumerate(source.starts[:-1], 1):
        line = source.line(number)
        indent = len(line) - len(line.lstrip())
        place = source.span(start + indent, start + indent + 1)
        # a secret whose name stands on another line; no message quotes half a value
        said = "m" if line.strip(" -\"',").startswith("S3CR") else line
        found = diagnostic(place, message=said, help=said, notes=(Note("n", place),))
        report = Report("/r", (found,), ())
        for shown in (
            text.report(report, Style(verbosity=1)),
            text.report(report, Style(width=60, ascii=True)),
            concise.report(report, Style()),
            json_reporter.report(report, Style()),
        ):
            assert "S3CR" not in shown, shown
            assert "CRETF" not in shown, shown
        rows = show(found, style=Style(width=200, verbosity=-1)).split("\n")
        assert len(rows[3]) == len(f"{number} | {line}".rstrip())
        assert rows[4].index("^") == rows[3].index("|") + 2 + indent


def test_clean_keeps_the_length() -> None:
    assert clean("a\x07b\x9bc", ascii=True) == "a?b?c"
    assert clean("a\tb") == "a\tb"
