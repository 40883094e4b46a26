"""Reads of a range out of archive and window: what is shown, and when nothing is."""

import asyncio
from typing import Any

import pytest

from edge.api.fresh import Taken
from edge.api.history import Comments, History, Joined, Range
from edge.api.problems import Away
from schemas.archive import ArchiveUnavailable
from schemas.stores import Head
from tests.api.fakes import World
from tests.api.records import AT, STREAM, comments, event, id_of, segment


def reader(here: World) -> History:
    return History(lambda: here.archive, here.directory, here.directory, here.directory.stale.__contains__)  # type: ignore[arg-type]


async def read(here: World, **wanted: Any) -> Comments:
    found = await reader(here).read(STREAM, Range(**wanted))
    assert found is not None
    return found


def seqs(found: Comments) -> list[int]:
    return [each["seq"] for each in found.events]


async def test_window_alone(here: World) -> None:
    """A stream of which the archive has nothing yet is read from its beginning."""
    here.directory.push(comments(1, 4))
    found = await read(here, limit=3)
    assert (seqs(found), found.next_seq, found.to_seq) == ([1, 2, 3], 4, 3)
    found = await read(here, from_seq=4)
    assert (seqs(found), found.next_seq, found.to_seq) == ([4], None, 4)


async def test_page_that_ends_at_the_archives_end(here: World) -> None:
    """The next page begins with the first comment of the window."""
    await here.store(comments(1, 3))
    here.directory.push(comments(4, 6))
    found = await read(here, limit=3)
    assert (seqs(found), found.next_seq) == ([1, 2, 3], 4)


async def test_clear_in_the_window_hides_both(here: World) -> None:
    """A user's comments up to the clear are gone, in archive and window; a later one is not."""
    await here.store(comments(1, 2))
    here.directory.push(comments(3, 3), segment([event(4, "clear", "ana"), event(5)]))
    assert seqs(await read(here)) == [5]


async def test_delete_that_came_before_its_comment(here: World) -> None:
    """The archive has the delete already, and not yet the comment."""
    here.directory.push(segment([event(1, "delete", id_of(3))]), comments(2, 4))
    await here.store(segment([event(1, "delete", id_of(3))]))
    assert seqs(await read(here)) == [2, 4]


async def test_what_was_taken_away_just_now_is_not_shown(here: World) -> None:
    """It is acknowledged, and neither store has it yet: a delete by id, a clear up to its time."""
    await here.store(segment([event(1), event(2), event(3, user_id="bo")]))
    here.directory.push(segment([event(4, user_id="bo"), event(5, user_id="bo"), event(6)]))
    here.directory.taken = Taken(frozenset({id_of(2), id_of(6)}), {"bo": AT + 4000})
    assert seqs(await read(here)) == [1, 5]
    here.directory.heads[STREAM] = Head("test-0", 3)
    assert seqs(await read(here)) == [1]


async def test_shadowed_comments_are_their_authors_own(here: World) -> None:
    """Mask 0 is not for readers, in the window as in the archive."""
    await here.store(segment([event(1, mask=0), event(2)]))
    here.directory.push(segment([event(3, mask=0), event(4)]))
    assert seqs(await read(here)) == [2, 4]


async def test_sampled_window_says_what_it_leaves_out(here: World) -> None:
    """Numbers without events are counted, within the range that was asked for."""
    await here.store(comments(1, 2))
    here.directory.push(segment([event(4), event(9)], from_seq=2, to_seq=10, sampled=True))
    found = await read(here)
    assert (seqs(found), found.omitted) == ([1, 2, 4, 9], 6)
    assert (await read(here, from_seq=9)).omitted == 1
    assert (await read(here, to_seq=2)).omitted == 0


async def test_overlap_is_trimmed(here: World) -> None:
    """Records that were written again cover what is there already: each number once, the first holds."""
    again = segment([event(2, text="other"), event(3)], from_seq=1)
    here.directory.push(comments(1, 2), again, comments(1, 3))
    found = await read(here)
    assert [(each["seq"], each["text"]) for each in found.events] == [
        (1, "comment 1"),
        (2, "comment 2"),
        (3, "comment 3"),
    ]


