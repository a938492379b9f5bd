"""PgBouncer's settings: which there are, of what kind, since when, with which default; and how it reads their text.

Names, kinds and defaults stand in PgBouncer's main.c and loader.c, 1.16 to 1.25.2 and what then led to 1.26; the verdicts
were compared with PgBouncer 1.18.  A ValueError says, as a clause, why the program refuses the
text; 0 and -1 stay what they are, their meaning being the caller's business.  Nothing here
knows ranges: PgBouncer has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from .patterns import lazy
from .tuples import NamedTuple
from .units import Seconds

Version = tuple[int, ...]
"""(1, 18) or (1, 24, 1), compared as tuples: (1, 24) stands for 1.24.0."""

_SPACE = " \t\n\v\f\r"
_INTEGER = lazy(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
_LEADING = lazy(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)")
_DECIMAL = lazy(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = lazy(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?")
_NOT_FINITE = lazy(r"([+-]?)(?:inf(?:inity)?|nan(?:\([0-9a-z_]*\))?)", re.IGNORECASE)
_LONG_MAX = (1 << 63) - 1
_SMALLEST = 2.2250738585072014e-308  # below it, C reports a range error
_UNITS = frozenset(
    ("s", "sec", "secs", "second", "seconds", "ms", "us", "m", "min", "mins", "minute", "minutes", "h", "hour", "hours", "d")
)


class Setting(NamedTuple):
    """One key.

    ``kind`` is count (a C integer), seconds (fractions allowed), flag, text, list or enum (one of
    ``choices``; ``newer_choices`` says since when for those that came later).  ``default`` is
    the newest text PgBouncer itself starts from, None where it has none: such a setting also keeps
    its value when a second ``[pgbouncer]`` section resets the others.  ``earlier`` holds (version,
    default) pairs: below that version, that default.  ``since`` is the first version that knows the
    key, None for 1.16 and before.  ``unit`` is what a count counts: s, ms, bytes or "".
    A setting that is not ``reloadable`` needs a restart.
    """

    name: str
    kind: str
    default: str | None = None
    since: Version | None = None
    earlier: tuple[tuple[Version, str | None], ...] = ()
    choices: tuple[str, ...] = ()
    newer_choices: tuple[tuple[str, Version], ...] = ()
    unit: str = ""
    reloadable: bool = True

    def known_in(self, version: Version) -> bool:
        """Whether that version knows the key; an unknown key keeps PgBouncer from starting."""
        return self.since is None or version >= self.since

    def default_in(self, version: Version) -> str | None:
        """The default of that version."""
        for below, default in self.earlier:
            if version < below:
                return default
        return self.default


POOL_MODES = ("session", "transaction", "statement")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
AUTH_TYPES = ("any", "trust", "plain", "md5", "cert", "hba", "ldap", "pam", "scram-sha-256")
"""pam and ldap are there only when PgBouncer was built with them."""
_AUTH_QUERY_1_24 = "SELECT usename, passwd FROM pg_shadow WHERE usename=$1"
_AUTH_QUERY = (
    "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND rolcanlogin"
)


def _table(settings: Iterable[Setting]) -> dict[str, Setting]:
    return {setting.name: setting for setting in settings}


def _tls(side: str, mode: str, earlier: tuple[tuple[Version, str | None], ...]) -> list[Setting]:
    return [
        Setting(f"{side}_tls_sslmode", "enum", mode, earlier=earlier, choices=SSL_MODES),
        Setting(f"{side}_tls_protocols", "text", "secure"),
        Setting(f"{side}_tls_ca_file", "text", ""),
        Setting(f"{side}_tls_cert_file", "text", ""),
        Setting(f"{side}_tls_key_file", "text", ""),
        Setting(f"{side}_tls_ciphers", "text", "default", earlier=(((1, 21), "fast"),)),
        Setting(f"{side}_tls13_ciphers", "text", None, (1, 25)),
    ]


SETTINGS: Mapping[str, Setting] = _table(
    [
        # pools
        Setting("pool_mode", "enum", "session", choices=POOL_MODES),
        Setting("default_pool_size", "count", "20"),
        Setting("min_pool_size", "count", "0"),
        Setting("reserve_pool_size", "count", "0"),
        Setting("reserve_pool_timeout", "seconds", "5"),
        Setting("max_client_conn", "count", "100"),
        Setting("max_db_connections", "count", "0"),
        Setting("max_db_client_connections", "count", "0", (1, 24)),
        Setting("max_user_connections", "count", "0"),
        Setting("max_user_client_connections", "count", "0", (1, 24)),
        Setting("server_round_robin", "flag", "0"),
        Setting("autodb_idle_timeout", "seconds", "3600"),
        Setting("pool_idle_timeout", "seconds", "0", (1, 26)),
        # life of a server connection
        Setting("server_lifetime", "seconds", "3600"),
        Setting("server_idle_timeout", "seconds", "600"),
        Setting("server_connect_timeout", "seconds", "15"),
        Setting("server_login_retry", "seconds", "15"),
        Setting("server_reset_query", "text", "DISCARD ALL"),
        Setting("server_reset_query_always", "flag", "0"),
        Setting("server_check_query", "text", "<empty>", earlier=(((1, 25), "select 1"),)),
        Setting("server_check_delay", "seconds", "30"),
        Setting("server_fast_close", "flag", "0"),
        # waits
        Setting("query_wait_timeout", "seconds", "120"),
        Setting("query_wait_notify", "count", "5", (1, 25), unit="s"),
        Setting("query_timeout", "seconds", "0"),
        Setting("client_idle_timeout", "seconds", "0"),
        Setting("client_login_timeout", "seconds", "60"),
        Setting("idle_transaction_timeout", "seconds", "0"),
        Setting("transaction_timeout", "seconds", "0", (1, 25)),
        Setting("cancel_wait_timeout", "seconds", "10", (1, 19)),
        Setting("suspend_timeout", "seconds", "10"),
        # protocol
        Setting("ignore_startup_parameters", "list", ""),
        Setting("track_extra_parameters", "list", "IntervalStyle", (1, 20), reloadable=False),
        Setting("max_prepared_statements", "count", "200", (1, 21), earlier=(((1, 24), "0"),)),
        Setting("disable_pqexec", "flag", "0", reloadable=False),
        Setting("application_name_add_host", "flag", "0"),
        Setting("pkt_buf", "count", "4096", unit="bytes", reloadable=False),
        Setting("max_packet_size", "count", "2147483647", unit="bytes"),
        Setting("sbuf_loopcnt", "count", "5"),
        # authentication
        Setting("auth_type", "enum", "md5", choices=AUTH_TYPES, newer_choices=(("ldap", (1, 25)),)),
        Setting("auth_file", "text"),
        Setting("auth_hba_file", "text", ""),
        Setting("auth_ident_file", "text", None, (1, 23)),
        Setting("auth_ldap_options", "text", None, (1, 25)),
        Setting("auth_user", "text"),
        Setting("auth_query", "text", _AUTH_QUERY, earlier=(((1, 24, 1), _AUTH_QUERY_1_24),)),
        Setting("auth_dbname", "text", None, (1, 19)),
        Setting("scram_iterations", "count", "4096", (1, 25)),
        Setting("admin_users", "list", ""),
        Setting("stats_users", "list", ""),
        # TLS
        *_tls("client", "disable", ()),
        Setting("client_tls_dheparams", "text", "auto"),
        Setting("client_tls_ecdhcurve", "text", "auto"),
        *_tls("server", "prefer", (((1, 20), "disable"),)),
        # network
        Setting("listen_addr", "list", "", reloadable=False),
        Setting("listen_port", "count", "6432", reloadable=False),
        Setting("listen_backlog", "count", "128", reloadable=False),
        Setting("unix_socket_dir", "text", "/tmp", reloadable=False),
        Setting("unix_socket_mode", "count", "0777", reloadable=False),
        Setting("unix_socket_group", "text", "", reloadable=False),
        Setting("so_reuseport", "flag", "0", reloadable=False),
        Setting("peer_id", "count", "0", (1, 19)),
        Setting("tcp_defer_accept", "count", "1", earlier=(((1, 17), None),), unit="s"),
        Setting("tcp_keepalive", "flag", "1"),
        Setting("tcp_keepcnt", "count", "0"),
        Setting("tcp_keepidle", "count", "0", unit="s"),
        Setting("tcp_keepintvl", "count", "0", unit="s"),
        Setting("tcp_socket_buffer", "count", "0", unit="bytes"),
        Setting("tcp_user_timeout", "count", "0", unit="ms"),
        Setting("dns_max_ttl", "seconds", "15"),
        Setting("dns_nxdomain_ttl", "seconds", "15"),
        Setting("dns_zone_check_period", "seconds", "0"),
        Setting("resolv_conf", "text", "", reloadable=False),
        # the process and its log
        Setting("conffile", "text"),
        Setting("job_name", "text", "pgbouncer", reloadable=False),
        Setting("login_notify_message", "text", "", (1, 26)),
        Setting("logfile", "text", ""),
        Setting("log_connections", "flag", "1"),
        Setting("log_disconnections", "flag", "1"),
        Setting("log_pooler_errors", "flag", "1"),
        Setting("log_stats", "flag", "1"),
        Setting("pidfile", "text", "", reloadable=False),
        Setting("stats_period", "count", "60", unit="s"),
        Setting("syslog", "flag", "0"),
        Setting("syslog_facility", "text", "daemon"),
        Setting("syslog_ident", "text", "pgbouncer"),
        Setting("user", "text", reloadable=False),
        Setting("verbose", "count"),
    ]
)
"""Every key of ``[pgbouncer]``."""

DATABASE_SETTINGS: Mapping[str, Setting] = _table(
    [
        Setting("host", "list"),
        Setting("port", "count", "5432"),
        Setting("dbname", "text"),
        Setting("user", "text"),
        Setting("password", "text"),
        Setting("auth_user", "text"),
        Setting("auth_dbname", "text", None, (1, 19)),
        Setting("auth_query", "text", None, (1, 22)),
        Setting("connect_query", "text"),
        Setting("pool_mode", "enum", choices=POOL_MODES),
        Setting("pool_size", "count"),
        Setting("min_pool_size", "count"),
        Setting("reserve_pool", "count"),
        Setting("reserve_pool_size", "count", None, (1, 24)),
        Setting("max_db_connections", "count"),
        Setting("max_db_client_connections", "count", None, (1, 24)),
        Setting("server_lifetime", "count", None, (1, 23), unit="s"),
        Setting("query_wait_timeout", "count", None, (1, 26), unit="s"),
        Setting("load_balance_hosts", "enum", "round-robin", (1, 24), choices=("disable", "round-robin")),
        Setting("client_encoding", "text"),
        Setting("datestyle", "text"),
        Setting("timezone", "text"),
        Setting("application_name", "text"),
    ]
)
"""Every key of a ``[databases]`` connect string; no default: that of ``[pgbouncer]`` holds (``dbname``: the name of the entry)."""

USER_SETTINGS: Mapping[str, Setting] = _table(
    [
        Setting("pool_mode", "enum", choices=POOL_MODES),
        Setting("pool_size", "count", None, (1, 23)),
        Setting("reserve_pool_size", "count", None, (1, 24)),
        Setting("max_user_connections", "count"),
        Setting("max_user_client_connections", "count", None, (1, 24)),
        Setting("query_timeout", "count", None, (1, 24), unit="s"),
        Setting("idle_transaction_timeout", "count", None, (1, 24), unit="s"),
        Setting("client_idle_timeout", "count", None, (1, 24), unit="s"),
        Setting("transaction_timeout", "count", None, (1, 25), unit="s"),
        Setting("query_wait_timeout", "count", None, (1, 26), unit="s"),
    ]
)
"""Every key of a ``[users]`` line."""

PEER_SETTINGS: Mapping[str, Setting] = _table(
    [Setting("host", "text", None, (1, 19)), Setting("port", "count", "6432", (1, 19)), Setting("pool_size", "count", None, (1, 19))]
)
"""Every key of a ``[peers]`` line."""

SECTIONS: Mapping[str, Mapping[str, Setting]] = {
    "pgbouncer": SETTINGS,
    "databases": DATABASE_SETTINGS,
    "users": USER_SETTINGS,
    "peers": PEER_SETTINGS,
}
"""The keys of every section PgBouncer knows (``[peers]`` from 1.19)."""


def read(setting: Setting, text: str, version: Version | None = None) -> int | Seconds | bool | str | tuple[str, ...]:
    """What PgBouncer makes of ``text`` for a setting of ``[pgbouncer]``; with a ``version``, by what that one knows."""
    match setting.kind:
        case "count":
            return read_count(text, unsigned=setting.name == "max_packet_size")
        case "seconds":
            return read_seconds(text)
        case "flag":
            return read_flag(text)
        case "list":
            return read_list(text, blanks=setting.name not in ("listen_addr", "track_extra_parameters"))
        case "enum":
            return _choice(setting, text, version)
    if setting.name == "auth_dbname" and text == "pgbouncer" and (version is None or version >= (1, 20)):
        raise ValueError("PgBouncer reserves the database name pgbouncer for its console")
    return text


def read_pair(setting: Setting, text: str, version: Version | None = None) -> int | str | tuple[str, ...]:
    """What PgBouncer makes of ``text`` in a connect string, where numbers are read without a check: ``10s`` is 10 and ``x`` is 0."""
    if setting.kind == "enum":
        return _choice(setting, text, version)
    if setting.kind == "list":
        return read_list(text)
    if setting.kind != "count":
        return text
    number = read_leading(text)
    if setting.name == "port" and not number:
        raise ValueError(f"PgBouncer refuses port {_shown(text)}")
    return number


def read_count(text: str, *, unsigned: bool = False) -> int:
    """A C integer: ``020`` is 16, ``0x10`` too; -1 is accepted everywhere; beyond 32 bits only the low ones stay."""
    body = text.lstrip(_SPACE)
    found = _INTEGER.fullmatch(body)
    if not found:
        raise ValueError(_refusal(text, "a whole number"))
    sign, hexadecimal, octal, decimal = found.groups()
    negative = sign == "-"
    if hexadecimal is not None:
        number = int(hexadecimal, 16)
    elif octal is not None:
        number = int(octal, 8)
    else:
        number = int(decimal) if len(decimal) < 30 else _LONG_MAX + 1
    if unsigned:
        number = (1 << 64) - 1 if number >= 1 << 64 else -number if negative else number
        return number & 0xFFFFFFFF
    return _int(min(number, _LONG_MAX + negative) * (-1 if negative else 1))


def read_leading(text: str) -> int:
    """C's atoi, as connect strings use it: the whole number the text starts with, 0 when it starts with none."""
    found = _LEADING.match(text)
    if not found:
        return 0
    negative = found[1] == "-"
    digits = found[2].lstrip("0")
    number = int(digits or "0") if len(digits) < 30 else _LONG_MAX + 1
    return _int(min(number, _LONG_MAX + negative) * (-1 if negative else 1))


