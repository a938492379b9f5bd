"""docker-compose files: YAML nodes with marks, merged and extended the way Compose does it.

Shapes follow the Compose specification as compose-go 2.13.0 checks it [run].  Folders and paths are
relative to the root, ``""`` being the root itself.  A variable that nobody sets reads as empty text.
"""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import dirname

from ..interpolate import interpolate, split_words
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Literal, Opaque, Value
from ..yamltext import Node, place_in, scalar
from . import Fault
from .compose_files import Loader, Model, Read, known_text
from .compose_merge import Merge, Reports, Written, environment_of, is_null
from .compose_values import cleaned, environment_text, index_of, leading, port_parts, short, text_value, value_of, volume_parts


class Word(NamedTuple):
    """One word of a command after shell splitting; ``value`` keeps its ``${…}`` parts."""

    value: Value
    span: Span
    loose: bool = False  # holds an unquoted ${…} of a command line: blanks in what it brings split it, nothing at all drops it


class Variable(NamedTuple):
    """One entry of ``environment``; ``value`` None means passed through from the shell."""

    name: str
    value: Value | None
    span: Span  # key through value as written
    value_span: Span


class EnvFile(NamedTuple):
    """One ``env_file``, its path relative to the project root when it could be resolved."""

    path: Value
    base: str  # folder the path is relative to (relative to the root)
    required: bool
    raw: bool
    span: Span


class Mount(NamedTuple):
    """A file or folder seen inside the container: volumes, configs and secrets.

    ``source`` None: a named or anonymous volume.  A ``source`` that only the environment decides may still turn
    out to be the name of a volume: text that begins with none of ``.``, ``/`` and ``~``.
    """

    source: Value | None
    base: str
    target: Value
    span: Span
    content: Value | None = None  # a config's text, where the compose file itself holds it


class Build(NamedTuple):
    """``build``: context and Dockerfile, both relative to ``base``; ``inline`` is the text of dockerfile_inline."""

    context: Value
    dockerfile: Value | None
    target: Value | None
    args: Mapping[str, Value | None]
    base: str
    inline: Value | None
    span: Span


class Port(NamedTuple):
    """A port, as text; ``published`` None or resolved to nothing: the host picks one."""

    published: Value | None
    target: Value
    span: Span


