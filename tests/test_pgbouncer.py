"""pgbouncer.ini: what is read, what PgBouncer refuses, where, and the cure; and its settings."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Mapping

import pytest

from polint import lint
from polint.fact import Fact
from polint.formats import Entry, Fault, Parsed, php_sql, rust_sql
from polint.formats.pgbouncer import connect_string, inline_comment, parse
from polint.mask import mask
from polint.model.flow import most_through
from polint.model.pgbouncer import secrets
from polint.model.pooler import Pooler
from polint.pgbouncer_settings import (
    DATABASE_SETTINGS,
    SECTIONS,
    SETTINGS,
    USER_SETTINGS,
    Unclear,
    read,
    read_count,
    read_flag,
    read_leading,
    read_list,
    read_pair,
    read_seconds,
)
from polint.sessionsql import traces
from polint.source import Source
from polint.value import Literal, Opaque


def load(text: str, version: tuple[int, ...] | None = None) -> Parsed:
    return parse(Source("pgbouncer.ini", text), version)


def literals(parsed: Parsed) -> list[tuple[str, str, object]]:
    return [(entry.section, entry.key, entry.value.value if isinstance(entry.value, Literal) else Opaque) for entry in parsed.entries]


def cured(faults: list[Fault]) -> str:
    text = faults[0].span.source.text
    edits = [edit for fault in faults if fault.fix for edit in fault.fix.edits]
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


def only(text: str) -> Entry:
    (entry,) = load(text).entries
    return entry


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("default_pool_size=20", "default_pool_size", "20"),
        ("\t Default_Pool_Size \t=\t 20 \r", "Default_Pool_Size", "20"),
        ("server_check_query = select 1; -- x # y", "server_check_query", "select 1; -- x # y"),
        ("job_name = 'a b'", "job_name", "'a b'"),
        ("job_name =", "job_name", ""),
        ("job_name = \t ", "job_name", ""),
        ("job_name = caf\u00e9", "job_name", "caf\u00e9"),
        ("a.b-c_* = =x", "a.b-c_*", "=x"),
        ("%include /etc/pgbouncer/more.ini \r", "%include", "/etc/pgbouncer/more.ini"),
        ("'with space' = host=x", "with space", "host=x"),
        ("[pgbouncer] job_name = x", "job_name", "x"),
    ],
)
def test_accepted(line: str, key: str, value: str) -> None:
    parsed = load("[pgbouncer]\n  # c\n;c\n" + line)
    (entry,) = parsed.entries
    assert not parsed.faults
    assert (entry.section, entry.key) == ("pgbouncer", key)
    assert entry.value == Literal(value, entry.value_span)
    assert entry.value_span.text == value
    assert entry.key_span.text.strip("'") == key
    assert entry.key_span.place[0] == 4
    assert entry.span.start == entry.key_span.start
    assert entry.span.end >= entry.value_span.end


@pytest.mark.parametrize(
    ("line", "place", "where", "says"),
    [
        ("listen_port", "2:1", "listen_port", "without ="),
        ("  listen_port \r", "2:3", "listen_port", "without ="),
        ("my db = host=x", "2:1", "my db ", "letters"),
        ("caf\u00e9 = host=x", "2:1", "caf\u00e9 ", "letters"),
        ("[users", "2:1", "[users", "no ]"),
        ("%include", "2:1", "%include", "file name"),
        ("[bogus]", "2:1", "[bogus]", "refuses this section"),
        ("'' = x", "2:1", "'' = x", "no name between quotes"),
        ("'open = x", "2:1", "'open = x", "no name between quotes"),
    ],
)
def test_refused(line: str, place: str, where: str, says: str) -> None:
    (fault,) = load("[pgbouncer]\n" + line + "\n").faults
    assert (str(fault.span), fault.span.text, fault.fatal) == (f"pgbouncer.ini:{place}", where.rstrip(), True)
    assert says in fault.message


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("-- a", "; a"),
        ("// a", "; a"),
        ('"a" = host=x', "a = host=x"),
        ("a: host=x", "a = host=x"),
        ("a : host=x", "a = host=x"),
        ("a:host=x", "a = host=x"),
        ("[PgBouncer ]", "[pgbouncer]"),
    ],
)
def test_cures(line: str, mended: str) -> None:
    parsed = load("[databases]\n" + line)
    assert [fault.fatal for fault in parsed.faults] == [True]
    assert cured(list(parsed.faults)) == "[databases]\n" + mended
    assert not load("[databases]\n" + mended).faults


def test_pasted_text_is_one_fault() -> None:
    parsed = load("[pgbouncer]\ndocker run \\\n -e A=b \\\n -p 1\n\nx\n")
    assert [(fault.span.place, fault.span.text) for fault in parsed.faults] == [((2, 1), "docker run \\"), ((6, 1), "x")]


def test_versions() -> None:
    text = "[databases]\n'a b' = host=x\n[peers]\n1 = host=y"
    assert not load(text).faults
    assert [(fault.span.text, fault.span.place) for fault in load(text, (1, 18)).faults] == [("'a b'", (2, 1)), ("[peers]", (3, 1))]
    assert [fault.span.text for fault in load(text, (1, 24)).faults] == ["'a b'"]
    assert not load(text, (1, 25)).faults
    quoted = '[databases]\n"a b" = host=x'
    assert cured(list(load(quoted, (1, 25)).faults)) == text.partition("\n[peers]")[0]
    assert load(quoted, (1, 24)).faults[0].fix is None


def test_byte_order_mark_and_nul() -> None:
    (fault,) = parse(Source.from_bytes("pgbouncer.ini", b"\xef\xbb\xbf[pgbouncer]\r\n")).faults
    assert (fault.span.text, fault.fatal) == ("[pgbouncer]", True)
    parsed = load("[pgbouncer]\njob_name = a\0b\nzz\n")
    assert literals(parsed) == [("pgbouncer", "job_name", "a")]
    assert [(fault.span.place, fault.fatal) for fault in parsed.faults] == [((2, 13), False)]


def test_second_section_resets() -> None:
    text = "[pgbouncer]\nmax_client_conn = 1\nauth_user = u\n[databases]\na = host=x\n[pgbouncer]\nmax_client_conn = 2\n[pgbouncer]\n"
    parsed = load(text + "default_pool_size = 3\n")
    assert literals(parsed) == [
        ("pgbouncer#1", "max_client_conn", "1"),
        ("pgbouncer", "auth_user", "u"),
        ("databases", "a", "host=x"),
        ("pgbouncer#2", "max_client_conn", "2"),
        ("pgbouncer", "default_pool_size", "3"),
    ]
    assert [(fault.span.text, fault.span.place, fault.fatal) for fault in parsed.faults] == [
        ("[pgbouncer]", (6, 1), False),
        ("[pgbouncer]", (8, 1), False),
    ]
    assert [entry.section for entry in load(text).entries] == ["pgbouncer#1", "pgbouncer", "databases", "pgbouncer#2"]
    assert not load("[pgbouncer]\n[databases]\n[pgbouncer]\nmax_client_conn = 1\n").faults
    assert not load("[databases]\na =\n[databases]\nb =\n").faults


def test_settings_before_a_section() -> None:
    (fault,) = load("listen_port = 5\n[pgbouncer]\n").faults
    assert (fault.span.text, fault.span.place, fault.fatal) == ("listen_port", (1, 1), True)
    fragment = load("a = host=x\nb = host=y\n")
    assert not fragment.faults
    assert [entry.section for entry in fragment.entries] == ["", ""]
    assert not load("%include head.ini\nlisten_port = 5\n[users]\n").faults


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("host=a port=5432", [("host", "a", "a"), ("port", "5432", "5432")]),
        (" dbname = 'with '' space'  user =u ", [("dbname", "with ' space", "'with '' space'"), ("user", "u", "u")]),
        ("host=a\tport=1", [("host", "a\tport=1", "a\tport=1")]),
        ("password=a'b=c", [("password", "a'b=c", "a'b=c")]),
        ("", []),
    ],
)
def test_connect_string(line: str, pairs: list[tuple[str, str, str]]) -> None:
    entry = only(f"[databases]\napp = {line}")
    parsed = connect_string(entry)
    assert not parsed.faults
    found = [(pair.key, pair.value.value, pair.value_span.text) for pair in parsed.entries if isinstance(pair.value, Literal)]
    assert found == pairs
    assert [pair.key_span.text for pair in parsed.entries] == [key for key, _, _ in pairs]
    for pair in parsed.entries:
        assert pair.section == "app"
        assert (pair.span.start, pair.span.end) == (pair.key_span.start, pair.value_span.end)


@pytest.mark.parametrize(
    ("line", "where", "column", "fatal", "known"),
    [
        ("host=a x", "x", 12, True, ["host"]),
        ("host=a =b", "=", 12, True, ["host"]),
        ("host=a user=", "user=", 12, True, ["host"]),
        ("host=a dbname=''", "dbname=''", 12, True, ["host"]),
        ("host=a dbname='x", "'x", 19, True, ["host"]),
        ("dbname='x'; host=a", ";", 15, False, ["dbname", "host"]),
        ("dbname='x'host=a", "h", 15, False, ["dbname", "ost"]),
        ("host= port=1", "port=1", 11, False, ["host"]),
        ("host=a ; c d", "; c d", 12, True, ["host"]),
        ("host=a # c", "# c", 12, True, ["host"]),
        ("# c", "# c", 5, True, []),
    ],
)
def test_connect_string_faults(line: str, where: str, column: int, fatal: bool, known: list[str]) -> None:
    parsed = connect_string(only(f"[databases]\na = {line}"))
    (fault,) = parsed.faults
    assert (fault.span.text, fault.span.place, fault.fatal) == (where, (2, column), fatal)
    assert [pair.key for pair in parsed.entries] == known
    assert not any(fault.fatal for fault in connect_string(only(f"[databases]\n* = {line}")).faults)


def test_star_is_a_plain_name_among_users() -> None:
    assert [fault.fatal for fault in connect_string(only("[users]\n* = x")).faults] == [True]


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("[databases]\n  a = host=x ; c\n", "[databases]\n  ; c\n  a = host=x\n"),
        ("[databases]\r\na = host=x\t# c\r\n", "[databases]\r\n# c\r\na = host=x\r\n"),
    ],
)
def test_comment_in_connect_string_is_moved(text: str, mended: str) -> None:
    assert cured(list(connect_string(only(text)).faults)) == mended


@pytest.mark.parametrize(
    ("value", "comment"),
    [("20 ; twenty", "; twenty"), ("20;x", None), ("; c", "; c"), ("'a ; b'", None), ("'a ; b' # c", "# c"), ("DISCARD ALL;", None)],
)
def test_inline_comment(value: str, comment: str | None) -> None:
    fault = inline_comment(only(f"[pgbouncer]\nserver_reset_query = {value}"))
    assert (fault and fault.span.text) == comment
    if fault:
        mended = load(cured([fault]))
        assert inline_comment(mended.entries[0]) is None
        assert mended.source.text.startswith(f"[pgbouncer]\n{comment}\nserver_reset_query =")


def test_templates() -> None:
    text = "[databases]\na = host={{ db host }} port=5432 dbname='${DB}' user=$U pool_size=5\nb = {{ all }} pool_size=5\n[pgbouncer]\n"
    parsed = load(text + "listen_port = ${PORT}\nauth_query = select $1\n")
    assert literals(parsed)[2:] == [("pgbouncer", "listen_port", Opaque), ("pgbouncer", "auth_query", "select $1")]
    first, second = (connect_string(entry) for entry in parsed.entries[:2])
    assert [(key, value) for _, key, value in literals(first)] == [
        ("host", Opaque),
        ("port", "5432"),
        ("dbname", Opaque),
        ("user", Opaque),
        ("pool_size", "5"),
    ]
    assert [pair.value_span.text for pair in first.entries][:3] == ["{{ db host }}", "5432", "'${DB}'"]
    assert all(isinstance(pair.value, Opaque) for pair in second.entries)
    assert not first.faults
    assert not second.faults
    switched = load("[databases]\n{% if x %}\na = host=b\n{% endif %}\n")
    assert literals(switched) == [("databases", "a", Opaque)]
    assert [literals(connect_string(entry)) for entry in switched.entries] == [[("a", "host", Opaque)]]
    assert not load("[pgbouncer]\n{{ settings }}\nnonsense\n").faults


@pytest.mark.parametrize("text", ["[databases]\na = " + "k=v " * 300_000, "a='" * 300_000, "[pgbouncer]\n" * 100_000, "x\n" * 200_000])
def test_long_input_takes_linear_time(text: str) -> None:
    started = time.perf_counter()
    for entry in load(text).entries:
        connect_string(entry)
        inline_comment(entry)
    assert time.perf_counter() - started < 8


@pytest.mark.parametrize(
    ("text", "value"),
    [("20", 20), ("020", 16), ("0x1F", 31), ("-1", -1), ("+5", 5), ("0", 0), ("2147483648", -2147483648), ("9" * 5000, -1)],
)
def test_counts(text: str, value: int) -> None:
    assert read_count(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10s", "no units"),
        ("'20'", "without quotes"),
        ("20 ; twenty", "own line"),
        ("", "empty value"),
        ("1.5", "whole number"),
        ("08", "whole number"),
        ("0x", "whole number"),
    ],
)
def test_counts_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_count(text)


@pytest.mark.parametrize(
    ("text", "value"), [("30", 30), ("0.5", 0.5), (".5", 0.5), ("1e2", 100), ("0x10", 16), ("-0", 0), ("1.0000019", 1.000001)]
)
def test_seconds(text: str, value: float) -> None:
    assert math.isclose(read_seconds(text), value, abs_tol=1e-12)


@pytest.mark.parametrize("text", ["10s", "1 min", "-1", "", "1e400", "1e-400", "'5'", "5,0", "0x"])
def test_seconds_refused(text: str) -> None:
    with pytest.raises(ValueError, match="PgBouncer") as refused:
        read_seconds(text)
    assert not isinstance(refused.value, Unclear)


@pytest.mark.parametrize("text", ["inf", "NAN", "1e20"])
def test_seconds_unclear(text: str) -> None:
    with pytest.raises(Unclear, match="processor"):
        read_seconds(text)


def test_flags_lists_and_choices() -> None:
    assert [read_flag(text) for text in ("1", "0", "2")] == [True, False, True]
    with pytest.raises(ValueError, match="write 1"):
        read_flag("true")
    with pytest.raises(ValueError, match="write 0"):
        read_flag("off")
    assert read_list("a, b c ,") == ("a", "b c")
    assert read(SETTINGS["admin_users"], "a b,c") == ("a", "b", "c")
    assert read(SETTINGS["listen_addr"], "*") == ("*",)
    assert read(SETTINGS["pool_mode"], "Transaction") == "transaction"
    assert read(SETTINGS["auth_type"], "ldap", (1, 25)) == "ldap"
    with pytest.raises(ValueError, match="ldap"):
        read(SETTINGS["auth_type"], "ldap", (1, 24))
    assert read(SETTINGS["max_packet_size"], "-1") == 0xFFFFFFFF
    assert read(SETTINGS["auth_dbname"], "pgbouncer", (1, 19)) == "pgbouncer"
    with pytest.raises(ValueError, match="reserves"):
        read(SETTINGS["auth_dbname"], "pgbouncer")


def test_pairs() -> None:
    assert [read_leading(text) for text in ("10s", "x", " -3", "", "020")] == [10, 0, -3, 0, 20]
    assert read_pair(DATABASE_SETTINGS["pool_size"], "25;") == 25
    assert read_pair(DATABASE_SETTINGS["host"], "a,b") == ("a", "b")
    assert read_pair(USER_SETTINGS["pool_mode"], "SESSION") == "session"
    with pytest.raises(ValueError, match="port"):
        read_pair(DATABASE_SETTINGS["port"], "x")


@pytest.mark.parametrize(
    ("name", "version", "default"),
    [
        ("max_prepared_statements", (1, 23), "0"),
        ("max_prepared_statements", (1, 24), "200"),
        ("server_tls_sslmode", (1, 19), "disable"),
        ("server_tls_sslmode", (1, 20), "prefer"),
        ("server_check_query", (1, 24, 1), "select 1"),
        ("default_pool_size", (1, 18), "20"),
    ],
)
def test_defaults(name: str, version: tuple[int, ...], default: str) -> None:
    assert SETTINGS[name].default_in(version) == default


def test_tables_are_sound() -> None:
    for table in SECTIONS.values():
        for name, setting in table.items():
            assert setting.name == name
            assert setting.kind in ("count", "seconds", "flag", "text", "list", "enum")
            assert bool(setting.choices) == (setting.kind == "enum")
            if table is SETTINGS and setting.default is not None:
                read(setting, setting.default)
    assert not SETTINGS["max_prepared_statements"].known_in((1, 20))
    assert SETTINGS["max_prepared_statements"].known_in((1, 21))


# ---------------------------------------------------------------- includes


def including(files: Mapping[str, str], version: tuple[int, ...] | None = None) -> Parsed:
    sources = {name: Source(name, text) for name, text in files.items()}
    return parse(sources["pgbouncer.ini"], version, sources.get)


def test_an_include_is_read_in_its_place() -> None:
    parsed = including(
        {
            "pgbouncer.ini": "[databases]\n%include /etc/one.ini\nb = host=y\n%include gone.ini\n",
            "/etc/one.ini": "a = host=x\n[pgbouncer]\njob_name = j\n%include two.ini\n",
            "two.ini": "; nothing\n[databases]\n",
        }
    )
    assert literals(parsed) == [
        ("databases", "a", "host=x"),
        ("pgbouncer", "job_name", "j"),
        ("databases", "b", "host=y"),
        ("databases", "%include", "gone.ini"),
    ]
    assert [str(entry.key_span) for entry in parsed.entries] == [
        "/etc/one.ini:1:1",
        "/etc/one.ini:3:1",
        "pgbouncer.ini:3:1",
        "pgbouncer.ini:4:1",
    ]
    assert not parsed.faults


def test_faults_of_an_included_file_have_their_own_place() -> None:
    parsed = including({"pgbouncer.ini": "x\n[users]\n%include a\n", "a": "[bogus]\ny\n"})
    assert [str(fault.span) for fault in parsed.faults] == ["pgbouncer.ini:1:1", "a:1:1", "a:2:1"]


def test_an_include_resets_what_stands_above() -> None:
    parsed = including({"pgbouncer.ini": "[pgbouncer]\nserver_lifetime = 1\n%include a\n", "a": "[pgbouncer]\npkt_buf = 5"})
    assert [(entry.section, entry.key) for entry in parsed.entries] == [("pgbouncer#1", "server_lifetime"), ("pgbouncer", "pkt_buf")]


def test_includes_without_end() -> None:
    parsed = including({"pgbouncer.ini": "[pgbouncer]\n%include a\n", "a": "%include pgbouncer.ini"})
    assert [(str(fault.span), fault.fatal) for fault in parsed.faults] == [("a:1:1", True)]
    chain = {f"f{number}": f"%include f{number + 1}\n" for number in range(12)}
    deep = including({"pgbouncer.ini": "%include f0", **chain, "f12": ""})
    assert [(str(fault.span), fault.fatal) for fault in deep.faults] == [("f9:1:1", True)]
    wide = {"pgbouncer.ini": "%include a\n" * 50, "a": "%include b\n" * 50, "b": "%include c\n" * 50, "c": "[users]\n"}
    started = time.perf_counter()
    including(wide)
    assert time.perf_counter() - started < 1


# ---------------------------------------------------------------- server connections


def pooler(
    ini: str, *, image: str = "pgbouncer/pgbouncer:1.25.2", users: str | None = None, more: Mapping[str, str] | None = None
) -> Pooler:
    mounts = "'./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini', './more.ini:/etc/pgbouncer/more.ini'"
    files = {"pgbouncer.ini": ini, **(more or {})}
    if users is not None:
        files["userlist.txt"] = users
        mounts += ", './userlist.txt:/etc/pgbouncer/userlist.txt'"
    files["compose.yaml"] = f"services:\n  p:\n    image: {image}\n    volumes: [{mounts}]\n  db:\n    image: postgres:16\n"
    (found,) = lint.subjects_of(files)[0]["pooler"]
    assert isinstance(found, Pooler)
    return found


def said(fact: Fact[int]) -> object:
    return fact.value if fact.is_known else fact.reason


def most(found: Pooler) -> object:
    return said(found.most(found.databases))


TWO = '"u" "x"\n"v" "y"\n'
FILE = "auth_type = md5\nauth_file = /etc/pgbouncer/userlist.txt\n"
LOOKUP = "auth_user looks up any user"


@pytest.mark.parametrize(
    ("databases", "settings", "users", "least", "highest"),
    [
        # each compared with the backends that PgBouncer 1.18 opened on PostgreSQL 15, but for what came later
        ("a = host=x\nb = host=x", "default_pool_size = 3", "", 12, 12),
        ("a = host=x user=w\nb = host=x user=w", "default_pool_size = 3", "", 6, 6),
        ("a = host=x user=w\nb = host=x user=w", "default_pool_size = 3\nmax_user_connections = 4", "", 4, 4),
        ("a = host=x\nb = host=x", "default_pool_size = 3\nmax_db_connections = 4", "", 8, 8),
        ("a = host=x\nb = host=x", "default_pool_size = 3\nmax_user_connections = 4", "", 8, 8),
        ("a = host=x pool_size=1\nb = host=x pool_size=5 max_db_connections=6", "max_user_connections = 5", "", 8, 8),
        ("a = host=x reserve_pool=2", "default_pool_size = 2", "", 8, 8),
        ("a = host=x reserve_pool_size=2", "default_pool_size = 2", "", 8, 8),
        ("a = host=x reserve_pool=2", "default_pool_size = 2\nreserve_pool_timeout = 0", "", 4, 4),
        ("a = host=x\nb = host=x", "default_pool_size = 3", "u = max_user_connections=2", 8, 8),
        (
            "a = host=x max_db_connections=5\nb = host=x",
            "default_pool_size = 4\nmax_user_connections = 6",
            "v = max_user_connections=1",
            7,
            7,
        ),
        ("a = host=x pool_size=-1 max_db_connections=0", "default_pool_size = 2", "", 4, 4),
        ("a = host=x pool_size=7", "default_pool_size = 2", "u = pool_size=1 reserve_pool_size=3", 11, 11),
        ("a = host='x' dbname='a b' pool_size=4", "", "", 8, 8),
        ("a = host=x\na = host=y pool_size=1", "", "", 2, 2),
        ("* = host=x", "default_pool_size = 3", "", 6, "its entry * opens pools for any database"),
        ("a = host=x", "default_pool_size = 3\nauth_user = l", "", 6, LOOKUP),
        ("a = host=x auth_user=l", "default_pool_size = 3", "", 6, LOOKUP),
        ("a = host=x auth_user=l", "default_pool_size = 3\nmax_db_connections = 9", "", 6, 9),
        ("a = host=x auth_user=l user=w", "default_pool_size = 3", "", 3, 3),
        ("a = host=x", "default_pool_size = 3\nso_reuseport = 1", "", 6, "with so_reuseport any number of its processes may run"),
        ("a = host=x", "default_pool_size = 3\nadmin_users = v, w", "", 3, 6),
        ("a = host=x", "default_pool_size = 0", "", *["a pool size of 0 is unlimited (PgBouncer 1.24 and later)"] * 2),
        ("a = host=x", "default_pool_size = 0\nmax_db_connections = 9", "", 9, 9),
        ("", "", "", *["its [databases] section is empty"] * 2),
        ("%include nowhere.ini", "", "", *["it includes a file by %include"] * 2),
        ("%include /etc/pgbouncer/more.ini", "default_pool_size = 2", "", 4, 4),
        ("%include more.ini", "default_pool_size = 2", "", 4, 4),
    ],
)
def test_server_connections(databases: str, settings: str, users: str, least: object, highest: object) -> None:
    found = pooler(
        f"[databases]\n{databases}\n[users]\n{users}\n[pgbouncer]\n{FILE}{settings}\n", users=TWO, more={"more.ini": "i = host=x"}
    )
    assert (said(found.server_connections), most(found)) == (least, highest)


def test_server_connections_by_version() -> None:
    def least(text: str, image: str) -> object:
        return said(pooler(text, image=f"pgbouncer/pgbouncer:{image}").server_connections)

    unlimited = "[databases]\na = host=x\n[pgbouncer]\ndefault_pool_size = 0\n"
    assert least(unlimited, "1.23.1") == 1
    assert least(unlimited, "latest") == "what a pool size of 0 means depends on PgBouncer's version"
    forced = "[databases]\na = host=x user=w\nb = host=x user=w\n[users]\nw = max_user_connections=3\n[pgbouncer]\ndefault_pool_size = 2\n"
    assert [least(forced, image) for image in ("1.22.1", "1.23.0")] == [4, 3]
    assert least(forced, "latest") == "what limits the user of an entry depends on PgBouncer's version"


def test_what_makes_the_sum() -> None:
    found = pooler(f"[databases]\na = host=x pool_size=4\n[pgbouncer]\n{FILE}max_db_connections = 5\n", users=TWO).server_connections
    assert [(fact.name, fact.value, str(fact.span)) for fact in found.sources] == [
        ("pool_size", 4, "pgbouncer.ini:2:22"),
        ("max_db_connections", 5.0, "pgbouncer.ini:6:22"),
        ("users", 2, "userlist.txt:1:1"),
    ]


def test_users_of_unknown_number() -> None:
    text = "[databases]\na = host=x\n[pgbouncer]\ndefault_pool_size = 3\nauth_type = {}\n"
    assert most(pooler(text.format("md5"))) == "its auth_file is not in the repository"
    assert most(pooler(text.format("hba"))) == "its auth_type lets in users that no file names"


@pytest.mark.parametrize(
    ("databases", "users", "mode"),
    [
        ("a = host=x", "", "transaction"),
        ("a = host=x pool_mode=Session", "", "session"),
        ("a = host=x pool_mode=session\nb = host=x", "", None),
        ("a = host=x pool_mode=session\nb = host=x pool_mode=session", "", "session"),
        ("a = host=x", "u = pool_mode=transaction", "transaction"),
        ("a = host=x", "u = pool_mode=session", None),
        ("a = host=x password=${PASSWORD}", "", "transaction"),
        ("a = ${EVERYTHING}", "", None),
    ],
)
def test_pool_mode(databases: str, users: str, mode: str | None) -> None:
    found = pooler(f"[databases]\n{databases}\n[users]\n{users}\n[pgbouncer]\npool_mode = Transaction\n").pool_mode
    assert (found.value if found.is_known else None) == mode


def test_the_largest_flow_is_found() -> None:
    rng = random.Random(3)
    for _ in range(60):
        users, entries = "uv"[: rng.randint(1, 2)], range(rng.randint(1, 2))
        pairs = {(user, entry): float(rng.randint(0, 3)) for user in users for entry in entries}
        left = {user: rng.choice([math.inf, 1.0, 2.0, 4.0]) for user in users}
        right = {entry: rng.choice([math.inf, 0.0, 2.0, 3.0]) for entry in entries}
        best = 0
        for counts in itertools.product(*(range(int(room) + 1) for room in pairs.values())):
            chosen = dict(zip(pairs, counts, strict=True))
            if all(sum(chosen[user, entry] for entry in entries) <= left[user] for user in users) and all(
                sum(chosen[user, entry] for user in users) <= right[entry] for entry in entries
            ):
                best = max(best, sum(counts))
        assert most_through(pairs, left, right) == best, (pairs, left, right)
    assert most_through({("u", 0): math.inf}, {"u": math.inf}, {0: math.inf}) == math.inf
    assert most_through({("u", 0): math.inf, ("v", 0): 1.0}, {"u": 5.0, "v": math.inf}, {0: math.inf}) == 6
    assert most_through({("u", 0): math.inf, ("v", 0): math.inf}, {"u": 5.0, "v": math.inf}, {0: math.inf}) == math.inf


# ---------------------------------------------------------------- images and their variables


def from_variables(image: str, environment: str, more: str = "") -> tuple[Pooler, list[tuple[str, str]]]:
    compose = f"services:\n  p:\n    image: {image}\n    environment: {{{environment}}}\n{more}  db:\n    image: postgres:16\n"
    (subjects,) = lint.subjects_of({"compose.yaml": compose})
    (found,) = subjects["pooler"]
    assert isinstance(found, Pooler)
    return found, [(problem.span.text, problem.message) for problem in subjects["problem"] if problem.is_fatal]


def test_edoburu() -> None:
    found, problems = from_variables(
        "edoburu/pgbouncer:v1.25.2-p0", "DB_HOST: db, DB_NAME: app, POOL_MODE: transaction, DEFAULT_POOL_SIZE: 7"
    )
    assert not problems
    assert ([one.name for one in found.databases], said(found.server_connections), most(found)) == (["app"], 7, LOOKUP)
    assert (found.pool_mode.value, found.listen_port.value, found.auth_type.value, found.opens_for.value) == (
        "transaction",
        5432,
        "md5",
        "",
    )
    several, _ = from_variables("edoburu/pgbouncer", "DATABASE_URLS: 'postgres://u@db/a,postgres://u@db/b?x=y', TRANSACTION_TIMEOUT: 5")
    assert [one.name for one in several.databases] == ["a", "b"]
    assert "transaction_timeout" not in several.raw  # the entrypoint does not write it
    any_database, _ = from_variables("edoburu/pgbouncer", "DB_HOST: db")
    assert any_database.opens_for.value == "database"


@pytest.mark.parametrize(
    ("image", "environment", "where"),
    [
        ("edoburu/pgbouncer", "DB_HOST: db, POOL_SIZE: 20", ["20"]),
        ("edoburu/pgbouncer:1.18.0", "DB_HOST: db, TIMEZONE: UTC, CLIENT_ENCODING: UTF8", ["UTC", "UTF8"]),
        ("edoburu/pgbouncer:1.15.0", "DB_HOST: db, POOL_SIZE: 20", []),  # before the image wrote it
        ("edoburu/pgbouncer", "DB_HOST: db, POOL_SIZE: ''", []),
        ("edoburu/pgbouncer", "DB_HOST: db, DEFAULT_POOL_SIZE: 20s, SERVER_LIFETIME: 1.5", ["20s"]),
        ("edoburu/pgbouncer", "DB_HOST: db, POOL_MODE: pooled", ["pooled"]),
        ("bitnami/pgbouncer:1.23.1", "POSTGRESQL_HOST: db, PGBOUNCER_DEFAULT_POOL_SIZE: many, POOL_SIZE: 5", ["many"]),
    ],
)
def test_variables_that_keep_it_from_starting(image: str, environment: str, where: list[str]) -> None:
    assert [text.strip("'") for text, _ in from_variables(image, environment)[1]] == where


def test_bitnami() -> None:
    found, problems = from_variables(
        "bitnami/pgbouncer:1.25.2",
        "POSTGRESQL_HOST: db, POSTGRESQL_USERNAME: app, PGBOUNCER_DATABASE: main, PGBOUNCER_DSN_0: 'reports=host=db pool_size=4 user=r',"
        " PGBOUNCER_DSN_1: '*=host=db max_db_connections=3', PGBOUNCER_DSN_3: 'unseen=host=db', PGBOUNCER_DEFAULT_POOL_SIZE: 5",
    )
    assert not problems
    assert [one.name for one in found.databases] == ["main", "reports", "*"]
    assert (said(found.server_connections), found.auth_type.value, found.listen_port.value) == (5 + 4 + 3, "scram-sha-256", 6432)
    users, _ = from_variables(
        "bitnami/pgbouncer:1.25.2",
        'POSTGRESQL_HOST: db, PGBOUNCER_USERLIST: "\\"u\\" \\"x\\"\\n\\"v\\" \\"y\\"", PGBOUNCER_PORT: 5433,'
        " PGBOUNCER_DEFAULT_POOL_SIZE: 2",
    )
    assert (users.listed.value, users.listen_port.value, most(users)) == (("postgres", "u", "v"), 5433, 6)
    forced, _ = from_variables(
        "bitnami/pgbouncer:1.25.2", "POSTGRESQL_HOST: db, PGBOUNCER_SET_DATABASE_USER: 'yes', PGBOUNCER_USERLIST: '${U}'"
    )
    assert most(forced) == 20


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("    volumes: ['./gone.ini:/etc/pgbouncer/pgbouncer.ini:ro']\n", "its pgbouncer.ini is mounted, and not in the repository"),
        ("    volumes: ['config:/etc/pgbouncer']\n", "its pgbouncer.ini is mounted, and not in the repository"),
        ("    command: pgbouncer /conf/mine.ini\n", "/conf/mine.ini is not in the repository"),
        ("    entrypoint: [sh, -c, 'export POOL_MODE=session; exec /entrypoint.sh']\n", "its own entrypoint may set further variables"),
        ("    env_file: gone.env\n", "its variables may be set elsewhere: gone.env is not in the repository"),
    ],
)
def test_what_counts_is_out_of_sight(more: str, reason: str) -> None:
    found, _ = from_variables("edoburu/pgbouncer:v1.25.2-p0", "DB_HOST: db", more)
    assert said(found.server_connections) == reason
    assert not found.opens_for.is_known


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("edoburu/pgbouncer:v1.23.1-p0", (1, 23, 1)),
        ("docker.io/bitnami/pgbouncer:1.24", (1, 24)),
        ("ghcr.io/cloudnative-pg/pgbouncer:1.23.0-19", (1, 23, 0)),
        ("edoburu/pgbouncer:latest", None),
        ("example.test/pgbouncer:1.4.2", None),  # its own releases
        ("edoburu/pgbouncer:1.2.3.4", None),
    ],
)
def test_version(image: str, version: tuple[int, ...] | None) -> None:
    assert from_variables(image, "DB_HOST: db")[0].version == version


# ---------------------------------------------------------------- auth_file


def test_secrets() -> None:
    text = '; "c" "x"\n"a" "md5"\n  "b ""c""" "p""w" "rest"\n"d"\t"" ; e\n"f" g\n"h" "i"\n'
    found = list(secrets(Source("userlist.txt", text)))
    assert [(user, secret, span.text, span.place) for user, secret, span in found] == [
        ("a", "md5", "a", (2, 2)),
        ('b "c"', 'p"w', 'b ""c""', (3, 4)),
        ("d", "", "d", (4, 2)),
        ("f", "h", "f", (5, 2)),
    ]
    started = time.perf_counter()
    for broken in ('"' * 200_001, '"a" "b"\n' * 50_000, '"a' * 100_000, "\n;" * 200_000):
        list(secrets(Source("userlist.txt", broken)))
    assert time.perf_counter() - started < 3


