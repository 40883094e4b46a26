"""What every archive does, whichever store is behind it."""

import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.archive import PAGE_EVENTS_MAX, Archive, Stored
from schemas.archive.gathering import EVENTS_MAX
from schemas.overlay import Overlay
from schemas.records import Event
from tests.archive.events import EPOCH, START_MS, comment, order, runs, segment, seqs, stream_name

BUCKET = 1 << 14


async def walk(archive: Archive, stream: str, limit: int, **asked: Any) -> list[Event]:
    """Read a stream page by page, holding each page against what it must be."""
    events: list[Event] = []
    at: int | None = asked.pop("from_seq", 1)
    while at is not None:
        page = await archive.read(stream, from_seq=at, limit=limit, **asked)
        assert page is not None
        assert len(page.events) <= limit
        assert all(at <= seq for seq in seqs(page.events))
        if page.next_seq is not None:
            assert page.next_seq > at
            assert all(seq < page.next_seq for seq in seqs(page.events))
        events += page.events
        at = page.next_seq
    return events


async def test_what_was_written_is_read(archive: Archive) -> None:
    """Every field comes back as it was written, whatever is in it."""
    stream = stream_name()
    events = [
        comment(1, text="Zażółć gęślą 🎉 \n'; DROP TABLE x; --", user_name="名前"),
        comment(2, text="", sticker="wave"),
        comment(3, mask=-(2**63), role="creator", at=START_MS),
        comment(4, mask=2**63 - 1, user_name="", id="x" * 128, at=0),
        order(5, "ban", "u1", seconds=600, reason="spam"),
        order(6, "settings", None, settings='{"slow_mode_seconds": 5}', text="said"),
        order(7, "pin", "c1"),
    ]
    await archive.write([segment(stream, events)])
    page = await archive.read(stream, from_seq=1, comments_only=False)
    assert page is not None
    assert page.epoch == EPOCH
    assert list(page.events) == events
    assert list(await archive.raw(stream, EPOCH, 1, 7)) == events


async def test_writing_twice_is_writing_once(archive: Archive) -> None:
    """A repeated segment, and one that overlaps, change nothing."""
    stream = stream_name()
    events = [comment(seq) for seq in range(1, 21)]
    for part in (events, events, events[5:15], events[3:]):
        await archive.write([segment(stream, part)])
    assert await walk(archive, stream, 100) == events
    assert await archive.end(stream) == Stored(EPOCH, 20)


async def test_many_writes_at_once(archive: Archive) -> None:
    """Writes that wait together are all there when they return, more than one commit takes too."""
    streams = [stream_name() for _ in range(8)]
    count = EVENTS_MAX // 8 // 4

    async def one(stream: str) -> None:
        for start in range(1, count + 1, 250):
            part = [comment(seq) for seq in range(start, min(start + 250, count + 1))]
            await archive.write([segment(stream, part)])
            assert await archive.end(stream) == Stored(EPOCH, part[-1]["seq"])

    await asyncio.gather(*(one(stream) for stream in streams))
    big = [segment(stream_name(), [comment(seq) for seq in range(1, 301)]) for _ in range(10)]
    await asyncio.gather(*(archive.write([each, *big]) for each in big))
    for each in big:
        assert await archive.missing(each["stream_id"], EPOCH, 300) == []


async def test_nothing_to_write(archive: Archive) -> None:
    """A write of nothing, and of a segment without events, does nothing."""
    await archive.write([])
    stream = stream_name()
    empty = segment(stream, [comment(1)])
    empty["events"] = []
    await archive.write([empty])
    assert await archive.end(stream) is None


async def test_pages_are_contiguous(archive: Archive) -> None:
    """Pages join without hole or repeat at any limit, and end when nothing more is stored."""
    stream = stream_name()
    events = [comment(seq) for seq in range(1, 60)]
    await archive.write([segment(stream, events)])
    for limit in (1, 7, 58, 59, 60, PAGE_EVENTS_MAX):
        assert await walk(archive, stream, limit) == events
    page = await archive.read(stream, from_seq=10, limit=5)
    assert page is not None
    assert (seqs(page.events), page.next_seq) == ([10, 11, 12, 13, 14], 15)
    page = await archive.read(stream, from_seq=50, to_seq=55, limit=6)
    assert page is not None
    assert (seqs(page.events), page.next_seq) == ([50, 51, 52, 53, 54, 55], None)


