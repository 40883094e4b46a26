"""When a stream's frames leave: at once after a pause, and then at most once a window. Pure.

One heap serves all streams, so that a caller needs one timer, whatever the number of streams.
"""

import heapq
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K")


class Windows(Generic[K]):
    """``seconds``: a window's length; 0 sends everything at once. ``K`` is what waits, e.g. a stream."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._waiting: set[K] = set()
        self._order = count()

    def offer(self, key: K, now: float) -> bool:
        """Say that ``key`` has something to send; True: send it now. False: `due` will name it."""
        if self._seconds <= 0:
            return True
        if key not in self._ends:
            self._open(key, now)
            return True
        self._waiting.add(key)
        return False

    def sent(self, key: K) -> None:
        """Note that what ``key`` had to send is sent already."""
        self._waiting.discard(key)

    def due(self, now: float) -> list[K]:
        """Return, in the order of their windows' ends, what waits and may be sent now; it counts as sent."""
        found: list[K] = []
        while self._heap and self._heap[0][0] <= now:
            end, _, key = heapq.heappop(self._heap)
            if self._ends.get(key) != end:
                continue  # forgotten since
            if key in self._waiting:
                self._waiting.discard(key)
                found.append(key)
                self._open(key, now)
            else:
                del self._ends[key]
        return found

    def forget(self, key: K) -> None:
        """Drop ``key`` and what it waits for."""
        self._ends.pop(key, None)
        self._waiting.discard(key)

    @property
    def next_at(self) -> float | None:
        """When to ask `due` next; None: not before the next offer."""
        return self._heap[0][0] if self._heap else None

    def _open(self, key: K, now: float) -> None:
        self._ends[key] = now + self._seconds
        heapq.heappush(self._heap, (self._ends[key], next(self._order), key))