# ---------------------------------------------------------------- what queries leave in their session


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SET search_path TO a", ["set search_path: SET search_path"]),
        ("set\n app.tenant = '5'", ["set app.tenant: set\n app.tenant"]),
        ("SET SESSION statement_timeout = 5", ["set statement_timeout: SET SESSION statement_timeout"]),
        ("SET TIME ZONE 'UTC'", ["set timezone: SET TIME ZONE"]),
        ("SET ROLE x", ["set role: SET ROLE"]),
        ("SET SESSION AUTHORIZATION x", ["set session_authorization: SET SESSION AUTHORIZATION"]),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", ["set default_transaction_isolation: SET SESSION CHARACTERISTICS"]),
        ('BEGIN; SET a.b TO 1; SELECT 1; LISTEN "c d"', ["set a.b: SET a.b", 'listen "c d": LISTEN "c d"']),
        ("SELECT set_config('app.t', $1, false)", ["set app.t: set_config('app.t', $1, false)"]),
        ("select pg_catalog.pg_advisory_lock($1)", ["lock pg_advisory_lock: pg_catalog.pg_advisory_lock"]),
        ("SELECT pg_try_advisory_lock_shared(1, 2)", ["lock pg_try_advisory_lock_shared: pg_try_advisory_lock_shared"]),
        ("PREPARE p (int) AS SELECT $1", ["prepare p: PREPARE p"]),
        ("CREATE TEMP TABLE IF NOT EXISTS t (a int)", ["table t: CREATE TEMP TABLE IF NOT EXISTS t"]),
        ("/* x */ create local temporary table t as select 1 -- on commit drop", ["table t: create local temporary table t"]),
        ("SET LOCAL search_path TO a", []),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", []),
        ("SET CONSTRAINTS ALL DEFERRED", []),
        ("SET FOREIGN_KEY_CHECKS=0", []),
        ("SET @a = 1", []),
        ("SET {} = 1", []),
        ("SET search_path TO a; SELECT 1; RESET search_path", []),
        ("UPDATE t SET search_path = 1", []),
        ("ALTER ROLE a SET search_path = b", []),
        ("SELECT set_config('app.t', $1, true)", []),
        ("SELECT pg_advisory_xact_lock(1)", []),
        ("SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)", []),
        ("DO $$ BEGIN PERFORM pg_advisory_lock(1); END $$", []),
        ("SELECT 'LISTEN a; SET search_path TO b'", []),
        ("-- LISTEN a\nSELECT 1 /* SET a.b = 1 */", []),
        ("CREATE TEMP TABLE t (a int) ON COMMIT DROP", []),
        ("PREPARE TRANSACTION 'x'", []),
        ("EXECUTE p", []),
        ("NOTIFY a", []),
        ("SET", []),
        ("LISTEN", []),
    ],
)
def test_traces(text: str, found: list[str]) -> None:
    assert [f"{one.feature} {one.name}: {text[one.start : one.end]}" for one in traces(text)] == found


