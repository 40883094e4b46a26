"""Which comments were decided within the duplicate window, as far as `moderate` has to know.

`sequence` drops repeats by itself, exactly. But a repeat must not be put into the queue of held comments:
approving it would show twice what was shown already, or what was refused.
"""


class Recent:
    """Keys of one to three windows, by log-append time; 64 bits each. ``window_ms``: the duplicate window."""

    __slots__ = ("_ends", "_newer", "_older", "_window_ms")

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._ends = 0
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def add(self, identity: bytes, at: int) -> bool:
        """Note a comment (`schemas.content.identity`) decided at a time, ms since 1970; whether it is new."""
        if at >= self._ends:
            far = at >= self._ends + self._window_ms
            self._older, self._newer = (set() if far else self._newer), set()
            self._ends = at + self._window_ms
        key = hash(identity)
        if key in self._newer or key in self._older:
            return False
        self._newer.add(key)
        return True
