"""How late the feed is, without trusting any clock: by what the shortest way of late took. Pure.

A record's broker time and this machine's monotonic clock differ by an unknown constant. The least
difference of the last half minute or more stands for a record that waited nowhere; what goes beyond it is
delay, wherever it arose: in the broker, on the way, or in this process's own queue.
"""

HALF_MS = 30_000.0
"""The least difference is kept for one to two of these."""
STEP_MS = 10_000.0
"""A difference beyond it is a broker's clock that was set back, not a delay: it is measured anew."""


class Lag:
    """One place of the feed."""

    __slots__ = ("_before", "_least", "_since")

    def __init__(self) -> None:
        self._least: float | None = None
        self._before = float("inf")
        self._since = float("-inf")

    def of(self, appended_ms: float, now_ms: float) -> float:
        """Return the delay, in ms, of a record that was appended then (broker's time) and is here now.

        ``now_ms``: monotonic.
        """
        way = now_ms - appended_ms
        if self._least is None or way - min(self._least, self._before) > STEP_MS:
            self._least, self._before, self._since = way, float("inf"), now_ms
        elif now_ms - self._since > HALF_MS:
            self._least, self._before, self._since = way, self._least, now_ms
        elif way < self._least:
            self._least = way
        return way - min(self._least, self._before)