@pytest.mark.parametrize(
    "text", ["'" * 19_999 + " set", "$$ " * 6_000 + "set", "/*" * 9_000 + "set", "set " * 4_000, "set_config('a.b', " * 1_000]
)
def test_traces_take_little_time(text: str) -> None:
    started = time.perf_counter()
    traces(text)
    assert time.perf_counter() - started < 1


def test_queries_of_rust() -> None:
    text = """
const LOCK: &str = "SELECT pg_advisory_lock(1)";
const WORDS: &str = "LISTEN to me";
// sqlx::query("LISTEN a")
async fn run(pool: &PgPool) {
    sqlx::query(LOCK).execute(pool).await?;
    sqlx::query!("SET search_path TO a").execute(pool).await?;
    sqlx::query_as::<_, Row>(r#"LISTEN b"#).fetch_one(pool).await?;
    sqlx::query_scalar!(i64, "SELECT pg_try_advisory_lock($1)", "SET a.b = 1");
    conn.execute(format!("SET app.t\\u{e9} = {x}; SET app.t = {x}").as_str()).await?;
    conn.execute(AssertSqlSafe(format!("LISTEN {x}"))).await?;
    info!("LISTEN c");
    other("LISTEN d");
    sqlx::query("SELECT 1").bind("LISTEN e").execute(pool).await?;
}
async fn inside(pool: &PgPool) {
    let mut tx = pool.begin().await?;
    sqlx::query("CREATE TEMP TABLE t (a int)").execute(&mut *tx).await?;
}
#[test]
fn check() { sqlx::query("LISTEN f"); }
"""
    found = rust_sql.read([Source("src/lib.rs", text), Source("tests/a.rs", 'fn a() { query("LISTEN z") }')])
    assert [(use.feature, use.name, use.span.text, use.in_transaction) for use in found] == [
        ("lock", "pg_advisory_lock", "pg_advisory_lock", True),
        ("set", "search_path", "SET search_path", False),
        ("listen", "b", "LISTEN b", False),
        ("lock", "pg_try_advisory_lock", "pg_try_advisory_lock", False),
        ("set", "app.t", "SET app.t", False),
        ("listen", "{", "LISTEN {", False),
        ("table", "t", "CREATE TEMP TABLE t", True),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('async fn m() { sqlx::migrate!("./m").run(&pool).await?; }', ['sqlx::migrate!("./m")']),
        ("static M: Migrator = sqlx::migrate!();\nasync fn m() { M.run(&pool).await?; }", ["M.run"]),
        ("use sqlx::migrate;\nstatic M: sqlx::migrate::Migrator = migrate!();\nfn m() { M.run(&pool); }", ["M.run"]),
        ("static M: Migrator = sqlx::migrate!();\n#[test]\nfn m() { M.run(&pool); }", []),
        ("static M: Migrator = sqlx::migrate!();", []),
        ("fn m() { refinery::migrate!().run(&pool); }", []),
        ("fn m() { sqlx::migrate!().set_locking(false).run(&pool); }", []),
        ("fn m(pool: SqlitePool) { sqlx::migrate!().run(&pool); }", []),
        ("async fn l() { PgListener::connect_with(&pool).await?; }\n// PgListener::connect_with", ["PgListener::connect_with"]),
    ],
)
def test_migrations_and_listeners(text: str, found: list[str]) -> None:
    assert [use.span.text for use in rust_sql.read([Source("src/main.rs", text)])] == found


