"""php-fpm pools: which files make the effective configuration, and what FPM refuses in it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..diagnostic import Edit, Fix
from ..fact import Fact, default, unknown
from ..formats import Entry
from ..patterns import lazy
from ..source import Span
from ..value import Literal, env_reads
from . import images, read
from .project import Problem, Project, Service, Stack, Tree
from .resolve import Environment, resolve
from .stack import file_at, files_in, join, matching, under

if TYPE_CHECKING:
    from .client import Fpm

_DIRECTIVES = frozenset(
    """listen listen.backlog listen.allowed_clients listen.owner listen.group listen.mode listen.acl_users listen.acl_groups listen.setfib
    user group prefix chroot chdir pm pm.max_children pm.start_servers pm.min_spare_servers pm.max_spare_servers pm.max_spawn_rate
    pm.process_idle_timeout pm.max_requests pm.status_path pm.status_listen ping.path ping.response process.priority process.dumpable
    request_terminate_timeout request_terminate_timeout_track_finished request_slowlog_timeout request_slowlog_trace_depth slowlog
    rlimit_files rlimit_core catch_workers_output decorate_workers_output clear_env security.limit_extensions apparmor_hat access.log
    access.format access.suppress_path""".split()
)
_GLOBALS = frozenset(
    """pid error_log log_level log_limit log_buffering syslog.facility syslog.ident emergency_restart_threshold
    emergency_restart_interval process_control_timeout process.max process.priority daemonize rlimit_files rlimit_core events.mechanism
    systemd_interval include""".split()
)
_ARRAYS = frozenset(("env", "php_value", "php_flag", "php_admin_value", "php_admin_flag", "access.suppress_path"))
_MODES = ("static", "dynamic", "ondemand")
_COUNTS = ("pm.max_children", "pm.start_servers", "pm.min_spare_servers", "pm.max_spare_servers", "pm.max_requests", "pm.max_spawn_rate")


class Effective:
    """The pools FPM would run: raw facts by pool, and where each pool's section first stands."""

    def __init__(self) -> None:
        self.pools: dict[str, dict[str, Fact[Any]]] = {}
        self.spans: dict[str, Span] = {}
        self.files: list[str] = []
        self.section = ""  # the section of one file goes on in the next, as in FPM's own parser
        self.reads: set[str] = set()  # variables the files name
        self.is_partial = False  # further files may belong to it, or the image's build edits them
        self.timeout: Fact[Any] | None = None  # process_control_timeout of [global], which holds for all pools
        self.most: Fact[Any] | None = None  # process.max of [global], which caps the workers of all pools together

    def pool(self, name: str, label: str, service: Service | None, family: str) -> Fpm:
        """One of the pools as rules see it."""
        from .client import Fpm

        raw = self.pools[name]
        if self.timeout is not None:
            raw = {**raw, "process_control_timeout": self.timeout}
        span = self.spans.get(name) or (service.span if service is not None else None)
        assert span is not None, name
        fpm = Fpm(label, span, raw, name=name, service=service.name if service is not None else "")
        fpm.own = frozenset(
            key for key, fact in self.pools[name].items() if fact.is_written and fact.span is not None and fact.span.path in self.files
        )
        fpm.has_php_defaults = not self.is_partial and (family == "php" or "pm" in fpm.own)
        return fpm

    def cap(self) -> None:
        """Hold pm.max_children to process.max, which php-fpm looks at only when it starts a worker; 0 is no limit."""
        most, counts = _count(self.most), [_count(raw.get("pm.max_children")) for raw in self.pools.values()]
        if self.most is None or most == 0:
            return
        known = [count for count in counts if count is not None]
        if most is not None and len(known) == len(counts) and sum(known) <= most:
            return
        for raw in self.pools.values():
            if "pm.max_children" in raw and len(known) == len(counts) == 1 and most is not None:
                raw["pm.max_children"] = self.most.named("pm.max_children")
            elif "pm.max_children" in raw:
                raw["pm.max_children"] = unknown("pm.max_children", "process.max caps all pools together", self.most.span)


_MOUNTED = images.FpmImage("", False, folder="/usr/local/etc/php-fpm.d")  # an image nobody sees, and a file where the official one looks