def read_seconds(text: str) -> Seconds:
    """Plain seconds, fractions allowed, kept to the microsecond; units are refused."""
    body = text.lstrip(_SPACE)
    number: float | None = None
    if _HEXADECIMAL.fullmatch(body):
        try:
            number = float.fromhex(body)
        except OverflowError:
            number = None
    elif _DECIMAL.fullmatch(body):
        number = float(body)
        if math.isinf(number) or (abs(number) < _SMALLEST and any(digit in "123456789" for digit in body.lower().partition("e")[0])):
            number = None  # out of the range of a C double
    elif found := _NOT_FINITE.fullmatch(body):
        number = -1.0 if found[1] == "-" and "i" in body.lower() else math.inf
    if number is None:
        raise ValueError(_refusal(text, "plain seconds"))
    if number < 0:
        raise ValueError(f"PgBouncer refuses {_shown(text)}: a time is not negative")
    if number * 1e6 >= 1 << 64:
        raise Unclear(f"PgBouncer takes {_shown(text)}, but what it then waits depends on the processor (0 on x86-64)")
    return Seconds(int(number * 1e6) / 1e6)


class Unclear(ValueError):
    """PgBouncer accepts the text, but what comes of it is undefined."""


def read_flag(text: str) -> bool:
    """1 or 0 (any other whole number is taken for 1); words such as ``true`` are refused."""
    try:
        return read_count(text) != 0
    except ValueError:
        word = text.lower()
        hint = ": write 1" if word in ("true", "on", "yes") else ": write 0" if word in ("false", "off", "no") else ""
        raise ValueError(f"PgBouncer takes 1 or 0 here, not {_shown(text)}{hint}") from None