def test_queries_of_php() -> None:
    text = """<?php
DB::statement('SET search_path TO a');
DB::connection('x')->unprepared("LISTEN {$b}");
DB::connection()->select('SELECT pg_advisory_lock(?)', [1]);
$pdo->exec(<<<SQL
    SET app.t = 1
    SQL);
pg_query($conn, 'PREPARE p AS SELECT 1');
DB::table('a')->where('b', 'LISTEN c')->update(['LISTEN d' => 'SET a.b = 1']);
Log::info('LISTEN e');
// DB::statement('LISTEN f')
DB::transaction(function () { DB::statement('CREATE TEMPORARY TABLE t (a int)'); });
$pdo->quote('LISTEN g');
function g() { DB::beginTransaction(); DB::statement('SELECT pg_advisory_lock(1)'); }
"""
    found = php_sql.read(Source("app/A.php", text))
    assert [(use.feature, use.span.text, use.connection, use.in_transaction) for use in found] == [
        ("set", "SET search_path", "", False),
        ("listen", "LISTEN {", "x", False),
        ("lock", "pg_advisory_lock", "", False),
        ("set", "SET app.t", None, False),
        ("prepare", "PREPARE p", None, False),
        ("table", "CREATE TEMPORARY TABLE t", "", False),
        ("lock", "pg_advisory_lock", "", True),
    ]
    assert not php_sql.is_worth("database/migrations/2024_x.php", text.encode())
    assert not php_sql.is_worth("tests/Feature/A.php", text.encode())
    assert php_sql.is_worth("app/A.php", text.encode())
    assert not php_sql.is_worth("app/A.php", b"<?php echo 1;")