def runs_fpm(service: Service) -> images.FpmImage | None:
    """What FPM image a service runs, None when it runs something else."""
    image = images.fpm_image(service.base_image) if service.base_image else None
    if image is not None and service.command and not _starts_fpm(service):
        return None
    if image is None and any(posixpath.basename(word).startswith("php-fpm") for text, _ in service.command for word in text.split()):
        return images.FpmImage("", False)  # Debian's is php-fpm8.3, Alpine's php-fpm83
    if image is None and not service.base_image and not service.command and any(_MOUNTED.folder in target for target in service.mounts):
        return _MOUNTED
    return image


def _starts_fpm(service: Service) -> bool:
    words = [posixpath.basename(text) for text, _ in service.command]
    if any("php-fpm" in word or "fpm" in word for word in words):
        return True
    # an own entrypoint script may end in php-fpm; artisan, composer, node and shells with another job do not
    return words[0].endswith(".sh") or words[0] in ("docker-php-entrypoint", "supervisord", "/init", "init", "tini", "dumb-init")


def add(
    effective: Effective, path: str, tree: Tree, project: Project, environment: Environment, version: tuple[int, int] | None = None
) -> None:
    """Lay one file over what is there; ``version`` is PHP's, as far as it is known."""
    source = tree.read(path)
    if source is None:
        return
    project.read_files.add(path)
    effective.files.append(path)
    from ..formats import ini

    parsed = ini.parse_fpm(source, version)
    project.add_faults("php-fpm", parsed.faults)
    for entry in parsed.entries:
        effective.section = entry.section or effective.section  # before a header the section of the file before goes on
        _entry(effective, entry, effective.section, project, environment, standalone=not effective.files[:-1])


def _entry(effective: Effective, entry: Entry, section: str, project: Project, environment: Environment, *, standalone: bool) -> None:
    effective.reads.update(read.name for read in env_reads(entry.value))
    name = entry.key.partition("[")[0]
    if section == "global":
        if name not in _GLOBALS:
            where = " in [global]; it belongs into a pool such as [www]" if name in _DIRECTIVES or name in _ARRAYS else ""
            _refuse(project, f'php-fpm refuses the unknown entry "{entry.key}"{where}', entry.key_span)
        else:
            _judge(name, resolve(entry.key, entry.value, environment), entry, project)
        if name == "process_control_timeout":
            effective.timeout = resolve(name, entry.value, environment)
        elif name == "process.max":
            effective.most = resolve(name, entry.value, environment)
        return
    if not section:
        if not standalone or name in _GLOBALS:
            return
        section = "www"
    if name not in _DIRECTIVES and name not in _ARRAYS:
        near = _nearest(name)
        where = " in a pool; it belongs into [global]" if name in _GLOBALS else f'; did you mean "{near}"?' if near else ""
        if name != "include":
            fix = _write(entry.key_span, name, near) if near in _DIRECTIVES and name not in _GLOBALS and _is_slip(name) else None
            _refuse(project, f'php-fpm refuses the unknown entry "{entry.key}"{where}', entry.key_span, fix)
        return
    raw = effective.pools.setdefault(section, {})
    effective.spans.setdefault(section, entry.key_span)
    fact = resolve(entry.key, entry.value, environment)
    if fact.is_known and isinstance(fact.value, str) and "$pool" in fact.value:
        fact = Fact(fact.name, fact.origin, fact.value.replace("$pool", section), fact.span, fact.sources, fact.reason, fact.via)
    if isinstance(entry.value, Literal):
        fact = fact.at(entry.value_span)
    _judge(name, fact, entry, project)
    raw[entry.key] = fact


def _judge(name: str, fact: Fact[Any], entry: Entry, project: Project) -> None:
    """Report a value that php-fpm does not take, or takes for another time than it says."""
    if not fact.is_known:
        return
    from . import fpm_values

    text = "" if fact.value is None else str(fact.value)
    refusal = fpm_values.refusal(name, text)
    if refusal:
        fix = _write(entry.value_span, text, fpm_values.respelled(name, text))
        _refuse(project, f"php-fpm refuses {entry.key} = {text!r}: {refusal}", entry.value_span, fix)
        return
    seen = fpm_values.misreading(name, text)
    if seen and not project.has_problem(entry.value_span):
        message = f"php-fpm reads {entry.key} = {text} as {seen}"
        fix = _write(entry.value_span, text, fpm_values.respelled(name, text))
        project.problems.append(Problem("php-fpm", message, entry.value_span, is_fatal=False, fix=fix, aspect="value"))


def _nearest(name: str) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, _DIRECTIVES | _GLOBALS, 1, 0.75)), None)