async def test_by_time(here: World) -> None:
    """The first comment at or after a time, wherever it is; nothing after the last one."""
    await here.store(comments(1, 3))
    here.directory.push(comments(4, 5))
    assert seqs(await read(here, at=AT + 2500)) == [3, 4, 5]
    assert seqs(await read(here, at=AT + 4001)) == [5]
    found = await read(here, at=AT + 60_000)
    assert (seqs(found), found.from_seq, found.to_seq, found.next_seq) == ([], 6, 5, None)


async def test_window_that_went_with_time(here: World) -> None:
    """A quiet stream has a head and no window: the archive has all of it."""
    await here.store(comments(1, 3))
    here.directory.heads[STREAM] = Head("test-0", 3)
    assert seqs(await read(here)) == [1, 2, 3]


@pytest.mark.parametrize("segments", [[], [comments(6, 9)], [comments(1, 8)]])
async def test_nothing_is_shown_across_a_gap(here: World, segments: list[Any]) -> None:
    """Whatever part is missing between the archive and the head: refused."""
    await here.store(comments(1, 3))
    here.directory.push(*segments)
    here.directory.heads[STREAM] = Head("test-0", 9)
    with pytest.raises(Away, match="behind"):
        await read(here)


async def test_nothing_is_shown_while_persist_stands_still(here: World) -> None:
    """Archive and window agree then, and both may miss a delete that is in the log."""
    await here.store(comments(1, 3))
    here.directory.heads[STREAM] = Head("test-0", 3)
    here.directory.stale.add(STREAM)
    with pytest.raises(Away, match="behind"):
        await read(here)


async def test_later_epoch_is_read_unless_another_is_named(here: World) -> None:
    """History that was lost begins anew; the old one stays readable under its name."""
    await here.store(comments(1, 3), comments(1, 1, epoch="test-1"))
    here.directory.push(comments(1, 2, epoch="test-1"))
    found = await read(here)
    assert (found.epoch, seqs(found)) == ("test-1", [1, 2])
    found = await read(here, epoch="test-0")
    assert (found.epoch, seqs(found)) == ("test-0", [1, 2, 3])


async def test_old_epoch_whose_end_may_be_missing(here: World) -> None:
    """While the archive has not reached the new epoch, a delete at the old one's end may be on its way."""
    await here.store(comments(1, 3))
    here.directory.push(comments(1, 2, epoch="test-1"))
    with pytest.raises(Away):
        await read(here, epoch="test-0")


async def test_archive_that_is_ahead_of_the_window(here: World) -> None:
    """A head that lags takes nothing away."""
    await here.store(comments(1, 5), segment([event(6, "delete", id_of(2))]))
    here.directory.heads[STREAM] = Head("test-0", 2)
    assert seqs(await read(here)) == [1, 3, 4, 5]


async def test_archive_that_does_not_answer_in_time(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read has a limit."""
    monkeypatch.setattr("edge.api.history.READ_SECONDS", 0.01)
    never = asyncio.Event()

    async def end(_: str) -> None:
        await never.wait()

    monkeypatch.setattr(here.archive, "end", end)
    with pytest.raises(ArchiveUnavailable):
        await read(here)


async def test_those_who_ask_the_same_share_a_read() -> None:
    """One call for many, each gets its answer, and who goes away takes nobody's."""
    joined: Joined[int] = Joined(1.0)
    calls, go = 0, asyncio.Event()

    async def call() -> int:
        nonlocal calls
        calls += 1
        await go.wait()
        return calls

    tasks = [asyncio.ensure_future(joined.get("key", call)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks[1:]) == [1, 1, 1, 1]
    assert await joined.get("key", call) == 2


async def test_a_read_that_is_under_way_for_long_is_not_joined() -> None:
    """It may have begun before a delete that who comes later must not miss."""
    joined: Joined[int] = Joined(0.0)
    calls, go = 0, asyncio.Event()

    async def call() -> int:
        nonlocal calls
        calls += 1
        mine = calls
        await go.wait()
        return mine

    first = asyncio.ensure_future(joined.get("key", call))
    await asyncio.sleep(0.001)
    second = asyncio.ensure_future(joined.get("key", call))
    await asyncio.sleep(0.001)
    go.set()
    assert (await first, await second) == (1, 2)


async def test_an_error_reaches_all_who_share() -> None:
    """And the next one asks anew."""
    joined: Joined[int] = Joined(1.0)

    async def fail() -> int:
        raise ArchiveUnavailable("no")

    async def work() -> int:
        return 1

    found = await asyncio.gather(*(joined.get("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [ArchiveUnavailable] * 3
    assert await joined.get("k", work) == 1
