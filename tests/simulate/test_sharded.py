"""A stream sampled in shards: what it shows, how fair it is, how little reaches the one merge."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomments.simulate.sampling import Author, crowd, event, written
from livecomments.simulate.sharded import KEPT, run, shard_of, shards_for


@settings(max_examples=8, deadline=None)
@given(shards=st.integers(1, 16), seed=st.integers(0, 5), arrivals=st.sampled_from([50, 800]))
def test_shards_that_know_what_was_shown_show_what_one_sampler_shows(
    shards: int, seed: int, arrivals: int
) -> None:
    """To the last lane, whatever the number of shards: the smallest of the smallest are the smallest."""
    outcome = run(written(crowd(arrivals, 1 / 5), 4, seed), shards, delay=0)
    assert outcome.shown > 20
    assert outcome.agreement == 1.0


def test_what_reaches_the_merge_does_not_grow_with_the_stream() -> None:
    """At most so many candidates of a shard and window, whatever comes in."""
    calm, busy = (run(written(crowd(arrivals, 1), 2, 1), 4, kept=16) for arrivals in (1_000, 8_000))
    assert calm.handed_on_per_s == busy.handed_on_per_s == 4 * 16 * 4
    assert KEPT * 16 * 4 < 10_000, "16 shards of the default are within what one partition takes"


@pytest.mark.parametrize("delay", [2, 4])
def test_a_shard_that_learns_late_is_still_fair(delay: int) -> None:
    """30 times the comments are at most 2.5 times the impressions, half a second or one behind."""
    authors, loud = crowd(600, 1 / 15), [Author(f"loud{n}", 2.0) for n in range(3)]
    outcome = run(written([*authors, *loud], 120, seed=4), 8, delay=delay, warm_s=45)
    each = sum(outcome.impressions[author.name] for author in authors) / len(authors)
    assert sum(outcome.impressions[author.name] for author in loud) / len(loud) <= 2.5 * each


def test_identical_texts_of_different_shards_are_one() -> None:
    """The merge counts them all, and the shards hold them back once they know."""
    rows = [event(n, 1_800_000_000_000 + n * 10, f"u{n}", "gg") for n in range(1, 200)]
    outcome = run(rows, 8, delay=1)
    assert outcome.shown == 1


def test_an_author_has_one_shard() -> None:
    """And authors are spread evenly over them."""
    counts = [0] * 8
    for n in range(8_000):
        counts[shard_of(f"u{n}", 8)] += 1
    assert shard_of("u1", 8) == shard_of("u1", 8)
    assert max(counts) < 1.2 * 1_000


@pytest.mark.parametrize(("arrivals", "shards"), [(1_000, 1), (30_000, 1), (30_001, 2), (500_000, 17)])
def test_shards_are_added_when_a_partition_has_its_load(arrivals: int, shards: int) -> None:
    """Three fifths of 50,000 comments a second each."""
    assert shards_for(arrivals, 50_000) == shards