async def test_a_range_that_is_hidden_does_not_end_the_pages(archive: Archive) -> None:
    """Thousands of hidden comments in a row yield empty pages that go on, within a bound each."""
    stream = stream_name()
    hidden = [comment(seq, user_id="spammer") for seq in range(2, 5000)]
    events = [comment(1), *hidden, order(5000, "clear", "spammer"), comment(5001)]
    for start in range(0, len(events), 500):
        await archive.write([segment(stream, events[start : start + 500])])
    assert seqs(await walk(archive, stream, 1)) == [1, 5001]
    assert seqs(await walk(archive, stream, PAGE_EVENTS_MAX)) == [1, 5001]
    page = await archive.read(stream, from_seq=2, limit=2)
    assert page is not None
    assert page.events == []
    assert page.next_seq is not None


async def test_comments_only_or_all(archive: Archive) -> None:
    """Moderation events are left out unless asked for, and shadow bans always."""
    stream = stream_name()
    events = [
        comment(1),
        order(2, "ban", "u2"),
        order(3, "shadow", "u9", mask=0),
        comment(4, mask=0),
        order(5, "shadow", "u8"),
        comment(6),
        order(7, "end"),
    ]
    await archive.write([segment(stream, events)])
    assert seqs(await walk(archive, stream, 2)) == [1, 6]
    assert seqs(await walk(archive, stream, 2, comments_only=False)) == [1, 2, 6, 7]
    assert seqs(await archive.raw(stream, EPOCH, 1, 7)) == [1, 2, 3, 4, 5, 6, 7]


async def test_a_later_delete_hides(archive: Archive) -> None:
    """A delete hides its comment on pages that end before it, at once, and hides nothing else."""
    stream = stream_name()
    await archive.write([segment(stream, [comment(seq) for seq in range(1, 31)])])
    page = await archive.read(stream, from_seq=1, to_seq=10)
    assert page is not None
    assert 5 in seqs(page.events)
    await archive.write([segment(stream, [order(31, "delete", "c5")])])
    page = await archive.read(stream, from_seq=1, to_seq=10)
    assert page is not None
    assert seqs(page.events) == [1, 2, 3, 4, 6, 7, 8, 9, 10]


async def test_a_clear_hides_up_to_its_place(archive: Archive) -> None:
    """A clear hides what its user said before it, and nothing that came after or from others."""
    stream = stream_name()
    events = [*(comment(seq) for seq in range(1, 10)), order(10, "clear", "u1")]
    events += [comment(seq) for seq in range(11, 20)]
    await archive.write([segment(stream, events)])
    assert seqs(await walk(archive, stream, 4)) == [2, 3, 5, 6, 8, 9, *range(11, 20)]


async def test_a_hide_of_another_epoch_or_stream_is_none(archive: Archive) -> None:
    """Deletes and clears bind in their own stream and epoch."""
    stream, other = stream_name(), stream_name()
    await archive.write([segment(stream, [comment(1), comment(2)], "a-0")])
    await archive.write([segment(stream, [order(1, "delete", "c1"), order(2, "clear", "u2")], "a-1")])
    await archive.write([segment(other, [order(1, "delete", "c1")], "a-0")])
    assert seqs(await walk(archive, stream, 5, epoch="a-0")) == [1, 2]


async def test_ranges(archive: Archive) -> None:
    """A range that is reversed, empty or beyond the end is an empty page; one that begins below 1, at 1."""
    stream = stream_name()
    await archive.write([segment(stream, [comment(seq) for seq in range(1, 6)])])
    for from_seq, to_seq in ((4, 2), (6, None), (6, 9), (10**12, None), (1, 0)):
        page = await archive.read(stream, from_seq=from_seq, to_seq=to_seq)
        assert page is not None
        assert (page.events, page.next_seq) == ([], None)
    page = await archive.read(stream, from_seq=-5, to_seq=10**15)
    assert page is not None
    assert seqs(page.events) == [1, 2, 3, 4, 5]


async def test_unknown(archive: Archive) -> None:
    """What the archive does not know is None, or nothing."""
    stream = stream_name()
    assert await archive.read(stream, from_seq=1) is None
    assert await archive.end(stream) is None
    assert list(await archive.epochs(stream)) == []
    assert await archive.seq_at(stream, 0) is None
    assert list(await archive.raw(stream, EPOCH, 1, 10)) == []
    assert list(await archive.missing(stream, EPOCH, 3)) == [(0, 3)]
    await archive.write([segment(stream, [comment(1)])])
    assert await archive.read(stream, from_seq=1, epoch="x-9") is None
    assert await archive.seq_at(stream, 0, "x-9") is None


@pytest.mark.parametrize("limit", [0, -1, PAGE_EVENTS_MAX + 1])
async def test_a_limit_out_of_bounds_is_refused(archive: Archive, limit: int) -> None:
    """A page has 1 to 500 events."""
    with pytest.raises(ValueError, match="limit"):
        await archive.read("any", from_seq=1, limit=limit)