def read_list(text: str, *, blanks: bool = False) -> tuple[str, ...]:
    """The names of a list, split at commas; with ``blanks`` at those too, as for users and startup parameters."""
    if blanks:
        return tuple(text.replace(",", " ").split())
    return tuple(word for part in text.split(",") if (word := part.strip(_SPACE)))


def read_enum(text: str, choices: tuple[str, ...]) -> str:
    """The one of ``choices`` that ``text`` names; case does not matter."""
    word = text.lower() if text.isascii() else text
    if word in choices:
        return word
    raise ValueError(f"PgBouncer takes {', '.join(choices)} here, not {_shown(text)}")


def _choice(setting: Setting, text: str, version: Version | None) -> str:
    missing = [name for name, since in setting.newer_choices if version is not None and version < since]
    return read_enum(text, tuple(choice for choice in setting.choices if choice not in missing))


def _int(number: int) -> int:
    """What C keeps of a long in an int."""
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number


def _refusal(text: str, wanted: str) -> str:
    """Why a number is refused; the usual mistakes get their own words."""
    body = text.strip(_SPACE)
    message = f"PgBouncer takes {wanted} here, not {_shown(text)}"
    if not body:
        return f"PgBouncer takes {wanted} here, not an empty value"
    if len(body) > 1 and body[0] == body[-1] and body[0] in "\"'":
        return f"{message}: without quotes"
    number = body.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if body[len(number) :].lower() in _UNITS and number.rstrip().replace(".", "", 1).isdigit():
        return f"{message}: it knows no units"
    if any(mark in body for mark in (" ;", " #", "\t;", "\t#")):
        return f"{message}: a comment needs its own line"
    return message


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
