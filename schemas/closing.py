"""Stopping aiokafka's clients for certain.

A consumer's ``stop`` lets out the cancellation of its own fetches (aiokafka 0.14: `Fetcher.close` cancels
and awaits them), when one of them is just being tried again, as while Kafka is away. To whoever awaits it,
that looks like a cancellation of their own: found by `livecomments nemesis`, edges ended by it when Kafka
was restarted. And what the broken-off ``stop`` had left to do, closing sockets, is not done.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer


async def stop_consumer(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Stop within a limit (twice it, at worst). Raises nothing but the caller's own cancellation."""
    if not await ended(consumer.stop(), seconds):
        await ended(consumer._client.close(), seconds)  # noqa: SLF001 - what is left of `stop`


async def ended(closing: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Wait for it as long as that, whatever it does with a cancellation; whether it came to its end."""
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()  # no harm where it is done
    return task.done() and not task.cancelled() and task.exception() is None
