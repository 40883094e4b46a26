"""When a message is due. Pure: the clock is an argument of whoever asks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from livecomments.client.chatlog import Message

LOOP_GAP_MS = 2_000
"""Between the last message of a log and its first one again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``speed`` times as fast as it was said; 0: at once."""

    speed: float

    def due_seconds(self, message: Message) -> float:
        """Return when a message is due, in seconds since the beginning."""
        return message.t_ms / 1000 / self.speed if self.speed > 0 else 0.0


def looped(log: Callable[[], Iterable[Message]]) -> Iterator[Message]:
    """Yield a log's messages again and again, each round behind the last. An empty log ends at once."""
    begin_ms = 0
    while True:
        last_ms = None
        for message in log():
            last_ms = begin_ms + message.t_ms
            yield replace(message, t_ms=last_ms)
        if last_ms is None:
            return
        begin_ms = last_ms + LOOP_GAP_MS


def limited(messages: Iterable[Message], limit: int | None) -> Iterator[Message]:
    """Yield the first ``limit`` messages; None: all."""
    return islice(iter(messages), limit)
