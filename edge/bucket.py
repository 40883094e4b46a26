"""A token bucket: so many a second, and some saved up. Pure; time is an argument."""


class Bucket:
    """``rate`` tokens a second, at most ``burst``; full at ``now`` (seconds, monotonic)."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float, count: float = 1.0) -> bool:
        """Take ``count`` tokens; False, and nothing is taken: there are not so many."""
        if self.left(now) < count:
            return False
        self._tokens -= count
        return True

    def left(self, now: float) -> float:
        """Return how many tokens there are."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        return self._tokens
