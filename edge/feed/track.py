"""Where one stream's channel stands: what was told, what is missing, how fresh it is. Pure.

A channel is at most once. That something is missing shows in two ways: a segment that begins beyond what
was told, and a head in Redis that is beyond it.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any

from schemas.continuity import precedes
from schemas.stores import Head

WAITING_SEGMENTS_MAX = 64
"""Segments of one stream that wait while what is missing before them is read. Beyond it the oldest go: they
are in the window too."""

Record = Mapping[str, Any]


class Verdict(Enum):
    """What to do with a segment."""

    NEXT = auto()
    """Tell it."""
    GAP = auto()
    """Something before it is missing."""
    OLD = auto()
    """It was told, or is of an epoch that is over."""


class Track:
    """One stream. Times are the event loop's. ``epoch`` None: nothing is known of it yet."""

    __slots__ = ("_empty", "_waiting", "epoch", "fresh_at", "healing", "joined", "seq", "stale")

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.seq = 0
        """Told up to here, or, at the start, where the head was: the past is not told but looked up."""
        self._empty = False
        """Whether there was no head yet: then nothing is past, and all that comes is to be told."""
        self.joined = False
        """Whether Redis confirmed the subscription on this connection."""
        self.healing = False
        self.stale = False
        self.fresh_at = -math.inf
        """Nothing that was published before this time is missing."""
        self._waiting: deque[Record] = deque(maxlen=WAITING_SEGMENTS_MAX)

    def judge(self, record: Record) -> Verdict:
        """Hold a segment against what was told."""
        epoch: str = record["epoch"]
        if self.epoch is None:
            return Verdict.GAP if self._empty and record["from_seq"] > 0 else Verdict.NEXT
        if precedes(epoch, self.epoch):
            return Verdict.OLD
        seq = self.seq if epoch == self.epoch else 0
        if record["from_seq"] == record["to_seq"] == seq:
            return Verdict.NEXT  # the stream's state alone
        if record["to_seq"] <= seq:
            # An epoch that begins with nothing is news all the same.
            return Verdict.OLD if epoch == self.epoch else Verdict.NEXT
        return Verdict.GAP if record["from_seq"] > seq else Verdict.NEXT

    def told(self, record: Record) -> None:
        """Note that a segment was told."""
        self.epoch, self.seq = record["epoch"], record["to_seq"]

    def wait(self, record: Record) -> None:
        """Keep a segment until what is missing before it was read."""
        self._waiting.append(record)

    def waiting(self) -> Iterator[Record]:
        """Yield what waits, in its order, and forget it."""
        while self._waiting:
            yield self._waiting.popleft()

    def missing(self, head: Head | None) -> bool:
        """Hold the head in Redis against what was told; the first head is where a channel starts.

        A head that is gone (a flush) or lower (a writer that repeats itself) shows no loss.
        """
        if head is None:
            self._empty = self.epoch is None
            return False
        if self.epoch is None:
            if self._empty:
                return True
            self.epoch, self.seq = head.epoch, head.seq
            return False
        if head.epoch == self.epoch:
            return head.seq > self.seq
        return not precedes(head.epoch, self.epoch)

    def whence(self, epoch: str) -> int:
        """Return after which seq of an epoch something is missing."""
        return self.seq if epoch == self.epoch else 0

    def begin_anew(self) -> None:
        """Forget what was told."""
        self.epoch, self.seq, self.fresh_at, self._empty = None, 0, -math.inf, False
        self._waiting.clear()
