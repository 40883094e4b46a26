"""Records that reach the next stage before Kafka brings them: from its own process, when they are durable.

In a fused worker a stage's runner hands what it has appended to the next one's, with the offsets that the
broker gave. The next stage still consumes its source as ever; here it is decided which of the two copies is
the first, so that the runner gets every offset once and in order, and Kafka is told of what it has brought
and the stage has decided. Whatever does not fit on is left to Kafka: after a start, behind another worker's
record, when the inbox is full. Pure.
"""

from dataclasses import dataclass
from typing import Final

AHEAD_RECORDS_MAX: Final = 1_000
"""Handed over and not brought yet; beyond it the next ones are left to Kafka."""


@dataclass(slots=True)
class Ahead:
    """One partition of one runner; a new runner needs a new one. Offsets."""

    _needed: int | None = None
    """What the runner gets next; None: until Kafka brings something."""
    _brought: int = 0
    """What Kafka brings next."""
    _decided: int | None = None
    """Up to which, exclusive, all is decided; None: nothing of what this runner got."""

    @property
    def done(self) -> int | None:
        """Up to which, exclusive, Kafka need not bring anything again; None: it is not known."""
        return None if self._decided is None else min(self._decided, self._brought)

    def takes(self, first: int, count: int) -> bool:
        """Whether ``count`` records from ``first`` on are what the runner needs next; then it has them."""
        if first != self._needed or first + count - self._brought > AHEAD_RECORDS_MAX:
            return False
        self._needed = first + count
        return True

    def bring(self, first: int, end: int) -> int:
        """Take note that Kafka brought [first, end); return from where on the runner has yet to get it."""
        needed = first if self._needed is None else max(first, self._needed)
        self._needed, self._brought = max(needed, end), end
        return needed

    def decide(self, end: int) -> None:
        """Take note that all before ``end`` is decided."""
        self._decided = end
