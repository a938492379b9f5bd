"""``polint budget --compare``: what a change does to the budget, as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..budget import Scenario, interval
from ..fact import show
from ..reporters import clean
from ..reporters.markdown import code, plain
from . import Budget, Origin, Row, demand, origins, rows, share
from .markdown import WORDS


def report(before: Sequence[Budget], after: Sequence[Budget], ref: str) -> str:
    """Each server that has changed, with what has changed about it; one line for all others."""
    blocks: list[list[str]] = []
    same = []
    for old, new in _pairs(before, after):
        if old is not None and new is not None and _signature(old) == _signature(new):
            same.append(f"{code(new.name)} ({demand(new, new.steady)} connections)")
        else:
            blocks.append(_server(old, new, ref))
    if same:
        blocks.append([f"{'Not changed' if blocks else f'Connection budget: no change since {code(ref)}'}: {', '.join(same)}."])
    if not blocks:
        blocks.append(["Connection budget: no PostgreSQL server found."])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _pairs(before: Sequence[Budget], after: Sequence[Budget]) -> Iterator[tuple[Budget | None, Budget | None]]:
    """Each server as it was and as it is: the one of that name in that compose file, else the only one of that name that is left."""

    def place(one: Budget) -> tuple[str, str]:
        return one.server.label, one.server.stack

    then = {place(one): one for one in before}
    found = {place(one): then.pop(place(one), None) for one in after}
    for one in after:
        same = [place(other) for other in after if other.server.label == one.server.label and found[place(other)] is None]
        left = [key for key in then if key[0] == one.server.label]
        if same == [place(one)] and len(left) == 1:
            found[place(one)] = then.pop(left[0])
    for one in after:
        yield found[place(one)], one
    for one in then.values():
        yield one, None


def _signature(one: Budget) -> object:
    """Everything that is shown of a budget, without the places."""
    clients = [(row.consumer.service, row.consumer.kind, row.consumer.through, row.factors, row.total) for row in rows(one.server)]
    return one.usable, clients, [(scenario.name, scenario.verdict, demand(one, scenario)) for scenario in one.scenarios]


def _server(old: Budget | None, new: Budget | None, ref: str) -> list[str]:
    if new is None:
        return [f"### Connection budget of {code(old.name)}: it is gone"] if old is not None else []
    worst = new.worst
    lines = [f"### Connection budget of {code(new.name)}: {_headline(old, new)}", ""]
    if worst.verdict != "fits":
        reason = "More connections than the server has" if worst.verdict == "over" else "Not everything is known"
        lines += [f"> {reason}: {demand(new, worst)}, {worst.title}.", ""]
    table = list(_clients(old, new))
    if table:
        lines += [f"| Service | At {code(ref)} | Now | Change |", "|---|--:|--:|--:|", *table, ""]
    lines += ["| Scenario | Before | After | Change | |", "|---|--:|--:|--:|---|"]
    earlier = {scenario.name: scenario for scenario in old.scenarios} if old is not None else {}
    for scenario in new.scenarios:
        base = earlier.get(scenario.name)
        was = demand(old, base) if old is not None and base is not None else ""
        lines.append(f"| {scenario.title} | {was} | {demand(new, scenario)} | {_change(base, scenario)} | {_verdicts(base, scenario)} |")
    lines += [
        f"| {base.title} | {demand(old, base)} | | | no longer |"
        for base in (old.scenarios if old is not None else ())
        if old is not None and base.name not in {scenario.name for scenario in new.scenarios}
    ]
    said = list(_changes(old, new)) if old is not None else []
    if said:
        lines += ["", *said]
    return lines


def _headline(old: Budget | None, new: Budget) -> str:
    if old is None:
        return f"new, {demand(new, new.steady)} connections, {WORDS[new.worst.verdict]}"
    was, now = interval(old.steady.at_least, old.steady.at_most), demand(new, new.steady)
    percents = [share(one, one.steady.at_least) for one in (old, new)]
    shares = f" ({' → '.join(percents)})" if all(percents) and percents[0] != percents[1] else ""
    count = f"{was} → {now}" if was != interval(new.steady.at_least, new.steady.at_most) or old.usable != new.usable else now
    return f"{count} connections{shares}, {WORDS[new.worst.verdict]}" + (
        "" if new.worst.verdict == new.steady.verdict else f" ({new.worst.title})"
    )


def _clients(old: Budget | None, new: Budget) -> Iterator[str]:
    was = _by_name(old)
    now = _by_name(new)
    for name in dict.fromkeys([*now, *was]):
        before, after = was.get(name), now.get(name)
        if before is not None and after is not None and (before.factors, before.total) == (after.factors, after.total):
            continue
        yield f"| {code(name)} | {_product(before)} | {_product(after)} | {_difference(before, after)} |"


def _by_name(one: Budget | None) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows(one.server) if one is not None else ():
        name = row.consumer.service
        found[name if name not in found else f"{name} ({row.consumer.kind})"] = row
    return found


def _product(row: Row | None) -> str:
    if row is None:
        return ""
    product = f"{' × '.join(row.factors)} = {row.total}" if row.total != "?" else f"unknown: {plain(row.reason)}"
    return product + (f", through {code(row.consumer.through)}" if row.consumer.through else "") + (", once" if row.consumer.once else "")


def _difference(before: Row | None, after: Row | None) -> str:
    if before is None:
        return "new"
    if after is None:
        return "gone"
    if before.at_least is None or after.at_least is None or before.at_least != before.at_most or after.at_least != after.at_most:
        return ""
    return _signed(after.at_least - before.at_least)


def _change(before: Scenario | None, after: Scenario) -> str:
    if before is None:
        return "new"
    if before.at_least != before.at_most or after.at_least != after.at_most:
        return ""
    return _signed(after.at_least - before.at_least)


def _signed(count: int) -> str:
    return "±0" if not count else f"+{count}" if count > 0 else f"−{-count}"


def _verdicts(before: Scenario | None, after: Scenario) -> str:
    if before is None or before.verdict == after.verdict:
        return WORDS[after.verdict]
    return f"{before.verdict} → {WORDS[after.verdict]}"


def _changes(old: Budget, new: Budget) -> Iterator[str]:
    """The facts that have another value now, with their places."""
    was = _facts(old)
    for key, fact in _facts(new).items():
        before = was.get(key)
        if fact.value is None or (before is not None and before.value == fact.value):
            continue
        service, name, _ = key
        step = f"{show(before.value)} → {show(fact.value)}" if before is not None and before.value is not None else f"= {show(fact.value)}"
        place = f" ({code(fact.place)})" if fact.place else f" ({plain(fact.note)})" if fact.note else ""
        yield f"- {code(service)}: {code(name)} {clean(step)}{place}"


def _facts(one: Budget) -> dict[tuple[str, str, int], Origin]:
    found: dict[tuple[str, str, int], Origin] = {}
    for origin in origins(one):
        if origin.fact and origin.fact != "runs once":
            number = sum(key[:2] == (origin.service, origin.fact) for key in found)
            found[origin.service, origin.fact, number] = origin
    return found
