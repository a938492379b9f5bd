"""From the statements of a SQL file that matter to records."""

from __future__ import annotations

import json
from bisect import bisect_left
from typing import Any

from ..diagnostic import Edit, Fix
from ..patterns import lazy
from ..source import Source, Span
from ..value import Literal, Opaque, Value
from . import Fault
from .sql_calls import Calls
from .sql_records import ConnectionLimit, Records, RoleAttributes, SettingChange, SqlFile, Statement
from .sql_scan import Hole, Piece, inner, pieces
from .sql_tree import Tree, constant, is_made, named

_LONGEST = 64_000  # characters of a statement that pglast gets
_DEEPEST = 400  # parentheses

_CALLS = (  # set_config first: a dump's are left out
    "set_config",
    "pg_stat_activity",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "advisory_lock",
    "advisory_xact_lock",
    "advisory_unlock",
)
_VERB = lazy(r"[a-z]+")
_FOREIGN = lazy(
    r"^go\s*$|\bengine\s*=|varchar2|\bv\$|scope\s*=|\bspfile\b|identified\s+by|resource\s+queue|\bauto_increment\b", 8
)  # MULTILINE
_UNLIKE = lazy(r"[`{}%@?#\[\]<$\\]|&&|\bunlimited\b")  # in a refused statement: not (only) PostgreSQL's
_FORMAT = lazy(r"execute\s+(?:pg_catalog\.)?(?:format\s*\(\s*)?'([^'\\]*)'\s*(,|\)|$|into\b|using\b)", 2)  # IGNORECASE
_NUMBER = lazy(r"(?<=[=\s])[0-9][0-9.]*[a-z]+$")
_PLACE = lazy(r"%(?:\d+\$)?[-\d]*([sIL])")
_OURS = lazy(
    r"alter\s+system\s+(?:set|reset)\s+(?:max_connections|superuser_reserved_connections|reserved_connections|work_mem|shared_buffers"
    r"|maintenance_work_mem|effective_cache_size|max_wal_senders|listen_addresses|tcp_keepalives_\w+|\w+_timeout)\b"
)
_HEADS = lazy(
    r"alter\s+system\s+(?:set|reset)\b|(?:alter|create)\s+(?:role|user|group)\b|(?:alter|create)\s+database\b[^\0]*?\b(?:set|reset|connection.limit)\b"
)
_SET = lazy(r"(?:set|reset)\s+(?!constraints\b|transaction\b)[a-z_\"]")


