"""Which comments travel together: the gateway's queues, one a partition. Pure.

Nothing waits on an idle partition: the first item leaves alone and at once. What arrives while its
record is on the way leaves together when that is acknowledged, so records grow with the load and the
latency does not. At most one record a partition is on the way, which also keeps an author's order.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.records import Item

BATCH_BYTES_MAX = 256 * 1024
ITEMS_PER_BATCH_MAX = 5_000
RECORD_BYTES_OVERHEAD = 128
"""Frame, gateway id and array headers of a record; an upper bound."""
_STRING_BYTES_OVERHEAD = 4
_FIELDS_BYTES_OVERHEAD = 64

W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Waiting(Generic[W]):
    """An item whose author waits. ``waiter`` is the caller's; ``deadline`` on the caller's clock."""

    item: Item
    bytes: int
    deadline: float
    waiter: W


def bytes_of(item: Item) -> int:
    """Return an upper bound of the item's encoded size."""
    command = item["command"]
    texts = [*item.values(), *(command.values() if command else ())]
    return _FIELDS_BYTES_OVERHEAD + sum(_text_bytes(value) for value in texts if isinstance(value, str))


class Packer(Generic[W]):
    """The queues of one gateway; never more than ``items_max`` items in all."""

    def __init__(self, items_max: int, batch_bytes_max: int = BATCH_BYTES_MAX) -> None:
        self._items_max = items_max
        self._bytes_max = batch_bytes_max - RECORD_BYTES_OVERHEAD
        self._queues: dict[int, deque[Waiting[W]]] = {}
        self._on_the_way: dict[int, list[Waiting[W]]] = {}
        self.waiting = 0
        """Items queued or on the way whose authors have no answer yet."""

    def offer(self, partition: int, waiting: Waiting[W]) -> bool:
        """Queue an item; False when it is too big for a record, or ``items_max`` wait already."""
        if self.waiting >= self._items_max or waiting.bytes > self._bytes_max:
            return False
        self._queues.setdefault(partition, deque()).append(waiting)
        self.waiting += 1
        return True

    def take(self, partition: int) -> list[Waiting[W]]:
        """Take what forms the next record; empty when nothing waits or one is on the way."""
        queue = self._queues.get(partition)
        if not queue or partition in self._on_the_way:
            return []
        batch: list[Waiting[W]] = []
        free = self._bytes_max
        while queue and len(batch) < ITEMS_PER_BATCH_MAX and queue[0].bytes <= free:
            free -= queue[0].bytes
            batch.append(queue.popleft())
        self._on_the_way[partition] = batch
        return batch

    def settle(self, partition: int) -> list[Waiting[W]]:
        """Note the answer of the record on the way; return its items whose authors still wait."""
        batch = self._on_the_way.pop(partition, [])
        self.waiting -= len(batch)
        return batch

    def expire(self, now: float) -> list[Waiting[W]]:
        """Give up on items whose deadline has passed: queued ones never leave; return them all.

        A record on the way stays there, and its partition busy: it may still arrive.
        """
        late: list[Waiting[W]] = []
        for partition, queue in self._queues.items():
            kept = deque(_sift(queue, now, late))
            if len(kept) < len(queue):
                self._queues[partition] = kept
        for partition, batch in self._on_the_way.items():
            self._on_the_way[partition] = list(_sift(batch, now, late))
        self.waiting -= len(late)
        return late

    def idle(self) -> Iterator[int]:
        """Yield the partitions that have something to take."""
        return (at for at, queue in self._queues.items() if queue and at not in self._on_the_way)


def _sift(
    waiting: "deque[Waiting[W]] | list[Waiting[W]]", now: float, late: list[Waiting[W]]
) -> Iterator[Waiting[W]]:
    for each in waiting:
        if each.deadline <= now:
            late.append(each)
        else:
            yield each


def _text_bytes(text: str) -> int:
    return _STRING_BYTES_OVERHEAD + (len(text) if text.isascii() else len(text.encode()))