def _is_slip(name: str) -> bool:
    """Whether a name is that of one directive but for a letter or two, and of no other."""
    from difflib import get_close_matches

    return len(get_close_matches(name, _DIRECTIVES, 2, 0.9)) == 1


def _write(span: Span, before: str, after: str | None) -> Fix | None:
    """``after`` in place of ``before``, quotes around it aside; None when something else stands there."""
    if not after or span.text.strip("\"'") != before:
        return None
    at = span.start + span.text.index(before)
    return Fix(f"write {after}", "unsafe", (Edit(Span(span.source, at, at + len(before)), after),))


def _refuse(project: Project, message: str, span: Span, fix: Fix | None = None) -> None:
    if not project.has_problem(span):
        project.problems.append(Problem("php-fpm", message, span, fix=fix))


def build_fpms(stack: Stack, tree: Tree, project: Project) -> dict[str, list[Fpm]]:
    """The FPM pools of a stack by service."""
    found: dict[str, list[Fpm]] = {}
    services = [(service, image) for service in stack.services.values() if (image := runs_fpm(service)) is not None]
    for service, image in services:
        effective = _effective(service, image, stack, tree, project, only=len(services) == 1)
        found[service.name] = _pools(effective, service, image, project)
        for fpm in found[service.name]:
            fpm.is_switched = partial(_is_switched, effective[0].files, service, tree)
    return found


def _effective(
    service: Service, image: images.FpmImage, stack: Stack, tree: Tree, project: Project, *, only: bool
) -> tuple[Effective, bool]:
    """The effective configuration, and whether everything in it was seen."""
    effective = Effective()
    unseen = _has_unseen(service, tree)
    effective.is_partial = unseen or any(word in service.runs for word in ("php-fpm.d", "php-fpm.conf", "www.conf", "_timeout"))
    version = images.php_version(service.base_image)
    candidates = tree.paths("php-fpm")
    if image.folder:  # files of any name count where the image looks for them
        mounted = [path for target, path in service.mounts.items() if image.folder.startswith(target.rstrip("/"))]
        candidates = sorted({*candidates, *(one for path in mounted for one in tree.programs(path))})
    if image.settings:
        effective.pools["www"] = {key: default(key, value, f"the image {image.family}") for key, value in image.settings}
        effective.spans["www"] = service.span
    if image.family == "php":
        # docker.conf, www.conf and zz-docker.conf lie in the folder; files of the repository go between or replace them
        own = {"docker.conf": "www", "www.conf": "www", "zz-docker.conf": "global"}
        placed = {posixpath.basename(seen): path for seen, path in files_in(service, image.folder, tree, candidates).items()}
        main = file_at(service, image.main, tree)
        if main is not None:
            effective.pools.pop("www", None)
            effective.spans.pop("www", None)
            add(effective, main, tree, project, service.environment, version)
            own = {}
        late: dict[str, Fact[Any]] = {}
        for name in sorted({*own, *placed}):
            if not name.endswith(".conf"):
                continue
            if name in placed:
                if name == "www.conf":
                    effective.pools.pop("www", None)
                add(effective, placed[name], tree, project, service.environment, version)
            else:
                effective.section = own[name]
                if name == "www.conf" and any(fact.is_written for fact in effective.pools["www"].values()):
                    late = {key: default(key, value, f"www.conf of the image {image.family}") for key, value in image.settings}
                    effective.pools["www"].update(late)  # read after, so it wins
        seen = bool(placed) or main is not None
    else:
        seen = False
        for target, path in service.mounts.items():
            if target.endswith(".conf") and path in under(candidates, (path,)):
                add(effective, path, tree, project, service.environment, version)
                seen = True
    for name, key in image.variables:
        fact = service.environment.variables.get(name)
        if fact is not None and fact.value != "" if fact is not None and fact.is_known else fact is not None:
            if key == "process.max":
                effective.most = fact
                continue
            effective.pools.setdefault("www", {})[key] = fact.named(key)  # type: ignore[union-attr]
            effective.spans.setdefault("www", service.span)
    if not seen:
        near = [path for path in under(candidates, filter(None, service.folders)) if path not in project.read_files]
        if not near and only:
            near = [path for path in under(candidates, (stack.folder,)) if path not in project.read_files]
        if len(near) == 1 and not image.variables:
            add(effective, near[0], tree, project, service.environment, version)
            seen = True
    if "max_children" in service.recipe and not effective.reads:
        for raw in effective.pools.values():
            raw["pm.max_children"] = unknown("pm.max_children", "its Dockerfile changes it", service.stage.span if service.stage else None)
    if unseen:
        for raw in effective.pools.values():
            raw.update({key: unknown(key, "its image has php-fpm files that are not read") for key, fact in raw.items() if fact.is_default})
    # of an image that is known for some settings only, the others are not known to be absent
    return effective, "pm" in dict(image.settings) if image.settings else seen and image is not _MOUNTED


