"""A bounded queue for one reader: order, and what is said of what does not fit."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.mailbox import READER, Mailbox
from livecomments.client.position import Hole


def seen(seq: int, epoch: str = "e") -> Seen:
    return Seen(epoch, {"seq": seq, "type": "comment"})


async def drain(mailbox: Mailbox) -> list[Item]:
    mailbox.end(StopAsyncIteration())
    items = []
    while True:
        try:
            items.append(await mailbox.get())
        except StopAsyncIteration:
            return items


async def test_what_does_not_fit_is_one_hole() -> None:
    """Items beyond the limit become a hole behind those that fit, and how the connection is now."""
    mailbox = Mailbox(2)
    for item in (seen(1), seen(2), seen(3), State("connecting"), State("live"), seen(4)):
        mailbox.put(item)
    assert await drain(mailbox) == [seen(1), seen(2), Missed("e", Hole(2, 4, READER)), State("live")]


async def test_it_goes_on_when_half_is_free() -> None:
    """Once the reader has caught up, the hole is queued and what comes then follows it."""
    mailbox = Mailbox(4)
    for seq in range(1, 7):
        mailbox.put(seen(seq))
    assert [await mailbox.get() for _ in range(3)] == [seen(1), seen(2), seen(3)]
    mailbox.put(seen(7))
    assert await drain(mailbox) == [seen(4), Missed("e", Hole(4, 6, READER)), seen(7)]


async def test_an_epoch_that_ends_unread() -> None:
    """Dropped items of two epochs are one hole of the new one, up to where it is."""
    mailbox = Mailbox(1)
    for item in (seen(1), seen(2), seen(1, "f"), seen(2, "f")):
        mailbox.put(item)
    assert await drain(mailbox) == [seen(1), Missed("f", Hole(0, 2, "epoch"))]


async def test_the_end_comes_behind_what_waits() -> None:
    """The first end is raised after everything was handed out, each time it is asked."""
    mailbox = Mailbox(8)
    mailbox.put(seen(1))
    mailbox.end(ValueError("first"))
    mailbox.end(ValueError("second"))
    assert await mailbox.get() == seen(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="first"):
            await mailbox.get()


async def test_a_reader_waits() -> None:
    """A reader that is ahead is woken by the next item."""
    mailbox = Mailbox(1)
    reading = asyncio.ensure_future(mailbox.get())
    await asyncio.sleep(0)
    assert not reading.done()
    mailbox.put(seen(1))
    assert await reading == seen(1)


@given(st.integers(1, 6), st.lists(st.booleans(), max_size=60))
def test_nothing_is_missing_without_a_hole(limit: int, steps: list[bool]) -> None:
    """However reading and writing alternate: ascending, bounded, and the holes are what is missing."""

    async def play() -> None:
        mailbox, got, seq = Mailbox(limit), list[Item](), 0
        for put in steps:
            if put:
                seq += 1
                mailbox.put(seen(seq))
                assert len(mailbox._items) <= limit + 1
            elif mailbox._items or mailbox._behind:
                got.append(await mailbox.get())
        got += await drain(mailbox)
        at = 0
        for item in got:
            match item:
                case Seen(_, event):
                    assert event["seq"] == at + 1
                    at = event["seq"]
                case Missed(_, hole):
                    assert (hole.from_seq, hole.reason) == (at, READER)
                    at = hole.to_seq
        assert at == seq

    asyncio.run(play())
