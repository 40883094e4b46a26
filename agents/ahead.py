"""Records that reach the next stage before Kafka brings them: from its own process, when they are durable.

In a fused worker a stage's runner hands what it has appended to the next one's, with the offsets that the
broker gave. The next stage still consumes its source as ever; here it is decided which of the two copies is
the first, so that the runner gets every offset once and in order, and Kafka is told of the copy that it
brought. Whatever does not fit on is left to Kafka: after a start, behind another worker's record, when the
inbox is full. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

AHEAD_RECORDS_MAX: Final = 1_000
"""Handed over and not brought yet; beyond it the next ones are left to Kafka."""


@dataclass(slots=True)
class Ahead:
    """One partition of one runner; a new runner needs a new one."""

    _given: int | None = None
    """The next offset that the runner needs; None: until Kafka brings one."""
    _brought: int = 0
    """The next offset that Kafka is to bring."""
    _told: dict[int, Callable[[], None]] = field(default_factory=dict)
    """How Kafka is told, of records that it brought and that are not decided yet."""
    _decided: set[int] = field(default_factory=set)
    """Decided before Kafka brought them."""

    def takes(self, first: int, count: int) -> bool:
        """Whether ``count`` records from ``first`` on are what the runner needs next; then it has them."""
        if first != self._given or self._given + count - self._brought > AHEAD_RECORDS_MAX:
            return False
        self._given += count
        return True

    def is_new(self, offset: int, tell: Callable[[], None]) -> bool:
        """Take note of a record that Kafka brought; return whether the runner has yet to get it.

        If so call `given` when it has it: until then nothing is taken from elsewhere.
        """
        self._brought = offset + 1
        if offset in self._decided:
            self._decided.discard(offset)
            tell()
            return False
        self._told[offset] = tell
        if self._given is not None and offset < self._given:
            return False
        self._given = None
        return True

    def given(self, offset: int) -> None:
        """Take note that the runner has what Kafka brought."""
        self._given = offset + 1

    def decide(self, offset: int) -> None:
        """Tell Kafka that the record is decided, now or when it brings it."""
        tell = self._told.pop(offset, None)
        if tell is None:
            self._decided.add(offset)
        else:
            tell()
