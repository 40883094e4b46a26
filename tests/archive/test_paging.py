"""What the stores' reads share, without a store."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive.base import PAGE_EVENTS_MAX, SCAN_ROUNDS_MAX, Stored
from schemas.archive.paging import Draft, EpochRow, differs, erased, holes, is_shown, oldest_first, seek
from schemas.overlay import Overlay
from schemas.records import Event
from tests.archive.events import comment, order, seqs

NUMBERS = st.lists(st.integers(1, 200), unique=True).map(sorted)


@given(stored=NUMBERS, upto=st.integers(0, 220))
def test_holes_are_what_is_not_there(stored: list[int], upto: int) -> None:
    """Holes and numbers make up (0, upto], and no two holes touch."""
    found = list(holes(stored, upto))
    missing = [seq for start, end in found for seq in range(start + 1, end + 1)]
    assert sorted(missing + [seq for seq in stored if seq <= upto]) == list(range(1, upto + 1))
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(stored=NUMBERS.filter(bool), step=st.integers(0, 3), at_ms=st.integers(-10, 700))
def test_seek_finds_the_first_that_is_not_before(stored: list[int], step: int, at_ms: int) -> None:
    """Bisection over numbers with holes finds what looking at all finds."""
    times = {seq: seq * step for seq in stored}
    search = seek(stored[0], stored[-1], at_ms)
    asked = 0
    try:
        at = next(search)
        while True:
            asked += 1
            at = search.send(next(((seq, times[seq]) for seq in stored if seq >= at), None))
    except StopIteration as done:
        found = done.value
    assert found == next((seq for seq in stored if times[seq] >= at_ms), None)
    assert asked <= 10


@given(count=st.integers(0, 60), limit=st.integers(1, 9), shadowed=st.sets(st.integers(1, 60)))
def test_a_draft_takes_what_is_shown(count: int, limit: int, shadowed: set[int]) -> None:
    """Fed with what it asks for, a page has the first shown events, and ends where the next begins."""
    rows = [comment(seq, mask=0 if seq in shadowed else -1) for seq in range(1, count + 1)]
    draft = Draft(1, limit)
    while not draft.take(rows[draft.at - 1 : draft.at - 1 + draft.chunk], Overlay()):
        pass
    page = draft.page("e")
    shown = [seq for seq in range(1, count + 1) if seq not in shadowed]
    assert seqs(page.events) == shown[:limit]
    if len(shown) > limit or (page.events and page.events[-1]["seq"] < count and len(shown) == limit):
        assert page.next_seq == shown[limit - 1] + 1
    else:
        assert page.next_seq is None


def test_a_draft_looks_through_a_bounded_number_of_rows() -> None:
    """A page ends after a few chunks without anything to show, and says where to go on."""
    draft, rounds = Draft(5, 1), 0
    while True:
        rounds += 1
        rows = [comment(draft.at + step, mask=0) for step in range(draft.chunk)]
        if draft.take(rows, Overlay()):
            break
    assert rounds == SCAN_ROUNDS_MAX
    page = draft.page("e")
    assert (page.events, page.next_seq) == ([], 5 + 2 + (SCAN_ROUNDS_MAX - 1) * (PAGE_EVENTS_MAX + 1))


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (comment(1), True),
        (comment(1, mask=0), False),
        (comment(1, mask=5), True),
        (comment(1, text="", sticker="wave"), True),
        (erased(comment(1)), False),
        (order(1, "ban", "u1"), True),
        (erased(order(1, "ban", "u1")), True),
        (order(1, "shadow", "u1"), False),
    ],
)
def test_is_shown(event: Event, shown: bool) -> None:
    """Shadowed and erased comments are for nobody; moderation is, but for shadow bans."""
    assert is_shown(event) is shown


def test_differs() -> None:
    """An erased event, and arguments that are all empty, are no difference; another text or place is."""
    said = order(1, "ban", "u1", reason="why")
    assert not differs(said, said)
    assert not differs(erased(said), said)
    assert not differs(order(1, "end"), Event(**order(1, "end") | {"command": None}))
    assert differs(order(1, "ban", "u2"), said)
    assert differs(comment(1, text="x"), comment(1))
    assert differs(comment(1, user_name=""), comment(1))
    assert differs(comment(1), erased(comment(1)))
    assert not differs(erased(comment(1)), comment(1))


def test_oldest_first() -> None:
    """Counters count within an incarnation; incarnations follow each other by time, not by name."""
    rows = [EpochRow("z-1", 5, 90), EpochRow("z-0", 4, 100), EpochRow("a-0", 3, 200), EpochRow("m-10", 1, 95)]
    assert oldest_first(rows) == [Stored("z-0", 4), Stored("z-1", 5), Stored("m-10", 1), Stored("a-0", 3)]
    strange = [EpochRow("a-b-1", 1, 2), EpochRow("a-b-x", 1, 2), EpochRow("-", 1, 1)]
    assert [each.epoch for each in oldest_first(strange)] == ["-", "a-b-x", "a-b-1"]
