"""``polint generate``: a plan becomes a bundle of files, or is compared with the one that stands there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from . import command, patch, start
from .bundle import planfile, render
from .bundle.layout import Layout
from .discover import PRUNED, load
from .reporters import Style, clean, plural
from .source import Source
from .start import CannotRun
from .tuples import NamedTuple

_DEEPEST = 4  # folders, of anything a bundle has


class Change(NamedTuple):
    """What becomes of one file: ``before`` or ``after`` is None where there is none; ``whose`` says why it is not polint's to change."""

    path: str
    before: bytes | None
    after: bytes | None
    whose: str = ""


class Comparison(NamedTuple):
    """A folder against a bundle: what would change, how many files would not, and what the plan no longer has but a person changed."""

    changes: list[Change]
    same: int
    kept: list[str]


def generate(
    path: str,
    *,
    out: str = "",
    check: bool = False,
    diff: bool = False,
    force: bool = False,
    explain: bool = False,
    templates: str = "",
    config_file: str | None = None,
    root: str | None = None,
    color: str = "auto",
    verbosity: int = 0,
) -> int:
    """Generate, report and return the exit code; the options are those of ``polint generate --help``.  Raises CannotRun."""
    top, config = start.settle([path], root, config_file)
    if templates and not os.path.isdir(templates):
        raise CannotRun(f"no such folder: {templates}{start.near_path(templates)}")
    folders = (*((templates,) if templates else ()), *start.template_folders(top, config))
    layout = _layout(path)
    if verbosity >= 0:
        for warning in layout.warnings:
            command.say(f"{path}: warning: {warning}", True)
    if explain:
        command.write("".join(f"{line}\n" for line in explained(layout, command.style(color, verbosity, False))), None)
    if not out:
        return 0
    out = os.path.normpath(out)
    files = render.render(layout, folders)
    if not (check or diff) and os.path.isdir(out):
        command.recover(out)
    found = compare(out, files)
    if verbosity >= 0:
        for name in found.kept:
            command.say(f"{os.path.join(out, name)}: no longer generated, but somebody changed it: it is left as it is")
    if diff:
        patches = [_patch(change) for change in sorted(found.changes, key=lambda change: change.path)]
        command.write_patches(patches, "polint generate")
    elif not check:
        _refuse(out, found, force)
        command.write_files(out, {change.path: (change.before, change.after) for change in found.changes})
        _remove_empty(out, found)
    if verbosity >= 0 and not diff:
        command.write("".join(f"{line}\n" for line in _summary(out, path, found, written=not check)), None)
    return command.FINDINGS if check and found.changes else 0


def _patch(change: Change) -> patch.Patch:
    """What polint renders holds no secret, whatever it may look like."""
    known = (change.after or b"") + (b"" if change.whose else change.before or b"")
    return patch.of(change.path, change.before, change.after, known=known)


def _layout(path: str) -> Layout:
    """What the plan in the file at ``path`` comes to; raises CannotRun with every mistake in it."""
    data, reason = load(path)
    if data is None:
        raise CannotRun(f"{path}: {reason}")
    try:
        return planfile.parse(Source.from_bytes(path, data)).laid_out()
    except planfile.PlanError as error:
        raise CannotRun(mistakes=error.problems) from None


# --- the folder ----------------------------------------------------------------------------


def compare(out: str, files: Mapping[str, str]) -> Comparison:
    """What stands in the folder ``out`` against what the bundle has; raises CannotRun where a file cannot stand there."""
    wrong = list(_obstacles(out, files))
    if wrong:
        raise CannotRun("\n".join(wrong))
    changes: list[Change] = []
    same = 0
    for path, text in files.items():
        after = text.encode()
        before = _content(os.path.join(out, path))
        if before is None:
            changes.append(Change(path, None, after))
        elif before.replace(b"\r\n", b"\n") == after:  # version control may have its own line ends
            same += 1
        else:
            changes.append(Change(path, before, after, _whose(path, before)))
    kept = []
    for path, before in _leftovers(out, files):
        if _whose(path, before):
            kept.append(path)
        else:
            changes.append(Change(path, before, None))
    return Comparison(changes, same, kept)