class Reader:
    """One pass over a file."""

    __slots__ = (
        "_dump",
        "_end",
        "_foreign",
        "_lower",
        "_marks",
        "_start",
        "_transaction",
        "out",
        "source",
    )

    def __init__(self, source: Source, start: int = 0, end: int | None = None) -> None:
        self.source = source
        self._start, self._end = start, len(source.text) if end is None else end
        self._lower = source.text.replace("\u0130", "i").lower()  # the one character whose lower case is longer
        self._dump = "-- postgresql database dump" in self._lower[:2000]
        self._foreign: bool | None = None
        self._transaction = False
        marks: list[int] = []
        for needle in _CALLS[self._dump :]:
            at = self._lower.find(needle)
            while at >= 0:
                marks.append(at)
                at = self._lower.find(needle, at + len(needle))
        self._marks = sorted(marks)
        self.out = Records()

    def file(self) -> SqlFile:
        """What the file holds, or the part of it that is to be read."""
        text = self.source.text
        for index, piece in enumerate(pieces(text, self._start, self._end)):
            verb = _first(self._lower, piece.start)
            if piece.bodies and verb in ("do", "create"):
                for start, end in piece.bodies:
                    self._body(start, end, "do" if verb == "do" else "function", index)
                continue
            if verb in ("begin", "start"):
                self._transaction = True
            elif verb in ("commit", "end", "rollback", "abort"):
                self._transaction = " to " in self._lower[piece.start : piece.end] and self._transaction
            elif self._matters(piece, verb):
                self._statement(piece, index, self.source.span(piece.start, piece.end))
        return self.out.file(self.source)._replace(foreign=bool(self.out.settings) and self._is_foreign())

    def _marked(self, start: int, end: int) -> bool:
        at = bisect_left(self._marks, start)
        return at < len(self._marks) and self._marks[at] < end

    def _matters(self, piece: Piece, verb: str) -> bool:
        start, end = piece.start, piece.end
        if end - start > _LONGEST:
            return False
        if verb in ("set", "reset"):
            return not self._dump and _SET.match(self._lower, start, end) is not None and not self._is_foreign()
        if verb in ("alter", "create") and _HEADS.match(self._lower, start, end):
            return True
        if verb == "insert" and self._lower.find("values", start, end) >= 0:
            return False  # data
        return self._marked(start, end)

    def _body(self, start: int, end: int, within: str, index: int, depth: int = 0) -> None:
        if depth > 3:
            return
        text = self.source.text
        for outer in pieces(text, start, end, within):
            for body in outer.bodies:
                self._body(*body, within, index, depth + 1)
            for piece in inner(text, outer):
                verb = "" if piece.prefix else _first(self._lower, piece.start)
                span = self.source.span(piece.start, piece.end)
                if verb == "execute":
                    made = self._made(piece)
                    if made and self._matters(made, _first(self._lower, made.start)):
                        self._statement(made, index, self.source.span(made.start, made.end))
                elif self._matters(piece, verb):
                    self._statement(piece, index, span)

    def _made(self, piece: Piece) -> Piece | None:
        """The SQL in ``EXECUTE 'sql'`` and ``EXECUTE format('sql with %I', …)``."""
        found = _FORMAT.match(self.source.text, piece.start, piece.end)
        if not found:
            return None
        made = Piece(found.start(1), found.end(1), piece.within, True)
        for place in _PLACE.finditer(self.source.text, *found.span(1)):
            kind = {"I": "name", "L": "string"}.get(place[1], "bare")
            made.holes.append(Hole(place.start(), place.end(), kind, "computed when it runs"))
        return made

    def _statement(self, piece: Piece, index: int, span: Span) -> None:
        from pglast.parser import ParseError, parse_sql_json

        error: Any = None
        transaction = bool(piece.within) or self._transaction
        record = Statement(index, span, piece.within, piece.conditional, transaction)
        bare = any(hole.kind == "bare" for hole in piece.holes)
        for number in (False, True) if bare else (False,):
            query = piece.query(self.source.text, number)
            if _is_deep(query):
                return
            statement = Tree(self.source, piece, query, record)
            try:
                tree = json.loads(parse_sql_json(query))
                for one in tree.get("stmts", ()):
                    self._read(statement, one.get("stmt", {}))
                return
            except ParseError as refused:
                error = refused
            except (RecursionError, ValueError):
                return
        if not piece.within and not piece.holes:
            self._refused(statement, error)

    def _is_foreign(self) -> bool:
        """Whether the file speaks, at least in part, another dialect."""
        if self._foreign is None:
            within = self._start, self._end
            self._foreign = self._lower.find("`", *within) >= 0 or _FOREIGN.search(self._lower, *within) is not None
        return self._foreign

    def _refused(self, statement: Tree, error: Any) -> None:
        lower = self._lower[statement.base : statement.base + len(statement.query)]
        if _UNLIKE.search(lower) or not str(error.args[0]).startswith(("syntax error", "trailing junk")):
            return
        if self._is_foreign():
            return
        at = error.args[1] if len(error.args) > 1 else None
        if not statement.tokens:
            number = _NUMBER.search(lower) if _OURS.match(lower) else None
            if number:
                place = self.source.span(statement.base + number.start(), statement.base + number.end())
                edits = (Edit(place, f"'{place.text}'"),)
                message = "PostgreSQL reads a value with a unit as a syntax error: put it in single quotes"
                self.out.faults.append(Fault(message, place, fix=Fix("put the value in single quotes", "safe", edits)))
            return
        last = len(statement.tokens) - 1
        token = last if at is None else min(bisect_left(statement.tokens, at, key=lambda token: token.start), last)
        place = statement.place(token, token)
        words = [statement.text(index) for index in range(max(0, token - 3), token + (at is None))]
        if words[-2:] == ["connection", "limit"] or words[-3:] == ["connection", "limit", "="]:
            if statement.text(token) == "=" and at is not None:
                cure = None
                if token < last:
                    gap = self.source.span(statement.place(token - 1, token - 1).end, statement.place(token + 1, token + 1).start)
                    cure = Fix("take out the =", "safe", (Edit(gap, " "),))
                message = "PostgreSQL reads = as a syntax error here: CONNECTION LIMIT of a role takes none"
                self.out.faults.append(Fault(message, place, fix=cure))
            else:
                self.out.faults.append(Fault("PostgreSQL reads this as a syntax error: CONNECTION LIMIT takes a whole number", place))
        elif _OURS.match(lower) or (lower.startswith(("select", "with")) and _first_call(lower)):
            end_of = " the end of this statement" if at is None else " this"
            self.out.faults.append(Fault(f"PostgreSQL reads{end_of} as a syntax error", place))

    def _read(self, statement: Tree, tree: dict[str, Any]) -> None:
        for kind, node in tree.items():
            if kind == "AlterSystemStmt":
                self._setting(statement, node["setstmt"], "system")
            elif kind == "AlterRoleSetStmt":
                role = _role(node.get("role", {}))
                if "role" in node and role is None:
                    continue
                database = node.get("database")
                self._setting(statement, node["setstmt"], "role-in-database" if database else "role", role, database)
            elif kind == "AlterDatabaseSetStmt":
                self._setting(statement, node["setstmt"], "database", None, node["dbname"])
            elif kind == "VariableSetStmt":
                self._setting(statement, node, "local" if node.get("is_local") else "session")
            elif kind in ("AlterRoleStmt", "CreateRoleStmt"):
                self._role(statement, node, kind == "CreateRoleStmt")
            elif kind in ("AlterDatabaseStmt", "CreatedbStmt"):
                self._limits(statement, "database", node.get("dbname"), node.get("options", ()))
            else:
                Calls(self.out, statement).walk({kind: node})

    def _setting(self, statement: Tree, node: dict[str, Any], scope: str, role: str | None = None, database: str | None = None) -> None:
        kind = node.get("kind", "VAR_SET_VALUE")
        name = str(node.get("name") or "all").lower()
        if kind == "VAR_SET_MULTI" or is_made(name) or (database and named(database) is None):
            return
        arguments = list(node.get("args", ()))
        last = len(statement.tokens) - 1
        if arguments and all(argument.get("A_Const") for argument in arguments):
            constants = [argument["A_Const"] for argument in arguments]
            first, end = statement.token(constants[0].get("location")), statement.token(constants[-1].get("location"))
            end += statement.text(end) in "+-"
            place = statement.place(first, end)
            texts = [constant(one) for one in constants]
            value = statement.value(", ".join(texts), place)
            self._changed(statement, scope, name, value, self._name(statement, first), place, role, database)
        elif kind in ("VAR_RESET", "VAR_RESET_ALL", "VAR_SET_DEFAULT"):
            name_end = last + 1
            if kind == "VAR_SET_DEFAULT":
                name_end = last
            name_span = self._name(statement, name_end)
            self._changed(statement, scope, name, Literal(None, name_span), name_span, None, role, database, True)
        elif kind == "VAR_SET_CURRENT":
            place = statement.place(last, last)
            value = Opaque("taken from the session that runs it", place)
            self._changed(statement, scope, name, value, self._name(statement, last - 1), place, role, database)
        elif arguments:
            first = next((at for at in range(1, last + 1) if statement.text(at - 1) in ("=", "to", "zone")), last)
            place = statement.place(first, last)
            self._changed(statement, scope, name, Opaque("not a plain value", place), self._name(statement, first), place, role, database)

    def _name(self, statement: Tree, behind: int) -> Span:
        """The name of a setting that ends before the token ``behind``, ``=`` or TO not counted."""
        at = min(behind, len(statement.tokens)) - 1
        while at > 0 and statement.text(at) in ("=", "to"):
            at -= 1
        first = at - (statement.text(at) == "zone" and statement.text(at - 1) == "time")
        while first >= 2 and statement.text(first - 1) == ".":
            first -= 2
        return statement.place(first, at)

    def _changed(
        self,
        statement: Tree,
        scope: str,
        name: str,
        value: Value,
        name_span: Span,
        value_span: Span | None,
        role: str | None = None,
        database: str | None = None,
        is_reset: bool = False,
    ) -> None:
        change = SettingChange(statement.record, scope, name, value, statement.record.span, name_span, value_span, role, database, is_reset)
        self.out.settings.append(change)

    def _role(self, statement: Tree, node: dict[str, Any], created: bool) -> None:
        name = named(node.get("role")) if created else _role(node.get("role", {}))
        options = [option["DefElem"] for option in node.get("options", ()) if "DefElem" in option]
        self._limits(statement, "role", name, node.get("options", ()))
        superuser = False if created else None
        login = node.get("stmt_type") == "ROLESTMT_USER" if created else None
        plain = hashed = False
        place: Span | None = None
        told = created
        for option in options:
            kind, argument = option.get("defname"), option.get("arg", {})
            if kind in ("superuser", "canlogin"):
                told = True
                on = bool(argument.get("Boolean", {}).get("boolval"))
                superuser, login = (on, login) if kind == "superuser" else (superuser, on)
            elif kind == "password":
                told = True
                secret = argument.get("String", {}).get("sval")
                if secret:
                    at = statement.token(option.get("arg_location"))
                    place = statement.place(at, at)
                    known = isinstance(statement.value(secret, place), Literal)
                    hashed = known and secret.startswith(("SCRAM-SHA-256$", "md5"))
                    plain = known and not hashed
        if told:
            self.out.roles.append(
                RoleAttributes(
                    statement.record,
                    name,
                    superuser,
                    login,
                    plain,
                    statement.record.span,
                    created,
                    place if plain or hashed else None,
                    hashed,
                )
            )

    def _limits(self, statement: Tree, kind: str, name: str | None, options: Any) -> None:
        for option in options:
            element = option.get("DefElem", {})
            if element.get("defname") not in ("connectionlimit", "connection_limit"):
                continue
            first = statement.token(element.get("location"))
            at = first + 1
            while statement.text(at) in ("limit", "="):
                at += 1
            end = at + (statement.text(at) in ("+", "-"))
            place = statement.place(at, end)
            argument = element.get("arg")
            limit = _number(argument)
            value = Literal(-1, place) if argument is None else statement.value(limit, place)
            if limit is None and argument is not None:
                value = Opaque("not a whole number", place)
            span = self.source.span(statement.place(first, first).start, place.end)
            self.out.limits.append(ConnectionLimit(statement.record, kind, named(name), value, span, place))


def _first(lower: str, at: int) -> str:
    found = _VERB.match(lower, at)
    return found[0] if found else ""


def _first_call(lower: str) -> bool:
    return "pg_stat_activity" in lower or "pg_terminate_backend" in lower


def _is_deep(query: str) -> bool:
    """Whether parentheses nest so deep that the tree would be too."""
    if query.count("(") < _DEEPEST:
        return False
    level = 0
    for character in query:
        level += (character == "(") - (character == ")")
        if level >= _DEEPEST:
            return True
    return False


def _role(node: dict[str, Any]) -> str | None:
    kind = node.get("roletype", "ROLESPEC_CSTRING")
    return named(node.get("rolename")) if kind == "ROLESPEC_CSTRING" else str(kind).removeprefix("ROLESPEC_").lower()


def _number(argument: Any) -> int | None:
    """The whole number an option is given; protobuf leaves out a 0."""
    if isinstance(argument, dict) and "Integer" in argument:
        return int(argument["Integer"].get("ival", 0))
    return None
