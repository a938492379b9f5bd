"""The formulas, against worked examples and for everything that must always hold of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polint import sizing
from polint.bundle import layout
from polint.sizing import Keepalive, Ladder, Need
from polint.units import Bytes, parse_bytes

GB = 1 << 30
MB = 1 << 20
NEEDS = st.lists(
    st.tuples(st.integers(1, 200), st.integers(1, 200), st.integers(1, 50)).map(lambda one: Need(max(one[:2]), min(one[:2]), one[2])),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize(
    ("formula", "arguments", "expected"),
    [
        (sizing.active_connections, (4,), 8),
        (sizing.active_connections, (4, 2), 10),
        (sizing.active_connections, (0.5,), 2),  # part of a core works like a core that is busy with others
        (sizing.active_connections, (2.5, 1), 7),
        (sizing.usable_connections, (100, 3), 97),
        (sizing.usable_connections, (100, 3, 5), 92),
        (sizing.usable_connections, (3, 3), 0),
        (sizing.room, (97,), 77),
        (sizing.room, (10,), 7),  # three to spare, although 8 would be four fifths
        (sizing.room, (2,), 0),
        (sizing.usable_needed, (77,), 97),
        (sizing.usable_needed, (0,), 3),
        (sizing.usable_needed, (100,), 125),
        (sizing.deadlock_floor, (4, 2), 5),
        (sizing.deadlock_floor, (10, 1), 1),
        (sizing.workers_in, (GB, 64 * MB), 12),
        (sizing.workers_in, (32 * MB, 64 * MB), 1),
        (sizing.spare_servers, (20,), (4, 2, 6)),
        (sizing.spare_servers, (1,), (1, 1, 1)),
        (sizing.overlap, (3, 1), 4),
        (sizing.overlap, (3, 0), 6),
        (sizing.overlap, (3, 5), 6),
        (sizing.rounded_up, (1,), 10),
        (sizing.rounded_up, (100,), 100),
        (sizing.rounded_up, (101,), 150),
        (sizing.client_room, (42,), 100),
        (sizing.client_room, (80,), 100),
        (sizing.client_room, (81,), 200),
        (sizing.plenty, (20, 3), 43),
        (sizing.quarter, (4 * GB,), GB),
        (sizing.quarter, (MB,), MB),
        (sizing.cache, (4 * GB,), 3 * GB),
        (sizing.maintenance, (4 * GB,), 256 * MB),
        (sizing.maintenance, (512 * GB,), 2 * GB),
        (sizing.maintenance, (64 * MB,), 16 * MB),
        (sizing.work_mem, (4 * GB, 38), 23 * MB),
        (sizing.work_mem, (512 * MB, 200), MB),
        (sizing.work_mem, (64 * GB, 10), 64 * MB),
        (sizing.share_of_memory, (4 * GB, GB, 100), 30 * MB),
        (sizing.share_of_memory, (4 * GB, GB, 0), 3 * GB),
    ],
)
def test_worked_examples(formula: Callable[..., Any], arguments: tuple[Any, ...], expected: object) -> None:
    assert formula(*arguments) == expected


def test_the_seven_and_more_fit_in_proportion() -> None:
    assert sizing.in_proportion([Need(10, 2, 3), Need(12, 2, 1)], 40) == [9, 11]
    assert sizing.in_proportion([Need(10, 2, 3), Need(12, 2, 1)], 42) == [10, 12]
    assert sizing.in_proportion([Need(10, 2, 3), Need(12, 2, 1)], 8) == [2, 2]
    assert sizing.in_proportion([Need(10, 2, 3), Need(12, 2, 1)], 7) is None
    assert sizing.in_proportion([], 7) is None
    assert sizing.in_proportion([Need(100, 1, 1), Need(3, 3, 1)], 20) == [17, 3]  # one is at its least already


@given(NEEDS, st.integers(0, 5000))
def test_shares_never_take_more_than_there_is(needs: list[Need], available: int) -> None:
    found = sizing.in_proportion(needs, available)
    if found is None:
        assert sum(need.least * need.weight for need in needs) > available
        return
    assert sum(need.weight * size for need, size in zip(needs, found, strict=True)) <= available
    assert all(need.least <= size <= need.wanted for need, size in zip(needs, found, strict=True))


@given(NEEDS, st.integers(0, 5000), st.integers(0, 500))
def test_more_room_makes_no_share_smaller(needs: list[Need], available: int, more: int) -> None:
    before, after = sizing.in_proportion(needs, available), sizing.in_proportion(needs, available + more)
    if before is not None:
        assert after is not None
        assert all(one <= other for one, other in zip(before, after, strict=True))


@given(NEEDS)
def test_what_is_wanted_is_given_when_there_is_enough(needs: list[Need]) -> None:
    assert sizing.in_proportion(needs, sum(need.wanted * need.weight for need in needs)) == [need.wanted for need in needs]


@given(st.integers(0, 20_000))
def test_the_connections_needed_have_room_and_one_fewer_have_not(demand: int) -> None:
    usable = sizing.usable_needed(demand)
    assert sizing.room(usable) >= demand
    assert usable - demand >= sizing.SPARE
    if demand:
        assert sizing.room(usable - 1) < demand


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_room_grows_with_the_server(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert sizing.room(low) <= sizing.room(high) <= high


@given(st.integers(1, 5000))
def test_php_fpm_takes_the_spare_servers(children: int) -> None:
    start, least, most = sizing.spare_servers(children)  # fpm_conf.c, fpm_conf_process_all_pools
    assert 1 <= least <= start <= most <= children


@given(st.integers(1, 64 << 40), st.integers(1, 64 << 40))
def test_workers_fit_their_memory(memory: int, worker: int) -> None:
    count = sizing.workers_in(memory, worker)
    assert count == 1 or count * worker <= memory


@given(st.integers(1, 1000), st.integers(0, 2000))
def test_a_deployment_at_most_doubles_the_instances(instances: int, at_once: int) -> None:
    assert instances < sizing.overlap(instances, at_once) <= 2 * instances


@given(st.integers(1, 100_000))
def test_people_choose_a_number_that_is_enough(count: int) -> None:
    assert count <= sizing.rounded_up(count) < count + 50
    assert sizing.client_room(count) >= count * 1.25


@given(st.integers(64 * MB, 1 << 42), st.integers(1, 5000))
def test_memory_is_never_given_twice(memory: int, connections: int) -> None:
    buffers, work_mem = sizing.quarter(memory), sizing.work_mem(memory, connections)
    assert buffers <= memory // 4
    assert MB <= work_mem <= 64 * MB
    if work_mem > MB:  # one sort of each connection and what a connection takes still fit beside the buffers
        assert buffers + connections * (sizing.BACKEND + work_mem) <= memory
    assert sizing.maintenance(memory) <= 2 * GB
    for size in (buffers, sizing.cache(memory), sizing.maintenance(memory), work_mem):
        assert isinstance(size, Bytes)
        assert size % MB == 0
        assert abs(parse_bytes(str(size)) - size) <= size / 10  # as people read it


def test_each_timeout_ends_before_the_one_around_it() -> None:
    found = Ladder()
    assert found.reserve_wait < found.pooler_wait < found.acquire < found.lock < found.statement < found.request
    assert found.connect < found.acquire
    assert found.statement < found.drain < found.kill
    assert found.transaction_idle <= found.request
    assert found.pool_idle < found.pool_lifetime
    assert 3 <= found.acquire <= 5
    assert 300 <= found.pool_idle <= 600
    assert 1800 <= found.pool_lifetime <= 3600
    assert Keepalive().dead_after == 120


def test_each_timeout_has_a_reason() -> None:
    assert set(layout._TIMEOUTS) == set(Ladder._fields)