def test_stored_secrets_are_not_shown() -> None:
    for line in ('"app" "md5' + "0a" * 16 + '"', "'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$a2V5a2V5:a2V5'"):
        assert set(mask(line).split(line[0])[-2]) == {"*"}
    assert mask("md5sum file; auth_type = md5") == "md5sum file; auth_type = md5"


# ---------------------------------------------------------------- who can come as far as the port


@pytest.mark.parametrize(
    ("service", "published"),
    [
        ("ports: ['5432:5432']", True),
        ("ports: ['5432']", True),  # on a port that the host picks
        ("ports: [5432-5434:5431-5433/tcp]", True),
        ("ports: ['${PORT:-6000}:5432']", True),
        ("ports: ['192.0.2.1:5432:5432']", True),
        ("ports: ['[::]:5432:5432']", True),
        ("ports: [{target: 5432, published: 5432}]", True),
        ("ports: [{target: 5432, published: 5432, host_ip: 127.0.0.1}]", False),
        ("ports: ['127.0.0.1:5432:5432', '[::1]:5432:5432', 'localhost::5432']", False),
        ("ports: ['5432:8080']", False),
        ("expose: ['5432']", False),
        ("ports: []", False),
        ("ports: ['${BIND:-127.0.0.1}:5432:5432']", None),
        ("ports: ['5432:${INNER}']", None),
        ("network_mode: host", None),
    ],
)
def test_published_ports(service: str, published: bool | None) -> None:
    compose = f"services:\n  db:\n    image: postgres:16\n    environment: {{POSTGRES_HOST_AUTH_METHOD: trust}}\n    {service}\n"
    ((entrance,),) = (subjects["entrance"] for subjects in lint.subjects_of({"compose.yaml": compose}))
    assert (entrance.is_published.value if entrance.is_published.is_known else None) == published
    assert entrance.is_weak


