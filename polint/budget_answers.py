"""The budget turned round: how large a pool, how many replicas, and which max_connections would fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import sizing
from .budget import Part, Scenario, copies, per_copy
from .model.server import Consumer, Server
from .sizing import Need
from .tuples import NamedTuple


class Answer(NamedTuple):
    """What would fit of one client while the others stay as they are, in every scenario; None where that is not known.

    ``knob`` is what decides its size: its pool, or its processes where each has one connection.  ``in_proportion`` is what is left of
    it when all give way together, None where nothing has to.
    """

    service: str
    knob: str
    size: int | None
    largest_size: int | None
    replicas: int | None
    most_replicas: int | None
    in_proportion: int | None = None


class Answers(NamedTuple):
    """All answers for one server.

    ``needed`` is the least max_connections that takes every scenario, ``needed_with_room`` leaves room besides; None where they
    rest on something unknown, or nothing is open.  ``is_bound`` says that something is left out of all numbers, as nobody knows
    it: what fits is then less, and what is needed more.
    """

    clients: tuple[Answer, ...]
    needed: int | None
    needed_with_room: int | None
    is_bound: bool


def answers(server: Server, found: Sequence[Scenario]) -> Answers:
    """The answers that hold in all of these scenarios."""
    usable, reserved = server.usable_connections, server.reserved
    is_bound = any(one.at_most is None for one in found)
    needed = with_room = None
    if reserved.is_known and any(one.at_least or one.at_most for one in found):
        demand = max(one.at_least if one.at_most is None else one.at_most for one in found)
        needed = demand + reserved.value
        with_room = None if is_bound else sizing.usable_needed(demand) + reserved.value
    if not usable.is_known:
        return Answers((), needed, with_room, is_bound)
    together = _together(server, found, usable.value) if any(one.verdict == "over" for one in found) else {}
    clients = tuple(_answer(consumer, server, found, usable.value, together.get(index)) for index, consumer in enumerate(server.direct))
    return Answers(clients, needed, with_room, is_bound)


def sized_by_processes(consumer: Consumer) -> bool:
    """Whether its processes decide its size: each of them has the one connection that such a program opens."""
    return consumer.pool.is_default and consumer.pool.value == 1


def is_fixed(consumer: Consumer) -> bool:
    """Whether nothing decides its size: it is one process with one connection, such as a queue's worker."""
    return sized_by_processes(consumer) and consumer.processes.is_default


def knob_of(consumer: Consumer) -> str:
    """What decides a client's size, as its files call it."""
    if not sized_by_processes(consumer):
        return "pool"
    leaves = [leaf for leaf in consumer.processes.leaves() if leaf.span is not None]
    return leaves[0].name if len(leaves) == 1 else "processes"


def _answer(consumer: Consumer, server: Server, found: Sequence[Scenario], usable: int, together: int | None) -> Answer:
    by_processes = sized_by_processes(consumer)
    knob, other = (consumer.processes, consumer.pool) if by_processes else (consumer.pool, consumer.processes)
    others_known = all(one.at_most is not None for scenario in found for one in scenario.parts if one.consumer is not consumer)
    sizes: list[int] = []
    counts: list[int] = []
    least, most = per_copy(consumer)
    each = least if most is None else most
    for scenario in found:
        part = next(part for part in scenario.parts if part.consumer is consumer)
        left = usable - sum(_most(one) for one in scenario.parts if one is not part)
        number = part.copies.at_most
        if number and other.is_known and other.value and not is_fixed(consumer) and (knob.is_known or others_known):
            sizes.append(max(left, 0) // (number * other.value))
        if each:
            counts.append(_most_replicas(consumer, server, scenario, left, each))
    return Answer(
        consumer.service,
        knob_of(consumer),
        knob.value if knob.is_known else None,
        min(sizes) if len(sizes) == len(found) else None,
        consumer.replicas.value if consumer.replicas.is_known else None,
        min(counts) if len(counts) == len(found) else None,
        together,
    )


def _most(part: Part) -> int:
    """What it can open as far as that is known."""
    return (part.at_least or 0) if part.at_most is None else part.at_most


def _most_replicas(consumer: Consumer, server: Server, scenario: Scenario, left: int, each: int) -> int:
    updated = scenario.name in ("deploy", "peak")

    def fits(replicas: int) -> bool:
        count = copies(consumer, server, updated=updated, replicas=replicas)
        return (count.at_most or 0) * each <= left

    return _largest(fits, max(left, 0) // each)


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to ``most`` that still fits, 0 when none does."""
    low = 0
    while low < most:
        middle = (low + most + 1) // 2
        low, most = (middle, most) if fits(middle) else (low, middle - 1)
    return low


def _together(server: Server, found: Sequence[Scenario], usable: int) -> dict[int, int]:
    """By the number of the client: its size when all give way in the same proportion, until the fullest scenario has some to spare."""
    fullest = max(found, key=lambda one: one.at_least)
    needs: dict[int, Need] = {}
    rest = 0
    for index, part in enumerate(fullest.parts):
        consumer, number = part.consumer, part.copies.at_most
        knob, other = consumer.pool, consumer.processes
        if sized_by_processes(consumer):
            knob, other = other, knob
        if not (consumer.once or is_fixed(consumer)) and number and knob.is_known and other.is_known and knob.value * other.value:
            needs[index] = Need(knob.value, 1, number * other.value)
        else:
            rest += _most(part)
    sizes = sizing.in_proportion(list(needs.values()), usable - sizing.SPARE - rest)
    return dict(zip(needs, sizes, strict=True)) if sizes is not None else {}
