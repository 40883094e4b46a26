"""An edge that gets less of the processor for a while, and what a sampled stream's rate does meanwhile."""

import asyncio
import os
import signal
from dataclasses import dataclass, field
from typing import Any, Final

from schemas import stores
from schemas.redisclient import redis_client
from schemas.settings import Redis

CYCLE_SECONDS: Final = 0.05
"""A process is stopped for a share of each; short beside what viewers notice."""
LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Looks:
    """How many comments a second a sampled stream showed each of its viewers: look by look."""

    rates: list[float] = field(default_factory=list)

    def summary(self, since: float) -> dict[str, Any]:
        """Say what the rate was at ``since``, a share of the time, the least from there, and at the end."""
        cut = round(since * len(self.rates))
        return {
            "before": self.rates[cut - 1] if cut else None,
            "least": min(self.rates[cut:], default=None),
            "at_the_end": self.rates[-1] if self.rates else None,
        }


async def starve(pid: int, share: float, seconds: float) -> None:
    """Stop a process for ``share`` of the time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    try:
        while loop.time() < end:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(CYCLE_SECONDS * share)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(CYCLE_SECONDS * (1 - share))
    finally:
        os.kill(pid, signal.SIGCONT)


async def watch(settings: Redis, stream: str, looks: Looks) -> None:
    """Look at the stream's rate on the live board, until cancelled; not sampled counts as no look."""
    redis = redis_client(settings, decode_responses=True)
    try:
        while True:
            known: Any = await redis.hgetall(stores.live(stream))
            if known.get("sampled") == "1":
                looks.rates.append(float(known["rate"]))
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await redis.aclose()