@pytest.mark.parametrize(
    ("image", "method", "weak"),
    [
        ("postgis/postgis:16-3.4", "trust", True),
        ("postgres:16", "md5", False),
        ("postgres:16", "${METHOD}", False),
        ("bitnami/postgresql:16", "trust", False),  # does not read it
        ("nginx", "trust", None),
    ],
)
def test_weak_servers(image: str, method: str, weak: bool | None) -> None:
    compose = f"services:\n  db:\n    image: {image}\n    environment: ['POSTGRES_HOST_AUTH_METHOD={method}']\n"
    found = [entrance.is_weak for subjects in lint.subjects_of({"compose.yaml": compose}) for entrance in subjects["entrance"]]
    assert found == ([] if weak is None or "bitnami" in image else [weak])


HASHED = "its MD5 secrets, which are as good as the passwords, are in the repository"


@pytest.mark.parametrize(
    ("settings", "users", "weakness"),
    [
        ("auth_type = Any", "", "PgBouncer asks for neither user nor password"),
        ("auth_type = plain\nclient_tls_sslmode = verify-full", "", ""),
        ("auth_type = plain\nclient_tls_sslmode = allow", "", "PgBouncer takes passwords in clear text"),
        ("auth_type = md5", '"a" "SCRAM-SHA-256$x"\n', ""),
        (
            "auth_type = md5",
            f'"a" "x"\n"b" "md5{"0" * 32}"\n',
            HASHED,
        ),
        ("auth_type = scram-sha-256", f'"b" "md5{"0" * 32}"\n', ""),
        ("", f'"b" "md5{"0" * 32}"\n', HASHED),
    ],
)
def test_weak_poolers(settings: str, users: str, weakness: str) -> None:
    compose = "services:\n  p:\n    image: edoburu/pgbouncer\n    volumes: ['./conf:/etc/pgbouncer']\n    ports: ['6432:6432']\n"
    ini = f"[databases]\na = host=db\n[pgbouncer]\nauth_file = /etc/pgbouncer/userlist.txt\n{settings}\n"
    (subjects,) = lint.subjects_of({"compose.yaml": compose, "conf/pgbouncer.ini": ini, "conf/userlist.txt": users})
    assert next((entrance.weakness for entrance in subjects["entrance"] if entrance.is_weak), "") == weakness


