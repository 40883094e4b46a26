"""The placement simulation at a smaller size, with the figures that placement promises."""

from collections import Counter
from typing import get_args

import pytest

from livecomments.simulate.placement import (
    Model,
    Places,
    Result,
    Rule,
    audience,
    hash_of,
    measure,
    moved_by_growth,
    place,
    run,
)

MODEL = Model(streams=60_000, viewers=3_000_000, capacity=10_000, viewers_per_edge=2_500, partitions=512)


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], Result]:
    return {(each.rule, each.feed): each for each in run(MODEL)}


def test_the_audience_is_zipfs() -> None:
    """All viewers are there, the largest first, and each stream has somebody."""
    viewers = audience(MODEL)
    assert len(viewers) == MODEL.streams
    assert abs(sum(viewers) - MODEL.viewers) < MODEL.viewers * 0.01
    assert list(viewers) == sorted(viewers, reverse=True)
    assert viewers[0] / viewers[9] == pytest.approx(10**MODEL.exponent, rel=0.01)


@pytest.mark.parametrize("feed", ["kafka", "kafka without cells", "redis"])
def test_no_edge_is_a_quarter_fuller_than_the_mean(results: dict[tuple[str, str], Result], feed: str) -> None:
    """Two candidates: max/mean at most 1.25, in cells too; and none above its capacity."""
    found = results["two", feed]
    assert found.max_over_mean <= 1.25
    assert found.fullest < 1
    assert results["one", feed].max_over_mean > found.max_over_mean + 0.2


def test_bounded_loads_are_bounded(results: dict[tuple[str, str], Result]) -> None:
    """HAProxy's rule holds its factor, but for the few that come together here."""
    assert results["bounded", "redis"].max_over_mean <= 1.3


def test_a_small_stream_is_seldom_on_two_edges(results: dict[tuple[str, str], Result]) -> None:
    """The slack keeps streams whole: three of four stay on one edge."""
    assert results["two", "redis"].channels < 1.3 * MODEL.streams


def test_cells_spare_the_edges_most_of_the_log(results: dict[tuple[str, str], Result]) -> None:
    """An edge reads its cells' partitions alone."""
    assert results["two", "kafka"].bytes_mean < results["two", "kafka without cells"].bytes_mean / 10
    assert results["two", "redis"].bytes_mean <= results["two", "kafka"].bytes_mean


@pytest.mark.parametrize("cells", [True, False])
def test_growth_moves_nobody(cells: bool) -> None:
    """From one edge to all of them: whoever has a place keeps it."""
    sizes = [2_500 * count for count in range(1, MODEL.edges + 1, 31)]
    assert all(moved_by_growth(MODEL, stream, sizes, cells=cells) == 0 for stream in range(5))


def test_candidates_from_one_hash_are_evenly_spread() -> None:
    """They are different, and each edge is as often the first and the second as any other."""
    for cells in (False, True):
        model = Model(streams=1, viewers=50 * 77_000, partitions=64)
        places = Places(model, cells=cells)
        pairs = [places.pair(stream, hash_of(stream)) for stream in range(100_000)]
        assert all(one != two for one, two in pairs)
        for at in (0, 1):
            counts = Counter(pair[at] for pair in pairs)
            assert len(counts) == model.edges
            if not cells:  # with cells, an edge is in as many as the hash gives it
                assert max(counts.values()) < 1.12 * 100_000 / model.edges


def test_every_viewer_is_placed() -> None:
    """No rule loses any, and what is measured adds up."""
    model = Model(streams=5_000, viewers=400_000, capacity=10_000, viewers_per_edge=2_500, partitions=64)
    viewers = audience(model)
    for cells in (True, False):
        places = Places(model, cells=cells)
        for rule in get_args(Rule):
            placed = place(model, viewers, places, rule)
            assert sum(placed.loads) == sum(viewers)
            for found in measure(model, viewers, places, placed, rule):
                assert found.channels >= model.streams
                assert found.reads_max >= found.reads_mean > 0
                assert found.bytes_max >= found.bytes_mean > 0
