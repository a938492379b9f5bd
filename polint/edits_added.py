"""Settings that are not there yet: rendered from small templates, in the idiom and at the indentation of their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import rendering
from .diagnostic import Edit
from .formats import format_in
from .patterns import lazy
from .source import Span
from .spelling import FPM, FPM_WORDS, GO, PGBOUNCER, POSTGRES, POSTGRES_WORD, SIMPLE, Idiom, spelled

# images whose entrypoint hands the arguments of its command to the server
_POSTGRES_IMAGES = ("postgres", "postgis/postgis", "pgvector/pgvector", "timescale/timescaledb")
_COMPOSE = GO._replace(fresh="s")
_URL = lazy(r"""(["']?)(?:postgres|postgresql|pgsql)://[^\s"'<>`#]+\1""")


def inserted(span: Span, key: str, value: object, folders: Sequence[str] = ()) -> Edit | None:
    """The edit that adds the setting ``key`` with ``value`` to the thing that stands at ``span``.

    That is the constructor of a pool's builder, anything in a php-fpm section, in pgbouncer.ini or postgresql.conf, the name of a
    Laravel connection or ``new PDO(..)``, a URL, a statement of SQL, the name of a compose service (a setting of PostgreSQL goes
    into the command of the service that runs it), the name of an alert (``key`` are words that name further ones, ``value`` the
    share that is too much).  None where it has the setting, or where its place or its spelling is not certain.  ``value`` is one
    of the model's; for a key of a service also a list of words or a mapping.  ``folders`` may hold ``fix/NAME.j2`` that win over
    polint's own templates; BadTemplate when one fails.
    """
    if _URL.fullmatch(span.text):
        return _into_url(span, key, value)
    match format_in(span.source):
        case "rust":
            return _into_rust(span, key, value, folders)
        case "php":
            return _into_php(span, key, value, folders)
        case "compose":
            return _into_compose(span, key, value, folders)
        case "sql":
            return _into_sql(span, key, value, folders)
        case "postgresql.conf" | "php-fpm" | "pgbouncer" as name:
            return _into_lines(span, name, key, value, folders)
        case "prometheus" | None:
            return _into_rules(span, key, value, folders)
    return None


def rendered(name: str, folders: Sequence[str], /, **values: object) -> str:
    """The text of a template of fixes, without a line end; raises BadTemplate."""
    return rendering.rendered(f"fix/{name}.j2", folders, values).rstrip("\n")


def _put(span: Span, at: int, before: str, text: str, indent: str, after: str) -> Edit:
    """``text`` at ``at``, its further lines indented."""
    lines = text.replace("\n", f"\n{indent}")
    return Edit(Span(span.source, at, at), f"{before}{lines}{after}")


def _into_rust(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from .formats import rust_edit

    place = rust_edit.place(span, key)
    if place is None:
        return _into_call(span, key, value, folders)
    written = rust_edit.value(span.source, key, value, place.owner)
    if written is None:
        return None
    return _put(span, place.at, place.before, rendered("rust-pool", folders, key=key, value=written), "", place.after)


def _into_call(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    """A pool that is built in one call gets a builder."""
    from .formats import rust_edit, rust_edit_direct

    direct = rust_edit_direct.builder(span, key)
    written = rust_edit.value(span.source, key, value, direct.owner) if direct is not None else None
    if direct is None or written is None:
        return None
    return Edit(direct.span, f"{direct.before}{rendered('rust-pool', folders, key=key, value=written)}{direct.after}")


def _into_php(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from .formats import php_edit

    name = php_edit.spelled_key(span.source, key)
    place, written = php_edit.place(span, name), php_edit.value(value)
    if place is None or written is None or (place.bare and "\n" not in place.before + place.after):
        return None
    text = rendered("laravel-options" if place.bare else "laravel-option", folders, key=name, value=written)
    edit = _put(span, place.at, place.before, text, place.indent, place.after)
    return Edit(Span(span.source, place.at, max(place.at, place.until)), edit.replacement)


def _into_compose(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from .formats import compose_edit

    if not compose_edit.is_service_key(key):
        if key.isupper():
            return _into_environment(span, key, value, folders)
        return _into_command(span, key, value, folders)
    place = compose_edit.place(span, key)
    written = _compose(value)
    if place is None or written is None:
        return None
    if key == "healthcheck" and isinstance(value, str):
        text = rendered("compose-healthcheck", folders, value=_in_quotes(value), step=place.step)
    else:
        name = "compose-mapping" if isinstance(written, Mapping) else "compose-service"
        text = rendered(name, folders, key=key, value=written, step=place.step)
    if place.flow and "\n" in text:
        return None
    return _put(span, place.at, place.before, text, place.indent, place.after)


def _into_environment(span: Span, name: str, value: object, folders: Sequence[str]) -> Edit | None:
    """A variable of a service, written as the others that it has."""
    from .formats import compose_edit

    written = value if isinstance(value, str) else _number(value, PGBOUNCER, ("1", "0"))
    if written is None or not SIMPLE.fullmatch(written):
        return None
    found = compose_edit.variable_place(span, name)
    if found is None:
        return _into_compose(span, "environment", {name: value}, folders)
    place, (before, between, behind) = found
    text = rendered("compose-variable", folders, name=name, value=written, before=before, between=between, behind=behind)
    return _put(span, place.at, place.before, text, place.indent, place.after)


def _into_command(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    """A setting of PostgreSQL as ``-c name=value`` of the service that runs it."""
    from . import catalogue
    from .formats import compose_edit

    place, written = compose_edit.place(span, ""), _postgres(value)
    if place is None or written is None or written.startswith("'") or catalogue.setting(key, None) is None:
        return None
    image = compose_edit.image(place.node).removeprefix("docker.io/").removeprefix("library/").partition("@")[0].partition(":")[0]
    if image not in _POSTGRES_IMAGES:
        return None
    command = place.node.get("command")
    if command is not None:
        known = f"{key}=" not in command.span.text and compose_edit.starts_postgres(command)
        return compose_edit.with_argument(place.node, command, f"{key}={written}") if known else None
    return _put(span, place.at, place.before, rendered("compose-command", folders, key=key, value=written), place.indent, place.after)


def _into_sql(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    """``ALTER ROLE app SET name`` behind the statement that makes the role."""
    from .formats import sql_edit_role

    place, written = sql_edit_role.place(span), _postgres(value)
    if place is None or written is None:
        return None
    if place.lower:
        key = key.replace("ALTER ROLE ", "alter role ").replace(" SET ", " set ")
    text = rendered("sql", folders, key=key, value=written if written.isdigit() or written[0] == "'" else f"'{written}'")
    return _put(span, place.at, place.before, text, "", place.after)


def _into_lines(span: Span, format_name: str, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from . import edits_lines

    write = {"postgresql.conf": _postgres, "php-fpm": _fpm, "pgbouncer": _pgbouncer}[format_name]
    place, written = edits_lines.place(span, format_name, key), write(value)
    if place is None or written is None:
        return None
    text = rendered(format_name, folders, key=key, value=written, equals=place.equals)
    return _put(span, place.at, place.before, text, place.indent, place.after)


def _into_url(span: Span, key: str, value: object) -> Edit | None:
    """A further parameter of a connection's URL."""
    text = span.text
    if not isinstance(value, str) or not SIMPLE.fullmatch(value) or f"{key}=" in text.partition("?")[2]:
        return None
    at = span.end - (text[0] in "\"'")
    joint = "?" if "?" not in text else "" if span.source.text[at - 1] in "?&" else "&"
    return Edit(Span(span.source, at, at), f"{joint}{key}={value}")


def _into_rules(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    """The alerts that ``key`` names, behind the rules beside the one at ``span``."""
    from .formats import prometheus_edit

    place = prometheus_edit.place(span)
    if place is None:
        return None
    texts = []
    for name in key.split():
        text = rendered(f"alert-{name}", folders, value=value, **place.style)
        texts.append(place.dash + text.replace("\n", f"\n{place.indent}"))
    return Edit(Span(span.source, place.at, place.at), f"{place.before}{place.between.join(texts)}{place.after}")


# --- values in their idiom -----------------------------------------------------------------


def _number(value: object, idiom: Idiom, truths: tuple[str, str]) -> str | None:
    if isinstance(value, bool):
        return truths[not value]
    return spelled(value, idiom) if isinstance(value, (int, float)) else None


def _postgres(value: object) -> str | None:
    if not isinstance(value, str):
        return _number(value, POSTGRES, ("on", "off"))
    if not value.isprintable() or "\\" in value:
        return None
    return value if POSTGRES_WORD.fullmatch(value) else "'" + value.replace("'", "''") + "'"


def _fpm(value: object) -> str | None:
    if not isinstance(value, str):
        return _number(value, FPM, ("yes", "no"))
    if not value.isprintable() or set(value) & set('"\\$'):
        return None
    return value if SIMPLE.fullmatch(value) and value.lower() not in FPM_WORDS else f'"{value}"'


def _pgbouncer(value: object) -> str | None:
    if not isinstance(value, str):
        return _number(value, PGBOUNCER, ("1", "0"))
    return value if value.isprintable() and value == value.strip() != "" else None


def _compose(value: object) -> object | None:
    """A value as a service's key takes it: text, or a mapping of texts; lists in flow style."""
    if isinstance(value, Mapping):
        inner = {str(key): _compose(one) for key, one in value.items()}
        return inner if inner and all(isinstance(one, str) for one in inner.values()) else None
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_in_quotes(str(one)) for one in value)}]"
    if not isinstance(value, str):
        return _number(value, _COMPOSE, ("true", "false"))
    from .yamltext import plain

    if not value.isprintable():
        return None
    return value if SIMPLE.fullmatch(value) and value[-1] != ":" and plain(value) == value else _in_quotes(value)


def _in_quotes(text: str) -> str:
    from json import dumps

    return dumps(text.replace("$", "$$"), ensure_ascii=False)
