"""Plays messages into a stream: at their time, several at once, each to a known outcome.

A post whose outcome is not known is repeated with the same id, so that nothing is said twice. What the
system refuses (an author who says too much at once, a listed word) is counted and left: so it is for real
authors.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from livecomments.client.api import Refused, Unknown, Unreachable
from livecomments.client.chatlog import Message
from livecomments.client.pace import Pace

AT_ONCE = 64
"""Posts on their way."""
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_MAX_SECONDS = 5.0
GIVE_UP_SECONDS = 90.0
"""Less than the window in which a repeat is recognised: later it might count twice."""

Post = Callable[[Message, str], Awaitable[None]]
"""Posts a message under an id; raises Refused, Unknown, Unreachable."""


@dataclass(slots=True)
class Counts:
    """What became of the messages."""

    read: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    unknown: int = 0
    """Given up without an outcome."""
    behind_seconds: float = 0.0
    """How late the last message was, for want of free places."""

    def to_json(self, seconds: float) -> dict[str, Any]:
        """Return the summary."""
        return {
            "read": self.read,
            "accepted": self.accepted,
            "refused": dict(sorted(self.refused.items())),
            "retried": self.retried,
            "unknown": self.unknown,
            "seconds": round(seconds, 3),
            "accepted_per_second": round(self.accepted / seconds, 1) if seconds > 0 else 0.0,
            "behind_seconds": round(self.behind_seconds, 3),
        }


class Replay:
    """See the module. ``now`` and ``sleep`` are in seconds; ``new_id`` makes ids."""

    def __init__(
        self,
        post: Post,
        pace: Pace,
        counts: Counts,
        *,
        new_id: Callable[[], str],
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        at_once: int = AT_ONCE,
    ) -> None:
        self._post = post
        self._pace = pace
        self._counts = counts
        self._new_id = new_id
        self._now = now
        self._sleep = sleep
        self._places = asyncio.Semaphore(at_once)

    async def run(self, messages: Iterable[Message]) -> None:
        """Play them all; returns when every one has an outcome.

        Raises:
            Unreachable: the first message found nobody there.

        """
        begun = self._now()
        try:
            async with asyncio.TaskGroup() as group:
                for message in messages:
                    ahead = begun + self._pace.due_seconds(message) - self._now()
                    if ahead > 0:
                        await self._sleep(ahead)
                    await self._places.acquire()
                    self._counts.read += 1
                    late = self._now() - begun - self._pace.due_seconds(message)
                    self._counts.behind_seconds = max(0.0, late) if self._pace.speed > 0 else 0.0
                    group.create_task(self._settle(message))
        except* Unreachable as errors:
            raise errors.exceptions[0] from None

    async def _settle(self, message: Message) -> None:
        try:
            await self._attempts(message, self._new_id())
        finally:
            self._places.release()

    async def _attempts(self, message: Message, id_: str) -> None:
        counts, delay = self._counts, BACKOFF_FIRST_SECONDS
        deadline = self._now() + GIVE_UP_SECONDS
        while True:
            try:
                await self._post(message, id_)
            except Refused as refused:
                counts.refused[refused.name] += 1
                return
            except (Unknown, Unreachable) as error:
                if isinstance(error, Unreachable) and not counts.accepted and not counts.refused:
                    raise
                if self._now() + delay > deadline:
                    counts.unknown += 1
                    return
            else:
                counts.accepted += 1
                return
            counts.retried += 1
            await self._sleep(delay)
            delay = min(BACKOFF_MAX_SECONDS, 2 * delay)