# ---------------------------------------------------------------- code behind a pooler

BEHIND = """
services:
  api:
    build: ./api
    environment: {DATABASE_URL: 'postgres://a@pooler/a', DIRECT_URL: 'postgres://a@db/a'}
  pooler:
    image: edoburu/pgbouncer:v1.25.2-p0
    environment: {DB_HOST: db, POOL_MODE: transaction}
  db:
    image: postgres:16
"""
POOL = 'async fn main() { let pool = PgPoolOptions::new().connect(&std::env::var("DATABASE_URL").unwrap()).await?; '


@pytest.mark.parametrize(
    ("code", "uses"),
    [
        (POOL + 'query("LISTEN a"); }', ["LISTEN"]),
        (POOL + 'PgListener::connect(&std::env::var("DATABASE_URL").unwrap()).await?; }', ["LISTEN"]),
        (POOL + 'PgListener::connect(&std::env::var("DIRECT_URL").unwrap()).await?; }', []),
        (POOL + 'let own = PgConnection::connect(&std::env::var("DIRECT_URL").unwrap()).await?; query("LISTEN a"); }', []),
        (POOL + 'let own = PgPool::connect(&std::env::var("DIRECT_URL").unwrap()).await?; query("LISTEN a"); }', []),
        (POOL.replace("DATABASE_URL", "DIRECT_URL") + 'query("LISTEN a"); }', []),
        (POOL + 'query("SET TIME ZONE 1"); query("SET IntervalStyle = iso_8601"); }', []),
        (POOL + 'query("SET ROLE a"); let tx = pool.begin().await?; query("SELECT pg_advisory_lock(1)"); }', ["SET role"]),
    ],
)
def test_only_what_goes_through_the_pooler(code: str, uses: list[str]) -> None:
    files = {"compose.yaml": BEHIND, "api/src/main.rs": code, "api/Cargo.toml": "[package]\nname = 'api'\n[dependencies]\nsqlx = '0.8'\n"}
    assert [use.what for subjects in lint.subjects_of(files) for use in subjects["session_use"]] == uses


@pytest.mark.parametrize(
    ("users", "least"),
    [("", "auth_type = any lets clients only into entries that name a user"), (" user=app", 3)],
)
def test_any_user_gets_only_into_an_entry_that_names_one(users: str, least: object) -> None:
    found = pooler(
        f"[databases]\na = host=x{users}\n[pgbouncer]\nauth_type = any\ndefault_pool_size = 3\n", image="pgbouncer/pgbouncer:1.23.1"
    )
    assert said(found.server_connections) == least
