"""Settings that are not there yet: rendered from small templates, in the idiom and at the indentation of their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps

from .diagnostic import Edit
from .formats import format_of
from .source import Span
from .spelling import FPM, FPM_WORDS, GO, PGBOUNCER, POSTGRES, POSTGRES_WORD, SIMPLE, Idiom, spelled

# images whose entrypoint hands the arguments of its command to the server
_POSTGRES_IMAGES = ("postgres", "postgis/postgis", "pgvector/pgvector", "timescale/timescaledb")
_COMPOSE = GO._replace(fresh="s")


def inserted(span: Span, key: str, value: object, folders: Sequence[str] = ()) -> Edit | None:
    """The edit that adds the setting ``key`` with ``value`` to the thing that stands at ``span``.

    That is the constructor of a pool's builder, anything in a php-fpm section, in pgbouncer.ini or postgresql.conf, the name of a
    Laravel connection or ``new PDO(..)``, the name of a compose service (a setting of PostgreSQL goes into the command of the
    service that runs it).  None where it has the setting, or where its place or its spelling is not certain.  ``value`` is one of
    the model's; for a key of a service also a list of words or a mapping.  ``folders`` may hold ``fix/NAME.j2`` that win over
    polint's own templates; ValueError when such a template fails.
    """
    match format_of(span.path):
        case "rust":
            return _into_rust(span, key, value, folders)
        case "php":
            return _into_php(span, key, value, folders)
        case "compose":
            return _into_compose(span, key, value, folders)
        case "postgresql.conf" | "php-fpm" | "pgbouncer" as name:
            return _into_lines(span, name, key, value, folders)
    return None


def rendered(name: str, folders: Sequence[str], /, **values: object) -> str:
    """The text of a template, without a line end."""
    from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # a team's templates may come with a stranger's change

    from .rule import data_dir

    loader = FileSystemLoader([*folders, str(data_dir("templates"))])
    environment = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined)
    try:
        return environment.get_template(f"fix/{name}.j2").render(values).rstrip("\n")
    except TemplateError as error:
        raise ValueError(f"fix/{name}.j2: {error}") from error


def _put(span: Span, at: int, before: str, text: str, indent: str, after: str) -> Edit:
    """``text`` at ``at``, its further lines indented."""
    lines = text.replace("\n", f"\n{indent}")
    return Edit(Span(span.source, at, at), f"{before}{lines}{after}")


def _into_rust(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from .formats import rust_edit

    place = rust_edit.place(span, key)
    written = rust_edit.value(span.source, key, value, place.owner) if place is not None else None
    if place is None or written is None:
        return None
    return _put(span, place.at, place.before, rendered("rust-pool", folders, key=key, value=written), "", place.after)


def _into_php(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from .formats import php_edit

    name = php_edit.spelled_key(span.source, key)
    place, written = php_edit.place(span, name), php_edit.value(value)
    if place is None or written is None or (place.bare and "\n" not in place.before + place.after):
        return None
    text = rendered("laravel-options" if place.bare else "laravel-option", folders, key=name, value=written)
    return _put(span, place.at, place.before, text, place.indent, place.after)


def _into_compose(span: Span, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from .formats import compose_edit

    if not compose_edit.is_service_key(key):
        return _into_command(span, key, value, folders)
    place = compose_edit.place(span, key)
    written = _compose(value)
    if place is None or written is None:
        return None
    if key == "healthcheck" and isinstance(value, str):
        text = rendered("compose-healthcheck", folders, value=_in_quotes(value))
    else:
        text = rendered("compose-service", folders, key=key, value=written)
    if place.flow and "\n" in text:
        return None
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


def _into_lines(span: Span, format_name: str, key: str, value: object, folders: Sequence[str]) -> Edit | None:
    from . import edits_lines

    write = {"postgresql.conf": _postgres, "php-fpm": _fpm, "pgbouncer": _pgbouncer}[format_name]
    place, written = edits_lines.place(span, format_name, key), write(value)
    if place is None or written is None:
        return None
    text = rendered(format_name, folders, key=key, value=written, equals=place.equals)
    return _put(span, place.at, place.before, text, place.indent, place.after)


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
    return dumps(text.replace("$", "$$"), ensure_ascii=False)
