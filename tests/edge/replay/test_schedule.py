"""What is due at a position: every number once, in order, in time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.replay.schedule import Chunk, Due, Entry, Schedule, chunk_of, entry_of, pinned, thinned
from tests.edge.fakes import AT, command, comment

PLENTY = 1_000


def entries(seqs: Sequence[int], times: Sequence[int]) -> list[Entry]:
    pairs = zip(seqs, times, strict=True)
    return [Entry(seq, AT + at, f"id-{seq}", "ana", 1 + seq % 7, b"%d" % seq) for seq, at in pairs]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Chunk], list[Entry]]:
    """Draw a stream's chunks: times that do not go back, some numbers without anything to play."""
    end = draw(st.integers(0, 60))
    times = sorted(draw(st.lists(st.integers(0, 10_000), min_size=end, max_size=end)))
    played = [seq for seq in range(1, end + 1) if draw(st.integers(0, 9))]
    found = entries(played, [times[seq - 1] for seq in played])
    cuts = sorted({0, end, *draw(st.lists(st.integers(0, end), max_size=4))})
    chunks = [
        Chunk(after, upto, [entry for entry in found if after < entry.seq <= upto])
        for after, upto in pairwise(cuts)
    ]
    return chunks, found


def played(schedule: Schedule, chunks: Sequence[Chunk], positions: Sequence[int]) -> list[tuple[int, Due]]:
    """Play through positions, reading whenever more is wanted."""
    told, waiting = [], list(chunks)
    for position in positions:
        while waiting and schedule.hungry:
            assert schedule.feed(waiting.pop(0))
        due = schedule.due(position, PLENTY)
        if due is not None:
            told.append((position, due))
    return told


@given(streams(), st.lists(st.integers(0, 12_000), min_size=1, max_size=30))
def test_every_comment_once_in_order_and_in_time(
    stream: tuple[list[Chunk], list[Entry]], positions: list[int]
) -> None:
    """However a video is played, ranges join up, and nothing comes before its time or a look too late."""
    chunks, found = stream
    positions = [*positions, 12_000]
    told = played(Schedule(AT, 0), chunks, positions)
    assert [entry for _, due in told for entry in due.entries] == found
    at = 0
    for _, due in told:
        assert due.after == at
        assert all(due.after < entry.seq <= due.upto for entry in due.entries)
        at = due.upto
    for position, due in told:
        first = positions.index(position)
        before = max(positions[:first], default=-1)
        for entry in due.entries:
            assert before < entry.at - AT <= position


@given(streams(), st.integers(0, 60), st.integers(0, 60))
def test_going_elsewhere_plays_what_follows_there(
    stream: tuple[list[Chunk], list[Entry]], some: int, after: int
) -> None:
    """After a jump, back or forth, the rest of the stream follows from there."""
    chunks, found = stream
    schedule = Schedule(AT, 0)
    played(schedule, chunks, [some * 100])
    after = min(after, chunks[-1].upto if chunks else 0)
    schedule.go_to(after)
    rest = [Chunk(after, each.upto, each.entries) for each in chunks if each.upto > after]
    told = played(schedule, rest, [12_000])
    assert [entry for _, due in told for entry in due.entries] == [each for each in found if each.seq > after]


@given(streams())
def test_what_is_read_twice_is_played_once(stream: tuple[list[Chunk], list[Entry]]) -> None:
    """The end of a stream is read again and again, each time with more."""
    chunks, found = stream
    schedule = Schedule(AT, 0)
    for chunk in chunks:
        longer = Chunk(0, chunk.upto, [entry for entry in found if entry.seq <= chunk.upto])
        assert schedule.feed(longer)
        assert not schedule.feed(longer)
    due = schedule.due(12_000, PLENTY)
    assert list(due.entries if due else ()) == found


def test_a_chunk_that_does_not_join_up_is_not_taken() -> None:
    """It was read for a place that was left meanwhile."""
    schedule = Schedule(AT, 10)
    assert not schedule.feed(Chunk(20, 30, entries([25], [0])))
    assert (schedule.read, schedule.next_ms, schedule.due(1e9, PLENTY)) == (10, None, None)


def test_what_was_taken_away_is_omitted() -> None:
    """Its number is told, it is not."""
    schedule = Schedule(AT, 0)
    schedule.feed(Chunk(0, 3, entries([1, 2, 3], [1, 2, 3])))
    schedule.hide(lambda entry: entry.id == "id-2")
    due = schedule.due(10, PLENTY)
    assert due is not None
    assert (due.after, due.upto, [entry.seq for entry in due.entries]) == (0, 3, [1, 3])


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(0, 40))
def test_thinning_keeps_who_leads_and_the_order(ranks: list[int], room: int) -> None:
    """No more than there is room for, but for those that lead; and who is kept of fewer is kept of more."""
    found = [Entry(seq, AT, f"{seq}", "ana", rank, b"") for seq, rank in enumerate(ranks, 1)]
    kept = thinned(found, room)
    leading = [entry for entry in found if entry.rank == 0]
    assert len(kept) == min(len(found), max(room, len(leading)))
    assert set(leading) <= set(kept)
    assert list(kept) == sorted(kept)
    assert set(kept) <= set(thinned(found, room + 1))


@given(st.lists(st.tuples(st.sampled_from(["comment", "pin", "unpin"]), st.integers(0, 9)), max_size=20))
def test_what_is_pinned_follows_from_the_last_pin(said: list[tuple[str, int]]) -> None:
    """A comment that was there before; unpinned, nothing is."""
    found = [
        Entry(seq, AT, f"id-{seq}", "ana", 0, b"", kind, None if kind != "pin" else f"id-{target}")
        for seq, (kind, target) in enumerate(said)
    ]
    last = next((entry for entry in reversed(found) if entry.kind != "comment"), None)
    expected = None
    if last is not None and last.kind == "pin":
        before = (each for each in found if each.kind == "comment" and each.seq < last.seq)
        expected = next((each for each in before if each.id == last.target), None)
    assert pinned(found) == expected


def test_what_is_played_of_a_stream() -> None:
    """Comments, pins, the end; who was banned or what was deleted is not."""
    kinds: list[Any] = ["pin", "unpin", "end", "ban", "delete", "clear", "settings", "slow", "timeout"]
    events = [comment(1), *(command(2 + at, kind, "x") for at, kind in enumerate(kinds))]
    chunk = chunk_of(0, 20, events)
    assert [entry.seq for entry in chunk.entries] == [1, 2, 3, 4]
    assert [entry.rank == 0 for entry in chunk.entries] == [False, True, True, True]
    lead = entry_of(comment(1) | {"role": "creator"})
    assert lead is not None
    assert lead.rank == 0
    assert b'"text":"comment 1"' in chunk.entries[0].body