async def test_epochs(archive: Archive) -> None:
    """Epochs are ordered by counter within an incarnation, and incarnations by when they began."""
    stream = stream_name()
    at = {"b-0": 0, "b-2": 200, "b-10": 300, "a-0": 400, "a-1": 500}
    for epoch in sorted(at):
        await archive.write([segment(stream, [comment(seq, at=at[epoch] + seq) for seq in (1, 2)], epoch)])
    expected = [Stored(epoch, 2) for epoch in ("b-0", "b-2", "b-10", "a-0", "a-1")]
    assert list(await archive.epochs(stream)) == expected
    assert await archive.end(stream) == expected[-1]
    newest = await archive.read(stream, from_seq=1)
    old = await archive.read(stream, from_seq=1, epoch="b-10")
    assert newest is not None
    assert old is not None
    assert (newest.epoch, newest.events[0]["at"]) == ("a-1", 501)
    assert (old.epoch, old.events[0]["at"]) == ("b-10", 301)
    assert await archive.seq_at(stream, 302, "b-10") == 2
    assert await archive.seq_at(stream, 302) == 1


async def test_seq_at(archive: Archive) -> None:
    """A time is found between events, on one, before the first and after the last."""
    stream = stream_name()
    events = [comment(seq, at=1000 * (seq // 2), type="comment") for seq in range(1, 41)]
    events[9] = order(10, "pin", "c1", at=5000)
    await archive.write([segment(stream, events)])
    for at_ms, seq in ((-1, 1), (0, 1), (1, 2), (1000, 2), (1001, 4), (4500, 10), (5000, 10), (20_000, 40)):
        assert await archive.seq_at(stream, at_ms) == seq
    assert await archive.seq_at(stream, 20_001) is None


async def test_missing(archive: Archive) -> None:
    """Holes are ranges (from, to], at the beginning, in the middle and at the end; hidden events are none."""
    stream = stream_name()
    kept = [3, 4, 7, 8, 9, 15]
    for run in runs(kept):
        await archive.write([segment(stream, [comment(seq, mask=seq % 2) for seq in run])])
    await archive.write([segment(stream, [order(12, "delete", "c4")])])
    assert list(await archive.missing(stream, EPOCH, 18)) == [(0, 2), (4, 6), (9, 11), (12, 14), (15, 18)]
    assert list(await archive.missing(stream, EPOCH, 9)) == [(0, 2), (4, 6)]
    assert seqs(await walk(archive, stream, 2)) == [3, 7, 9, 15]


async def test_across_buckets(archive: Archive) -> None:
    """A segment, pages, times and holes go over the border of a Cassandra bucket, and over empty buckets."""
    stream = stream_name()
    near = [comment(seq) for seq in range(BUCKET - 5, BUCKET + 6)]
    far = [comment(seq) for seq in range(5 * BUCKET + 3, 5 * BUCKET + 6)]
    near[5] = order(BUCKET, "pin", "c1")
    await archive.write([segment(stream, near), segment(stream, far)])
    assert await archive.end(stream) == Stored(EPOCH, 5 * BUCKET + 5)
    assert await walk(archive, stream, 4, comments_only=False) == [*near, *far]
    assert await walk(archive, stream, 500, from_seq=BUCKET + 1) == [*near[6:], *far]
    assert list(await archive.raw(stream, EPOCH, BUCKET - 1, BUCKET + 1)) == near[4:7]
    assert list(await archive.missing(stream, EPOCH, 5 * BUCKET + 5)) == [
        (0, BUCKET - 6),
        (BUCKET + 5, 5 * BUCKET + 2),
    ]
    assert await archive.seq_at(stream, near[-1]["at"] + 1) == far[0]["seq"]
    assert await archive.seq_at(stream, near[5]["at"]) == BUCKET


async def test_erased_content_is_gone(archive: Archive) -> None:
    """Erasure blanks texts, names, stickers and reasons of one user on every stream, and counts them once."""
    streams = [stream_name() for _ in range(3)]
    victim = stream_name()
    for stream in streams:
        events = [comment(seq) for seq in range(1, 5)]
        events[1] = comment(2, user_id=victim, user_name="Vic Tim")
        events[3] = comment(4, user_id=victim, user_name="Vic Tim", text="", sticker="wave")
        events.append(order(5, "ban", "u1", user_id=victim, user_name="Vic Tim", reason="he said"))
        await archive.write([segment(stream, events)])
    assert await archive.erase_user(victim) == 9
    assert await archive.erase_user(victim) == 0
    for stream in streams:
        assert seqs(await walk(archive, stream, 10)) == [1, 3]
        assert seqs(await walk(archive, stream, 10, comments_only=False)) == [1, 3, 5]
        assert list(await archive.missing(stream, EPOCH, 5)) == []
        left = await archive.raw(stream, EPOCH, 1, 5)
        assert [event["user_id"] for event in left].count(victim) == 3
        assert "Vic" not in str(left)
        assert "wave" not in str(left)
        assert "he said" not in str(left)
        assert left[0] == comment(1)


async def test_a_replay_does_not_bring_erased_content_back(archive: Archive) -> None:
    """What is written again after an erasure stays blank; what the user says later is kept."""
    stream, victim = stream_name(), stream_name()
    events = [comment(seq, user_id=victim) for seq in range(1, 4)]
    await archive.write([segment(stream, events)])
    assert await archive.erase_user(victim) == 3
    await archive.write([segment(stream, events), segment(stream, [comment(4, user_id=victim)])])
    assert seqs(await walk(archive, stream, 10)) == [4]


SHAPES = st.lists(
    st.one_of(
        st.tuples(st.just("comment"), st.integers(0, 3), st.sampled_from([-1, 0, 5])),
        st.tuples(st.sampled_from(["delete", "clear", "pin", "shadow"]), st.integers(0, 30), st.just(-1)),
    ),
    min_size=1,
    max_size=30,
)


def built(shapes: list[tuple[str, int, int]]) -> list[Event]:
    events = []
    for seq, (kind, number, mask) in enumerate(shapes, start=1):
        if kind == "comment":
            events.append(comment(seq, user_id=f"u{number}", mask=mask))
        else:
            target = f"u{number % 4}" if kind == "clear" else f"c{number}"
            events.append(order(seq, kind, target, mask=mask))
    return events


@given(shapes=SHAPES, seed=st.integers(0, 2**32), limit=st.sampled_from([1, 3, 50]), extra=st.integers(0, 9))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_of_segments_reads_the_same(
    archive: Archive, shapes: list[tuple[str, int, int]], seed: int, limit: int, extra: int
) -> None:
    """Segments cut anywhere, repeated, overlapping and in any order give what the events say."""
    stream, events, chance = stream_name(), built(shapes), random.Random(seed)
    cuts = sorted({0, len(events), *(chance.randrange(len(events) + 1) for _ in range(5))})
    parts = [events[start:end] for start, end in pairwise(cuts)]
    for _ in range(extra):
        start = chance.randrange(len(events))
        parts.append(events[start : chance.randint(start + 1, len(events))])
    chance.shuffle(parts)
    half = len(parts) // 2
    await asyncio.gather(
        archive.write([segment(stream, part) for part in parts[:half]]),
        archive.write([segment(stream, part) for part in parts[half:]]),
    )
    overlay = Overlay()
    overlay.add_all(events)
    seen = [e for e in events if e["mask"] and e["type"] != "shadow" and not overlay.hides(e)]
    assert await walk(archive, stream, limit, comments_only=False) == seen
    assert await walk(archive, stream, limit) == [event for event in seen if event["type"] == "comment"]
    assert list(await archive.raw(stream, EPOCH, 1, len(events))) == events
    assert await archive.end(stream) == Stored(EPOCH, len(events))
    assert list(await archive.missing(stream, EPOCH, len(events))) == []


async def test_a_listing_has_each_epoch_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments or moderation alone, several epochs or buckets; and it goes on where it is told to."""
    for module in ("sqlite", "cassandra_reads"):
        monkeypatch.setattr(f"schemas.archive.{module}.LISTED_MAX", 7)
    streams = [stream_name() for _ in range(20)]
    expected = {(stream, EPOCH) for stream in streams} | {(streams[1], "e2-0")}
    for number, stream in enumerate(streams):
        first = order(1, "ban", "u1") if number % 3 == 0 else comment(1)
        await archive.write([segment(stream, [first])])
    await archive.write([segment(streams[0], [comment(BUCKET * bucket)]) for bucket in (1, 2, 3)])
    await archive.write([segment(streams[1], [comment(1)], "e2-0")])
    # Of this one, the first bucket is not there, as when it has expired.
    late = stream_name()
    await archive.write([segment(late, [comment(BUCKET * bucket + 5)]) for bucket in (2, 3)])

    async def listed(after: str | None) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        while part := await archive.listing(after):
            found += part
            after = part[-1].mark
        return found

    everything = await listed(None)
    assert len({each[:2] for each in everything}) == len(everything)
    assert expected | {(late, EPOCH)} <= {each[:2] for each in everything}
    place = len(everything) // 2
    assert await listed(everything[place][2]) == everything[place + 1 :]
    assert await listed(everything[-1][2]) == []
