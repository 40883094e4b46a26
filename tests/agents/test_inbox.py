"""An inbox says when it is full and when it has room again, and what it hands out is bounded."""

from agents import inbox as module
from agents.inbox import Inbox


class Told:
    """An inbox, and what it said."""

    def __init__(self, records_max: int) -> None:
        self.said: list[str] = []
        self.inbox: Inbox[bytes] = Inbox(records_max, len)
        self.inbox.on_full = lambda: self.said.append("full")
        self.inbox.on_room = lambda: self.said.append("room")


async def test_full_is_said_at_every_put_and_room_once_half_is_gone() -> None:
    """Whoever opened the tap again for a reason of their own is told again."""
    told = Told(4)
    told.inbox.put([b"a"] * 3)
    assert (told.said, told.inbox.full) == ([], False)
    told.inbox.put([b"b"] * 3)
    told.inbox.put([b"c"])
    assert (told.said, told.inbox.full) == (["full", "full"], True)
    assert await told.inbox.take(4) == [b"a"] * 3 + [b"b"]
    assert told.said == ["full", "full"]
    await told.inbox.take(1)
    assert (told.said, told.inbox.full) == (["full", "full", "room"], False)


async def test_bytes_fill_it_too() -> None:
    """However few records they are."""
    told = Told(100)
    told.inbox.put([bytes(module.BYTES_MAX // 2)])
    assert told.said == []
    told.inbox.put([bytes(module.BYTES_MAX // 2)])
    assert told.said == ["full"]
    await told.inbox.take(1)
    assert told.said == ["full", "room"]


async def test_who_gathers_goes_on_when_it_is_full() -> None:
    """There is no use in waiting for more."""
    told = Told(2)
    told.inbox.put([b"a", b"b"])
    await told.inbox.gather(3_600)


async def test_a_closed_one_has_room_and_drops_what_comes() -> None:
    """Its partition is somebody else's; the tap is left open for the next."""
    told = Told(1)
    told.inbox.put([b"a"])
    told.inbox.close()
    told.inbox.put([b"b"])
    assert (len(told.inbox), told.said) == (0, ["full", "room"])
