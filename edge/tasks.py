"""Ending tasks for certain.

Up to Python 3.11 `asyncio.wait_for` loses a cancellation that comes while what it waits for is just done
(CPython issue 86296). redis-py waits with it for each command, so that who talks to Redis may have to be
asked more than once.
"""

import asyncio
from collections.abc import Iterable

AGAIN_SECONDS = 0.05


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they ended; what they raise is nobody's business any more."""
    left = [task for task in tasks if not task.done()]
    while left:
        for task in left:
            task.cancel()
        _, pending = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        left = list(pending)