def _obstacles(out: str, files: Mapping[str, str]) -> Iterator[str]:
    """Why the bundle cannot stand in ``out``, a line each."""
    above = out
    while above and not os.path.lexists(above):
        above = os.path.dirname(above)
    if above and not os.path.isdir(above):
        yield f"{above}: a {'broken link' if os.path.islink(above) else 'file'}, where a folder should be"
        return
    real = os.path.realpath(out)
    seen = set()
    for path in files:
        folder, _, _ = path.rpartition("/")
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            at = os.path.join(out, *parts[:depth])
            if at not in seen and os.path.lexists(at) and not os.path.isdir(at):
                yield f"{at}: a {'broken link' if os.path.islink(at) else 'file'}, where a folder should be"
            seen.add(at)
        full = os.path.join(out, path)
        if not os.path.realpath(full).startswith(real.rstrip(os.sep) + os.sep):
            yield f"{full}: a link leads out of {out}"
        elif os.path.isdir(full):
            yield f"{full}: a folder, where a file should be"
        elif os.path.lexists(full) and not os.path.isfile(full):
            yield f"{full}: {'a broken link' if os.path.islink(full) else 'no regular file'}"


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotRun(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _whose(path: str, data: bytes) -> str:
    """Why a file is not polint's to change, or ""."""
    text = data.decode("utf-8", "replace")
    if render.untouched(path, text):
        return ""
    return "changed since polint wrote it" if render.is_marked(text) else "not written by polint"


def _leftovers(out: str, files: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Files that polint has rendered in an earlier run and that the bundle no longer has."""
    tops, names = render.every_name()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(os.path.join(out, folder)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in PRUNED and path.count("/") < _DEEPEST and (folder or entry.name in tops):
                    waiting.append(path)
            elif entry.name in names and path not in files and entry.is_file(follow_symlinks=False):
                data = load(entry.path)[0]
                if data is not None and render.is_marked(data.decode("utf-8", "replace")):
                    yield path, data


def _refuse(out: str, found: Comparison, force: bool) -> None:
    """Files that somebody else wrote or changed are not overwritten unless that is asked for; raises CannotRun."""
    others = [change for change in found.changes if change.whose]
    if others and not force:
        lines = [f"{os.path.join(out, change.path)}: {change.whose}" for change in others]
        raise CannotRun("\n".join([*lines, "nothing was written: --diff shows what would change, --force overwrites"]))


def _remove_empty(out: str, found: Comparison) -> None:
    """Take away the folders that only held what is gone."""
    for change in found.changes:
        folder = os.path.dirname(change.path) if change.after is None else ""
        while folder:
            try:
                os.rmdir(os.path.join(out, folder))
            except OSError:
                break
            folder = os.path.dirname(folder)


# --- what is said --------------------------------------------------------------------------


def _summary(out: str, plan: str, found: Comparison, *, written: bool) -> Iterator[str]:
    """What was done or would be, file by file, and how much that is."""
    counts: dict[str, int] = {}
    for change in found.changes:
        verb = "removed" if change.after is None else "wrote" if change.before is None or written else "changed"
        counts[verb] = counts.get(verb, 0) + 1
        would = {"removed": "would remove", "wrote": "would write", "changed": "would change"}[verb]
        why = f": {change.whose}" if change.whose else ": no longer generated" if change.after is None else ""
        yield clean(f"{verb if written else would} {os.path.join(out, change.path)}{why}")
    total = len(found.changes) + found.same
    if not written:
        differ = len(found.changes)
        yield f"{differ} of {plural(total, 'file')} would change" if differ else f"{plural(total, 'file')}, all as {plan} has them"
    else:
        parts = [plural(counts.get("wrote", 0), "file") + " written"]
        parts += [f"{counts['removed']} removed"] if "removed" in counts else []
        parts += [f"{found.same} left as they were"] if found.same else []
        yield ", ".join(parts)


def explained(layout: Layout, style: Style) -> Iterator[str]:
    """Every number of the layout and why it is what it is."""
    from .reporters.text import paint, wrapped

    rows = [(*_parted(name), str(figure), figure.why) for name, figure in layout.figures()]
    labels = max(len(label) + 2 * bool(group) for group, label, _, _ in rows)
    numbers = max(len(number) for _, _, number, _ in rows)
    yield paint(f"{layout.project}: {layout.opens} of {layout.usable} connections at worst", "bold", style)
    last = None
    for group, label, number, why in rows:
        if group != last:
            yield ""
            if group:
                yield paint(group, "bold", style)
        last = group
        head = f"{'  ' if group else ''}{label}".ljust(labels) + f"  {number.rjust(numbers)}  "
        yield from wrapped(why, head, len(head), style)


def _parted(name: str) -> tuple[str, str]:
    """A figure's group and its name in it."""
    group, separator, label = name.partition(": ")
    return (group, label) if separator else ("", name)
