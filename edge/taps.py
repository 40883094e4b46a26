"""Taps on emoji, counted for half a second and written as one record a stream. Pure.

A tap is no comment: it may get lost, and nobody is told. A hundred thousand a second are a few hundred
records.
"""

from collections.abc import Collection
from typing import Final

from schemas.records import Reaction

STREAMS_MAX: Final = 10_000
"""Tapped on within one window; further ones' taps are not counted."""
BURST_SECONDS: Final = 5
"""Of taps that a user may save up."""


class Taps:
    """Of one edge process. ``emoji``: what may be tapped; ``per_second``: by one user."""

    def __init__(self, edge: str, boot: str, emoji: Collection[str], per_second: float) -> None:
        self._edge = edge
        self._boot = boot
        self._emoji = frozenset(emoji)
        self._per_second = per_second
        self._window = 0
        self._counts: dict[str, dict[str, int]] = {}
        self._left: dict[str, tuple[float, float]] = {}
        """User → what they may still tap, and since when it grows."""

    def allows(self, emoji: str) -> bool:
        """Whether that may be tapped at all."""
        return emoji in self._emoji

    def tap(self, stream_id: str, emoji: str, user_id: str, now: float) -> bool:
        """Count one; False: the user taps too fast. ``now``: seconds, monotonic."""
        most = self._per_second * BURST_SECONDS
        left, since = self._left.get(user_id, (most, now))
        left = min(most, left + (now - since) * self._per_second)
        if left < 1:
            return False
        self._left[user_id] = (left - 1, now)
        counts = self._counts.get(stream_id)
        if counts is None:
            if len(self._counts) >= STREAMS_MAX:
                return True
            counts = self._counts[stream_id] = {}
        counts[emoji] = counts.get(emoji, 0) + 1
        return True

    def take(self, now: float) -> list[Reaction]:
        """End the window; return its records."""
        self._left = {user: mine for user, mine in self._left.items() if now - mine[1] < BURST_SECONDS}
        counts, self._counts = self._counts, {}
        self._window += 1
        return [
            Reaction(edge=self._edge, boot=self._boot, window=self._window, stream_id=stream, counts=taps)
            for stream, taps in counts.items()
        ]