def _has_unseen(service: Service, tree: Tree) -> bool:
    """Whether FPM may read files that are not followed: copied from elsewhere or by an intricate pattern, mounted from elsewhere."""
    for line in service.recipe.splitlines():
        words = line.replace('"', " ").replace(",", " ").rstrip("] ").split()
        if len(words) < 3 or words[0].upper() not in ("COPY", "ADD") or not _is_of_fpm(words[-1]):
            continue
        if any(sign in line for sign in ("--from", "<<", "$")):
            return True
        patterns = [join(service.context or "", word.lstrip("/")) for word in words[1:-1] if "*" in word]
        if not all(pattern is not None and matching(pattern, tree) for pattern in patterns):
            return True
    mounts = {str(mount.target.value) for mount in service.entry.mounts if isinstance(mount.target, Literal)}
    places = {target: service.mounts.get(posixpath.normpath(target)) for target in mounts if _is_of_fpm(target)}
    return any(path is None or not (tree.read(path) or tree.programs(path)) for path in places.values())


def _is_of_fpm(target: str) -> bool:
    """Whether what is put there may be php-fpm's: its own files and folders, or the folder around them."""
    return "php-fpm" in target or target.rstrip("/") == "/usr/local/etc"


def _pools(found: tuple[Effective, bool], service: Service, image: images.FpmImage, project: Project) -> list[Fpm]:
    effective, complete = found
    labels = {name: f"service {service.name} pool {name}" for name in effective.pools}
    for name, label in labels.items():
        validate(effective.pool(name, label, service, image.family), project, complete=complete)
    effective.cap()
    pools = [effective.pool(name, label, service, image.family) for name, label in labels.items()]
    project.fpms.extend(pools)
    return pools


def build_unplaced(tree: Tree, project: Project) -> None:
    """FPM files no service was seen to read: what is wrong in themselves is still wrong."""
    for path in tree.paths("php-fpm"):
        if path in project.read_files or not _is_fpm_conf(tree.data(path)):
            continue
        effective = Effective()
        add(effective, path, tree, project, Environment({}, "nothing tells which container reads this file"))
        for name in effective.pools:
            fpm = effective.pool(name, f"pool {name}", None, "")
            fpm.is_switched = partial(_is_switched, effective.files, None, tree)
            validate(fpm, project, complete=False)
            project.fpms.append(fpm)


def _is_switched(files: Sequence[str], service: Service | None, tree: Tree) -> bool:
    """Whether some script or the build of an image writes another process manager, or what it reads, into one of ``files``."""
    near = {path.partition("/")[0] for path in files if "/" in path}
    others = [*tree.paths("dockerfile"), *tree.paths("shell")]
    paths = [path for path in others if len(near) != 1 or path.partition("/")[0] in near]
    if service is not None:
        paths += [path for folder in service.folders for path in tree.programs(folder) if posixpath.splitext(path)[1] in ("", ".sh")]
    texts = [service.runs, *(text for text, _ in service.command)] if service is not None else []
    texts += [tree.data(path).decode("utf-8", "replace") for path in dict.fromkeys(paths) if path not in files]
    return any(_SWITCH.search(text) for text in texts)


_SWITCH = lazy(r"\bpm\\?\.(?:start_servers|min_spare_servers|max_spare_servers|process_idle_timeout|max_spawn_rate)|\bpm[^\w\n]{0,8}=")


def _is_fpm_conf(data: bytes) -> bool:
    """A file named like an FPM pool that is one: nginx and supervisord have files of such names, too."""
    if b"[program:" in data or b"server {" in data or b"location " in data or b"upstream " in data:
        return False
    return b"pm." in data or b"pm =" in data or b"pm=" in data or b"listen" in data or b"[global]" in data


def _count(fact: Fact[Any] | None) -> int | None:
    """The number a directive states, None when it is not known or none."""
    if fact is None or not fact.is_known:
        return None
    try:
        return read.count(str(fact.value) or "0")
    except ValueError:
        return None


