"""How much gets through limits on pairs and limits on both of their sides: what a pooler can open at most."""

from __future__ import annotations

from collections.abc import Mapping

from ..units import INFINITY

_Place = tuple[str, str] | tuple[str, int]
_START, _END = ("start", 0), ("end", 0)


def most_through(pairs: Mapping[tuple[str, int], float], left: Mapping[str, float], right: Mapping[int, float]) -> float:
    """The largest sum over ``pairs`` with each pair, each left and each right side within its own limit; may be infinite.

    A maximum flow, found along shortest open paths (Edmonds and Karp); without a limit on the left it is a plain sum.
    """
    if all(limit == INFINITY for limit in left.values()):
        sums = dict.fromkeys(right, 0.0)
        for (_, number), room in pairs.items():
            sums[number] += room
        return sum(min(total, right[number]) for number, total in sums.items())
    finite = sum(limit for limits in (pairs, left, right) for limit in limits.values() if limit < INFINITY)
    free: dict[_Place, dict[_Place, float]] = {_START: {}, _END: {}}

    def join(source: _Place, target: _Place, limit: float) -> None:
        free.setdefault(source, {})[target] = min(limit, finite + 1)  # no finite limit reaches that
        free.setdefault(target, {}).setdefault(source, 0.0)

    for user, limit in left.items():
        join(_START, ("left", user), limit)
    for (user, number), limit in pairs.items():
        join(("left", user), ("right", number), limit)
    for number, limit in right.items():
        join(("right", number), _END, limit)
    total = 0.0
    while path := _path(free):
        step = min(free[source][target] for source, target in path)
        for source, target in path:
            free[source][target] -= step
            free[target][source] += step
        total += step
    return INFINITY if total > finite else total


def _path(free: Mapping[_Place, Mapping[_Place, float]]) -> list[tuple[_Place, _Place]]:
    """The shortest way with room left, as its steps; empty when there is none."""
    came: dict[_Place, _Place] = {_START: _START}
    waiting: list[_Place] = [_START]
    for place in waiting:
        for target, room in free[place].items():
            if room > 0 and target not in came:
                came[target] = place
                waiting.append(target)
    path: list[tuple[_Place, _Place]] = []
    last: _Place = _END
    while last in came and last != _START:
        path.append((came[last], last))
        last = came[last]
    return path
