"""Stopping aiokafka's clients for certain.

A consumer's ``stop`` lets out the cancellation of its own fetches (aiokafka 0.14: `Fetcher.close` cancels
and awaits them), when one of them is just being tried again, as while Kafka is away. To whoever awaits it,
that looks like a cancellation of their own: found by `livecomments nemesis`, edges ended by it when Kafka
was restarted. And what the broken-off ``stop`` had left to do, closing sockets, is not done.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError


async def stop_consumer(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Stop within a limit (twice it, at worst). Raises nothing but the caller's own cancellation."""
    if not await ended(consumer.stop(), seconds):
        await ended(consumer._client.close(), seconds)  # noqa: SLF001 - what is left of `stop`


async def stop_producer(producer: AIOKafkaProducer, seconds: float) -> None:
    """Stop within a limit: `stop` alone waits for ever while Kafka is away."""
    stopping = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=seconds)
    if not done:
        # There is no public way to give up on idempotent records: end the sender, and fail its futures.
        sender = producer._sender.sender_task  # noqa: SLF001
        if sender is not None:
            sender.cancel()
        producer._message_accumulator.fail_all(KafkaError("given up"))  # noqa: SLF001
    with contextlib.suppress(KafkaError, OSError, asyncio.CancelledError):
        await stopping


async def ended(closing: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Wait for it as long as that, whatever it does with a cancellation; whether it came to its end."""
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()  # no harm where it is done
    return task.done() and not task.cancelled() and task.exception() is None