def _whole(raw: dict[str, Fact[Any]], key: str, project: Project) -> int | None:
    fact = raw.get(key)
    found = _count(fact)
    if found is None and fact is not None and fact.is_known and fact.is_written and fact.span is not None:
        _refuse(project, f"php-fpm refuses {key} = {str(fact.value)!r}: it is not a number", fact.span)
    return found


def _judge_more(fpm: Fpm, pm: str, project: Project, *, complete: bool) -> None:
    """What else keeps a pool from starting: limits that one process manager needs, and a slow log without its file."""
    raw = fpm.raw
    for mode, key in (("dynamic", "pm.max_spawn_rate"), ("ondemand", "pm.process_idle_timeout")):
        fact = raw.get(key)
        if pm == mode and fact is not None and fact.is_known and fact.span is not None and _leading(str(fact.value)) < 1:
            _refuse(project, f"php-fpm refuses {key} = {fact.value}: it must be a positive value", fact.span)
    for key in ("request_slowlog_timeout", "request_slowlog_trace_depth") if complete else ():
        fact = raw.get(key)
        if fact is not None and fact.is_known and fact.span is not None and _leading(str(fact.value)) and "slowlog" not in raw:
            _refuse(project, f"php-fpm refuses {key} = {fact.value}: slowlog, the file to write to, is missing", fact.span)


def _leading(text: str) -> int:
    """The number in front, as C's atoi reads it."""
    digits = text.removeprefix("-")
    end = next((index for index, character in enumerate(digits) if not character.isdigit()), len(digits))
    number = int(digits[:end] or 0)
    return -number if text.startswith("-") else number


def validate(fpm: Fpm, project: Project, *, complete: bool) -> None:
    """Report what ``php-fpm -t`` refuses in the pool; ``complete`` says whether absent settings are known to be absent."""
    raw = dict(fpm.raw)
    counts = {key: _whole(raw, key, project) for key in _COUNTS}
    if complete and fpm.name != "www" and "listen" not in raw:
        _refuse(project, f"php-fpm refuses the pool {fpm.name}: it has no listen address", fpm.span)
    mode = raw.get("pm")
    if mode is None and complete:
        _refuse(project, "php-fpm refuses the pool: pm is missing (static, dynamic or ondemand)", fpm.span)
    if mode is None or not mode.is_known:
        return
    pm = str(mode.value).lower()
    if mode.span is not None and pm not in _MODES:
        _refuse(project, f"php-fpm refuses pm = {mode.value!r}: invalid process manager (static, dynamic or ondemand)", mode.span)
        return

    def place(*keys: str) -> Span:
        for key in keys:
            fact = raw.get(key)
            if fact is not None and fact.span is not None:
                return fact.span
        return fpm.span

    children = counts["pm.max_children"]
    if children is not None and children <= 0:
        _refuse(project, f"php-fpm refuses pm.max_children = {children}: it must be a positive value", place("pm.max_children"))
        return
    if "pm.max_children" not in raw and complete:
        _refuse(project, "php-fpm refuses the pool: pm.max_children is missing", place("pm"))
        return
    _judge_more(fpm, pm, project, complete=complete)
    if pm != "dynamic" or children is None:
        return
    spare = {key: counts[key] for key in ("pm.min_spare_servers", "pm.max_spare_servers")}
    for key, value in spare.items():
        if (value is not None and value <= 0) or (key not in raw and complete):
            _refuse(project, f"php-fpm refuses the pool: {key}({value or 0}) must be a positive value", place(key, "pm"))
            return
        if value is not None and value > children:
            _refuse(
                project, f"php-fpm refuses {key} = {value}: it is greater than pm.max_children = {children}", place(key, "pm.max_children")
            )
            return
    least, most, start = spare["pm.min_spare_servers"], spare["pm.max_spare_servers"], counts["pm.start_servers"]
    if least is None or most is None:
        return
    if most < least:
        _refuse(
            project, f"php-fpm refuses pm.max_spare_servers = {most}: it is less than pm.min_spare_servers = {least}",
            place("pm.max_spare_servers"),
        )  # fmt: skip
        return
    if start is not None and start > 0 and not least <= start <= most and "pm.start_servers" in raw:
        _refuse(
            project,
            f"php-fpm refuses pm.start_servers = {start}: it is outside pm.min_spare_servers = {least} to pm.max_spare_servers = {most}",
            place("pm.start_servers"),
            _write(place("pm.start_servers"), str(start), str(min(max(start, least), most))),
        )
