"""Lanes: pacing, carrying over, permutation, dealing."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.lanes import ALL, LANES, Counts, deal, lanes_of, permuted, room, signed, span_of

SECRET = b"s" * 32
NONE = Counts(0, [0] * LANES)


def shown(room_of_lane: list[int]) -> Counts:
    return Counts(0, room_of_lane)


@settings(max_examples=20, deadline=None)
@given(window=st.integers(0, 10**10), rate=st.floats(0.5, 20))
def test_any_second_has_the_rate_when_all_slots_are_used(window: int, rate: float) -> None:
    """With every slot used, any four windows give a lane three quarters of the rate, give or take one."""
    before = [NONE] * span_of(rate)
    for at in range(window, window + 24):
        now = room(at, rate, before[-span_of(rate) :], NONE)
        before.append(Counts(now.for_all, now.of_lane))
    rows = before[span_of(rate) + 4 :]
    for start in range(len(rows) - 4):
        for lane in range(LANES):
            got = sum(row.on_lane[lane] for row in rows[start : start + 4])
            assert abs(got - 0.75 * rate) <= 1


def test_one_unused_slot_is_carried_and_no_more() -> None:
    """After any silence a lane may have one slot more than the window gives it."""
    for window in range(1000, 1008):
        fresh = room(window, 4.0, [shown([3] * LANES)] * 4, NONE)
        quiet = room(window, 4.0, [NONE] * 4, NONE)
        assert {a - b for a, b in zip(quiet.of_lane, fresh.of_lane, strict=True)} == {1}


def test_what_goes_to_all_beyond_their_share_is_taken_from_each_lane() -> None:
    """A creator who writes ten comments a second leaves the lanes nothing of their own."""
    busy = [Counts(3, [0] * LANES)] * 4
    assert room(1000, 4.0, busy, Counts(3, [0] * LANES)).of_lane == [0] * LANES


@given(st.integers(0, 10**10), st.text(max_size=8))
def test_the_order_is_a_permutation_that_only_the_key_tells(window: int, stream: str) -> None:
    """Each lane comes once; another window or key gives another order."""
    order = permuted(SECRET, stream, window)
    assert sorted(order) == list(range(LANES))
    assert order != permuted(SECRET, stream, window + 1)
    assert order != permuted(b"other", stream, window)


authors_ = st.lists(st.sampled_from("abcdefghijklmnop"), max_size=120)
free_ = st.lists(st.integers(0, 3), min_size=LANES, max_size=LANES)
had_ = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, ALL))


@settings(max_examples=60, deadline=None)
@given(authors=authors_, free=free_, had=had_)
def test_dealing_fills_no_lane_twice_with_an_author(
    authors: list[str], free: list[int], had: dict[str, int]
) -> None:
    """No lane gets more than its slots, none an author it has had, and no candidate is on a lane twice."""
    masks = deal(authors, free, permuted(SECRET, "s", 1), had)
    used = Counter(lane for mask in masks for lane in lanes_of(mask))
    assert all(used[lane] <= free[lane] for lane in range(LANES))
    seen = dict(had)
    for author, mask in zip(authors, masks, strict=True):
        assert not mask & seen.get(author, 0)
        seen[author] = seen.get(author, 0) | mask


def test_few_candidates_are_seen_by_all_and_many_by_one_lane_each() -> None:
    """With one slot a lane: one candidate gets all lanes, four a quarter, a hundred one each."""
    order = permuted(SECRET, "s", 1)
    one = [1] * LANES
    assert deal(["a"], one, order, {}) == [ALL]
    assert [mask.bit_count() for mask in deal(list("abcd"), one, order, {})] == [16] * 4
    many = [mask.bit_count() for mask in deal([f"u{n}" for n in range(100)], one, order, {})]
    assert many == [1] * 64 + [0] * 36


@given(st.integers(0, ALL))
def test_a_mask_survives_as_a_signed_long(mask: int) -> None:
    """Bit 63 is the sign; the lanes are the same."""
    assert -(2**63) <= signed(mask) < 2**63
    assert list(lanes_of(signed(mask))) == [lane for lane in range(LANES) if mask >> lane & 1]
