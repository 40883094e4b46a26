"""What waits for a slow reader: bounded, and what does not fit becomes one announced hole.

Beyond ``items_max`` nothing is kept but the range that is dropped. It is handed out as a hole with the
reason ``reader`` as soon as half of the places are free, and what comes after it follows.
"""

import asyncio
from collections import deque

from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.position import Hole

READER = "reader"
"""The hole's reason: this program read too slowly. The archive has what it was."""


class Mailbox:
    """Items for one reader, in order."""

    def __init__(self, items_max: int) -> None:
        if items_max < 1:
            raise ValueError(f"a queue of {items_max} items holds nothing: take at least 1")
        self._items: deque[Item] = deque()
        self._items_max = items_max
        self._dropped: Missed | None = None
        self._state: State | None = None
        self._over: BaseException | None = None
        self._news = asyncio.Event()

    def put(self, item: Item) -> None:
        """Take an item; never waits."""
        if self._behind and len(self._items) <= self._items_max // 2:
            self._announce()
        if self._behind or len(self._items) >= self._items_max:
            self._drop(item)
        else:
            self._items.append(item)
        self._news.set()

    def end(self, error: BaseException) -> None:
        """Let :meth:`get` raise this once everything was handed out; the first one counts."""
        self._over = self._over or error
        self._news.set()

    async def get(self) -> Item:
        """Return the next item; waits for one."""
        while not self._items:
            if self._behind:
                self._announce()
            elif self._over is not None:
                raise self._over
            else:
                self._news.clear()
                await self._news.wait()
        return self._items.popleft()

    @property
    def _behind(self) -> bool:
        return self._dropped is not None or self._state is not None

    def _drop(self, item: Item) -> None:
        match item:
            case State():
                self._state = item
            case Seen(epoch, event):
                self._widen(epoch, event["seq"] - 1, event["seq"])
            case Missed(epoch, hole):
                self._widen(epoch, hole.from_seq, hole.to_seq)

    def _widen(self, epoch: str, from_seq: int, to_seq: int) -> None:
        match self._dropped:
            case None:
                hole = Hole(from_seq, to_seq, READER)
            case Missed(before, known) if before == epoch:
                hole = Hole(min(known.from_seq, from_seq), max(known.to_seq, to_seq), known.reason)
            case _:  # what was dropped of an epoch that is over is gone with it
                hole = Hole(0, to_seq, "epoch")
        self._dropped = Missed(epoch, hole)

    def _announce(self) -> None:
        """Queue what was dropped; how the connection is comes behind it, as it is now."""
        if self._dropped is not None:
            self._items.append(self._dropped)
        if self._state is not None:
            self._items.append(self._state)
        self._dropped = self._state = None