class ServiceEntry(NamedTuple):
    """One service after extends, merge keys and override files, as Compose would see it, not yet interpolated."""

    name: str
    span: Span  # the service's key
    image: Value | None = None
    build: Build | None = None
    command: tuple[Word, ...] | None = None
    entrypoint: tuple[Word, ...] | None = None
    environment: Mapping[str, Variable] = {}
    env_files: tuple[EnvFile, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    replicas: Value | None = None  # deploy.replicas
    scale: Value | None = None
    mode: Value | None = None  # deploy.mode
    update_order: Value | None = None  # deploy.update_config.order
    update_parallelism: Value | None = None
    memory: Value | None = None  # deploy.resources.limits.memory, else mem_limit
    cpus: Value | None = None
    profiles: tuple[str, ...] = ()
    depends_on: Mapping[str, str] = {}  # service -> condition
    networks: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()  # other names it answers to: network aliases, hostname, what others' links call it
    network_mode: Value | None = None
    container_name: Value | None = None
    stop_signal: Value | None = None
    stop_grace_period: Value | None = None
    healthcheck: Span | None = None
    healthcheck_off: Span | None = None  # where a health check, the image's own included, is switched off
    replaced: tuple[Variable, ...] = ()  # environment entries an override file beat
    other: Mapping[str, Span] = {}  # remaining keys
    dotenvs: tuple[str, ...] = ()  # further files that fill its ${…} after the project's .env (an include's), earlier ones win


class ComposeProject(NamedTuple):
    """One stack's compose files put together."""

    name: Value | None
    sources: tuple[Source, ...]  # every file read, the main one first
    services: Mapping[str, ServiceEntry]
    faults: tuple[Fault, ...]
    unread: tuple[tuple[str, Span], ...]  # (reason, place) of includes, extends and whatever else could not be followed


# ``Read`` reads a file by its path relative to the root; None when it is absent, outside the root or unreadable.


def load(main: Source, overrides: tuple[Source, ...], read: Read) -> ComposeProject:
    """Read a compose file with its override files, its includes and what its services extend.

    Never raises: what Compose refuses is a fault, and the rest is read all the same; what could not be
    followed (a path from a variable, a file that is not there or outside the root) is in ``unread``.
    """
    reports = Reports()
    loader = Loader(read, reports, Merge(reports))
    base = dirname(main.path)
    model = loader.stack((main, *overrides), base, (), ())
    if not reports.faults and not reports.unread and not loader.parse(main):
        reports.refuse("an empty compose file", Span(main, 0, 0))
    services = _Services(reports, model, base).all()
    order = {path: index for index, path in enumerate(loader.sources)}
    return ComposeProject(
        name=value_of(model.name) if model.name is not None else None,
        sources=tuple(loader.sources.values()),
        services=services,
        faults=tuple(sorted(reports.faults.values(), key=lambda fault: (order[fault.span.path], fault.span.start))),
        unread=tuple(reports.unread),
    )


_KNOWN = (
    "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count cpu_percent "
    "cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy develop "
    "device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends external_links "
    "extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging mac_address mem_limit "
    "mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform "
    "ports post_start pre_start pre_stop privileged profiles provider pull_policy pull_refresh_after read_only restart runtime scale "
    "secrets security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user "
    "userns_mode uts volumes volumes_from working_dir"
)
_HANDLED = (
    "build command configs container_name cpus depends_on deploy entrypoint env_file environment extends healthcheck hostname image "
    "links mem_limit network_mode networks ports profiles scale secrets stop_grace_period stop_signal volumes"
)
_KEYS = frozenset(_KNOWN.split())  # of the specification; any other key is refused
_KINDS: dict[str, tuple[type, ...]] = {"text": (str,), "integer": (int, str), "number": (int, float, str)}
_WANTED = {"text": "text", "integer": "a whole number", "number": "a number"}
_READ = frozenset(_HANDLED.split())  # what a ServiceEntry has a field for


class _Services:
    """Turns merged nodes into services."""

    def __init__(self, reports: Reports, model: Model, base: str) -> None:
        self.reports = reports
        self.model = model
        self.base = base
        self._environments: dict[int, dict[str, Variable]] = {}

    def all(self) -> dict[str, ServiceEntry]:
        services = {}
        called: dict[str, list[str]] = {}
        for name, (key, node) in self.model.services.items():
            if node.kind == "map" and node.tag != "!reset":
                services[name] = self.service(name, key, node, called)
        for name, names in called.items():
            if name in services:
                service = services[name]
                services[name] = service._replace(aliases=tuple(dict.fromkeys((*service.aliases, *names))))
        return services

    def service(self, name: str, key: Node, node: Node, called: dict[str, list[str]]) -> ServiceEntry:
        other: dict[str, Span] = {}
        for entry, (entry_key, value) in node.entries.items():
            if entry not in _READ and not entry.startswith("x-") and value.tag != "!reset":
                other[entry] = entry_key.span
                if entry not in _KEYS:
                    self.reports.refuse(f'service "{name}" has no key "{short(entry)}"', entry_key.span)
        deploy = self.map(node, "deploy", null=True)
        limits = self.map(self.map(deploy, "resources"), "limits")
        update = self.map(deploy, "update_config")
        networks, aliases = self.networks(node)
        hostname = self.get(node, "hostname")
        if hostname is not None and known_text(hostname):
            aliases.append(known_text(hostname) or "")
        healthcheck, has_health = self.healthcheck(node)
        replaced = (self.variable(written) for written in self.model.replaced.get(name, ()))
        return ServiceEntry(
            name=name,
            span=key.span,
            image=self.value(node, "image"),
            build=self.build(node),
            command=self.command(node, "command"),
            entrypoint=self.command(node, "entrypoint"),
            environment=self.environment(node),
            env_files=self.env_files(node),
            mounts=self.mounts(node),
            ports=self.ports(node),
            replicas=self.value(deploy, "replicas", "integer"),
            scale=self.value(node, "scale", "integer"),
            mode=self.value(deploy, "mode"),
            update_order=self.value(update, "order"),
            update_parallelism=self.value(update, "parallelism", "integer"),
            memory=self.value(limits, "memory") or self.value(node, "mem_limit", "number"),
            cpus=self.value(limits, "cpus", "number") or self.value(node, "cpus", "number"),
            profiles=self.texts(node, "profiles"),
            depends_on=self.depends_on(node, called),
            networks=networks,
            aliases=tuple(dict.fromkeys(aliases)),
            network_mode=self.value(node, "network_mode"),
            container_name=self.value(node, "container_name"),
            stop_signal=self.value(node, "stop_signal"),
            stop_grace_period=self.value(node, "stop_grace_period"),
            healthcheck=healthcheck if has_health else None,
            healthcheck_off=None if has_health else healthcheck,
            replaced=tuple(variable for variable in replaced if variable is not None),
            other=other,
            dotenvs=self.model.dotenvs.get(name, ()),
        )

    # --- shapes

    def get(self, node: Node | None, name: str) -> Node | None:
        value = node.get(name) if node is not None else None
        return None if value is None or value.tag == "!reset" else value

    def wrong(self, node: Node, name: str, wanted: str) -> None:
        """``name`` of ``node`` is not what Compose takes there."""
        key, value = node.entries[name]
        self.reports.refuse(f'"{name}" must be {wanted}', value.span if value.end > value.start else key.span)

    def map(self, node: Node | None, name: str, null: bool = False) -> Node | None:
        value = self.get(node, name)
        if value is None or node is None or value.kind == "map" or (null and is_null(value)):
            return value
        self.wrong(node, name, "a mapping")
        return None

    def value(self, node: Node | None, name: str, kind: str = "text") -> Value | None:
        """A single value; ``kind`` is text, integer or number, of which the last two may be written as text too."""
        value = self.get(node, name)
        if value is None or node is None:
            return None
        meaning = scalar(value) if value.kind == "scalar" else None
        if not isinstance(meaning, _KINDS[kind]) or isinstance(meaning, bool):
            quote = ": quote it" if value.kind == "scalar" and meaning is not None and kind == "text" else ""
            self.wrong(node, name, _WANTED[kind] + quote)
            return text_value(value) if quote else None
        return value_of(value)

    def items(self, node: Node, name: str) -> list[Node]:
        """The items of a list."""
        value = self.get(node, name)
        if value is None:
            return []
        if value.kind != "seq":
            self.wrong(node, name, "a list")
            return []
        return [item for item in value.items if item.tag != "!reset"]

    def texts(self, node: Node, name: str) -> tuple[str, ...]:
        items = []
        for item in self.items(node, name):
            if self.is_text(item, name):
                text = known_text(item)
                items.append(item.text if text is None else text)
        return tuple(dict.fromkeys(items))

    def is_text(self, item: Node, name: str) -> bool:
        if item.kind == "scalar" and isinstance(scalar(item), str):
            return True
        self.reports.refuse(f'each item of "{name}" must be text', item.span)
        return False

    # --- one key each

    def environment(self, node: Node) -> Mapping[str, Variable]:
        value = self.get(node, "environment")
        if value is None:
            return {}
        if value.kind == "scalar":
            self.wrong(node, "environment", "a mapping or a list")
            return {}
        known = self._environments.get(id(value))
        if known is None:
            known = {}
            for item in value.items:
                if item.kind != "map" or item.style != "=":
                    self.is_text(item, "environment")
            for written in environment_of(value):
                variable = self.variable(written)
                if variable is not None:
                    known.pop(variable.name, None)
                    known[variable.name] = variable
            self._environments[id(value)] = known
        return known

    def variable(self, written: Written) -> Variable | None:
        name, key, node = written
        if key is None:
            return self.assignment(name, node)
        beside = node.source is key.source and key.start <= node.start < node.end
        span = Span(key.source, key.start, node.end) if beside else key.span
        if node.kind != "scalar":
            self.reports.refuse(f'variable "{short(name)}" must be a single value', node.span)
            return None
        return Variable(name, environment_text(node), span, node.span)

    def assignment(self, name: str, node: Node) -> Variable | None:
        """A list item ``A=1``, or ``A`` to pass the shell's on."""
        if not isinstance(scalar(node), str):
            return None
        text, place = node.text, place_in(node)
        if name[-1:].isspace():
            self.reports.refuse(f'variable "{short(name.rstrip())}" has a blank before "="', place(0, len(name)))
            return None
        if len(name) == len(text):
            return Variable(name, None, node.span, node.span)
        at = len(name) + 1
        value_span = place(at, len(text))
        return Variable(name, interpolate(text, value_span, place, at), node.span, value_span)

    def command(self, node: Node, name: str) -> tuple[Word, ...] | None:
        value = self.get(node, name)
        if value is None or is_null(value):
            return None
        if value.kind == "seq":
            return tuple(Word(text_value(item), item.span) for item in value.items if self.is_text(item, name))
        if value.kind == "map" or not isinstance(scalar(value), str):
            self.wrong(node, name, "text or a list")
            return None
        place = place_in(value)
        words = split_words(value.text, value.span, place)
        if words.refused:
            self.reports.refuse(f'"{name}" has an open quote or a bare parenthesis', value.span)
            return None
        if words.cut is not None:
            operator = value.text[words.cut : words.cut + 2].rstrip()
            operator = operator if operator in ("&&", "||", ">>", "<<") else operator[:1]
            message = f'Compose drops all of "{name}" from "{operator}" on: no shell reads it'
            self.reports.fault(message, place(words.cut, words.cut + len(operator)), fatal=False)
        return tuple(Word(word.value, place(word.start, word.end), word.loose) for word in words.words)

    def env_files(self, node: Node) -> tuple[EnvFile, ...]:
        value = self.get(node, "env_file")
        if value is None:
            return ()
        if value.kind == "map" or is_null(value):
            self.wrong(node, "env_file", "a path or a list")
            return ()
        files: dict[str, EnvFile] = {}
        for item in value.items if value.kind == "seq" else (value,):
            path = self.get(item, "path") if item.kind == "map" else item
            if path is None or path.kind != "scalar" or not isinstance(scalar(path), str):
                self.reports.refuse('each item of "env_file" needs a path', item.span)
                continue
            required, form = self.get(item, "required"), self.get(item, "format")
            optional = required is not None and (scalar(required) is False or required.text.lower() in ("false", "no", "n", "off"))
            raw = form is not None and form.text == "raw"
            files[path.text] = EnvFile(text_value(path), self.home(path), not optional, raw, item.span)
        return tuple(files.values())

    def home(self, node: Node) -> str:
        return self.base if node.base is None else node.base

    def build(self, node: Node) -> Build | None:
        value = self.get(node, "build")
        if value is None:
            return None
        if value.kind == "scalar":
            if not isinstance(scalar(value), str):
                self.wrong(node, "build", "a path or a mapping")
                return None
            return Build(text_value(value), None, None, {}, self.home(value), None, value.span)
        if value.kind != "map":
            self.wrong(node, "build", "a path or a mapping")
            return None
        context = self.value(value, "context")
        home = self.home(value.entries["context"][1]) if context is not None else self.base
        args: dict[str, Value | None] = {}
        written = self.get(value, "args")
        if written is not None and written.kind == "scalar":
            self.wrong(value, "args", "a mapping or a list")
        elif written is not None:
            args = {arg.name: arg.value for arg in map(self.variable, environment_of(written)) if arg is not None}
        return Build(
            context=context or Literal(".", value.span),
            dockerfile=self.value(value, "dockerfile"),
            target=self.value(value, "target"),
            args=args,
            base=home,
            inline=self.value(value, "dockerfile_inline"),
            span=value.span,
        )

    def mounts(self, node: Node) -> tuple[Mount, ...]:
        mounts: dict[str, Mount] = {}
        for item in self.items(node, "volumes"):
            mount = self.volume(item)
            if mount is not None:
                mounts[index_of(mount.target)] = mount
        found = list(mounts.values())
        for section, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
            granted: dict[str, Mount] = {}
            for item in self.items(node, section):
                mount = self.grant(item, section, folder)
                if mount is not None:
                    granted[index_of(mount.target)] = mount
            found.extend(granted.values())
        return tuple(found)

    def volume(self, item: Node) -> Mount | None:
        if item.kind == "map":
            target = self.value(item, "target")
            if target is None:
                self.reports.refuse("a volume needs a target", item.span)
                return None
            source = self.value(item, "source")
            kind = self.get(item, "type")
            home = self.home(item.entries["source"][1]) if source is not None else self.home(item)
            if kind is None or kind.kind != "scalar":
                self.reports.refuse("a volume written as a mapping needs a type", item.span)
            elif kind.text == "volume" and isinstance(source, Literal):
                source, home = self.device(str(source.value), home)
            elif kind.text != "bind":
                source = None
            elif source is None:
                self.reports.refuse("a bind mount needs a source", item.span)
            return Mount(source, home, cleaned(target), item.span)
        if not self.is_text(item, "volumes"):
            return None
        place = place_in(item)
        source, target = volume_parts(item.text, item.span, place)
        home = self.home(item)
        if target is None:
            self.reports.refuse("a volume with an empty part between colons", item.span)
            return None
        if source is not None and not isinstance(source, Opaque):
            first = leading(source)
            if first is not None and not first.startswith((".", "/", "~", "\\")) and first[1:2] != ":":
                if isinstance(source, Literal):
                    source, home = self.device(first, home)
                elif "/" not in first:
                    source = Opaque("the name of a volume, unless a variable makes it a path", source.span)
        return Mount(source, home, cleaned(target), item.span)

    def device(self, name: str, home: str) -> tuple[Value | None, str]:
        """The folder behind a named volume that is a bind mount in disguise."""
        pair = self.model.sections["volumes"].get(name)
        options = pair[1].get("driver_opts") if pair else None
        device, kind = self.get(options, "device"), self.get(options, "o")
        if device is None or kind is None or "bind" not in kind.text.split(",") or device.kind != "scalar":
            return None, home
        return text_value(device), self.home(device)

    def grant(self, item: Node, section: str, folder: str) -> Mount | None:
        """A config or secret: its file, seen under its target."""
        if item.kind == "map":
            name = self.get(item, "source")
            target = self.value(item, "target")
        else:
            name, target = item, None
        if name is None or name.kind != "scalar" or not isinstance(scalar(name), str):
            self.reports.refuse(f'each item of "{section}" needs a source', item.span)
            return None
        if target is None:
            target = Literal(folder + name.text, name.span)
        elif isinstance(target, Literal) and not str(target.value).startswith("/"):
            target = Literal(folder + str(target.value), target.span)
        pair = self.model.sections[section].get(name.text)
        file = self.get(pair[1], "file") if pair else None
        content = self.get(pair[1], "content") if pair else None
        home = self.base if file is None else self.home(file)
        return Mount(text_value(file) if file else None, home, target, item.span, text_value(content) if content else None)

    def ports(self, node: Node) -> tuple[Port, ...]:
        ports: dict[str, Port] = {}
        for item in self.items(node, "ports"):
            if item.kind == "map":
                target = self.value(item, "target", "integer")
                if target is None:
                    self.reports.refuse("a port needs a target", item.span)
                    continue
                ports[f"{item.start} {item.source.path}"] = Port(self.value(item, "published", "integer"), target, item.span)
            elif item.kind == "scalar" and not is_null(item):
                published, target = port_parts(item.text, item.span, place_in(item))
                ports[item.text] = Port(published, target, item.span)
            else:
                self.reports.refuse('each item of "ports" must be a port', item.span)
        return tuple(ports.values())

    def depends_on(self, node: Node, called: dict[str, list[str]]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        value = self.get(node, "depends_on")
        if value is not None and value.kind == "map":
            for name, (_, how) in value.entries.items():
                condition = how.get("condition")
                if how.tag != "!reset":
                    found[name] = "service_started" if condition is None else known_text(condition) or condition.text
                if how.kind == "seq" or (how.kind == "scalar" and is_null(how)):
                    self.wrong(value, name, "a mapping with a condition")
        elif value is not None:
            found = dict.fromkeys(self.texts(node, "depends_on"), "service_started")
        for link in self.texts(node, "links"):
            name, _, alias = link.partition(":")
            found.setdefault(name, "service_started")
            if alias:
                called.setdefault(name, []).append(alias)
        mode = self.get(node, "network_mode")
        if mode is not None and mode.text.startswith("service:"):
            found.setdefault(mode.text.removeprefix("service:"), "service_started")
        return found

    def networks(self, node: Node) -> tuple[tuple[str, ...], list[str]]:
        value = self.get(node, "networks")
        if value is None or value.kind != "map":
            return self.texts(node, "networks"), []
        aliases: list[str] = []
        for how in (how for _, how in value.entries.values() if how.kind == "map"):
            aliases.extend(self.texts(how, "aliases"))
        return tuple(name for name, (_, how) in value.entries.items() if how.tag != "!reset"), aliases

    def healthcheck(self, node: Node) -> tuple[Span | None, bool]:
        """Where a health check is written, and whether it is one: ``disable: true`` and ``test: NONE`` switch it off."""
        value = self.map(node, "healthcheck")
        if value is None:
            return None, False
        disable, test = self.get(value, "disable"), self.get(value, "test")
        off = disable is not None and (scalar(disable) is True or disable.text.lower() in ("true", "yes", "y", "on"))
        if test is not None:
            off = off or (test.items[0].text == "NONE" if test.items else test.kind == "scalar" and test.text == "NONE")
        key = node.entries["healthcheck"][0]
        beside = key.source is value.source and value.start > key.start
        return Span(key.source, key.start, max(key.end, value.end)) if beside else value.span, not off
