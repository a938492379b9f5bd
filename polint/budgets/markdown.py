"""``--format markdown``: for a pull request's comment, a job's summary or a page of documentation."""

from __future__ import annotations

from collections.abc import Sequence

from ..reporters import Style
from ..reporters.markdown import code, plain
from . import Budget, Row, advice, demand, described, head, left_out, origins, rows, share

WORDS = {"fits": "fits", "over": "**over**", "unknown": "unknown"}


def report(found: Sequence[Budget], style: Style) -> str:
    """A heading, a table of clients, one of scenarios, what would fit, and where each number stands."""
    if not found:
        return "No PostgreSQL server found.\n"
    return "\n\n".join("\n".join(_server(one)) for one in found) + "\n"


def _server(one: Budget) -> list[str]:
    worst = one.worst
    said = demand(one, worst) + " connections" + ("" if worst is one.steady else f", {worst.title}")
    lines = [f"### {code(one.name)}: {WORDS[worst.verdict]} ({said})", "", f"{plain(head(one))[:1].upper()}{plain(head(one))[1:]}.", ""]
    table = rows(one.server)
    if table:
        lines += ["| Service | Kind | Replicas × processes × pool | Connections | Share |", "|---|---|--:|--:|--:|"]
        lines += [_row(one, row) for row in table]
    else:
        lines.append("No client found.")
    lines += ["", "| Scenario | Connections | Share | |", "|---|--:|--:|---|"]
    for scenario in one.scenarios:
        part = share(one, scenario.at_least, scenario.at_most)
        lines.append(f"| {scenario.title} | {demand(one, scenario)} | {part} | {WORDS[scenario.verdict]} |")
    lines.append("")
    missing = advice(one)
    if missing:
        lines += ["Not known:", "", *(f"- {code(name)}: {plain(reason)}" for name, reason in missing), ""]
    if one.server.left_out:
        lines += [f"Not counted, as profiles are taken one at a time: {plain(left_out(one))}.", ""]
    lines += _answers(one)
    stands = [f"- {plain(described(origin))}" + (f" ({code(origin.place)})" if origin.place else "") for origin in origins(one)]
    if stands:
        lines += ["<details><summary>Where the numbers come from</summary>", "", *stands, "", "</details>"]
    while lines[-1] == "":
        lines.pop()
    return lines


def _row(one: Budget, row: Row) -> str:
    consumer = row.consumer
    name = "↳ " * row.depth + code(consumer.service)
    kind = plain(consumer.kind) + (", once" if consumer.once else "") + (f", through {code(consumer.through)}" if consumer.through else "")
    part = share(one, row.at_least, row.at_most) if row.counts and not consumer.once else ""
    return f"| {name} | {kind} | {' × '.join(row.factors)} | {row.total} | {part} |"


def _answers(one: Budget) -> list[str]:
    answers, limit = one.answers, one.server.max_connections
    lines: list[str] = []
    clients = [answer for answer in answers.clients if answer.largest_size is not None or answer.most_replicas is not None]
    if clients:
        together = any(answer.in_proportion is not None for answer in clients)
        bound = ", and less by what is not known" if answers.is_bound else ""
        lines += [f"What would fit, each with the others as they are{bound}:", ""]
        lines.append("| Service | | Now | At most | Replicas now | At most |" + (" Or, all in proportion |" if together else ""))
        lines.append("|---|---|--:|--:|--:|--:|" + ("--:|" if together else ""))
        for answer in clients:
            cells = [answer.size, answer.largest_size, answer.replicas, answer.most_replicas]
            if together:
                cells.append(answer.in_proportion)
            lines.append(f"| {code(answer.service)} | {plain(answer.knob)} | {' | '.join(map(_cell, cells))} |")
        lines.append("")
    if answers.needed is not None and one.server.direct:
        now = f" It is {limit.value}." if limit.is_known else ""
        more = "more than " if answers.is_bound else ""
        room = f", {answers.needed_with_room} with room to spare" if answers.needed_with_room is not None else ""
        lines += [f"`max_connections` needed: {more}{answers.needed}{room}.{now}", ""]
    return lines


def _cell(count: int | None) -> str:
    return "" if count is None else str(count)
