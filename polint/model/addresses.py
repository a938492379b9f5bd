"""What a connection URL or string says besides its host, where its parts stand, and what a host or a password looks like."""

from __future__ import annotations

from typing import Any

from ..fact import Fact, unknown
from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple
from .resolve import UNKNOWN
from .targets import hosts_of

_SCHEME = lazy(r"\s*(?:jdbc:|r2dbc:)?(postgres|postgresql|pgsql|postgis|psql|ecto|postgresql\+\w+|postgres\+\w+)://([^\s\"'<>`]*)\s*")
_NOT_OURS = lazy(r"(^|\.)(local|localhost|internal|intranet|lan|home|corp|svc|test|example|invalid|docker|arpa|example\.(com|org|net))$")
_BLANK = lazy(r"example|your|placeholder|changeme|change-me|<|\{|\$|%|xxx|todo|host\.|server\.name|domain\.")
_NAME = lazy(r"(?=.*[A-Za-z])([A-Za-z0-9_]([A-Za-z0-9_\-]*[A-Za-z0-9_])?\.)+[A-Za-z][A-Za-z0-9\-]*[A-Za-z0-9]\.?")
_NUMBERS = lazy(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})")

# Words of passwords that nobody means to keep: what remains without them decides.
_WORDS = (
    "password passwort passwd passphrase pass pwd mot de passe senha secret secure security insecure change changeit changeme change_me "
    "replace placeholder example sample dummy default local localhost develop development dev test testing tester staging prod "
    "production demo docker compose container postgresql postgres postgis timescale pgsql psql pg database data base db sql admin "
    "administrator root user username login app application api web backend server service client worker laravel symfony rust sqlx php "
    "django rails node my your the this is not very super strong safe unsafe long random some here please must in for at to be a i me "
    "it now use set todo fixme insert enter value token key string none null empty blank temp tmp foo bar baz qux hello world welcome "
    "letmein benchmark bench abc abcd abcdef qwerty qwertz asdf monkey dragon master only with and or of on"
).split()
_LEET = str.maketrans("013457@$!", "oieastasi")
_MOST = 200  # characters looked at
_SHORT, _LONG = 7, 16  # shorter ones are nobody's real password; a longer one may do with one kind of characters
_LEAST = 4  # letters beyond such words that make a password look like a real one


class Url(NamedTuple):
    """A connection URL taken apart, as written: nothing is decoded.  ``params`` are those of its query, by name."""

    host: str
    user: str
    password: str
    database: str
    params: dict[str, str]


def take_apart(text: str) -> Url | None:
    """The parts of a PostgreSQL URL, each of which may hold UNKNOWN.

    None for anything else, and where an unescaped sign makes its parts uncertain.
    """
    found = _SCHEME.fullmatch(text)
    if found is None:
        return None
    head, _, query = found.group(2).partition("?")
    userinfo, _, tail = head.rpartition("@")
    if "@" in query or "#" in head:
        return None
    user, _, password = userinfo.partition(":")
    params: dict[str, str] = {}
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals:
            params[name] = value
    hosts = hosts_of(text)
    database = tail.partition("/")[2]
    return Url(
        hosts[0] if len(hosts) == 1 else "", user or params.get("user", ""), password or params.get("password", ""), database, params
    )


def decoded(text: str) -> str:
    """Text of a URL without its percent signs."""
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


def part(name: str, whole: Fact[Any], text: str, *more: Span) -> Fact[str]:
    """The fact that a part of ``whole`` states: at its own place where that can be told, ``more`` are further places to look at."""
    if not whole.is_known:
        return unknown(name, whole.reason, whole.span, whole.via)
    if UNKNOWN in text:
        return unknown(name, "a part of it is a variable that is not set")
    value = decoded(text)
    for leaf in whole.leaves():
        if leaf.span is not None and leaf.origin == "written" and (span := _within(leaf.span, name, text)) is not None:
            return Fact(name, "written", value, span, via=leaf.via)
    for place in more:
        if (span := _within(place, name, text)) is not None:
            return Fact(name, "written", value, span)
    return Fact(name, "derived", value)  # without its sources: the password may be one


# what stands around a part of a URL
_AROUND = {
    "user": (("//", ":"), ("//", "@")),
    "password": ((":", "@"),),
    "host": (("@", ""), ("//", "")),
}


def _within(span: Span, name: str, text: str) -> Span | None:
    """Where the part ``name`` of the text at ``span`` says ``text``."""
    written = span.text
    if not text:
        return None
    for lead, tail in (*_AROUND.get(name, ()), (f"{name}=", ""), ("=", ""), ("", "")):
        at = written.find(lead + text + tail)
        if at >= 0 and (lead or written.find(text, at + 1) < 0):
            start = span.start + at + len(lead)
            return Span(span.source, start, start + len(text))
    return None


def is_public(host: str) -> bool:
    """Whether a host name or address is for certain one of a network that others share: a full domain name or a public address.

    Names without a dot are those of containers; private addresses, domains of local
    networks and names that stand for one still to be filled in are not certain.
    """
    numbers = _NUMBERS.fullmatch(host)
    if numbers is not None:
        a, b, c, d = (int(number) for number in numbers.groups())
        if max(a, b, c, d) > 255:
            return False
        private = a in (0, 10, 127) or a >= 224 or (a, b) in ((192, 168), (169, 254), (198, 18), (198, 19))
        documented = (a, b, c) in ((192, 0, 2), (198, 51, 100), (203, 0, 113))
        return not (private or documented or (a == 172 and 16 <= b <= 31) or (a == 100 and 64 <= b <= 127))
    name = host.lower().rstrip(".")
    return len(name) < 254 and bool(_NAME.fullmatch(name)) and not _NOT_OURS.search(name) and not _BLANK.search(name)


def is_placeholder(password: str, names: tuple[str, ...] = ()) -> bool:
    """Whether a password is one that nobody means to keep: a common word, one of ``names``, or made of such."""
    text = password[:_MOST].lower()
    if any(sign in text for sign in ("<", ">", "{", "}", "***", "xxx", "...", "$(", "\0")):
        return True
    kinds = sum(map(any, ((c.islower() for c in password), (c.isupper() for c in password), (c.isdigit() for c in password))))
    if len(password) < _SHORT or (kinds < 2 and len(password) < _LONG):
        return True  # one plain word
    known = sorted({*_WORDS, *(part for name in names for part in (name.lower(), *_split(name.lower())) if part)}, key=len, reverse=True)
    return min(_rest(text, known), _rest(text.translate(_LEET), known)) < _LEAST


def _split(name: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in name).split()


def _rest(text: str, known: list[str]) -> int:
    """How many letters stay when every known word is taken out; repeated ones count once."""
    for word in known:
        if len(word) > 2 or text == word:
            text = text.replace(word, " ")
    words = [word for word in _split(text) if word not in known]
    return sum(len({char for char in word if char.isalpha()}) for word in words)
