"""Where the reading of one partition stands: what counts, what is served, how fresh it is. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from schemas.continuity import Fence

STALE_SECONDS = 2.2
"""What was not known to be up to date for this long is stale."""


class Cursor:
    """One partition. Offsets are Kafka's; times are the event loop's.

    Reading begins at ``first`` (``next`` None: not known yet); records before ``serve_from`` only show what
    came before, as which writer is the present one.
    """

    __slots__ = ("_asked", "_asked_at", "_fence", "fresh_at", "next", "serve_from", "stale", "wanted_at")

    def __init__(self, wanted_at: float) -> None:
        self.wanted_at = wanted_at
        self.next: int | None = None
        self.serve_from = 0
        self.fresh_at = -math.inf
        """Everything that was in the log at this time was told."""
        self.stale = False
        self._fence = Fence()
        self._asked = 0
        self._asked_at = -math.inf

    @property
    def token(self) -> int:
        """The present writer's, as far as it is known."""
        return self._fence.token

    def begin(self, first: int, serve_from: int) -> None:
        """Start at an offset."""
        self.next, self.serve_from = first, serve_from

    def admits(self, offset: int, record: Mapping[str, Any]) -> bool:
        """Take note of a decoded segment; whether it is to be shown."""
        return self._fence.admits(offset, record) and bool(record["stream_id"]) and offset >= self.serve_from

    def probed(self, end: int, asked_at: float) -> None:
        """Take note of the log's end, asked for at a time."""
        self._asked, self._asked_at = end, asked_at
        self.advance()

    def advance(self) -> None:
        """See whether the end that was asked for is reached."""
        if self.next is not None and self.next >= self._asked:
            self.fresh_at = max(self.fresh_at, self._asked_at)

    def judge(self, now: float) -> bool:
        """Decide anew whether the partition is stale; True: that has changed."""
        since = self.fresh_at if self.fresh_at > -math.inf else self.wanted_at
        stale = now - since > STALE_SECONDS
        changed = stale != self.stale
        self.stale = stale
        return changed
