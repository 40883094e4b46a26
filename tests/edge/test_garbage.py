"""What a connection leaves behind is gone at once: nothing waits for a search for cyclic garbage."""

import asyncio
import gc

from edge.client import Client
from edge.connection import _ServerProtocol
from tests.edge.fakes import STREAM, stage, until
from tests.edge.raw import CONNECT, command, upgraded

SUBSCRIBE = command(id=2, subscribe={"channel": f"stream:{STREAM}"})


def left(*kinds: type) -> list[object]:
    """Return the objects there are, garbage that was not found yet included."""
    return [each for each in gc.get_objects() if type(each) in kinds]


async def test_a_connection_that_ends_leaves_no_cycles() -> None:
    """So that an edge may search seldom, and churn does not fill its memory meanwhile."""
    async with stage() as on:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                async with upgraded(on) as peer:
                    await peer.send(CONNECT, SUBSCRIBE)
                    await peer.messages(2)
                await until(lambda: not on.server.connections)
            await asyncio.sleep(0)
            assert left(Client, _ServerProtocol) == []
        finally:
            gc.enable()
