"""Placement: who is sent where, and who is moved by what."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.placement import (
    ADDRESSES_MAX,
    SLACK,
    Offer,
    Rules,
    Stream,
    choose,
    edges_for,
    order,
)

RULES = Rules(viewers_per_edge=1_000, cell_edges=0)
CELLS = Rules(viewers_per_edge=1_000, cell_edges=4)


def addresses(count: int) -> tuple[str, ...]:
    return tuple(f"ws://edge-{number:03d}/" for number in range(count))


def offers(count: int, load: int = 0) -> list[Offer]:
    return [Offer(address, load, 100) for address in addresses(count)]


def first_of_two(_below: int) -> int:
    return 0


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 10**6))
def test_more_viewers_never_need_fewer_edges(one: int, two: int, per_edge: int) -> None:
    """⌈viewers / viewers_per_edge⌉, and one where there is nobody."""
    assert edges_for(0, per_edge) == 1
    few, many = sorted((one, two))
    assert edges_for(few, per_edge) <= edges_for(many, per_edge)
    assert edges_for(many, per_edge) * per_edge >= many


@given(st.text(), st.integers(1, 30), st.integers(1, 30), st.sampled_from([RULES, CELLS]), st.integers(0, 9))
def test_growth_moves_nobody(stream_id: str, few: int, more: int, rules: Rules, partition: int) -> None:
    """The edges of a small stream are among those it has when it has grown, in the same order."""
    stream = Stream(stream_id, 0, partition)
    small = order(stream, addresses(30), min(few, more), rules)
    assert order(stream, addresses(30), max(few, more), rules)[: len(small)] == small
    assert len(set(small)) == len(small)


@given(st.text(), st.integers(0, 29))
def test_an_edge_that_leaves_moves_only_its_own(stream_id: str, gone: int) -> None:
    """The order of the others stays as it was."""
    everywhere = addresses(30)
    left = tuple(each for each in everywhere if each != everywhere[gone])
    before = order(Stream(stream_id, 0), everywhere, 30, RULES)
    assert order(Stream(stream_id, 0), left, 29, RULES) == tuple(
        each for each in before if each != everywhere[gone]
    )


def test_every_edge_gets_its_share_of_streams() -> None:
    """First places are spread evenly: no edge of 10 gets 20% more than its share of 20,000 streams."""
    counts = dict.fromkeys(addresses(10), 0)
    for number in range(20_000):
        counts[order(Stream(f"stream-{number}", 0), addresses(10), 1, RULES)[0]] += 1
    assert max(counts.values()) < 2_400
    assert min(counts.values()) > 1_600


def test_small_streams_of_a_partition_stay_in_its_cell() -> None:
    """1,000 streams of one partition are on the cell's edges alone, and on all of them."""
    used = {
        address
        for number in range(1_000)
        for address in order(Stream(f"stream-{number}", 0, 7), addresses(40), 2, CELLS)
    }
    assert len(used) == CELLS.cell_edges


def test_a_small_stream_stays_on_its_first_edge_until_that_is_clearly_fuller() -> None:
    """Differences within the slack split no stream; beyond it the second edge wins."""
    stream = Stream("demo", 10)
    first, second, third = order(stream, addresses(3), 3, RULES)
    loads = {first: 50, second: 50 - int(100 * SLACK), third: 0}
    found = choose(stream, [Offer(a, n, 100) for a, n in loads.items()], RULES, first_of_two)
    assert found == (first, second, third)
    loads[second] -= 1
    found = choose(stream, [Offer(a, n, 100) for a, n in loads.items()], RULES, first_of_two)
    assert found == (second, first, third)


def test_the_less_loaded_of_two_wins_on_a_large_stream() -> None:
    """Each viewer of a stream on five edges has two of them as candidates, and gets the emptier one."""
    stream, random = Stream("demo", 4_500), Random(5)
    loads = dict.fromkeys(addresses(20), 0)
    for _ in range(4_500):
        now = [Offer(address, load, 10_000) for address, load in loads.items()]
        loads[choose(stream, now, RULES, random.randrange)[0]] += 1
    used = sorted(load for load in loads.values() if load)
    assert len(used) == 5
    assert used[-1] - used[0] < 15


def test_draining_edges_are_not_chosen() -> None:
    """Nor are they fallbacks; nobody is left when all drain."""
    some = [Offer(address, 0, 100, draining=number % 2 == 0) for number, address in enumerate(addresses(6))]
    staying = {each.address for each in some if not each.draining}
    for number in range(100):
        found = choose(Stream(f"stream-{number}", 0), some, RULES, first_of_two)
        assert set(found) == staying
    drained = [Offer(each.address, 0, 100, draining=True) for each in some]
    assert choose(Stream("demo", 0), drained, RULES, first_of_two) == ()
    assert choose(Stream("demo", 0), [], RULES, first_of_two) == ()


def test_full_edges_are_chosen_only_where_all_are_full() -> None:
    """A stream whose edges are full goes on along its order."""
    stream = Stream("demo", 0)
    ranked = order(stream, addresses(6), 6, RULES)
    some = [Offer(address, 100 if address in ranked[:4] else 10, 100) for address in addresses(6)]
    assert choose(stream, some, RULES, first_of_two) == ranked[4:]
    assert choose(stream, offers(6, load=100), RULES, first_of_two)[0] == ranked[0]


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_a_viewer_gets_fallbacks(count: int) -> None:
    """Three different addresses, or as many as there are."""
    for viewers in (1, 5_000):
        found = choose(Stream("demo", viewers), offers(count), RULES, Random(1).randrange)
        assert len(set(found)) == len(found) == min(count, ADDRESSES_MAX)
