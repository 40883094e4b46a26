"""Stopping aiokafka's consumers: nothing of theirs reaches who stops them."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.closing import stop_consumer


class Client:
    closed = False

    async def close(self) -> None:
        self.closed = True


class Consumer:
    """One whose `stop` does what a test says."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._client = Client()
        self.stopped = False

    async def stop(self) -> None:
        match self.what:
            case "well":
                self.stopped = True
            case "fails":
                raise KafkaConnectionError("away")
            case "hangs":
                await asyncio.Future()
            case "lets its own cancellation out":
                fetch = asyncio.ensure_future(asyncio.sleep(60))
                await asyncio.sleep(0)
                fetch.cancel()
                await fetch
            case "does not hear that it is cancelled":
                try:
                    await asyncio.Future()
                except asyncio.CancelledError:
                    await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    "what",
    ["well", "fails", "hangs", "lets its own cancellation out", "does not hear that it is cancelled"],
)
async def test_whatever_stop_does_the_caller_goes_on(what: str) -> None:
    """And where `stop` did not get to its end, the sockets are closed all the same."""
    consumer = Consumer(what)
    await stop_consumer(consumer, 0.05)  # type: ignore[arg-type]
    assert consumer.stopped == (what == "well")
    assert consumer._client.closed == (what != "well")


async def test_the_callers_own_cancellation_is_theirs() -> None:
    """Who is cancelled while it stops a consumer is cancelled."""
    task = asyncio.ensure_future(stop_consumer(Consumer("hangs"), 60))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
